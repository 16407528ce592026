"""The results that an alert shows: what ended it, its trigger, what it stands on (RULES.md, intended use)."""

from collections.abc import Iterable, Sequence

from rules.alert import Rule
from rules.chart import Chart
from rules.draws import Draw
from rules.exposure import key_text
from rules.finding import Finding, result_of
from rules.patient import Alert
from rules.versions import drawn_at, identity_at
from rules.words.beside import renal_basis, worse_beside, worst_of

EVIDENCE_AT_MOST = 12
"""Results an alert lists; the trigger first, then the newest."""


def trigger_of(chart: Chart, alert: Alert, finding: Finding | None) -> Draw | None:
    """Return the triggering result in its present version, where it still stands: mostly the finding's own."""
    if finding is not None and finding.evidence and finding.evidence[0].key == alert.trigger:
        return finding.evidence[0]
    return chart.named(alert.trigger)


def offset_of(chart: Chart, alert: Alert) -> int:
    """Return the sender's offset of the trigger's draw, of a dose where that is the trigger, in minutes east."""
    at = drawn_at(alert.trigger)
    results = [] if at is None else chart.state.results.drawn_at(at)
    offset = next((result.observed_offset for result in results if identity_at(result) == alert.trigger), None)
    if offset is not None:
        return offset  # also of one that was withdrawn
    records = (entry.administration for entry in chart.state.administrations)
    return next((record.started_offset for record in records if key_text(record) == alert.trigger), 0)


def ending_of(chart: Chart, alert: Alert) -> Draw | None:
    """Return the result that ended the alert, where one did; of several the first that is named."""
    if alert.ended_by is None:
        return None
    return chart.named(result_of(alert.ended_by.partition("\n")[0]))


def evidence(chart: Chart, finding: Finding | None, trigger: Draw | None, ending: Draw | None) -> Sequence[Draw]:
    """
    Return the results to show, at most `EVIDENCE_AT_MOST`.

    What ended the alert, the trigger, what else the finding stands on, and last what is told beside it: what is worse
    than the headline, what the renal function rests on.
    """
    draws = [draw for draw in (ending,) if draw is not None]
    draws += finding.evidence if finding is not None else [draw for draw in (trigger,) if draw is not None]
    if trigger is not None:
        draws += trigger.others  # evidence only: they do not speak for their specimen (RULES.md 2)
    stood_on, beside = _once(draws), _once(_beside(chart, finding))
    beside = [draw for draw in beside if draw not in stood_on[:EVIDENCE_AT_MOST]]
    return [*stood_on[: EVIDENCE_AT_MOST - len(beside)], *beside]


def _beside(chart: Chart, finding: Finding | None) -> list[Draw]:
    if finding is None or finding.rule is Rule.SPURIOUS_POTASSIUM:
        return []
    trigger = finding.evidence[0] if finding.evidence else None
    found = [worst_of(finding), renal_basis(chart)]
    found += worse_beside(chart, trigger) if trigger is not None else []
    if trigger is not None and "digoxin" in _steps(finding):
        found += [level for level in chart.digoxin[-1:] if level.value > chart.rulebook.digoxin_toxic]
    return [draw for draw in found if draw is not None]


def _steps(finding: Finding) -> Sequence[str]:
    steps = finding.notes.get("steps")
    return steps if isinstance(steps, list) else ()


def _once(draws: Iterable[Draw]) -> list[Draw]:
    return list(dict.fromkeys(draws))
