"""What `compat` makes of a coordinator's answers."""

import asyncio
import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import (
    CorruptRecordException,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
)
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat, patches
from consumer.kafka.faults import Unreadable

PLACE, OTHER = TopicPartition("events", 0), TopicPartition("events", 1)
LOADING, NOT_COORDINATOR, UNKNOWN_TOPIC, NO_RIGHT = 14, 16, 3, 30


def answer(*partitions: tuple[int, int, str, int], error_code: int = 0) -> Any:
    """Return an OffsetFetch answer of version 3."""
    return SimpleNamespace(topics=[("events", list(partitions))] if partitions else [], error_code=error_code)


class Coordinator:
    """Answers what it was told to, one after the other."""

    group_id = "ward-judge"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.deaths = 0

    async def ensure_coordinator_known(self) -> None:
        """Do nothing."""

    async def _send_req(self, request: object) -> Any:
        return self.answers.pop(0)

    def coordinator_dead(self) -> None:
        """Count."""
        self.deaths += 1


WHOLE = answer((0, 7, "m", 0), (1, -1, "", 0))


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param(answer(error_code=LOADING), id="loading: an error for the group, and no partition"),
        pytest.param(answer((0, -1, "", LOADING), (1, -1, "", LOADING)), id="loading, said of each partition"),
        pytest.param(answer((0, -1, "", UNKNOWN_TOPIC), (1, -1, "", 0)), id="a topic not known yet"),
        pytest.param(answer((0, 7, "m", 0)), id="one partition left out"),
        pytest.param(answer(error_code=NOT_COORDINATOR), id="another is coordinator"),
    ],
)
def test_no_answer_is_not_taken_for_no_offset(earlier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A coordinator that is loading, as after a broker's restart, is asked again; its silence is no lost offset.

    aiokafka's own call returns nothing for the first case, and a task that believed it judged everything twice.
    """
    monkeypatch.setattr(compat, "RETRY_SECONDS", 0.0)
    coordinator = Coordinator(earlier, WHOLE)
    consumer: Any = SimpleNamespace(_coordinator=coordinator)
    found = asyncio.run(compat.committed(consumer, [PLACE, OTHER]))
    assert found == {PLACE: OffsetAndMetadata(7, "m")}
    assert coordinator.deaths == (1 if earlier.error_code == NOT_COORDINATOR else 0)


def test_a_right_that_is_missing_is_told() -> None:
    """What asking again does not cure is raised."""
    consumer: Any = SimpleNamespace(_coordinator=Coordinator(answer(error_code=NO_RIGHT)))
    with pytest.raises(GroupAuthorizationFailedError):
        asyncio.run(compat.committed(consumer, [PLACE]))


@pytest.mark.parametrize("deadline", [True, False], ids=["a deadline passes", "its producer is disposed of"])
def test_a_batch_that_waits_to_be_sent_again_is_given_up(deadline: bool) -> None:
    """Nothing is left for the event loop to complain about. Red without `patches.give_up_what_waits`."""
    unheard: list[str] = []

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(str(context)))
        producer = AIOKafkaProducer(transactional_id="ward")
        producer._txn_manager.set_pid_and_epoch(7, 0)
        accumulator = producer._message_accumulator
        builder = producer.create_batch()
        builder.append(key=b"k", value=b"v", timestamp=None)
        batch = MessageBatch(PLACE, builder, 30, 0)
        accumulator._batches[PLACE].append(batch)
        accumulator._pop_batch(PLACE)
        accumulator.reenqueue(batch)
        if deadline:  # what waits for it is cancelled, and cancels it
            batch.future.cancel()
            await asyncio.sleep(0)
        await compat.dispose(producer, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(test())
    assert unheard == []


def test_a_producer_without_transactions_is_disposed_of_while_it_sends() -> None:
    """Its sender's last error is heard by nobody who could use it. Red when aiokafka is left to fail a transaction."""
    unheard: list[str] = []

    async def sending() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KafkaConnectionError from None

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(str(context)))
        producer = AIOKafkaProducer(enable_idempotence=True)
        sender = producer._sender._sender_task = asyncio.create_task(sending())
        sender.add_done_callback(producer._sender._fail_all)
        await asyncio.sleep(0)
        await compat.dispose(producer, 1)
        await asyncio.sleep(0)

    asyncio.run(test())
    assert unheard == []


def test_a_closed_connection_is_a_broken_one_under_uvloop_too() -> None:
    """
    A request on a connection that was closed a moment ago fails as aiokafka expects, whatever the event loop calls it.

    Red without `tell_closed_connections`: a RuntimeError, which ends the task that fetches for good.
    """

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            connection = AIOKafkaConnection(host, port)
            connection._versions = {HeartbeatRequest.API_KEY: (0, 1)}
            connection._reader, connection._writer = await asyncio.open_connection(host, port)
            connection._read_task = asyncio.create_task(asyncio.sleep(0))
            connection._writer.transport.abort()
            await asyncio.sleep(0.01)
            with pytest.raises(KafkaConnectionError, match="closed"):
                await connection.send(HeartbeatRequest("ward-judge", 1, "member"))
            assert not connection.connected()

    uvloop.run(ask())


