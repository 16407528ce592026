"""
RULES.md 1: each threshold just below, at and just above it, in every unit on the wire.

A row is what a laboratory sends: number and unit in OBX-5 and OBX-6. It is decoded, converted and judged as a feed is.
The figure in mmol/L (umol/L, ng/mL) is RULES.md's; the others are the same amount in the unit of another laboratory, to
the last digit: K 1 : 1, Mg mEq/L / 2 and mg/dL * 10 / 24.305, Ca mEq/L / 2 and mg/dL * 10 / 40.078, creatinine
mg/dL * 88.42 and mmol/L * 1000, digoxin nmol/L * 0.781.
"""

from collections.abc import Iterable
from decimal import Decimal

import pytest

from rules.alert import Rule
from tests.unit.rules.wire import severity_on_the_wire

NO_MAGNESIUM, LOW = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM
POST, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN
CALCIUM, HYPO, SPURIOUS = Rule.HYPOCALCEMIA_AFTER_MAGNESIUM, Rule.REFRACTORY_HYPOKALEMIA, Rule.SPURIOUS_POTASSIUM

UNITS = ("mmol/L", "mEq/L", "mg/dL")
Finding = str | None


def around(figures: Iterable[str], findings: tuple[Finding, Finding, Finding]) -> list[tuple[str, Finding]]:
    """Return ``(value and unit, finding)`` just below, at and just above each figure: one step of its last digit."""
    rows = []
    for figure, unit in zip(figures, UNITS, strict=False):
        at = Decimal(figure)
        step = Decimal((0, (1,), int(at.as_tuple().exponent)))
        for value, finding in zip((at - step, at, at + step), findings, strict=True):
            rows.append((f"{value} {unit}", finding))
    return rows


WARNING, HIGH, CRITICAL = "warning", "high", "critical"


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        *around(("5.50", "5.50"), (None, WARNING, WARNING)),
        *around(("6.00", "6.00"), (WARNING, HIGH, HIGH)),
        *around(("6.50", "6.50"), (HIGH, CRITICAL, CRITICAL)),
        ("5.49 ", None),
        ("5.5 ", WARNING),
        ("5.95 mmol/L", WARNING),
    ],
)
def test_rules_4_1_hyperkalemia_in_every_unit(value: str, finding: Finding) -> None:
    """Warning 5.5-5.9, high 6.0-6.4, critical >= 6.5, in between by value (5.95 is a warning). RULES.md 4.1, 1."""
    assert severity_on_the_wire(NO_MAGNESIUM, f"0 K {value}", f"2 K {value}") == finding


LADDERS = {
    "general": ("0 eGFR 90 mL/min/{1.73_m2}",),
    "renal": ("0 eGFR 29 mL/min/{1.73_m2}",),
    "obstetric": ("0 O14.1", "0 eGFR 90 mL/min/{1.73_m2}"),
    "obstetric renal": ("0 O14.1", "0 eGFR 29 mL/min/{1.73_m2}"),
}
RUNGS = {
    # profile: mmol/L, mEq/L, mg/dL; what is found just below, at and just above
    "general": (
        (("1.50", "3.00", "3.64575"), (None, WARNING, WARNING)),
        (("2.00", "4.00", "4.86100"), (WARNING, HIGH, HIGH)),
        (("2.50", "5.00", "6.07625"), (HIGH, CRITICAL, CRITICAL)),
    ),
    "renal": (
        (("1.25", "2.50", "3.038125"), (None, WARNING, WARNING)),
        (("1.50", "3.00", "3.64575"), (WARNING, HIGH, HIGH)),
        (("2.00", "4.00", "4.86100"), (HIGH, CRITICAL, CRITICAL)),
    ),
    "obstetric": (
        (("3.50", "7.00", "8.50675"), (None, None, WARNING)),
        (("4.00", "8.00", "9.72200"), (WARNING, HIGH, HIGH)),
        (("5.00", "10.00", "12.15250"), (HIGH, CRITICAL, CRITICAL)),
    ),
    "obstetric renal": (
        (("3.00", "6.00", "7.29150"), (None, None, WARNING)),
        (("3.50", "7.00", "8.50675"), (WARNING, WARNING, HIGH)),
        (("4.00", "8.00", "9.72200"), (HIGH, CRITICAL, CRITICAL)),
    ),
}


