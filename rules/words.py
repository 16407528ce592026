"""
What an alert says beside its sentence: what to consider, what is missing, what it stands on (RULES.md, intended use).

Worded as a secondary notification: it says what was measured and what the service cannot see; it never orders.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from rules.alert import Change, Evidence, Rule, Severity, Transition
from rules.chart import Chart, hours
from rules.events import HOUR, MINUTE, Analyte, Drug, Instant
from rules.exposure import Exposure
from rules.finding import Finding
from rules.hyperkalemia import Episode
from rules.hypermagnesemia import Ladder
from rules.patient import Alert
from rules.renal import civil_date
from rules.rulebook import RULE_VERSION, Rulebook
from rules.specimen import Draw
from rules.summary import (
    DRUG_WORDS,
    WHY_DOUBTFUL,
    age,
    ago,
    exposure_words,
    missing_magnesium,
    name,
    shown,
    summary,
    treatment_words,
    unexplained,
)
from rules.units import MAGNESIUM_G_MOL

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

_CLEARANCE_RULES = _MAGNESIUM_RULES | {Rule.MAGNESIUM_MONITORING_GAP}

UNSEEN = "not visible to this service: ECG, urine output, cells, albumin, pH"
SPURIOUS = "possibly spurious: repeat the specimen, look at the ECG"
REFLEXES = "check reflexes, breathing, urine output"
UNMEASURED = "magnesium has not been measured"

_NOT_MEASURED = {
    "pending": f"{UNMEASURED} yet: a result is pending",
    "invalid": f"{UNMEASURED} in a specimen that can be believed",
    "stale": f"{UNMEASURED} since a dialysis or a dose",
    "unmapped": f"{UNMEASURED} under a code that this service knows",
    "old": f"{UNMEASURED} lately",
    "never": UNMEASURED,
}
"""Words of the magnesium status (RULES.md 4.1), all of them beginning as its intended use says."""

REASONS = {
    "unsupported_population": "under 18 and not obstetric: the thresholds are those of adults, nobody is notified",
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
    """Return the transition that *alert* has just made, with all its words; *behind* as in RULES.md 8."""
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
        summary=summary(chart, alert, change, finding, reason, ending=ending, trigger=trigger, behind=behind),
        considerations=(
            _considerations(chart, alert, finding, reason, behind, stale=stale) if alert.ended is None else ()
        ),
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
    if trigger is not None:
        draws += trigger.others  # evidence only: they do not speak for their specimen (RULES.md 2)
    return list({id(draw): draw for draw in draws}.values())[:EVIDENCE_AT_MOST]


def _considerations(
    chart: Chart, alert: Alert, finding: Finding | None, reason: str | None, behind: Instant | None, *, stale: bool
) -> tuple[str, ...]:
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
        if rule is Rule.MAGNESIUM_MONITORING_GAP:
            found.append(REFLEXES)
        found += _of_exposure(chart, rule, finding)
        found += _of_steps(alert, finding)
    if rule in _HYPERKALEMIA_RULES:
        found += _of_hyperkalemia(chart, alert, finding)
    if rule is Rule.REFRACTORY_HYPOKALEMIA:
        found.append("low magnesium makes the kidney waste potassium")
    if finding is not None:
        found += _flags(finding)
    found += _of_publication(chart, alert, reason, stale=stale)
    if chart.state.history_incomplete:
        found.append("history incomplete: older or unreadable data of this patient are not considered")
    found.append(UNSEEN)
    return tuple(dict.fromkeys(found))


def _doubts(chart: Chart, rule: Rule, finding: Finding) -> list[str]:
    """Return what speaks against believing the tube (RULES.md 3)."""
    found = []
    trigger = finding.evidence[0] if finding.evidence else None
    for draw in finding.evidence:
        if draw.verdict == "valid" or (draw.valid and draw is not trigger):
            continue
        why = WHY_DOUBTFUL.get(draw.why, "specimen doubtful")
        agrees = "; an earlier specimen agrees with it" if draw.valid else ""
        if rule is Rule.REFRACTORY_HYPOKALEMIA and draw.why == "hemolysis":
            agrees += "; hemolysis only raises potassium, it may be lower"
        found.append(f"{SPURIOUS} ({name(draw).lower()} {shown(draw)}, {age(draw, chart.now)}: {why}{agrees})")
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
        found.append("more than the recorded dose explains: a contaminated draw or a dosing error")
    if exposure is not None and exposure.phase(trigger.at, chart.rulebook) != "post":
        found.append("drawn during or soon after the infusion: verify the draw site")
        if alert.severity >= Severity.HIGH:
            found.append("repeat now from another site")
    found.append(REFLEXES)
    if exposure is None:
        found.append("no magnesium dose on record: exposure unknown")
    return found


def _of_exposure(chart: Chart, rule: Rule, finding: Finding) -> list[str]:
    """Return whether the infusion runs or ended, how that is known, grams, last record (RULES.md 4.2)."""
    exposure = finding.exposure
    if exposure is None:
        return []
    records = [course.last for course in exposure.courses]
    last = _last_record(exposure)
    when = f"last record {ago(last, chart.now)}" if last <= chart.now else "its record ends later than now"
    found = [f"{exposure_words(exposure, chart.now, chart.rulebook)}, {when}"]
    found += [words for flag, words in _DOSE_FLAGS.items() if any(flag in record.flags for record in records)]
    if rule in _CLEARANCE_RULES and chart.cleared_slowly:
        found.append(_renal_words(chart))
    return found


def _last_record(exposure: Exposure) -> Instant:
    """Return the last moment that a record of the exposure tells of."""
    records = [course.last for course in exposure.courses]
    return max(record.started_at if record.ended_at is None else record.ended_at for record in records)


def _of_calcium(chart: Chart, finding: Finding) -> list[str]:
    """Return what stands beside a low calcium (RULES.md 5)."""
    magnesium = finding.notes["magnesium_draw"]
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
    if isinstance(magnesium, Draw):
        found.append(f"magnesium {shown(magnesium)}, {age(magnesium, chart.now)}")
    else:
        found.append("magnesium not measured since")
    found.append("low magnesium lowers calcium too")
    return found


def _of_steps(alert: Alert, finding: Finding) -> list[str]:
    """Return what raised the severity by one step; a warning was raised by nothing."""
    steps = finding.notes.get("steps")
    if alert.severity < Severity.HIGH or not isinstance(steps, list) or not steps:
        return []
    return [f"counted towards the severity: {', '.join(steps)}"]


def _of_hyperkalemia(chart: Chart, alert: Alert, finding: Finding | None) -> list[str]:
    """Return what stands beside a high potassium: magnesium, kidneys, treatment, digoxin (RULES.md 4.1, 5)."""
    found = []
    if chart.digoxin_step(alert.trigger_at):
        found.append("digoxin on record: intravenous calcium in digoxin toxicity is disputed, local guidance applies")
    if alert.rule is Rule.REFRACTORY_HYPERKALEMIA:
        found.append(_NOT_MEASURED[chart.magnesium_status(alert.trigger_at)] if finding is not None else UNMEASURED)
    if alert.rule is not Rule.HYPERKALEMIA_AFTER_MAGNESIUM:
        found.append("that low magnesium keeps potassium high is weakly supported (evidence grade low)")
        found.append(_renal_words(chart))
    episode = finding.notes.get("episode") if finding is not None else None
    if isinstance(episode, Episode):
        since = episode.first.at - 6 * HOUR
        seen = [treatment_words(at, kind, chart.now) for at, kind in chart.treatments if since <= at <= chart.now]
        newest = ", ".join(reversed(seen[-3:]))
        lasting = (
            "persistent: " if finding is not None and (finding.criterion or finding.notes.get("refractory")) else ""
        )
        found.append(f"seen in the feed: {newest}" if seen else f"{lasting}no treatment seen in the feed")
    return found


def _renal_words(chart: Chart) -> str:
    """Return the renal function, and what it means for magnesium; never "normal" (RULES.md 6)."""
    renal = chart.renal
    because = f" ({', '.join(renal.why)})" if renal.why else ""
    figure = f", eGFR {renal.egfr}" if renal.egfr is not None and not renal.why else ""
    if not chart.cleared_slowly:
        return f"renal function {renal.status}{figure}"
    return f"renal function {renal.status}{because}: magnesium accumulates when the kidneys fail"


def _flags(finding: Finding) -> list[str]:
    """Return what was assumed of the results shown (RULES.md 1, 2)."""
    found = []
    for draw in finding.evidence[:EVIDENCE_AT_MOST]:
        found += [
            f"{name(draw).lower()} {shown(draw)}: {words}"
            for flag, words in _RESULT_FLAGS.items()
            if flag in draw.result.flags
        ]
    return found


def _of_publication(chart: Chart, alert: Alert, reason: str | None, *, stale: bool) -> list[str]:
    """Return why this transition notifies or does not, where that is not plain (RULES.md 5, 6, 7, 8)."""
    found = []
    if alert.mode == "shadow":
        found.append("shadow mode: published for evaluation, nobody is notified")
    if stale:
        found.append(f"old: the result was drawn {ago(alert.trigger_at, chart.now)}, nobody is notified")
    if reason in REASONS:
        found.append(REASONS[reason])
    if not chart.supported and reason != "unsupported_population":
        found.append(REASONS["unsupported_population"])
    if alert.continues and reason != "continued":
        found.append("goes on from an alert under a number that was merged into this one")
    return found


def _missing(chart: Chart, alert: Alert, finding: Finding | None) -> tuple[str, ...]:
    """Return what the alert would have liked to know."""
    found = []
    rule = alert.rule
    if rule is Rule.REFRACTORY_HYPERKALEMIA or (
        rule is Rule.REFRACTORY_HYPOKALEMIA and alert.criterion == "magnesium_missing"
    ):
        found.append(_missing_magnesium(chart, alert.trigger_at))
    if rule in _HYPERKALEMIA_RULES and not chart.treatments:
        found.append("treatment data: not available; none seen in the feed does not mean that there was none")
    if finding is not None:
        found += _missing_of_finding(chart, rule, finding)
    if chart.renal.status == "unknown" and rule is not Rule.SPURIOUS_POTASSIUM:
        found.append("renal function: unknown")
    if chart.age is None:
        found.append("age: unknown, taken as adult")
    return tuple(found)


def _missing_magnesium(chart: Chart, t_n: Instant) -> str:
    """Return the magnesium status of RULES.md 4.1; of an old one its value and age."""
    status = chart.magnesium_status(t_n)
    if status in ("old", "stale"):
        return f"magnesium: {missing_magnesium(chart, t_n)[0].replace('magnesium ', '', 1)}"
    return {
        "pending": "magnesium: pending",
        "invalid": "magnesium: drawn, specimen doubtful",
        "unmapped": "magnesium: came under a code that is not mapped",
        "never": "magnesium: never resulted",
    }[status]


def _missing_of_finding(chart: Chart, rule: Rule, finding: Finding) -> list[str]:
    if rule is Rule.MAGNESIUM_MONITORING_GAP:
        lacking = [word for word in ("magnesium", "potassium") if finding.notes[f"{word}_draw"] is None]
        return [f"{word}: not measured" for word in lacking]
    found = []
    if rule is Rule.HYPERKALEMIA_LOW_MAGNESIUM and not any(d.at == finding.trigger_at for d in chart.calcium):
        found.append("calcium: not in the tube")
    if rule in (Rule.HYPERKALEMIA_AFTER_MAGNESIUM, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM):
        if finding.notes["magnesium_draw"] is None:
            found.append("magnesium: not measured since the infusion")
        if finding.notes["baseline"] is None:
            found.append(f"calcium: none of the {chart.rulebook.shown('after_baseline')} before the infusion")
    if finding.exposure is not None and finding.exposure.grams is None:
        found.append("amount of magnesium: not recorded")
    if rule is Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN:
        found.append("magnesium dose: none on record")
    return found


def _context(chart: Chart, finding: Finding | None) -> dict[str, object]:
    """Return what is known of the patient (RULES.md 6) and of the exposure, as plain JSON."""
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
            "last_record": iso(_last_record(exposure), offset),
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
    found = {name: _shown(book, name) for name in _THRESHOLDS[rule]}
    ladder = finding.notes.get("ladder") if finding is not None else None
    if isinstance(ladder, Ladder):
        figures = {
            Severity.WARNING: ladder.warning,
            Severity.HIGH: ladder.high,
            Severity.CRITICAL: ladder.critical,
        }
        for rung, figure in figures.items():
            found[rung.label] = f"{'>' if rung in ladder.above else '>='} {_magnesium(figure)}"
    return found


def _magnesium(mmol_l: Decimal) -> str:
    """
    Return a magnesium with mg/dL beside it, for reading (RULES.md 4.2).

    >>> _magnesium(Decimal("1.5"))
    '1.5 mmol/L (3.6 mg/dL)'
    """
    return f"{mmol_l} mmol/L ({(mmol_l * MAGNESIUM_G_MOL / 10).quantize(Decimal('0.1'), ROUND_HALF_UP)} mg/dL)"


_IN_BOTH_UNITS = frozenset(("magnesium_low", "magnesium_very_low", "unknown_level", "unknown_level_rising"))


def _shown(book: Rulebook, name: str) -> str:
    return _magnesium(getattr(book, name)) if name in _IN_BOTH_UNITS else book.shown(name)


def _resolves_when(book: Rulebook, alert: Alert, finding: Finding | None) -> str:
    """Return what would end the alert, in words."""
    clear = f"a valid potassium < {book.shown('potassium_clear')} is drawn"
    episode = f"{clear}, or two in a row < {book.shown('potassium_onset')}"
    low = _shown(book, "magnesium_low")
    if alert.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA:
        ladder = finding.notes.get("ladder") if finding is not None else None
        warning = ladder.warning if isinstance(ladder, Ladder) else book.general_warning
        below = _magnesium(warning - book.clearing_margin)
        return f"a valid magnesium < {below} is drawn more than {book.shown('early_phase')} after the infusion"
    if alert.rule is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM:
        total = alert.subject == Analyte.CALCIUM.value
        limit = book.shown("hypocalcemia" if total else "hypocalcemia_ionized")
        return f"a valid {'total' if total else 'ionized'} calcium of {limit} or above is drawn"
    return {
        Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: (
            f"a later valid magnesium < {_magnesium(book.unknown_clear)} is drawn, or a dose comes to light"
        ),
        Rule.REFRACTORY_HYPERKALEMIA: (
            f"a valid magnesium arrives that was drawn at most {book.shown('magnesium_recent')} before this potassium, "
            f"or {episode}"
        ),
        Rule.HYPERKALEMIA_LOW_MAGNESIUM: f"a valid magnesium of {low} or above is drawn, or {episode}",
        Rule.HYPERKALEMIA_AFTER_MAGNESIUM: clear,
        Rule.REFRACTORY_HYPOKALEMIA: (
            f"a valid potassium of {book.shown('hypokalemia')} or above is drawn, or a magnesium of {low} or above"
        ),
        Rule.MAGNESIUM_MONITORING_GAP: (
            f"magnesium and potassium are both measured, drawn {book.shown('gap_from')} or more into the infusion"
        ),
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