def test_no_broker_known_is_no_bug() -> None:
    """
    While the cluster names no broker a coordinator is not available, which aiokafka asks again about.

    Red without `look_up_without_brokers`: an AssertionError, which stops the partition as a bug of ours.
    """

    async def ask() -> None:
        with pytest.raises(GroupCoordinatorNotAvailableError):
            await AIOKafkaClient(bootstrap_servers="kafka.test:9092").coordinator_lookup(0, "ward-judge")

    asyncio.run(ask())


def test_w4_a_join_alone_may_take_as_long_as_a_rebalance() -> None:
    """
    On a connection that is dead and does not say so, a request is given up after its timeout, and a join after its own.

    Red with one timeout for both: a member would notice a lost fetch or heartbeat after 65 s, its session being 45 s.
    """

    async def ask() -> tuple[float, float]:
        gone = asyncio.Event()

        async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await gone.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            connection = AIOKafkaConnection(host, port, request_timeout_ms=100)
            connection._versions = {HeartbeatRequest.API_KEY: (0, 1), JoinGroupRequest.API_KEY: (0, 5)}
            connection._reader, connection._writer = await asyncio.open_connection(host, port)
            connection._read_task = asyncio.create_task(asyncio.sleep(0))
            took = []
            for request in (
                HeartbeatRequest("ward-judge", 1, "member"),
                JoinGroupRequest("ward-judge", 6_000, 500, "", None, "consumer", []),
            ):
                begun = time.monotonic()
                with pytest.raises(TimeoutError):
                    await connection.send(request)
                took.append(time.monotonic() - begun)
            gone.set()
            connection.close()
            return took[0], took[1]

    lapse, patches.JOIN_LAPSE_SECONDS = patches.JOIN_LAPSE_SECONDS, 0.1
    try:
        heartbeat, join = uvloop.run(ask())
    finally:
        patches.JOIN_LAPSE_SECONDS = lapse
    assert heartbeat < 0.5
    assert join >= 0.6


CONTROL = 0x20
ATTRIBUTES, CRC = 21, 17
"""Where a batch of format 2 has its attributes, from which on it is summed, and the sum."""


def batch(*values: bytes, control: bool = False, offset: int = 0) -> bytes:
    """Return a transactional batch of format 2 as it stands in a log."""
    builder = DefaultRecordBatchBuilder(2, 0, 1, 7, 0, 0, 1_000)
    for number, value in enumerate(values):
        builder.append(number, 1_000, b"k", value, [])
    built = bytearray(builder.build())
    built[0:8] = struct.pack(">q", offset)
    if control:
        built[ATTRIBUTES + 1] |= CONTROL
    built[CRC : CRC + 4] = struct.pack(">I", calc_crc32c(bytes(built[ATTRIBUTES:])))
    return bytes(built)


def fetched(*batches: bytes) -> PartitionRecords:
    """Return what a read_committed consumer makes of an answer."""
    return PartitionRecords(PLACE, MemoryRecords(b"".join(batches)), [], 0, None, None, True, READ_COMMITTED)


def test_w2_a_marker_that_compaction_has_emptied_is_passed() -> None:
    """
    A control batch without a record, as compaction leaves it in a state topic, hides nothing that comes behind it.

    Red as aiokafka has it: it raises, and the partition can't be restored any more.
    """
    records = fetched(batch(b"1"), batch(control=True, offset=1), batch(b"2", offset=2))
    assert [record.value for record in records] == [b"1", b"2"]
    assert records.next_fetch_offset == 3


def test_w3_what_cannot_be_decoded_names_its_partition() -> None:
    """A batch with a wrong sum says of which partition it is; red as aiokafka has it, which names it in words alone."""
    damaged = bytearray(batch(b"1"))
    damaged[-2] ^= 1
    state: Any = SimpleNamespace(paused=False, position=0)
    assignment: Any = SimpleNamespace(active=True, state_value=lambda _: state)
    result = FetchResult(PLACE, assignment=assignment, partition_records=fetched(bytes(damaged)), backoff=0.1)
    with pytest.raises(Unreadable, match="events-0") as caught:
        result.getall()
    assert caught.value.partition == PLACE
    assert isinstance(caught.value.error, CorruptRecordException)


def test_w17_partitions_that_nobody_has_told_are_not_taken_from_memory() -> None:
    """
    When no broker answers, the partitions are not known, whatever was known before.

    Red when the answer is not looked at: a watermark would be told without a partition that was added meanwhile.
    """

    async def not_updated() -> bool:
        return False

    client = SimpleNamespace(add_topic=lambda _: None, force_metadata_update=not_updated)
    consumer: Any = SimpleNamespace(_client=client, partitions_for_topic=lambda _: {0})
    with pytest.raises(KafkaConnectionError):
        asyncio.run(compat.all_partitions(consumer, ["hl7.inbound"]))
