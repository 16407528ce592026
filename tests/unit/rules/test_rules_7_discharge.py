"""RULES.md 7: a discharge closes, an A13 or an admission undoes it, and after a death nothing is raised."""

import pytest

from rules.alert import Change, Rule
from rules.events import DAY, HOUR, Instant
from tests.unit.rules.builders import adt, ca, changes, h, k, mg, opened, visit

RULE = Rule.REFRACTORY_HYPERKALEMIA


@pytest.mark.parametrize(
    ("number", "closed"), [("V1", True), ("", True), ("V2", False)], ids=["the visit", "unknown", "another visit"]
)
def test_rules_7_a_discharge_closes(number: str, closed: bool) -> None:
    """A discharge of the visit of the latest ADT, or of an unknown one, closes. RULES.md 7."""
    play = opened()
    play.tell(adt("A01"), visit("V1"), at=h(3))
    play.tell(adt("A03"), visit(number), at=h(4))
    assert changes(play.seen)[1:] == (["closed discharged"] if closed else [])


def test_rules_7_a_late_discharge_of_an_old_visit_hides_no_true_one() -> None:
    """A discharge that does not count leaves the visit of the latest ADT as it was. RULES.md 7."""
    play = opened()
    play.tell(adt("A01"), visit("V2"), at=h(3))
    play.tell(adt("A03"), visit("V1"), at=h(4))
    play.tell(adt("A03"), visit("V2"), at=h(5))
    assert changes(play.seen)[1:] == ["closed discharged"]


@pytest.mark.parametrize(
    ("trigger", "after", "again"),
    [("A13", DAY * 2, True), ("A01", DAY, True), ("A01", DAY + 1, False), ("A08", HOUR, False)],
    ids=["cancelled", "admitted within 24 h", "admitted later", "an update"],
)
def test_rules_7_a_discharge_undone(trigger: str, after: Instant, again: bool) -> None:
    """A13, or an A01 within 24 h, raises what it closed and still stands under its id. RULES.md 7."""
    play = opened()
    play.tell(adt("A03"), visit("V1"), at=h(4))
    play.tell(k("6.2", h(40)), at=h(4) + 1) if after > DAY else None
    play.tell(adt(trigger), visit("V1"), at=h(4) + after)
    raised = [t for t in play.seen if t.rule is RULE and t.change is Change.RAISED]
    assert (len(raised) == 2 and raised[0].alert_id == raised[1].alert_id) is (again and after <= DAY)


def test_rules_7_an_a13_undoes_however_late() -> None:
    """An A13 undoes a discharge after more than a day too, when the finding still stands. RULES.md 7."""
    play = opened()
    play.tell(adt("A03"), at=h(4))
    play.tell(adt("A13"), at=h(40))
    assert changes(play.seen) == ["raised high", "closed discharged", "raised high"]
    assert [t.sequence for t in play.seen] == [1, 2, 3]


def test_rules_7_after_a_discharge_results_are_judged_as_ever() -> None:
    """The finding that stood isn't raised for its trigger, a new trigger is. RULES.md 7."""
    play = opened()
    play.tell(adt("A03"), at=h(4))
    play.tell(ca("2.2", h(5)))
    assert changes(play.seen) == ["raised high", "closed discharged"]
    play.tell(k("6.2", h(6)))
    assert changes(play.seen) == ["raised high", "closed discharged", "raised high"]


def test_rules_7_a_death_closes_and_nothing_is_raised_until_an_admission() -> None:
    """A death closes; what comes after it is raised only with an admission. RULES.md 7."""
    play = opened()
    play.tell(adt("A03", deceased=True), at=h(4))
    assert changes(play.seen) == ["raised high", "closed deceased"]
    play.tell(k("7.0", h(5)), mg("0.4", h(5)))
    assert len(play.seen) == 2
    play.tell(adt("A01"), at=h(6))
    play.tell(k("7.0", h(7)))
    assert changes(play.seen)[2:] == ["raised critical", "reminded critical"]
