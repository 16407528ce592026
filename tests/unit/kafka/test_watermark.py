"""W17 without a broker: a model in which partitions lag, and what each rule for the watermark makes of it."""

import asyncio
import random
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka import handover
from consumer.kafka.config import KafkaConfig
from consumer.kafka.observe import Silent
from consumer.kafka.oracle import Oracle
from consumer.kafka.watermark import Homes, Place, Readings, low_watermark
from consumer.stuck import Stuck

NOW = 1_000_000


@pytest.mark.parametrize(
    ("places", "live", "records"),
    [
        pytest.param([], NOW, None, id="no partition at all"),
        pytest.param([Place(5, 900, 0, 5)], NOW, 900, id="read to its end"),
        pytest.param([Place(4, 900, 0, 5)], 900, 900, id="one record behind"),
        pytest.param([Place(4, 900, 0, 5), Place(7, 100, 0, 7)], 900, 900, id="an idle neighbour holds nothing back"),
        pytest.param([Place(4, 900, 0, 5), Place(6, 100, 0, 7)], 100, 100, id="the slowest counts"),
        pytest.param([Place(5, 900, 0, 5), Place(7, 100, 0, 7)], NOW, 900, id="all at their ends"),
        pytest.param([Place(None, None, 0, 3), Place(7, 100, 0, 7)], None, None, id="one that nobody has begun"),
        pytest.param([Place(None, None, 3, 3), Place(7, 100, 0, 7)], NOW, 100, id="an empty one that nobody has begun"),
        pytest.param([Place(2, None, 0, 3)], None, None, id="offset set by hand: its time is unknown"),
        pytest.param([Place(9, 100, 0, 7)], NOW, 100, id="past the end asked for: committed since"),
        pytest.param([Place(4, NOW + 50, 0, 5)], NOW, NOW + 50, id="a clock ahead does not carry it past the asking"),
    ],
)
def test_low_watermark(places: list[Place], live: int | None, records: int | None) -> None:
    """The least over all partitions of the time of asking, where read to the end, and its stream time elsewhere."""
    assert low_watermark(places, asked_at=NOW, clock="live") == live
    assert low_watermark(places, asked_at=NOW, clock="records") == records


class Message(NamedTuple):
    """A potassium (a hold of 15 begins) or the magnesium that makes the hold's alert needless."""

    at: int
    patient: int
    magnesium: bool


HOLD = 15


def false_alerts(partitions: list[list[Message]], order: Iterable[int], *, fastest: bool) -> int:
    """Return how many holds fire although their magnesium was sent in time, when partitions are read in *order*."""
    read = [0] * len(partitions)
    held: dict[int, int] = {}
    given: set[int] = set()
    fired = 0
    for partition in order:
        if read[partition] == len(partitions[partition]):
            continue
        message = partitions[partition][read[partition]]
        read[partition] += 1
        if message.magnesium:
            given.add(message.patient)
            held.pop(message.patient, None)
        elif message.patient not in given:
            held[message.patient] = message.at + HOLD
        times = [Place(n, log[n - 1].at if n else None, 0, len(log)) for n, log in zip(read, partitions, strict=True)]
        if fastest:
            watermark = max((place.stream_time for place in times if place.stream_time is not None), default=None)
        else:
            watermark = low_watermark(times, asked_at=NOW, clock="records")
        due = [patient for patient, end in held.items() if watermark is not None and end <= watermark]
        for patient in due:
            del held[patient]
            fired += 1
    return fired


def lagging(seed: int) -> tuple[list[list[Message]], list[int]]:
    """Return three partitions, each patient's magnesium sent in time on another one, and an uneven order of reading."""
    draw = random.Random(seed)
    sent = []
    for patient in range(60):
        at = patient * 7
        sent += [Message(at, patient, magnesium=False), Message(at + draw.randrange(1, HOLD), patient, magnesium=True)]
    partitions: list[list[Message]] = [[], [], []]
    for message in sorted(sent):
        partitions[(message.patient + message.magnesium) % 3].append(message)
    order = [number for number, log in enumerate(partitions) for _ in log]
    draw.shuffle(order)
    # One partition is read only when the others are done: the worst that lag can do.
    return partitions, sorted(order, key=lambda number: number == seed % 3)


@pytest.mark.parametrize("seed", range(6))
def test_w17_lag_makes_no_false_alert(seed: int) -> None:
    """With the fastest partition's clock false "no magnesium" alerts appear; with the low watermark none."""
    partitions, order = lagging(seed)
    assert false_alerts(partitions, order, fastest=True) > 0
    assert false_alerts(partitions, order, fastest=False) == 0


