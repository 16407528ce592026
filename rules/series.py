"""
The stored versions of one analyte, by draw (RULES.md 2): columns that a rule looks at, entries that are read if asked.

A patient in intensive care has hundreds of results, and an event adds one or two. So what is derived from a version
is derived when it comes: its *mark* says whether it is a draw of its own (`PLAIN`, nearly all of them), or has to be
worked out with others. A packed state opens with its columns; of the entries only those that somebody asks for are
unpacked (`Rows`), the others go on as they lie.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from rules.events import Instant, Result
from rules.lazy import lazy
from rules.versions import USABLE, StoredResult, draw_order, first_came, identity, version_order

PLAIN, SHADOWED, MIXED, REMARKED = "p-ms"
"""
What a version is to its draw.

PLAIN: it is the draw. SHADOWED: a newer one of the same draw, a PLAIN one, stands for it. MIXED: it shares its identity
or its draw time with others, or has no usable value: `rules/specimen.py` works it out. REMARKED: that, and its message
said something of its tube.
"""


class _Decimals(dict[str, Decimal | None]):
    """Values by their text; the same few hundred come again and again."""

    def __missing__(self, text: str) -> Decimal | None:
        if len(self) >= 8_192:
            self.clear()
        value = self[text] = Decimal(text) if text else None
        return value


_DECIMALS = _Decimals()
_AT = struct.Struct("<q")
_CAME = struct.Struct("<I")


class Rows(Protocol):
    """Entries that lie packed somewhere, and are read one by one."""

    def __len__(self) -> int:
        """Return how many there are."""

    def read(self, n: int, at: Instant, value: Decimal | None, came: int) -> StoredResult:
        """Read one, of which the columns say this much."""

    def identity(self, n: int) -> str:
        """Return the identity of one (`rules.versions.identity`)."""

    def identities(self, start: int, end: int) -> Sequence[str]:
        """Return those from *start* to before *end*: cheaper than one by one."""

    def inserted(self, n: int, entry: StoredResult) -> "Rows":
        """Return them with one more at place *n*, the others unread."""

    def cut(self, start: int, end: int) -> "Rows":
        """Return those from *start* to before *end*, unread."""

    def naming(self, text: str) -> Sequence[int]:
        """Return those that hold *text* as a field, perhaps some more that do not; ascending."""


class Columns(NamedTuple):
    """
    What stands beside the entries of a series, each column as long as they are.

    ``at`` and ``came`` are packed little-endian (8 and 4 bytes), ``values`` are decimals as text, parted by spaces and
    empty where there is none, ``marks`` one letter each. ``lowest`` and ``highest``: no value lies outside.
    """

    at: bytes
    came: bytes
    values: str
    marks: str
    lowest: Decimal | None
    highest: Decimal | None


class Series:
    """The versions of one analyte: ``head`` lies packed, ``tail`` came since."""

    def __init__(self, columns: Columns, head: Rows, tail: tuple[StoredResult, ...] = ()) -> None:
        self.columns = columns
        self.head = head
        self.tail = tail

    @classmethod
    def of(cls, entries: Sequence[StoredResult]) -> "Series":
        """Return the series of versions in any order, at least one."""
        first, *others = entries
        series = cls(_alone(first), _NO_ROWS, (first,))
        for entry in others:
            series = series.taking(entry)
        return series

    def __len__(self) -> int:
        """Return how many versions there are."""
        return len(self.columns.marks)

    def __getitem__(self, n: int) -> StoredResult:
        """Read one."""
        packed = len(self.head)
        if n < packed:
            return self.head.read(n, self.at[n], self.values[n], self.came[n])
        return self.tail[n - packed]

    def settle(self, rows: Rows) -> None:
        """Take all entries as *rows* have them packed: it is the same series, with nothing that came since."""
        self.head, self.tail = rows, ()

    def identity(self, n: int) -> str:
        """Return the identity of one (`rules.versions.identity`)."""
        packed = len(self.head)
        return self.head.identity(n) if n < packed else identity(self.tail[n - packed].result)

    def identities(self, start: int, end: int) -> list[str]:
        """Return those from *start* to before *end*."""
        packed = len(self.head)
        lying = self.head.identities(start, min(end, packed))
        return [*lying, *(identity(entry.result) for entry in self.tail[max(0, start - packed) : max(0, end - packed)])]

    def __iter__(self) -> Iterator[StoredResult]:
        """Read all."""
        return iter(self._read(0))

    @lazy
    def at(self) -> tuple[Instant, ...]:
        """Return the draw times, ascending."""
        return struct.unpack(f"<{len(self)}q", self.columns.at)

    @lazy
    def came(self) -> tuple[int, ...]:
        """Return with which of the patient's events each came."""
        return struct.unpack(f"<{len(self)}I", self.columns.came)

    @lazy
    def values(self) -> list[Decimal | None]:
        """Return the values."""
        return list(map(_DECIMALS.__getitem__, self.columns.values.split(" ")))

    @lazy
    def newest_at(self) -> Instant:
        """Return the newest draw time."""
        at: Instant = _AT.unpack_from(self.columns.at, len(self.columns.at) - _AT.size)[0]
        return at

    @lazy
    def oldest_at(self) -> Instant:
        """Return the oldest draw time."""
        at: Instant = _AT.unpack_from(self.columns.at)[0]
        return at

    def _read(self, start: int) -> list[StoredResult]:
        """Read all from *start* on."""
        return [self[n] for n in range(start, len(self))]

    def naming(self, text: str) -> list[int]:
        """Return those whose order number or container may be *text*; ascending."""
        found = [*self.head.naming(text)]
        if self.tail:
            for n, entry in enumerate(self.tail, len(self.head)):
                if text in (entry.result.order_number, entry.result.container):
                    found.append(n)
        return found

    def drawn_at(self, at: Instant) -> list[StoredResult]:
        """Read those of one draw time."""
        return [self[n] for n in range(bisect_left(self.at, at), bisect_right(self.at, at))]

    def cut(self, start: int, end: int) -> "Series":
        """Return the versions from *start* to before *end*, the bounds no narrower than before."""
        packed, columns = len(self.head), self.columns
        kept = columns._replace(
            at=columns.at[8 * start : 8 * end],
            came=columns.came[4 * start : 4 * end],
            values=columns.values.split(" ", start)[-1].rsplit(" ", len(self) - end)[0],
            marks=columns.marks[start:end],
        )
        tail = self.tail[max(0, start - packed) : max(0, end - packed)]
        return Series(kept, self.head.cut(min(start, packed), min(end, packed)), tail)

    def since(self, at: Instant) -> "Series | None":
        """Return the versions drawn at *at* or later; None without any."""
        if self.oldest_at >= at:
            return self
        start = bisect_left(self.at, at)
        return None if start == len(self) else self.without_first(start)

    def draws(self) -> list[int]:
        """Return the last version here of each draw of each result; one of another draw time is one of its own."""
        marks = self.columns.marks
        if marks.count(PLAIN) == len(marks):
            return [*range(len(marks))]
        found: list[int] = []
        told: set[tuple[Instant, str]] = set()
        for n in range(len(self) - 1, -1, -1):
            if marks[n] in (MIXED, REMARKED):
                name = (self.at[n], self.identity(n))
                if name in told:
                    continue
                told.add(name)
            if marks[n] != SHADOWED:
                found.append(n)
        found.reverse()
        return found

    def without_first(self, count: int) -> "Series":
        """Return all but the *count* oldest, at least one."""
        if count == 0:
            return self
        rest = self.cut(count, len(self))
        bounds = (self.columns.lowest, self.columns.highest)
        gone = self.columns.values.split(" ", count)[:count]
        return _bounded(rest) if any(_DECIMALS[text] in bounds for text in gone) else rest

    def taking(self, entry: StoredResult) -> "Series":
        """
        Return the series with a version more, at its place.

        Of one identity, draw and status the newest stays, with the earliest `came`.
        """
        sharing = self._sharing(entry)
        if not sharing:
            if entry.result.observed_at > self.newest_at:
                return self.joined(_alone(entry), (entry,))
            return self._inserted(bisect_left(self.at, entry.result.observed_at), entry)
        # From the first that is touched on, everything is read and put together anew.
        start = min([*sharing, bisect_left(self.at, entry.result.observed_at)])
        replaced: StoredResult | None = None
        suffix = self._read(start)
        marks = list(self.columns.marks[start:])
        for n in reversed(sharing):
            old = suffix[n - start].result
            if old.status == entry.result.status and _same_draw(old, entry.result):
                replaced = suffix.pop(n - start)
                del marks[n - start]
                sharing = [m - (m > n) for m in sharing if m != n]
                newest = max(replaced, entry, key=lambda e: (version_order(e.result), e.said))
                entry = newest._replace(came=min(replaced.came, entry.came))
        renewed = _marks([*(suffix[n - start] for n in sharing), entry])
        for n, again in zip(sharing, renewed[:-1], strict=True):
            marks[n - start] = again
        place = bisect_left(suffix, draw_order(entry), key=draw_order)
        suffix.insert(place, entry)
        marks.insert(place, renewed[-1])
        added = _columns(suffix, "".join(marks))
        if start == 0:
            return Series(added, _NO_ROWS, tuple(suffix))
        taken = self.cut(0, start).joined(added, tuple(suffix))
        return taken if replaced is None else _bounded(taken)

    def _inserted(self, n: int, entry: StoredResult) -> "Series":
        """Return the series with a late version that shares nothing at place *n*, before the newest; none is read."""
        ours, own, packed = self.columns, _alone(entry), len(self.head)
        values = ours.values.split(" ", n)
        columns = Columns(
            ours.at[: 8 * n] + own.at + ours.at[8 * n :],
            ours.came[: 4 * n] + own.came + ours.came[4 * n :],
            " ".join([*values[:n], own.values, *values[n:]]),
            ours.marks[:n] + own.marks + ours.marks[n:],
            _least(min, ours.lowest, own.lowest),
            _least(max, ours.highest, own.highest),
        )
        if n < packed:
            return Series(columns, self.head.inserted(n, entry), self.tail)
        return Series(columns, self.head, (*self.tail[: n - packed], entry, *self.tail[n - packed :]))

    def joined(self, added: Columns, entries: tuple[StoredResult, ...]) -> "Series":
        """Return the series with later entries and their columns behind it."""
        ours = self.columns
        columns = Columns(
            ours.at + added.at,
            ours.came + added.came,
            f"{ours.values} {added.values}",
            ours.marks + added.marks,
            _least(min, ours.lowest, added.lowest),
            _least(max, ours.highest, added.highest),
        )
        grown = Series(columns, self.head, self.tail + entries)
        grown.oldest_at, grown.newest_at = self.oldest_at, entries[-1].result.observed_at
        if "values" in self.__dict__:  # and with it, mostly, the rest: what was unpacked is not unpacked again
            grown.at = (*self.at, *[entry.result.observed_at for entry in entries])
            grown.came = (*self.came, *[entry.came for entry in entries])
            grown.values = [*self.values, *[entry.result.value for entry in entries]]
        return grown

    def beyond(self, earlier: "Series") -> Sequence[StoredResult] | None:
        """Return the PLAIN versions that have come behind all of *earlier*; None where that is not all that differs."""
        marks, known, came = self.columns.marks, earlier.columns.marks, len(earlier.tail)
        grown = self.head is earlier.head and self.tail[:came] == earlier.tail and marks.startswith(known)
        return self.tail[came:] if grown and not marks[len(known) :].strip(PLAIN) else None

    def _sharing(self, entry: StoredResult) -> list[int]:
        """Return the versions that have the identity or the draw time of *entry*; ascending."""
        at = entry.result.observed_at
        found = [n for n in self.naming(entry.result.order_number) if _same_identity(self[n].result, entry.result)]
        if at <= self.newest_at:
            found += range(bisect_left(self.at, at), bisect_right(self.at, at))
        return sorted(set(found)) if found else found


