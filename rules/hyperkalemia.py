"""
Refractory hyperkalemia: with no recent magnesium (RULES.md 4.1), and with a low one (RULES.md 5).

Sources: UK Kidney Association, Clinical Practice Guideline: Acute Hyperkalaemia (2023) for the severity bands and the
duration of treatments. That low magnesium makes *hyper*kalemia refractory is weakly supported: the alert says what was
not measured, carries the evidence grade "low", and orders nothing.
"""

from typing import TYPE_CHECKING

from rules.alert import Rule, Severity
from rules.chart import Chart
from rules.draws import Draw
from rules.episode import Episode, episode_at, latest_episode
from rules.events import Analyte, Drug, Instant
from rules.finding import EXPIRED, NO_HOLD, Claim, End, Finding, Plain, resolved, step_up
from rules.patient import HoldMark
from rules.rulebook import Rulebook

if TYPE_CHECKING:
    from decimal import Decimal


def criterion(chart: Chart, episode: Episode, draw: Draw) -> str | None:
    """Return the first criterion of RULES.md 4.1 that *draw* meets, or None: a suspect one meets none (RULES.md 3)."""
    book = chart.rulebook
    if not draw.valid or draw.value < book.potassium_onset:
        return None
    if _persistence(chart, episode, draw):
        return "persistence"
    if treatment_failure(chart, episode, draw) is not None:
        return "treatment_failure"
    if episode.reopened_at is not None and draw.at >= episode.reopened_at:
        return "rebound"
    return None


def _persistence(chart: Chart, episode: Episode, draw: Draw) -> bool:
    book = chart.rulebook
    elapsed = draw.at - episode.first.at  # the first and this one are two specimens >= 5.5
    if elapsed >= book.persistence_late and draw.value >= book.potassium_high:
        return True
    if draw.value <= episode.first.value - book.persistence_fall:
        return False
    long_enough, if_severe = elapsed >= book.persistence_after, elapsed >= book.persistence_after_severe
    if long_enough is if_severe:  # whatever the kidneys do
        return long_enough
    severe = any(d.valid and d.value >= book.potassium_critical for d in episode.draws if d.at <= draw.at)
    return if_severe if severe or chart.impaired else long_enough


def treatment_failure(chart: Chart, episode: Episode, draw: Draw) -> tuple[Instant, str] | None:
    """Return the newest treatment that *draw* shows to have failed, as (moment, kind), or None (RULES.md 4.1)."""
    book = chart.rulebook
    for at, kind in reversed(chart.treatments):
        if at < episode.first.at:
            return None
        low, high = (
            (book.binder_from, book.binder_until)
            if kind == Drug.BINDER.value
            else (book.treatment_from, book.treatment_until)
        )
        if not low <= draw.at - at <= high:
            continue
        before = chart.potassium.last(at)
        if before is None or at - before.at > book.treatment_baseline or before.value < book.potassium_onset:
            continue
        if draw.value > before.value - book.persistence_fall or (
            draw.value >= book.potassium_high and draw.at - at >= book.treatment_late
        ):
            return at, kind
    return None


def severity_by_value(draw: Draw, book: Rulebook) -> Severity:
    """Return the severity of one counted potassium: a suspect one is at most high, critical from 7.0 (RULES.md 3)."""
    if draw.value >= book.potassium_critical:
        if draw.valid or draw.value >= book.suspect_critical_potassium:
            return Severity.CRITICAL
        return Severity.HIGH
    return Severity.HIGH if draw.value >= book.potassium_high else Severity.WARNING


def steps(chart: Chart, episode: Episode, trigger: Draw) -> list[str]:
    """Return what steps the severity up, by name (RULES.md 4.1); one step in all, however many."""
    book = chart.rulebook
    found = []
    if episode.reopened_at is not None:
        found.append("reopened episode")
    if any(_fast_rise(chart, draw) for draw in episode.current if draw.value >= book.potassium_high):
        found.append("fast rise")
    if chart.digoxin_step(trigger.at):
        found.append("digoxin")
    if chart.low_calcium_near(trigger.at, book.calcium_near):
        found.append("low calcium")
    return found


def _fast_rise(chart: Chart, draw: Draw) -> bool:
    book = chart.rulebook
    if not draw.valid:
        return False
    least = chart.potassium.least(draw.at - book.fast_rise_within, draw.at - 1)
    return least is not None and draw.value - least >= book.fast_rise


