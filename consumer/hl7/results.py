"""Observations of one order to results and tubes (HL7.md 2, RULES.md 1 to 3)."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from consumer.hl7.codes import Kind, Observation, unit_of
from consumer.hl7.context import CLOCK_SKEW, Context
from consumer.hl7.encounter import dialysis_from_observation
from consumer.hl7.er7 import component, unescape
from consumer.hl7.orders import Drawn, Found, Order
from consumer.hl7.outcome import NotOurs, Reason, Unmapped
from consumer.hl7.values import MUST_HAVE_VALUE, WITHOUT_VALUE, Number, is_empty, read_number, read_status
from rules.events import Analyte, Condition, Dialysis, Result, Tube
from rules.units import Unit, canonical, plausible

_NO_RESULT = frozenset({"ED", "RP"})  # a document or a pointer beside the value
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
    for found in order.found:
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
            context.reject(Reason.CODE_TEXT_DISAGREE, f"OBX[{found.number}]-3", found.observation.code, observations=1)
        elif len(found.fields) > 2 and found.fields[2] in _NO_RESULT:
            context.not_ours[NotOurs.OTHER_VALUE_TYPE] += 1
        elif kind is Kind.HEMOLYSIS_INDEX:
            indexes.append(found)
        elif kind is Kind.DIALYSIS:
            dialysis = dialysis_from_observation(found, order, context)
            if dialysis is not None:
                gathered.dialyses.append(dialysis)
        else:
            ours.append(found)
    drafted = _draft_all(order, ours, context)
    gathered.results.extend(each.result for each in drafted)
    _read_tubes(order, drafted, indexes, context, gathered)


def _note_unmapped(found: Found, order: Order, context: Context, gathered: Gathered) -> None:
    """Count a look-alike, and remember the draw of one that looks like magnesium."""
    context.not_ours[NotOurs.UNMAPPED] += 1
    looks = found.observation.analyte
    if looks is None:
        return
    identifier = unescape(found.raw_identifier.split("~", 1)[0])
    context.unmapped.append(Unmapped(identifier, looks.value, f"OBX[{found.number}]"))
    if looks is Analyte.MAGNESIUM:
        drawn = order.drawn(context, found.fields)
        if drawn is not None and drawn.moment.instant <= context.received_at + CLOCK_SKEW:
            latest = gathered.unmapped_magnesium_at
            instant = drawn.moment.instant
            gathered.unmapped_magnesium_at = instant if latest is None else max(latest, instant)


def _draft_all(order: Order, ours: list[Found], context: Context) -> list[Drafted]:
    """Return a result for each OBX of ours that gives one; repeats of one identity are joined or rejected."""
    if len(ours) > 1:
        groups: dict[tuple[str, str], list[Found]] = defaultdict(list)
        for found in ours:
            groups[found.observation.code, found.fields[4] if len(found.fields) > 4 else ""].append(found)
        if len(groups) < len(ours):
            return [drafted for group in groups.values() for drafted in _draft_group(order, group, context)]
    drafted = []
    for found in ours:
        result = _draft(order, found, context)
        if result is not None:
            drafted.append(Drafted(found, result))
            context.used += 1
    return drafted


def _draft_group(order: Order, group: list[Found], context: Context) -> list[Drafted]:
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
    kept: list[Drafted] = []
    for found in numbered:
        result = _draft(order, found, context)
        if result is None:
            continue
        if result.value is None:
            kept.append(Drafted(found, result))
        else:
            valued[result.observed_at].append(Drafted(found, result))
    for same in valued.values():
        if len({(each.result.value, each.result.comparator) for each in same}) > 1:
            for each in same:
                context.reject(
                    Reason.AMBIGUOUS_REPEAT, f"OBX[{each.found.number}]-5", each.found.observation.code, observations=1
                )
        else:
            kept.append(max(same, key=lambda each: _RANKS[each.result.status]))
            context.fragments += len(same) - 1
    context.used += len(kept)
    return kept


def _is_text_fragment(found: Found) -> bool:
    """Say whether an OBX is text without a number, and not a status that stands without a value."""
    fields = found.fields
    if len(fields) < 6 or fields[2] not in _TEXT or is_empty(fields[5]) or read_number(fields[5]) is not None:
        return False
    return len(fields) < 12 or read_status(fields[11]) not in WITHOUT_VALUE


def _draft(order: Order, found: Found, context: Context) -> Result | None:
    """Return the result of one OBX, or None after rejecting it."""
    fields = found.fields
    count = len(fields)
    observation = found.observation
    analyte = observation.analyte
    assert analyte is not None
    flags: tuple[str, ...] = ()

    status = read_status(fields[11]) if count > 11 else ""
    if status == "":
        status = read_status(order.field(25))
        if status == "":
            status, flags = "F", ("status_assumed",)
    if status is None:
        return _reject(context, found, Reason.STATUS_UNKNOWN, 11)

    drawn = order.drawn(context, fields)
    if drawn is None:
        return _reject(context, found, Reason.TIME_MISSING, 14)
    if drawn.moment.instant > context.received_at + CLOCK_SKEW:
        return _reject(context, found, Reason.CLOCK_SKEW, 14)
    flags += drawn.flags

    value: Decimal | None = None
    comparator = original = units = ""
    if status not in WITHOUT_VALUE:
        raw = fields[5] if count > 5 else ""
        if is_empty(raw):
            if status in MUST_HAVE_VALUE:
                return _reject(context, found, Reason.VALUE_MISSING, 5)
        else:
            number = _number(raw, context)
            if number is None:
                order.notes.append(raw)  # "HEMOLYZED" in the place of a value is said of the tube all the same
                return _reject(context, found, Reason.NOT_A_NUMBER, 5)
            unit, units, flag, reason = _unit(fields[6] if count > 6 else "", analyte, observation)
            if unit is None:
                if reason is None:
                    context.not_ours[NotOurs.UNIT_EXCLUDED] += 1
                    return None
                return _reject(context, found, reason, 6)
            value = canonical(analyte, number.value, unit)
            if value is None:
                return _reject(context, found, Reason.UNIT_NOT_ACCEPTED, 6)
            if not plausible(analyte, value):
                return _reject(context, found, Reason.IMPLAUSIBLE, 5)
            if flag:
                flags += (flag,)
            comparator, original = number.comparator, number.text
            if comparator:
                flags += ("censored",)
    return _result(order, found, context, drawn, status, value, comparator, original, units, flags)


def _number(raw: str, context: Context) -> Number | None:
    """Return the number of a raw OBX-5; one that was cut off is none."""
    truncation = context.message.truncation
    if truncation and raw.rstrip().endswith(truncation):
        return None
    return read_number(raw)


def _unit(raw: str, analyte: Analyte, observation: Observation) -> tuple[Unit | None, str, str, Reason | None]:
    """
    Return the unit to convert from, its text, a flag, and why there is none (no reason: the site says not ours).

    RULES.md 1: missing is never guessed for magnesium, calcium, creatinine and digoxin; potassium is mmol/L (not
    under a mass code), eGFR its own unit, both flagged. A site's row may give a default and bound what is ours.
    """
    unit, text, unindexed = unit_of(raw)
    flag = ""
    if unit is None:
        if text:
            return None, text, "", Reason.UNIT_UNKNOWN
        if observation.default_unit is not None:
            unit = observation.default_unit
        elif analyte is Analyte.POTASSIUM and not observation.mass:
            unit = Unit.MMOL_L
        elif analyte is Analyte.EGFR:
            unit = Unit.ML_MIN
        else:
            return None, "", "", Reason.UNIT_MISSING
        flag = "unit_assumed"
    elif unindexed:
        if analyte is not Analyte.EGFR:
            return None, text, "", Reason.UNIT_NOT_ACCEPTED
        flag = "unit_assumed"
    if observation.units and unit not in observation.units:
        return None, text, "", None
    return unit, text, flag, None


def _reject(context: Context, found: Found, reason: Reason, field: int) -> Result | None:
    """Note the fault; always None, so that a caller can return it."""
    context.reject(reason, f"OBX[{found.number}]-{field}", found.observation.code, observations=1)
    return None


def _result(
    order: Order,
    found: Found,
    context: Context,
    drawn: Drawn,
    status: str,
    value: Decimal | None,
    comparator: str,
    original: str,
    units: str,
    flags: tuple[str, ...],
) -> Result:
    fields = found.fields
    observed_at, observed_offset, _ = drawn.moment
    analyte = found.observation.analyte
    assert analyte is not None
    return Result(
        analyte=analyte,
        order_number=order.number(context),
        observation_identifier=found.observation.code,
        sub_id=component(fields[4], 1) if len(fields) > 4 else "",
        observed_at=observed_at,
        observed_offset=observed_offset,
        resulted_at=order.resulted_at(context, fields),
        received_at=context.received_at,
        status=status,
        value=value,
        comparator=comparator,
        original_value=original,
        original_units=units,
        container=order.container(context, observed_at),
        message_control_id=context.control_id,
        placer_order_number=order.placer_order_number,
        flags=flags,
    )


def _read_tubes(
    order: Order, drafted: list[Drafted], indexes: Iterable[Found], context: Context, gathered: Gathered
) -> None:
    """Add what the order says of its tubes: SPM-24, SPM-21, remarks, the text under a result, a hemolysis index."""
    conditions = order.conditions(context.site.hemolysis_comments)
    said: list[tuple[str, Condition]] = []
    if conditions:
        containers = {each.result.container for each in drafted}
        if not containers:
            drawn = order.drawn(context, [])
            if drawn is not None:
                containers = {order.container(context, drawn.moment.instant)}
        said = [(container, condition) for container in sorted(containers) for condition in conditions]
    for found in indexes:
        condition = index_condition(found)
        drawn = order.drawn(context, found.fields)
        if condition is not None and drawn is not None:
            said.append((order.container(context, drawn.moment.instant), condition))
        gathered.has_index = True
        context.used += 1
    for container, condition in dict.fromkeys(said):
        gathered.tubes.append(Tube(container, condition, context.received_at))


def index_condition(found: Found) -> Condition | None:
    """
    Return what a hemolysis index says (RULES.md 3): 1+, 2+ or 100-299 hemolyzed, 3+ or 300 and more grossly so.

    A site's scale is ``plus`` or two numbers, ``100:300``.
    """
    fields = found.fields
    raw = component(fields[5], 1).strip() if len(fields) > 5 else ""
    if len(fields) > 11 and read_status(fields[11]) in WITHOUT_VALUE:
        return None
    scale = found.observation.scale
    if scale == "plus" or (raw.endswith("+") and scale != "plus"):
        digit = raw.strip("+ ") or str(raw.count("+"))
        grade = int(digit) if digit.isascii() and digit.isdigit() else 0
        return _graded(Decimal(grade), Decimal(1), Decimal(3))
    number = read_number(fields[5]) if len(fields) > 5 else None
    if number is None:
        return None
    suspect, _, gross = scale.partition(":")
    return _graded(number.value, Decimal(suspect or 100), Decimal(gross or 300))


def _graded(value: Decimal, suspect: Decimal, gross: Decimal) -> Condition | None:
    if value >= gross:
        return Condition.GROSSLY_HEMOLYZED
    return Condition.HEMOLYZED if value >= suspect else None
