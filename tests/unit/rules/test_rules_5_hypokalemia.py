"""RULES.md 5, `refractory-hypokalemia-magnesium`: its limits, its run of low potassiums, its hold."""

import pytest

from rules.alert import Rule
from rules.events import DAY, MINUTE, Instant
from tests.unit.rules.builders import OTHER, Fact, Play, changes, d, dig, h, hemolyzed, k, mg, ordered, severity

HYPO = Rule.REFRACTORY_HYPOKALEMIA


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), mg("0.694", h(4))], "warning", id="Mg just below 0.695"),
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), mg("0.695", h(4))], None, id="Mg 0.695 is not low"),
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), mg("0.50", h(4))], "warning", id="Mg 0.50: no step"),
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), mg("0.499", h(4))], "high", id="Mg just below 0.50: one step"),
        pytest.param([k("2.50", h(0)), k("2.50", h(4))], "high", id="2.50 is not critical"),
        pytest.param([k("2.49", h(0)), k("2.49", h(4))], "critical", id="2.49 is"),
        pytest.param([k("2.7", h(0)), k("3.0", h(4))], "warning", id="recovering: 3.0, and 0.3 above the lowest"),
        pytest.param([k("2.7", h(0)), k("2.99", h(4))], "high", id="below 3.0 is not recovering"),
        pytest.param(
            [k("2.4", h(0)), k("3.2", h(1))], "critical", id="2.4 meets it alone, the 3.2 soon after does not"
        ),
    ],
)
def test_rules_5_hypokalemia_at_its_limits(facts: list[Fact], expected: str | None) -> None:
    """Each limit just below and at it: Mg 0.695 and 0.50, K 2.5 and 3.0 mmol/L. RULES.md 5."""
    assert severity(HYPO, *facts) == expected


def test_rules_5_what_stepped_hypokalemia_up_is_named() -> None:
    """Digoxin and a magnesium below 0.50 are named where they raise the severity. RULES.md 5."""
    play = Play()
    play.tell(k("3.2", h(0)), k("3.2", h(4)), mg("0.45", h(4)), dig("2.4", h(4)), at=h(5))
    (raised,) = play.seen
    assert raised.context["stepped_up_by"] == ["digoxin", "magnesium below 0.50 mmol/L"]


def test_rules_5_of_two_equal_lowest_the_newer_is_named() -> None:
    """The severity is by the lowest of the 12 h; of two alike the clinician is shown the newer. RULES.md 5."""
    play = Play()
    play.tell(k("2.6", h(0)), k("2.6", h(4)), k("2.8", h(8)), mg("0.6", h(8)), at=h(8))
    (raised,) = play.seen
    assert "the severity is by the lowest: potassium 2.6 mmol/L, drawn 4 h ago" in raised.considerations


def raised_at(play: Play) -> list[Instant]:
    """Return the moments at which the rule was raised."""
    return [t.time for t in play.seen if t.rule is HYPO and t.change.value == "raised"]


@pytest.mark.parametrize("value", ["3.5", "3.6"])
def test_rules_5_the_hold_began_when_the_run_was_first_judged(value: str) -> None:
    """A recovery that is taken back leaves the hold as it began, with the first judgement of the run. RULES.md 5."""
    play = Play()
    play.tell(k("2.9", h(0)), k("2.8", h(6)), k(value, h(7)), at=h(7))
    play.tell(k(None, h(7), status="W"), at=h(8))
    assert raised_at(play) == [h(8)]


@pytest.mark.parametrize("magnesium", ["0.695", "0.70"])
def test_rules_5_one_beside_a_magnesium_that_is_not_low_begins_no_hold(magnesium: str) -> None:
    """A single 2.9 with a magnesium at the limit is no finding: the hold counts from the pair. RULES.md 5."""
    play = Play()
    play.tell(k("2.9", h(0)), mg(magnesium, h(0)))
    play.tell(k("2.8", h(4)), mg(None, h(0), status="W"), at=h(4))
    play.wait(h(5))
    assert raised_at(play) == [h(4) + 15 * MINUTE]


def test_rules_5_a_run_has_a_hold_of_its_own() -> None:
    """A run days after the last one waits its own 15 min, and one that waited at its first potassium waits no more."""
    play = Play()
    play.tell(k("2.9", h(0)), k("2.8", h(6)), at=h(6))
    play.tell(k("3.6", h(10)))
    play.tell(k("2.9", h(20)), k("2.8", h(26)), at=h(26))
    play.wait(h(27))
    assert raised_at(play) == [h(6) + 15 * MINUTE, h(26) + 15 * MINUTE]


