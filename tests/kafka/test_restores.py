"""The changelog read back on a real broker: damage, tombstones, a beginning that moves, a restore that takes long."""

import asyncio
import shlex
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from structlog.testing import capture_logs

from consumer.judge import Judge
from consumer.kafka import changelog, recovery
from consumer.kafka.config import Timeouts
from consumer.kafka.faults import Reason
from consumer.kafka.handover import wall_clock
from consumer.kafka.offsets import set_offsets
from consumer.kafka.states import State
from consumer.patients import Clock
from consumer.stage import Output
from rules.rulebook import DEFAULT
from tests.kafka.lab import SHORT, Count, Failures, Lab, counted, exactly_once, numbered, play, running, until
from tests.kafka.test_aliases import OTHER, A, B, event, says
from tests.unit import fake_rules as fake

STATES = 20_000


def home(partition: int) -> Judge:
    """A live home."""
    return Judge(DEFAULT, fake.settings(Clock.LIVE, partition, 2), fake.ISSUER)


def test_a_damaged_state_stops_nobody_else(lab: Lab) -> None:
    """
    A damaged record of the state topic: its patient's events are dead letters, everybody else is judged, all tasks run.

    It is said in the log with what to do, and counted. Red where the error leaves the stage: the partition stops.
    """

    async def test() -> None:
        events, state = lab.topic(Output.EVENTS), lab.topic(Output.STATE)
        async with lab.member("judge", home) as member:
            await until(lambda: running(member, 2))
            await lab.write(events, [event(B, wall_clock(), "x")], partition=1)
            await says(lab, f"{B} x")
        # Damaged where it lies: a changelog has one writer, so that nothing else is ahead of the committed end.
        async with lab.member("judge", Damaged) as member:
            await until(lambda: running(member, 2))
            with capture_logs() as logs:
                await lab.write(events, [event(B, wall_clock(), "y"), event(OTHER, wall_clock(), "z")], partition=1)
                await lab.write(events, [event(A, wall_clock(), "w")], partition=0)
                await asyncio.gather(says(lab, f"{OTHER} z"), says(lab, f"{A} w"))
            assert running(member, 2)
            (letter,) = await lab.read(lab.topic(Output.DEAD_LETTERS))
            assert dict(letter.headers)["reason"] == b"quarantined"
            assert any(line["event"] == "patients.quarantined" and "state erase" in line["remedy"] for line in logs)
        assert [record.key for record in await lab.read(state) if record.key == B.encode()] == [B.encode()]

    with fake.installed():
        play(test())


class Damaged(Judge):
    """A home that finds one patient's record torn."""

    def __init__(self, partition: int) -> None:
        super().__init__(DEFAULT, fake.settings(Clock.LIVE, partition, 2), fake.ISSUER)

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Tear it."""
        super().restore(key, value[:20] if value and key == B.encode() else value, headers)


def test_w5_a_long_restore_is_progress(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A restore that takes several times what a task may stand still ends, without the group being joined anew.

    It says how far it is, and tells what it has taken while it goes on, each record once. Red where a restore does not
    count as progress: joined again and again, it never ends; and where nothing is told before it has ended.
    """
    monkeypatch.setattr(changelog, "PROGRESS_SECONDS", 0.5)
    resume = recovery.resume_from

    def first(*found: Any) -> recovery.Start:
        """Take the state although no offset belongs to it."""
        config, stage, place, committed, log, restored = found
        return resume(config, stage, place, committed, log, restored._replace(last=None))

    monkeypatch.setattr(recovery, "resume_from", first)
    pages = AIOKafkaConsumer.getmany

    async def getmany(self: Any, *places: TopicPartition, **named: int) -> object:
        if named.get("max_records") != 2_000:
            return await pages(self, *places, **named)
        await asyncio.sleep(0.1)  # a slow broker: 20,000 states take some four seconds
        return await pages(self, *places, **(named | {"max_records": 500}))

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)

    async def test() -> None:
        state = lab.topic(Output.STATE)
        await lab.write(state, [(b"key-%d" % number, b"1") for number in range(STATES)], partition=0)
        timeouts = Timeouts(**{name: getattr(SHORT, name) for name in SHORT.__slots__} | {"no_progress_seconds": 1.5})
        failures = Failures()
        config = lab.with_config(timeouts=timeouts)
        with capture_logs() as logs:
            async with lab.member("judge", config=config, observer=failures) as member:
                await until(lambda: sum(failures.restores) > 0)
                assert member.tasks[TopicPartition(lab.topic(Output.EVENTS), 0)].task.state is State.RESTORING
                assert sum(failures.restores) < STATES / 2
                await until(lambda: running(member, 2), seconds=40)
        said = [line["percent"] for line in logs if line["event"] == "changelog.restoring"]
        assert len(said) >= 2
        assert said == sorted(said)
        assert failures.stood_still == 0
        assert sum(failures.restores) == STATES

    play(test())


