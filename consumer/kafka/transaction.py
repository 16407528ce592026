"""
One transactional producer, used for one input partition until anything goes wrong, then thrown away.

aiokafka's producer commits although a record of the transaction was refused (fact 1), waits without a limit for the
broker (fact 4) and cannot go on after an error (fact 5). So here every delivery future is awaited before the offset is
sent (W3), every call has a deadline (W4), and there is no repair: `discard`, make another, `fence`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from consumer.address import partition_of
from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import OutcomeUnknown, Reason, Stop
from consumer.stage import Outgoing, Output

Answer = TypeVar("Answer")

BATCH_BYTES = 512 * 1024
"""Size of a produced batch before compression: one request a partition in nearly every transaction."""

DISCARD_SECONDS = 3.0
"""How long a producer that is being thrown away may take to abort, and again to close."""


class Delivered(NamedTuple):
    """Where the records of one batch stand: the first one's offset, and how many there are."""

    partition: TopicPartition
    offset: int
    records: int


class Acknowledged(NamedTuple):
    """
    A transaction that the broker said was committed: its offset with metadata, and what stands last of ours everywhere.

    ``written`` is its own, and of earlier ones what they wrote to other partitions: its markers do not end those.
    ``abandoned``: where one that was begun since may have written, as long as its commit had not been asked for.
    """

    place: OffsetAndMetadata
    written: tuple[Delivered, ...]
    abandoned: frozenset[TopicPartition] = frozenset()