def test_rules_5_a_hold_that_began_at_the_first_of_the_run_is_over() -> None:
    """The first potassium met the rule with a low magnesium, which was taken back: nothing waits again. RULES.md 5."""
    play = Play()
    play.tell(k("2.9", h(0)), mg("0.6", h(0)))
    play.tell(mg(None, h(0), status="W"), at=h(3))
    play.tell(k("2.8", h(4)))
    assert changes(play.seen, HYPO) == ["raised high", "retracted withdrawn", "raised high"]
    assert raised_at(play) == [h(0), h(4)]


def merging(mine: tuple[tuple[Fact, ...], Instant], theirs: tuple[tuple[Fact, ...], Instant], at: Instant) -> Play:
    """Return the surviving patient of two who each had one message, merged at *at*."""
    survivor, retired = Play(), Play(patient=OTHER)
    for play, (facts, received) in ((survivor, mine), (retired, theirs)):
        play.tell(*facts, at=received)
    survivor.merge_from(retired, at)
    return survivor


def test_rules_7_of_two_holds_of_one_run_the_earlier_counts() -> None:
    """Both halves of a patient were waiting for a pending magnesium: the hold is that of the earlier. RULES.md 5, 7."""
    pending = ordered(h(0))
    later = (k("2.9", h(-0.5)), k("2.8", h(3.9)), pending), h(4.5)
    earlier = (k("2.9", h(0)), k("2.8", h(4)), pending), h(4.2)
    play = merging(later, earlier, h(4.6))
    play.wait(h(8))
    assert raised_at(play) == [h(5.2)]


def test_rules_7_a_hold_that_was_over_under_one_key_is_over() -> None:
    """One half's hold had run out beside a magnesium, the other's runs: the magnesium withdrawn, nothing waits."""
    runs = (k("2.9", h(1)), k("2.8", h(5))), h(5)
    over = (k("2.9", h(0.5)), k("2.8", h(4.5)), mg("0.9", h(4))), h(4.5)
    for first, second in ((runs, over), (over, runs)):
        play = merging(first, second, h(5.1))
        play.tell(mg(None, h(4), status="W"), at=h(5.15))
        assert raised_at(play) == [h(5.15)]


@pytest.mark.parametrize(("lowest", "minutes"), [("2.49", 0), ("2.50", 15)])
def test_rules_5_no_hold_below_2_5(lowest: str, minutes: int) -> None:
    """With the lowest of 12 h below 2.5 mmol/L nothing waits for a magnesium; at 2.5 it is 15 min. RULES.md 5."""
    play = Play()
    play.tell(k(lowest, h(0)), k("2.9", h(4)), at=h(5))
    play.wait(h(6))
    assert raised_at(play) == [h(5) + minutes * MINUTE]