class _NoRows:
    """No packed entries."""

    def __len__(self) -> int:
        return 0

    def read(self, n: int, at: Instant, value: Decimal | None, came: int) -> StoredResult:  # noqa: ARG002
        raise IndexError(n)

    def identity(self, n: int) -> str:
        raise IndexError(n)

    def identities(self, start: int, end: int) -> Sequence[str]:  # noqa: ARG002
        return ()

    def inserted(self, n: int, entry: StoredResult) -> "_NoRows":  # noqa: ARG002
        raise IndexError(n)

    def cut(self, start: int, end: int) -> "_NoRows":  # noqa: ARG002  (the protocol's shape)
        return self

    def naming(self, text: str) -> Sequence[int]:  # noqa: ARG002
        return ()


_NO_ROWS = _NoRows()


def _alone(entry: StoredResult) -> Columns:
    """Return the columns of a version that shares neither identity nor draw time with another."""
    (result, came, said), value = entry, entry.result.value
    mark = REMARKED if said else PLAIN if value is not None and result.status in USABLE else MIXED
    text = "" if value is None else str(value)
    return Columns(_AT.pack(result.observed_at), _CAME.pack(came), text, mark, value, value)


def _columns(entries: Sequence[StoredResult], marks: str) -> Columns:
    """Return the columns of entries, which are at least one."""
    values = [entry.result.value for entry in entries]
    known = [value for value in values if value is not None]
    return Columns(
        struct.pack(f"<{len(entries)}q", *[entry.result.observed_at for entry in entries]),
        struct.pack(f"<{len(entries)}I", *[entry.came for entry in entries]),
        " ".join(["" if value is None else str(value) for value in values]),
        marks,
        min(known, default=None),
        max(known, default=None),
    )


