"""
What is stored of a patient, and how an event is taken in (RULES.md 2, 4.2, 6, 7).

The stored results, tubes and administrations do not depend on the order in which messages arrive: each fact has an
identity, and of two versions of one fact the newer stays. Beside each fact stands ``came``, the number of the event of
this patient with which it first came, so that an alert can be judged again as of any moment (RULES.md 7, retraction).
"""

from decimal import Decimal
from typing import NamedTuple

from rules.alert import Rule, Severity
from rules.events import (
    Administration,
    Analyte,
    Condition,
    Demographics,
    Dialysis,
    Encounter,
    Instant,
    MagnesiumOrder,
    Patient,
    PatientEvent,
    Tube,
)
from rules.results import NO_RESULTS, Results
from rules.versions import StoredResult
from rules.visit import EncounterFact, merge_encounters


class StoredTube(NamedTuple):
    """What is said of a container."""

    tube: Tube
    came: int


class StoredAdministration(NamedTuple):
    """The newest record of an administration."""

    administration: Administration
    came: int


class StoredDialysis(NamedTuple):
    """A dialysis session."""

    dialysis: Dialysis
    came: int


class HoldMark(NamedTuple):
    """
    The ``now`` at which a potassium of an episode (or run) was first judged refractory: ``observed_at`` is its draw.

    ``over``: the hold had ended before a merge, and stays over (RULES.md 7).
    """

    rule: Rule
    observed_at: Instant
    since: Instant
    over: bool = False


class Moment(NamedTuple):
    """When an alert was raised or changed: the ``now``, and the number of the patient's event."""

    now: Instant
    seen: int


class Alert(NamedTuple):
    """An alert, open or ended, with all that its further life can ask for."""

    alert_id: str
    rule: Rule
    subject: str
    sequence: int
    severity: Severity
    criterion: str | None
    trigger: str  # identity of the triggering result, with the observed_at of its draw
    trigger_at: Instant
    triggers: tuple[str, ...]  # all that it has had, the first of which made its id
    opened_at: Instant
    moments: tuple[Moment, ...]
    used_at: Instant | None = None  # draw of the low magnesium that the finding used
    stood_on: tuple[str, ...] = ()  # results (or doses) of its exposure that it stood on
    highest: Severity = Severity.INFORMATION
    notified_at: tuple[Instant, ...] = ()  # reminders of the last 24 h
    last_notified_at: Instant | None = None
    notified_severity: Severity | None = None
    since: Instant = 0  # last raised or escalated
    worst_notified: Decimal | None = None
    silent_stale: bool = False
    awaits_catch_up: bool = False
    spoke_for: tuple[str, ...] = ()
    continues: tuple[str, ...] = ()
    ended: str | None = None  # reason of its end; None while open
    ended_at: Instant | None = None
    ended_by: str | None = None  # the result that ended it, and its value
    retracted: bool = False
    discharge: Instant | None = None  # when the discharge that closed it was received
    mode: str = "active"
    expiry: Instant | None = None
    rulebook: str = ""  # the first digits of the fingerprint of the rulebook that raised it


class PatientState(NamedTuple):
    """All that is known of one patient."""

    patient: Patient
    now: Instant
    seen: int  # events judged, timers not counted
    last_event_at: Instant
    results: Results = NO_RESULTS
    tubes: tuple[StoredTube, ...] = ()
    administrations: tuple[StoredAdministration, ...] = ()
    dialyses: tuple[StoredDialysis, ...] = ()
    magnesium_orders: tuple[MagnesiumOrder, ...] = ()
    unmapped_magnesium_at: Instant | None = None
    demographics: Demographics | None = None
    visit_number: str = ""
    location: str = ""
    encounters: tuple[EncounterFact, ...] = ()
    alerts: tuple[Alert, ...] = ()
    holds: tuple[HoldMark, ...] = ()
    history_incomplete: bool = False
    dropped: int = 0
    next_due: Instant | None = None


def new_state(patient: Patient) -> PatientState:
    """Return the state of a patient of whom nothing is known yet."""
    return PatientState(patient=patient, now=0, seen=0, last_event_at=0)


