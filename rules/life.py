"""
The life of an alert: from what the rules find to what is published (RULES.md 7).

`live` takes a patient's chart at one moment, pairs each open alert with what its rule finds now, and decides one
transition at most for each: ended, escalated, reminded, updated, or silence. What is found without an alert is raised
when its hold is over. Then it is settled who notifies: one message, one page (RULES.md 5).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid5

from rules.after_magnesium import HyperkalemiaAfterMagnesium, HypocalcemiaAfterMagnesium, MonitoringGap
from rules.alert import Change, Rule, Severity
from rules.chart import Chart
from rules.events import DAY, Analyte, Instant
from rules.finding import End, Family, Finding, ended_by, result_of
from rules.hyperkalemia import RefractoryWithoutMagnesium, WithLowMagnesium
from rules.hypermagnesemia import ExposureUnknown, PostInfusion
from rules.hypokalemia import RefractoryHypokalemia
from rules.lazy import replaced
from rules.patient import Alert, Moment, PatientState
from rules.rulebook import Rulebook
from rules.spurious import SpuriousPotassium

ALERT_NAMESPACE = UUID("6c0d1f5e-0f3b-5b6a-9d53-3f7a1c2e8b40")
"""Fixed for ever: the same trigger of the same patient gives the same alert id everywhere (ADR 5)."""

FAMILIES: tuple[Family, ...] = (
    PostInfusion(),
    ExposureUnknown(),
    RefractoryWithoutMagnesium(),
    WithLowMagnesium(),
    HyperkalemiaAfterMagnesium(),
    RefractoryHypokalemia(),
    MonitoringGap(),
    HypocalcemiaAfterMagnesium(),
    SpuriousPotassium(),
)
"""One a rule, in the order in which ties are broken (RULES.md 5, "One message, one page")."""

BY_RULE: dict[Rule, Family] = {family.rule: family for family in FAMILIES}
ORDER: dict[Rule, int] = {family.rule: n for n, family in enumerate(FAMILIES)}
TIMELESS = frozenset((Rule.MAGNESIUM_MONITORING_GAP, Rule.SPURIOUS_POTASSIUM))
"""Rules without an age limit (RULES.md 7)."""


class Occasion(NamedTuple):
    """Why a patient is judged now."""

    received_at: Instant
    timer: str | None = None  # the cause when it was no message
    withdrew: Callable[[], str] = lambda: "invalidated"  # what the message did, asked when a finding is gone
    discharged: bool = False  # this message is a discharge that counts
    catching_up: bool = False
    merged: tuple[Alert, ...] = ()  # what the merge closed under the retired key
    behind: Instant | None = None  # how far the feed is behind, when a stuck watermark was overruled


@dataclass(slots=True)
class Draft:
    """A transition being settled: the alert as it will be stored, and what its event will say."""

    alert: Alert
    change: Change
    finding: Finding | None = None
    notify: bool = False
    stale: bool = False
    reason: str | None = None
    related: tuple[str, ...] = ()
    ended: End | None = None
    wants: bool = field(default=False)  # high or critical, fresh, active: it would notify if nothing stood against it


class Lived(NamedTuple):
    """The state after judging, the drafts in order of rule, and until when findings are still held."""

    state: PatientState
    drafts: list[Draft]
    held_until: list[Instant]


def alert_id(patient_key: str, rule: Rule, trigger: str) -> str:
    """Return the UUIDv5 of an alert (ADR 5)."""
    return str(uuid5(ALERT_NAMESPACE, f"{patient_key}|{rule.value}|{trigger}"))


def families(rulebook: Rulebook) -> tuple[Family, ...]:
    """Return the rules that are not switched off."""
    if not rulebook.modes:
        return FAMILIES
    return tuple(family for family in FAMILIES if rulebook.mode(family.rule) != "off")


def standing(chart: Chart) -> list[Finding]:
    """Return every finding at the chart's ``now`` for which no end of its rule has already come (RULES.md 7)."""
    return [
        finding
        for family in families(chart.rulebook)
        for finding in family.findings(chart)
        if family.end(chart, finding) is None
    ]


