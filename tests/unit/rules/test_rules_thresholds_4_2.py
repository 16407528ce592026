"""
RULES.md 4.2, sentence by sentence: each value below, at and above; each window a millisecond before, at and after.

The ladders themselves stand, in every unit, in `test_rules_thresholds_1_units.py`.
"""

import pytest

from rules.alert import Rule
from rules.events import DAY, Drug, Instant
from tests.unit.rules.builders import Fact, adt, ca, crea, dose, egfr, given, h, hemolyzed, infusion, k, mg
from tests.unit.rules.edges import CRITICAL, HIGH, WARNING, ending, lived, moments, standing, values

RULE, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN
Finding = str | None

WELL, IMPAIRED = (egfr("90", h(-1)),), (egfr("29", h(-1)),)
OBSTETRIC, OBSTETRIC_IMPAIRED = (adt("A01", diagnoses=["O14"]), *WELL), (adt("A01", diagnoses=["O14"]), *IMPAIRED)


def told(*facts: Fact) -> str:
    """Return what an alert says of the exposure: its consideration on doses, and its summary."""
    (raised,) = [one for one in lived(*facts).seen if one.rule is RULE]
    return " | ".join((raised.summary, *raised.considerations))


# Exposures and their ends


@pytest.mark.parametrize(("start", "grams"), moments(h(7), ("4 g", "2 g", "2 g"), "6 h after the end"))
def test_rules_4_2_doses_less_than_6_h_apart(start: Instant, grams: str) -> None:
    """Less than 6 h from the end of the first to the start of the next. RULES.md 4.2."""
    facts = (*WELL, infusion(h(0), h(1), grams="2"), dose(start, "2"), mg("2.6", h(8)))
    assert f"{grams} recorded" in told(*facts)


@pytest.mark.parametrize(("at", "says"), moments(h(29), ("running", "end assumed", "end assumed"), "24 h after RXA-3"))
def test_rules_4_2_an_infusion_runs_24_h_after_its_last_record(at: Instant, says: str) -> None:
    """24 h after the RXA-3 of its last record: the second one, at 5 h. RULES.md 4.2."""
    facts = (*IMPAIRED, infusion(h(0), order="I"), infusion(h(5), order="I"), mg("2.6", at))
    assert says in told(*facts, mg("1.0", h(-2)))


# Which magnesium belongs


@pytest.mark.parametrize(
    ("kidneys", "at", "rule"),
    [
        pytest.param(kidneys, *row.values, id=f"{name}, {row.id}")
        for name, kidneys, hours in (("well", WELL, 24), ("impaired", IMPAIRED, 48), ("unknown", (), 48))
        for row in (
            *moments(h(0), (UNKNOWN, RULE, RULE), "s"),
            *moments(h(1 + hours), (RULE, RULE, UNKNOWN), f"e + {hours} h"),
        )
    ],
)
def test_rules_4_2_which_magnesium_belongs(kidneys: tuple[Fact, ...], at: Instant, rule: Rule) -> None:
    """From s <= observed_at <= e + 24 h (48 h): else it is of no exposure. RULES.md 4.2."""
    facts = (*kidneys, infusion(h(0), h(1)), mg("2.6", at))
    assert {alert.rule for alert in lived(*facts, until=max(at, h(1))).open} - {Rule.MAGNESIUM_MONITORING_GAP} == {rule}


# One step down


@pytest.mark.parametrize(("at", "finding"), moments(h(6), (WARNING, HIGH, HIGH), "6 h of running"))
def test_rules_4_2_one_step_down_before_it_ran_6_h(at: Instant, finding: Finding) -> None:
    """During: less than 6 h at the draw. RULES.md 4.2."""
    assert standing(RULE, *WELL, infusion(h(0), h(9)), mg("2.2", at), until=h(9)) == finding


