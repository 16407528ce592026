"""What an alert says."""

from rules.alert import Change, Evidence, Transition
from rules.chart import Chart
from rules.events import Instant
from rules.finding import Finding
from rules.patient import Alert
from rules.rulebook import RULE_VERSION


def transition(chart: Chart, alert: Alert, change: Change, *, received_at: Instant, finding: Finding | None = None, notify: bool = False, stale: bool = False, reason: str | None = None, related: tuple[str, ...] = (), timer: str | None = None, behind: Instant | None = None) -> Transition:
    state = chart.state
    return Transition(alert_id=alert.alert_id, sequence=alert.sequence, change=change, rule=alert.rule, rule_version=RULE_VERSION, severity=alert.severity, notify=notify, stale=stale, mode=alert.mode, reason=reason, criterion=finding.criterion if finding is not None and alert.ended is None else None, patient=state.patient, visit_number=state.visit_number, location=state.location, summary="", considerations=(), evidence_grade="low", evidence=tuple(Evidence(d.result, d.verdict) for d in (finding.evidence if finding else ())), context={}, missing=(), thresholds={}, resolves_when="", related=related, continues=alert.continues, opened_at=alert.opened_at, observed_at=alert.trigger_at, observed_offset=finding.evidence[0].result.observed_offset if finding and finding.evidence else 0, received_at=received_at, time=chart.now, timer=timer)
