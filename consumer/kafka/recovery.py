"""Where a task begins: the committed offset, held against the log, the metadata and the state (W6, W10)."""

import asyncio
import time
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat
from consumer.kafka.changelog import Restored
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import OffsetWentBack, Reason, Stop, Undone
from consumer.kafka.metadata import Metadata, decode
from consumer.kafka.settling import SETTLE_ATTEMPTS, Settled, Settling
from consumer.kafka.transaction import Acknowledged, Transactor
from consumer.stage import Output
from consumer.wire import FORMAT

log = structlog.get_logger(__name__)

DOUBTED = frozenset({Reason.OFFSET_LOST, Reason.STATE_AHEAD})
"""What a coordinator that has not read all of its log yet makes of a sound partition: believed when it goes on."""


class Known:
    """
    The highest offset that this process has seen committed for each partition of a stage, and its own last transaction.

    A coordinator that has just been elected may answer from a part of its log, with old offsets or none: seen after a
    broker was killed, for 15 s (docs/reliability.md). Who believes it reads everything a second time.
    """

    def __init__(self) -> None:
        self._highest: dict[TopicPartition, int] = {}
        self._acknowledged: dict[TopicPartition, Acknowledged | None] = {}

    def keep(self, partition: TopicPartition, acknowledged: Acknowledged | None) -> None:
        """Take our last transaction there, as its transactor leaves it."""
        self._acknowledged[partition] = acknowledged

    def acknowledged(self, partition: TopicPartition) -> Acknowledged | None:
        """Return our last transaction there, unless somebody was seen to have gone on."""
        ours = self._acknowledged.get(partition)
        return ours if ours is not None and ours.place.offset == self._highest.get(partition) else None

    def forget(self, partition: TopicPartition) -> None:
        """Take it that what was acknowledged last has been undone."""
        self._highest.pop(partition, None)

    def see(self, partition: TopicPartition, offset: int) -> None:
        """Take an offset that is committed."""
        self._highest[partition] = max(offset, self._highest.get(partition, 0))

    def check(self, partition: TopicPartition, committed: OffsetAndMetadata | None, end: int) -> None:
        """
        Hold an answer against what was seen before; a log that ends before that is another one, and begins anew.

        Raises:
            OffsetWentBack: It is lower, or there is none: it will be asked again.
        """
        if end < self._highest.get(partition, 0):
            del self._highest[partition]
        highest = self._highest.get(partition)
        found = None if committed is None else committed.offset
        if highest is not None and (found is None or found < highest):
            raise OffsetWentBack(
                f"{partition.topic}-{partition.partition} is said to be committed at {found}, and was at {highest}: "
                "its coordinator is still reading; if the offset was set by hand, restart this process"
            )
        if found is not None:
            self.see(partition, found)


class Bounds(NamedTuple):
    """The first offset that the log still has, and the one after the last that can be read."""

    begin: int
    end: int


class Start(NamedTuple):
    """Where to begin; ``first`` when nothing was committed before."""

    offset: int
    metadata: Metadata
    first: bool


async def bounds(consumer: AIOKafkaConsumer, partition: TopicPartition, committed: OffsetAndMetadata | None) -> Bounds:
    """Return the log's bounds; asked again for a while when *committed* is not within them."""
    attempt = 0
    while True:
        begin = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        attempt += 1
        if committed is None or committed.offset <= end or attempt == SETTLE_ATTEMPTS:
            return Bounds(begin, end)
        await asyncio.sleep(0.2 * attempt)


SEEN_OURSELVES = 3
"""So many times longer an offset is doubted that we have seen further on ourselves."""


class Read(NamedTuple):
    """What is committed for a partition, None: nothing; and what its log has."""

    committed: OffsetAndMetadata | None
    bounds: Bounds


