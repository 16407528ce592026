"""
``refractory-hypokalemia-magnesium``: potassium that stays low while magnesium is low or not known (RULES.md 5).

Source: Huang & Kuo, "Mechanism of hypokalemia in magnesium deficiency", JASN 2007;18:2649 (the evidence is strong here,
unlike that of 4.1).
"""

from rules.alert import Rule, Severity
from rules.chart import Chart
from rules.draws import Draw
from rules.events import Analyte, Instant
from rules.finding import EXPIRED, NO_HOLD, Claim, End, Finding, Plain, resolved, silence, step_up
from rules.patient import HoldMark
from rules.rulebook import Rulebook


def believed(draw: Draw, book: Rulebook) -> bool:
    """
    Say whether a potassium counts as valid here.

    Hemolysis only raises potassium, so a low one stands (RULES.md 5).
    """
    return draw.valid or (draw.value < book.hypokalemia and draw.why == "hemolysis")


def latest_run(chart: Chart) -> list[Draw]:
    """Return the newest run of low potassiums: back to the last valid K >= 3.5, or a gap of more than 48 h."""
    return chart.once("run", _latest_run, _RUN)


_RUN = ("potassium",)


def _latest_run(chart: Chart) -> list[Draw]:
    potassium, book = chart.potassium, chart.rulebook
    if not chart.may_lie_below(Analyte.POTASSIUM, book.hypokalemia):
        return []
    run: list[Draw] = []  # newest first
    for n in range(len(potassium) - 1, -1, -1):
        if not run and potassium.values[n] >= book.hypokalemia:
            continue
        draw = potassium[n]
        if not believed(draw, book):
            continue
        if draw.value >= book.hypokalemia or (run and run[-1].at - draw.at > book.hypokalemia_gap):
            break
        run.append(draw)
    run.reverse()
    return run


