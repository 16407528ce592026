"""OBX-5 and OBX-11: one number with an optional comparator, and the status letters (HL7.md 2, RULES.md 1 and 2)."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from consumer.hl7.er7 import COMPONENT, ESCAPE, NULL, REPETITION, unescape

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,12}\.?[0-9]{0,12}|\.[0-9]{1,12})")
_LONGEST = 100  # digits, a comparator in words, escapes
_COMPARATORS = {
    "": "",
    "=": "",
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "=<": "<=",
    "=>": ">=",
    "≤": "<=",
    "≥": ">=",
}
_WORDED = (
    ("greater than or equal to", ">="),
    ("less than or equal to", "<="),
    ("greater than", ">"),
    ("more than", ">"),
    ("less than", "<"),
)
_STATUSES = {letter: letter for letter in "FCABVUPRSDWXION"} | {"FINAL": "F"}

USABLE = frozenset("FCABVU")
MUST_HAVE_VALUE = frozenset("FCABV")
WITHOUT_VALUE = frozenset("DWXION")


class Number(NamedTuple):
    """A value with its comparator (empty, ``<``, ``<=``, ``>``, ``>=``)."""

    value: Decimal
    comparator: str
    text: str


def is_empty(raw: str) -> bool:
    """Say whether a raw OBX-5 says nothing: empty, blanks, delimiters alone, or the HL7 null."""
    return raw == "" or not raw.replace(COMPONENT, "").replace(REPETITION, "").strip() or raw.strip() == NULL


def read_number(raw: str) -> Number | None:
    """
    Return the one number of a raw OBX-5, or None when it is not exactly one number with an optional comparator.

    >>> read_number(">^10")
    Number(value=Decimal('10'), comparator='>', text='>10')
    """
    if len(raw) > _LONGEST:
        raw = raw.strip()
        if len(raw) > _LONGEST:
            return None  # a text, however long
    return _read_number(raw)


@lru_cache(maxsize=8192)
def _read_number(raw: str) -> Number | None:
    """Read what is short enough to be a number; the same few hundred come again and again."""
    if REPETITION in raw:
        return None
    parts = [unescape(part).strip() if ESCAPE in part else part.strip() for part in raw.split(COMPONENT)]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    if len(parts) > 2:
        return None
    if len(parts) == 2:
        sign, text = parts
    else:
        sign, text = _split_comparator(parts[0])
    comparator = _COMPARATORS.get(sign)
    if comparator is None or _NUMBER.fullmatch(text) is None:
        return None
    return Number(Decimal(text), comparator, comparator + text)


def _split_comparator(text: str) -> tuple[str, str]:
    """Return the leading comparator of *text* and the rest."""
    if text[:1].isdigit():
        return "", text
    lowered = text.lower()
    for words, sign in _WORDED:
        if lowered.startswith(words):
            return sign, text[len(words) :].strip()
    rest = text.lstrip("<>=≤≥")
    return text[: len(text) - len(rest)], rest.strip()


@lru_cache(maxsize=256)
def read_status(raw: str) -> str | None:
    """Return the letter of a raw OBX-11 (first component); empty for blank, None for one that nobody knows."""
    text = raw.split(REPETITION, 1)[0].split(COMPONENT, 1)[0].strip()
    if not text or text == NULL:
        return ""
    return _STATUSES.get(unescape(text).upper())
