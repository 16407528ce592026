"""RULES.md 7: what is raised again and what is not, under which id, and what a merge, a discharge or a death leaves."""

import pytest

from rules.alert import Change, Rule, Transition
from rules.events import MINUTE, Condition
from rules.raising import alert_id
from tests.unit.rules.builders import (
    OTHER,
    PATIENT,
    Play,
    adt,
    ca,
    changes,
    dialysis,
    dose,
    egfr,
    h,
    infusion,
    k,
    mg,
    opened,
    said,
    visit,
)

RULE = Rule.REFRACTORY_HYPERKALEMIA
POST, GAP = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.MAGNESIUM_MONITORING_GAP


def lives(transitions: list[Transition], rule: Rule) -> list[tuple[str, int]]:
    """Return transition and sequence of each alert of *rule*, in order of telling."""
    return [(t.change.value, t.sequence) for t in transitions if t.rule is rule]


# Under its id


def test_rules_7_raised_again_under_the_id_of_its_first_trigger() -> None:
    """A discharge undone raises an alert that had moved to a new trigger under its id, the sequence goes on."""
    play = opened()
    play.tell(k("6.2", h(5)))
    play.tell(adt("A03"), visit("V1"), at=h(6))
    play.tell(adt("A13"), visit("V1"), at=h(7))
    assert lives(play.seen, RULE) == [("raised", 1), ("updated", 2), ("closed", 3), ("raised", 4)]
    assert {t.alert_id for t in play.seen} == {alert_id(PATIENT.key, RULE, f"potassium@{h(2)}|2823-3||{h(2)}")}
    assert [t.opened_at for t in play.seen] == [h(2.25), h(2.25), h(2.25), h(7)]


def test_rules_7_raised_again_it_remembers_every_trigger_that_it_had() -> None:
    """Closed anew, and its newer trigger withdrawn: the older one was its own too, and raises nothing. RULES.md 7."""
    play = opened()
    play.tell(k("6.2", h(5)))
    for hour, trigger in ((6, "A03"), (7, "A13"), (8, "A03")):
        play.tell(adt(trigger), visit("V1"), at=h(hour))
    play.tell(k(None, h(5), status="W"), at=h(9))
    assert lives(play.seen, RULE)[-1] == ("closed", 5)


def test_rules_7_after_a_merge_it_is_raised_under_the_surviving_key() -> None:
    """What had ended under the retired key comes back with the id of the surviving patient, as its first transition."""
    mine, theirs = Play(), Play(patient=OTHER)
    theirs.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    theirs.wait(h(3))
    theirs.tell(mg("0.9", h(3)))
    mine.merge_from(theirs, h(4))
    mine.tell(mg(None, h(3), status="W"), at=h(5))
    (raised,) = mine.seen
    assert (raised.alert_id, raised.sequence) == (alert_id(PATIENT.key, RULE, f"potassium@{h(2)}|2823-3||{h(2)}"), 1)


def test_rules_7_merged_there_and_back_it_goes_on_under_its_id() -> None:
    """A into B and B into A: the same key, rule and trigger are the same id, of which no sequence is told twice."""
    first = opened()
    there = Play(patient=OTHER)
    there.merge_from(first, h(3))
    back = Play()
    back.merge_from(there, h(4))
    mine = [t for t in (*first.seen, *back.seen) if t.patient == PATIENT]
    assert lives(mine, RULE) == [("raised", 1), ("closed", 2), ("raised", 3)]
    assert len({t.alert_id for t in mine}) == 1
    back.tell(mg("0.9", h(5)))
    assert lives(back.seen, RULE) == [("raised", 3), ("resolved", 4)]


@pytest.mark.parametrize("order", ["A", "B", "C", "D"])
def test_rules_7_of_two_that_had_the_trigger_the_one_that_it_raised_returns(order: str) -> None:
    """Two exposures joined, the newer magnesium withdrawn: both alerts had the older one, and both were closed."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "2"), mg("2.3", h(3), order=order), at=h(3))
    play.tell(dose(h(10), "2"), mg("2.3", h(12), order=order), at=h(12))
    first, second = (t.alert_id for t in play.seen if t.rule is POST)
    play.tell(dose(h(5), "2"), at=h(12.5))
    play.tell(mg(None, h(12), order=order, status="W"), at=h(13))
    play.tell(adt("A03"), visit("V1"), at=h(15))
    *closed, raised = (t for t in [*play.seen, *play.tell(adt("A13"), visit("V1"), at=h(16))] if t.rule is POST)
    assert {t.alert_id for t in closed if t.change is Change.CLOSED} == {first, second}
    assert (raised.change, raised.alert_id) == (Change.RAISED, first)


@pytest.mark.parametrize("order", ["A", "B", "C", "D"])
def test_rules_7_of_two_that_had_the_trigger_the_one_that_ended_last_returns(order: str) -> None:
    """The first was closed by a discharge that stands, the second by one that is undone. RULES.md 4.2, 7."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "2"), mg("2.3", h(3), order=order), adt("A01"), visit("V1"), at=h(3))
    play.tell(adt("A03"), visit("V1"), at=h(4))
    play.tell(adt("A01"), visit("V2"), at=h(29))
    play.tell(dose(h(30), "2"), mg("2.3", h(32), order=order), at=h(32))
    second = [t.alert_id for t in play.seen if t.rule is POST][-1]
    play.tell(*(dose(h(hour), "2") for hour in (5, 10, 15, 20, 25)), at=h(32.5))
    play.tell(mg(None, h(32), order=order, status="W"), at=h(33))
    play.tell(adt("A03"), visit("V2"), at=h(34))
    play.tell(adt("A13"), visit("V2"), at=h(35))
    raised = play.seen[-1]
    assert (raised.change, raised.alert_id) == (Change.RAISED, second)


