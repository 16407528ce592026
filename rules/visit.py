"""What ADT messages say of a patient's visits (RULES.md 4.2, 6, 7): discharges, deaths, diagnoses, the protocol."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rules.events import Instant
from rules.patient import EncounterFact
from rules.rulebook import Rulebook


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
