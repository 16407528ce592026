"""RULES.md 7: why a raise that is high or critical does not notify: of several reasons the first that holds."""

import pytest

from rules.alert import Rule, Transition
from rules.events import Demographics
from tests.unit.rules.builders import OTHER, Fact, Play, dose, egfr, h, k, mg

LOW, AFTER, POST = (
    Rule.HYPERKALEMIA_LOW_MAGNESIUM,
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM,
    Rule.POST_INFUSION_HYPERMAGNESEMIA,
)
CHILD, ADULT = Demographics("20150101", "F"), Demographics("19600101", "F")
TWO_ALERTS: tuple[Fact, ...] = (k("5.0", h(0)), dose(h(1), "1"), mg("0.6", h(1.5)), k("6.9", h(2)))
"""A potassium of 6.9 with a low magnesium, and risen after a dose: two critical alerts of one message."""


def reasons(told: list[Transition]) -> dict[Rule, str | None]:
    """Return the reason of each raise, by rule; each is severe enough to notify."""
    raised = [one for one in told if one.change.value == "raised" and one.severity.label in ("high", "critical")]
    assert all(one.notify is (one.reason is None) for one in raised)
    return {one.rule: one.reason for one in raised}


@pytest.mark.parametrize(
    ("who", "catching_up", "expected"),
    [
        (CHILD, True, ("unsupported_population", "unsupported_population")),
        (CHILD, False, ("unsupported_population", "unsupported_population")),
        (ADULT, True, ("catching_up", "catching_up")),
        (ADULT, False, (None, "grouped")),
    ],
    ids=["a child, late", "a child", "late", "neither"],
)
def test_rules_7_a_child_before_a_backlog_before_a_group(
    who: Demographics, catching_up: bool, expected: tuple[str | None, str | None]
) -> None:
    """`unsupported_population`, then `catching_up`, and `grouped` last. RULES.md 7."""
    play = Play(who=who)
    play.tell(*TWO_ALERTS[:-1], at=h(1.5))
    found = reasons(play.tell(TWO_ALERTS[-1], at=h(2), catching_up=catching_up))
    assert (found[LOW], found[AFTER]) == expected


@pytest.mark.parametrize(
    ("catching_up", "expected"), [(True, "catching_up"), (False, "superseding")], ids=["late", "in time"]
)
def test_rules_7_a_backlog_before_what_supersedes(catching_up: bool, expected: str) -> None:
    """A dose that comes to light: `catching_up` before `superseding`. RULES.md 7."""
    play = Play(egfr("90", h(0)))
    play.tell(mg("2.1", h(3)))
    assert reasons(play.tell(dose(h(0), "1"), at=h(4), catching_up=catching_up)) == {POST: expected}


def test_rules_7_what_supersedes_before_a_group() -> None:
    """Beside an alert that notifies, the one that takes over says `superseding` and not `grouped`. RULES.md 7."""
    play = Play(egfr("90", h(0)))
    play.tell(k("4.6", h(-1)), at=h(0))
    play.tell(mg("2.1", h(3)))
    play.tell(k("5.9", h(3)), at=h(4))
    assert reasons(play.tell(dose(h(0), "1"), k("6.6", h(5)), at=h(5))) == {POST: None, AFTER: "grouped"}, "a step up"
    again = Play(egfr("90", h(0)))
    again.tell(k("4.6", h(-1)), at=h(0))
    again.tell(mg("2.6", h(3)), at=h(3))
    assert reasons(again.tell(dose(h(0), "1"), k("6.6", h(5)), at=h(5))) == {POST: "superseding", AFTER: None}


def test_rules_7_what_continues_before_a_group() -> None:
    """After a merge the alert that goes on says `continued`, the other one of the join notifies. RULES.md 7."""
    other = Play(patient=OTHER)
    other.tell(mg("0.6", h(1.5)), k("6.9", h(2)))
    mine = Play()
    mine.tell(k("5.0", h(0), order="B"), dose(h(1), "1"))
    assert reasons(mine.merge_from(other, h(3))) == {LOW: "continued", AFTER: None}


def test_rules_7_a_stale_raise_has_no_reason() -> None:
    """Not `stale`: what is too old to notify says so by its flag, and has no reason. RULES.md 7."""
    play = Play()
    told = play.tell(mg("0.6", h(0)), k("6.9", h(2)), at=h(27))
    assert [(one.notify, one.stale, one.reason) for one in told if one.rule is LOW] == [(False, True, None)]
