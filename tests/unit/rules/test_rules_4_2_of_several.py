"""RULES.md 4.2 where there are several: exposures with magnesiums of their own, magnesiums as severe as one another."""

from rules.alert import Rule
from rules.draws import names
from rules.events import Condition
from tests.unit.rules.builders import OTHER, Play, changes, chart, dose, egfr, findings, h, k, mg, said

POST, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN
AFTER = Rule.HYPERKALEMIA_AFTER_MAGNESIUM


def test_rules_4_2_each_exposure_owns_its_magnesium() -> None:
    """Two exposures, a high magnesium of each: two findings, each with its own; one alert an exposure. RULES.md 4.2."""
    found = findings(POST, egfr("80", h(0)), dose(h(0)), mg("2.2", h(5)), dose(h(40)), mg("2.3", h(46)))
    assert [str(finding.value) for finding in found] == ["2.2", "2.3"]


def test_rules_4_2_alerts_of_two_exposures_keep_what_each_stood_on() -> None:
    """What an alert of an exposure stood on goes on belonging to it, with two of them open. RULES.md 4.2."""
    play = Play(egfr("20", h(-1)))
    play.tell(dose(h(0), order="A"), dose(h(8), order="B"))
    play.tell(mg("1.6", h(7)))
    play.tell(mg("1.7", h(11)))
    assert changes(play.seen, POST) == ["raised high", "raised high"]
    play.tell(dose(h(6.5), order="C"), at=h(12))  # a third, told late: it begins before both magnesiums
    assert not [change for change in changes(play.seen, POST) if change.startswith(("retracted", "closed"))]


def test_rules_4_2_of_magnesiums_as_severe_the_highest_is_told() -> None:
    """Two high ones, then one at warning: the severity is by the higher of the two, whichever came last."""
    for one, other in (("2.3", "2.2"), ("2.2", "2.3")):
        (finding,) = findings(POST, egfr("80", h(0)), dose(h(0)), mg(one, h(6)), mg(other, h(8)), mg("1.8", h(10)))
        worst = finding.notes["worst"]
        assert str(getattr(worst, "value", None)) == "2.3"


def test_rules_5_an_unknown_exposures_evidence_begins_with_the_newest() -> None:
    """The trigger, and behind it the others from the newest on. RULES.md 5."""
    (finding,) = findings(UNKNOWN, mg("1.0", h(0)), mg("1.1", h(1)), mg("1.2", h(2)), mg("2.2", h(3)))
    assert [str(draw.value) for draw in finding.evidence] == ["2.2", "1.2", "1.1", "1.0"]


def test_rules_5_a_potassium_after_magnesium_names_the_magnesium_that_it_used() -> None:
    """Not a later one that is of no use. RULES.md 5."""
    later = mg("2.9", h(3), container="C")
    facts = (egfr("80", h(0)), k("4.5", h(0)), dose(h(1)), mg("2.0", h(2)), later, said(later, Condition.CLOTTED))
    (finding,) = findings(AFTER, *facts, k("5.9", h(4)))
    used = finding.notes["magnesium_draw"]
    assert str(getattr(used, "value", None)) == "2.0"


def test_rules_7_what_is_said_of_a_tube_comes_with_the_merge() -> None:
    """Said again under the other number, it keeps the event that first said it; else it came with the merge."""
    one, other = (k("5.0", h(0), container=container) for container in ("T1", "T2"))
    mine, theirs = Play(), Play(patient=OTHER)
    mine.tell(said(one, Condition.HEMOLYZED, h(0)), at=h(0))
    theirs.tell(said(one, Condition.HEMOLYZED, h(1)), at=h(1))
    theirs.tell(said(other, Condition.HEMOLYZED, h(2)), at=h(2))
    assert mine.state is not None
    seen = mine.state.seen
    mine.merge_from(theirs, h(3))
    assert [(entry.tube.container, entry.came) for entry in mine.state.tubes] == [("T1", seen), ("T2", seen + 1)]


def test_rules_2_draws_apart_from_one_another_are_named_each_by_its_own() -> None:
    """Read together where they lie together; where some between are left out, each by itself. RULES.md 2."""
    every = [k(f"4.{n}", h(n), order=f"N{n}") for n in range(9)]
    keys = [chart(*every).all_potassium[n].key for n in range(9)]
    for kept in ((0, 5, 6, 8), (0, 1, 2, 3), (2, 4), (8,), ()):
        read = chart(*every).all_potassium
        assert names([read[n] for n in kept]) == tuple(keys[n] for n in kept)
