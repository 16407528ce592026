"""
What an alert says beside its sentence: what to consider, what is missing, what it stands on (RULES.md, intended use).

Worded as a secondary notification: it says what was measured and what the service cannot see; it never orders.
"""

from collections.abc import Sequence

from rules.alert import Change, Evidence, Rule, Severity, Transition
from rules.chart import Chart, hours
from rules.events import MINUTE, Analyte, Drug, Instant
from rules.finding import Finding
from rules.hypermagnesemia import Ladder
from rules.patient import Alert
from rules.renal import civil_date
from rules.rulebook import RULE_VERSION, Rulebook
from rules.specimen import Draw
from rules.summary import DRUG_WORDS, ago, exposure_words, shown, summary, unexplained

EVIDENCE_AT_MOST = 12
"""Results an alert lists; the trigger first, then the newest."""

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

_MAGNESIUM_RULES = frozenset((Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN))
_HYPERKALEMIA_RULES = frozenset(
    (Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM)
)

UNSEEN = "not visible to this service: ECG, urine output, cells, albumin, pH"

_THRESHOLDS: dict[Rule, tuple[str, ...]] = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: ("exposure_window", "exposure_window_impaired", "clearing_margin"),
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: ("unknown_level", "unknown_level_rising", "unknown_rise", "unknown_clear"),
    Rule.REFRACTORY_HYPERKALEMIA: (
        "potassium_onset",
        "potassium_clear",
        "potassium_high",
        "potassium_critical",
        "magnesium_recent",
    ),
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: (
        "potassium_onset",
        "potassium_high",
        "potassium_critical",
        "magnesium_low",
        "magnesium_very_low",
    ),
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: (
        "potassium_onset",
        "after_rise",
        "after_baseline",
        "after_window",
        "potassium_clear",
    ),
    Rule.REFRACTORY_HYPOKALEMIA: (
        "hypokalemia",
        "hypokalemia_high",
        "hypokalemia_critical",
        "magnesium_low",
        "magnesium_recent",
    ),
    Rule.MAGNESIUM_MONITORING_GAP: (
        "gap_grams",
        "gap_grams_impaired",
        "gap_run",
        "gap_from",
        "gap_after",
        "gap_expiry",
    ),
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: (
        "hypocalcemia",
        "hypocalcemia_critical",
        "hypocalcemia_ionized",
        "hypocalcemia_ionized_critical",
        "after_window",
    ),
    Rule.SPURIOUS_POTASSIUM: ("potassium_onset", "edta_potassium", "edta_calcium", "edta_magnesium", "jump_potassium"),
}


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
    """Return the transition that *alert* has just made, with all its words."""
    state = chart.state
    ending = _ending(chart, alert)
    trigger = _trigger(chart, alert)
    evidence = _evidence(finding, trigger, ending)
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
        summary=summary(chart, alert, change, finding, reason, ending),
        considerations=_considerations(chart, alert, finding, behind) if alert.ended is None else (),
        evidence_grade=GRADES[alert.rule],
        evidence=tuple(Evidence(draw.result, draw.verdict) for draw in evidence),
        context=_context(chart, finding),
        missing=_missing(chart, alert, finding) if alert.ended is None else (),
        thresholds=_thresholds(chart.rulebook, alert.rule, finding),
        resolves_when=_resolves_when(chart.rulebook, alert, finding) if alert.ended is None else "",
        related=related,
        continues=alert.continues,
        opened_at=alert.opened_at,
        observed_at=alert.trigger_at,
        observed_offset=trigger.result.observed_offset if trigger is not None else 0,
        received_at=received_at,
        time=chart.now,
        timer=timer,
    )


def _draws(chart: Chart) -> list[Draw]:
    return [*chart.all_potassium, *chart.all_magnesium, *chart.calcium, *chart.ionized]


def _trigger(chart: Chart, alert: Alert) -> Draw | None:
    return next((draw for draw in _draws(chart) if draw.key == alert.trigger), None)