places = st.builds(
    lambda begin, length, done, time: Place(begin + min(done, length), time, begin, begin + length),
    *[st.integers(0, 50)] * 3,
    st.integers(0, NOW),
)


@given(st.lists(places, min_size=1, max_size=6), st.integers(0, 5))
def test_reading_on_never_lowers_it(known: list[Place], which: int) -> None:
    """Committing more of a partition, at a later time, never takes the live watermark back."""
    chosen = known[which % len(known)]
    assert chosen.committed is not None
    assert chosen.stream_time is not None
    further = chosen._replace(committed=chosen.committed + 1, stream_time=chosen.stream_time + 1)
    before = low_watermark(known, asked_at=NOW, clock="live")
    after = low_watermark([further if place is chosen else place for place in known], asked_at=NOW, clock="live")
    assert before is not None
    assert after is not None
    assert after >= before


def test_stuck_after_five_minutes() -> None:
    """A watermark more than five minutes behind that came no closer for five minutes is overruled."""
    stuck, minute = Stuck(300_000), 60_000
    assert [stuck.behind(0, wall * minute) for wall in range(6)] == [0] * 6, "not yet: it may be catching up"
    assert stuck.behind(0, 11 * minute) == 11 * minute
    assert stuck.behind(8 * minute, 12 * minute) == 0, "it moves again"
    catching_up = Stuck(300_000)
    assert not any(catching_up.behind(2 * wall * minute, (30 + wall) * minute) for wall in range(20))
    assert catching_up.behind(None, 60 * minute) == 0


def test_rules_8_a_watermark_that_is_not_known_is_as_old_as_we_have_asked() -> None:
    """
    Where no watermark can be had, holds wait five minutes for it, as for one that is stuck, and not for ever.

    Red when an unknown one is never stuck: a hold of a home that was taken over meanwhile would never end.
    """
    stuck, minute = Stuck(300_000), 60_000
    assert [stuck.behind(None, wall * minute) for wall in range(7)] == [0] * 6 + [6 * minute]
    assert stuck.behind(6 * minute, 7 * minute) == 0, "it is known"
    assert [stuck.behind(None, wall * minute) for wall in range(8, 14)] == [0] * 6, "not any more, anew"
    assert stuck.behind(None, 16 * minute) == 0, "nobody has looked for three minutes: asked anew"


