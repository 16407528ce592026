"""
What may follow a magnesium infusion: potassium that rises, calcium that falls, and nobody who measures (RULES.md 5).

Sources: Spital & Greenwell, "Severe hyperkalemia during magnesium sulfate therapy in two pregnant drug abusers", South
Med J 1991;84:919; Cholst et al., "The influence of hypermagnesemia on serum calcium", NEJM 1984;310:1221. Evidence:
case reports and small series.
"""

from decimal import Decimal
from typing import NamedTuple

from rules.alert import Change, Rule, Severity
from rules.chart import Chart
from rules.draws import Draw, Draws
from rules.events import Analyte, Instant
from rules.exposure import Exposure
from rules.finding import EXPIRED, Claim, End, Finding, Plain, resolved, silence
from rules.hypermagnesemia import belonging, exposure_named, ladder
from rules.rulebook import Rulebook


def window(chart: Chart, exposure: Exposure) -> tuple[Instant, Instant]:
    """Return s and e + 24 h of *exposure*."""
    return exposure.start, exposure.end + chart.rulebook.after_window


def baseline(chart: Chart, exposure: Exposure, draws: Draws) -> Draw | None:
    """Return the last of *draws* in the 72 h before the exposure's start, or None."""
    before = draws.last(exposure.start - 1)
    since = exposure.start - chart.rulebook.after_baseline
    return before if before is not None and before.at >= since else None


