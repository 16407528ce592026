"""What a task does at its fence about the last transaction that was acknowledged to its process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat, topics
from consumer.kafka.faults import OffsetWentBack, OutcomeUnknown, Undone
from consumer.kafka.metadata import Metadata
from consumer.kafka.recovery import Known, Recovery
from consumer.kafka.transaction import Acknowledged, Delivered, Transactor
from consumer.stage import Outcome, Outgoing, Output
from tests.kafka.lab import Count, Failures, Lab, counted, exactly_once, numbered, play, running, until

ALERT, STATE = (Outgoing(output, 0, b"key", b"1") for output in (Output.ALERTS, Output.STATE))


def said(transactions: int, **more: int) -> Callable[[int | None], str]:
    """Return what makes the metadata of a partition's so manieth transaction."""
    return lambda end: Metadata(None, 2, transactions=transactions, changelog_end=more.get("end", end)).encode()


@contextlib.asynccontextmanager
async def fenced(lab: Lab, last: Transactor | None = None) -> AsyncIterator[Transactor]:
    """Give the producer of the first events partition, as the process that had *last* makes it."""
    place = TopicPartition(lab.topic(Output.EVENTS), 0)
    made = Transactor(lab.config, "judge", place, None if last is None else last.acknowledged)
    await made.fence()
    try:
        yield made
    finally:
        await made.discard()


@contextlib.asynccontextmanager
async def recovering(lab: Lab, *, seen: int, restores: bool = True) -> AsyncIterator[Recovery]:
    """Give what finds out where that partition goes on, in a process that has seen it committed at *seen*."""
    place = TopicPartition(lab.topic(Output.EVENTS), 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=lab.config.bootstrap_servers, group_id=lab.config.group("judge"))
    await consumer.start()
    known = Known()
    known.see(place, seen)
    try:
        yield Recovery(lab.config, "judge", place, consumer, known, restores=restores)
    finally:
        await compat.close(consumer, 2)


async def now(lab: Lab) -> tuple[int, str] | None:
    """Return what is committed for that partition."""
    await asyncio.sleep(0.5)  # a commit that has returned may take a moment to show (KAFKA.md fact 2)
    return (await lab.committed("judge", lab.topic(Output.EVENTS))).get(0)


@pytest.mark.parametrize(
    ("offset", "transactions"),
    [
        pytest.param(7, 6, id="a timer's alert at the same offset"),
        pytest.param(9, 6, id="further on"),
        pytest.param(3, 6, id="set back by hand"),
        pytest.param(7, 5, id="the same records judged by another owner, who did not see ours"),
    ],
)
def test_w6_what_another_owner_has_committed_is_not_taken_back(lab: Lab, offset: int, transactions: int) -> None:
    """
    Our last transaction is forgotten once somebody has gone on from it, or judged in its stead.

    Red when it is recognized by its offset alone: the metadata of the state as it was are then put back, and the
    next owner stops with a state that is ahead.
    """

    async def test() -> None:
        await lab.write(lab.topic(Output.EVENTS), numbered(0, 20), partition=0)
        async with fenced(lab) as first:
            await first.commit([ALERT, STATE], 7, said(5))
        async with fenced(lab) as other:
            await other.commit([STATE], offset, said(transactions, end=99))
        async with recovering(lab, seen=7) as recovery, fenced(lab, first) as again:
            for _ in range(2):
                with contextlib.suppress(OffsetWentBack):
                    await recovery.read(again)
            assert again.acknowledged is None
            assert await now(lab) == (offset, said(transactions, end=99)(None))

    play(test())


def test_w6_a_topic_made_anew_gets_no_offset_of_the_old_one(lab: Lab) -> None:
    """
    Where nothing is committed any more our last offset is not put back: it belongs to a log that is gone.

    Red when it is: the first records of the new one are left out, unseen.
    """

    async def test() -> None:
        events = lab.topic(Output.EVENTS)
        await lab.write(events, numbered(0, 20), partition=0)
        async with fenced(lab) as first:
            await first.commit([ALERT, STATE], 7, said(5))
        await lab.admin(lambda admin: admin.delete_topics([events]))
        await asyncio.sleep(1)
        await topics.create(lab.config)
        await lab.write(events, numbered(0, 20), partition=0)
        async with recovering(lab, seen=7) as recovery, fenced(lab, first) as again:
            with pytest.raises(OffsetWentBack):
                await recovery.read(again)
            assert await now(lab) is None

    play(test())


