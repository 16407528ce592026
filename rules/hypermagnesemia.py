"""
Hypermagnesemia: after an infusion, and without a known exposure (RULES.md 4.2).

Sources: ACOG Practice Bulletin 222 for the obstetric ladder; the general and renal ladders are the rulebook's own.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from rules.alert import Rule, Severity
from rules.chart import Chart
from rules.draws import Draw, names, since
from rules.events import Analyte, Instant
from rules.exposure import Exposure
from rules.finding import EXPIRED, Claim, End, Finding, Plain, resolved, silence, step_up

if TYPE_CHECKING:
    from rules.rulebook import Rulebook


class Ladder(NamedTuple):
    """Thresholds in mmol/L; ``above`` names the rungs that need more than the figure, the others need at least it."""

    profile: str
    warning: Decimal
    high: Decimal
    critical: Decimal
    above: tuple[Severity, ...] = ()

    def severity(self, value: Decimal) -> Severity | None:
        """Return the highest rung that *value* reaches, or None."""
        for rung, figure in (
            (Severity.CRITICAL, self.critical),
            (Severity.HIGH, self.high),
            (Severity.WARNING, self.warning),
        ):
            if value > figure or (value == figure and rung not in self.above):
                return rung
        return None


def ladder(chart: Chart) -> Ladder:
    """Return the ladder of the patient's profile at the chart's ``now`` (RULES.md 4.2)."""
    return chart.once("ladder", _ladder, _LADDER)


_LADDER = ("obstetric", "impaired", "creatinine_high")


def _ladder(chart: Chart) -> Ladder:
    book: Rulebook = chart.rulebook
    if chart.obstetric:
        if chart.impaired or chart.creatinine_high:
            return Ladder(
                "obstetric, renal",
                book.obstetric_renal_warning,
                book.obstetric_renal_high,
                book.obstetric_renal_critical,
                (Severity.WARNING, Severity.HIGH),
            )
        return Ladder(
            "obstetric", book.obstetric_warning, book.obstetric_high, book.obstetric_critical, (Severity.WARNING,)
        )
    if chart.impaired:
        return Ladder("renal", book.renal_warning, book.renal_high, book.renal_critical)
    return Ladder("general", book.general_warning, book.general_high, book.general_critical)


class Owned(NamedTuple):
    """Magnesiums that belong to an exposure, oldest first: by the exposure's first dose, and the other way."""

    by_exposure: dict[str, list[Draw]]
    exposure_of: dict[Draw, Exposure]


def exposure_of(chart: Chart, draw: Draw) -> Exposure | None:
    """
    Return the exposure that a magnesium belongs to, or None.

    s <= observed_at <= e + 24 h (48 h when renal function is impaired or unknown), the latest when several match; what
    an alert of an exposure stood on goes on belonging to it.
    """
    return owned(chart).exposure_of.get(draw) if chart.exposures else None


def belonging(chart: Chart, exposure: Exposure) -> list[Draw]:
    """Return the counted magnesiums that belong to *exposure*, oldest first."""
    return owned(chart).by_exposure[exposure.first_dose]


def owned(chart: Chart) -> Owned:
    """Return which magnesium belongs to which exposure."""
    return chart.once("owned", _owned, _OWNED)


_OWNED = ("exposures", "magnesium", "cleared_slowly", "stood_on")


def _owned(chart: Chart) -> Owned:
    book, magnesium = chart.rulebook, chart.magnesium
    window = book.exposure_window_impaired if chart.cleared_slowly else book.exposure_window
    of: dict[Draw, Exposure] = {}
    for exposure in chart.exposures:  # of several the latest
        of |= dict.fromkeys(magnesium.between(exposure.start, exposure.end + window), exposure)
    kept: dict[str, Exposure] = {}
    for dose, stood_on, goes_on in chart.stood_on:
        keeper = exposure_named(chart, dose)
        if keeper is None and goes_on:
            keeper = _followed(of, stood_on)
        if keeper is not None:
            kept |= dict.fromkeys(stood_on, keeper) | kept
    if kept:
        owners = dict(zip(names([*of]), of.values(), strict=True))
        elsewhere = [name for name, keeper in kept.items() if owners.get(name) is not keeper]
        named = {draw: kept[name] for name in elsewhere if (draw := magnesium.named(name)) is not None}
        if named:
            of = dict(sorted((of | named).items(), key=lambda one: one[0].at))
    by_exposure = {e.first_dose: [draw for draw, owner in of.items() if owner is e] for e in chart.exposures}
    return Owned(by_exposure, of)


