"""A member of the run, in a process of its own: ``python -m tests.fault.member SERVERS NAME``; SIGUSR1 cuts it off."""

import asyncio
import gc
import random
import signal
import sys
from typing import Any

from aiokafka import TopicPartition
from aiokafka.conn import AIOKafkaConnection

from consumer import logs
from consumer.kafka.observe import Silent
from consumer.kafka.service import ServiceHealth, serve
from consumer.kafka.transaction import Transactor
from consumer.stage import Outgoing, Stage
from tests.fault import mutants
from tests.fault.plan import lab_of
from tests.fault.stages import Hold, PassOn


def cut() -> None:
    """Break every connection that there is, whatever is under way on it."""
    for thing in gc.get_objects():
        if isinstance(thing, AIOKafkaConnection) and thing._writer is not None:
            thing._writer.transport.abort()


def pass_on(partition: int) -> Stage:
    """Return an ingest stage."""
    return PassOn(partition)


def hold(partition: int) -> Stage:
    """Return a judge stage."""
    return Hold(partition)


def linger() -> None:
    """Keep every transaction open a little, or hardly a fault would find one open."""
    send = Transactor._send

    async def slow(self: Transactor, placed: dict[TopicPartition, list[Outgoing]]) -> list[Any]:
        delivered = await send(self, placed)
        await asyncio.sleep(random.uniform(0, 0.2))
        return delivered

    Transactor._send = slow  # type: ignore[method-assign]


async def main(servers: str, name: str) -> int:
    """Serve both stages; say each second whether we are ready."""
    health = ServiceHealth()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, cut)

    async def tell() -> None:
        while True:
            sys.stdout.write("ready\n" if health.ready() else "not ready\n")
            sys.stdout.flush()
            await asyncio.sleep(0.2)

    telling = asyncio.create_task(tell())
    try:
        return await serve(
            lab_of(servers, name).config,
            make_ingest=pass_on,
            make_judge=hold,
            stages=("ingest", "judge"),
            metrics=Silent(),
            health=health,
        )
    finally:
        telling.cancel()


if __name__ == "__main__":
    logs.configure("info")
    mutants.apply()
    linger()
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2])))
