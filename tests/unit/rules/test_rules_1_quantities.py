"""RULES.md 1: units, exact conversion, plausible bounds, and a rulebook of quantities."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from rules.alert import Rule
from rules.events import HOUR, Analyte
from rules.retention import KEEP_RESULTS
from rules.rulebook import DEFAULT, Rulebook, RulebookError, load
from rules.units import PLAUSIBLE, Unit, canonical, plausible

K, MG, CA, CREA, DIG = Analyte.POTASSIUM, Analyte.MAGNESIUM, Analyte.CALCIUM, Analyte.CREATININE, Analyte.DIGOXIN


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "expected"),
    [
        (K, "5.5", Unit.MMOL_L, "5.5"),
        (K, "5.5", Unit.MEQ_L, "5.5"),
        (MG, "2.0", Unit.MMOL_L, "2.0"),
        (MG, "3.0", Unit.MEQ_L, "1.5"),
        (MG, "1.7", Unit.MG_DL, "0.699444559"),
        (MG, "24.305", Unit.MG_DL, "10"),
        (CA, "2.5", Unit.MMOL_L, "2.5"),
        (CA, "3.8", Unit.MEQ_L, "1.9"),
        (CA, "4.0078", Unit.MG_DL, "1"),
        (Analyte.CALCIUM_IONIZED, "4.0078", Unit.MG_DL, "1"),
        (CREA, "97", Unit.UMOL_L, "97"),
        (CREA, "1.1", Unit.MG_DL, "97.262"),
        (CREA, "0.097", Unit.MMOL_L, "97"),
        (Analyte.EGFR, "30", Unit.ML_MIN, "30"),
        (DIG, "2.0", Unit.NG_ML, "2.0"),
        (DIG, "2.0", Unit.UG_L, "2.0"),
        (DIG, "2.5", Unit.NMOL_L, "1.9525"),
    ],
)
def test_rules_1_conversion_is_exact(analyte: Analyte, value: str, unit: Unit, expected: str) -> None:
    """Every unit on the wire comes to the canonical one by exact decimals. RULES.md 1."""
    assert canonical(analyte, Decimal(value), unit) == Decimal(expected)


@pytest.mark.parametrize(
    ("analyte", "unit"), [(K, Unit.MG_DL), (CREA, Unit.NG_ML), (DIG, Unit.MMOL_L), (MG, Unit.UMOL_L)]
)
def test_rules_1_a_foreign_unit_converts_to_nothing(analyte: Analyte, unit: Unit) -> None:
    """A unit that isn't accepted for the analyte gives no value. RULES.md 1."""
    assert canonical(analyte, Decimal(4), unit) is None


def test_rules_1_a_number_too_long_for_nine_places_is_only_implausible() -> None:
    """A value of thirty digits in mg/dL converts, and lies outside the plausible bounds. RULES.md 1."""
    value = canonical(MG, Decimal("9" * 30), Unit.MG_DL)
    assert value is not None
    assert not plausible(MG, value)


@pytest.mark.parametrize("analyte", list(Analyte))
def test_rules_1_both_plausible_bounds_are_inside(analyte: Analyte) -> None:
    """A value at a bound is plausible, the next hundredth outside isn't. RULES.md 1."""
    low, high = PLAUSIBLE[analyte]
    step = Decimal("0.01")
    assert [plausible(analyte, v) for v in (low - step, low, high, high + step)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("analyte", "low", "high"),
    [
        (K, "0.5", "20"),
        (MG, "0.05", "20"),
        (CA, "0.1", "8"),
        (Analyte.CALCIUM_IONIZED, "0.1", "8"),
        (CREA, "5", "5000"),
        (Analyte.EGFR, "0", "250"),
        (DIG, "0", "50"),
    ],
)
def test_rules_1_plausible_bounds(analyte: Analyte, low: str, high: str) -> None:
    """The bounds are those of the table. RULES.md 1."""
    assert PLAUSIBLE[analyte] == (Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1.6 mmol/L", "1.6"), ("3.0 mEq/L", "1.5"), ("24.305 mg/dL", None), ("3.6 mg/dL", "1.481176713")],
)
def test_rules_1_a_threshold_is_a_quantity(written: str, expected: str | None) -> None:
    """A threshold may be written in any unit that its analyte takes, within bounds and order. RULES.md 1."""
    data = {"parameters": {"general_warning": written}}
    if expected is None:
        with pytest.raises(RulebookError):
            load(data)
    else:
        assert load(data).general_warning == Decimal(expected)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("potassium_critical", "10.0 mmol/L", "10.1 mmol/L"),
        ("confirm_potassium", "2.0 mmol/L", "1.9 mmol/L"),
        ("edta_magnesium", "0.2 mmol/L", "0.19 mmol/L"),
        ("obstetric_critical", "10.0 mmol/L", "10.01 mmol/L"),
        ("hold", "6 h", "361 min"),
        ("remind_at_most", "48", "49"),
        ("gap_grams", "0.5 g", "0.4 g"),
    ],
)
def test_rules_1_bounds_are_checked_at_start(name: str, good: str, bad: str) -> None:
    """A parameter at its bound is taken; one outside refuses to start. RULES.md 1."""
    load({"parameters": {name: good}})
    with pytest.raises(RulebookError, match=f"parameters.{name}.*is outside"):
        load({"parameters": {name: bad}})


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"parameters": {"potassium_onset": "6.0 mmol/L"}}, "out of order: potassium_clear"),
        ({"parameters": {"general_high": "1.5 mmol/L"}}, "out of order: general_warning"),
        ({"parameters": {"potassium_onset": "5.5"}}, "a quantity in mmol/L is needed, not 'a bare number'"),
        ({"parameters": {"potassium_onset": "5.5 mg/dL"}}, "a quantity in mmol/L is needed"),
        ({"parameters": {"potassium_onset": True}}, "is no quantity"),
        ({"parameters": {"potassium_onset": "high"}}, "is no quantity"),
        ({"parameters": {"hold": "15"}}, "a time with its unit"),
        ({"parameters": {"remind_at_most": "4 h"}}, "a bare number is needed"),
        ({"parameters": {"gap_grams": "4 mg"}}, "a quantity in g is needed"),
        ({"parameters": {"gap_grams": "4"}}, "not 'a bare number'"),
        ({"parameters": {"obstetric_services": "OB"}}, "a list of strings is needed"),
        ({"parameters": {"obstetric_services": ["OB", ""]}}, "none of the strings may be empty"),
        ({"parameters": {"obstetric_diagnoses": ["."]}}, "none of the strings may be empty"),
        ({"parameters": {"potassium_onse": "5.5 mmol/L"}}, "the nearest known key is potassium_onset"),
        ({"parameters": 3}, "parameters: a table is needed"),
        ({"thresholds": {}}, r"\[thresholds\]: unknown section"),
        ({"rules": {"hyperkalemia": {"mode": "off"}}}, "unknown rule"),
        ({"rules": {"spurious-potassium": {"mode": "on"}}}, "none of active, shadow, off"),
        ({"rules": {"spurious-potassium": {"modus": "off"}}}, "the nearest known key is mode"),
        ({"rules": {"spurious-potassium": "off"}}, "spurious-potassium: a table is needed"),
    ],
)
def test_rules_1_a_rulebook_is_refused(data: dict[str, Any], fault: str) -> None:
    """What is unknown, without unit or out of order refuses to start, and says what is wrong. RULES.md 1."""
    with pytest.raises(RulebookError, match=fault):
        load(data)


