"""The running service: ready, told, ended; topics made and checked; a broker that is away."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumer.kafka import topics
from consumer.kafka.brokers import Broker, broker
from tests.kafka.lab import Lab, counted, exactly_once, numbered, play


@contextlib.contextmanager
def served(servers: str, name: str) -> Iterator[subprocess.Popen[str]]:
    """Run the service in a process of its own."""
    command = [sys.executable, "-m", "tests.kafka.serving", servers, name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: subprocess.Popen[str], words: str, *, seconds: float = 20) -> None:
    """Wait until the service prints a line that begins with *words*."""
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    while not (line := process.stdout.readline()).startswith(words):
        assert line, f"it ended: {process.communicate()}"
        assert time.monotonic() < deadline, f"not {words!r} but {line!r}"


async def make(lab: Lab) -> None:
    """Make the topics as `lab-alert topics create` does."""
    await topics.create(lab.config)
    await topics.create_inbound(lab.config, lab.inbound_partitions)


def test_sigterm_drains(lab: Lab) -> None:
    """SIGTERM: what was taken is committed, the status topic hears that we have ended, and the exit code is 0."""
    play(adjust(lab))
    with served(lab.config.bootstrap_servers, lab.name) as process:
        says(process, "ready")
        play(lab.write(lab.inbound, numbered(0, 100)))
        play(check(lab, 100))
        play(status_says(lab, {"ingest": {"running": 2}, "judge": {"running": 2}}))
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - begun < 10
        assert process.returncode == 0, errors
        assert "Traceback" not in errors

    async def ended() -> None:
        *_, last, tombstone = await told_status(lab)
        assert last is not None
        assert last["ended"]
        assert tombstone is None, "an instance that is gone is forgotten by compaction"

    play(ended())


async def adjust(lab: Lab) -> None:
    """Bring what the fixture has made to what the check wants."""
    await lab.admin(lambda admin: admin.create_topics([NewTopic(lab.config.status_topic, 1, 1)]))
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, plan.name, configs=dict(plan.settings))
        for plan in topics.plans(lab.config)
    ]
    await lab.admin(lambda admin: admin.alter_configs(wanted))


async def told_status(lab: Lab) -> list[dict[str, Any] | None]:
    """Return what stands on the status topic."""
    return [json.loads(record.value) if record.value else None for record in await lab.read(lab.config.status_topic)]


async def status_says(lab: Lab, tasks: dict[str, dict[str, int]]) -> None:
    """Wait until the status topic tells of these tasks."""
    for _ in range(100):
        if any(record and record["ready"] and record["tasks"] == tasks for record in await told_status(lab)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(await told_status(lab))


async def check(lab: Lab, count: int) -> None:
    """Check that all is told."""
    exactly_once(await counted(lab, count), range(count))


def test_second_sigterm_ends_at_once(lab: Lab) -> None:
    """A second signal does not wait for the drain."""
    play(adjust(lab))
    with served(lab.config.bootstrap_servers, lab.name) as process:
        says(process, "ready")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=5)
        assert process.returncode in (0, 2)


def test_missing_topics_name_their_command(kafka: Broker) -> None:
    """A start without topics is refused with all of them listed, and the command that makes them."""
    with served(kafka.bootstrap_servers, f"nothing-{time.time_ns()}") as process:
        said, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert said.count("run `lab-alert topics create`") == 5
        assert "inbound is missing" in said


def test_broker_that_is_not_there() -> None:
    """No broker: one line that says what was tried, not ready, no traceback, and SIGTERM still ends with 0."""
    with served("127.0.0.1:1", "nowhere") as process:
        says(process, "not ready: the broker does not answer")
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        lines = [json.loads(line) for line in errors.splitlines()]
        told = [line for line in lines if line["level"] in ("warning", "error")]
        assert [line["event"] for line in told] == ["broker.unreachable"]
        assert told[0]["tried"] == "127.0.0.1:1"
        assert "Traceback" not in errors


def test_topics_are_made_and_checked(kafka: Broker) -> None:
    """`topics create` makes what `topics check` passes; what would lose data is a fault, the rest a warning."""
    lab = Lab(kafka.bootstrap_servers, f"topics-{time.time_ns()}")

    async def test() -> None:
        await make(lab)
        assert await topics.create(lab.config) == [], "a second time there is nothing to make"
        report = await topics.check(lab.config)
        assert report.faults == []
        assert [line.split(": ")[1][:22] for line in report.warnings] == ["message.timestamp.type"]
        wrong = lab.with_config(partitions=4, inbound_max_message_bytes=2 * 1024 * 1024)
        faults = (await topics.check(wrong)).faults
        assert sum("patients would be looked for" in fault for fault in faults) == 4
        assert sum("max.message.bytes is 2097152, should be 4194304" in fault for fault in faults) == 5

    play(test())


def test_broker_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that stops, or is killed, and comes back: not ready meanwhile, one line, nothing lost or doubled."""
    monkeypatch.delenv("LAB_ALERT_TEST_BOOTSTRAP", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with broker() as own:
        lab = Lab(own.bootstrap_servers, "restart")
        play(make(lab))
        with served(own.bootstrap_servers, lab.name) as process:
            says(process, "ready", seconds=60)
            play(lab.write(lab.inbound, numbered(0, 100)))
            play(check(lab, 100))
            for round_, leave in enumerate((own.stop, own.kill), 1):
                leave()
                says(process, "not ready: the broker does not answer")
                own.start()
                says(process, "ready", seconds=60)
                play(lab.write(lab.inbound, numbered(100 * round_, 100 * round_ + 100)))
                play(check(lab, 100 * round_ + 100))
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=10)
            assert process.returncode == 0
            assert "Traceback" not in errors
