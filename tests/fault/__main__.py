"""
Fault runs: ``python -m tests.fault --seed N --faults M``; ends with 0 when every invariant holds.

Three members, a feed with a model, and one fault after another on a broker of its own; then the invariants of KAFKA.md
as a table.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from consumer.kafka import compat
from tests.fault.check import Findings
from tests.fault.run import Given, Struck, play, say


def table(found: Findings, struck: list[Struck]) -> None:
    """Print what was found."""
    say("")
    for kind in dict.fromkeys(one.kind for one in struck):
        stalls = [one.stall_seconds for one in struck if one.kind == kind]
        bound = next(one.bound_seconds for one in struck if one.kind == kind)
        allowed = "" if bound is None else f"of {bound:4.1f}"
        say(f"  {kind:32} {len(stalls):4} x   longest stall {max(stalls):5.1f} s {allowed}")
    say("")
    broken = set(found.broken)
    for name, value in vars(found).items():
        if name != "notes":
            shown = f"{value:.1f}" if isinstance(value, float) else str(value)
            say(f"  {name.replace('_', ' '):32} {shown:>10} {'  BROKEN' if name in broken else ''}")
    for note in found.notes:
        say(f"  note: {note}")
    say("GREEN" if not broken else f"RED: {', '.join(found.broken)}")


def main() -> int:
    """Run, and return 0 when every invariant holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--only", action="append", default=[], help="these kinds of fault alone")
    parser.add_argument("--logs", type=Path, help="folder for the members' logs")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    compat.hush()
    os.environ.pop("LAB_ALERT_TEST_BOOTSTRAP", None)
    if given.logs is not None:
        given.logs.mkdir(parents=True, exist_ok=True)
    say(f"seed {given.seed}, {given.faults} faults")
    found, struck = play(Given(given.seed, given.faults, tuple(given.only), logs=given.logs))
    table(found, struck)
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
