"""Texts that people wrote, in any language: letter case, accents and full width fold away; words are whole."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, Self

_WORD = re.compile(r"[^\W_]+")
_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})
"""Letters that Unicode does not take apart."""


@lru_cache(maxsize=1024)
def fold(text: str) -> str:
    """
    Return *text* in lower case, without accents, in its plain width.

    UTF-8 that was read as Latin-1, as its sender declared, is read again.

    >>> fold("KALSİYUM, İyonize"), fold("Cálcio iônico"), fold("Ｋ⁺"), fold("fæces"), fold("hÃ¤molytisch")
    ('kalsiyum, iyonize', 'calcio ionico', 'k+', 'faeces', 'hamolytisch')
    """
    if text.isascii():
        return text.lower()
    with suppress(UnicodeError):  # as nearly always
        text = text.encode("latin-1").decode("utf-8")
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char)).translate(_LETTERS)


def words(folded: str) -> list[str]:
    """Return the whole words of a folded text."""
    return _WORD.findall(folded)


class Vocabulary(NamedTuple):
    """
    Words that mean one thing: whole words, starts of words, and what may stand inside a word, all folded.

    ``inside`` is for languages that write without blanks, or put words together.
    """

    words: frozenset[str]
    starts: tuple[str, ...]
    inside: tuple[str, ...]

    @classmethod
    def of(cls, section: Mapping[str, Sequence[str]]) -> Self:
        """Return the vocabulary of a table's section; the lists that it lacks are empty."""
        folded = {kind: tuple(fold(word) for word in section.get(kind, ())) for kind in cls._fields}
        return cls(frozenset(folded["words"]), folded["starts"], folded["inside"])

    def has(self, word: str) -> bool:
        """Say whether one folded word is of this vocabulary."""
        return word in self.words or word.startswith(self.starts) or any(part in word for part in self.inside)

    def seeds(self) -> set[str]:
        """Return the shortest parts of which one is in every text of which `in_text` holds: a quick look first."""
        parts = {*self.words, *self.starts, *self.inside}
        return {part for part in parts if not any(other != part and other in part for other in parts)}

    def in_text(self, folded: str) -> bool:
        """Say whether a folded text has a word of this vocabulary; ``inside`` may hold blanks and signs."""
        return any(part in folded for part in self.inside) or any(map(self.has, words(folded)))
