"""RULES.md 4.1 and `hyperkalemia-low-magnesium` of 5, plainly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from rules.alert import Rule
from rules.events import HOUR, MINUTE
from tests.reference.chart import CRITICAL, HIGH, WARNING, Chart
from tests.reference.results import Draw, Key

D = Decimal
REFRACTORY, LOW_MAGNESIUM = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM


@dataclass
class Finding:
    """What a rule finds. `waits`: the length of a hold still to be counted from `held_from` (None: no hold)."""

    rule: Rule
    scope: Key
    severity: int
    draw: Draw | None
    criterion: str | None = None
    waits: int | None = None
    members: Sequence[Draw] = ()
    low: Draw | None = None
    exposure: set[Key] = field(default_factory=set)
    stood_on: set[Key] = field(default_factory=set)
    s: int = 0
    trigger_key: Key = ()
    first: Key = ()

    @property
    def t(self) -> int:
        """The draw of the trigger (of a monitoring gap: the first dose)."""
        return self.s if self.draw is None else self.draw.t

    @property
    def key(self) -> Key:
        """The identity of the trigger."""
        return self.trigger_key if self.draw is None else self.draw.key


@dataclass
class Episode:
    """An episode of hyperkalemia: its counted potassiums, its reopenings, and how it closed."""

    members: list[Draw]
    reopened: int | None = None
    closed_by: Draw | None = None
    closed_at: int | None = None

    @property
    def since(self) -> list[Draw]:
        """The members since the last reopening, or all."""
        return [draw for draw in self.members if self.reopened is None or draw.t >= self.reopened]


def episodes(ks: list[Draw], now: int) -> list[Episode]:
    """Every episode, oldest first."""
    found: list[Episode] = []
    low_before = False
    for k in ks:
        last = found[-1] if found else None
        if last is not None and last.closed_at is None and k.t >= last.members[-1].t + 48 * HOUR:
            last.closed_at = last.members[-1].t + 48 * HOUR
        if last is None or last.closed_at is not None:
            if k.v < D("5.5"):
                continue
            if last is not None and last.closed_by is not None and k.t - last.closed_by.t <= 6 * HOUR:
                last.closed_by = last.closed_at = None
                last.reopened = k.t
                last.members.append(k)
            else:
                found.append(Episode([k]))
            low_before = False
            continue
        last.members.append(k)
        if k.verdict != "valid":
            continue
        if k.v < D("5.2") or (k.v < D("5.5") and low_before):
            last.closed_by, last.closed_at = k, k.t
        low_before = k.v < D("5.5")
    if found and found[-1].closed_at is None and now >= found[-1].members[-1].t + 48 * HOUR:
        found[-1].closed_at = found[-1].members[-1].t + 48 * HOUR
    return found


def criterion(chart: Chart, episode: Episode, k: Draw) -> str | None:
    """The first criterion by which a potassium of the episode is refractory."""
    if k.verdict != "valid" or k.v < D("5.5"):
        return None
    first = episode.members[0]
    high = [each for each in episode.members if each.t <= k.t and each.v >= D("5.5")]
    since_first = k.t - first.t
    severe = any(each.verdict == "valid" and each.v >= D("6.5") for each in high)
    need = 1 * HOUR if severe or chart.impaired else 2 * HOUR
    if len(high) >= 2 and since_first >= need and k.v > first.v - D("0.5"):
        return "persistence"
    if since_first >= 4 * HOUR and k.v >= 6:
        return "persistence"
    for given, low, until in chart.treatments:
        if given < first.t or not low * HOUR <= k.t - given <= until * HOUR:
            continue
        before = [each for each in chart.k if given - 24 * HOUR <= each.t <= given]
        if not before or before[-1].v < D("5.5"):
            continue
        if k.v > before[-1].v - D("0.5") or (k.v >= 6 and k.t >= given + 2 * HOUR):
            return "treatment_failure"
    if episode.reopened is not None and k.t >= episode.reopened:
        return "rebound"
    return None


def by_value(k: Draw) -> int:
    """The severity of one counted potassium, as section 3 limits a suspect one."""
    if k.verdict == "valid":
        return CRITICAL if k.v >= D("6.5") else HIGH if k.v >= 6 else WARNING if k.v >= D("5.5") else 0
    return CRITICAL if k.v >= 7 else HIGH if k.v >= 6 else WARNING if k.v >= D("5.5") else 0


def severity(chart: Chart, episode: Episode, t: int, *, step: bool = False) -> int:
    """By the highest potassium of the episode (since its reopening); one step up at most."""
    level = max(by_value(each) for each in episode.since)
    for each in episode.since:
        if each.verdict == "valid" and each.v >= 6:
            before = [other for other in chart.k if each.t - 12 * HOUR <= other.t < each.t]
            step = step or any(each.v - other.v >= D("0.5") for other in before)
    step = step or episode.reopened is not None or chart.digoxin(t) or chart.low_calcium(t, 24 * HOUR)
    return min(level + step, CRITICAL)


def refractory_hyperkalemia(chart: Chart) -> Finding | None:
    """4.1, before the hold; superseded or not is for the life of an alert."""
    all_episodes = episodes(chart.k, chart.now)
    if not all_episodes or all_episodes[-1].closed_at is not None:
        return None
    episode = all_episodes[-1]
    judged = [(k, criterion(chart, episode, k)) for k in episode.members]
    met = [(k, why) for k, why in judged if why is not None]
    if not met:
        return None
    k, why = met[-1]
    if chart.recent_magnesium(k.t) is not None:
        return None
    severe = any(each.verdict == "valid" and each.v >= D("6.5") for each in episode.since)
    waits = 0 if severe else 60 * MINUTE if chart.magnesium_pending(k.t) else 15 * MINUTE
    return Finding(
        REFRACTORY,
        (),
        severity(chart, episode, k.t),
        k,
        why,
        waits=waits,
        members=episode.members,
    )


def low_magnesium(chart: Chart) -> Finding | None:
    """`hyperkalemia-low-magnesium`."""
    all_episodes = episodes(chart.k, chart.now)
    if not all_episodes or all_episodes[-1].closed_at is not None:
        return None
    episode = all_episodes[-1]
    judged = [(k, criterion(chart, episode, k)) for k in episode.members]
    met = [(k, why) for k, why in judged if why is not None or (k.verdict == "valid" and k.v >= 6)]
    if not met:
        return None
    k, why = met[-1]
    mg = chart.recent_magnesium(k.t)
    if mg is None or mg.v >= D("0.695"):
        return None
    very_low = mg.v < D("0.50")
    level = severity(chart, episode, k.t, step=very_low)
    if k.v < D("6.5") and why is None and not very_low:
        level = WARNING
    return Finding(LOW_MAGNESIUM, (), level, k, low=mg)


def episode_of(chart: Chart, t: int) -> tuple[Episode | None, int]:
    """The episode of an alert with its trigger at *t*, and that trigger: the latest's newest refractory one, if any."""
    found = episodes(chart.k, chart.now)
    if found:
        met = [k for k in found[-1].members if criterion(chart, found[-1], k) is not None]
        if met:
            return found[-1], met[-1].t
    return next((each for each in reversed(found) if each.members[0].t <= t), None), t


def cleared_after(chart: Chart, t: int) -> Draw | None:
    """The potassium, not earlier than the trigger, that closed its episode; None while it is open."""
    episode, t = episode_of(chart, t)
    return None if episode is None or episode.closed_by is None or episode.closed_by.t < t else episode.closed_by


def silent_at(chart: Chart, t: int) -> int:
    """When the episode of a trigger ends in silence."""
    episode, t = episode_of(chart, t)
    return max([t, *(k.t for k in episode.members)] if episode is not None else [t]) + 48 * HOUR
