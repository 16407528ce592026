"""
What `lab-alert inspect` shows: one JSON-ready line a message, a summary, and a drafted site table.

Flat memory over gigabytes: files are read a block at a time, and the summary keeps counts of codes, never messages.
No names, birth dates or notes; of unmapped observations a few example numbers.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from consumer.hl7.decoder import Decoder
from consumer.hl7.files import read_messages
from consumer.hl7.outcome import DecodedMessage, Outcome
from consumer.hl7.site import Site
from consumer.hl7.survey import Survey
from consumer.hl7.values import USABLE
from rules.events import Administration, Encounter, Instant, PatientEvent, PatientMerge, Result, Source, Visit
from rules.units import CANONICAL

JsonLine = dict[str, Any]


class Inspected(NamedTuple):
    """One message: where it stood, its bytes, what was decoded, and the time of receipt that was taken."""

    file: str
    number: int
    raw: bytes
    message: DecodedMessage

    def line(self) -> JsonLine:
        """Return the JSON-ready line of DESIGN.md 2."""
        return message_line(self.file, self.number, self.message)


def inspect_messages(paths: Iterable[Path | str], site: Site) -> Iterator[Inspected]:
    """
    Yield every message of the files in order; all processing ids are taken, time comes from the messages.

    Raises:
        OSError: A file can't be read.
    """
    decoder = Decoder(site, accept_processing_ids=None)
    for path in paths:
        name = str(path)
        number = 0
        previous: Instant | None = None  # of the message before in this file, for those without an MSH-7
        for raw in read_messages(path):
            decoded = decoder.decode(
                raw, received_at=None, source=Source(name, 0, number), previous_received_at=previous
            )
            for message in decoded.messages:
                number += 1
                if "received_at_assumed" not in message.flags:
                    previous = message.received_at
                yield Inspected(name, number, raw, message)


def inspect_lines(
    paths: Iterable[Path | str],
    site: Site,
    survey: Survey | None = None,
    *,
    explain: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Iterator[JsonLine]:
    """
    Yield one JSON-ready line a message, in the shape of DESIGN.md 2; *survey* counts along, *advance* hears bytes read.

    With *explain* a message that was rejected in whole or in part carries sentences, with hl7apy's opinion.
    """
    for inspected in inspect_messages(paths, site):
        if survey is not None:
            survey.add(inspected.message)
        line = inspected.line()
        if explain and inspected.message.rejected:
            line["explanation"] = _explanation(inspected)
        if advance is not None:
            advance(len(inspected.raw))
        yield line


def lines(
    paths: Iterable[Path | str],
    site: Site,
    survey: Survey | None = None,
    *,
    explain: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Iterator[bytes]:
    """Yield `inspect_lines` as JSON in UTF-8, without line ends."""
    encode = msgspec.json.Encoder().encode
    for line in inspect_lines(paths, site, survey, explain=explain, advance=advance):
        yield encode(line)


def _explanation(inspected: Inspected) -> list[str]:
    from consumer.hl7.conformance import explain  # noqa: PLC0415  (hl7apy takes half a second to import)

    return explain(inspected.raw, inspected.message)


def message_line(file: str, number: int, message: DecodedMessage) -> JsonLine:
    """Return what one message gave, ready for JSON."""
    whole = message.outcome in (Outcome.DEAD_LETTER, Outcome.IGNORED)
    return {
        "file": file,
        "message": number,
        "control_id": message.control_id,
        "type": message.message_type,
        "sender": message.sender,
        "outcome": message.outcome.value,
        "reason": message.reason.value if whole and message.reason is not None else None,
        "flags": list(message.flags),
        "patients": [_patient(event) for event in message.events],
        "rejected": [
            {"reason": part.reason.value, "where": part.where, "observation_identifier": part.observation_identifier}
            for part in message.rejected
        ],
        "unmapped": [
            {"observation_identifier": each.observation_identifier, "looks_like": each.looks_like, "where": each.where}
            for each in message.unmapped
        ],
        "not_ours": {reason.value: count for reason, count in message.not_ours.items()},
        "counts": dict(message.counts),
    }


def iso(instant: Instant, offset: int = 0) -> str:
    """
    Return an instant as ISO 8601 with its sender's offset in minutes east.

    >>> iso(1767276600000, -300)
    '2026-01-01T09:10:00-05:00'
    """
    moment = datetime.fromtimestamp(instant / 1000, UTC).astimezone(timezone(timedelta(minutes=offset)))
    return moment.isoformat(timespec="milliseconds" if instant % 1000 else "seconds")


def _number(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _patient(event: PatientEvent) -> JsonLine:
    return {
        "key": event.patient.key,
        "results": [_result(result) for result in event.results],
        "tubes": [{"container": tube.container, "condition": tube.condition.value} for tube in event.tubes],
        "administrations": [_administration(each) for each in event.administrations],
        "dialyses": [
            {"procedure_code": each.procedure_code, "started_at": iso(each.started_at), "ended_at": iso(each.ended_at)}
            for each in event.dialyses
        ],
        "magnesium_orders": [
            {"order_number": each.order_number, "ordered_at": iso(each.ordered_at), "cancelled": each.cancelled}
            for each in event.magnesium_orders
        ],
        "visit": _visit(event.visit),
        "encounter": _encounter(event.encounter),
        "merge": _merge(event.merge),
    }


def _result(result: Result) -> JsonLine:
    return {
        "analyte": result.analyte.value,
        "value": _number(result.value),
        "units": CANONICAL[result.analyte].value,
        "comparator": result.comparator or None,
        "status": result.status,
        "usable": result.status in USABLE and result.value is not None,
        "observed_at": iso(result.observed_at, result.observed_offset),
        "observation_identifier": result.observation_identifier,
        "original_value": result.original_value,
        "original_units": result.original_units,
        "order_number": result.order_number,
        "flags": list(result.flags),
    }


def _administration(given: Administration) -> JsonLine:
    return {
        "drug": given.drug.value,
        "drug_code": given.drug_code,
        "order_number": given.order_number,
        "started_at": iso(given.started_at, given.started_offset),
        "ended_at": None if given.ended_at is None else iso(given.ended_at, given.started_offset),
        "rate": _number(given.rate),
        "grams": _number(given.grams),
        "parenteral": given.parenteral,
        "intention": given.intention,
        "deleted": given.deleted,
        "flags": list(given.flags),
    }


def _visit(visit: Visit | None) -> JsonLine | None:
    return None if visit is None else visit._asdict()


def _encounter(encounter: Encounter | None) -> JsonLine | None:
    if encounter is None:
        return None
    return {
        "trigger": encounter.trigger,
        "diagnoses": list(encounter.diagnoses),
        "deceased": encounter.deceased,
        "occurred_at": iso(encounter.occurred_at),
    }


def _merge(merge: PatientMerge | None) -> JsonLine | None:
    if merge is None:
        return None
    return {
        "retired": merge.retired.key,
        "surviving": merge.surviving.key,
        "occurred_at": iso(merge.occurred_at),
    }
