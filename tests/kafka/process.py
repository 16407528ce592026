"""A member in a process of its own, to be frozen and killed: ``python -m tests.kafka.process SERVERS NAME STAGE…``."""

import asyncio
import sys
from typing import Any

from aiokafka import TopicPartition

from consumer.kafka import compat
from consumer.kafka.member import Member
from consumer.kafka.reach import Reach
from consumer.kafka.transaction import Transactor
from consumer.stage import Outgoing, Stage
from tests.fault import mutants
from tests.kafka.lab import Count, Echo, Failures, Lab


def echo(partition: int) -> Stage:
    """Return a stage like ingest."""
    return Echo(partition)


def count(partition: int) -> Stage:
    """Return a stage like judge."""
    return Count(partition)


def commit_slowly() -> None:
    """Keep every transaction open for a second."""
    send = Transactor._send

    async def slow(self: Transactor, placed: dict[TopicPartition, list[Outgoing]]) -> list[Any]:
        delivered = await send(self, placed)
        await asyncio.sleep(1)
        return delivered

    Transactor._send = slow  # type: ignore[method-assign]


async def serve(servers: str, name: str, stages: list[str]) -> None:
    """Run the members until killed."""
    compat.hush()
    lab = Lab(servers, name)
    observer = Failures()
    reach = Reach(servers, observer)
    made = {"ingest": echo, "judge": count}
    await asyncio.gather(*(Member(lab.config, stage, made[stage], observer, reach).run() for stage in stages))


if __name__ == "__main__":
    mutants.apply()
    if "slow" in sys.argv:
        sys.argv.remove("slow")
        commit_slowly()
    asyncio.run(serve(sys.argv[1], sys.argv[2], sys.argv[3:]))
