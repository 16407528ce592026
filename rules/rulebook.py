"""
Every number that a site can change: default, unit, bounds and source (RULES.md, the numbers marked [cfg]).

A rulebook is a value. `load` reads one from plain data (a parsed TOML file) and refuses it with every fault at once;
`fingerprint` is the hash that each alert carries, so that a page can be traced to the numbers that made it.
"""

import difflib
import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from rules.alert import Rule
from rules.events import Analyte
from rules.lazy import lazy
from rules.parameter import ca, decimal_text, k, mg, quantity, read, text_of, time, words

RULE_VERSION = "1.0"
MODES = ("active", "shadow", "off")

_SPEC = "lab-alert rulebook 1.0"
_KDIGO = "KDIGO AKI guideline (2012), section 2.1.1"


class RulebookError(ValueError):
    """A rulebook was refused; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Rulebook:
    """
    The parameters of every rule; thresholds in canonical units, durations in milliseconds.

    No window reaches further back than what a state keeps (RULES.md 7): 14 days of results, an injury's baseline too.
    """

    # Specimen validity, RULES.md 3
    edta_potassium: Decimal = k("6.0", "3", "K-EDTA contamination raises K and lowers Ca and Mg: Sharratt et al. 2009")
    edta_calcium: Decimal = ca("1.9", "3", "K-EDTA contamination pattern")
    edta_calcium_alone: Decimal = ca("1.7", "3", "K-EDTA contamination pattern without a magnesium")
    edta_magnesium: Decimal = mg("0.6", "3", "K-EDTA contamination pattern")
    jump_potassium: Decimal = k("2.5", "3", "delta check: CLSI EP33", low="1.0", high="10.0")
    jump_within: int = time("3 h", "30 min", "24 h", "3", "delta check: CLSI EP33")
    jump_near: Decimal = k("1.0", "3", "delta check: a neighbour that agrees", low="0.1", high="3.0")
    confirm_potassium: Decimal = k("5.5", "3", _SPEC)
    confirm_near: Decimal = k("1.0", "3", _SPEC, low="0.1", high="3.0")
    confirm_after: int = time("30 min", "5 min", "6 h", "3", _SPEC)
    confirm_within: int = time("24 h", "1 h", "72 h", "3", _SPEC)
    suspect_critical_potassium: Decimal = k("7.0", "3", _SPEC)

    # Hyperkalemia, RULES.md 4.1
    potassium_onset: Decimal = k("5.5", "4.1", "hyperkalemia: UK Kidney Association 2023, mild from 5.5 mmol/L")
    potassium_clear: Decimal = k("5.2", "4.1", _SPEC)
    potassium_high: Decimal = k("6.0", "4.1", "UK Kidney Association 2023: moderate from 6.0 mmol/L")
    potassium_critical: Decimal = k("6.5", "4.1", "UK Kidney Association 2023: severe from 6.5 mmol/L")
    episode_silence: int = time("48 h", "12 h", "168 h", "4.1", _SPEC)
    reopen_within: int = time("6 h", "1 h", "24 h", "4.1", "insulin wears off in 4-6 h: UK Kidney Association 2023")
    persistence_after: int = time("2 h", "30 min", "24 h", "4.1", _SPEC)
    persistence_after_severe: int = time("1 h", "15 min", "24 h", "4.1", _SPEC)
    persistence_late: int = time("4 h", "1 h", "48 h", "4.1", _SPEC)
    persistence_fall: Decimal = k("0.5", "4.1", _SPEC, low="0.1", high="3.0")
    treatment_from: int = time(
        "1 h", "15 min", "12 h", "4.1", "onset of insulin, salbutamol: UK Kidney Association 2023"
    )
    treatment_until: int = time("6 h", "1 h", "48 h", "4.1", "duration of insulin, salbutamol")
    binder_from: int = time("2 h", "15 min", "24 h", "4.1", "onset of cyclosilicate, patiromer: their labels")
    binder_until: int = time("24 h", "2 h", "72 h", "4.1", "duration of binders: their labels")
    treatment_late: int = time("2 h", "15 min", "24 h", "4.1", _SPEC)
    treatment_baseline: int = time("24 h", "1 h", "72 h", "4.1", _SPEC)
    magnesium_recent: int = time("24 h", "1 h", "168 h", "4.1", _SPEC)
    magnesium_low: Decimal = mg("0.695", "5", "lower limit 1.7 mg/dL = 0.699 mmol/L of most laboratories")
    magnesium_very_low: Decimal = mg("0.50", "5", "severe hypomagnesemia below 0.50 mmol/L")
    hold: int = time("15 min", "0 min", "6 h", "4.1", _SPEC)
    hold_pending: int = time("60 min", "0 min", "12 h", "4.1", _SPEC)
    fast_rise: Decimal = k("0.5", "4.1", _SPEC, low="0.1", high="5.0")
    fast_rise_within: int = time("12 h", "1 h", "72 h", "4.1", _SPEC)
    digoxin_within: int = time("48 h", "6 h", "14 d", "4.1", "half-life 36-48 h: digoxin label")
    digoxin_within_impaired: int = time("7 d", "6 h", "14 d", "4.1", "half-life 3.5-5 d when anuric: digoxin label")
    digoxin_toxic: Decimal = quantity(
        "2.0", "ng/mL", "0.5", "5.0", "4.1", "toxic above 2.0 ng/mL: digoxin label", Analyte.DIGOXIN
    )
    calcium_low: Decimal = ca("1.9", "4.1", "severe hypocalcemia below 1.9 mmol/L: Society for Endocrinology 2016")
    calcium_near: int = time("24 h", "1 h", "72 h", "4.1", _SPEC)

    # Hypermagnesemia, RULES.md 4.2
    exposure_gap: int = time("6 h", "1 h", "24 h", "4.2", _SPEC)
    exposure_window: int = time("24 h", "1 h", "96 h", "4.2", _SPEC)
    exposure_window_impaired: int = time("48 h", "1 h", "168 h", "4.2", "magnesium leaves by the kidney alone")
    infusion_assumed: int = time("24 h", "1 h", "96 h", "4.2", _SPEC)
    early_phase: int = time("2 h", "0 min", "12 h", "4.2", "distribution of an intravenous dose")
    early_run: int = time("6 h", "0 min", "24 h", "4.2", _SPEC)
    general_warning: Decimal = mg("1.5", "4.2", _SPEC)
    general_high: Decimal = mg("2.0", "4.2", _SPEC)
    general_critical: Decimal = mg("2.5", "4.2", _SPEC)
    renal_warning: Decimal = mg("1.25", "4.2", _SPEC)
    renal_high: Decimal = mg("1.5", "4.2", _SPEC)
    renal_critical: Decimal = mg("2.0", "4.2", _SPEC)
    obstetric_warning: Decimal = mg("3.5", "4.2", "therapeutic 2.0-3.5 mmol/L: ACOG Practice Bulletin 222")
    obstetric_high: Decimal = mg("4.0", "4.2", "loss of reflexes from 3.5-5 mmol/L: ACOG Practice Bulletin 222")
    obstetric_critical: Decimal = mg("5.0", "4.2", "respiratory depression from 5 mmol/L: ACOG Practice Bulletin 222")
    obstetric_renal_warning: Decimal = mg("3.0", "4.2", _SPEC)
    obstetric_renal_high: Decimal = mg("3.5", "4.2", _SPEC)
    obstetric_renal_critical: Decimal = mg("4.0", "4.2", _SPEC)
    obstetric_creatinine: Decimal = quantity(
        "97",
        "umol/L",
        "40",
        "500",
        "4.2",
        "1.1 mg/dL, renal insufficiency in pre-eclampsia: ACOG Practice Bulletin 222",
        Analyte.CREATININE,
    )
    clearing_margin: Decimal = mg("0.2", "4.2", _SPEC, low="0", high="1.0")
    accumulation_after: int = time("4 h", "0 min", "24 h", "4.2", _SPEC)
    accumulation_apart: int = time("2 h", "0 min", "24 h", "4.2", _SPEC)
    accumulation_rise: Decimal = mg("0.1", "4.2", _SPEC, low="0.01", high="2.0")
    unexplained_rise_per_gram: Decimal = mg(
        "0.5", "4.2", "1 g is 4.06 mmol: 0.5 mmol/L over 8 L of extracellular fluid"
    )
    magnesium_step_within: int = time("6 h", "1 h", "48 h", "4.2", _SPEC)
    magnesium_silence: int = time("48 h", "12 h", "168 h", "4.2", _SPEC)
    unknown_level: Decimal = mg("2.0", "4.2", _SPEC)
    unknown_level_rising: Decimal = mg("1.5", "4.2", _SPEC)
    unknown_rise: Decimal = mg("0.4", "4.2", _SPEC, low="0.05", high="5.0")
    unknown_rise_within: int = time("24 h", "1 h", "168 h", "4.2", _SPEC)
    unknown_clear: Decimal = mg("1.3", "4.2", _SPEC)

    # Companions, RULES.md 5
    after_rise: Decimal = k("0.5", "5", _SPEC, low="0.1", high="5.0")
    after_baseline: int = time("72 h", "6 h", "168 h", "5", _SPEC)
    after_window: int = time("24 h", "1 h", "96 h", "5", _SPEC)
    hypokalemia: Decimal = k("3.5", "5", "hypokalemia below 3.5 mmol/L")
    hypokalemia_high: Decimal = k("3.0", "5", "moderate below 3.0 mmol/L")
    hypokalemia_critical: Decimal = k("2.5", "5", "severe below 2.5 mmol/L")
    hypokalemia_apart: int = time("4 h", "1 h", "24 h", "5", _SPEC)
    hypokalemia_gap: int = time("48 h", "12 h", "168 h", "5", _SPEC)
    hypokalemia_lowest_within: int = time("12 h", "1 h", "48 h", "5", _SPEC)
    hypokalemia_recovering: Decimal = k("0.3", "5", _SPEC, low="0.1", high="3.0")
    gap_grams: Decimal = quantity("4", "g", "0.5", "50", "5", _SPEC)
    gap_grams_impaired: Decimal = quantity("2", "g", "0.5", "50", "5", _SPEC)
    gap_run: int = time("6 h", "1 h", "48 h", "5", _SPEC)
    gap_from: int = time("2 h", "0 min", "24 h", "5", _SPEC)
    gap_after: int = time("12 h", "1 h", "48 h", "5", _SPEC)
    gap_expiry: int = time("24 h", "2 h", "96 h", "5", _SPEC)
    hypocalcemia: Decimal = ca("1.9", "5", "severe hypocalcemia below 1.9 mmol/L: Society for Endocrinology 2016")
    hypocalcemia_critical: Decimal = ca("1.65", "5", _SPEC)
    hypocalcemia_fall: Decimal = ca("0.2", "5", _SPEC, low="0.01", high="2.0")
    hypocalcemia_ionized: Decimal = ca("1.0", "5", "ionized hypocalcemia below 1.0 mmol/L")
    hypocalcemia_ionized_critical: Decimal = ca("0.8", "5", "ionized below 0.8 mmol/L")
    hypocalcemia_ionized_fall: Decimal = ca("0.09", "5", _SPEC, low="0.01", high="2.0")
    hypocalcemia_ionized_near: int = time("4 h", "30 min", "24 h", "5", _SPEC)
    hypocalcemia_silence: int = time("48 h", "12 h", "168 h", "5", _SPEC)
    hypocalcemia_magnesium: Decimal = mg("1.25", "5", _SPEC)
    post_filter_ionized: Decimal = ca(
        "0.5", "5", "post-filter ionized calcium under citrate: below 0.5 mmol/L", low="0.1"
    )
    spurious_expiry: int = time("24 h", "1 h", "96 h", "5", _SPEC)

    # Who is judged, RULES.md 6
    egfr_impaired: Decimal = quantity(
        "30", "mL/min/{1.73_m2}", "10", "90", "6", "KDIGO CKD 2012: G4 below 30", Analyte.EGFR
    )
    renal_within: int = time("7 d", "1 d", "14 d", "6", _SPEC)
    aki_rise: Decimal = quantity("26.5", "umol/L", "10", "200", "6", _KDIGO, Analyte.CREATININE)
    aki_rise_within: int = time("48 h", "12 h", "7 d", "6", _KDIGO)
    aki_ratio: Decimal = quantity("1.5", "1", "1.1", "5", "6", _KDIGO)
    aki_within: int = time("7 d", "1 d", "7 d", "6", _KDIGO)
    aki_minimum: Decimal = quantity("62", "umol/L", "20", "300", "6", _SPEC, Analyte.CREATININE)
    aki_undone_ratio: Decimal = quantity("1.25", "1", "1.0", "3", "6", _SPEC)
    aki_undone_within: int = time("24 h", "1 h", "72 h", "6", _SPEC)
    adult_years: Decimal = quantity("18", "a", "12", "21", "6", _SPEC)
    renal_diagnoses: tuple[str, ...] = words(("N184", "N185", "N186", "Z992", "N17"), "6", "ICD-10")
    obstetric_diagnoses: tuple[str, ...] = words(("O11", "O14", "O15"), "6", "ICD-10: pre-eclampsia, eclampsia")
    obstetric_services: tuple[str, ...] = words((), "6", "the site's PV1-10 codes")
    obstetric_locations: tuple[str, ...] = words((), "6", "the site's PV1-3.1 codes")

    # The life of an alert, RULES.md 7
    remind_high: int = time("4 h", "30 min", "48 h", "7", _SPEC)
    remind_critical: int = time("1 h", "15 min", "24 h", "7", _SPEC)
    remind_at_most: Decimal = quantity("4", "1", "0", "48", "7", _SPEC)
    worse_potassium: Decimal = k("0.5", "7", _SPEC, low="0.1", high="5.0")
    worse_potassium_low: Decimal = k("0.3", "7", _SPEC, low="0.1", high="5.0")
    worse_magnesium: Decimal = mg("0.5", "7", _SPEC, low="0.05", high="5.0")
    stale_after: int = time("12 h", "1 h", "96 h", "7", _SPEC)
    stale_after_critical: int = time("24 h", "1 h", "96 h", "7", _SPEC)
    readmission_within: int = time("24 h", "1 h", "96 h", "7", _SPEC)
    results_at_most: Decimal = quantity("400", "1", "50", "5000", "7", _SPEC)
    retire_after: int = time("30 d", "14 d", "400 d", "7", _SPEC)
    retire_context_after: int = time("7 d", "1 d", "400 d", "7", _SPEC)

    # Time, RULES.md 8
    stuck_after: int = time("5 min", "1 min", "60 min", "8", _SPEC)
    catching_up_after: int = time("15 min", "5 min", "24 h", "8", _SPEC)
    critical_awaits: int = time("5 min", "0 min", "60 min", "8", _SPEC)
    modes: Mapping[str, str] = field(default_factory=dict, hash=False, metadata={})
    """Rule name to ``active`` (default), ``shadow`` or ``off``."""

    def mode(self, rule: Rule) -> str:
        """Return ``active``, ``shadow`` or ``off`` (RULES.md 7 and issue 5)."""
        return self.modes.get(rule.value, "active")

    def rows(self) -> Iterator[tuple[str, str, str, str, str, str]]:
        """Yield name, value with unit, lowest, highest, RULES.md section and source of every parameter."""
        for entry in fields(self):
            if entry.name == "modes":
                continue
            meta = entry.metadata
            value = getattr(self, entry.name)
            yield (
                entry.name,
                text_of(value, meta["unit"]),
                text_of(meta["low"], meta["unit"]),
                text_of(meta["high"], meta["unit"]),
                meta["section"],
                meta["source"],
            )

    def shown(self, name: str) -> str:
        """Return a parameter as a quantity with its unit, for reading: ``5.5 mmol/L``, ``24 h``."""
        texts = self._texts
        if name not in texts:
            texts[name] = self._shown(name)
        return texts[name]

    @lazy
    def _texts(self) -> dict[str, str]:
        return {}

    def _shown(self, name: str) -> str:
        value = getattr(self, name)
        unit = self.__dataclass_fields__[name].metadata["unit"]
        return decimal_text(str(value), unit) if isinstance(value, Decimal) else text_of(value, unit)

    def fingerprint(self) -> str:
        """Return ``sha256:…`` of all values; every alert carries it."""
        return self._fingerprint

    @lazy
    def _fingerprint(self) -> str:
        lines = [f"{name}={value}" for name, value, *_ in self.rows()]
        lines += [f"{rule.value}={self.mode(rule)}" for rule in Rule]
        return "sha256:" + hashlib.sha256("\n".join([RULE_VERSION, *lines]).encode()).hexdigest()


DEFAULT = Rulebook()

_LADDERS = (
    ("potassium_clear", "potassium_onset", "potassium_high", "potassium_critical"),
    ("hypokalemia_critical", "hypokalemia_high", "hypokalemia"),
    ("general_warning", "general_high", "general_critical"),
    ("renal_warning", "renal_high", "renal_critical"),
    ("obstetric_warning", "obstetric_high", "obstetric_critical"),
    ("obstetric_renal_warning", "obstetric_renal_high", "obstetric_renal_critical"),
    ("magnesium_very_low", "magnesium_low"),
    ("hypocalcemia_critical", "hypocalcemia"),
    ("hypocalcemia_ionized_critical", "hypocalcemia_ionized"),
    ("unknown_clear", "unknown_level_rising", "unknown_level"),
    ("treatment_from", "treatment_until"),
    ("binder_from", "binder_until"),
    ("confirm_after", "confirm_within"),
    ("hypokalemia_apart", "hypokalemia_gap"),
    ("gap_after", "gap_expiry"),
)
"""What must rise: thresholds, and the two ends of a window, without which a rule would never fire and nobody notice."""


def load(data: Mapping[str, Any]) -> Rulebook:
    """
    Return the rulebook that *data* describes, over the defaults; what RULES.md 1 forbids is refused.

    Args:
        data: ``{"parameters": {name: "1.5 mmol/L"}, "rules": {rule: {"mode": "shadow"}}}``, as parsed from TOML.

    Raises:
        RulebookError: A key is unknown, a value has no or the wrong unit, lies outside its bounds, or a ladder is out
            of order. All faults at once.
    """
    sections = ("parameters", "rules")
    faults = [f"[{name}]: unknown section{_near(name, sections)}" for name in data if name not in sections]
    changes: dict[str, Any] = {}
    known = {entry.name: entry.metadata for entry in fields(Rulebook) if entry.name != "modes"}
    for name, raw in _table("parameters", data, faults).items():
        if name not in known:
            faults.append(f"parameters.{name}: unknown{_near(name, known)}")
            continue
        value, fault = read(raw, known[name])
        if fault:
            faults.append(f"parameters.{name}: {fault}")
        else:
            changes[name] = value
    modes: dict[str, str] = {}
    names = [rule.value for rule in Rule]
    tables = _table("rules", data, faults)
    for rule in tables:
        if rule not in names:
            faults.append(f"rules.{rule}: unknown rule{_near(rule, names)}")
            continue
        for key, value in _table(rule, tables, faults).items():
            if key != "mode":
                faults.append(f"rules.{rule}.{key}: unknown; the nearest known key is mode")
            elif value not in MODES:
                faults.append(f"rules.{rule}.mode: {value!r} is none of {', '.join(MODES)}")
            else:
                modes[rule] = value
    book = Rulebook(**changes, modes=modes)
    for ladder in _LADDERS:
        values = [getattr(book, name) for name in ladder]
        if any(low >= high for low, high in itertools.pairwise(values)):
            faults.append("out of order: " + " < ".join(f"{name} ({book.shown(name)})" for name in ladder))
    if faults:
        raise RulebookError(faults)
    return book


def _table(name: str, data: Mapping[str, Any], faults: list[str]) -> Mapping[str, Any]:
    """Return the table *name* of *data*, an empty one where there is none; anything else there is a fault."""
    table = data.get(name, {})
    if isinstance(table, Mapping):
        return table
    faults.append(f"{name}: a table is needed, not {table!r}")
    return {}


def _near(name: str, known: object) -> str:
    nearest, *_ = difflib.get_close_matches(name, list(known), cutoff=0.0)  # type: ignore[call-overload]
    return f"; the nearest known key is {nearest}"
