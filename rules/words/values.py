"""Results in words: the number and unit that the laboratory sent, trend, age of the draw (RULES.md 1, intended use)."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from rules.draws import Draw
from rules.events import DAY, HOUR, MINUTE, Analyte, Instant
from rules.parameter import readable
from rules.renal import civil_date
from rules.units import CANONICAL, FACTORS, MAGNESIUM_G_MOL, Unit, canonical

TREND_WITHIN = 3 * DAY
"""An earlier value is worth a trend when it is at most so old; two results a week apart are not one movement."""


class Written(NamedTuple):
    """A number and the unit that it is in."""

    number: str
    unit: Unit


def as_sent(draw: Draw) -> Written:
    """
    Return a result as its laboratory wrote it; in the canonical unit where number and unit sent do not give its value.

    So a spelling of the unit that is not one of ours, or a later version that carries no number, can never put the
    laboratory's number beside another unit (RULES.md 1: 2.0 is normal in mg/dL and dangerous in mmol/L).
    """
    result = draw.result
    return _as_sent(result.analyte, result.original_value, result.original_units, str(draw.value))


@lru_cache(maxsize=4_096)
def _as_sent(analyte: Analyte, original_value: str, original_units: str, text: str) -> Written:
    """Return the result of that value; the text of it, as 4.0 and 4.00 are equal and are not written alike."""
    value = Decimal(text)
    number = original_value.lstrip("<>=≤≥^ ")
    sent = original_units.lower()
    try:
        for unit in sorted(FACTORS[analyte], key=lambda unit: unit.value.lower() != sent):  # the unit sent, the others
            if canonical(analyte, Decimal(number), unit) == value:
                return Written(number, unit)
    except InvalidOperation:
        pass  # no number was sent with this version
    places = value if int(value.as_tuple().exponent) >= -2 else value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return Written(f"{places:f}", CANONICAL[analyte])


def shown(draw: Draw) -> str:
    """Return a result with comparator and unit: ``6.3 mmol/L``, ``>10 mmol/L``."""
    written = as_sent(draw)
    return f"{draw.result.comparator}{written.number} {written.unit.value}"


def shown_as(draw: Draw) -> str:
    """Return a result after its analyte, within a sentence: ``potassium 6.3 mmol/L``."""
    return f"{name(draw).lower()} {shown(draw)}"


def name(draw: Draw) -> str:
    """Return the analyte with a capital: ``Potassium``, ``Ionized calcium``."""
    analyte = draw.result.analyte
    return "Ionized calcium" if analyte is Analyte.CALCIUM_IONIZED else analyte.value.capitalize()


def trend(draw: Draw, before: Draw) -> str:
    """
    Return the change since *before*, an earlier draw, in the unit in which *draw* was sent: ``up 0.4 in 2 h``.

    Empty where it is too long ago, or a comparator leaves the change unknown; ``up 3.9 or more in 2 h`` where a
    comparator bounds it (RULES.md 1); ``up 0.4 in 2 h from a doubtful value`` where *before* is suspect (3).
    """
    if draw.at - before.at > TREND_WITHIN:
        return ""
    written = as_sent(draw)
    numerator, denominator = FACTORS[draw.result.analyte][written.unit]
    difference = (draw.value - before.value) * denominator / numerator
    comparator = draw.result.comparator
    bounded = (comparator.startswith(">") and difference > 0) or (comparator.startswith("<") and difference < 0)
    if before.result.comparator or (comparator and not bounded):
        return ""
    since = f"{hours(draw.at - before.at)}{'' if before.valid else ' from a doubtful value'}"
    hundredths = abs(difference).quantize(Decimal("0.01"), ROUND_HALF_UP)
    tenths = abs(difference).quantize(Decimal("0.1"), ROUND_HALF_UP)
    fine = len(written.number.partition(".")[2]) >= 2 or abs(difference) < Decimal("0.05")
    size = hundredths if fine or tenths != hundredths == abs(difference) else tenths
    if size == 0:
        return f"unchanged in {since}"
    return f"{'up' if difference > 0 else 'down'} {size}{' or more' if bounded else ''} in {since}"


def age(draw: Draw, now: Instant) -> str:
    """Return the age of a draw: ``drawn 40 min ago``."""
    return f"drawn {ago(draw.at, now)}"


def hours(duration: Instant) -> str:
    """
    Return a duration in words: in minutes up to two hours, where they matter, then in hours, from 72 h in days.

    >>> [hours(minutes * MINUTE) for minutes in (60, 95, 150, 4320)]
    ['1 h', '95 min', '3 h', '3 days']
    """
    if duration // MINUTE == 60:
        return "1 h"
    if duration < 2 * HOUR:
        return f"{duration // MINUTE} min"
    if duration < 3 * DAY:
        return f"{(duration + HOUR // 2) // HOUR} h"
    return f"{(duration + DAY // 2) // DAY} days"


def ago(moment: Instant, now: Instant) -> str:
    """Return ``4 h ago``."""
    return f"{hours(max(0, now - moment))} ago"


def earlier(draws: Sequence[Draw], trigger: Draw) -> Draw | None:
    """Return the draw that a trend starts from: the newest valid one before *trigger*, else the newest."""
    newest: Draw | None = None
    for draw in reversed(draws):
        if draw.at < trigger.at:
            if draw.valid:
                return draw
            newest = newest or draw
    return newest


def in_both_units(mmol_l: Decimal) -> str:
    """
    Return a magnesium with mg/dL beside it, for reading (RULES.md 4.2).

    >>> in_both_units(Decimal("1.5"))
    '1.5 mmol/L (3.6 mg/dL)'
    """
    return _in_both_units(str(mmol_l))


@lru_cache(maxsize=256)
def _in_both_units(text: str) -> str:
    """Return it of a value's text, as 1.5 and 1.50 are equal and are not written alike."""
    mmol_l = Decimal(text)
    return (
        f"{readable(mmol_l)} mmol/L ({(mmol_l * MAGNESIUM_G_MOL / 10).quantize(Decimal('0.1'), ROUND_HALF_UP)} mg/dL)"
    )


def iso(moment: Instant, offset: int) -> str:
    """
    Return an instant as ISO 8601 in its sender's offset (minutes east).

    >>> iso(0, -300)
    '1969-12-31T19:00:00-05:00'
    """
    local = moment + offset * MINUTE
    year, month, day = civil_date(local)
    seconds = local // 1000 % 86_400
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    sign = "-" if offset < 0 else "+"
    return f"{year:04}-{month:02}-{day:02}T{clock}{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
