"""``python -m rules --explain RULE``: the rules in plain words, with the figures of the default rulebook (issue 5)."""

import argparse
import sys
from collections.abc import Sequence

from rules.alert import Rule
from rules.explain import explain
from rules.words.endings import TITLES


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is asked for; a site's own figures are printed by ``lab-alert rules``."""
    parser = argparse.ArgumentParser(prog="python -m rules", description="The clinical rules in plain words.")
    parser.add_argument("--list", action="store_true", help="name the rules")
    parser.add_argument(
        "--explain",
        metavar="RULE",
        nargs="?",
        const="all",
        default="all",
        choices=["all", *(rule.value for rule in Rule)],
        help="one rule, or all of them: what fires it, severity, ends, parameters with units, bounds and sources",
    )
    chosen = parser.parse_args(arguments)
    if chosen.list:
        sys.stdout.writelines(f"{rule.value}: {TITLES[rule]}\n" for rule in Rule)
        return 0
    rules = [rule for rule in Rule if chosen.explain in ("all", rule.value)]
    sys.stdout.write("\n\n\n".join(explain(rule) for rule in rules) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
