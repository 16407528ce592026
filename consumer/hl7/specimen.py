"""The specimen of an order: what vetoes it, which tube it is, and what is said of that tube (HL7.md 2, RULES.md 3)."""

from functools import lru_cache
from typing import NamedTuple

from consumer.hl7.codes import table
from consumer.hl7.comments import conditions_of
from consumer.hl7.er7 import COMPONENT, NULL, REPETITION, SUBCOMPONENT, bounded, unescape
from consumer.hl7.texts import Vocabulary, fold, words
from rules.events import Condition

_TABLE = table("specimens")
VETO_CODES = frozenset(_TABLE["codes"])
VETO = Vocabulary.of(_TABLE["veto"])
_BESIDE = frozenset(_TABLE["veto"]["beside"])
CONDITIONS = {code: Condition(condition) for code, condition in _TABLE["conditions"].items()}
REJECT_REASONS = {code: Condition(condition) for code, condition in _TABLE["reject_reasons"].items()}
_PATIENT_ROLES = frozenset({"", "P"})
_SPM_ID, _SPM_TYPE, _SPM_ROLE, _SPM_COLLECTED, _SPM_REJECTED, _SPM_CONDITION = 2, 4, 11, 17, 21, 24


@lru_cache(maxsize=4096)
def vetoes(field: str) -> bool:
    """
    Say whether a raw OBR-15 or SPM-4 names a specimen that is never ours.

    By codes in components 1 and 4, and by whole words in components 2 and 5 (in 1 and 4 when it is made of such words
    alone, "Other Body Fluid"): never by a pattern over the field, since senders put physicians and departments there.
    """
    for repetition in field.split(REPETITION):
        parts = repetition.split(COMPONENT)
        for number in (0, 3):
            if number < len(parts) and parts[number]:
                code, *rest = (unescape(part).strip() for part in parts[number].split(SUBCOMPONENT))
                if code.upper() in VETO_CODES or _is_veto_phrase(code):
                    return True
                if rest and VETO.in_text(fold(rest[0])):
                    return True
        for number in (1, 4):
            if number < len(parts) and VETO.in_text(fold(unescape(parts[number]))):
                return True
    return False


def _is_veto_phrase(text: str) -> bool:
    """Say whether a text is of words of the table alone: at least one that vetoes, and what may stand beside it."""
    found = words(fold(text))
    vetoing = [word for word in found if VETO.has(word)]
    return bool(vetoing) and all(word in _BESIDE for word in found if word not in vetoing)


class Specimen(NamedTuple):
    """
    One SPM segment.

    ``identifier`` is SPM-2 as sent (empty in most feeds), ``collected`` a raw SPM-17.1. ``hemolysis_named`` is an
    SPM-24 HEM, which a comment can make gross.
    """

    identifier: str
    vetoed: bool
    of_a_patient: bool
    collected: str
    conditions: tuple[Condition, ...]


@lru_cache(maxsize=1024)
def _conditions(condition: str, rejected: str) -> tuple[Condition, ...]:
    """Return what SPM-24 and SPM-21 say: by code, and by a text in its place or beside it, as a remark would."""
    found: list[Condition] = []
    for field, codes in ((condition, CONDITIONS), (rejected, REJECT_REASONS)):
        for repetition in field.split(REPETITION) if field else ():
            parts = [unescape(part).strip() for part in repetition.split(COMPONENT)]
            found += [codes[part.upper()] for part in parts[0:4:3] if part.upper() in codes]
            found += [each for part in (*parts[:2], *parts[3:5]) for each in conditions_of(part)]
    return tuple(dict.fromkeys(found))


def specimen_of(fields: list[str]) -> Specimen:
    """Return what the fields of an SPM segment say."""
    count = len(fields)
    role = fields[_SPM_ROLE].split(REPETITION, 1)[0].split(COMPONENT, 1)[0].strip() if count > _SPM_ROLE else ""
    identifier = bounded(unescape(fields[_SPM_ID]).strip(" ^&")) if count > _SPM_ID else ""
    collected = fields[_SPM_COLLECTED].split(COMPONENT, 1)[0] if count > _SPM_COLLECTED else ""
    return Specimen(
        identifier="" if identifier == NULL else identifier,
        vetoed=vetoes(fields[_SPM_TYPE]) if count > _SPM_TYPE and fields[_SPM_TYPE] else False,
        of_a_patient=role.upper() in _PATIENT_ROLES or role == NULL,
        collected=collected,
        conditions=_conditions(
            fields[_SPM_CONDITION] if count > _SPM_CONDITION else "",
            fields[_SPM_REJECTED] if count > _SPM_REJECTED else "",
        )
        if count > _SPM_REJECTED
        else (),
    )
