"""What alerts say: one idea a module, `transitions` on top (RULES.md, intended use)."""
