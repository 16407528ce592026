"""W6: where offset and state have parted, the partition stops, says what cures it, and the remedy does."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from consumer.kafka import offsets
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import Reason
from consumer.kafka.offsets import OffsetsRefused, set_offsets
from consumer.kafka.states import State
from consumer.stage import Output
from tests.kafka.lab import Lab, counted, exactly_once, numbered, play, running, until


async def judged(lab: Lab, count: int) -> None:
    """Have some records judged, and the member gone."""
    async with lab.member("judge") as member:
        await until(lambda: running(member, 2))
        await lab.write(lab.topic(Output.EVENTS), numbered(0, count))
        exactly_once(await counted(lab, count), range(count))


async def stops(lab: Lab, config: KafkaConfig) -> tuple[set[Reason | None], str]:
    """Run a member until both partitions have stopped; return the reasons, and what one of them says."""
    async with lab.member("judge", config=config) as member:
        await until(lambda: len(member.tasks) == 2)
        tasks = [running.task for running in member.tasks.values()]
        await until(lambda: all(task.state is State.STOPPED for task in tasks))
        # A stop for good is no fault of the kind that joining again would cure.
        await asyncio.sleep(1.2)
        assert not member.orphans
        return {task.reason for task in tasks}, tasks[0].trouble or ""


def test_w6_offsets_lost(lab: Lab) -> None:
    """
    State without an offset stops the partition; `offsets set` is refused while members live, and cures it then.

    With the offset that was noted before, nothing that came meanwhile is lost, nothing is told twice. Red when a lost
    offset is taken for a first start: every record is judged again.
    """

    async def test() -> None:
        await judged(lab, 20)
        noted = await offsets.committed(lab.config, "judge")
        # Another deployment name: the same topics and state, and a group that has no offsets.
        config = lab.with_config(deployment=f"{lab.name}-lost")
        topic = lab.topic(Output.EVENTS)
        reasons, said = await stops(lab, config)
        assert reasons == {Reason.OFFSET_LOST}
        assert f"offsets set --stage judge --topic {topic}" in said
        async with lab.member("judge", config=config) as member:
            await until(lambda: len(member.tasks) == 2)
            with pytest.raises(OffsetsRefused, match="1 members"):
                await set_offsets(config, "judge", topic, None, "latest")
        await lab.write(topic, numbered(20, 40))
        for place, before in noted.items():
            moved = await set_offsets(config, "judge", topic, [place.partition], str(before.offset))
            assert moved == [(place, None, before.offset)]
        async with lab.member("judge", config=config) as member:
            await until(lambda: running(member, 2))
            exactly_once(await counted(lab, 40), range(40))

    play(test())


def test_w6_state_made_anew(lab: Lab) -> None:
    """
    A state topic that was deleted and made again stops its partitions; accepting the loss lets them go on.

    Red when offsets and state are not held against one another: the counts begin at one again, unseen.
    """

    async def test() -> None:
        await judged(lab, 20)
        state = lab.topic(Output.STATE)
        await lab.admin(lambda admin: admin.delete_topics([state]))
        await asyncio.sleep(0.5)
        again = NewTopic(state, 2, 1, topic_configs={"cleanup.policy": "compact"})
        await lab.admin(lambda admin: admin.create_topics([again]))
        reasons, said = await stops(lab, lab.config)
        assert reasons == {Reason.STATE_BEHIND}
        assert "made anew" in said
        await set_offsets(lab.config, "judge", lab.topic(Output.EVENTS), [0, 1], "latest")
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), numbered(20, 27))
            new = [alert for alert in await counted(lab, 27) if int(alert["value"]) >= 20]
        assert [alert["count"] for alert in new] == [1] * 7

    play(test())


def test_w6_changed_p(lab: Lab) -> None:
    """Another number of partitions than the commits were made with stops everything, and says what to set back."""

    async def test() -> None:
        await judged(lab, 20)
        reasons, said = await stops(lab, lab.with_config(partitions=4))
        assert reasons == {Reason.PARTITIONS_CHANGED}
        assert "back to 2" in said

    play(test())


def test_offsets_set_says_what_is_wrong(lab: Lab) -> None:
    """A topic that the stage does not read, a partition or an offset that is not there: each is refused in words."""

    async def test() -> None:
        topic = lab.topic(Output.EVENTS)
        with pytest.raises(OffsetsRefused, match="does not read"):
            await set_offsets(lab.config, "judge", lab.inbound, None, "latest")
        with pytest.raises(OffsetsRefused, match="2 partitions, not 7"):
            await set_offsets(lab.config, "judge", topic, [7], "latest")
        with pytest.raises(OffsetsRefused, match="99 is not within"):
            await set_offsets(lab.config, "judge", topic, [0], "99")
        await set_offsets(lab.config, "judge", topic, [0], "earliest")
        found = await offsets.committed(lab.config, "judge")
        assert found[TopicPartition(topic, 0)].offset == 0

    play(test())
