"""
RULES.md 5, potassium with magnesium: each value below, at and above; each window a millisecond before, at and after.

What a laboratory writes in other units stands in `test_rules_thresholds_1_units.py`.
"""

import pytest

from rules.alert import Rule
from rules.events import DAY, MINUTE, Instant
from tests.unit.rules.builders import Fact, adt, dig, dose, egfr, h, hemolyzed, infusion, k, mg, ordered
from tests.unit.rules.edges import CRITICAL, HIGH, WARNING, ending, moments, standing, values

LOW, AFTER, HYPO = Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM, Rule.REFRACTORY_HYPOKALEMIA
Finding = str | None
WELL, IMPAIRED = (egfr("90", h(-1)),), (egfr("29", h(-1)),)
EXPIRED = (None, "closed expired", "closed expired")


# hyperkalemia-low-magnesium


@pytest.mark.parametrize(
    ("value", "finding"),
    [*values("6.0", (None, WARNING, WARNING)), *values("6.5", (WARNING, CRITICAL, CRITICAL))],
)
def test_rules_5_low_magnesium_a_potassium_that_is_not_refractory(value: str, finding: Finding) -> None:
    """Valid and >= 6.0; a trigger < 6.5 that is not refractory, with Mg >= 0.50: a warning. RULES.md 5."""
    assert standing(LOW, mg("0.6", h(0)), k(value, h(1))) == finding
    assert standing(LOW, mg("0.6", h(0)), dig("3", h(0)), k(value, h(1))) == finding, "whatever the steps"


@pytest.mark.parametrize(("value", "finding"), values("5.5", (None, WARNING, WARNING)))
def test_rules_5_low_magnesium_a_refractory_potassium(value: str, finding: Finding) -> None:
    """The newest K of the episode that is refractory, from 5.5. RULES.md 5."""
    assert standing(LOW, mg("0.6", h(0)), k("5.6", h(1)), k(value, h(3))) == finding


@pytest.mark.parametrize(("value", "finding"), values("0.695", (WARNING, None, None), step="0.001"))
def test_rules_5_low_magnesium_below_0_695(value: str, finding: Finding) -> None:
    """The newest recent Mg is < 0.695 mmol/L. RULES.md 5."""
    assert standing(LOW, mg(value, h(0)), k("6.2", h(1))) == finding


@pytest.mark.parametrize(("value", "finding"), values("0.50", (CRITICAL, WARNING, WARNING)))
def test_rules_5_low_magnesium_below_0_50_is_a_step(value: str, finding: Finding) -> None:
    """One step up when Mg < 0.50: 6.2 is high, and critical then. RULES.md 5."""
    assert standing(LOW, mg(value, h(0)), k("6.2", h(1))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(1) - DAY, (None, WARNING, WARNING), "24 h before"))
def test_rules_5_low_magnesium_is_recent(at: Instant, finding: Finding) -> None:
    """The newest *recent* Mg: of the 24 h before the potassium. RULES.md 5, 4.1."""
    assert standing(LOW, mg("0.6", at), k("6.2", h(1))) == finding


@pytest.mark.parametrize(("value", "end"), values("0.695", (None, *["resolved magnesium_recovered"] * 2), step="0.001"))
def test_rules_5_low_magnesium_recovers_at_0_695(value: str, end: Finding) -> None:
    """Valid Mg >= 0.695 `magnesium_recovered`. RULES.md 5."""
    assert ending(LOW, mg("0.6", h(0)), k("6.2", h(1)), mg(value, h(2))) == end


@pytest.mark.parametrize(("value", "end"), values("5.2", ("resolved potassium_cleared", None, None)))
def test_rules_5_low_magnesium_clears_below_5_2(value: str, end: Finding) -> None:
    """`potassium_cleared`: the episode's end. RULES.md 5."""
    assert ending(LOW, mg("0.6", h(0)), k("6.2", h(1)), k(value, h(2))) == end


@pytest.mark.parametrize(("at", "end"), moments(h(49), EXPIRED, "48 h of silence"))
def test_rules_5_low_magnesium_expires(at: Instant, end: Finding) -> None:
    """Silence. RULES.md 5."""
    assert ending(LOW, mg("0.6", h(0)), k("6.2", h(1)), until=at) == end