@pytest.mark.parametrize(
    ("profile", "value", "finding"),
    [
        (profile, value, finding)
        for profile, rungs in RUNGS.items()
        for figures, findings in rungs
        for value, finding in around(figures, findings)
    ],
)
def test_rules_4_2_every_ladder_in_every_unit(profile: str, value: str, finding: Finding) -> None:
    """Each rung of each profile, 3 h after a dose: at least, or where the table says it more than. RULES.md 4.2."""
    assert severity_on_the_wire(POST, *LADDERS[profile], "0 dose 2 g", f"3 Mg {value}") == finding


@pytest.mark.parametrize(
    ("profile", "printed", "finding"),
    [
        ("general", "3.6", None),
        ("general", "3.7", WARNING),
        ("general", "4.8", WARNING),
        ("general", "4.9", HIGH),
        ("general", "6.0", HIGH),
        ("general", "6.1", CRITICAL),
        ("renal", "3.0", None),
        ("renal", "3.1", WARNING),
        ("obstetric", "8.5", None),
        ("obstetric", "8.6", WARNING),
        ("obstetric", "9.7", WARNING),
        ("obstetric", "9.8", HIGH),
        ("obstetric", "12.1", HIGH),
        ("obstetric", "12.2", CRITICAL),
        ("obstetric renal", "7.2", None),
        ("obstetric renal", "7.3", WARNING),
    ],
)
def test_rules_4_2_the_figure_in_mg_dl_is_for_reading(profile: str, printed: str, finding: Finding) -> None:
    """The mmol/L figure is the threshold: 3.6 mg/dL is 1.481 mmol/L, and not yet a warning. RULES.md 4.2."""
    assert severity_on_the_wire(POST, *LADDERS[profile], "0 dose 2 g", f"3 Mg {printed} mg/dL") == finding


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        *around(("0.695", "1.390", "1.6891975"), (WARNING, None, None)),
        *around(("0.500", "1.000", "1.21525"), (CRITICAL, WARNING, WARNING)),
        ("1.6 mg/dL", WARNING),
        ("1.7 mg/dL", None),
    ],
)
def test_rules_5_low_magnesium_in_every_unit(value: str, finding: Finding) -> None:
    """Below 0.695 it is low (1.7 mg/dL is not, by a rounding), below 0.50 a step: K 6.2 alone. RULES.md 5."""
    assert severity_on_the_wire(LOW, f"0 Mg {value}", "0 K 6.2 mmol/L") == finding


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        *around(("3.50", "3.50"), (WARNING, None, None)),
        *around(("3.00", "3.00"), (HIGH, WARNING, WARNING)),
        *around(("2.50", "2.50"), (CRITICAL, HIGH, HIGH)),
    ],
)
def test_rules_5_hypokalemia_in_every_unit(value: str, finding: Finding) -> None:
    """Warning < 3.5; high < 3.0; critical < 2.5: two of one value 4 h apart, no magnesium. RULES.md 5."""
    assert severity_on_the_wire(HYPO, f"0 K {value}", f"4 K {value}") == finding


@pytest.mark.parametrize(
    ("analyte", "value", "finding"),
    [
        *(("Ca", *row) for row in around(("1.900", "3.800", "7.61482"), (WARNING, None, None))),
        *(("Ca", *row) for row in around(("1.650", "3.300", "6.61287"), (CRITICAL, WARNING, WARNING))),
        *(("iCa", *row) for row in around(("1.000", "2.000", "4.00780"), (WARNING, None, None))),
        *(("iCa", *row) for row in around(("0.800", "1.600", "3.20624"), (CRITICAL, WARNING, WARNING))),
    ],
)
def test_rules_5_hypocalcemia_in_every_unit(analyte: str, value: str, finding: Finding) -> None:
    """Total Ca < 1.9, critical < 1.65; ionized < 1.0, critical < 0.8, an hour after a dose. RULES.md 5."""
    assert severity_on_the_wire(CALCIUM, "0 dose 2 g", f"1 {analyte} {value}") == finding


