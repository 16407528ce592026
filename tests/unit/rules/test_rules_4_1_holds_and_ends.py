"""RULES.md 4.1: how long a finding is held, and what ends its alert."""

import pytest

from rules.alert import Rule
from rules.events import DAY, MINUTE, Condition, Instant
from rules.families import BY_RULE
from tests.unit.rules.builders import (
    OTHER,
    Fact,
    Play,
    adt,
    changes,
    chart,
    d,
    findings,
    h,
    hemolyzed,
    k,
    mg,
    ordered,
    said,
)

RULE = Rule.REFRACTORY_HYPERKALEMIA


def criteria(*facts: Fact, now: Instant | None = None) -> list[str | None]:
    """Return the criterion of the finding, nothing without one."""
    return [finding.criterion for finding in findings(RULE, *facts, now=now)]


BASE = (k("5.6", h(0)), k("5.6", h(2)))


# Holds


def raised_after(*facts: Fact, more: list[tuple[Instant, Fact]] | None = None) -> list[Instant]:
    """Return how long after the first judgement at h(3) the alert was raised, with more facts on the way."""
    play = Play()
    play.tell(*facts, at=h(3))
    for at, fact in more or []:
        play.tell(fact, at=at)
    play.wait(h(8))
    return [t.time - h(3) for t in play.seen if t.rule is RULE and t.change.value == "raised"]


@pytest.mark.parametrize(
    ("facts", "more", "expected"),
    [
        pytest.param([], [], [15 * MINUTE], id="15 min"),
        pytest.param([ordered(h(2))], [], [60 * MINUTE], id="60 min while one is pending"),
        pytest.param([ordered(h(2) - DAY)], [], [60 * MINUTE], id="ordered at t_n - 24 h"),
        pytest.param([ordered(h(2) - DAY - 1)], [], [15 * MINUTE], id="ordered before that"),
        pytest.param([k("6.5", h(2.5))], [], [0], id="none once 6.5 is in the episode"),
        pytest.param([*hemolyzed(k("6.6", h(2.5)))], [], [15 * MINUTE], id="a suspect 6.6 shortens none"),
        pytest.param([], [(h(3) + 5 * MINUTE, k("6.5", h(3)))], [5 * MINUTE], id="6.5 arrives in the hold"),
        pytest.param([], [(h(3) + 5 * MINUTE, ordered(h(3)))], [60 * MINUTE], id="an order arrives in the hold"),
        pytest.param(
            [ordered(h(2))],
            [(h(3) + 20 * MINUTE, ordered(h(2), cancelled=True))],
            [20 * MINUTE],
            id="cancelled after 20 min: the end lies in the past, so it is now",
        ),
        pytest.param([], [(h(3) + 14 * MINUTE, mg("0.9", h(3)))], [], id="magnesium in time"),
        pytest.param([], [(h(3) + 14 * MINUTE, k("5.1", h(3)))], [], id="a closing potassium in time"),
        pytest.param([], [(h(3) + 10 * MINUTE, k("5.7", h(3)))], [15 * MINUTE], id="a newer K waits for what is left"),
    ],
)
def test_rules_4_1_hold(facts: list[Fact], more: list[tuple[Instant, Fact]], expected: list[Instant]) -> None:
    """15 min from the first judgement, 60 while a magnesium is pending, none once 6.5. RULES.md 4.1."""
    assert raised_after(*BASE, *facts, more=more) == expected


def test_rules_4_1_a_discharge_ends_a_hold_by_raising_at_once() -> None:
    """A finding that is held is raised at the discharge. RULES.md 4.1."""
    assert raised_after(*BASE, more=[(h(3) + MINUTE, adt("A03"))]) == [MINUTE]


def test_rules_4_1_a_death_ends_a_hold_without_an_alert() -> None:
    """A death ends a hold, and nothing is raised. RULES.md 4.1."""
    assert raised_after(*BASE, more=[(h(3) + MINUTE, adt("A08", deceased=True))]) == []


def test_rules_4_1_the_hold_of_an_episode_is_its_own() -> None:
    """A later episode waits anew, whatever was waited for in the one before it; so does 4.1 beside hypokalemia."""
    play = Play()
    play.tell(k("3.2", h(-30)), k("3.2", h(-20)), at=h(-20))
    play.tell(*BASE, at=h(2))
    play.tell(k("4.5", h(3)), at=h(3))
    play.tell(k("5.6", h(20)), k("5.6", h(22)), at=h(22))
    play.wait(h(24))
    raised = [t.time for t in play.seen if t.rule is RULE and t.change.value == "raised"]
    assert raised == [h(2.25), h(22.25)]


