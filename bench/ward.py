"""
What judging an event costs in the mean of a ward, beside decoding a message of ten OBX (issue 5, "How fast").

The invented ward of `consumer/simulate.py`, with days of routine panels between its courses, judged as the judge stage
does it: patients in memory, charts that follow one another, each patient packed after each event. What counts are the
events of patients who have 200 results or more.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from statistics import fmean
from typing import Final, NamedTuple

from bench.figures import show
from consumer.hl7.decoder import Decoder
from consumer.hl7.site import Site
from consumer.patients import Clock, Patients, Settings
from consumer.simulate import COURSES, Labs, Step, ward
from consumer.turns import Marks
from consumer.wire import EventRecord, Kind, Waiting, encode_patient
from rules.events import DAY, HOUR, MINUTE, Instant, PatientEvent, Source
from rules.rulebook import Rulebook

BEDS: Final = 40
STAY: Final = 24 * DAY
FULL: Final = 200
"""Results from which a patient counts."""

START: Final[Instant] = 1_767_276_600_000
ROUNDS: Final = 5
EVERY: Final = 6 * HOUR // MINUTE
ROUTINE: Final = 3
"""Routine days for each course, most of which raise an alert: more than any ward raises."""


def routine(rng: random.Random) -> list[Step]:
    """A day of panels that tell of nothing, one each six hours."""
    panel = ("K", "MG", "CA", "CREA", "GLU")
    return [Labs(number * EVERY + rng.uniform(0, 60), panel) for number in range(4)]


class Cost(NamedTuple):
    """What one event cost, in microseconds: judging it, and packing its patient; ``said``: it made a transition."""

    judging: float
    packing: float
    said: bool

    @property
    def whole(self) -> float:
        """Both."""
        return self.judging + self.packing


def judging_a_ward(decoded: float) -> None:
    """Print what an event costs in the mean of a ward, as multiples of *decoded*, in microseconds."""
    events = list(ward_events())
    rounds = [costs(events) for _ in range(ROUNDS)]
    best = [
        Cost(min(one.judging for one in event), min(one.packing for one in event), event[0].said)
        for event in zip(*rounds, strict=True)
    ]
    results = sum(len(event.results) for event in events) / len(events)
    show("a ward: events of patients with 200 results or more", len(best), "events", f"with {results:.1f} results each")
    _show("all of them", best, decoded)
    _show("those with nothing to say", [cost for cost in best if not cost.said], decoded)
    _show("those with a transition", [cost for cost in best if cost.said], decoded)


def _show(what: str, chosen: Sequence[Cost], decoded: float) -> None:
    for how, of in _HOW.items():
        took = sorted(of(cost) / decoded for cost in chosen)
        note = (
            f"a decode in the mean; median {took[len(took) // 2]:.1f}, 99 % at most {took[len(took) * 99 // 100]:.1f}"
        )
        show(f"… {what} ({len(took)}), {how}", fmean(took), "times", note)


_HOW: Final[dict[str, Callable[[Cost], float]]] = {
    "in memory": lambda cost: cost.judging,
    "with packing": lambda cost: cost.whole,
}


def ward_events() -> Iterator[PatientEvent]:
    """Yield what the judge stage gets of the ward, in order of time."""
    decoder = Decoder(Site.default())
    courses = (*COURSES, *[routine] * (ROUTINE * len(COURSES)))
    messages = ward(5, BEDS, START, pause_minutes=60, courses=courses)
    for number, sent in enumerate(takewhile(lambda sent: sent.at < START + STAY, messages)):
        source = Source("hl7.inbound", 0, number)
        yield from decoder.decode(sent.raw, received_at=sent.at, source=source).events


def costs(events: Sequence[PatientEvent]) -> list[Cost]:
    """Judge all events once, and return what each cost of a patient with so many results; timers are not counted."""
    patients = Patients(Rulebook(), Settings(Clock.FILES), lambda key: None)  # noqa: ARG005  (nobody is stored)
    found: list[Cost] = []
    for number, event in enumerate(events):
        key = event.patient.key
        waiting = Waiting(EventRecord(Kind.EVENT, event.patient, event), 0, number)
        patients.see(Marks(event.received_at), wall=event.received_at)
        patients.run()  # timers
        patients.commit()
        before = patients.get(key)
        begun = time.process_time_ns()
        patients.accept(waiting)
        judged = time.process_time_ns()
        record = patients.get(key)
        if record is not None:
            encode_patient(record)
        packed = time.process_time_ns()
        if before is not None and before.state is not None and len(before.state.results) >= FULL:
            found.append(Cost((judged - begun) / 1e3, (packed - judged) / 1e3, bool(patients.judged)))
        patients.commit()
    return found
