"""
`lab-alert offsets set`: the remedy where offset and state have parted (W6).

It writes the offset together with metadata that say: this belongs to the state as it stands now. A group with members
is refused; one of them would commit over it.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import LabAlertError
from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.kafka.metadata import Metadata, decode
from consumer.kafka.transaction import Transactor
from consumer.stage import Output
from consumer.wire import FORMAT

CALL_SECONDS = 30.0


class OffsetsRefused(LabAlertError):
    """The offset can't be set as things are; the message says what to do first."""


class Moved(NamedTuple):
    """What was done to one partition."""

    partition: TopicPartition
    before: int | None
    after: int


async def set_offsets(
    config: KafkaConfig, stage: str, topic: str, partitions: Iterable[int] | None, to: str
) -> list[Moved]:
    """
    Set the committed offsets of a stage's group, and tie them to the state as it is.

    Args:
        config: The deployment.

        stage: ``ingest`` or ``judge``.

        topic: One of its input topics.

        partitions: Which; None for all.

        to: ``earliest``, ``latest`` or an offset.

    Raises:
        OffsetsRefused: The group has members, or there is no such topic, partition or offset.
    """
    if topic not in config.input_topics(stage):
        raise OffsetsRefused(f"{stage} does not read {topic}, but {', '.join(config.input_topics(stage))}.")
    group = config.group(stage)
    async with asyncio.timeout(CALL_SECONDS):
        await _refuse_members(config, group)
        consumer = AIOKafkaConsumer(
            **config.client("offsets"),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_uncommitted",
        )
        try:
            # Nothing is subscribed to: it joins no group.
            await consumer.start()
            wanted = await _wanted(consumer, topic, partitions)
            return [await _set(config, stage, consumer, partition, to) for partition in wanted]
        finally:
            with contextlib.suppress(Exception):
                await consumer.stop()


async def _refuse_members(config: KafkaConfig, group: str) -> None:
    admin = AIOKafkaAdminClient(**config.client("offsets"))
    await admin.start()
    try:
        [response] = await admin.describe_consumer_groups([group])
        members: list[Any] = [member for described in response.groups for member in described[5]]
    finally:
        await admin.close()
    if members:
        raise OffsetsRefused(
            f"group {group} has {len(members)} members; stop every `lab-alert run` of this deployment first (a killed "
            f"one leaves after {config.timeouts.session_ms / 1000:g} s)."
        )


async def _wanted(consumer: AIOKafkaConsumer, topic: str, partitions: Iterable[int] | None) -> list[TopicPartition]:
    known = await compat.all_partitions(consumer, [topic])
    if partitions is None:
        return known
    wanted = [TopicPartition(topic, number) for number in sorted(set(partitions))]
    missing = [str(place.partition) for place in wanted if place not in known]
    if missing:
        raise OffsetsRefused(f"{topic} has {len(known)} partitions, not {', '.join(missing)}.")
    return wanted


async def _set(
    config: KafkaConfig, stage: str, consumer: AIOKafkaConsumer, partition: TopicPartition, to: str
) -> Moved:
    transactor = Transactor(config, stage, partition)
    try:
        # The fence, for a member that was killed may have left a transaction open.
        await transactor.fence()
        before = (await compat.committed(consumer, [partition])).get(partition)
        begin = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        offset = {"earliest": begin, "latest": end}.get(to)
        if offset is None:
            offset = int(to) if to.isdigit() else -1
        if not begin <= offset <= end:
            raise OffsetsRefused(f"{to} is not within {partition.topic} {partition.partition}: {begin} to {end}.")
        changelog_end = None
        if stage == "judge":
            changelog = TopicPartition(config.topics[Output.STATE], partition.partition)
            changelog_end = (await consumer.end_offsets([changelog]))[changelog]
        known = None if before is None else decode(before.metadata)
        made = Metadata(
            # An earlier offset has an earlier time; unknown is safe, the watermark waits for the first record.
            stream_time=None,
            partitions=config.partitions,
            version=config.format or (FORMAT if known is None else known.version),
            transactions=1 + (0 if known is None else known.transactions),
            changelog_end=changelog_end,
        )
        await transactor.commit([], offset, lambda _: made.encode())
        return Moved(partition, None if before is None else before.offset, offset)
    finally:
        await transactor.close()


async def committed(config: KafkaConfig, stage: str) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return what the group of *stage* has committed."""
    admin = AIOKafkaAdminClient(**config.client("offsets"))
    async with asyncio.timeout(CALL_SECONDS):
        await admin.start()
        try:
            found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
                config.group(stage)
            )
            return found
        finally:
            await admin.close()
