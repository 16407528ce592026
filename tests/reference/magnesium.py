"""RULES.md 4.2, plainly: magnesium after a dose, and magnesium that no dose explains."""

from decimal import Decimal

from rules.alert import Rule
from rules.events import HOUR
from tests.reference.chart import CRITICAL, WARNING, Chart, Held, silent
from tests.reference.doses import Exposure
from tests.reference.hyperkalemia import Finding
from tests.reference.results import Draw, K, Key

D = Decimal
POST_INFUSION, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN


def owned(chart: Chart, held: list[Held]) -> list[tuple[Draw, Exposure | None]]:
    """Every counted magnesium with the exposure that it belongs to."""
    return [(draw, chart.owner(draw, held)) for draw in chart.mg]


def of_exposure(chart: Chart, exposure: Exposure, held: list[Held]) -> list[Draw]:
    """The counted magnesiums that belong to an exposure, oldest first."""
    return [draw for draw, owner in owned(chart, held) if owner is exposure]


def draw_level(chart: Chart, exposure: Exposure, draw: Draw) -> int:
    """The severity of one magnesium by its own phase."""
    level = chart.level(draw.v)
    if chart.profile == "general" and exposure.phase(draw.t) != "post" and exposure.ran(draw.t) < 6 * HOUR:
        level = level if level in (0, CRITICAL) else max(WARNING, level - 1)
    return level if draw.verdict == "valid" else min(level, WARNING)


def stepped_by_neighbours(chart: Chart, draw: Draw) -> bool:
    """A valid K >= 6.0 or a valid total calcium < 1.9 within 6 h of the trigger."""
    near = any(abs(k.t - draw.t) <= 6 * HOUR and k.v >= 6 for k in chart.valid(K))
    return near or chart.low_calcium(draw.t, 6 * HOUR)


def accumulates(exposure: Exposure, draws: list[Draw]) -> bool:
    """Two valid results after e + 4 h, >= 2 h apart, the later >= 0.1 mmol/L higher."""
    if exposure.e is None:
        return False
    late = [draw for draw in draws if draw.verdict == "valid" and draw.t > exposure.e + 4 * HOUR]
    return any(b.t - a.t >= 2 * HOUR and b.v - a.v >= D("0.1") for a in late for b in late)


def gone_silent_at(exposure: Exposure, draws: list[Draw]) -> int:
    """48 h after the last magnesium that belongs to it, and not before those of its infusions have ended that run."""
    silent_at = max((draw.t for draw in draws), default=exposure.s) + 48 * HOUR
    return max([silent_at, *(dose.until for dose in exposure.doses if dose.until is not None)])


def magnesium_cleared(chart: Chart, exposure: Exposure, draws: list[Draw], t: int) -> Draw | None:
    """A valid post-phase magnesium below warning - 0.2, drawn after *t*."""
    limit = chart.warning - D("0.2")
    for draw in draws:
        if draw.t > t and draw.verdict == "valid" and draw.v < limit and exposure.phase(draw.t) == "post":
            return draw
    return None


def post_infusion(chart: Chart, held: list[Held]) -> list[Finding]:
    """One finding an exposure."""
    found = []
    for exposure in chart.exposures:
        draws = of_exposure(chart, exposure, held)
        levels = [(draw, draw_level(chart, exposure, draw)) for draw in draws]
        high = [draw for draw, level in levels if level >= WARNING]
        if not high:
            continue
        trigger = high[-1]
        level = max(level for _, level in levels)
        level = min(level + (accumulates(exposure, draws) or stepped_by_neighbours(chart, trigger)), CRITICAL)
        if magnesium_cleared(chart, exposure, draws, trigger.t) or gone_silent_at(exposure, draws) <= chart.now:
            continue
        stood_on: set[Key] = {draw.key for draw in draws}
        found.append(
            Finding(
                POST_INFUSION,
                ("exposure",),
                level,
                trigger,
                exposure=set(exposure.keys),
                stood_on=stood_on,
                first=exposure.first,
            )
        )
    return found


def of_none(chart: Chart, held: list[Held]) -> list[Draw]:
    """The counted magnesiums that belong to no exposure."""
    return [draw for draw, owner in owned(chart, held) if owner is None]


def exposure_unknown(chart: Chart, held: list[Held]) -> Finding | None:
    """`hypermagnesemia-exposure-unknown`."""
    draws = of_none(chart, held)
    high = []
    for draw in draws:
        before = [each for each in chart.mg if draw.t - 24 * HOUR <= each.t < draw.t]
        rose = draw.v >= D("1.5") and any(draw.v - each.v >= D("0.4") for each in before)
        if draw.verdict == "valid" and (draw.v >= 2 or rose):
            high.append(draw)
    if not high:
        return None
    trigger = high[-1]
    if unknown_cleared(chart, trigger.t) or silent(draws, trigger.t) <= chart.now:
        return None
    level = max(WARNING, chart.level(trigger.v))
    return Finding(UNKNOWN, (), min(level + stepped_by_neighbours(chart, trigger), CRITICAL), trigger)


def unknown_cleared(chart: Chart, t: int) -> Draw | None:
    """A valid magnesium < 1.3 later than *t*."""
    return next((draw for draw in chart.mg if draw.t > t and draw.verdict == "valid" and draw.v < D("1.3")), None)
