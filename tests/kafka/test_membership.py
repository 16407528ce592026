"""W2, W5, W8, W10-W12, W14: members that come, go, freeze and stand still."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator

from consumer.kafka import compat
from consumer.kafka.member import Member
from consumer.kafka.states import State
from consumer.kafka.transaction import Transactor
from consumer.stage import Output
from tests.fault.check import open_transactions
from tests.kafka.lab import Count, Failures, Lab, counted, exactly_once, numbered, play, running, until


@contextlib.contextmanager
def beside(lab: Lab, *stages: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a member in a process of its own."""
    command = [sys.executable, "-m", "tests.kafka.process", lab.config.bootstrap_servers, lab.name, *stages]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        process.wait(10)


@contextlib.asynccontextmanager
async def feed(lab: Lab) -> AsyncIterator[list[int]]:
    """Write a few records at a time for as long as the context lasts; gives the numbers written so far."""
    written: list[int] = []

    ended = asyncio.Event()

    async def go() -> None:
        while not ended.is_set():
            start = len(written)
            await lab.write(lab.topic(Output.EVENTS), numbered(start, start + 10))
            written.extend(range(start, start + 10))
            await asyncio.sleep(0.05)

    writing = asyncio.create_task(go())
    try:
        yield written
    finally:
        # At the end of a write, or what is in the topic would not be known.
        ended.set()
        await writing