def rating(episode: Episode, trigger: Draw, book: Rulebook) -> tuple[Severity, Draw | None]:
    """
    Return the severity of the worst counted potassium since the last reopening (RULES.md 4.1).

    And that potassium, where *trigger* is rated lower.
    """
    rated = {draw: severity_by_value(draw, book) for draw in episode.current}
    severity = max(rated.values())
    if rated.get(trigger, severity) is severity:
        return severity, None
    return severity, max([draw for draw in rated if rated[draw] is severity], key=lambda draw: draw.value)


def potassium_end(chart: Chart, claim: Claim) -> End | None:
    """
    Return how potassium ends an alert on *claim*: its episode closed by a draw not before the trigger, or silence.

    RULES.md 4.1 and 7; ADR 8, reading 3.

    A trigger that was itself corrected to a clearing value closes its episode, and so ends its alert; an episode that
    was reopened is not closed.
    """
    episode = episode_at(chart, claim.trigger_at)
    if episode is not None and episode.closed_by is not None and episode.closed_by.at >= claim.trigger_at:
        return resolved("potassium_cleared", episode.closed_by)
    return EXPIRED if chart.settled >= _silent_at(chart, claim.trigger_at, episode) else None


def _silent_at(chart: Chart, trigger_at: Instant, episode: Episode | None) -> Instant:
    """
    Return when 48 h without a counted potassium of the episode have passed.

    Counted from the trigger at the earliest.
    """
    last = episode.draws[-1].at if episode is not None else trigger_at
    return max(last, trigger_at) + chart.rulebook.episode_silence


_READS = (
    *("potassium", "treatments", "impaired", "magnesium", "dialyses", "magnesium_doses"),
    *("newest_digoxin", "low_calcium_at"),  # the steps up
)


class Hyperkalemia(Plain):
    """What both rules of this family share."""

    def expiry(self, chart: Chart, claim: Claim) -> Instant | None:
        """Return when 48 h of silence have passed since the last counted potassium."""
        return _silent_at(chart, claim.trigger_at, episode_at(chart, claim.trigger_at))

    def anchor(self, chart: Chart) -> Instant | None:
        """Return the draw of the newest refractory potassium of the latest episode."""
        found = newest_refractory(chart)
        return found[1].at if found is not None else None


def newest_refractory(chart: Chart) -> tuple[Episode, Draw, str] | None:
    """Return the latest episode, its newest refractory potassium and the criterion."""
    return chart.once("newest_refractory", _newest_refractory, _REFRACTORY)


_REFRACTORY = ("potassium", "treatments", "impaired")


def _newest_refractory(chart: Chart) -> tuple[Episode, Draw, str] | None:
    episode = latest_episode(chart)
    if episode is None:
        return None
    for draw in reversed(episode.draws):
        found = criterion(chart, episode, draw)
        if found is not None:
            return episode, draw, found
    return None