@pytest.mark.parametrize(
    ("analyte", "before", "after", "finding"),
    [
        ("Ca", "2.050 mmol/L", "1.851 mmol/L", None),
        ("Ca", "2.050 mmol/L", "1.850 mmol/L", WARNING),
        ("Ca", "2.050 mmol/L", "1.849 mmol/L", WARNING),
        ("Ca", "4.10 mEq/L", "3.71 mEq/L", None),
        ("Ca", "4.10 mEq/L", "3.70 mEq/L", WARNING),
        ("Ca", "8.01560 mg/dL", "7.21405 mg/dL", None),
        ("Ca", "8.01560 mg/dL", "7.21404 mg/dL", WARNING),
        ("iCa", "1.050 mmol/L", "0.961 mmol/L", None),
        ("iCa", "1.050 mmol/L", "0.960 mmol/L", WARNING),
        ("iCa", "1.050 mmol/L", "0.959 mmol/L", WARNING),
        ("iCa", "2.10 mEq/L", "1.93 mEq/L", None),
        ("iCa", "2.10 mEq/L", "1.92 mEq/L", WARNING),
    ],
)
def test_rules_5_the_fall_of_calcium_in_every_unit(analyte: str, before: str, after: str, finding: Finding) -> None:
    """At least 0.2 (ionized 0.09) mmol/L below the last valid one of the 72 h before s. RULES.md 5."""
    lines = (f"-1 {analyte} {before}", "0 dose 2 g", f"1 {analyte} {after}")
    assert severity_on_the_wire(CALCIUM, *lines) == finding


@pytest.mark.parametrize(
    ("calcium", "magnesium", "finding"),
    [
        *(
            (calcium, "0.30 mmol/L", finding)
            for calcium, finding in around(("1.900", "3.800", "7.61482"), ("information", None, None))
        ),
        *(
            ("1.50 mmol/L", magnesium, finding)
            for magnesium, finding in around(("0.600", "1.200", "1.45830"), ("information", None, None))
        ),
        *(
            (calcium, "", finding)
            for calcium, finding in around(("1.700", "3.400", "6.81326"), ("information", None, None))
        ),
    ],
)
def test_rules_3_the_edta_pattern_in_every_unit(calcium: str, magnesium: str, finding: Finding) -> None:
    """K >= 6.0, total Ca < 1.9 and Mg < 0.6 mmol/L (no Mg: Ca < 1.7): a doubtful potassium. RULES.md 3."""
    lines = (f"0 Ca {calcium}", *((f"0 Mg {magnesium}",) if magnesium else ()), "0 K 6.0 mmol/L")
    assert severity_on_the_wire(SPURIOUS, *lines) == finding


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        *((("{}",), row) for row in around(("2.00", "4.00", "4.86100"), (None, HIGH, HIGH))),
        *(
            (("-1 Mg 1.10 mmol/L", "{}"), row)
            for row in around(("1.500", "3.000", "3.64575"), (None, WARNING, WARNING))
        ),
        *(
            (("-1 Mg 1.20 mmol/L", "{}"), row)
            for row in around(("1.600", "3.200", "3.88880"), (None, WARNING, WARNING))
        ),
    ],
)
def test_rules_4_2_exposure_unknown_in_every_unit(lines: tuple[str, ...], finding: tuple[str, Finding]) -> None:
    """Of no exposure: >= 2.0, or >= 1.5 and >= 0.4 above one of the 24 h before it. RULES.md 4.2."""
    value, expected = finding
    told = ("-2 eGFR 90 mL/min/{1.73_m2}", *(line.format(f"0 Mg {value}") for line in lines))
    assert severity_on_the_wire(UNKNOWN, *told) == expected


@pytest.mark.parametrize(
    ("calcium", "finding"), around(("1.900", "3.800", "7.61482"), (HIGH, WARNING, WARNING)), ids=str
)
def test_rules_4_1_low_calcium_in_every_unit(calcium: str, finding: Finding) -> None:
    """Valid total calcium < 1.9 mmol/L near the trigger is a step up. RULES.md 4.1."""
    assert severity_on_the_wire(NO_MAGNESIUM, "0 K 5.6 mmol/L", f"1 Ca {calcium}", "2 K 5.6 mmol/L") == finding


@pytest.mark.parametrize(
    ("level", "finding"),
    [
        ("1.99 ng/mL", WARNING),
        ("2.00 ng/mL", WARNING),
        ("2.01 ng/mL", HIGH),
        ("2.00 ug/L", WARNING),
        ("2.01 ug/L", HIGH),
        ("2.560 nmol/L", WARNING),
        ("2.561 nmol/L", HIGH),
        ("2.6 nmol/L", HIGH),
        ("2.5", WARNING),
    ],
)
def test_rules_4_1_digoxin_in_every_unit(level: str, finding: Finding) -> None:
    """A level > 2.0 ng/mL is a step up, 2.0 is none; nmol/L * 0.781; without a unit it is rejected. RULES.md 4.1, 1."""
    assert severity_on_the_wire(NO_MAGNESIUM, "0 K 5.6 mmol/L", f"1 dig {level}", "2 K 5.6 mmol/L") == finding