def _followed(of: dict[Draw, Exposure], stood_on: tuple[str, ...]) -> Exposure | None:
    """Return what an alert follows whose dose was deleted: the owner of the newest that it stood on (ADR 8, 13)."""
    named = zip(names([*of]), of, strict=True)
    newest = max(((draw.at, name, draw) for name, draw in named if name in stood_on), default=None)
    return None if newest is None else of[newest[2]]


def exposure_named(chart: Chart, dose: str) -> Exposure | None:
    """Return the exposure that holds the dose named *dose*, or None."""
    return chart.exposure_of_dose.get(dose)


def severity_of(chart: Chart, exposure: Exposure, draw: Draw, rungs: Ladder) -> Severity | None:
    """
    Return the severity of one magnesium of an exposure by its own phase, before the step up (RULES.md 3, 4.2).

    None below warning.
    """
    book = chart.rulebook
    severity = rungs.severity(draw.value)
    if severity is None:
        return None
    if not draw.valid:
        severity = min(severity, Severity.WARNING)
    short = min(draw.at, exposure.end) - exposure.start < book.early_run
    if rungs.profile == "general" and exposure.phase(draw.at, book) != "post" and short and severity is Severity.HIGH:
        return Severity.WARNING
    return severity


def potassium_or_calcium(chart: Chart, at: Instant) -> list[str]:
    """Return the steps by a valid K >= 6.0 or a valid total Ca < 1.9 mmol/L within 6 h of a magnesium drawn at *at*."""
    book = chart.rulebook
    found = []
    within = book.magnesium_step_within
    if any(at - within <= drawn <= at + within for drawn in chart.high_potassium_at):
        found.append("high potassium")
    if chart.low_calcium_near(at, book.magnesium_step_within):
        found.append("low calcium")
    return found


def accumulates(chart: Chart, exposure: Exposure, results: list[Draw]) -> bool:
    """Say whether two valid results after e + 4 h, 2 h apart, rise by 0.1 mmol/L (RULES.md 4.2)."""
    book = chart.rulebook
    late = [draw for draw in since(results, exposure.end + book.accumulation_after + 1) if draw.valid]
    return any(
        later.at - earlier.at >= book.accumulation_apart and later.value - earlier.value >= book.accumulation_rise
        for n, later in enumerate(late)
        for earlier in late[:n]
    )


_READS = (
    *("magnesium", "exposures", "stood_on", "cleared_slowly", "obstetric", "impaired", "creatinine_high"),
    *("high_potassium_at", "low_calcium_at"),  # the steps up
)


