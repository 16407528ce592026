"""
A record's bytes to what it says of patients: the one door of this package (HL7.md, DESIGN.md 2).

Any bytes decode or are rejected with a reason; none raise. Every OBX ends in exactly one count
(`DecodedMessage.accounted`) and every record in exactly one outcome.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from consumer.hl7.codes import Kind, table
from consumer.hl7.context import Context, Header, SenderContext, header_of, latest_time
from consumer.hl7.encounter import (
    MERGES,
    UNMERGES,
    demographics_of,
    merge_of,
    visit_of,
)
from consumer.hl7.er7 import Message, component, read_record, starts_torn
from consumer.hl7.identity import order_patient
from consumer.hl7.making import maker
from consumer.hl7.outcome import EMPTY_COUNTS, Decoded, DecodedMessage, NotOurs, Outcome, Reason, Rejected
from consumer.hl7.patient_group import Gathering, PatientGroup
from consumer.hl7.reading import RESULTS, Parts, read_others, read_results, set_pump_aside
from consumer.hl7.site import Site
from consumer.hl7.tidy import read_tidy
from rules.events import (
    Administration,
    Instant,
    Patient,
    PatientEvent,
    PatientMerge,
    Source,
)

MESSAGE_TYPES = frozenset(table("messages")["types"])
_SENDERS_LIMIT = 10_000


class Decoder:
    """
    Decodes records for one site; keeps what it looked up (bounded), so use one instance a process.

    ``accept_processing_ids`` are the values of MSH-11 that are judged; None takes all (`replay`, `inspect`).
    """

    def __init__(self, site: Site, *, accept_processing_ids: tuple[str, ...] | None = ("P", "")) -> None:
        self.site = site
        self._accepted = accept_processing_ids
        self._senders: dict[tuple[str, str], SenderContext] = {}

    def decode(
        self, raw: bytes, *, received_at: Instant | None, source: Source, previous_received_at: Instant | None = None
    ) -> Decoded:
        """
        Return what a record says; ``received_at`` None (a replay) takes MSH-7, else *previous_received_at*.

        With neither it is the latest time that the message names, so that nothing in it lies ahead of its receipt.

        In a batch of a replay each message has its own MSH-7, and one without takes that of the message before.
        """
        messages = read_record(raw)
        if not messages:
            if _EMPTY_BATCH.fullmatch(raw) is not None:
                return Decoded((_EMPTY_BATCH_IGNORED,))
            reason = Reason.NOT_HL7 if raw.strip(b" \t\r\n\x0b\x1c\x00") else Reason.EMPTY
            return Decoded((_not_a_message(reason),))
        decoded = [_not_a_message(Reason.NOT_HL7)] if not raw.startswith(b"MSH") and starts_torn(raw) else []
        for message in messages:
            header, application, facility = header_of(message)
            sender = self.sender(application, facility)
            if self._accepted is None or header.processing_id in self._accepted:
                tidy = read_tidy(message, header, sender, received_at, source)
                if tidy is not None:
                    if received_at is None:
                        previous_received_at = tidy.received_at
                    decoded.append(tidy)
                    continue
            context = self._context(message, header, sender, received_at, previous_received_at)
            if received_at is None and context.header_at is not None:
                previous_received_at = context.received_at
            decoded.append(self._message(context, source))
        return Decoded(tuple(decoded))

    def sender(self, application: str, facility: str) -> SenderContext:
        """Return the settings and caches of one sender, by raw MSH-3 and MSH-4."""
        found = self._senders.get((application, facility))
        if found is None:
            if len(self._senders) >= _SENDERS_LIMIT:
                self._senders.clear()
            names = component(application, 1).strip(), component(facility, 1).strip()
            found = self._senders[application, facility] = SenderContext(self.site, *names)
        return found

    def _context(
        self,
        message: Message,
        header: Header,
        sender: SenderContext,
        received_at: Instant | None,
        previous: Instant | None,
    ) -> Context:
        if not header.kind and sender.sender.message_type:
            kind, _, trigger = sender.sender.message_type.partition("^")
            header = header._replace(kind=kind, trigger=trigger)
        context = Context(message, header, sender, received_at)
        if received_at is None and context.header_at is None:
            context.received_at = previous or latest_time(context)
            context.flags.append("received_at_assumed")
        return context

    def _message(self, context: Context, source: Source) -> DecodedMessage:
        """Return what one message says: its patients one by one, then the outcome of it all."""
        gathering = Gathering(context)
        groups = gathering.walk()
        if context.header.kind == "ADT" and not context.header.trigger:
            told = component(gathering.evn[1] if len(gathering.evn) > 1 else "", 1).strip().upper()
            context.header = context.header._replace(trigger=told)
        header = context.header
        if self._accepted is not None and header.processing_id not in self._accepted:
            _set_aside(groups, context, NotOurs.PROCESSING_ID)
            return _ended(context, (), Reason.PROCESSING_ID)
        if header.kind not in MESSAGE_TYPES and not (header.kind.startswith("Z") and header.kind.isalnum()):
            _reject_ours(groups, context, Reason.MESSAGE_TYPE_UNKNOWN, "MSH-9")
            return _ended(context, ())
        if header.kind == "ADT" and header.trigger in UNMERGES:
            _set_aside(groups, context, NotOurs.OTHER_MESSAGE)
            context.reject(Reason.UNMERGE_UNSUPPORTED, "MSH-9")
            return _ended(context, ())
        if len(groups) == 1:
            return _ended(context, tuple(self._events(groups[0], gathering.evn, context, source)))
        events: dict[str, list[PatientEvent]] = {}
        for group in groups:
            for event in self._events(group, gathering.evn, context, source):
                events.setdefault(event.patient.key, []).append(event)
        return _ended(context, tuple(_joined(of_one) for of_one in events.values()))

    def _events(self, group: PatientGroup, evn: list[str], context: Context, source: Source) -> list[PatientEvent]:
        """Return the events of one patient's segments: one, none, or one a merge."""
        kind = context.header.kind
        patient = self._patient(group, context)
        if kind in RESULTS:
            parts = read_results(group, context, known=patient is not None)
        else:
            _set_aside([group], context, NotOurs.OTHER_MESSAGE)
            if kind == "ADT" and context.header.trigger in MERGES:
                return _read_merges(group, evn, context, source)
            parts = read_others(group, evn, context, known=patient is not None)
        if parts is None:
            return []
        if patient is None:
            return _events_of_orders(parts, context, source)
        for drug, number in context.orders:
            context.bindings.append(_binding(order_patient(drug, number), patient, context, source))
        context.orders.clear()
        pid = group.pid or []
        parts["demographics"] = demographics_of(pid)
        parts["visit"] = visit_of(group.pv1, pid)
        return [_event(patient, context, source, parts)]

    def _patient(self, group: PatientGroup, context: Context) -> Patient | None:
        """Return whom a group is about, its flags counted; None when nobody is named."""
        chosen = context.sender.chosen(group.pid) if group.pid is not None else None
        if chosen is None:
            return None
        for flag in chosen.flags:
            context.counts[flag] += 1
            if flag not in context.flags:
                context.flags.append(flag)
        return chosen.patient


