"""Observations of one order to results and tubes (HL7.md 2, RULES.md 1, 2 and 3)."""

import re
from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from consumer.hl7 import comments
from consumer.hl7.codes import Kind, unit_of
from consumer.hl7.context import CLOCK_SKEW, Context
from consumer.hl7.encounter import dialysis_from_observation
from consumer.hl7.er7 import component, unescape
from consumer.hl7.making import maker
from consumer.hl7.measure import EMPTY, NO_VALUE, Fault
from consumer.hl7.orders import NO_RESULT, Found, Order
from consumer.hl7.outcome import NotOurs, Reason, Unmapped
from consumer.hl7.values import MUST_HAVE_VALUE, WITHOUT_VALUE, is_empty, read_number, read_status
from rules.events import Analyte, Condition, Dialysis, Result, Tube

_OURS = Kind.OURS
_result = maker(Result)
_GRADE = re.compile(r"[0-9]?\++")
_PLUSES = re.compile(r"([0-9]+)|(\++)")
_TEXT = frozenset({"TX", "FT", "ST"})
_RANKS = {
    "W": 8,
    "D": 7,
    "X": 6,
    "C": 5,
    "A": 4,
    "B": 4,
    "V": 4,
    "F": 3,
    "U": 3,
    "P": 2,
    "S": 2,
    "R": 1,
} | dict.fromkeys("ION", 0)


class Drafted(NamedTuple):
    """A result with the OBX that it came from."""

    found: Found
    result: Result


class Gathered:
    """What the orders of one patient in one message gave."""

    __slots__ = ("dialyses", "has_index", "results", "tubes", "unmapped_magnesium_at")

    def __init__(self) -> None:
        self.dialyses: list[Dialysis] = []
        self.has_index = False
        self.results: list[Result] = []
        self.tubes: list[Tube] = []
        self.unmapped_magnesium_at: int | None = None


def read_order(order: Order, context: Context, gathered: Gathered, *, known: bool = True) -> None:
    """
    Add what one order gives to *gathered*; every OBX in ``order.found`` ends in one of the context's counts.

    *known* says whether the message names a patient: without one, what would be ours is rejected.
    """
    ours: list[Found] = []
    indexes: list[Found] = []
    vetoed = order.vetoed
    of_a_patient = vetoed or order.of_a_patient
    left = order.found
    if known and of_a_patient and not vetoed:
        ours = [found for found in left if found.observation.kind is _OURS and found.fields[2] not in NO_RESULT]
        if len(ours) == len(left):  # as nearly always
            left = []
    for found in left:
        kind = found.observation.kind
        if kind is Kind.EXCLUDED:
            context.not_ours[NotOurs.CODE_EXCLUDED] += 1
        elif kind is Kind.SITE_EXCLUDED:
            context.not_ours[NotOurs.SITE_EXCLUDED] += 1
        elif vetoed:
            context.not_ours[NotOurs.SPECIMEN] += 1
        elif not of_a_patient:
            context.not_ours[NotOurs.NOT_A_PATIENT_SPECIMEN] += 1
        elif kind is Kind.UNMAPPED:
            _note_unmapped(found, order, context, gathered)
        elif not known:
            context.reject(Reason.NO_PATIENT, "PID-3", found.observation.code, observations=1)
        elif kind is Kind.DISAGREE:
            where = f"OBX[{found.number}]-3"
            detail = unescape(found.raw_identifier.split("~", 1)[0])
            context.reject(Reason.CODE_TEXT_DISAGREE, where, found.observation.code, observations=1, detail=detail)
        elif len(found.fields) > 2 and found.fields[2] in NO_RESULT:
            context.not_ours[NotOurs.OTHER_VALUE_TYPE] += 1
        elif kind is Kind.HEMOLYSIS_INDEX:
            indexes.append(found)
        elif kind is Kind.DIALYSIS:
            dialysis = dialysis_from_observation(found, order, context)
            if dialysis is not None:
                gathered.dialyses.append(dialysis)
    results = _draft_all(order, ours, context) if ours else []
    gathered.results += results
    if ours or indexes:
        order.note_texts()
    if indexes or order.notes or order.specimens:
        _read_tubes(order, results, indexes, context, gathered)


