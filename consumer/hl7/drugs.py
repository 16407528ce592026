"""Drugs, amounts and routes: what an RXA-5 is, how many grams, and by which way (HL7.md 4). Data in `tables/`."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from consumer.hl7.codes import table
from consumer.hl7.er7 import COMPONENT, NULL, REPETITION, unescape
from consumer.hl7.site import Site
from consumer.hl7.texts import fold, words
from rules.events import Drug

_TABLE = table("drugs")
RXNORM: Mapping[str, Drug] = {code: Drug(name) for code, name in _TABLE["rxnorm"].items()}
NDC_PREFIXES: Mapping[str, Drug] = {
    prefix.replace("-", ""): Drug(name) for prefix, name in _TABLE["ndc_prefixes"].items()
}
DRUG_NAMES: Mapping[str, Drug] = {name: Drug(drug) for name, drug in _TABLE["names"].items()}
LOOKS_LIKE: tuple[tuple[str, Drug], ...] = tuple(
    (fold(text), Drug(drug)) for drug, texts in _TABLE["looks_like"].items() for text in texts
)
DIALYSIS: Mapping[str, bool] = dict(_TABLE["dialysis"])
GIVEN = frozenset(_TABLE["completion"]["given"])
STOPPED = frozenset(_TABLE["completion"]["stopped"])
NOT_GIVEN = frozenset(_TABLE["completion"]["not_given"])
_PARENTERAL = frozenset(_TABLE["routes"]["parenteral"])
_PARENTERAL_WORDS = frozenset(map(fold, _TABLE["routes"]["parenteral_words"]))
_OTHER_ROUTES = frozenset(_TABLE["routes"]["other"])
_OTHER_WORDS = frozenset(map(fold, _TABLE["routes"]["other_words"]))
_RATE_UNITS: Mapping[str, Decimal] = {unit: Decimal(count) for unit, count in _TABLE["rate_units"].items()}

_RXNORM_SYSTEMS = frozenset({"RXNORM", "RXN", "RXNORMCODE", "2.16.840.1.113883.6.88", ""})
_NDC_SYSTEMS = frozenset({"NDC", "HL70469", "2.16.840.1.113883.6.69"})
_NDC_SHAPE = re.compile(r"[0-9]{4,5}-[0-9]{3,4}(?:-[0-9]{1,2})?|[0-9]{10,11}")

# 50 %: 500 mg/mL = 4.06 mEq/mL (HL7.md 4); a mmol of magnesium is two mEq.
_GRAMS_PER_MEQ = Decimal("0.5") / Decimal("4.06")
_GRAMS: Mapping[str, Decimal] = {
    **dict.fromkeys(("g", "gm", "gms", "gram", "grams", "gram(s)", "gr"), Decimal(1)),
    **dict.fromkeys(("mg", "mgs", "milligram", "milligrams"), Decimal("0.001")),
    **dict.fromkeys(("meq", "meqs", "mval"), _GRAMS_PER_MEQ),
    **dict.fromkeys(("mmol", "mmols"), 2 * _GRAMS_PER_MEQ),
}
_ROUNDED = frozenset({"meq", "mmol"})  # "4 mEq/mL (50 %)": 4.06, rounded for the label; the percentage is exact
_MILLILITERS = frozenset({"ml", "mls", "cc", "milliliter", "milliliters", "millilitre", "millilitres"})
_QUANTITY = r"(?<![0-9.,])([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:\.[0-9]+)?)"  # "1,000" is a thousand, "0,5" nobody's guess
_AMOUNT = rf"{_QUANTITY} ?(g|gm|gram|grams|mg|meq|mmol)"
_VOLUME = _QUANTITY
_CONCENTRATIONS = (
    re.compile(rf"{_AMOUNT} ?(?:in|/|per|-) ?{_VOLUME}? ?ml\b"),  # "2 g in 50 mL", "4 gram/100 mL", "500 mg/mL"
    re.compile(rf"{_AMOUNT} in [a-z][^/]*? {_VOLUME} ?ml\b"),  # "1 g in dextrose 5 % 100 mL"
)
_PERCENTAGE = re.compile(r"(?<![0-9.,])([0-9]+(?:\.[0-9]+)?) ?%")  # "50 %": grams in 100 mL
_DILUENT = re.compile(r"\b(?:in|dextrose|glucose|sodium|nacl|d5w|water|ringer)\b")  # behind it the % is another's
_LONGEST_NAME = 500  # RxNorm's longest names have half of that
_PLACES = Decimal("1E-6")


class DrugFound(NamedTuple):
    """What an RXA-5 (or RXE-2, RXD-2, RXG-4) is; ``grams_per_ml`` is a site's strength, else None."""

    drug: Drug
    code: str
    text: str
    grams_per_ml: Decimal | None


