"""
A feed from files, judged without a broker: the same decoder and the same homes, time taken from the messages.

A message is received at its MSH-7 (one without: when the one before it was); the watermark is the highest such time so
far; at the end the timers due up to 48 h after it fire, each at its due time (RULES.md 8).
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from consumer.hl7.decoder import Decoder
from consumer.hl7.er7 import COMPONENT, read_record
from consumer.hl7.outcome import Decoded, Outcome
from consumer.hl7.site import Site
from consumer.hl7.times import place, read_time
from consumer.homes import PumpUnbound
from consumer.patients import Clock, Judged, Patients, Settings
from consumer.turns import Marks
from consumer.wire import EventRecord, Kind, PatientRecord, Waiting
from rules.events import HOUR, Instant, Source
from rules.rulebook import Rulebook

AFTER_THE_END: Final = 48 * HOUR
"""RULES.md 8: how long after the last watermark timers still fire at the end of a replay."""

_DATE_DIGITS: Final = 8
_TIME_FIELD: Final = 6
_LONGEST_MSH: Final = 4_096


class Played(NamedTuple):
    """What one message (or the end, without one) gave."""

    decoded: Decoded | None
    judged: tuple[Judged, ...]


class Replay:
    """A replay of messages in the order given; `play` each, then `finish`."""

    def __init__(self, rulebook: Rulebook, site: Site) -> None:
        self._site = site
        self._decoder = Decoder(site, accept_processing_ids=None)
        self._patients = Patients(rulebook, Settings(Clock.FILES), _nobody)
        self._received_at: Instant = 0
        self._watermark: Instant | None = None
        self.messages = 0
        self.unbound = 0  # events of pumps that name no patient, and no order that is known
        self.outcomes: dict[Outcome, int] = dict.fromkeys(Outcome, 0)

    def play(self, raw: bytes, source: Source, received_at: Instant | None = None) -> Played:
        """Take one message, after the timers due when it comes: at *received_at* where that is known, else MSH-7."""
        if received_at is None:
            received_at = message_time(raw, self._site)
        decoded = self._decoder.decode(
            raw, received_at=received_at, source=source, previous_received_at=self._received_at
        )
        if received_at is None and not self._received_at:  # the first of the feed: what the decoder took it for
            received_at = max((event.received_at for event in decoded.events), default=None)
        self._received_at = self._received_at if received_at is None else received_at
        self.messages += 1
        self.outcomes[decoded.outcome] += 1
        self._watermark = max(self._watermark or self._received_at, self._received_at)
        self._patients.see(Marks(self._watermark), wall=self._watermark)
        self._patients.run()
        for event in (*decoded.bindings, *decoded.events):
            self._patients.accept(Waiting(EventRecord(Kind.EVENT, event.patient, event), 0, self.messages))
        return Played(decoded, self._taken())

    def finish(self, until: Instant | None = None) -> Played:
        """Fire the timers due up to *until*, else up to 48 h after the last watermark."""
        if self._watermark is not None:
            end = self._watermark + AFTER_THE_END if until is None else until
            self._patients.see(Marks(end), wall=end)
            self._patients.run()
        return Played(None, self._taken())

    def stored(self, key: str) -> PatientRecord | None:
        """Return what is known of a patient now, for tests."""
        return self._patients.get(key)

    def _taken(self) -> tuple[Judged, ...]:
        patients = self._patients
        if not (patients.judged or patients.failures or patients.counts):
            return ()
        judged = tuple(patients.judged)
        failures = list(patients.failures)
        patients.clear()
        for failure in failures:  # a replay is where a bug in a rule should be seen, not survived
            if not isinstance(failure.error, PumpUnbound):
                raise failure.error
            self.unbound += 1
        return judged

    def run(self, messages: Iterable[tuple[bytes, Source]], until: Instant | None = None) -> Iterator[Judged]:
        """Yield what all *messages* give, and then the timers."""
        for raw, source in messages:
            yield from self.play(raw, source).judged
        yield from self.finish(until).judged


def message_time(raw: bytes, site: Site) -> Instant | None:
    """Return the time of a message's MSH-7, or None when it has none or only a date."""
    start = max(raw.find(b"MSH"), 0)
    head = raw[start : start + _LONGEST_MSH].replace(b"\n", b"\r").split(b"\r", 1)[0]
    messages = read_record(raw if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in raw[:8] else head)
    if not messages:
        return None
    fields = messages[0].segments[0]
    if len(fields) <= _TIME_FIELD:
        return None
    stamp = read_time(fields[_TIME_FIELD].split(COMPONENT, 1)[0])
    if stamp is None or stamp.digits <= _DATE_DIGITS:
        return None
    sender = site.sender(fields[2].split(COMPONENT, 1)[0], fields[3].split(COMPONENT, 1)[0])
    return place(stamp, sender.field_zones.get("MSH-7") or sender.zone or site.zone).instant


def _nobody(key: str) -> None:
    """Return no patient: everything that a replay knows lies in its overlay."""
