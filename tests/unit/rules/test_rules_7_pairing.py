"""RULES.md 7, 4.2, 5: which finding an open alert goes on with, what it takes over from it, and who supersedes whom."""

import pytest

from rules.alert import Change, Rule
from rules.events import MINUTE, Demographics
from rules.finding import ended_by, result_of
from rules.rulebook import load
from tests.unit.rules.builders import Fact, Play, ca, changes, chart, dose, egfr, h, k, mg, told

RULE, LOW, AFTER = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM
GAP, POST = Rule.MAGNESIUM_MONITORING_GAP, Rule.POST_INFUSION_HYPERMAGNESEMIA


def a_dose(hour: float, *, deleted: bool = False) -> Fact:
    """Return 4 g of magnesium at *hour*, of an order of its own."""
    return dose(h(hour), "4", order=f"AT{hour}", deleted=deleted)


def ids(play: Play, rule: Rule) -> list[str]:
    """Return the ids of a rule's open alerts."""
    return [alert.alert_id for alert in play.open if alert.rule is rule]


@pytest.mark.parametrize(
    "late",
    [
        pytest.param([], id="the last of three doses, known first"),
        pytest.param([a_dose(0)], id="the first of three doses, known first"),
    ],
)
def test_rules_7_an_exposure_that_falls_apart_keeps_its_alert_with_its_dose(late: list[Fact]) -> None:
    """Doses 5 h apart are one exposure; the middle one deleted, two: the alert goes on with the dose that named it."""
    play = Play()
    play.tell(a_dose(0) if late else a_dose(10), at=h(23))
    (raised,) = ids(play, GAP)
    for hour in (5, 0, 10):
        play.tell(a_dose(hour), at=h(23) + 1)
    assert ids(play, GAP) == [raised]
    play.tell(a_dose(5, deleted=True), at=h(23) + 2)
    first, second = ids(play, GAP)
    assert first == raised
    assert second != raised
    assert changes(play.seen, GAP) == ["raised warning", "raised warning"]


def test_rules_7_an_alert_is_named_by_any_dose_of_its_exposure() -> None:
    """A dose that comes to light before the first one: the alert goes on, silent, under its id. RULES.md 7."""
    play = Play()
    play.tell(egfr("90", h(0)), a_dose(5), mg("2.2", h(9)), at=h(9))
    play.tell(a_dose(0), at=h(9.5))
    play.tell(mg("2.3", h(10)))
    said = [t for t in play.seen if t.rule is POST]
    assert [t.change for t in said] == [Change.RAISED, Change.UPDATED]
    assert len({t.alert_id for t in said}) == 1


def test_rules_4_2_what_an_alert_stood_on_in_silence_stays_with_it() -> None:
    """A magnesium at 30 h that changed nothing belongs to it also when the window is 24 h by then: it ends at 78 h."""
    play = Play()
    play.tell(dose(h(0)), mg("1.6", h(3)), at=h(3))
    play.tell(mg("1.4", h(30)))
    play.tell(egfr("90", h(31)))
    play.wait(h(100))
    assert [(t.change, t.time) for t in play.seen if t.rule is POST] == [
        (Change.RAISED, h(3)),
        (Change.CLOSED, h(30 + 48)),
    ]


# The trigger, which is never an older one


