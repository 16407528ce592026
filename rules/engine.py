"""
The one door to the rules: judge a message, a timer, a merge (RULES.md 7, 8).

Pure: a patient's state and a moment in, the new state and the transitions out. The caller brings the clock.
"""

from functools import partial
from typing import NamedTuple

from rules.alert import Change, Rule, Severity, Transition
from rules.chart import Chart
from rules.draft import Lived, Occasion
from rules.episode import has_cleared, latest_episode
from rules.events import Analyte, Drug, Instant, PatientEvent
from rules.families import BY_RULE, FAMILIES, families
from rules.hypokalemia import latest_run
from rules.lazy import replaced
from rules.life import caught_up as _caught_up
from rules.life import live
from rules.open_alerts import claim_of
from rules.patient import (
    Alert,
    HoldMark,
    PatientState,
    administration_key,
    advance,
    join_histories,
    new_state,
)
from rules.retention import KEEP_RESULTS, retain
from rules.rulebook import Rulebook
from rules.versions import PENDING, RETRACTING, identity
from rules.words.transitions import transition


class Judgement(NamedTuple):
    """
    What judging gave.

    ``state`` None: retire the patient (tombstone). ``next_due``: the next timer, or None. ``awaits_catch_up``: an alert
    was silent only because the task is catching up (2: a critical one, 1: a high one, 0: none). ``dropped``: results
    dropped beyond the limit of 400. ``chart``: what was derived of *state*, for the next judgement to begin with.
    """

    state: PatientState | None
    transitions: tuple[Transition, ...]
    next_due: Instant | None
    awaits_catch_up: int = 0
    dropped: int = 0
    chart: Chart | None = None


class Departure(NamedTuple):
    """
    The retired side of a merge.

    Its closed alerts, and the history that goes to the surviving key; None: nothing is known of the patient.
    """

    transitions: tuple[Transition, ...]
    history: PatientState | None


def judge(
    state: PatientState | None,
    event: PatientEvent,
    *,
    now: Instant,
    rulebook: Rulebook,
    catching_up: bool = False,
    settled: Instant | None = None,
    chart: Chart | None = None,
) -> Judgement:
    """
    Judge one message's news of one patient.

    Args:
        state: The patient as stored; None: never seen, or retired.
        event: What the message says.
        now: max(the message's `received_at`, the watermark); the patient's own last `now` is taken into account here.
        rulebook: The parameters.
        catching_up: The message is more than 15 min behind the wall clock: nothing notifies.
        settled: The watermark, where *now* may be ahead of it: no timer that is due later has fired. None: *now*.
        chart: That of the judgement that gave *state*, where the caller still has it; of any other state it is of no
            use, and is not looked at.
    """
    before = state if state is not None else new_state(event.patient)
    now = max(now, before.now)
    after = advance(before, event, now)
    known = chart if chart is not None and chart.follows(state, rulebook) else None
    chart = Chart(after, now, rulebook, settled=settled, before=known)
    if _nothing_to_find(chart):
        return _quiet(after, now, rulebook)
    encounter = event.encounter
    occasion = Occasion(
        received_at=event.received_at,
        withdrew=partial(_withdrew, before, event),
        discharged=encounter is not None and any(d.came == after.seen for d in chart.discharges),
        catching_up=catching_up,
    )
    return _judged(chart, occasion)


def tick(
    state: PatientState,
    *,
    watermark: Instant,
    rulebook: Rulebook,
    catching_up: bool = False,
    behind: Instant | None = None,
) -> Judgement:
    """
    Fire every timer due at or before *watermark*, in order, each at its own due time.

    Args:
        state: The patient as stored.
        watermark: The time up to which every inbound message has been judged.
        rulebook: The parameters.
        catching_up: As in `judge`.
        behind: How far the feed is behind the wall clock, when a hold fires by the wall clock because the watermark is
            stuck (RULES.md 8); the words then say so.
    """
    transitions: list[Transition] = []
    judgement = Judgement(state, (), state.next_due)
    while judgement.state is not None and judgement.next_due is not None and judgement.next_due <= watermark:
        due = max(judgement.next_due, judgement.state.now)
        chart = Chart(judgement.state._replace(now=due), due, rulebook, settled=watermark)
        if _retires_at(judgement.state, rulebook) <= chart.settled and not chart.alerts_open():
            return Judgement(None, tuple(transitions), None)
        occasion = Occasion(received_at=due, timer="due", catching_up=catching_up, behind=behind)
        judgement = _judged(chart, occasion)
        transitions += judgement.transitions
    return judgement._replace(transitions=tuple(transitions))


