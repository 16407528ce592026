"""RULES.md 7, merges: what closes, what continues, and whose holds go on."""

import pytest

from rules.alert import Change, Rule
from rules.events import MINUTE
from tests.unit.rules.builders import OTHER, Play, adt, changes, h, k, mg, ordered, told, visit

RULE = Rule.REFRACTORY_HYPERKALEMIA


def test_rules_7_a_merge_closes_and_continues() -> None:
    """The retired patient's alert is closed; the survivor's names it, and is continued. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    theirs.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    theirs.wait(h(3))
    said = mine.merge_from(theirs, h(4))
    assert [(t.patient.key, *row) for t, row in zip(said, told(said), strict=True)] == [
        ("HOSP|2", RULE, Change.CLOSED, "high", False, "merged"),
        ("HOSP|1", RULE, Change.RAISED, "high", False, "continued"),
    ]
    assert said[1].continues == (said[0].alert_id,)
    assert said[1].alert_id != said[0].alert_id


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [("6.2", "6.6", None), ("6.6", "6.6", "continued"), ("5.8", "6.2", None)],
    ids=["more severe", "as severe", "the closed one had not notified"],
)
def test_rules_7_a_merge_notifies_only_when_more_severe(before: str, after: str, reason: str | None) -> None:
    """It notifies when more severe than the closed ones of its rule had notified. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    theirs.tell(k(before, h(0)), k(before, h(2)), at=h(2))
    theirs.wait(h(3))
    mine.tell(k(after, h(3)))
    mine.wait(h(3) + MINUTE)
    said = [t for t in mine.merge_from(theirs, h(4)) if t.patient.key == "HOSP|1"]
    assert [(t.notify, t.reason) for t in said if t.rule is RULE] == [(reason is None, reason)]


def test_rules_7_an_escalation_by_a_merge_continues() -> None:
    """What the join escalates names the closed ones too. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    mine.tell(k("5.6", h(0)), k("5.6", h(2)), at=h(2))
    theirs.tell(k("6.2", h(4)), k("6.2", h(7)), at=h(7))
    for play in (mine, theirs):
        play.wait(h(8))
    closed, escalated = mine.merge_from(theirs, h(9))
    assert (closed.change, escalated.change) == (Change.CLOSED, Change.ESCALATED)
    assert escalated.continues == (closed.alert_id,)


def test_rules_7_a_hold_that_is_over_stays_over() -> None:
    """A hold that had ended before the merge isn't begun again, even when a magnesium is pending now. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    mine.tell(ordered(h(3)), at=h(3))
    theirs.tell(k("5.8", h(0)), k("5.8", h(2)), mg("0.9", h(2)), at=h(2))
    theirs.tell(mg(None, h(2), status="W"), at=h(2) + 20 * MINUTE)
    assert changes(theirs.seen) == ["raised warning"]
    assert changes(mine.merge_from(theirs, h(2) + 25 * MINUTE)) == ["closed merged", "raised warning"]


@pytest.mark.parametrize(
    ("value", "rule"), [("5.8", RULE), ("3.2", Rule.REFRACTORY_HYPOKALEMIA)], ids=["hyperkalemia", "hypokalemia"]
)
def test_rules_7_a_hold_that_ran_out_beside_a_magnesium_is_over(value: str, rule: Rule) -> None:
    """A hold ends whether magnesium is known or not; after the merge a pending one prolongs nothing. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    mine.tell(ordered(h(4)))
    theirs.tell(k(value, h(0)), k(value, h(4)), mg("0.9", h(4)), at=h(4))
    assert mine.merge_from(theirs, h(4) + 20 * MINUTE) == []
    mine.tell(mg(None, h(4), status="W"), at=h(4) + 25 * MINUTE)
    assert [(t.rule, t.change) for t in mine.seen] == [(rule, Change.RAISED)]


def test_rules_7_a_hold_that_runs_goes_on() -> None:
    """A hold that had not ended is counted from the same moment. RULES.md 7, 4.1."""
    mine, theirs = Play(), Play(patient=OTHER)
    theirs.tell(k("5.8", h(0)), k("5.8", h(2)), at=h(2))
    assert mine.merge_from(theirs, h(2) + 5 * MINUTE) == []
    mine.wait(h(3))
    assert [(t.change, t.time) for t in mine.seen] == [(Change.RAISED, h(2) + 15 * MINUTE)]


def test_rules_7_what_a_merge_brings_came_with_the_merge() -> None:
    """A magnesium that the merge brings resolves and retracts nothing: it was not known before. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    mine.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    mine.wait(h(3))
    theirs.tell(mg("0.9", h(1)))
    assert changes(mine.merge_from(theirs, h(4))) == ["resolved magnesium_resulted"]


def test_rules_7_a_merge_joins_halves() -> None:
    """One potassium under each key are two specimens of one patient. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    mine.tell(k("6.2", h(0)))
    theirs.tell(k("6.2", h(2)), adt("A01", diagnoses=["N18.5"]), visit("V7"), unmapped=h(1))
    mine.merge_from(theirs, h(3))
    mine.wait(h(4))
    assert changes(mine.seen) == ["raised high"]
    assert mine.state is not None
    assert (mine.state.visit_number, mine.state.unmapped_magnesium_at) == ("V7", h(1))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(True, False), (False, True), (False, False)],
    ids=["unknown retired", "unknown survivor", "both"],
)
def test_rules_7_a_merge_of_a_patient_never_seen(mine: bool, theirs: bool) -> None:
    """A merge of unknown keys is a merge with nothing. RULES.md 7."""
    survivor, retired = Play(who=None), Play(who=None, patient=OTHER)
    for play, known in ((survivor, mine), (retired, theirs)):
        if known:
            play.tell(k("4.0", h(0)))
    assert survivor.merge_from(retired, h(1)) == []
    assert survivor.state is not None
    assert len(survivor.state.results) == (1 if mine or theirs else 0)


def test_rules_7_a_chain_of_merges_keeps_what_was_merged_before() -> None:
    """What an earlier merge closed continues nothing at the next. RULES.md 7."""
    first, second, third = (Play(patient=patient) for patient in (OTHER, OTHER._replace(key="HOSP|3"), OTHER))
    first.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    first.wait(h(3))
    second.merge_from(first, h(4))
    (raised,) = [t for t in second.seen if t.change is Change.RAISED]
    mine = Play()
    said = mine.merge_from(second, h(5))
    assert [t.continues for t in said if t.change is Change.RAISED] == [(raised.alert_id,)]
    assert third.seen == []


def test_rules_7_what_ended_under_the_old_key_is_not_raised_again() -> None:
    """A merge raises nothing that had ended by its rule's end under the retired key. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    theirs.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    theirs.tell(adt("A03"), at=h(3))
    assert changes(theirs.seen) == ["raised high", "closed discharged"]
    assert mine.merge_from(theirs, h(4)) == []
