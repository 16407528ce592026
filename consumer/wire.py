"""
Our own internal records to bytes and back: the events topic and the stored patient (DESIGN.md 2).

The first byte is the version of the format, the second says how the rest is packed; then follows MessagePack of the
named tuples below, as arrays. A field is only ever added at the end, with a default: records of an older version then
read as they are, and a newer version is refused by name (`NewerVersion`). Format n can also be written as n-1, without
what n added, for a fleet that is being updated (docs/adr/0010).

| format | added |
|---|---|
| 1 | |
| 2 | results as a series an analyte, compressed by themselves (`consumer/packed.py`) |
| | what a home remembers to know a message that is sent again, and the keys that lead to it |
| | what waits of a patient in records behind the patient's own (`consumer/spill.py`) |
"""

from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple, TypeVar

import cramjam
import msgspec

from consumer.errors import CorruptRecord, NewerVersion
from consumer.packed import decompressed, pack_results, unpack_results
from rules.events import Instant, Patient, PatientEvent
from rules.patient import PatientState
from rules.results import Results

_T = TypeVar("_T")

FORMAT: Final = 2
"""The newest format; it is that of events and of stored patients alike."""

FORMATS_AHEAD: Final = 32

FORMAT_BEFORE: Final = FORMAT - 1
"""What members of the version before ours can read."""

COMPRESS_FROM_BYTES: Final = 1_024
"""A smaller record gains less than the call costs (measured: a ten-day inpatient shrinks to about a third)."""

_PREFIX_BYTES: Final = 2


class Kind(StrEnum):
    """What a record of the events topic asks of the patient's home."""

    EVENT = "event"
    HANDOVER = "handover"  # the history of a retired patient, for the surviving one
    ERASE = "erase"


class Hop(NamedTuple):
    """One forwarding on a record's way: the key that it came to, and the alias that it followed."""

    key: str
    target: Patient
    merged_at: Instant


class Recent(NamedTuple):
    """A message that was judged here not long ago, by its fingerprint (KAFKA.md W18)."""

    fingerprint: int
    received_at: Instant


class Retired(NamedTuple):
    """A key whose alias leads to this one: over so many aliases, the last of which is kept until then."""

    key: str
    aliases: int
    until: Instant


class EventRecord(NamedTuple):
    """
    A record of the events topic.

    ``patient`` is whose home it is addressed to. ``path`` holds the aliases that it has followed, oldest first.
    ``settle`` is set on a record that met a cycle of merges: its home drops an alias that is not newer than that.
    ``recent`` and ``retired`` go with a history to its new home.
    """

    kind: Kind
    patient: Patient
    event: PatientEvent | None
    history: PatientState | None = None
    path: tuple[Hop, ...] = ()
    settle: Instant | None = None
    attempt: int = 1
    recent: tuple[Recent, ...] = ()
    retired: tuple[Retired, ...] = ()


class Alias(NamedTuple):
    """Where a merged patient's records go from now on."""

    target: Patient
    merged_at: Instant


class Waiting(NamedTuple):
    """An event that waits for the watermark (clock of the records), and where it stands in the events topic."""

    record: EventRecord
    partition: int
    offset: int


class PatientRecord(NamedTuple):
    """
    All that a home keeps of one key.

    ``due`` is the next timer; ``settled_at`` the newest merge of a cycle that ended here (older ones are ignored).
    ``awaits`` and ``awaits_since`` (wall clock): an alert was silent only because the feed was catching up.
    ``recent``: messages judged not long ago, oldest first. ``retired``: the keys whose aliases lead here.
    """

    state: PatientState | None = None
    due: Instant | None = None
    alias: Alias | None = None
    inbox: tuple[Waiting, ...] = ()
    settled_at: Instant | None = None
    awaits: int = 0
    awaits_since: Instant = 0
    recent: tuple[Recent, ...] = ()
    retired: tuple[Retired, ...] = ()


EMPTY: Final = PatientRecord()


class _Packing(IntEnum):
    PLAIN = 0
    LZ4 = 1


