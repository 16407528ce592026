# ruff: noqa: T201  (what it prints is its product)
"""
Mutation testing of `rules/`: how much of it could be wrong without a test that says so.

``python -m tests.mutation`` tries every mutant and writes docs/mutants.md; ``python -m tests.mutation renal units``
tries those modules, and writes the page when all have been tried as they stand now. Exit 1 when fewer than 92 % are
killed, a survivor has no verdict in verdicts.toml, or the time did not suffice (what was tried is kept).
"""

import argparse
import sys
import time
from pathlib import Path

from tests.mutation.mutants import FOLDER, MODULES
from tests.mutation.report import AT_LEAST, Store, page, verdicts
from tests.mutation.run import Outcome, run

ROOT = FOLDER.parent
PAGE = ROOT / "docs" / "mutants.md"


def main() -> int:
    """Run, store, report."""
    parser = argparse.ArgumentParser(prog="tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="modules of rules/, as renal or words.summary (all of them)")
    parser.add_argument("--rest", action="store_true", help="only modules that have not been tried as they stand now")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1500, help="then stop, and fail")
    arguments = parser.parse_args()
    store = Store(ROOT / ".build" / "mutants", MODULES)
    done = store.load() if arguments.rest else {}
    chosen = [module for module in arguments.modules or MODULES if module not in done]
    started = time.monotonic()

    def save(module: str, outcomes: list[Outcome]) -> None:
        store.save(module, outcomes)
        killed = sum(one.killed for one in outcomes)
        print(f"{time.monotonic() - started:5.0f} s {module:22} {killed:5} of {len(outcomes):5} killed", flush=True)

    run(chosen, save, jobs=arguments.jobs, seconds=arguments.seconds)
    return told(store, chosen)


def told(store: Store, chosen: list[str]) -> int:
    """Print what survived and has no verdict; write the page when it can be complete; return the exit code."""
    known = verdicts(Path(__file__).with_name("verdicts.toml"))
    tried = store.load()
    late = [name for name in chosen if name not in tried]
    without = [one for kept in tried.values() for one in kept if not one.killed and known.of(one) is None]
    for one in without:
        print(f"\n{one.verdict}: {one.where}\n  - {one.before}\n  + {one.after}")
    print(*(f"not tried in time: {name}" for name in late), sep="\n")
    killed, total = (sum(one.killed for kept in tried.values() for one in kept), sum(map(len, tried.values())))
    print(f"{killed} of {total} killed: {100 * killed / max(total, 1):.1f} % (at least {AT_LEAST} %)")
    if store.complete:
        PAGE.write_text(page(tried, known), encoding="utf-8")
        unused = known.unused([one for kept in tried.values() for one in kept if not one.killed])
        print(*(f"a verdict on nothing: {one.where} {one.after}" for one in unused), sep="\n")
        return int(bool(without or unused) or 100 * killed < AT_LEAST * total)
    return int(bool(without or late))


if __name__ == "__main__":
    sys.exit(main())