class Recovery:
    """
    Finds out where one partition goes on, once it is fenced; what does not belong together is doubted for a while.

    A coordinator that has read its log in part says such things. While it is doubted it is made to write (`stir`).
    """

    def __init__(
        self,
        config: KafkaConfig,
        stage: str,
        partition: TopicPartition,
        consumer: AIOKafkaConsumer,
        known: Known,
        *,
        restores: bool,
    ) -> None:
        self._config = config
        self._stage = stage
        self._partition = partition
        self._consumer = consumer
        self._known = known
        self._restores = restores
        self._settling = Settling(config, stage, partition)
        self._doubted_at: float | None = None

    async def read(self, transactor: Transactor) -> Read:
        """
        Return what is committed.

        What our own last transaction committed is said again first, where it fits: its markers may have been lost.

        Raises:
            OffsetWentBack: It is less than we have seen.

            Undone: What we committed last is no more; it is forgotten.
        """
        async with asyncio.timeout(self._config.timeouts.transaction_ms / 1000):
            committed = (await compat.committed(self._consumer, [self._partition])).get(self._partition)
            found = Read(committed, await bounds(self._consumer, self._partition, committed))
        async with asyncio.timeout(self._config.timeouts.transaction_ms / 1000):
            settled = await self._settling.settle(transactor, committed, found.bounds.end)
        if settled is Settled.UNDONE:
            # So what it had read is to be read again, with a state that does not have it.
            self._known.forget(self._partition)
            transactor.acknowledged = None
            where = {"topic": self._partition.topic, "partition": self._partition.partition}
            log.error("offsets.undone", stage=self._stage, next="reading it again", **where)
            raise Undone(f"{self._partition.topic}-{self._partition.partition} lost its last transaction")
        try:
            self._known.check(self._partition, committed, found.bounds.end)
        except OffsetWentBack:
            if settled is Settled.SAID_AGAIN:  # The fence of the next attempt waits until it shows.
                raise
            # Without a state there is nothing else to hold it against: never believed while we remember.
            if not self._restores or not self._believed(SEEN_OURSELVES * self._config.timeouts.doubt_seconds):
                await self._stir(transactor, found)
                raise
        return found

    async def start(self, transactor: Transactor, found: Read, restored: Restored | None) -> Start:
        """
        Return where to begin.

        Raises:
            Stop: Offset, log, state and P do not belong together (W6).

            OffsetWentBack: They do not, and a coordinator that is still reading may be the reason.
        """
        try:
            begin = resume_from(self._config, self._stage, self._partition, found.committed, found.bounds, restored)
        except Stop as stop:
            hidden = stop.reason is Reason.STATE_BEHIND and await self._settling.state_is_hidden(found.committed)
            if hidden and found.committed is not None and not self._believed(self._config.timeouts.doubt_seconds):
                await self._settling.show_state(transactor, found.committed)
                raise OffsetWentBack(stop.what) from stop
            if stop.reason in DOUBTED and not self._believed(self._config.timeouts.doubt_seconds):
                await self._stir(transactor, found)
                raise OffsetWentBack(stop.what) from stop
            raise
        self._doubted_at = None
        return begin

    async def settle(self, transactor: Transactor) -> None:
        """
        See that what we committed last stands, after a broker was away.

        Raises:
            OffsetWentBack: It does not, or not yet.

            Undone: It never will.
        """
        last = transactor.acknowledged
        if last is None:
            return
        for _ in range(SETTLE_ATTEMPTS):
            # Without a fence, what is committed may take a moment to show (KAFKA.md fact 2).
            async with asyncio.timeout(self._config.timeouts.transaction_ms / 1000):
                found = await compat.committed(self._consumer, [self._partition])
            if found.get(self._partition) == last.place:
                break
            await asyncio.sleep(0.1)
        await self.read(transactor)

    async def _stir(self, transactor: Transactor, found: Read) -> None:
        await transactor.stir(found.bounds.begin if found.committed is None else found.committed.offset)

    def _believed(self, seconds: float) -> bool:
        """Whether the coordinator has said for so long what belongs to nothing we know that it has to be believed."""
        now = time.monotonic()
        self._doubted_at = self._doubted_at or now
        return now - self._doubted_at >= seconds


