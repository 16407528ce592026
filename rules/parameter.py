"""
What a parameter of the rulebook is: a quantity, a duration or a list, with its unit, bounds, section and source.

Made as the field of a dataclass; read from what a site wrote, refused with a reason, and written for people.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from rules.events import DAY, HOUR, MINUTE, Analyte
from rules.units import Unit, canonical

_TIMES = {"min": MINUTE, "h": HOUR, "d": DAY}
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(\S.*?)?\s*")


def k(default: str, section: str, source: str, low: str = "2.0", high: str = "10.0") -> Any:
    """Return the field of a potassium in mmol/L."""
    return quantity(default, "mmol/L", low, high, section, source, Analyte.POTASSIUM)


def mg(default: str, section: str, source: str, low: str = "0.2", high: str = "10.0") -> Any:
    """Return the field of a magnesium in mmol/L."""
    return quantity(default, "mmol/L", low, high, section, source, Analyte.MAGNESIUM)


def ca(default: str, section: str, source: str, low: str = "0.3", high: str = "4.0") -> Any:
    """Return the field of a calcium in mmol/L."""
    return quantity(default, "mmol/L", low, high, section, source, Analyte.CALCIUM)


def quantity(
    default: str, unit: str, low: str, high: str, section: str, source: str, analyte: Analyte | None = None
) -> Any:
    """Return the field of a quantity in *unit*; of an analyte, a site may write it in any of its units."""
    return field(
        default=Decimal(default),
        metadata={
            "unit": unit,
            "low": Decimal(low),
            "high": Decimal(high),
            "section": section,
            "source": source,
            "analyte": analyte,
        },
    )


def time(default: str, low: str, high: str, section: str, source: str) -> Any:
    """Return the field of a duration: kept in milliseconds, shown in the unit of its default."""
    return field(
        default=_milliseconds(default),
        metadata={
            "unit": default.split()[1],
            "low": _milliseconds(low),
            "high": _milliseconds(high),
            "section": section,
            "source": source,
            "analyte": None,
        },
    )


def words(default: tuple[str, ...], section: str, source: str) -> Any:
    """Return the field of a list of codes."""
    return field(
        default=default,
        metadata={"unit": "list", "low": None, "high": None, "section": section, "source": source, "analyte": None},
    )


def _milliseconds(text: str) -> int:
    number, unit = text.split()
    return int(Decimal(number) * _TIMES[unit])


def read(raw: object, meta: Mapping[str, Any]) -> tuple[object, str]:
    """Return the value in canonical form, or what is wrong with it."""
    unit: str = meta["unit"]
    if unit == "list":
        if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
            return None, "a list of strings is needed"
        items = tuple(item.replace(".", "").upper() for item in raw)
        # An empty one would be the service of every visit without one, and begins every code.
        return (items, "") if all(map(str.strip, items)) else (None, "none of the strings may be empty")
    match = _QUANTITY.fullmatch(str(raw))
    if match is None:
        return None, f"{raw!r} is no quantity; write it as {meta['low']} with its unit, {unit}"
    number, given = Decimal(match[1]), match[2] or ""
    value, fault = _convert(number, given, unit, meta["analyte"])
    if fault:
        return None, fault
    if not meta["low"] <= value <= meta["high"]:
        return None, f"{raw} is outside {text_of(meta['low'], unit)} to {text_of(meta['high'], unit)}"
    return value, ""


def _convert(number: Decimal, given: str, unit: str, analyte: Analyte | None) -> tuple[Any, str]:
    if unit in _TIMES:
        if given not in _TIMES:
            return None, f"a time with its unit (min, h or d) is needed, not {given or 'a bare number'!r}"
        return int(number * _TIMES[given]), ""
    if unit == "1":
        return (number, "") if not given else (None, f"a bare number is needed, not {given!r}")
    if analyte is not None:
        try:
            value = canonical(analyte, number, Unit(given))
        except (ValueError, InvalidOperation):
            value = None
        return (
            (value, "")
            if value is not None
            else (None, f"a quantity in {unit} is needed, not {given or 'a bare number'!r}")
        )
    return (
        (number, "") if given == unit else (None, f"a quantity in {unit} is needed, not {given or 'a bare number'!r}")
    )


def readable(value: Decimal) -> Decimal:
    """
    Return a figure with at most four decimals: one that a site gave in mg/dL has no end in mmol/L.

    >>> readable(Decimal("3.6") * 10 / Decimal("24.305")), readable(Decimal("0.695"))
    (Decimal('1.4812'), Decimal('0.695'))
    """
    exponent = value.as_tuple().exponent
    return round(value, 4) if isinstance(exponent, int) and exponent < -4 else value


@lru_cache(maxsize=512)
def decimal_text(text: str, unit: str) -> str:
    """Return a figure by its text: 2.0 and 2.00 are equal, and read differently."""
    return text_of(readable(Decimal(text)), unit)


def text_of(value: object, unit: str) -> str:
    """Return a figure, milliseconds or a list for reading: ``5.5 mmol/L``, ``24 h``, ``O14, O15``."""
    if unit == "list":
        return ", ".join(value) if isinstance(value, tuple) else ""
    if isinstance(value, int):  # milliseconds
        number = Decimal(value) / _TIMES[unit]
        return f"{number.normalize():f} {unit}"
    return f"{value}" if unit == "1" else f"{value} {unit}"
