"""One message on its way to events: header, times, and what is being counted. Mutable; lives for one message."""

from collections import defaultdict
from datetime import tzinfo  # noqa: TC003  (a type, and all of two names)
from functools import lru_cache
from hashlib import blake2b  # noqa: TC003  (a type, and the name of a slot beside it)
from typing import NamedTuple

from consumer.hl7.codes import Kind, Observation, split_identifier
from consumer.hl7.er7 import LONGEST_REMEMBERED, NULL, Message, bounded, component, unescape
from consumer.hl7.identity import Chosen, patient_from
from consumer.hl7.making import maker
from consumer.hl7.measure import Fault, Measured, measure
from consumer.hl7.outcome import NotOurs, Reason, Rejected, Unmapped
from consumer.hl7.site import DRAW_TIME_SOURCES, Sender, Site, observe
from consumer.hl7.times import Moment, Stamp, place, read_time
from rules.events import MINUTE, Drug, Instant, PatientEvent

CLOCK_SKEW = 10 * MINUTE
"""RULES.md 2: a draw later than this after its message was received is rejected."""

_CACHE_LIMIT = 50_000


class SenderContext:
    """A sender's settings with what was looked up for it before; kept between messages."""

    __slots__ = (
        "_chosen",
        "draw_times",
        "measures",
        "nothing",
        "observations",
        "sender",
        "site",
        "text",
        "usual",
        "zone",
    )

    def __init__(self, site: Site, application: str, facility: str) -> None:
        self.site = site
        self.sender: Sender = site.sender(application, facility)
        self.text = bounded(f"{application}|{facility}")
        self.draw_times = (*self.sender.draw_times, "OBX-19", "OBR-22")  # the last two: when it was analyzed or told
        self.observations: dict[str, Observation] = {}  # by raw OBX-3, those that mean something to us
        self.nothing: set[str] = set()  # raw OBX-3 that mean nothing
        self.measures: dict[tuple[str, str, str], Measured | Fault] = {}  # by raw OBX-5, OBX-6 and OBX-3
        self.usual = self.sender.draw_times == DRAW_TIME_SOURCES and not self.sender.field_zones
        self.zone = self.sender.zone or site.zone
        self._chosen: dict[str, Chosen | None] = {}

    def chosen(self, pid: list[str]) -> Chosen | None:
        """Return whom a PID names; those who are in come again and again."""
        if self.sender.other_identifiers or len(pid) < 4:
            return patient_from(pid, self.site, self.sender)
        raw = pid[3]
        if raw in self._chosen:
            return self._chosen[raw]
        if len(raw) > LONGEST_REMEMBERED:
            return patient_from(pid, self.site, self.sender)
        if len(self._chosen) >= _CACHE_LIMIT:
            self._chosen.clear()
        found = self._chosen[raw] = patient_from(pid, self.site, self.sender)
        return found

    def observation(self, raw: str, truncation: str) -> Observation:
        """Return what a raw OBX-3 (or OBR-4) means at this sender; one that may be incomplete is not remembered."""
        found = None if truncation else self.observations.get(raw)
        if found is None:
            found = observe(split_identifier(raw, truncation), self.sender)
            if not truncation and len(raw) <= LONGEST_REMEMBERED:
                if len(self.observations) + len(self.nothing) >= _CACHE_LIMIT:
                    self.observations.clear()
                    self.nothing.clear()
                if found.kind is Kind.OTHER:
                    self.nothing.add(raw)
                else:
                    self.observations[raw] = found
        return found

    def measured(
        self, value: str, units: str, identifier: str, observation: Observation, truncation: str
    ) -> Measured | Fault:
        """Return what a raw OBX-5 and OBX-6 say under a raw OBX-3; the same few hundred come again and again."""
        key = (value, units, identifier)
        found = None if truncation else self.measures.get(key)
        if found is None:
            found = measure(value, units, observation, truncation)
            if not truncation and len(value) + len(units) <= LONGEST_REMEMBERED:
                if len(self.measures) >= _CACHE_LIMIT:
                    self.measures.clear()
                self.measures[key] = found
        return found


class Header(NamedTuple):
    """MSH as far as we use it; ``kind`` is MSH-9.1 and ``trigger`` MSH-9.2, both in upper case."""

    kind: str
    trigger: str
    control_id: str
    processing_id: str
    profiles: str
    stamp: Stamp | None

    @property
    def type(self) -> str:
        """``ORU^R01``."""
        return f"{self.kind}^{self.trigger}" if self.trigger else self.kind


_header = maker(Header)


