"""
The code tables: what an OBX-3 is, and what a unit is spelled like. Data in `tables/`, read once at import.

Text alone never maps to an analyte; it can only contradict a code, or make an unmapped code a suggestion (HL7.md 2).
"""

import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any, NamedTuple

from consumer.hl7.er7 import COMPONENT, NULL, REPETITION, unescape
from consumer.hl7.texts import Vocabulary, fold
from rules.events import Analyte
from rules.units import Unit


def table(name: str) -> dict[str, Any]:
    """Return the parsed table *name* of the package."""
    return tomllib.loads((files("consumer.hl7") / "tables" / f"{name}.toml").read_text(encoding="utf-8"))


_LOINC = table("loinc")
_NAMES = table("names")
_UNITS = table("units")

ACCEPTED: Mapping[str, Analyte] = {
    code: analyte for analyte in Analyte for code in _LOINC[analyte.value]
} | dict.fromkeys(_LOINC["potassium_mass"], Analyte.POTASSIUM)
"""LOINC code to analyte."""

MASS_POTASSIUM = frozenset(_LOINC["potassium_mass"])
EXCLUDED = frozenset(_LOINC["excluded"])
LACTATE_DEHYDROGENASE = "2532-0"

NAMES: Mapping[Analyte, tuple[str, ...]] = {
    analyte: tuple(fold(name) for name in _NAMES["names"].get(analyte.value, ())) for analyte in Analyte
}
NAMES = {**NAMES, Analyte.CALCIUM_IONIZED: NAMES[Analyte.CALCIUM]}
SYMBOLS: Mapping[Analyte, frozenset[str]] = {
    analyte: frozenset(_NAMES["symbols"].get(analyte.value, ())) for analyte in Analyte
}
OTHER_FLUID = Vocabulary.of(_NAMES["fluid"])
OTHER_QUANTITY = Vocabulary.of(_NAMES["quantity"])
IONIZED = Vocabulary.of(_NAMES["ionized"])
HEMOLYSIS = Vocabulary.of(_NAMES["hemolysis_index"])
_NEVER_IONIZED = frozenset({Analyte.CALCIUM, Analyte.MAGNESIUM})
_BESIDE: Mapping[Analyte, tuple[str, ...]] = {
    analyte: tuple(
        name
        for other in Analyte
        if NAMES[other] != NAMES[analyte] and {analyte, other} != {Analyte.EGFR, Analyte.CREATININE}
        for name in NAMES[other]
    )
    for analyte in Analyte
}
"""Names of our other analytes, which make a text one of a ratio or of another code; eGFR is made from creatinine."""

UNITS: Mapping[str, Unit] = {
    spelling: Unit(unit) for unit, spellings in _UNITS["spellings"].items() for spelling in spellings
}
UNINDEXED: Mapping[str, Unit] = {
    spelling: Unit(unit) for unit, spellings in _UNITS["unindexed"].items() for spelling in spellings
}

PUMP_METRICS: Mapping[str, str] = {name: kind for kind, names in table("pumps")["metrics"].items() for name in names}
"""A pump's metric by its name (``MDC_…``) or number, to what it is; `consumer.hl7.pumps`."""

LOINC_SYSTEMS = frozenset({"", "LN", "LOINC", "LNC"})
_SYMBOL_SIGNS = " +0123456789.,:;-()[]*"


class Kind(StrEnum):
    """What an OBX-3 is."""

    OURS = "ours"
    DISAGREE = "disagree"
    EXCLUDED = "excluded"
    UNMAPPED = "unmapped"
    OTHER = "other"
    NO_CODE = "no_code"
    HEMOLYSIS_INDEX = "hemolysis_index"
    DIALYSIS = "dialysis"
    SITE_EXCLUDED = "site_excluded"
    PUMP = "pump"


class Observation(NamedTuple):
    """
    What an OBX-3 means: ``code`` is the one by which it was accepted (or the first there).

    ``analyte`` is None unless it is ours, disagrees or looks like one (one unmapped without it looks like a hemolysis
    index). ``mass`` marks a potassium mass code.
    ``units`` are those a site's row allows (empty: all of the analyte), ``default_unit`` what it takes when there is
    none. ``scale`` is that of a hemolysis index.
    """

    kind: Kind
    code: str
    analyte: Analyte | None = None
    mass: bool = False
    units: frozenset[Unit] = frozenset()
    default_unit: Unit | None = None
    scale: str = ""


class Identifier(NamedTuple):
    """OBX-3 taken apart: its two coded triplets, and every non-empty text."""

    code: str
    text: str
    system: str
    alternate_code: str
    alternate_text: str
    alternate_system: str
    texts: tuple[str, ...]


def split_identifier(raw: str, truncation: str = "") -> Identifier:
    """Return the parts of a raw OBX-3 (first repetition); a component that was truncated is empty."""
    first = raw.split(REPETITION, 1)[0]
    parts = [unescape(part).strip() for part in first.split(COMPONENT)]
    parts = ["" if part == NULL or (truncation and part.endswith(truncation)) else part for part in parts]
    parts += [""] * (9 - len(parts))
    texts = tuple(text for text in (parts[1], parts[4], parts[8]) if text)
    return Identifier(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], texts)


def names_analyte(text: str, analyte: Analyte) -> bool:
    """Say whether *text* contains a name of the analyte or is its symbol."""
    folded = fold(text)
    return any(name in folded for name in NAMES[analyte]) or folded.strip(_SYMBOL_SIGNS) in SYMBOLS[analyte]