@pytest.mark.parametrize(("end", "finding"), moments(h(6), (WARNING, HIGH, HIGH), "6 h of running"))
def test_rules_4_2_one_step_down_when_it_had_not_run_6_h(end: Instant, finding: Finding) -> None:
    """Early: less than 6 h at its end. RULES.md 4.2."""
    assert standing(RULE, *WELL, infusion(h(0), end), mg("2.2", h(7))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(6), (WARNING, WARNING, HIGH), "e + 2 h"))
def test_rules_4_2_one_step_down_until_e_and_2_h(at: Instant, finding: Finding) -> None:
    """Early: e..e+2 h. RULES.md 4.2."""
    assert standing(RULE, *WELL, infusion(h(0), h(4)), mg("2.2", at)) == finding


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        *values("1.5", (None, WARNING, WARNING)),
        *values("2.0", (WARNING, WARNING, WARNING)),
        *values("2.5", (WARNING, CRITICAL, CRITICAL)),
    ],
)
def test_rules_4_2_one_step_down_at_least_a_warning_unless_critical(value: str, finding: Finding) -> None:
    """One step down (at least warning), unless critical. RULES.md 4.2."""
    assert standing(RULE, *WELL, infusion(h(0), h(4)), mg(value, h(3)), until=h(4)) == finding


@pytest.mark.parametrize(("value", "says"), values("2.9", (False, False, True)))
def test_rules_4_2_more_than_the_recorded_dose_explains(value: str, says: bool) -> None:
    """More than 0.5 mmol/L per gram: 4 g explain 0.9 to 2.9. RULES.md 4.2."""
    text = told(*WELL, mg("0.9", h(-1)), dose(h(0), "4"), mg(value, h(3)))
    assert text.startswith("More than the recorded dose explains") is says
    assert ("more than the recorded dose explains: a contaminated draw or a dosing error" in text) is says


# One step up


@pytest.mark.parametrize(("first", "finding"), moments(h(4), (WARNING, WARNING, HIGH), "e + 4 h"))
def test_rules_4_2_accumulation_after_e_and_4_h(first: Instant, finding: Finding) -> None:
    """Two valid results after e + 4 h. RULES.md 4.2; ADR 8, reading 9."""
    assert standing(RULE, *WELL, dose(h(0)), mg("1.60", first), mg("1.80", h(7))) == finding


@pytest.mark.parametrize(("second", "finding"), moments(h(7), (WARNING, HIGH, HIGH), "2 h apart"))
def test_rules_4_2_accumulation_2_h_apart(second: Instant, finding: Finding) -> None:
    """>= 2 h apart. RULES.md 4.2."""
    assert standing(RULE, *WELL, dose(h(0)), mg("1.60", h(5)), mg("1.80", second)) == finding


@pytest.mark.parametrize(("later", "finding"), values("1.70", (WARNING, HIGH, HIGH)))
def test_rules_4_2_accumulation_of_a_tenth(later: str, finding: Finding) -> None:
    """The later >= 0.1 mmol/L higher. RULES.md 4.2."""
    assert standing(RULE, *WELL, dose(h(0)), mg("1.60", h(5)), mg(later, h(7))) == finding


@pytest.mark.parametrize(("later", "finding"), values("1.50", (None, HIGH, HIGH)))
def test_rules_4_2_a_step_up_only_from_a_warning(later: str, finding: Finding) -> None:
    """Only from a warning upwards. RULES.md 4.2."""
    assert standing(RULE, *WELL, dose(h(0)), mg("1.30", h(5)), mg(later, h(7)), k("6.1", h(6.5))) == finding


@pytest.mark.parametrize(("value", "finding"), values("6.0", (WARNING, HIGH, HIGH)))
@pytest.mark.parametrize(("rule", "before"), [(RULE, (dose(h(0)),)), (UNKNOWN, (mg("1.0", h(-9)),))], ids=str)
def test_rules_4_2_a_step_up_by_potassium(rule: Rule, before: tuple[Fact, ...], value: str, finding: Finding) -> None:
    """A valid K >= 6.0; the same step up by K without an exposure. RULES.md 4.2."""
    assert standing(rule, *WELL, *before, k(value, h(9)), mg("1.6", h(9))) == finding


