"""
Plain readers and writers for what is not a task: demo, simulation, `dead-letters`, `state`, tests.

They belong to no group, commit nothing and read committed records only.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.stage import Record

CALL_SECONDS = 30.0
"""A call that takes longer has met a broker that is away."""

Headers = Sequence[tuple[str, bytes]]


@contextlib.asynccontextmanager
async def _consumer(
    config: KafkaConfig, topic: str, partition: int | None = None
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """Give a consumer that is assigned one or all partitions of *topic* and stands at their beginning."""
    consumer = AIOKafkaConsumer(
        **config.client("reader"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
    )
    async with asyncio.timeout(CALL_SECONDS):
        await consumer.start()
    try:
        async with asyncio.timeout(CALL_SECONDS):
            places = await compat.all_partitions(consumer, [topic])
            if partition is not None:
                places = [place for place in places if place.partition == partition]
            consumer.assign(places)
            if places:
                await consumer.seek_to_beginning(*places)
        yield consumer, places
    finally:
        await compat.close(consumer, CALL_SECONDS)


async def read(config: KafkaConfig, topic: str, partition: int | None = None) -> AsyncIterator[Record]:
    """Yield every record of *topic* (or of one partition) up to the ends as they stand now; of each in order."""
    async with _consumer(config, topic, partition) as (consumer, places):
        ends = await consumer.end_offsets(places) if places else {}
        left = {place for place in places if await consumer.position(place) < ends[place]}
        while left:
            async with asyncio.timeout(CALL_SECONDS):
                fetched = await consumer.getmany(timeout_ms=500)
            for batch in fetched.values():
                for record in batch:
                    yield _record(record)
            left = {place for place in left if await consumer.position(place) < ends[place]}


async def follow(config: KafkaConfig, topic: str) -> AsyncGenerator[Record, None]:
    """Yield every record of *topic* from its beginning, and what comes, until cancelled."""
    async with _consumer(config, topic) as (consumer, _):
        while True:
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    yield _record(record)


class Writer:
    """An idempotent producer; `write` returns when all is acknowledged, `post` when it is under way."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._producer = AIOKafkaProducer(
            **config.client("writer"),
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
            max_request_size=config.max_message_bytes,
            compression_type=config.compression,
        )

    async def __aenter__(self) -> Self:
        """Connect."""
        async with asyncio.timeout(CALL_SECONDS):
            await self._producer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Send what is left, and disconnect."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALL_SECONDS):
                await self._producer.stop()

    async def post(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        timestamp: int | None = None,
        headers: Headers = (),
    ) -> "asyncio.Future[Any]":
        """Send one record; the future is done when it is acknowledged."""
        future: asyncio.Future[Any] = await self._producer.send(
            topic, value, key, partition=partition, timestamp_ms=timestamp, headers=list(headers)
        )
        return future

    async def write(self, topic: str, records: Iterable[Record]) -> int:
        """Send *records* (their value, key, timestamp, headers) and return how many were acknowledged."""
        futures = [
            await self.post(
                topic,
                record.value,
                record.key,
                partition=None if record.partition < 0 else record.partition,
                timestamp=record.timestamp,
                headers=record.headers,
            )
            for record in records
        ]
        async with asyncio.timeout(CALL_SECONDS):
            await asyncio.gather(*futures)
        return len(futures)


def _record(fetched: Any) -> Record:
    return Record(
        fetched.topic,
        fetched.partition,
        fetched.offset,
        fetched.timestamp,
        fetched.key,
        fetched.value,
        fetched.headers,
    )
