"""What is done to members, connections and broker; each fault comes with its own way back."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.admin import DeleteGroupsRequest

from consumer.kafka import clients, topics
from consumer.kafka.brokers import Broker
from consumer.kafka.config import KafkaConfig
from consumer.kafka.offsets import committed, set_offsets
from consumer.stage import Output
from tests.e2e.deployment import Process
from tests.fault.feed import Feed
from tests.fault.members import Members, until
from tests.fault.proxy import Proxy
from tests.fault.readers import Reader

FROZEN_SECONDS = 7.5
"""Past the session timeout of 6 s: a zombie when it thaws."""

DOZED_SECONDS = 4.0
"""Between the transaction timeout of 3 s and the session timeout."""

STOPPED_SECONDS = 60.0
"""Within which a member has to say that it has stopped a partition, and why."""

COMMITS_SECONDS = 20.0
"""Within which members commit so often that all cuts have been made."""

DELETED_LOOKS = 100
"""How often, ten times a second, is looked whether a deleted topic is gone."""

OPEN_SECONDS = 5.0
"""How long a fault waits for a transaction that stands open; there are several a second."""

SESSION_SECONDS = 6.0
HEARTBEAT_SECONDS = 1.0
ROLLING_DELAY_SECONDS = 10.0
"""Issue D: a rolling restart of three members delays no alert by more."""

RESTORE_SECONDS = 1.0
"""What a restore takes in these runs, at most: a few hundred records."""


class Kind(NamedTuple):
    """
    A fault.

    ``weight`` says how often it is drawn, ``stall_seconds`` how long a partition may stand still for it (None: it waits
    for a remedy by hand), ``delay_seconds`` how late it may make an alert (None: as the stall makes it). While an
    ``outage`` lasts nobody can do anything: its stall is counted from its end. One that ``bites`` leaves something
    uncommitted behind; the others stop members cleanly, or find them stopped.
    """

    do: Callable[[], Awaitable[None]]
    weight: int
    stall_seconds: float | None
    delay_seconds: float | None = None
    outage: bool = False
    bites: bool = True


class Faults:
    """The faults of a run, drawn from a seed."""

    def __init__(
        self,
        config: KafkaConfig,
        members: Members,
        broker: Broker,
        proxy: Proxy,
        feed: Feed,
        readers: tuple[Reader, Reader],
        seed: int,
    ) -> None:
        self._config = config
        self._members = members
        self._broker = broker
        self._proxy = proxy
        self._feed = feed
        self._live, self._uncommitted = readers
        self._draw = random.Random(f"{seed}/faults")
        self.wrong_stops: list[str] = []
        self.spared: Process | None = None
        """One that is frozen and cut off like the others, and never ended."""

        # Issue D: after SIGKILL the session timeout + 5 s, after SIGTERM two heartbeats + 2 s, and the restore.
        killed = SESSION_SECONDS + 5 + RESTORE_SECONDS
        stopped = 2 * HEARTBEAT_SECONDS + 2 + RESTORE_SECONDS
        self.kinds: dict[str, Kind] = {
            "SIGKILL": Kind(self.kill, 3, killed),
            "zombie": Kind(self.zombie, 2, killed),
            "zombie, killed at its thaw": Kind(self.zombie_killed, 2, FROZEN_SECONDS + killed),
            "frozen past the transaction": Kind(self.doze, 2, DOZED_SECONDS + stopped),
            "SIGTERM": Kind(self.terminate, 2, stopped, bites=False),
            "member added": Kind(self.add, 2, stopped, bites=False),
            "rolling restart": Kind(self.roll, 1, stopped, ROLLING_DELAY_SECONDS, bites=False),
            "broker SIGTERM": Kind(self.broker_stop, 1, killed, outage=True),
            "broker SIGKILL": Kind(self.broker_kill, 2, killed, outage=True),
            "connections cut": Kind(self.cut, 2, killed),
            "cut in a commit": Kind(self.cut_commits, 3, killed),
            "late commit": Kind(self.late_commits, 3, killed),
            "fenced by a stranger": Kind(self.fence, 2, stopped),
            "offsets deleted, remedy": Kind(self.lose_offsets, 1, None, bites=False),
            "state topic anew, remedy": Kind(self.lose_state, 1, None, bites=False),
            "topic's limit lowered, remedy": Kind(self.lower_limit, 1, None),
        }

    def plan(self, count: int) -> list[str]:
        """Return *count* kinds: every kind once before any comes again, then by weight, in an order of the seed's."""
        kinds: list[str] = []
        every = list(self.kinds)
        self._draw.shuffle(every)
        weighted = [name for name, kind in self.kinds.items() for _ in range(kind.weight - 1)]
        self._draw.shuffle(weighted)
        while len(kinds) < count:
            kinds += [*every, *weighted]
        return kinds[:count]

    def endless(self) -> Iterator[str]:
        """Yield kinds for ever, by weight; those that need a hand, or end all members, left out."""
        names = [name for name, kind in self.kinds.items() if kind.stall_seconds is not None and kind.do != self.roll]
        weights = [self.kinds[name].weight for name in names]
        while True:
            yield from self._draw.choices(names, weights)

    async def _open(self) -> int | None:
        """Wait until an alert is written and not yet committed; return its partition, None: none for a while."""
        deadline = time.monotonic() + OPEN_SECONDS
        while time.monotonic() < deadline:
            newest = self._uncommitted.newest
            if newest is not None and newest not in self._live.seen:
                return newest.partition
            await asyncio.sleep(0.005)
        return None

    async def _victim(self, *, ends: bool = False) -> Process:
        """
        Choose one that has a transaction open at this moment, or nothing would be learned of what it leaves.

        *ends*: it will be ended, so not the one that is spared.
        """
        partition = await self._open()
        owner = None if partition is None else self._members.owner("judge", partition)
        spared = self.spared if ends else None
        if owner is not None and owner is not spared:
            return owner
        return self._draw.choice([process for process in self._members.running if process is not spared])

    # ---- members ----

    async def kill(self) -> None:
        """SIGKILL one; another takes its place."""
        await self._members.kill(await self._victim(ends=True))
        self._members.start()

    async def _freeze(self, seconds: float, *, ends: bool = False) -> Process:
        victim = await self._victim(ends=ends)
        victim.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        victim.signal(signal.SIGCONT)
        return victim

    async def zombie(self) -> None:
        """Freeze one past its session and thaw it."""
        await self._freeze(FROZEN_SECONDS)

    async def zombie_killed(self) -> None:
        """Freeze one past its session, thaw it, and kill it in the middle of finding out."""
        victim = await self._freeze(FROZEN_SECONDS, ends=True)
        await asyncio.sleep(self._draw.uniform(0.01, 0.3))
        await self._members.kill(victim)
        self._members.start()

    async def doze(self) -> None:
        """Freeze one for longer than its transaction may take and less than its session."""
        await self._freeze(DOZED_SECONDS)

    async def terminate(self) -> None:
        """SIGTERM one; another takes its place."""
        await self._members.stop(await self._victim(ends=True))
        self._members.start()

    async def add(self) -> None:
        """Start one more for a few seconds."""
        process = self._members.start()
        await asyncio.sleep(self._draw.uniform(2, 4))
        await self._members.stop(process)

    async def roll(self) -> None:
        """Restart all, one after another, the next when the one before is ready: an update of the deployment."""
        for victim in list(self._members.running):
            await self._members.stop(victim)
            await asyncio.to_thread(self._members.start().ready)

    # ---- broker and network ----

    async def broker_stop(self) -> None:
        """Stop the broker cleanly and start it again."""
        async with self._feed.pen:
            await asyncio.to_thread(self._broker.stop)
            await asyncio.to_thread(self._broker.start)

    async def broker_kill(self) -> None:
        """Kill the broker and start it again."""
        async with self._feed.pen:
            await self._open()
            await asyncio.to_thread(self._broker.kill)
            await asyncio.to_thread(self._broker.start)

    async def cut(self) -> None:
        """Cut half of all connections, some times in a row."""
        for _ in range(3):
            await self._open()
            self._proxy.cut(lambda: self._draw.random() < 0.5)
            await asyncio.sleep(self._draw.uniform(0.05, 0.5))

    async def cut_commits(self) -> None:
        """Cut some connections at the end of a transaction, before or after the broker has heard of it."""
        self._proxy.cut_commits(6)
        await until(lambda: self._proxy.idle, COMMITS_SECONDS)

    async def late_commits(self) -> None:
        """Keep some commits until their senders have given them up; each arrives just before its partition's fence."""
        self._proxy.keep_commits(3)
        await until(lambda: self._proxy.idle, COMMITS_SECONDS)

    async def fence(self) -> None:
        """Let a stranger take the transactional ids of half of the judge's partitions, as a zombie without W2 would."""
        events = self._config.topics[Output.EVENTS]
        for number in range(0, self._config.partitions, 2):
            stranger = AIOKafkaProducer(
                bootstrap_servers=self._config.bootstrap_servers,
                transactional_id=self._config.transactional_id("judge", events, number),
            )
            await stranger.start()
            await stranger.stop()

    # ---- what has to be cured by hand ----

    async def _standstill(self) -> dict[TopicPartition, int]:
        """Stop all; return what the judge has committed."""
        await self._members.stop_all()
        # Without a fence, what was committed a moment ago may not show yet (KAFKA.md fact 2).
        await asyncio.sleep(2)
        return {place: offset.offset for place, offset in (await committed(self._config, "judge")).items()}

    async def _see_it_stop(self, reason: str) -> None:
        """Start one, see that it stops its partitions and names the remedy; going on would judge all a second time."""
        alone = self._members.start()
        said = await self._members.said([alone], "task.stopped", STOPPED_SECONDS)
        await self._members.stop(alone)
        self._judge_stop(said, reason, "offsets set")

    def _judge_stop(self, said: Mapping[str, str] | None, reason: str, remedy: str) -> None:
        """Keep it when a partition did not stop, or for another reason, or without its remedy."""
        if said is None:
            self.wrong_stops.append(f"no partition stopped for {reason}")
        elif said["reason"] != reason or remedy not in said["remedy"]:
            self.wrong_stops.append(f"{said['reason']} and not {reason}: {said['remedy']}")

    async def _remedy(self, before: dict[TopicPartition, int]) -> None:
        for place, offset in before.items():
            await set_offsets(self._config, "judge", place.topic, [place.partition], str(offset))
        self._members.start_all()

    async def lose_offsets(self) -> None:
        """Delete the judge's offsets while nobody runs, see that nothing is judged, and apply the printed remedy."""
        before = await self._standstill()
        async with _admin(self._config) as admin:
            await _delete_group(admin, self._config.group("judge"))
        await self._see_it_stop("offset_lost")
        await self._remedy(before)

    async def lose_state(self) -> None:
        """Make the state topic anew, see that nothing is judged, restore it from a copy, and apply the remedy."""
        topic = self._config.topics[Output.STATE]
        before = await self._standstill()
        # What an operator has of it: each key's last record.
        last = {(record.partition, record.key): record async for record in clients.read(self._config, topic)}
        async with _admin(self._config) as admin:
            await admin.delete_topics([topic])
            for _ in range(DELETED_LOOKS):
                if topic not in await admin.list_topics():
                    break
                await asyncio.sleep(0.1)
        await topics.create(self._config)
        await self._see_it_stop("state_behind")
        async with clients.Writer(self._config) as writer:
            await writer.write(topic, last.values())
        await self._remedy(before)

    async def lower_limit(self) -> None:
        """Set the alerts topic's limit too low, see partitions stop for it, put it right, and restart the members."""
        await self._set_limit(100)
        said = await self._members.said(self._members.running, "task.stopped", STOPPED_SECONDS)
        await self._set_limit(None)
        self._judge_stop(said, "too_large", "max.message.bytes")
        await self._members.stop_all()
        self._members.start_all()

    async def _set_limit(self, limit: int | None) -> None:
        name = self._config.topics[Output.ALERTS]
        plan = next(plan for plan in topics.plans(self._config) if plan.name == name)
        settings = dict(plan.settings) | ({} if limit is None else {"max.message.bytes": str(limit)})
        async with _admin(self._config) as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)])


@contextlib.asynccontextmanager
async def _admin(config: KafkaConfig) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=config.bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _delete_group(admin: AIOKafkaAdminClient, group: str) -> None:
    """Delete a group with its offsets; it must be empty."""
    for _ in range(50):
        node = await admin.find_coordinator(group)
        response = await admin._send_request(DeleteGroupsRequest([group]), node)
        if all(not code for _, code in response.results):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{group} could not be deleted: {response}")