def _note_unmapped(found: Found, order: Order, context: Context, gathered: Gathered) -> None:
    """Count a look-alike, and remember the draw of one that looks like magnesium."""
    context.not_ours[NotOurs.UNMAPPED] += 1
    looks = found.observation.analyte
    identifier = unescape(found.raw_identifier.split("~", 1)[0])
    fields = found.fields
    raw = fields[5] if len(fields) > 5 else ""
    number = read_number(raw)
    units = unit_of(fields[6])[1] if len(fields) > 6 else ""
    value = number.text if number is not None else raw if _GRADE.fullmatch(raw) else ""
    alike = looks.value if looks is not None else Kind.HEMOLYSIS_INDEX.value
    context.unmapped.append(Unmapped(identifier, alike, f"OBX[{found.number}]", value, units))
    if looks is Analyte.MAGNESIUM:
        drawn = order.drawn(context, found.fields)
        if drawn is not None and drawn.moment.instant <= context.received_at + CLOCK_SKEW:
            latest = gathered.unmapped_magnesium_at
            instant = drawn.moment.instant
            gathered.unmapped_magnesium_at = instant if latest is None else max(latest, instant)


def _draft_all(order: Order, ours: list[Found], context: Context) -> list[Result]:
    """Return a result for each OBX of ours that gives one; repeats of one identity are joined or rejected."""
    if len(ours) > 1 and len({found.observation.code for found in ours}) < len(ours):
        keys = [(found.observation.code, found.fields[4] if len(found.fields) > 4 else "") for found in ours]
        if len(set(keys)) < len(keys):
            groups: dict[tuple[str, str], list[Found]] = defaultdict(list)
            for key, found in zip(keys, ours, strict=True):
                groups[key].append(found)
            return [result for group in groups.values() for result in _draft_group(order, group, context)]
    results = _draft(order, ours, context)
    context.used += len(results)
    return results


def _draft_group(order: Order, group: list[Found], context: Context) -> list[Result]:
    """
    Return the results of OBX that share OBX-3 and OBX-4.

    Text without a number is a fragment of one value; equal numbers of one draw are one result, different ones say
    nothing. A version without a value (withdrawn, pending) stands for itself.
    """
    numbered = [found for found in group if not _is_text_fragment(found)]
    if len(numbered) < len(group):
        if not numbered:
            numbered = group[:1]
        context.fragments += len(group) - len(numbered)
    valued: dict[int, list[Drafted]] = defaultdict(list)
    kept: list[Result] = []
    for found in numbered:
        for result in _draft(order, [found], context):
            if result.value is None:
                kept.append(result)
            else:
                valued[result.observed_at].append(Drafted(found, result))
    for same in valued.values():
        if len({(each.result.value, each.result.comparator) for each in same}) > 1:
            for each in same:
                context.reject(
                    Reason.AMBIGUOUS_REPEAT, f"OBX[{each.found.number}]-5", each.found.observation.code, observations=1
                )
        else:
            kept.append(max(same, key=lambda each: _RANKS[each.result.status]).result)
            context.fragments += len(same) - 1
    context.used += len(kept)
    return kept


def _is_text_fragment(found: Found) -> bool:
    """Say whether an OBX is text without a number, and not a status that stands without a value."""
    fields = found.fields
    if len(fields) < 6 or fields[2] not in _TEXT or is_empty(fields[5]) or read_number(fields[5]) is not None:
        return False
    return len(fields) < 12 or read_status(fields[11]) not in WITHOUT_VALUE


