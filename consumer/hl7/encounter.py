"""ADT and what rides on it: demographics, visit, diagnoses, dialysis, death, merges (HL7.md 3 and 4)."""

import re
from decimal import Decimal
from functools import lru_cache

from consumer.hl7.codes import Kind
from consumer.hl7.context import CLOCK_SKEW, Context
from consumer.hl7.drugs import DIALYSIS
from consumer.hl7.er7 import COMPONENT, NULL, REPETITION, bounded, component, entity_identifier, unescape
from consumer.hl7.identity import Chosen, Identifier, choose, identifiers, patient_of
from consumer.hl7.orders import Found, Order
from consumer.hl7.outcome import Reason
from consumer.hl7.values import read_number
from rules.events import MINUTE, Demographics, Dialysis, Encounter, PatientMerge, Visit

MERGES = frozenset({"A40", "A18", "A34"})
UNMERGES = frozenset({"A37"})

_KEPT = 8192
"""Patients whose PID and PV1 need not be read again: those that are in; bounded."""

_DATE = re.compile(r"(?:1[89]|2[0-2])[0-9]{2}(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])?)?")
_ICD_10 = re.compile(r"([A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?)(?: ?[+*!#†‡]| G)*")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9.-]{1,11}")


def demographics_of(pid: list[str]) -> Demographics | None:
    """Return PID-7 as digits and PID-8; None when neither says anything."""
    count = len(pid)
    return _demographics(pid[7] if count > 7 else "", pid[8] if count > 8 else "")


@lru_cache(maxsize=_KEPT)
def _demographics(born: str, sex: str) -> Demographics | None:
    """Read a raw PID-7 and PID-8; those of the patients that are in come again and again."""
    born = component(born, 1).strip()
    sex = component(sex, 1).strip().upper()
    match = _DATE.match(born.replace("-", "")[:8])
    birth_date = match.group(0) if match is not None else ""
    sex = sex[:1] if sex in ("F", "M", "FEMALE", "MALE") else ""
    return Demographics(birth_date, sex) if birth_date or sex else None


def visit_of(pv1: list[str], pid: list[str]) -> Visit | None:
    """Return PV1-19 (else PID-18), PV1-3 as sent, PV1-10 and PV1-2; None when none says anything."""
    count = len(pv1)
    return _visit(
        pv1[19] if count > 19 else "",
        pid[18] if len(pid) > 18 else "",
        pv1[3] if count > 3 else "",
        pv1[10] if count > 10 else "",
        pv1[2] if count > 2 else "",
    )


@lru_cache(maxsize=_KEPT)
def _visit(number: str, account: str, location: str, service: str, patient_class: str) -> Visit | None:
    """Read a raw PV1-19, PID-18, PV1-3, PV1-10 and PV1-2."""
    visit = Visit(
        visit_number=entity_identifier(number) or entity_identifier(account),
        location="" if location == NULL else bounded(unescape(location.split(REPETITION, 1)[0]).strip()),
        hospital_service=entity_identifier(service),
        patient_class=entity_identifier(patient_class),
    )
    return visit if any(visit) else None


def _first(fields: list[str], number: int) -> str:
    return component(fields[number], 1).strip() if number < len(fields) else ""


def encounter_of(trigger: str, evn: list[str], pid: list[str], dg1: list[list[str]], context: Context) -> Encounter:
    """Return what an ADT says of the stay; its time is EVN-6, else EVN-2, else MSH-7, else that of receipt."""
    codes = (diagnosis_of(fields) for fields in dg1)
    return Encounter(
        trigger=trigger,
        diagnoses=tuple(dict.fromkeys(code for code in codes if code)),
        deceased=_first(pid, 30).upper() in ("Y", "YES", "TRUE"),
        occurred_at=occurred_at(evn, context),
    )


def occurred_at(evn: list[str], context: Context) -> int:
    """Return EVN-6, else EVN-2, else MSH-7, else the time of receipt."""
    for number in (6, 2):
        found = context.time(evn[number], f"EVN-{number}") if number < len(evn) else None
        if found is not None and found[0].precise:
            return found[1].instant
    return context.header_at.instant if context.header_at is not None else context.received_at


