"""OBX-5 with OBX-6 under a known code: a value in the canonical unit, or what is wrong with it (RULES.md 1)."""

from decimal import Decimal
from typing import NamedTuple

from consumer.hl7.codes import Observation, unit_of
from consumer.hl7.outcome import Reason
from consumer.hl7.values import is_empty, read_number
from rules.events import Analyte
from rules.units import Unit, canonical, plausible


class Measured(NamedTuple):
    """A canonical value, its comparator, what was sent, and flags (``unit_assumed``, ``censored``)."""

    value: Decimal | None
    comparator: str
    original: str
    units: str
    flags: tuple[str, ...]


class Fault(NamedTuple):
    """Why there is no value, and the OBX field at fault; no reason: a site's row says that it is not ours."""

    reason: Reason | None
    field: int


EMPTY = Fault(Reason.VALUE_MISSING, 5)
NO_VALUE = Measured(None, "", "", "", ())


def measure(raw_value: str, raw_units: str, observation: Observation, truncation: str = "") -> Measured | Fault:
    """Return the value of a raw OBX-5 and OBX-6, or what is wrong with it."""
    analyte = observation.analyte
    assert analyte is not None
    if is_empty(raw_value):
        return EMPTY
    if truncation and raw_value.rstrip().endswith(truncation):
        return Fault(Reason.TRUNCATED, 5)
    number = read_number(raw_value)
    if number is None:
        return Fault(Reason.NOT_A_NUMBER, 5)
    unit, units, flags, fault = _unit(raw_units, analyte, observation)
    if unit is None:
        return fault
    value = canonical(analyte, number.value, unit)
    if value is None:
        return Fault(Reason.UNIT_NOT_ACCEPTED, 6)
    if not plausible(analyte, value):
        return Fault(Reason.IMPLAUSIBLE, 5)
    if number.comparator:
        flags = (*flags, "censored")
    return Measured(value, number.comparator, number.text, units, flags)


_NOT_OURS = Fault(None, 6)


def _unit(raw: str, analyte: Analyte, observation: Observation) -> tuple[Unit | None, str, tuple[str, ...], Fault]:
    """
    Return the unit to convert from, its text, flags, and why there is none.

    RULES.md 1: missing is never guessed for magnesium, calcium, creatinine and digoxin; potassium is mmol/L (not
    under a mass code), eGFR its own unit, both flagged. A site's row may give a default and bound what is ours.
    """
    unit, text, unindexed = unit_of(raw)
    flags: tuple[str, ...] = ()
    if unit is None:
        if text:
            return None, text, (), Fault(Reason.UNIT_UNKNOWN, 6)
        if observation.default_unit is not None:
            unit = observation.default_unit
        elif analyte is Analyte.POTASSIUM and not observation.mass:
            unit = Unit.MMOL_L
        elif analyte is Analyte.EGFR:
            unit = Unit.ML_MIN
        else:
            return None, "", (), Fault(Reason.UNIT_MISSING, 6)
        flags = ("unit_assumed",)
    elif unindexed:
        if analyte is not Analyte.EGFR:
            return None, text, (), Fault(Reason.UNIT_NOT_ACCEPTED, 6)
        flags = ("unit_assumed",)
    if observation.units and unit not in observation.units:
        return None, text, (), _NOT_OURS
    return unit, text, flags, _NOT_OURS
