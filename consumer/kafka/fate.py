"""What became of records whose transaction was acknowledged: readers see them, or it is open or aborted there."""

import asyncio
import time
from collections.abc import Iterable
from enum import StrEnum

from aiokafka import AIOKafkaConsumer

from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.kafka.transaction import Delivered

CLOSE_SECONDS = 2
READ_SECONDS = 1.0


class Fate(StrEnum):
    """Of a batch: ``open`` has no marker behind it yet, or stands behind somebody's open transaction."""

    SHOWN = "shown"
    OPEN = "open"
    ABORTED = "aborted"


async def fates(config: KafkaConfig, written: Iterable[Delivered]) -> set[Fate]:
    """
    Return what has become of batches.

    Raises:
        TimeoutError: The broker did not answer.
    """
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
        async with asyncio.timeout(2 * config.timeouts.transaction_ms / 1000):
            await consumer.start()
            return {await _fate(consumer, batch) for batch in written}
    finally:
        await compat.close(consumer, CLOSE_SECONDS)


async def _fate(consumer: AIOKafkaConsumer, batch: Delivered) -> Fate:
    consumer.assign([batch.partition])
    # Of a read_committed consumer, the last stable offset.
    if (await consumer.end_offsets([batch.partition]))[batch.partition] <= batch.offset:
        return Fate.OPEN
    consumer.seek(batch.partition, batch.offset)
    deadline = time.monotonic() + READ_SECONDS
    while time.monotonic() < deadline:
        for record in (await consumer.getmany(timeout_ms=100, max_records=1)).get(batch.partition, ()):
            return Fate.SHOWN if record.offset == batch.offset else Fate.ABORTED
        if await consumer.position(batch.partition) > batch.offset:
            return Fate.ABORTED
    return Fate.OPEN
