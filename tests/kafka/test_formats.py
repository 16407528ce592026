"""A rolling update on a real broker: both versions running, there and back (DESIGN.md 2, docs/adr/0010)."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from consumer.cloudevent import Issuer
from consumer.errors import NewerVersion
from consumer.judge import Judge
from consumer.kafka import recovery
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import Reason, Stop
from consumer.kafka.member import Member
from consumer.kafka.metadata import decode
from consumer.kafka.states import State
from consumer.patients import Clock, Settings
from consumer.stage import Outcome, Output, Record
from consumer.wire import FORMAT, FORMAT_BEFORE, EventRecord, Kind, encode_event
from rules.events import MINUTE, Patient, PatientEvent, Source
from rules.rulebook import DEFAULT
from tests.kafka.lab import Lab, play, running, until


class Newer(Judge):
    """The home as it is."""

    def __init__(self, partition: int) -> None:
        super().__init__(DEFAULT, Settings(Clock.LIVE, partition, 2), Issuer("test", "1", "sha256:0"))


class Older(Newer):
    """The version before: it reads and writes format 1 and nothing else."""

    def write_format(self, version: int) -> None:
        """Refuse what is newer."""
        super().write_format(version)
        if self._newer:
            raise NewerVersion("a record of the state topic", FORMAT, FORMAT_BEFORE)

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Refuse what is newer."""
        for record in records:
            if record.value is not None and record.value[0] > FORMAT_BEFORE:
                raise NewerVersion("a record of the events topic", record.value[0], FORMAT_BEFORE)
        return super().process(records, watermark=watermark, wall=wall)


def news(numbers: Iterable[int], version: int) -> list[tuple[bytes, bytes]]:
    """One event a number, each of a patient of its own, in the format that ingest writes."""
    found = []
    for number in numbers:
        patient = Patient(f"A|{number}", str(number), "A")
        event = PatientEvent(
            patient, number * MINUTE, Source("in", 0, number), str(number), "ORU^R01", "LAB", fingerprint=number + 1
        )
        found.append((patient.key.encode(), encode_event(EventRecord(Kind.EVENT, patient, event), version)))
    return found


async def stored(lab: Lab) -> dict[bytes, int]:
    """The format of each patient's state, the newest record of each."""
    return {record.key or b"": record.value[0] for record in await lab.read(lab.topic(Output.STATE)) if record.value}


async def judged(lab: Lab, numbers: range, version: int = FORMAT_BEFORE) -> dict[bytes, int]:
    """Send news and wait until each patient is stored; return the formats."""
    await lab.write(lab.topic(Output.EVENTS), news(numbers, version))
    while len(formats := await stored(lab)) < numbers.stop:
        pass
    return formats


def stopped(member: Member) -> bool:
    """Whether both tasks have stopped for a newer version."""
    tasks = [running.task for running in member.tasks.values()]
    return len(tasks) == 2 and all(t.state is State.STOPPED and t.reason is Reason.NEWER_VERSION for t in tasks)


def test_a_rolling_update_there_and_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Old and new members side by side, in any order, write what both can read until the setting says otherwise.

    Then the old one stops at once, with a remedy; and the setting set back, it can take everything over again.
    """
    older, back, newest = (lab.with_config(format=number) for number in (FORMAT_BEFORE, FORMAT_BEFORE, FORMAT))
    resume = recovery.resume_from

    def resumed(config: KafkaConfig, stage: str, place: TopicPartition, found: Any, *more: Any, **named: Any) -> Any:
        metadata = None if found is None else decode(found.metadata)
        if config is older and metadata is not None and metadata.version > FORMAT_BEFORE:
            raise Stop(Reason.NEWER_VERSION, "newer.", "run the newer one.")
        return resume(config, stage, place, found, *more, **named)

    monkeypatch.setattr(recovery, "resume_from", resumed)

    async def test() -> None:
        async with lab.member("judge", Older, config=older) as old:
            await until(lambda: running(old, 2))
            await judged(lab, range(10))
            async with lab.member("judge", Newer) as new:
                await until(lambda: running(old, 1) and running(new, 1))
                assert set((await judged(lab, range(10, 20))).values()) == {FORMAT_BEFORE}
            await until(lambda: running(old, 2))
            assert set((await judged(lab, range(20, 25))).values()) == {FORMAT_BEFORE}
        async with lab.member("judge", Newer) as new:
            await until(lambda: running(new, 2))
            assert set((await judged(lab, range(25, 30))).values()) == {FORMAT_BEFORE}
        async with lab.member("judge", Newer, config=newest) as new:
            await until(lambda: running(new, 2))
            formats = await judged(lab, range(30, 40), FORMAT)
            assert {formats[b"A|%d" % number] for number in range(30, 40)} == {FORMAT}
        async with lab.member("judge", Older, config=older) as old:
            await until(lambda: stopped(old))
        async with lab.member("judge", Newer, config=back) as new:
            await until(lambda: running(new, 2))
            while set((await stored(lab)).values()) != {FORMAT_BEFORE}:
                assert new.tasks
        async with lab.member("judge", Older, config=older) as old:
            await until(lambda: running(old, 2))
            assert len(await judged(lab, range(40, 45))) == 45

    play(test())