def test_rules_4_1_a_hold_stays_with_its_potassium_when_the_one_before_is_withdrawn() -> None:
    """The episode now begins with the potassium that was waited for: the next one is told at once. RULES.md 4.1."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    play.tell(k(None, h(0), status="W"), at=h(2.1))
    play.tell(k("6.2", h(4)))
    play.wait(h(5))
    assert [t.time for t in play.seen if t.rule is RULE and t.change.value == "raised"] == [h(4)]


def test_rules_4_1_a_hold_that_is_over_elsewhere_stays_over() -> None:
    """A merged patient's hold that has run out holds nothing back here, whichever was set first. RULES.md 7."""
    other = Play(patient=OTHER)
    other.tell(*BASE, at=h(2))
    other.wait(h(3))
    mine = Play()
    mine.tell(k("5.7", h(1)), k("5.7", h(3)), at=h(2.9))
    assert [t.time for t in mine.merge_from(other, h(3)) if t.rule is RULE and t.change.value == "raised"] == [h(3)]


# Ends


@pytest.mark.parametrize(
    ("more", "at"),
    [
        pytest.param([], h(50), id="48 h after the trigger"),
        pytest.param([k("5.3", h(10))], h(58), id="48 h after a K that ends nothing yet"),
        pytest.param([*hemolyzed(k("6.9", h(11)))], h(59), id="48 h after a suspect one"),
    ],
)
def test_rules_4_1_when_silence_will_close(more: list[Fact], at: Instant) -> None:
    """Silence is counted from the last counted K of the episode, whether it could trigger or not. RULES.md 4.1."""
    facts = (*BASE, *more)
    (finding,) = findings(RULE, *facts)
    assert BY_RULE[RULE].expiry(chart(*facts), finding) == at


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        pytest.param([mg("0.9", h(5))], "resolved magnesium_resulted", id="a recent magnesium"),
        pytest.param([mg("0.9", h(2) - DAY)], "resolved magnesium_resulted", id="drawn before, arriving late"),
        pytest.param([k("5.19", h(5))], "resolved potassium_cleared", id="potassium below 5.2"),
        pytest.param([mg("0.9", h(5)), k("5.0", h(5))], "resolved magnesium_resulted", id="both: the first named"),
    ],
)
def test_rules_4_1_ends(facts: list[Fact], end: str) -> None:
    """A recent magnesium, else the episode's end, resolves. RULES.md 4.1."""
    play = Play()
    play.tell(*BASE, at=h(2))
    play.wait(h(4))
    play.tell(*facts, at=h(6))
    assert changes(play.seen) == ["raised warning", end]


def test_rules_4_1_two_below_onset_resolve() -> None:
    """The second valid potassium in a row below 5.5 ends the alert, the first doesn't. RULES.md 4.1."""
    play = Play()
    play.tell(*BASE, at=h(3))
    play.tell(k("5.3", h(4)))
    assert changes(play.seen) == ["raised warning"]
    play.tell(k("5.3", h(5)))
    assert changes(play.seen) == ["raised warning", "resolved potassium_cleared"]


@pytest.mark.parametrize(("at", "closed"), [(h(50) - 1, 0), (h(50), 1)], ids=["just before 48 h", "at 48 h"])
def test_rules_4_1_silence_closes(at: Instant, closed: int) -> None:
    """48 h after the last counted potassium the alert is closed. RULES.md 4.1."""
    play = Play()
    play.tell(*BASE, at=h(3))
    play.wait(at)
    assert changes(play.seen)[1:] == ["closed expired"] * closed


def test_rules_4_1_silence_is_counted_from_the_draw() -> None:
    """A potassium that comes late prolongs nothing beyond its draw. RULES.md 4.1."""
    play = Play()
    play.tell(*BASE, at=h(2))
    play.tell(k("5.6", h(3)), at=h(40))
    play.wait(d(10))
    assert [t.time for t in play.seen][-1] == h(51)


def test_rules_4_1_a_clotted_potassium_counts_for_nothing() -> None:
    """An invalid potassium neither opens, closes nor prolongs an episode. RULES.md 2, 3."""
    clotted = k("5.0", h(3))
    assert criteria(*BASE, clotted, said(clotted, Condition.CLOTTED)) == ["persistence"]
