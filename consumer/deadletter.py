"""A dead letter: the original bytes, unchanged, and why they could not be used (DESIGN.md 2)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from consumer.cloudevent import utc
from consumer.stage import Outgoing, Output
from rules.events import SECOND, Instant

TOO_LARGE: Final = "too_large"

_DETAIL_BYTES: Final = 64 * 1024
"""A message of thousands of faulty OBX lists the first of them: headers count towards a record's size."""


class Fault(NamedTuple):
    """One thing wrong with a record: why, and where in it; never what stood there."""

    reason: str
    where: str = ""
    observation_identifier: str = ""


class DeadLetter(NamedTuple):
    """A record that could not be used, or not wholly; coordinates are those of the record that was read."""

    key: bytes | None
    value: bytes | None
    reason: str
    faults: Sequence[Fault]
    topic: str
    partition: int
    offset: int
    received_at: Instant
    failed_at: Instant
    attempt: int = 1
    stage: str = "ingest"


def outgoing(letter: DeadLetter, partition: int) -> Outgoing:
    """
    Return the record to send, with a stub for the case that it does not fit its topic.

    The stub holds no bytes of the message but says where it lies and its SHA-256.
    """
    value = letter.value or b""
    headers = _headers(letter, letter.reason, _detail(letter.faults))
    stub = {"reason": letter.reason, "bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    stub_headers = _headers(letter, TOO_LARGE, json.dumps([stub]))
    key = letter.key if letter.key is None or len(letter.key) <= _DETAIL_BYTES else None
    fallback = Outgoing(Output.DEAD_LETTERS, partition, key, None, stub_headers)
    return Outgoing(Output.DEAD_LETTERS, partition, letter.key, letter.value, headers, fallback)


def _headers(letter: DeadLetter, reason: str, detail: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("reason", reason.encode()),
        ("detail", detail.encode()),
        ("source_topic", letter.topic.encode()),
        ("source_partition", str(letter.partition).encode()),
        ("source_offset", str(letter.offset).encode()),
        ("received_at", utc(letter.received_at).encode()),
        ("failed_at", utc(letter.failed_at).encode()),
        ("attempt", str(letter.attempt).encode()),
        ("stage", letter.stage.encode()),
    )


def _detail(faults: Sequence[Fault]) -> str:
    """Return the faults as a JSON list; where it would be too long, the first ones and how many more there are."""
    rows: list[Mapping[str, Any]] = [
        {name: value for name, value in fault._asdict().items() if value} for fault in faults
    ]
    text = json.dumps(rows, ensure_ascii=False)
    while len(text.encode()) > _DETAIL_BYTES:
        rows = rows[: max(1, len(rows) // 2)]
        text = json.dumps([*rows, {"reason": "and_more", "faults": len(faults)}], ensure_ascii=False)
    return text


def attempt_of(headers: Sequence[tuple[str, bytes]]) -> int:
    """Return which attempt a record is: 1 for one that was never resubmitted."""
    for name, value in headers:
        if name == "attempt" and value.isdigit() and len(value) < 6:
            return max(1, int(value))
    return 1


def resubmitted(headers: Sequence[tuple[str, bytes]]) -> bool:
    """Say whether somebody put a record back on purpose: it is never taken for a duplicate (KAFKA.md W18)."""
    return any(name == "attempt" for name, _ in headers)


def instant(text: str) -> Instant | None:
    """Return the instant of a header's time, or None when it is none of ours."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * SECOND)
