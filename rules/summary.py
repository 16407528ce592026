"""
The sentence that a tired clinician reads at three in the morning (RULES.md, intended use).

At most 160 characters. It leads with the potassium, magnesium or calcium itself: value, change, age of the draw; then
what was seen, then what is missing. It says what was measured and never orders.
"""

from collections.abc import Callable
from decimal import Decimal

from rules.alert import Change, Rule
from rules.chart import Chart, hours
from rules.events import HOUR, Drug, Instant
from rules.exposure import Exposure
from rules.finding import Finding
from rules.hyperkalemia import Episode, treatment_failure
from rules.patient import Alert
from rules.specimen import Draw
from rules.units import CANONICAL, FACTORS, Unit

LONGEST = 160

DRUG_WORDS = {
    Drug.MAGNESIUM: "magnesium",
    Drug.INSULIN: "insulin",
    Drug.BETA2_AGONIST: "beta-2 agonist",
    Drug.BICARBONATE: "bicarbonate",
    Drug.BINDER: "potassium binder",
    Drug.LOOP_DIURETIC: "loop diuretic",
    Drug.CALCIUM: "calcium",
    Drug.DIGOXIN: "digoxin",
    Drug.POTASSIUM: "potassium",
}


def shown(draw: Draw) -> str:
    """Return a result as its laboratory wrote it, its unit in the usual spelling: ``6.3 mmol/L``, ``>10 mmol/L``."""
    result = draw.result
    unit = unit_of(draw)
    written = result.original_value or str(draw.value)
    return f"{result.comparator}{written.lstrip('<>=')} {unit.value}"


_SPELLINGS = {unit.value.lower(): unit for unit in Unit}


def unit_of(draw: Draw) -> Unit:
    """Return the unit in which a result was sent; the canonical one where its spelling is not one of ours."""
    return _SPELLINGS.get(draw.result.original_units.lower(), CANONICAL[draw.result.analyte])


def name(draw: Draw) -> str:
    """Return the analyte with a capital: ``Potassium``, ``Ionized calcium``."""
    analyte = draw.result.analyte.value
    return {"calcium_ionized": "Ionized calcium", "egfr": "eGFR"}.get(analyte, analyte.capitalize())


def fit(lead: str, *more: str) -> str:
    """
    Return *lead* and as many of *more*, in order, as fit into 160 characters.

    >>> fit("Potassium 6.3 mmol/L", "no magnesium")
    'Potassium 6.3 mmol/L, no magnesium.'
    """
    text = lead[: LONGEST - 1]
    for part in more:
        longer = f"{text}{part}" if part.startswith((". ", "; ")) else f"{text}, {part}"
        if part and len(longer) < LONGEST:
            text = longer
    return text + "."


def change(draw: Draw, before: Draw | None) -> str:
    """Return the trend in words, in the unit in which *draw* was sent: ``up 0.4 in 2 h``."""
    if before is None or before.at >= draw.at:
        return ""
    numerator, denominator = FACTORS[draw.result.analyte].get(unit_of(draw), (Decimal(1), Decimal(1)))
    difference = (draw.value - before.value) * denominator / numerator
    since = hours(draw.at - before.at)
    places = Decimal("0.01") if abs(difference) < Decimal("0.1") else Decimal("0.1")
    if difference.quantize(places) == 0:
        return f"unchanged in {since}"
    return f"{'up' if difference > 0 else 'down'} {abs(difference).quantize(places)} in {since}"


def age(draw: Draw, now: Instant) -> str:
    """Return the age of a draw: ``drawn 40 min ago``."""
    return f"drawn {hours(max(0, now - draw.at))} ago"


def ago(moment: Instant, now: Instant) -> str:
    """Return ``4 h ago``."""
    return f"{hours(max(0, now - moment))} ago"


def seen_treatment(chart: Chart, since: Instant) -> str:
    """Return what potassium-lowering treatment the feed shows since *since*; none seen is not none given."""
    recent = [(at, kind) for at, kind in chart.treatments if since <= at <= chart.now]
    if not recent:
        return "no treatment seen in the feed"
    at, kind = recent[-1]
    word = "dialysis" if kind == "dialysis" else DRUG_WORDS[Drug(kind)]
    return f"{word} {ago(at, chart.now)}"


def missing_magnesium(chart: Chart, t_n: Instant) -> str:
    """Return why there is no recent magnesium, for the end of a sentence."""
    status = chart.magnesium_status(t_n)
    if status == "old":
        newest = chart.magnesium[-1]
        return f"last magnesium {shown(newest)}, {hours(max(0, chart.now - newest.at))} old"
    return {
        "pending": "magnesium pending, no result yet",
        "invalid": "magnesium drawn, but the specimen is doubtful",
        "stale": "magnesium was drawn before dialysis or a dose",
        "unmapped": "a magnesium came under a code that is not mapped",
        "never": "no magnesium result on record",
    }[status]


