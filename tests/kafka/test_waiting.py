"""Much that waits of one patient, on a real broker (docs/adr/0015): no record too large, and all of it comes back."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from consumer.address import partition_of
from consumer.judge import Judge
from consumer.kafka.observe import Silent
from consumer.kafka.oracle import Oracle
from consumer.kafka.reach import Reach
from consumer.patients import Clock
from consumer.spill import behind
from consumer.stage import Output, Record
from consumer.wire import EventRecord, Kind, encode_event
from rules.events import MINUTE, PatientEvent, Source
from rules.rulebook import DEFAULT
from tests.kafka.lab import Failures, Lab, play, running, until
from tests.unit import fake_rules as fake

LIMIT = 3_000
EVENTS = 120
KEY = next(key for key in (f"A{n}" for n in range(50)) if partition_of(key.encode(), 2) == 0)


@pytest.fixture(autouse=True)
def _fake_rules() -> Iterator[None]:
    with fake.installed():
        yield


def home(partition: int) -> Judge:
    """A home with the clock of the records, whose topics take little."""
    settings = fake.settings(Clock.RECORDS, partition, 2)._replace(state_bytes=LIMIT)
    return Judge(DEFAULT, settings, fake.ISSUER)


def event(number: int) -> tuple[bytes, bytes]:
    """A record of what a message says that was received at that minute."""
    words = f"n{number} {random.Random(number).randbytes(24).hex()}"  # compresses badly
    said = PatientEvent(fake.patient(KEY), number * MINUTE, Source("in", 0, number), words, "ORU^R01", "LAB")
    return KEY.encode(), encode_event(EventRecord(Kind.EVENT, said.patient, said))


def test_w3_what_waits_of_a_patient_stops_no_partition(lab: Lab) -> None:
    """
    While a neighbour lags, a patient's events wait in ten records; another owner takes them over and judges each once.

    Red where what waits has to fit the patient's own record: the partition stops (`too_large`), with all its patients.
    """

    async def test() -> None:
        lab.config = lab.with_config(clock="records", inbound_max_message_bytes=LIMIT // 2 + 200)
        topic, state = lab.topic(Output.EVENTS), lab.topic(Output.STATE)
        waiting = [event(number) for number in random.Random(1).sample(range(EVENTS), EVENTS)]
        observer = Failures()

        async def behind_it() -> set[str]:
            last: dict[str, Record] = {(one.key or b"").decode(): one for one in await lab.read(state)}
            assert all(len(one.value or b"") <= LIMIT for one in last.values())
            return {key for key, one in last.items() if one.value is not None}

        async with lab.member("judge", home, observer=observer) as judge:  # no watermark: nobody asks for one
            await until(lambda: running(judge, 2))
            for start in range(0, EVENTS, 30):
                await lab.write(topic, waiting[start : start + 30], partition=0)
                await asyncio.sleep(0.2)
            await until(lambda: sum(observer.commits) >= EVENTS)
        assert behind(KEY, 4) in await behind_it()
        async with lab.member("ingest"), lab.member("judge", home, observer=observer) as judge:
            asking = asyncio.create_task(
                Oracle(lab.config, judge, Silent(), Reach(lab.config.bootstrap_servers, Silent())).run()
            )
            try:
                for partition in (0, 1):
                    await lab.write(lab.inbound, [(b"", b"x")], partition=partition, timestamp_ms=EVENTS * MINUTE)
                told: list[bytes] = []
                while len(told) < EVENTS:
                    told = [one.value or b"" for one in await lab.read(lab.topic(Output.ALERTS))]
                await asyncio.sleep(0.5)
                assert await behind_it() == {KEY}
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        told = [one.value or b"" for one in await lab.read(lab.topic(Output.ALERTS))]
        said = [one.split(b'"summary":"n')[1].split(b" ")[0] for one in told]
        assert said == [b"%d" % number for number in range(EVENTS)]
        assert observer.errors == []

    play(test(), seconds=60)