class RefractoryWithoutMagnesium(Hyperkalemia):
    """``refractory-hyperkalemia-no-magnesium``, RULES.md 4.1."""

    rule = Rule.REFRACTORY_HYPERKALEMIA
    _reads = (*_READS, "pending_magnesium_at", "holds")

    def findings(self, chart: Chart) -> list[Finding]:
        """Return the refractory potassium that no recent magnesium goes with."""
        found = newest_refractory(chart)
        if found is None:
            return []
        return chart.once(self.rule.value, lambda chart: self._of(chart, *found), self._reads)

    def _of(self, chart: Chart, episode: Episode, trigger: Draw, name: str) -> list[Finding]:
        if chart.recent_magnesium(trigger.at) is not None:
            return []
        book = chart.rulebook
        stepped = steps(chart, episode, trigger)
        severity, worst = rating(episode, trigger, book)
        return [
            Finding(
                rule=self.rule,
                trigger=trigger.key,
                trigger_at=trigger.at,
                severity=step_up(severity, when=bool(stepped)),
                evidence=[trigger, *[d for d in reversed(episode.draws) if d is not trigger]],
                criterion=name,
                held_until=self._held_until(chart, episode, trigger),
                value=trigger.value,
                notes={"episode": episode, "steps": stepped, "worst": worst},
            )
        ]

    def _held_until(self, chart: Chart, episode: Episode, trigger: Draw) -> Instant:
        book = chart.rulebook
        mark = self._mark(chart, episode)
        since = mark.since if mark is not None else chart.now
        if mark is not None and mark.over:
            return NO_HOLD
        critical = book.potassium_critical
        if chart.may_reach(Analyte.POTASSIUM, critical) and any(
            d.valid and d.value >= critical for d in episode.current
        ):
            return NO_HOLD
        return since + (book.hold_pending if chart.magnesium_pending(trigger.at) else book.hold)

    def _mark(self, chart: Chart, episode: Episode) -> HoldMark | None:
        marks = [
            mark
            for mark in chart.holds
            if mark.rule is self.rule and episode.first.at <= mark.observed_at <= episode.draws[-1].at
        ]
        return min(marks, key=lambda mark: (not mark.over, mark.since)) if marks else None

    def marks(self, chart: Chart) -> list[HoldMark]:
        """Return the mark of the moment at which a potassium of the episode is first judged refractory."""
        found = newest_refractory(chart)
        if found is None or self._mark(chart, found[0]) is not None:
            return []
        return [HoldMark(self.rule, found[1].at, chart.now)]

    def hold_until(self, chart: Chart) -> Instant | None:
        """Return when the hold of the newest trigger ends."""
        found = newest_refractory(chart)
        return self._held_until(chart, found[0], found[1]) if found is not None else None

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: a recent magnesium, the episode cleared, silence."""
        recent = chart.recent_magnesium(claim.trigger_at)
        if recent is not None:
            return resolved("magnesium_resulted", recent)
        return potassium_end(chart, claim)


class WithLowMagnesium(Hyperkalemia):
    """``hyperkalemia-low-magnesium``, RULES.md 5."""

    rule = Rule.HYPERKALEMIA_LOW_MAGNESIUM
    _reads = _READS

    def findings(self, chart: Chart) -> list[Finding]:
        """Return the newest potassium that is refractory, or valid and >= 6.0, with a recent low magnesium."""
        episode = latest_episode(chart)
        low: Decimal = chart.rulebook.magnesium_low
        if episode is None or not chart.may_lie_below(Analyte.MAGNESIUM, low):
            return []
        return chart.once(self.rule.value, lambda chart: self._of(chart, episode), self._reads)

    def _of(self, chart: Chart, episode: Episode) -> list[Finding]:
        book = chart.rulebook
        found = newest_refractory(chart)
        for trigger in reversed(episode.draws):
            refractory = found[2] if found is not None and trigger is found[1] else None
            if refractory is not None or (trigger.valid and trigger.value >= book.potassium_high):
                break
        else:
            return []
        magnesium = chart.recent_magnesium(trigger.at)
        if magnesium is None or magnesium.value >= book.magnesium_low:
            return []
        very_low = magnesium.value < book.magnesium_very_low
        stepped = steps(chart, episode, trigger)
        if very_low:
            stepped.append(f"magnesium below {book.shown('magnesium_very_low')}")
        highest, worst = rating(episode, trigger, book)
        severity = step_up(highest, when=bool(stepped))
        if trigger.value < book.potassium_critical and refractory is None and not very_low:
            severity = Severity.WARNING
        return [
            Finding(
                rule=self.rule,
                trigger=trigger.key,
                trigger_at=trigger.at,
                severity=severity,
                evidence=[trigger, magnesium, *[d for d in reversed(episode.draws) if d is not trigger]],
                used_at=magnesium.at,
                value=trigger.value,
                notes={
                    "episode": episode,
                    "steps": stepped,
                    "worst": worst,
                    "refractory": refractory,
                    "magnesium_draw": magnesium,
                },
            )
        ]

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: a magnesium that is not low, the episode cleared, silence."""
        since = claim.used_at if claim.used_at is not None else claim.trigger_at
        recovered = recovered_magnesium(chart, since)
        return resolved("magnesium_recovered", recovered) if recovered is not None else potassium_end(chart, claim)


def recovered_magnesium(chart: Chart, since: Instant) -> Draw | None:
    """Return the newest valid magnesium >= 0.695 mmol/L drawn after *since*; at it, where the low one was corrected."""
    low: Decimal = chart.rulebook.magnesium_low
    return next((draw for draw in reversed(chart.magnesium.above(low, since)) if draw.valid), None)
