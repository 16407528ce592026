"""
A patient's results to MessagePack and back (`rules/series.py`).

Of each analyte the columns are written as they are, then the entries one behind the other, each a packed `Row`, and
where each ends. So a state is opened without unpacking an entry, and packed again without packing one that was there:
of some hundred results an event reads a few and adds one or two. All of it is compressed apart from the rest of the
patient: an event without a result leaves it as it lies.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, NamedTuple

import cramjam
import msgspec

from rules.events import Analyte, Condition, Instant, Result
from rules.results import Results
from rules.series import Columns, Rows, Series
from rules.versions import StoredResult

_END: Final = struct.Struct("<I")
_END_BYTES: Final = _END.size


class Row(NamedTuple):
    """
    A `StoredResult` without what its columns hold; times from its draw on, in milliseconds.

    ``original_value`` None: it is the value. ``container`` None: order number and draw, as usual.
    """

    order_number: str
    observation_identifier: str
    sub_id: str
    observed_offset: int
    resulted_after: Instant
    received_after: Instant
    status: str
    comparator: str
    original_value: str | None
    original_units: str
    container: str | None
    message_control_id: str
    placer_order_number: str
    flags: tuple[str, ...]
    said: tuple[Condition, ...]


class Name(msgspec.Struct, array_like=True):
    """The fields that a row begins with."""

    order_number: str
    observation_identifier: str
    sub_id: str

    def __str__(self) -> str:
        """Return the identity (`rules.versions.identity`)."""
        return f"{self.order_number}|{self.observation_identifier}|{self.sub_id}"


class PackedSeries(NamedTuple):
    """One analyte's results: the columns of `rules.series.Columns`, where each entry ends (4 bytes), the entries."""

    analyte: Analyte
    at: bytes
    came: bytes
    values: str
    marks: str
    lowest: Decimal | None
    highest: Decimal | None
    ends: bytes
    entries: bytes


UNPACKED_AT_MOST: Final = 256 * 1024 * 1024
"""No record of ours is larger unpacked; a damaged size must not take the memory of a process."""

_encoder: Final = msgspec.msgpack.Encoder()
_rows: Final = msgspec.msgpack.Decoder(Row)
_name: Final = msgspec.msgpack.Decoder(Name)
_names: Final = msgspec.msgpack.Decoder(list[Name])
_all_series: Final = msgspec.msgpack.Decoder(list[PackedSeries])
_ARRAY: Final = struct.Struct(">BI")  # MessagePack's array 32: what stands before so many entries


class PackedRows:
    """The entries of a packed series, read one by one (`rules.series.Rows`)."""

    def __init__(self, analyte: Analyte, ends: bytes, entries: bytes) -> None:
        self._analyte = analyte
        self.ends = ends
        self.entries = entries
        self._read: dict[int, StoredResult] = {}

    @classmethod
    def of(cls, analyte: Analyte, head: Rows, tail: Sequence[StoredResult]) -> "PackedRows":
        """Return what lies packed and what came since as one, the latter known as it is."""
        packed = head if isinstance(head, PackedRows) else cls(analyte, b"", b"")
        rows = [_encoder.encode(_row(entry)) for entry in tail]
        ends = packed.ends + _ends(*accumulate(map(len, rows), initial=len(packed.entries)))[_END_BYTES:]
        made = cls(analyte, ends, b"".join((packed.entries, *rows)))
        made._read = packed._read | dict(enumerate(tail, len(packed)))  # noqa: SLF001  (one of its own)
        return made

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ends) // _END_BYTES

    def _end(self, n: int) -> int:
        """Return where one ends."""
        end: int = _END.unpack_from(self.ends, n * _END_BYTES)[0]
        return end

    def read(self, n: int, at: Instant, value: Decimal | None, came: int) -> StoredResult:
        """Unpack one, of which the columns say this much; once."""
        known = self._read.get(n)
        if known is None:
            known = self._read[n] = self._unpack(n, at, value, came)
        return known

    def _unpack(self, n: int, at: Instant, value: Decimal | None, came: int) -> StoredResult:
        row = _rows.decode(self._entry(n))
        return StoredResult(
            Result(
                self._analyte,
                row.order_number,
                row.observation_identifier,
                row.sub_id,
                at,
                row.observed_offset,
                at + row.resulted_after,
                at + row.received_after,
                row.status,
                value,
                row.comparator,
                _text(value) if row.original_value is None else row.original_value,
                row.original_units,
                _usual_container(row.order_number, at) if row.container is None else row.container,
                row.message_control_id,
                row.placer_order_number,
                row.flags,
            ),
            came,
            row.said,
        )

    def identity(self, n: int) -> str:
        """Unpack no more of one than its identity."""
        return str(_name.decode(self._entry(n)))

    def identities(self, start: int, end: int) -> list[str]:
        """Unpack no more of some than their identities, all at once."""
        if start >= end:
            return []
        entries = self.entries[self._end(start - 1) if start else 0 : self._end(end - 1)]
        return list(map(str, _names.decode(_ARRAY.pack(0xDD, end - start) + entries)))

    def _entry(self, n: int) -> bytes:
        return self.entries[self._end(n - 1) if n else 0 : self._end(n)]

    def inserted(self, n: int, entry: StoredResult) -> "PackedRows":
        """Return them with one more at place *n*, the others as they lie."""
        row = _encoder.encode(_row(entry))
        place = self._end(n - 1) if n else 0
        later = [end + len(row) for end in _places(self.ends[n * _END_BYTES :])]
        ends = self.ends[: n * _END_BYTES] + _ends(place + len(row), *later)
        return PackedRows(self._analyte, ends, self.entries[:place] + row + self.entries[place:])

    def cut(self, start: int, end: int) -> "PackedRows":
        """Return those from *start* to before *end*, still packed."""
        before = self._end(start - 1) if start else 0
        ends = self.ends[start * _END_BYTES : end * _END_BYTES]
        if before:
            ends = _ends(*[place - before for place in _places(ends)])
        return PackedRows(self._analyte, ends, self.entries[before : self._end(end - 1) if end else 0])

    def naming(self, text: str) -> list[int]:
        """Return those that hold *text* as a field, or as part of their container's usual name."""
        found = self._holding(text)
        order, named, _ = text.rpartition("@")
        if named:
            found += self._holding(order)
        return sorted(set(found)) if found else found

    def _holding(self, text: str) -> list[int]:
        found = []
        packed = _encoder.encode(text)
        place = self.entries.find(packed)
        while place >= 0:
            found.append(bisect_right(range(len(self)), place, key=self._end))
            place = self.entries.find(packed, place + 1)
        return found