class Context:
    """What the parts of the decoder share while one message is read."""

    __slots__ = (
        "bindings",
        "control_id",
        "counts",
        "flags",
        "fragments",
        "hash",
        "header",
        "header_at",
        "header_zone",
        "message",
        "not_ours",
        "observations",
        "orders",
        "received_at",
        "rejected",
        "rejected_observations",
        "sender",
        "site",
        "type",
        "unmapped",
        "used",
    )

    def __init__(self, message: Message, header: Header, sender: SenderContext, received_at: Instant | None) -> None:
        self.message = message
        self.header = header
        self.type = header.type
        self.control_id = header.control_id
        self.sender = sender
        self.site = sender.site
        self.flags: list[str] = list(message.flags)
        self.rejected: list[Rejected] = []
        self.unmapped: list[Unmapped] = []
        self.not_ours: dict[NotOurs, int] = defaultdict(int)
        self.counts: dict[str, int] = defaultdict(int)
        self.observations = 0
        self.used = 0
        self.fragments = 0
        self.orders: dict[tuple[Drug, str], None] = {}  # orders of drugs that the message tells of, by number
        self.bindings: list[PatientEvent] = []
        self.hash: blake2b | None = None  # of the whole text, once it was asked for
        self.rejected_observations = 0
        stamp = header.stamp
        self.header_zone: tzinfo | int = sender.zone
        self.header_at: Moment | None = None
        if stamp is not None:
            # MSH-7 without a time counts as none, but its offset is still the sender's.
            if stamp.offset is not None:
                self.header_zone = stamp.offset
            if stamp.precise:
                self.header_at = place(stamp, sender.sender.field_zones.get("MSH-7", sender.zone))
        if received_at is None and self.header_at is not None:
            received_at = self.header_at.instant
        self.received_at: Instant = received_at if received_at is not None else 0

    def time(self, text: str, field: str) -> tuple[Stamp, Moment] | None:
        """
        Return the time of a field and its instant, or None when it is none; what looks like one and is not is counted.

        Its own offset counts, else the field's zone, else MSH-7's.
        """
        if not text or text == NULL:
            return None
        stamp = read_time(text) or read_time(component(text, 1))
        if stamp is None:
            self.counts["time_unreadable"] += 1
            return None
        zones = self.sender.sender.field_zones
        moment = place(stamp, zones.get(field, self.header_zone) if zones else self.header_zone)
        if moment.flags:
            self.flags.extend(flag for flag in moment.flags if flag not in self.flags)
        return stamp, moment

    def reject(
        self, reason: Reason, where: str, identifier: str = "", *, observations: int = 0, detail: str = ""
    ) -> None:
        """Note a part that would be ours and has a fault; *observations* OBX end here."""
        self.rejected.append(Rejected(reason, where, identifier, detail))
        self.rejected_observations += observations


@lru_cache(maxsize=1024)
def _type_of(field: str) -> tuple[str, str]:
    """Return MSH-9.1 and MSH-9.2 in upper case; a structure (``ORU_R01``) in the place of the code is taken apart."""
    kind = component(field, 1).strip().upper()
    trigger = component(field, 2).strip().upper()
    if "_" in kind and not trigger:
        kind, _, trigger = kind.partition("_")
    return kind, trigger


def header_of(message: Message) -> tuple[Header, str, str]:
    """Return a message's header, and raw MSH-3 and MSH-4."""
    fields = message.segments[0]
    if len(fields) < 12:
        fields = fields + [""] * (12 - len(fields))
    kind, trigger = _type_of(fields[8])
    control_id, processing_id, sent = fields[9], fields[10], fields[6]
    return (
        _header(
            (
                kind,
                trigger,
                bounded(unescape(control_id).strip()),
                processing_id if processing_id in _PLAIN_IDS else component(processing_id, 1).strip().upper(),
                fields[20] if len(fields) > 20 else "",
                (read_time(sent) or read_time(component(sent, 1))) if sent else None,
            )
        ),
        fields[2],
        fields[3],
    )


_PLAIN_IDS = frozenset({"P", ""})

_TIMES = {"OBR": (7, 22), "OBX": (14, 19), "SPM": (17,), "EVN": (2, 6), "RXA": (3,), "PR1": (5,), "ORC": (9,)}


def latest_time(context: Context) -> Instant:
    """Return the latest time that the message's own segments name, 0 when there is none; for a replay without MSH-7."""
    latest = 0
    for segment in context.message.segments:
        for number in _TIMES.get(segment[0], ()):
            found = context.time(segment[number], f"{segment[0]}-{number}") if number < len(segment) else None
            latest = latest if found is None else max(latest, found[1].instant)
    context.counts.pop("time_unreadable", None)  # whoever reads these fields for what they mean will count them
    return latest
