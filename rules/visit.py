"""
What ADT messages say of a patient's visits (RULES.md 4.2, 6, 7): discharges, deaths, diagnoses, the protocol.

A hospital sends the same of a visit over and over. `merge_encounters` keeps what was said, when it first came, and
which visit the patient was on at each time: a discharge that comes late is held against that.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rules.events import Instant
from rules.rulebook import Rulebook

MOST_MARKS = 12
"""ADT messages kept of a patient that say nothing but their visit."""


class EncounterFact(NamedTuple):
    """What one ADT message said; they are kept in order of ``received_at``, that of the message."""

    trigger: str
    visit_number: str
    location: str
    hospital_service: str
    diagnoses: tuple[str, ...]
    deceased: bool
    received_at: Instant
    came: int

    @property
    def turns(self) -> bool:
        """Whether it begins or ends a visit, takes that back, or tells of a death."""
        return self.trigger in ("A01", "A03", "A11", "A13") or self.deceased

    @property
    def only_marks(self) -> bool:
        """Whether it says nothing but that the patient was on its visit."""
        return not (self.turns or self.location or self.hospital_service or self.diagnoses)


def merge_encounters(stored: tuple[EncounterFact, ...], new: tuple[EncounterFact, ...]) -> tuple[EncounterFact, ...]:
    """
    Join what ADT messages said, by when they were received and in that order of arrival.

    Of those that say the same between two admissions the first that came says it, for looking back, and the newest,
    which is of the current visit whenever an admission comes late. The newest others stay as marks of their visit. What
    the same message says once more, with nothing between, is the first.
    """
    every = sorted((*stored, *new), key=lambda fact: fact.received_at)
    facts = [fact for n, fact in enumerate(every) if not n or fact._replace(came=0) != every[n - 1]._replace(came=0)]
    alike: dict[tuple[object, ...], list[int]] = {}
    admissions = 0
    for n, fact in enumerate(facts):
        admissions += fact.trigger == "A01"
        if not fact.turns:
            said = (fact.visit_number, fact.location, fact.hospital_service, fact.diagnoses)
            alike.setdefault((admissions, *said), []).append(n)
    for same in alike.values():
        first = min(same, key=lambda n: facts[n].came)
        for n in same[:-1]:
            if n != first:
                facts[n] = facts[n]._replace(location="", hospital_service="", diagnoses=())
    marks = [n for n, fact in enumerate(facts) if fact.only_marks]
    for n in reversed(marks[:-MOST_MARKS]):
        del facts[n]
    return tuple(facts)


class Leave(NamedTuple):
    """A discharge that counts at the moment, or a death: ``at`` when it was received, ``came`` its event."""

    at: Instant
    came: int


def of_visit(facts: Sequence[EncounterFact]) -> Sequence[EncounterFact]:
    """Return the facts of the current visit: an admission (A01) begins a new one (RULES.md 6)."""
    start = next((n for n in range(len(facts) - 1, -1, -1) if facts[n].trigger == "A01"), 0)
    return facts[start:]


def diagnoses(visit: Sequence[EncounterFact]) -> frozenset[str]:
    """Return the diagnoses of the visit, without dots, in capitals."""
    return frozenset(code.replace(".", "").upper() for fact in visit for code in fact.diagnoses)


def discharges(facts: Sequence[EncounterFact], rulebook: Rulebook) -> list[Leave]:
    """
    Return the discharges that count and were not undone (RULES.md 7).

    One counts when its PV1-19 is the visit of the latest ADT, or either is unknown. An A13 undoes it, however often
    it was sent since the last admission; an A01 undoes those of the 24 h before it. One that does not count says
    nothing of which visit is the latest.
    """
    standing: list[Leave] = []
    of_earlier_visits = 0
    latest_visit = ""
    for fact in facts:
        if fact.trigger == "A03":
            if latest_visit and fact.visit_number and latest_visit != fact.visit_number:
                continue
            standing.append(Leave(fact.received_at, fact.came))
        elif fact.trigger == "A13":
            del standing[of_earlier_visits:]
        elif fact.trigger == "A01":
            since = fact.received_at - rulebook.readmission_within
            standing = [discharge for discharge in standing if discharge.at < since]
            of_earlier_visits = len(standing)
        latest_visit = fact.visit_number
    return standing


def deaths(facts: Sequence[EncounterFact]) -> list[Leave]:
    """Return what told of a death."""
    return [Leave(fact.received_at, fact.came) for fact in facts if fact.deceased]


def deceased(facts: Sequence[EncounterFact]) -> bool:
    """Say whether the patient has died, and was not admitted since (RULES.md 7)."""
    dead = False
    for fact in facts:
        if fact.deceased:
            dead = True
        elif fact.trigger == "A01":
            dead = False
    return dead


def obstetric(visit: Sequence[EncounterFact], diagnosed: Collection[str], rulebook: Rulebook) -> bool:
    """
    Say whether the current visit is under the obstetric protocol (RULES.md 6).

    Diagnosis, service or location in the site's lists.
    """
    if any(code.startswith(prefix) for code in diagnosed for prefix in rulebook.obstetric_diagnoses):
        return True
    return any(
        fact.hospital_service.upper() in rulebook.obstetric_services
        or fact.location.split("^")[0].upper() in rulebook.obstetric_locations
        for fact in visit
    )
