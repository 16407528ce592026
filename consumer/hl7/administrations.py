"""RAS records to administrations; RDE, RDS and RGV to intentions (HL7.md 4, RULES.md 4.2)."""

from decimal import Decimal

from consumer.hl7.context import CLOCK_SKEW, Context
from consumer.hl7.drugs import GIVEN, NOT_GIVEN, STOPPED, DrugFound, drug_of, grams_of, looks_like, parenteral, per_hour
from consumer.hl7.er7 import COMPONENT, NULL, REPETITION, component, entity_identifier, unescape
from consumer.hl7.outcome import Reason, Unmapped
from consumer.hl7.times import Moment
from consumer.hl7.values import read_number
from rules.events import Administration, Drug

_CANCELLED = frozenset({"CA", "OC", "CR", "DC", "OD", "DR"})  # ORC-1: cancelled or discontinued


class Given:
    """One RXA (or RXE, RXD, RXG) with the ORC before it and the route that goes with it; ``routed``: by its own RXR."""

    __slots__ = ("fields", "number", "orc", "route", "routed")

    def __init__(self, fields: list[str], number: int, orc: list[str], route: str) -> None:
        self.fields = fields
        self.number = number
        self.orc = orc
        self.route = route
        self.routed = False

    def field(self, number: int) -> str:
        """Return field *number* as sent, the HL7 null as empty."""
        text = self.fields[number] if number < len(self.fields) else ""
        return "" if text == NULL else text

    @property
    def order_numbers(self) -> list[str]:
        """ORC-3 and ORC-2, those that are there."""
        found = [entity_identifier(self.orc[number]) for number in (3, 2) if number < len(self.orc)]
        return [number for number in found if number]

    @property
    def order_number(self) -> str:
        """ORC-3, else ORC-2."""
        return next(iter(self.order_numbers), "")


def read_administration(given: Given, context: Context) -> Administration | None:
    """Return the administration of one RXA; None when it is none of ours or was rejected."""
    where = f"RXA[{given.number}]"
    found = drug_of(given.field(5), context.site)
    if found is None:
        context.counts["drug_not_ours"] += 1
        alike = looks_like(given.field(5))
        if alike is not None:
            drug = unescape(given.field(5).split(REPETITION, 1)[0])
            context.unmapped.append(Unmapped(drug, alike.value, f"{where}-5", "", unescape(given.field(7))))
        return None
    flags: tuple[str, ...] = ()
    deleted = component(given.field(21), 1).upper() == "D" and bool(context.sender.sender.delete_means_delete)
    completion = component(given.field(20), 1).strip().lower() or component(given.field(20), 2).strip().lower()
    refused = bool(component(given.field(18), 1) or component(given.field(18), 2)) or _is_refusal(given.field(17))
    if not deleted:
        if completion in NOT_GIVEN:
            # A record that says "not given" takes back an earlier one of its order and time, if there was one.
            deleted = True
        elif refused or (completion and completion not in GIVEN and completion not in STOPPED):
            context.reject(Reason.ADMINISTRATION_UNCLEAR, f"{where}-20", found.code)
            return None
        elif not completion:
            flags = ("completion_assumed",)
    started = context.time(given.field(3), "RXA-3")
    if started is None:
        context.reject(Reason.ADMINISTRATION_INCOMPLETE, f"{where}-3", found.code)
        return None
    stamp, moment = started
    if moment.instant > context.received_at + CLOCK_SKEW:
        context.reject(Reason.CLOCK_SKEW, f"{where}-3", found.code)
        return None
    if not stamp.precise:
        flags += ("time_degraded",)
    flags += moment.flags
    return _with_amount(given, context, found, moment, deleted=deleted, stopped=completion in STOPPED, flags=flags)


def _is_refusal(field: str) -> bool:
    """Say whether a field holds a refusal reason: one vendor writes RXA-18 one field early."""
    lowered = field.lower()
    return "nip002" in lowered or "refus" in lowered or "declin" in lowered


