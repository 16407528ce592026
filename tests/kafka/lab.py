"""What the broker tests share: topics, members, fake stages, and readers of both isolations."""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumer.kafka.config import KafkaConfig, Pace, Timeouts
from consumer.kafka.member import Member
from consumer.kafka.observe import Silent
from consumer.kafka.reach import Reach
from consumer.kafka.states import State
from consumer.stage import Outcome, Outgoing, Output, Record, Stage

SHORT = Timeouts(
    session_ms=6_000,
    heartbeat_ms=1_000,
    rebalance_ms=10_000,
    transaction_ms=3_000,
    doubt_seconds=0.5,
    backoff_seconds=(0.05, 0.5),
    drain_seconds=3.0,
)
"""KAFKA.md, last section."""


class Echo:
    """Passes each record on to the events partition of its key; as stateless as ingest."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.stream_time: int | None = None

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Refuse: there is no state."""
        raise AssertionError

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Echo what has a key; what has none only moves the offset."""
        self.stream_time = max([self.stream_time or 0, *(record.timestamp for record in records)])
        outgoing = [Outgoing(Output.EVENTS, None, record.key, record.value) for record in records if record.key]
        return Outcome(outgoing, stream_time=self.stream_time, counts={("seen", ""): len(records)})

    def tick(self, *, watermark: int | None, wall: int) -> Outcome:
        """Do nothing."""
        return Outcome([], stream_time=self.stream_time)

    def commit(self) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing."""


