"""The thresholds that an alert used, and what would resolve it (RULES.md, intended use)."""

from rules.alert import Rule, Severity
from rules.events import Analyte
from rules.finding import Finding
from rules.hypermagnesemia import Ladder
from rules.patient import Alert
from rules.rulebook import Rulebook
from rules.words.values import in_both_units

_THRESHOLDS: dict[Rule, tuple[str, ...]] = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: ("exposure_window", "exposure_window_impaired", "clearing_margin"),
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: ("unknown_level", "unknown_level_rising", "unknown_rise", "unknown_clear"),
    Rule.REFRACTORY_HYPERKALEMIA: (
        "potassium_onset",
        "potassium_clear",
        "potassium_high",
        "potassium_critical",
        "magnesium_recent",
    ),
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: (
        "potassium_onset",
        "potassium_high",
        "potassium_critical",
        "magnesium_low",
        "magnesium_very_low",
    ),
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: (
        "potassium_onset",
        "after_rise",
        "after_baseline",
        "after_window",
        "potassium_clear",
    ),
    Rule.REFRACTORY_HYPOKALEMIA: (
        "hypokalemia",
        "hypokalemia_high",
        "hypokalemia_critical",
        "magnesium_low",
        "magnesium_recent",
    ),
    Rule.MAGNESIUM_MONITORING_GAP: (
        "gap_grams",
        "gap_grams_impaired",
        "gap_run",
        "gap_from",
        "gap_after",
        "gap_expiry",
    ),
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: (
        "hypocalcemia",
        "hypocalcemia_critical",
        "hypocalcemia_ionized",
        "hypocalcemia_ionized_critical",
        "after_window",
    ),
    Rule.SPURIOUS_POTASSIUM: ("potassium_onset", "edta_potassium", "edta_calcium", "edta_magnesium", "jump_potassium"),
}


def thresholds(book: Rulebook, rule: Rule, finding: Finding | None) -> dict[str, str]:
    """Return the figures that the alert was judged with, by name, the patient's ladder among them."""
    found = {name: _shown(book, name) for name in _THRESHOLDS[rule]}
    ladder = finding.notes.get("ladder") if finding is not None else None
    if isinstance(ladder, Ladder):
        figures = {
            Severity.WARNING: ladder.warning,
            Severity.HIGH: ladder.high,
            Severity.CRITICAL: ladder.critical,
        }
        for rung, figure in figures.items():
            found[rung.label] = f"{'>' if rung in ladder.above else '>='} {in_both_units(figure)}"
    return found


_IN_BOTH_UNITS = frozenset(("magnesium_low", "magnesium_very_low", "unknown_level", "unknown_level_rising"))


def _shown(book: Rulebook, name: str) -> str:
    return in_both_units(getattr(book, name)) if name in _IN_BOTH_UNITS else book.shown(name)


def resolves_when(book: Rulebook, alert: Alert, finding: Finding | None) -> str:
    """Return what would end the alert, in words."""
    clear = f"a valid potassium < {book.shown('potassium_clear')} is drawn"
    episode = f"{clear}, or two in a row < {book.shown('potassium_onset')}"
    low = _shown(book, "magnesium_low")
    if alert.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA:
        ladder = finding.notes.get("ladder") if finding is not None else None
        warning = ladder.warning if isinstance(ladder, Ladder) else book.general_warning
        below = in_both_units(warning - book.clearing_margin)
        return f"a valid magnesium < {below} is drawn more than {book.shown('early_phase')} after the infusion"
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
            f"a valid potassium of {book.shown('hypokalemia')} or above is drawn, or a magnesium of {low} or above"
        ),
        Rule.MAGNESIUM_MONITORING_GAP: (
            f"magnesium and potassium are both measured, drawn {book.shown('gap_from')} or more into the infusion"
        ),
        Rule.SPURIOUS_POTASSIUM: "a valid potassium of a later specimen arrives",
    }[alert.rule]
