"""Coordinators that move, connections cut in a commit, a transaction that the broker gave up: each outcome is found."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat
from consumer.kafka.offsets import committed
from consumer.kafka.recovery import Known
from consumer.kafka.states import State
from consumer.kafka.transaction import Transactor
from consumer.stage import Output
from tests.kafka.lab import Failures, Lab, counted, exactly_once, numbered, play, running, until

NOT_COORDINATOR = 16
GROUPS_LOG = "__consumer_offsets"

TRANSACTION = ("InitProducerIdRequest", "AddPartitionsToTxnRequest", "AddOffsetsToTxnRequest", "EndTxnRequest")
GROUP = ("OffsetFetchRequest", "HeartbeatRequest", "TxnOffsetCommitRequest")


def moved(request: Any) -> Any:
    """
    Return what a broker answers that is no longer the coordinator, and so has done nothing of what it was asked.

    A single broker has nowhere to move its coordinators to; to a client a move is this answer, and then another one.
    """
    partitions = getattr(request, "_topics", None) or getattr(request, "_partitions", None) or ()
    of_topics = [(topic, [_of(place) for place in places]) for topic, places in partitions]
    return SimpleNamespace(throttle_time_ms=0, error_code=NOT_COORDINATOR, errors=of_topics, topics=[])


def _of(place: Any) -> tuple[int, int]:
    return (place[0] if isinstance(place, tuple) else place), NOT_COORDINATOR


@pytest.mark.parametrize("kinds", [TRANSACTION, GROUP], ids=["of transactions", "of the group"])
def test_a_coordinator_that_moves(lab: Lab, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]) -> None:
    """
    Each request to a coordinator is asked anew of the next one: nothing lost, nothing doubled, no partition left.

    Red when the answer to a task's own question for the committed offset is taken for "nothing committed".
    """
    observer = Failures()
    send = AIOKafkaClient.send
    asked: Counter[str] = Counter()
    refused: Counter[str] = Counter()

    async def moving(self: AIOKafkaClient, node_id: int, request: Any, **named: Any) -> Any:
        kind = type(request).__name__
        if kind in kinds and self._client_id.startswith(lab.name):
            asked[kind] += 1
            if asked[kind] % 3 == 2:
                refused[kind] += 1
                return moved(request)
        return await send(self, node_id, request, **named)

    async def test() -> None:
        monkeypatch.setattr(AIOKafkaClient, "send", moving)
        for start in (0, 30):
            async with lab.member("judge", observer=observer) as member:
                await until(lambda: running(member, 2))
                for first in range(start, start + 30, 10):
                    await lab.write(lab.topic(Output.EVENTS), numbered(first, first + 10))
                    await asyncio.sleep(0.3)
                exactly_once(await counted(lab, start + 30), range(start + 30))
                await until(lambda: running(member, 2))

    play(test())
    assert set(refused) == set(kinds), "a kind of request was not refused"


@pytest.mark.parametrize("heard", [True, False], ids=["the broker heard it", "the broker did not"])
def test_w4_connection_cut_in_a_commit(lab: Lab, monkeypatch: pytest.MonkeyPatch, heard: bool) -> None:
    """A connection that breaks with the end of a transaction on it leaves the outcome open; nothing lost or doubled."""
    observer = Failures()
    send = AIOKafkaClient.send
    cuts = 0

    async def cutting(self: AIOKafkaClient, node_id: int, request: Any, **named: Any) -> Any:
        nonlocal cuts
        if type(request).__name__ == "EndTxnRequest" and cuts < 4:
            cuts += 1
            answer = asyncio.ensure_future(send(self, node_id, request, **named))
            if heard:
                await asyncio.wait([answer], timeout=0.3)
            for link in list(self._conns.values()):
                # Both ways, as a network does it; what waits for an answer is told so.
                link.close()
            if heard:
                answer.add_done_callback(lambda done: done.cancelled() or done.exception())
                raise KafkaConnectionError("cut behind the end of a transaction")
            return await answer
        return await send(self, node_id, request, **named)

    async def test() -> None:
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: running(member, 2))
            monkeypatch.setattr(AIOKafkaClient, "send", cutting)
            for start in range(0, 60, 10):
                await lab.write(lab.topic(Output.EVENTS), numbered(start, start + 10))
                await asyncio.sleep(0.2)
            exactly_once(await counted(lab, 60), range(60))
            await until(lambda: running(member, 2))

    play(test())
    assert cuts == 4


def test_w5_fenced_by_a_timeout(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A transaction that the broker gave up for its age raises ProducerFenced (fact 6): the task begins again.

    Our own deadline comes first by W4; here the broker's is 1 s and ours 8 s. Red when ProducerFenced is the end.
    """
    observer = Failures()
    made, send = Transactor.__init__, Transactor._send
    late = 0

    def hasty(self: Transactor, *given: Any) -> None:
        made(self, *given)
        self.producer._txn_manager.transaction_timeout_ms = 1_000

    async def lingering(self: Transactor, placed: Any) -> Any:
        nonlocal late
        delivered = await send(self, placed)
        if placed and late < 2:
            late += 1
            await asyncio.sleep(4)
        return delivered

    async def test() -> None:
        timeouts = dataclasses.replace(lab.config.timeouts, transaction_ms=8_000)
        monkeypatch.setattr(Transactor, "__init__", hasty)
        async with lab.member("judge", config=lab.with_config(timeouts=timeouts), observer=observer) as member:
            await until(lambda: running(member, 2))
            monkeypatch.setattr(Transactor, "_send", lingering)
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            assert all(beside.task.state is State.RUNNING for beside in member.tasks.values())

    play(test())
    assert "ProducerFenced" in observer.errors or "InvalidProducerEpoch" in observer.errors


