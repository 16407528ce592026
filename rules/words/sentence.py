"""A sentence of at most 160 characters: what is said, and what is shortened or left out when room is short."""

from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 160

OPTIONAL = 4
"""Rank from which a part is said only where there is room for it."""


class Part(NamedTuple):
    """
    A piece of a sentence.

    ``rank`` says what goes first when room is short (the highest), ``short`` and then ``shorter`` what may stand in its
    place before that; from `OPTIONAL` on it goes before anything is shortened.
    """

    text: str
    rank: int = 1
    short: str = ""
    joint: str = "; "
    shorter: str = ""


def fit(lead: str, *parts: Part, brief: str = "") -> str:
    """
    Return *lead* and *parts*, in order, in at most 160 characters: shortened first, then left out by rank.

    *brief*, where there is one, stands for the lead before any part is made shorter still.

    >>> fit("Potassium 6.3 mmol/L", Part("no magnesium result on record"))
    'Potassium 6.3 mmol/L; no magnesium result on record.'
    """
    kept = [part for part in parts if part.text]
    for part in sorted(kept, key=lambda part: -part.rank):
        if len(_sentence(lead, kept)) <= LONGEST:
            break
        place = kept.index(part)
        kept[place : place + 1] = [] if part.rank >= OPTIONAL else [part._replace(text=part.short or part.text)]
    if brief and len(_sentence(lead, kept)) > LONGEST:
        lead = brief
    for part in [part for part in kept if part.shorter]:
        if len(_sentence(lead, kept)) > LONGEST:
            kept[kept.index(part)] = part._replace(text=part.shorter)
    while kept and len(_sentence(lead, kept)) > LONGEST:
        kept.remove(max(kept, key=lambda part: part.rank))
    return _sentence(lead[: LONGEST - 1], kept)


def _sentence(lead: str, parts: Iterable[Part]) -> str:
    return lead + "".join(f"{part.joint}{part.text}" for part in parts) + "."
