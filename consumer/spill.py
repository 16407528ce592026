"""
A patient within what the state topic takes of one record (KAFKA.md W3, docs/adr/0015). Pure.

What waits of a patient stands in the patient's record while it fits there; else all of it in records of its own behind
that one, `%waits|1|KEY`, `%waits|2|KEY` ..., oldest first. A state that is too large by itself drops its oldest results
or doses.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from consumer.errors import CorruptRecord
from consumer.wire import (
    FORMAT,
    EventRecord,
    PatientRecord,
    Waiting,
    decode_patient,
    encode_event,
    encode_patient,
    packed_size,
)
from rules.patient import PatientState

BEHIND: Final = "%waits"
"""In the place of an authority, as orders have one: no patient's key begins with ``%``."""

BEHIND_AT_MOST: Final = 16
"""
Records behind one patient's own: 30 MB of MessagePack by default, some 100,000 results.

A turn of a patient of whom so much waits packs and unpacks all of it: half a second of the event loop.
"""


def behind(key: str, number: int) -> str:
    """Return the key of the record that is the *number*-th, from 1 on, behind a patient's own."""
    return f"{BEHIND}|{number}|{key}"


def owner(name: str) -> str:
    """
    Return the key of the patient to whom a record of the state topic belongs.

    >>> owner("HOSP|1"), owner(behind("HOSP|1", 2))
    ('HOSP|1', 'HOSP|1')
    """
    return name.split("|", 2)[2] if name.startswith(f"{BEHIND}|") else name


def load(key: str, stored: Callable[[str], bytes | None]) -> PatientRecord | None:
    """Return a patient with all that waits, from the values of the state topic by key; raises as `decode_patient`."""
    packed = stored(key)
    if packed is None:
        return None
    record = decode_patient(packed)
    number = 1
    while (more := stored(behind(key, number))) is not None:
        record = record._replace(inbox=record.inbox + decode_patient(more).inbox)
        number += 1
    return record


def load_all(stored: Mapping[str, bytes], damaged: Callable[[str, CorruptRecord], None]) -> dict[str, PatientRecord]:
    """Return every patient of a state topic; *damaged* is told of those who can't be read."""
    found: dict[str, PatientRecord] = {}
    for key in stored:
        if owner(key) != key:
            continue
        try:
            record = load(key, stored.get)
        except CorruptRecord as error:
            damaged(key, error)
        else:
            assert record is not None
            found[key] = record
    return found


UNSHRUNK: Final = 200
"""What can't be compressed grows by less than a two-hundredth, and by less than two hundred bytes with its heads."""


class Fitted(NamedTuple):
    """
    A patient's record, those behind it, how many of the oldest facts had to go, and what can't be kept waiting.

    ``refused``: the newest of those that wait, and such as fit no record.
    """

    packed: bytes
    behind: tuple[bytes, ...] = ()
    dropped: int = 0
    refused: tuple[Waiting, ...] = ()


def fit(record: PatientRecord, limit: int, version: int) -> Fitted:
    """Return a patient as records of at most *limit* bytes each."""
    packed = encode_patient(record, version)
    if len(packed) <= limit:
        return Fitted(packed)
    spilled: tuple[bytes, ...] = ()
    refused: tuple[Waiting, ...] = ()
    cut = 0
    if version == FORMAT:
        spilled, refused, cut = _spilled(record.inbox, limit)
        record = record._replace(inbox=())
    had = _facts(record.state)
    while len(packed := encode_patient(record, version)) > limit:
        state = record.state and lighter(record.state)
        if state is not None:
            record = record._replace(state=state)
        elif record.inbox:  # the format before knows no records behind a patient's own
            kept = len(record.inbox) * 3 // 4
            refused = record.inbox[kept:] + refused
            record = record._replace(inbox=record.inbox[:kept])
        else:
            break
    return Fitted(packed, spilled, cut + had - _facts(record.state), refused)


def fit_event(message: EventRecord, limit: int, version: int) -> tuple[bytes, int]:
    """Return a record for the events topic, and how many of the oldest facts its history had to leave."""
    slim = _slim(message, limit, version)
    return encode_event(slim, version), _facts(message.history) - _facts(slim.history)


def _slim(message: EventRecord, limit: int, version: int = FORMAT) -> EventRecord:
    """Return a record without so many of its history's oldest facts that it has at most *limit* bytes, if it can."""
    while len(encode_event(message, version)) > limit and message.history is not None:
        history = lighter(message.history)
        if history is None:
            break
        message = message._replace(history=history)
    return message


def lighter(state: PatientState) -> PatientState | None:
    """Return a state without the oldest quarter of its results or its doses, of which it has more; None: of neither."""
    results, doses = state.results.draws(), len(state.administrations)
    if not results and not doses:
        return None
    excess = max(1, max(results, doses) // 4)
    state = state._replace(history_incomplete=True, dropped=state.dropped + excess)
    if results >= doses:
        return state._replace(results=state.results.without_oldest(excess))
    return state._replace(administrations=state.administrations[excess:])


def _facts(state: PatientState | None) -> int:
    return 0 if state is None else state.results.draws() + len(state.administrations)


def _spilled(inbox: Sequence[Waiting], limit: int) -> tuple[tuple[bytes, ...], tuple[Waiting, ...], int]:
    """Return what waits in records of at most *limit* bytes, what can't, and how many facts were cut from histories."""
    records: list[bytes] = []
    refused: list[Waiting] = []
    cut = 0
    for together in _together(inbox, limit - limit // UNSHRUNK - UNSHRUNK):
        packed = encode_patient(PatientRecord(inbox=together))
        if len(packed) > limit:
            (alone,) = together
            slim = _slim(alone.record, limit - UNSHRUNK)
            packed = encode_patient(PatientRecord(inbox=(alone._replace(record=slim),)))
            cut += _facts(alone.record.history) - _facts(slim.history)
        if len(records) == BEHIND_AT_MOST or len(packed) > limit:
            refused += together
        else:
            records.append(packed)
    return tuple(records), tuple(refused), cut


def _together(inbox: Sequence[Waiting], size: int) -> Iterator[tuple[Waiting, ...]]:
    """
    Yield what goes into one record, each with at most *size* bytes before compression, unless one alone has more.

    Before it: so a record is full once and for all, and stays as it is when something comes behind.
    """
    begin = filled = 0
    for place, waiting in enumerate(inbox):
        filled += (one := packed_size(waiting))
        if filled > size and place > begin:
            yield tuple(inbox[begin:place])
            begin, filled = place, one
    if begin < len(inbox):
        yield tuple(inbox[begin:])
