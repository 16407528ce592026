"""What a comment says of a tube: hemolyzed, grossly so, clotted, contaminated, or nothing (HL7.md 2, RULES.md 3)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import dropwhile

from consumer.hl7.codes import table
from consumer.hl7.texts import Vocabulary, fold, words
from rules.events import Condition

_TABLE = table("comments")
_HEMOLYSIS = Vocabulary.of(_TABLE["hemolysis"])
_CLOTTED = Vocabulary.of(_TABLE["clotted"])
_CLOT = Vocabulary.of(_TABLE["clot"])
_CONTAMINATED = Vocabulary.of(_TABLE["contaminated"])
_HEDGES = Vocabulary.of(_TABLE["hedges"])
_SEEDS = tuple(sorted(_HEMOLYSIS.seeds() | _CLOTTED.seeds() | _CLOT.seeds() | _CONTAMINATED.seeds()))
_ASCII_SEEDS = tuple(seed for seed in _SEEDS if seed.isascii())


def _folded(entries: Sequence[str]) -> tuple[str, ...]:
    return tuple(fold(entry) for entry in entries)


_THERE = frozenset(_folded(_TABLE["clot"]["there"]))
_NO_CLOT = frozenset(_folded(_TABLE["clotted"]["not_a_tube"]))
_OF_A_TUBE = frozenset(_folded(_TABLE["contaminated"]["of_a_tube"]))
_NO_CONTAMINATION = frozenset(_folded(_TABLE["contaminated"]["not_a_tube"]))
_GROSS = Vocabulary(frozenset(), _folded(_TABLE["grades"]["gross"]), _folded(_TABLE["grades"]["gross_inside"]))
_MILD = Vocabulary(frozenset(), _folded(_TABLE["grades"]["mild"]), ())
_LIPEMIA = Vocabulary(frozenset(), _folded(_TABLE["grades"]["of_something_else"]), ())
_AND = frozenset(_folded(_TABLE["nothing"]["and"]))
_INDEX = Vocabulary(frozenset(), (), _folded(_TABLE["grades"]["index"]))
_NEGATION = frozenset(_folded(_TABLE["nothing"]["negation"]))
_CONDITIONAL = frozenset(_folded(_TABLE["nothing"]["conditional"]))
_CAUSE = frozenset(_folded(_TABLE["nothing"]["cause"]))
_OF_THE_RESULT = _CAUSE.union(_folded(_TABLE["nothing"]["result"]))
_ANSWERS = frozenset(_folded(_TABLE["nothing"]["answers"]))
_WISHES = _folded(_TABLE["nothing"]["wishes"])
_PAST = _folded(_TABLE["nothing"]["past"])
_NOT_A_TUBE = frozenset(_folded(_TABLE["nothing"]["not_a_tube"]))
_UNSPACED = _folded(_TABLE["nothing"]["unspaced"])

_CLAUSE = re.compile(r"[.;!\n。；！]|(?<=\?)\s|,| but | aber | mais | pero ")
_PLUSES = re.compile(r"([0-9])\s*\+|(?<![a-z0-9])(\++)")
_NUMBER = re.compile(r"([0-9]{1,9})")
_VALUE = re.compile(r"\s*[:=]\s*[<>]?\s*([0-9]{1,4})(?![0-9/.:])")  # "hemolysis: 15": an index without its name
_DASH = re.compile(r"\s*[:=]\s*[-\u2013]\s*")
_LETTER = re.compile(r"[^\W\d_]")
_GRADE_GROSS, _INDEX_SUSPECT, _INDEX_GROSS, _LAST_GRADE = 3, 100, 300, 4  # RULES.md 3


@lru_cache(maxsize=4096)
def conditions_of(text: str) -> tuple[Condition, ...]:
    """
    Return what a comment says of its tube.

    >>> conditions_of("Specimen grossly hemolyzed")
    (<Condition.GROSSLY_HEMOLYZED: 'grossly_hemolyzed'>,)
    >>> conditions_of("Sample is not hemolysed, no clots")
    ()
    """
    folded = fold(text)
    for seed in _ASCII_SEEDS if folded.isascii() else _SEEDS:
        if seed in folded:
            break
    else:
        return ()  # as of nearly all remarks
    found: set[Condition] = set()
    for clause in _CLAUSE.split(folded):
        if any(run in clause.replace(" ", "") for run in _UNSPACED):
            continue
        said = words(clause)
        hemolysis = _hemolysis(clause, said)
        if hemolysis is not None:
            found.add(hemolysis)
        elif Condition.HEMOLYZED in found and said and all(map(_GROSS.has, said)):
            found.add(Condition.GROSSLY_HEMOLYZED)  # "hemolyzed, grossly"
        if "?" in clause:
            continue  # whether it is clotted or contaminated is only asked
        of_a_tube = not _OF_A_TUBE.isdisjoint(said)
        if _says(said, _CLOTTED, _NO_CLOT) or (
            (of_a_tube or len(said) == 1 or not _THERE.isdisjoint(said)) and _says(said, _CLOT, _NO_CLOT)
        ):
            found.add(Condition.CLOTTED)
        if (of_a_tube or not clause.isascii()) and _says(said, _CONTAMINATED, _NO_CONTAMINATION):
            found.add(Condition.CONTAMINATED)
    if Condition.GROSSLY_HEMOLYZED in found:
        found.discard(Condition.HEMOLYZED)
    return tuple(condition for condition in Condition if condition in found)


def says_gross(text: str) -> bool:
    """Say whether a text says gross or marked, of nothing but hemolysis (a serum can be grossly lipemic)."""
    folded = fold(text)
    return _GROSS.in_text(folded) and not _LIPEMIA.in_text(folded)


def grade_of(text: str) -> Condition | None:
    """Return what the text of a hemolysis index says: gross or marked, less than that, or nothing."""
    folded = fold(text)
    if not _NEGATION.isdisjoint(words(folded)):
        return None
    if _GROSS.in_text(folded):
        return Condition.GROSSLY_HEMOLYZED
    return Condition.HEMOLYZED if _MILD.in_text(folded) else None


def _place(said: list[str], vocabulary: Vocabulary) -> int | None:
    return next((number for number, word in enumerate(said) if vocabulary.has(word)), None)


def _says(said: list[str], vocabulary: Vocabulary, nothing: frozenset[str]) -> bool:
    """Say whether a clause says for sure that its tube is as the vocabulary has it."""
    place = _place(said, vocabulary)
    if place is None or _says_nothing_of_this_tube(said, place):
        return False
    return nothing.isdisjoint(said) and not any(map(_HEDGES.has, said))


def _hemolysis(clause: str, said: list[str]) -> Condition | None:
    """Return what a clause says of hemolysis: a word for gross, a grade with its plus, or an index (RULES.md 3)."""
    place = _place(said, _HEMOLYSIS)
    if place is None or _says_nothing_of_this_tube(said, place):
        return None
    if any(_GROSS.has(word) and not _LIPEMIA.has(after) for word, after in zip(said, [*said[1:], ""], strict=True)):
        return Condition.GROSSLY_HEMOLYZED
    start = clause.index(said[place])
    pluses = _pluses_of(clause, start)
    if pluses is not None:
        grade = int(pluses[1]) if pluses[1] else len(pluses[2])
        return _graded(grade, 1, _GRADE_GROSS)
    behind = clause[start + len(said[place]) :]
    if _DASH.fullmatch(behind) is not None:
        return None
    number = _NUMBER.search(clause) if any(map(_INDEX.has, said)) else _VALUE.match(behind)
    if number is not None and int(number[1]) > _LAST_GRADE:
        return _graded(int(number[1]), _INDEX_SUSPECT, _INDEX_GROSS)
    return Condition.HEMOLYZED


def _pluses_of(clause: str, start: int) -> re.Match[str] | None:
    """Return the plus of the hemolysis at *start*: behind it, or before it where that is how the clause begins."""
    pluses = list(_PLUSES.finditer(clause))
    if len(pluses) < 2:
        return pluses[0] if pluses else None
    before = [each for each in pluses if each.start() < start]
    behind = pluses[len(before) :]
    begins = _LETTER.search(clause, 0, pluses[0].start()) is None
    return before[-1] if before and (begins or not behind) else behind[0]


def _graded(value: int, suspect: int, gross: int) -> Condition | None:
    if value >= gross:
        return Condition.GROSSLY_HEMOLYZED
    return Condition.HEMOLYZED if value >= suspect else None


def _says_nothing_of_this_tube(said: list[str], place: int) -> bool:
    """
    Say whether a clause is negated, tells of another tube or time, or of a germ or an illness.

    A negation counts before the word, unless it is the result's ("not reported: hemolyzed"), and after it as an answer
    ("hemolysis: none"). What tells of the past counts before it, and after it but for a wish ("hemolyzed, please
    repeat").
    """
    before, after = said[:place], said[place + 1 :]
    if not _NOT_A_TUBE.isdisjoint(said) or not _CONDITIONAL.isdisjoint(before) or _is_answered(after):
        return True
    if not _NEGATION.isdisjoint(before) and _is_negated(before):
        return True
    return any(word.startswith(_PAST) for word in before) or any(
        word.startswith(_PAST) and not word.startswith(_WISHES) for word in after
    )


def _is_negated(before: list[str]) -> bool:
    """Say whether a negation among the words before hemolysis is one of it, not of the result."""
    return any(
        _OF_THE_RESULT.isdisjoint(before[place + 1 :]) or before[place + 1] in _CAUSE
        for place, word in enumerate(before)
        if word in _NEGATION
    )


def _is_answered(after: list[str]) -> bool:
    """
    Say whether the words behind hemolysis answer that there is none; "not reported" is told of the result.

    What else is asked in the same breath ("hemolysis/icterus/lipemia: none") may stand between.
    """
    after = list(dropwhile(lambda word: _LIPEMIA.has(word) or word in _AND, after))
    return any(
        word in _ANSWERS and not (word in _NEGATION and not _OF_THE_RESULT.isdisjoint(after[place + 1 : place + 2]))
        for place, word in enumerate(after[:2])
    )
