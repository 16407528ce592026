"""
The life of an alert: from what the rules find to what is published (RULES.md 7).

`live` takes a patient's chart at one moment, pairs each open alert with what its rule finds now, and decides one
transition at most for each: ended, escalated, reminded, updated, or silence. What is found without an alert is raised
when its hold is over. Then it is settled who notifies: one message, one page (RULES.md 5).
"""

from typing import TYPE_CHECKING

from rules.alert import Change, Severity
from rules.chart import Chart
from rules.draft import Draft, Lived, Occasion, is_stale, notified
from rules.families import ORDER, standing
from rules.lazy import replaced
from rules.open_alerts import go_on
from rules.pairing import following, same_subject, take
from rules.patient import Alert, Moment
from rules.raising import raised_by
from rules.settling import settle, supersede, ungroup

if TYPE_CHECKING:
    from rules.events import Instant


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
        finding = take(findings, alert)
        if finding is not None and not same_subject(alert, finding):
            alert = alert._replace(subject=finding.subject)  # noqa: PLW2901  (the same alert by another name)
        draft = go_on(chart, alert, finding, occasion)
        if draft is None:
            kept.append(alert if finding is None else following(alert, finding))
        else:
            drafts.append(draft)
            if draft.ended is not None and finding is not None and draft.change is not Change.CLOSED:
                findings.append(finding)  # ended by a draw older than the new trigger: a new alert
    held: list[Instant] = []
    if not chart.deceased:
        for finding in findings:
            raised = raised_by(chart, finding, [*kept, *(draft.alert for draft in drafts)], occasion, held)
            if raised is not None:
                draft, past = raised
                kept = [alert for alert in kept if alert is not past]
                drafts.append(draft)
    if drafts:
        supersede(drafts, kept)
        drafts.sort(key=lambda draft: (ORDER[draft.alert.rule], draft.alert.trigger_at, draft.alert.subject))
        settle(chart, drafts, occasion)
        kept = ungroup(chart, drafts, kept, occasion)
    alerts = sorted([*kept, *(draft.alert for draft in drafts)], key=lambda a: (a.opened_at, a.alert_id, a.sequence))
    return Lived(replaced(state, alerts=tuple(alerts)), drafts, held)


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
        finding = take(findings, alert)
        stale = is_stale(alert if finding is None else finding, chart)
        cleared = alert._replace(awaits_catch_up=False)
        if stale or alert.severity < Severity.HIGH or not chart.supported:
            kept.append(cleared)
            continue
        moved = cleared._replace(
            sequence=alert.sequence + 1, moments=(*alert.moments, Moment(chart.now, chart.state.seen))
        )
        drafts.append(
            Draft(
                notified(moved, finding, chart.now, reminder=True),
                Change.REMINDED,
                finding,
                notify=True,
                reason="caught_up",
            )
        )
    drafts.sort(key=lambda draft: ORDER[draft.alert.rule])
    held = [f.held_until for f in findings if f.held_until is not None]
    return Lived(chart.state._replace(alerts=(*kept, *(d.alert for d in drafts))), drafts, held)
