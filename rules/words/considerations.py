"""
What a clinician should know beside the sentence, the most pressing first (RULES.md, intended use).

Worded as a secondary notification: it says what was measured and what the service cannot see; it never orders.
"""

from rules.alert import Rule, Severity
from rules.chart import Chart
from rules.episode import Episode
from rules.events import Analyte, Instant
from rules.finding import Finding
from rules.patient import Alert
from rules.words.beside import renal_words, which_worst, worse_beside, worst_of
from rules.words.evidence import EVIDENCE_AT_MOST
from rules.words.facts import (
    HYPERKALEMIA_RULES,
    WHY_DOUBTFUL,
    exposure_words,
    last_record,
    magnesium_since,
    magnesium_status,
    no_exposure,
    stale_magnesium,
    treated_from,
    treatments_since,
    unexplained,
)
from rules.words.values import age, ago, hours, shown, shown_as

_MAGNESIUM_RULES = frozenset((Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN))
_CLEARANCE_RULES = _MAGNESIUM_RULES | {Rule.MAGNESIUM_MONITORING_GAP}

UNSEEN = "not visible to this service: ECG, urine output, cells, albumin, pH"
SPURIOUS = "possibly spurious: repeat the specimen, look at the ECG"
REFLEXES = "check reflexes, breathing, urine output"
UNMEASURED = "magnesium has not been measured"
_NOT_MEASURED = {
    "pending": f"{UNMEASURED} yet: a result is pending",
    "invalid": f"{UNMEASURED} in a specimen that can be believed",
    "unmapped": f"{UNMEASURED} under a code that this service knows",
    "old": f"{UNMEASURED} lately",
    "never": UNMEASURED,
}
"""Words of the magnesium status (RULES.md 4.1), all of them beginning as its intended use says."""

REASONS = {
    "unsupported_population": "under {years} and not obstetric: the thresholds are those of adults, nobody is notified",
    "catching_up": "judged late, while the service catches up with its feed: nobody is notified yet",
    "superseding": "takes over from the alert without a known dose: nobody is notified anew",
    "continued": "goes on from an alert under a number that was merged: nobody is notified anew",
    "grouped": "another alert of the same message notifies and names this one",
    "ungrouped": "the alert that had spoken for this one was retracted",
    "caught_up": "was silent while the service was catching up with its feed",
}
"""Words of every reason for which a transition that ends nothing does or does not notify (RULES.md 5, 7, 8)."""

_RESULT_FLAGS = {
    "unit_assumed": "unit not sent, taken as its usual one",
    "status_assumed": "result status not sent, taken as final",
    "censored": "beyond what the laboratory measures, the value itself may be further out",
    "time_degraded": "draw time not known to the minute, ages and intervals are approximate",
    "dst_gap": "drawn within the hour of a clock change, its time may be off by 1 h",
    "dst_fold": "drawn within the hour of a clock change, its time may be off by 1 h",
}
_DOSE_FLAGS = {
    "route_assumed": "route of the magnesium not sent, taken as parenteral",
    "completion_assumed": "completion of the magnesium dose not sent, taken as completed",
    "amount_unknown": "an amount of magnesium came in a unit that is not known",
    "rate_unit_assumed": "rate of the magnesium came without its time unit, taken as an hour",
    "time_degraded": "time of a magnesium dose not known to the minute",
}


def considerations(
    chart: Chart, alert: Alert, finding: Finding | None, reason: str | None, behind: Instant | None, *, stale: bool
) -> tuple[str, ...]:
    """Return what a clinician should know beside the sentence, the most pressing first; little once it ended."""
    rule = alert.rule
    if alert.ended is not None:
        return (*_of_history(chart), UNSEEN)
    found: list[str] = []
    if behind is not None:
        found.append(f"the feed is {hours(behind)} behind: a magnesium result may be on its way")
    if finding is not None:
        found += _doubts(chart, rule, finding)
        if rule in _MAGNESIUM_RULES:
            found += _of_magnesium(chart, alert, finding)
        if rule is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM:
            found += _of_calcium(chart, finding)
        if rule is Rule.MAGNESIUM_MONITORING_GAP:
            found.append(REFLEXES)
        found += _of_exposure(chart, rule, finding)
        found += _of_severity(chart, alert, finding)
    if rule in HYPERKALEMIA_RULES:
        found += _of_hyperkalemia(chart, alert, finding)
    if rule is Rule.REFRACTORY_HYPOKALEMIA:
        found.append("low magnesium makes the kidney waste potassium")
        found.append(renal_words(chart))
    if finding is not None:
        found += _flags(finding)
    found += _of_publication(chart, alert, reason, stale=stale)
    found += _of_history(chart)
    found.append(UNSEEN)
    return tuple(dict.fromkeys(found))


