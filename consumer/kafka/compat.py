"""
What we ask of aiokafka that it keeps to itself (W16: the version is pinned, and a test holds each name).

Private attributes used here: ``AIOKafkaConsumer._coordinator`` (``generation``, ``member_id``, ``_send_req``,
``request_rejoin``, ``ensure_coordinator_known``, ``coordinator_dead``, ``coordinator_id``, ``_coordinator_dead_fut``,
``check_errors``, tasks),
``AIOKafkaConsumer._fetcher`` (``_fetch_task``), ``AIOKafkaConsumer._client`` (``_sync_task``),
``AIOKafkaProducer._txn_manager`` (``maybe_add_partition_to_txn``, ``is_empty_transaction``, ``_transaction_waiter``),
``AIOKafkaProducer._sender`` (``_fail_all``), ``_closed`` and ``_message_accumulator`` (``_closed``, ``_batches``,
``_pending_batches`` and their two futures). What is changed in aiokafka is in `patches`; no third module uses any.
"""

# ruff: noqa: SLF001  (what this module is for)

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    NotCoordinatorForGroupError,
    ProducerClosed,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import OffsetAndMetadata

TRIED_VERSIONS = ("0.14",)
"""Releases whose private parts the W16 test has looked at."""

RETRY_SECONDS = 0.1

_numbers = count()

log = structlog.get_logger(__name__)


def own_assignor() -> type[StickyPartitionAssignor]:
    """Return a sticky assignor with a memory of its own; aiokafka's keeps it in class attributes (fact 8)."""
    return type(
        f"StickyAssignor{next(_numbers)}",
        (StickyPartitionAssignor,),
        {
            "member_assignment": None,
            "generation": StickyPartitionAssignor.DEFAULT_GENERATION_ID,
            "_latest_partition_movements": None,
        },
    )


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the coordinator said to a heartbeat of ours; ``answered``: it said anything at all."""

    accepted: bool
    answered: bool
    error: str = ""


def generation(consumer: AIOKafkaConsumer) -> int:
    """Return the group's generation that this consumer last joined; -1: none."""
    number: int = consumer._coordinator.generation
    return number


async def heartbeat(consumer: AIOKafkaConsumer) -> Heartbeat:
    """
    Ask the coordinator, now, whether we are a member of the generation that gave us our partitions.

    A rebalance in progress is no yes: the assignment is about to change.
    """
    coordinator = consumer._coordinator
    request = HeartbeatRequest(coordinator.group_id, coordinator.generation, coordinator.member_id)
    try:
        response = await coordinator._send_req(request)
    except KafkaError as error:
        return Heartbeat(accepted=False, answered=False, error=type(error).__name__)
    error_type = for_code(response.error_code)
    return Heartbeat(accepted=error_type is NoError, answered=True, error=error_type.__name__)


def coordinator_known(consumer: AIOKafkaConsumer) -> bool:
    """Whether the group's coordinator answered last time; aiokafka forgets it when a heartbeat fails."""
    return consumer._coordinator.coordinator_id is not None


def coordinator_found(consumer: AIOKafkaConsumer) -> object:
    """Return what is another one each time the group's coordinator has been lost and found again, however shortly."""
    return consumer._coordinator._coordinator_dead_fut


def force_rejoin(consumer: AIOKafkaConsumer) -> None:
    """Make the consumer join its group again, and so be given its partitions anew."""
    consumer._coordinator.request_rejoin()


async def committed(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """
    Return offset and metadata of each partition that has a commit, asked until every one has been answered for.

    aiokafka's own call looks at the errors of partitions alone. A coordinator that is loading, as after a restart,
    answers with an error for the whole group and no partition at all; aiokafka takes that for "nothing committed", and
    a task that believed it would read its input a second time. (Found by the fault harness.)
    """
    coordinator = consumer._coordinator
    topics: dict[str, list[int]] = {}
    for place in partitions:
        topics.setdefault(place.topic, []).append(place.partition)
    request = OffsetFetchRequest(coordinator.group_id, list(topics.items()))
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            answered = _answered(await coordinator._send_req(request))
            if not answered.keys() >= set(partitions):
                raise GroupLoadInProgressError(f"{coordinator.group_id}: not every partition was answered for")
        except KafkaError as error:
            if not error.retriable:
                raise
            if isinstance(error, NotCoordinatorForGroupError | GroupCoordinatorNotAvailableError):
                coordinator.coordinator_dead()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return {place: offset for place, offset in answered.items() if offset.offset >= 0}


def _answered(response: Any) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return what an answer says of each partition (-1: no commit); raises the first error that it holds."""
    codes = [getattr(response, "error_code", 0)]
    answered = {}
    for topic, found in response.topics:
        for number, offset, metadata, code in found:
            codes.append(code)
            answered[TopicPartition(topic, number)] = OffsetAndMetadata(offset, metadata)
    for code in codes:
        if code:
            raise for_code(code)
    return answered


async def all_partitions(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    """
    Return every partition of *topics* as the cluster has it now; a topic that is not there has none.

    The public call answers from memory, and would not see a partition that was added a moment ago.

    Raises:
        KafkaConnectionError: No broker said; what is in memory may be old.
    """
    client = consumer._client
    for topic in topics:
        client.add_topic(topic)
    if not await client.force_metadata_update():
        raise KafkaConnectionError("no broker has told the partitions")
    return [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]


def check_errors(consumer: AIOKafkaConsumer) -> None:
    """
    Raise what coordination, fetching or learning of the cluster has failed with.

    `getmany` says the first, but is not called while nobody wants records. The others nobody says: once the task that
    fetches has died, it returns nothing for ever; once the one that asks for metadata has, no new leader, coordinator
    or partition is ever found, and who waits for one waits for ever.

    Raises:
        KafkaError: The consumer is of no more use.
    """
    consumer._coordinator.check_errors()
    for what, task in (
        ("nothing is fetched", consumer._fetcher._fetch_task),
        ("no metadata are asked for", consumer._client._sync_task),
    ):
        if task.done():
            error = None if task.cancelled() else task.exception()
            raise KafkaError(f"{what} any more: {error!r}") from error


async def close(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """
    Leave the group and close, within so many seconds; what has not ended by then is cut.

    `stop` runs by itself: it may end with the CancelledError of a fetch that it has cancelled, one that was waiting to
    be tried again. Whoever waits would take that for an end of its own, and a task that restored ended without a word.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    stopping.add_done_callback(seen)
    try:
        await asyncio.wait([stopping], timeout=seconds)
    finally:
        ended = stopping.done() and not stopping.cancelled() and stopping.exception() is None
        stopping.cancel()
    if not ended:
        await _abandon(consumer)


async def _abandon(consumer: AIOKafkaConsumer) -> None:
    """
    Cut a consumer whose `stop` did not come back.

    What it left running would go on sending heartbeats, and so hold partitions that nobody reads.
    """
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    running = [
        task
        for task in (
            getattr(coordinator, "_coordination_task", None),
            getattr(coordinator, "_heartbeat_task", None),
            getattr(coordinator, "_commit_refresh_task", None),
            getattr(fetcher, "_fetch_task", None),
        )
        if task is not None and not task.done()
    ]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=1)
    await _close_client(consumer._client, 1)