def live(chart: Chart, occasion: Occasion) -> Lived:
    """Return what one message (or timer) makes of a patient's alerts at the chart's ``now``."""
    state = chart.state
    findings = standing(chart)
    drafts: list[Draft] = []
    kept: list[Alert] = []
    # Late doses may join two exposures that have an alert each: the one with the newest trigger follows their finding.
    for alert in sorted(state.alerts, key=lambda a: a.trigger_at, reverse=True):
        if alert.ended is not None:
            kept.append(alert)
            continue
        finding = _take(findings, alert)
        if finding is not None and not _same_subject(alert, finding):
            alert = alert._replace(subject=finding.subject)  # noqa: PLW2901  (the same alert by another name)
        draft = _go_on(chart, alert, finding, occasion)
        if draft is None:
            kept.append(alert if finding is None else _following(alert, finding))
        else:
            drafts.append(draft)
            if draft.ended is not None and finding is not None and draft.change is not Change.CLOSED:
                findings.append(finding)  # ended by a draw older than the new trigger: a new alert
    held: list[Instant] = []
    if not chart.deceased:
        for finding in findings:
            raised = _raise(chart, finding, [*kept, *(draft.alert for draft in drafts)], occasion, held)
            if raised is not None:
                draft, past = raised
                if past is not None:
                    kept.remove(past)  # an alert ended by this very message is not raised again by it
                drafts.append(draft)
    _supersede(drafts, kept)
    drafts.sort(key=lambda draft: (ORDER[draft.alert.rule], draft.alert.trigger_at, draft.alert.subject))
    _settle(chart, drafts, occasion)
    kept = _ungroup(chart, drafts, kept, occasion)
    alerts = sorted([*kept, *(draft.alert for draft in drafts)], key=lambda a: (a.opened_at, a.alert_id, a.sequence))
    return Lived(state._replace(alerts=tuple(alerts)), drafts, held)


# Open alerts


def _take(findings: list[Finding], alert: Alert) -> Finding | None:
    """Take the finding of *alert* out of *findings*: rather one of the same subject than one that shares results."""
    found = [finding for finding in findings if finding.rule is alert.rule and _same(alert, finding)]
    if not found:
        return None
    taken = next((finding for finding in found if _same_subject(alert, finding)), found[0])
    findings.remove(taken)
    return taken


def _same(alert: Alert, finding: Finding) -> bool:
    """Say whether *finding* is the alert's: of its subject; or, the naming dose deleted, on what it had stood on."""
    return _same_subject(alert, finding) or not set(alert.stood_on).isdisjoint(finding.stood_on)


def _same_subject(alert: Alert, finding: Finding) -> bool:
    """Say whether the subject is the same; an exposure's is, by any of its doses."""
    named_by_dose = alert.rule in (Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.MAGNESIUM_MONITORING_GAP)
    doses = finding.exposure.keys if named_by_dose and finding.exposure is not None else (finding.subject,)
    return alert.subject in doses


def _following(alert: Alert, finding: Finding) -> Alert:
    """
    Return an alert that follows its finding.

    Used magnesium, results it stands on, and its trigger, never to an older one.
    """
    newer = finding.trigger_at >= alert.trigger_at
    return replaced(
        alert,
        subject=alert.subject if _same_subject(alert, finding) else finding.subject,
        used_at=finding.used_at if finding.used_at is not None else alert.used_at,
        stood_on=_joined(alert.stood_on, finding.stood_on),
        triggers=_joined(alert.triggers, (finding.trigger,)),
        trigger=finding.trigger if newer else alert.trigger,
        trigger_at=finding.trigger_at if newer else alert.trigger_at,
    )


def _continued(occasion: Occasion, rule: Rule) -> tuple[str, ...]:
    """Name the alerts of *rule* that the merge closed under the retired key (RULES.md 7)."""
    return tuple(alert.alert_id for alert in occasion.merged if alert.rule is rule)


