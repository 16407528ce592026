"""The other rules of RULES.md 5, plainly."""

from decimal import Decimal

from rules.alert import Rule
from rules.events import HOUR, MINUTE, Analyte
from tests.reference.chart import CRITICAL, HIGH, WARNING, Chart, Held, silent
from tests.reference.doses import Exposure, key_of
from tests.reference.hyperkalemia import Finding
from tests.reference.magnesium import of_exposure
from tests.reference.results import CA, ICA, Draw, Entry, K, Key

D = Decimal
AFTER = Rule.HYPERKALEMIA_AFTER_MAGNESIUM
HYPOKALEMIA = Rule.REFRACTORY_HYPOKALEMIA
GAP = Rule.MAGNESIUM_MONITORING_GAP
HYPOCALCEMIA = Rule.HYPOCALCEMIA_AFTER_MAGNESIUM
SPURIOUS = Rule.SPURIOUS_POTASSIUM


def within(exposure: Exposure, t: int) -> bool:
    """Observed in s..e + 24 h."""
    return exposure.s <= t and (exposure.e is None or t <= exposure.e + 24 * HOUR)


# hyperkalemia-after-magnesium


def after_magnesium(chart: Chart, held: list[Held]) -> Finding | None:
    """`hyperkalemia-after-magnesium`."""
    found: list[tuple[Draw, Exposure]] = []
    for k in chart.valid(K):
        for exposure in chart.exposures:
            before = chart.last(K, exposure.s, 72 * HOUR)
            if k.v >= D("5.5") and within(exposure, k.t) and before is not None and k.v - before.v >= D("0.5"):
                found.append((k, exposure))
    if not found:
        return None
    trigger = found[-1][0]
    if after_cleared(chart, trigger.t) or silent(chart.k, trigger.t) <= chart.now:
        return None
    exposure = found[-1][1]
    magnesiums = [draw for draw in of_exposure(chart, exposure, held) if draw.verdict == "valid"]
    high = trigger.v >= 6 or any(chart.level(draw.v) >= HIGH for draw in magnesiums)
    return Finding(AFTER, (), CRITICAL if trigger.v >= D("6.5") else HIGH if high else WARNING, trigger)


def after_cleared(chart: Chart, t: int) -> Draw | None:
    """A valid potassium < 5.2 later than *t*."""
    return next((k for k in chart.valid(K) if k.t > t and k.v < D("5.2")), None)


# refractory-hypokalemia-magnesium


def counts_low(k: Draw) -> bool:
    """A K < 3.5 that is valid, or suspect by hemolysis alone."""
    return k.v < D("3.5") and (k.verdict == "valid" or "hemolysis" in k.reasons)


def low_run(chart: Chart) -> list[Draw]:
    """The newest run of low potassiums, back to the last valid one >= 3.5 or a gap of > 48 h."""
    run: list[Draw] = []
    for k in chart.k:
        if counts_low(k):
            if run and k.t - run[-1].t > 48 * HOUR:
                run = []
            run.append(k)
        elif k.verdict == "valid" and k.v >= D("3.5"):
            run = []
    return run


def low_potassium_met(chart: Chart) -> tuple[list[Draw], Draw | None] | None:
    """The run up to the newest potassium that meets a criterion, with the newest recent magnesium of that trigger."""
    run = low_run(chart)
    if any(4 * HOUR <= b.t - a.t <= 48 * HOUR for a in run for b in run):
        return run, chart.recent_magnesium(run[-1].t)
    for place in reversed(range(len(run))):
        k = run[place]
        mg = chart.recent_magnesium(k.t)
        if (k.v < D("2.5") and mg is None) or (k.v < 3 and mg is not None and mg.v < D("0.695")):
            return run[: place + 1], mg
    return None


def hypokalemia(chart: Chart) -> Finding | None:
    """`refractory-hypokalemia-magnesium`, before the hold."""
    met = low_potassium_met(chart)
    if met is None:
        return None
    run, mg = met
    trigger = run[-1]
    if (mg is not None and mg.v >= D("0.695")) or silent(chart.k, trigger.t) <= chart.now:
        return None
    lowest = min(k.v for k in run if trigger.t - 12 * HOUR <= k.t)
    level = CRITICAL if lowest < D("2.5") else HIGH if lowest < 3 else WARNING
    if chart.digoxin(trigger.t) or (mg is not None and mg.v < D("0.50")):
        level = min(level + 1, CRITICAL)
    if trigger.v >= 3 and trigger.v - lowest >= D("0.3"):
        level = WARNING
    waits = None
    if mg is None:
        waits = 0 if lowest < D("2.5") else 60 * MINUTE if chart.magnesium_pending(trigger.t) else 15 * MINUTE
    why = "magnesium_missing" if mg is None else "low_magnesium"
    return Finding(HYPOKALEMIA, (), level, trigger, why, waits, low_run(chart), low=mg)


# magnesium-monitoring-gap


def is_long(exposure: Exposure, now: int) -> bool:
    """It runs or ran for >= 6 h."""
    return exposure.ran(now) >= 6 * HOUR


def measured(chart: Chart, exposure: Exposure) -> tuple[Draw | None, Draw | None]:
    """The first counted magnesium, and potassium, drawn at or after s + 2 h (or e, when that is earlier)."""
    since = exposure.s + 2 * HOUR if exposure.e is None else min(exposure.s + 2 * HOUR, exposure.e)
    mg = next((draw for draw in chart.mg if draw.t >= since), None)
    return mg, next((draw for draw in chart.k if draw.t >= since), None)