def _results(kind: type, packed: Any) -> Results:
    """Return the one type of ours that MessagePack does not know from what was written of it."""
    assert kind is Results
    return unpack_results(packed)


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=pack_results)
_encoder_before: Final = msgspec.msgpack.Encoder(enc_hook=list)  # format 1 had the results one by one
_events: Final = msgspec.msgpack.Decoder(EventRecord, dec_hook=_results)
_patients: Final = msgspec.msgpack.Decoder(PatientRecord, dec_hook=_results)


def encode_event(record: EventRecord, version: int = FORMAT) -> bytes:
    """Return the value of an events record, in the newest format or the one before."""
    if version == FORMAT:
        return _pack(version, _encoder.encode(record))
    return _pack(version, _encoder_before.encode(_event_before(record)))


def decode_event(value: bytes) -> EventRecord:
    """
    Return what an events record says.

    Raises:
        NewerVersion: It was written by a newer lab-alert.

        CorruptRecord: It is not ours.
    """
    return _read(value, _events, "a record of the events topic")


def encode_patient(record: PatientRecord, version: int = FORMAT) -> bytes:
    """Return the packed form of a patient, as it is kept in memory and in the changelog."""
    if version == FORMAT:
        return _pack(version, _encoder.encode(record))
    return _pack(version, _encoder_before.encode(_patient_before(record)))


def packed_size(waiting: Waiting) -> int:
    """Return the bytes that a waiting event takes of its patient's record before that is compressed."""
    return len(_encoder.encode(waiting))


def decode_patient(value: bytes) -> PatientRecord:
    """Return a patient from its packed form; raises as `decode_event` does."""
    return _read(value, _patients, "a record of the state topic")


def refuse_newer(value: bytes, what: str) -> None:
    """
    Raise `NewerVersion` for a record that a newer lab-alert has written; looks at nothing but its first byte.

    One that is far ahead is damage: no fleet is updated over so many formats at once.
    """
    if value and FORMAT < value[0] <= FORMAT + FORMATS_AHEAD:
        raise NewerVersion(what, value[0], FORMAT)


# Format 1: the named tuples had so many fields. What stands behind is left out, and reads as its default.
_EVENT_FIELDS: Final = 17
_EVENT_RECORD_FIELDS: Final = 7
_PATIENT_RECORD_FIELDS: Final = 7


def _event_before(record: EventRecord) -> tuple[object, ...]:
    """Return an events record as format 1 has it: no fingerprint, nothing that goes with a history."""
    event = None if record.event is None else record.event[:_EVENT_FIELDS]
    return (record.kind, record.patient, event, *record[3:_EVENT_RECORD_FIELDS])


def _patient_before(record: PatientRecord) -> tuple[object, ...]:
    """Return a patient as format 1 has it: a resent message is not known as such, aliases elsewhere not waited for."""
    inbox = tuple((_event_before(waiting.record), *waiting[1:]) for waiting in record.inbox)
    return (*record[:3], inbox, *record[4:_PATIENT_RECORD_FIELDS])


def _pack(version: int, body: bytes) -> bytes:
    if len(body) < COMPRESS_FROM_BYTES:
        return bytes((version, _Packing.PLAIN)) + body
    return bytes((version, _Packing.LZ4)) + bytes(cramjam.lz4.compress_block(body))


def _read(value: bytes, decoder: "msgspec.msgpack.Decoder[_T]", what: str) -> _T:
    if len(value) < _PREFIX_BYTES or value[0] == 0:
        raise CorruptRecord(f"{what} does not begin with a version")
    refuse_newer(value, what)
    if value[0] > FORMAT:
        raise CorruptRecord(f"{what} does not begin with a version")
    body = value[_PREFIX_BYTES:]
    try:
        if value[1] == _Packing.LZ4:
            body = decompressed(body)
        elif value[1] != _Packing.PLAIN:
            raise CorruptRecord(f"{what} is packed in an unknown way ({value[1]})")
        return decoder.decode(body)
    except (msgspec.MsgspecError, cramjam.DecompressionError, ValueError) as error:  # ValueError: no UTF-8
        raise CorruptRecord(f"{what} can't be read: {error}") from error
