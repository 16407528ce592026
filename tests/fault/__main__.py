"""
Fault runs: ``python -m tests.fault --seed N --faults M``; ends with 0 when every invariant holds.

Three members, a feed with a model, and one fault after another on a broker of its own; then the invariants of KAFKA.md
as a table. ``--mutants`` makes short runs with one rule switched off each, and ends with 0 when every one was noticed.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fault import mutants, report
from tests.fault.mutants import ASKED_FOR, MUTANTS
from tests.fault.run import Given, Run, play, prepare, say

FAULTS = 12
PROVES_NOTHING = {"aborted_seen_uncommitted"}
"""Broken by itself it says that no fault bit, and not that one was noticed."""


def seeds(first: Given, count: int) -> bool:
    """Make a run for each of *count* seeds; return whether every invariant holds in all of them."""
    runs, struck = {}, []
    for seed in range(first.seed, first.seed + count):
        say(f"seed {seed}, {first.faults} faults")
        run = play(first._replace(seed=seed), Run)
        runs[f"seed {seed}"] = run.found
        struck += run.struck
        report.faults(run.struck)
        report.findings({f"seed {seed}": run.found})
        say()
    if count > 1:
        say(f"{len(struck)} faults in all")
        report.faults(struck)
        return report.findings(runs)
    return not any(found.broken for found in runs.values())


def switched_off(given: Given, names: list[str]) -> bool:
    """Make the short run of each mutant of *names*; return whether every one was noticed."""
    caught: dict[str, list[str]] = {}
    for name in names:
        mutant = MUTANTS[name]
        say(f"{name} switched off: {mutant.patch.__doc__}")
        os.environ[mutants.SWITCH] = name
        begun = time.monotonic()
        wanted = given._replace(
            faults=mutant.faults,
            only=mutant.only,
            settings=dict(mutant.settings),
            module="tests.fault.member",
            recovery_seconds=20.0,
            until_broken=True,
        )
        run = play(wanted, Run)
        del os.environ[mutants.SWITCH]
        report.faults(run.struck)
        caught[name] = sorted(set(run.found.broken) - PROVES_NOTHING)
        report.findings({name: run.found})
        say(f"{time.monotonic() - begun:.0f} s")
        say()
    for name, by in caught.items():
        say(f"  {name:14} {'caught by ' + ', '.join(by).replace('_', ' ') if by else 'WENT UNNOTICED'}")
    return all(caught.values())


def main() -> int:
    """Run, and return 0 when what was asked for holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many runs, each with the next seed")
    parser.add_argument("--faults", type=int, default=FAULTS, help="how many in all")
    parser.add_argument("--only", action="append", default=[], help="these kinds of fault alone")
    parser.add_argument("--mutants", action="store_true", help="each rule switched off in turn")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="this rule switched off")
    parser.add_argument("--like", choices=sorted(MUTANTS), help="a mutant's run with nothing switched off")
    parser.add_argument("--logs", type=Path, help="folder for the members' logs and the broker's files")
    given = parser.parse_args()
    prepare(given.logs)
    wanted = Given(given.seed, -(-given.faults // given.seeds), tuple(given.only), logs=given.logs)
    if given.mutants or given.mutant:
        good = switched_off(wanted, [given.mutant] if given.mutant else list(ASKED_FOR))
    elif given.like:
        mutant = MUTANTS[given.like]
        wanted = wanted._replace(faults=mutant.faults, only=mutant.only, settings=dict(mutant.settings))
        good = seeds(wanted, 1)
    else:
        good = seeds(wanted, given.seeds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
