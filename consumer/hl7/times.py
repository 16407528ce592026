"""
HL7 times to instants: digits, fractions, offsets, zones, gaps and folds (HL7.md 3).

Whole milliseconds since 1970 in UTC, and the offset in minutes east that the sender meant, for showing.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from rules.events import DAY, HOUR, MINUTE, SECOND, Instant

_SHAPE = re.compile(r"([0-9]{8,16})(?:\.([0-9]{1,9}))?(?:([+-])([0-9]{3,4}))?")
_DIGITS_WITH_HOUR = 10
_DIGITS_WITH_MINUTE = 12
_DIGITS_WITH_SECOND = 14
_DIGITS_WITH_FRACTION = 16
_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2199  # outside them the digits are something else
_LONGEST_OFFSET = 14 * 60 + 59
_EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


class Stamp(NamedTuple):
    """
    A time as sent, before its zone is known: local milliseconds since 1970 as if UTC.

    ``offset`` is minutes east, None when there was none. ``digits`` is 8 for a date alone, 10 for an hour, else more.
    """

    local: int
    offset: int | None
    digits: int

    @property
    def precise(self) -> bool:
        """Known to the minute."""
        return self.digits >= _DIGITS_WITH_MINUTE

    @property
    def date(self) -> int:
        """The calendar date, as days."""
        return self.local // DAY


class Moment(NamedTuple):
    """An instant, its offset in minutes east, and flags (`dst_gap`, `dst_fold`)."""

    instant: Instant
    offset: int
    flags: tuple[str, ...] = ()


@lru_cache(maxsize=8192)
def read_time(text: str) -> Stamp | None:
    """
    Return the time that *text* says, or None when it is none (``201497870911``, an empty field, a year alone).

    8, 10, 12, 14 or 16 digits (the last two hundredths), with fractions and offset or without; ``-500`` is -0500.
    """
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        return None
    digits, fraction, sign, zone = match.groups()
    count = len(digits)
    if count % 2 or not _EARLIEST_YEAR <= int(digits[:4]) <= _LATEST_YEAR:
        return None
    try:
        day = datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:8]), tzinfo=UTC).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
    hour = int(digits[8:10]) if count >= _DIGITS_WITH_HOUR else 0
    minute = int(digits[10:12]) if count >= _DIGITS_WITH_MINUTE else 0
    second = int(digits[12:14]) if count >= _DIGITS_WITH_SECOND else 0
    if hour > 23 or minute > 59 or second > 59:
        return None
    local = day * DAY + hour * HOUR + minute * MINUTE + second * SECOND
    if count == _DIGITS_WITH_FRACTION:
        local += int(digits[14:16]) * 10
    elif fraction and count == _DIGITS_WITH_SECOND:
        local += int((fraction + "00")[:3])
    offset = None
    if zone is not None:
        minutes = int(zone[:-2]) * 60 + int(zone[-2:])
        if minutes > _LONGEST_OFFSET or int(zone[-2:]) > 59:
            return None
        offset = -minutes if sign == "-" else minutes
    return Stamp(local, offset, count)


def place(stamp: Stamp, zone: tzinfo | int) -> Moment:
    """Return the instant of *stamp*, which takes *zone* (minutes east, or a time zone) when it says no offset."""
    local, offset, _ = stamp
    if offset is None:
        if not isinstance(zone, int):
            return _place_in_zone(local, zone)
        offset = zone
    return Moment(local - offset * MINUTE, offset)


@lru_cache(maxsize=8192)
def _place_in_zone(local: int, zone: tzinfo) -> Moment:
    """Return the instant of a local time; in a fold the earlier one, in a gap by the offset before it. Flagged."""
    naive = datetime(1970, 1, 1) + timedelta(milliseconds=local)  # noqa: DTZ001  (a wall clock; its zone comes next)
    first = naive.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
    second = naive.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    flags: tuple[str, ...] = ()
    if first != second:
        flags = ("dst_gap",) if first < second else ("dst_fold",)
    seconds = int(first.total_seconds())
    return Moment(local - seconds * SECOND, seconds // 60, flags)