def test_w2_zombie_leaves_the_owner_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A member that the group has given up, and that does not know it, does not fence the new owner of its partitions.

    Red when a task fences without an accepted heartbeat: the owner's producers are killed by the zombie's.
    """
    observer, zombie_observer = Failures(), Failures()

    async def silent(self: GroupCoordinator) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def test() -> None:
        async with lab.member("judge", observer=zombie_observer) as zombie:
            await until(lambda: running(zombie, 2))
            # Its heartbeats stop, as if frozen; it fetches and processes on, as if thawed.
            with monkeypatch.context() as patch:
                patch.setattr(GroupCoordinator, "_heartbeat_routine", silent)
                compat.force_rejoin(zombie.consumer)
                await until(lambda: compat.generation(zombie.consumer) > 1 and running(zombie, 2))
            async with lab.member("judge", observer=observer) as member, feed(lab) as written:
                await until(lambda: running(member, 2), seconds=20, what="its session is over, its partitions are ours")
                observer.errors.clear()
                await until(lambda: "ProducerFenced" in zombie_observer.errors)
                await asyncio.sleep(2)
                assert {running.task.state for running in zombie.tasks.values()} <= {State.FENCING, State.RUNNING}
                assert not observer.errors
            exactly_once(await counted(lab, len(written)), written)

    play(test())


def test_w2_frozen_past_the_session(lab: Lab) -> None:
    """A process frozen past its session and thawed neither loses nor doubles anything, nor does its successor stop."""
    observer = Failures()

    async def test() -> None:
        with beside(lab, "judge") as process:
            async with lab.member("judge", observer=observer) as member:
                await until(lambda: running(member, 1), seconds=20, what="the other has joined")
                async with feed(lab) as written:
                    await asyncio.sleep(1)
                    process.send_signal(signal.SIGSTOP)
                    await until(lambda: running(member, 2), seconds=20, what="the frozen one's partition is ours")
                    observer.errors.clear()
                    process.send_signal(signal.SIGCONT)
                    await until(lambda: running(member, 1), seconds=20, what="the thawed one has joined again")
                    await asyncio.sleep(1)
                exactly_once(await counted(lab, len(written)), written)

    play(test())
    assert not observer.errors


async def freeze_in_a_transaction(lab: Lab, process: subprocess.Popen[bytes]) -> float:
    """Freeze the only member while a transaction of its stands open, and thaw it again when none does; return when."""
    for _ in range(10):
        process.send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        if await open_transactions(lab.config):
            return frozen_at
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.3)
    pytest.fail("no transaction was open, ten times")


def test_w5_frozen_between_the_timeouts(lab: Lab) -> None:
    """
    Frozen for longer than the transaction timeout and less than the session, a member goes on where it was.

    Its deadline and the broker's abort race at the thaw; `test_w5_fenced_task_comes_back` has the abort win.
    """

    async def test() -> None:
        # Its transactions stay open for a second each, so that it is frozen within one.
        with beside(lab, "slow", "judge") as process:
            async with feed(lab) as written:
                await counted(lab, 10)
                frozen_at = await freeze_in_a_transaction(lab, process)
                await asyncio.sleep(frozen_at + 4.2 - time.monotonic())
                process.send_signal(signal.SIGCONT)
                await asyncio.sleep(1)
            exactly_once(await counted(lab, len(written)), written)

    play(test())


def test_killed_owner_is_replaced(lab: Lab) -> None:
    """After SIGKILL another member goes on within the session timeout and five seconds; nothing lost, nothing twice."""

    async def test() -> None:
        with beside(lab, "judge") as process:
            async with lab.member("judge") as member:
                await until(lambda: running(member, 1), seconds=20, what="the other has joined")
                async with feed(lab) as written:
                    await asyncio.sleep(0.5)
                    process.kill()
                    begun = time.monotonic()
                    await until(lambda: running(member, 2), seconds=20)
                    assert time.monotonic() - begun < lab.config.timeouts.session_ms / 1000 + 5
                exactly_once(await counted(lab, len(written)), written)

    play(test())


def test_w8_callbacks_only_hand_over(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An assignment returns at once however long fencing takes, and hanging commits share one budget when revoked."""
    fence = Transactor.fence
    took: list[float] = []
    assigned = Member.on_partitions_assigned

    async def slow(self: Transactor) -> None:
        await asyncio.sleep(1)
        await fence(self)

    async def timed(self: Member, partitions: Any) -> None:
        begun = time.monotonic()
        await assigned(self, partitions)
        took.append(time.monotonic() - begun)

    async def hanging(self: Transactor, *given: Any) -> int | None:
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(Transactor, "fence", slow)
    monkeypatch.setattr(Member, "on_partitions_assigned", timed)

    async def test() -> None:
        timeouts = dataclasses.replace(lab.config.timeouts, drain_seconds=1.0, transaction_ms=30_000)
        async with lab.member("judge", config=lab.with_config(timeouts=timeouts)) as member:
            await until(lambda: running(member, 2))
            assert took, "the callback is still at it"
            assert max(took) < 0.1
            monkeypatch.setattr(Transactor, "commit", hanging)
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            await until(lambda: all(running.task.position > 0 for running in member.tasks.values()))
            begun = time.monotonic()
            await member.on_partitions_revoked(())
            assert time.monotonic() - begun < 1.5, "each task had a budget of its own"

    play(test())


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_w10_first_start_decides(lab: Lab, start: str) -> None:
    """Where an inbound partition without an offset begins is decided once, committed at once, and kept."""

    async def test() -> None:
        await lab.write(lab.inbound, numbered(0, 20), partition=0)
        async with lab.member("ingest", config=lab.with_config(start=start)) as member:
            await until(lambda: running(member, 2))
        committed = await lab.committed("ingest", lab.inbound)
        assert sorted(committed) == [0, 1]
        await lab.write(lab.inbound, numbered(20, 40), partition=0)
        async with lab.member("ingest", config=lab.with_config(start="latest")) as member:
            await until(lambda: running(member, 2))
            first = 0 if start == "earliest" else 20
            await counted_events(lab, 40 - first)

    play(test())


async def counted_events(lab: Lab, expected: int) -> None:
    """Wait for so many events; fail when there are more."""
    for _ in range(100):
        seen = len(await lab.read(lab.topic(Output.EVENTS)))
        if seen >= expected:
            break
        await asyncio.sleep(0.05)
    assert seen == expected


def test_w11_sticky_and_kept_state(lab: Lab) -> None:
    """What stays with a member through a rebalance is not restored again; two consumers' assignors share nothing."""
    observer = Failures()

    async def test() -> None:
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 100))
            exactly_once(await counted(lab, 100), range(100))
            observer.restores.clear()
            async with lab.member("judge") as second:
                await until(lambda: running(member, 1) and running(second, 1))
                assert sum(observer.restores) == 0, "its own state was read again"
                await lab.write(lab.topic(Output.EVENTS), numbered(100, 200))
                exactly_once(await counted(lab, 200), range(200))
            await until(lambda: running(member, 2))
            assert 0 < sum(observer.restores) < 20, "only what the other wrote is read"
            await lab.write(lab.topic(Output.EVENTS), numbered(200, 220))
            exactly_once(await counted(lab, 220), range(220))

    play(test())
    first, other = compat.own_assignor(), compat.own_assignor()
    first.on_generation_assignment(7)
    assert (first.generation, other.generation) == (7, -1)


