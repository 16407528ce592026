"""What the broker's log cleaner leaves of a state topic, before a restore or under it, is the whole state (W2)."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumer.kafka import changelog, compat
from consumer.kafka.brokers import JavaBroker
from consumer.stage import Output
from tests.kafka.lab import Failures, Lab, counted, exactly_once, numbered, play, running, until

ROUNDS, KEYS, RECORDS = 12, 7, 14
"""How often the states are written anew, how many there are, and the events each time."""

WRITTEN = ROUNDS * KEYS
"""Records of the state topic, or more: an event's state may have been committed before the next one's."""

NOTHING_YET = {"cleanup.policy": "compact", "segment.ms": "100", "min.compaction.lag.ms": "3600000"}
AT_ONCE = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "100",
}


@pytest.fixture(scope="module")
def cleaning() -> Iterator[JavaBroker]:
    """A broker that looks ten times a second for what it can clean, and not every 15 s."""
    broker = JavaBroker(properties={"log.cleaner.backoff.ms": "100"})
    try:
        yield broker
    finally:
        broker.close()


async def is_cleaned(lab: Lab) -> None:
    """Wait until the first states of both partitions are gone, and two in three of all that were written."""
    while True:
        left = await lab.read(lab.topic(Output.STATE))
        begins = [min(record.offset for record in left if record.partition == number) for number in (0, 1)]
        if min(begins) > 0 and len(left) < WRITTEN / 3:
            return
        await asyncio.sleep(0.1)


async def leave_an_aborted_transaction(lab: Lab) -> None:
    """
    Have one who writes to both partitions be fenced and never write again: the last that they have of it are markers.

    Those the cleaner empties in the end, and leaves where they are (KAFKA-7467).
    """
    dead, successor = (
        AIOKafkaProducer(bootstrap_servers=lab.config.bootstrap_servers, transactional_id=f"{lab.name}-dead")
        for _ in range(2)
    )
    await dead.start()
    await dead.begin_transaction()
    for partition in (0, 1):
        await dead.send_and_wait(lab.topic(Output.STATE), b"999", b"key-0", partition=partition)
    await successor.start()
    await successor.stop()
    await compat.dispose(dead, 1)


async def configure(lab: Lab, configs: dict[str, str]) -> None:
    """Give the state topic its configuration."""
    resource = ConfigResource(ConfigResourceType.TOPIC, lab.topic(Output.STATE), configs)
    await lab.admin(lambda admin: admin.alter_configs([resource]))


def committed(observer: Failures, records: int) -> bool:
    """Whether so many records have been committed."""
    return sum(observer.commits) >= records


@pytest.mark.parametrize("when", ["before", "during"])
def test_w2_restored_from_what_the_cleaner_leaves(
    cleaning: JavaBroker, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    States that were written over and over, and cleaned before or while they are restored, are restored as they were.

    While: the cleaner comes when the first record of each partition has been read, one batch a fetch. Red where offsets
    are taken for dense, where aborted data are, and where a marker that was emptied ends the reading.
    """
    begun: Counter[TopicPartition] = Counter()
    may_go_on = asyncio.Event()
    getmany = AIOKafkaConsumer.getmany

    async def one(self: Any, *places: TopicPartition, **named: Any) -> Any:
        if named.get("max_records") != 2_000:
            return await getmany(self, *places, **named)
        found = await getmany(self, *places, **(named | {"max_records": 1}))
        if found:
            begun.update(places)
            await may_go_on.wait()
        return found

    async def test() -> None:
        lab = Lab(cleaning.bootstrap_servers, f"cleaned-{when}")
        await lab.create_topics()
        await configure(lab, AT_ONCE if when == "before" else NOTHING_YET)
        await leave_an_aborted_transaction(lab)
        total = ROUNDS * RECORDS
        first, observer = Failures(), Failures()
        async with lab.member("judge", observer=first) as member:
            await until(lambda: running(member, 2))
            for start in range(0, total, RECORDS):
                await lab.write(lab.topic(Output.EVENTS), numbered(start, start + RECORDS, KEYS))
                await until(partial(committed, first, start + RECORDS))
                await asyncio.sleep(0.1)  # what comes next is written to another segment
            exactly_once(await counted(lab, total), range(total))
        if when == "before":
            await is_cleaned(lab)
        else:
            assert len(await lab.read(lab.topic(Output.STATE))) >= WRITTEN
            monkeypatch.setattr(AIOKafkaConsumer, "getmany", one)
            small = {"max_partition_fetch_bytes": 1}
            monkeypatch.setattr(changelog, "AIOKafkaConsumer", lambda **named: AIOKafkaConsumer(**(named | small)))
        async with lab.member("judge", observer=observer) as member:
            if when == "during":
                await until(lambda: len(begun) == 2, what="both restores have begun")
                await configure(lab, AT_ONCE)
                await is_cleaned(lab)
                may_go_on.set()
            await until(lambda: running(member, 2))
            assert KEYS <= sum(observer.restores) < WRITTEN / 2, "it has read what was cleaned away"
            await lab.write(lab.topic(Output.EVENTS), numbered(total, total + RECORDS, KEYS))
            exactly_once(await counted(lab, total + RECORDS), range(total + RECORDS))

    play(test(), seconds=60)