def test_rules_1_every_fault_is_told_at_once() -> None:
    """A refused rulebook lists everything that is wrong with it. RULES.md 1."""
    with pytest.raises(RulebookError) as refused:
        load({"parameters": {"hold": "9 h", "x": "1"}, "rules": {"y": {}}})
    assert len(refused.value.faults) == 3


def test_rules_1_a_rulebook_over_the_defaults() -> None:
    """Lists, modes and times are read over the defaults, and change the fingerprint. RULES.md 1."""
    book = load(
        {
            "parameters": {"obstetric_services": ["ob", "L.D"], "hold": "0.5 h", "remind_at_most": 2},
            "rules": {"spurious-potassium": {"mode": "off"}},
        }
    )
    assert book.obstetric_services == ("OB", "LD")
    assert (book.hold, book.remind_at_most) == (HOUR // 2, Decimal(2))
    assert (book.mode(Rule.SPURIOUS_POTASSIUM), book.mode(Rule.REFRACTORY_HYPOKALEMIA)) == ("off", "active")
    assert book.fingerprint() != DEFAULT.fingerprint()
    assert load({}).fingerprint() == DEFAULT.fingerprint()


def test_rules_1_every_parameter_carries_unit_bounds_and_source() -> None:
    """Every number that a site can change has a unit, bounds, a section and a source, and lies inside. RULES.md 1."""
    for name, shown, low, high, section, source in DEFAULT.rows():
        assert shown == DEFAULT.shown(name)
        assert section[0] in "345678"
        assert source
        assert bool(low) == bool(high)


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "kept"),
    [
        pytest.param(K, "5.50", Unit.MEQ_L, "5.50", id="one to one: the laboratory's digits"),
        pytest.param(MG, "3.0", Unit.MEQ_L, "1.5", id="a half is exact"),
        pytest.param(CA, "8", Unit.MG_DL, "1.996107590", id="by an atomic weight: nine places"),
    ],
)
def test_rules_1_a_value_keeps_the_digits_that_it_needs(analyte: Analyte, value: str, unit: Unit, kept: str) -> None:
    """An exact quotient carries no zeros behind it: the packed state of a patient stays small. RULES.md 1."""
    assert str(canonical(analyte, Decimal(value), unit)) == kept


def test_rules_1_a_value_in_its_own_unit_is_compared_to_its_last_digit() -> None:
    """A potassium that is below 5.5 by less than arithmetic keeps is still below: exact up to the threshold."""
    just_below = Decimal("5.4999999999999999999999999999999999999999")
    assert canonical(K, just_below, Unit.MMOL_L) == just_below


def test_rules_7_no_window_reaches_behind_what_is_kept() -> None:
    """At its widest each look back at results fits in the days for which they are kept. RULES.md 7."""
    highest = {
        entry.name: entry.metadata["high"] for entry in fields(Rulebook) if entry.metadata.get("unit") in ("d", "h")
    }
    for name in (
        "renal_within",
        "digoxin_within_impaired",
        "digoxin_within",
        "magnesium_recent",
        "unknown_rise_within",
    ):
        assert highest[name] <= KEEP_RESULTS, name
    assert 2 * highest["aki_within"] <= KEEP_RESULTS, "the lowest of the days before a creatinine of as many days ago"
