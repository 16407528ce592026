"""
What judging one event costs beside decoding one of ten OBX: by kind of patient, and as the history grows.

Of patients in memory, as the stage has those that it judged last (`consumer/warm.py`), some in turn; and of patients
that have to be unpacked.
"""

import random
from collections.abc import Iterator

from bench.figures import seconds, show
from bench.patients import KINDS, LOINC, NOW, Kind, message, patient, set_of
from consumer.wire import PatientRecord, decode_patient, encode_patient
from rules import engine
from rules.chart import Chart
from rules.events import MINUTE, Analyte, Encounter, PatientEvent
from rules.patient import PatientState
from rules.rulebook import Rulebook

RULEBOOK = Rulebook()
RESULTS = 200
GROWTH = (50, 100, 200, 400)
IN_TURN = 16
SHORT_ROUNDS = 100

Warm = tuple[PatientState, Chart | None]


def judging(decoded: float) -> None:
    """Print what judging costs beside *decoded*, the microseconds of decoding one message of ten OBX."""
    for kind in KINDS:
        stored = packed(kind, RESULTS)
        for what, event in events(kind):
            said = len(judge(stored, event).transitions)
            words = f"{said} transition" if said else "nothing to say"
            alone, kept, anew = judged(stored, event), judged_and_packed(stored, event), unpacked_too(stored, event)
            note = (
                f"{alone / decoded:.1f} times a decode in memory, {kept / decoded:.1f} with packing, "
                f"{anew / decoded:.1f} with unpacking too"
            )
            show(f"{kind.name}: {what}, {words}", alone, "us", note)
    for kind in KINDS:
        for what, event in (
            (f"a new {_asked_of(kind).value}", own(kind)),
            ("one that concerns no rule", ADMINISTRATIVE),
        ):
            grown = [packed(kind, results) for results in GROWTH]
            took = [judged(stored, event) for stored in grown]
            warm = [judged_and_packed(stored, event) for stored in grown]
            cold = [unpacked_too(stored, event) for stored in grown]
            packing, unpacking = warm[-1] / warm[0], cold[-1] / cold[0]
            note = (
                f"{beside(took, decoded)} decodes; with packing {packing:.2f} times ({beside(warm, decoded)}), "
                f"with unpacking too {unpacking:.2f}"
            )
            show(f"{kind.name}: {what}, {GROWTH[-1]} results beside {GROWTH[0]}", took[-1] / took[0], "times", note)


def beside(took: list[float], decoded: float) -> str:
    """Return figures as multiples of *decoded*."""
    return ", ".join(f"{one / decoded:.1f}" for one in took)


def judge(stored: bytes, event: PatientEvent) -> engine.Judgement:
    """Judge one event of a patient who was not here lately: unpack, judge, pack."""
    state = decode_patient(stored).state
    judgement = engine.judge(state, event, now=event.received_at, rulebook=RULEBOOK)
    encode_patient(PatientRecord(judgement.state))
    return judgement


def warmed(stored: bytes) -> list[Warm]:
    """Return some such patients as the stage has them after an event of a minute ago."""
    early = ADMINISTRATIVE._replace(received_at=NOW - MINUTE)
    found: list[Warm] = []
    for _ in range(IN_TURN):
        judgement = judge(stored, early)
        assert judgement.state is not None
        found.append((judgement.state, judgement.chart))
    return found


def judged(stored: bytes, event: PatientEvent) -> float:
    """Return the microseconds of judging one event of a patient in memory."""
    patients = warmed(stored)

    def work() -> None:
        for state, chart in patients:
            engine.judge(state, event, now=event.received_at, rulebook=RULEBOOK, chart=chart)

    return seconds(work, SHORT_ROUNDS) / IN_TURN * 1e6


def judged_and_packed(stored: bytes, event: PatientEvent) -> float:
    """Return the microseconds of judging one event of a patient in memory, who is packed for the changelog."""
    patients = warmed(stored)

    def work() -> None:
        for state, chart in patients:
            judgement = engine.judge(state, event, now=event.received_at, rulebook=RULEBOOK, chart=chart)
            encode_patient(PatientRecord(judgement.state))

    return seconds(work, SHORT_ROUNDS) / IN_TURN * 1e6


def unpacked_too(stored: bytes, event: PatientEvent) -> float:
    """Return the microseconds of judging one event of a patient who was not here lately."""

    def work() -> None:
        for _ in range(IN_TURN):
            judge(stored, event)

    return seconds(work, SHORT_ROUNDS // 2) / IN_TURN * 1e6


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