def exposure_words(exposure: Exposure, now: Instant) -> str:
    """Return whether the infusion runs or ended, how that is known, and the grams recorded."""
    grams = f"{exposure.grams.normalize():f} g recorded" if exposure.grams is not None else "amount not recorded"
    if exposure.running(now):
        return f"infusion running, {grams}"
    known = "" if exposure.end_known == "recorded" else f" ({exposure.end_known})"
    return f"infusion ended {ago(exposure.end, now)}{known}, {grams}"


def unexplained(chart: Chart, finding: Finding) -> bool:
    """Say whether magnesium rose by more than 0.5 mmol/L per gram recorded (RULES.md 4.2)."""
    exposure = finding.exposure
    if exposure is None or not exposure.grams or not finding.evidence:
        return False
    before = next((draw for draw in reversed(chart.magnesium) if draw.valid and draw.at < exposure.start), None)
    if before is None:
        return False
    limit = chart.rulebook.unexplained_rise_per_gram * exposure.grams
    return finding.evidence[0].value - before.value > limit


# One sentence a rule


def _hyperkalemia(chart: Chart, finding: Finding) -> str:
    trigger = finding.evidence[0]
    episode = finding.notes["episode"]
    before = _before(episode.draws, trigger) if isinstance(episode, Episode) else None
    since = episode.first.at if isinstance(episode, Episode) else trigger.at
    failed = treatment_failure(chart, episode, trigger) if isinstance(episode, Episode) else None
    seen = seen_treatment(chart, since - 6 * HOUR)
    if finding.criterion == "rebound":
        seen = f"risen again after clearing, {seen}"
    elif failed is None and finding.criterion == "persistence":
        seen = f"persistent, {seen}"
    return fit(
        f"{_headline(trigger)}",
        change(trigger, before),
        age(trigger, chart.now),
        *_worse_beside(chart, trigger),
        f"; {missing_magnesium(chart, trigger.at)}",
        f"; {seen}",
    )


def _low_magnesium(chart: Chart, finding: Finding) -> str:
    trigger, magnesium = finding.evidence[0], finding.evidence[1]
    episode = finding.notes["episode"]
    before = _before(episode.draws, trigger) if isinstance(episode, Episode) else None
    since = episode.first.at if isinstance(episode, Episode) else trigger.at
    return fit(
        _headline(trigger),
        change(trigger, before),
        age(trigger, chart.now),
        f"; magnesium low, {shown(magnesium)}",
        *_worse_beside(chart, trigger),
        f"; {seen_treatment(chart, since - 6 * HOUR)}",
    )


def _hypokalemia(chart: Chart, finding: Finding) -> str:
    trigger = finding.evidence[0]
    run = finding.notes["run"]
    magnesium = finding.notes["magnesium_draw"]
    before = _before(run, trigger) if isinstance(run, list) else None
    low = (
        f"; magnesium low, {shown(magnesium)}"
        if isinstance(magnesium, Draw)
        else f"; {missing_magnesium(chart, trigger.at)}"
    )
    return fit(
        _headline(trigger), change(trigger, before), age(trigger, chart.now), low, *_worse_beside(chart, trigger)
    )


def _hypermagnesemia(chart: Chart, finding: Finding) -> str:
    trigger = finding.evidence[0]
    before = next((draw for draw in reversed(chart.magnesium) if draw.at < trigger.at), None)
    exposure = finding.exposure
    lead = _headline(trigger)
    if unexplained(chart, finding):
        lead = f"More than the recorded dose explains: {lead[0].lower()}{lead[1:]}"
    return fit(
        lead,
        change(trigger, before),
        age(trigger, chart.now),
        *_worse_beside(chart, trigger),
        f"; {exposure_words(exposure, chart.now)}" if exposure is not None else "; no magnesium dose on record",
        "renal function unknown" if chart.renal.status == "unknown" else "",
        "renal function impaired" if chart.renal.impaired else "",
    )


def _after_magnesium(chart: Chart, finding: Finding) -> str:
    trigger = finding.evidence[0]
    before = finding.notes["baseline"]
    magnesium = finding.notes["magnesium_draw"]
    exposure = finding.exposure
    return fit(
        _headline(trigger),
        change(trigger, before) if isinstance(before, Draw) else "no earlier value on record",
        age(trigger, chart.now),
        f"; magnesium {exposure_words(exposure, chart.now)}" if exposure is not None else "",
        f"; magnesium now {shown(magnesium)}" if isinstance(magnesium, Draw) else "; magnesium not measured since",
    )


