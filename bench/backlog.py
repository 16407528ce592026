"""
Memory under a backlog: what the service holds while it works off far more than it can send on (issue D, bounds).

``python -m bench.backlog [MESSAGES] [SECONDS]``: so many messages of the mix wait in the inbound topic when the service
starts; it is looked at for so long at most. First against the broker as it is, then with every commit a third of a
second late, as behind a broker that is slow; what is held then is the same, or a queue of ours grows.
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

from bench.throughput import create_inbound, deployment, fill, service
from consumer.kafka.brokers import broker
from consumer.kafka.transaction import Transactor
from consumer.stage import Outgoing

MESSAGES = 1_000_000
SECONDS = 240
EARLY = 100_000
"""Messages after which the first figure is taken: caches are full by then, and so is everything that has a limit."""

LATE_SECONDS = 0.33
GROWTH = 1.5
"""What the peak at the end may be of the peak at `EARLY`; the patients stored grow meanwhile, nothing else may."""


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


async def watch(servers: str, count: int, seconds: float, module: str) -> list[Held]:
    """Run the service on the backlog; return what it held after `EARLY` messages and at the end."""
    held: list[Held] = []
    with service(servers, module) as running:
        async with asking(servers) as admin:
            until = time.monotonic() + seconds
            while time.monotonic() < until and running.poll() is None:
                done = 0
                with contextlib.suppress(GroupCoordinatorNotAvailableError):  # nobody has committed yet
                    found = await admin.list_consumer_group_offsets(f"{deployment(module)}-ingest")
                    done = sum(place.offset for place in found.values() if place.offset > 0)
                if done >= EARLY and not held:
                    held.append(Held(done, *memory(running.pid)))
                if done >= count:
                    break
                await asyncio.sleep(0.2)
            held.append(Held(done, *memory(running.pid)))
    return held


async def measure(servers: str, count: int, seconds: float) -> bool:
    """Print the figures of both runs; return whether memory stayed within its bound."""
    print(f"Writing {count:,} messages (1,350 bytes, one in ten relevant)", flush=True)
    await create_inbound(servers)
    await fill(servers, count)
    well = True
    for module, what in (("consumer", "the broker as it is"), ("bench.backlog", f"commits {LATE_SECONDS} s late")):
        held = await watch(servers, count, seconds, module)
        for one in held:
            print(f"{what:<24}{one.messages:>10,} messages  {one.resident:>6.0f} MiB, at most {one.peak:>6.0f} MiB")
        grown = held[-1].peak / held[0].peak
        well &= len(held) > 1 and grown <= GROWTH
        print(f"{'… grown by':<24}{grown:>10.2f} (allowed {GROWTH})", flush=True)
    return well


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
