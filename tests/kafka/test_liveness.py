"""W5: standstills that nobody would hear of, each brought about in the aiokafka that is installed."""

import asyncio
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.errors import CorruptRecordException, NodeNotReadyError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest

from consumer.kafka import changelog, service
from consumer.kafka.service import ServiceHealth, Status
from consumer.kafka.task import Task
from consumer.stage import Output
from tests.kafka.lab import Count, Failures, Lab, counted, exactly_once, numbered, play, running, until


def events(lab: Lab, partition: int = 0) -> TopicPartition:
    """Return an events partition."""
    return TopicPartition(lab.topic(Output.EVENTS), partition)


def soon(lab: Lab, seconds: float = 3.0) -> Any:
    """Return the lab's configuration with a watchdog that waits for so many seconds."""
    return lab.with_config(timeouts=dataclasses.replace(lab.config.timeouts, no_progress_seconds=seconds))


class Mute:
    """A connection's writer whose bytes no longer arrive, and that does not say so: no FIN, no RST."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Lose them."""

    def close(self) -> None:
        """Close our end."""
        self._writer.close()


def mute(client: AIOKafkaClient) -> int:
    """Let every connection that *client* has go silent; return how many there were."""
    for connection in client._conns.values():
        connection._writer = Mute(connection._writer)
    return len(client._conns)


def test_w5_connections_that_go_silent_are_given_up(lab: Lab) -> None:
    """
    A member whose connections are dead without saying so has new ones within half of its session, and keeps its place.

    Red when every request waits as long as a join may take: 15 s here, 65 s with the usual timeouts, unsaid.
    """

    async def test() -> None:
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            consumer = member.consumer
            assert consumer is not None
            assert mute(consumer._client) >= 2, "one for records, one for the coordinator"
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            exactly_once(await counted(lab, 20, seconds=9), range(20))

    play(test())


def test_w5_a_consumer_that_hears_of_no_leader_any_more_is_replaced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A consumer whose questions for metadata have ended is given up; it would find no leader or coordinator that moves.

    Red when nobody looks: all is well until a broker goes, and then for ever nothing is.
    """

    async def dies(*_: object) -> bool:
        raise RuntimeError("the handler is closed")

    async def test() -> None:
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            first = member.consumer
            assert first is not None
            with monkeypatch.context() as patch:
                patch.setattr(AIOKafkaClient, "_metadata_update", dies)
                first._client.force_metadata_update()
                await asyncio.sleep(0.1)
            await until(lambda: member.consumer not in (None, first) and running(member, 2), seconds=10)

    play(test())


def test_w5_who_stands_by_for_days_still_takes_over(lab: Lab) -> None:
    """
    A member without a partition, or whose partitions are stopped, polls for nothing; it stays in the group.

    Red with a longest time between two polls, be it a day: it leaves the group then, and never comes back; when the
    owner dies, nobody takes over.
    """

    async def test() -> None:
        async with lab.member("judge") as first:
            await until(lambda: running(first, 2))
            async with lab.member("judge") as second, lab.member("judge") as third:
                members = [first, second, third]
                await until(lambda: all(m.joined for m in members) and sum(len(m.tasks) for m in members) == 2)
                [standby] = [member for member in members if not member.tasks]
                assert standby.consumer is not None
                standby.consumer._subscription._last_fetch_ended -= 2 * 86_400
                await asyncio.sleep(2.5)
                for member in members:
                    if member is not standby:
                        member.stop()
                await until(lambda: running(standby, 2), seconds=15, what="who stood by has taken over")

    play(test())


def test_w5_a_task_that_dies_of_itself_is_replaced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A task whose own machinery fails, on the way out too, leaves a partition without one; that is found and cured.

    Red when a task that has ended counts as stopped, whoever ended it: its partition is then assigned and unread.
    """
    observer = Failures()
    after = Task._after
    died: list[object] = []

    async def dies(task: Task, error: Exception) -> bool:
        if not died:
            died.append(None)
            raise ZeroDivisionError
        return await after(task, error)

    monkeypatch.setattr(Task, "_after", dies)

    async def test() -> None:
        async with lab.member("judge", observer=observer, config=soon(lab)) as member:
            await until(lambda: running(member, 2))
            member.tasks[events(lab)].task.fail(TimeoutError())
            await until(lambda: bool(member.orphans), what="the orphan is found")
            await until(lambda: running(member, 2) and not member.orphans)
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))

    play(test())
    assert observer.stood_still >= 1


