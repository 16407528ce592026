"""The results that an alert shows: what ended it, its trigger, what it stands on (RULES.md, intended use)."""

from collections.abc import Sequence

from rules.chart import Chart
from rules.finding import Finding
from rules.patient import Alert
from rules.specimen import Draw

EVIDENCE_AT_MOST = 12
"""Results an alert lists; the trigger first, then the newest."""


def _draws(chart: Chart) -> list[Draw]:
    return [*chart.all_potassium, *chart.all_magnesium, *chart.calcium, *chart.ionized]


def trigger_of(chart: Chart, alert: Alert) -> Draw | None:
    """Return the triggering result in its present version, where it still stands."""
    return next((draw for draw in _draws(chart) if draw.key == alert.trigger), None)


def ending_of(chart: Chart, alert: Alert) -> Draw | None:
    """Return the result that ended the alert, where one did."""
    if alert.ended_by is None:
        return None
    return next((draw for draw in _draws(chart) if f"{draw.key}={draw.value}" == alert.ended_by), None)


def evidence(finding: Finding | None, trigger: Draw | None, ending: Draw | None) -> Sequence[Draw]:
    """Return the results to show, at most `EVIDENCE_AT_MOST`: what ended the alert, the trigger, then the others."""
    draws = [draw for draw in (ending,) if draw is not None]
    draws += finding.evidence if finding is not None else [draw for draw in (trigger,) if draw is not None]
    if trigger is not None:
        draws += trigger.others  # evidence only: they do not speak for their specimen (RULES.md 2)
    return list({id(draw): draw for draw in draws}.values())[:EVIDENCE_AT_MOST]
