"""What watches a run from outside: readers of both isolations that stay all along, and each partition's progress."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.stage import Output
from rules.events import SECOND, Instant
from tests.fault.meanwhile import meanwhile

WATCHED = (Output.EVENTS, Output.ALERTS, Output.DEAD_LETTERS)
"""Topics that readers stay on; the state topic is made anew on the way, and its offsets with it."""

SAMPLE_SECONDS = 0.25
ANSWER_SECONDS = 3.0


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


class Seen(NamedTuple):
    """When (monotonic) an alert was seen, its own time, and whose it is."""

    at: float
    time: Instant
    subject: str


class Reader:
    """Reads our topics from the beginning of the run to its end, through every restart of the broker."""

    def __init__(self, config: KafkaConfig, isolation: str) -> None:
        self.seen: set[Place] = set()
        self.alerts: list[Seen] = []
        """A read_committed reader keeps them."""

        self.newest: Place | None = None
        """Where the last alert stands that was seen."""

        self._config = config
        self._isolation = isolation

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read for as long as the context lasts."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._config.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._isolation,
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        consumer.assign(await compat.all_partitions(consumer, [self._config.topics[output] for output in WATCHED]))
        try:
            async with meanwhile(self._go(consumer)):
                yield
        finally:
            await consumer.stop()

    async def _go(self, consumer: AIOKafkaConsumer) -> None:
        told = self._config.topics[Output.ALERTS]
        keep = self._isolation == "read_committed"
        while True:
            fetched = await consumer.getmany(timeout_ms=200)
            now = time.monotonic()
            for place, batch in fetched.items():
                self.seen.update(Place(place.topic, place.partition, record.offset) for record in batch)
                if place.topic == told and batch:
                    self.newest = Place(place.topic, place.partition, batch[-1].offset)
                    if keep:
                        self.alerts += [_seen(now, record.value) for record in batch]


def _seen(now: float, event: bytes) -> Seen:
    parsed = json.loads(event)
    return Seen(now, round(datetime.fromisoformat(parsed["time"]).timestamp() * SECOND), parsed["subject"])


class Sample(NamedTuple):
    """What was committed, and then the ends of the logs, at one moment."""

    at: float
    committed: dict[TopicPartition, int]
    ends: dict[TopicPartition, int]


class Progress:
    """Asks a few times a second how far each input partition of both stages has got, and how long it stood still."""

    def __init__(self, config: KafkaConfig) -> None:
        self.sample = Sample(0.0, {}, {})
        self._config = config
        self._moved: dict[TopicPartition, float] = {}
        self._longest = 0.0

    def begin(self) -> None:
        """Forget the longest stall so far; one under way goes on."""
        self._longest = 0.0

    @property
    def longest_stall(self) -> float:
        """The longest time, since `begin`, for which a partition had something to read and committed nothing."""
        return self._longest

    def asking(self) -> AbstractAsyncContextManager[None]:
        """Ask for as long as the context lasts."""
        return meanwhile(self._go())

    async def caught_up(self, seconds: float) -> float | None:
        """Wait until both stages have committed all that stands inbound now; return how long it took, None: longer."""
        begun = time.monotonic()
        inbound = await self._after(begun, begun + seconds)
        if inbound is None:
            return None
        for stage in ("ingest", "judge"):
            wanted = self._ends(inbound, stage)
            while any(self.sample.committed.get(place, -1) < end for place, end in wanted.items()):
                if time.monotonic() - begun > seconds:
                    return None
                await asyncio.sleep(SAMPLE_SECONDS / 4)
            inbound = await self._after(time.monotonic(), begun + seconds)
            if inbound is None:
                return None
        return time.monotonic() - begun

    async def _after(self, moment: float, deadline: float) -> Sample | None:
        while self.sample.at <= moment:
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(SAMPLE_SECONDS / 4)
        return self.sample

    def _ends(self, sample: Sample, stage: str) -> dict[TopicPartition, int]:
        topics = self._config.input_topics(stage)
        return {place: end for place, end in sample.ends.items() if place.topic in topics}

    async def _go(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await self._session()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _session(self) -> None:
        """Ask until something fails, as it does when the broker is away."""
        servers = self._config.bootstrap_servers
        consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_uncommitted")
        admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await consumer.start()
                await admin.start()
                topics = [topic for stage in ("ingest", "judge") for topic in self._config.input_topics(stage)]
                places = await compat.all_partitions(consumer, topics)
            while True:
                begun = time.monotonic()
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._take(await self._ask(consumer, admin, places))
                await asyncio.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - begun)))
        finally:
            for close in (consumer.stop, admin.close):
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(1):
                        await close()

    async def _ask(self, consumer: Any, admin: Any, places: list[TopicPartition]) -> Sample:
        at = time.monotonic()
        committed: dict[TopicPartition, int] = {}
        for stage in ("ingest", "judge"):
            found = await admin.list_consumer_group_offsets(self._config.group(stage))
            committed |= {place: offset.offset for place, offset in found.items()}
        return Sample(at, committed, await consumer.end_offsets(places))

    def _take(self, sample: Sample) -> None:
        for place, end in sample.ends.items():
            now, before = sample.committed.get(place, -1), self.sample.committed.get(place, -1)
            if now >= end or now > before:
                self._moved[place] = sample.at
            self._longest = max(self._longest, sample.at - self._moved.setdefault(place, sample.at))
        self.sample = sample
