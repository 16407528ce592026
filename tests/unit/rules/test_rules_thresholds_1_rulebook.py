"""RULES.md 1: the bounds of every threshold in the configuration, at them and outside them; ladders out of order."""

from typing import Any

import pytest

from rules.rulebook import RulebookError, load

POTASSIUM = (
    *("edta_potassium", "confirm_potassium", "suspect_critical_potassium", "potassium_onset", "potassium_clear"),
    *("potassium_high", "potassium_critical", "hypokalemia", "hypokalemia_high", "hypokalemia_critical"),
)
"""A potassium threshold: not the differences (a jump, a fall, a rise)."""
MAGNESIUM = (
    *("edta_magnesium", "magnesium_low", "magnesium_very_low", "general_warning", "general_high", "general_critical"),
    *("renal_warning", "renal_high", "renal_critical", "obstetric_warning", "obstetric_high", "obstetric_critical"),
    *("obstetric_renal_warning", "obstetric_renal_high", "obstetric_renal_critical", "unknown_level"),
    *("unknown_level_rising", "unknown_clear", "hypocalcemia_magnesium"),
)


def faults(**parameters: str) -> list[str]:
    """Return why a rulebook with *parameters* refuses to start, nothing when it starts."""
    data: dict[str, Any] = {"parameters": parameters}
    try:
        load(data)
    except RulebookError as refused:
        return refused.faults
    return []


def outside(name: str, figure: str) -> bool:
    """Say whether a figure is refused as one outside its bounds (a ladder out of order is another fault)."""
    return any(fault.startswith(f"parameters.{name}: {figure} is outside") for fault in faults(**{name: figure}))


@pytest.mark.parametrize(
    ("figure", "refused"),
    [
        ("1.99 mmol/L", True),
        ("2.0 mmol/L", False),
        ("2.01 mEq/L", False),
        ("9.99 mEq/L", False),
        ("10.0 mmol/L", False),
        ("10.01 mmol/L", True),
    ],
)
def test_rules_1_a_potassium_threshold_lies_within_2_and_10(figure: str, refused: bool) -> None:
    """A potassium threshold outside 2.0-10.0 mmol/L refuses to start: each of them. RULES.md 1."""
    assert [name for name in POTASSIUM if outside(name, figure) is not refused] == []


@pytest.mark.parametrize(
    ("figure", "refused"),
    [
        ("0.199 mmol/L", True),
        ("0.2 mmol/L", False),
        ("0.3999 mEq/L", True),
        ("0.4 mEq/L", False),
        ("0.4860 mg/dL", True),
        ("0.4861 mg/dL", False),
        ("10.0 mmol/L", False),
        ("10.01 mmol/L", True),
        ("20.0 mEq/L", False),
        ("20.01 mEq/L", True),
        ("24.305 mg/dL", False),
        ("24.306 mg/dL", True),
    ],
)
def test_rules_1_a_magnesium_threshold_lies_within_0_2_and_10(figure: str, refused: bool) -> None:
    """A magnesium threshold outside 0.2-10.0 mmol/L refuses to start, in whatever unit it is written. RULES.md 1."""
    assert [name for name in MAGNESIUM if outside(name, figure) is not refused] == []


@pytest.mark.parametrize(
    ("lower", "upper", "figure"),
    [
        ("potassium_clear", "potassium_onset", "5.5 mmol/L"),
        ("potassium_onset", "potassium_high", "6.0 mmol/L"),
        ("potassium_high", "potassium_critical", "6.5 mmol/L"),
        ("hypokalemia_critical", "hypokalemia_high", "3.0 mmol/L"),
        ("hypokalemia_high", "hypokalemia", "3.5 mmol/L"),
        ("general_warning", "general_high", "2.0 mmol/L"),
        ("general_high", "general_critical", "2.5 mmol/L"),
        ("renal_warning", "renal_high", "1.5 mmol/L"),
        ("renal_high", "renal_critical", "2.0 mmol/L"),
        ("obstetric_warning", "obstetric_high", "4.0 mmol/L"),
        ("obstetric_high", "obstetric_critical", "5.0 mmol/L"),
        ("obstetric_renal_warning", "obstetric_renal_high", "3.5 mmol/L"),
        ("obstetric_renal_high", "obstetric_renal_critical", "4.0 mmol/L"),
        ("magnesium_very_low", "magnesium_low", "0.695 mmol/L"),
        ("unknown_clear", "unknown_level_rising", "1.5 mmol/L"),
        ("unknown_level_rising", "unknown_level", "2.0 mmol/L"),
        ("hypocalcemia_critical", "hypocalcemia", "1.9 mmol/L"),
        ("hypocalcemia_ionized_critical", "hypocalcemia_ionized", "1.0 mmol/L"),
        ("treatment_from", "treatment_until", "6 h"),
        ("binder_from", "binder_until", "24 h"),
        ("gap_after", "gap_expiry", "24 h"),
    ],
)
def test_rules_1_a_ladder_out_of_order_refuses_to_start(lower: str, upper: str, figure: str) -> None:
    """A rung as high as the next is out of order, and so is a window that ends as it begins. RULES.md 1."""
    assert any(fault.startswith("out of order") and upper in fault for fault in faults(**{lower: figure}))


@pytest.mark.parametrize(
    "parameters",
    [
        {"confirm_after": "2 h", "confirm_within": "1 h"},
        {"hypokalemia_apart": "24 h", "hypokalemia_gap": "12 h"},
    ],
    ids=["two suspect ones would never confirm each other", "two low ones would never be a pair"],
)
def test_rules_1_a_window_that_nothing_fits_refuses_to_start(parameters: dict[str, str]) -> None:
    """A rule that could never fire would be silent, and nobody would notice. RULES.md 1; hazard H27."""
    assert [fault for fault in faults(**parameters) if fault.startswith("out of order")]
