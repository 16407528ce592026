"""
What decoding one inbound record gives: events, rejections, and what was counted. Plain values, no behaviour.

Reasons are enums, fit for a metric label. Nothing here carries a name, a birth date or free text of a note, except
`Demographics.birth_date` inside an event.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from rules.events import PatientEvent


class Outcome(StrEnum):
    """How a message (and a record) ends; exactly one each (DESIGN.md 2, bad input)."""

    JUDGED = "judged"
    IN_PART = "judged in part"
    DEAD_LETTER = "dead letter"
    IGNORED = "ignored"


class Reason(StrEnum):
    """Why a message or a part of it was rejected or ignored."""

    # The whole record or message is no use: dead letter.
    EMPTY = "empty"
    NOT_HL7 = "not_hl7"
    NO_PATIENT = "no_patient"
    MESSAGE_TYPE_UNKNOWN = "message_type_unknown"
    UNMERGE_UNSUPPORTED = "unmerge_unsupported"
    MERGE_INCOMPLETE = "merge_incomplete"
    # One observation, administration or procedure of ours has a fault: rejected, so part of a dead letter.
    UNIT_MISSING = "unit_missing"
    UNIT_UNKNOWN = "unit_unknown"
    UNIT_NOT_ACCEPTED = "unit_not_accepted"
    VALUE_MISSING = "value_missing"
    NOT_A_NUMBER = "not_a_number"
    IMPLAUSIBLE = "implausible"
    TRUNCATED = "truncated"
    STATUS_UNKNOWN = "status_unknown"
    TIME_MISSING = "time_missing"
    CLOCK_SKEW = "clock_skew"
    CODE_TEXT_DISAGREE = "code_text_disagree"
    AMBIGUOUS_REPEAT = "ambiguous_repeat"
    ADMINISTRATION_UNCLEAR = "administration_unclear"
    ADMINISTRATION_INCOMPLETE = "administration_incomplete"
    PROCEDURE_INCOMPLETE = "procedure_incomplete"
    PUMP_UNBOUND = "pump_unbound"
    # Nothing for us: ignored.
    NOTHING_FOR_US = "nothing_for_us"
    PROCESSING_ID = "processing_id"
    RESULT_IN_OTHER_MESSAGE = "result_in_other_message"
    MERGE_WITH_ITSELF = "merge_with_itself"


class NotOurs(StrEnum):
    """Why an observation is not ours: counted, no dead letter (HL7.md 3)."""

    OTHER_CODE = "other_code"
    NO_CODE = "no_code"
    UNMAPPED = "unmapped"
    CODE_EXCLUDED = "code_excluded"
    SPECIMEN = "specimen"
    NOT_A_PATIENT_SPECIMEN = "not_a_patient_specimen"
    SITE_EXCLUDED = "site_excluded"
    UNIT_EXCLUDED = "unit_excluded"
    OTHER_MESSAGE = "other_message"
    OTHER_VALUE_TYPE = "other_value_type"
    DEVICE_TEST = "device_test"
    PROCESSING_ID = "processing_id"


class Verdict(StrEnum):
    """How a second reader's look at a message ended (`consumer.hl7.conformance`, `consumer.crosscheck`)."""

    AGREES = "agrees"
    REFUSED = "refused"  # hl7apy does not read the message: about a tenth of real ones
    OBSERVATIONS = "observations"  # another number of OBX
    RESULT = "result"  # a result of ours that hl7apy does not see so
    PATIENT = "patient"  # a patient of ours that hl7apy does not see
    RULED_OUT = "ruled_out"  # the prefilter calls nothing what the decoder finds something in
    FAILED = "failed"  # one of the readers tripped
    TOO_LARGE = "too_large"  # not looked at
    QUEUE_FULL = "queue_full"  # not looked at