def pack_results(results: Results) -> bytes:
    """Return what is written of results, compressed; of the very same ones it is written once."""
    if results.packed is None:
        series = [_packed(analyte, series) for analyte, series in sorted(results.series.items())]
        results.packed = bytes(cramjam.lz4.compress_block(_encoder.encode(series)))
    return results.packed


def unpack_results(packed: Any) -> Results:
    """
    Return results from what was written of them: packed series, or (format 1) all versions one by one.

    Raises:
        ValueError, msgspec.ValidationError, cramjam.DecompressionError: They are damaged; a damaged entry shows when it
            is read.
    """
    if not isinstance(packed, bytes):
        return Results.of(msgspec.convert(packed, list[StoredResult], strict=False))
    series = _all_series.decode(decompressed(packed))
    results = Results({one.analyte: _unpacked(one) for one in series})
    results.packed = packed
    return results


def decompressed(block: bytes) -> bytes:
    """
    Return what an LZ4 block holds; its size stands before it.

    Raises:
        ValueError, cramjam.DecompressionError: It is damaged.
    """
    if int.from_bytes(block[:4], "little") > UNPACKED_AT_MOST:
        raise ValueError("larger than any of ours")
    return bytes(cramjam.lz4.decompress_block(block))


def _unpacked(packed: PackedSeries) -> Series:
    count = len(packed.marks)
    widths = (len(packed.at), len(packed.came), packed.values.count(" "), len(packed.ends))
    if not count or widths != (8 * count, 4 * count, count - 1, _END_BYTES * count):
        raise ValueError(f"columns of {packed.analyte} differ in length")
    columns = Columns(packed.at, packed.came, packed.values, packed.marks, packed.lowest, packed.highest)
    return Series(columns, PackedRows(packed.analyte, packed.ends, packed.entries))


def _packed(analyte: Analyte, series: Series) -> PackedSeries:
    """Return what is written of a series, whose entries then all lie packed: the next event packs its own alone."""
    rows = series.head
    if series.tail:
        rows = PackedRows.of(analyte, series.head, series.tail)
        series.settle(rows)
    assert isinstance(rows, PackedRows)
    return PackedSeries(analyte, *series.columns, rows.ends, rows.entries)


def _places(ends: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(ends) // _END_BYTES}I", ends)


def _ends(*places: int) -> bytes:
    return struct.pack(f"<{len(places)}I", *places)


def _row(entry: StoredResult) -> Row:
    result, _, said = entry
    at = result.observed_at
    return Row(
        result.order_number,
        result.observation_identifier,
        result.sub_id,
        result.observed_offset,
        result.resulted_at - at,
        result.received_at - at,
        result.status,
        result.comparator,
        None if result.original_value == _text(result.value) else result.original_value,
        result.original_units,
        None if result.container == _usual_container(result.order_number, at) else result.container,
        result.message_control_id,
        result.placer_order_number,
        result.flags,
        said,
    )


def _usual_container(order_number: str, at: Instant) -> str:
    """Return the name of a tube that is known by order and draw alone (RULES.md 3)."""
    return f"{order_number}@{at}"


def _text(value: Decimal | None) -> str:
    return "" if value is None else str(value)