def _of_history(chart: Chart) -> list[str]:
    """Return what was lost of the patient's history (RULES.md 7)."""
    if not chart.state.history_incomplete:
        return []
    return ["history incomplete: older or unreadable data of this patient are not considered"]


def _doubts(chart: Chart, rule: Rule, finding: Finding) -> list[str]:
    """Return what speaks against believing the tube (RULES.md 3)."""
    found = []
    trigger = finding.evidence[0] if finding.evidence else None
    for draw in finding.evidence:
        if draw.verdict == "valid" or (draw.valid and draw is not trigger):
            continue
        why = WHY_DOUBTFUL[draw.why]
        agrees = "; an earlier specimen agrees with it" if draw.valid else ""
        if rule is Rule.REFRACTORY_HYPOKALEMIA and draw.why == "hemolysis":
            agrees = "; hemolysis only raises potassium, it may be lower"
        found.append(f"{SPURIOUS} ({shown_as(draw)}, {age(draw, chart.now)}: {why}{agrees})")
    if trigger is None:
        return found
    if rule is Rule.HYPERKALEMIA_LOW_MAGNESIUM and not any(d.at == trigger.at for d in chart.calcium):
        found.append("EDTA contamination not excluded: no calcium in the tube")
    for other in trigger.others:
        if other.value != trigger.value:
            doubt = "" if other.verdict == "valid" else f" ({other.verdict})"
            found.append(f"the same specimen also gave {shown(other)}{doubt}")
    return found


def _of_magnesium(chart: Chart, alert: Alert, finding: Finding) -> list[str]:
    """Return what every alert on a high magnesium says (RULES.md 4.2)."""
    found = []
    exposure = finding.exposure
    trigger = finding.evidence[0]
    if unexplained(chart, finding):
        partly = exposure is not None and None in [course.grams for course in exposure.courses]
        beyond = "; a part of the dose came without an amount" if partly else ""
        found.append(f"more than the recorded dose explains: a contaminated draw or a dosing error{beyond}")
    if exposure is not None and exposure.phase(trigger.at, chart.rulebook) != "post":
        found.append("drawn during or soon after the infusion: verify the draw site")
        if alert.severity >= Severity.HIGH:
            found.append("repeat now from another site")
    found.append(REFLEXES)
    if exposure is None:
        found.append(f"{no_exposure(chart, trigger)}: exposure unknown")
    return found


def _of_exposure(chart: Chart, rule: Rule, finding: Finding) -> list[str]:
    """Return whether the infusion runs or ended, how that is known, grams, last record (RULES.md 4.2)."""
    exposure = finding.exposure
    if exposure is None and rule is Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN:
        exposure = next((e for e in reversed(chart.exposures) if e.start <= finding.trigger_at), None)
    if exposure is None:
        return []
    records = [course.last for course in exposure.courses]
    last = last_record(exposure)
    when = f"last record {ago(last, chart.now)}" if last <= chart.now else "its record ends later than now"
    found = [f"{exposure_words(exposure, chart.now, chart.rulebook)}, {when}"]
    found += [words for flag, words in _DOSE_FLAGS.items() if any(flag in record.flags for record in records)]
    if rule in _CLEARANCE_RULES and chart.cleared_slowly:
        found.append(renal_words(chart))
    return found


