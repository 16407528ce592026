"""RULES.md 5, after magnesium: the gap, the calcium, and the doubtful potassium; each value and window at its edge."""

import pytest

from rules.alert import Rule
from rules.events import HOUR, Condition, Instant
from tests.unit.rules.builders import Fact, Play, ca, dialysis, dose, egfr, h, hemolyzed, ica, infusion, k, mg, said
from tests.unit.rules.edges import CRITICAL, HIGH, WARNING, ending, lived, moments, standing, values

GAP, CALCIUM, SPURIOUS = Rule.MAGNESIUM_MONITORING_GAP, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM, Rule.SPURIOUS_POTASSIUM
Finding = str | None
WELL, IMPAIRED = (egfr("90", h(-1)),), (egfr("29", h(-1)),)
EXPIRED = (None, "closed expired", "closed expired")


# magnesium-monitoring-gap


@pytest.mark.parametrize(
    ("kidneys", "grams", "finding"),
    [
        *(pytest.param((), *row.values, id=f"unknown, {row.id}") for row in values("4", (None, WARNING, WARNING))),
        *(
            pytest.param(IMPAIRED, *row.values, id=f"impaired, {row.id}")
            for row in values("2", (None, WARNING, WARNING))
        ),
        *(pytest.param(IMPAIRED, *row.values, id=f"impaired, {row.id}") for row in values("4", (WARNING, HIGH, HIGH))),
        *(pytest.param(WELL, *row.values, id=f"well, {row.id}") for row in values("4", (None, None, None))),
    ],
)
def test_rules_5_gap_grams(kidneys: tuple[Fact, ...], grams: str, finding: Finding) -> None:
    """>= 4 g (>= 2 g when impaired); high when impaired and >= 4 g; never with kidneys that are well. RULES.md 5."""
    assert standing(GAP, *kidneys, dose(h(0), grams), until=h(12)) == finding


@pytest.mark.parametrize(
    ("kidneys", "end", "finding"),
    [
        *(pytest.param((), *row.values, id=f"unknown, {row.id}") for row in moments(h(6), (None, WARNING, WARNING))),
        *(pytest.param(IMPAIRED, *row.values, id=f"impaired, {row.id}") for row in moments(h(6), (None, HIGH, HIGH))),
    ],
)
def test_rules_5_gap_ran_for_6_h(kidneys: tuple[Fact, ...], end: Instant, finding: Finding) -> None:
    """That ran for >= 6 h. RULES.md 5."""
    assert standing(GAP, *kidneys, infusion(h(0), end), until=h(18.5)) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(6), (None, WARNING, WARNING), "s + 6 h"))
def test_rules_5_gap_timer_of_a_running_infusion(at: Instant, finding: Finding) -> None:
    """Timer: running, at s + 6 h. RULES.md 5."""
    assert standing(GAP, infusion(h(0)), until=at) == finding
    assert standing(GAP, infusion(h(0), grams="9"), until=at) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(17), (None, WARNING, WARNING), "e + 12 h"))
def test_rules_5_gap_timer_after_the_end(at: Instant, finding: Finding) -> None:
    """Else at e + 12 h: an infusion of 5 g until 5 h. RULES.md 5."""
    assert standing(GAP, infusion(h(0), h(5), grams="5"), until=at) == finding


@pytest.mark.parametrize("analyte", ["magnesium", "potassium"])
@pytest.mark.parametrize(
    ("end", "at", "finding"),
    [
        *(
            pytest.param(h(9), *row.values, id=f"infusion of 9 h: {row.id}")
            for row in moments(h(2), (WARNING, None, None), "s + 2 h")
        ),
        *(
            pytest.param(h(1), *row.values, id=f"infusion of 1 h: {row.id}")
            for row in moments(h(1), (WARNING, None, None), "e")
        ),
    ],
)
def test_rules_5_gap_measured_from_s_and_2_h(analyte: str, end: Instant, at: Instant, finding: Finding) -> None:
    """No counted Mg, or K, drawn at or after s + 2 h (or e, when that is earlier). RULES.md 5."""
    drawn = (mg("1.0", at), k("4.0", h(3))) if analyte == "magnesium" else (k("4.0", at), mg("1.0", h(3)))
    assert standing(GAP, infusion(h(0), end, grams="9"), *drawn, until=end + 12 * HOUR) == finding


