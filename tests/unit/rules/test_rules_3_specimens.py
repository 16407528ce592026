"""RULES.md 3: which specimens to believe: clot, contamination, hemolysis, the EDTA pattern, jumps, confirmation."""

import pytest

from rules.events import HOUR, MINUTE, Condition, Instant
from tests.unit.rules.builders import Fact, Play, ca, chart, crea, h, k, mg, said


def verdicts(*facts: Fact) -> list[str]:
    """Return the verdicts of the potassiums; one that is suspect and confirmed is ``confirmed``."""
    return ["confirmed" if d.verdict == "suspect" and d.valid else d.verdict for d in chart(*facts).all_potassium]


@pytest.mark.parametrize(
    ("condition", "potassium", "magnesium", "calcium", "creatinine"),
    [
        (Condition.CLOTTED, "invalid", "invalid", "invalid", "invalid"),
        (Condition.CONTAMINATED, "invalid", "invalid", "invalid", "invalid"),
        (Condition.GROSSLY_HEMOLYZED, "invalid", "invalid", "valid", "valid"),
        (Condition.HEMOLYZED, "suspect", "suspect", "valid", "valid"),
    ],
)
def test_rules_3_what_is_said_of_a_tube(
    condition: Condition, potassium: str, magnesium: str, calcium: str, creatinine: str
) -> None:
    """A clot touches all results of its container, hemolysis potassium and magnesium. RULES.md 3."""
    tube = [k("5", h(0), container="T"), mg("1", h(0), container="T")]
    tube += [ca("2", h(0), container="T"), crea("80", h(0), container="T")]
    drawn = chart(*tube, said(tube[0], condition))
    of = [drawn.all_potassium, drawn.all_magnesium, drawn._drawn.of(tube[2].analyte), drawn._drawn.of(tube[3].analyte)]
    assert [draws[0].verdict for draws in of] == [potassium, magnesium, calcium, creatinine]


def test_rules_3_another_tube_of_the_same_minute_is_another_tube() -> None:
    """Hemolysis of one tube says nothing of another drawn at the same time. RULES.md 3."""
    hemolyzed, fine = k("5.9", h(0), container="A"), mg("0.9", h(0), container="B")
    drawn = chart(hemolyzed, said(hemolyzed, Condition.HEMOLYZED), fine)
    assert (drawn.potassium[0].verdict, drawn.magnesium[0].verdict) == ("suspect", "valid")


def test_rules_3_the_worst_word_counts() -> None:
    """A tube of which hemolysis and a clot are told is clotted; gross hemolysis outweighs hemolysis. RULES.md 3."""
    tube = k("5.9", h(0))
    assert verdicts(tube, said(tube, Condition.HEMOLYZED), said(tube, Condition.CLOTTED)) == ["invalid"]
    assert verdicts(tube, said(tube, Condition.HEMOLYZED), said(tube, Condition.GROSSLY_HEMOLYZED)) == ["invalid"]


def test_rules_3_a_correction_takes_back_what_was_said() -> None:
    """A newer version that no longer tells of hemolysis makes the result valid. RULES.md 3."""
    first = k("5.9", h(0), order="A", resulted=h(1))
    again = k("5.9", h(0), order="A", resulted=h(2), status="C")
    assert verdicts(first, said(first, Condition.HEMOLYZED)) == ["suspect"]
    drawn = chart(again, now=h(3))
    assert [draw.verdict for draw in drawn.potassium] == ["valid"]


@pytest.mark.parametrize(
    ("potassium", "calcium", "magnesium", "verdict"),
    [
        ("5.99", "1.89", "0.59", "valid"),
        ("6.0", "1.89", "0.59", "suspect"),
        ("6.01", "1.89", "0.59", "suspect"),
        ("6.0", "1.90", "0.59", "valid"),
        ("6.0", "1.91", "0.59", "valid"),
        ("6.0", "1.89", "0.60", "valid"),
        ("6.0", "1.89", "0.61", "valid"),
        ("6.0", "1.69", None, "suspect"),
        ("6.0", "1.70", None, "valid"),
        ("6.0", "1.71", None, "valid"),
        ("6.0", None, "0.30", "valid"),
        ("6.0", None, None, "valid"),
    ],
)
def test_rules_3_the_edta_pattern(potassium: str, calcium: str | None, magnesium: str | None, verdict: str) -> None:
    """K >= 6.0, Ca < 1.9, Mg < 0.6; without a magnesium Ca < 1.7; without a calcium no pattern. RULES.md 3."""
    facts: list[Fact] = [k(potassium, h(0))]
    facts += [ca(calcium, h(0))] if calcium else []
    facts += [mg(magnesium, h(0))] if magnesium else []
    drawn = chart(*facts)
    touched = [*drawn.potassium, *drawn.calcium, *drawn.magnesium]
    assert {draw.verdict for draw in touched} == {verdict}


