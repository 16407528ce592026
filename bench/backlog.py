"""
Memory under a backlog: what the service holds while it works off far more than it can send on (issue D, bounds).

``python -m bench.backlog [MESSAGES] [SECONDS]``: what it holds after the first messages is taken three times: with
nothing behind them; with all the others waiting; and so with every commit four seconds late, as behind a broker
that is slow. If any queue of ours grows with what waits, the second or third is more. What it holds at the end is more
by the results of the patients stored meanwhile. Each run takes so many seconds at most.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from bench.throughput import create_inbound, fill, service
from consumer.kafka.brokers import broker
from consumer.kafka.transaction import Transactor
from consumer.stage import Outgoing

MESSAGES = 1_000_000
SECONDS = 300
EARLY = 300_000
"""Messages after which the first figure is taken: caches are full by then, and so is everything that has a limit."""

LATE_SECONDS = 4.0
BEHIND = 1.4
"""What may be held with the others waiting, of what is held without: full fetches and transactions, and no queue."""

GROWTH = 1.5
"""What the peak at the end may be of the one at `EARLY`: three times as many results of the same 5,000 patients."""


class Held(NamedTuple):
    """Messages worked off, and the process's memory then and at most until then, in MiB."""

    messages: int
    resident: float
    peak: float


def memory(pid: int) -> tuple[float, float]:
    """Return resident memory and its peak, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name[:2] == "Vm"}
    return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024


@contextlib.asynccontextmanager
async def asking(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a connected admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def watch(servers: str, marks: Sequence[int], seconds: float, module: str, name: str) -> list[Held]:
    """Run the service as a deployment of its own from the beginning; return what it held after so many messages."""
    held: list[Held] = []
    with service(servers, module, name) as running:
        async with asking(servers) as admin:
            until = time.monotonic() + seconds
            while len(held) < len(marks) and time.monotonic() < until and running.poll() is None:
                await asyncio.sleep(0.2)
                with contextlib.suppress(GroupCoordinatorNotAvailableError):  # nobody has committed yet
                    found = await admin.list_consumer_group_offsets(f"{name}-ingest")
                    done = sum(place.offset for place in found.values() if place.offset > 0)
                    if done >= marks[len(held)]:
                        held.append(Held(done, *memory(running.pid)))
    return held


async def measure(servers: str, count: int, seconds: float) -> bool:
    """Print the figures of all runs; return whether memory stayed within its bounds."""
    early = min(EARLY, count // 2)
    print(f"Writing {early:,} messages (1,350 bytes, one in ten relevant), and then {count - early:,}", flush=True)
    await create_inbound(servers)
    await fill(servers, early)
    found = {"nothing behind them": await watch(servers, (early,), seconds, "consumer", "bench-alone")}
    await fill(servers, count - early, seed=2)
    for name, module, what in (
        ("bench-behind", "consumer", "the others waiting"),
        ("bench-late", "bench.backlog", f"commits {LATE_SECONDS} s late"),
    ):
        found[what] = await watch(servers, (early, count), seconds, module, name)
    for what, held in found.items():
        for one in held:
            print(f"{what:<24}{one.messages:>10,} messages  {one.resident:>6.0f} MiB, at most {one.peak:>6.0f} MiB")
    (alone,), *others = found.values()
    if not all(len(held) == len((early, count)) for held in others):
        print("not all was worked off in time")
        return False
    behind = max(first.peak for first, _ in others) / alone.peak
    grown = max(last.peak / first.peak for first, last in others)
    print(f"{'… with others waiting':<24}{behind:>10.2f} times (allowed {BEHIND})")
    print(f"{'… grown by the end':<24}{grown:>10.2f} times (allowed {GROWTH})", flush=True)
    return behind <= BEHIND and grown <= GROWTH


def late() -> None:
    """Have every commit come late, as from a broker that is slow."""
    commit = Transactor.commit

    async def slowly(
        self: Transactor, outgoing: Sequence[Outgoing], offset: int, metadata: Callable[[int | None], str]
    ) -> int | None:
        await asyncio.sleep(LATE_SECONDS)
        return await commit(self, outgoing, offset, metadata)

    Transactor.commit = slowly  # type: ignore[method-assign]  # replaced for the bench alone


def bench() -> int:
    """Measure on a broker of its own."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    with broker() as running:
        return 0 if asyncio.run(measure(running.bootstrap_servers, count, seconds)) else 1


if __name__ == "__main__":
    if set(sys.argv) & {"run", "topics"}:
        from consumer.cli.main import main

        late()
        sys.exit(main())
    sys.exit(bench())
