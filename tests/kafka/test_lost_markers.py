"""A broker that logs a transaction as complete and leaves out its markers, as Kafka 4.3.1 does when it stops."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.kafka.broker.base import to_stderr
from consumer.kafka.brokers import JavaBroker
from consumer.stage import Output
from tests.fault.segments import COMMIT, HEADER, batches
from tests.kafka.lab import Lab, counted, exactly_once, numbered, play, running, until


@pytest.fixture
def own() -> Iterator[JavaBroker]:
    """A broker of the test's own whose files it may touch."""
    broker = JavaBroker(to_stderr)
    try:
        yield broker
    finally:
        broker.close()


def lose_last_marker(log: Path) -> bool:
    """Cut a segment off before the COMMIT marker that stands last in it; return whether there was one."""
    data = log.read_bytes()
    at, last = 0, None
    for batch in batches(data):
        if batch.marker == COMMIT:
            last = at
        at += 12 + HEADER.unpack_from(data, at)[1]
    if last is not None:
        log.write_bytes(data[:last])
    return last is not None


def lose_markers(logs: Path, topics: list[str]) -> set[str]:
    """Leave the last marker out of each partition of *topics*; the broker recovers its logs when it starts."""
    (logs / ".kafka_cleanshutdown").unlink()
    found = set()
    for log in logs.glob("*/00000000000000000000.log"):
        topic = log.parent.name.rpartition("-")[0]
        if topic in topics and lose_last_marker(log):
            found.add(topic)
            for beside in (*log.parent.glob("*.snapshot"), *log.parent.glob("*index")):
                beside.unlink()
    return found


@pytest.mark.parametrize("lost", ["of the offset too", "of what was written alone"])
def test_w4_what_was_acknowledged_is_said_again(own: JavaBroker, lost: str) -> None:
    """
    Everything was told once and can be read, before anything new comes: nobody has to wait for the next alert.

    Red without it: the alerts stay hidden and the partition refuses an offset that is lower than what it committed.
    """
    lab = Lab(own.bootstrap_servers, "lost-markers")
    alerts, state = lab.topic(Output.ALERTS), lab.topic(Output.STATE)
    topics = [alerts, state, *(["__consumer_offsets"] if lost == "of the offset too" else [])]

    async def test() -> None:
        await lab.create_topics()
        async with lab.member("judge") as member:
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            await asyncio.to_thread(own.stop)
            assert lose_markers(Path(own._data, "logs"), topics) == set(topics)
            await asyncio.to_thread(own.start)
            assert len(await lab.read(alerts)) < 20
            await until(lambda: running(member, 2))
            exactly_once(await counted(lab, 20), range(20))
            await lab.write(lab.topic(Output.EVENTS), numbered(20, 40))
            exactly_once(await counted(lab, 40), range(40))

    play(test())
