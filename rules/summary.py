"""
The sentence that a tired clinician reads at three in the morning (RULES.md, intended use).

At most 160 characters. It leads with the potassium, magnesium or calcium itself: value, change, age of the draw; then
what was seen, then what is missing. It says what was measured and never orders.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import NamedTuple

from rules.alert import Change, Rule
from rules.chart import Chart, hours
from rules.events import DAY, HOUR, Analyte, Drug, Instant
from rules.exposure import ASSUMED, DISCHARGED, RECORDED, Exposure
from rules.finding import Finding
from rules.hyperkalemia import Episode, treatment_failure
from rules.patient import Alert
from rules.rulebook import Rulebook
from rules.specimen import Draw
from rules.units import CANONICAL, FACTORS, Unit, canonical

LONGEST = 160
TREND_WITHIN = 3 * DAY
"""An earlier value is worth a trend when it is at most so old; two results a week apart are not one movement."""

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


# Fitting into 160 characters

OPTIONAL = 4
"""Rank from which a part is said only where there is room for it."""


class Part(NamedTuple):
    """
    A piece of a sentence.

    ``rank`` says what goes first when room is short (the highest), ``short`` what may stand in its place before that;
    from `OPTIONAL` on it goes before anything is shortened.
    """

    text: str
    rank: int = 1
    short: str = ""
    joint: str = "; "


def fit(lead: str, *parts: Part) -> str:
    """
    Return *lead* and *parts*, in order, in at most 160 characters: shortened first, then left out by rank.

    >>> fit("Potassium 6.3 mmol/L", Part("no magnesium result on record"))
    'Potassium 6.3 mmol/L; no magnesium result on record.'
    """
    kept = [part for part in parts if part.text]
    for part in sorted(kept, key=lambda part: -part.rank):
        if len(_sentence(lead, kept)) <= LONGEST:
            break
        place = kept.index(part)
        kept[place : place + 1] = [] if part.rank >= OPTIONAL else [part._replace(text=part.short or part.text)]
    while kept and len(_sentence(lead, kept)) > LONGEST:
        kept.remove(max(kept, key=lambda part: part.rank))
    return _sentence(lead[: LONGEST - 1], kept)


def _sentence(lead: str, parts: Iterable[Part]) -> str:
    return lead + "".join(f"{part.joint}{part.text}" for part in parts) + "."


# Values, trends, ages


class Written(NamedTuple):
    """A number and the unit that it is in."""

    number: str
    unit: Unit


_SPELLINGS = {unit.value.lower(): unit for unit in Unit}


def as_sent(draw: Draw) -> Written:
    """
    Return a result as its laboratory wrote it; in the canonical unit where number and unit sent do not give its value.

    So a spelling of the unit that is not one of ours, or a later version that carries no number, can never put the
    laboratory's number beside another unit (RULES.md 1: 2.0 is normal in mg/dL and dangerous in mmol/L).
    """
    result = draw.result
    number = result.original_value.lstrip("<>=≤≥^ ")
    spelled = _SPELLINGS.get(result.original_units.lower(), CANONICAL[result.analyte])
    try:
        for unit in (spelled, *FACTORS[result.analyte]):
            if canonical(result.analyte, Decimal(number), unit) == draw.value:
                return Written(number, unit)
    except InvalidOperation:
        pass  # no number was sent with this version
    value = draw.value
    places = value if -2 <= int(value.as_tuple().exponent) <= 0 else value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return Written(f"{places:f}", CANONICAL[result.analyte])


def shown(draw: Draw) -> str:
    """Return a result with comparator and unit: ``6.3 mmol/L``, ``>10 mmol/L``."""
    written = as_sent(draw)
    return f"{draw.result.comparator}{written.number} {written.unit.value}"


def name(draw: Draw) -> str:
    """Return the analyte with a capital: ``Potassium``, ``Ionized calcium``."""
    analyte = draw.result.analyte.value
    return {"calcium_ionized": "Ionized calcium", "egfr": "eGFR"}.get(analyte, analyte.capitalize())


def trend(draw: Draw, before: Draw | None) -> str:
    """
    Return the change since *before* in words, in the unit in which *draw* was sent: ``up 0.4 in 2 h``.

    Empty without an earlier value, or where a comparator leaves the change unknown; ``up 3.9 or more in 2 h`` where a
    comparator bounds it (RULES.md 1).
    """
    if before is None or before.at >= draw.at or draw.at - before.at > TREND_WITHIN:
        return ""
    written = as_sent(draw)
    numerator, denominator = FACTORS[draw.result.analyte][written.unit]
    difference = (draw.value - before.value) * denominator / numerator
    comparator = draw.result.comparator
    bounded = (comparator.startswith(">") and difference > 0) or (comparator.startswith("<") and difference < 0)
    if before.result.comparator or (comparator and not bounded):
        return ""
    since = hours(draw.at - before.at)
    fine = len(written.number.partition(".")[2]) >= 2 or 0 < abs(difference) < Decimal("0.05")
    size = abs(difference).quantize(Decimal("0.01") if fine else Decimal("0.1"), ROUND_HALF_UP)
    if size == 0:
        return f"unchanged in {since}"
    return f"{'up' if difference > 0 else 'down'} {size}{' or more' if bounded else ''} in {since}"


def age(draw: Draw, now: Instant) -> str:
    """Return the age of a draw: ``drawn 40 min ago``."""
    return f"drawn {ago(draw.at, now)}"


def ago(moment: Instant, now: Instant) -> str:
    """Return ``4 h ago``."""
    return f"{hours(max(0, now - moment))} ago"


def earlier(draws: Sequence[Draw], trigger: Draw) -> Draw | None:
    """Return the draw that a trend starts from: the newest valid one before *trigger*, else the newest."""
    before = [draw for draw in draws if draw.at < trigger.at]
    return next((draw for draw in reversed(before) if draw.valid), before[-1] if before else None)


# What was seen, and what is missing


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


# One sentence a rule


class Scene(NamedTuple):
    """What a sentence is made from."""

    chart: Chart
    finding: Finding
    behind: Instant | None

    @property
    def trigger(self) -> Draw:
        """Return the triggering result."""
        return self.finding.evidence[0]

    @property
    def late(self) -> Part:
        """Return how far the feed is behind, where a timer was overruled because of it (RULES.md 8)."""
        return Part("" if self.behind is None else f"the feed is {hours(self.behind)} behind", 0)

    @property
    def renal(self) -> Part:
        """Return the renal function, where magnesium may leave slowly."""
        renal = self.chart.renal
        return Part("" if renal.status == "not impaired" else f"renal function {renal.status}", OPTIONAL, "", ", ")


def _lead(
    scene: Scene, before: Draw | None, *, nothing: str = "", prefix: str = "", doubtful: str = "possibly spurious"
) -> str:
    """Return value, change and interval, age of the draw."""
    trigger = scene.trigger
    doubt = "" if trigger.valid else f" ({doubtful})"
    head = f"{name(trigger)} {shown(trigger)}{doubt}"
    if prefix:
        head = f"{prefix}: {head[0].lower()}{head[1:]}"
    change = trend(trigger, before) if before is not None else nothing
    return ", ".join(text for text in (head, change, age(trigger, scene.chart.now)) if text)


def _hyperkalemia(scene: Scene) -> str:
    chart, finding, trigger = scene.chart, scene.finding, scene.trigger
    episode = finding.notes["episode"]
    assert isinstance(episode, Episode)
    failed = treatment_failure(chart, episode, trigger)
    seen = seen_treatment(chart, episode.first.at - 6 * HOUR)
    if finding.criterion == "treatment_failure" and failed is not None:
        seen = f"still high after {treatment_words(*failed, chart.now)}"
    elif episode.reopened_at is not None and trigger.at >= episode.reopened_at:
        seen = f"high again after clearing, {seen}"
    else:
        seen = f"persistent over {hours(trigger.at - episode.first.at)}, {seen}"
    lacking, short = missing_magnesium(chart, trigger.at)
    return fit(
        _lead(scene, earlier(episode.draws, trigger)),
        *_worse_beside(scene),
        Part(seen, 3, seen.replace("no treatment seen in the feed", "no treatment seen")),
        Part(lacking, 1, short),
        scene.late,
        scene.renal,
    )


def _low_magnesium(scene: Scene) -> str:
    chart, finding, trigger = scene.chart, scene.finding, scene.trigger
    magnesium, episode = finding.notes["magnesium_draw"], finding.notes["episode"]
    assert isinstance(magnesium, Draw)
    assert isinstance(episode, Episode)
    seen = seen_treatment(chart, episode.first.at - 6 * HOUR)
    return fit(
        _lead(scene, earlier(chart.potassium, trigger)),
        *_worse_beside(scene),
        Part(f"magnesium low, {shown(magnesium)} {age(magnesium, chart.now)}", 1, f"magnesium low, {shown(magnesium)}"),
        Part(seen, 3, seen.replace("no treatment seen in the feed", "no treatment seen")),
        scene.renal,
    )


def _hypokalemia(scene: Scene) -> str:
    chart, trigger = scene.chart, scene.trigger
    magnesium = scene.finding.notes["magnesium_draw"]
    if isinstance(magnesium, Draw):
        low = f"magnesium low, {shown(magnesium)}"
        said = Part(f"{low} {age(magnesium, chart.now)}", 1, low)
    else:
        lacking, short = missing_magnesium(chart, trigger.at)
        said = Part(lacking, 1, short)
    recovering = Part("rising from the lowest" if scene.finding.notes["recovering"] else "", 3)
    return fit(
        _lead(scene, earlier(chart.potassium, trigger), doubtful="hemolyzed, may be lower"),
        *_worse_beside(scene),
        recovering,
        said,
        scene.late,
        scene.renal,
    )


def _hypermagnesemia(scene: Scene) -> str:
    chart, exposure = scene.chart, scene.finding.exposure
    prefix = "More than the recorded dose explains" if unexplained(chart, scene.finding) else ""
    if exposure is None:
        dose = Part("no magnesium dose on record")
    else:
        dose = Part(exposure_words(exposure, chart.now, chart.rulebook, brief=True))
    return fit(
        _lead(scene, earlier(chart.magnesium, scene.trigger), prefix=prefix), *_worse_beside(scene), dose, scene.renal
    )


def _after_magnesium(scene: Scene) -> str:
    chart, exposure, trigger = scene.chart, scene.finding.exposure, scene.trigger
    before, magnesium = scene.finding.notes["baseline"], scene.finding.notes["magnesium_draw"]
    assert exposure is not None
    draws = {Analyte.POTASSIUM: chart.potassium, Analyte.CALCIUM: chart.calcium}.get(
        trigger.result.analyte, chart.ionized
    )
    last = earlier([draw for draw in draws if draw.at >= exposure.start], trigger)
    was = f"{shown(before)} before magnesium" if isinstance(before, Draw) and last is not None else ""
    if last is None and isinstance(before, Draw):
        last = before
    nothing = f"no value of the {chart.rulebook.shown('after_baseline')} before"
    if isinstance(magnesium, Draw):
        level = f"magnesium {shown(magnesium)}{'' if magnesium.valid else ' (possibly spurious)'}"
        known = Part(f"{level} drawn {ago(magnesium.at, chart.now)}", 1, level)
    else:
        known = Part("magnesium not measured since")
    return fit(
        _lead(scene, last, nothing=nothing),
        *_worse_beside(scene),
        Part(was, 3),
        Part(_of_magnesium(exposure_words(exposure, chart.now, chart.rulebook, brief=True)), 2),
        known,
        scene.renal,
    )


def _of_magnesium(words: str) -> str:
    """Name the drug in an exposure's words: ``magnesium infusion running``, ``last magnesium dose 4 h ago``."""
    return words.replace("infusion", "magnesium infusion", 1).replace("last dose", "last magnesium dose", 1)


