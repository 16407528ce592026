"""What a comment says of a tube: hemolyzed, grossly so, or nothing (HL7.md 2). Whole words, in several languages."""

import re
import unicodedata
from functools import lru_cache

from consumer.hl7.codes import table
from rules.events import Condition

_TABLE = table("comments")
_HEMOLYSIS: tuple[str, ...] = tuple(_TABLE["hemolysis"])
_GROSS: tuple[str, ...] = tuple(_TABLE["gross"])
_NEGATION = frozenset(_TABLE["negation"])
_PAST: tuple[str, ...] = tuple(_TABLE["past"])
_NOT_A_TUBE = frozenset(_TABLE["not_a_tube"])

_CLAUSE = re.compile(r"[.;!?\n]|,| but | aber | mais | pero ")
_WORD = re.compile(r"[^\W_]+")


def _folded(text: str) -> str:
    """Return *text* in lower case with its accents taken off."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@lru_cache(maxsize=4096)
def condition_of(text: str) -> Condition | None:
    """
    Return what a comment says of its tube.

    >>> condition_of("Specimen grossly hemolyzed")
    <Condition.GROSSLY_HEMOLYZED: 'grossly_hemolyzed'>
    >>> condition_of("Sample is not hemolysed") is None
    True
    """
    folded = _folded(text)
    if not any(start in folded for start in _HEMOLYSIS):
        return None
    found: Condition | None = None
    for clause in _CLAUSE.split(folded):
        words = _WORD.findall(clause)
        if not any(_is_hemolysis(word) for word in words):
            continue
        if _says_nothing_of_this_tube(words):
            continue
        if says_gross(clause):
            return Condition.GROSSLY_HEMOLYZED
        found = Condition.HEMOLYZED
    return found


def says_gross(text: str) -> bool:
    """Say whether a text says gross or marked."""
    return any(word.startswith(_GROSS) for word in _WORD.findall(_folded(text)))


def _is_hemolysis(word: str) -> bool:
    return word.startswith(_HEMOLYSIS)


def _says_nothing_of_this_tube(words: list[str]) -> bool:
    """Say whether a clause is negated, tells of another tube or time, or of a germ or an illness."""
    return any(word in _NEGATION or word in _NOT_A_TUBE or word.startswith(_PAST) for word in words)
