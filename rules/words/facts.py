"""
What the feed shows of a patient, in words.

Treatments, a missing magnesium, the doses and the kidneys (RULES.md 4.1, 4.2 and 6).
"""

from bisect import bisect_left
from decimal import Decimal

from rules.alert import Rule
from rules.chart import Chart
from rules.draws import Draw, Draws
from rules.episode import Episode
from rules.events import HOUR, Drug, Instant
from rules.exposure import ASSUMED, RECORDED, Exposure
from rules.finding import Finding
from rules.rulebook import Rulebook
from rules.words.values import ago, hours, shown

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


def treated_from(episode: Episode) -> Instant:
    """Return since when a treatment is told beside an episode: 6 h before it, as long as insulin works."""
    return episode.first.at - 6 * HOUR


def treatments_since(chart: Chart, since: Instant) -> list[str]:
    """Return the potassium-lowering treatments that the feed shows since *since*, the newest first, each in words."""
    return [treatment_words(at, kind, chart.now) for at, kind in reversed(chart.treatments) if since <= at <= chart.now]


def treatment_words(at: Instant, kind: str, now: Instant) -> str:
    """Return ``insulin 4 h ago``, ``dialysis recorded 2 h ago``."""
    return f"dialysis recorded {ago(at, now)}" if kind == "dialysis" else f"{DRUG_WORDS[Drug(kind)]} {ago(at, now)}"


def stale_magnesium(chart: Chart, t_n: Instant) -> tuple[Draw, str]:
    """Return the newest stale magnesium, where the status is stale, and what has come after it (RULES.md 4.1)."""
    since = t_n - chart.rulebook.magnesium_recent
    stale = next(d for d in reversed(chart.magnesium) if d.at >= since and chart.stale_magnesium(d, t_n))
    return stale, "dialysis" if any(stale.at < s.started_at <= t_n for s in chart.dialyses) else "a magnesium dose"


def magnesium_status(chart: Chart, t_n: Instant) -> str:
    """Return why there is no recent magnesium (RULES.md 4.1): what several of the words begin with."""
    return chart.told(("magnesium status", str(t_n)), lambda: chart.magnesium_status(t_n))


def missing_magnesium(chart: Chart, t_n: Instant) -> tuple[str, str]:
    """Return why there is no recent magnesium, for the end of a sentence: in full, and short (RULES.md 4.1)."""
    status = magnesium_status(chart, t_n)
    if status == "old":
        newest = chart.magnesium[-1]
        value = f"{shown(newest)}{'' if newest.valid else ' (possibly spurious)'}"
        if newest.at >= t_n - chart.rulebook.magnesium_recent:
            return f"last magnesium {value}, but its draw time is not known", "last magnesium of unknown time"
        aged = hours(chart.now - newest.at)
        if aged == hours(chart.rulebook.magnesium_recent):
            aged = f"over {aged}"
        return f"last magnesium {value}, {aged} old", f"last magnesium {aged} old"
    if status == "stale":
        stale, what = stale_magnesium(chart, t_n)
        brief = what.replace("magnesium ", "")
        return (
            f"magnesium {shown(stale)} is from before {what}",
            f"magnesium from before {brief}",
        )
    return {
        "pending": ("magnesium pending, no result yet", "magnesium pending"),
        "invalid": ("magnesium drawn, but the specimen is doubtful", "magnesium specimen doubtful"),
        "unmapped": ("a magnesium came under a code that is not mapped", "magnesium under an unmapped code"),
        "never": ("no magnesium result on record", "no magnesium result"),
    }[status]


def magnesium_since(chart: Chart, finding: Finding) -> tuple[Draw | None, bool]:
    """
    Return the magnesium of a finding after a dose, and whether it can be believed (RULES.md 3, 5).

    The one that the finding used; else the newest drawn since its exposure began; None without any.
    """
    used = finding.notes["magnesium_draw"]
    if isinstance(used, Draw):
        return used, True
    assert finding.exposure is not None
    newest = _newest(chart.all_magnesium, finding.exposure.start)
    return newest, newest is not None and newest.valid


def _newest(draws: Draws, since: Instant) -> Draw | None:
    return draws[-1] if draws and draws.at[-1] >= since else None


def unmeasured(chart: Chart, finding: Finding) -> list[tuple[str, bool]]:
    """Return what a monitoring gap lacks, and whether a specimen of it that is of no use was drawn (RULES.md 5)."""
    exposure = finding.exposure
    assert exposure is not None
    since = min(exposure.start + chart.rulebook.gap_from, exposure.end)
    all_draws = {"magnesium": chart.all_magnesium, "potassium": chart.all_potassium}
    return [
        (word, _newest(draws, since) is not None)
        for word, draws in all_draws.items()
        if finding.notes[f"{word}_draw"] is None
    ]


# Doses of magnesium


def end_words(known: str, book: Rulebook) -> str:
    """Return how the end of an exposure is known: ``recorded``, ``assumed after 24 h``, ``assumed at discharge``."""
    return f"assumed after {book.shown('infusion_assumed')}" if known == ASSUMED else known


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
    running = [course.start for course in exposure.courses if course.running(now)]
    if running:
        known = "" if brief else " (by its record, no end recorded)"
        return f"infusion running for {hours(max(0, now - min(running)))}{known}, {grams}"
    if exposure.end > now:
        return f"infusion running, recorded to end in {hours(exposure.end - now)}, {grams}"
    what = "infusion ended" if any(course.infusion for course in exposure.courses) else "last dose"
    known = "" if brief and exposure.end_known == RECORDED else f" ({_ended(exposure.end_known, book)})"
    return f"{what} {ago(exposure.end, now)}{known}, {grams}"


def _ended(known: str, book: Rulebook) -> str:
    return known if known == RECORDED else f"end {end_words(known, book)}"


def no_exposure(chart: Chart, draw: Draw) -> str:
    """
    Return what the record shows of parenteral magnesium before a magnesium that belongs to no exposure (RULES.md 4.2).

    A dose that lies too far back to own the result is told, so that nobody reads that there was none.
    """
    before = [exposure for exposure in chart.exposures if exposure.start <= draw.at]
    if not before:
        return "no magnesium dose on record" + (" before it" if chart.exposures else "")
    last = before[-1]
    what = "infusion ended" if any(course.infusion for course in last.courses) else "dose"
    return f"last magnesium {what} {hours(draw.at - last.end)} before it"


def unexplained(chart: Chart, finding: Finding) -> bool:
    """
    Say whether magnesium rose by more than 0.5 mmol/L per gram recorded (RULES.md 4.2).

    The grams are those of doses that had begun by the draw: a later one explains nothing.
    """
    exposure = finding.exposure
    if exposure is None or not finding.evidence:
        return False
    trigger = finding.evidence[0]
    grams = sum((c.grams for c in exposure.courses if c.grams is not None and c.start <= trigger.at), Decimal(0))
    magnesium = chart.magnesium
    earlier = range(bisect_left(magnesium.at, exposure.start) - 1, -1, -1)
    before = next((magnesium[n] for n in earlier if magnesium[n].valid), None)
    if before is None or not grams:
        return False
    return trigger.value - before.value > chart.rulebook.unexplained_rise_per_gram * grams


def last_record(exposure: Exposure) -> Instant:
    """Return the last moment that a record of the exposure tells of."""
    records = [course.last for course in exposure.courses]
    return max(record.started_at if record.ended_at is None else record.ended_at for record in records)
