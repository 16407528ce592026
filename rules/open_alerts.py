"""What an open alert does: it ends, escalates, reminds, is updated, or is silent (RULES.md 7)."""

from rules.alert import Change, Rule, Severity
from rules.chart import Chart
from rules.draft import Draft, Occasion, continued, is_stale, notified, version_of
from rules.events import DAY, Analyte
from rules.families import BY_RULE
from rules.finding import End, Finding, ended_by
from rules.lazy import replaced
from rules.pairing import following, joined, same
from rules.patient import Alert, Moment
from rules.retention import baselines_since
from rules.rulebook import Rulebook


def claim_of(chart: Chart, alert: Alert) -> Alert:
    """
    Return what an end of *alert* is judged against.

    What is refractory now, where its rule knows that, else its own trigger.
    """
    anchor = BY_RULE[alert.rule].anchor(chart)
    return alert if anchor is None else replaced(alert, trigger_at=anchor)


def go_on(chart: Chart, alert: Alert, finding: Finding | None, occasion: Occasion) -> Draft | None:
    """Decide what an open alert does: nothing (None), or one transition."""
    if chart.deceased:
        return _ended(chart, alert, End(Change.CLOSED, "deceased"))
    if finding is None and _never_stood(chart, alert):
        return _ended(chart, alert, End(Change.RETRACTED, occasion.withdrew()))
    claim = claim_of(chart, alert)
    if finding is not None and finding.used_at is not None:
        claim = replaced(claim, used_at=finding.used_at)
    end = BY_RULE[alert.rule].end(chart, claim)
    if end is not None:
        return _ended(chart, alert, end)
    if occasion.discharged:
        stood = alert if finding is None else following(alert, finding)
        return _ended(chart, stood, End(Change.CLOSED, "discharged"))
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
    baselines = baselines_since(chart.exposures, alert.trigger_at, chart.rulebook)
    dropped = state.history_incomplete and oldest is not None and baselines < oldest
    if (dropped or alert.rulebook != version_of(chart.rulebook)) and _trigger_stands(chart, alert):
        return False
    alone = chart.with_state(state._replace(alerts=(alert,)))  # what others stand on now, they did not own then
    for moment in alert.moments:
        then = alone.known_by(moment.seen, moment.now)
        family = BY_RULE[alert.rule]
        if any(same(alert, finding) and family.end(then, finding) is None for finding in family.findings(then)):
            return False
    return True


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
        ended_by="\n".join(map(ended_by, end.by)) or None,
        retracted=end.change is Change.RETRACTED,
        discharge=discharge,
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
    changed = following(alert, finding)._replace(
        sequence=alert.sequence + 1,
        severity=finding.severity,
        criterion=finding.criterion,
        highest=max(alert.highest, finding.severity),
        moments=(*alert.moments, Moment(chart.now, chart.state.seen)),
    )
    draft = Draft(changed, change, finding, stale=stale)
    if change is Change.REMINDED:
        draft.notify = True
        draft.alert = notified(changed, finding, chart.now, reminder=True)
    elif change is Change.ESCALATED:
        severe = finding.severity >= Severity.HIGH and alert.mode == "active"
        draft.alert = changed._replace(
            since=chart.now,
            silent_stale=severe and stale and chart.supported,
            continues=joined(changed.continues, continued(occasion, alert.rule)),
        )
        draft.wants = severe and not stale
    return draft


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
        return False  # nothing said yet, or a rule that knows no such step: its findings carry no value
    if alert.rule in (Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM):
        return value - worst >= book.worse_potassium
    if alert.rule is Rule.REFRACTORY_HYPOKALEMIA:
        return worst - value >= book.worse_potassium_low
    return value - worst >= book.worse_magnesium
