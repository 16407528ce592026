"""
HL7 times to instants: digits, fractions, offsets, zones, gaps and folds (HL7.md 3).

Whole milliseconds since 1970 in UTC, and the offset in minutes east that the sender meant, for showing.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from consumer.hl7.making import maker
from rules.events import DAY, HOUR, MINUTE, SECOND, Instant

_SHAPE = re.compile(r"((?:[0-9]{2}){4,8})(?:\.([0-9]{1,9}))?([+-][0-9]{3,4})?")
_ISO_8601 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_ZONE_OF_ISO = re.compile(r"Z|(?<=[+-][0-9]{2}):(?=[0-9]{2})")
_DIGITS_OF_DATE = 8
WITH_MINUTE = 12
_DIGITS_WITH_SECOND = 14
_DIGITS_WITH_FRACTION = 16
_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2299  # outside them the digits are something else; research shifts far
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
        return self.digits >= WITH_MINUTE

    @property
    def date(self) -> int:
        """The calendar date, as days."""
        return self.local // DAY


class Moment(NamedTuple):
    """An instant, its offset in minutes east, and flags (`dst_gap`, `dst_fold`)."""

    instant: Instant
    offset: int
    flags: tuple[str, ...] = ()


def read_time(text: str) -> Stamp | None:
    """
    Return the time that *text* says, or None when it is none (``201497870911``, an empty field, a year alone).

    8, 10, 12, 14 or 16 digits (the last two hundredths), with fractions and offset or without; ``-500`` is -0500. What
    ISO 8601 writes in their place (``2026-01-01T09:10:00+01:00``, a ``Z``) can mean nothing else and is read too.
    """
    try:  # as nearly all are: all four parts were seen before
        local = _DAYS[text[:8]] + _TIMES[text[8:12]] + _SECONDS[text[12:14]]
        return _stamp((local, _OFFSETS[text[14:]], min(len(text), _DIGITS_WITH_SECOND)))
    except KeyError:
        pass
    match = _SHAPE.fullmatch(text.strip()) or _SHAPE.fullmatch(_plain(text.strip()))
    if match is None:
        return None
    digits, fraction, zone = match.group(1), match.group(2), match.group(3) or ""
    stamp = _read(digits[:14], zone)
    if stamp is None:
        return None
    if len(digits) == _DIGITS_WITH_FRACTION:
        return stamp._replace(local=stamp.local + int(digits[14:]) * 10, digits=_DIGITS_WITH_FRACTION)
    if fraction and len(digits) == _DIGITS_WITH_SECOND:
        return stamp._replace(local=stamp.local + int((fraction + "00")[:3]))
    return stamp


def _plain(text: str) -> str:
    """Return a date and time of ISO 8601 in the digits of HL7, its offset without a colon, ``Z`` as +0000."""
    iso = _ISO_8601.fullmatch(text)
    if iso is not None:
        text = "".join(part or "" for part in iso.groups())
    return _ZONE_OF_ISO.sub(lambda found: "+0000" if found[0] == "Z" else "", text)


def _read(digits: str, zone: str) -> Stamp | None:
    """Return the time of up to 14 digits and an offset (empty: none)."""
    day, time, second = _day(digits[:8]), _TIMES.get(digits[8:12]), _SECONDS.get(digits[12:])
    if day is None or time is None or second is None:
        return None
    offset = None
    if zone:
        offset = _offset(zone)
        if offset is None:
            return None
        if len(_OFFSETS) >= _KEPT:
            _OFFSETS.clear()
            _OFFSETS[""] = None
        _OFFSETS[zone] = offset
    if len(_DAYS) >= _KEPT:
        _DAYS.clear()
    _DAYS[digits[:8]] = day
    return _stamp((day + time + second, offset, len(digits)))


_stamp = maker(Stamp)
_TIMES = {"": 0} | {f"{hour:02}": hour * HOUR for hour in range(24)}
_TIMES |= {f"{hour:02}{minute:02}": hour * HOUR + minute * MINUTE for hour in range(24) for minute in range(60)}
_KEPT = 8192
_DAYS: dict[str, int] = {}
"""Milliseconds since 1970 by eight digits that were read before, and minutes east by offset; bounded."""

_OFFSETS: dict[str, int | None] = {"": None}
_SECONDS = {"": 0} | {f"{second:02}": second * SECOND for second in range(60)}


def _day(digits: str) -> int | None:
    """Return the day of eight digits in milliseconds since 1970, None when there is no such day."""
    if len(digits) < _DIGITS_OF_DATE or not _EARLIEST_YEAR <= int(digits[:4]) <= _LATEST_YEAR:
        return None
    try:
        ordinal = datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:]), tzinfo=UTC).toordinal()
    except ValueError:
        return None
    return (ordinal - _EPOCH_ORDINAL) * DAY


def _offset(zone: str) -> int | None:
    """Return the minutes east of ``+0130`` or ``-500``, None when there is no such offset."""
    hours, minutes = zone[1:-2], zone[-2:]
    if zone[0] not in "+-" or not (hours + minutes).isascii() or not (hours + minutes).isdigit():
        return None
    east = int(hours) * 60 + int(minutes)
    if east > _LONGEST_OFFSET or int(minutes) > 59:
        return None
    return -east if zone[0] == "-" else east


def place(stamp: Stamp, zone: tzinfo | int) -> Moment:
    """Return the instant of *stamp*, which takes *zone* (minutes east, or a time zone) when it says no offset."""
    local, offset, _ = stamp
    if offset is None:
        if not isinstance(zone, int):
            return _place_in_zone(local, zone)
        offset = zone
    return _moment((local - offset * MINUTE, offset, ()))


_moment = maker(Moment)


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
