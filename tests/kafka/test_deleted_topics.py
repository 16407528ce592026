"""A topic that is deleted while we run: said with its remedy, nobody ready, nothing lost that is still in a topic."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from structlog.testing import capture_logs

from consumer.kafka import topics
from consumer.kafka.faults import Reason
from consumer.kafka.member import Member
from consumer.kafka.presence import Presence
from consumer.kafka.service import ServiceHealth
from consumer.kafka.states import State
from consumer.stage import Output
from tests.kafka.lab import Lab, counted, exactly_once, numbered, play, running, until


@contextlib.asynccontextmanager
async def service(lab: Lab) -> AsyncIterator[tuple[Member, Member, ServiceHealth]]:
    """Run both stages, and what looks after the topics; both stages have two partitions running."""
    health = ServiceHealth()
    lab.config = lab.with_config(pace=dataclasses.replace(lab.config.pace, presence_seconds=0.3))
    await topics.create(lab.config)  # the status topic, which a lab does not have
    health.presence = Presence(lab.config)
    looking = asyncio.create_task(health.presence.run())
    try:
        async with lab.member("ingest") as ingest, lab.member("judge") as judge:
            health.members = [ingest, judge]
            await until(lambda: running(ingest, 2) and running(judge, 2))
            await until(health.ready)
            yield ingest, judge, health
    finally:
        looking.cancel()


async def delete(lab: Lab, name: str) -> None:
    """Delete a topic."""
    await lab.admin(lambda admin: admin.delete_topics([name]))


async def is_gone(lab: Lab, name: str) -> bool:
    """Whether the broker does not know the topic."""
    async with topics.admin(lab.config) as admin:
        (described,) = await admin.describe_topics([name])
    return for_code(described["error_code"]) is UnknownTopicOrPartitionError


async def seen_again(*members: Member) -> None:
    """Have the members look for the topics now, as they do every half minute."""
    for member in members:
        assert member.consumer is not None
        await member.consumer._client.force_metadata_update()


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        pytest.param(Output.EVENTS, Reason.OFFSET_LOST, id="events"),
        pytest.param(Output.STATE, Reason.STATE_BEHIND, id="state"),
    ],
)
def test_deleted_while_we_run(lab: Lab, output: Output, reason: Reason) -> None:
    """
    A topic of ours that is deleted is said with its remedy, is not made anew by us, and stops only what needs it.

    Made again by hand, it is another one: the judge stops with the remedy, and ingest goes on. Red without `Presence`:
    with the events topic gone nobody has a partition of it, and everybody is ready. Red without a look at where
    the state was written: a commit that was being tried goes through once it is there, and other states are gone.
    """
    name, first = lab.topic(output), 20 if output is Output.EVENTS else 0

    async def test() -> None:
        async with service(lab) as (ingest, judge, health):
            await lab.write(lab.inbound, numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            with capture_logs() as logs:
                await delete(lab, name)
                await until(lambda: f"topic {name} is missing: run `lab-alert topics create`" in health.why_not_ready())
                await lab.write(lab.inbound, numbered(20, 30))
                await asyncio.sleep(2)
                assert await is_gone(lab, name)
                assert not ingest.orphans | judge.orphans
                assert [line["what"] for line in logs if line["event"] == "topics.gone"] == [
                    f"topic {name} is missing: run `lab-alert topics create`"
                ], "said once"
                await topics.create(lab.config)
                await seen_again(ingest, judge)
                await lab.write(lab.inbound, numbered(30, 44))
                await until(lambda: bool(judge.tasks) and all(r.task.reason is reason for r in judge.tasks.values()))
            stopped = [line for line in logs if line["event"] == "task.stopped"]
            assert {line["stage"] for line in stopped} == {"judge"}
            assert all("offsets set --stage judge" in line["remedy"] for line in stopped)
            await until(lambda: running(ingest, 2), what="ingest goes on")
            await until(lambda: sum(r.task.committed for r in ingest.tasks.values()) >= 44)
            told = [record.value for record in await lab.read(lab.topic(Output.EVENTS))]
            assert sorted(int(value or b"") for value in told) == list(range(first, 44)), (
                "what ingest has read is there"
            )
            assert str(reason) in health.why_not_ready()

    play(test())


def test_deleted_inbound(lab: Lab) -> None:
    """An inbound topic that is deleted is said with its remedy; made again, it is read from its beginning, once."""

    async def test() -> None:
        async with service(lab) as (ingest, judge, health):
            await lab.write(lab.inbound, numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            await delete(lab, lab.inbound)
            await until(lambda: f"topic {lab.inbound} is missing: make it" in health.why_not_ready())
            assert running(judge, 2)
            assert not ingest.orphans | judge.orphans
            assert await is_gone(lab, lab.inbound)
            await topics.create_inbound(lab.config, 2)
            await seen_again(ingest)
            await until(lambda: running(ingest, 2))
            await lab.write(lab.inbound, numbered(20, 40))
            exactly_once(await counted(lab, 40), range(40))
            await until(health.ready)
            assert all(r.task.state is State.RUNNING for m in (ingest, judge) for r in m.tasks.values())

    play(test())
