"""
Whose infusion a pump tells of that names no patient: bound by its order number (HL7.md 4, docs/adr/0011). Pure.

An order has a home of its own among the patients', keyed by its number and drug (`identity.order_patient`). A message
that names both order and patient (RDE, RGV, RAS) tells that home; a pump's event without a patient comes to it, and is
sent on to the patient. Until somebody has told, it waits for the watermark; then it is a dead letter.
"""

from typing import Final, NamedTuple

from consumer.aliases import readdressed
from consumer.wire import Alias, Hop, PatientRecord, Waiting
from rules.events import DAY, Patient, PatientEvent

ORDER_KEPT: Final = 30 * DAY
"""An infusion's order is older than this only in long-term care, where it is told again."""

NOBODY: Final = Patient("", "", "")
"""Whom an order belongs to that was told of two patients: a number used twice binds nothing."""


class Told(NamedTuple):
    """An order's home after a message, and the events that are to be sent on from it."""

    record: PatientRecord
    onward: tuple[Waiting, ...] = ()


def bind(key: str, record: PatientRecord, event: PatientEvent) -> Told:
    """Take whom an order is for (``event.merge`` names order and patient), and send on what waited for that."""
    assert event.merge is not None
    alias, patient = record.alias, event.merge.surviving
    since = event.received_at
    if alias is not None:
        since = min(since, alias.merged_at)
        if alias.target.key != patient.key:
            patient = NOBODY
    due = max(record.due or 0, event.received_at + ORDER_KEPT)
    bound = record._replace(alias=Alias(patient, since), due=due)
    left = tuple(waiting for waiting in record.inbox if _target(bound, waiting) is None)
    onward = tuple(_sent_on(key, bound, waiting) for waiting in record.inbox if _target(bound, waiting) is not None)
    return Told(bound._replace(inbox=left), onward)


def arrive(key: str, record: PatientRecord, waiting: Waiting) -> Told | None:
    """Return where a pump's event goes from its order's home; None: nobody has told yet, it has to wait."""
    return None if _target(record, waiting) is None else Told(record, (_sent_on(key, record, waiting),))


def _target(record: PatientRecord, waiting: Waiting) -> Alias | None:
    """
    Return whom the order was for when the pump's message came; None when that was not known by then, or twofold.

    One that was put back from the dead letters takes what is known now.
    """
    alias, event = record.alias, waiting.record.event
    if alias is None or alias.target == NOBODY or event is None:
        return None
    return alias if alias.merged_at <= event.received_at or waiting.record.attempt > 1 else None


def _sent_on(key: str, record: PatientRecord, waiting: Waiting) -> Waiting:
    assert record.alias is not None
    target, since = record.alias
    message = readdressed(waiting.record, target)
    return waiting._replace(record=message._replace(path=(*waiting.record.path, Hop(key, target, since))))