def depart(
    state: PatientState | None, event: PatientEvent, *, now: Instant, rulebook: Rulebook, settled: Instant | None = None
) -> Departure:
    """
    Close the retired patient's open alerts as ``merged`` and give the history for the surviving key.

    Args:
        state: The retired patient; None: never seen.
        event: The merge.
        now: As in `judge`.
        rulebook: The parameters.
        settled: As in `judge`.
    """
    if state is None:
        return Departure((), None)
    now = max(now, state.now)
    holds = _over(state, now, rulebook, settled)
    chart = Chart(state, now, rulebook)
    transitions = []
    alerts: list[Alert] = []
    for alert in state.alerts:
        if alert.ended is not None:
            alerts.append(alert)
            continue
        closed = alert._replace(sequence=alert.sequence + 1, ended="merged", ended_at=now)
        alerts.append(closed)
        transitions.append(transition(chart, closed, Change.CLOSED, reason="merged", received_at=event.received_at))
    return Departure(tuple(transitions), state._replace(now=now, alerts=tuple(alerts), holds=holds))


def join(
    state: PatientState | None,
    history: PatientState | None,
    event: PatientEvent,
    *,
    now: Instant,
    rulebook: Rulebook,
    catching_up: bool = False,
    settled: Instant | None = None,
) -> Judgement:
    """
    Take a retired patient's *history* in at the surviving key, and judge again.

    Args:
        state: The surviving patient; None: never seen.
        history: What `depart` gave.
        event: The merge.
        now: As in `judge`.
        rulebook: The parameters.
        catching_up: As in `judge`.
        settled: As in `judge`.
    """
    assert event.merge is not None
    before = state if state is not None else new_state(event.merge.surviving)
    now = max(now, before.now, history.now if history is not None else 0)
    before = before._replace(holds=_over(before, now, rulebook, settled))
    after = join_histories(before, history, now)
    merged = (
        tuple(a for a in history.alerts if a.ended == "merged" and a.ended_at == history.now)
        if history is not None
        else ()
    )
    occasion = Occasion(received_at=event.received_at, catching_up=catching_up, merged=merged)
    return _judged(Chart(after, now, rulebook, settled=settled), occasion)


def caught_up(
    state: PatientState,
    *,
    now: Instant,
    rulebook: Rulebook,
    settled: Instant | None = None,
    least: Severity = Severity.HIGH,
) -> Judgement:
    """
    Send what was silent only because the task was catching up (RULES.md 8).

    Args:
        state: The patient as stored.
        now: What the caller judges at.
        rulebook: The parameters.
        settled: As in `judge`.
        least: What speaks: all of it once the task has caught up, before that critical alerts alone.
    """
    now = max(now, state.now)
    chart = Chart(state._replace(now=now), now, rulebook, settled=settled)
    occasion = Occasion(received_at=now, timer="catch_up")
    return _spoken(chart, _caught_up(chart, least), occasion, unfired=state.next_due)


def _judged(chart: Chart, occasion: Occasion) -> Judgement:
    """Set the hold marks of this moment, let the alerts live, and look for the next timer."""
    marks = [mark for family in families(chart.rulebook) for mark in family.marks(chart)]
    if marks:
        chart = chart.with_state(chart.state._replace(holds=(*chart.state.holds, *marks)))
    return _spoken(chart, live(chart, occasion), occasion)


def _nothing_to_find(chart: Chart) -> bool:
    """
    Say whether no rule can find anything, whatever the verdicts: most patients, most of the time.

    No alert is open, no magnesium was given, no stored potassium reaches a rule's first threshold (5.5, or below 3.5),
    no magnesium that of `hypermagnesemia-exposure-unknown`. A property test holds it to what the rules would say.
    """
    state, book = chart.state, chart.rulebook
    for alert in state.alerts:
        if alert.ended is None:
            return False
    for entry in state.administrations:
        if entry.administration.drug is Drug.MAGNESIUM:
            return False
    return not (
        chart.may_lie_below(Analyte.POTASSIUM, book.hypokalemia)
        or chart.may_reach(Analyte.POTASSIUM, book.potassium_onset)
        or chart.may_reach(Analyte.MAGNESIUM, min(book.unknown_level, book.unknown_level_rising))
    )


def _quiet(state: PatientState, now: Instant, rulebook: Rulebook) -> Judgement:
    """Return a judgement without a finding: facts are kept and the only timer is the patient's retirement."""
    due = _retires_at(state, rulebook)
    kept = retain(state, now, rulebook, potassium_since=now)._replace(next_due=due)
    return Judgement(kept, (), due, 0, kept.dropped - state.dropped)


