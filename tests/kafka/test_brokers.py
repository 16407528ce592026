"""The broker that tests and the demo start: it serves, it comes back, and it never outlives whoever started it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumer.kafka import brokers
from consumer.kafka.brokers import Broker, BrokerError, broker

Subject = TypeVar("Subject")

RUN = [sys.executable, "-m", "consumer.kafka.brokers"]


@pytest.fixture
def started() -> Iterator[Broker]:
    """A broker of the test's own, to be stopped and killed."""
    if "LAB_ALERT_TEST_BOOTSTRAP" in os.environ:
        pytest.fail("unset LAB_ALERT_TEST_BOOTSTRAP: these tests kill the broker")
    with broker() as running:
        yield running


async def create_topic(bootstrap_servers: str, name: str) -> None:
    """Make a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def append(bootstrap_servers: str, topic: str, value: bytes) -> None:
    """Write one record and wait until the broker has it."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def read(bootstrap_servers: str, topic: str) -> list[bytes | None]:
    """Return the values of the topic's only partition."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values = []
        while await consumer.position(partition) < end:
            values += [record.value for record in (await consumer.getmany(timeout_ms=1000)).get(partition, [])]
        return values
    finally:
        await consumer.stop()


def test_comes_back_with_its_data(started: Broker) -> None:
    """What was acknowledged is there after a kill and after a clean stop, on the same port."""
    servers = started.bootstrap_servers
    asyncio.run(create_topic(servers, "kept"))
    asyncio.run(append(servers, "kept", b"before the kill"))
    started.kill()
    started.start()
    asyncio.run(append(servers, "kept", b"before the stop"))
    started.stop()
    assert "shut down completed" in started.log_tail()
    started.start()
    assert asyncio.run(read(servers, "kept")) == [b"before the kill", b"before the stop"]


def run_beside(temporary: Path) -> tuple[subprocess.Popen[str], int]:
    """Start ``make kafka``'s command with its data below *temporary*; return it with the port that it printed."""
    temporary.mkdir()
    process = subprocess.Popen(RUN, env=os.environ | {"TMPDIR": str(temporary)}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert " at 127.0.0.1:" in line, line
    return process, int(line.split(" at 127.0.0.1:")[1].split(";")[0])


def within_seconds(fact: Callable[[Subject], bool], subject: Subject) -> bool:
    """Whether *fact* comes to hold of *subject* within a few seconds."""
    deadline = time.monotonic() + 5
    while not fact(subject) and time.monotonic() < deadline:
        time.sleep(0.05)
    return fact(subject)


def silent(port: int) -> bool:
    """Whether nothing listens on the port."""
    return not brokers.answers(port)


def empty(folder: Path) -> bool:
    """Whether the folder holds nothing."""
    return not list(folder.iterdir())


def test_side_by_side_and_every_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers do not clash, and whether we end by SIGTERM, Ctrl-C or SIGKILL, neither JVM nor data stay behind."""
    monkeypatch.delenv("LAB_ALERT_TEST_BOOTSTRAP", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    expected = {signal.SIGTERM: 0, signal.SIGINT: 0, signal.SIGKILL: -signal.SIGKILL}
    running = [(way, *run_beside(tmp_path / way.name)) for way in expected]
    assert all(brokers.answers(port) for _, _, port in running)
    for way, process, port in running:
        process.send_signal(way)
        code = process.wait(30)
        assert process.stdout is not None
        process.stdout.close()
        assert code == expected[way]
        assert within_seconds(silent, port), f"the broker outlived {way.name}"
        assert within_seconds(empty, tmp_path / way.name), f"data stayed after {way.name}"


def test_a_named_broker_is_taken_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers in LAB_ALERT_TEST_BOOTSTRAP come first, and are not ours to stop."""
    monkeypatch.setenv("LAB_ALERT_TEST_BOOTSTRAP", "kafka.test:9092")
    with broker() as running:
        assert running.bootstrap_servers == "kafka.test:9092"
        with pytest.raises(BrokerError, match="not ours to stop"):
            running.kill()


def test_none_to_be_had_is_one_line(tmp_path: Path) -> None:
    """Without Docker and Java the command fails within two seconds of work, in one line that says what to install."""
    environment = {"PATH": str(tmp_path), "DOCKER_HOST": "tcp://127.0.0.1:1", "HOME": str(tmp_path)}
    begun = time.monotonic()
    done = subprocess.run(RUN, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert time.monotonic() - begun < 10
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "install Java 17 and Maven, or start Docker" in done.stderr


def test_jars_without_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and no Maven is said as such."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError, match="Maven"):
        brokers.kafka_jars()