def _gap(scene: Scene) -> str:
    chart, exposure = scene.chart, scene.finding.exposure
    lacking = [word for word in ("magnesium", "potassium") if scene.finding.notes[f"{word}_draw"] is None]
    assert exposure is not None
    dose = _of_magnesium(exposure_words(exposure, chart.now, chart.rulebook, brief=True))
    return fit(
        f"{dose[0].upper()}{dose[1:]}",
        Part(f"no {' and no '.join(lacking)} measured since"),
        scene.renal._replace(joint="; ", rank=1),
    )


def _spurious(scene: Scene) -> str:
    why = WHY_DOUBTFUL.get(scene.trigger.why, "specimen doubtful")
    return fit(_lead(scene, None), Part(why, joint=", "), Part("no valid repeat yet"))


_SENTENCES: dict[Rule, Callable[[Scene], str]] = {
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


def _worse_beside(scene: Scene) -> list[Part]:
    """Name a calcium, creatinine or (beside magnesium) potassium that is worse than the headline."""
    chart, trigger = scene.chart, scene.trigger
    book = chart.rulebook
    found = []
    if trigger.result.analyte is Analyte.MAGNESIUM:
        found += _near(chart.potassium, trigger, book.magnesium_step_within, lambda value: value >= book.potassium_high)
    if trigger.result.analyte is not Analyte.CALCIUM:
        found += _near(chart.calcium, trigger, book.calcium_near, lambda value: value < book.calcium_low)
    creatinine = chart.renal.creatinine
    if creatinine is not None and any(why.startswith(("eGFR", "acute")) for why in chart.renal.why):
        found.append(creatinine)
    return [Part(f"{name(draw).lower()} {shown(draw)}", 3 if draw is creatinine else 2, joint=", ") for draw in found]


def _near(draws: Sequence[Draw], trigger: Draw, within: Instant, worse: Callable[[Decimal], bool]) -> list[Draw]:
    near = [draw for draw in draws if draw.valid and abs(draw.at - trigger.at) <= within and worse(draw.value)]
    return near[-1:]


# Endings

ENDS = {
    "magnesium_resulted": "magnesium has resulted",
    "superseded": "another alert now tells more",
    "potassium_cleared": "potassium has cleared",
    "magnesium_cleared": "magnesium has cleared",
    "magnesium_recovered": "magnesium has recovered",
    "potassium_recovered": "potassium has recovered",
    "measured": "magnesium and potassium are both measured",
    "calcium_recovered": "calcium has recovered",
    "repeat_resulted": "a valid repeat has resulted",
    "expired": "nothing further came in time",
    "discharged": "the patient was discharged",
    "deceased": "the patient has died",
    "merged": "the record was merged and goes on under the surviving number",
    "withdrawn": "what it stood on was withdrawn by its sender",
    "corrected": "what it stood on was corrected by its sender",
    "invalidated": "the specimen that it stood on is no longer believed",
}
"""Words of every reason with which an alert ends (RULES.md 4, 5, 7)."""

_SUPERSEDED = {
    Rule.REFRACTORY_HYPERKALEMIA: "magnesium is low, and the alert on low magnesium goes on",
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: "a dose is now on record, and the alert on that infusion goes on",
}
_SILENCE = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: ("no further magnesium for {}", "magnesium_silence"),
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: ("no further magnesium for {}", "magnesium_silence"),
    Rule.REFRACTORY_HYPERKALEMIA: ("no further potassium for {}", "episode_silence"),
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: ("no further potassium for {}", "episode_silence"),
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: ("no further potassium for {}", "episode_silence"),
    Rule.REFRACTORY_HYPOKALEMIA: ("no further potassium for {}", "hypokalemia_gap"),
    Rule.MAGNESIUM_MONITORING_GAP: ("not measured within {} of its end", "gap_expiry"),
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: ("no further calcium for {}", "hypocalcemia_silence"),
    Rule.SPURIOUS_POTASSIUM: ("no valid repeat within {}", "spurious_expiry"),
}

