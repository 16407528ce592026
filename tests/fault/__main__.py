"""
A fault run: ``python -m tests.fault --seed N --faults M``; ends with 0 when every invariant holds.

Three members, a feed with a model, and one fault after another on a broker of its own; then the invariants of KAFKA.md
as a table. ``--mutant`` switches a rule off, and the run has to end with 1.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from consumer.kafka import compat, topics
from consumer.kafka.brokers import Broker, broker
from consumer.stage import Output
from tests.fault import mutants
from tests.fault.check import Findings, Reader, check
from tests.fault.faults import MEMBERS, Faults, Members
from tests.fault.plan import Feed, lab_of
from tests.fault.segments import lost_markers
from tests.kafka.lab import Lab

RECOVERY_SECONDS = 30.0
"""Session timeout, a broker's restart, and room for two cores that are shared."""

QUIET_SECONDS = 60.0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def recovered(feed: Feed, live: Reader) -> float | None:
    """Wait until everything written by now has been told; return how long it took, None when it took too long."""
    begun = time.monotonic()
    wanted = feed.model.alerts
    while live.counts < wanted:
        if time.monotonic() - begun > RECOVERY_SECONDS:
            return None
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


async def play(lab: Lab, own: Broker, seed: int, count: int, logs: Path) -> Findings:
    """Do one run."""
    found = Findings()
    await topics.create(lab.config)
    await topics.create_inbound(lab.config, lab.inbound_partitions)
    members = Members(lab, logs)
    feed, live, uncommitted = Feed(lab, seed), Reader(lab, "read_committed"), Reader(lab, "read_uncommitted")
    faults = Faults(lab, members, own, seed)
    try:
        async with live.reading(), uncommitted.reading():
            for _ in range(MEMBERS):
                members.start()
            feeding = asyncio.create_task(feed.run())
            if await recovered(feed, live) is None:
                found.notes.append("never started")
            for number, kind in enumerate(faults.plan(count), 1):
                await asyncio.sleep(0.5)
                begun = time.monotonic()
                await faults.kinds[kind]()
                took = await recovered(feed, live)
                found.faults += 1
                whole = time.monotonic() - begun
                found.longest_stall = max(found.longest_stall, whole)
                how = "NOT RECOVERED" if took is None else f"recovered, {whole:.1f} s"
                say(f"{number:3}/{count} {kind:30} {how:20} {feed.model.alerts} messages")
                if took is None:
                    found.no_recovery += 1
                    break
            feed.stop()
            await feeding
            await _rest(feed, live, found)
            codes = await members.stop_all()
            found.not_running += sum(code != 0 for code in codes)
            await asyncio.sleep(1)
    finally:
        members.kill_all()
    found.tracebacks = len(members.said_traceback())
    lost = lost_markers(own, [lab.topic(output) for output in Output])
    await check(lab, feed.model, live, uncommitted, found, lost)
    if lost:
        found.notes.append(f"the broker lost ABORT markers (KAFKA.md fact 13): {lost}")
    return found


async def _rest(feed: Feed, live: Reader, found: Findings) -> None:
    """Wait until all counts and holds have been told, or nothing more comes."""
    wanted = feed.model.alerts + len(feed.model.holds)
    for _ in range(int(QUIET_SECONDS / 0.2)):
        if len(live.seen) >= wanted:
            break
        await asyncio.sleep(0.2)
    if len(live.seen) < wanted:
        found.notes.append(f"at the end only {len(live.seen)} of {wanted} alerts had come")
    # Whatever is doubled may come a little later; so may the commits that only move offsets.
    await asyncio.sleep(4)


def table(found: Findings) -> None:
    """Print what was found."""
    broken = set(found.broken)
    for name, value in vars(found).items():
        if name != "notes":
            shown = f"{value:.1f} s" if isinstance(value, float) else str(value)
            say(f"  {name.replace('_', ' '):32} {shown:>10} {'  BROKEN' if name in broken else ''}")
    for note in found.notes:
        say(f"  note: {note}")


def main() -> int:
    """Run, and return 0 when every invariant holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--mutant", choices=sorted(mutants.MUTANTS))
    parser.add_argument("--logs", type=Path, help="folder for the members' logs (else a temporary one)")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    compat.hush()
    if given.mutant:
        os.environ[mutants.SWITCH] = given.mutant
    os.environ.pop("LAB_ALERT_TEST_BOOTSTRAP", None)
    say(f"seed {given.seed}, {given.faults} faults, mutant {given.mutant or 'none'}")
    with tempfile.TemporaryDirectory(prefix="lab-alert-faults-") as scratch, broker() as own:
        logs = given.logs or Path(scratch)
        logs.mkdir(parents=True, exist_ok=True)
        lab = lab_of(own.bootstrap_servers, f"faults-{given.seed}")
        found = asyncio.run(play(lab, own, given.seed, given.faults, logs))
    table(found)
    say("GREEN" if not found.broken else f"RED: {', '.join(found.broken)}")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
