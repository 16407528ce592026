"""RULES.md 1 and issue 5: what a parameter of the rulebook knows of itself, and what is said of one that is refused."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from rules import parameter
from rules.events import DAY, HOUR, MINUTE, Analyte
from rules.parameter import readable
from rules.rulebook import DEFAULT, RulebookError, load


@pytest.mark.parametrize(
    ("make", "default", "unit", "low", "high", "analyte"),
    [
        pytest.param(
            lambda: parameter.k("6.1", "4.1", "a guideline"),
            *(Decimal("6.1"), "mmol/L", Decimal("2.0"), Decimal("10.0"), Analyte.POTASSIUM),
            id="a potassium: 2.0-10.0 mmol/L",
        ),
        pytest.param(
            lambda: parameter.k("0.4", "4.1", "a guideline", low="0.1", high="3.0"),
            *(Decimal("0.4"), "mmol/L", Decimal("0.1"), Decimal("3.0"), Analyte.POTASSIUM),
            id="a difference of potassiums",
        ),
        pytest.param(
            lambda: parameter.mg("0.7", "4.1", "a guideline"),
            *(Decimal("0.7"), "mmol/L", Decimal("0.2"), Decimal("10.0"), Analyte.MAGNESIUM),
            id="a magnesium: 0.2-10.0 mmol/L",
        ),
        pytest.param(
            lambda: parameter.mg("0.4", "4.1", "a guideline", low="0.05", high="3.0"),
            *(Decimal("0.4"), "mmol/L", Decimal("0.05"), Decimal("3.0"), Analyte.MAGNESIUM),
            id="a difference of magnesiums",
        ),
        pytest.param(
            lambda: parameter.ca("1.8", "4.1", "a guideline"),
            *(Decimal("1.8"), "mmol/L", Decimal("0.3"), Decimal("4.0"), Analyte.CALCIUM),
            id="a calcium: 0.3-4.0 mmol/L",
        ),
        pytest.param(
            lambda: parameter.ca("0.2", "4.1", "a guideline", low="0.01", high="2.0"),
            *(Decimal("0.2"), "mmol/L", Decimal("0.01"), Decimal("2.0"), Analyte.CALCIUM),
            id="a difference of calciums",
        ),
        pytest.param(
            lambda: parameter.quantity("3", "g", "0.5", "50", "4.1", "a guideline"),
            *(Decimal(3), "g", Decimal("0.5"), Decimal(50), None),
            id="grams",
        ),
        pytest.param(
            lambda: parameter.time("1.5 h", "30 min", "2 d", "4.1", "a guideline"),
            *(90 * MINUTE, "h", HOUR // 2, 2 * DAY, None),
            id="a time, in milliseconds",
        ),
        pytest.param(
            lambda: parameter.words(("A1", "B2"), "4.1", "a guideline"),
            *(("A1", "B2"), "list", None, None, None),
            id="a site's list",
        ),
    ],
)
def test_rules_1_a_parameter_knows_its_unit_bounds_and_source(
    make: Callable[[], Any], default: object, unit: str, low: object, high: object, analyte: Analyte | None
) -> None:
    """Default, unit, bounds inside which a site may move it, section of RULES.md and source. RULES.md 1, issue 5."""
    made = make()
    assert made.default == default
    assert type(made.default) is type(default)
    assert dict(made.metadata) == {
        "unit": unit,
        "low": low,
        "high": high,
        "section": "4.1",
        "source": "a guideline",
        "analyte": analyte,
    }


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        pytest.param(
            {"parameters": {"potassium_onse": "1", "hold": "15", "remind_at_most": "4 h"}},
            [
                "parameters.potassium_onse: unknown; the nearest known key is potassium_onset",
                "parameters.hold: a time with its unit (min, h or d) is needed, not 'a bare number'",
                "parameters.remind_at_most: a bare number is needed, not 'h'",
            ],
            id="what comes after an unknown name is told too",
        ),
        pytest.param(
            {"rules": {"qqq": {}, "spurious-potassium": {"mode": "on"}}},
            [
                "rules.qqq: unknown rule; the nearest known key is",
                "rules.spurious-potassium.mode: 'on' is none of active, shadow, off",
            ],
            id="and after an unknown rule",
        ),
        pytest.param({"rules": 3}, ["rules: a table is needed, not 3"], id="no table of rules"),
        pytest.param(
            {"parameters": {"modes": {}}}, ["parameters.modes: unknown; the nearest known key is"], id="modes is none"
        ),
        pytest.param(
            {"parameters": {"obstetric_services": "OB"}},
            ["parameters.obstetric_services: a list of strings is needed"],
            id="no list",
        ),
        pytest.param(
            {"parameters": {"obstetric_services": [1]}},
            ["parameters.obstetric_services: a list of strings is needed"],
            id="a list of something else",
        ),
        pytest.param(
            {"parameters": {"obstetric_services": ["OB", ""]}},
            ["parameters.obstetric_services: none of the strings may be empty"],
            id="an empty string",
        ),
        pytest.param(
            {"parameters": {"hold": "400 min", "potassium_high": "11 mmol/L", "hypokalemia": "3 g"}},
            [
                "parameters.hold: 400 min is outside 0 min to 360 min",
                "parameters.potassium_high: 11 mmol/L is outside 2.0 mmol/L to 10.0 mmol/L",
                "parameters.hypokalemia: a quantity in mmol/L is needed, not 'g'",
            ],
            id="outside its bounds",
        ),
        pytest.param(
            {"parameters": {"hold": "15 weeks", "potassium_high": True, "hypokalemia": ["3.5 mmol/L"]}},
            [
                "parameters.hold: a time with its unit (min, h or d) is needed, not 'weeks'",
                "parameters.potassium_high: True is no quantity; write it as 2.0 with its unit, mmol/L",
                "parameters.hypokalemia: ['3.5 mmol/L'] is no quantity; write it as 2.0 with its unit, mmol/L",
            ],
            id="no quantity",
        ),
        pytest.param(
            {"parameters": {"potassium_clear": "5.6 mmol/L"}},
            [
                (
                    "out of order: potassium_clear (5.6 mmol/L) < potassium_onset (5.5 mmol/L) < "
                    "potassium_high (6.0 mmol/L) < potassium_critical (6.5 mmol/L)"
                )
            ],
            id="a ladder out of order",
        ),
    ],
)
def test_rules_1_what_is_said_of_a_rulebook_that_is_refused(data: dict[str, Any], faults: list[str]) -> None:
    """Each fault by the name of its parameter, with what is needed in its place; all of them at once. RULES.md 1."""
    with pytest.raises(RulebookError) as refused:
        load(data)
    told = refused.value.faults
    assert len(told) == len(faults)
    assert all(one.startswith(wanted) for one, wanted in zip(told, faults, strict=True)), told
    assert str(refused.value) == "; ".join(told)


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.695", "0.695"), ("0.6951", "0.6951"), ("0.69514", "0.6951"), ("1.481176713", "1.4812"), ("6.0", "6.0")],
)
def test_rules_1_a_figure_is_read_with_four_decimals_at_most(value: str, text: str) -> None:
    """What a site gave in mg/dL has no end in mmol/L; what was written with fewer decimals keeps them. RULES.md 1."""
    assert str(readable(Decimal(value))) == text


def test_rules_1_a_site_reads_its_threshold_with_four_decimals() -> None:
    """A warning given as 3.7 mg/dL is shown as 1.5223 mmol/L. RULES.md 1."""
    assert load({"parameters": {"general_warning": "3.7 mg/dL"}}).shown("general_warning") == "1.5223 mmol/L"


def test_the_hash_of_a_rulebook_is_of_every_parameter_and_mode() -> None:
    """One parameter or one mode changed is another rulebook; the same again is the same. Issue 5."""
    changed = (
        {"parameters": {"hold": "20 min"}},
        {"parameters": {"potassium_clear": "5.1 mmol/L"}},
        {"rules": {"spurious-potassium": {"mode": "off"}}},
        {"rules": {"spurious-potassium": {"mode": "shadow"}}},
    )
    hashes = [DEFAULT.fingerprint(), *(load(data).fingerprint() for data in changed)]
    assert len(set(hashes)) == len(hashes)
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes)
    assert load({"parameters": {"hold": "15 min"}}).fingerprint() == DEFAULT.fingerprint()