def test_tombstones_and_a_beginning_that_moves(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A restore takes tombstones for what they are, and goes on when the log's beginning moves under it.

    As cleaning and retention do it. Red without the seek to the new beginning: nothing more comes, and it gives up.
    """
    place = TopicPartition(lab.topic(Output.ALERTS), 0)  # any log will do; no compacted one may be cut off
    moved = asyncio.Event()
    ask = AIOKafkaConsumer.beginning_offsets

    async def beginning(self: Any, places: Sequence[TopicPartition]) -> object:
        begins = await ask(self, places)
        if not moved.is_set():
            moved.set()
            await lab.admin(lambda admin: admin.delete_records({place: RecordsToDelete(before_offset=10)}))
        return begins

    async def test() -> None:
        await lab.write(place.topic, [(b"key-%d" % number, b"%d" % number) for number in range(20)], partition=0)
        await lab.write(place.topic, [(b"key-15", None)], partition=0)  # type: ignore[list-item]
        monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", beginning)
        stage = Count(0)
        restored = await changelog.restore(lab.config, place, stage, position=None, progress=lambda _: None)
        assert moved.is_set()
        assert restored.end == 21
        assert stage.counts == {b"key-%d" % number: number for number in range(10, 20) if number != 15}

    play(test())


def test_w6_offset_out_of_range(lab: Lab) -> None:
    """
    Events that were deleted before they were judged stop their partition alone, with a remedy that cures it.

    It is applied as it is printed, word for word: the partition then runs again, and judges what is left.
    """

    async def test() -> None:
        events = lab.topic(Output.EVENTS)
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            await lab.write(events, numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
        await lab.write(events, [(b"a", b"100"), (b"a", b"101"), (b"a", b"102")], partition=0)
        place = TopicPartition(events, 0)
        gone = (await lab.ends([place]))[place] - 1
        await lab.admin(lambda admin: admin.delete_records({place: RecordsToDelete(before_offset=gone)}))
        async with lab.member("judge") as member:
            other = TopicPartition(events, 1)
            await until(lambda: len(member.tasks) == 2)
            await until(lambda: member.tasks[place].task.state is State.STOPPED)
            await until(lambda: member.tasks[other].task.state is State.RUNNING)
            assert member.tasks[place].task.reason is Reason.OFFSET_OUT_OF_RANGE
            said = member.tasks[place].task.trouble or ""
        words = shlex.split(said.split("`")[1])
        assert words[:3] == ["lab-alert", "offsets", "set"]
        named = dict(zip(words[3::2], words[4::2], strict=True))
        assert named.keys() == {"--stage", "--topic", "--partition", "--to"}
        await set_offsets(lab.config, named["--stage"], named["--topic"], [int(named["--partition"])], named["--to"])
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            exactly_once(await counted(lab, 21), [*range(20), 102])

    play(test())