class HyperkalemiaAfterMagnesium(Plain):
    """``hyperkalemia-after-magnesium``, RULES.md 5."""

    rule = Rule.HYPERKALEMIA_AFTER_MAGNESIUM

    def findings(self, chart: Chart) -> list[Finding]:
        """Return the newest potassium that has risen after magnesium, with the latest exposure that it follows."""
        book = chart.rulebook
        if not chart.exposures or not chart.may_reach(Analyte.POTASSIUM, book.potassium_onset):
            return []
        best: tuple[Draw, Exposure, Draw] | None = None
        for exposure in chart.exposures:
            before = baseline(chart, exposure, chart.potassium)
            if before is None:
                continue
            for draw in reversed(chart.potassium.above(book.potassium_onset, *window(chart, exposure))):
                if draw.valid and draw.value - before.value >= book.after_rise:
                    if best is None or draw.at >= best[0].at:
                        best = (draw, exposure, before)
                    break
        if best is None:
            return []
        trigger, exposure, before = best
        magnesium = [draw for draw in belonging(chart, exposure) if draw.valid]
        high = ladder(chart)
        severity = Severity.WARNING
        if trigger.value >= book.potassium_high or any(
            (high.severity(draw.value) or Severity.INFORMATION) >= Severity.HIGH for draw in magnesium
        ):
            severity = Severity.HIGH
        if trigger.value >= book.potassium_critical:
            severity = Severity.CRITICAL
        return [
            Finding(
                rule=self.rule,
                trigger=trigger.key,
                trigger_at=trigger.at,
                severity=severity,
                evidence=[trigger, before, *magnesium[-3:]],
                value=trigger.value,
                exposure=exposure,
                notes={"baseline": before, "magnesium_draw": magnesium[-1] if magnesium else None},
            )
        ]

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: a valid K < 5.2, or 48 h without a potassium."""
        expiry, until = silence(
            chart.potassium.since(claim.trigger_at), claim.trigger_at, chart.rulebook.episode_silence
        )
        for draw in until:
            if draw.valid and draw.value < chart.rulebook.potassium_clear:
                return resolved("potassium_cleared", draw)
        return EXPIRED if chart.settled >= expiry else None

    def expiry(self, chart: Chart, claim: Claim) -> Instant | None:
        """Return when 48 h without a potassium have passed."""
        return silence(chart.potassium.since(claim.trigger_at), claim.trigger_at, chart.rulebook.episode_silence)[0]


class CalciumLimits(NamedTuple):
    """Limits of one calcium in mmol/L: fires below ``limit``, critical below ``critical``, after a fall of ``fall``."""

    limit: Decimal
    critical: Decimal
    fall: Decimal


def calcium_limits(analyte: str, book: Rulebook) -> CalciumLimits:
    """Return the limits of total or ionized calcium."""
    if analyte == Analyte.CALCIUM.value:
        return CalciumLimits(book.hypocalcemia, book.hypocalcemia_critical, book.hypocalcemia_fall)
    return CalciumLimits(book.hypocalcemia_ionized, book.hypocalcemia_ionized_critical, book.hypocalcemia_ionized_fall)


class HypocalcemiaAfterMagnesium(Plain):
    """``hypocalcemia-after-magnesium``, RULES.md 5: one alert for total, one for ionized calcium."""

    rule = Rule.HYPOCALCEMIA_AFTER_MAGNESIUM

    def _draws(self, chart: Chart, analyte: str) -> Draws:
        draws = chart.calcium if analyte == Analyte.CALCIUM.value else chart.ionized
        return draws.valid()

    def findings(self, chart: Chart) -> list[Finding]:
        """Return the newest low calcium after magnesium, for each of the two analytes."""
        if not chart.exposures:
            return []
        found = []
        for analyte in (Analyte.CALCIUM, Analyte.CALCIUM_IONIZED):
            if chart.may_lie_below(analyte, calcium_limits(analyte, chart.rulebook).limit):
                finding = self._finding(chart, analyte.value)
                if finding is not None:
                    found.append(finding)
        return found

    def _finding(self, chart: Chart, analyte: str) -> Finding | None:
        limits = calcium_limits(analyte, chart.rulebook)
        draws = self._draws(chart, analyte)
        best: tuple[Draw, Exposure, Draw | None] | None = None
        for exposure in chart.exposures:
            before = baseline(chart, exposure, draws)
            for draw in reversed(draws.below(limits.limit, *window(chart, exposure))):
                fallen = before is None or before.value - draw.value >= limits.fall
                if fallen and not self._ionized_speaks(chart, analyte, draw):
                    if best is None or draw.at >= best[0].at:
                        best = (draw, exposure, before)
                    break
        if best is None:
            return None
        trigger, exposure, before = best
        magnesium = belonging(chart, exposure)
        explained = not magnesium or magnesium[-1].value >= chart.rulebook.hypocalcemia_magnesium
        critical = trigger.value < limits.critical and explained
        return Finding(
            rule=self.rule,
            subject=analyte,
            trigger=trigger.key,
            trigger_at=trigger.at,
            severity=Severity.CRITICAL if critical else Severity.WARNING,
            evidence=[trigger, *([before] if before else []), *magnesium[-1:]],
            exposure=exposure,
            notes={"baseline": before, "magnesium_draw": magnesium[-1] if magnesium else None},
        )

    def _ionized_speaks(self, chart: Chart, analyte: str, draw: Draw) -> bool:
        """Say whether a valid ionized calcium >= 1.0 within 4 h speaks against a low total one."""
        book = chart.rulebook
        near = book.hypocalcemia_ionized_near
        return analyte == Analyte.CALCIUM.value and any(
            other.valid for other in chart.ionized.above(book.hypocalcemia_ionized, draw.at - near, draw.at + near)
        )

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: the same analyte back at or above its limit, or 48 h without it."""
        limits = calcium_limits(claim.subject, chart.rulebook)
        draws = self._draws(chart, claim.subject).since(claim.trigger_at)
        expiry, until = silence(draws, claim.trigger_at, chart.rulebook.hypocalcemia_silence)
        for draw in until:
            if draw.value >= limits.limit:
                return resolved("calcium_recovered", draw)
        return EXPIRED if chart.settled >= expiry else None

    def expiry(self, chart: Chart, claim: Claim) -> Instant | None:
        """Return when 48 h without this calcium have passed."""
        draws = self._draws(chart, claim.subject).since(claim.trigger_at)
        return silence(draws, claim.trigger_at, chart.rulebook.hypocalcemia_silence)[0]