def resume_from(
    config: KafkaConfig,
    stage: str,
    partition: TopicPartition,
    committed: OffsetAndMetadata | None,
    log_bounds: Bounds,
    restored: Restored | None,
) -> Start:
    """
    Return where to begin.

    Args:
        config: P, and where an inbound partition without an offset begins.

        stage: ``ingest`` or ``judge``.

        partition: The input.

        committed: What the group has for it.

        log_bounds: What the log has of it.

        restored: What the changelog gave, ``last`` being that of all the stage holds, from earlier restores and its own
            commits too; None: the stage has no state.

    Raises:
        Stop: Offset, log, state and P do not belong together (W6); its remedy is what the operator reads.
    """
    remedy = Remedy(config, stage, partition)
    if committed is None:
        if restored is not None and restored.last is not None:
            raise Stop(Reason.OFFSET_LOST, f"{remedy.place} has state but no committed offset.", remedy.set_offset())
        earliest = restored is not None or config.start == "earliest"
        offset = log_bounds.begin if earliest else log_bounds.end
        log.info(
            "offsets.first_start", stage=stage, topic=partition.topic, partition=partition.partition, offset=offset
        )
        return Start(offset, Metadata(stream_time=None, partitions=config.partitions), first=True)

    metadata = decode(committed.metadata)
    if metadata is not None:
        _same_shape(config, remedy, metadata)
    if not log_bounds.begin <= committed.offset <= log_bounds.end:
        raise Stop(
            Reason.OFFSET_OUT_OF_RANGE,
            f"{remedy.place} is committed at {committed.offset}, its log goes from {log_bounds.begin} to "
            f"{log_bounds.end}.",
            remedy.set_offset(),
        )
    if restored is not None:
        _same_state(config, remedy, metadata, restored)
    return Start(committed.offset, metadata or Metadata(stream_time=None, partitions=config.partitions), first=False)


def _same_shape(config: KafkaConfig, remedy: "Remedy", metadata: Metadata) -> None:
    if metadata.version > FORMAT:
        raise Stop(
            Reason.NEWER_VERSION,
            f"{remedy.place} was committed by a newer lab-alert (format {metadata.version}, ours is {FORMAT}).",
            f"run the newer lab-alert on every member again; to go back, set LAB_ALERT_KAFKA_FORMAT={FORMAT} there "
            "first, and wait until it has written its states anew (docs/operations.md).",
        )
    if metadata.partitions != config.partitions:
        raise Stop(
            Reason.PARTITIONS_CHANGED,
            f"{remedy.place} was committed with {metadata.partitions} partitions, now it is {config.partitions}: "
            "patients would lose their history.",
            f"set the number of partitions back to {metadata.partitions}, or begin anew under another deployment name "
            "with topics of its own.",
        )


def _same_state(config: KafkaConfig, remedy: "Remedy", metadata: Metadata | None, restored: Restored) -> None:
    changelog = config.topics[Output.STATE]
    if metadata is None:
        if restored.last is not None:
            raise Stop(
                Reason.OFFSET_LOST,
                f"{remedy.place} has an offset that another tool has set: nothing says which state belongs to it.",
                remedy.set_offset(),
            )
        return
    written = metadata.changelog_end or 0
    if restored.end < written:
        raise _made_anew(remedy, changelog, written, restored.end)
    if restored.last is not None and restored.last > written:
        raise Stop(
            Reason.STATE_AHEAD,
            f"{remedy.place} has committed its state up to {written}, but {changelog} has records up to "
            f"{restored.last}: the offset was set back.",
            remedy.set_offset(),
        )


def still_the_same(
    config: KafkaConfig, stage: str, partition: TopicPartition, position: int | None, written: int | None
) -> None:
    """
    See that state just written, up to *written*, stands behind all that the changelog had, up to *position*.

    Raises:
        Stop: It does not. The topic was made anew while we ran, and no longer has the state of anybody else.
    """
    if written is not None and position is not None and written <= position:
        raise _made_anew(Remedy(config, stage, partition), config.topics[Output.STATE], position, written)


def _made_anew(remedy: "Remedy", changelog: str, written: int, end: int) -> Stop:
    return Stop(
        Reason.STATE_BEHIND,
        f"{remedy.place} has written its state up to {written}, but {changelog} ends at {end}: the topic was made anew "
        "or has lost its end.",
        "restore the topic, or accept the loss of state: " + remedy.set_offset(),
    )


class Remedy:
    """The words of a remedy for one partition."""

    def __init__(self, config: KafkaConfig, stage: str, partition: TopicPartition) -> None:
        self._stage = stage
        self._partition = partition
        self.place = f"{stage} partition {partition.partition} of {partition.topic} (group {config.group(stage)})"

    def set_offset(self) -> str:
        """Return the command that sets the offset, and what each of its three ways means."""
        where = f"--stage {self._stage} --topic {self._partition.topic} --partition {self._partition.partition}"
        return (
            f"stop every member of the group, then `lab-alert offsets set {where} --to earliest` (judges again what "
            "the topic still has), `--to latest` (leaves it out) or `--to OFFSET` (goes on at one that was noted "
            "before), then start them."
        )