@pytest.mark.parametrize(("value", "finding"), values("1.9", (HIGH, WARNING, WARNING)))
@pytest.mark.parametrize(("rule", "before"), [(RULE, (dose(h(0)),)), (UNKNOWN, (mg("1.0", h(-9)),))], ids=str)
def test_rules_4_2_a_step_up_by_calcium(rule: Rule, before: tuple[Fact, ...], value: str, finding: Finding) -> None:
    """Valid total Ca < 1.9; the same without an exposure. RULES.md 4.2."""
    assert standing(rule, *WELL, *before, ca(value, h(9)), mg("1.6", h(9))) == finding


@pytest.mark.parametrize(
    ("at", "finding"),
    [*moments(h(3), (WARNING, HIGH, HIGH), "6 h before"), *moments(h(15), (HIGH, HIGH, WARNING), "6 h after")],
)
@pytest.mark.parametrize("what", ["potassium", "calcium"])
def test_rules_4_2_a_step_up_within_6_h(what: str, at: Instant, finding: Finding) -> None:
    """Within 6 h of the triggering Mg. RULES.md 4.2."""
    beside = k("6.1", at) if what == "potassium" else ca("1.8", at)
    assert standing(RULE, *WELL, dose(h(0)), mg("1.6", h(9)), beside) == finding
    if what == "potassium":
        assert standing(RULE, *WELL, dose(h(0)), mg("1.6", h(9)), *hemolyzed(k("6.1", at))) == WARNING


# Ends

CLEARED = "resolved magnesium_cleared"


@pytest.mark.parametrize(
    ("profile", "high", "value", "end"),
    [
        pytest.param(profile, high, *row.values, id=f"{name}, {row.id}")
        for name, profile, high, figure in (
            ("general", WELL, "2.6", "1.3"),
            ("renal", IMPAIRED, "2.6", "1.05"),
            ("obstetric", OBSTETRIC, "4.1", "3.3"),
            ("obstetric renal", OBSTETRIC_IMPAIRED, "4.1", "2.8"),
        )
        for row in values(figure, (CLEARED, None, None))
    ],
)
def test_rules_4_2_clears_below_warning_less_0_2(
    profile: tuple[Fact, ...], high: str, value: str, end: Finding
) -> None:
    """< warning - 0.2 mmol/L, by the ladder of the profile. RULES.md 4.2."""
    assert ending(RULE, *profile, dose(h(0)), mg(high, h(3)), mg(value, h(5))) == end


@pytest.mark.parametrize(("at", "end"), moments(h(6), (None, None, CLEARED), "e + 2 h"))
def test_rules_4_2_clears_in_the_post_phase(at: Instant, end: Finding) -> None:
    """A valid post-phase Mg. RULES.md 4.2."""
    assert ending(RULE, *WELL, infusion(h(0), h(4)), mg("2.6", h(4.5)), mg("1.0", at)) == end


@pytest.mark.parametrize(("at", "end"), moments(h(25), (CLEARED, CLEARED, None), "e + 24 h"))
def test_rules_4_2_clears_by_what_belongs_to_it(at: Instant, end: Finding) -> None:
    """A magnesium of no exposure ends nothing. RULES.md 4.2."""
    assert ending(RULE, *WELL, infusion(h(0), h(1)), mg("2.6", h(4.5)), mg("1.0", at)) == end


@pytest.mark.parametrize(("at", "end"), moments(h(51), (None, *["closed expired"] * 2), "48 h after the last"))
def test_rules_4_2_expires_after_48_h(at: Instant, end: Finding) -> None:
    """48 h after the last Mg that belongs to it and not running. RULES.md 4.2."""
    assert ending(RULE, *WELL, dose(h(0)), mg("2.6", h(3)), until=at) == end


@pytest.mark.parametrize(("at", "end"), moments(h(54), (None, *["closed expired"] * 2), "e, assumed at 24 h"))
def test_rules_4_2_does_not_expire_while_it_runs(at: Instant, end: Finding) -> None:
    """An infusion whose last record came at 30 h runs to 54 h: three hours longer than the silence. RULES.md 4.2."""
    records = [infusion(h(hour), order="I") for hour in (0, 20, 30)]
    assert ending(RULE, *WELL, *records, mg("2.6", h(3)), until=at) == end


