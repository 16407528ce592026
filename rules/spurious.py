"""
``spurious-potassium``: a high potassium from a tube that cannot be believed, for the laboratory (RULES.md 5).

Source: CLSI C56, hemolysis, icterus and lipemia as indicators of interference; it never pages anybody.
"""

from rules.alert import Rule, Severity
from rules.chart import Chart
from rules.events import Analyte, Instant
from rules.finding import EXPIRED, Claim, End, Finding, Plain, resolved


class SpuriousPotassium(Plain):
    """``spurious-potassium``, RULES.md 5: one alert a specimen."""

    rule = Rule.SPURIOUS_POTASSIUM

    def findings(self, chart: Chart) -> list[Finding]:
        """Return each suspect or invalid potassium >= 5.5 that no valid one of a later specimen has answered."""
        if not chart.may_reach(Analyte.POTASSIUM, chart.rulebook.potassium_onset):
            return []
        return [
            Finding(
                rule=self.rule,
                subject=str(draw.at),
                trigger=draw.key,
                trigger_at=draw.at,
                severity=Severity.INFORMATION,
                evidence=[draw],
            )
            for draw in chart.all_potassium.doubtful()
            if not draw.valid and draw.value >= chart.rulebook.potassium_onset
        ]

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return: a valid potassium of a later specimen, or 24 h."""
        repeat = next((draw for draw in chart.potassium.since(claim.trigger_at + 1) if draw.valid), None)
        if repeat is not None:
            return resolved("repeat_resulted", repeat)
        return EXPIRED if chart.settled >= self.expiry(chart, claim) else None

    def expiry(self, chart: Chart, claim: Claim) -> Instant:
        """Return 24 h after the draw."""
        return claim.trigger_at + chart.rulebook.spurious_expiry
