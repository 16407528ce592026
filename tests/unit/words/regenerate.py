"""Write the golden table and docs/rules.md anew: ``python -m tests.unit.words.regenerate``; then read what changed."""

from pathlib import Path

from rules.alert import Rule
from rules.explain import explain
from tests.unit.words.golden import TABLE, table

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"

HEAD = """# The rules in plain words

With the figures of the default rulebook. Made by `python -m tests.unit.words.regenerate` from `rules/explain.py`, and
held to it by a test; `python -m rules --explain RULE` prints one of them, `lab-alert rules` with a site's own figures.
What the alerts then say is in [the golden table](../tests/unit/words/golden.md).
"""


def page() -> str:
    """Return docs/rules.md, as the code says it now."""
    return HEAD + "".join(f"\n## {rule.value}\n\n```text\n{explain(rule)}\n```\n" for rule in Rule)


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