class Count:
    """Counts the records of each key, the count being its state, and tells every new count as an alert."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.counts: dict[bytes, int] = {}
        self.overlay: dict[bytes, int] = {}
        self.watermarks: list[int | None] = []
        self.stream_time: int | None = None

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Take a count."""
        if value is None:
            self.counts.pop(key, None)
        else:
            self.counts[key] = int(value)

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Count each record; its alert says which one it was and how many there have been."""
        outgoing = []
        for record in records:
            assert record.key is not None
            count = self.overlay.get(record.key, self.counts.get(record.key, 0)) + 1
            self.overlay[record.key] = count
            self.stream_time = max(self.stream_time or 0, record.timestamp)
            alert = json.dumps({"key": record.key.decode(), "count": count, "value": (record.value or b"").decode()})
            outgoing.append(Outgoing(Output.ALERTS, self.partition, record.key, alert.encode()))
        touched = {record.key for record in records if record.key is not None}
        outgoing += [Outgoing(Output.STATE, self.partition, key, b"%d" % self.overlay[key]) for key in touched]
        return Outcome(outgoing, stream_time=self.stream_time)

    def tick(self, *, watermark: int | None, wall: int) -> Outcome:
        """Note the watermark."""
        self.watermarks.append(watermark)
        return Outcome([], stream_time=self.stream_time)

    def commit(self) -> None:
        """Merge the overlay."""
        self.counts |= self.overlay
        self.overlay.clear()

    def discard(self) -> None:
        """Drop it."""
        self.overlay.clear()


class Lab:
    """The topics of one test on a broker."""

    def __init__(self, bootstrap_servers: str, name: str, *, partitions: int = 2, inbound_partitions: int = 2) -> None:
        self.name = name
        self.inbound_partitions = inbound_partitions
        self.config = KafkaConfig(
            bootstrap_servers=bootstrap_servers,
            deployment=name,
            inbound_topics=(f"{name}.inbound",),
            topics={output: f"{name}.{output.value}" for output in Output},
            status_topic=f"{name}.status",
            partitions=partitions,
            timeouts=SHORT,
            pace=Pace(offsets_only_ms=300, tick_ms=100, commit_ms=20, commit_ms_per_partition=5),
            replication_factor=1,
            min_insync_replicas=1,
        )

    @property
    def inbound(self) -> str:
        """The inbound topic."""
        return self.config.inbound_topics[0]

    def topic(self, output: Output) -> str:
        """Return the name of one of our topics."""
        return self.config.topics[output]

    async def create_topics(self) -> None:
        """Make all topics; inbound ones keep whatever timestamps they are given."""
        kept = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        p = self.config.partitions
        wanted = [NewTopic(self.inbound, self.inbound_partitions, 1, topic_configs=kept)]
        for output, name in self.config.topics.items():
            configs = {"cleanup.policy": "compact"} if output is Output.STATE else {}
            wanted.append(NewTopic(name, p, 1, topic_configs=configs))
        await self.admin(lambda admin: admin.create_topics(wanted))

    async def admin(self, call: Callable[[AIOKafkaAdminClient], Awaitable[object]]) -> object:
        """Make one admin call."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.config.bootstrap_servers)
        await admin.start()
        try:
            return await call(admin)
        finally:
            await admin.close()

    async def write(
        self,
        topic: str,
        records: Iterable[tuple[bytes | None, bytes]],
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> None:
        """Write keyed values, outside of any transaction."""
        producer = AIOKafkaProducer(bootstrap_servers=self.config.bootstrap_servers, linger_ms=5)
        await producer.start()
        try:
            futures = [
                await producer.send(topic, value, key, partition=partition, timestamp_ms=timestamp_ms)
                for key, value in records
            ]
            await asyncio.gather(*futures)
        finally:
            await producer.stop()

    async def read(self, topic: str, *, isolation: str = "read_committed") -> list[Record]:
        """Return everything in the topic up to its present high watermark, by partition and offset."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.config.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=isolation,
        )
        await consumer.start()
        found: list[Record] = []
        try:
            numbers = await partitions_of(consumer, topic)
            places = [TopicPartition(topic, number) for number in numbers]
            consumer.assign(places)
            # Asked by another, or the end would be the last stable offset.
            ends = await self.ends(places) if isolation == "read_uncommitted" else await consumer.end_offsets(places)
            await consumer.seek_to_beginning(*places)
            deadline = time.monotonic() + 20
            for place in places:
                while await consumer.position(place) < ends[place]:
                    assert time.monotonic() < deadline, f"{place} could not be read to {ends[place]}"
                    for batch in (await consumer.getmany(timeout_ms=200)).values():
                        found += [
                            Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
                            for r in batch
                        ]
            return sorted(found, key=lambda record: (record.partition, record.offset))
        finally:
            await consumer.stop()

    async def ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the high watermarks."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.config.bootstrap_servers)
        await consumer.start()
        try:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
            return ends
        finally:
            await consumer.stop()

    async def committed(self, stage: str, topic: str) -> dict[int, tuple[int, str]]:
        """Return offset and metadata that the stage's group has for each partition."""
        group = self.config.group(stage)
        found = await self.admin(lambda admin: admin.list_consumer_group_offsets(group))
        assert isinstance(found, dict)
        return {
            place.partition: (offset.offset, offset.metadata) for place, offset in found.items() if place.topic == topic
        }

    @contextlib.asynccontextmanager
    async def member(
        self,
        stage: str,
        make: Callable[[int], Stage] | None = None,
        *,
        config: KafkaConfig | None = None,
        observer: Silent | None = None,
    ) -> AsyncIterator[Member]:
        """Run a member in this process."""
        config = config or self.config
        observer = observer or Silent()
        maker = make or (Echo if stage == "ingest" else Count)
        member = Member(config, stage, maker, observer, Reach(config.bootstrap_servers, observer))
        running = asyncio.create_task(member.run())
        try:
            yield member
        finally:
            member.stop()
            await asyncio.wait_for(running, 20)

    def with_config(self, **changes: object) -> KafkaConfig:
        """Return the configuration with some fields changed."""
        return dataclasses.replace(self.config, **changes)  # type: ignore[arg-type]


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    """Return the numbers of the topic's partitions."""
    await consumer.topics()
    consumer._client.add_topic(topic)
    await consumer._client.force_metadata_update()
    return sorted(consumer.partitions_for_topic(topic) or ())


async def until(fact: Callable[[], bool], *, seconds: float = 30, what: str = "") -> None:
    """Wait until *fact* holds; fail when it doesn't within *seconds*."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or fact}"
        await asyncio.sleep(0.02)


def play(test: Coroutine[Any, Any, None], *, seconds: float = 120) -> None:
    """Run a test's coroutine, within a bound."""

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await test

    asyncio.run(bounded())


def running(member: Member, count: int) -> bool:
    """Whether the member runs *count* tasks."""
    states = [running.task.state for running in member.tasks.values()]
    return states.count(State.RUNNING) == count == len(states)


class Failures(Silent):
    """Keeps what went wrong, what was restored, and every state."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.restores: list[int] = []
        self.lags: dict[tuple[str, int], tuple[int, float]] = {}
        self.stood_still = 0
        self.commits: list[int] = []

    def failed(self, stage: str, error: str) -> None:
        """Keep the error."""
        self.errors.append(error)

    def restoring(self, stage: str, *, records: int) -> None:
        """Keep how many records were taken since it last told."""
        self.restores.append(records)

    def lag(self, stage: str, topic: str, partition: int, *, records: int, seconds: float) -> None:
        """Keep the last lag."""
        self.lags[stage, partition] = (records, seconds)

    def no_progress(self, stage: str) -> None:
        """Count it."""
        self.stood_still += 1

    def committed(self, stage: str, counts: Mapping[tuple[str, str], int], *, records: int, seconds: float) -> None:
        """Keep how many records each commit had."""
        self.commits.append(records)


def numbered(start: int, stop: int, keys: int = 7) -> list[tuple[bytes, bytes]]:
    """Return records numbered from *start*, spread over some keys."""
    return [(b"key-%d" % (number % keys), b"%d" % number) for number in range(start, stop)]


async def counted(lab: Lab, expected: int, *, seconds: float = 40) -> list[dict[str, Any]]:
    """Wait until *expected* alerts are visible; return all of them, in order for each key."""
    deadline = time.monotonic() + seconds
    while True:
        alerts = [json.loads(record.value or b"") for record in await lab.read(lab.topic(Output.ALERTS))]
        if len(alerts) >= expected or time.monotonic() > deadline:
            return alerts
        await asyncio.sleep(0.05)


def exactly_once(alerts: Iterable[dict[str, Any]], values: Iterable[int]) -> None:
    """Assert that each value was told once, and that each key's counts are 1, 2, 3 … in order."""
    told = sorted(int(alert["value"]) for alert in alerts)
    assert told == sorted(values), "lost or doubled"
    by_key: dict[str, list[int]] = {}
    for alert in alerts:
        by_key.setdefault(alert["key"], []).append(alert["count"])
    for counts in by_key.values():
        assert counts == list(range(1, len(counts) + 1)), "the state does not fit the offsets"
