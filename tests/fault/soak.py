"""
A soak: the same members, feed and faults for half an hour, and what they hold on to meanwhile.

``python -m tests.fault.soak --duration 1800 --rate 500 --every 20``. Memory and file descriptors of each member and of
the broker, and partitions with an open transaction, have to end where they began; where the first third ends is the
beginning, for until then the patients' histories are still growing to the length that is kept.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

from consumer.kafka.brokers import Broker, JavaBroker
from consumer.kafka.config import KafkaConfig
from tests.e2e.deployment import Deployment
from tests.fault import report
from tests.fault.check import open_transactions
from tests.fault.meanwhile import meanwhile
from tests.fault.members import Members
from tests.fault.model import Model
from tests.fault.run import Given, Run, play, prepare, say

SAMPLE_SECONDS = 5.0
INBOUND_MAX_BYTES = 100_000
"""At this rate more of one patient waits, while a fault holds the watermark up, than a run's tight limit takes."""

SETTLED_SECONDS = 15.0
"""What a process holds before that is what it is made of, and not yet what it works with."""

GROWN = 1.25
"""A member that holds more than so many times what it held after the first third has grown."""

GROWN_MEGABYTES = 20
GROWN_DESCRIPTORS = 20


class Held(NamedTuple):
    """What a process holds: memory in MB, file descriptors; or for the broker's log, open transactions."""

    megabytes: float
    descriptors: int


def held(pid: int) -> Held | None:
    """Return what a process holds now; None when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None
    resident = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return Held(int(resident.split()[1]) / 1024, descriptors)


class Usage:
    """Looks every few seconds at what each process holds; one that was replaced is another."""

    def __init__(self, config: KafkaConfig, members: Members, broker: Broker) -> None:
        self.seen: dict[str, list[tuple[float, Held]]] = {}
        self.open: list[tuple[float, int]] = []
        self._config = config
        self._members = members
        self._broker = broker

    def looking(self) -> AbstractAsyncContextManager[None]:
        """Look for as long as the context lasts."""
        return meanwhile(self._go())

    async def _go(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def look(self) -> None:
        """Look once."""
        now = time.monotonic()
        processes = {f"member {process.pid}": process.pid for process in self._members.running}
        if isinstance(self._broker, JavaBroker) and self._broker._process is not None:
            processes["broker"] = self._broker._process.pid
        for name, pid in processes.items():
            if (found := held(pid)) is not None:
                self.seen.setdefault(name, []).append((now, found))
        with contextlib.suppress(Exception):  # the broker may be away
            async with asyncio.timeout(SAMPLE_SECONDS):
                self.open.append((now, await open_transactions(self._config)))


class SoakRun(Run):
    """A run whose faults come by the clock, and of whose members one is never ended."""

    def __init__(self, given: Given, own: Broker, deployment: Deployment, port: int) -> None:
        super().__init__(given, own, deployment, port)
        self.usage = Usage(self._config, self._members, self._broker)
        self.begun = self.over = 0.0

    async def _strike(self) -> None:
        """Strike every so many seconds, and look at what everybody holds."""
        self._faults.spared = self._members.running[0]
        self.begun = time.monotonic()
        async with self.usage.looking():
            due = self.begun
            for name in self._faults.endless():
                due = max(due + self._given.every, time.monotonic())
                if due > self.begun + self._given.soak_seconds:
                    break
                await asyncio.sleep(due - time.monotonic())
                await self._one(name)

    async def _rest(self, wanted: Model) -> None:
        """Look once more when all is still."""
        await super()._rest(wanted)
        await self.usage.look()
        self.over = time.monotonic()


class Row(NamedTuple):
    """One process over a soak, or over as much of it as it lived: at the beginning, at most, at the end."""

    name: str
    seconds: float
    first: Held
    most: Held
    last: Held

    @property
    def grown(self) -> bool:
        """Whether it holds more at the end than at the beginning."""
        memory = self.last.megabytes > max(self.first.megabytes * GROWN, self.first.megabytes + GROWN_MEGABYTES)
        return memory or self.last.descriptors > self.first.descriptors + GROWN_DESCRIPTORS


def rows(seen: Mapping[str, list[tuple[float, Held]]], begun: float, over: float) -> list[Row]:
    """
    Return a row for each process that was there after the first third; the broker, and who lived longest, first.

    >>> steady = [(at, Held(70.0, 30)) for at in (0.0, 20.0, 30.0)]
    >>> leaking = [(at, Held(70.0, round(at) * 2)) for at in (0.0, 20.0, 30.0, 40.0)]
    >>> [(row.name, row.grown) for row in rows({"a": steady, "b": leaking}, 0.0, 40.0)]
    [('b', True), ('a', False)]
    """
    third = begun + (over - begun) / 3
    made = []
    for name, samples in seen.items():
        later = [(at, one) for at, one in samples if at >= max(third, samples[0][0] + SETTLED_SECONDS)]
        if not later:
            continue
        most = Held(max(one.megabytes for _, one in later), max(one.descriptors for _, one in later))
        made.append(Row(name, later[-1][0] - samples[0][0], later[0][1], most, later[-1][1]))
    return sorted(made, key=lambda row: (row.name != "broker", -row.seconds))


def table(usage: Usage, begun: float, over: float, shown: int = 5) -> bool:
    """Print who held what; return whether everything ended where it began."""
    say()
    say(f"  {'':16} {'lived':>8}   {'memory: start':>14} {'most':>8} {'end':>8}   {'files: start':>13}  most   end")
    found = rows(usage.seen, begun, over)
    for row in found[:shown]:
        say(
            f"  {row.name:16} {row.seconds:6.0f} s   {row.first.megabytes:11.0f} MB {row.most.megabytes:5.0f} MB "
            f"{row.last.megabytes:5.0f} MB   {row.first.descriptors:13} {row.most.descriptors:5} "
            f"{row.last.descriptors:5}{'  GROWN' if row.grown else ''}"
        )
    counts = [count for _, count in usage.open] or [0]
    say(f"  partitions with an open transaction: start {counts[0]}, most {max(counts)}, end {counts[-1]}")
    members = [row for row in found if row.name != "broker"]
    # The broker's heap grows to what it was given; its files are the topics' segments, which the soak writes.
    return bool(members) and not members[0].grown and not counts[-1]


def main() -> int:
    """Soak, and return 0 when every invariant holds and nothing has grown."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=1_800.0, help="seconds")
    parser.add_argument("--rate", type=int, default=500, help="messages a second")
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two faults")
    parser.add_argument("--logs", type=Path, help="folder for the members' logs and the broker's files")
    given = parser.parse_args()
    prepare(given.logs)
    say(f"seed {given.seed}, {given.duration:.0f} s at {given.rate} messages/s, a fault every {given.every:.0f} s")
    about = Given(given.seed, 0, logs=given.logs, rate=given.rate, soak_seconds=given.duration, every=given.every)
    about = about._replace(inbound_max_bytes=INBOUND_MAX_BYTES)
    run = play(about, SoakRun)
    report.faults(run.struck)
    good = report.findings({f"seed {given.seed}": run.found})
    level = table(run.usage, run.begun, run.over)
    say("as it began" if level else "GROWN")
    return 0 if good and level else 1


if __name__ == "__main__":
    sys.exit(main())