def test_rules_7_an_alert_whose_trigger_is_withdrawn_keeps_its_draw() -> None:
    """A potassium drawn before the trigger that was withdrawn is no new triggering result: silence. RULES.md 7."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0))
    play.tell(k("6.6", h(2)))
    play.tell(k(None, h(2), status="W"), at=h(2) + MINUTE)
    play.tell(k("6.7", h(1)), at=h(2) + 2 * MINUTE)
    assert changes(play.seen, LOW) == ["raised critical", "reminded critical"]
    assert [alert.trigger_at for alert in play.open if alert.rule is LOW] == [h(2)]
    play.wait(h(60))
    assert [t.observed_at for t in play.seen if t.rule is LOW] == [h(0), h(2), h(2)]
    closed = play.seen[-1]
    assert (closed.change, closed.evidence) == (Change.CLOSED, ())  # what was withdrawn is shown no more, nor another


def test_rules_7_a_clearing_draw_before_the_newest_trigger_ends_nothing() -> None:
    """5.1 drawn before the newest trigger, however late it comes, ends nothing; drawn after it, it does. RULES.md 7."""
    for hour, ends in ((3, []), (5, ["resolved potassium_cleared"])):
        play = Play()
        play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), k("5.8", h(2)), at=h(2))
        play.tell(k("5.9", h(4)))
        play.tell(k("5.1", h(hour)), at=h(6))
        assert changes(play.seen, AFTER) == ["raised warning", "updated warning", *ends]


@pytest.mark.parametrize(
    ("drawn", "ends"),
    [(4.5, []), (5.5, ["resolved magnesium_recovered"])],
    ids=["before the low one used last", "after it"],
)
def test_rules_7_a_magnesium_must_be_later_than_the_low_one_used_last(drawn: float, ends: list[str]) -> None:
    """Recovered is what was drawn after the newest low magnesium that the finding used, however old both are by now."""
    play = Play()
    play.tell(k("6.2", h(4)), mg("0.6", h(4)), at=h(4))
    play.tell(mg("0.6", h(5)))
    play.tell(k("6.2", h(30)))
    play.tell(mg("0.9", h(drawn)), at=h(31))
    assert [change for change in changes(play.seen, LOW) if not change.startswith("updated")][1:] == ends


def test_rules_7_a_magnesium_may_be_earlier_than_the_trigger() -> None:
    """It must be later than the low one used, not than the potassium: drawn between, it resolves. RULES.md 7."""
    play = Play()
    play.tell(k("6.2", h(4)), mg("0.6", h(4)), at=h(4))
    play.tell(k("6.2", h(6)))
    play.tell(mg("0.9", h(5)), at=h(6) + 1)
    assert changes(play.seen, LOW)[-1] == "resolved magnesium_recovered"


@pytest.mark.parametrize("order", ["M1", "M=1", "M|1"], ids=["plain", "with an equals sign", "with a bar"])
def test_rules_7_what_ended_an_alert_is_found_by_its_order_number(order: str) -> None:
    """Whatever characters its order number has, the magnesium that ended 4.1 still stands: not raised again."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    play.wait(h(3))
    play.tell(mg("0.9", h(3), order=order))
    play.tell(dose(h(1), "1"), mg(None, h(3) - 1, status="I"), at=h(4))
    play.tell(mg("0.9", h(3), order=order, resulted=h(4)), at=h(4))
    assert changes(play.seen, RULE) == ["raised high", "resolved magnesium_resulted"]
    play.tell(mg(None, h(3), order=order, status="W", resulted=h(5)), at=h(5))
    assert changes(play.seen, RULE)[2:] == ["raised high"]
    (draw,) = chart(mg("0.9", h(3), order=order)).magnesium
    assert result_of(ended_by(draw)) == draw.key


# Superseded


def both_open(mode: str = "active") -> Play:
    """Return a play in which 4.1 stands beside the low-magnesium alert: a dose made its magnesium stale."""
    play = Play(rulebook=load({"rules": {LOW.value: {"mode": mode}}}))
    play.tell(egfr("90", h(0)), k("6.2", h(0)), mg("0.6", h(1)), k("6.2", h(2)), at=h(2))
    play.tell(dose(h(1.5), "1"), at=h(2) + MINUTE)
    play.wait(h(3))
    assert changes(play.seen, RULE) == ["raised high"]
    return play


@pytest.mark.parametrize(
    ("mode", "reason"), [("active", "superseded"), ("shadow", "magnesium_resulted")], ids=["active", "shadow"]
)
def test_rules_4_1_superseded_by_an_alert_that_stays_as_it_is(mode: str, reason: str) -> None:
    """The low-magnesium alert open and unchanged supersedes 4.1 when a recent magnesium comes; a shadow never does."""
    play = both_open(mode)
    play.tell(mg("0.66", h(1.8)), at=h(3) + MINUTE)
    assert changes(play.seen, RULE) == ["raised high", f"resolved {reason}"]
    assert [alert.rule for alert in play.open] == [LOW]
    assert play.state is not None
    assert [alert.ended for alert in play.state.alerts if alert.rule is RULE] == [reason]
    play.tell(k("6.2", h(4)))
    assert changes(play.seen, RULE)[2:] == []


def test_rules_4_1_a_low_magnesium_alert_that_has_ended_supersedes_nothing() -> None:
    """A magnesium that ends both, or comes after the other had ended, resolves 4.1 as resulted. RULES.md 4.1."""
    play = both_open()
    play.tell(mg("0.9", h(2.5)), at=h(3) + MINUTE)
    assert changes(play.seen, LOW)[-1] == "resolved magnesium_recovered"
    assert changes(play.seen, RULE)[-1] == "resolved magnesium_resulted"
    play.tell(k("6.2", h(30)))
    play.wait(h(31))
    play.tell(mg("0.9", h(31)))
    assert changes(play.seen, RULE)[2:] == ["raised high", "resolved magnesium_resulted"]


def test_rules_4_1_no_other_open_alert_supersedes() -> None:
    """Beside an open hypocalcemia after magnesium a recent magnesium resolves 4.1 as resulted. RULES.md 4.1."""
    play = Play()
    play.tell(egfr("90", h(0)), dose(h(0), "1"), ca("1.85", h(1)), k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    play.wait(h(3))
    play.tell(mg("0.9", h(2.5)), at=h(3) + MINUTE)
    assert changes(play.seen, RULE)[1:] == ["resolved magnesium_resulted"]
    assert Rule.HYPOCALCEMIA_AFTER_MAGNESIUM in [alert.rule for alert in play.open]


def test_rules_7_a_child_is_silent_by_the_first_reason() -> None:
    """Of several reasons not to notify the first that holds is told: the population before catching up. RULES.md 7."""
    play = Play(who=Demographics("20150101", "F"))
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
    assert told(play.seen) == [(LOW, Change.RAISED, "critical", False, "unsupported_population")]
