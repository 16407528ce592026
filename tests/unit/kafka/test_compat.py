"""What `compat` makes of a coordinator's answers."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, KafkaConnectionError
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat

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


def test_a_producer_is_disposed_of_while_a_batch_waits_to_be_sent_again() -> None:
    """Nothing is left for the event loop to complain about. Red when such a batch is not put where aiokafka looks."""
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
        await compat.dispose(producer, 1)
        await asyncio.sleep(0)
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