async def _close_client(client: AIOKafkaClient, seconds: float) -> None:
    """Close the connections; what asked for metadata and has died would raise that again, and leave them open."""
    if client._sync_task is not None and client._sync_task.done():
        client._sync_task = None
    try:
        async with asyncio.timeout(seconds):
            await client.close()
    except (TimeoutError, KafkaError, OSError) as error:
        log.debug("client.close_failed", error=type(error).__name__)


async def dispose(producer: AIOKafkaProducer, seconds: float) -> None:
    """
    Throw a producer away, whatever state it is in.

    `stop` waits until everything has been delivered, and cancelled while it waits it leaves the sender running: with a
    broker that is away, each producer given up would go on trying for ever.
    """
    producer._closed = True
    accumulator, sender = producer._message_accumulator, producer._sender.sender_task
    accumulator._closed = True
    waiters = [producer._txn_manager._transaction_waiter]
    for batch in (
        *accumulator._pending_batches,
        *(batch for queue in accumulator._batches.values() for batch in queue),
    ):
        waiters += [batch.future, batch._drain_waiter]
    for waiter in waiters:
        if waiter is not None:
            # Nobody else looks at these; the same error has reached us through the future that we did await.
            waiter.add_done_callback(seen)
    accumulator.fail_all(ProducerClosed())
    if sender is not None:
        # What it fails has been failed already, and of a producer without transactions it can't.
        sender.remove_done_callback(producer._sender._fail_all)
        sender.add_done_callback(seen)
    for share in (2, 6):
        # Cancelled once, it waits for its requests; cancelled twice, it ends, and may leave a connection half open.
        if sender is not None and not sender.done():
            sender.cancel()
            await asyncio.wait([sender], timeout=seconds / share)
    await _close_client(producer.client, seconds / 3)


def seen(future: asyncio.Future[Any]) -> None:
    """Look at a future's error, so that asyncio does not complain that nobody did; a callback for when it is done."""
    if not future.cancelled():
        future.exception()


async def led(producer: AIOKafkaProducer, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """
    Return those of *partitions* that there are; a topic that was deleted has none.

    Raises:
        KafkaConnectionError: No broker told.

        LeaderNotAvailableError: One of them has no leader: a marker for it would be lost.
    """
    client, wanted = producer.client, set(partitions)
    for partition in wanted:
        client.add_topic(partition.topic)
    if wanted and not await client.force_metadata_update():
        raise KafkaConnectionError("no broker has told the partitions")
    there = [place for place in wanted if place.partition in (client.cluster.partitions_for_topic(place.topic) or ())]
    for place in there:
        leader = client.cluster.leader_for_partition(place)
        if leader is None or leader < 0:
            raise LeaderNotAvailableError(place)
    return there


def add_to_transaction(producer: AIOKafkaProducer, partitions: Iterable[TopicPartition]) -> None:
    """Have the open transaction's end marked in *partitions* too, where nothing is written."""
    manager: Any = producer._txn_manager
    for partition in partitions:
        manager.maybe_add_partition_to_txn(partition)


def transaction_known(producer: AIOKafkaProducer) -> bool:
    """Whether the broker has acknowledged anything of the open transaction."""
    manager: Any = producer._txn_manager
    return not manager.is_empty_transaction()


def hush() -> None:
    """
    Keep aiokafka's own log lines to ourselves.

    It logs a line for every attempt on a broker that is away, and whole tracebacks for what we handle; we say each
    of these once, in our words.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
