"""How long a patient's facts are kept: as long as a rule can ask for them (RULES.md 7)."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rules.events import DAY, Administration, Drug, Instant
from rules.exposure import Exposure
from rules.lazy import replaced
from rules.patient import PatientState, StoredAdministration
from rules.rulebook import Rulebook
from rules.visit import EncounterFact

K = TypeVar("K")

KEEP_RESULTS = 14 * DAY
"""
At least 7 days, creatinine 14 (RULES.md 7); one bound for all keeps the state simple.

What an open alert stood on may be as much older than its trigger: an injury of 7 days, and the 7 days before it.

It moves on once a day (at midnight UTC): to drop one result costs as much as to drop a day's, and all that the rules
had made of the others is then made anew.
"""
KEEP_CONTEXT = 30 * DAY


def retain(
    state: PatientState,
    now: Instant,
    rulebook: Rulebook,
    *,
    potassium_since: Instant,
    exposures: Sequence[Exposure] = (),
) -> PatientState:
    """
    Drop what no rule can ask for any more (RULES.md 7); what is dropped beyond the limit is counted.

    Args:
        state: The patient, judged.
        now: The moment of judging.
        rulebook: For the limit.
        potassium_since: Potassiums drawn at or after this are kept, however old: an open episode or run rests on them.
        exposures: A potassium or calcium drawn then is held against the one before it, however long the exposure is.
    """
    asked = min([now, *(a.trigger_at for a in state.alerts if a.ended is None)])
    horizon = (asked - KEEP_RESULTS) // DAY * DAY
    baselines = baselines_since(exposures, asked, rulebook)
    results = state.results.since(horizon, min(potassium_since, baselines), baselines)
    excess = results.beyond(int(rulebook.results_at_most))
    if excess:
        results = results.without_oldest(excess)
        state = state._replace(history_incomplete=True, dropped=state.dropped + excess)
    if results is not state.results:
        tubes = tuple(t for t in state.tubes if t.tube.received_at >= horizon or results.holds(t.tube.container))
        state = state._replace(results=results, tubes=tubes)
    context = now - KEEP_CONTEXT
    return replaced(
        state,
        administrations=_retained_administrations(state.administrations, horizon, rulebook),
        dialyses=_those(state.dialyses, lambda entry: entry.dialysis.ended_at >= horizon),
        magnesium_orders=_those(state.magnesium_orders, lambda order: order.ordered_at >= horizon),
        encounters=_retained_encounters(state.encounters, context),
        alerts=_those(state.alerts, lambda a: a.ended_at is None or a.ended_at >= context or a.trigger_at >= horizon),
        holds=_those(state.holds, lambda mark: mark.since >= context or mark.observed_at >= potassium_since),
    )


def baselines_since(exposures: Iterable[Exposure], at: Instant, rulebook: Rulebook) -> Instant:
    """Return from when on what was drawn before an exposure may be asked for by a draw at *at*, which may be *at*."""
    asked = (e.start - rulebook.after_baseline for e in exposures if e.end + rulebook.after_window >= at)
    return min([at, *asked])


def _those(stored: tuple[K, ...], keep: Callable[[K], bool]) -> tuple[K, ...]:
    """Return what is kept of *stored*: the very same, where all of it is."""
    if not stored:
        return stored
    kept = tuple(filter(keep, stored))
    return stored if len(kept) == len(stored) else kept


def _retained_administrations(
    stored: tuple[StoredAdministration, ...], horizon: Instant, rulebook: Rulebook
) -> tuple[StoredAdministration, ...]:
    """
    Keep every record of an order of which any tells of the time since *horizon*, and the exposure that it is part of.

    An infusion is known by all its records, and an exposure by its first dose.
    """
    if not stored or stored[0].administration.started_at >= horizon:
        return stored
    since = horizon
    for record in sorted((entry.administration for entry in stored), key=_tells_of, reverse=True):
        magnesium = record.drug is Drug.MAGNESIUM and record.parenteral
        apart = rulebook.infusion_assumed + rulebook.exposure_gap if record.rate is not None else rulebook.exposure_gap
        if magnesium and since - _tells_of(record) < apart:
            since = min(since, record.started_at)
    kept = {
        (a.order_number, a.drug_code)
        for a, _ in stored
        if _tells_of(a) >= (since if a.drug is Drug.MAGNESIUM else horizon)
    }
    return tuple(e for e in stored if (e.administration.order_number, e.administration.drug_code) in kept)


def _tells_of(record: Administration) -> Instant:
    return record.ended_at if record.ended_at is not None else record.started_at


def _retained_encounters(facts: tuple[EncounterFact, ...], horizon: Instant) -> tuple[EncounterFact, ...]:
    """Keep the current visit, from its admission on, and what is younger; at most 60: the admission and the newest."""
    if not facts or (facts[0].received_at >= horizon and len(facts) <= 60):
        return facts
    admission = next((n for n in range(len(facts) - 1, -1, -1) if facts[n].trigger == "A01"), 0)
    kept = [n for n, fact in enumerate(facts) if n >= admission or fact.received_at >= horizon]
    return tuple(facts[n] for n in sorted({admission, *kept[-59:]}))
