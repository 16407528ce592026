"""
One consumer of one stage: joins the group, hands partitions to tasks and records to whoever is hungry.

The callbacks of a rebalance only pause and hand over (W8); what takes time is the tasks' work. A watchdog sees to it
that every assigned partition has a task that gets on (W5).
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import ConsumerRecord

from consumer.kafka import compat
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import UNREACHABLE, Unreadable
from consumer.kafka.fetching import Fetching, Unfetched
from consumer.kafka.handover import Kept, MakeStage, wall_clock
from consumer.kafka.lease import Lease
from consumer.kafka.observe import Observer
from consumer.kafka.reach import Reach
from consumer.kafka.recovery import Known
from consumer.kafka.states import State
from consumer.kafka.task import Task

log = structlog.get_logger(__name__)

START_SECONDS = 30.0
STOP_SECONDS = 3.0
NEVER_MS = 100 * 365 * 86_400_000


class Running(NamedTuple):
    """A task and the asyncio task that runs it."""

    task: Task
    doing: "asyncio.Task[None]"

    @property
    def orphaned(self) -> bool:
        """Whether it has ended although nobody asked it to."""
        return self.doing.done() and not self.task.leaving


class Member(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The process's membership in one stage's group."""

    def __init__(
        self,
        config: KafkaConfig,
        stage: str,
        make_stage: MakeStage,
        observer: Observer,
        reach: Reach,
    ) -> None:
        self.stage = stage
        self.tasks: dict[TopicPartition, Running] = {}
        self.joined = False
        self.orphans: frozenset[TopicPartition] = frozenset()
        self.unfetched: frozenset[TopicPartition] = frozenset()
        self.turned_at = time.monotonic()
        self.changed = asyncio.Event()
        self._config = config
        self._make_stage = make_stage
        self._observer = observer
        self._reach = reach
        self._restores = stage == "judge"
        self._consumer: AIOKafkaConsumer | None = None
        self._assignor = compat.own_assignor()
        self._lease: Lease | None = None
        self.known = Known()
        self._kept: dict[TopicPartition, Kept] = {}
        self._stopping = asyncio.Event()
        self._forced_at = 0.0
        self._broken: Exception | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The consumer of the current session, for the watermark and for tests."""
        return self._consumer

    def stop(self) -> None:
        """Ask for the end: drain, leave the group, return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Be a member until stopped; a session that fails is followed by another."""
        first, longest = self._config.timeouts.backoff_seconds
        wait = first
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                await self._session()
            except UNREACHABLE as error:
                self._reach.lost(self.stage, error)
            except KafkaError as error:
                log.warning("member.session_failed", stage=self.stage, error=f"{type(error).__name__}: {error}")
            if time.monotonic() - begun > longest:
                wait = first
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stopping.wait()
            wait = min(longest, 2 * wait)

    async def _session(self) -> None:
        """Join, poll and watch until something fails or we are stopped."""
        self._consumer = consumer = self._make_consumer()
        self._broken = None
        try:
            async with asyncio.timeout(START_SECONDS):
                await consumer.start()
            # Not before: `start` would wait for the group without a limit.
            consumer.subscribe(topics=list(self._config.input_topics(self.stage)), listener=self)
            await self._until_stopped(self._poll(consumer), self._watch(consumer))
        finally:
            self.joined = False
            self.orphans = self.unfetched = frozenset()
            try:
                await self._give_back()
            finally:
                self._consumer = None
                await compat.close(consumer, STOP_SECONDS)

    def _make_consumer(self) -> AIOKafkaConsumer:
        timeouts = self._config.timeouts
        return AIOKafkaConsumer(
            **self._config.client(self.stage),
            group_id=self._config.group(self.stage),
            group_instance_id=self._config.group_instance_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            partition_assignment_strategy=(self._assignor,),
            session_timeout_ms=timeouts.session_ms,
            heartbeat_interval_ms=timeouts.heartbeat_ms,
            rebalance_timeout_ms=timeouts.rebalance_ms,
            request_timeout_ms=timeouts.answer_ms,
            # The watchdog looks after tasks that stand still. A member that polls for nothing, as one that stands by
            # or whose partitions are stopped, would leave the group, and never come back.
            max_poll_interval_ms=NEVER_MS,
            max_partition_fetch_bytes=max(1024 * 1024, self._config.inbound_max_message_bytes),
            fetch_max_wait_ms=self._config.pace.fetch_wait_ms,
            metadata_max_age_ms=30_000,
        )

    async def _until_stopped(self, *loops: Coroutine[Any, Any, None]) -> None:
        """Run *loops* until one ends (raising what it raised) or we are stopped."""
        running = {asyncio.ensure_future(loop) for loop in loops}
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                await future
        finally:
            for future in (*running, stopping):
                future.cancel()
            await asyncio.gather(*running, stopping, return_exceptions=True)

    # ---- records ----

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        """Hand out records, for ever; blocks while the group rebalances (fact 7)."""
        while True:
            self.turned_at = time.monotonic()
            wanted = [partition for partition, running in self.tasks.items() if running.task.hungry]
            if not wanted:  # and if coordination has failed, `_watch` says so
                await asyncio.sleep(self._config.pace.fetch_wait_ms / 2_000)
                continue
            try:
                # From here to the hand-over nothing else runs: a seek cannot come in between.
                batches = await consumer.getmany(*wanted, timeout_ms=self._config.pace.fetch_wait_ms)
                await self._hand_out(consumer, wanted, batches)
            except (NoOffsetForPartitionError, IllegalStateError):
                # Expected between an assignment and its seek (W10).
                await asyncio.sleep(0.01)
            except OffsetOutOfRangeError as error:
                self._fail(error.args[0], error)
            except TopicAuthorizationFailedError as error:
                self._fail([partition for partition in wanted if partition.topic == error.args[0]], error)
            except Unreadable as error:
                self._put_back(consumer, wanted)
                self._fail([error.partition], error)

    def _fail(self, partitions: Iterable[TopicPartition], error: Exception) -> None:
        """Hand *error* to the tasks whose it is; the others go on."""
        for partition in partitions:
            if partition in self.tasks:
                self.tasks[partition].task.fail(error)

    def _put_back(self, consumer: AIOKafkaConsumer, wanted: Iterable[TopicPartition]) -> None:
        """Have what a call of `getmany` took out and did not return be fetched again."""
        for partition in wanted:
            running = self.tasks.get(partition)
            if running is not None and running.task.hungry:
                consumer.seek(partition, running.task.fetched)

    async def _hand_out(
        self,
        consumer: AIOKafkaConsumer,
        wanted: Iterable[TopicPartition],
        batches: dict[TopicPartition, list[ConsumerRecord]],
    ) -> None:
        for partition in wanted:
            running = self.tasks.get(partition)
            if running is None or not running.task.hungry:
                continue
            fetched = batches.get(partition)
            # Returns at once: a hungry task has sought its place.
            position = await consumer.position(partition)
            if fetched:
                # aiokafka's record has the fields of `Record` by the same names: none is copied.
                running.task.offer(fetched, position)
            else:
                running.task.reached(position)

    # ---- assignment ----

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let every task commit what it has processed, within one budget, and keep their stages (W8, W11)."""
        del revoked
        with self._heard():
            await self._give_back()

    async def _give_back(self) -> None:
        given = dict(self.tasks)
        self.joined = False
        for running in given.values():
            running.task.drain()
        if given:
            await asyncio.wait([running.doing for running in given.values()], timeout=self._budget())
        if self._lease is not None:
            self._lease.valid = False
        late = [running.doing for running in given.values() if not running.doing.done()]
        for doing in late:
            doing.cancel()
            self._ending.add(doing)
            doing.add_done_callback(self._ending.discard)
        if late:
            log.warning("member.drain_cut_short", stage=self.stage, tasks=len(late))
            # One turn for each to drop its overlay; closing its producer may take longer, and nobody waits for it.
            await asyncio.sleep(0)
        now = time.monotonic()
        for partition, running in given.items():
            if self._restores:
                self._kept[partition] = running.task.kept._replace(since=now)
        self.tasks.clear()
        self.changed.set()

    def _budget(self) -> float:
        return min(self._config.timeouts.drain_seconds, self._config.timeouts.rebalance_ms / 2_000)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause, and hand each partition to a task of its own."""
        if self._consumer is not None:
            with self._heard():
                self._take(self._consumer, assigned)

    def _take(self, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition]) -> None:
        # First of all: records would be delivered from wherever the partition stands (fact 3).
        consumer.pause(*assigned)
        self._assignor.on_generation_assignment(compat.generation(consumer))
        self._lease = lease = Lease(consumer, lambda: len(self.tasks))
        for partition in sorted(assigned):
            task = Task(
                self._config,
                self.stage,
                partition,
                self._make_stage,
                self._kept.pop(partition, None),
                consumer,
                lease,
                self._observer,
                self.known,
                restores=self._restores,
            )
            doing = asyncio.create_task(task.run(), name=f"{self.stage}-{partition.topic}-{partition.partition}")
            doing.add_done_callback(_ended)
            self.tasks[partition] = Running(task, doing)
        self.joined = True
        self.changed.set()
        self._observer.rebalance(self.stage)
        log.info(
            "member.assigned",
            stage=self.stage,
            generation=compat.generation(consumer),
            partitions=[f"{partition.topic}-{partition.partition}" for partition in sorted(assigned)],
        )

    @contextlib.contextmanager
    def _heard(self) -> Iterator[None]:
        """End the session with what a rebalance's callback raises: aiokafka swallows it, and nobody would be joined."""
        try:
            yield
        except Exception as error:
            self._broken = error
            raise

    # ---- watchdog ----

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """Once a second: tell the lag, forget what nobody came back for, and see that every task gets on."""
        missed, coordinator = 0, compat.coordinator_found(consumer)
        before: set[TopicPartition] = set()
        fetching = Fetching(self._config.timeouts.no_progress_seconds)
        while True:
            await asyncio.sleep(1)
            compat.check_errors(consumer)
            if self._broken is not None:
                raise self._broken
            now = time.monotonic()
            for partition, kept in list(self._kept.items()):
                if now - kept.since > self._config.kept_state_seconds:
                    del self._kept[partition]
            missed = 0 if compat.coordinator_known(consumer) else missed + 1
            if not missed:
                self._reach.back(self.stage)
                earlier, coordinator = coordinator, compat.coordinator_found(consumer)
                for running in self.tasks.values() if coordinator is not earlier else ():
                    running.task.say_again()
            elif missed > 1:
                # Once is usual: a coordinator moves, or has just been elected.
                self._reach.lost(self.stage, "no answer from the group's coordinator")
            self._tell_lag(consumer)
            self._look_at_fetching(consumer, fetching, now)
            found = self._stuck(consumer, now)
            # Twice in a row: between an assignment and its callback a partition has no task for a moment.
            stuck, before = sorted(before & set(found)), set(found)
            self.orphans = frozenset(stuck)
            if stuck and self._reach.ok and now - self._forced_at > self._config.timeouts.no_progress_seconds:
                self._forced_at = now
                self._observer.no_progress(self.stage)
                log.error(
                    "member.no_progress",
                    stage=self.stage,
                    partitions=[f"{partition.topic}-{partition.partition}" for partition in stuck],
                    next="joining the group again",
                )
                compat.force_rejoin(consumer)

    def _look_at_fetching(self, consumer: AIOKafkaConsumer, fetching: Fetching, now: float) -> None:
        """
        Have a task whose partition is not fetched begin again: it asks the leader for its bounds, and waits for it.

        That touches nobody else, however long a leader is away. Only where all leaders answer and nothing at all is
        fetched is the whole consumer given up.
        """
        assigned = consumer.assignment()
        hungry = [place for place, running in self.tasks.items() if running.task.hungry and place in assigned]
        starving = fetching.starving(consumer, hungry if self._reach.ok else (), now)
        if starving:
            self._observer.no_progress(self.stage)
            named = [f"{place.topic}-{place.partition}" for place in starving]
            log.error("member.not_fetched", stage=self.stage, partitions=named, next="asking the leader anew")
            self._fail(starving, Unfetched(f"not fetched for {self._config.timeouts.no_progress_seconds:g} s"))
        self.unfetched = fetching.tried & self.tasks.keys()

    def _stuck(self, consumer: AIOKafkaConsumer, now: float) -> list[TopicPartition]:
        """Return assigned partitions without a task, with one that has died, or with one that stands still."""
        limit = self._config.timeouts.no_progress_seconds
        stuck = [partition for partition in consumer.assignment() if partition not in self.tasks and self.joined]
        for partition, running in self.tasks.items():
            still = running.task.state is not State.STOPPED and now - running.task.progress_at > limit
            if running.orphaned or still:
                stuck.append(partition)
        return stuck

    def _tell_lag(self, consumer: AIOKafkaConsumer) -> None:
        wall = wall_clock()
        assigned = consumer.assignment()
        for partition, running in self.tasks.items():
            end = consumer.highwater(partition) if partition in assigned else None
            if end is None:  # nothing has been fetched: no figure, and not a lag of none
                continue
            records, seconds = running.task.lag(end, wall)
            self._observer.lag(self.stage, partition.topic, partition.partition, records=records, seconds=seconds)


def _ended(doing: "asyncio.Task[None]") -> None:
    """Say so when a task's own machinery has failed; the watchdog then finds the partition without one."""
    if not doing.cancelled() and (error := doing.exception()) is not None:
        log.error("task.died", task=doing.get_name(), exc_info=error)