def _with_amount(
    given: Given,
    context: Context,
    found: DrugFound,
    moment: Moment,
    *,
    deleted: bool,
    stopped: bool,
    flags: tuple[str, ...],
) -> Administration | None:
    """Return the administration with its amount (or rate) and route; None after rejecting it."""
    where = f"RXA[{given.number}]-6"
    ended = context.time(given.field(4), "RXA-4")
    ended_at = ended[1].instant if ended is not None and ended[1].instant > moment.instant else None
    amount, units = _amount(given)
    rate: Decimal | None = None
    grams: Decimal | None = None
    time_unit = given.field(12).split(COMPONENT, 1)[0].strip()
    if not time_unit:
        units, time_unit = _rate_in_units(units)
    if time_unit and (deleted or stopped):
        rate = Decimal(0)  # a record with a rate is taken back by one with a rate
    elif time_unit:
        if amount is None:
            context.reject(Reason.ADMINISTRATION_INCOMPLETE, where, found.code)
            return None
        times = per_hour(time_unit)
        if times is None:
            times, flags = Decimal(1), (*flags, "rate_unit_assumed")
        converted = grams_of(amount, units, found) if found.drug is Drug.MAGNESIUM else None
        rate = (amount if converted is None else converted) * times
    elif found.drug is Drug.MAGNESIUM and amount is not None:
        grams = grams_of(amount, units, found)
        if grams is None:
            flags = (*flags, "amount_unknown")
    if amount is not None and amount == 0 and rate is None and not deleted and not stopped:
        # Nothing was given, though the record says that something was.
        context.reject(Reason.ADMINISTRATION_UNCLEAR, where, found.code)
        return None
    by_parenteral, assumed = parenteral(given.route)
    if assumed:
        flags = (*flags, "route_assumed")
    return Administration(
        drug=found.drug,
        order_number=given.order_number,
        drug_code=found.code or found.drug.value,
        started_at=moment.instant,
        started_offset=moment.offset,
        ended_at=ended_at,
        rate=rate,
        grams=grams,
        parenteral=by_parenteral,
        intention=False,
        deleted=deleted,
        received_at=context.received_at,
        message_control_id=context.control_id,
        flags=flags,
    )


_UNKNOWN_AMOUNT = Decimal(999)  # RXA-6 of 999 without units: the amount is not recorded


def _amount(given: Given) -> tuple[Decimal | None, str]:
    """Return RXA-6 and RXA-7; ``1 MLS`` in RXA-6 carries its own units."""
    raw = given.field(6).strip()
    units = component(given.field(7), 1).strip() or component(given.field(7), 2).strip()
    number = read_number(raw) if raw else None
    if number is None and " " in raw:
        text, _, own = raw.partition(" ")
        number = read_number(text)
        units = own.strip() if number is not None else units
    if number is None or number.comparator or number.value < 0:
        return None, units
    if number.value == _UNKNOWN_AMOUNT and not units:
        return None, units
    return number.value, units


def _rate_in_units(units: str) -> tuple[str, str]:
    """Return the units of an amount and the time unit of a rate written in RXA-7 (``g/hr``); else the units, empty."""
    amount, _, time_unit = units.rpartition("/")
    return (amount, time_unit) if amount and per_hour(time_unit) is not None else (units, "")


_DRUG_FIELD = {"RXE": 2, "RXD": 2, "RXG": 4}


def read_intention(segment: str, given: Given, context: Context) -> Administration | None:
    """Return an order, dispense or give instruction as context (drug active); None when it is none of ours."""
    found = drug_of(given.field(_DRUG_FIELD[segment]), context.site)
    if found is None:
        context.counts["drug_not_ours"] += 1
        return None
    moment: Moment | None = None
    for text, name in ((given.field(3), f"{segment}-3"), (_orc(given, 15), "ORC-15"), (_orc(given, 9), "ORC-9")):
        if segment == "RXD" or not name.startswith(segment):
            time = context.time(text, name)
            if time is not None:
                moment = time[1]
                break
    if moment is None or moment.instant > context.received_at + CLOCK_SKEW:
        moment = context.header_at or Moment(context.received_at, 0)
    by_parenteral, _ = parenteral(given.route)
    return Administration(
        drug=found.drug,
        order_number=given.order_number,
        drug_code=found.code or found.drug.value,
        started_at=moment.instant,
        started_offset=moment.offset,
        ended_at=None,
        rate=None,
        grams=None,
        parenteral=by_parenteral,
        intention=True,
        deleted=component(_orc(given, 1), 1).upper() in _CANCELLED,
        received_at=context.received_at,
        message_control_id=context.control_id,
    )


def _orc(given: Given, number: int) -> str:
    return given.orc[number] if number < len(given.orc) else ""


def is_cancelled(orc: list[str]) -> bool:
    """Say whether an ORC-1 cancels its order."""
    return len(orc) > 1 and component(orc[1], 1).upper() in _CANCELLED
