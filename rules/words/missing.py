"""What an alert would have liked to know (RULES.md intended use, 4.1, 5 and 6)."""

from rules.alert import Rule
from rules.chart import Chart
from rules.episode import Episode
from rules.events import DAY, Instant
from rules.finding import Finding
from rules.patient import Alert
from rules.words.facts import (
    HYPERKALEMIA_RULES,
    magnesium_since,
    magnesium_status,
    missing_magnesium,
    treated_from,
    treatments_since,
    unmeasured,
)

DOUBTFUL = "drawn, specimen doubtful"


def missing(chart: Chart, alert: Alert, finding: Finding | None) -> tuple[str, ...]:
    """Return what the alert would have liked to know."""
    found = []
    rule = alert.rule
    if rule is Rule.REFRACTORY_HYPERKALEMIA or (
        rule is Rule.REFRACTORY_HYPOKALEMIA and alert.criterion == "magnesium_missing"
    ):
        found.append(_magnesium(chart, alert.trigger_at))
    if rule in HYPERKALEMIA_RULES and not _treated(chart, alert, finding):
        found.append("treatment data: not available; none seen in the feed does not mean that there was none")
    if finding is not None:
        found += _of_finding(chart, rule, finding)
    if chart.renal.status == "unknown" and rule is not Rule.SPURIOUS_POTASSIUM:
        found.append("renal function: unknown")
    if chart.age is None:
        found.append("age: unknown, taken as adult")
    return tuple(found)


def _treated(chart: Chart, alert: Alert, finding: Finding | None) -> bool:
    """Say whether the feed shows a treatment of this episode; without one, of the day before the trigger."""
    episode = finding.notes.get("episode") if finding is not None else None
    since = treated_from(episode) if isinstance(episode, Episode) else alert.trigger_at - DAY
    return bool(treatments_since(chart, since))


def _magnesium(chart: Chart, t_n: Instant) -> str:
    """Return the magnesium status of RULES.md 4.1; of an old one its value and age."""
    status = magnesium_status(chart, t_n)
    if status in ("old", "stale"):
        return f"magnesium: {missing_magnesium(chart, t_n)[0].replace('magnesium ', '', 1)}"
    return {
        "pending": "magnesium: pending",
        "invalid": f"magnesium: {DOUBTFUL}",
        "unmapped": "magnesium: came under a code that is not mapped",
        "never": "magnesium: never resulted",
    }[status]


def _of_finding(chart: Chart, rule: Rule, finding: Finding) -> list[str]:
    if rule is Rule.MAGNESIUM_MONITORING_GAP:
        lacking = unmeasured(chart, finding)
        return [f"{word}: {DOUBTFUL if tried else 'not measured'}" for word, tried in lacking]
    found = []
    if rule is Rule.HYPERKALEMIA_LOW_MAGNESIUM and not any(d.at == finding.trigger_at for d in chart.calcium):
        found.append("calcium: not in the tube")
    if rule in (Rule.HYPERKALEMIA_AFTER_MAGNESIUM, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM):
        magnesium, believed = magnesium_since(chart, finding)
        if not believed:
            found.append(f"magnesium: {'not measured since the dose' if magnesium is None else DOUBTFUL}")
        if finding.notes["baseline"] is None:
            found.append(f"calcium: none of the {chart.rulebook.shown('after_baseline')} before the magnesium")
    if finding.exposure is not None and finding.exposure.grams is None:
        found.append("amount of magnesium: not recorded")
    if rule is Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN:
        window = chart.rulebook.shown("exposure_window_impaired" if chart.cleared_slowly else "exposure_window")
        found.append(f"magnesium dose: none on record in the {window} before it")
    return found