def advance(state: PatientState, event: PatientEvent, now: Instant) -> PatientState:
    """
    Return the state after *event*: facts taken in, nothing judged yet.

    Args:
        state: The patient as known.
        event: One message's news of this patient.
        now: The moment at which it is judged.
    """
    count = state.seen + 1
    state = state._replace(
        now=now,
        seen=count,
        last_event_at=max(state.last_event_at, now),
        results=_with_results(state.results, event, count),
        tubes=_with_tubes(state.tubes, event, count),
        administrations=_with_administrations(state.administrations, event.administrations, count),
        dialyses=_with_dialyses(state.dialyses, event.dialyses, count),
        magnesium_orders=_with_orders(state.magnesium_orders, event.magnesium_orders),
        demographics=_known(event.demographics, state.demographics),
    )
    if event.unmapped_magnesium_at is not None:
        seen = state.unmapped_magnesium_at
        at = event.unmapped_magnesium_at
        state = state._replace(unmapped_magnesium_at=at if seen is None else max(seen, at))
    if event.visit is not None and event.received_at >= _placed_at(state):
        state = state._replace(
            location=event.visit.location or state.location,
            visit_number=event.visit.visit_number or state.visit_number,
        )
    if event.encounter is not None:
        state = state._replace(encounters=_with_encounter(state.encounters, event.encounter, event, count))
    return state


def _placed_at(state: PatientState) -> Instant:
    """Return when the newest ADT message that names a place was received: what is older moves the patient no more."""
    return max((fact.received_at for fact in state.encounters if fact.location), default=0)


def _known(new: Demographics | None, old: Demographics | None) -> Demographics | None:
    if new is None or old is None:
        return new or old
    return Demographics(new.birth_date or old.birth_date, new.sex or old.sex)


def _with_results(stored: Results, event: PatientEvent, count: int) -> Results:
    """Take in versions, each with what its message says of its tube."""
    if not event.results:
        return stored
    if not event.tubes:
        return stored.taking(StoredResult(result, count) for result in event.results)
    said: dict[str, set[Condition]] = {}
    for tube in event.tubes:
        said.setdefault(tube.container, set()).add(tube.condition)
    return stored.taking(
        StoredResult(
            result, count, tuple(sorted(c for c in said.get(result.container, ()) if touches(c, result.analyte)))
        )
        for result in event.results
    )


def touches(condition: Condition, analyte: Analyte) -> bool:
    """
    Say whether what is said of a tube touches an analyte.

    Clot and contamination all, hemolysis K and Mg (RULES.md 3).
    """
    if condition in (Condition.CLOTTED, Condition.CONTAMINATED):
        return True
    return analyte in (Analyte.POTASSIUM, Analyte.MAGNESIUM)


def _with_tubes(stored: tuple[StoredTube, ...], event: PatientEvent, count: int) -> tuple[StoredTube, ...]:
    """
    Take in what is said of tubes of which the message has no result that it touches.

    The rest stands with the results.
    """
    new = tuple(
        StoredTube(tube, count)
        for tube in event.tubes
        if not any(r.container == tube.container and touches(tube.condition, r.analyte) for r in event.results)
    )
    return merge_tubes(stored, new) if new else stored


def merge_tubes(stored: tuple[StoredTube, ...], new: tuple[StoredTube, ...]) -> tuple[StoredTube, ...]:
    """Join what is said of tubes: each condition of a container once, with the time at which it was last said."""
    kept = {(entry.tube.container, entry.tube.condition): entry for entry in stored}
    for entry in new:
        old = kept.setdefault((entry.tube.container, entry.tube.condition), entry)
        if entry.tube.received_at > old.tube.received_at:
            kept[entry.tube.container, entry.tube.condition] = entry._replace(came=old.came)
    return tuple(sorted(kept.values(), key=lambda entry: (entry.tube.container, entry.tube.condition)))


def administration_key(record: Administration) -> tuple[str, str, Instant, bool]:
    """Return what makes two records one administration: order, drug, RXA-3, rate or not (RULES.md 4.2)."""
    return (record.order_number, record.drug_code, record.started_at, record.rate is not None)


def _with_administrations(
    stored: tuple[StoredAdministration, ...], new: tuple[Administration, ...], count: int
) -> tuple[StoredAdministration, ...]:
    if not new:
        return stored
    return merge_administrations(stored, tuple(StoredAdministration(record, count) for record in new))


def merge_administrations(
    stored: tuple[StoredAdministration, ...], new: tuple[StoredAdministration, ...]
) -> tuple[StoredAdministration, ...]:
    """Join administration records: the newest by `received_at` replaces, the earliest `came` stays."""
    kept = {administration_key(entry.administration): entry for entry in stored}
    for entry in new:
        key = administration_key(entry.administration)
        old = kept.get(key)
        if old is not None:
            newest = max(old.administration, entry.administration, key=_administration_order)
            entry = StoredAdministration(newest, min(old.came, entry.came))  # noqa: PLW2901
        kept[key] = entry
    return tuple(sorted(kept.values(), key=lambda entry: administration_sort(entry.administration)))


