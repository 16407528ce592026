"""
Restore: one partition of the changelog, from where we last stood to its end as seen after the fence (W2, W11).

The end is asked for after the fence: whatever a predecessor committed stands before it, and nothing can be committed
behind it but by us. It is the last stable offset: nothing of ours is open any more, so what is committed stands before
it, but for what lost markers hide (`settling`).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig

PROGRESS_SECONDS = 5.0
"""Time between two lines that say how far a long restore is."""

SILENCE_SECONDS = 30.0
"""A restore that gets nothing for this long is given up and begun again by the task."""

CLOSE_SECONDS = 2.0
"""A consumer without a group has nothing to lose."""

log = structlog.get_logger(__name__)


class Restores(Protocol):
    """What takes the records: a stage."""

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Take one record, oldest first."""


class Restored(NamedTuple):
    """
    What a restore found.

    ``position`` is where the next one begins, ``last`` the offset after the last committed record that it saw (None:
    none), ``end`` the end that it reached, ``records`` how many it took.
    """

    position: int
    last: int | None
    end: int
    records: int


async def restore(
    config: KafkaConfig,
    partition: TopicPartition,
    stage: Restores,
    *,
    position: int | None,
    progress: Callable[[int], None],
) -> Restored:
    """
    Bring *stage* up to the changelog's end.

    Args:
        config: Where the changelog is.

        partition: Its topic and partition.

        stage: What to restore into; it has everything before *position*.

        position: Where an earlier restore ended, None for the beginning.

        progress: Called whenever something has come, with how many records were taken since the last call, so that a
            long restore is seen to go on, and is not taken for a stuck task.

    Raises:
        TimeoutError: The broker gave nothing for half a minute.
    """
    consumer = AIOKafkaConsumer(
        **config.client(f"restore-{partition.partition}"),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=config.pace.fetch_wait_ms,
        request_timeout_ms=config.timeouts.transaction_ms,
    )
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            await consumer.start()
            end = (await consumer.end_offsets([partition]))[partition]
            begin = (await consumer.beginning_offsets([partition]))[partition]
        if position is not None and position > end:
            # A changelog that is shorter than it was is another one; the caller sees it by `end`.
            return Restored(position, None, end, 0)
        start = begin if position is None else max(begin, position)
        if start >= end:
            return Restored(end, None, end, 0)
        consumer.assign([partition])
        consumer.seek(partition, start)
        return await _read(consumer, partition, stage, start, end, progress)
    finally:
        await compat.close(consumer, CLOSE_SECONDS)


async def _read(
    consumer: AIOKafkaConsumer,
    partition: TopicPartition,
    stage: Restores,
    start: int,
    end: int,
    progress: Callable[[int], None],
) -> Restored:
    begun = said = heard = time.monotonic()
    last: int | None = None
    taken = told = 0
    at = start
    while at < end:
        try:
            batches = await consumer.getmany(partition, timeout_ms=200, max_records=2_000)
        except OffsetOutOfRangeError:
            # Compaction or retention moved the beginning while we read.
            begin = (await consumer.beginning_offsets([partition]))[partition]
            consumer.seek(partition, max(begin, at))
            continue
        for record in batches.get(partition, ()):
            if record.key is not None and record.offset < end:
                stage.restore(record.key, record.value, record.headers)
                last = record.offset + 1
                taken += 1
        reached = await consumer.position(partition)
        now = time.monotonic()
        if reached != at:
            heard = now
            progress(taken - told)
            told = taken
        elif now - heard > SILENCE_SECONDS:
            raise TimeoutError(f"the changelog {partition} gave nothing for {SILENCE_SECONDS:g} s")
        at = reached
        if now - said > PROGRESS_SECONDS:
            said = now
            log.info(
                "changelog.restoring",
                topic=partition.topic,
                partition=partition.partition,
                records=taken,
                percent=round(100 * (at - start) / (end - start)),
                seconds=round(now - begun, 1),
            )
        await asyncio.sleep(0)
    return Restored(end, last, end, taken)
