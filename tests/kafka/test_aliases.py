"""W17 over aliases on a real broker: what another home has still to pass on holds the timers of whom it leads to."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition

from consumer.address import partition_of
from consumer.judge import Judge
from consumer.kafka.handover import wall_clock
from consumer.kafka.observe import Silent
from consumer.kafka.oracle import Oracle
from consumer.kafka.reach import Reach
from consumer.kafka.transaction import Transactor
from consumer.patients import Clock
from consumer.stage import Output
from consumer.wire import EventRecord, Kind, encode_event
from rules.events import MINUTE, PatientEvent, PatientMerge, Source
from rules.rulebook import DEFAULT
from tests.kafka.lab import Lab, play, running, until
from tests.unit import fake_rules as fake

A, B, OTHER = (
    next(key for key in (f"{name}{n}" for n in range(50)) if partition_of(key.encode(), 2) == home)
    for name, home in (("A", 0), ("B", 1), ("O", 1))
)


@pytest.fixture(autouse=True)
def _fake_rules() -> Iterator[None]:
    with fake.installed():
        yield


def home(partition: int) -> Judge:
    """A live home."""
    return Judge(DEFAULT, fake.settings(Clock.LIVE, partition, 2), fake.ISSUER)


def event(key: str, received_at: int, words: str) -> tuple[bytes, bytes]:
    """A record of what a message says."""
    said = PatientEvent(fake.patient(key), received_at, Source("in", 0, 0), words, "ORU^R01", "LAB")
    return key.encode(), encode_event(EventRecord(Kind.EVENT, said.patient, said))


def merge(retired: str, surviving: str, received_at: int) -> tuple[bytes, bytes]:
    """A record of a merge."""
    fact = PatientMerge(fake.patient(retired), fake.patient(surviving), received_at)
    said = PatientEvent(fake.patient(retired), received_at, Source("in", 0, 0), "m", "ADT^A40", "ADT", merge=fact)
    return retired.encode(), encode_event(EventRecord(Kind.EVENT, said.patient, said))


async def told(lab: Lab) -> list[str]:
    """Whose alerts have been told, and what they say."""
    found = []
    for record in await lab.read(lab.topic(Output.ALERTS)):
        summary = (record.value or b"").decode().split('"summary":"')[1].split('"')[0]
        found.append(f"{(record.key or b'').decode()} {summary}")
    return found


async def says(lab: Lab, what: str) -> list[str]:
    """Wait until an alert says it; return all."""
    while True:
        said = await told(lab)
        if what in said:
            return said


def test_w17_waits_for_the_home_that_an_alias_leads_from(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A record for the old number lies in another partition whose owner is behind: the timer waits, and never fires.

    For that record takes it away, as a magnesium does. A patient of the same partition to whom nothing leads waits for
    nobody. Red where a merged patient's timers run on the low watermark alone.
    """
    commit = Transactor.commit
    held, free = asyncio.Event(), asyncio.Event()
    free.set()

    async def holding(self: Transactor, *arguments: Any) -> int | None:
        if self._source == TopicPartition(lab.topic(Output.EVENTS), 0) and not free.is_set():
            held.set()
            await free.wait()
        return await commit(self, *arguments)

    monkeypatch.setattr(Transactor, "commit", holding)
    monkeypatch.setattr(fake, "MINUTE", 2_000)  # a timer of 2 s

    async def test() -> None:
        topic = lab.topic(Output.EVENTS)
        await lab.write(lab.inbound, [(b"x", b"x")], partition=0)
        await lab.write(lab.inbound, [(b"x", b"x")], partition=1)
        async with lab.member("ingest"), lab.member("judge", home) as judge:
            observer = Silent()
            oracle = Oracle(lab.config, judge, observer, Reach(lab.config.bootstrap_servers, observer))
            asking = asyncio.create_task(oracle.run())
            try:
                await until(lambda: running(judge, 2))
                now = wall_clock()
                await lab.write(topic, [merge(A, B, now - 2 * MINUTE)], partition=0)
                tasks = {place.partition: one.task for place, one in judge.tasks.items()}
                await until(lambda: tasks[1].alias_homes == (frozenset({0}), 1))
                free.clear()
                await lab.write(topic, [event(A, now - 50_000, "late")], partition=0)
                await asyncio.wait_for(held.wait(), 10)
                timers = [event(key, wall_clock(), "t1") for key in (B, OTHER)]
                await lab.write(topic, timers, partition=1)
                await says(lab, f"{OTHER} timer")
                await asyncio.sleep(1)
                assert f"{B} timer" not in await told(lab)
                free.set()
                await says(lab, f"{B} late")
                await until(lambda: (tasks[1].watermark or 0) > wall_clock() - 500)
                await asyncio.sleep(0.5)
                assert f"{B} timer" not in await told(lab)
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    play(test(), seconds=60)