def drug_of(field: str, site: Site) -> DrugFound | None:
    """Return the drug of a raw CWE field: by the site's or a listed code, else by a listed name at the start."""
    parts = [unescape(part).strip() for part in field.split(REPETITION, 1)[0].split(COMPONENT)]
    parts = ["" if part == NULL else part for part in parts] + [""] * 6
    text = parts[1] or parts[4]
    first = parts[0] or parts[3]
    for code, system in ((parts[0], parts[2].upper()), (parts[3], parts[5].upper())):
        if not code:
            continue
        local = site.drugs.get(code)
        if local is not None:
            return DrugFound(local.drug, code, text, _decimal(local.grams_per_ml))
        drug = RXNORM.get(code) if system in _RXNORM_SYSTEMS else None
        if drug is None and (system in _NDC_SYSTEMS or (system == "" and "-" in code)):
            drug = _by_ndc(code)
        if drug is not None:
            return DrugFound(drug, code, text, None)
    for name_text in (parts[1], parts[4]):
        said = " ".join(words(fold(name_text)))
        for name, local in site.drug_names.items():
            if said == name or said.startswith(name + " "):
                return DrugFound(local.drug, first, text, _decimal(local.grams_per_ml))
        for name, drug in DRUG_NAMES.items():
            if said == name or said.startswith(name + " "):
                return DrugFound(drug, first, text, None)
    return None


def looks_like(field: str) -> Drug | None:
    """Return the drug that the texts of a raw CWE field seem to name: a suggestion for the site's table, never more."""
    texts = [fold(unescape(part)) for part in field.split(REPETITION, 1)[0].split(COMPONENT)[1:5:3]]
    return next((drug for part, drug in LOOKS_LIKE if any(part in text for text in texts)), None)


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _by_ndc(code: str) -> Drug | None:
    """Return the drug of an NDC by labeler and product; with hyphens, or as 11 digits padded to 5-4-2."""
    if _NDC_SHAPE.fullmatch(code) is None:
        return None
    if "-" in code:
        labeler, product = code.split("-")[:2]
        return next(
            (
                drug
                for prefix, drug in _NDC_PAIRS.items()
                if prefix[0] == labeler.zfill(5) and prefix[1] == product.zfill(4)
            ),
            None,
        )
    if len(code) == 11:
        return _NDC_PAIRS.get((code[:5], code[5:9]))
    return next((drug for prefix, drug in NDC_PREFIXES.items() if code.startswith(prefix)), None)


_NDC_PAIRS: Mapping[tuple[str, str], Drug] = {
    (prefix.split("-")[0].zfill(5), prefix.split("-")[1].zfill(4)): Drug(name)
    for prefix, name in _TABLE["ndc_prefixes"].items()
}


def grams_of(amount: Decimal, units: str, found: DrugFound) -> Decimal | None:
    """Return the grams of magnesium sulfate in an amount, or None when its units do not tell."""
    spelling = units.lower().rstrip(".").replace(" ", "")
    factor = _GRAMS.get(spelling)
    if factor is None and spelling in _MILLILITERS:
        factor = found.grams_per_ml if found.grams_per_ml is not None else strength_of(found.text)
    if factor is None:
        return None
    return (amount * factor).quantize(_PLACES).normalize() if factor != 1 else amount


def strength_of(text: str) -> Decimal | None:
    """
    Return the grams in a mL that a product's text names, or None.

    >>> strength_of("magnesium sulfate 2 g in 50 mL")
    Decimal('0.04')
    """
    lowered = text[:_LONGEST_NAME].lower()
    percentage = _PERCENTAGE.search(_DILUENT.split(lowered, maxsplit=1)[0])
    for concentration in _CONCENTRATIONS:
        match = concentration.search(lowered)
        if match is not None:
            amount, unit, volume = match.groups()
            if percentage is not None and unit in _ROUNDED:
                break
            milliliters = Decimal(volume.replace(",", "")) if volume else Decimal(1)
            return Decimal(amount.replace(",", "")) * _GRAMS[unit] / milliliters if milliliters else None
    return Decimal(percentage.group(1)) / 100 if percentage is not None else None


def parenteral(field: str) -> tuple[bool, bool]:
    """Return whether a raw RXR-1 is parenteral, and whether that was assumed; no route given is parenteral."""
    parts = [unescape(part).strip() for part in field.split(REPETITION, 1)[0].split(COMPONENT)]
    codes = [parts[number].upper() for number in (0, 3) if number < len(parts) and parts[number] not in ("", NULL)]
    texts = [fold(parts[number]) for number in (0, 1, 3, 4) if number < len(parts) and parts[number] not in ("", NULL)]
    for code in codes:
        if code in _PARENTERAL:
            return True, False
        if code in _OTHER_ROUTES:
            return False, False
    # "p.o." and "i.v." are words too
    found = {word for text in texts for word in (*words(text), *words(text.replace(".", "")))}
    if not found.isdisjoint(_OTHER_WORDS):
        return False, False
    return True, bool(texts) and found.isdisjoint(_PARENTERAL_WORDS)


def per_hour(unit: str) -> Decimal | None:
    """Return how many of RXA-12's time units an hour has, or None for an unknown one."""
    return _RATE_UNITS.get(unit.split(COMPONENT, 1)[0].strip().lower().removeprefix("/"))
