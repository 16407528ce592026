"""RULES.md 7: what an open alert does when several things come in one message, and what it remembers of its past."""

import pytest

from rules import engine
from rules.alert import Change, Rule, Transition
from tests.unit.rules.builders import Fact, Play, adt, ca, changes, dose, egfr, h, k, mg, told, visit
from tests.unit.words.histories import CHILD

RULE, LOW = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM
POST, CALCIUM = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM


def opened(value: str = "6.2") -> Play:
    """Return a play in which 4.1 was raised at h(2) + 15 min, on potassiums of *value* at 0 and 2 h."""
    play = Play()
    play.tell(k(value, h(0)))
    play.tell(k(value, h(2)))
    play.wait(h(2.25))
    return play


def of(transitions: list[Transition], rule: Rule) -> list[Transition]:
    """Return the transitions of *rule*."""
    return [t for t in transitions if t.rule is rule]


# Exposures that change under an alert


@pytest.mark.parametrize("order", ["A", "B", "C", "D"])
def test_rules_4_2_of_two_exposures_joined_the_alert_with_the_newest_magnesium_goes_on(order: str) -> None:
    """A dose told of late joins two exposures that have an alert each: the newer alert follows. RULES.md 4.2, 7."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "2"), mg("2.1", h(3), order=order), at=h(3))
    play.tell(dose(h(10), "2"), mg("2.1", h(12), order=order), at=h(12))
    first, second = (t.alert_id for t in of(play.seen, POST))
    play.tell(dose(h(5), "2"), at=h(12.5))
    play.tell(mg("2.6", h(13)))
    assert [(t.change.value, t.alert_id) for t in of(play.seen, POST)[2:]] == [("escalated", second)] * 2
    assert [alert.alert_id for alert in play.open] == [first, second]


def test_rules_4_2_the_first_dose_deleted_a_clearing_and_a_high_magnesium_at_once() -> None:
    """What the second dose owns ends the alert that the first one named, and the later high one is a new alert."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "4", order="A"), dose(h(1), "4", order="B"), mg("2.2", h(3.5)), at=h(4))
    play.tell(dose(h(0), "4", order="A", deleted=True), mg("1.0", h(9)), mg("2.1", h(12)), at=h(12))
    assert changes(play.seen, POST) == ["raised high", "resolved magnesium_cleared", "raised critical"]
    assert [t.sequence for t in of(play.seen, POST)] == [1, 2, 1]


# Several draws in one message


def test_rules_7_cleared_and_high_again_in_one_message() -> None:
    """A magnesium that clears and a later high one in a batch: the old alert is resolved, a new one raised."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "4"), mg("2.2", h(3)), at=h(3))
    play.tell(mg("1.0", h(6)), mg("2.3", h(9)), at=h(9))
    assert changes(play.seen, POST) == ["raised high", "resolved magnesium_cleared", "raised critical"]
    assert [t.sequence for t in of(play.seen, POST)] == [1, 2, 1]
    assert len({t.alert_id for t in of(play.seen, POST)}) == 2


def test_rules_7_a_potassium_before_the_newest_refractory_one_ends_nothing() -> None:
    """Cleared at 4 h and high again at 5 h, told of at once: the alert goes on, a step up for the reopening."""
    play = opened()
    play.tell(k("5.0", h(4)), k("6.2", h(5)), at=h(5))
    assert changes(play.seen) == ["raised high", "escalated critical"]


def test_rules_7_a_new_trigger_with_the_discharge_is_the_one_that_is_closed() -> None:
    """A new potassium in the discharge itself: the discharge undone, nothing but that alert returns. RULES.md 7."""
    play = opened()
    play.tell(k("6.2", h(5)), adt("A03"), visit("V1"), at=h(5))
    play.tell(ca("2.2", h(6)))
    assert changes(play.seen) == ["raised high", "closed discharged"]
    assert play.seen[-1].observed_at == h(5)
    play.tell(adt("A13"), visit("V1"), at=h(7))
    assert [t.sequence for t in play.seen] == [1, 2, 3]


# The moments at which it stood


def test_rules_7_what_stood_when_it_changed_is_not_retracted() -> None:
    """The first potassium is withdrawn as another clears: beside a late one the alert had stood when it changed."""
    for changed, end in ((True, "resolved potassium_cleared"), (False, "retracted withdrawn")):
        play = Play()
        play.tell(k("6.2", h(0)), k("6.2", h(2.5)), at=h(2.5))
        play.wait(h(2.75))
        play.tell(k("6.2", h(0.2)), *([k("6.2", h(2.6))] if changed else []), at=h(3))
        play.tell(k(None, h(0), status="W"), k("5.0", h(4)), at=h(4))
        assert changes(play.seen) == ["raised high", *(["updated high"] if changed else []), end]


def test_rules_8_what_stood_when_caught_up_is_not_retracted() -> None:
    """The reminder that the task has caught up is such a moment too. RULES.md 7, 8."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2.5)), at=h(2.5), catching_up=True)
    play.wait(h(2.75), catching_up=True)
    play.tell(k("6.2", h(0.2)), at=h(3), catching_up=True)
    play.caught_up(h(3.5))
    play.tell(k(None, h(0), status="W"), k("5.0", h(4)), at=h(4))
    assert changes(play.seen) == ["raised high", "reminded high", "resolved potassium_cleared"]
    assert [t.sequence for t in play.seen] == [1, 2, 3]