@pytest.mark.parametrize(("drawn", "finding"), [("magnesium", WARNING), ("potassium", HIGH)])
def test_rules_5_gap_is_high_for_a_missing_magnesium(drawn: str, finding: Finding) -> None:
    """High when impaired, the magnesium is what is missing. RULES.md 5."""
    known = mg("1.0", h(3)) if drawn == "magnesium" else k("4.0", h(3))
    assert standing(GAP, *IMPAIRED, dose(h(0), "4"), known, until=h(12)) == finding


@pytest.mark.parametrize(("at", "end"), moments(h(29), EXPIRED, "e + 24 h"))
def test_rules_5_gap_expires(at: Instant, end: Finding) -> None:
    """After e + 24 h `expired`. RULES.md 5."""
    assert ending(GAP, infusion(h(0), h(5), grams="5"), until=at) == end


# hypocalcemia-after-magnesium


@pytest.mark.parametrize(
    ("value", "finding"),
    [*values("1.9", (WARNING, None, None)), *values("1.65", (CRITICAL, WARNING, WARNING))],
)
def test_rules_5_calcium_total(value: str, finding: Finding) -> None:
    """Valid total Ca < 1.9; critical < 1.65. RULES.md 5."""
    assert standing(CALCIUM, dose(h(0), "1"), ca(value, h(1))) == finding


@pytest.mark.parametrize(
    ("value", "finding"),
    [*values("1.0", (WARNING, None, None)), *values("0.8", (CRITICAL, WARNING, WARNING))],
)
def test_rules_5_calcium_ionized(value: str, finding: Finding) -> None:
    """Or ionized < 1.0 mmol/L; critical < 0.8. RULES.md 5."""
    assert standing(CALCIUM, dose(h(0), "1"), ica(value, h(1))) == finding


@pytest.mark.parametrize("make", [ca, ica], ids=["total", "ionized"])
@pytest.mark.parametrize(
    ("at", "finding"),
    [*moments(h(0), (None, WARNING, WARNING), "s"), *moments(h(26), (WARNING, WARNING, None), "e + 24 h")],
)
def test_rules_5_calcium_window(make: object, at: Instant, finding: Finding) -> None:
    """Observed in s..e+24 h. RULES.md 5."""
    low = ca("1.8", at) if make is ca else ica("0.9", at)
    assert standing(CALCIUM, infusion(h(0), h(2)), low, until=max(at, h(2))) == finding


@pytest.mark.parametrize(("value", "finding"), values("1.85", (WARNING, WARNING, None)))
def test_rules_5_calcium_fallen_by_0_2(value: str, finding: Finding) -> None:
    """At least 0.2 below the last valid one of the 72 h before s. RULES.md 5."""
    assert standing(CALCIUM, ca("2.05", h(-1)), dose(h(0), "1"), ca(value, h(1))) == finding


@pytest.mark.parametrize(("value", "finding"), values("0.96", (WARNING, WARNING, None), step="0.001"))
def test_rules_5_calcium_ionized_fallen_by_0_09(value: str, finding: Finding) -> None:
    """Ionized 0.09. RULES.md 5."""
    assert standing(CALCIUM, ica("1.05", h(-1)), dose(h(0), "1"), ica(value, h(1))) == finding


@pytest.mark.parametrize(
    ("at", "finding"),
    [*moments(h(-72), (WARNING, None, None), "72 h before s"), *moments(h(0), (None, WARNING, WARNING), "s")],
)
def test_rules_5_calcium_baseline(at: Instant, finding: Finding) -> None:
    """The last valid one of the 72 h before s, where one is known: 1.92 before, 1.8 is no fall. RULES.md 5."""
    assert standing(CALCIUM, ca("1.92", at), dose(h(0), "1"), ca("1.8", h(1))) == finding


@pytest.mark.parametrize(("value", "finding"), values("1.0", (WARNING, None, None)))
def test_rules_5_calcium_an_ionized_one_speaks_against_a_total(value: str, finding: Finding) -> None:
    """A total calcium with a valid ionized one >= 1.0 does not fire (an ionized 0.99 fires itself). RULES.md 5."""
    play = lived(dose(h(0), "1"), ica(value, h(1)), ca("1.8", h(2)))
    assert [a.severity.label for a in play.open if a.subject == "calcium"] == ([finding] if finding else [])