def _bounded(series: Series) -> Series:
    """Return *series* with the bounds of its own values."""
    values = [value for value in series.values if value is not None]
    series.columns = series.columns._replace(lowest=min(values, default=None), highest=max(values, default=None))
    return series


def _least(of: Callable[[Decimal, Decimal], Decimal], one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return other if one is None else one
    return of(one, other)


def _marks(group: Sequence[StoredResult]) -> str:
    """Return the marks of versions that share an identity or a draw time: all that do, one of them alone included."""
    if len(group) == 1:
        return _alone(group[0]).marks
    newest = max(sorted(group, key=draw_order), key=lambda entry: version_order(entry.result))
    usable = newest.result.status in USABLE and newest.result.value is not None
    if (
        usable
        and newest.came == first_came(group)
        and all(_same_draw(entry.result, newest.result) and not entry.said for entry in group)
    ):
        return "".join(PLAIN if entry is newest else SHADOWED for entry in group)
    return "".join(REMARKED if entry.said else MIXED for entry in group)


def _same_identity(one: Result, other: Result) -> bool:
    return (
        one.order_number == other.order_number
        and one.observation_identifier == other.observation_identifier
        and one.sub_id == other.sub_id
    )


def _same_draw(one: Result, other: Result) -> bool:
    return one.observed_at == other.observed_at and _same_identity(one, other)
