"""RULES.md 7, how an alert ends: which end comes first, what is late enough to end it, what an ending says."""

from typing import NamedTuple

import pytest

from rules.alert import Change, Rule
from rules.events import Instant, Result
from tests.unit.rules.builders import Fact, Play, adt, ca, changes, dose, egfr, h, hemolyzed, ica, k, mg

ENDS = (Change.RESOLVED, Change.RETRACTED, Change.CLOSED)


class Case(NamedTuple):
    """A rule, what raises its alert (the last fact is its trigger), and the facts that end it, in RULES.md's order."""

    rule: Rule
    raising: tuple[Fact, ...]
    ends: tuple[tuple[str, Result], ...]


CASES = [
    Case(
        Rule.REFRACTORY_HYPERKALEMIA,
        (k("6.6", h(0)), k("6.6", h(2))),
        (("magnesium_resulted", mg("0.9", h(4))), ("potassium_cleared", k("5.0", h(4)))),
    ),
    Case(
        Rule.HYPERKALEMIA_LOW_MAGNESIUM,
        (mg("0.6", h(1)), k("6.6", h(2))),
        (("magnesium_recovered", mg("0.9", h(4))), ("potassium_cleared", k("5.0", h(4)))),
    ),
    Case(
        Rule.HYPERKALEMIA_AFTER_MAGNESIUM,
        (mg("0.9", h(0)), k("4.6", h(0)), dose(h(1), "1"), k("5.8", h(2))),
        (("potassium_cleared", k("5.0", h(4))),),
    ),
    Case(
        Rule.REFRACTORY_HYPOKALEMIA,
        (k("2.4", h(2)),),
        (("potassium_recovered", k("3.6", h(4))), ("magnesium_resulted", mg("0.9", h(4)))),
    ),
    Case(
        Rule.POST_INFUSION_HYPERMAGNESEMIA,
        (egfr("90", h(-1)), dose(h(-1), "2"), mg("2.6", h(2))),
        (("magnesium_cleared", mg("1.0", h(4))),),
    ),
    Case(
        Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN,
        (egfr("90", h(-1)), mg("2.6", h(2))),
        (("magnesium_cleared", mg("1.0", h(4))),),
    ),
    Case(
        Rule.HYPOCALCEMIA_AFTER_MAGNESIUM,
        (dose(h(1), "1"), ca("1.6", h(2))),
        (("calcium_recovered", ca("2.1", h(4))),),
    ),
    Case(Rule.SPURIOUS_POTASSIUM, hemolyzed(k("6.0", h(2))), (("repeat_resulted", k("4.5", h(4))),)),
]
RULES = [case.rule.value for case in CASES]


def raised(case: Case) -> Play:
    """Return the play in which the alert of a case was raised at h(3)."""
    play = Play()
    play.tell(*case.raising, at=h(3))
    assert [change.split()[0] for change in changes(play.seen, case.rule)] == ["raised"]
    return play


@pytest.mark.parametrize("case", CASES, ids=RULES)
def test_rules_7_an_alert_ends_by_each_end_of_its_rule(case: Case) -> None:
    """An alert ends only by the ends that its rule names. RULES.md 7."""
    for reason, fact in case.ends:
        play = raised(case)
        play.tell(fact, at=h(5))
        assert changes(play.seen, case.rule)[1:] == [f"resolved {reason}"]


@pytest.mark.parametrize("case", CASES, ids=RULES)
def test_rules_7_of_two_ends_the_first_that_its_rule_names(case: Case) -> None:
    """In the order in which they stand there: both come in one message, whatever their order in it. RULES.md 7."""
    facts = [fact for _, fact in case.ends]
    for told in (facts, facts[::-1]):
        play = raised(case)
        play.tell(*told, at=h(5))
        assert changes(play.seen, case.rule)[1:] == [f"resolved {case.ends[0][0]}"]


def moved(fact: Result, at: Instant) -> Result:
    """Return a result drawn at *at*, in a tube and an order of its own."""
    return fact._replace(observed_at=at, resulted_at=at, order_number=f"@{at}", container=f"@{at}")


@pytest.mark.parametrize(
    ("case", "end"),
    [
        pytest.param(case, end, id=f"{case.rule.value} {end[0]}")
        for case in CASES
        for end in case.ends
        if not end[0].startswith("magnesium_re")  # may be earlier than the potassium: below
    ],
)
def test_rules_7_a_draw_ends_it_only_when_later_than_its_trigger(case: Case, end: tuple[str, Result]) -> None:
    """Drawn a millisecond before the trigger it ends nothing, a millisecond after it it does. RULES.md 7."""
    for at, ended in ((h(2) - 1, []), (h(2) + 1, [f"resolved {end[0]}"])):
        play = raised(case)
        play.tell(moved(end[1], at), at=h(5))
        assert [text for text in changes(play.seen, case.rule) if text.startswith("resolved")] == ended


