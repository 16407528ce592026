"""What is found without an open alert: held, raised, or not raised again (RULES.md 7)."""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid5

from rules.alert import Change, Rule, Severity
from rules.chart import Chart
from rules.draft import Draft, Occasion, continued, is_stale, version_of
from rules.events import Instant
from rules.finding import Finding, ended_by, result_of
from rules.pairing import joined
from rules.patient import Alert, Moment

ALERT_NAMESPACE = UUID("6c0d1f5e-0f3b-5b6a-9d53-3f7a1c2e8b40")
"""Fixed for ever: the same trigger of the same patient gives the same alert id everywhere (ADR 5)."""


def alert_id(patient_key: str, rule: Rule, trigger: str) -> str:
    """Return the UUIDv5 of an alert (ADR 5)."""
    return str(uuid5(ALERT_NAMESPACE, f"{patient_key}|{rule.value}|{trigger}"))


def raised_by(
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
    new_id = alert_id(state.patient.key, finding.rule, finding.trigger)
    own = _own(state.patient.key, past, past_alerts, new_id)
    identifier = own.alert_id if own is not None else new_id
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
        triggers=joined(own.triggers, (finding.trigger,)) if own is not None else (finding.trigger,),
        opened_at=chart.now,
        moments=(Moment(chart.now, state.seen),),
        used_at=finding.used_at,
        stood_on=finding.stood_on,
        highest=finding.severity,
        since=chart.now,
        silent_stale=severe and stale and chart.supported and mode == "active",
        continues=continued(occasion, finding.rule),
        mode=mode,
        rulebook=version_of(chart.rulebook),
    )
    return Draft(alert, Change.RAISED, finding, stale=stale, wants=severe and not stale and mode == "active"), own


def _past(alerts: Iterable[Alert], finding: Finding) -> Alert | None:
    """Return the ended alert of the same rule and trigger, the newest; what a merge closed does not count."""
    past = [
        alert
        for alert in alerts
        if alert.rule is finding.rule and alert.ended not in (None, "merged") and _had(alert, finding)
    ]
    return max(past, key=lambda alert: (alert.ended_at or 0, alert.triggers[0] == finding.trigger), default=None)


def _own(patient_key: str, past: Alert | None, alerts: Iterable[Alert], new_id: str) -> Alert | None:
    """
    Return the alert whose id is taken up: *past*, where it is of this key; else one that has *new_id* already.

    A merge closed that one and a later one brought the patient back to the same number; or *past* came with a merge.
    """
    if past is not None and past.alert_id == alert_id(patient_key, past.rule, past.triggers[0]):
        return past
    return next((alert for alert in alerts if alert.alert_id == new_id), None)


def _had(alert: Alert, finding: Finding) -> bool:
    """Say whether a trigger was an alert's: that result, or (it was not retracted) another of the same draw."""
    if finding.trigger in alert.triggers:
        return True
    same_draw = any(trigger.endswith(f"|{finding.trigger_at}") for trigger in alert.triggers)
    return same_draw and alert.subject == finding.subject and not alert.retracted


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