class MonitoringGap(Plain):
    """``magnesium-monitoring-gap``, RULES.md 5: one alert an exposure, raised by a timer."""

    rule = Rule.MAGNESIUM_MONITORING_GAP
    _reads = ("exposures", "magnesium", "potassium", "discharges", "deaths", "administrations")

    def _due_at(self, chart: Chart, exposure: Exposure) -> Instant:
        book = chart.rulebook
        runs = exposure.ran(chart.now) if chart.looks_back else exposure.running(chart.now)
        return exposure.start + book.gap_run if runs else exposure.end + book.gap_after

    def _long(self, chart: Chart, exposure: Exposure) -> bool:
        return min(chart.now, exposure.end) - exposure.start >= chart.rulebook.gap_run

    def _measured(self, chart: Chart, exposure: Exposure) -> tuple[Draw | None, Draw | None]:
        """Return the first counted magnesium and potassium drawn at or after s + 2 h (or e, when that is earlier)."""
        since = min(exposure.start + chart.rulebook.gap_from, exposure.end)
        return (
            chart.magnesium.first(since),
            chart.potassium.first(since),
        )

    def _unmeasured(self, chart: Chart) -> list[Exposure]:
        """Return the exposures whose timer no discharge or death has ended, and that lack a measurement."""
        if not chart.exposures:
            return []
        return chart.once("unmeasured", self._find, self._reads)

    def _find(self, chart: Chart) -> list[Exposure]:
        return [
            exposure
            for exposure in chart.exposures
            if None in self._measured(chart, exposure) and not self._left(chart, exposure)
        ]

    def _left(self, chart: Chart, exposure: Exposure) -> bool:
        """Say whether the patient left, or died, after the exposure's first dose had been given and had come."""
        came, received_at, started_at = chart.dose_came(exposure.first_dose)
        return any(
            came < end.came or (came == end.came and received_at <= end.at)
            for end in (*chart.discharges, *chart.deaths)
            if started_at <= end.at
        )

    def _watched(self, chart: Chart) -> list[Exposure]:
        """Return those of them that are large or long enough for what the kidneys are now known to do."""
        unmeasured = self._unmeasured(chart)
        if not unmeasured or not chart.cleared_slowly:
            return []
        book = chart.rulebook
        grams = book.gap_grams_impaired if chart.impaired else book.gap_grams
        return [
            exposure
            for exposure in unmeasured
            if ((exposure.grams is not None and exposure.grams >= grams) or self._long(chart, exposure))
        ]

    def findings(self, chart: Chart) -> list[Finding]:
        """Return one finding an exposure whose timer has come and that lacks a magnesium or a potassium."""
        book = chart.rulebook
        found = []
        for exposure in self._watched(chart):
            if chart.settled < self._due_at(chart, exposure):
                continue
            magnesium, potassium = self._measured(chart, exposure)
            much = (exposure.grams is not None and exposure.grams >= book.gap_grams) or self._long(chart, exposure)
            severe = chart.impaired and magnesium is None and much
            found.append(
                Finding(
                    rule=self.rule,
                    subject=exposure.first_dose,
                    trigger=exposure.first_dose,
                    trigger_at=exposure.start,
                    severity=Severity.HIGH if severe else Severity.WARNING,
                    evidence=[draw for draw in (magnesium, potassium) if draw is not None],
                    stood_on=exposure.keys,
                    exposure=exposure,
                    notes={"magnesium_draw": magnesium, "potassium_draw": potassium},
                )
            )
        return found

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: both measured, or 24 h after the end."""
        exposure = exposure_named(chart, claim.subject)
        if exposure is not None:
            magnesium, potassium = self._measured(chart, exposure)
            if magnesium is not None and potassium is not None:
                return resolved("measured", *sorted((magnesium, potassium), key=lambda draw: -draw.at))
        expiry = self.expiry(chart, claim)
        return End(Change.CLOSED, "expired") if chart.settled >= expiry else None

    def expiry(self, chart: Chart, claim: Claim) -> Instant:
        """Return e + 24 h."""
        exposure = exposure_named(chart, claim.subject)
        return (exposure.end if exposure is not None else claim.trigger_at) + chart.rulebook.gap_expiry

    def due(self, chart: Chart) -> Instant | None:
        """Return the next moment at which an exposure's timer comes: by then the kidneys may no longer be known."""
        book = chart.rulebook
        moments = []
        for exposure in self._unmeasured(chart):
            moments.append(self._due_at(chart, exposure))
            if exposure.running(chart.now):
                moments.append(exposure.end + book.gap_after)
        return min((at for at in moments if at > chart.settled), default=None)