def test_w5_a_restore_that_is_given_up_is_begun_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A restore whose broker does not answer is given up and begun again, and the task lives on.

    Closing a consumer while a fetch of it waits to be tried again, aiokafka raises a CancelledError; red when that is
    taken for our own: the task ended, as if it had been asked to, and its partition was not read again.
    """
    observer = Failures()
    away = True
    send = AIOKafkaClient.send

    async def sent(client: AIOKafkaClient, node: Any, request: Any, **named: Any) -> Any:
        if away and isinstance(request, FetchRequest) and client._client_id.endswith(("-restore-0", "-restore-1")):
            raise NodeNotReadyError
        return await send(client, node, request, **named)

    monkeypatch.setattr(AIOKafkaClient, "send", sent)
    monkeypatch.setattr(changelog, "SILENCE_SECONDS", 0.5)

    async def test() -> None:
        nonlocal away
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            await counted(lab, 20)
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: observer.errors.count("TimeoutError") >= 4)
            away = False
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), numbered(20, 40))
            exactly_once(await counted(lab, 40), range(40))

    play(test())
    assert observer.stood_still == 0


def test_w8_what_a_callback_raises_is_heard(lab: Lab) -> None:
    """
    An assignment that cannot be taken ends the member, and so the process, for whoever restarts it.

    aiokafka swallows what a callback raises: red when nobody keeps it, for the member then never joins, in silence.
    """

    def broken(partition: int) -> Count:
        raise ZeroDivisionError(partition)

    async def test() -> None:
        with pytest.raises(ZeroDivisionError):
            async with lab.member("judge", broken):
                await asyncio.sleep(5)

    play(test())


def test_w3_what_cannot_be_read_takes_nothing_else_with_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While one partition's batch cannot be decoded, nothing of the other's is lost, it goes on, and all is said.

    aiokafka moves the position of what it has taken out already, and then raises: red when that is not fetched again,
    for the records are lost; or when the whole consumer is given up, for then nobody gets on.
    """
    observer = Failures()
    fetch, unpack = Fetcher._proc_fetch_request, PartitionRecords._unpack_records
    damaged = asyncio.Event()
    undo = asyncio.Event()

    def unpacked(records: PartitionRecords) -> Iterator[Any]:
        if records._tp.partition == 1 and not undo.is_set():
            raise CorruptRecordException(f"Invalid CRC - {records._tp}")
        yield from unpack(records)

    async def held(fetcher: Fetcher, assignment: Any, node: Any, request: Any) -> bool:
        await damaged.wait()
        return bool(await fetch(fetcher, assignment, node, request))

    # One answer holds both, the one that can be read first.
    monkeypatch.setattr("random.shuffle", lambda given: given.sort())

    async def test() -> None:
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: running(member, 2))
            first = member.consumer
            monkeypatch.setattr(Fetcher, "_proc_fetch_request", held)
            await asyncio.sleep(0.5)
            await lab.write(lab.topic(Output.EVENTS), [(b"a", b"%d" % number) for number in range(50)], partition=0)
            await lab.write(lab.topic(Output.EVENTS), [(b"b", b"%d" % number) for number in range(50, 99)], partition=1)
            monkeypatch.setattr(PartitionRecords, "_unpack_records", unpacked)
            damaged.set()
            await until(lambda: "Unreadable" in observer.errors)
            exactly_once(await counted(lab, 50, seconds=10), range(50))
            assert member.consumer is first
            undo.set()
            exactly_once(await counted(lab, 99), range(99))

    play(test())


