"""Values, units, trends and ages as they are written (RULES.md 1, intended use)."""

from decimal import Decimal

import pytest

from rules.draws import Draw
from rules.events import Analyte, Result
from rules.results import Results
from rules.rulebook import DEFAULT
from rules.specimen import Drawn
from rules.units import Unit, canonical
from rules.versions import StoredResult
from rules.words.values import age, shown, trend
from tests.unit.rules.builders import crea, h, k, result


def draw(of: Result) -> Draw:
    """Return a valid draw of a result."""
    return Drawn(Results.of([StoredResult(of, 0)]), (), DEFAULT).of(of.analyte)[-1]


def sent(analyte: Analyte, number: str, units: str, unit: Unit, comparator: str = "", at: int = h(0)) -> Draw:
    """Return a result as sent: *number* and *units* on the wire, which mean *unit*."""
    value = canonical(analyte, Decimal(number), unit)
    of = result(analyte, str(value), at)
    return draw(of._replace(original_value=comparator + number, original_units=units, comparator=comparator))


MG, K, CA, CREA = Analyte.MAGNESIUM, Analyte.POTASSIUM, Analyte.CALCIUM, Analyte.CREATININE


@pytest.mark.parametrize(
    ("analyte", "number", "units", "unit", "comparator", "text"),
    [
        (K, "6.3", "mmol/L", Unit.MMOL_L, "", "6.3 mmol/L"),
        (K, "6.3", "MEQ/L", Unit.MEQ_L, "", "6.3 mEq/L"),
        (K, "6.3", "", Unit.MMOL_L, "", "6.3 mmol/L"),
        (K, "10", "mmol/L", Unit.MMOL_L, ">", ">10 mmol/L"),
        (K, "2.0", "mEq/L", Unit.MEQ_L, "<", "<2.0 mEq/L"),
        (MG, "2.0", "mg/dL", Unit.MG_DL, "", "2.0 mg/dL"),
        (MG, "2.0", "MG/DL", Unit.MG_DL, "", "2.0 mg/dL"),
        (MG, "2.0", "mg%", Unit.MG_DL, "", "2.0 mg/dL"),
        (MG, "2.0", "", Unit.MG_DL, "", "2.0 mg/dL"),
        (MG, "1.6", "mval/l", Unit.MEQ_L, "", "1.6 mEq/L"),
        (CA, "7.4", "mg/100ml", Unit.MG_DL, "", "7.4 mg/dL"),
        (CREA, "1.4", "mgdl", Unit.MG_DL, "", "1.4 mg/dL"),
        (CREA, "0.12", "mmoll", Unit.MMOL_L, "", "0.12 mmol/L"),
    ],
)
def test_a_number_never_stands_beside_another_unit(
    analyte: Analyte, number: str, units: str, unit: Unit, comparator: str, text: str
) -> None:
    """RULES.md 1: 2.0 is normal in mg/dL and dangerous in mmol/L; a spelling that is not ours changes no unit."""
    assert shown(sent(analyte, number, units, unit, comparator)) == text


def test_a_version_without_a_number_is_shown_in_the_canonical_unit() -> None:
    """RULES.md 2: a U without a value makes the earlier one final; its unit has no number to stand beside."""
    first = sent(MG, "2.0", "mg/dL", Unit.MG_DL).result._replace(status="P")
    final = first._replace(status="U", value=None, original_value="", resulted_at=h(1))
    draws = Drawn(Results.of([StoredResult(first, 0), StoredResult(final, 1)]), (), DEFAULT).of(MG)
    assert [shown(draw) for draw in draws] == ["0.82 mmol/L"]


def test_a_number_that_no_unit_explains_gives_way_to_the_judged_value() -> None:
    """Whatever was sent, what is shown is what was judged."""
    odd = sent(MG, "2.0", "mg/dL", Unit.MG_DL).result._replace(original_value="7.7")
    assert shown(draw(odd)) == "0.82 mmol/L"


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.7", "0.7"), ("0.70", "0.70"), ("2", "2"), ("0.695", "0.70"), ("0.685", "0.69"), ("0.82288", "0.82")],
)
def test_a_value_without_a_number_sent_has_two_decimals_at_most(value: str, text: str) -> None:
    """What the laboratory did not write itself is rounded half up to hundredths, and no zeros are added."""
    assert shown(draw(result(MG, value, h(0))._replace(original_value=""))) == f"{text} mmol/L"


