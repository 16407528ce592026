"""
The ingest stage: inbound HL7 in, one events record a patient and message out. Pure and stateless.

Every inbound record ends as exactly one of *judged*, *judged in part*, *dead letter*, *ignored* (DESIGN.md 2): counted
here, with the reason where there is one.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from consumer import deadletter
from consumer.deadletter import DeadLetter, Fault, attempt_of, resubmitted
from consumer.hl7.outcome import Decoded, Outcome, Reason
from consumer.patients import Clock
from consumer.stage import Outcome as Batch
from consumer.stage import Outgoing, Output, Record
from consumer.wire import FORMAT, EventRecord, Kind, encode_event
from rules.events import MINUTE, Instant, PatientEvent, Source

AHEAD_AT_MOST: Final = 10 * MINUTE
"""RULES.md 8: a record further ahead of the wall clock is taken as received now."""

KEY_SHARE: Final = 100
"""A patient's key stands in all that is written of the patient: it may take a hundredth of what an event may."""

DECODER_ERROR: Final = "decoder_error"
RECEIVED_AHEAD: Final = "received_ahead"


class Decode(Protocol):
    """What the stage needs of `consumer.hl7.decoder.Decoder`."""

    def decode(self, raw: bytes, *, received_at: Instant, source: Source) -> Decoded:
        """Return what one inbound record holds."""


class Relevant(Protocol):
    """What the stage needs of the prefilter: False only when the decoder would find nothing."""

    def __call__(self, raw: bytes) -> bool:
        """Say whether the bytes may hold something for us."""


class Settings(NamedTuple):
    """What the stage needs to know; ``partition`` is the inbound one, dead letters go to it mod ``partitions``."""

    clock: Clock
    partition: int
    partitions: int
    processing_ids: frozenset[str] = frozenset({"P", ""})
    event_bytes: int = 2_000_000
    """What an event may weigh (KAFKA.md W3); `consumer/app.py` gives it by what the events topic takes."""