@pytest.mark.parametrize(
    ("at", "finding"),
    [
        *moments(h(2), (WARNING, None, None), "4 h before"),
        *moments(h(10), (None, None, WARNING), "4 h after"),
    ],
)
def test_rules_5_calcium_an_ionized_one_within_4_h(at: Instant, finding: Finding) -> None:
    """Within 4 h of it: told with it, whichever was drawn first. RULES.md 5."""
    play = Play()
    play.tell(dose(h(0), "1"))
    play.tell(ca("1.8", h(6)), ica("1.1", at), at=h(11))
    found = [alert.severity.label for alert in play.open if alert.rule is CALCIUM]
    assert found == ([finding] if finding else [])


@pytest.mark.parametrize(("value", "finding"), values("1.25", (WARNING, CRITICAL, CRITICAL)))
def test_rules_5_calcium_critical_unless_the_magnesium_is_below_1_25(value: str, finding: Finding) -> None:
    """Critical < 1.65, unless the exposure's newest Mg is < 1.25. RULES.md 5."""
    assert standing(CALCIUM, *WELL, dose(h(0), "1"), mg(value, h(1)), ca("1.6", h(1))) == finding


@pytest.mark.parametrize(("value", "end"), values("1.9", (None, *["resolved calcium_recovered"] * 2)))
def test_rules_5_calcium_recovers_at_the_limit(value: str, end: Finding) -> None:
    """The same analyte valid and back at or above the limit. RULES.md 5."""
    assert ending(CALCIUM, dose(h(0), "1"), ca("1.8", h(1)), ca(value, h(2))) == end


@pytest.mark.parametrize(("value", "end"), values("1.0", (None, *["resolved calcium_recovered"] * 2)))
def test_rules_5_calcium_ionized_recovers_at_the_limit(value: str, end: Finding) -> None:
    """Ionized at 1.0. RULES.md 5."""
    assert ending(CALCIUM, dose(h(0), "1"), ica("0.9", h(1)), ica(value, h(2))) == end


@pytest.mark.parametrize(("at", "end"), moments(h(49), EXPIRED, "48 h without Ca"))
def test_rules_5_calcium_expires(at: Instant, end: Finding) -> None:
    """48 h without Ca. RULES.md 5."""
    assert ending(CALCIUM, dose(h(0), "1"), ca("1.8", h(1)), until=at) == end


@pytest.mark.parametrize(("value", "says"), values("0.5", (True, False, False)))
def test_rules_5_calcium_that_may_be_post_filter(value: str, says: bool) -> None:
    """During continuous dialysis an ionized one < 0.5 may be a post-filter sample: the text says so. RULES.md 5."""
    play = Play()
    play.tell(dialysis(h(-1), h(5), continuous=True), dose(h(0), "1"), at=h(0))
    play.tell(ica(value, h(1)))
    (raised,) = [one for one in play.seen if one.rule is CALCIUM]
    assert ("during continuous dialysis this may be a post-filter sample" in raised.considerations) is says


# spurious-potassium


@pytest.mark.parametrize(("value", "finding"), values("5.5", (None, "information", "information")))
@pytest.mark.parametrize("condition", [Condition.HEMOLYZED, Condition.GROSSLY_HEMOLYZED, Condition.CLOTTED], ids=str)
def test_rules_5_spurious_from_5_5(condition: Condition, value: str, finding: Finding) -> None:
    """A suspect or invalid K >= 5.5. RULES.md 5."""
    tube = k(value, h(0))
    assert standing(SPURIOUS, tube, said(tube, condition)) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(0), ("information", None, None), "the draw"))
def test_rules_5_spurious_unless_a_later_specimen_is_known(at: Instant, finding: Finding) -> None:
    """Unless a valid K of a later specimen is known (of two tubes of one specimen the valid one speaks). RULES.md 5."""
    play, tube = Play(), k("6.0", h(0), order="A")
    play.tell(tube, said(tube, Condition.CLOTTED), k("4.0", at, order="B"), at=h(1))
    assert [alert.severity.label for alert in play.open if alert.rule is SPURIOUS] == ([finding] if finding else [])


@pytest.mark.parametrize(("at", "end"), moments(h(24), EXPIRED, "24 h"))
def test_rules_5_spurious_expires(at: Instant, end: Finding) -> None:
    """24 h. RULES.md 5."""
    assert ending(SPURIOUS, *hemolyzed(k("6.0", h(0))), until=at) == end