TITLES = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: "high magnesium after infusion",
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: "high magnesium without a known dose",
    Rule.REFRACTORY_HYPERKALEMIA: "high potassium without a recent magnesium",
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: "high potassium with low magnesium",
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: "potassium risen after magnesium",
    Rule.REFRACTORY_HYPOKALEMIA: "low potassium with low or unmeasured magnesium",
    Rule.MAGNESIUM_MONITORING_GAP: "magnesium without monitoring",
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: "low calcium after magnesium",
    Rule.SPURIOUS_POTASSIUM: "doubtful potassium",
}
"""Every rule in plain words."""


def _why_ended(rule: Rule, reason: str, book: Rulebook) -> str:
    if reason == "superseded":
        return _SUPERSEDED.get(rule, ENDS[reason])
    if reason == "expired":
        words, parameter = _SILENCE[rule]
        return words.format(book.shown(parameter))
    return ENDS.get(reason, "its finding is gone")


def _ended(chart: Chart, alert: Alert, change: Change, reason: str, by: Draw | None) -> str:
    """Return how an alert ended: resolved by what, closed without being resolved, or retracted."""
    title, why = TITLES[alert.rule], _why_ended(alert.rule, reason, chart.rulebook)
    now = f"{name(by).lower()} {shown(by)}" if by is not None else ""
    if change is Change.RESOLVED:
        return fit(f"Resolved: {title}", Part(why), Part(f"{now}, {age(by, chart.now)}" if by else "", 1, now, ", "))
    if change is Change.CLOSED:
        return fit(f"Closed, not resolved: {title}", Part(why))
    if alert.rule is Rule.SPURIOUS_POTASSIUM and reason == "invalidated":
        return fit(f"Retracted: {title}", Part(f"its specimen is no longer doubted{f', {now} counts' if now else ''}"))
    if by is not None and not by.valid:
        now = WHY_DOUBTFUL.get(by.why, "")
    elif now:
        now += " now"
    return fit(f"Retracted: {title}", Part(why), Part(now, 2), Part("the alert no longer stands"))


def summary(
    chart: Chart,
    alert: Alert,
    change: Change,
    finding: Finding | None,
    reason: str | None,
    *,
    ending: Draw | None = None,
    trigger: Draw | None = None,
    behind: Instant | None = None,
) -> str:
    """
    Return the sentence of one transition.

    Args:
        chart: The patient at the moment of the transition.
        alert: The alert after it.
        change: What the alert did.
        finding: What its rule finds now, where it does.
        reason: The transition's reason.
        ending: The result that ended the alert, where one did.
        trigger: The alert's triggering result in its present version, where it still stands.
        behind: How far the feed is behind, when a timer was overruled because of it.
    """
    if change in (Change.RESOLVED, Change.CLOSED, Change.RETRACTED):
        return _ended(chart, alert, change, reason or "", ending if change is Change.RESOLVED else trigger)
    if finding is None:
        seen = f"{name(trigger)} {shown(trigger)}, {age(trigger, chart.now)}" if trigger is not None else ""
        lead = seen or f"Last finding {ago(alert.trigger_at, chart.now)}"
        return fit(lead, Part(f"the alert is still open ({TITLES[alert.rule]})"))
    return _SENTENCES[alert.rule](Scene(chart, finding, behind))
