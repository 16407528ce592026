"""W15: what a task writes stands in the partition of its own number."""

from collections.abc import Callable

import pytest

from consumer.hl7.decoder import Decoder
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.ingest import Ingest, Settings
from consumer.judge import Judge
from consumer.patients import Clock
from consumer.stage import Output, Record, Stage
from rules.rulebook import DEFAULT
from tests.kafka.lab import Lab, counted, numbered, play, running, until
from tests.unit import fake_rules as fake


def test_w15_each_task_writes_to_its_own_number(lab: Lab) -> None:
    """Changelog and alerts of an events partition stand in the partition of the same number."""

    async def test() -> None:
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 40))
            await counted(lab, 40)
        place = {record.key: record.partition for record in await lab.read(lab.topic(Output.EVENTS))}
        for output in (Output.STATE, Output.ALERTS):
            for record in await lab.read(lab.topic(output)):
                assert record.partition == place[record.key]

    play(test())


def ingest(partition: int) -> Stage:
    """Return the stage that ships."""
    site = Site.default()
    return Ingest(Decoder(site), Prefilter(site), Settings(Clock.LIVE, partition, 2))


def judge(partition: int) -> Stage:
    """Return the stage that ships."""
    return Judge(DEFAULT, fake.settings(Clock.LIVE, partition, 2), fake.ISSUER)


@pytest.mark.parametrize("make", [ingest, judge])
def test_w15_dead_letters_too(lab: Lab, make: Callable[[int], Stage]) -> None:
    """What neither stage can read is a dead letter in the partition of the same number, whatever its key."""

    async def test() -> None:
        stage = make.__name__
        (topic,) = lab.config.input_topics(stage)
        async with lab.member(stage, make) as member:
            await until(lambda: running(member, 2))
            await lab.write(topic, numbered(0, 40))
            letters: list[Record] = []
            while len(letters) < 40:
                letters = await lab.read(lab.topic(Output.DEAD_LETTERS))
        place = {record.value: record.partition for record in await lab.read(topic)}
        assert {record.value: record.partition for record in letters} == place
        assert set(place.values()) == {0, 1}

    play(test(), seconds=60)
