"""
The rules switched off, one at a time, so that the tests and the fault run can be seen to notice.

A patch of a process of ours, never a setting. ``python -m tests.fault.mutants W3 tests/kafka -k w3`` runs pytest under
one; ``python -m tests.fault --mutant W3`` makes the short fault run in which it has to show. A process that either
starts takes it over from the variable `SWITCH`.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import ProducerFenced
from aiokafka.producer.message_accumulator import MessageAccumulator

from consumer import judge, patients, turns
from consumer.aliases import Route, readdressed
from consumer.kafka import compat, oracle, recovery
from consumer.kafka.config import KafkaConfig, Pace, Timeouts
from consumer.kafka.lease import Lease
from consumer.kafka.member import Member
from consumer.kafka.pending import Pending
from consumer.kafka.states import State
from consumer.kafka.task import Task
from consumer.kafka.transaction import Transactor
from consumer.kafka.watermark import Place
from consumer.spill import Fitted
from consumer.stage import Outgoing
from consumer.wire import Alias, EventRecord, Hop, encode_patient

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


def w4_no_deadline() -> None:
    """A transactional call is waited for however long it takes."""

    async def patient(self: Transactor, call: Any, what: str, seconds: float) -> Any:
        return await call

    Transactor._within = patient  # type: ignore[method-assign]


def w5_fenced_is_the_end() -> None:
    """A task that is fenced stops, and waits to be sent home; one that just ended would be found by the watchdog."""
    after = Task._after

    async def drop(self: Task, error: Exception) -> bool:
        if not isinstance(error, ProducerFenced):
            return await after(self, error)
        self.state = State.STOPPED
        await self._drain.wait()
        return False

    Task._after = drop  # type: ignore[method-assign]


def w6_nothing_compared() -> None:
    """Offset and state are taken as they are found."""
    resume = recovery.resume_from

    def blind(*found: Any) -> recovery.Start:
        config, stage, place, committed, log, restored = found
        return resume(config, stage, place, committed, log, restored and restored._replace(last=None))

    recovery.resume_from = blind  # type: ignore[assignment]
    recovery._same_state = lambda *given: None
    recovery.Known.check = lambda *given: None  # type: ignore[method-assign]
    recovery._same_shape = lambda *given: None
    recovery.still_the_same = lambda *given: None


def w7_merged_early() -> None:
    """The overlay is merged before the commit."""
    commit = Task._commit

    async def early(self: Task) -> None:
        self._stage.commit()
        await commit(self)

    Task._commit = early  # type: ignore[method-assign]


def w8_callback_does_the_work() -> None:
    """An assignment waits in its callback until every task runs, with heartbeats stopped."""
    handed_over = Member.on_partitions_assigned

    async def whole(self: Member, assigned: Iterable[TopicPartition]) -> None:
        await handed_over(self, assigned)
        while any(running.task.state is not State.RUNNING for running in self.tasks.values()):  # noqa: ASYNC110  (a patch)
            await asyncio.sleep(0.05)

    Member.on_partitions_assigned = whole  # type: ignore[method-assign]


def w8_budget_each() -> None:
    """Each task may take the whole budget when its partition is revoked."""
    budget = Member._budget
    Member._budget = lambda self: budget(self) * len(self.tasks)  # type: ignore[method-assign]


def w9_aiokafkas_own() -> None:
    """The timeouts are aiokafka's defaults."""
    made: Any = Timeouts.__init__
    made.__defaults__ = (10_000, 3_000, 10_000, 60_000, *made.__defaults__[4:])


def w10_latest() -> None:
    """A partition without an offset begins at its end, whatever the first start was to decide."""
    resume = recovery.resume_from

    def latest(config: KafkaConfig, *found: Any, **named: Any) -> recovery.Start:
        return resume(replace(config, start="latest"), *found, **named)

    recovery.resume_from = latest


def w11_nothing_kept() -> None:
    """State is restored from the beginning at each assignment."""
    give_back = Member._give_back

    async def forget(self: Member) -> None:
        await give_back(self)
        self._kept.clear()

    Member._give_back = forget  # type: ignore[method-assign]


def w11_shared_assignor() -> None:
    """All consumers of a process share aiokafka's one assignor, and its memory."""
    compat.own_assignor = lambda: StickyPartitionAssignor


def w12_by_the_poll() -> None:
    """Ticks and commits are due when the poll has brought something, and not by themselves."""

    async def wait(self: Task, until_tick: float) -> None:
        self._wake.clear()
        await self._wake.wait()

    Task._wait = wait  # type: ignore[method-assign]


def w13_one_pace() -> None:
    """A commit is due after the same time whatever there is to say, and for how many partitions."""

    def due(self: Pending, since_commit: float, pace: Pace, owned: int, *, backlog: bool = False) -> float:
        return pace.commit_ms / 1000 - since_commit

    Pending.due = due  # type: ignore[method-assign]


def w14_no_lag() -> None:
    """The lag is left to aiokafka, which does not know ours."""
    Task.lag = lambda *_: (0, 0.0)  # type: ignore[method-assign]


def w15_by_key() -> None:
    """Every record goes where a hash of its key says, as a producer does by itself."""
    place = Transactor._place

    def hashed(self: Transactor, outgoing: Iterable[Outgoing]) -> dict[TopicPartition, list[Outgoing]]:
        return place(self, [record._replace(partition=crc32(record.key or b"") % 2) for record in outgoing])

    Transactor._place = hashed  # type: ignore[method-assign]


def w16_renamed() -> None:
    """A release of aiokafka has renamed what we use."""
    MessageAccumulator.fail_every_one = MessageAccumulator.fail_all
    del MessageAccumulator.fail_all


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
    judge.fit = lambda record, limit, version: Fitted(encode_patient(record, version))  # type: ignore[attr-defined]


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
    "W4": Mutant(w4_no_deadline, ("cut in a commit",)),
    "W5": Mutant(w5_fenced_is_the_end, ("fenced by a stranger",), 2),
    "W6": Mutant(w6_nothing_compared, ("offsets deleted, remedy", "state topic anew, remedy"), 2),
    "W7": Mutant(w7_merged_early, ("cut in a commit", "fenced by a stranger")),
    "W8": Mutant(w8_callback_does_the_work, ("SIGKILL",)),
    "W8-budget": Mutant(w8_budget_each, ("SIGTERM",)),
    "W9": Mutant(w9_aiokafkas_own, ("SIGKILL",)),
    "W10": Mutant(w10_latest, ("SIGKILL",)),
    "W11": Mutant(w11_nothing_kept, ("rolling restart",)),
    "W11-assignor": Mutant(w11_shared_assignor, ("rolling restart",)),
    "W12": Mutant(w12_by_the_poll, ("SIGKILL",)),
    "W13": Mutant(w13_one_pace, ("SIGKILL",)),
    "W14": Mutant(w14_no_lag, ("SIGKILL",)),
    "W15": Mutant(w15_by_key, ("SIGKILL",)),
    "W16": Mutant(w16_renamed, ("SIGKILL",)),
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