# hyperkalemia-after-magnesium


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        *values("5.5", (None, WARNING, WARNING)),
        *values("6.0", (WARNING, HIGH, HIGH)),
        *values("6.5", (HIGH, CRITICAL, CRITICAL)),
    ],
)
def test_rules_5_after_magnesium_severity(value: str, finding: Finding) -> None:
    """A valid K >= 5.5; high >= 6.0; critical >= 6.5. RULES.md 5."""
    assert standing(AFTER, k("4.4", h(-1)), dose(h(0), "1"), k(value, h(1))) == finding


@pytest.mark.parametrize(("before", "finding"), values("5.1", (WARNING, WARNING, None)))
def test_rules_5_after_magnesium_risen_by_half(before: str, finding: Finding) -> None:
    """>= 0.5 above the last counted K before s. RULES.md 5."""
    assert standing(AFTER, k(before, h(-1)), dose(h(0), "1"), k("5.6", h(1))) == finding


@pytest.mark.parametrize(
    ("at", "finding"),
    [
        *moments(h(0), (None, WARNING, WARNING), "s"),
        *moments(h(26), (WARNING, WARNING, None), "e + 24 h"),
    ],
)
def test_rules_5_after_magnesium_window(at: Instant, finding: Finding) -> None:
    """Observed in s..e+24 h, of an infusion from 0 to 2 h. RULES.md 5."""
    facts = (k("4.4", h(-1)), infusion(h(0), h(2)), k("5.6", at))
    assert standing(AFTER, *facts, until=max(at, h(2))) == finding


@pytest.mark.parametrize(
    ("at", "finding"),
    [
        *moments(h(-72), (None, WARNING, WARNING), "72 h before s"),
        *moments(h(0), (WARNING, None, None), "s"),
    ],
)
def test_rules_5_after_magnesium_baseline(at: Instant, finding: Finding) -> None:
    """The last counted K of the 72 h before s. RULES.md 5."""
    assert standing(AFTER, k("4.4", at), dose(h(0), "1"), k("5.6", h(1))) == finding


@pytest.mark.parametrize(
    ("profile", "value", "finding"),
    [
        pytest.param(profile, *row.values, id=f"{name}, {row.id}")
        for name, profile, figure, findings in (
            ("general", WELL, "2.0", (WARNING, HIGH, HIGH)),
            ("renal", IMPAIRED, "1.5", (WARNING, HIGH, HIGH)),
            ("obstetric", (adt("A01", diagnoses=["O14"]), *WELL), "4.0", (WARNING, HIGH, HIGH)),
            ("obstetric renal", (adt("A01", diagnoses=["O14"]), *IMPAIRED), "3.5", (WARNING, WARNING, HIGH)),
        )
        for row in values(figure, findings)
    ],
)
def test_rules_5_after_magnesium_high_by_magnesium(profile: tuple[Fact, ...], value: str, finding: Finding) -> None:
    """Or a valid Mg of the exposure at its profile's high. RULES.md 5."""
    facts = (*profile, k("4.4", h(-1)), dose(h(0), "1"), k("5.6", h(1)))
    assert standing(AFTER, *facts, mg(value, h(1))) == finding
    assert standing(AFTER, *facts, *hemolyzed(mg(value, h(1)))) == WARNING, "a valid one"


@pytest.mark.parametrize(("value", "end"), values("5.2", ("resolved potassium_cleared", None, None)))
def test_rules_5_after_magnesium_clears_below_5_2(value: str, end: Finding) -> None:
    """Valid K < 5.2 `potassium_cleared`. RULES.md 5."""
    assert ending(AFTER, k("4.4", h(-1)), dose(h(0), "1"), k("5.6", h(1)), k(value, h(2))) == end


@pytest.mark.parametrize(("at", "end"), moments(h(49), EXPIRED, "48 h without K"))
def test_rules_5_after_magnesium_expires(at: Instant, end: Finding) -> None:
    """48 h without K. RULES.md 5."""
    assert ending(AFTER, k("4.4", h(-1)), dose(h(0), "1"), k("5.6", h(1)), until=at) == end