def _joined(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    added = () if new == old else tuple(key for key in new if key not in old)
    return (*old, *added) if added else old


def claim_of(chart: Chart, alert: Alert) -> Alert:
    """
    Return what an end of *alert* is judged against.

    What is refractory now, where its rule knows that, else its own trigger.
    """
    anchor = BY_RULE[alert.rule].anchor(chart)
    return alert if anchor is None else replaced(alert, trigger_at=anchor)


def _go_on(chart: Chart, alert: Alert, finding: Finding | None, occasion: Occasion) -> Draft | None:
    """Decide what an open alert does: nothing (None), or one transition."""
    if chart.deceased:
        return _ended(chart, alert, End(Change.CLOSED, "deceased"))
    if finding is None and _never_stood(chart, alert):
        return _ended(chart, alert, End(Change.RETRACTED, occasion.withdrew()))
    end = BY_RULE[alert.rule].end(chart, claim_of(chart, alert))
    if end is not None:
        return _ended(chart, alert, end)
    if occasion.discharged:
        return _ended(chart, alert, End(Change.CLOSED, "discharged"))
    if finding is None:
        return None
    return _changed(chart, alert, finding, occasion)


def _never_stood(chart: Chart, alert: Alert) -> bool:
    """
    Say whether an alert whose finding is gone would never have stood (RULES.md 7, retracted).

    At none of the moments at which it was raised or changed is there a finding over what had come by then, results and
    administrations in their present versions and verdicts. Of what was dropped beyond the limit of results nothing can
    be said, and a changed rulebook retracts nothing: such an alert has stood.
    """
    state = chart.state
    oldest = state.results.oldest_at
    if state.history_incomplete and (oldest is None or alert.trigger_at < oldest):
        return False
    if alert.rulebook != version_of(chart.rulebook) and _trigger_stands(chart, alert):
        return False
    alone = chart.with_state(state._replace(alerts=(alert,)))  # what others stand on now, they did not own then
    for moment in alert.moments:
        then = alone.known_by(moment.seen, moment.now)
        family = BY_RULE[alert.rule]
        if any(_same(alert, finding) and family.end(then, finding) is None for finding in family.findings(then)):
            return False
    return True


def version_of(rulebook: Rulebook) -> str:
    """Name the rulebook as it is stored with each alert: the digits of its hash."""
    return rulebook.fingerprint().removeprefix("sha256:")


def _trigger_stands(chart: Chart, alert: Alert) -> bool:
    """Say whether the trigger of an alert is still a result that counts, or a dose that was given."""
    draw = chart.named(alert.trigger)
    doses = (key for exposure in chart.exposures for key in exposure.keys)
    counts = draw is not None and (draw.counted or draw.result.analyte is Analyte.POTASSIUM)
    return counts or alert.trigger in doses


def _ended(chart: Chart, alert: Alert, end: End) -> Draft:
    notify = end.change is Change.RETRACTED and alert.last_notified_at is not None
    discharge = chart.discharges[-1].at if end.reason == "discharged" else None
    ended = alert._replace(
        sequence=alert.sequence + 1,
        ended=end.reason,
        ended_at=chart.now,
        ended_by=end.by,
        retracted=end.change is Change.RETRACTED,
        discharge=discharge,
        awaits_catch_up=False,
        criterion=None,
    )
    return Draft(ended, end.change, notify=notify, reason=end.reason, ended=end)


def _changed(chart: Chart, alert: Alert, finding: Finding, occasion: Occasion) -> Draft | None:
    """Decide between escalated, reminded, updated and silence."""
    newer = finding.trigger_at > alert.trigger_at and finding.trigger != alert.trigger
    stale = is_stale(finding, chart)
    if finding.severity > alert.severity:
        change = Change.ESCALATED
    elif newer and _reminder_due(chart, alert, finding):
        silent = stale or not chart.supported or alert.mode != "active" or occasion.catching_up
        change = Change.UPDATED if silent else Change.REMINDED
        if occasion.catching_up and not stale and chart.supported and alert.mode == "active":
            alert = alert._replace(awaits_catch_up=True)
    elif newer or finding.severity < alert.severity or finding.criterion != alert.criterion:
        change = Change.UPDATED
    else:
        return None
    changed = _following(alert, finding)._replace(
        sequence=alert.sequence + 1,
        severity=finding.severity,
        criterion=finding.criterion,
        highest=max(alert.highest, finding.severity),
        moments=(*alert.moments, Moment(chart.now, chart.state.seen)),
    )
    draft = Draft(changed, change, finding, stale=stale)
    if change is Change.REMINDED:
        draft.notify = True
        draft.alert = _notified(changed, finding, chart.now, reminder=True)
    elif change is Change.ESCALATED:
        severe = finding.severity >= Severity.HIGH and alert.mode == "active"
        draft.alert = changed._replace(
            since=chart.now,
            silent_stale=severe and stale and chart.supported,
            continues=_joined(changed.continues, _continued(occasion, alert.rule)),
        )
        draft.wants = severe and not stale
    return draft


def is_stale(found: Finding | Alert, chart: Chart) -> bool:
    """Say whether the trigger is too old to page anybody: more than 12 h, critical 24 h (RULES.md 7, Age limit)."""
    if found.rule in TIMELESS:
        return False
    book = chart.rulebook
    limit = book.stale_after_critical if found.severity is Severity.CRITICAL else book.stale_after
    return chart.now - found.trigger_at > limit


def _reminder_due(chart: Chart, alert: Alert, finding: Finding) -> bool:
    """Say whether a new triggering result is worth a reminder by clock, count or being markedly worse (RULES.md 7)."""
    book = chart.rulebook
    if finding.severity < Severity.HIGH:
        return False
    if _markedly_worse(alert, finding, book):
        return True
    recent = [at for at in alert.notified_at if chart.now - at < DAY]
    if len(recent) >= book.remind_at_most:
        return False
    if alert.last_notified_at is None and alert.silent_stale:
        return True
    since = alert.last_notified_at if alert.last_notified_at is not None else alert.since
    wait = book.remind_critical if finding.severity is Severity.CRITICAL else book.remind_high
    return chart.now - since >= wait


def _markedly_worse(alert: Alert, finding: Finding, book: Rulebook) -> bool:
    worst, value = alert.worst_notified, finding.value
    if worst is None or value is None:
        return False
    if alert.rule in (Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM):
        return value - worst >= book.worse_potassium
    if alert.rule is Rule.REFRACTORY_HYPOKALEMIA:
        return worst - value >= book.worse_potassium_low
    if alert.rule in (Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN):
        return value - worst >= book.worse_magnesium
    return False


def _notified(alert: Alert, finding: Finding | None, now: Instant, *, reminder: bool) -> Alert:
    """Return the alert after it has notified."""
    worst = alert.worst_notified
    value = finding.value if finding is not None else None
    if value is not None:
        lower_is_worse = alert.rule in (Rule.REFRACTORY_HYPOKALEMIA, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM)
        worst = value if worst is None else (min if lower_is_worse else max)(worst, value)
    reminders = tuple(at for at in alert.notified_at if now - at < DAY)
    return alert._replace(
        last_notified_at=now,
        notified_at=(*reminders, now) if reminder else reminders,
        notified_severity=max(alert.severity, alert.notified_severity or alert.severity),
        worst_notified=worst,
        silent_stale=False,
        awaits_catch_up=False,
    )


# Raising


def _raise(
    chart: Chart, finding: Finding, past_alerts: Sequence[Alert], occasion: Occasion, held: list[Instant]
) -> tuple[Draft, Alert | None] | None:
    """
    Return the draft that raises *finding* and the past alert that it takes up, or None.

    Held, or not raised again.
    """
    state = chart.state
    past = _past(past_alerts, finding)
    if past is not None and not past.retracted and not _may_return(chart, past):
        return None
    raised_before = any(alert.rule is finding.rule for alert in occasion.merged)
    if (
        finding.held_until is not None
        and chart.settled < finding.held_until
        and not (occasion.discharged or raised_before)
    ):
        held.append(finding.held_until)
        return None
    own = (
        past if past is not None and past.alert_id == alert_id(state.patient.key, past.rule, past.triggers[0]) else None
    )
    identifier = own.alert_id if own is not None else alert_id(state.patient.key, finding.rule, finding.trigger)
    mode = chart.rulebook.mode(finding.rule)
    stale = is_stale(finding, chart)
    severe = finding.severity >= Severity.HIGH
    alert = Alert(
        alert_id=identifier,
        rule=finding.rule,
        subject=finding.subject,
        sequence=own.sequence + 1 if own is not None else 1,
        severity=finding.severity,
        criterion=finding.criterion,
        trigger=finding.trigger,
        trigger_at=finding.trigger_at,
        triggers=_joined(own.triggers, (finding.trigger,)) if own is not None else (finding.trigger,),
        opened_at=chart.now,
        moments=(Moment(chart.now, state.seen),),
        used_at=finding.used_at,
        stood_on=finding.stood_on,
        highest=finding.severity,
        since=chart.now,
        silent_stale=severe and stale and chart.supported and mode == "active",
        continues=_continued(occasion, finding.rule),
        mode=mode,
        rulebook=version_of(chart.rulebook),
    )
    return Draft(alert, Change.RAISED, finding, stale=stale, wants=severe and not stale and mode == "active"), own


def _past(alerts: Iterable[Alert], finding: Finding) -> Alert | None:
    """Return the ended alert of the same rule and trigger, the newest; what a merge closed does not count."""
    past = [
        alert
        for alert in alerts
        if alert.rule is finding.rule and alert.ended not in (None, "merged") and finding.trigger in alert.triggers
    ]
    return max(past, key=lambda alert: alert.ended_at or 0) if past else None


def _may_return(chart: Chart, past: Alert) -> bool:
    """
    Say whether what ended *past* was taken back.

    A discharge undone, its ending result withdrawn, changed or not valid.
    """
    if past.discharge is not None:
        return all(discharge.at != past.discharge for discharge in chart.discharges)
    if past.ended_by is None:
        return False
    return not all(
        (draw := chart.named(result_of(name))) is not None and draw.valid and ended_by(draw) == name
        for name in past.ended_by.split("\n")
    )


# Settling who notifies


def _supersede(drafts: list[Draft], kept: Sequence[Alert]) -> None:
    """
    A magnesium that ends 4.1 while `hyperkalemia-low-magnesium` is raised or open ends it as `superseded`.

    Only an active rule supersedes another (RULES.md 5 and 7, issue 5).
    """
    low = Rule.HYPERKALEMIA_LOW_MAGNESIUM
    open_low = any(alert.rule is low and alert.ended is None and alert.mode == "active" for alert in kept) or any(
        draft.alert.rule is low and draft.ended is None and draft.alert.mode == "active" for draft in drafts
    )
    if not open_low:
        return
    for draft in drafts:
        if draft.alert.rule is Rule.REFRACTORY_HYPERKALEMIA and draft.reason == "magnesium_resulted":
            draft.reason = "superseded"
            draft.alert = draft.alert._replace(ended="superseded")


def _settle(chart: Chart, drafts: list[Draft], occasion: Occasion) -> None:
    """Decide which raises and escalations notify, and say why the others do not (RULES.md 5, 7)."""
    speaking: list[Draft] = []
    for draft in drafts:
        if not draft.wants:
            continue
        draft.reason = _why_silent(chart, draft, drafts, occasion)
        if draft.reason is None:
            speaking.append(draft)
        elif draft.reason == "catching_up":
            draft.alert = draft.alert._replace(awaits_catch_up=True)
    if not speaking:
        return
    speaking.sort(key=lambda draft: (-draft.alert.severity, ORDER[draft.alert.rule], draft.alert.trigger_at))
    first, *others = speaking
    first.notify = True
    first.related = tuple(draft.alert.alert_id for draft in others)
    first.alert = _notified(first.alert, first.finding, chart.now, reminder=False)._replace(
        spoke_for=_joined(first.alert.spoke_for, first.related)
    )
    for draft in others:
        draft.reason = "grouped"
        draft.related = (first.alert.alert_id,)


def _why_silent(chart: Chart, draft: Draft, drafts: Sequence[Draft], occasion: Occasion) -> str | None:
    if not chart.supported:
        return "unsupported_population"
    if occasion.catching_up:
        return "catching_up"
    if draft.alert.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA and any(
        other.reason == "superseded"
        and other.alert.rule is Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN
        and other.alert.mode == "active"
        and other.alert.trigger in draft.alert.stood_on
        and draft.alert.severity <= other.alert.highest
        for other in drafts
    ):
        return "superseding"
    before = [alert.notified_severity for alert in occasion.merged if alert.rule is draft.alert.rule]
    had_notified = [severity for severity in before if severity is not None]
    if had_notified and draft.alert.severity <= max(had_notified):
        return "continued"
    return None


def _ungroup(chart: Chart, drafts: list[Draft], kept: list[Alert], occasion: Occasion) -> list[Alert]:
    """
    When the alert that spoke for others is retracted, let the most severe of them speak (RULES.md 5).

    It speaks for the rest of them from then on. One that this message raises or escalates is not silent any more: it
    notifies, or another that notifies names it.
    """
    silent = {key for draft in drafts if draft.change is Change.RETRACTED for key in draft.alert.spoke_for}
    if not silent or not chart.supported:
        return kept
    waiting: list[Alert | Draft] = [
        *(alert for alert in kept if alert.alert_id in silent and _still_unheard(alert)),
        *(
            draft
            for draft in drafts
            if draft.alert.alert_id in silent and draft.change is Change.UPDATED and _still_unheard(draft.alert)
        ),
    ]
    if not waiting:
        return kept
    chosen = min(
        waiting,
        key=lambda w: (_is_old(chart, w), -_alert_of(w).severity, ORDER[_alert_of(w).rule], _alert_of(w).alert_id),
    )
    if isinstance(chosen, Draft):
        draft = chosen
    else:
        kept = [alert for alert in kept if alert is not chosen]
        finding = _take(standing(chart), chosen)
        moved = chosen._replace(
            sequence=chosen.sequence + 1, moments=(*chosen.moments, Moment(chart.now, chart.state.seen))
        )
        draft = Draft(moved, Change.UPDATED, finding, stale=_is_old(chart, chosen))
        drafts.append(draft)
    if draft.stale:
        return kept
    if occasion.catching_up:
        draft.alert = draft.alert._replace(awaits_catch_up=True)
        return kept
    draft.change, draft.notify, draft.reason = Change.REMINDED, True, "ungrouped"
    rest = tuple(_alert_of(other).alert_id for other in waiting if other is not chosen)
    speaker = _notified(draft.alert, draft.finding, chart.now, reminder=True)
    draft.alert = speaker._replace(spoke_for=_joined(speaker.spoke_for, rest))
    return kept


def _is_old(chart: Chart, waiting: Alert | Draft) -> bool:
    """Say whether a reminder would be of a stale trigger, which never reminds (RULES.md 7)."""
    return waiting.stale if isinstance(waiting, Draft) else is_stale(waiting, chart)


def _alert_of(waiting: Alert | Draft) -> Alert:
    return waiting.alert if isinstance(waiting, Draft) else waiting


def _still_unheard(alert: Alert) -> bool:
    return alert.ended is None and alert.last_notified_at is None and alert.severity >= Severity.HIGH


def caught_up(chart: Chart, least: Severity) -> Lived:
    """Let each open alert of *least* or more that was silent only for catching up say so once (RULES.md 8)."""
    findings = standing(chart)
    drafts: list[Draft] = []
    kept: list[Alert] = []
    for alert in chart.state.alerts:
        waits_on = Severity.HIGH <= alert.severity < least
        if not alert.awaits_catch_up or alert.ended is not None or waits_on:
            kept.append(alert)
            continue
        finding = _take(findings, alert)
        stale = is_stale(alert if finding is None else finding, chart)
        cleared = alert._replace(awaits_catch_up=False)
        if stale or alert.severity < Severity.HIGH or not chart.supported or alert.mode != "active":
            kept.append(cleared)
            continue
        moved = cleared._replace(
            sequence=alert.sequence + 1, moments=(*alert.moments, Moment(chart.now, chart.state.seen))
        )
        drafts.append(
            Draft(
                _notified(moved, finding, chart.now, reminder=True),
                Change.REMINDED,
                finding,
                notify=True,
                reason="caught_up",
            )
        )
    drafts.sort(key=lambda draft: ORDER[draft.alert.rule])
    held = [f.held_until for f in findings if f.held_until is not None and chart.settled < f.held_until]
    return Lived(chart.state._replace(alerts=(*kept, *(d.alert for d in drafts))), drafts, held)