class Rejected(NamedTuple):
    """
    A part that would be ours and has a fault; ``where`` is like ``OBX[4]-6`` (the fourth OBX of the message).

    ``detail`` is OBX-3 as sent when code and text disagree, so that a site can confirm the pair; else empty.
    """

    reason: Reason
    where: str
    observation_identifier: str = ""
    detail: str = ""


class Unmapped(NamedTuple):
    """
    An observation that looks like an analyte of ours by its text and is mapped by no code: a suggestion.

    An administered drug (``where`` is an RXA-5) whose text seems to name one of ours stands here too. ``value`` is
    OBX-5 when that is a number (else empty: text is never shown), ``units`` OBX-6 (of a drug RXA-7) as sent.
    """

    observation_identifier: str
    looks_like: str
    where: str
    value: str = ""
    units: str = ""


EMPTY_COUNTS: Mapping[NotOurs, int] = MappingProxyType({})


class DecodedMessage(NamedTuple):
    """
    What one message gave.

    ``reason`` says why a message is a dead letter or ignored; of a message judged in part it is the first rejection's.
    ``fragments`` counts the OBX that were joined into another's text; ``observations`` all OBX there, so that
    observations = used + rejected ones + not ours + fragments (see `accounted`). ``used`` counts the OBX behind
    results, hemolysis indexes, dialysis sessions and pump facets. ``bindings`` tell for whom an order is: addressed to
    the order, each a "merge" of it into the patient (`consumer.bindings`).
    """

    control_id: str
    message_type: str
    sender: str
    outcome: Outcome
    reason: Reason | None
    flags: tuple[str, ...]
    events: tuple[PatientEvent, ...]
    rejected: tuple[Rejected, ...]
    not_ours: Mapping[NotOurs, int]
    unmapped: tuple[Unmapped, ...]
    observations: int = 0
    used: int = 0
    fragments: int = 0
    rejected_observations: int = 0
    counts: Mapping[str, int] = MappingProxyType({})
    received_at: int = 0
    bindings: tuple[PatientEvent, ...] = ()

    @property
    def accounted(self) -> bool:
        """Say whether every OBX ended somewhere."""
        return self.observations == (
            self.used + self.rejected_observations + sum(self.not_ours.values()) + self.fragments
        )


class Decoded(NamedTuple):
    """What one inbound record gave: its messages in order (none only never: an empty record is one dead letter)."""

    messages: tuple[DecodedMessage, ...]

    @property
    def outcome(self) -> Outcome:
        """The record's one outcome: a fault beside something judged is *judged in part*."""
        outcomes = {message.outcome for message in self.messages}
        if len(outcomes) == 1:
            return next(iter(outcomes))
        if Outcome.IN_PART in outcomes or {Outcome.JUDGED, Outcome.DEAD_LETTER} <= outcomes:
            return Outcome.IN_PART
        return Outcome.DEAD_LETTER if Outcome.DEAD_LETTER in outcomes else Outcome.JUDGED

    @property
    def reason(self) -> Reason | None:
        """The first reason of a message that ended as the record did; None when it was judged in full."""
        outcome = self.outcome
        for message in self.messages:
            if message.reason is not None and message.outcome is outcome:
                return message.reason
        return next((message.reason for message in self.messages if message.reason is not None), None)

    @property
    def holds_nothing(self) -> bool:
        """Nothing at all is in it for us: no event, no rejection, no look-alike; so the prefilter may rule it out."""
        return all(
            message.outcome is Outcome.IGNORED
            and message.reason in (Reason.NOTHING_FOR_US, Reason.PROCESSING_ID)
            and not message.unmapped
            for message in self.messages
        )

    @property
    def events(self) -> tuple[PatientEvent, ...]:
        """The events of all its messages, in order."""
        return tuple(event for message in self.messages for event in message.events)

    @property
    def bindings(self) -> tuple[PatientEvent, ...]:
        """What its messages tell of orders."""
        return tuple(event for message in self.messages for event in message.bindings)