class PostInfusion(Plain):
    """``post-infusion-hypermagnesemia``, RULES.md 4.2."""

    rule = Rule.POST_INFUSION_HYPERMAGNESEMIA

    def findings(self, chart: Chart) -> list[Finding]:
        """Return one finding an exposure that has a magnesium at or above warning."""
        if not chart.exposures or not chart.magnesium:
            return []
        return chart.once(self.rule.value, self._of, _READS)

    def _of(self, chart: Chart) -> list[Finding]:
        rungs = ladder(chart)
        found = []
        for exposure in chart.exposures:
            results = belonging(chart, exposure)
            high = [draw for draw in results if draw.value >= rungs.warning]
            rated = [(draw, severity_of(chart, exposure, draw, rungs)) for draw in high]
            at_warning = [(draw, severity) for draw, severity in rated if severity is not None]
            if not at_warning:
                continue
            trigger, own = at_warning[-1]
            stepped = potassium_or_calcium(chart, trigger.at)
            if accumulates(chart, exposure, results):
                stepped.append("accumulation")
            highest = max([severity for _, severity in at_warning])
            highest_draws = [draw for draw, severity in reversed(at_warning) if severity is highest is not own]
            worst = max(highest_draws, key=lambda draw: draw.value, default=None)
            found.append(
                Finding(
                    rule=self.rule,
                    subject=exposure.first_dose,
                    trigger=trigger.key,
                    trigger_at=trigger.at,
                    severity=step_up(highest, when=bool(stepped)),
                    evidence=[trigger, *[d for d in reversed(results) if d is not trigger]],
                    stood_on=names(results),
                    value=trigger.value,
                    exposure=exposure,
                    notes={"ladder": rungs, "steps": stepped, "worst": worst},
                )
            )
        return found

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: a valid post-phase magnesium well below warning, or 48 h without one while nothing runs."""
        book = chart.rulebook
        exposure = exposure_named(chart, claim.subject)
        results = [] if exposure is None else belonging(chart, exposure)
        if exposure is not None and results and results[-1].at > claim.trigger_at:
            limit = ladder(chart).warning - book.clearing_margin
            for draw in since(results, claim.trigger_at + 1):
                if draw.valid and draw.value < limit and exposure.phase(draw.at, book) == "post":
                    return resolved("magnesium_cleared", draw)
        return EXPIRED if chart.settled >= self._expiry(chart, claim, exposure, results) else None

    def expiry(self, chart: Chart, claim: Claim) -> Instant:
        """Return 48 h after the last magnesium of the exposure, and not before the infusion has ended."""
        exposure = exposure_named(chart, claim.subject)
        return self._expiry(chart, claim, exposure, [] if exposure is None else belonging(chart, exposure))

    def _expiry(self, chart: Chart, claim: Claim, exposure: Exposure | None, results: list[Draw]) -> Instant:
        last = results[-1].at if results else claim.trigger_at
        silent = max(last, claim.trigger_at) + chart.rulebook.magnesium_silence
        courses = () if exposure is None else exposure.courses
        return max([silent, *(course.end for course in courses if course.running(silent))])


class ExposureUnknown(Plain):
    """``hypermagnesemia-exposure-unknown``, RULES.md 4.2."""

    rule = Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN

    def findings(self, chart: Chart) -> list[Finding]:
        """Return the newest valid magnesium of no exposure that is high, or has risen."""
        least = min(chart.rulebook.unknown_level, chart.rulebook.unknown_level_rising)
        if not chart.may_reach(Analyte.MAGNESIUM, least):
            return []
        return chart.once(self.rule.value, self._of, _READS)

    def _of(self, chart: Chart) -> list[Finding]:
        trigger = self._trigger(chart)
        if trigger is None:
            return []
        rungs = ladder(chart)
        stepped = potassium_or_calcium(chart, trigger.at)
        severity = rungs.severity(trigger.value) or Severity.WARNING
        return [
            Finding(
                rule=self.rule,
                trigger=trigger.key,
                trigger_at=trigger.at,
                severity=step_up(severity, when=bool(stepped)),
                evidence=[trigger, *[d for d in chart.magnesium[::-1] if d is not trigger]],
                value=trigger.value,
                notes={"ladder": rungs, "steps": stepped},
            )
        ]

    def _trigger(self, chart: Chart) -> Draw | None:
        least = min(chart.rulebook.unknown_level, chart.rulebook.unknown_level_rising)
        owners = owned(chart).exposure_of if chart.exposures else {}
        for draw in reversed(chart.magnesium.above(least)):
            if draw.valid and draw not in owners and self._fires(chart, draw):
                return draw
        return None

    def _fires(self, chart: Chart, draw: Draw) -> bool:
        book = chart.rulebook
        if draw.value >= book.unknown_level:
            return True
        before = chart.magnesium.between(draw.at - book.unknown_rise_within, draw.at - 1)
        return draw.value >= book.unknown_level_rising and any(
            draw.value - other.value >= book.unknown_rise for other in before
        )

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: a later valid magnesium < 1.3, 48 h without one, or an exposure that owns the trigger."""
        book = chart.rulebook
        for draw in chart.magnesium.since(claim.trigger_at):
            if draw.at > claim.trigger_at and draw.valid and draw.value < book.unknown_clear:
                return resolved("magnesium_cleared", draw)
        takes_over = book.mode(Rule.POST_INFUSION_HYPERMAGNESEMIA) == "active"  # only an active rule supersedes another
        own = chart.magnesium.between(claim.trigger_at, claim.trigger_at)
        if takes_over and any(draw.key == claim.trigger and exposure_of(chart, draw) is not None for draw in own):
            return resolved("superseded")
        expiry = self.expiry(chart, claim)
        return EXPIRED if chart.settled >= expiry else None

    def expiry(self, chart: Chart, claim: Claim) -> Instant:
        """Return 48 h after the last magnesium of no exposure."""
        owners = owned(chart).exposure_of if chart.exposures else {}
        unowned = [draw for draw in chart.magnesium.since(claim.trigger_at) if draw not in owners]
        return silence(unowned, claim.trigger_at, chart.rulebook.magnesium_silence)[0]