def _ending(chart: Chart, alert: Alert) -> Draw | None:
    """Return the result that ended the alert, where one did."""
    if alert.ended_by is None:
        return None
    return next((draw for draw in _draws(chart) if f"{draw.key}={draw.value}" == alert.ended_by), None)


def _evidence(finding: Finding | None, trigger: Draw | None, ending: Draw | None) -> Sequence[Draw]:
    draws = [draw for draw in (ending,) if draw is not None]
    draws += finding.evidence if finding is not None else [draw for draw in (trigger,) if draw is not None]
    found: list[Draw] = []
    for draw in draws:
        if draw not in found:
            found.append(draw)
    return found[:EVIDENCE_AT_MOST]


def _considerations(chart: Chart, alert: Alert, finding: Finding | None, behind: Instant | None) -> tuple[str, ...]:
    """Return what a clinician should know beside the sentence, the most pressing first."""
    rule = alert.rule
    found: list[str] = []
    if behind is not None:
        found.append(f"the feed is {hours(behind)} behind: a magnesium result may be on its way")
    if finding is not None:
        found += _doubts(chart, rule, finding)
        if rule in _MAGNESIUM_RULES:
            found += _of_magnesium(chart, alert, finding)
        if rule is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM:
            found += _of_calcium(chart, finding)
    if rule in _HYPERKALEMIA_RULES and chart.digoxin_step(alert.trigger_at):
        found.append("digoxin on record: intravenous calcium in digoxin toxicity is disputed, see the local guideline")
    if rule is Rule.REFRACTORY_HYPERKALEMIA:
        found.append("magnesium has not been measured; that low magnesium keeps potassium high is weakly supported")
        if chart.cleared_slowly:
            found.append(f"renal function {chart.renal.status}: magnesium accumulates when the kidneys fail")
    if rule is Rule.HYPERKALEMIA_LOW_MAGNESIUM and chart.cleared_slowly:
        found.append(f"renal function {chart.renal.status}: magnesium accumulates when the kidneys fail")
    if rule is Rule.REFRACTORY_HYPOKALEMIA:
        found.append("low magnesium makes the kidney waste potassium")
    if chart.state.history_incomplete:
        found.append("history incomplete: older or unreadable data of this patient are not considered")
    found.append(UNSEEN)
    return tuple(dict.fromkeys(found))


def _doubts(chart: Chart, rule: Rule, finding: Finding) -> list[str]:
    """Return what speaks against believing the tube (RULES.md 3)."""
    found = []
    trigger = finding.evidence[0] if finding.evidence else None
    if trigger is not None and trigger.verdict != "valid":
        found.append("possibly spurious: repeat the specimen, look at the ECG")
        if trigger.valid:
            found[-1] += " (an earlier specimen agrees with it)"
    elif any(draw.verdict != "valid" and not draw.valid for draw in finding.evidence):
        found.append("some of the results shown come from doubtful specimens")
    if (
        rule is Rule.HYPERKALEMIA_LOW_MAGNESIUM
        and trigger is not None
        and not any(d.at == trigger.at for d in chart.calcium)
    ):
        found.append("EDTA contamination not excluded: no calcium in the tube")
    return found


def _of_magnesium(chart: Chart, alert: Alert, finding: Finding) -> list[str]:
    """Return what every magnesium alert says (RULES.md 4.2)."""
    found = []
    exposure = finding.exposure
    trigger = finding.evidence[0]
    if unexplained(chart, finding):
        found.append("more than the recorded dose explains: a contaminated draw or a dosing error")
    if exposure is not None and exposure.phase(trigger.at, chart.rulebook) != "post":
        found.append("drawn during or soon after the infusion: verify the draw site")
        if alert.severity >= Severity.HIGH:
            found.append("repeat now from another site")
    found.append("check reflexes, breathing, urine output")
    if exposure is not None:
        last = max(course.last.started_at for course in exposure.courses)
        found.append(f"{exposure_words(exposure, chart.now)}, last record {ago(last, chart.now)}")
    else:
        found.append("no magnesium dose on record: exposure unknown")
    return found


