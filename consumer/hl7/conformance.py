"""
hl7apy as the second opinion: why a message was refused, and whether another reader sees what ours saw.

Slow (10 to 30 ms a message), so never on the hot path and never when a dead letter is written: it explains in `inspect`
and `dead-letters list`, is the oracle of our tests, and checks a sampled share of live messages. What it says of a
message holds no values: exception names and our own sentences only, so no name or number of a patient.
"""

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from hl7apy import SUPPORTED_LIBRARIES
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from consumer.hl7.outcome import Decoded, DecodedMessage, Outcome, Reason, Verdict

EXPLANATIONS: Mapping[Reason, str] = {
    Reason.EMPTY: "The record holds nothing.",
    Reason.NOT_HL7: "No line begins with MSH and a field separator.",
    Reason.NO_PATIENT: "It holds something for us, and no PID names a patient (PID-3).",
    Reason.MESSAGE_TYPE_UNKNOWN: "MSH-9 is empty or no message type; a site's table can say what a sender means.",
    Reason.UNMERGE_UNSUPPORTED: "ADT^A37 takes a merge back, which is not supported.",
    Reason.MERGE_INCOMPLETE: "A merge needs PID-3 and MRG-1 of the same identifier type.",
    Reason.UNIT_MISSING: "OBX-6 is empty, and this analyte's unit is never guessed; a site's table can give a default.",
    Reason.UNIT_UNKNOWN: "OBX-6 is no spelling of a unit that we know.",
    Reason.UNIT_NOT_ACCEPTED: "The unit in OBX-6 does not belong to this analyte.",
    Reason.VALUE_MISSING: "OBX-11 says that there is a value, and OBX-5 is empty.",
    Reason.NOT_A_NUMBER: "OBX-5 is not exactly one number with an optional comparator.",
    Reason.IMPLAUSIBLE: "The value lies outside what this analyte can be.",
    Reason.TRUNCATED: "The value ends in the truncation character.",
    Reason.STATUS_UNKNOWN: "OBX-11 (or OBR-25) is no status that we know.",
    Reason.TIME_MISSING: "No time of the draw, of the result or of the message.",
    Reason.CLOCK_SKEW: "The time lies more than 10 min after the message was received: a wrong clock or zone.",
    Reason.CODE_TEXT_DISAGREE: "The text beside the code names something else; a site's table can confirm the pair.",
    Reason.AMBIGUOUS_REPEAT: "One code stands twice in one order with different numbers.",
    Reason.ADMINISTRATION_UNCLEAR: "RXA-20, RXA-18 or RXA-6 leaves open whether the drug was given.",
    Reason.ADMINISTRATION_INCOMPLETE: "RXA-3 (start), or RXA-6 beside a rate, is missing.",
    Reason.PROCEDURE_INCOMPLETE: "A dialysis (PR1) without a start (PR1-5).",
    Reason.PUMP_UNBOUND: "A pump that names no patient, and no order that an RDE, RDS, RGV or RAS has told of.",
}

_LINE_ENDS = re.compile(r"\r\n|\n|[\x0b\x1c]+\r?")
_VERSION_FIELD = 11  # MSH-12, counted from MSH in a split by the field separator
_FALLBACK_VERSION = "2.5"


class Seen(NamedTuple):
    """What hl7apy saw: OBX as (OBX-3, OBX-5, OBX-6), and the text of every PID-3 and MRG-1."""

    observations: Counter[tuple[str, str, str]]
    identifiers: str


def explain(raw: bytes, message: DecodedMessage) -> list[str]:
    """Return why a message (or parts of it) was refused, in sentences; then what hl7apy makes of it."""
    sentences = [sentence(part.where, part.reason) for part in dict.fromkeys(message.rejected)]
    if message.outcome in (Outcome.DEAD_LETTER, Outcome.IN_PART):
        sentences.append(f"hl7apy: {opinion(raw)}")
    return sentences


def sentence(where: str, reason: str) -> str:
    """Return one fault in words: its place, and what the reason means where that is one of the decoder's."""
    return f"{where}: {EXPLANATIONS[Reason(reason)] if reason in EXPLANATIONS else reason}"


def opinion(raw: bytes) -> str:
    """Return ``reads it``, or the name of hl7apy's exception; never its text, which quotes the message."""
    refusal = _parse(_normalised(raw))[1]
    return refusal or "reads it"


def see(raw: bytes) -> Seen | None:
    """Return what hl7apy sees in one message, or None when it refuses it."""
    parsed, refusal = _parse(_normalised(raw))
    if refusal:
        return None
    observations: Counter[tuple[str, str, str]] = Counter()
    identifiers = []
    for segment in parsed.children:
        if segment.name == "OBX":
            fields = segment.to_er7().split(parsed.encoding_chars["FIELD"])
            fields += [""] * (7 - len(fields))
            observations[fields[3], fields[5], fields[6]] += 1
        elif segment.name in ("PID", "MRG"):
            identifiers.append(segment.to_er7())
    return Seen(observations, "\n".join(identifiers))


def compare(raw: bytes, decoded: Decoded) -> Verdict:
    """
    Compare what we decoded from a record of one message with what hl7apy sees.

    It does not decode escapes, so a value that carries one is left out.
    """
    if len(decoded.messages) != 1:
        return Verdict.REFUSED
    seen = see(raw)
    if seen is None:
        return Verdict.REFUSED
    message = decoded.messages[0]
    if message.observations != sum(seen.observations.values()):
        return Verdict.OBSERVATIONS
    for event in message.events:
        if event.patient.mrn not in seen.identifiers and "\\" not in seen.identifiers:
            return Verdict.PATIENT
        for result in event.results:
            if result.value is not None and not _has(seen, result.observation_identifier, result.original_value):
                return Verdict.RESULT
    return Verdict.AGREES


def _has(seen: Seen, identifier: str, value: str) -> bool:
    """Say whether an OBX of that code carries that value; SN components and blanks aside."""
    wanted = _bare(value)
    return any(
        identifier in code.split("^") and (_bare(text) == wanted or "\\" in text or " " in text.strip())
        for code, text, _ in seen.observations
    )


def _bare(text: str) -> str:
    return text.replace("^", "").replace(" ", "").lstrip("=")


def _normalised(raw: bytes) -> str:
    """Return the text of a message with CR ends and a version that hl7apy supports; its own charset guess."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = _LINE_ENDS.sub("\r", text).strip()
    head, separator, rest = text.partition("\r")
    fields = head.split(head[3:4] or "|")
    if len(fields) > _VERSION_FIELD and fields[_VERSION_FIELD].split("^")[0] not in SUPPORTED_LIBRARIES:
        fields[_VERSION_FIELD] = _FALLBACK_VERSION
        head = head[3:4].join(fields)
    return head + separator + rest


def _parse(text: str) -> tuple[Any, str]:
    """Return hl7apy's message, or None and the name of its exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return parse_message(text, find_groups=False, validation_level=VALIDATION_LEVEL.TOLERANT), ""
        except Exception as error:  # noqa: BLE001  (a library that trips over a message says no more than that)
            return None, type(error).__name__