# Catching up


def test_rules_8_what_has_become_stale_waits_for_nothing_more() -> None:
    """Its trigger withdrawn, the alert stands on an older potassium, too old to page anybody: it is silent, once."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), mg("0.6", h(0)), k("6.2", h(14)), at=h(14), catching_up=True)
    play.tell(k(None, h(14), status="W"), at=h(15), catching_up=True)
    assert changes(play.seen, LOW) == ["raised high"]
    assert play.state is not None
    judged = engine.caught_up(play.state, now=h(15.5), rulebook=play.rulebook)
    assert (judged.transitions, judged.awaits_catch_up) == ((), 0)


def test_rules_8_a_stale_alert_silences_no_other_when_caught_up() -> None:
    """Of two that were silent the one with an old trigger says nothing, and the other is reminded. RULES.md 8."""
    play = Play(egfr("90", h(-1)))
    play.tell(dose(h(0), "1"), mg("2.1", h(3)), at=h(3), catching_up=True)
    play.tell(ca("1.6", h(14)), at=h(14), catching_up=True)
    assert [(t.rule, t.reason) for t in play.seen] == [(POST, "catching_up"), (CALCIUM, "catching_up")]
    assert told(play.caught_up(h(15.5))) == [(CALCIUM, Change.REMINDED, "critical", True, "caught_up")]
    assert [alert.rule for alert in play.open] == [POST, CALCIUM]


@pytest.mark.parametrize(
    ("before", "says"),
    [((), ["reminded critical"]), ((CHILD,), []), ((k("5.7", h(0), status="C"),), [])],
    ids=["as it was", "a child, as it turns out", "only a warning now"],
)
def test_rules_8_who_is_reminded_when_caught_up(before: tuple[Fact, ...], says: list[str]) -> None:
    """Each alert still open that would have notified: no child's, none that is a warning by now. RULES.md 8."""
    play = Play(who=None)
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
    play.tell(*before, at=h(1), catching_up=True)
    assert changes(play.caught_up(h(1.5))) == says


def test_rules_8_a_reminder_when_caught_up_is_one_of_the_four_of_a_day() -> None:
    """It counts as any other reminder: three more within 24 h, then updates. RULES.md 7, 8."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
    play.caught_up(h(0.5))
    for hour in range(2, 8):
        play.tell(k("6.6", h(hour)))
    assert changes(play.seen, LOW)[1:] == ["reminded critical"] * 4 + ["updated critical"] * 3


def test_rules_8_a_reminder_when_caught_up_is_what_worse_is_measured_by() -> None:
    """0.5 mmol/L above the value that it told of is markedly worse, within the hour. RULES.md 7, 8."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
    play.caught_up(h(0.5))
    play.tell(k("7.1", h(0.6)))
    assert changes(play.seen, LOW)[-1] == "reminded critical"
