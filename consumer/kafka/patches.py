"""
What aiokafka does otherwise in this process: each a fault of it that would lose records, or stand still in silence.

Private attributes used here (W16): ``AIOKafkaConnection`` (``send``, ``_send_sasl_token``, ``close``,
``_request_timeout``), ``AIOKafkaClient`` (``bootstrap``, ``coordinator_lookup``, ``get_random_node``) and its
``create_conn``, ``FetchResult`` (``getall``, ``_topic_partition``), ``PartitionRecords._contains_abort_marker``,
``MessageAccumulator._pending_batches``, ``JoinGroupRequest._rebalance_timeout``; and of ``MetadataRequest`` the default
of ``allow_auto_topic_creation``.
"""

# ruff: noqa: SLF001  (what this module is for)

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from aiokafka import client as aiokafka_client
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaConnectionError, KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.protocol.metadata import MetadataRequest

from consumer.kafka.faults import Unreadable

JOIN_LAPSE_SECONDS = 5.0
"""What a join's answer may take beyond the rebalance timeout, as Kafka's own client has it."""


def patch() -> None:
    """Make all of them; once, before any client of ours is made."""
    make_no_topics()
    tell_closed_connections()
    wait_longer_for_joins()
    look_up_without_brokers()
    name_the_unreadable()
    pass_empty_markers()
    give_up_what_waits()
    say_why_nobody_answered()


def make_no_topics() -> None:
    """
    Have no client of this process make a topic by asking about it.

    aiokafka allows that in every question for metadata, and a broker with ``auto.create.topics.enable``, which is
    Kafka's default, then makes a topic that was deleted: empty, with the broker's own settings and partitions. Even
    `lab-alert topics check` would make what it finds missing.
    """
    init: Any = MetadataRequest.__init__
    init.__defaults__ = (None, False)


def tell_closed_connections() -> None:
    """
    Have a write to a connection that has just been closed fail with the error that aiokafka expects.

    uvloop calls it a RuntimeError, asyncio an OSError; aiokafka catches the second, and the first ended the task that
    fetches: nobody noticed, and the partition was not read again. (Found by the soak, as a broker restarted.)
    """
    for name in ("send", "_send_sasl_token"):
        setattr(AIOKafkaConnection, name, _telling(getattr(AIOKafkaConnection, name)))


def wait_longer_for_joins() -> None:
    """
    Give the answer to a join the time that it may take; every other request keeps the client's own timeout.

    A join is answered when the slowest member has come: the rebalance timeout. aiokafka has one timeout for all
    requests, and so would wait as long for a fetch or a heartbeat on a connection that is dead and does not say so.
    """
    send = AIOKafkaConnection.send

    def patient(connection: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
        if not isinstance(request, JoinGroupRequest):
            return send(connection, request, expect_response)
        usual = connection._request_timeout
        connection._request_timeout = max(usual, request._rebalance_timeout / 1000 + JOIN_LAPSE_SECONDS)
        try:
            return send(connection, request, expect_response)
        finally:
            connection._request_timeout = usual

    AIOKafkaConnection.send = patient


def name_the_unreadable() -> None:
    """Have what can't be decoded say which partition it is of; see `Unreadable`."""
    getall = FetchResult.getall

    def named(result: FetchResult, max_records: int | None = None) -> Any:
        try:
            return getall(result, max_records)
        except Exception as error:
            raise Unreadable(result._topic_partition, error) from error

    FetchResult.getall = named


def pass_empty_markers() -> None:
    """
    Take a control batch without a record for what it is: one that compaction has emptied.

    The broker keeps such a batch for its offset and its producer's sake, in a state topic for instance; all that
    belonged to its transaction is gone by then (KAFKA-7467). aiokafka raises, and the partition could not be restored.
    """
    contains = PartitionRecords._contains_abort_marker

    def aborts(records: PartitionRecords, batch: Any) -> bool:
        try:
            return bool(contains(records, batch))
        except KafkaError:  # it has no record
            return False

    PartitionRecords._contains_abort_marker = aborts


class _Sent(set[Any]):
    """Batches that have been sent; one that is to be sent again is not among them."""

    def remove(self, batch: Any) -> None:
        self.discard(batch)


def give_up_what_waits() -> None:
    """
    Let a batch that waits to be sent again be given up.

    Its own callback takes it out from where it no longer is, and that raised: harmless, and a traceback in the log
    whenever a deadline (W4) passed at such a moment. (Found by the fault harness, as a broker restarted.)
    """
    init = MessageAccumulator.__init__

    @functools.wraps(init)
    def made(accumulator: MessageAccumulator, *args: Any, **kwargs: Any) -> None:
        init(accumulator, *args, **kwargs)
        accumulator._pending_batches = _Sent()

    MessageAccumulator.__init__ = made


def say_why_nobody_answered() -> None:
    """
    Have a client that could not connect to any broker say why: a wrong password, a certificate that nobody vouches for.

    aiokafka says that in its own log alone, and raises the same for all of them: the broker would seem to be away.
    """
    bootstrap, connect = AIOKafkaClient.bootstrap, aiokafka_client.create_conn
    failures: ContextVar[list[BaseException] | None] = ContextVar("failures", default=None)

    @functools.wraps(connect)
    async def connected(*args: Any, **kwargs: Any) -> Any:
        try:
            return await connect(*args, **kwargs)
        except (OSError, KafkaError) as error:
            if (heard := failures.get()) is not None:
                heard.append(error)
            raise

    @functools.wraps(bootstrap)
    async def bootstrapped(client: AIOKafkaClient) -> None:
        heard: list[BaseException] = []
        token = failures.set(heard)
        try:
            await bootstrap(client)
        except KafkaConnectionError as error:
            if not heard:
                raise
            raise KafkaConnectionError(f"{type(heard[-1]).__name__}: {heard[-1]}") from error
        finally:
            failures.reset(token)

    aiokafka_client.create_conn = connected
    AIOKafkaClient.bootstrap = bootstrapped


def _telling(write: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(write)
    def told(connection: AIOKafkaConnection, *args: Any, **kwargs: Any) -> Any:
        try:
            return write(connection, *args, **kwargs)
        except KafkaError:  # a RuntimeError too
            raise
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"connection broken: {error}") from error

    return told


def look_up_without_brokers() -> None:
    """
    Have the question for a coordinator fail as aiokafka expects while no broker is known.

    A broker that has just started may name no broker at all; an assertion of aiokafka's then passed for a bug of ours,
    and stopped the partition. (Found by the soak.)
    """
    look_up = AIOKafkaClient.coordinator_lookup

    @functools.wraps(look_up)
    async def looked_up(client: AIOKafkaClient, *args: Any) -> Any:
        if client.get_random_node() is None:
            raise GroupCoordinatorNotAvailableError("no broker is known")
        return await look_up(client, *args)

    AIOKafkaClient.coordinator_lookup = looked_up