@pytest.mark.parametrize(
    ("creatinine", "finding"),
    [
        ("96.9 umol/L", None),
        ("97 umol/L", WARNING),
        ("97.1 umol/L", WARNING),
        ("0.0969 mmol/L", None),
        ("0.097 mmol/L", WARNING),
        ("0.0971 mmol/L", WARNING),
        ("1.097 mg/dL", None),
        ("1.0971 mg/dL", WARNING),
        ("1.0 mg/dL", None),
        ("1.1 mg/dL", WARNING),
        ("97", None),
    ],
)
def test_rules_4_2_creatinine_of_the_obstetric_ladder_in_every_unit(creatinine: str, finding: Finding) -> None:
    """Obstetric, with creatinine >= 97 umol/L: Mg 3.2 is a warning; without a unit it is rejected. RULES.md 4.2, 1."""
    lines = ("0 O14", f"0 crea {creatinine}", "0 dose 2 g", "3 Mg 3.2 mmol/L")
    assert severity_on_the_wire(POST, *lines) == finding


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ("60.0 umol/L", "86.4 umol/L", None),
        ("60.0 umol/L", "86.5 umol/L", WARNING),
        ("60.0 umol/L", "86.6 umol/L", WARNING),
        ("0.0600 mmol/L", "0.0864 mmol/L", None),
        ("0.0600 mmol/L", "0.0865 mmol/L", WARNING),
        ("1.00 mg/dL", "1.29 mg/dL", None),
        ("1.00 mg/dL", "1.30 mg/dL", WARNING),
        ("0.46 mg/dL", "0.70 mg/dL", None),
        ("0.46 mg/dL", "0.71 mg/dL", WARNING),
        ("41.0 umol/L", "61.9 umol/L", None),
        ("41.0 umol/L", "62.0 umol/L", WARNING),
        ("0.0410 mmol/L", "0.0619 mmol/L", None),
        ("0.0410 mmol/L", "0.0620 mmol/L", WARNING),
        ("50.0 umol/L", "74.9 umol/L", None),
        ("50.0 umol/L", "75.0 umol/L", WARNING),
    ],
)
def test_rules_6_kidney_injury_in_every_unit(before: str, after: str, finding: Finding) -> None:
    """>= 26.5 umol/L (0.3 mg/dL) above, or >= 1.5 times the lowest and >= 62: Mg 1.3 is a warning. RULES.md 6."""
    lines = (f"-24 crea {before}", f"0 crea {after}", "0 dose 2 g", "3 Mg 1.30 mmol/L")
    assert severity_on_the_wire(POST, *lines) == finding


@pytest.mark.parametrize(
    ("rate", "finding"),
    [
        ("29 mL/min/{1.73_m2}", WARNING),
        ("29.9 mL/min/{1.73_m2}", WARNING),
        ("30 mL/min/{1.73_m2}", None),
        ("30.1 mL/min/{1.73_m2}", None),
        ("29 mL/min/1.73m2", WARNING),
        ("30 mL/min/1.73m2", None),
        ("29 mL/min", WARNING),
        ("30 mL/min", None),
        ("29", WARNING),
        ("30", None),
    ],
)
def test_rules_6_egfr_in_every_unit(rate: str, finding: Finding) -> None:
    """Impaired: that eGFR < 30; without a unit it is its canonical one. Mg 1.3 is a warning then. RULES.md 6, 1."""
    assert severity_on_the_wire(POST, f"0 eGFR {rate}", "0 dose 2 g", "3 Mg 1.30 mmol/L") == finding


@pytest.mark.parametrize("line", ["3 Mg 9.0", "3 Mg 9.0 ug/L", "3 Mg 21 mmol/L", "3 Mg 0.04 mmol/L"])
def test_rules_1_a_magnesium_is_never_guessed(line: str) -> None:
    """Without a unit, in a foreign one or outside 0.05-20 it is rejected, and raises nothing. RULES.md 1."""
    assert severity_on_the_wire(POST, *LADDERS["general"], "0 dose 2 g", line) is None


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ("20 mmol/L", CRITICAL),
        ("20.01 mmol/L", None),
        (">20 mmol/L", CRITICAL),
        (">^10 mmol/L", CRITICAL),
        (">5.4 mmol/L", None),
    ],
)
def test_rules_1_plausible_bounds_and_comparators_on_the_wire(value: str, finding: Finding) -> None:
    """Both bounds are inside; a comparator counts as its number: ``>20`` is 20, ``>5.4`` is 5.4. RULES.md 1."""
    assert severity_on_the_wire(NO_MAGNESIUM, f"0 K {value}", f"2 K {value}") == finding
