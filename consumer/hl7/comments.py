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
_ANSWERS = frozenset(_TABLE["answers"])
_WISHES: tuple[str, ...] = tuple(_TABLE["wishes"])
_UNSPACED = tuple(
    start for start in _HEMOLYSIS if not any("a" <= char <= "z" or "\u0400" <= char < "\u0500" for char in start)
)

_CLAUSE = re.compile(r"[.;!?\n]|,| but | aber | mais | pero ")
_WORD = re.compile(r"[^\W_]+")


def _folded(text: str) -> str:
    """Return *text* in lower case with its accents taken off."""
    if text.isascii():
        return text.lower()
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
        place = next((number for number, word in enumerate(words) if _is_hemolysis(word)), None)
        if place is None or _says_nothing_of_this_tube(words, place):
            continue
        if any(word.startswith(_GROSS) for word in words):
            return Condition.GROSSLY_HEMOLYZED
        found = Condition.HEMOLYZED
    return found


def says_gross(text: str) -> bool:
    """Say whether a text says gross or marked."""
    return any(word.startswith(_GROSS) for word in _WORD.findall(_folded(text)))


def _is_hemolysis(word: str) -> bool:
    # A language without blanks has the word anywhere in its run.
    return word.startswith(_HEMOLYSIS) or (not word.isascii() and any(start in word for start in _UNSPACED))


def _says_nothing_of_this_tube(words: list[str], place: int) -> bool:
    """
    Say whether a clause is negated, tells of another tube or time, or of a germ or an illness.

    A negation counts before the word, and after it as an answer ("hemolysis: none"). What tells of the past counts
    before it, and after it but for a wish ("hemolyzed, please repeat").
    """
    before, after = words[:place], words[place + 1 :]
    if not _NOT_A_TUBE.isdisjoint(words) or not _NEGATION.isdisjoint(before) or not _ANSWERS.isdisjoint(after[:2]):
        return True
    return any(word.startswith(_PAST) for word in before) or any(
        word.startswith(_PAST) and not word.startswith(_WISHES) for word in after
    )
