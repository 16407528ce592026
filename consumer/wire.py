"""
Our own internal records to bytes and back: the events topic and the stored patient (DESIGN.md 2).

The first byte is the version of the format, the second says how the rest is packed; then follows MessagePack of the
named tuples below, as arrays. A field is only ever added at the end, with a default: records of an older version then
read as they are, and a newer version is refused by name (`NewerVersion`).
"""

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, TypeVar

import cramjam
import msgspec

from consumer.errors import CorruptRecord, NewerVersion
from rules.events import Instant, Patient, PatientEvent
from rules.patient import PatientState

_T = TypeVar("_T")

EVENT_VERSION: Final = 1
STATE_VERSION: Final = 1

UNPACKED_AT_MOST: Final = 256 * 1024 * 1024
"""No record of ours is larger unpacked; a damaged size must not take the memory of a process."""

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


class EventRecord(NamedTuple):
    """
    A record of the events topic.

    ``patient`` is whose home it is addressed to. ``path`` holds the aliases that it has followed, oldest first.
    ``settle`` is set on a record that met a cycle of merges: its home drops an alias that is not newer than that.
    """

    kind: Kind
    patient: Patient
    event: PatientEvent | None
    history: PatientState | None = None
    path: tuple[Hop, ...] = ()
    settle: Instant | None = None
    attempt: int = 1


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
    """

    state: PatientState | None = None
    due: Instant | None = None
    alias: Alias | None = None
    inbox: tuple[Waiting, ...] = ()
    settled_at: Instant | None = None
    awaits: int = 0
    awaits_since: Instant = 0


EMPTY: Final = PatientRecord()


class _Packing(IntEnum):
    PLAIN = 0
    LZ4 = 1


_encoder: Final = msgspec.msgpack.Encoder()
_events: Final = msgspec.msgpack.Decoder(EventRecord)
_patients: Final = msgspec.msgpack.Decoder(PatientRecord)


def encode_event(record: EventRecord) -> bytes:
    """Return the value of an events record."""
    return _pack(EVENT_VERSION, _encoder.encode(record))


def decode_event(value: bytes) -> EventRecord:
    """
    Return what an events record says.

    Raises:
        NewerVersion: It was written by a newer lab-alert.

        CorruptRecord: It is not ours.
    """
    return _read(value, _events, EVENT_VERSION, "a record of the events topic")


def encode_patient(record: PatientRecord) -> bytes:
    """Return the packed form of a patient, as it is kept in memory and in the changelog."""
    return _pack(STATE_VERSION, _encoder.encode(record))


def decode_patient(value: bytes) -> PatientRecord:
    """Return a patient from its packed form; raises as `decode_event` does."""
    return _read(value, _patients, STATE_VERSION, "a record of the state topic")


def _pack(version: int, body: bytes) -> bytes:
    if len(body) < COMPRESS_FROM_BYTES:
        return bytes((version, _Packing.PLAIN)) + body
    return bytes((version, _Packing.LZ4)) + bytes(cramjam.lz4.compress_block(body))


def _read(value: bytes, decoder: "msgspec.msgpack.Decoder[_T]", ours: int, what: str) -> _T:
    if len(value) < _PREFIX_BYTES or value[0] == 0:
        raise CorruptRecord(f"{what} does not begin with a version")
    if value[0] > ours:
        raise NewerVersion(what, value[0], ours)
    body = value[_PREFIX_BYTES:]
    try:
        if value[1] == _Packing.LZ4:
            if int.from_bytes(body[:4], "little") > UNPACKED_AT_MOST:  # the size stands before the block
                raise CorruptRecord(f"{what} says that it is larger than any of ours")
            body = bytes(cramjam.lz4.decompress_block(body))
        elif value[1] != _Packing.PLAIN:
            raise CorruptRecord(f"{what} is packed in an unknown way ({value[1]})")
        return decoder.decode(body)
    except (msgspec.MsgspecError, cramjam.DecompressionError, ValueError) as error:  # ValueError: no UTF-8
        raise CorruptRecord(f"{what} can't be read: {error}") from error