def _event(patient: Patient, context: Context, source: Source, parts: Parts) -> PatientEvent:
    """Return one patient's event with the *parts* that the message gave."""
    said = parts.get
    return _patient_event(
        (
            patient,
            context.received_at,
            source,
            context.control_id,
            context.type,
            context.sender.text,
            said("demographics"),
            said("visit"),
            said("results", ()),
            said("tubes", ()),
            said("administrations", ()),
            said("dialyses", ()),
            said("magnesium_orders", ()),
            said("unmapped_magnesium_at"),
            said("encounter"),
            said("merge"),
            tuple(context.flags),
            _fingerprint(patient, context, parts),
        )
    )


_patient_event = maker(PatientEvent)


def _events_of_orders(parts: Parts, context: Context, source: Source) -> list[PatientEvent]:
    """Return what pumps tell of without a patient, addressed to their orders (`consumer.bindings`)."""
    by_order: dict[Patient, list[Administration]] = {}
    for given in parts.get("administrations", ()):
        by_order.setdefault(order_patient(given.drug, given.order_number), []).append(given)
    if by_order:
        context.flags.append("patient_by_order")
    return [_event(order, context, source, {"administrations": tuple(given)}) for order, given in by_order.items()]


def _binding(order: Patient, patient: Patient, context: Context, source: Source) -> PatientEvent:
    """Return that an order is for a patient, addressed to the order."""
    merge = PatientMerge(order, patient, context.received_at)
    return PatientEvent(
        order, context.received_at, source, context.control_id, context.type, context.sender.text, merge=merge
    )


_READ = ("results", "tubes", "administrations", "dialyses", "magnesium_orders")


def _fingerprint(patient: Patient, context: Context, parts: Parts) -> int:
    """
    Return what tells a message that is sent again: all of its text, the patient, and how much was read in it.

    Sender and control id are part of the text; framing and line ends are not. A site that maps another code and has
    the message sent again means it to be judged: so much more is then read in it. 63 bits: two of the few dozen
    messages that a home remembers agree by chance once in 10**15.
    """
    if not context.control_id:
        return 0
    if context.hash is None:  # once a message, however many patients it tells of
        context.hash = blake2b(context.message.text.encode(errors="surrogatepass"), digest_size=8)
    read = _counted(tuple([len(parts[name]) for name in _READ if name in parts]))
    whole = context.hash.copy()
    whole.update(f"\r{patient.key}\r{read}".encode(errors="surrogatepass"))
    return int.from_bytes(whole.digest()) >> 1


