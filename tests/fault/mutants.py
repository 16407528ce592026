"""
The rules switched off, one at a time, so that the tests and the fault harness can be seen to notice.

A patch of this process, never a setting. ``python -m tests.fault.mutants W3 tests/kafka -k w3`` runs pytest under one;
a process that tests start takes it over from the variable `SWITCH`.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from consumer.kafka import oracle, recovery
from consumer.kafka.config import KafkaConfig
from consumer.kafka.lease import Lease
from consumer.kafka.states import State
from consumer.kafka.task import Task
from consumer.kafka.transaction import Transactor
from consumer.kafka.watermark import Place
from consumer.stage import Outgoing

SWITCH = "TEST_MUTANT"


def w1_an_id_of_its_own() -> None:
    """Each producer has another transactional.id: nobody ends what a killed owner left open."""

    def random_id(self: KafkaConfig, stage: str, topic: str, partition: int) -> str:
        return f"{self.deployment}-{uuid.uuid4()}"

    KafkaConfig.transactional_id = random_id  # type: ignore[method-assign]


def w2_no_heartbeat() -> None:
    """A task fences without asking whether the partition is still its own."""

    async def at_once(self: Lease, progress: Callable[[], None]) -> None:
        progress()

    Lease.confirm = at_once  # type: ignore[method-assign]


def w2_fence_late() -> None:
    """The committed offset is read before the fence."""
    fence, bounds = Transactor.fence, recovery.bounds
    waiting: dict[TopicPartition, Transactor] = {}

    async def later(self: Transactor) -> None:
        waiting[self._source] = self

    async def now(consumer: Any, partition: TopicPartition, committed: Any) -> recovery.Bounds:
        await fence(waiting.pop(partition))
        return await bounds(consumer, partition, committed)

    Transactor.fence = later  # type: ignore[method-assign]
    recovery.bounds = now


def w3_futures_not_awaited() -> None:
    """The transaction is committed without a look at the delivery futures, as aiokafka's documentation shows it."""

    async def send(self: Transactor, placed: dict[TopicPartition, list[Outgoing]]) -> list[Any]:
        for partition, records in placed.items():
            for batch in self._batches(records):
                future = await self._producer.send_batch(batch, partition.topic, partition=partition.partition)
                future.add_done_callback(lambda done: done.exception())
        return []

    Transactor._send = send  # type: ignore[method-assign]


def w5_fenced_is_the_end() -> None:
    """A task that is fenced drops itself."""
    after = Task._after

    async def drop(self: Task, error: Exception) -> bool:
        if not isinstance(error, ProducerFenced):
            return await after(self, error)
        self.state = State.STOPPED
        return False

    Task._after = drop  # type: ignore[method-assign]


def w6_nothing_compared() -> None:
    """Offset and state are taken as they are found."""
    resume = recovery.resume_from

    def blind(config: KafkaConfig, stage: str, *found: Any, holds_state: bool) -> recovery.Start:
        return resume(config, stage, *found, holds_state=False)

    recovery.resume_from = blind  # type: ignore[assignment]
    recovery._same_state = lambda *given, **named: None
    recovery._same_shape = lambda *given: None


def w7_merged_early() -> None:
    """The overlay is merged before the commit."""
    commit = Task._commit

    async def early(self: Task) -> None:
        self._stage.commit()
        await commit(self)

    Task._commit = early  # type: ignore[method-assign]


def w17_fastest() -> None:
    """Timers run on the fastest partition's time."""

    def fastest(places: Iterable[Place], *, asked_at: int, clock: str) -> int | None:
        times = [asked_at if place.read and clock == "live" else place.stream_time for place in places]
        return max((time for time in times if time is not None), default=None)

    oracle.low_watermark = fastest  # type: ignore[attr-defined]


def size_guard() -> None:
    """Records are sent whatever their size."""
    Transactor._fitting = lambda self, record: record  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "W1": w1_an_id_of_its_own,
    "W2": w2_no_heartbeat,
    "W2-order": w2_fence_late,
    "W3": w3_futures_not_awaited,
    "W5": w5_fenced_is_the_end,
    "W6": w6_nothing_compared,
    "W7": w7_merged_early,
    "W17": w17_fastest,
    "size": size_guard,
}


def apply(name: str | None = None) -> None:
    """Switch off the rule that *name* or the environment says; nothing when neither does."""
    name = name or os.environ.get(SWITCH)
    if name:
        MUTANTS[name]()


if __name__ == "__main__":
    os.environ[SWITCH] = sys.argv[1]
    apply()
    sys.exit(pytest.main(["-q", "--no-header", "--tb=line", *sys.argv[2:]]))
