"""
Patients for the bench: one of each kind that a rule has most to do with, their results spread over ten days.

Each set of results is a potassium, a magnesium and a creatinine of one order, as in the bench's messages. What makes a
patient what it is lies in the last days, as it does on a ward.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from rules import engine
from rules.events import (
    DAY,
    HOUR,
    MINUTE,
    Administration,
    Analyte,
    Demographics,
    Drug,
    Encounter,
    Instant,
    Patient,
    PatientEvent,
    Result,
    Source,
)
from rules.patient import PatientState
from rules.rulebook import DEFAULT

NOW: Instant = int(datetime.now(UTC).timestamp()) * 1000
STAY = 10 * DAY
PATIENT = Patient("HOSP|70000001", "70000001", "HOSP")

Values = Callable[[Instant, random.Random], dict[Analyte, str]]
"""The values of a set drawn so long before now."""

LOINC = {Analyte.POTASSIUM: "2823-3", Analyte.MAGNESIUM: "19123-9", Analyte.CREATININE: "2160-0"}
UNITS = {Analyte.POTASSIUM: "mmol/L", Analyte.MAGNESIUM: "mmol/L", Analyte.CREATININE: "umol/L"}


class Kind(NamedTuple):
    """A kind of patient: what its sets hold, and how long before now magnesium was given."""

    name: str
    values: Values
    doses: tuple[Instant, ...] = ()


def usual(_: Instant, rng: random.Random) -> dict[Analyte, str]:
    """Return a set that no rule looks at twice."""
    return {
        Analyte.POTASSIUM: f"{rng.uniform(3.8, 4.8):.1f}",
        Analyte.MAGNESIUM: f"{rng.uniform(0.75, 1.0):.2f}",
        Analyte.CREATININE: str(rng.randrange(70, 95)),
    }


def hyperkalemia(before: Instant, rng: random.Random) -> dict[Analyte, str]:
    """Return potassiums that stay high for two days, with no magnesium since."""
    found = usual(before, rng)
    if before < 2 * DAY:
        found[Analyte.POTASSIUM] = f"{rng.uniform(5.7, 6.3):.1f}"
        del found[Analyte.MAGNESIUM]
    return found


def hypokalemia(before: Instant, rng: random.Random) -> dict[Analyte, str]:
    """Return potassiums that stay low for four days, magnesium with them."""
    found = usual(before, rng)
    if before < 4 * DAY:
        found |= {
            Analyte.POTASSIUM: f"{rng.uniform(2.8, 3.3):.1f}",
            Analyte.MAGNESIUM: f"{rng.uniform(0.52, 0.65):.2f}",
        }
    return found


def exposed(before: Instant, rng: random.Random) -> dict[Analyte, str]:
    """Return the magnesiums of three days of doses."""
    found = usual(before, rng)
    if before < 3 * DAY:
        found[Analyte.MAGNESIUM] = f"{rng.uniform(1.3, 1.8):.2f}"
    return found


def injured(before: Instant, rng: random.Random) -> dict[Analyte, str]:
    """Return creatinines that double in three days, potassiums that follow."""
    found = usual(before, rng)
    if before < 3 * DAY:
        found[Analyte.CREATININE] = str(250 - 50 * before // DAY)
        found[Analyte.POTASSIUM] = f"{rng.uniform(5.2, 5.8):.1f}"
    return found


KINDS = (
    Kind("quiet", usual),
    Kind("hyperkalemia, alert open", hyperkalemia),
    Kind("hypokalemia, alert open", hypokalemia),
    Kind("magnesium given, alert open", exposed, tuple(hours * HOUR for hours in range(2, 72, 5))),
    Kind("kidney injury, potassium high", injured),
)


def set_of(
    kind: Kind, before: Instant, rng: random.Random, only: frozenset[Analyte] = frozenset(LOINC)
) -> PatientEvent:
    """Return the message with the set drawn so long before now, or *only* some of it."""
    at = NOW - before
    order = f"2823K{at // MINUTE}"
    results = tuple(
        Result(
            analyte=analyte,
            order_number=order,
            observation_identifier=LOINC[analyte],
            sub_id="",
            observed_at=at,
            observed_offset=0,
            resulted_at=at + 40 * MINUTE,
            received_at=at + 41 * MINUTE,
            status="F",
            value=Decimal(value),
            comparator="",
            original_value=value,
            original_units=UNITS[analyte],
            container=f"{order}@{at}",
            message_control_id=f"B{at // MINUTE}",
            placer_order_number=f"P{order}",
        )
        for analyte, value in kind.values(before, rng).items()
        if analyte in only
    )
    return message(at + 41 * MINUTE, results=results)


def patient(kind: Kind, results: int, seed: int = 7) -> PatientState:
    """Return a patient with so many results of a stay of ten days, judged one message after the other."""
    rng = random.Random(seed)
    events = [message(NOW - before, administrations=(_dose(NOW - before),)) for before in kind.doses]
    sets = results // 3
    events += [set_of(kind, STAY * n // sets, rng) for n in range(sets, 0, -1)]
    state: PatientState | None = None
    for event in sorted(events, key=lambda one: one.received_at):
        state = engine.judge(state, event, now=event.received_at, rulebook=DEFAULT).state
    assert state is not None
    return state


def message(
    received_at: Instant,
    results: tuple[Result, ...] = (),
    administrations: tuple[Administration, ...] = (),
    encounter: Encounter | None = None,
) -> PatientEvent:
    """Return a message that says so much of the patient."""
    return PatientEvent(
        PATIENT,
        received_at,
        Source("hl7.inbound", 0, 0),
        "B1",
        "ORU^R01",
        "LAB|HOSP",
        Demographics("1950", "M"),
        results=results,
        administrations=administrations,
        encounter=encounter,
    )


def _dose(at: Instant) -> Administration:
    return Administration(
        Drug.MAGNESIUM, f"RX{at // MINUTE}", "6585", at, 0, None, None, Decimal(2), True, False, False, at, "B1"
    )
