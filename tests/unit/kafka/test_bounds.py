"""No queue without a limit: what a task, a schedule and a probe hold while far more comes than can be sent on."""

import asyncio
import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from consumer.kafka.config import KafkaConfig, Pace
from consumer.kafka.handover import Batch
from consumer.kafka.inbox import INBOX_BATCHES, Inbox
from consumer.kafka.observe import Silent
from consumer.kafka.recovery import Known
from consumer.kafka.states import State
from consumer.kafka.task import Task
from consumer.schedule import HEAP_SLACK, Schedule, timer_turn
from consumer.stage import Outgoing, Record
from consumer.stuck import LOOKS, Stuck
from tests.kafka.lab import Echo, until

PLACE = TopicPartition("inbound", 0)
FETCH = 2_500
"""Records of one fetch: more than a stage takes at once."""


class SlowBroker:
    """Takes a transaction after a while, and keeps the largest that it was given."""

    def __init__(self) -> None:
        self.largest = 0
        self.taken = 0

    async def commit(self, outgoing: Sequence[Outgoing], offset: int, metadata: Any) -> None:
        """Take it."""
        self.largest = max(self.largest, len(outgoing))
        self.taken = offset
        await asyncio.sleep(0.005)


def fetched(start: int) -> list[Record]:
    """Return what one fetch brings."""
    return [Record("inbound", 0, start + number, 0, b"key", b"x" * 20, ()) for number in range(FETCH)]


def test_a_backlog_behind_a_slow_broker_fills_nothing() -> None:
    """
    Of 200,000 records that are there at once, two fetches and one full transaction are held, never more.

    Red where records are handed to a task that has not asked, and where a transaction is closed by the clock alone.
    """
    pace = Pace(commit_ms=3_600_000, transaction_records=5_000, batch_records=1_000)
    config, (consumer, lease) = KafkaConfig(pace=pace), member()
    task = Task(config, "ingest", PLACE, Echo, None, consumer, lease, Silent(), Known(), restores=False)
    broker = SlowBroker()
    inside: Any = task
    inside._transactor = broker
    task.state = State.RUNNING
    waiting = 0

    async def offer() -> None:
        nonlocal waiting
        at = 0
        while at < 200_000:
            if task.hungry:
                task.offer(fetched(at), at + FETCH)
                at += FETCH
                waiting = max(waiting, len(inside._inbox._batches))
            await asyncio.sleep(0)
        await until(lambda: task.position == at)
        task.drain()

    async def both() -> None:
        await asyncio.wait_for(asyncio.gather(inside._work(), offer()), 60)

    asyncio.run(both())
    assert broker.taken == task.committed == 200_000
    assert waiting == INBOX_BATCHES
    assert pace.transaction_records <= broker.largest < pace.transaction_records + pace.batch_records


def member() -> tuple[Any, Any]:
    """Return a consumer and a lease that nobody asks for anything."""
    return SimpleNamespace(), SimpleNamespace(owned=1, valid=True)


def test_an_inbox_takes_what_it_was_asked_for() -> None:
    """An inbox hands on its records in order and in pieces, and takes no third batch."""
    inbox = Inbox()
    records = fetched(0)
    inbox.put(Batch(records[:3], 3))
    inbox.put(Batch(records[3:5], 9))
    with pytest.raises(AssertionError, match="more was fetched"):
        inbox.put(Batch(records[5:], 12))
    assert [inbox.take(2), inbox.take(2), inbox.take(2)] == [(records[:2], 2), (records[2:3], 3), (records[3:5], 9)]
    assert not inbox


def test_turns_that_move_are_forgotten() -> None:
    """
    A patient's turn that moves with every event leaves no trail: the heap holds twice the patients and a bit.

    Red with lazy deletion alone: an old turn stays until it would be first, for as long as the patient's retention.
    """
    schedule = Schedule()
    schedule.set("soon", timer_turn("soon", 1))
    for now in range(100_000):
        key = f"patient {now % 1_000}"
        schedule.set(key, timer_turn(key, 10**9 + now))
        if now % 500 == 0:
            schedule.commit()
    assert len(schedule._heap) <= 2 * 1_001 + HEAP_SLACK + 1
    first = schedule.first(2 * 10**9)
    assert first is not None
    assert first.key == "soon"
    assert len(schedule.due(2 * 10**9)) == 1_001


def test_turns_of_the_last_commit_survive_a_clearing_out() -> None:
    """What a discarded batch had moved is due again as of the last commit, also when the heap was cleared meanwhile."""
    schedule = Schedule()
    schedule.set("a", timer_turn("a", 5))
    schedule.commit()
    for now in range(3 * HEAP_SLACK):
        schedule.set("a", timer_turn("a", 1_000 + now))
    schedule.discard()
    assert schedule.first(5) == timer_turn("a", 5)
    assert schedule.due(10**9) == [timer_turn("a", 5)]


def test_a_stuck_feed_is_looked_at_once_a_second() -> None:
    """However often the watermark is asked about, five minutes of looks are kept, one a second; stuck as before."""
    stuck = Stuck(300_000)
    answers = [stuck.behind(0, 1_000_000 + step * 10) for step in range(40_000)]
    assert len(stuck._seen) <= LOOKS + 2
    assert not any(answers[:30_000])
    assert answers[30_200]


def test_what_bounds_a_task_is_finite() -> None:
    """Every limit of the pace is a number above zero, and a stage's bite is no larger than a transaction."""
    pace = Pace()
    assert all(value > 0 for value in dataclasses.asdict(pace).values())
    assert pace.batch_records <= pace.transaction_records
