# ruff: noqa: T201  (what it prints is its product)
"""
Mutation testing of `rules/`: how much of it could be wrong without a test that says so.

``python -m tests.mutation`` tries every mutant and writes docs/mutants.md; ``python -m tests.mutation renal units``
tries those modules, and writes the page when all have been tried as they stand now. Exit 1 when fewer than 92 % are
killed, a survivor has no verdict in verdicts.toml, or the time did not suffice.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.mutation.mutants import FOLDER, mutants_of
from tests.mutation.report import AT_LEAST, Store, page, verdicts
from tests.mutation.run import run

ROOT = FOLDER.parent
PAGE = ROOT / "docs" / "mutants.md"


def main() -> int:
    """Run, store, report."""
    parser = argparse.ArgumentParser(prog="tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="modules of rules/ (all of them)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1500, help="then stop; what was not tried counts as alive")
    arguments = parser.parse_args()
    paths = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
    chosen = arguments.modules or list(paths)
    store = Store(ROOT / ".build" / "mutants", paths)
    started = time.monotonic()
    mutants = [mutant for name in chosen for mutant in mutants_of(paths[name])]
    print(f"{len(mutants)} mutants of {len(chosen)} modules")
    outcomes = run(mutants, jobs=arguments.jobs, seconds=arguments.seconds)
    print(f"in {time.monotonic() - started:.0f} s on {arguments.jobs} cores")
    for name in chosen:
        store.save(name, [one for one in outcomes if one.mutant.module == f"rules.{name}"])
    return told(store, chosen)


def told(store: Store, chosen: list[str]) -> int:
    """Print what survived and has no verdict; write the page when it can be complete; return the exit code."""
    known = verdicts(Path(__file__).with_name("verdicts.toml"))
    tried = store.load()
    without = [one for name in chosen for one in tried[name] if not one.killed and known.of(one) is None]
    for one in without:
        print(f"\n{one.verdict}: {one.where}\n  - {one.before}\n  + {one.after}")
    for name in chosen:
        killed = sum(one.killed for one in tried[name])
        print(f"{name:20} {killed:5} of {len(tried[name]):5} killed, {len(tried[name]) - killed} not")
    killed, total = (sum(one.killed for kept in tried.values() for one in kept), sum(map(len, tried.values())))
    print(f"{killed} of {total} killed: {100 * killed / max(total, 1):.1f} % (at least {AT_LEAST} %)")
    if store.complete:
        PAGE.write_text(page(tried, known), encoding="utf-8")
        unused = known.unused([one for kept in tried.values() for one in kept if not one.killed])
        print(*(f"a verdict on nothing: {one.where} {one.after}" for one in unused), sep="\n")
        return int(bool(without or unused) or 100 * killed < AT_LEAST * total)
    return int(bool(without))


if __name__ == "__main__":
    sys.exit(main())