def means_something_else(text: str, analyte: Analyte) -> bool:
    """
    Say whether *text* names another fluid or another quantity.

    Another quantity is a ratio, a clearance, a corrected value, another analyte of ours, or, for a total calcium or a
    magnesium, an ionized one.
    """
    folded = fold(text)
    if OTHER_FLUID.in_text(folded) or OTHER_QUANTITY.in_text(folded):
        return True
    if analyte in _NEVER_IONIZED and IONIZED.in_text(folded):
        return True
    return any(name in folded for name in _BESIDE[analyte])


def agrees(texts: Iterable[str], analyte: Analyte) -> bool:
    """Say whether the texts beside an accepted code agree with it; no text agrees (HL7.md 2)."""
    present = [text for text in texts if text]
    if any(means_something_else(text, analyte) for text in present):
        return False
    return not present or any(names_analyte(text, analyte) for text in present)


_LOOKS = (
    *(Analyte.POTASSIUM, Analyte.MAGNESIUM, Analyte.CREATININE, Analyte.EGFR, Analyte.DIGOXIN),
    *(Analyte.CALCIUM, Analyte.CALCIUM_IONIZED),  # a total calcium first: an ionized one says more
)


def looks_like(identifier: Identifier) -> Analyte | None:
    """
    Return the analyte that the texts seem to name, or None.

    A name of an electrolyte inside another drug or salt is a suggestion all the same: a person decides.
    """
    for analyte in _LOOKS:
        for text in identifier.texts:
            if names_analyte(text, analyte) and not means_something_else(text, analyte):
                return analyte
    return None


def classify(identifier: Identifier, confirmed: frozenset[tuple[str, str]] = frozenset()) -> Observation:
    """
    Return what an OBX-3 means by the tables alone, without a site's local codes.

    *confirmed* holds (code, text) pairs, text case folded, that a site has looked at and vouches for.
    """
    first = identifier.code or identifier.alternate_code
    if identifier.text.startswith("MDC_") or identifier.system == "MDC":
        # Of a pump: by name first, since numbers are often 0; a node of the containment tree has a time to inherit.
        name = identifier.text.upper()
        metric = next((each for each in (name, first) if each in PUMP_METRICS), "")
        return Observation(Kind.PUMP if metric or name.startswith("MDC_DEV_") else Kind.OTHER, metric or first)
    if not first:
        looks = looks_like(identifier)
        return Observation(Kind.UNMAPPED if looks else Kind.NO_CODE, "", looks)
    pairs = ((identifier.code, identifier.system), (identifier.alternate_code, identifier.alternate_system))
    loinc = [code for code, system in pairs if code and system.upper() in LOINC_SYSTEMS]
    for code in loinc:
        if code in EXCLUDED:
            if code == LACTATE_DEHYDROGENASE and any(
                names_analyte(text, Analyte.MAGNESIUM) for text in identifier.texts
            ):
                return Observation(Kind.DISAGREE, code, Analyte.MAGNESIUM)
            return Observation(Kind.EXCLUDED, code)
    accepted = [code for code in loinc if code in ACCEPTED]
    if accepted:
        code = accepted[0]
        analyte = ACCEPTED[code]
        unconfirmed = [text for text in identifier.texts if (code, text.casefold()) not in confirmed]
        if any(ACCEPTED[other] is not analyte for other in accepted) or not agrees(unconfirmed, analyte):
            return Observation(Kind.DISAGREE, code, analyte)
        return Observation(Kind.OURS, code, analyte, code in MASS_POTASSIUM)
    looks = looks_like(identifier)
    # A look-alike of no analyte is one of a hemolysis index.
    unmapped = looks or any(HEMOLYSIS.in_text(fold(text)) for text in identifier.texts)
    return Observation(Kind.UNMAPPED if unmapped else Kind.OTHER, first, looks)


def confirmed_local(
    local: Observation, identifier: Identifier, confirmed: frozenset[tuple[str, str]] = frozenset()
) -> Observation:
    """
    Return what a site's row says of a local code, unless what stands beside the code contradicts it.

    An excluded LOINC or that of another analyte in the other triplet, or a text that names another fluid or quantity
    (but for pairs that the site vouches for), is no less true because the site has mapped the code.
    """
    analyte = local.analyte
    if local.kind is not Kind.OURS or analyte is None:
        return local
    pairs = ((identifier.code, identifier.system), (identifier.alternate_code, identifier.alternate_system))
    loinc = [code for code, system in pairs if code not in ("", local.code) and system.upper() in LOINC_SYSTEMS]
    if not EXCLUDED.isdisjoint(loinc):
        return Observation(Kind.EXCLUDED, local.code)
    others = any(ACCEPTED.get(code, analyte) is not analyte for code in loinc)
    unconfirmed = (text for text in identifier.texts if (local.code, text.casefold()) not in confirmed)
    if others or any(means_something_else(text, analyte) for text in unconfirmed):
        return Observation(Kind.DISAGREE, local.code, analyte)
    return local


def unit_of(raw: str) -> tuple[Unit | None, str, bool]:
    """
    Return the unit that a raw OBX-6 spells (None: missing or unknown), its text, and whether it is unindexed mL/min.

    The first of components 1, 2, 4, 5 that spells a unit counts (``mmol/l^^L``, ``^^^mmol/L``, ``27^mmol/L^L``); when
    none does, the first that is not empty is the unknown one.
    """
    parts = raw.split(REPETITION, 1)[0].split(COMPONENT)
    unknown = ""
    for number in (0, 1, 3, 4):
        text = unescape(parts[number]).strip() if number < len(parts) else ""
        if text and text != NULL:
            spelling = "".join(text.split()).lower()
            unit = UNITS.get(spelling) or UNINDEXED.get(spelling)
            if unit is not None:
                return unit, text, spelling in UNINDEXED
            unknown = unknown or text
    return None, unknown, False