def _draft(order: Order, ours: list[Found], context: Context) -> list[Result]:
    """Return the results of some OBX of one order, those left out that were rejected; each looks at tables first."""
    results = []
    truncation = context.message.truncation
    measures, draws = {} if truncation else context.sender.measures, order.draws
    number, placer, control_id = order.number, order.placer_order_number, context.control_id
    received_at = context.received_at
    latest = received_at + CLOCK_SKEW
    for found in ours:
        _, identifier, fields, observation = found
        status: str | None = "F"
        flags: tuple[str, ...] = ()
        if len(fields) < 12 or fields[11] != "F":
            if len(fields) < 7:
                fields = fields + [""] * (7 - len(fields))
            status, flags = _status(order, fields)
            if status is None:
                _reject(context, found, Reason.STATUS_UNKNOWN, 11)
                continue

        drawn = draws.get(tuple(fields[14:20:5])) or order.drawn(context, fields)
        if drawn is None:
            _reject(context, found, Reason.TIME_MISSING, 14)
            continue
        (instant, offset, _), drawn_flags, resulted_at, container = drawn
        if instant > latest:
            _reject(context, found, Reason.CLOCK_SKEW, 14)
            continue

        measured = NO_VALUE
        if status not in WITHOUT_VALUE:
            said = measures.get((fields[5], fields[6], identifier)) or context.sender.measured(
                fields[5], fields[6], identifier, observation, truncation
            )
            if not isinstance(said, Fault):
                measured = said
            elif said is not EMPTY or status in MUST_HAVE_VALUE:
                _at_fault(found, context, said)
                continue
        value, comparator, original, units, value_flags = measured
        results.append(
            _result(
                (
                    observation.analyte,
                    number,
                    observation.code,
                    component(fields[4], 1) if fields[4] else "",
                    instant,
                    offset,
                    resulted_at,
                    received_at,
                    status,
                    value,
                    comparator,
                    original,
                    units,
                    container,
                    control_id,
                    placer,
                    flags + drawn_flags + value_flags,
                )
            )
        )
    return results


def _status(order: Order, fields: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the letter of OBX-11, else that of OBR-25, else F, flagged; None when nobody knows it."""
    status = read_status(fields[11]) if len(fields) > 11 else ""
    if status == "":
        status = read_status(order.field(25))
        if status == "":
            return "F", ("status_assumed",)
    return status, ()


def _at_fault(found: Found, context: Context, fault: Fault) -> None:
    """Reject an OBX for its value or unit, or count it as not ours by its unit."""
    if fault.reason is None:
        context.not_ours[NotOurs.UNIT_EXCLUDED] += 1
    else:
        _reject(context, found, fault.reason, fault.field)


def _reject(context: Context, found: Found, reason: Reason, field: int) -> None:
    """Note the fault of an OBX."""
    context.reject(reason, f"OBX[{found.number}]-{field}", found.observation.code, observations=1)


def _read_tubes(
    order: Order, results: list[Result], indexes: list[Found], context: Context, gathered: Gathered
) -> None:
    """Add what the order says of its tubes: SPM-24, SPM-21, remarks, the text under a result, a hemolysis index."""
    conditions = order.conditions(context.site.hemolysis_comments)
    said: list[tuple[str, Condition]] = []
    if conditions:
        containers = {result.container for result in results}
        if not containers:
            drawn = order.drawn(context, [])
            if drawn is not None:
                containers = {drawn.container}
        said = [(container, condition) for container in sorted(containers) for condition in conditions]
    for found in indexes:
        condition = index_condition(found)
        drawn = order.drawn(context, found.fields)
        if condition is not None and drawn is not None:
            said.append((drawn.container, condition))
        gathered.has_index = True
        context.used += 1
    for container, condition in dict.fromkeys(said):
        gathered.tubes.append(Tube(container, condition, context.received_at))


def index_condition(found: Found) -> Condition | None:
    """
    Return what a hemolysis index says (RULES.md 3): 1+, 2+ or 100-299 hemolyzed, 3+ or 300 and more grossly so.

    A site's scale is ``plus`` or two numbers, ``100:300``; whatever it is, an index may be told in words.
    """
    fields = found.fields
    raw = component(fields[5], 1).strip() if len(fields) > 5 else ""
    if len(fields) > 11 and read_status(fields[11]) in WITHOUT_VALUE:
        return None
    scale = found.observation.scale
    if scale == "plus" or raw.endswith("+"):
        pluses = _PLUSES.search(raw)
        if pluses is None:
            return comments.grade_of(unescape(raw))
        return _graded(Decimal(pluses[1] or len(pluses[2])), Decimal(1), Decimal(3))
    number = read_number(fields[5]) if len(fields) > 5 else None
    if number is None:
        return comments.grade_of(unescape(raw))
    suspect, _, gross = scale.partition(":")
    below = number.comparator == "<"  # of "<100" every value is below 100
    return _graded(number.value, Decimal(suspect or 100), Decimal(gross or 300), below=below)


def _graded(value: Decimal, suspect: Decimal, gross: Decimal, *, below: bool = False) -> Condition | None:
    if value > gross or (value == gross and not below):
        return Condition.GROSSLY_HEMOLYZED
    return Condition.HEMOLYZED if value > suspect or (value == suspect and not below) else None