@lru_cache(maxsize=1024)
def _counted(read: tuple[int, ...]) -> str:
    """Write out how much was read; the same few numbers come again and again."""
    return str(list(read))


def _read_merges(group: PatientGroup, evn: list[str], context: Context, source: Source) -> list[PatientEvent]:
    """Return one event a merge, addressed to the retired patient."""
    if group.pid is None and not group.mrg:
        return []
    if group.pid is None or not group.mrg:
        context.reject(Reason.MERGE_INCOMPLETE, "MRG-1" if group.pid is not None else "PID-3")
        return []
    merges = [merge_of(group.pid, mrg, number, evn, context) for number, mrg in group.mrg]
    return [_event(merge.retired, context, source, {"merge": merge}) for merge in merges if merge is not None]


_OF_INTEREST = frozenset({Kind.OURS, Kind.DISAGREE, Kind.HEMOLYSIS_INDEX, Kind.DIALYSIS})


def _set_aside(groups: list[PatientGroup], context: Context, why: NotOurs) -> None:
    """Count the OBX of a message that is not read for results."""
    for group in groups:
        set_pump_aside(group, context)
        for found in group.found:
            context.not_ours[why] += 1
            if found.observation.kind is Kind.OURS and why is NotOurs.OTHER_MESSAGE:
                context.counts[Reason.RESULT_IN_OTHER_MESSAGE] += 1


def _reject_ours(groups: list[PatientGroup], context: Context, reason: Reason, where: str) -> None:
    """Reject every OBX for us of a message that can't be read; the others are set aside."""
    for group in groups:
        set_pump_aside(group, context)
        for found in group.found:
            if found.observation.kind in _OF_INTEREST:
                context.reject(reason, where, found.observation.code, observations=1)
            else:
                context.not_ours[NotOurs.OTHER_MESSAGE] += 1


def _joined(events: list[PatientEvent]) -> PatientEvent:
    """Return one event of all that a message gives for one patient."""
    first = events[0]
    if len(events) == 1:
        return first
    seen = [event.unmapped_magnesium_at for event in events if event.unmapped_magnesium_at is not None]
    return first._replace(
        demographics=next((event.demographics for event in reversed(events) if event.demographics), None),
        visit=next((event.visit for event in reversed(events) if event.visit), None),
        results=tuple(each for event in events for each in event.results),
        tubes=tuple(each for event in events for each in event.tubes),
        administrations=tuple(each for event in events for each in event.administrations),
        dialyses=tuple(each for event in events for each in event.dialyses),
        magnesium_orders=tuple(each for event in events for each in event.magnesium_orders),
        unmapped_magnesium_at=max(seen, default=None),
        encounter=next((event.encounter for event in reversed(events) if event.encounter), None),
        merge=next((event.merge for event in events if event.merge), None),
    )


def _ended(context: Context, events: tuple[PatientEvent, ...], reason: Reason | None = None) -> DecodedMessage:
    """Return the message's end: judged, in part, dead letter or ignored, with its reason and counts."""
    if context.rejected:
        outcome = Outcome.IN_PART if events else Outcome.DEAD_LETTER
        reason = context.rejected[0].reason
    elif events:
        outcome = _JUDGED
    else:
        outcome = Outcome.IGNORED
        if reason is None:
            reason = next((each for each in _WHY_IGNORED if context.counts.get(each)), Reason.NOTHING_FOR_US)
    return _decoded_message(
        (
            context.control_id,
            context.type,
            context.sender.text,
            outcome,
            reason,
            tuple(context.flags),
            events,
            tuple(context.rejected),
            context.not_ours,
            tuple(context.unmapped),
            context.observations,
            context.used,
            context.fragments,
            context.rejected_observations,
            context.counts,
            context.received_at,
            tuple(context.bindings),
        )
    )


_decoded_message = maker(DecodedMessage)
_JUDGED = Outcome.JUDGED  # an enum looks its members up at each mention
_WHY_IGNORED = (Reason.RESULT_IN_OTHER_MESSAGE, Reason.MERGE_WITH_ITSELF)


_EMPTY_BATCH = re.compile(rb"\s*(?:(?:FHS|BHS|BTS|FTS)\|[^\r\n]*(?:[\r\n]\s*|$))+")
_EMPTY_BATCH_IGNORED = DecodedMessage("", "", "", Outcome.IGNORED, Reason.NOTHING_FOR_US, (), (), (), EMPTY_COUNTS, ())
"""A batch without messages, as some engines send to show that they live."""


def _not_a_message(reason: Reason) -> DecodedMessage:
    """Return the end of a record in which no message begins."""
    rejected = (Rejected(reason, "MSH"),)
    return DecodedMessage("", "", "", Outcome.DEAD_LETTER, reason, (), (), rejected, {}, ())
