"""W1-W7: what a task does with its transactions, on a real broker."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import NotEnoughReplicasError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat
from consumer.kafka.faults import Reason
from consumer.kafka.offsets import committed
from consumer.kafka.service import ServiceHealth
from consumer.kafka.states import State
from consumer.kafka.transaction import Transactor
from consumer.stage import Outcome, Outgoing, Output, Record
from tests.kafka.lab import Count, Failures, Lab, counted, exactly_once, numbered, play, running, until


def events(lab: Lab, partition: int = 0) -> TopicPartition:
    """Return one of the judge's input partitions."""
    return TopicPartition(lab.topic(Output.EVENTS), partition)


async def left_open(lab: Lab, alert: bytes, *, timeout_ms: int = 60_000) -> AIOKafkaProducer:
    """Leave a transaction open, as a killed owner of events partition 0 does; it holds an alert and the offset 1."""
    config = lab.config
    source = events(lab)
    producer = AIOKafkaProducer(
        bootstrap_servers=config.bootstrap_servers,
        transactional_id=config.transactional_id("judge", source.topic, 0),
        transaction_timeout_ms=timeout_ms,
    )
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(lab.topic(Output.ALERTS), alert, b"key", partition=0)
    await producer.send_offsets_to_transaction({source: OffsetAndMetadata(1, "")}, config.group("judge"))
    return producer


def test_w1_next_owner_ends_the_open_transaction(lab: Lab) -> None:
    """
    A killed owner's transaction does not hide the next owner's alerts for as long as its timeout, here a minute.

    Red with a transactional.id that is not the partition's: the alert stays hidden.
    """

    async def test() -> None:
        await lab.write(lab.topic(Output.EVENTS), [(b"key-1", b"1")], partition=0)
        producer = await left_open(lab, b"{}")
        try:
            begun = time.monotonic()
            async with lab.member("judge"):
                exactly_once(await counted(lab, 1, seconds=10), [1])
                assert time.monotonic() - begun < 10
        finally:
            await producer.client.close()
            await producer.stop()

    play(test())


def test_w2_offset_is_read_behind_the_fence(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nobody can commit between our reading of the offset and our first record: the predecessor's commit comes too late.

    Red when the offset is read before the fence: the predecessor commits record 1, and we judge it again.
    """
    refused: list[BaseException] = []

    async def test() -> None:
        await lab.write(lab.topic(Output.EVENTS), [(b"key-1", b"1"), (b"key-1", b"2")], partition=0)
        predecessor = await left_open(lab, b'{"key": "key-1", "count": 1, "value": "1"}')
        read = compat.committed

        async def with_a_late_commit(consumer: Any, partitions: list[TopicPartition]) -> Any:
            found = await read(consumer, partitions)
            if events(lab) in partitions and not refused:
                try:
                    async with asyncio.timeout(5):
                        await predecessor.commit_transaction()
                except (ProducerFenced, AssertionError) as error:
                    refused.append(error)
            return found

        monkeypatch.setattr(compat, "committed", with_a_late_commit)
        try:
            async with lab.member("judge"):
                alerts = await counted(lab, 2)
                await asyncio.sleep(0.3)
                exactly_once(await counted(lab, len(alerts)), [1, 2])
        finally:
            await predecessor.client.close()
            await predecessor.stop()

    play(test())
    assert refused


class Loud(Count):
    """Tells an alert as large as the record says."""

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Send what was asked for."""
        outgoing = [
            Outgoing(
                Output.ALERTS,
                0,
                record.key,
                b"x" * int(record.value or 0),
                fallback=Outgoing(Output.ALERTS, 0, record.key, b"stub") if record.key == b"stubbed" else None,
            )
            for record in records
        ]
        return Outcome(outgoing)


def test_w3_refused_record_moves_no_offset(lab: Lab) -> None:
    """
    A record that the broker refuses stops the partition; its offset is not committed, so the alert is not lost.

    Red when the delivery futures are not awaited: aiokafka commits the rest, and the offset passes the lost alert.
    """

    async def test() -> None:
        topic = f"{lab.name}.small"
        small = NewTopic(topic, 2, 1, topic_configs={"max.message.bytes": "2000"})
        await lab.admin(lambda admin: admin.create_topics([small]))
        config = lab.with_config(topics={**lab.config.topics, Output.ALERTS: topic}, compression=None)
        async with lab.member("judge", Loud, config=config) as member:
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), [(b"k", b"10"), (b"k", b"5000"), (b"k", b"10")], partition=0)
            task = member.tasks[events(lab)].task
            await until(lambda: task.state is State.STOPPED)
            assert task.reason is Reason.TOO_LARGE
            assert task.committed <= 1
            assert running_beside(member.tasks[events(lab, 1)].task)
        offset, _ = (await lab.committed("judge", lab.topic(Output.EVENTS)))[0]
        assert offset <= 1

    play(test())