def test_rules_3_the_edta_pattern_is_of_one_specimen() -> None:
    """A calcium drawn a minute later makes no pattern; a clotted one neither. RULES.md 3."""
    assert verdicts(k("6.5", h(0)), ca("1.0", h(0) + MINUTE)) == ["valid"]
    clotted = ca("1.0", h(0))
    assert verdicts(k("6.5", h(0)), clotted, said(clotted, Condition.CLOTTED)) == ["valid"]
    gone = k("6.5", h(0))
    drawn = chart(gone, said(gone, Condition.GROSSLY_HEMOLYZED), ca("1.0", h(0)))
    assert [draw.verdict for draw in (*drawn.all_potassium, *drawn.calcium)] == ["invalid", "valid"]


def test_rules_3_of_two_equal_versions_the_one_with_a_remark_stands() -> None:
    """Sent twice in one millisecond, once as clotted: clotted, whichever came first. RULES.md 2, 3, ADR 8.23."""
    potassium = k("6.6", h(0))
    remarked = (potassium, said(potassium, Condition.CLOTTED))
    for first, second in ((remarked, (potassium,)), ((potassium,), remarked)):
        play = Play()
        play.tell(*first, at=h(1))
        play.tell(*second, at=h(1))
        assert play.chart is not None
        assert [draw.verdict for draw in play.chart.all_potassium] == ["invalid"]


def test_rules_3_a_clotted_magnesium_is_none() -> None:
    """A magnesium that does not count leaves the pattern to the calcium alone. RULES.md 3."""
    clotted = mg("0.3", h(0))
    assert verdicts(k("6.0", h(0)), ca("1.75", h(0)), clotted, said(clotted, Condition.CLOTTED)) == ["valid"]
    assert verdicts(k("6.0", h(0)), ca("1.75", h(0)), mg("0.3", h(0))) == ["suspect"]


def test_rules_3_hemolysis_and_the_pattern_together() -> None:
    """A hemolyzed potassium in an EDTA pattern stays hemolyzed; its calcium is suspect. RULES.md 3."""
    hemolyzed = k("6.5", h(0))
    drawn = chart(hemolyzed, said(hemolyzed, Condition.HEMOLYZED), ca("1.0", h(0)))
    assert [(draw.verdict, draw.why) for draw in (*drawn.potassium, *drawn.calcium)] == [
        ("suspect", "hemolysis"),
        ("suspect", "edta"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "apart", "verdict"),
    [
        ("4.0", "6.49", 3 * HOUR, "valid"),
        ("4.0", "6.5", 3 * HOUR, "suspect"),
        ("4.0", "6.51", 3 * HOUR, "suspect"),
        ("4.0", "6.5", 3 * HOUR - 1, "suspect"),
        ("4.0", "6.5", 3 * HOUR + 1, "valid"),
        ("6.5", "4.0", 3 * HOUR, "suspect"),
        ("6.5", "4.01", 3 * HOUR, "valid"),
    ],
)
def test_rules_3_a_jump(before: str, after: str, apart: Instant, verdict: str) -> None:
    """A potassium that differs by 2.5 or more from the previous valid one of the last 3 h is suspect. RULES.md 3."""
    assert verdicts(k(before, h(0)), k(after, h(0) + apart))[-1] == verdict


@pytest.mark.parametrize(
    ("between", "verdict"), [("5.49", "suspect"), ("5.5", "confirmed"), ("5.6", "confirmed"), ("7.6", "suspect")]
)
def test_rules_3_a_jump_that_a_neighbour_agrees_with(between: str, verdict: str) -> None:
    """A usable one drawn between, within 1.0, speaks for the jump; it may itself be hemolyzed. RULES.md 3."""
    hemolyzed = k(between, h(1))
    facts = (k("4.0", h(0)), hemolyzed, said(hemolyzed, Condition.GROSSLY_HEMOLYZED), k("6.5", h(2)))
    expected = "valid" if verdict == "confirmed" else "suspect"
    assert verdicts(*facts)[-1] == expected


