"""A broker that logs a transaction as ended and leaves out its markers, as Kafka 4.3.1 does when it stops."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from consumer.kafka import compat
from consumer.kafka.broker.base import to_stderr
from consumer.kafka.brokers import JavaBroker
from consumer.kafka.fate import Fate, fates
from consumer.kafka.recovery import Known, Recovery
from consumer.kafka.transaction import Delivered, Transactor
from consumer.stage import Outgoing, Output
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


ABORT = 0


def lose_last_marker(log: Path, kind: int) -> bool:
    """Cut a segment off before the marker of a kind that stands last in it; return whether there was one."""
    data = log.read_bytes()
    at, last = 0, None
    for batch in batches(data):
        if batch.marker == kind:
            last = at
        at += 12 + HEADER.unpack_from(data, at)[1]
    if last is not None:
        log.write_bytes(data[:last])
    return last is not None


def lose_markers(logs: Path, topics: list[str], kind: int = COMMIT) -> set[str]:
    """Leave the last marker out of each partition of *topics*; the broker recovers its logs when it starts."""
    (logs / ".kafka_cleanshutdown").unlink()
    found = set()
    for log in logs.glob("*/00000000000000000000.log"):
        topic = log.parent.name.rpartition("-")[0]
        if topic in topics and lose_last_marker(log, kind):
            found.add(topic)
            for beside in (*log.parent.glob("*.snapshot"), *log.parent.glob("*index")):
                beside.unlink()
    return found


@pytest.mark.parametrize("lost", ["of the offset too", "of what was written alone"])
@pytest.mark.parametrize("begun", [False, True], ids=["", "another was begun"])
def test_w4_what_was_acknowledged_is_said_again(
    own: JavaBroker, lost: str, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    """
    Everything was told once and can be read, before anything new comes: nobody has to wait for the next alert.

    Red without it: the alerts stay hidden and the partition refuses an offset that is lower than what it committed.
    """
    lab = Lab(own.bootstrap_servers, "lost-markers")
    events, alerts, state = (lab.topic(output) for output in (Output.EVENTS, Output.ALERTS, Output.STATE))
    topics = [alerts, state, *(["__consumer_offsets"] if lost == "of the offset too" else [])]
    send, waiting, away = Transactor._send, asyncio.Event(), asyncio.Event()

    async def late(self: Transactor, placed: dict[TopicPartition, list[Outgoing]]) -> list[Delivered]:
        waiting.set()
        await away.wait()
        return await send(self, placed)

    async def test() -> None:
        await lab.create_topics()
        async with lab.member("judge") as member:
            await lab.write(events, numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            if begun:
                monkeypatch.setattr(Transactor, "_send", late)
                await lab.write(events, numbered(20, 40))
                await waiting.wait()
            await asyncio.to_thread(own.stop)
            assert lose_markers(Path(own._data, "logs"), topics) == set(topics)
            away.set()
            if begun:
                # Given up before the broker is back; one that goes on then ends the other as well, well or badly.
                await asyncio.sleep(lab.config.timeouts.transaction_ms / 1000 + 1)
            await asyncio.to_thread(own.start)
            await until(lambda: running(member, 2))
            if not begun:
                exactly_once(await counted(lab, 20), range(20))
                await lab.write(events, numbered(20, 40))
            exactly_once(await counted(lab, 40), range(40))

    play(test())


def test_w6_a_new_owner_shows_the_state_that_its_offset_tells_of(own: JavaBroker) -> None:
    """
    An offset that is committed and its state without a marker: whoever comes next ends it, and nothing is lost.

    Red without it: the partition stops for a topic that has lost its end, and its remedy is to accept that.
    """
    lab = Lab(own.bootstrap_servers, "new-owner")
    events, topics = lab.topic(Output.EVENTS), [lab.topic(Output.ALERTS), lab.topic(Output.STATE)]

    async def test() -> None:
        await lab.create_topics()
        async with lab.member("judge"):
            await lab.write(events, numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
        await asyncio.to_thread(own.stop)
        assert lose_markers(Path(own._data, "logs"), topics) == set(topics)
        await asyncio.to_thread(own.start)
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            exactly_once(await counted(lab, 20), range(20))
            await lab.write(events, numbered(20, 40))
            exactly_once(await counted(lab, 40), range(40))

    play(test())


def test_w4_what_was_abandoned_is_aborted_again(own: JavaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A transaction given up before its commit was asked for is never shown, though its ABORT marker was lost.

    Red without it: the next commit of the same producer shows it (KAFKA.md fact 13).
    """
    lab = Lab(own.bootstrap_servers, "abandoned")
    place, alerts = TopicPartition(lab.topic(Output.EVENTS), 0), lab.topic(Output.ALERTS)

    def alert(text: bytes) -> list[Outgoing]:
        return [Outgoing(Output.ALERTS, 0, b"key", text)]

    async def refuse(*_: object) -> None:
        raise KafkaConnectionError("cut off")

    async def test() -> None:
        await lab.create_topics()
        await lab.write(place.topic, numbered(0, 20))
        first = Transactor(lab.config, "judge", place)
        await first.fence()
        await first.commit(alert(b"told"), 7, lambda _: "seven")
        monkeypatch.setattr(first.producer, "send_offsets_to_transaction", refuse)
        with pytest.raises(KafkaConnectionError):
            await first.commit(alert(b"not told"), 9, lambda _: "nine")
        await compat.dispose(first.producer, 3)
        second = Transactor(lab.config, "judge", place, first.acknowledged)
        await second.fence()
        await second.close()
        await asyncio.to_thread(own.stop)
        assert lose_markers(Path(own._data, "logs"), [alerts], ABORT) == {alerts}
        await asyncio.to_thread(own.start)
        third = Transactor(lab.config, "judge", place, second.acknowledged)
        await third.fence()
        consumer = AIOKafkaConsumer(bootstrap_servers=own.bootstrap_servers, group_id=lab.config.group("judge"))
        await consumer.start()
        found = await Recovery(lab.config, "judge", place, consumer, Known(), restores=True).read(third)
        await consumer.stop()
        assert found.committed is not None
        assert found.committed.offset == 7
        await third.commit(alert(b"told next"), 9, lambda _: "nine")
        await third.close()
        assert [record.value for record in await lab.read(alerts)] == [b"told", b"told next"]

    play(test())