def gap_due(chart: Chart, exposure: Exposure) -> int:
    """When the timer of an exposure is due: running, at s + 6 h; else at e + 12 h."""
    if exposure.running(chart.now, back=chart.back):
        return exposure.s + 6 * HOUR
    assert exposure.e is not None
    return exposure.e + 12 * HOUR


def gap_timers(chart: Chart) -> list[tuple[Key, int]]:
    """The first dose of each exposure that is not measured, and when its timers are due, whatever the kidneys do."""
    found = []
    for exposure in chart.exposures:
        if None in measured(chart, exposure):
            found.append((exposure.first, gap_due(chart, exposure)))
            end = exposure.e if exposure.e is not None else exposure.until
            if exposure.running(chart.now, back=False) and end is not None:
                found.append((exposure.first, end + 12 * HOUR))
    return found


def timer_ended(first: Key, chart: Chart) -> bool:
    """A discharge (not undone) or a death after the first dose had come ended the exposure's monitoring timer."""
    told = [(entry, each) for entry in chart.entries for each in entry.event.administrations if key_of(each) == first]
    came, received_at, start = min((entry.came, each.received_at, each.started_at) for entry, each in told)
    left = [(entry.came, entry.event.received_at) for entry in chart.entries if _leaves(entry, chart)]
    return any(start <= at and (came < then or (came == then and received_at <= at)) for then, at in left)


def _leaves(entry: Entry, chart: Chart) -> bool:
    encounter = entry.event.encounter
    undone = entry.event.received_at not in chart.context.discharges
    return encounter is not None and (encounter.deceased or (entry.discharges and not undone))


def gaps(chart: Chart) -> list[Finding]:
    """Each exposure that nobody watches and whose timer is due."""
    found = []
    for exposure in chart.exposures:
        mg, k = measured(chart, exposure)
        if (mg and k) or chart.renal == "known" or gap_due(chart, exposure) > chart.now:
            continue
        if timer_ended(exposure.first, chart):
            continue
        if exposure.e is not None and exposure.e + 24 * HOUR <= chart.now:
            continue
        need = 2 if chart.impaired else 4
        long = is_long(exposure, chart.now)
        if not (exposure.grams is not None and exposure.grams >= need) and not long:
            continue
        much = (exposure.grams is not None and exposure.grams >= 4) or long
        level = HIGH if chart.impaired and not mg and much else WARNING
        scope = ("exposure",)
        found.append(
            Finding(
                GAP,
                scope,
                level,
                None,
                exposure=set(exposure.keys),
                s=exposure.s,
                trigger_key=exposure.first,
                first=exposure.first,
                stood_on=set(exposure.keys),
            )
        )
    return found


# hypocalcemia-after-magnesium


def contradicted(chart: Chart, draw: Draw) -> bool:
    """A total calcium with a valid ionized one >= 1.0 within 4 h of it."""
    near = [each for each in chart.valid(ICA) if abs(each.t - draw.t) <= 4 * HOUR]
    return draw.newest.analyte is CA and any(each.v >= 1 for each in near)


LIMITS = {CA: (D("1.9"), D("0.2"), D("1.65")), ICA: (D("1.0"), D("0.09"), D("0.8"))}


def hypocalcemia(chart: Chart, analyte: Analyte, held: list[Held]) -> Finding | None:
    """`hypocalcemia-after-magnesium` of one analyte."""
    limit, fall, critical = LIMITS[analyte]
    found: list[tuple[Draw, Exposure]] = []
    for draw in chart.valid(analyte):
        for exposure in chart.exposures:
            before = [e for e in chart.valid(analyte) if exposure.s - 72 * HOUR <= e.t < exposure.s]
            fell = not before or before[-1].v - draw.v >= fall
            if draw.v < limit and within(exposure, draw.t) and fell and not contradicted(chart, draw):
                found.append((draw, exposure))
    if not found:
        return None
    trigger, exposure = found[-1]
    if recovered(chart, analyte, trigger.t) or silent(chart.valid(analyte), trigger.t) <= chart.now:
        return None
    magnesiums = of_exposure(chart, exposure, held)
    harmless = bool(magnesiums) and magnesiums[-1].v < D("1.25")
    level = CRITICAL if trigger.v < critical and not harmless else WARNING
    return Finding(HYPOCALCEMIA, (analyte,), level, trigger)


def recovered(chart: Chart, analyte: Analyte, t: int) -> Draw | None:
    """The same analyte valid, later than *t*, and back at or above the limit."""
    limit = LIMITS[analyte][0]
    return next((draw for draw in chart.valid(analyte) if draw.t > t and draw.v >= limit), None)


# spurious-potassium


def spurious(chart: Chart) -> list[Finding]:
    """One finding a specimen."""
    found = []
    for k in chart.all[K]:
        if k.verdict == "valid" or k.v < D("5.5") or repeated(chart, k.t) or k.t + 24 * HOUR <= chart.now:
            continue
        found.append(Finding(SPURIOUS, (k.t,), 0, k))
    return found


def repeated(chart: Chart, t: int) -> Draw | None:
    """A valid potassium of a later specimen."""
    return next((k for k in chart.valid(K) if k.t > t), None)
