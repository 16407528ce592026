"""What judging one event costs beside decoding one of ten OBX: by kind of patient, and as the history grows."""

import random
from collections.abc import Iterator

from bench.figures import seconds, show
from bench.patients import KINDS, LOINC, NOW, Kind, message, patient, set_of
from consumer.wire import PatientRecord, decode_patient, encode_patient
from rules import engine
from rules.alert import Transition
from rules.events import Analyte, Encounter, PatientEvent
from rules.rulebook import Rulebook

RULEBOOK = Rulebook()
RESULTS = 200
GROWTH = (50, 100, 200, 400)
AT_ONCE = 4
SHORT_ROUNDS = 100


def judging(decoded: float) -> None:
    """Print what judging costs beside *decoded*, the microseconds of decoding one message of ten OBX."""
    for kind in KINDS:
        stored = packed(kind, RESULTS)
        for what, event in events(kind):
            said = judge(stored, event)
            words = f"{len(said)} transition" if said else "nothing to say"
            took, alone = judged(stored, event), judged_alone(stored, event)
            note = f"{took / decoded:.1f} times a decode, {alone / decoded:.1f} without unpacking and packing"
            show(f"{kind.name}: {what}, {words}", took, "us", note)
    for kind in KINDS:
        for what, event in (
            (f"a new {_asked_of(kind).value}", own(kind)),
            ("one that concerns no rule", ADMINISTRATIVE),
        ):
            grown = [judged(packed(kind, results), event) for results in GROWTH]
            beside = ", ".join(f"{took / decoded:.1f}" for took in grown)
            show(
                f"{kind.name}: {what}, {GROWTH[-1]} results beside {GROWTH[0]}",
                grown[-1] / grown[0],
                "times",
                f"{beside} times a decode",
            )


def judge(stored: bytes, event: PatientEvent) -> tuple[Transition, ...]:
    """Judge one event as the stage does: unpack, judge, pack."""
    record = decode_patient(stored)
    judgement = engine.judge(record.state, event, now=event.received_at, rulebook=RULEBOOK)
    encode_patient(PatientRecord(judgement.state))
    return judgement.transitions


def judged(stored: bytes, event: PatientEvent) -> float:
    """Return the microseconds of judging one event, unpacking and packing included."""

    def work() -> None:
        for _ in range(AT_ONCE):
            judge(stored, event)

    return seconds(work, SHORT_ROUNDS) / AT_ONCE * 1e6


def judged_alone(stored: bytes, event: PatientEvent) -> float:
    """Return the microseconds of the judging alone, of a patient that was just unpacked."""
    states = [decode_patient(stored).state for _ in range(AT_ONCE * SHORT_ROUNDS)]  # none twice: a state remembers

    def work() -> None:
        for _ in range(AT_ONCE):
            engine.judge(states.pop(), event, now=event.received_at, rulebook=RULEBOOK)

    return seconds(work, SHORT_ROUNDS) / AT_ONCE * 1e6


def packed(kind: Kind, results: int) -> bytes:
    """Return a patient of a kind as it is stored."""
    return encode_patient(PatientRecord(patient(kind, results)))


ADMINISTRATIVE = message(NOW, encounter=Encounter("A08", (), deceased=False, occurred_at=NOW))
"""An event that no rule asks for."""


def events(kind: Kind) -> Iterator[tuple[str, PatientEvent]]:
    """Yield what may come of a patient: what no rule asks for, a result beside the finding, one of the finding."""
    yield "an A08", ADMINISTRATIVE
    for analyte in LOINC:
        event = set_of(kind, 0, random.Random(3), frozenset({analyte}))
        if event.results:
            yield f"a {analyte.value}", event


def own(kind: Kind) -> PatientEvent:
    """Return a new result of what the kind's finding is made of."""
    return set_of(kind, 0, random.Random(3), frozenset({_asked_of(kind)}))


def _asked_of(kind: Kind) -> Analyte:
    return Analyte.MAGNESIUM if kind.doses else Analyte.POTASSIUM
