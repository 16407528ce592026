"""A transition of an alert with all its words: what an alert event says (RULES.md, intended use; DESIGN.md 2)."""

from rules.alert import Change, Evidence, Rule, Transition
from rules.chart import Chart
from rules.events import Instant
from rules.finding import Finding
from rules.patient import Alert
from rules.rulebook import RULE_VERSION
from rules.words.considerations import considerations
from rules.words.context import context
from rules.words.evidence import ending_of, evidence, offset_of, trigger_of
from rules.words.limits import resolves_when, thresholds
from rules.words.missing import missing
from rules.words.summary import summary

GRADES: dict[Rule, str] = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: "high",
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: "high",
    Rule.REFRACTORY_HYPERKALEMIA: "low",
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: "low",
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: "low",
    Rule.REFRACTORY_HYPOKALEMIA: "high",
    Rule.MAGNESIUM_MONITORING_GAP: "moderate",
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: "moderate",
    Rule.SPURIOUS_POTASSIUM: "high",
}
"""How well each rule's medical claim is supported: ``low`` for what the starting article alone claims [U]."""


def transition(
    chart: Chart,
    alert: Alert,
    change: Change,
    *,
    received_at: Instant,
    finding: Finding | None = None,
    notify: bool = False,
    stale: bool = False,
    reason: str | None = None,
    related: tuple[str, ...] = (),
    timer: str | None = None,
    behind: Instant | None = None,
) -> Transition:
    """Return the transition that *alert* has just made, with all its words; *behind* as in RULES.md 8."""
    state = chart.state
    ending = ending_of(chart, alert)
    trigger = trigger_of(chart, alert, finding)
    shown = evidence(chart, finding, trigger, ending)
    return Transition(
        alert_id=alert.alert_id,
        sequence=alert.sequence,
        change=change,
        rule=alert.rule,
        rule_version=RULE_VERSION,
        severity=alert.severity,
        notify=notify,
        stale=stale,
        mode=alert.mode,
        reason=reason,
        criterion=alert.criterion if alert.ended is None else None,
        patient=state.patient,
        visit_number=state.visit_number,
        location=state.location,
        summary=summary(chart, alert, change, finding, reason, ending=ending, trigger=trigger, behind=behind),
        considerations=considerations(chart, alert, finding, reason, behind, stale=stale),
        evidence_grade=GRADES[alert.rule],
        evidence=tuple(Evidence(draw.result, draw.verdict) for draw in shown),
        context=context(chart, alert, finding),
        missing=missing(chart, alert, finding) if alert.ended is None else (),
        thresholds=thresholds(chart, alert, finding),
        resolves_when=resolves_when(chart, alert) if alert.ended is None else "",
        related=related,
        continues=alert.continues,
        opened_at=alert.opened_at,
        observed_at=alert.trigger_at,
        observed_offset=offset_of(chart, alert),
        received_at=received_at,
        time=chart.now,
        rulebook=f"sha256:{alert.rulebook}",
        timer=timer,
    )