class RefractoryHypokalemia(Plain):
    """``refractory-hypokalemia-magnesium``, RULES.md 5."""

    rule = Rule.REFRACTORY_HYPOKALEMIA
    _trigger_reads = ("potassium", "magnesium", "dialyses", "magnesium_doses")
    _reads = (
        *_trigger_reads,
        *("newest_digoxin", "impaired"),  # the step up
        *("all_magnesium", "unmapped_magnesium_at", "pending_magnesium_at", "holds"),
    )

    def _trigger(self, chart: Chart) -> tuple[list[Draw], Draw, Draw | None] | None:
        """Return the run, the newest potassium that meets the rule, and the newest recent magnesium for it."""
        return chart.once("hypokalemia", self._find, self._trigger_reads)

    def _find(self, chart: Chart) -> tuple[list[Draw], Draw, Draw | None] | None:
        run = latest_run(chart)
        pair = self._pair(chart, run)  # where there is one, the newest of the run is the trigger
        for trigger in reversed(run):
            magnesium = chart.recent_magnesium(trigger.at)
            if pair or self._alone(chart, trigger, magnesium):
                return run, trigger, magnesium
        return None

    def _pair(self, chart: Chart, run: list[Draw]) -> bool:
        book = chart.rulebook
        return any(
            book.hypokalemia_apart <= later.at - earlier.at <= book.hypokalemia_gap
            for n, later in enumerate(run)
            for earlier in run[:n]
        )

    def _alone(self, chart: Chart, draw: Draw, magnesium: Draw | None) -> bool:
        book = chart.rulebook
        if magnesium is not None:
            return draw.value < book.hypokalemia_high and magnesium.value < book.magnesium_low
        return draw.value < book.hypokalemia_critical

    def findings(self, chart: Chart) -> list[Finding]:
        """Return the run's newest potassium with a magnesium that is low or missing."""
        found = self._trigger(chart)
        if found is None:
            return []
        return chart.once(self.rule.value, lambda chart: self._of(chart, *found), self._reads)

    def _of(self, chart: Chart, run: list[Draw], trigger: Draw, magnesium: Draw | None) -> list[Finding]:
        book = chart.rulebook
        if magnesium is not None and magnesium.value >= book.magnesium_low:
            return []
        lowest = self._lowest(chart, run, trigger)
        very_low = magnesium is not None and magnesium.value < book.magnesium_very_low
        stepped = (["digoxin"] if chart.digoxin_step(trigger.at) else []) + (
            [f"magnesium below {book.shown('magnesium_very_low')}"] if very_low else []
        )
        severity = step_up(self._by_value(lowest, book), when=bool(stepped))
        recovering = (
            trigger.value >= book.hypokalemia_high and trigger.value - lowest.value >= book.hypokalemia_recovering
        )
        if recovering:
            severity = Severity.WARNING
        return [
            Finding(
                rule=self.rule,
                trigger=trigger.key,
                trigger_at=trigger.at,
                severity=severity,
                evidence=[
                    trigger,
                    *([magnesium] if magnesium else []),
                    *[d for d in reversed(run) if d is not trigger],
                ],
                criterion="low_magnesium" if magnesium is not None else "magnesium_missing",
                held_until=None if magnesium is not None else self._held_until(chart, run, trigger, lowest),
                used_at=magnesium.at if magnesium is not None else None,
                value=trigger.value,
                notes={
                    "worst": lowest if lowest.value < trigger.value else None,
                    "steps": stepped,
                    "magnesium_draw": magnesium,
                },
            )
        ]

    def _lowest(self, chart: Chart, run: list[Draw], trigger: Draw) -> Draw:
        since = trigger.at - chart.rulebook.hypokalemia_lowest_within
        return min((draw for draw in run if since <= draw.at <= trigger.at), key=lambda draw: (draw.value, -draw.at))

    def _by_value(self, draw: Draw, book: Rulebook) -> Severity:
        if draw.value < book.hypokalemia_critical:
            return Severity.CRITICAL
        return Severity.HIGH if draw.value < book.hypokalemia_high else Severity.WARNING

    def _held_until(self, chart: Chart, run: list[Draw], trigger: Draw, lowest: Draw) -> Instant:
        book = chart.rulebook
        mark = self._mark(chart, run)
        since = mark.since if mark is not None else chart.now
        if lowest.value < book.hypokalemia_critical or (mark is not None and mark.over):
            return NO_HOLD
        return since + (book.hold_pending if chart.magnesium_pending(trigger.at) else book.hold)

    def _mark(self, chart: Chart, run: list[Draw]) -> HoldMark | None:
        marks = [mark for mark in chart.holds if mark.rule is self.rule and run[0].at <= mark.observed_at <= run[-1].at]
        return min(marks, key=lambda mark: (not mark.over, mark.since)) if marks else None

    def marks(self, chart: Chart) -> list[HoldMark]:
        """Return the mark of the moment at which a potassium of the run first meets the rule."""
        found = self._trigger(chart)
        if found is None or self._mark(chart, found[0]) is not None:
            return []
        return [HoldMark(self.rule, found[1].at, chart.now)]

    def hold_until(self, chart: Chart) -> Instant | None:
        """Return when the hold of the newest trigger ends."""
        found = self._trigger(chart)
        return (
            self._held_until(chart, found[0], found[1], self._lowest(chart, found[0], found[1]))
            if found is not None
            else None
        )

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: a valid K >= 3.5, a recent magnesium that is not low, 48 h without a potassium."""
        book = chart.rulebook
        expiry, until = silence(chart.potassium.since(claim.trigger_at), claim.trigger_at, book.hypokalemia_gap)
        for draw in until:
            if draw.valid and draw.value >= book.hypokalemia:
                return resolved("potassium_recovered", draw)
        for draw in chart.recent_magnesiums(claim.trigger_at, book.magnesium_low):
            if claim.used_at is None or draw.at >= claim.used_at:
                return resolved("magnesium_resulted", draw)
        return EXPIRED if chart.settled >= expiry else None

    def expiry(self, chart: Chart, claim: Claim) -> Instant | None:
        """Return when 48 h without a potassium have passed."""
        return silence(chart.potassium.since(claim.trigger_at), claim.trigger_at, chart.rulebook.hypokalemia_gap)[0]