def test_rules_7_the_low_magnesium_corrected_to_a_normal_one_resolves() -> None:
    """Raised without a magnesium, then with a low one that is corrected: what stood is resolved. RULES.md 5, 7."""
    play = Play()
    play.tell(k("3.2", h(0)), k("3.2", h(4)), at=h(5))
    play.tell(mg("0.6", h(6)))
    play.tell(mg("0.9", h(6), status="C"), at=h(7))
    assert changes(play.seen) == ["raised warning", "updated warning", "resolved magnesium_resulted"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([k("3.4", h(0)), k("3.4", h(4))], "warning", id="two 4 h apart"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4) - 1)], None, id="closer"),
        pytest.param([k("3.4", h(0)), k("3.4", h(48))], "warning", id="48 h apart"),
        pytest.param([k("3.4", h(0)), k("3.4", h(48) + 1)], None, id="further: the run begins anew"),
        pytest.param([k("3.5", h(0)), k("3.4", h(4))], None, id="3.5 is not low"),
        pytest.param([k("3.4", h(0)), k("3.5", h(2)), k("3.4", h(4))], None, id="a valid 3.5 between"),
        pytest.param([k("3.4", h(0)), *hemolyzed(k("3.5", h(2))), k("3.4", h(4))], "warning", id="a suspect 3.5"),
        pytest.param([*hemolyzed(k("3.4", h(0))), k("3.4", h(4))], "warning", id="a hemolyzed low one stands"),
        pytest.param([k("2.99", h(0))], None, id="one below 3.0, Mg missing"),
        pytest.param([k("2.99", h(0)), mg("0.694", h(0))], "high", id="one below 3.0, Mg low"),
        pytest.param([k("3.0", h(0)), mg("0.694", h(0))], None, id="one at 3.0, Mg low"),
        pytest.param([k("2.99", h(0)), mg("0.695", h(0))], None, id="one below 3.0, Mg not low"),
        pytest.param([k("2.5", h(0))], None, id="one at 2.5"),
        pytest.param([k("2.49", h(0))], "critical", id="one below 2.5"),
        pytest.param([k("2.49", h(0)), mg("0.9", h(0))], None, id="one below 2.5, Mg not low"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), mg("0.9", h(4))], None, id="two, Mg not low"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), mg("0.6", h(4))], "warning", id="two, Mg low"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), mg("0.49", h(4))], "high", id="Mg below 0.50: one step"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), dig("2.1", h(4))], "high", id="digoxin: one step"),
        pytest.param([k("2.99", h(0)), k("2.99", h(4))], "high", id="below 3.0"),
        pytest.param([k("3.0", h(0)), k("3.0", h(4))], "warning", id="3.0"),
        pytest.param([k("2.9", h(0)), k("2.99", h(4))], "high", id="by the lowest"),
        pytest.param([k("2.9", h(0)), k("3.1", h(12))], "high", id="the lowest of 12 h, rising by 0.2"),
        pytest.param([k("2.9", h(0)), k("3.1", h(12) + 1)], "warning", id="the lowest is longer ago"),
        pytest.param([k("2.8", h(0)), k("3.09", h(6))], "high", id="recovering by less than 0.3"),
        pytest.param([k("2.8", h(0)), k("3.1", h(6))], "warning", id="recovering by 0.3"),
        pytest.param([k("2.6", h(0)), k("2.99", h(6))], "high", id="recovering, still below 3.0"),
        pytest.param([k("2.8", h(0)), k("3.1", h(6)), dig("3", h(6))], "warning", id="recovering: whatever the steps"),
    ],
)
def test_rules_5_hypokalemia(facts: list[Fact], expected: str | None) -> None:
    """Two low ones 4-48 h apart, or one very low, with a magnesium that is low or missing. RULES.md 5."""
    assert severity(HYPO, *facts) == expected


def test_rules_5_a_jump_is_not_believed_for_being_low() -> None:
    """Only hemolysis raises potassium alone: a low one suspect for another reason does not stand. RULES.md 5."""
    assert severity(HYPO, k("5.0", h(0)), k("2.4", h(1))) is None


@pytest.mark.parametrize(
    ("facts", "minutes"),
    [
        pytest.param([k("3.2", h(0)), k("3.2", h(4))], 15, id="15 min"),
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), ordered(h(4))], 60, id="60 min while pending"),
        pytest.param([k("2.4", h(0)), k("2.9", h(4))], 0, id="none: the lowest of 12 h is below 2.5"),
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), mg("0.6", h(4))], 0, id="none with a low magnesium"),
    ],
)
def test_rules_5_hypokalemia_hold(facts: list[Fact], minutes: int) -> None:
    """The hold of 4.1 while magnesium is missing, none below 2.5. RULES.md 5."""
    play = Play()
    play.tell(*facts, at=h(5))
    play.wait(h(8))
    raised = [t.time for t in play.seen if t.change.value == "raised"]
    assert raised == [h(5) + minutes * MINUTE]


@pytest.mark.parametrize(
    ("fact", "end"),
    [
        (k("3.5", h(6)), ["resolved potassium_recovered"]),
        (k("3.49", h(6)), ["updated warning"]),
        (mg("0.695", h(6)), ["resolved magnesium_resulted"]),
        (mg("0.694", h(6)), ["updated warning"]),
        (mg("0.9", h(4) - DAY), ["resolved magnesium_resulted"]),
        (mg("0.9", h(4) - DAY - 1), []),
    ],
    ids=["K 3.5", "K 3.49", "Mg 0.695", "Mg 0.694: the criterion changes", "a recent Mg comes late", "an old one"],
)
def test_rules_5_hypokalemia_ends(fact: Fact, end: list[str]) -> None:
    """A valid K >= 3.5, a recent valid Mg >= 0.695, 48 h without K. RULES.md 5, 7."""
    play = Play()
    play.tell(k("3.2", h(0)), k("3.2", h(4)), at=h(5))
    play.wait(h(6))
    play.tell(fact, at=h(7))
    assert changes(play.seen)[1:] == end
    play.wait(d(9))
    assert play.open == []


def test_rules_5_a_magnesium_before_the_low_one_ends_nothing() -> None:
    """The magnesium that ends it must be later than the low one that the finding used. RULES.md 7."""
    play = Play()
    play.tell(k("3.2", h(0)), k("3.2", h(4)), mg("0.6", h(3)), at=h(5))
    play.tell(mg("0.9", h(2)), at=h(6))
    assert changes(play.seen) == ["raised warning"]
