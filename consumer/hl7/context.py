"""One message on its way to events: header, times, and what is being counted. Mutable; lives for one message."""

from collections import Counter
from datetime import tzinfo  # noqa: TC003  (a type, and all of two names)
from typing import NamedTuple

from consumer.hl7.codes import Observation, split_identifier
from consumer.hl7.er7 import NULL, Message, component, unescape
from consumer.hl7.outcome import NotOurs, Reason, Rejected, Unmapped
from consumer.hl7.site import Sender, Site, observe
from consumer.hl7.times import Moment, Stamp, place, read_time
from rules.events import MINUTE, Instant

CLOCK_SKEW = 10 * MINUTE
"""RULES.md 2: a draw later than this after its message was received is rejected."""

_CACHE_LIMIT = 50_000


class SenderContext:
    """A sender's settings with what was looked up for it before; kept between messages."""

    __slots__ = ("_observations", "sender", "site", "text")

    def __init__(self, site: Site, application: str, facility: str) -> None:
        self.site = site
        self.sender: Sender = site.sender(application, facility)
        self.text = f"{application}|{facility}"
        self._observations: dict[str, Observation] = {}

    def observation(self, raw: str, truncation: str) -> Observation:
        """Return what a raw OBX-3 (or OBR-4) means at this sender."""
        found = self._observations.get(raw)
        if found is None or truncation:
            found = observe(split_identifier(raw, truncation), self.sender)
            if not truncation:
                if len(self._observations) >= _CACHE_LIMIT:
                    self._observations.clear()
                self._observations[raw] = found
        return found


class Header(NamedTuple):
    """MSH as far as we use it; ``kind`` is MSH-9.1 and ``trigger`` MSH-9.2, both in upper case."""

    kind: str
    trigger: str
    control_id: str
    processing_id: str
    profiles: str
    stamp: Stamp | None


class Context:
    """What the parts of the decoder share while one message is read."""

    __slots__ = (
        "control_id",
        "counts",
        "flags",
        "fragments",
        "header",
        "header_at",
        "header_zone",
        "message",
        "not_ours",
        "observations",
        "received_at",
        "rejected",
        "rejected_observations",
        "sender",
        "site",
        "unmapped",
        "used",
    )

    def __init__(self, message: Message, header: Header, sender: SenderContext, received_at: Instant | None) -> None:
        self.message = message
        self.header = header
        self.control_id = header.control_id
        self.sender = sender
        self.site = sender.site
        self.flags: list[str] = list(message.flags)
        self.rejected: list[Rejected] = []
        self.unmapped: list[Unmapped] = []
        self.not_ours: Counter[NotOurs] = Counter()
        self.counts: Counter[str] = Counter()
        self.observations = 0
        self.used = 0
        self.fragments = 0
        self.rejected_observations = 0
        stamp = header.stamp
        own_zone = sender.sender.zone or sender.site.zone
        self.header_zone: tzinfo | int = own_zone
        self.header_at: Moment | None = None
        if stamp is not None:
            # MSH-7 without a time counts as none, but its offset is still the sender's.
            if stamp.offset is not None:
                self.header_zone = stamp.offset
            if stamp.precise:
                self.header_at = place(stamp, sender.sender.field_zones.get("MSH-7", own_zone))
        if received_at is None and self.header_at is not None:
            received_at = self.header_at.instant
        self.received_at: Instant = received_at if received_at is not None else 0

    def moment(self, stamp: Stamp, field: str) -> Moment:
        """Return the instant of a stamp of *field*: by its own offset, else the field's zone, else MSH-7's."""
        zones = self.sender.sender.field_zones
        moment = place(stamp, zones.get(field, self.header_zone) if zones else self.header_zone)
        if moment.flags:
            self.flags.extend(flag for flag in moment.flags if flag not in self.flags)
        return moment

    def time(self, text: str, field: str) -> tuple[Stamp, Moment] | None:
        """Return the time of a field, or None when it is none; what looks like one and is not is counted."""
        if not text or text == NULL:
            return None
        text = component(text, 1)
        stamp = read_time(text)
        if stamp is None:
            if text:
                self.counts["time_unreadable"] += 1
            return None
        return stamp, self.moment(stamp, field)

    def reject(self, reason: Reason, where: str, identifier: str = "", *, observations: int = 0) -> None:
        """Note a part that would be ours and has a fault; *observations* OBX end here."""
        self.rejected.append(Rejected(reason, where, identifier))
        self.rejected_observations += observations


def header_of(message: Message) -> tuple[Header, str, str]:
    """Return a message's header, MSH-3.1 and MSH-4.1."""
    fields = message.segments[0].split("|")
    fields += [""] * (21 - len(fields))
    kind = component(fields[8], 1).strip().upper()
    trigger = component(fields[8], 2).strip().upper()
    if "_" in kind and not trigger:  # ORU_R01 written as the message code
        kind, _, trigger = kind.partition("_")
    return (
        Header(
            kind=kind,
            trigger=trigger,
            control_id=unescape(fields[9]).strip(),
            processing_id=component(fields[10], 1).strip().upper(),
            profiles=fields[20],
            stamp=read_time(component(fields[6], 1)) if fields[6] else None,
        ),
        component(fields[2], 1).strip(),
        component(fields[3], 1).strip(),
    )
