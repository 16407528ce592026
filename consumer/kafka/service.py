"""The running service, seen from Kafka: members, watermark, status topic, health, and the ways to end."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from consumer.errors import TopicsRefused
from consumer.kafka import compat, topics
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import UNREACHABLE
from consumer.kafka.handover import MakeStage, wall_clock
from consumer.kafka.member import Member
from consumer.kafka.observe import Observer
from consumer.kafka.oracle import Oracle
from consumer.kafka.presence import Presence
from consumer.kafka.reach import Reach
from consumer.kafka.states import State

STILL_SECONDS = 10.0
"""An event loop that did not turn for this long is taken for dead."""

STATUS_SECONDS = 5.0

log = structlog.get_logger(__name__)

StageName = Literal["ingest", "judge"]


class ServiceHealth:
    """What /healthz and /readyz say; `consumer/http.py` asks, `serve` fills."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.oracle: Oracle | None = None
        self.reach: Reach | None = None
        self.presence: Presence | None = None
        self.turned_at = time.monotonic()

    def live(self) -> bool:
        """Whether the event loop turns and no task is orphaned; a broker that is away is no reason to be restarted."""
        return not self.why_not_live()

    def ready(self) -> bool:
        """Whether we have joined, and each partition that we have got has a task that gets on and may end holds."""
        return not self.why_not_ready()

    def why_not_live(self) -> str:
        """Return what is wrong in words, empty when nothing is."""
        if time.monotonic() - self.turned_at > STILL_SECONDS:
            return "the event loop stands still"
        return self._orphans()

    def why_not_ready(self) -> str:
        """Return what is missing in words, empty when nothing is."""
        if self.reach is not None and not self.reach.ok:
            return "the broker does not answer"
        if not self.members:
            return "starting"
        if self.presence is not None and self.presence.faults:
            return self.presence.faults[0]
        if orphans := self._orphans():
            return orphans
        for member in self.members:
            if not member.joined:
                return f"{member.stage} has not joined its group"
            for place, running in member.tasks.items():
                task = running.task
                if task.state is not State.RUNNING:
                    why = f" ({task.reason or task.trouble})" if task.reason or task.trouble else ""
                    return f"{member.stage} {place.topic}-{place.partition} is {task.state}{why}"
            for place in member.unfetched:
                return f"{member.stage} {place.topic}-{place.partition} is not fetched"
        if self.oracle is not None and not self.oracle.has_told:
            return "no task has been told the watermark yet: no hold can end"
        return ""

    def _orphans(self) -> str:
        orphans = [f"{place.topic}-{place.partition}" for member in self.members for place in sorted(member.orphans)]
        return f"partitions without a working task: {', '.join(orphans)}" if orphans else ""

    def details(self) -> dict[str, Any]:
        """Return the tasks by stage and state, what is stopped and why, the lag, the watermark."""
        tasks: dict[str, dict[str, int]] = {}
        stopped: list[dict[str, Any]] = []
        lag = (0, 0.0)
        for member in self.members:
            states = tasks.setdefault(member.stage, {})
            for place, running in member.tasks.items():
                task = running.task
                states[task.state.value] = states.get(task.state.value, 0) + 1
                lag = max(lag[0], task.last_lag[0]), max(lag[1], task.last_lag[1])
                if task.state is State.STOPPED:
                    stopped.append(
                        {"stage": member.stage, "topic": place.topic, "partition": place.partition, "why": task.reason}
                    )
        return {
            "ready": self.ready(),
            "tasks": tasks,
            "stopped": stopped,
            "lag_records": lag[0],
            "lag_seconds": round(lag[1], 1),
            "watermark": None if self.oracle is None else self.oracle.watermark,
            "watermark_overruled_ms": 0 if self.oracle is None else self.oracle.behind_ms,
        }


async def serve(
    config: KafkaConfig,
    *,
    make_ingest: MakeStage,
    make_judge: MakeStage,
    stages: Sequence[StageName],
    metrics: Observer,
    health: ServiceHealth,
    about: dict[str, str] | None = None,
) -> int:
    """
    Run the stages until SIGTERM or SIGINT; a second one ends the process at once.

    Args:
        config: The deployment.

        make_ingest: Makes the ingest stage of one inbound partition.

        make_judge: Makes the judge stage of one events partition.

        stages: Which to run.

        metrics: Hears what happens.

        health: Is filled, for /healthz and /readyz.

        about: What the status topic says of us besides: version, rulebook.

    Returns:
        The exit code: 0 after a signal, 2 on a fault that a restart may cure.

    Raises:
        TopicsRefused: A topic is missing or would lose data; every fault is listed.
    """
    compat.hush()
    asyncio.get_running_loop().set_exception_handler(_unheard)
    reach = health.reach = Reach(config.bootstrap_servers, metrics)
    stop = asyncio.Event()
    with _signals(stop):
        turning = asyncio.create_task(_turn(health))
        try:
            if not await _topics_are_right(config, reach, stop):
                return 0
            makers = {"ingest": make_ingest, "judge": make_judge}
            health.members = [Member(config, name, makers[name], metrics, reach) for name in stages]
            return await _run(config, health, metrics, reach, stop, about or {})
        finally:
            turning.cancel()


