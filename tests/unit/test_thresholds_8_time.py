"""RULES.md 8: each window of the wall clock a millisecond before it, at it and after it; judged by the judge stage."""

from collections.abc import Iterator

import pytest

from consumer.hl7.site import Site
from consumer.judge import Judge
from consumer.patients import Clock
from consumer.replay import Replay
from consumer.stuck import Stuck
from rules.events import MINUTE, Source
from rules.rulebook import DEFAULT, load
from tests.unit import fake_rules as fake
from tests.unit.fake_rules import event, record, words
from tests.unit.rules.wire import message


@pytest.mark.parametrize(
    ("silence", "closed"),
    [("2879.99999 min", True), ("2880 min", True), ("2880.00002 min", False)],
    ids=["1 ms before 48 h", "48 h", "1 ms after 48 h"],
)
def test_rules_8_timers_fire_up_to_48_h_after_the_end_of_a_replay(silence: str, closed: bool) -> None:
    """At the end of a replay the timers due up to 48 h after the last watermark fire. RULES.md 8."""
    replay = Replay(load({"parameters": {"episode_silence": silence}}), Site.default())
    for number, line in enumerate(("0 Mg 0.6 mmol/L", "0 K 6.8 mmol/L")):
        replay.play(message(line, number), Source("t", 0, number))
    assert [one.transition.change.value for one in replay.finish().judged] == ["closed"] * closed


@pytest.fixture
def _fake_rules() -> Iterator[None]:
    with fake.installed():
        yield


def judge(*, wall: int, names: str = "t12") -> tuple[Judge, list[str]]:
    """Return a judge that took an event of minute 0 at *wall*, and what it said."""
    home = Judge(DEFAULT, fake.settings(Clock.LIVE), fake.ISSUER)
    outcome = home.process([record(event("A", 0, names), 0)], watermark=0, wall=wall)
    home.commit()
    return home, words(outcome)


@pytest.mark.usefixtures("_fake_rules")
@pytest.mark.parametrize(
    ("wall", "late"),
    [(15 * MINUTE - 1, False), (15 * MINUTE, False), (15 * MINUTE + 1, True)],
    ids=["1 ms before 15 min", "15 min", "1 ms after 15 min"],
)
def test_rules_8_catching_up_when_more_than_15_min_behind(wall: int, late: bool) -> None:
    """While the message judged is more than 15 min behind the wall clock. RULES.md 8."""
    assert judge(wall=wall, names="x")[1] == ["00:00 A x late" if late else "00:00 A x"]


@pytest.mark.usefixtures("_fake_rules")
@pytest.mark.parametrize(
    ("behind", "speaks"),
    [(15 * MINUTE + 1, False), (15 * MINUTE, True), (15 * MINUTE - 1, True)],
    ids=["1 ms more than 15 min", "15 min", "1 ms less"],
)
def test_rules_8_caught_up_at_15_min(behind: int, speaks: bool) -> None:
    """When the task has caught up, each alert still open that would have notified sends one. RULES.md 8."""
    home, _ = judge(wall=100 * MINUTE, names="wait1")
    told = words(home.tick(watermark=100 * MINUTE - behind, wall=100 * MINUTE))
    assert [text.partition("A ")[2] for text in told] == (["caught up, high"] if speaks else [])


@pytest.mark.usefixtures("_fake_rules")
@pytest.mark.parametrize(
    ("wait", "speaks"),
    [(5 * MINUTE - 1, False), (5 * MINUTE, True), (5 * MINUTE + 1, True)],
    ids=["1 ms before 5 min", "5 min", "1 ms after"],
)
def test_rules_8_a_critical_one_waits_at_most_5_min(wait: int, speaks: bool) -> None:
    """A critical one waits at most 5 min [cfg]. RULES.md 8."""
    home, _ = judge(wall=100 * MINUTE, names="wait2")
    told = words(home.tick(watermark=0, wall=100 * MINUTE + wait))
    assert told == (["00:00 A caught up, critical"] if speaks else [])


@pytest.mark.parametrize(
    ("behind", "stuck"),
    [(5 * MINUTE - 1, False), (5 * MINUTE, False), (5 * MINUTE + 1, True)],
    ids=["1 ms less than 5 min", "5 min", "1 ms more"],
)
def test_rules_8_a_watermark_is_stuck_when_more_than_5_min_behind(behind: int, stuck: bool) -> None:
    """More than 5 min behind the wall clock, and no closer to it during the last 5 min. RULES.md 8."""
    watch = Stuck(DEFAULT.stuck_after)
    wall = 60 * MINUTE
    assert watch.behind(wall - behind, wall) == 0, "seen for the first time"
    later = wall + 5 * MINUTE
    assert watch.behind(later - behind, later) == (behind if stuck else 0)


@pytest.mark.parametrize(
    ("after", "stuck"),
    [(5 * MINUTE - 1, False), (5 * MINUTE, True), (5 * MINUTE + 1, True)],
    ids=["1 ms before 5 min", "5 min", "1 ms after"],
)
def test_rules_8_a_watermark_is_stuck_after_5_min(after: int, stuck: bool) -> None:
    """Has not come closer to it during the last 5 min. RULES.md 8."""
    watch = Stuck(DEFAULT.stuck_after)
    wall = 60 * MINUTE
    watch.behind(0, wall)
    assert (watch.behind(0, wall + after) > 0) is stuck


@pytest.mark.parametrize(
    ("closer", "stuck"), [(-1, True), (0, True), (1, False)], ids=["1 ms further", "as far", "1 ms closer"]
)
def test_rules_8_a_watermark_that_comes_closer_is_not_stuck(closer: int, stuck: bool) -> None:
    """Come closer by a millisecond: it moves. RULES.md 8."""
    watch = Stuck(DEFAULT.stuck_after)
    wall, later = 60 * MINUTE, 65 * MINUTE
    watch.behind(0, wall)
    assert (watch.behind(later - wall + closer, later) > 0) is stuck


@pytest.mark.usefixtures("_fake_rules")
@pytest.mark.parametrize(
    ("wall", "fires"),
    [(12 * MINUTE - 1, False), (12 * MINUTE, True), (12 * MINUTE + 1, True)],
    ids=["1 ms before it is due", "due", "1 ms after"],
)
def test_rules_8_a_hold_due_by_the_wall_clock_fires(wall: int, fires: bool) -> None:
    """With a stuck watermark a hold due by the wall clock fires anyway. RULES.md 8."""
    home, _ = judge(wall=6 * MINUTE)
    assert words(home.tick(watermark=0, wall=6 * MINUTE)) == []
    assert bool(words(home.tick(watermark=0, wall=wall))) is fires


@pytest.mark.usefixtures("_fake_rules")
@pytest.mark.parametrize(
    ("watermark", "fires"),
    [(12 * MINUTE - 1, False), (12 * MINUTE, True), (12 * MINUTE + 1, True)],
    ids=["1 ms before it is due", "due", "1 ms after"],
)
def test_rules_8_a_timer_fires_by_the_watermark(watermark: int, fires: bool) -> None:
    """A timer that is due at or before the watermark fires, however late the wall clock. RULES.md 8."""
    home, _ = judge(wall=0)
    assert words(home.tick(watermark=watermark, wall=12 * MINUTE + 1)) == (["00:12 A timer"] if fires else [])
