"""Asks once a second, in one go, for what the watermark is made of, and tells every judge task (W17)."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupLoadInProgressError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import UNREACHABLE
from consumer.kafka.handover import wall_clock
from consumer.kafka.member import Member
from consumer.kafka.metadata import decode
from consumer.kafka.observe import Observer
from consumer.kafka.reach import Reach
from consumer.kafka.states import State
from consumer.kafka.task import Task
from consumer.kafka.watermark import Homes, Place, low_watermark
from consumer.stage import Output
from consumer.stuck import Stuck

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 10.0


class Oracle:
    """One process's source of watermarks."""

    def __init__(
        self, config: KafkaConfig, judge: Member, observer: Observer, reach: Reach, ingest: Member | None = None
    ) -> None:
        """*ingest* is the process's other member, who learns what is committed for partitions that others have."""
        self.watermark: int | None = None
        self.behind_ms = 0
        self._config = config
        self._judge = judge
        self._known = {"judge": judge and judge.known, "ingest": ingest and ingest.known}
        self._observer = observer
        self._reach = reach
        self._stuck = Stuck(config.stuck_after_ms)
        self._homes: dict[int, Homes] = {}
        self._told_at = 0.0

    @property
    def has_told(self) -> bool:
        """Whether the watermark has been asked for since every task of ours runs: who has to wait begins here."""
        return all(running.task.since <= self._told_at for running in self._judge.tasks.values())

    async def run(self) -> None:
        """Ask and tell, for ever."""
        _, longest = self._config.timeouts.backoff_seconds
        while True:
            try:
                await self._session()
            except UNREACHABLE as error:
                self._reach.lost("watermark", error)
            except KafkaError as error:
                log.warning("watermark.unknown", error=f"{type(error).__name__}: {error}")
            self._observe(None)
            await asyncio.sleep(longest / 2)

    async def _session(self) -> None:
        # High watermarks: a read_committed consumer's end is the last stable offset, and committed events can lie
        # behind a neighbour's open transaction.
        consumer = AIOKafkaConsumer(
            **self._config.client("watermark"),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_uncommitted",
            request_timeout_ms=self._config.timeouts.transaction_ms,
        )
        admin = AIOKafkaAdminClient(
            **self._config.client("watermark"), request_timeout_ms=self._config.timeouts.transaction_ms
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await consumer.start()
                await admin.start()
            while True:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._ask(consumer, admin)
                self._reach.back("watermark")
                await asyncio.sleep(self._config.pace.tick_ms / 1000)
        finally:
            await compat.close(consumer, 2)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await admin.close()

    async def _ask(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        """One reading, in this order: the time, the inbound ends, what is committed, the ends of our own events."""
        begun = time.monotonic()
        asked_at = wall_clock()
        inbound = await compat.all_partitions(consumer, self._config.inbound_topics)
        if {place.topic for place in inbound} != set(self._config.inbound_topics):
            # A topic that can't be seen may hold anything.
            self._observe(None)
            return
        ends = await consumer.end_offsets(inbound)
        begins = await consumer.beginning_offsets(inbound)
        committed = await self._committed(admin, "ingest", inbound)
        if self._config.clock == "records":
            # When all are read, the newest time committed is the watermark: nothing may have come beside it meanwhile.
            ends = await consumer.end_offsets(inbound)
        places = [_place(committed.get(place), begins[place], ends[place]) for place in inbound]
        low = low_watermark(places, asked_at=asked_at, clock=self._config.clock)
        self._observe(low)
        tasks = [running.task for running in self._judge.tasks.values() if running.task.state is State.RUNNING]
        if low is not None and tasks:
            await self._tell(consumer, admin, low, tasks)
        self._told_at = begun

    async def _tell(
        self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, low: int, tasks: Iterable[Task]
    ) -> None:
        """Tell each task the watermark, and how far it has to have read for it to hold."""
        topic = self._config.topics[Output.EVENTS]
        events = [TopicPartition(topic, number) for number in range(self._config.partitions)]
        homes = {task.partition.partition: task.alias_homes for task in tasks}
        away: dict[int, int] = {}
        if any(homes.values()):
            # Asked before the ends: what those homes have sent on stands before them.
            found = await self._committed(admin, "judge", events)
            away = {place.partition: offset.offset for place, offset in found.items()}
        ends = {place.partition: end for place, end in (await consumer.end_offsets(events)).items()}
        for task in tasks:
            number = task.partition.partition
            task.learn(low, ends[number])
            if (followed := homes[number]) is not None:
                # Kept here, and not by the task: what other homes have committed is true whoever has this partition.
                passed = self._homes.setdefault(number, Homes()).hear(low, ends, away, *followed)
                if passed is not None:
                    task.learn_merged(passed, ends[number])

    async def _committed(
        self, admin: AIOKafkaAdminClient, stage: str, partitions: list[TopicPartition]
    ) -> Mapping[TopicPartition, OffsetAndMetadata]:
        group = self._config.group(stage)
        found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
            group, partitions=partitions
        )
        if not found.keys() >= set(partitions):
            # aiokafka takes an error of the whole group for an answer without partitions.
            raise GroupLoadInProgressError(group)
        committed = {place: offset for place, offset in found.items() if offset.offset >= 0}
        if (known := self._known[stage]) is not None:
            for place, offset in committed.items():
                known.see(place, offset.offset)
        return committed

    def _observe(self, low: int | None) -> None:
        self.watermark = low
        self.behind_ms = self._stuck.behind(low, wall_clock()) if self._config.clock == "live" else 0
        self._observer.watermark(low, behind_ms=self.behind_ms)


def _place(committed: OffsetAndMetadata | None, begin: int, end: int) -> Place:
    metadata = None if committed is None else decode(committed.metadata)
    return Place(
        committed=None if committed is None else committed.offset,
        stream_time=None if metadata is None else metadata.stream_time,
        begin=begin,
        end=end,
    )
