"""One run: members, feed and faults on a broker of its own; then the check."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple, TypeVar

from consumer.kafka import clients, compat
from consumer.kafka.brokers import Broker, broker, reserved_port
from consumer.stage import Output
from tests.e2e.deployment import Deployment
from tests.fault.check import Findings, check, fold
from tests.fault.faults import Faults, Kind
from tests.fault.feed import Feed, posts
from tests.fault.members import Members, until
from tests.fault.model import Model, model
from tests.fault.proxy import Proxy
from tests.fault.readers import Progress, Reader
from tests.fault.segments import keep, lost_markers

INBOUND_PARTITIONS = 4
PARTITIONS = 6
RATE = 80
"""Messages a second: two cores are shared by three members, the broker and us."""

RECOVERY_SECONDS = 45.0
"""Session timeout, a broker's restart, and room for two cores that are shared."""

START_SECONDS = 120.0
STARTED_SECONDS = 6.0
"""What three members take on a quiet machine from their start until they have read all that there is."""

MOST_NOISE = 3.0
"""However slow the machine is, no bound grows further: a stall is then told as one."""

DUE_SECONDS = 3.0
"""An alert that fell due so long before a fault may have been under way."""

QUIET_SECONDS = 60.0
PAUSE_SECONDS = 0.7
SETTLED_SECONDS = 8.0


class Given(NamedTuple):
    """What a run is to be."""

    seed: int
    faults: int
    only: tuple[str, ...] = ()
    module: str = "consumer"
    logs: Path | None = None
    settings: dict[str, str] = {}  # noqa: RUF012  (a NamedTuple's default; never mutated)
    rate: int = RATE
    inbound_max_bytes: int = 10_000
    """What the members are told of the largest inbound message; far too little, as on a badly set up site."""

    recovery_seconds: float = RECOVERY_SECONDS
    until_broken: bool = False
    """Whether the first fault that shows something ends the run."""

    soak_seconds: float = 0.0
    every: float = 0.0
    """Of a soak: how long it is, and the seconds from one fault to the next."""


class Struck(NamedTuple):
    """
    A fault that was done.

    ``done`` is when it had been done, ``over`` when everything had got over it; then for how long the slowest partition
    stood still, and how late the latest alert came that fell due meanwhile. ``noise`` is by how much slower than a
    quiet one the machine was: bounds grow with it.
    """

    name: str
    kind: Kind
    noise: float
    begun: float
    done: float
    over: float
    stall_seconds: float
    delay_seconds: float = 0.0

    @property
    def allowed_stall_seconds(self) -> float | None:
        """For how long a partition may stand still; None: for as long as the remedy takes."""
        if self.kind.stall_seconds is None:
            return None
        return self.kind.stall_seconds * self.noise + (self.done - self.begun if self.kind.outage else 0.0)

    @property
    def allowed_delay_seconds(self) -> float | None:
        """How late an alert may come; None: as the stall makes it."""
        return None if self.kind.delay_seconds is None else self.kind.delay_seconds * self.noise

    @property
    def stalled_too_long(self) -> bool:
        """Whether a partition stood still for too long."""
        return self.allowed_stall_seconds is not None and self.stall_seconds > self.allowed_stall_seconds

    @property
    def delayed_too_long(self) -> bool:
        """Whether an alert came too late."""
        return self.allowed_delay_seconds is not None and self.delay_seconds > self.allowed_delay_seconds


def say(line: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def prepare(logs: Path | None) -> None:
    """Be a process that only says how the run goes, with a broker of its own; *logs* is where logs go."""
    logging.disable(logging.CRITICAL)
    compat.hush()
    os.environ.pop("LAB_ALERT_TEST_BOOTSTRAP", None)
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)


R = TypeVar("R", bound="Run")


def play(given: Given, kind: "type[R]") -> R:
    """Do one run of the kind given, and return it; on SIGTERM and SIGINT its members end with it."""
    # Asked for both: a shell that starts us in the background has us ignore the second.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with reserved_port() as port, broker(proxy=port) as own:
        deployment = Deployment(
            own.bootstrap_servers,
            clock="records",
            partitions=PARTITIONS,
            inbound=INBOUND_PARTITIONS,
            kafka_inbound_max_message_bytes=str(given.inbound_max_bytes),
        )

        async def whole() -> R:
            run = kind(given, own, deployment, port)
            await run.play()
            return run

        try:
            return asyncio.run(whole())
        finally:
            if given.logs is not None:
                keep(own, given.logs / f"broker-{given.seed}")