# refractory-hypokalemia-magnesium


@pytest.mark.parametrize(
    ("at", "finding"),
    [*moments(h(4), (None, WARNING, WARNING)), *moments(h(48), (WARNING, WARNING, None))],
)
def test_rules_5_hypokalemia_4_to_48_h_apart(at: Instant, finding: Finding) -> None:
    """Valid K < 3.5 in any two specimens 4-48 h apart. RULES.md 5."""
    assert standing(HYPO, k("3.2", h(0)), k("3.2", at)) == finding


@pytest.mark.parametrize(("value", "finding"), values("3.5", (WARNING, None, None)))
@pytest.mark.parametrize("which", ["first", "second", "between"])
def test_rules_5_hypokalemia_below_3_5(which: str, value: str, finding: Finding) -> None:
    """K < 3.5, with no valid one >= 3.5 between. RULES.md 5."""
    facts = {
        "first": (k(value, h(0)), k("3.4", h(5))),
        "second": (k("3.4", h(0)), k(value, h(5))),
        "between": (k("3.4", h(0)), k(value, h(2)), k("3.4", h(5))),
    }
    assert standing(HYPO, *facts[which]) == finding


@pytest.mark.parametrize(("value", "finding"), values("3.5", (WARNING, WARNING, WARNING)))
def test_rules_5_hypokalemia_hemolysis_only_raises_potassium(value: str, finding: Finding) -> None:
    """A K < 3.5 that is suspect by hemolysis counts, and a suspect one >= 3.5 ends no run. RULES.md 5."""
    assert standing(HYPO, k("3.4", h(0)), *hemolyzed(k(value, h(2))), k("3.4", h(5))) == finding
    assert standing(HYPO, k("3.4", h(0)), *hemolyzed(k(value, h(5)))) == (WARNING if value < "3.5" else None)


@pytest.mark.parametrize(("value", "finding"), values("3.0", (HIGH, None, None)))
def test_rules_5_hypokalemia_in_one_specimen_with_a_low_magnesium(value: str, finding: Finding) -> None:
    """Or, in one specimen, a valid K < 3.0 with the newest recent Mg < 0.695. RULES.md 5."""
    assert standing(HYPO, mg("0.6", h(0)), k(value, h(0))) == finding


@pytest.mark.parametrize(("value", "finding"), values("2.5", (CRITICAL, None, None)))
def test_rules_5_hypokalemia_in_one_specimen_without_a_magnesium(value: str, finding: Finding) -> None:
    """Or < 2.5 with no recent Mg, and then without a hold. RULES.md 5."""
    assert standing(HYPO, k(value, h(0)), until=h(0)) == finding


@pytest.mark.parametrize(("value", "finding"), values("0.695", (WARNING, None, None), step="0.001"))
def test_rules_5_hypokalemia_with_a_low_magnesium(value: str, finding: Finding) -> None:
    """The newest recent Mg is < 0.695 (`low_magnesium`). RULES.md 5."""
    assert standing(HYPO, k("3.2", h(0)), mg(value, h(5)), k("3.2", h(5))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(5) - DAY, (WARNING, None, None), "24 h before"))
def test_rules_5_hypokalemia_without_a_recent_magnesium(at: Instant, finding: Finding) -> None:
    """Or there is none (`magnesium_missing`): a normal one of longer ago is none. RULES.md 5."""
    assert standing(HYPO, mg("0.9", at), k("3.2", h(0)), k("3.2", h(5))) == finding


@pytest.mark.parametrize(
    ("value", "finding"),
    [*values("3.0", (HIGH, WARNING, WARNING)), *values("2.5", (CRITICAL, HIGH, HIGH))],
)
def test_rules_5_hypokalemia_severity(value: str, finding: Finding) -> None:
    """Warning < 3.5; high < 3.0; critical < 2.5. RULES.md 5."""
    assert standing(HYPO, k(value, h(0)), k(value, h(5))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(2), (WARNING, HIGH, HIGH), "12 h before the trigger"))
def test_rules_5_hypokalemia_by_the_lowest_of_12_h(at: Instant, finding: Finding) -> None:
    """By the lowest of the run in the 12 h up to the trigger. RULES.md 5."""
    assert standing(HYPO, k("2.9", at), k("3.1", h(14))) == finding