def _spoken(chart: Chart, lived: Lived, occasion: Occasion, *, unfired: Instant | None = None) -> Judgement:
    """Put what was decided into words, and the next timer beside the state: one that is *unfired* stays."""
    transitions = tuple(
        transition(
            chart,
            draft.alert,
            draft.change,
            finding=draft.finding,
            notify=draft.notify,
            stale=draft.stale,
            reason=draft.reason,
            related=draft.related,
            received_at=occasion.received_at,
            timer=_timer(draft.change, draft.alert, occasion),
            behind=occasion.behind,
        )
        for draft in lived.drafts
    )
    after = chart if lived.state is chart.state else chart.with_state(lived.state)
    due = _next_due(after, lived.held_until) if unfired is None else unfired
    state = retain(
        lived.state, chart.now, chart.rulebook, potassium_since=_potassium_since(after), exposures=after.exposures
    )
    state = replaced(state, next_due=due)
    waiting = [alert.severity for alert in state.alerts if alert.awaits_catch_up and alert.ended is None]
    awaits = 0 if not waiting else (2 if max(waiting) is Severity.CRITICAL else 1)
    dropped = state.dropped - chart.state.dropped
    return Judgement(state, transitions, due, awaits, dropped, chart.closed(state))


def _potassium_since(chart: Chart) -> Instant:
    """
    Return the first potassium of the open episode or run, which has no limit of age (RULES.md 7); else ``now``.

    One whose newest potassium is as old as the results that are dropped is over, whatever may still come.
    """
    episode = latest_episode(chart)
    lasting = [latest_run(chart)]
    if episode is not None and not has_cleared(chart, episode):
        lasting.append(episode.draws)
    horizon = chart.now - KEEP_RESULTS
    return min([chart.now, *(draws[0].at for draws in lasting if draws and draws[-1].at >= horizon)])


def _timer(change: Change, alert: Alert, occasion: Occasion) -> str | None:
    """Name the timer that caused a transition, or None for a message."""
    if occasion.timer is None or occasion.timer == "catch_up":
        return occasion.timer
    if change in (Change.CLOSED, Change.RESOLVED):
        return "expiry"
    return "gap" if alert.rule is Rule.MAGNESIUM_MONITORING_GAP else "hold"


def _next_due(chart: Chart, held: list[Instant]) -> Instant | None:
    """Return the next moment after ``now`` at which something happens without a message."""
    moments: list[Instant | None] = [*held]
    open_alerts = chart.alerts_open()
    moments += [BY_RULE[alert.rule].expiry(chart, claim_of(chart, alert)) for alert in open_alerts]
    moments += [family.due(chart) for family in families(chart.rulebook)]
    if not open_alerts:  # the last one may have outlived the moment: then it retires at the next
        moments.append(max(_retires_at(chart.state, chart.rulebook), chart.settled + 1))
    return min([at for at in moments if at is not None and at > chart.settled], default=None)


def _retires_at(state: PatientState, rulebook: Rulebook) -> Instant:
    """
    Return when a quiet patient's state retires.

    30 days after the last event, 7 with nothing but context (RULES.md 7).
    """
    only_context = not (
        state.results or state.administrations or state.dialyses or state.alerts or state.magnesium_orders
    )
    return state.last_event_at + (rulebook.retire_context_after if only_context else rulebook.retire_after)


def _withdrew(before: PatientState, event: PatientEvent) -> str:
    """
    Return what the message did, should a finding be gone.

    Withdrawn, corrected, else a verdict changed (RULES.md 7).
    """
    if any(result.status in RETRACTING for result in event.results) or any(a.deleted for a in event.administrations):
        return "withdrawn"
    for result in event.results:
        if result.status == "C" or any(
            (result.status != "U" or result.value is not None)
            and old.status not in PENDING
            and old.observed_at == result.observed_at
            and old.value != result.value
            and identity(old) == identity(result)
            for old in before.results.of_order(result.order_number)
        ):
            return "corrected"
    keys = {administration_key(entry.administration) for entry in before.administrations}
    if any(administration_key(record) in keys for record in event.administrations):
        return "corrected"
    return "invalidated"


def _over(state: PatientState, now: Instant, rulebook: Rulebook, settled: Instant | None) -> tuple[HoldMark, ...]:
    """Return the hold marks, those whose hold has ended by now marked as over: a merge does not begin them again."""
    chart = Chart(state, now, rulebook, settled=settled)
    over: set[HoldMark] = set()
    for family in FAMILIES:
        until = family.hold_until(chart)
        if until is not None and until <= chart.settled:
            over.update(mark for mark in state.holds if mark.rule is family.rule)
    return tuple(mark._replace(over=True) if mark in over else mark for mark in state.holds)
