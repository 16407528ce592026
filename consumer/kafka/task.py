"""
One input partition, its stage and its transactions: the same kind of task for ingest and judge (DESIGN.md 1).

A task never repairs anything. Whatever fails, it drops the overlay and the producer, goes back to the fence and learns
from the committed offset what happened (W2, W3, W4, W5). The member hands it records and tells it when to drain.
"""

import asyncio
import random
import time
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.kafka import changelog, recovery
from consumer.kafka.config import KafkaConfig
from consumer.kafka.drain import unless
from consumer.kafka.faults import REMEDIES, UNREACHABLE, Action, LeaseLost, Reason, Stop, Undone, judge_error
from consumer.kafka.handover import Batch, Clock, Kept, MakeStage
from consumer.kafka.inbox import Inbox
from consumer.kafka.lease import Lease
from consumer.kafka.metadata import Metadata
from consumer.kafka.observe import Observer, say_quarantined
from consumer.kafka.pending import Pending
from consumer.kafka.states import TRANSITIONS, State
from consumer.kafka.transaction import Transactor
from consumer.kafka.watermark import Readings
from consumer.stage import Follows, Output, Record, Stage, Versioned

log = structlog.get_logger(__name__)


class Task:
    """Runs one stage on one partition from assignment to revocation."""

    def __init__(
        self,
        config: KafkaConfig,
        name: str,
        partition: TopicPartition,
        make_stage: MakeStage,
        kept: Kept | None,
        consumer: AIOKafkaConsumer,
        lease: Lease,
        observer: Observer,
        known: recovery.Known,
        *,
        restores: bool,
    ) -> None:
        self.name = name
        self.partition = partition
        self.state = State.ASSIGNED
        self.reason: Reason | None = None
        self.trouble: str | None = None
        self.since = self.progress_at = time.monotonic()
        self.last_lag = (0, 0.0)
        self._config = config
        self._make_stage = make_stage
        self.kept = kept or self._anew()
        self._consumer = consumer
        self._lease = lease
        self._observer = observer
        self._known = known
        self._recovery = recovery.Recovery(config, name, partition, consumer, known, restores=restores)
        self._restores = restores
        self._transactor: Transactor | None = None
        self._says_again = False
        self._metadata = Metadata(stream_time=None, partitions=config.partitions)
        self._pending = Pending(0, 0)
        self._inbox, self._clock = Inbox(), Clock()
        self._readings, self._merged = Readings(), Readings()
        self._polled_error: Exception | None = None
        self._last_timestamp: int | None = None
        self._committed_at = self._ticked_at = 0.0
        self._failures = 0
        self._wake = asyncio.Event()
        self._drain = asyncio.Event()
        observer.task_state(name, partition.topic, partition.partition, self.state)

    # ---- what the member says to a task; none of it waits ----

    @property
    def hungry(self) -> bool:
        """Whether records are wanted."""
        return self.state is State.RUNNING and self._inbox.has_room

    def offer(self, records: Sequence[Record], position: int) -> None:
        """Take fetched records and the position behind them."""
        self._inbox.put(Batch(records, position))
        self._wake.set()

    def reached(self, position: int) -> None:
        """Take the position when nothing came: markers and aborted records have been passed."""
        if not self._inbox and position > self._pending.offset:
            self._pending.offset = position
            self._wake.set()

    def learn(self, watermark: int, end: int) -> None:
        """Take a watermark that holds once this partition has been read to *end* (W17)."""
        self._readings.learn(watermark, end)
        self._wake.set()

    def learn_merged(self, watermark: int, end: int) -> None:
        """Take a watermark that all homes have passed from which aliases lead here; it holds from *end* on (W17)."""
        self._merged.learn(watermark, end)
        self._wake.set()

    def say_again(self) -> None:
        """Take it that a broker was away: the markers of the last transaction may be lost."""
        self._says_again = True
        self._wake.set()

    def drain(self) -> None:
        """Ask for the end: commit what has been processed, take nothing more."""
        self._drain.set()
        self._wake.set()

    @property
    def leaving(self) -> bool:
        """Whether it has been asked to end."""
        return self._drain.is_set()

    def fail(self, error: Exception) -> None:
        """Take an error that the member met while it polled this partition."""
        self._polled_error = error
        self._wake.set()

    @property
    def alias_homes(self) -> tuple[frozenset[int], int] | None:
        """Events partitions from which aliases lead to patients of this one, and over how many; None: from none."""
        follows = self._follows
        return None if follows is None else follows.alias_homes()

    @property
    def watermark(self) -> int | None:
        """The watermark that holds here; None: none is known yet."""
        return self._readings.watermark

    @property
    def position(self) -> int:
        """The next record that has not been processed."""
        return self._pending.offset

    @property
    def fetched(self) -> int:
        """The next record that has not been handed over."""
        return self._inbox.end or self._pending.offset

    @property
    def committed(self) -> int:
        """The offset of the last commit."""
        return self._pending.committed_offset

    def lag(self, end: int, wall: int) -> tuple[int, float]:
        """Return how far we are behind *end*, known from a fetch: in records, and in seconds by their times (W14)."""
        records = max(0, end - self._pending.offset)
        since = self._last_timestamp if records else None
        self.last_lag = records, 0.0 if since is None else max(0.0, (wall - since) / 1000)
        return self.last_lag

    # ---- the life of a task ----

    def _anew(self) -> Kept:
        return Kept(self._make_stage(self.partition.partition))

    @property
    def _stage(self) -> Stage:
        return self.kept.stage

    @property
    def _follows(self) -> Follows | None:
        return self.kept.stage if isinstance(self.kept.stage, Follows) else None

    async def run(self) -> None:
        """Live until drained, lost or stopped for good."""
        try:
            while not self._drain.is_set():
                try:
                    if await unless(self._drain, self._prepare()):
                        await self._work()
                except Exception as error:  # noqa: BLE001  (every error has its line in `faults.ACTIONS`)
                    if not await self._after(error):
                        break
        finally:
            # Also when cancelled in the middle of a commit: the outcome is unknown, the overlay goes, and the next
            # owner's fence tells.
            self._stage.discard()
            await self._discard()
            if self.state is not State.STOPPED:
                self.reason = Reason.REVOKED
                self._to(State.STOPPED)
            self._observer.task_state(self.name, self.partition.topic, self.partition.partition, None)

    async def _prepare(self) -> None:
        """W2: confirm, fence, read the offset, restore, seek, resume; in this order, each after the one before."""
        self._to(State.FENCING)
        # 1. Ours? A thawed process still holds partitions that it has lost, and its fence would kill their owner.
        await self._lease.confirm(self._progress)
        # 2. Fence. From here no older producer of this partition can commit.
        acknowledged = self._known.acknowledged(self.partition)
        self._transactor = Transactor(self._config, self.name, self.partition, acknowledged)
        await self._transactor.fence()
        self._progress()
        # 3. So what is committed now is all that ever will be but for us.
        found = await self._recovery.read(self._transactor)
        self._to(State.RESTORING)
        # 4. And the changelog's end, asked now, has all the state that belongs to it.
        restored = await self._restore() if self._restores else None
        start = await self._recovery.start(self._transactor, found, restored)
        # 5. Rewind. Everything that was fetched before is void.
        if not self._lease.valid:
            raise LeaseLost
        self._inbox.clear()
        self._readings, self._merged = Readings(), Readings()
        self._consumer.seek(self.partition, start.offset)
        self._metadata = start.metadata._replace(version=self._config.format or start.metadata.version)
        if isinstance(self._stage, Versioned):
            self._stage.write_format(self._metadata.version)
        self._pending = Pending(start.offset, start.offset, stream_time=start.metadata.stream_time)
        if start.first or self._metadata != start.metadata:
            # Committed at once: from now on, no offset beside a state means that one of them was lost; and who takes
            # over has to know in which format.
            await self._commit()
        self._committed_at = time.monotonic()
        self._ticked_at = 0.0
        self._to(State.RUNNING)
        self.trouble = None
        self._consumer.resume(self.partition)
        log.info(
            "task.running",
            offset=start.offset,
            restored=None if restored is None else restored.records,
            **self._where(),
        )

    async def _restore(self) -> changelog.Restored:
        source = TopicPartition(self._config.topics[Output.STATE], self.partition.partition)
        begun = time.monotonic()
        restored = await changelog.restore(
            self._config, source, self._stage, position=self.kept.position, progress=self._restoring
        )
        self.kept = self.kept._replace(position=restored.position, last=restored.last or self.kept.last)
        self._observer.restored(self.name, seconds=time.monotonic() - begun)
        return restored._replace(last=self.kept.last)

    def _restoring(self, records: int) -> None:
        self._progress()
        self._observer.restoring(self.name, records=records)

    async def _work(self) -> None:
        """Process and commit until drained; then commit what is left."""
        assert self._transactor is not None
        pace = self._config.pace
        while not self._drain.is_set():
            self._progress()
            now = time.monotonic()
            if self._polled_error is not None:
                error, self._polled_error = self._polled_error, None
                raise error
            if self._says_again:
                self._says_again = False
                await self._recovery.settle(self._transactor)
            if self._inbox:
                self._process(pace.batch_records)
            moved = self._promote()
            if moved or now - self._ticked_at >= pace.tick_ms / 1000:
                self._tick()
            if not self._pending.idle and self._due() <= 0:
                await self._commit()
            elif self._inbox:
                await asyncio.sleep(0)
            else:
                await self._wait(pace.tick_ms / 1000 - (now - self._ticked_at))
        self._to(State.DRAINING)
        self._inbox.clear()
        if not self._pending.idle:
            await self._commit()

    async def _wait(self, until_tick: float) -> None:
        """Wait for records, a watermark, the drain, or the next thing that is due by the clock."""
        seconds = until_tick if self._pending.idle else min(until_tick, self._due())
        self._wake.clear()
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _due(self) -> float:
        since = time.monotonic() - self._committed_at
        return self._pending.due(since, self._config.pace, self._lease.owned, backlog=bool(self._inbox))

    def _process(self, limit: int) -> None:
        """Give the stage at most *limit* records."""
        records, offset = self._inbox.take(limit)
        watermark, wall = self._clock.look(self.watermark)
        outcome = self._stage.process(records, watermark=watermark, wall=wall)
        self._last_timestamp = records[-1].timestamp
        self._pending.offset = offset
        self._pending.add(outcome, records=len(records))
        # By the records themselves: a stage's own memory of time would survive the batch that is thrown away.
        latest = max(record.timestamp for record in records)
        # Live, a sender's clock that is ahead must not carry the watermark with it.
        self._pending.see(latest if self._config.clock == "records" else min(latest, wall))

    def _promote(self) -> bool:
        """Take over each watermark whose end has been read (W17); return whether it moved."""
        moved = self._readings.promote(self._pending.offset)
        if (follows := self._follows) is not None:
            moved |= self._merged.promote(self._pending.offset)
            follows.see_merged(self._merged.watermark)
        return moved

    def _tick(self) -> None:
        self._ticked_at = time.monotonic()
        watermark, wall = self._clock.look(self.watermark)
        self._pending.add(self._stage.tick(watermark=watermark, wall=wall))

    async def _commit(self) -> None:
        """One transaction for everything pending; the overlay is merged only after it has returned (W7)."""
        assert self._transactor is not None
        pending = self._pending
        # Taken now: while the broker is awaited, markers may be passed (`reached`), and the offset moves on.
        offset = pending.offset
        begun = time.monotonic()
        made = self._metadata._replace(
            stream_time=pending.stream_time,
            partitions=self._config.partitions,
            transactions=self._metadata.transactions + 1,
        )

        def metadata(written: int | None) -> str:
            # Before the commit: a changelog that is another one must not get an offset of ours.
            recovery.still_the_same(self._config, self.name, self.partition, self.kept.position, written)
            return made._replace(changelog_end=written or made.changelog_end).encode()

        end = await self._transactor.commit(pending.outgoing, offset, metadata)
        self._stage.commit()
        self._metadata = made._replace(changelog_end=end or made.changelog_end)
        if end is not None:
            # We are the changelog's only writer, and the stage has what we wrote.
            self.kept = self.kept._replace(position=end, last=end)
        self._pending = Pending(pending.offset, offset, stream_time=pending.stream_time)
        self._known.see(self.partition, offset)
        self._committed_at = time.monotonic()
        self._failures = 0
        self._progress()
        say_quarantined(pending.counts, self._where())
        self._observer.committed(self.name, pending.counts, records=pending.records, seconds=self._committed_at - begun)

    async def _after(self, error: Exception) -> bool:
        """Do what the table says about *error*; return whether to begin again at the fence."""
        self._stage.discard()
        self._inbox.clear()
        await self._discard()
        if isinstance(error, Undone):
            self.kept = self._anew()
        action, _ = judge_error(error)
        if self._drain.is_set() or not self._lease.valid or action is Action.LOST:
            return False
        self._observer.failed(self.name, type(error).__name__)
        if action is Action.STOP:
            self._stop(error)
            await self._drain.wait()
            return False
        self._consumer.pause(self.partition)
        self._failures += 1
        self.trouble = type(error).__name__
        # A broker that is away is said once, by the member; every task would say it otherwise.
        say = log.debug if isinstance(error, UNREACHABLE) else log.warning
        say("task.retry", error=f"{type(error).__name__}: {error}", **self._where())
        await unless(self._drain, self._backoff())
        return not self._drain.is_set()

    async def _discard(self) -> None:
        transactor, self._transactor = self._transactor, None
        if transactor is not None:
            self._known.keep(self.partition, transactor.acknowledged)
            await transactor.discard()

    async def _backoff(self) -> None:
        first, longest = self._config.timeouts.backoff_seconds
        self._progress()
        await asyncio.sleep(min(longest, first * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1))  # noqa: S311  (jitter)

    def _stop(self, error: Exception) -> None:
        """Leave the partition unread, and say what cures it."""
        _, reason = judge_error(error)
        self.reason, self.trouble = reason or Reason.BUG, str(error)
        remedy = error.remedy if isinstance(error, Stop) else REMEDIES.get(self.reason, "")
        what = error.what if isinstance(error, Stop) else f"{type(error).__name__}: {error}"
        log.error(
            "task.stopped",
            reason=self.reason,
            what=what,
            remedy=remedy,
            exc_info=error if self.reason is Reason.BUG else None,
            **self._where(),
        )
        self._to(State.STOPPED)

    def _where(self) -> dict[str, object]:
        return {"stage": self.name, "topic": self.partition.topic, "partition": self.partition.partition}

    def _progress(self) -> None:
        self.progress_at = time.monotonic()

    def _to(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
        self._progress()
        self.since = self.progress_at
        self._observer.task_state(self.name, self.partition.topic, self.partition.partition, state)
