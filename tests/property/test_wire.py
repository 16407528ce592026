"""Our internal records: what is written is read back, and nothing that is read crashes."""

import types
import typing
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import CorruptRecord, NewerVersion
from consumer.wire import (
    COMPRESS_FROM_BYTES,
    FORMAT,
    EventRecord,
    PatientRecord,
    decode_event,
    decode_patient,
    encode_event,
    encode_patient,
)
from rules.results import Results
from rules.versions import StoredResult

Count = typing.NewType("Count", int)
"""The number of an event, which is not negative."""

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1_000, max_value=1_000_000)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**53), 2**53),
    str: st.text(max_size=12),
    bool: st.booleans(),
    Decimal: DECIMALS,
    type(None): st.none(),
    Count: st.integers(0, 2**32 - 1),
}


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a type as it stands in a named tuple of ours."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(later(one) for one in inside))
    if origin is tuple and inside[-1] is Ellipsis:
        return st.lists(later(inside[0]), max_size=1).map(tuple)
    if kind is Results:
        return st.lists(anything(StoredResult), max_size=4).map(Results.of)
    hints = typing.get_type_hints(kind)
    if kind is StoredResult:
        hints["came"] = Count
    return st.builds(kind, **{name: anything(hint) for name, hint in hints.items()})


def later(kind: Any) -> st.SearchStrategy[Any]:
    """Return them, looked up when they are needed."""
    return st.deferred(lambda: anything(kind))


@given(anything(EventRecord))
def test_an_events_record_comes_back(record: EventRecord) -> None:
    """decode(encode(x)) == x, of events, handovers with a whole state, and erasures."""
    assert decode_event(encode_event(record)) == record


@given(anything(PatientRecord))
def test_a_stored_patient_comes_back(record: PatientRecord) -> None:
    """decode(encode(x)) == x, of states, aliases and inboxes; a value keeps its digits (6.30 is not 6.3)."""
    again = decode_patient(encode_patient(record))
    assert again == record
    assert repr(again) == repr(record)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(value: bytes) -> None:
    """What stands on our topics and is not ours has a name; nothing else is ever raised."""
    for decode in (decode_event, decode_patient):
        try:
            decode(value)
        except (CorruptRecord, NewerVersion):
            continue


@given(anything(EventRecord), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_torn_record_is_refused_or_read(record: EventRecord, place: int, torn: bytes) -> None:
    """Bytes changed in the middle never crash the judge."""
    value = bytearray(encode_event(record))
    place = 2 + place % max(1, len(value) - 2)
    value[place : place + len(torn)] = torn
    try:
        decode_event(bytes(value))
    except (CorruptRecord, NewerVersion):
        return


@pytest.mark.parametrize(
    ("encode", "decode", "version"),
    [
        (lambda: encode_event(EventRecord("erase", ("A|1", "1", "A"), None)), decode_event, FORMAT),  # type: ignore[arg-type]
        (lambda: encode_patient(PatientRecord()), decode_patient, FORMAT),
    ],
    ids=["event", "patient"],
)
def test_a_newer_version_is_refused_with_a_remedy(encode: Any, decode: Any, version: int) -> None:
    """DESIGN.md 2: records of a newer version than ours stop the partition with a remedy."""
    value = encode()
    assert value[0] == version
    with pytest.raises(NewerVersion, match="run the newer lab-alert"):
        decode(bytes((version + 1,)) + value[1:])


def test_a_small_record_is_plain_and_a_large_one_is_compressed() -> None:
    """Compression begins where it gains more than it costs."""
    small = encode_patient(PatientRecord())
    assert small[1] == 0
    words = "potassium " * COMPRESS_FROM_BYTES
    large = encode_event(EventRecord("erase", (words, "", ""), None))  # type: ignore[arg-type]
    assert large[1] == 1
    assert len(large) < len(words) // 10


def test_a_damaged_size_takes_no_memory() -> None:
    """A packed record that says it unpacks to gigabytes is corrupt, not unpacked."""
    with pytest.raises(CorruptRecord, match="larger than any of ours"):
        decode_patient(bytes((1, 1)) + b"\xff\xff\xff\xff" + b"\x00" * 20)