@pytest.mark.parametrize(("value", "finding"), values("3.2", (HIGH, WARNING, WARNING)))
def test_rules_5_hypokalemia_recovering_by_0_3(value: str, finding: Finding) -> None:
    """A trigger >= 3.0 and >= 0.3 above that lowest (recovering): a warning. RULES.md 5."""
    assert standing(HYPO, k("2.9", h(0)), k(value, h(5))) == finding


@pytest.mark.parametrize(("value", "finding"), values("3.0", (HIGH, WARNING, WARNING)))
def test_rules_5_hypokalemia_recovering_from_3_0(value: str, finding: Finding) -> None:
    """A trigger >= 3.0: 2.99 after 2.6 is not recovering. RULES.md 5."""
    assert standing(HYPO, k("2.6", h(0)), k(value, h(5))) == finding


@pytest.mark.parametrize(("value", "finding"), values("0.50", (HIGH, WARNING, WARNING)))
def test_rules_5_hypokalemia_magnesium_below_0_50_is_a_step(value: str, finding: Finding) -> None:
    """One step up for Mg < 0.50. RULES.md 5."""
    assert standing(HYPO, k("3.2", h(0)), mg(value, h(5)), k("3.2", h(5))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(5) - 2 * DAY, (WARNING, HIGH, HIGH), "48 h before"))
def test_rules_5_hypokalemia_digoxin_is_a_step(at: Instant, finding: Finding) -> None:
    """One step up for digoxin as in 4.1. RULES.md 5."""
    assert standing(HYPO, dig("2.1", at), k("3.2", h(0)), k("3.2", h(5))) == finding


@pytest.mark.parametrize(
    ("pending", "until", "finding"),
    [
        *(pytest.param(0, *row.values, id=row.id) for row in moments(h(5) + 15 * MINUTE, (None, WARNING, WARNING))),
        *(pytest.param(1, *row.values, id=row.id) for row in moments(h(6), (None, WARNING, WARNING), "1 h, pending")),
    ],
)
def test_rules_5_hypokalemia_hold(pending: int, until: Instant, finding: Finding) -> None:
    """`magnesium_missing`: same hold as 4.1. RULES.md 5."""
    orders = [ordered(h(4))] * pending
    assert standing(HYPO, k("3.2", h(0)), *orders, k("3.2", h(5)), until=until) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(2), (None, CRITICAL, CRITICAL), "12 h before the trigger"))
def test_rules_5_hypokalemia_no_hold_below_2_5(at: Instant, finding: Finding) -> None:
    """None when the lowest K of the run in the 12 h up to the trigger is < 2.5. RULES.md 5."""
    facts = (mg("0.9", at - DAY), k("2.4", at), k("2.6", h(14)))
    assert standing(HYPO, *facts, until=h(14)) == finding


@pytest.mark.parametrize(("value", "end"), values("3.5", (None, *["resolved potassium_recovered"] * 2)))
def test_rules_5_hypokalemia_recovers_at_3_5(value: str, end: Finding) -> None:
    """Valid K >= 3.5 `potassium_recovered`. RULES.md 5."""
    assert ending(HYPO, k("3.2", h(0)), k("3.2", h(5)), k(value, h(6))) == end


@pytest.mark.parametrize(("value", "end"), values("0.695", (None, *["resolved magnesium_resulted"] * 2), step="0.001"))
def test_rules_5_hypokalemia_ends_by_a_magnesium_of_0_695(value: str, end: Finding) -> None:
    """Valid Mg >= 0.695 `magnesium_resulted`. RULES.md 5."""
    assert ending(HYPO, k("3.2", h(0)), k("3.2", h(5)), mg(value, h(6))) == end


@pytest.mark.parametrize(("at", "end"), moments(h(53), EXPIRED, "48 h without K"))
def test_rules_5_hypokalemia_expires(at: Instant, end: Finding) -> None:
    """48 h without K. RULES.md 5."""
    assert ending(HYPO, k("3.2", h(0)), k("3.2", h(5)), until=at) == end