def _of_calcium(chart: Chart, finding: Finding) -> list[str]:
    """Return what stands beside a low calcium (RULES.md 5)."""
    magnesium, believed = magnesium_since(chart, finding)
    trigger = finding.evidence[0]
    found = []
    if finding.subject == Analyte.CALCIUM.value:
        found.append("total calcium, not corrected for albumin")
    elif trigger.value < chart.rulebook.post_filter_ionized and any(
        session.continuous
        and session.started_at <= trigger.at
        and (trigger.at <= session.ended_at or session.ended_at == session.started_at)
        for session in chart.dialyses
    ):
        found.append("during continuous dialysis this may be a post-filter sample")
    if magnesium is None:
        found.append("magnesium not measured since")
    elif believed:
        found.append(f"magnesium {shown(magnesium)}, {age(magnesium, chart.now)}")
    else:
        found.append("magnesium drawn since, but the specimen is doubtful")
    found.append("low magnesium lowers calcium too")
    return found


def _of_severity(chart: Chart, alert: Alert, finding: Finding) -> list[str]:
    """Return what the severity is by beside the trigger, what raised it by a step, and what is worse than it."""
    found = []
    worst, steps = worst_of(finding), finding.notes.get("steps")
    if worst is not None:
        which = which_worst(finding.evidence[0], worst)
        found.append(f"the severity is by the {which}: {shown_as(worst)}, {age(worst, chart.now)}")
    if alert.severity >= Severity.HIGH and isinstance(steps, list) and steps:
        found.append(f"counted towards the severity: {', '.join(steps)}")
    if finding.evidence and alert.rule is not Rule.SPURIOUS_POTASSIUM:
        beside = [f"{shown_as(draw)}, {age(draw, chart.now)}" for draw in worse_beside(chart, finding.evidence[0])]
        found += [f"beside it: {'; '.join(beside)}"] if beside else []
    return found


def _of_hyperkalemia(chart: Chart, alert: Alert, finding: Finding | None) -> list[str]:
    """Return what stands beside a high potassium: magnesium, kidneys, treatment, digoxin (RULES.md 4.1, 5)."""
    found = []
    if chart.digoxin_step(alert.trigger_at):
        found.append("digoxin on record: intravenous calcium in digoxin toxicity is disputed, local guidance applies")
    if alert.rule is Rule.REFRACTORY_HYPERKALEMIA:
        found.append(_not_measured(chart, alert.trigger_at) if finding is not None else UNMEASURED)
    if alert.rule is not Rule.HYPERKALEMIA_AFTER_MAGNESIUM:
        found.append("that low magnesium keeps potassium high is weakly supported (evidence grade low)")
    found.append(renal_words(chart))
    episode = finding.notes.get("episode") if finding is not None else None
    if isinstance(episode, Episode):
        seen = treatments_since(chart, treated_from(episode))
        newest = ", ".join(seen[:3])
        lasting = (
            "persistent: " if finding is not None and (finding.criterion or finding.notes.get("refractory")) else ""
        )
        found.append(f"seen in the feed: {newest}" if seen else f"{lasting}no treatment seen in the feed")
    return found


def _not_measured(chart: Chart, t_n: Instant) -> str:
    """Return that magnesium has not been measured, and why there is none (RULES.md 4.1 and intended use)."""
    status = magnesium_status(chart, t_n)
    return f"{UNMEASURED} since {stale_magnesium(chart, t_n)[1]}" if status == "stale" else _NOT_MEASURED[status]


def _flags(finding: Finding) -> list[str]:
    """Return what was assumed of the results shown (RULES.md 1, 2)."""
    found = []
    for draw in finding.evidence[:EVIDENCE_AT_MOST]:
        if not draw.result.flags:  # nearly all of them
            continue
        found += [f"{shown_as(draw)}: {words}" for flag, words in _RESULT_FLAGS.items() if flag in draw.result.flags]
    return found


def _of_publication(chart: Chart, alert: Alert, reason: str | None, *, stale: bool) -> list[str]:
    """Return why this transition notifies or does not, where that is not plain (RULES.md 5, 6, 7, 8)."""
    found = []
    if alert.mode == "shadow":
        found.append("shadow mode: published for evaluation, nobody is notified")
    if stale:
        found.append(f"old: the result was drawn {ago(alert.trigger_at, chart.now)}, nobody is notified")
    reasons = dict.fromkeys((reason, None if chart.supported else "unsupported_population"))
    found += [REASONS[one].format(years=chart.rulebook.adult_years) for one in reasons if one in REASONS]
    if alert.continues and reason != "continued":
        found.append("goes on from an alert under a number that was merged into this one")
    return found