@pytest.mark.parametrize("output", [Output.ALERTS, Output.STATE])
@pytest.mark.parametrize("made_again", [True, False], ids=["made anew", "deleted"])
def test_w4_a_topic_that_is_another_one_holds_nobody(lab: Lab, output: Output, *, made_again: bool) -> None:
    """
    What stood in a topic that was deleted is not waited for: the restore tells what is wrong, with its remedy.

    Red when a place that the log does not have is taken for one that is hidden: the task is at its fence for ever.
    """

    async def test() -> None:
        await lab.write(lab.topic(Output.EVENTS), numbered(0, 20), partition=0)
        async with fenced(lab) as first:
            for transactions in range(1, 6):
                await first.commit([ALERT, STATE], 2 + transactions, said(transactions))
        await lab.admin(lambda admin: admin.delete_topics([lab.topic(output)]))
        await asyncio.sleep(1)
        if made_again:
            await topics.create(lab.config)
        async with recovering(lab, seen=7) as recovery, fenced(lab, first) as again:
            await recovery.read(again)

    play(test())


def test_w4_markers_are_owed_until_they_are_written(lab: Lab) -> None:
    """What stood in a partition that the next transaction did not write to is remembered with it."""

    async def test() -> None:
        async with fenced(lab) as transactor:
            await transactor.commit([ALERT, STATE], 7, said(5))
            await transactor.commit([STATE], 8, said(6))
            await transactor.commit([], 9, said(7))
            last = transactor.acknowledged
            assert last is not None
            assert last.place == OffsetAndMetadata(9, said(7)(None))
            assert {batch.partition.topic: batch.offset for batch in last.written} == {
                lab.topic(Output.ALERTS): 0,
                lab.topic(Output.STATE): 2,  # behind the first one's marker
            }

    play(test())


