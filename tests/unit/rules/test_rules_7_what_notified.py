"""RULES.md 5, 7, 8: what an alert that has notified remembers: the worst it said, how often, and for whom it spoke."""

import pytest

from rules.alert import Change, Rule
from rules.events import HOUR, MINUTE, Demographics, Instant
from tests.unit.rules.builders import Fact, Play, adt, changes, dose, egfr, h, ica, infusion, k, mg, told

LOW, AFTER, HYPO = Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM, Rule.REFRACTORY_HYPOKALEMIA
POST, CALCIUM = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM


@pytest.mark.parametrize(
    ("rule", "before", "reminded", "value", "change"),
    [
        pytest.param(LOW, k("7.4", h(0)), k("7.0", h(1)), k("7.8", h(1.5)), "updated critical", id="K 7.4, 7.0, 7.8"),
        pytest.param(LOW, k("7.4", h(0)), k("7.0", h(1)), k("7.9", h(1.5)), "reminded critical", id="K 7.4, 7.0, 7.9"),
        pytest.param(LOW, k("7.0", h(0)), k("7.2", h(1)), k("7.6", h(1.5)), "updated critical", id="K 7.0, 7.2, 7.6"),
        pytest.param(LOW, k("7.0", h(0)), k("7.2", h(1)), k("7.7", h(1.5)), "reminded critical", id="K 7.0, 7.2, 7.7"),
        pytest.param(HYPO, k("2.2", h(0)), k("2.4", h(1)), k("2.0", h(1.5)), "updated critical", id="K 2.2, 2.4, 2.0"),
        pytest.param(HYPO, k("2.2", h(0)), k("2.4", h(1)), k("1.9", h(1.5)), "reminded critical", id="K 2.2, 2.4, 1.9"),
        pytest.param(HYPO, k("2.4", h(0)), k("2.2", h(1)), k("2.0", h(1.5)), "updated critical", id="K 2.4, 2.2, 2.0"),
        pytest.param(HYPO, k("2.4", h(0)), k("2.2", h(1)), k("1.9", h(1.5)), "reminded critical", id="K 2.4, 2.2, 1.9"),
    ],
)
def test_rules_7_the_worst_of_all_that_it_notified_with(
    rule: Rule, before: Fact, reminded: Fact, value: Fact, change: str
) -> None:
    """Markedly worse counts from the worst of the values that notified: K 0.5 higher, 0.3 lower. RULES.md 7."""
    play = Play()
    play.tell(before, mg("0.6", h(0)), at=h(0))
    play.tell(reminded)
    play.tell(value)
    assert changes(play.seen, rule) == ["raised critical", "reminded critical", change]


def test_rules_8_what_has_notified_since_is_not_said_again_when_caught_up() -> None:
    """Silent while catching up, then escalated with a page: nothing is left to say when caught up. RULES.md 8."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), mg("0.6", h(2)), at=h(2), catching_up=True)
    play.tell(k("6.6", h(2.5)))
    assert told(play.seen, LOW) == [
        (LOW, Change.RAISED, "high", False, "catching_up"),
        (LOW, Change.ESCALATED, "critical", True, None),
    ]
    assert play.caught_up(h(3)) == []


# Ungrouped


def grouped() -> Play:
    """Return a play in which 4.2 (critical) spoke for the potassium after magnesium (high), both found at 1 h."""
    play = Play()
    play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(1)), mg("2.6", h(1)), at=h(1))
    return play


def test_rules_7_an_ungrouped_reminder_is_one_of_the_four_a_day() -> None:
    """After it three more remind in 24 h, the next new trigger is an update; the sequence has no gap. RULES.md 5, 7."""
    play = grouped()
    play.tell(mg(None, h(1), status="W"), at=h(2))
    for hour in (6, 10, 14, 18):
        play.tell(k("6.2", h(hour)))
    of_rule = [t for t in play.seen if t.rule is AFTER]
    assert changes(of_rule) == ["raised high", *["reminded high"] * 4, "updated high"]
    assert [t.sequence for t in of_rule] == [1, 2, 3, 4, 5, 6]


def test_rules_7_what_was_said_when_ungrouped_is_what_it_notified_with() -> None:
    """A magnesium 0.5 above the one with which it was ungrouped reminds at once; 0.49 above does not. RULES.md 5, 7."""
    for value, change in (("4.59", "updated high"), ("4.6", "reminded high")):
        play = Play(adt("A01", diagnoses=["O14.1"]))
        play.tell(egfr("90", h(0)), ica("1.2", h(-1)), infusion(h(0)), at=h(0))
        play.tell(mg("4.1", h(3)), ica("0.75", h(3)), at=h(3))
        play.tell(ica(None, h(3), status="W"), at=h(3.5))
        play.tell(mg(value, h(3.5) + 10 * MINUTE))
        assert changes(play.seen, CALCIUM) == ["raised critical", "retracted withdrawn"]
        assert changes(play.seen, POST) == ["raised high", "reminded high", change]


def test_rules_7_the_moment_at_which_it_was_ungrouped_counts() -> None:
    """What would not have stood when it was raised, but did when it was ungrouped, is not retracted. RULES.md 7."""
    play = grouped()
    play.tell(k("4.9", h(-2)), at=h(1.5))
    play.tell(mg(None, h(1), status="W"), at=h(2))
    assert changes(play.seen, AFTER) == ["raised high", "reminded high"]
    play.tell(k(None, h(-1), status="W"), k("5.9", h(-0.5)), at=h(3))
    assert changes(play.seen, AFTER) == ["raised high", "reminded high"]
    play.tell(k(None, h(-2), status="W"), at=h(4))
    assert changes(play.seen, AFTER)[2:] == ["retracted withdrawn"]


@pytest.mark.parametrize(
    ("born", "notifies"),
    [("20060309", True), ("20060310", False)],
    ids=["18 years today", "18 years tomorrow"],
)
def test_rules_6_a_child_is_not_paged_when_ungrouped(born: str, notifies: bool) -> None:
    """When the retracting message corrects the birth date to a child's, nobody is reminded. RULES.md 5, 6."""
    play = grouped()
    play.tell(Demographics(born, "M"), mg(None, h(1), status="W"), at=h(2))
    assert changes(play.seen, POST)[1:] == ["retracted withdrawn"]
    assert changes(play.seen, AFTER)[1:] == (["reminded high"] if notifies else [])


@pytest.mark.parametrize(("after", "kept"), [(24 * HOUR - 1, 1), (24 * HOUR, 0)], ids=["within 24 h", "after 24 h"])
def test_rules_7_reminders_older_than_a_day_count_no_more(after: Instant, kept: int) -> None:
    """Four in any 24 h: the fifth comes 24 h after the first of them, not a millisecond before. RULES.md 7."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0))
    for hour in (1, 2, 3, 4):
        play.tell(k("6.6", h(hour)))
    play.tell(mg("0.6", h(5)))
    play.tell(k("6.6", h(1) + after))
    assert changes(play.seen, LOW)[5:] == ["updated critical" if kept else "reminded critical"]