def running_beside(task: Any) -> bool:
    """Whether the neighbour was left alone."""
    return bool(task.state is State.RUNNING)


def test_w3_what_does_not_fit_becomes_its_stub(lab: Lab) -> None:
    """A dead letter that is too large is never sent: its stub is; what has none stops the partition before a send."""

    async def test() -> None:
        config = lab.with_config(inbound_max_message_bytes=10_000)
        async with lab.member("judge", Loud, config=config) as member:
            await lab.write(lab.topic(Output.EVENTS), [(b"stubbed", b"30000"), (b"k", b"3")], partition=0)
            await lab.write(lab.topic(Output.EVENTS), [(b"k", b"30000")], partition=1)
            await until(lambda: len(member.tasks) == 2)
            stopped = member.tasks[events(lab, 1)].task
            await until(lambda: stopped.state is State.STOPPED)
            assert stopped.reason is Reason.TOO_LARGE
            task = member.tasks[events(lab)].task
            await until(lambda: task.committed >= 2)
            seen = await lab.read(lab.topic(Output.ALERTS))
            assert [record.value for record in seen] == [b"stub", b"xxx"]

    play(test())


def test_w3_w7_failed_transaction_leaves_no_trace(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A transaction that fails after its records were sent is rewound: overlay, records and offset alike.

    Red when the overlay is merged before the commit: the counts run ahead of the records.
    """
    observer = Failures()
    send = Transactor._send
    calls = 0

    async def failing(self: Transactor, placed: Any) -> Any:
        nonlocal calls
        delivered = await send(self, placed)
        calls += 1
        if calls % 3 == 1:
            raise NotEnoughReplicasError
        return delivered

    monkeypatch.setattr(Transactor, "_send", failing)

    async def test() -> None:
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: running(member, 2))
            for start in range(0, 60, 10):
                await lab.write(lab.topic(Output.EVENTS), numbered(start, start + 10))
                await asyncio.sleep(0.1)
            exactly_once(await counted(lab, 60), range(60))
        uncommitted = await lab.read(lab.topic(Output.ALERTS), isolation="read_uncommitted")
        assert len(uncommitted) > 60, "no fault has bitten"

    play(test())
    assert "NotEnoughReplicasError" in observer.errors


@pytest.mark.parametrize("committed", [True, False])
def test_w4_unknown_outcome(lab: Lab, monkeypatch: pytest.MonkeyPatch, committed: bool) -> None:
    """
    A commit that gives no answer is given up at its deadline; the offset behind the fence tells whether it took place.

    Red without the deadline (the task hangs), and when the batch is taken for lost, or for committed, without asking.
    """
    observer = Failures()
    commit = AIOKafkaProducer.commit_transaction
    hung = 0

    async def hanging(self: AIOKafkaProducer) -> None:
        nonlocal hung
        if hung < 2 and self.client._client_id.startswith(lab.name):
            hung += 1
            if committed:
                await commit(self)
            await asyncio.Event().wait()
        await commit(self)

    async def test() -> None:
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: running(member, 2))
            monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", hanging)
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 40))
            await until(lambda: observer.errors.count("OutcomeUnknown") == 2)
            await until(lambda: running(member, 2))
            exactly_once(await counted(lab, 40), range(40))

    play(test())


def test_w5_fenced_task_comes_back(lab: Lab) -> None:
    """
    ProducerFenced does not end a task whose partition is still ours: it fences anew and goes on.

    Red when a task drops itself on ProducerFenced: its partition stays assigned and unread.
    """
    observer = Failures()

    async def test() -> None:
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            await counted(lab, 20)
            for partition in (0, 1):
                intruder = Transactor(lab.config, "judge", events(lab, partition))
                await intruder.fence()
                await intruder.close()
            await lab.write(lab.topic(Output.EVENTS), numbered(20, 60))
            exactly_once(await counted(lab, 60), range(60))
            assert running(member, 2)

    play(test())
    assert observer.errors.count("ProducerFenced") >= 2


def test_w6_what_is_passed_during_a_commit_is_not_committed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A marker that is passed while the broker is awaited is committed next, and not taken for committed.

    Red when it is: the partition refuses the true offset after the next fence, for good, for it "went back".
    """
    real, place = Transactor._commit, events(lab)

    async def test() -> None:
        writer = AIOKafkaProducer(bootstrap_servers=lab.config.bootstrap_servers, transactional_id=lab.name)
        await writer.start()
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            task = member.tasks[place].task

            async def passing(self: Transactor, placed: Any, offset: int, metadata: Any) -> int | None:
                done = await real(self, placed, offset, metadata)
                if placed and offset == 20:
                    await writer.begin_transaction()
                    await writer.send_and_wait(place.topic, b"aborted", b"key", partition=0)
                    await writer.abort_transaction()
                    await until(lambda: task.position == 22)
                return done

            monkeypatch.setattr(Transactor, "_commit", passing)
            await lab.write(place.topic, numbered(0, 20), partition=0)
            exactly_once(await counted(lab, 20), range(20))
            await until(lambda: task.position == 22)
            await until(lambda: task.committed == 22)
            assert (await committed(lab.config, "judge"))[place].offset == 22
            intruder = Transactor(lab.config, "judge", place)
            await intruder.fence()
            await intruder.close()
            await lab.write(place.topic, numbered(20, 40), partition=0)
            exactly_once(await counted(lab, 40), range(40))
        await writer.stop()

    play(test())


class Asking(Failures):
    """Asks, when a partition without a task is found, whether we are ready."""

    def __init__(self, health: ServiceHealth) -> None:
        super().__init__()
        self.health, self.heard = health, [""]

    def no_progress(self, stage: str) -> None:
        """Ask."""
        super().no_progress(stage)
        self.heard = [self.health.why_not_ready(), self.health.why_not_live()]


def test_w5_partition_without_a_task_is_joined_anew(lab: Lab) -> None:
    """A task that has died is found, said, makes us not ready, and is cured by joining the group again."""
    health = ServiceHealth()
    observer = Asking(health)

    async def test() -> None:
        timeouts = lab.config.timeouts
        config = lab.with_config(timeouts=type(timeouts)(**{**as_dict(timeouts), "no_progress_seconds": 2.0}))
        async with lab.member("judge", observer=observer, config=config) as member:
            health.members = [member]
            await until(lambda: running(member, 2) and health.ready())
            doing = member.tasks[events(lab)].doing
            member.tasks[events(lab)].task.state = State.RUNNING
            doing.cancel()
            del member.tasks[events(lab)]
            await until(lambda: bool(member.orphans), what="the orphan is found")
            await until(lambda: running(member, 2) and health.ready())
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))

    play(test())
    assert observer.stood_still == 1
    assert all("without a working task" in answer for answer in observer.heard)


def as_dict(value: Any) -> dict[str, Any]:
    """Return a slotted dataclass's fields."""
    return {name: getattr(value, name) for name in value.__slots__}