def test_w4_saying_it_again_in_vain_ends_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Given up before its offset is there, it leaves no marker: one of an abort would end what lost markers left open.

    Red when its partitions are added first: an alert that was acknowledged is then aborted for good.
    """
    alerts = TopicPartition(lab.topic(Output.ALERTS), 0)

    async def refuse(*_: object) -> None:
        await asyncio.sleep(0.5)  # long enough for what was asked of the broker before
        raise KafkaConnectionError("cut off")

    async def test() -> None:
        async with fenced(lab) as first:
            await first.commit([ALERT], 7, said(5))
        before = await lab.ends([alerts])
        async with fenced(lab, first) as again:
            monkeypatch.setattr(again.producer, "send_offsets_to_transaction", refuse)
            with pytest.raises(KafkaConnectionError):
                await again.repeat(OffsetAndMetadata(7, said(5)(None)), [alerts])
        async with fenced(lab, first) as again:
            assert await lab.ends([alerts]) == before
            await again.repeat(OffsetAndMetadata(7, said(5)(None)), [alerts])
        assert await lab.ends([alerts]) == {alerts: before[alerts] + 1}

    play(test())


@pytest.mark.parametrize("fate", ["aborted", "committed"])
def test_w4_what_was_acknowledged_and_then_aborted_is_read_again(lab: Lab, fate: str) -> None:
    """
    Where its records are aborted, an offset that was acknowledged and never showed is not waited for any more.

    Red without it: ingest, which has no state to hold an offset against, waits for it until it is restarted.
    """
    alerts = TopicPartition(lab.topic(Output.ALERTS), 0)

    async def test() -> None:
        await lab.write(lab.topic(Output.EVENTS), numbered(0, 20), partition=0)
        async with fenced(lab) as first:
            await first.commit([], 7, said(5))
            # Acknowledged, without its markers: then ended by those of another one.
            await first.producer.begin_transaction()
            sent = await first.producer.send_and_wait(alerts.topic, b"", partition=0)
            await (first.producer.abort_transaction() if fate == "aborted" else first.producer.commit_transaction())
            batch = Delivered(alerts, sent.offset, 1)
            first.acknowledged = Acknowledged(OffsetAndMetadata(9, said(6)(None)), (batch,))
        async with recovering(lab, seen=9, restores=False) as recovery, fenced(lab, first) as again:
            if fate == "aborted":
                with pytest.raises(Undone):
                    await recovery.read(again)
                await recovery.read(again)
                assert await now(lab) == (7, said(5)(None))
            else:
                with pytest.raises(OffsetWentBack):
                    await recovery.read(again)
                assert await now(lab) == (9, said(6)(None)), "said again"

    play(test())


@pytest.mark.parametrize("at", ["a broker that came back", "the next fence"])
def test_w4_a_state_whose_transaction_was_undone_is_learnt_anew(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """
    The judge forgets what it had merged, restores what was committed, and judges those records again.

    Red where its state is kept: the partition stops, its state ahead of its offset.
    """

    async def test() -> None:
        place = TopicPartition(lab.topic(Output.EVENTS), 0)
        failures = Failures()
        async with lab.member("judge", observer=failures) as member:
            await until(lambda: running(member, 2))
            await lab.write(place.topic, numbered(0, 20), partition=0)
            exactly_once(await counted(lab, 20), range(20))
            task = member.tasks[place].task
            assert task._transactor is not None
            producer = task._transactor.producer
            # Acknowledged without its markers, and then ended by those of another one.
            monkeypatch.setattr(producer, "commit_transaction", producer.abort_transaction)
            await lab.write(place.topic, numbered(20, 21), partition=0)
            await until(lambda: task.committed == 21)
            monkeypatch.undo()
            if at == "the next fence":
                task.fail(OutcomeUnknown("something else"))
            else:
                task.say_again()
            exactly_once(await counted(lab, 21), range(21))
            await until(lambda: running(member, 2))
            assert "Undone" in failures.errors

    play(test())


def test_w4_a_commit_that_does_not_show_yet_is_waited_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without a fence, what was committed a moment ago may not show (KAFKA.md fact 2): the task goes on, nothing is said.

    Red when the first answer is believed: every busy task goes back to its fence when a coordinator was away.
    """
    real, asked = compat.committed, 0

    async def late(
        consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        nonlocal asked
        asked += 1
        found = await real(consumer, places)
        return {place: OffsetAndMetadata(7, said(5)(None)) for place in found} if asked < 3 else found

    async def test() -> None:
        await lab.write(lab.topic(Output.EVENTS), numbered(0, 20), partition=0)
        async with recovering(lab, seen=8) as recovery, fenced(lab) as transactor:
            await transactor.commit([], 7, said(5))
            await transactor.commit([], 8, said(6))
            monkeypatch.setattr(compat, "committed", late)
            monkeypatch.delattr(Transactor, "repeat")
            await recovery.settle(transactor)
        assert asked >= 3

    play(test())


def test_w4_a_coordinator_that_was_away_shortly(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task looks at its last transaction again, also when its coordinator was found anew before anybody saw."""
    looked: set[TopicPartition] = set()

    async def look(self: Recovery, _: Transactor) -> None:
        looked.add(self._partition)

    async def test() -> None:
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            await asyncio.sleep(2)
            monkeypatch.setattr(Recovery, "settle", look)
            await asyncio.sleep(2)
            assert not looked
            assert member.consumer is not None
            member.consumer._coordinator.coordinator_dead()
            await until(lambda: looked == set(member.tasks))

    play(test())


class OneTimer(Count):
    """Tells one thing by the clock, when asked to: no record is read for it."""

    asked = False

    def tick(self, *, watermark: int | None, wall: int) -> Outcome:
        """Write a state and an alert, once."""
        if not OneTimer.asked:
            return super().tick(watermark=watermark, wall=wall)
        OneTimer.asked = False
        outgoing = [Outgoing(Output.ALERTS, self.partition, b"timer", b"{}")]
        return Outcome([*outgoing, Outgoing(Output.STATE, self.partition, b"timer", b"1")], stream_time=1)


async def changed(lab: Lab, place: TopicPartition, before: dict[int, tuple[int, str]]) -> dict[int, tuple[int, str]]:
    """Return what the judge has committed, once that of *place* is another."""
    for _ in range(200):
        after = await lab.committed("judge", place.topic)
        if after[place.partition] != before[place.partition]:
            return after
        await asyncio.sleep(0.1)
    raise AssertionError(f"{place} is still committed at {before[place.partition]}")


def test_w6_a_partition_that_went_away_and_came_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A timer fires where a partition is for a while; back again, and with a broker that was away for a moment, it stands.

    Red when the first owner says its own last transaction again: the partition stops at the next change, state ahead.
    """

    async def test() -> None:
        events = lab.topic(Output.EVENTS)
        async with lab.member("judge", OneTimer) as first:
            await lab.write(events, numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            before = await lab.committed("judge", events)
            async with lab.member("judge", OneTimer) as second:
                await until(lambda: running(first, 1) and running(second, 1))
                (moved,) = second.tasks
                monkeypatch.setattr(first.tasks[next(iter(first.tasks))].task._stage, "tick", Count(0).tick)
                OneTimer.asked = True
                after = await changed(lab, moved, before)
            assert after[moved.partition][0] == before[moved.partition][0], "no record was read for it"
            await until(lambda: running(first, 2))
            for beside in first.tasks.values():
                beside.task.say_again()
            await asyncio.sleep(1)
            assert (await lab.committed("judge", events))[moved.partition] == after[moved.partition]
            await until(lambda: running(first, 2))

    play(test())