def test_w4_what_became_of_a_batch(lab: Lab) -> None:
    """Shown, open and aborted are told apart, whatever stands before and behind."""
    place = TopicPartition(lab.topic(Output.ALERTS), 0)

    async def test() -> None:
        written, producers = {}, []
        for name in ("shown", "aborted", "shown as well", "open", "behind it"):
            producer = AIOKafkaProducer(
                bootstrap_servers=lab.config.bootstrap_servers, transactional_id=f"{lab.name}-{name}"
            )
            producers.append(producer)
            await producer.start()
            await producer.begin_transaction()
            sent = await producer.send_and_wait(place.topic, b"", partition=0)
            written[name] = Delivered(place, sent.offset, 1)
            if name == "aborted":
                await producer.abort_transaction()
            elif name != "open":
                await producer.commit_transaction()
        await asyncio.sleep(0.5)
        missing = TopicPartition(f"{place.topic}-deleted", 0)
        written |= {"not there": Delivered(place, 999, 1), "deleted": Delivered(missing, 0, 1)}
        found = await fates(lab.config, list(written.values()), closely=True)
        assert {name: found[batch] for name, batch in written.items()} == {
            "shown": Fate.SHOWN,
            "aborted": Fate.ABORTED,
            "shown as well": Fate.SHOWN,
            "open": Fate.OPEN,
            "behind it": Fate.OPEN,
            "not there": Fate.GONE,
            "deleted": Fate.GONE,
        }
        roughly = await fates(lab.config, list(written.values()), closely=False)
        ended = {name for name, batch in written.items() if roughly[batch] is Fate.ENDED}
        assert ended == {"shown", "aborted", "shown as well"}
        await producers[3].abort_transaction()
        for producer in producers:
            await producer.stop()

    play(test())