# `hypermagnesemia-exposure-unknown`


@pytest.mark.parametrize(("value", "finding"), values("2.0", (None, HIGH, HIGH)))
def test_rules_4_2_unknown_from_2_0(value: str, finding: Finding) -> None:
    """A valid Mg that belongs to no exposure, >= 2.0. RULES.md 4.2."""
    assert standing(UNKNOWN, *WELL, mg(value, h(3))) == finding


@pytest.mark.parametrize(("value", "finding"), values("1.5", (None, WARNING, WARNING)))
def test_rules_4_2_unknown_from_1_5_rising(value: str, finding: Finding) -> None:
    """Or >= 1.5 and >= 0.4 above one of the 24 h before it. RULES.md 4.2."""
    assert standing(UNKNOWN, *WELL, mg("0.9", h(1)), mg(value, h(3))) == finding


@pytest.mark.parametrize(("before", "finding"), values("1.2", (WARNING, WARNING, None)))
def test_rules_4_2_unknown_risen_by_0_4(before: str, finding: Finding) -> None:
    """>= 0.4 above. RULES.md 4.2."""
    assert standing(UNKNOWN, *WELL, mg(before, h(1)), mg("1.6", h(3))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(3) - DAY, (None, WARNING, WARNING), "24 h before"))
def test_rules_4_2_unknown_risen_within_24_h(at: Instant, finding: Finding) -> None:
    """One of the 24 h before it. RULES.md 4.2."""
    assert standing(UNKNOWN, *WELL, mg("0.9", at), mg("1.6", h(3))) == finding


@pytest.mark.parametrize(("value", "end"), values("1.3", (CLEARED, None, None)))
def test_rules_4_2_unknown_ends_below_1_3(value: str, end: Finding) -> None:
    """Ends at a later valid Mg < 1.3. RULES.md 4.2."""
    assert ending(UNKNOWN, *WELL, mg("2.1", h(3)), mg(value, h(5))) == end


@pytest.mark.parametrize(("at", "end"), moments(h(51), (None, *["closed expired"] * 2), "48 h after the last"))
def test_rules_4_2_unknown_expires_after_48_h(at: Instant, end: Finding) -> None:
    """Or 48 h after the last Mg of no exposure. RULES.md 4.2."""
    assert ending(UNKNOWN, *WELL, mg("2.1", h(3)), until=at) == end


def test_rules_4_2_oral_magnesium_is_never_an_exposure() -> None:
    """Oral, enteral and topical never: what was swallowed explains no result. RULES.md 4.2."""
    facts = (*WELL, given(Drug.MAGNESIUM, h(0), grams="4", parenteral=False), mg("2.1", h(3)))
    assert (standing(RULE, *facts), standing(UNKNOWN, *facts)) == (None, HIGH)


@pytest.mark.parametrize(("creatinine", "finding"), values("97", (None, WARNING, WARNING), step="0.1"))
def test_rules_4_2_the_obstetric_ladder_from_a_creatinine_of_97(creatinine: str, finding: Finding) -> None:
    """Obstetric, with creatinine >= 97 umol/L: > 3.0. RULES.md 4.2."""
    facts = (adt("A01", diagnoses=["O14"]), crea(creatinine, h(-1)), dose(h(0)), mg("3.2", h(3)))
    assert standing(RULE, *facts) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(3) - 7 * DAY, (None, WARNING, WARNING), "7 days before now"))
def test_rules_4_2_the_obstetric_ladder_knows_a_creatinine_of_7_days(at: Instant, finding: Finding) -> None:
    """Within 7 days (RULES.md 6), at `now`. RULES.md 4.2."""
    facts = (adt("A01", diagnoses=["O14"]), crea("100", at), dose(h(0)), mg("3.2", h(3)))
    assert standing(RULE, *facts, until=h(3)) == finding
