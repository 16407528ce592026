"""The thresholds that an alert used, and what would resolve it (RULES.md, intended use)."""

from rules.alert import Rule, Severity
from rules.chart import Chart
from rules.events import Analyte
from rules.finding import Finding
from rules.hypermagnesemia import ladder
from rules.patient import Alert
from rules.rulebook import Rulebook
from rules.words.values import in_both_units

_EPISODE = ("potassium_onset", "potassium_clear", "potassium_high", "potassium_critical")
_THRESHOLDS: dict[Rule, tuple[str, ...]] = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: (
        *("exposure_window", "exposure_window_impaired", "early_phase", "unexplained_rise_per_gram"),
        "clearing_margin",
    ),
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: (
        *("exposure_window", "exposure_window_impaired", "unknown_level", "unknown_level_rising", "unknown_rise"),
        *("unknown_rise_within", "unknown_clear"),
    ),
    Rule.REFRACTORY_HYPERKALEMIA: (*_EPISODE, "magnesium_recent"),
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: (*_EPISODE, "magnesium_recent", "magnesium_low", "magnesium_very_low"),
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: (*_EPISODE, "after_rise", "after_baseline", "after_window"),
    Rule.REFRACTORY_HYPOKALEMIA: (
        *("hypokalemia", "hypokalemia_high", "hypokalemia_critical", "hypokalemia_apart", "hypokalemia_gap"),
        *("magnesium_recent", "magnesium_low", "magnesium_very_low"),
    ),
    Rule.MAGNESIUM_MONITORING_GAP: (
        *("gap_grams", "gap_grams_impaired", "gap_run", "gap_from", "gap_after", "gap_expiry"),
    ),
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: ("after_baseline", "after_window", "hypocalcemia_magnesium"),
    Rule.SPURIOUS_POTASSIUM: (
        *("potassium_onset", "edta_potassium", "edta_calcium", "edta_calcium_alone", "edta_magnesium"),
        *("jump_potassium", "jump_within", "jump_near"),
    ),
}
_OF_CRITERION = {
    "persistence": (*("persistence_after", "persistence_after_severe", "persistence_fall", "persistence_late"),),
    "treatment_failure": (
        *("treatment_from", "treatment_until", "binder_from", "binder_until", "treatment_baseline"),
        *("persistence_fall", "treatment_late"),
    ),
    "rebound": ("reopen_within",),
}
_OF_CALCIUM = {
    Analyte.CALCIUM.value: ("hypocalcemia", "hypocalcemia_critical", "hypocalcemia_fall"),
    Analyte.CALCIUM_IONIZED.value: (
        *("hypocalcemia_ionized", "hypocalcemia_ionized_critical", "hypocalcemia_ionized_fall"),
    ),
}
_LADDERED = (Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN)


def thresholds(chart: Chart, alert: Alert, finding: Finding | None) -> dict[str, str]:
    """Return the figures that the alert was judged with, by name: those of its criterion, its ladder, its calcium."""
    names = list(_THRESHOLDS[alert.rule])
    criterion = finding.criterion or finding.notes.get("refractory") if finding is not None else None
    names += _OF_CRITERION.get(str(criterion), ())
    if alert.rule is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM:
        names += _OF_CALCIUM[alert.subject]
    found = {name: _shown(chart.rulebook, name) for name in names}
    if alert.rule in _LADDERED:
        rungs = ladder(chart)
        figures = {Severity.WARNING: rungs.warning, Severity.HIGH: rungs.high, Severity.CRITICAL: rungs.critical}
        for rung, figure in figures.items():
            found[rung.label] = f"{'>' if rung in rungs.above else '>='} {in_both_units(figure)}"
    return found


_IN_BOTH_UNITS = frozenset(
    ("magnesium_low", "magnesium_very_low", "unknown_level", "unknown_level_rising", "unknown_clear")
)


def _shown(book: Rulebook, name: str) -> str:
    return in_both_units(getattr(book, name)) if name in _IN_BOTH_UNITS else book.shown(name)


def resolves_when(chart: Chart, alert: Alert) -> str:
    """Return what would end the alert, in words."""
    book = chart.rulebook
    clear = f"a valid potassium < {book.shown('potassium_clear')} is drawn"
    episode = f"{clear}, or two in a row < {book.shown('potassium_onset')}"
    low = _shown(book, "magnesium_low")
    if alert.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA:
        below = in_both_units(ladder(chart).warning - book.clearing_margin)
        return f"a valid magnesium < {below} is drawn more than {book.shown('early_phase')} after the end of the dose"
    if alert.rule is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM:
        total = alert.subject == Analyte.CALCIUM.value
        limit = book.shown("hypocalcemia" if total else "hypocalcemia_ionized")
        return f"a valid {'total' if total else 'ionized'} calcium of {limit} or above is drawn"
    return {
        Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: (
            f"a later valid magnesium < {in_both_units(book.unknown_clear)} is drawn, or a dose comes to light"
        ),
        Rule.REFRACTORY_HYPERKALEMIA: (
            f"a valid magnesium arrives that was drawn at most {book.shown('magnesium_recent')} before this potassium, "
            f"or {episode}"
        ),
        Rule.HYPERKALEMIA_LOW_MAGNESIUM: f"a valid magnesium of {low} or above is drawn, or {episode}",
        Rule.HYPERKALEMIA_AFTER_MAGNESIUM: clear,
        Rule.REFRACTORY_HYPOKALEMIA: (
            f"a valid potassium of {book.shown('hypokalemia')} or above is drawn, or a recent valid magnesium of {low} "
            "or above arrives"
        ),
        Rule.MAGNESIUM_MONITORING_GAP: (
            f"magnesium and potassium are both measured, drawn {book.shown('gap_from')} after the dose began "
            "or later, or after its end"
        ),
        Rule.SPURIOUS_POTASSIUM: "a valid potassium of a later specimen arrives",
    }[alert.rule]