def _of_calcium(chart: Chart, finding: Finding) -> list[str]:
    magnesium = finding.notes.get("magnesium_draw")
    trigger = finding.evidence[0]
    found = []
    if finding.subject == Analyte.CALCIUM.value:
        found.append("total calcium, not corrected for albumin")
    elif trigger.value < chart.rulebook.post_filter_ionized and any(session.continuous for session in chart.dialyses):
        found.append("during continuous dialysis this may be a post-filter sample")
    found.append(f"magnesium {shown(magnesium)}" if isinstance(magnesium, Draw) else "magnesium not measured since")
    found.append("low magnesium lowers calcium too")
    return found


def _missing(chart: Chart, alert: Alert, finding: Finding | None) -> tuple[str, ...]:
    """Return what the alert would have liked to know."""
    found = []
    rule = alert.rule
    lacking = {
        "pending": "magnesium: pending",
        "invalid": "magnesium: drawn, specimen doubtful",
        "stale": "magnesium: older than a dialysis or dose",
        "unmapped": "magnesium: came under a code that is not mapped",
        "never": "magnesium: never resulted",
    }
    if rule is Rule.REFRACTORY_HYPERKALEMIA or (
        rule is Rule.REFRACTORY_HYPOKALEMIA and alert.criterion == "magnesium_missing"
    ):
        status = chart.magnesium_status(alert.trigger_at)
        if status == "old":
            newest = chart.magnesium[-1]
            found.append(f"magnesium: last {shown(newest)}, {hours(max(0, chart.now - newest.at))} old")
        else:
            found.append(lacking[status])
    if rule in _HYPERKALEMIA_RULES and not chart.treatments:
        found.append("treatment data: none in the feed")
    if rule is Rule.MAGNESIUM_MONITORING_GAP and finding is not None:
        found += [
            f"{word}: not measured" for word in ("magnesium", "potassium") if finding.notes[f"{word}_draw"] is None
        ]
    if chart.renal.status == "unknown" and rule is not Rule.SPURIOUS_POTASSIUM:
        found.append("renal function: unknown")
    if chart.age is None:
        found.append("age: unknown, taken as adult")
    return tuple(found)


def _context(chart: Chart, finding: Finding | None) -> dict[str, object]:
    """Return what is known of the patient, as plain JSON."""
    renal: dict[str, object] = {"status": chart.renal.status}
    if chart.renal.egfr is not None:
        renal["egfr"] = str(chart.renal.egfr)
    if chart.renal.why:
        renal["because"] = list(chart.renal.why)
    context: dict[str, object] = {
        "renal_function": renal,
        "risk_factors": _risk_factors(chart),
        "population": _population(chart),
        "age_known": chart.age is not None,
        "history_incomplete": chart.state.history_incomplete,
    }
    exposure = finding.exposure if finding is not None else None
    if exposure is not None:
        offset = exposure.courses[0].last.started_offset
        running = exposure.running(chart.now)
        context["exposure"] = {
            "start": iso(exposure.start, offset),
            "end": None if running else iso(exposure.end, offset),
            "running": running,
            "end_known": None if running else exposure.end_known,
            "grams": f"{exposure.grams.normalize():f}" if exposure.grams is not None else None,
            "last_record": iso(max(course.last.started_at for course in exposure.courses), offset),
        }
    steps = finding.notes.get("steps") if finding is not None else None
    if isinstance(steps, list) and steps:
        context["stepped_up_by"] = list(steps)
    ladder = finding.notes.get("ladder") if finding is not None else None
    if isinstance(ladder, Ladder):
        context["profile"] = ladder.profile
    return context