def test_rules_3_a_jump_is_from_the_previous_valid_one() -> None:
    """A suspect one between is passed over: 4.0, (7.4), 4.1 has one jump. RULES.md 3."""
    assert verdicts(k("4.0", h(0)), k("7.4", h(1)), k("4.1", h(2))) == ["valid", "suspect", "valid"]


@pytest.mark.parametrize(
    ("first", "second", "apart", "verdict"),
    [
        ("5.5", "5.5", 30 * MINUTE, "confirmed"),
        ("5.5", "5.5", 30 * MINUTE - 1, "suspect"),
        ("5.5", "5.5", 30 * MINUTE + 1, "confirmed"),
        ("5.5", "5.5", 24 * HOUR, "confirmed"),
        ("5.5", "5.5", 24 * HOUR + 1, "suspect"),
        ("5.5", "5.49", HOUR, "suspect"),
        ("5.49", "5.5", HOUR, "suspect"),
        ("5.5", "6.49", HOUR, "confirmed"),
        ("5.5", "6.5", HOUR, "suspect"),
        ("6.5", "5.5", HOUR, "suspect"),
    ],
)
def test_rules_3_two_suspect_ones_confirm_each_other(first: str, second: str, apart: Instant, verdict: str) -> None:
    """Two >= 5.5, less than 1.0 and 30 min to 24 h apart: the later counts as valid, the first not. RULES.md 3."""
    one, two = k(first, h(0)), k(second, h(0) + apart)
    found = verdicts(one, said(one, Condition.HEMOLYZED), two, said(two, Condition.HEMOLYZED))
    assert found == ["suspect", verdict]


def test_rules_3_a_confirmed_one_confirms_the_next_and_any_earlier_will_do() -> None:
    """The third is confirmed by the second, or by the first alone. RULES.md 3."""

    def three(*values: str) -> list[str]:
        tubes = [k(value, h(n)) for n, value in enumerate(values)]
        return verdicts(*tubes, *(said(tube, Condition.HEMOLYZED) for tube in tubes))

    assert three("5.6", "6.2", "6.9") == ["suspect", "confirmed", "confirmed"]
    assert three("5.6", "7.2", "5.7") == ["suspect", "suspect", "confirmed"]


def test_rules_3_a_clotted_one_confirms_nothing() -> None:
    """An invalid potassium is not suspect: it confirms none. RULES.md 3."""
    one, two = k("6.0", h(0)), k("6.0", h(1))
    assert verdicts(one, said(one, Condition.CLOTTED), two, said(two, Condition.HEMOLYZED)) == ["invalid", "suspect"]


def test_rules_3_a_confirmed_edta_pattern_believes_its_calcium_and_magnesium() -> None:
    """After a second EDTA pattern its calcium and magnesium count as valid too: tumour lysis. RULES.md 3."""
    facts = [fact for t in (0, 1) for fact in (k("7.0", h(t)), ca("1.5", h(t)), mg("0.4", h(t)))]
    drawn = chart(*facts)
    for draws in (drawn.potassium, drawn.calcium, drawn.magnesium):
        assert [(draw.verdict, draw.valid) for draw in draws] == [("suspect", False), ("suspect", True)]


def test_rules_3_a_hemolyzed_magnesium_stays_suspect_in_a_confirmed_pattern() -> None:
    """What the pattern did not make suspect, its confirmation does not believe. RULES.md 3."""
    hemolyzed = mg("0.4", h(1))
    first, second = (k("7.0", h(0)), ca("1.5", h(0))), (k("7.0", h(1)), ca("1.5", h(1)))
    drawn = chart(*first, *second, hemolyzed, said(hemolyzed, Condition.HEMOLYZED))
    assert [draw.valid for draw in drawn.magnesium] == [False]


def test_rules_3_a_verdict_may_change_when_another_result_of_the_specimen_arrives() -> None:
    """A potassium is valid until the calcium of its specimen shows the pattern. RULES.md 3."""
    assert verdicts(k("6.5", h(0))) == ["valid"]
    assert verdicts(k("6.5", h(0)), ca("1.2", h(0))) == ["suspect"]
    assert repr(chart(k("6.5", h(0))).potassium[0]) == f"Draw(potassium 6.5 at {h(0)}, valid)"
