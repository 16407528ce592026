"""
What a stage is to the task that runs it: a batch of records in, an outcome to commit out. Pure; no Kafka, no clock.

A *stage* object belongs to one input partition. The task (`consumer/kafka/task.py`) polls, calls `process` (or `tick`),
sends everything in the `Outcome` inside one transaction together with the input's offset, and then calls `commit()`.
When the transaction failed it calls `discard()` and rewinds, and the same records come again (KAFKA.md W7).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable


class Output(StrEnum):
    """Topics that a stage writes; settings give them their names."""

    EVENTS = "events"
    STATE = "state"
    ALERTS = "alerts"
    DEAD_LETTERS = "dead_letters"


class Record(NamedTuple):
    """A consumed record, with what we need of it; ``timestamp`` in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Outgoing(NamedTuple):
    """
    A record to send. ``partition`` None: the events partition of ``key`` (murmur2 mod P).

    ``fallback`` is what is sent instead when the record does not fit its topic (a dead letter's stub); None: the stage
    keeps its records within the limit that it was given.
    """

    output: Output
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    fallback: "Outgoing | None" = None


class Outcome(NamedTuple):
    """
    What a batch (or a tick) gave.

    ``urgent``: a critical alert is among it, commit at once (W13). ``stream_time``: the highest record timestamp
    processed so far by this stage, for the commit's metadata (None: nothing yet). ``counts``: increments of counters,
    by (metric name, label value), applied after the commit.
    """

    outgoing: list[Outgoing]
    urgent: bool = False
    stream_time: int | None = None
    counts: dict[tuple[str, str], int] = {}  # noqa: RUF012  (a NamedTuple's default; never mutated)


class Stage(Protocol):
    """One partition's worth of a stage."""

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Take one changelog record, oldest first; a value of None is a tombstone. Ingest has none."""

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Take a batch in order of offset; ``watermark`` as known now (judge), ``wall`` in milliseconds."""

    def tick(self, *, watermark: int | None, wall: int) -> Outcome:
        """Fire what is due; an empty outcome means that nothing was."""

    def commit(self) -> None:
        """The outcomes since the last commit are visible: merge the overlay."""

    def discard(self) -> None:
        """They are not: drop the overlay; the same records come again."""


@runtime_checkable
class Follows(Protocol):
    """A stage to whose keys aliases lead from other partitions (KAFKA.md W17)."""

    def alias_homes(self) -> tuple[frozenset[int], int] | None:
        """Return those partitions, and over how many aliases one after another a record may come; None: from none."""

    def see_merged(self, watermark: int | None) -> None:
        """Take the watermark by which all of them have passed on what they had."""


@runtime_checkable
class Versioned(Protocol):
    """A stage that writes records of ours, which members of the version before must be able to read for a while."""

    def write_format(self, version: int) -> None:
        """Write this format from now on: `consumer.wire.FORMAT`, or the one before; asked when all is restored."""