def test_w12_ticks_and_commits_go_on_while_the_poll_blocks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers fire and processed records are committed although `getmany` does not return, as during a rebalance."""
    stages: list[Count] = []

    def make(partition: int) -> Count:
        stages.append(Count(partition))
        return stages[-1]

    async def blocked(*given: Any, **named: Any) -> Any:
        await asyncio.Event().wait()

    async def test() -> None:
        config = lab.with_config(pace=dataclasses.replace(lab.config.pace, commit_ms=500))
        async with lab.member("judge", make, config=config) as member:
            await until(lambda: running(member, 2))
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            await until(lambda: sum(running.task.position for running in member.tasks.values()) >= 20)
            monkeypatch.setattr(member.consumer, "getmany", blocked)
            ticks = [len(stage.watermarks) for stage in stages]
            exactly_once(await counted(lab, 20, seconds=3), range(20))
            await until(lambda: all(len(s.watermarks) > t + 3 for s, t in zip(stages, ticks, strict=True)))

    play(test())


def test_w14_own_lag(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lag is told in records and in seconds, from the records' own timestamps."""
    observer = Failures()

    async def hanging(self: Transactor, *given: Any) -> int | None:
        await asyncio.Event().wait()
        return None

    async def test() -> None:
        async with lab.member("judge", observer=observer) as member:
            await until(lambda: running(member, 2))
            monkeypatch.setattr(Transactor, "commit", hanging)
            long_ago = int((time.time() - 60) * 1000)
            for _ in range(3):
                await lab.write(lab.topic(Output.EVENTS), numbered(0, 50), partition=0, timestamp_ms=long_ago)
                await asyncio.sleep(0.3)
            await until(lambda: observer.lags.get(("judge", 0), (0, 0.0))[0] > 0)
            records, seconds = observer.lags["judge", 0]
            assert 50 <= records <= 150
            assert 59 < seconds < 70
            assert observer.lags["judge", 1] == (0, 0.0)
            monkeypatch.undo()

    play(test())


def test_rebalance_storm_ends_well(lab: Lab) -> None:
    """
    Twenty rebalances within a minute lose nothing, double nothing, and leave everything running: ten come and go.

    Each comes when the one before has gone and its partition is the owner's again, and goes when both have one: what
    comes and goes within a heartbeat is one rebalance to the group, or none.
    """

    async def test() -> None:
        async with lab.member("judge") as member, feed(lab) as written:
            await until(lambda: running(member, 2))
            begun, first = time.monotonic(), compat.generation(member.consumer)
            for _ in range(10):
                async with lab.member("judge") as newcomer:
                    await until(lambda: running(member, 1), seconds=15, what="the newcomer has joined")
                    await until(partial(running, newcomer, 1), seconds=15, what="its partition runs")
                await until(lambda: running(member, 2), seconds=15, what="both are the owner's again")
            took, rebalances = time.monotonic() - begun, compat.generation(member.consumer) - first
            assert rebalances >= 20
            assert took < 60
        async with lab.member("judge") as member:
            exactly_once(await counted(lab, len(written)), written)
            await until(lambda: running(member, 2))
        place = TopicPartition(lab.topic(Output.EVENTS), 0)
        assert (await lab.committed("judge", place.topic))[0][0] == (await lab.ends([place]))[place]

    play(test())


def test_w5_a_consumer_that_fetches_no_more_is_replaced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A consumer whose fetching has died, which aiokafka tells nobody, is given up, and a new one reads on.

    Red when nobody looks: the member holds its partitions, finds nothing to read, and reports no lag.
    """
    died: list[object] = []

    async def dies(*_: object) -> bool:
        died.append(None)
        raise RuntimeError("the handler is closed")

    async def test() -> None:
        async with lab.member("judge") as member:
            await until(lambda: running(member, 2))
            with monkeypatch.context() as patch:
                patch.setattr(Fetcher, "_proc_fetch_request", dies)
                await until(lambda: bool(died), what="a fetch fails")
            await lab.write(lab.topic(Output.EVENTS), numbered(0, 20))
            exactly_once(await counted(lab, 20), range(20))

    play(test())