def _administration_order(record: Administration) -> tuple[Instant, bool, Instant, Decimal]:
    return (record.received_at, record.deleted, record.ended_at or 0, record.grams or Decimal(0))


def administration_sort(record: Administration) -> tuple[Instant, bool, str, str]:
    """Return the order in which records of an order are read: by RXA-3, a record with a rate first."""
    return (record.started_at, record.rate is None, record.order_number, record.drug_code)


def _with_dialyses(
    stored: tuple[StoredDialysis, ...], new: tuple[Dialysis, ...], count: int
) -> tuple[StoredDialysis, ...]:
    if not new:
        return stored
    return merge_dialyses(stored, tuple(StoredDialysis(session, count) for session in new))


def merge_dialyses(stored: tuple[StoredDialysis, ...], new: tuple[StoredDialysis, ...]) -> tuple[StoredDialysis, ...]:
    """Join dialysis sessions: one a code and start, the newest message speaks."""
    kept = {(entry.dialysis.procedure_code, entry.dialysis.started_at): entry for entry in stored}
    for entry in new:
        key = (entry.dialysis.procedure_code, entry.dialysis.started_at)
        old = kept.get(key)
        if old is not None:
            newest = max(old.dialysis, entry.dialysis, key=lambda session: (session.received_at, session.ended_at))
            entry = StoredDialysis(newest, min(old.came, entry.came))  # noqa: PLW2901
        kept[key] = entry
    return tuple(sorted(kept.values(), key=lambda entry: (entry.dialysis.started_at, entry.dialysis.procedure_code)))


def _with_orders(stored: tuple[MagnesiumOrder, ...], new: tuple[MagnesiumOrder, ...]) -> tuple[MagnesiumOrder, ...]:
    if not new:
        return stored
    kept = {(order.order_number, order.placer_order_number): order for order in stored}
    for order in new:
        old = kept.get((order.order_number, order.placer_order_number))
        kept[order.order_number, order.placer_order_number] = (
            order if old is None else max(old, order, key=_order_order)
        )
    return tuple(sorted(kept.values()))


def _order_order(order: MagnesiumOrder) -> tuple[Instant, bool, Instant]:
    return (order.received_at, order.cancelled, order.ordered_at)


def _with_encounter(
    stored: tuple[EncounterFact, ...], encounter: Encounter, event: PatientEvent, count: int
) -> tuple[EncounterFact, ...]:
    """Take in an ADT message."""
    visit = event.visit
    fact = EncounterFact(
        trigger=encounter.trigger,
        visit_number=visit.visit_number if visit else "",
        location=visit.location if visit else "",
        hospital_service=visit.hospital_service if visit else "",
        diagnoses=tuple(sorted(encounter.diagnoses)),
        deceased=encounter.deceased,
        received_at=event.received_at,
        came=count,
    )
    return merge_encounters(stored, (fact,))


def join_histories(state: PatientState, history: PatientState | None, now: Instant) -> PatientState:
    """
    Return the surviving patient's state with the retired one's *history* in it (RULES.md 7, merge).

    What the merge brings came with the merge: its facts take the number of this event. The patient is where the newer
    of the two movements says.
    """
    count = state.seen + 1
    state = state._replace(now=now, seen=count, last_event_at=max(state.last_event_at, now))
    if history is None:
        return state
    placed, other = (history, state) if _placed_at(history) > _placed_at(state) else (state, history)
    unmapped = [at for at in (state.unmapped_magnesium_at, history.unmapped_magnesium_at) if at is not None]
    return state._replace(
        results=state.results.taking(e._replace(came=count) for e in history.results),
        tubes=merge_tubes(state.tubes, tuple(e._replace(came=count) for e in history.tubes)),
        administrations=merge_administrations(
            state.administrations, tuple(e._replace(came=count) for e in history.administrations)
        ),
        dialyses=merge_dialyses(state.dialyses, tuple(e._replace(came=count) for e in history.dialyses)),
        magnesium_orders=_with_orders(state.magnesium_orders, history.magnesium_orders),
        unmapped_magnesium_at=max(unmapped, default=None),
        demographics=_known(state.demographics, history.demographics),
        visit_number=placed.visit_number or other.visit_number,
        location=placed.location or other.location,
        encounters=merge_encounters(state.encounters, tuple(e._replace(came=count) for e in history.encounters)),
        alerts=(*state.alerts, *history.alerts),
        holds=(*state.holds, *history.holds),
        history_incomplete=state.history_incomplete or history.history_incomplete,
    )