@pytest.mark.parametrize(
    ("case", "reason", "at", "ended"),
    [
        pytest.param(CASES[0], "magnesium_resulted", h(-22) - 1, False, id="4.1: 1 ms before t_n - 24 h"),
        pytest.param(CASES[0], "magnesium_resulted", h(-22), True, id="4.1: t_n - 24 h"),
        pytest.param(CASES[1], "magnesium_recovered", h(1) - 1, False, id="low magnesium: 1 ms before the low one"),
        pytest.param(CASES[1], "magnesium_recovered", h(1) + 1, True, id="low magnesium: 1 ms after the low one"),
        pytest.param(CASES[3], "magnesium_resulted", h(-22) - 1, False, id="hypokalemia: 1 ms before t_n - 24 h"),
        pytest.param(CASES[3], "magnesium_resulted", h(-22), True, id="hypokalemia: t_n - 24 h"),
    ],
)
def test_rules_7_a_magnesium_may_be_earlier_than_the_potassium(
    case: Case, reason: str, at: Instant, ended: bool
) -> None:
    """Later than the low one that the finding used, and for 4.1 and hypokalemia *recent*. RULES.md 7."""
    play = raised(case)
    play.tell(mg("0.9", at), at=h(5))
    assert (f"resolved {reason}" in changes(play.seen, case.rule)) is ended


@pytest.mark.parametrize("case", CASES, ids=RULES)
def test_rules_7_a_finding_whose_end_has_come_is_none(case: Case) -> None:
    """What would end it is in the same message: nothing is raised. RULES.md 7."""
    for _, fact in case.ends:
        play = Play()
        play.tell(*case.raising, fact, at=h(5))
        assert changes(play.seen, case.rule) == []


@pytest.mark.parametrize("case", CASES, ids=RULES)
def test_rules_7_an_ending_says_no_criterion_and_is_never_stale(case: Case) -> None:
    """An ending carries the last severity, no criterion, `stale: false`; but a retraction it does not notify."""
    play = raised(case)
    severity = play.open[-1].severity
    play.tell(adt("A03"), at=h(40))
    (ending,) = [one for one in play.seen if one.rule is case.rule and one.change in ENDS]
    assert (ending.criterion, ending.stale, ending.notify) == (None, False, False)
    assert ending.severity is severity


@pytest.mark.parametrize("case", CASES, ids=RULES)
def test_rules_7_a_retraction_comes_first(case: Case) -> None:
    """The trigger is withdrawn with the message that would end it: retracted, not resolved. RULES.md 7."""
    play = raised(case)
    trigger = [fact for fact in case.raising if isinstance(fact, Result)][-1]
    play.tell(trigger._replace(status="W", value=None), case.ends[0][1], at=h(5))
    assert changes(play.seen, case.rule)[1:] == ["retracted withdrawn"]


def test_rules_7_at_most_one_transition_an_alert_for_one_message() -> None:
    """A message that brings a new trigger, a step and a worse value is told once of each alert. RULES.md 7."""
    play = Play(egfr("90", h(-1)))
    play.tell(k("4.4", h(-1)), dose(h(0), "1"), mg("0.6", h(1)), k("5.8", h(1)), at=h(1))
    for hour in range(2, 9):
        before = len(play.seen)
        facts = (k(f"6.{hour}", h(hour)), mg(f"0.{hour}", h(hour)), ca("1.5", h(hour)), ica("0.7", h(hour)))
        play.tell(*facts, at=h(hour))
        told = [one.alert_id for one in play.seen[before:]]
        assert len(told) == len(set(told))
    assert len({one.alert_id for one in play.seen}) > 3


def test_rules_3_a_suspect_calcium_counts_for_nothing() -> None:
    """Of an EDTA pattern: it raises no alert, is no step, no baseline, and recovers nothing. RULES.md 3."""
    contaminated = (k("6.6", h(2)), ca("1.5", h(2)), mg("0.4", h(2)))
    play = Play()
    play.tell(dose(h(0), "1"), *contaminated, at=h(2))
    assert changes(play.seen) == ["raised information"]
    stepped = Play()
    stepped.tell(k("5.6", h(-1)), k("5.6", h(1.5)), *contaminated, at=h(2))
    stepped.wait(h(3))
    severities = [one.severity.label for one in stepped.seen if one.rule is Rule.REFRACTORY_HYPERKALEMIA]
    assert severities == ["high"], "by the suspect potassium of 6.6, without a step by the calcium"