@pytest.mark.parametrize(
    ("before", "value", "hours", "text"),
    [
        ("6.0", "6.4", 2, "up 0.4 in 2 h"),
        ("6.4", "6.0", 2, "down 0.4 in 2 h"),
        ("6.4", "6.4", 3, "unchanged in 3 h"),
        ("6.40", "6.43", 1.5, "up 0.03 in 90 min"),
        ("6.0", "6.4", 72, "up 0.4 in 3 days"),
        ("6.0", "6.4", 73, ""),
        ("6.0", "6.25", 2, "up 0.25 in 2 h"),
        ("6.15", "6.2", 2, "up 0.05 in 2 h"),
        ("5.95", "6.1", 2, "up 0.15 in 2 h"),
        ("6.00", "6.40", 2, "up 0.40 in 2 h"),
        ("6.0", "6.125", 2, "up 0.13 in 2 h"),
    ],
)
def test_the_trend_in_words(before: str, value: str, hours: float, text: str) -> None:
    """Change and interval; none where the earlier value is older than three days."""
    assert trend(draw(k(value, h(hours))), draw(k(before, h(0)))) == text


def test_the_trend_is_in_the_unit_of_the_newest() -> None:
    """A laboratory that changed its unit between two results changes no trend."""
    before = sent(MG, "0.80", "mmol/L", Unit.MMOL_L)
    assert trend(sent(MG, "4.4", "mg/dL", Unit.MG_DL, at=h(4)), before) == "up 2.5 in 4 h"
    assert trend(sent(MG, "2.0", "mg/dL", Unit.MG_DL, at=h(4)), sent(MG, "0.81", "mmol/L", Unit.MMOL_L)) == (
        "up 0.03 in 4 h"
    )


@pytest.mark.parametrize(
    ("comparator", "number", "before", "text"),
    [
        (">", "8.0", "6.0", "up 2.0 or more in 2 h"),
        ("<", "2.0", "3.0", "down 1.0 or more in 2 h"),
        (">", "8.0", "7.5", "up 0.5 or more in 2 h"),
        ("<", "2.0", "2.5", "down 0.5 or more in 2 h"),
        (">", "8.0", "8.4", ""),
        ("<", "2.0", "1.8", ""),
        (">", "8.0", "8.0", ""),
        ("<", "2.0", "2.0", ""),
    ],
)
def test_a_censored_value_bounds_its_trend(comparator: str, number: str, before: str, text: str) -> None:
    """RULES.md 1: >8.0 is 8.0 flagged; of the change only what is sure is said."""
    assert trend(sent(K, number, "mmol/L", Unit.MMOL_L, comparator, at=h(2)), draw(k(before, h(0)))) == text


def test_no_trend_from_a_censored_value() -> None:
    """Of a change from a value beyond the analyser's range nothing is sure."""
    assert trend(draw(k("6.0", h(2))), sent(K, "8.0", "mmol/L", Unit.MMOL_L, ">")) == ""


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (-0.1, "0 min"),
        (0.75, "45 min"),
        (1.5, "90 min"),
        (2, "2 h"),
        (30, "30 h"),
        (1, "1 h"),
        (1.01, "1 h"),
        (1.02, "61 min"),
        (2.5, "3 h"),
        (71.4, "71 h"),
        (72, "3 days"),
        (83.9, "3 days"),
        (84, "4 days"),
        (200, "8 days"),
    ],
)
def test_ages(hours: float, text: str) -> None:
    """Times as durations: minutes up to two hours, hours up to three days; a clock ahead is no age."""
    assert age(draw(crea("90", h(0))), h(hours)) == f"drawn {text} ago"