def test_w5_a_right_that_is_taken_away_is_seen(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A topic that may no longer be read has its own tasks begin again, and so not ready, until it may be.

    Red when that is only logged: its tasks pass for running, and the others' records wait for it.
    """
    fetch = Fetcher._proc_fetch_request
    refused = True

    async def refusing(fetcher: Fetcher, assignment: Any, node: Any, request: Any) -> bool:
        if not refused:
            return bool(await fetch(fetcher, assignment, node, request))
        await asyncio.sleep(0.05)
        for topic, partitions in request.topics:
            for number, *_ in partitions:
                place = TopicPartition(topic, number)
                if place not in fetcher._records:
                    fetcher._set_error(place, TopicAuthorizationFailedError(topic))
        return True

    observer = Failures()

    async def test() -> None:
        nonlocal refused
        async with lab.member("judge", observer=observer) as member:
            with monkeypatch.context() as patch:
                patch.setattr(Fetcher, "_proc_fetch_request", refusing)
                await until(lambda: observer.errors.count("TopicAuthorizationFailedError") >= 4)
                first = member.consumer
                refused = False
                await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
                exactly_once(await counted(lab, 20), range(20))
                assert member.consumer is first

    play(test())


def test_w5_w14_a_partition_that_is_not_fetched_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A broker that answers each fetch of one partition with an error of its own: said, not ready, and the other goes on.

    aiokafka logs such an error, asks again and tells nobody. Red without the look at when each was fetched last; and a
    lag of none would be told, for the end is known by a fetch alone.
    """
    observer = Failures()
    fetch = Fetcher._proc_fetch_request
    refused = True

    async def refusing(fetcher: Fetcher, assignment: Any, node: Any, request: Any) -> bool:
        if refused:
            wanted = [(topic, [p for p in parts if p[0] != 0]) for topic, parts in request.topics]
            request._topics = [(topic, parts) for topic, parts in wanted if parts]
            if not request.topics:
                await asyncio.sleep(0.05)
                return False
        return bool(await fetch(fetcher, assignment, node, request))

    async def test() -> None:
        nonlocal refused
        monkeypatch.setattr(Fetcher, "_proc_fetch_request", refusing)
        async with lab.member("judge", observer=observer, config=soon(lab)) as member:
            health = ServiceHealth()
            health.members = [member]
            await until(lambda: running(member, 2))
            first = member.consumer
            for number in range(20):
                await lab.write(lab.topic(Output.EVENTS), numbered(number, number + 1), partition=number % 2)
            odd = list(range(1, 20, 2))
            assert sorted(int(told["value"]) for told in await counted(lab, len(odd))) == odd
            await until(lambda: observer.stood_still >= 2, what="it is said again and again")
            assert health.why_not_ready().startswith(f"judge {lab.topic(Output.EVENTS)}-0 is ")
            assert ("judge", 0) not in observer.lags
            assert ("judge", 1) in observer.lags
            assert member.consumer is first
            refused = False
            await until(lambda: not member.unfetched and running(member, 2) and health.ready())
            told = sorted(int(alert["value"]) for alert in await counted(lab, 20))
            assert told == list(range(20))

    play(test())


def test_w5_a_consumer_that_loses_its_way_is_replaced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where leaders answer and yet nothing is fetched, whatever the cause, the consumer is given up.

    Here a fetch never comes back; with it in flight aiokafka sends its leader no other. Red without the second look.
    """
    observer = Failures()

    async def lost(*_: object) -> bool:
        await asyncio.Event().wait()
        return False

    async def test() -> None:
        async with lab.member("judge", observer=observer, config=soon(lab)) as member:
            await until(lambda: running(member, 2))
            first = member.consumer
            with monkeypatch.context() as patch:
                patch.setattr(Fetcher, "_proc_fetch_request", lost)
                await asyncio.sleep(0.5)
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))
            assert member.consumer is not first

    play(test())
    assert observer.stood_still >= 1


def test_a_status_that_cannot_be_written_leaves_nothing_behind(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each producer of the status topic that is given up ends, also one with a record that was not delivered.

    Red when it is only stopped: that waits for the delivery, and cut short leaves it trying, one more each time.
    """
    monkeypatch.setattr(service, "STATUS_SECONDS", 0.5)
    config = lab.with_config(pace=dataclasses.replace(lab.config.pace, status_seconds=0.1))
    clients: list[AIOKafkaClient] = []
    bootstrap = AIOKafkaClient.bootstrap

    async def noted(client: AIOKafkaClient) -> None:
        await bootstrap(client)
        clients.append(client)

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", noted)

    def senders() -> int:
        names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
        return names.count("Sender._sender_routine")

    async def test() -> None:
        await lab.admin(lambda admin: admin.create_topics([NewTopic(lab.config.status_topic, 1, 1)]))
        status = asyncio.create_task(Status(config, ServiceHealth(), {}).run())
        await until(lambda: senders() == 1)
        muted: list[AIOKafkaClient] = []
        while len(muted) < 3:
            await until(lambda: clients[-1] not in muted and bool(clients[-1]._conns))
            muted.append(clients[-1])
            mute(clients[-1])
        await until(lambda: clients[-1] not in muted)
        await asyncio.sleep(0.2)
        assert senders() <= 1
        status.cancel()
        await asyncio.gather(status, return_exceptions=True)
        assert senders() == 0

    play(test())