class Ingest:
    """
    One inbound partition, as a `consumer.stage.Stage`.

    A message is received at its record's timestamp, a resubmitted one when it was first (RULES.md 8).
    """

    def __init__(
        self,
        decoder: Decode,
        relevant: Relevant,
        settings: Settings,
        sample: Callable[[Sequence[Record]], None] | None = None,
    ) -> None:
        """*sample* is shown each batch, for a second opinion on some of it; it neither waits nor changes anything."""
        self._decoder = decoder
        self._relevant = relevant
        self._settings = settings
        self._sample = sample
        self._stream_time: int | None = None
        self._format = FORMAT

    def write_format(self, version: int) -> None:
        """Write events in this format."""
        self._format = version

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Do nothing: the stage has no state."""

    def commit(self) -> None:
        """Do nothing: the stage has no state."""

    def discard(self) -> None:
        """Do nothing: the stage has no state."""

    def tick(self, *, watermark: int | None, wall: int) -> Batch:
        """Return an empty outcome: nothing is ever due."""
        del watermark, wall
        return Batch([], stream_time=self._stream_time)

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Batch:
        """Take a batch in order of offset."""
        del watermark
        if self._sample is not None:
            self._sample(records)
        out: list[Outgoing] = []
        counts: dict[tuple[str, str], int] = {}
        live = self._settings.clock is Clock.LIVE
        latest = wall + AHEAD_AT_MOST if live else None
        relevant = self._relevant
        stream_time = self._stream_time if self._stream_time is not None else -1
        ignored = 0
        for record in records:
            received_at = record.timestamp
            ahead = latest is not None and received_at > latest
            if ahead:
                received_at = wall
            stream_time = max(stream_time, received_at)
            raw = record.value or b""
            if raw and not relevant(raw):
                ignored += 1
                continue
            self._take(record, raw, received_at, wall, ahead, out, counts)
        if ignored:
            _add(counts, "messages", Outcome.IGNORED.value, ignored)
            _add(counts, "ignored", Reason.NOTHING_FOR_US.value, ignored)
        self._stream_time = stream_time if stream_time >= 0 else None
        return Batch(out, stream_time=self._stream_time, counts=counts)

    def _take(
        self,
        record: Record,
        raw: bytes,
        received_at: Instant,
        wall: Instant,
        ahead: bool,
        out: list[Outgoing],
        counts: dict[tuple[str, str], int],
    ) -> None:
        """Decode one record that may hold something for us."""
        attempt = attempt_of(record.headers)
        if attempt > 1:
            received_at = min(received_at, _first_received(record.headers) or received_at)
        source = Source(record.topic, record.partition, record.offset)
        try:
            decoded = self._decoder.decode(raw, received_at=received_at, source=source)
        except Exception as error:  # noqa: BLE001  (a bug in the decoder neither loses nor blocks a feed)
            reason = f"{DECODER_ERROR}"
            faults = [Fault(DECODER_ERROR, type(error).__name__)]
            events: tuple[PatientEvent, ...] = ()
            bindings: tuple[PatientEvent, ...] = ()
            outcome = Outcome.DEAD_LETTER
        else:
            events, bindings, outcome = decoded.events, decoded.bindings, decoded.outcome
            reason = "" if decoded.reason is None else decoded.reason.value
            faults = _faults(decoded)
            for message in decoded.messages:
                for what, number in message.not_ours.items():
                    _add(counts, "not_ours", what.value, number)
        headers = (("attempt", str(attempt).encode()),) if resubmitted(record.headers) else ()
        refused = 0
        for event in (*bindings, *events):
            sent = event._replace(flags=(*event.flags, RECEIVED_AHEAD)) if ahead else event
            key = event.patient.key.encode()
            value = encode_event(EventRecord(Kind.EVENT, event.patient, sent), self._format)
            if self._fits(key, value):
                out.append(Outgoing(Output.EVENTS, None, key, value, headers))
            else:
                refused += 1
        if refused:
            outcome = Outcome.IN_PART if refused < len(bindings) + len(events) else Outcome.DEAD_LETTER
            reason = deadletter.TOO_LARGE
            faults += [Fault(reason, "event")] * refused
        if ahead:
            _add(counts, "flags", RECEIVED_AHEAD)
        _add(counts, "messages", outcome.value)
        if outcome is Outcome.IGNORED:
            _add(counts, "ignored", reason)
        elif outcome in (Outcome.DEAD_LETTER, Outcome.IN_PART):
            _add(counts, "dead_letters", reason)
            letter = DeadLetter(
                record.key,
                record.value,
                reason,
                faults,
                record.topic,
                record.partition,
                record.offset,
                received_at,
                wall,
                attempt,
            )
            out.append(deadletter.outgoing(letter, self._settings.partition % self._settings.partitions))

    def _fits(self, key: bytes, value: bytes) -> bool:
        """Say whether the events topic takes an event, and the state topic what will be kept of its patient (W3)."""
        return len(value) <= self._settings.event_bytes and len(key) <= self._settings.event_bytes // KEY_SHARE


def _faults(decoded: Decoded) -> list[Fault]:
    """Return what was wrong, message by message, with its place."""
    faults: list[Fault] = []
    for number, message in enumerate(decoded.messages, 1):
        inside = f"message {number} " if len(decoded.messages) > 1 else ""
        if message.outcome is Outcome.DEAD_LETTER and message.reason is not None and not message.rejected:
            faults.append(Fault(message.reason.value, inside.strip()))
        faults += [
            Fault(part.reason.value, inside + part.where, part.observation_identifier) for part in message.rejected
        ]
    return faults


def _first_received(headers: Sequence[tuple[str, bytes]]) -> Instant | None:
    """Return when a resubmitted record was received first, as its dead letter says."""
    for name, value in headers:
        if name == "received_at":
            return deadletter.instant(value.decode("utf-8", "replace"))
    return None


def _add(counts: dict[tuple[str, str], int], metric: str, label: str, number: int = 1) -> None:
    counts[metric, label] = counts.get((metric, label), 0) + number
