"""The rules as families, in the order of RULES.md 5, and what they find at one moment (RULES.md 7)."""

from rules.after_magnesium import HyperkalemiaAfterMagnesium, HypocalcemiaAfterMagnesium, MonitoringGap
from rules.alert import Rule
from rules.chart import Chart
from rules.finding import Family, Finding
from rules.hyperkalemia import RefractoryWithoutMagnesium, WithLowMagnesium
from rules.hypermagnesemia import ExposureUnknown, PostInfusion
from rules.hypokalemia import RefractoryHypokalemia
from rules.rulebook import Rulebook
from rules.spurious import SpuriousPotassium

FAMILIES: tuple[Family, ...] = (
    PostInfusion(),
    ExposureUnknown(),
    RefractoryWithoutMagnesium(),
    WithLowMagnesium(),
    HyperkalemiaAfterMagnesium(),
    RefractoryHypokalemia(),
    MonitoringGap(),
    HypocalcemiaAfterMagnesium(),
    SpuriousPotassium(),
)
"""One a rule, in the order in which ties are broken (RULES.md 5, "One message, one page")."""


BY_RULE: dict[Rule, Family] = {family.rule: family for family in FAMILIES}


ORDER: dict[Rule, int] = {family.rule: n for n, family in enumerate(FAMILIES)}


def families(rulebook: Rulebook) -> tuple[Family, ...]:
    """Return the rules that are not switched off."""
    if not rulebook.modes:
        return FAMILIES
    return tuple(family for family in FAMILIES if rulebook.mode(family.rule) != "off")


def standing(chart: Chart) -> list[Finding]:
    """Return every finding at the chart's ``now`` for which no end of its rule has already come (RULES.md 7)."""
    return [
        finding
        for family in families(chart.rulebook)
        for finding in family.findings(chart)
        if family.end(chart, finding) is None
    ]
