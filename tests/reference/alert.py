"""An alert as the reference keeps it, and by what its rule ends it (RULES.md 4, 5 and 7)."""

from dataclasses import dataclass, field
from decimal import Decimal

from rules.alert import Rule
from rules.events import HOUR
from tests.reference import companions as other
from tests.reference import magnesium as mag
from tests.reference.chart import Chart, Held, silent
from tests.reference.doses import Exposure
from tests.reference.hyperkalemia import LOW_MAGNESIUM, REFRACTORY, Finding, cleared_after, episode_of, silent_at
from tests.reference.results import CA, ICA, MG, Draw, K, Key

D = Decimal


@dataclass
class Alert:
    """One alert: what was last published of it, and all that its life asks for."""

    id: Key
    rule: Rule
    scope: Key
    severity: int
    criterion: str | None
    key: Key
    t: int
    low_t: int | None
    stood_on: set[Key]
    dose: Key
    since: int = 0
    triggers: set[Key] = field(default_factory=set)
    sequence: int = 0
    highest: int = 0
    moments: list[tuple[int, int]] = field(default_factory=list)
    last_notified: int | None = None
    notified_with: int = 0
    silent_by_age: bool = False
    reminders: list[int] = field(default_factory=list)
    worst: Decimal | None = None
    spoke_for: list["Alert"] = field(default_factory=list)
    ended: str | None = None
    ended_at: int = 0
    ender: tuple[Draw, ...] = ()
    discharge: int | None = None

    def is_of(self, finding: Finding) -> bool:
        """Say whether a finding is this alert's."""
        if self.rule is not finding.rule:
            return False
        if finding.scope == ("exposure",):
            named = self.dose in finding.exposure or bool(self.stood_on & finding.stood_on)
            return named or finding.key in self.triggers
        return self.scope == finding.scope or finding.key in self.triggers

    def fits(self, finding: Finding) -> tuple[bool, bool]:
        """How well a finding is this alert's: it has its dose, and stands on its trigger."""
        return (finding.scope != ("exposure",) or self.dose in finding.exposure, self.key in finding.stood_on)

    def had(self, finding: Finding) -> bool:
        """Say whether a trigger was this alert's: that result, or another of the same draw."""
        drawn = {each[-1] for each in self.triggers} if self.ended != "retracted" else set()
        same = self.scope == finding.scope and (finding.scope != ("exposure",) or self.dose == finding.first)
        return finding.key in self.triggers or (same and finding.rule is not other.GAP and finding.t in drawn)


End = tuple[str, str, tuple[Draw, ...]]


def findings(chart: Chart, held: list[Held]) -> list[Finding]:
    """What every rule finds."""
    from tests.reference.hyperkalemia import low_magnesium, refractory_hyperkalemia  # noqa: PLC0415

    found = [
        *mag.post_infusion(chart, held),
        mag.exposure_unknown(chart, held),
        refractory_hyperkalemia(chart),
        low_magnesium(chart),
        other.after_magnesium(chart, held),
        other.hypokalemia(chart),
        other.hypocalcemia(chart, CA, held),
        other.hypocalcemia(chart, ICA, held),
        *other.gaps(chart),
        *other.spurious(chart),
    ]
    return [each for each in found if each is not None]


def exposure_of(alert: Alert, chart: Chart) -> Exposure | None:
    """The exposure of an alert, as it is now."""
    return next((exposure for exposure in chart.exposures if alert.dose in exposure.keys), None)


def expiry(alert: Alert, chart: Chart, held: list[Held]) -> int | None:
    """When an alert would be closed `expired`, as things stand."""
    exposure = exposure_of(alert, chart)
    if alert.rule in (REFRACTORY, LOW_MAGNESIUM):
        return silent_at(chart, alert.t)
    if alert.rule in (other.AFTER, other.HYPOKALEMIA):
        return silent(chart.k, alert.t)
    if alert.rule is other.HYPOCALCEMIA:
        return silent(chart.valid(alert.scope[0]), alert.t)  # type: ignore[arg-type]
    if alert.rule is other.SPURIOUS:
        return alert.t + 24 * HOUR
    if alert.rule is mag.UNKNOWN:
        return silent(mag.of_none(chart, held), alert.t)
    if alert.rule is mag.POST_INFUSION:
        if exposure is None:
            return alert.t + 48 * HOUR
        draws = mag.of_exposure(chart, exposure, held)
        return max(mag.gone_silent_at(exposure, draws), alert.t + 48 * HOUR)
    end = None if exposure is None else exposure.e if exposure.e is not None else exposure.until
    return alert.t + 24 * HOUR if end is None else end + 24 * HOUR


def end_of(alert: Alert, chart: Chart, finding: Finding | None, held: list[Held], low_open: bool) -> End | None:
    """The first end, in the order in which its rule names them, that has come to an alert."""
    t = alert.t
    low_t = finding.low.t if finding is not None and finding.low is not None else alert.low_t
    if low_t is not None and any(mg.t == low_t and mg.v >= D("0.695") for mg in chart.valid(MG)):
        low_t -= 1  # corrected in place: it is no low one
    ends: list[tuple[str, Draw | None]] = []
    if alert.rule is REFRACTORY:
        recent = chart.recent_magnesium(episode_of(chart, t)[1]) if finding is None else None
        ends = [("superseded" if low_open else "magnesium_resulted", recent)]
        ends += [("potassium_cleared", cleared_after(chart, t))]
    elif alert.rule is LOW_MAGNESIUM:
        normal = [mg for mg in chart.valid(MG) if mg.v >= D("0.695") and (low_t is None or mg.t > low_t)]
        ends = [("magnesium_recovered", normal[0] if normal else None), ("potassium_cleared", cleared_after(chart, t))]
    elif alert.rule is other.AFTER:
        ends = [("potassium_cleared", other.after_cleared(chart, t))]
    elif alert.rule is other.HYPOKALEMIA:
        up = next((k for k in chart.valid(K) if k.t > t and k.v >= D("3.5")), None)
        mg = chart.recent_magnesium(t) if finding is None else None
        normal_mg = mg if mg is not None and mg.v >= D("0.695") and (low_t is None or mg.t > low_t) else None
        ends = [("potassium_recovered", up), ("magnesium_resulted", normal_mg)]
    elif alert.rule is other.GAP:
        exposure = exposure_of(alert, chart)
        if exposure is not None:
            mg, k = other.measured(chart, exposure)
            if mg is not None and k is not None:
                return ("resolved", "measured", (mg, k))
    elif alert.rule is other.HYPOCALCEMIA:
        ends = [("calcium_recovered", other.recovered(chart, alert.scope[0], t))]  # type: ignore[arg-type]
    elif alert.rule is other.SPURIOUS:
        ends = [("repeat_resulted", other.repeated(chart, t))]
    elif alert.rule is mag.POST_INFUSION:
        exposure = exposure_of(alert, chart)
        if exposure is not None:
            draws = mag.of_exposure(chart, exposure, held)
            ends = [("magnesium_cleared", mag.magnesium_cleared(chart, exposure, draws, t))]
    elif alert.rule is mag.UNKNOWN:
        ends = [("magnesium_cleared", mag.unknown_cleared(chart, t))]
    for reason, draw in ends:
        if draw is not None:
            return ("resolved", reason, (draw,))
    if alert.rule is mag.UNKNOWN:
        trigger = next((draw for draw in chart.mg if draw.key == alert.key), None)
        if trigger is not None and chart.owner(trigger, held) is not None:
            return ("resolved", "superseded", ())
    due = expiry(alert, chart, held)
    return ("closed", "expired", ()) if due is not None and due <= chart.now else None