def _population(chart: Chart) -> str:
    if chart.obstetric:
        return "obstetric"
    return "adult" if chart.age is None or chart.age >= chart.rulebook.adult_years else "child"


_RISK_DIAGNOSES = {
    "I50": "heart failure",
    "N18": "chronic kidney disease",
    "F10": "alcohol",
    "K70": "alcohol",
    "K90": "malabsorption",
}
_RISK_DRUGS = (Drug.LOOP_DIURETIC, Drug.DIGOXIN)


def _risk_factors(chart: Chart) -> list[str]:
    """Return the risk factors for low magnesium of RULES.md 4.1; they change no severity."""
    found = {word for code in chart.diagnoses for prefix, word in _RISK_DIAGNOSES.items() if code.startswith(prefix)}
    found |= {DRUG_WORDS[drug] for _, drug in chart.drugs_seen if drug in _RISK_DRUGS}
    return sorted(found)


def _thresholds(book: Rulebook, rule: Rule, finding: Finding | None) -> dict[str, str]:
    found = {name: book.shown(name) for name in _THRESHOLDS[rule]}
    ladder = finding.notes.get("ladder") if finding is not None else None
    if isinstance(ladder, Ladder):
        for rung in (Severity.WARNING, Severity.HIGH, Severity.CRITICAL):
            figure = {Severity.WARNING: ladder.warning, Severity.HIGH: ladder.high, Severity.CRITICAL: ladder.critical}[
                rung
            ]
            found[rung.label] = f"{'>' if rung in ladder.above else '>='} {figure} mmol/L"
    return found


def _resolves_when(book: Rulebook, alert: Alert, finding: Finding | None) -> str:
    """Return what would end the alert, in words."""
    clear = f"potassium < {book.shown('potassium_clear')}"
    episode = f"{clear}, or two in a row < {book.shown('potassium_onset')}"
    if alert.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA:
        ladder = finding.notes.get("ladder") if finding is not None else None
        figure = (
            ladder.warning - book.clearing_margin
            if isinstance(ladder, Ladder)
            else book.general_warning - book.clearing_margin
        )
        return f"a valid magnesium < {figure} mmol/L is drawn more than {book.shown('early_phase')} after the infusion"
    if alert.rule is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM:
        name = "hypocalcemia" if alert.subject == Analyte.CALCIUM.value else "hypocalcemia_ionized"
        what = "total" if alert.subject == Analyte.CALCIUM.value else "ionized"
        return f"{what} calcium is back at {book.shown(name)} or above"
    return {
        Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: f"a valid magnesium < {book.shown('unknown_clear')} is drawn",
        Rule.REFRACTORY_HYPERKALEMIA: f"a magnesium of the last {book.shown('magnesium_recent')} arrives, or {episode}",
        Rule.HYPERKALEMIA_LOW_MAGNESIUM: f"magnesium is {book.shown('magnesium_low')} or above, or {episode}",
        Rule.HYPERKALEMIA_AFTER_MAGNESIUM: clear,
        Rule.REFRACTORY_HYPOKALEMIA: (
            f"potassium is {book.shown('hypokalemia')} or above, or magnesium is {book.shown('magnesium_low')} or above"
        ),
        Rule.MAGNESIUM_MONITORING_GAP: "both magnesium and potassium are measured",
        Rule.SPURIOUS_POTASSIUM: "a valid potassium of a later specimen arrives",
    }[alert.rule]


def iso(moment: Instant, offset: int) -> str:
    """
    Return an instant as ISO 8601 in its sender's offset (minutes east).

    >>> iso(0, -300)
    '1969-12-31T19:00:00-05:00'
    """
    local = moment + offset * MINUTE
    year, month, day = civil_date(local)
    seconds = local // 1000 % 86_400
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    sign = "-" if offset < 0 else "+"
    return f"{year:04}-{month:02}-{day:02}T{clock}{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
