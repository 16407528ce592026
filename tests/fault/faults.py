"""What is done to members and broker; each fault comes with its own way back."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from consumer.kafka.brokers import Broker
from consumer.kafka.offsets import committed, set_offsets
from consumer.stage import Output
from tests.kafka.lab import Lab

MEMBERS = 3
FROZEN_SECONDS = 8.0
"""Past the session timeout of 6 s: a zombie when it thaws."""

DOZED_SECONDS = 4.2
"""Between the transaction timeout of 3 s and the session timeout."""


class Members:
    """The processes of a run; whatever is killed is replaced."""

    def __init__(self, lab: Lab, logs: Path) -> None:
        self._lab = lab
        self._logs = logs
        self._started = 0
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start one more."""
        self._started += 1
        log = (self._logs / f"member-{self._started}.log").open("wb")
        command = [sys.executable, "-m", "tests.fault.member", self._lab.config.bootstrap_servers, self._lab.name]
        with log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.running.append(process)
        return process

    async def gone(self, process: subprocess.Popen[bytes], how: signal.Signals) -> int:
        """End one, and wait until it is gone."""
        process.send_signal(how)
        code = await asyncio.to_thread(process.wait, 20)
        self.running.remove(process)
        return code

    async def stop_all(self) -> list[int]:
        """End all with SIGTERM; return their exit codes."""
        return list(await asyncio.gather(*(self.gone(process, signal.SIGTERM) for process in list(self.running))))

    def kill_all(self) -> None:
        """End all, now."""
        for process in self.running:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
            process.wait(10)
        self.running.clear()

    def said_traceback(self) -> list[str]:
        """Return the logs that hold a traceback."""
        return [path.name for path in sorted(self._logs.iterdir()) if b"Traceback" in path.read_bytes()]


class Faults:
    """The faults of a run, drawn from a seed."""

    def __init__(self, lab: Lab, members: Members, broker: Broker, seed: int) -> None:
        self._lab = lab
        self._members = members
        self._broker = broker
        self._draw = random.Random(seed)
        self.kinds = {
            "SIGKILL": self.kill,
            "zombie": self.zombie,
            "zombie, killed at its thaw": self.zombie_killed,
            "frozen past the transaction": self.doze,
            "SIGTERM": self.terminate,
            "member added": self.add,
            "broker SIGTERM": self.broker_stop,
            "broker SIGKILL": self.broker_kill,
            "connections cut": self.cut,
            "offsets deleted, remedy": self.lose_offsets,
        }

    def plan(self, count: int) -> list[str]:
        """Return the kinds of *count* faults: each kind as often as the others, in an order of the seed's."""
        kinds: list[str] = []
        while len(kinds) < count:
            more = list(self.kinds)
            self._draw.shuffle(more)
            kinds += more
        return kinds[:count]

    def _victim(self) -> subprocess.Popen[bytes]:
        return self._draw.choice(self._members.running)

    async def kill(self) -> None:
        """SIGKILL one; another takes its place."""
        await self._members.gone(self._victim(), signal.SIGKILL)
        self._members.start()

    async def zombie(self) -> None:
        """Freeze one past its session and thaw it."""
        victim = self._victim()
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_SECONDS)
        victim.send_signal(signal.SIGCONT)

    async def zombie_killed(self) -> None:
        """Freeze one past its session, thaw it, and kill it in the middle of finding out."""
        victim = self._victim()
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_SECONDS)
        victim.send_signal(signal.SIGCONT)
        await asyncio.sleep(self._draw.uniform(0.01, 0.3))
        await self._members.gone(victim, signal.SIGKILL)
        self._members.start()

    async def doze(self) -> None:
        """Freeze one for longer than its transaction may take and less than its session."""
        victim = self._victim()
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(DOZED_SECONDS)
        victim.send_signal(signal.SIGCONT)

    async def terminate(self) -> None:
        """SIGTERM one; another takes its place."""
        assert await self._members.gone(self._victim(), signal.SIGTERM) == 0, "SIGTERM is to end with 0"
        self._members.start()

    async def add(self) -> None:
        """Start one more for a few seconds."""
        process = self._members.start()
        await asyncio.sleep(self._draw.uniform(2, 4))
        await self._members.gone(process, signal.SIGTERM)

    async def broker_stop(self) -> None:
        """Stop the broker cleanly and start it again."""
        await asyncio.to_thread(self._broker.stop)
        await asyncio.to_thread(self._broker.start)

    async def broker_kill(self) -> None:
        """Kill the broker and start it again."""
        await asyncio.to_thread(self._broker.kill)
        await asyncio.to_thread(self._broker.start)

    async def cut(self) -> None:
        """Break every connection of one member, some times in a row."""
        victim = self._victim()
        for _ in range(3):
            victim.send_signal(signal.SIGUSR1)
            await asyncio.sleep(self._draw.uniform(0.05, 0.5))

    async def lose_offsets(self) -> None:
        """Delete the judge's offsets while nobody runs, see that nothing is judged, and apply the printed remedy."""
        config, topic = self._lab.config, self._lab.topic(Output.EVENTS)
        await self._members.stop_all()
        # Without a fence, what was committed a moment ago may not show yet (KAFKA.md fact 2).
        await asyncio.sleep(2)
        before = {place: offset.offset for place, offset in (await committed(config, "judge")).items()}
        group = config.group("judge")
        await self._lab.admin(lambda admin: _delete_group(admin, group))
        # It has to stop its partitions; going on here would judge everything a second time.
        alone = self._members.start()
        await asyncio.sleep(4)
        await self._members.gone(alone, signal.SIGTERM)
        for place, offset in before.items():
            await set_offsets(config, "judge", topic, [place.partition], str(offset))
        for _ in range(MEMBERS):
            self._members.start()


async def _delete_group(admin: AIOKafkaAdminClient, group: str) -> None:
    """Delete a group with its offsets; it must be empty."""
    for _ in range(50):
        node = await admin.find_coordinator(group)
        response = await admin._send_request(DeleteGroupsRequest([group]), node)
        if all(not code for _, code in response.results):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{group} could not be deleted: {response}")
