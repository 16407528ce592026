"""What became of records whose transaction was acknowledged: readers see them, or it is open or aborted there."""

import asyncio
import time
from collections.abc import Sequence
from enum import StrEnum

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import OffsetOutOfRangeError

from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.kafka.transaction import Delivered

CLOSE_SECONDS = 2
READ_SECONDS = 1.0


class Fate(StrEnum):
    """
    Of a batch: ``open`` has no marker behind it yet, or stands behind somebody's open transaction.

    ``ended`` is shown or aborted. ``gone``: its place is not in the log any more, or the log is another one.
    """

    OPEN = "open"
    ENDED = "ended"
    SHOWN = "shown"
    ABORTED = "aborted"
    GONE = "gone"


async def fates(config: KafkaConfig, written: Sequence[Delivered], *, closely: bool) -> dict[Delivered, Fate]:
    """
    Return what has become of batches; *closely*: whether one that has ended is shown.

    Raises:
        TimeoutError: The broker did not answer.

        KafkaError: It did, and not with what was asked.
    """
    if not written:
        return {}
    consumer = AIOKafkaConsumer(
        **config.client("fate"),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        fetch_max_wait_ms=config.pace.fetch_wait_ms,
        request_timeout_ms=config.timeouts.transaction_ms,
    )
    try:
        async with asyncio.timeout(config.timeouts.transaction_ms / 1000):
            await consumer.start()
            there = await compat.all_partitions(consumer, sorted({batch.partition.topic for batch in written}))
            places = [place for place in there if place in {batch.partition for batch in written}]
            # Of a read_committed consumer, the last stable offsets.
            ends = await consumer.end_offsets(places) if places else {}
            return {batch: await _fate(consumer, batch, ends.get(batch.partition), closely) for batch in written}
    finally:
        await compat.close(consumer, CLOSE_SECONDS)


async def _fate(consumer: AIOKafkaConsumer, batch: Delivered, end: int | None, closely: bool) -> Fate:
    if end is None:
        return Fate.GONE
    if end > batch.offset and not closely:
        return Fate.ENDED
    consumer.assign([batch.partition])
    consumer.seek(batch.partition, batch.offset)
    deadline = time.monotonic() + READ_SECONDS
    while time.monotonic() < deadline:
        try:
            fetched = await consumer.getmany(timeout_ms=100, max_records=1)
        except OffsetOutOfRangeError:
            return Fate.GONE
        for record in fetched.get(batch.partition, ()):
            return Fate.SHOWN if record.offset == batch.offset else Fate.ABORTED
        if await consumer.position(batch.partition) > batch.offset:
            return Fate.ABORTED
        # Known once the leader has answered: what is not even there is not open.
        if end <= batch.offset and (high := consumer.highwater(batch.partition)) is not None:
            return Fate.OPEN if batch.offset < high else Fate.GONE
    return Fate.OPEN
