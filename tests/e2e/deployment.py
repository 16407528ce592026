"""The real service for a test: topics of its own, `lab-alert run` in processes, feeds in, alerts out."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from consumer.app import kafka_config
from consumer.kafka import clients, topics
from consumer.settings import PREFIX, Settings
from consumer.stage import Output, Record

MAY_DIFFER = ("published_at", "cause", "service_version")
"""DESIGN.md 2: the only parts of an alert that may differ when the same input is judged again."""


class Placed(NamedTuple):
    """An inbound message: where it stands and when it was received."""

    received_at: int
    partition: int
    key: bytes | None
    raw: bytes


class Process:
    """One `lab-alert run`; *module* is what runs it, for tests that patch the process first."""

    def __init__(self, environment: dict[str, str], module: str = "consumer") -> None:
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115  (closed in `end`)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "run"],
            env=os.environ | environment,
            stderr=self._log,
            stdout=self._log,
            cwd=Path(__file__).parents[2],
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def log(self) -> str:
        """Everything that it has printed."""
        return Path(self._log.name).read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of an HTTP request to it; status 0 while it does not listen."""
        lines = [line for line in self.log().splitlines() if '"url"' in line]
        if not lines:
            return 0, ""
        try:
            with urllib.request.urlopen(json.loads(lines[0])["url"] + path, timeout=5) as answer:  # noqa: S310  (our own)
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self, seconds: float = 60) -> "Process":
        """Wait until /readyz says so."""
        until(lambda: self.get("/readyz")[0] == 200, seconds, lambda: self.log()[-3_000:])
        return self

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it as an operator does; return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended, as it was told to; return its exit code. A second SIGTERM would cut it short."""
        return self._process.wait(15)

    def end(self) -> None:
        """End it whatever it takes, and throw its log away."""
        try:
            self.stop()
        finally:
            self._process.kill()
            self._log.close()


class Deployment:
    """Topics of one test, and the settings with which the service runs on them."""

    def __init__(self, servers: str, *, clock: str, partitions: int = 12, inbound: int = 12, **more: str) -> None:
        name = f"e2e-{uuid.uuid4().hex[:8]}"
        self.inbound_partitions = inbound
        self.settings = {
            "deployment": name,
            "clock": clock,
            "http_port": "0",
            "kafka_bootstrap_servers": servers,
            "kafka_inbound_topics": f"{name}.inbound",
            **{f"kafka_{output.value}_topic": f"{name}.{output.value}" for output in Output},
            "kafka_status_topic": f"{name}.status",
            "kafka_partitions": str(partitions),
            "kafka_replication_factor": "1",
            "kafka_min_insync_replicas": "1",
            "kafka_session_timeout_ms": "6000",
            **more,
        }
        self.config = kafka_config(Settings(**self.settings))  # type: ignore[arg-type]
        asyncio.run(self._make())

    async def _make(self) -> None:
        await topics.create(self.config)
        await topics.create_inbound(self.config, self.inbound_partitions)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a process of the service, with some settings changed."""
        return {PREFIX + name.upper(): value for name, value in (self.settings | more).items()}

    @contextlib.contextmanager
    def running(self, count: int = 1, **more: str) -> Iterator[list[Process]]:
        """Run the service in *count* processes until the end of the block."""
        processes = [Process(self.environment(**more)) for _ in range(count)]
        try:
            yield processes
        finally:
            for process in processes:
                process.end()

    def write(self, placed: Sequence[Placed]) -> None:
        """Write messages to the inbound topic, each to its partition with its time."""
        topic = self.config.inbound_topics[0]

        async def write() -> None:
            async with clients.Writer(self.config) as writer:
                await writer.write(
                    topic, [Record(topic, one.partition, -1, one.received_at, one.key, one.raw, ()) for one in placed]
                )

        asyncio.run(write())

    def read(self, output: Output) -> list[Record]:
        """Everything that a read_committed reader finds on one of our topics now."""

        async def read() -> list[Record]:
            return [record async for record in clients.read(self.config, self.config.topics[output])]

        return asyncio.run(read())

    def until_written(self, output: Output, count: int, *, seconds: float = 90) -> None:
        """Wait until a read_committed reader has seen *count* records on one of our topics; tells at once."""

        async def wait() -> None:
            async with (
                asyncio.timeout(seconds),
                contextlib.aclosing(clients.follow(self.config, self.config.topics[output])) as records,
            ):
                seen = 0
                async for _ in records:
                    seen += 1
                    if seen >= count:
                        return

        asyncio.run(wait())

    def alerts(self, expected: int, *, seconds: float = 150) -> list[Record]:
        """Wait until *expected* alerts are there, and a moment longer for any that should not be."""
        deadline = time.monotonic() + seconds
        found = self.read(Output.ALERTS)
        while len(found) < expected and time.monotonic() < deadline:
            time.sleep(0.5)
            found = self.read(Output.ALERTS)
        time.sleep(3)
        return self.read(Output.ALERTS)


def until(fact: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Wait until *fact* holds; fail with *what* when it does not in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


class Told(NamedTuple):
    """An alert event: whose, which, and its text without what may differ."""

    subject: str
    id: str
    text: str


def told(event: bytes) -> Told:
    """Return an alert event as it is to be compared."""
    parsed: dict[str, Any] = json.loads(event)
    for name in MAY_DIFFER:
        del parsed["data"][name]
    return Told(parsed["subject"], parsed["id"], json.dumps(parsed))


def by_patient(events: Sequence[bytes]) -> dict[str, list[str]]:
    """Return each patient's events in order, as text without what may differ."""
    found: dict[str, list[str]] = {}
    for event in map(told, events):
        found.setdefault(event.subject, []).append(event.text)
    return found
