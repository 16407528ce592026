"""
What the feed shows of a patient, in words.

Treatments, a missing magnesium, the doses and the kidneys (RULES.md 4.1, 4.2 and 6).
"""

from rules.alert import Rule
from rules.chart import Chart, hours
from rules.events import Drug, Instant
from rules.exposure import ASSUMED, DISCHARGED, RECORDED, Exposure
from rules.finding import Finding
from rules.rulebook import Rulebook
from rules.words.values import ago, shown

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

WHY_DOUBTFUL = {
    "clot": "specimen clotted or contaminated",
    "hemolysis": "specimen hemolyzed",
    "edta": "pattern of K-EDTA contamination",
    "jump": "differs abruptly from the value before",
}
"""Why a specimen is suspect or invalid (RULES.md 3), by `Draw.why`."""

HYPERKALEMIA_RULES = frozenset(
    (Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM)
)
"""What says how a high potassium was treated, and what stands beside it."""


def seen_treatment(chart: Chart, since: Instant) -> str:
    """Return what potassium-lowering treatment the feed shows since *since*; none seen is not none given."""
    recent = [(at, kind) for at, kind in chart.treatments if since <= at <= chart.now]
    if not recent:
        return "no treatment seen in the feed"
    return treatment_words(*recent[-1], chart.now)


def treatment_words(at: Instant, kind: str, now: Instant) -> str:
    """Return ``insulin 4 h ago``, ``dialysis recorded 2 h ago``."""
    return f"dialysis recorded {ago(at, now)}" if kind == "dialysis" else f"{DRUG_WORDS[Drug(kind)]} {ago(at, now)}"


def missing_magnesium(chart: Chart, t_n: Instant) -> tuple[str, str]:
    """Return why there is no recent magnesium, for the end of a sentence: in full, and short (RULES.md 4.1)."""
    status = chart.magnesium_status(t_n)
    if status == "old":
        newest = chart.magnesium[-1]
        aged = hours(max(0, chart.now - newest.at))
        if newest.at >= t_n - chart.rulebook.magnesium_recent:
            return f"last magnesium {shown(newest)}, but its draw time is not known", "last magnesium of unknown time"
        return f"last magnesium {shown(newest)}, {aged} old", f"last magnesium {aged} old"
    if status == "stale":
        since = t_n - chart.rulebook.magnesium_recent
        stale = next(d for d in reversed(chart.magnesium) if d.at >= since and chart.stale_magnesium(d, t_n))
        what = "dialysis" if any(stale.at < s.started_at <= t_n for s in chart.dialyses) else "a magnesium dose"
        return f"magnesium {shown(stale)} is from before {what}", f"magnesium older than {what}"
    return {
        "pending": ("magnesium pending, no result yet", "magnesium pending"),
        "invalid": ("magnesium drawn, but the specimen is doubtful", "magnesium specimen doubtful"),
        "unmapped": ("a magnesium came under a code that is not mapped", "magnesium under an unmapped code"),
        "never": ("no magnesium result on record", "no magnesium result"),
    }[status]


_KNOWN = {RECORDED: "recorded", ASSUMED: "end assumed", DISCHARGED: "end assumed at discharge"}


def exposure_words(exposure: Exposure, now: Instant, book: Rulebook, *, brief: bool = False) -> str:
    """
    Return whether the infusion runs or ended, how that is known, and the grams recorded (RULES.md 4.2).

    *brief* leaves out how a recorded end is known, which is the usual case.
    """
    amounts = [course.grams for course in exposure.courses]
    if exposure.grams is None:
        grams = "amount not recorded"
    else:
        grams = f"{exposure.grams.normalize():f} g recorded" + (", more without an amount" if None in amounts else "")
    if exposure.running(now):
        return f"infusion running{'' if brief else ' (by its record, no end recorded)'}, {grams}"
    if exposure.end > now:
        return f"infusion recorded to end in {hours(exposure.end - now)}, {grams}"
    what = "infusion ended" if any(course.infusion for course in exposure.courses) else "last dose"
    known = _KNOWN[exposure.end_known]
    if exposure.end_known == ASSUMED:
        known += f" after {book.shown('infusion_assumed')}"
    known = "" if brief and exposure.end_known == RECORDED else f" ({known})"
    return f"{what} {ago(exposure.end, now)}{known}, {grams}"


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


def last_record(exposure: Exposure) -> Instant:
    """Return the last moment that a record of the exposure tells of."""
    records = [course.last for course in exposure.courses]
    return max(record.started_at if record.ended_at is None else record.ended_at for record in records)


def renal_words(chart: Chart) -> str:
    """Return the renal function, and what it means for magnesium; never "normal" (RULES.md 6)."""
    renal = chart.renal
    because = f" ({', '.join(renal.why)})" if renal.why else ""
    figure = f", eGFR {renal.egfr}" if renal.egfr is not None and not renal.why else ""
    if not chart.cleared_slowly:
        return f"renal function {renal.status}{figure}"
    return f"renal function {renal.status}{because}: magnesium accumulates when the kidneys fail"