@pytest.mark.parametrize("made_to_write_by", ["repeat", "stir"])
def test_w6_a_coordinator_that_has_read_a_part_of_its_log(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, made_to_write_by: str
) -> None:
    """
    A coordinator that knows an old offset, or none, though we have seen one committed, is made to read its log again.

    It does so when it has to write (Kafka 4.3.1), and where all tasks of a group wait nobody else writes: a task that
    goes on repeats its last transaction, a new one writes what changes nothing. Red when it is believed: the partitions
    stop for a lost offset, and ingest would read its input a second time; and when the tasks only ask.
    """
    real, write = compat.committed, getattr(Transactor, made_to_write_by)
    written: set[TopicPartition] = set()
    old: dict[TopicPartition, OffsetAndMetadata] = {}

    async def forgetful(
        consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        found = await real(consumer, places)
        return {
            place: found[place] if place in written else old[place]
            for place in places
            if place in written or place in old
        }

    async def heard(self: Transactor, *given: Any) -> None:
        await write(self, *given)
        written.add(self._source)

    async def test() -> None:
        topic = lab.topic(Output.EVENTS)
        config = lab.with_config(timeouts=dataclasses.replace(lab.config.timeouts, doubt_seconds=20.0))
        async with lab.member("judge", config=config) as member:
            await until(lambda: running(member, 2))
            await asyncio.sleep(0.5)  # a commit that has returned may take a moment to show (KAFKA.md fact 2)
            if made_to_write_by == "repeat":
                old.update(await committed(config, "judge"))
            await lab.write(topic, numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            places = set(member.tasks)
            monkeypatch.setattr(compat, "committed", forgetful)
            monkeypatch.setattr(Transactor, made_to_write_by, heard)
            if made_to_write_by == "repeat":
                for running_task in member.tasks.values():
                    running_task.task.fail(NodeNotReadyError("restarting"))
            else:
                # As where somebody else has committed it.
                monkeypatch.setattr(Known, "acknowledged", lambda *_: None)
                assert member.consumer is not None
                compat.force_rejoin(member.consumer)
            await until(lambda: written == places)
            assert not any(one.task.state is State.STOPPED for one in member.tasks.values())
            await until(lambda: running(member, 2))
            await lab.write(topic, numbered(20, 40))
            exactly_once(await counted(lab, 40), range(40))

    play(test())


def test_w6_what_makes_a_coordinator_write_changes_nothing(lab: Lab) -> None:
    """The group's log grows, no committed offset moves, and the partition's next transaction commits as before."""
    place = TopicPartition(lab.topic(Output.EVENTS), 0)

    async def told(offset: int, metadata: str) -> None:
        # A commit that has returned may take a moment to show (KAFKA.md fact 2).
        wanted = {place: OffsetAndMetadata(offset, metadata)}
        for _ in range(200):
            found = await committed(lab.config, "judge")
            if found == wanted:
                return
            await asyncio.sleep(0.05)
        assert found == wanted

    async def test() -> None:
        transactor = Transactor(lab.config, "judge", place)
        await transactor.fence()
        await transactor.commit([], 7, lambda _: "seven")
        await told(7, "seven")
        before = await written_of_groups(lab)
        await transactor.stir(3)
        assert await written_of_groups(lab) > before
        await asyncio.sleep(0.5)
        await told(7, "seven")
        await transactor.commit([], 9, lambda _: "nine")
        await told(9, "nine")
        await transactor.close()

    play(test())


async def written_of_groups(lab: Lab) -> int:
    """Return how many records all groups' coordinators have written."""
    consumer = AIOKafkaConsumer(bootstrap_servers=lab.config.bootstrap_servers)
    await consumer.start()
    try:
        return sum((await consumer.end_offsets(await compat.all_partitions(consumer, [GROUPS_LOG]))).values())
    finally:
        await consumer.stop()