class Transactor:
    """The producer of one input partition (W1)."""

    acknowledged: Acknowledged | None
    """The last transaction of this partition that we know to be committed."""

    def __init__(
        self, config: KafkaConfig, stage: str, source: TopicPartition, acknowledged: Acknowledged | None = None
    ) -> None:
        self.acknowledged = acknowledged
        self._config = config
        self._source = source
        self._group = config.group(stage)
        self._deadline = config.timeouts.transaction_ms / 1000
        self._home = source.partition % config.partitions
        self._id = config.transactional_id(stage, source.topic, source.partition)
        self._open = False
        self._ending = False
        self._producer = AIOKafkaProducer(
            **config.client(f"{stage}-{source.partition}"),
            transactional_id=self._id,
            transaction_timeout_ms=config.timeouts.transaction_ms,
            request_timeout_ms=config.timeouts.transaction_ms,
            max_batch_size=min(BATCH_BYTES, config.max_message_bytes),
            max_request_size=config.max_message_bytes,
            compression_type=config.compression,
            acks="all",
            linger_ms=0,
        )

    @property
    def producer(self) -> AIOKafkaProducer:
        """The producer itself, for tests."""
        return self._producer

    async def fence(self) -> None:
        """
        Shut out every earlier producer of this partition, and end what it left open.

        Raises:
            OutcomeUnknown: The broker did not answer in time.
        """
        # A predecessor's open transaction is aborted by the broker before it answers; twice the time is ample.
        await self._within(self._producer.start(), "start", 2 * self._deadline)

    async def commit(
        self,
        outgoing: Sequence[Outgoing],
        offset: int,
        metadata: Callable[[int | None], str],
    ) -> int | None:
        """
        Make *outgoing* and *offset* visible, all or nothing.

        Args:
            outgoing: Records in the order in which they are to stand in each partition.

            offset: The next record of the input to be read.

            metadata: Makes the commit's metadata from the changelog's end, which is known once the state is written.

        Returns:
            The changelog's end after the state in *outgoing*; None when it holds none.

        Raises:
            OutcomeUnknown: Past the deadline; the transaction may have been committed or not.
        """
        placed = self._place(outgoing)
        return await self._within(self._commit(placed, offset, metadata), "transaction", self._deadline)

    async def repeat(self, place: OffsetAndMetadata, partitions: Iterable[TopicPartition]) -> None:
        """
        Commit *place* once more, writing nothing, with a marker in each of *partitions*.

        A broker that stops may log a transaction as complete and leave out its markers where a partition has no leader
        any more (Kafka 4.3.1). The offset is then never applied, and what was written stays hidden from readers. Nobody
        but its producer knows that it was committed; a marker of ours ends what an earlier one should have.

        Raises:
            OutcomeUnknown: Past the deadline.
        """
        await self._within(self._repeat(place, partitions), "transaction said again", self._deadline)

    async def _repeat(self, place: OffsetAndMetadata, partitions: Iterable[TopicPartition]) -> None:
        there = await compat.led(self._producer, partitions)
        await self._producer.begin_transaction()
        self._open = True
        # First what can take long: given up before its partitions are in it, a transaction's abort ends nothing there.
        await self._producer.send_offsets_to_transaction({self._source: place}, self._group)
        compat.add_to_transaction(self._producer, there)
        self._ending = True
        await self._producer.commit_transaction()
        self._open = self._ending = False

    async def end_abandoned(self) -> None:
        """
        Abort once more what we had begun and never asked to be committed: its markers can be lost like the others.

        The next commit of ours would show it to readers (KAFKA.md fact 13).

        Raises:
            OutcomeUnknown: Past the deadline.
        """
        if self.acknowledged is not None and self.acknowledged.abandoned:
            await self._within(self._end_abandoned(self.acknowledged), "abort said again", self._deadline)

    async def _end_abandoned(self, last: Acknowledged) -> None:
        there = await compat.led(self._producer, last.abandoned)
        await self._producer.begin_transaction()
        self._open = True
        compat.add_to_transaction(self._producer, there)
        await self._producer.abort_transaction()
        self._open = False
        self.acknowledged = last._replace(abandoned=frozenset())

    async def stir(self, offset: int) -> None:
        """
        Have the group's coordinator write what changes nothing: an offset, in a transaction that is aborted.

        One that has read its log in part notices it only by where its next record comes to stand, and then reads all of
        it (Kafka 4.3.1, `CoordinatorRuntime.flushCurrentBatch`). Where every task of a group waits for that, nobody
        else writes. By a producer of its own: an abort of ours would drop what it has not applied.

        Raises:
            OutcomeUnknown: Past the deadline.
        """
        stirring = AIOKafkaProducer(
            **self._config.client("stir"),
            transactional_id=f"{self._id}-stir",
            transaction_timeout_ms=self._config.timeouts.transaction_ms,
        )
        try:
            await self._within(self._stir(stirring, offset), "write that is aborted", self._deadline)
        finally:
            await compat.dispose(stirring, DISCARD_SECONDS)

    async def _stir(self, stirring: AIOKafkaProducer, offset: int) -> None:
        await stirring.start()
        await stirring.begin_transaction()
        await stirring.send_offsets_to_transaction({self._source: OffsetAndMetadata(offset, "")}, self._group)
        await stirring.abort_transaction()

    async def _commit(
        self,
        placed: dict[TopicPartition, list[Outgoing]],
        offset: int,
        metadata: Callable[[int | None], str],
    ) -> int | None:
        if self.acknowledged is not None:
            self.acknowledged = self.acknowledged._replace(abandoned=frozenset(placed))
        await self._producer.begin_transaction()
        self._open = True
        delivered = await self._send(placed)
        state = self._config.topics[Output.STATE]
        ends = [part.offset + part.records for part in delivered if part.partition.topic == state]
        changelog_end = max(ends, default=None)
        place = OffsetAndMetadata(offset, metadata(changelog_end))
        await self._producer.send_offsets_to_transaction({self._source: place}, self._group)
        self._ending = True
        if self.acknowledged is not None:
            self.acknowledged = self.acknowledged._replace(abandoned=frozenset())
        await self._producer.commit_transaction()
        self._open = self._ending = False
        earlier = () if self.acknowledged is None else self.acknowledged.written
        elsewhere = [batch for batch in earlier if batch.partition not in placed]
        self.acknowledged = Acknowledged(place, (*delivered, *elsewhere))
        return changelog_end

    async def _send(self, placed: dict[TopicPartition, list[Outgoing]]) -> list[Delivered]:
        """Send all records and wait until each batch is acknowledged or refused (W3)."""
        sent: list[tuple[TopicPartition, int, asyncio.Future[RecordMetadata]]] = []
        try:
            for partition, records in placed.items():
                for batch in self._batches(records):
                    # Waits only when this partition's batch before is still queued.
                    future = await self._producer.send_batch(batch, partition.topic, partition=partition.partition)
                    sent.append((partition, batch.record_count(), future))
            results = await asyncio.gather(*(future for _, _, future in sent))
        finally:
            for _, _, future in sent:
                # Each future's error is to be looked at, also when another one's came first.
                future.add_done_callback(compat.seen)
        return [
            Delivered(partition, result.offset, count)
            for (partition, count, _), result in zip(sent, results, strict=True)
        ]

    def _batches(self, records: list[Outgoing]) -> list[BatchBuilder]:
        """Pack the records of one partition, in order, into as few batches as they fit."""
        batches = [self._producer.create_batch()]
        for record in records:
            fields: dict[str, Any] = {"key": record.key, "value": record.value, "headers": list(record.headers)}
            if batches[-1].append(timestamp=None, **fields) is None:
                batches.append(self._producer.create_batch())
                batches[-1].append(timestamp=None, **fields)
        return batches

    def _place(self, outgoing: Sequence[Outgoing]) -> dict[TopicPartition, list[Outgoing]]:
        """Give each record its topic and partition, and see that it fits there before anything is sent (W3)."""
        placed: dict[TopicPartition, list[Outgoing]] = {}
        for wanted in outgoing:
            record = self._fitting(wanted)
            if record.partition is not None:
                number = record.partition
            elif record.output is Output.EVENTS and record.key is not None:
                number = partition_of(record.key, self._config.partitions)
            else:
                number = self._home
            placed.setdefault(TopicPartition(self._config.topics[record.output], number), []).append(record)
        return placed

    def _fitting(self, record: Outgoing) -> Outgoing:
        """Return *record*, or what stands in for it when it does not fit its topic."""
        size = record_size(record)
        if size <= self._config.max_message_bytes:
            return record
        if record.fallback is not None:
            return self._fitting(record.fallback)
        raise Stop(
            Reason.TOO_LARGE,
            f"a record of {size} bytes for {self._config.topics[record.output]} is larger than its topic takes "
            f"({self._config.max_message_bytes} bytes).",
            "raise the setting for the largest inbound message, run `lab-alert topics create` again, restart.",
        )

    async def _within(self, call: Awaitable[Answer], what: str, seconds: float) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await call
        except TimeoutError as error:
            raise OutcomeUnknown(f"the {what} of {self._source} took longer than {seconds:g} s") from error

    async def discard(self) -> None:
        """
        Throw the producer away; an open transaction is aborted when that can be had quickly.

        It need not be: the next fence of this partition aborts it (W1); readers pass earlier, that is all. One that
        the broker has not heard of is left alone: it would be begun there to be aborted, and its markers would end what
        lost markers have left open.
        """
        if self._open and not self._ending and compat.transaction_known(self._producer):
            with contextlib.suppress(Exception):
                async with asyncio.timeout(DISCARD_SECONDS):
                    await self._producer.abort_transaction()
        await self.close()

    async def close(self) -> None:
        """Close the connections; past the deadline they are cut."""
        await compat.dispose(self._producer, DISCARD_SECONDS)


def record_size(record: Outgoing) -> int:
    """Return an upper bound of the bytes that *record* takes in its topic, alone in a batch."""
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, list(record.headers))
    return size
