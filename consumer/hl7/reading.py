"""What one patient's segments in one message say, as fields of an event: results, administrations, orders, stays."""

from collections.abc import Iterator
from typing import Any

from consumer.hl7.administrations import is_cancelled, read_administration, read_intention
from consumer.hl7.codes import Kind
from consumer.hl7.context import CLOCK_SKEW, Context
from consumer.hl7.encounter import dialysis_of, encounter_of
from consumer.hl7.er7 import entity_identifier
from consumer.hl7.orders import Order
from consumer.hl7.outcome import NotOurs, Reason
from consumer.hl7.patient_group import PatientGroup
from consumer.hl7.pumps import is_pump, read_pump
from consumer.hl7.results import Gathered, read_order
from rules.events import Administration, Analyte, MagnesiumOrder

RESULTS = frozenset({"ORU", "OUL"})
ORDERS = frozenset({"OML", "ORM"})
INTENTIONS = frozenset({"RDE", "RDS", "RGV"})
_INTENDED_SEGMENT = {"RDE": "RXE", "RDS": "RXD", "RGV": "RXG"}

Parts = dict[str, Any]
"""Fields of a `PatientEvent` that a message type fills."""


def read_results(group: PatientGroup, context: Context, *, known: bool) -> Parts | None:
    """Return the results, tubes and sessions of a group's orders; None when there are none."""
    gathered = Gathered()
    administrations: list[Administration] = []
    pump = group.has_pump and is_pump(context)
    for order in group.orders:
        if order.found or order.notes or order.specimens:
            read_order(order, context, gathered, known=known)
        if pump:
            administrations += read_pump(order, context, known=known)
    if group.has_pump and not pump:
        set_pump_aside(group, context)
    if gathered.results or gathered.has_index:
        return {
            "results": tuple(gathered.results),
            "tubes": tuple(gathered.tubes),
            "dialyses": tuple(gathered.dialyses),
            "administrations": tuple(administrations),
            "unmapped_magnesium_at": gathered.unmapped_magnesium_at,
        }
    if gathered.dialyses or administrations or gathered.unmapped_magnesium_at is not None:
        return {
            "dialyses": tuple(gathered.dialyses),
            "administrations": tuple(administrations),
            "unmapped_magnesium_at": gathered.unmapped_magnesium_at,
        }
    return None


def read_others(group: PatientGroup, evn: list[str], context: Context, *, known: bool) -> Parts | None:
    """Return what a message without results says of a patient; None when that is nothing for us."""
    kind, trigger = context.header.kind, context.header.trigger
    parts: Parts = {}
    if kind == "ADT" and group.pid is not None:
        parts["encounter"] = encounter_of(trigger, evn, group.pid, group.dg1, context)
    if kind in ("ADT", "BAR"):
        sessions = [dialysis_of(fields, number, context) for number, fields in group.pr1]
        dialyses = tuple(session for session in sessions if session is not None)
        if dialyses:
            parts["dialyses"] = dialyses
    elif kind == "RAS" or kind in INTENTIONS:
        administrations = tuple(_administrations(group, context))
        if administrations:
            parts["administrations"] = administrations
    elif kind in ORDERS:
        orders = tuple(order for order in (_magnesium_order(each, context) for each in group.orders) if order)
        if orders:
            parts["magnesium_orders"] = orders
    if parts and not known:
        context.reject(Reason.NO_PATIENT, "PID-3")
        return None
    return parts or None


def _administrations(group: PatientGroup, context: Context) -> Iterator[Administration]:
    wanted = _INTENDED_SEGMENT.get(context.header.kind, "RXA")
    for segment, given in group.given:
        if segment == wanted:
            if segment == "RXA":
                administration = read_administration(given, context)
            else:
                administration = read_intention(segment, given, context)
            if administration is not None:
                context.orders.update(dict.fromkeys((administration.drug, number) for number in given.order_numbers))
                yield administration


def _magnesium_order(order: Order, context: Context) -> MagnesiumOrder | None:
    """Return the order of a magnesium (OBR-4), from OBR-7, else ORC-9, else MSH-7; None when it is none."""
    service = order.field(4)
    if not service:
        return None
    observation = context.sender.observation(service, context.message.truncation)
    if observation.kind is not Kind.OURS or observation.analyte is not Analyte.MAGNESIUM or order.vetoed:
        return None
    orc = order.orc
    numbers = [order.field(3), orc[3] if len(orc) > 3 else "", order.field(2), orc[2] if len(orc) > 2 else ""]
    numbers = [entity_identifier(number) for number in numbers]
    ordered = context.time(order.field(7), "OBR-7") or (context.time(orc[9], "ORC-9") if len(orc) > 9 else None)
    if ordered is not None and ordered[1].instant <= context.received_at + CLOCK_SKEW:
        ordered_at = ordered[1].instant
    else:
        ordered_at = context.header_at.instant if context.header_at is not None else context.received_at
    return MagnesiumOrder(
        order_number=next((number for number in numbers if number), context.control_id),
        placer_order_number=numbers[2] or numbers[3],
        ordered_at=ordered_at,
        cancelled=is_cancelled(orc),
        received_at=context.received_at,
    )


def set_pump_aside(group: PatientGroup, context: Context) -> None:
    """Count the pump's OBX of a message that is not a pump's."""
    if group.has_pump:
        context.not_ours[NotOurs.OTHER_CODE] += group.pump_observations