def _gap(chart: Chart, finding: Finding) -> str:
    exposure = finding.exposure
    lacking = [word for word in ("magnesium", "potassium") if finding.notes[f"{word}_draw"] is None]
    what = f"Magnesium {exposure_words(exposure, chart.now)}" if exposure is not None else "Magnesium dose recorded"
    return fit(what, f"; no {' and no '.join(lacking)} measured since", f"; renal function {chart.renal.status}")


def _spurious(chart: Chart, finding: Finding) -> str:
    trigger = finding.evidence[0]
    why = {
        "clot": "specimen clotted or contaminated",
        "hemolysis": "specimen hemolyzed",
        "edta": "pattern of K-EDTA contamination",
        "jump": "differs abruptly from the value before",
    }.get(trigger.why, "specimen doubtful")
    return fit(
        f"{name(trigger)} {shown(trigger)}", why, age(trigger, chart.now), "; possibly spurious, no valid repeat yet"
    )


_SENTENCES: dict[Rule, Callable[[Chart, Finding], str]] = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: _hypermagnesemia,
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: _hypermagnesemia,
    Rule.REFRACTORY_HYPERKALEMIA: _hyperkalemia,
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: _low_magnesium,
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: _after_magnesium,
    Rule.REFRACTORY_HYPOKALEMIA: _hypokalemia,
    Rule.MAGNESIUM_MONITORING_GAP: _gap,
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: _after_magnesium,
    Rule.SPURIOUS_POTASSIUM: _spurious,
}


def _headline(draw: Draw) -> str:
    doubt = "" if draw.valid else " (possibly spurious)"
    return f"{name(draw)} {shown(draw)}{doubt}"


def _before(draws: list[Draw], trigger: Draw) -> Draw | None:
    return next((draw for draw in reversed(draws) if draw.at < trigger.at), None)


def _worse_beside(chart: Chart, trigger: Draw) -> list[str]:
    """Name a calcium or creatinine that is worse than the headline."""
    book = chart.rulebook
    found = []
    calcium = next(
        (d for d in reversed(chart.calcium) if d.valid and abs(d.at - trigger.at) <= book.calcium_near), None
    )
    if calcium is not None and calcium.value < book.calcium_low:
        found.append(f"calcium {shown(calcium)}")
    creatinine = chart.renal.creatinine
    if creatinine is not None and any(why.startswith(("eGFR", "acute")) for why in chart.renal.why):
        found.append(f"creatinine {shown(creatinine)}")
    return found


_ENDS = {
    "magnesium_resulted": "magnesium has resulted",
    "superseded": "another alert now tells more",
    "potassium_cleared": "potassium has cleared",
    "magnesium_cleared": "magnesium has cleared",
    "magnesium_recovered": "magnesium has recovered",
    "potassium_recovered": "potassium has recovered",
    "measured": "both magnesium and potassium are measured",
    "calcium_recovered": "calcium has recovered",
    "repeat_resulted": "a valid repeat has resulted",
    "expired": "no further result came in time: closed without being resolved",
    "discharged": "the patient was discharged",
    "deceased": "the patient has died",
    "merged": "the patient's record was merged: it goes on under the surviving number",
    "withdrawn": "what it stood on was withdrawn by its sender",
    "corrected": "what it stood on was corrected by its sender",
    "invalidated": "the specimen that it stood on is no longer believed",
}

_TITLES = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: "High magnesium after infusion",
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: "High magnesium without a known dose",
    Rule.REFRACTORY_HYPERKALEMIA: "High potassium without a recent magnesium",
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: "High potassium with low magnesium",
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: "Potassium risen after magnesium",
    Rule.REFRACTORY_HYPOKALEMIA: "Low potassium with low or unmeasured magnesium",
    Rule.MAGNESIUM_MONITORING_GAP: "Magnesium without monitoring",
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: "Low calcium after magnesium",
    Rule.SPURIOUS_POTASSIUM: "Doubtful potassium",
}


def summary(
    chart: Chart, alert: Alert, change_: Change, finding: Finding | None, reason: str | None, ending: Draw | None
) -> str:
    """Return the sentence of one transition."""
    title = _TITLES[alert.rule]
    if change_ is Change.RETRACTED:
        return fit(
            f"Retracted: {title.lower()}", f"; {_ENDS.get(reason or '', 'its finding is gone')}", "disregard the alert"
        )
    if change_ in (Change.RESOLVED, Change.CLOSED):
        word = "Resolved" if change_ is Change.RESOLVED else "Closed"
        by = f" ({name(ending).lower()} {shown(ending)}, {age(ending, chart.now)})" if ending is not None else ""
        return fit(f"{word}: {title.lower()}", f"; {_ENDS.get(reason or '', 'ended')}{by}")
    if finding is None:
        return fit(f"{title}: still open", f"; last finding {ago(alert.trigger_at, chart.now)}")
    return _SENTENCES[alert.rule](chart, finding)