class Run:
    """One run: what takes part in it, and afterwards what was found."""

    def __init__(self, given: Given, own: Broker, deployment: Deployment, port: int) -> None:
        self.found = Findings()
        self.struck: list[Struck] = []
        self._noise = 1.0
        self._given = given
        self._broker = own
        self._config = config = deployment.config
        self._proxy = Proxy(port, own.behind, given.seed)
        self._members = Members(deployment, f"127.0.0.1:{port}", module=given.module, logs=given.logs, **given.settings)
        source = posts(given.seed, INBOUND_PARTITIONS, config.max_message_bytes)
        self._feed = Feed(config.bootstrap_servers, config.inbound_topics[0], source, given.rate)
        self._live, self._uncommitted = Reader(config, "read_committed"), Reader(config, "read_uncommitted")
        self._progress = Progress(config)
        readers = (self._live, self._uncommitted)
        self._faults = Faults(config, self._members, own, self._proxy, self._feed, readers, given.seed)

    async def play(self) -> None:
        """Feed and strike, wait until all is still, and check."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._members.kill_all)
            for watching in (self._proxy.passing(), self._live.reading(), self._uncommitted.reading()):
                await stack.enter_async_context(watching)
            await stack.enter_async_context(self._progress.asking())
            self._members.start_all()
            feeding = asyncio.create_task(self._feed.run())
            stack.callback(feeding.cancel)
            started = await self._progress.caught_up(START_SECONDS)
            if started is None:
                self.found.notes.append("never started")
                self.found.not_recovered += 1
            else:
                self._noise = min(MOST_NOISE, max(1.0, started / STARTED_SECONDS))
                self.found.started_seconds = started
                await self._strike()
            self._feed.stop()
            await feeding
            # In a thread of its own: the proxy has to go on meanwhile.
            wanted = await asyncio.to_thread(lambda: asyncio.run(model(self._config, INBOUND_PARTITIONS)))
            await self._rest(wanted)
            await self._members.stop_all()
            await asyncio.sleep(1)
        lost = lost_markers(self._broker, [self._config.topics[output] for output in Output])
        self.found.tracebacks, self.found.bad_exits = self._members.tracebacks, len(self._members.bad_exits)
        self.found.notes += [f"a member stopped by SIGTERM: {code}" for code in self._members.bad_exits]
        self.found.wrong_stops = len(self._faults.wrong_stops)
        self.found.notes += self._faults.wrong_stops
        self._times(wanted)
        await check(self._config, wanted, self._live, self._uncommitted, self.found, lost)

    async def _strike(self) -> None:
        """Do one fault after another, each when everything has got over the one before."""
        plan = list(self._given.only) or self._faults.plan(self._given.faults)
        timed = [self._faults.kinds[name].delay_seconds is not None for name in plan]
        for number in range(self._given.faults):
            # What one delays is told before another begins, where it is asked by how much.
            alone = timed[number % len(plan)] or timed[(number - 1) % len(plan)]
            await asyncio.sleep(SETTLED_SECONDS if number and alone else PAUSE_SECONDS)
            recovered = await self._one(plan[number % len(plan)])
            if not recovered or (self._given.until_broken and self.struck[-1].stalled_too_long):
                return

    async def _one(self, name: str) -> bool:
        """Do one fault; return whether everything got over it."""
        kind = self._faults.kinds[name]
        begun = time.monotonic()
        self._progress.begin()
        await kind.do()
        done = time.monotonic()
        took = await self._progress.caught_up(self._given.recovery_seconds)
        over, stall = time.monotonic(), self._progress.longest_stall
        self.struck.append(Struck(name, kind, self._noise, begun, done, over, stall))
        self.found.faults += 1
        self.found.faults_that_bite += kind.bites
        self.found.not_recovered += took is None
        how = "NOT RECOVERED" if took is None else f"stall {stall:4.1f} s, over in {over - begun:4.1f} s"
        say(f"{self.found.faults:5} {name:30} {how:34} {self._feed.written} in")
        return took is not None

    async def _rest(self, wanted: Model) -> None:
        """Wait until all alerts have been told and all offsets committed, or nothing more comes."""
        deadline = time.monotonic() + (1.0 if self.found.not_recovered else QUIET_SECONDS)

        def told() -> bool:
            return sum(one.subject not in wanted.crossed for one in self._live.alerts) >= wanted.certain

        await until(told, deadline - time.monotonic())
        caught_up = await self._progress.caught_up(max(1.0, deadline - time.monotonic()))
        # What a merge has sent to another home may still be on its way, or wait there for the watermark; whatever is
        # doubled may come a little later too. So all has to be still twice.
        still = 0
        while caught_up is not None and still < 2 and time.monotonic() < deadline:
            still = 0 if await self._waiting() else still + 1
            await asyncio.sleep(2)
            caught_up = await self._progress.caught_up(max(1.0, deadline - time.monotonic()))
        self.found.partitions_without_task += caught_up is None
        for process in self._members.running:
            status, why = await asyncio.to_thread(process.get, "/readyz")
            if status != 200:
                self.found.partitions_without_task += 1
                self.found.notes.append(f"a member is not ready: {why}")

    async def _waiting(self) -> bool:
        """Whether the event of some patient has not been judged yet."""
        changelog = [record async for record in clients.read(self._config, self._config.topics[Output.STATE])]
        return any(record.inbox for record in fold(changelog).values())

    def _times(self, wanted: Model) -> None:
        """
        Say for each fault how late alerts came: after everything up to their moment had been written.

        Those of patients whom a merge binds across partitions also wait for the homes of their old keys; they stand
        apart.
        """
        delays = []
        for alert in self._live.alerts:
            written = self._feed.written_at(alert.time)
            if written is None:
                continue
            if alert.subject in wanted.crossed:
                longest = self.found.longest_delay_of_merges_across_seconds
                self.found.longest_delay_of_merges_across_seconds = max(longest, alert.at - written)
            else:
                delays.append((written, alert.at - written))
        for place, struck in enumerate(self.struck):
            during = [late for due, late in delays if struck.begun - DUE_SECONDS <= due <= struck.over]
            self.struck[place] = struck._replace(delay_seconds=max(during, default=0.0))
        bounded = [struck for struck in self.struck if struck.kind.stall_seconds is not None]
        self.found.longest_stall_seconds = max((struck.stall_seconds for struck in bounded), default=0.0)
        self.found.longest_delay_seconds = max((struck.delay_seconds for struck in bounded), default=0.0)
        self.found.stalls_too_long = sum(struck.stalled_too_long for struck in self.struck)
        self.found.alerts_too_late = sum(struck.delayed_too_long for struck in self.struck)
