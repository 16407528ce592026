"""
The judge stage: records of one events partition in, alerts, states, dead letters and forwards out. Pure.

It keeps each patient packed (`key -> bytes`), the last ones unpacked too, and decodes who is touched. A batch changes
an overlay that `commit` merges and `discard` drops (KAFKA.md W7). What the rules say, and whose turn it is, is
`consumer/patients.py`'s.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from consumer import deadletter
from consumer.address import partition_of
from consumer.aliases import homes_of
from consumer.cloudevent import Issuer, alert_event, alert_headers, encode_alert
from consumer.deadletter import DeadLetter, Fault, attempt_of, resubmitted
from consumer.errors import CorruptRecord
from consumer.homes import AliasHomes, NoRoom
from consumer.patients import Clock, Failure, Patients, Settings
from consumer.schedule import Overlay
from consumer.spill import behind, fit, fit_event, load, owner
from consumer.stage import Outcome, Outgoing, Output, Record
from consumer.stuck import Stuck
from consumer.turns import Marks
from consumer.wire import (
    FORMAT,
    EventRecord,
    PatientRecord,
    Waiting,
    decode_event,
    encode_event,
    refuse_newer,
)
from rules.alert import Change, Severity
from rules.rulebook import Rulebook

CORRUPT_RECORD: Final = "corrupt_record"
DROPPED: Final = "results_dropped"
SHADOW: Final = "shadow_transitions"
"""What a rule in shadow mode has published; nobody was notified."""

NEXT_DUE: Final = "next_due"
AWAITS: Final = "awaits_catch_up"
ALIASES: Final = "aliases"

NOWHERE: Final = -1
"""The offset of what stands in no topic: a timer, or a record that was not sent on."""

REWRITTEN_AT_ONCE: Final = 1_000
"""States written anew in an older format at a tick: some 100 ms of work a second."""

_PAGING: Final = frozenset({Change.RAISED, Change.ESCALATED, Change.REMINDED})


class Judge:
    """One events partition's patients, as a `consumer.stage.Stage`."""

    def __init__(
        self,
        rulebook: Rulebook,
        settings: Settings,
        issuer: Issuer,
    ) -> None:
        self._settings = settings
        self._issuer = issuer
        self._packed: Overlay[str, bytes] = Overlay()
        self._patients = Patients(rulebook, settings, self._load)
        self._merged_watermark: int | None = None
        self._stuck = {merged: Stuck(rulebook.stuck_after) for merged in (False, True)}
        self._stream_time: int | None = None
        self._format = FORMAT
        self._newer: list[str] = []

    def write_format(self, version: int) -> None:
        """
        Write events and states in this format, those anew that are stored in a newer one: the way back.

        Called once the states are restored: a newer one that has since been written again is no hindrance.

        Raises:
            NewerVersion: A state is of a format that we cannot read.
        """
        self._format = version
        newer = self._packed.where(lambda packed: packed[:1] > bytes((version,)))
        for name in newer:
            refuse_newer(self._packed.get(name) or b"", "a record of the state topic")
        self._newer = list(dict.fromkeys(map(owner, newer)))

    def alias_homes(self) -> AliasHomes | None:
        """Return the events partitions from which aliases lead to patients of this one; None: from none (W17)."""
        return self._patients.turns.alias_homes()

    def see_merged(self, watermark: int | None) -> None:
        """Take the watermark of the patients to whom those aliases lead."""
        self._merged_watermark = watermark

    def __len__(self) -> int:
        """Return how many records are stored: one a patient, and those behind it of whom much waits."""
        return len(self._packed)

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Take one changelog record, oldest first; decodes nothing but its headers."""
        name = key.decode(errors="backslashreplace")  # no key of ours is not UTF-8; such a one is nobody's
        self._packed.restore(name, value)
        if owner(name) != name:
            return
        try:
            due, awaits, homes = _timing({} if value is None else dict(headers))
        except ValueError:  # the patient's own record says when, or can't be read: looked at with the first watermark
            due, awaits, homes = 0, None, None
        self._patients.restore(name, due, awaits, homes)

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Take a batch in order of offset."""
        letters: list[Outgoing] = []
        self._patients.see(Marks(watermark, self._merged_watermark), wall=wall)
        for record in records:
            self._stream_time = max(self._stream_time or record.timestamp, record.timestamp)
            if record.value is None:
                continue
            try:
                message = decode_event(record.value)
            except CorruptRecord as error:
                letters.append(self._unreadable(record, error, wall))
                continue
            if record.headers:
                message = message._replace(attempt=attempt_of(record.headers))
                if message.event is not None and resubmitted(record.headers):
                    message = message._replace(event=message.event._replace(fingerprint=0))
            self._patients.accept(Waiting(message, record.partition, record.offset))
        self._patients.run()
        return self._outcome(letters, watermark, wall)

    def tick(self, *, watermark: int | None, wall: int) -> Outcome:
        """Fire what is due; live also what is due by the wall clock when the watermark is stuck."""
        self._patients.see(Marks(watermark, self._merged_watermark), wall=wall)
        self._patients.run()
        for key in self._newer[:REWRITTEN_AT_ONCE]:
            self._patients.rewrite(key)
        del self._newer[:REWRITTEN_AT_ONCE]
        return self._outcome([], watermark, wall)

    def commit(self) -> None:
        """Keep what the outcomes since the last commit said."""
        self._packed.commit()
        self._patients.commit(warm=self._format == FORMAT)  # an older format leaves out what it does not know

    def discard(self) -> None:
        """Go back to the last commit; the same records come again."""
        self._packed.discard()
        self._patients.discard()

    def stored(self, key: str) -> PatientRecord | None:
        """Return a patient as of now, for tests and for looking at one."""
        return self._patients.get(key)

    def _load(self, key: str) -> PatientRecord | None:
        return load(key, self._packed.get)

    def _outcome(self, letters: list[Outgoing], watermark: int | None, wall: int) -> Outcome:
        """Return what has come out since the last outcome, as records."""
        if self._settings.clock is Clock.LIVE:
            for merged, stuck in self._stuck.items():
                if merged and self.alias_homes() is None:  # no patient waits for that one
                    continue
                behind = stuck.behind(Marks(watermark, self._merged_watermark).of(merged=merged), wall)
                if behind:
                    self._patients.overrule(merged=merged, behind=behind)
            self._patients.catch_up()
        patients = self._patients
        out = list(letters)
        counts: dict[tuple[str, str], int] = {}
        urgent = False
        for transition, source in patients.judged:
            event = alert_event(transition, source=source, published_at=wall, issuer=self._issuer)
            key = transition.patient.key.encode()
            place = self._settings.partition
            out.append(Outgoing(Output.ALERTS, place, key, encode_alert(event), alert_headers(transition)))
            label = f"{transition.rule.value}|{transition.change.value}|{transition.severity.label}"
            counts["transitions", label] = counts.get(("transitions", label), 0) + 1
            if transition.mode == "shadow":
                counts["judge", SHADOW] = counts.get(("judge", SHADOW), 0) + 1
            if transition.timer is None and self._settings.clock is Clock.LIVE:
                waited = ("latency_ms", str(max(0, wall - transition.received_at)))
                counts[waited] = counts.get(waited, 0) + 1
            urgent |= transition.severity is Severity.CRITICAL and transition.change in _PAGING
        out += [record for message in patients.forwards for record in self._sent_on(message, counts)]
        out += [record for key in patients.touched for record in self._changed(key, counts)]
        for what, number in patients.counts.items():
            counts[what] = counts.get(what, 0) + number
        out += [self._failed(failure, wall) for failure in patients.failures]
        for reason in (*[CORRUPT_RECORD] * len(letters), *[failure.reason for failure in patients.failures]):
            counts["dead_letters", reason] = counts.get(("dead_letters", reason), 0) + 1
        patients.clear()
        return Outcome(out, urgent, self._stream_time, counts)

    def _sent_on(self, message: EventRecord, counts: dict[tuple[str, str], int]) -> list[Outgoing]:
        """Return what another home gets; none that its topic does not take, which is a dead letter then (W3)."""
        limit = self._settings.state_bytes
        packed, dropped = fit_event(message, limit, self._format)
        if dropped:
            counts["judge", DROPPED] = counts.get(("judge", DROPPED), 0) + dropped
        if len(packed) > limit:
            waiting = Waiting(message, self._settings.partition, NOWHERE)
            self._patients.failures.append(Failure(message.patient, waiting, NoRoom()))
            return []
        key = message.patient.key.encode()
        attempt = (("attempt", str(message.attempt).encode()),) if message.attempt > 1 else ()
        return [Outgoing(Output.EVENTS, partition_of(key, self._settings.partitions), key, packed, attempt)]

    def _changed(self, key: str, counts: dict[tuple[str, str], int]) -> list[Outgoing]:
        """Return the changelog records of a touched patient; none for one that never was stored."""
        try:
            record = self._patients.get(key)
        except CorruptRecord:  # quarantined: what is stored stays as it is
            return []
        if record is None:
            return self._forgotten(key, 0)
        fitted = fit(record, self._settings.state_bytes, self._format)
        if fitted.refused:
            self._patients.refuse(key, record, fitted.refused)
            return self._changed(key, counts)
        if fitted.dropped:
            counts["judge", DROPPED] = counts.get(("judge", DROPPED), 0) + fitted.dropped
        headers: list[tuple[str, bytes]] = []
        turn = self._patients.next_due(key)
        if turn is not None:
            headers.append((NEXT_DUE, str(turn).encode()))
        homes = homes_of(record.retired, self._settings.partition, self._settings.partitions)
        if homes is not None:
            headers.append((ALIASES, ",".join(map(str, (homes.aliases, *sorted(homes.partitions)))).encode()))
        if record.awaits:
            headers.append((AWAITS, f"{record.awaits},{record.awaits_since}".encode()))
        out = [self._stored(key, fitted.packed, headers)]
        for number, packed in enumerate(fitted.behind, 1):
            name = behind(key, number)
            if self._packed.get(name) != packed:
                out.append(self._stored(name, packed))
        out += self._forgotten(key, len(fitted.behind) + 1)
        if fitted.dropped:
            self._patients.shrink(key, self._load(key))
        return out

    def _forgotten(self, key: str, number: int) -> list[Outgoing]:
        """Return the tombstones of what was stored of a patient: 0 is the record itself, others are behind it."""
        out = []
        name = behind(key, number) if number else key
        while self._packed.get(name) is not None or self._packed.committed(name) is not None:
            out.append(self._stored(name, None))
            number += 1
            name = behind(key, number)
        return out

    def _stored(self, name: str, packed: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> Outgoing:
        """Keep a value for the changelog, and return its record."""
        self._packed.set(name, packed)
        return Outgoing(Output.STATE, self._settings.partition, name.encode(), packed, headers)

    def _unreadable(self, record: Record, error: CorruptRecord, wall: int) -> Outgoing:
        letter = DeadLetter(
            record.key,
            record.value,
            CORRUPT_RECORD,
            [Fault(CORRUPT_RECORD, type(error.__cause__).__name__)],
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            wall,
            attempt_of(record.headers),
            "judge",
        )
        return deadletter.outgoing(letter, self._settings.partition)

    def _failed(self, failure: Failure, wall: int) -> Outgoing:
        """Return the dead letter of an event that could not be judged; of a timer it holds no bytes."""
        waiting = failure.waiting
        event = None if waiting is None else waiting.record.event
        letter = DeadLetter(
            failure.patient.key.encode(),
            None if waiting is None else encode_event(waiting.record, self._format),
            failure.reason,
            [Fault(failure.reason, f"{type(failure.error).__name__} in {_place(failure.error)}".removesuffix(" in "))],
            self._settings.events_topic,
            self._settings.partition if waiting is None else waiting.partition,
            NOWHERE if waiting is None else waiting.offset,
            wall if event is None else event.received_at,
            wall,
            1 if waiting is None else waiting.record.attempt,
            "judge",
        )
        return deadletter.outgoing(letter, self._settings.partition)


def _timing(named: Mapping[str, bytes]) -> tuple[int | None, tuple[int, int] | None, AliasHomes | None]:
    """Return what the headers of a state say: next due, what awaits catching up, the homes that lead to it."""
    due, awaits, homes = named.get(NEXT_DUE), named.get(AWAITS), named.get(ALIASES)
    return (
        None if due is None else int(due),
        None if awaits is None else _awaits(awaits),
        None if homes is None else _homes(homes),
    )


def _awaits(text: bytes) -> tuple[int, int]:
    level, _, since = text.partition(b",")
    return int(level), int(since or 0)


def _homes(text: bytes) -> AliasHomes:
    aliases, *partitions = map(int, text.split(b","))
    return AliasHomes(frozenset(partitions), aliases)


def _place(error: Exception) -> str:
    """Return the module and line at which an exception was raised, the innermost one."""
    frame = error.__traceback__
    place = ""
    while frame is not None:
        place = f"{frame.tb_frame.f_globals.get('__name__', '?')}:{frame.tb_lineno}"
        frame = frame.tb_next
    return place
