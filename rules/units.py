"""
Analytes, units and exact conversion to the canonical unit (RULES.md 1).

Canonical: mmol/L for potassium, magnesium and both calciums, umol/L for creatinine, mL/min/{1.73_m2} for eGFR, ng/mL
for digoxin. The decoder recognises spellings; here a unit is one of the names in `Unit`.
"""

from decimal import Decimal, InvalidOperation
from enum import StrEnum

from rules.events import Analyte


class Unit(StrEnum):
    """UCUM names of the units that a result or a threshold may carry."""

    MMOL_L = "mmol/L"
    MEQ_L = "mEq/L"
    MG_DL = "mg/dL"
    UMOL_L = "umol/L"
    ML_MIN = "mL/min/{1.73_m2}"
    NG_ML = "ng/mL"
    UG_L = "ug/L"
    NMOL_L = "nmol/L"


CANONICAL: dict[Analyte, Unit] = {
    Analyte.POTASSIUM: Unit.MMOL_L,
    Analyte.MAGNESIUM: Unit.MMOL_L,
    Analyte.CALCIUM: Unit.MMOL_L,
    Analyte.CALCIUM_IONIZED: Unit.MMOL_L,
    Analyte.CREATININE: Unit.UMOL_L,
    Analyte.EGFR: Unit.ML_MIN,
    Analyte.DIGOXIN: Unit.NG_ML,
}

MAGNESIUM_G_MOL = Decimal("24.305")  # standard atomic weight, IUPAC 2021
CALCIUM_G_MOL = Decimal("40.078")  # standard atomic weight, IUPAC 2021
CREATININE_UMOL_L_PER_MG_DL = Decimal("88.42")  # 113.12 g/mol
DIGOXIN_NG_ML_PER_NMOL_L = Decimal("0.781")  # 780.9 g/mol

# (numerator, denominator): the value times the first, divided by the second, is the canonical value.
_ONE = Decimal(1)
FACTORS: dict[Analyte, dict[Unit, tuple[Decimal, Decimal]]] = {
    Analyte.POTASSIUM: {Unit.MMOL_L: (_ONE, _ONE), Unit.MEQ_L: (_ONE, _ONE)},
    Analyte.MAGNESIUM: {
        Unit.MMOL_L: (_ONE, _ONE),
        Unit.MEQ_L: (_ONE, Decimal(2)),
        Unit.MG_DL: (Decimal(10), MAGNESIUM_G_MOL),
    },
    Analyte.CALCIUM: {
        Unit.MMOL_L: (_ONE, _ONE),
        Unit.MEQ_L: (_ONE, Decimal(2)),
        Unit.MG_DL: (Decimal(10), CALCIUM_G_MOL),
    },
    Analyte.CREATININE: {
        Unit.UMOL_L: (_ONE, _ONE),
        Unit.MG_DL: (CREATININE_UMOL_L_PER_MG_DL, _ONE),
        Unit.MMOL_L: (Decimal(1000), _ONE),
    },
    Analyte.EGFR: {Unit.ML_MIN: (_ONE, _ONE)},
    Analyte.DIGOXIN: {
        Unit.NG_ML: (_ONE, _ONE),
        Unit.UG_L: (_ONE, _ONE),
        Unit.NMOL_L: (DIGOXIN_NG_ML_PER_NMOL_L, _ONE),
    },
}
FACTORS[Analyte.CALCIUM_IONIZED] = FACTORS[Analyte.CALCIUM]

PLAUSIBLE: dict[Analyte, tuple[Decimal, Decimal]] = {
    Analyte.POTASSIUM: (Decimal("0.5"), Decimal(20)),
    Analyte.MAGNESIUM: (Decimal("0.05"), Decimal(20)),
    Analyte.CALCIUM: (Decimal("0.1"), Decimal(8)),
    Analyte.CALCIUM_IONIZED: (Decimal("0.1"), Decimal(8)),
    Analyte.CREATININE: (Decimal(5), Decimal(5000)),
    Analyte.EGFR: (Decimal(0), Decimal(250)),
    Analyte.DIGOXIN: (Decimal(0), Decimal(50)),
}
"""Canonical bounds, both inside; RULES.md 1."""

_PLACES = Decimal("1E-9")  # finer than any laboratory reports, coarse enough to keep the packed state small


def canonical(analyte: Analyte, value: Decimal, unit: Unit) -> Decimal | None:
    """
    Return *value* in the analyte's canonical unit, or None when the unit does not belong to the analyte.

    Exact where the factor is (1 : 1, / 2, * 88.42); a division by an atomic weight is rounded to nine places.

    >>> canonical(Analyte.MAGNESIUM, Decimal("3.6"), Unit.MG_DL)
    Decimal('1.481176713')
    """
    factor = FACTORS[analyte].get(unit)
    if factor is None:
        return None
    numerator, denominator = factor
    if denominator == 1:
        return value if numerator == 1 else value * numerator
    quotient = value * numerator / denominator
    try:
        rounded = quotient.quantize(_PLACES)
    except InvalidOperation:
        return quotient  # too large for nine places, and for any patient
    return quotient if quotient == rounded else rounded


def plausible(analyte: Analyte, value: Decimal) -> bool:
    """Say whether a canonical value lies inside the bounds of RULES.md 1."""
    low, high = PLAUSIBLE[analyte]
    return low <= value <= high