async def _run(
    config: KafkaConfig,
    health: ServiceHealth,
    metrics: Observer,
    reach: Reach,
    stop: asyncio.Event,
    about: dict[str, str],
) -> int:
    members = [asyncio.create_task(member.run(), name=member.stage) for member in health.members]
    helpers = [asyncio.create_task(Status(config, health, about).run(), name="status")]
    health.presence = Presence(config)
    helpers.append(asyncio.create_task(health.presence.run(), name="presence"))
    judge = next((member for member in health.members if member.stage == "judge"), None)
    if judge is not None:
        ingest = next((member for member in health.members if member.stage == "ingest"), None)
        health.oracle = Oracle(config, judge, metrics, reach, ingest)
        helpers.append(asyncio.create_task(health.oracle.run(), name="watermark"))
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({*members, *helpers, stopping}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    for task in done - {stopping}:
        # None of them ends by itself: one that did has met a bug of ours.
        code = 2
        log.error("service.failed", part=task.get_name(), exc_info=None if task.cancelled() else task.exception())
    log.info("service.draining")
    for member in health.members:
        member.stop()
    await asyncio.wait(members, timeout=config.timeouts.drain_seconds + 4)
    for task in (*members, *helpers, stopping):
        task.cancel()
    await asyncio.wait({*members, *helpers, stopping}, timeout=STATUS_SECONDS)
    log.info("service.ended", code=code)
    return code


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take an error that no code of ours awaited: aiokafka leaves some behind at the end of a producer's life."""
    del loop
    error = context.get("exception")
    # Whoever had to know has been told by what it awaited; a connection that broke is no fault of ours.
    expected = error is None or isinstance(error, KafkaError | OSError)
    say = log.debug if expected else log.error
    say("loop.unheard", what=str(context.get("message")), exc_info=None if expected else error)


async def _turn(health: ServiceHealth) -> None:
    while True:
        health.turned_at = time.monotonic()
        await asyncio.sleep(1)


async def _topics_are_right(config: KafkaConfig, reach: Reach, stop: asyncio.Event) -> bool:
    """Check the topics, however long the broker takes to answer; False when we are to end before it does."""
    first, longest = config.timeouts.backoff_seconds
    wait = first
    while not stop.is_set():
        try:
            report = await topics.check(config)
        except (*UNREACHABLE, KafkaError) as error:
            reach.lost("topics", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await stop.wait()
            wait = min(longest, 2 * wait)
            continue
        reach.back("topics")
        for warning in report.warnings:
            log.warning("topics.warning", what=warning)
        if report.faults:
            raise TopicsRefused("topics refused:", report.faults)
        return True
    return False


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Have the first SIGTERM or SIGINT set *stop*, and the second end the process."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if stop.is_set():
            # What is open is aborted by the next owner's fence.
            os._exit(2)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class Status:
    """Writes one record a minute and at every change to the status topic; its silence is an alarm."""

    def __init__(self, config: KafkaConfig, health: ServiceHealth, about: dict[str, str]) -> None:
        self._config = config
        self._health = health
        self._about = about
        self._instance = f"{socket.gethostname()}-{os.getpid()}"

    async def run(self) -> None:
        """Write until cancelled, then say that we have ended."""
        while True:
            producer = AIOKafkaProducer(**self._config.client("status"), enable_idempotence=True)
            try:
                async with asyncio.timeout(STATUS_SECONDS):
                    await producer.start()
                await self._write(producer)
            except asyncio.CancelledError:
                with contextlib.suppress(Exception):
                    await self._send(producer, self._record() | {"ready": False, "ended": True})
                    # A tombstone behind it, so that compaction forgets an instance that is gone.
                    await self._send(producer, None)
                raise
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("status.not_written", error=type(error).__name__)
            finally:
                # Its `stop` would wait for what was not delivered, and cut short would leave it trying for ever.
                await compat.dispose(producer, 2)
            await asyncio.sleep(self._config.timeouts.backoff_seconds[1])

    async def _write(self, producer: AIOKafkaProducer) -> None:
        said: object = None
        said_at = float("-inf")
        while True:
            record = self._record()
            told = (record["ready"], record["tasks"], record["stopped"])
            now = time.monotonic()
            if told != said or now - said_at > self._config.pace.status_seconds:
                await self._send(producer, record)
                said, said_at = told, now
            await asyncio.sleep(1)

    async def _send(self, producer: AIOKafkaProducer, record: dict[str, Any] | None) -> None:
        value = None if record is None else json.dumps(record).encode()
        async with asyncio.timeout(STATUS_SECONDS):
            await producer.send_and_wait(self._config.status_topic, value, self._instance.encode(), partition=0)

    def _record(self) -> dict[str, Any]:
        return {
            "instance": self._instance,
            "deployment": self._config.deployment,
            "at": wall_clock(),
            **self._about,
            **self._health.details(),
        }
