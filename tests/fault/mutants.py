"""
The rules switched off, one at a time, so that the tests and the fault run can be seen to notice.

A patch of a process of ours, never a setting. ``python -m tests.fault.mutants W3 tests/kafka -k w3`` runs pytest under
one; ``python -m tests.fault --mutant W3`` makes the short fault run in which it has to show. A process that either
starts takes it over from the variable `SWITCH`.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from consumer import patients, turns
from consumer.aliases import Route, readdressed
from consumer.judge import Judge
from consumer.kafka import oracle, recovery
from consumer.kafka.config import KafkaConfig
from consumer.kafka.lease import Lease
from consumer.kafka.states import State
from consumer.kafka.task import Task
from consumer.kafka.transaction import Transactor
from consumer.kafka.watermark import Place
from consumer.stage import Outgoing
from consumer.wire import Alias, EventRecord, Hop, PatientRecord, encode_patient

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


def state_guard() -> None:
    """A patient is to be stored whatever it weighs."""

    def whole(self: Judge, record: PatientRecord) -> tuple[bytes, int]:
        return encode_patient(record), 0

    Judge._fitting = whole  # type: ignore[method-assign]


def merge_cycle_guard() -> None:
    """A record follows every alias that it comes to, and does not look at where it has been."""

    def follow(key: str, alias: Alias, message: EventRecord, kept: int) -> Route:
        hop = Hop(key, alias.target, alias.merged_at)
        return Route(readdressed(message, alias.target)._replace(path=(*message.path, hop)))

    patients.route = follow  # type: ignore[attr-defined]


class Mutant(NamedTuple):
    """
    A rule switched off, and the short fault run in which that has to show.

    ``only`` are the faults, in turn, ``faults`` how many; ``settings`` differ from a run's own.
    """

    patch: Callable[[], None]
    only: tuple[str, ...]
    faults: int = 4
    settings: Mapping[str, str] = MappingProxyType({})


SLOW_TRANSACTIONS = MappingProxyType({"kafka_transaction_timeout_ms": "25000"})
"""
With a transaction timeout below the session timeout, the broker has aborted what a dead owner left open before anybody
else owns its partition, and one who does not fence pays nothing. W9's own figures are 10 s and 45 s; so a site may have
them the other way round, and is then served by W1 alone.
"""


def w17_message_time() -> None:
    """Live, a message's own time ends holds, however far the slowest partition is."""
    patients.Patients._settled = lambda *_: None  # type: ignore[method-assign]


def w17_no_alias_homes() -> None:
    """Nobody waits for the home that an alias leads from."""
    turns.Marks.of = lambda self, *, merged: self.low  # type: ignore[method-assign]


def w18_no_memory() -> None:
    """A message that is sent again is taken for another."""
    patients.is_repeat = lambda *_: False  # type: ignore[attr-defined]


MUTANTS: dict[str, Mutant] = {
    "W1": Mutant(w1_an_id_of_its_own, ("SIGKILL",), 3, SLOW_TRANSACTIONS),
    "W2": Mutant(w2_fence_late, ("late commit",), 3),
    "W2-heartbeat": Mutant(w2_no_heartbeat, ("zombie", "zombie, killed at its thaw"), 2),
    "W3": Mutant(w3_futures_not_awaited, ("topic's limit lowered, remedy",), 1),
    "W5": Mutant(w5_fenced_is_the_end, ("fenced by a stranger",), 2),
    "W6": Mutant(w6_nothing_compared, ("offsets deleted, remedy", "state topic anew, remedy"), 2),
    "W7": Mutant(w7_merged_early, ("cut in a commit", "fenced by a stranger")),
    "W17": Mutant(w17_fastest, ("SIGKILL", "zombie"), 2),
    "W17-settled": Mutant(w17_message_time, ("SIGKILL",)),
    "W17-alias": Mutant(w17_no_alias_homes, ("SIGKILL",)),
    "W18": Mutant(w18_no_memory, ("SIGKILL",)),
    "merge-cycle": Mutant(merge_cycle_guard, ("SIGKILL", "SIGTERM"), 5),
    "size": Mutant(size_guard, ("SIGKILL", "SIGTERM"), 2),
    "state-size": Mutant(state_guard, ("SIGKILL", "SIGTERM"), 4),
}

ASKED_FOR = ("W1", "W2", "W3", "W5", "W6", "W17", "merge-cycle", "size")
"""Those that `make test-faults-mutants` runs; the others belong to the tests named after their rules."""


def apply(name: str | None = None) -> None:
    """Switch off the rule that *name* or the environment says; nothing when neither does."""
    name = name or os.environ.get(SWITCH)
    if name:
        MUTANTS[name].patch()


if __name__ == "__main__":
    os.environ[SWITCH] = sys.argv[1]
    apply()
    sys.exit(pytest.main(["-q", "--no-header", "--tb=line", *sys.argv[2:]]))