def diagnosis_of(fields: list[str]) -> str:
    """
    Return the code of a DG1, in upper case with its dots, or an empty string.

    DG1-3.1, or another component of DG1-3 when the ICD-10 code stands there; never a text. The marks that ICD-10 and
    its national editions write behind a code (dagger, asterisk, ``!``, G for certain) are no part of it.
    """
    if len(fields) < 4 or (len(fields) > 21 and fields[21].strip().upper() == "D"):
        return ""
    parts = [unescape(part).strip().upper() for part in fields[3].split(REPETITION, 1)[0].split(COMPONENT)]
    for number in (0, 3, 1, 4):
        found = _ICD_10.fullmatch(parts[number]) if number < len(parts) else None
        if found is not None:
            return found[1]
    return parts[0] if _CODE.fullmatch(parts[0]) is not None else ""


def dialysis_of(fields: list[str], number: int, context: Context) -> Dialysis | None:
    """Return the session of a PR1; None when it is no dialysis or was rejected. Start PR1-5, minutes PR1-7."""
    if len(fields) < 4:
        return None
    parts = fields[3].split(COMPONENT)
    codes = [unescape(parts[index]).strip().upper() for index in (0, 3) if index < len(parts)]
    code = next((code for code in codes if code in DIALYSIS), "")
    if not code:
        return None
    started = context.time(fields[5], "PR1-5") if len(fields) > 5 else None
    if started is None:
        context.reject(Reason.PROCEDURE_INCOMPLETE, f"PR1[{number}]-5", code)
        return None
    start = started[1].instant
    if start > context.received_at + CLOCK_SKEW:
        context.reject(Reason.CLOCK_SKEW, f"PR1[{number}]-5", code)
        return None
    minutes = read_number(fields[7].strip()) if len(fields) > 7 else None
    length = int(minutes.value * MINUTE) if minutes is not None and 0 < minutes.value <= Decimal(10_080) else 0
    return Dialysis(code, start, start + length, DIALYSIS[code], context.received_at)


def dialysis_from_observation(found: Found, order: Order, context: Context) -> Dialysis | None:
    """Return a session that a site's observation code names; its length is unknown, its start the draw time."""
    assert found.observation.kind is Kind.DIALYSIS
    drawn = order.drawn(context, found.fields)
    where = f"OBX[{found.number}]-14"
    if drawn is None:
        context.reject(Reason.TIME_MISSING, where, found.observation.code, observations=1)
        return None
    if drawn.moment.instant > context.received_at + CLOCK_SKEW:
        context.reject(Reason.CLOCK_SKEW, where, found.observation.code, observations=1)
        return None
    context.used += 1
    at = drawn.moment.instant
    return Dialysis(found.observation.code, at, at, found.observation.scale == "continuous", context.received_at)


def merge_of(survivor: list[str], mrg: list[str], number: int, evn: list[str], context: Context) -> PatientMerge | None:
    """
    Return the merge of MRG-1 into PID-3, by one identifier type; None when rejected or of a patient with itself.

    An authority that stands only in one of the two holds for both.
    """
    site, sender = context.site, context.sender.sender
    surviving = identifiers(survivor[3]) if len(survivor) > 3 else []
    retired = identifiers(mrg[1]) if len(mrg) > 1 else []
    chosen = choose(surviving, site, sender)
    other = _of_type(retired, chosen.type_code, context) if chosen is not None else None
    if chosen is None or other is None:
        context.reject(Reason.MERGE_INCOMPLETE, f"MRG[{number}]-1")
        return None
    authority = chosen.authority or other.authority
    into = _patient(chosen._replace(authority=authority), context)
    gone = _patient(other._replace(authority=other.authority or authority), context)
    if into.patient.key == gone.patient.key:
        context.counts[Reason.MERGE_WITH_ITSELF] += 1
        return None
    return PatientMerge(gone.patient, into.patient, occurred_at(evn, context))


def _of_type(retired: list[Identifier], type_code: str, context: Context) -> Identifier | None:
    """Return the retired identifier of the same type; a list without types is chosen from as ever."""
    same = [each for each in retired if each.type_code == type_code]
    untyped = [each for each in retired if not each.type_code]
    return choose(same or untyped or (retired if not type_code else []), context.site, context.sender.sender)


def _patient(identifier: Identifier, context: Context) -> Chosen:
    chosen = patient_of(identifier, context.site, context.sender.sender)
    for flag in chosen.flags:
        context.counts[flag] += 1
    return chosen