def test_rules_8_a_pause_of_ours_is_no_stuck_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Frozen for ten minutes and thawed, a task takes no watermark from before for that of a feed that is stuck.

    Red when it does: the hold would end at the thaw, though the magnesium may be in what has not been read yet.
    """
    minute = 60_000
    clock, stuck = handover.Clock(), Stuck(300_000)

    def look(wall: int) -> tuple[int | None, int]:
        monkeypatch.setattr(handover, "wall_clock", lambda: wall)
        watermark, now = clock.look(50 * minute)
        return watermark, stuck.behind(watermark, now)

    assert [look(50 * minute), look(50 * minute + 1_000)] == [(None, 0), (50 * minute, 0)], "unknown at first"
    assert [look(60 * minute), look(60 * minute + 1_000)] == [(None, 0), (50 * minute, 0)], "thawed"
    assert not any(look(wall)[1] for wall in range(60 * minute + 2_000, 65 * minute, 1_000))
    assert look(65 * minute + 1_000)[1] == 15 * minute + 1_000, "stuck all the same, five minutes on"


def test_w17_alias_homes() -> None:
    """Where an alias leads, a watermark holds once its home has committed past the ends seen after it."""
    homes = Homes()
    assert homes.hear(100, {0: 5, 1: 7}, {1: 0}, [1], 1) is None
    assert homes.hear(200, {0: 9, 1: 8}, {1: 6}, [1], 1) is None
    assert homes.hear(300, {0: 9, 1: 9}, {1: 7}, [1], 1) == 100
    assert homes.hear(400, {0: 9, 1: 9}, {1: 9}, [1], 1) == 300
    both = Homes()
    assert both.hear(100, {0: 5, 1: 7}, {}, [0, 1], 1) is None
    assert both.hear(200, {0: 5, 1: 7}, {0: 5, 1: 6}, [0, 1], 1) is None
    assert both.hear(300, {0: 5, 1: 7}, {0: 5, 1: 7}, [0, 1], 1) == 200


def test_w17_a_chain_of_aliases_is_waited_for_link_by_link() -> None:
    """
    Over two aliases the ends are asked for twice: what the first home passed on has to be passed on by the second.

    Red with one round: the second home has committed past its first end before the record reaches its log.
    """
    homes = Homes()
    # 0 leads to 1 leads to here; a record stands at offset 4 of 0, and 1 has read all that it has.
    assert homes.hear(100, {0: 5, 1: 7, 2: 0}, {0: 4, 1: 7}, [0, 1], 2) is None
    # 0 has passed it on, to offset 7 of 1, which has not read it yet.
    assert homes.hear(200, {0: 5, 1: 8, 2: 0}, {0: 5, 1: 7}, [0, 1], 2) is None
    assert homes.hear(300, {0: 5, 1: 8, 2: 0}, {0: 5, 1: 7}, [0, 1], 2) is None
    # Now it has: the record stands before the end of 2 that is asked for after this.
    assert homes.hear(400, {0: 5, 1: 8, 2: 1}, {0: 5, 1: 8}, [0, 1], 2) == 100


def test_w17_a_chain_that_is_new_is_waited_for_from_its_first_link() -> None:
    """
    A merge leads another home here meanwhile: what it had to pass on was not waited for, so no link counts yet.

    Red where links that were passed before go on counting: the record of 0 lies at 8 of 1, which has not read it.
    """
    homes = Homes()
    assert homes.hear(100, {0: 5, 1: 7, 2: 0}, {0: 4, 1: 7}, [1], 2) is None
    assert homes.hear(200, {0: 5, 1: 8, 2: 0}, {0: 4, 1: 7}, [1], 2) is None
    # Now 0 leads to 1 too, and passes on what it had: to offset 8 of 1.
    assert homes.hear(300, {0: 5, 1: 9, 2: 0}, {0: 5, 1: 8}, [0, 1], 2) is None
    assert homes.hear(400, {0: 5, 1: 9, 2: 1}, {0: 5, 1: 9}, [0, 1], 2) == 200


def test_w17_a_log_made_anew_is_not_waited_for() -> None:
    """What was to be reached in a log that is shorter now is given up, or it would stand in the way for ever."""
    homes = Homes()
    for number in range(100):
        assert homes.hear(number, {0: 5, 1: 7}, {1: 0}, [1], 1) is None
    assert homes.hear(200, {0: 0, 1: 1}, {1: 0}, [1], 1) is None
    assert homes.hear(300, {0: 0, 1: 1}, {1: 1}, [1], 1) == 200


class FollowedTask:
    """A judge task to whose patients an alias leads from partition 1 over two links."""

    def __init__(self) -> None:
        self.partition = TopicPartition("lab-alert.events", 0)
        self.alias_homes = (frozenset({1}), 2)
        self.merged: list[int] = []

    def learn(self, watermark: int, end: int) -> None:
        """Take the partition's own."""

    def learn_merged(self, watermark: int, end: int) -> None:
        """Take that of merged patients."""
        self.merged.append(watermark)


def test_w17_a_rebalance_does_not_begin_the_wait_for_aliases_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What other homes have committed stays true: a task that is made anew goes on waiting where the one before was.

    Red where each task counts for itself: with a fault every few seconds it would never have counted to the end.
    """
    asked = 0

    async def committed(*_: object) -> dict[TopicPartition, OffsetAndMetadata]:
        return {TopicPartition("lab-alert.events", 1): OffsetAndMetadata(10 * asked, "")}

    async def end_offsets(places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 10 * asked + 5)

    oracle: Any = Oracle(KafkaConfig(partitions=2), cast("Any", None), Silent(), cast("Any", None))
    monkeypatch.setattr(oracle, "_committed", committed)

    async def test() -> list[int]:
        nonlocal asked
        heard: list[int] = []
        for asked in range(6):
            task = FollowedTask()  # each time after a rebalance
            await oracle._tell(SimpleNamespace(end_offsets=end_offsets), None, 100 + asked, [task])
            heard += task.merged
        return heard

    assert asyncio.run(test()) == [100, 101, 102, 103]


def test_w17_no_queue_without_a_limit() -> None:
    """A home that never commits, or a partition never read, has a bounded number of watermarks wait, the oldest."""
    homes, readings = Homes(), Readings()
    for number in range(1_000):
        assert homes.hear(number, {0: 5, 1: 7}, {1: 0}, [1], 1) is None
        readings.learn(number, 50)
    assert homes.hear(2_000, {0: 5, 1: 7}, {1: 7}, [1], 1) == 999
    assert readings.promote(50)
    assert readings.watermark == 999