# Not raised again


@pytest.mark.parametrize("order", ["M1", "M 1"], ids=["a plain order number", "one with a space"])
def test_rules_7_not_raised_again_while_what_ended_it_stands(order: str) -> None:
    """A magnesium that a dialysis told of later makes stale did resolve, and is as it was: nothing returns."""
    play = opened()
    play.tell(mg("0.9", h(1), order=order), at=h(3))
    play.tell(dialysis(h(1.5), h(1.9)), at=h(4))
    assert changes(play.seen, RULE) == ["raised high", "resolved magnesium_resulted"]
    play.tell(
        mg("0.9", h(1), order=order, resulted=h(5)), said(mg("0.9", h(1), order=order), Condition.CLOTTED), at=h(5)
    )
    assert lives(play.seen, RULE)[2:] == [("raised", 3)]


def test_rules_7_measured_is_not_undone_by_an_end_that_moves() -> None:
    """The infusion's stop moves from 1 h to 10 h after both were measured: both stand, nothing is asked again."""
    play = Play()
    play.tell(infusion(h(0), h(1), grams="6", order="X"), at=h(1))
    play.wait(h(13.5))
    play.tell(mg("1.0", h(1.5)), k("4.2", h(1.5)), at=h(14))
    play.tell(infusion(h(0), h(10), grams="6", order="X"), at=h(14.5))
    play.wait(h(30))
    assert changes(play.seen, GAP) == ["raised warning", "resolved measured"]


def test_rules_7_an_admission_after_a_death_raises_nothing_for_the_old_trigger() -> None:
    """A record that was said to be of the dead, and is admitted: what death closed is not raised for its trigger."""
    play = opened()
    play.tell(adt("A08", deceased=True), at=h(4))
    play.tell(adt("A01"), at=h(5))
    assert changes(play.seen) == ["raised high", "closed deceased"]


# What had been raised waits for none


def test_rules_7_after_a_merge_what_had_been_raised_waits_for_none() -> None:
    """Raised at once at 6.6, corrected to 6.2, merged within the 15 min of a hold: it goes on at once. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    theirs.tell(k("6.6", h(0)), k("6.6", h(2)), at=h(2))
    theirs.tell(k("6.2", h(0), status="C"), k("6.2", h(2), status="C"), at=h(2) + 3 * MINUTE)
    assert changes(theirs.seen, RULE) == ["raised critical", "updated high"]
    said_of = mine.merge_from(theirs, h(2) + 5 * MINUTE)
    assert changes(said_of) == ["closed merged", "raised high"]


def test_rules_7_a_merge_closes_in_the_order_of_opening() -> None:
    """Of several open alerts the one that was opened first is closed first, whatever their ids. RULES.md 7."""
    for hours in range(1, 7):  # the ids differ, the order does not
        theirs = Play(egfr("90", h(-1)), patient=OTHER)
        theirs.tell(ca("2.3", h(0)), dose(h(0), "1"), at=h(0))
        theirs.tell(ca("1.7", h(1)))
        theirs.tell(mg("2.1", h(1 + hours)))
        closed = [t for t in Play().merge_from(theirs, h(9)) if t.change is Change.CLOSED]
        assert [t.rule for t in closed] == [Rule.HYPOCALCEMIA_AFTER_MAGNESIUM, POST]


def test_rules_7_an_alert_of_both_numbers_goes_on_under_its_own_id() -> None:
    """The same dose under two numbers, both discharged, then merged: raised again, the sequence goes on. RULES.md 7."""
    mine, theirs = Play(), Play(patient=OTHER)
    for play in (theirs, mine):
        play.tell(dose(h(0), "4", order="A"), at=h(0))
        play.wait(h(13))
        play.tell(adt("A03"), visit("V1"), at=h(14))
    mine.merge_from(theirs, h(15))
    mine.tell(adt("A01"), visit("V1"), at=h(16))
    ours = [one for one in mine.seen if one.patient.key == "HOSP|1"]
    assert changes(ours) == ["raised warning", "closed discharged", "raised warning"]
    assert len({one.alert_id for one in ours}) == 1
    assert [one.sequence for one in ours] == [1, 2, 3]
