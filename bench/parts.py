"""
What the parts cost: decoding beside splitting and hl7apy, judging beside decoding, a patient's packed size, restoring.

One core, no broker; each figure is the best of five rounds, so that a busy machine disturbs less.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from hl7apy.parser import parse_message

from bench.feed import message, messages
from consumer.cloudevent import Issuer
from consumer.hl7.decoder import Decoder
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.judge import NEXT_DUE, Judge
from consumer.patients import Clock, Settings
from consumer.wire import PatientRecord, decode_patient, encode_patient
from rules import engine
from rules.events import PatientEvent, Source
from rules.patient import PatientState
from rules.rulebook import Rulebook

ROUNDS = 5
SOURCE = Source("hl7.inbound", 0, 0)
RULEBOOK = Rulebook()


def seconds(work: Callable[[], object]) -> float:
    """Return the shortest time that *work* took."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def repeat(times: int, work: Callable[[], object]) -> None:
    """Do *work* so many times."""
    for _ in range(times):
        work()


def show(what: str, figure: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    print(f"{what:<64}{figure:>12,.2f} {unit:<14}{note}", flush=True)


def split(raw: bytes) -> list[list[bytes]]:
    """Split a message as far as bytes alone tell: the least that any decoder does."""
    return [segment.split(b"|") for segment in raw.split(b"\r")]


def event_of(decoder: Decoder, raw: bytes, received: datetime) -> PatientEvent:
    """Return the only event of a message."""
    (event,) = decoder.decode(raw, received_at=int(received.timestamp() * 1000), source=SOURCE).events
    return event


def inpatient(decoder: Decoder, draws: int, days: float, seed: int = 7) -> PatientState:
    """Return a patient with *draws* draws of potassium, magnesium and creatinine over *days* days."""
    rng = random.Random(seed)
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)
    state: PatientState | None = None
    for number in range(draws):
        sent = begun + timedelta(days=days * (number + 1) / draws)
        event = event_of(decoder, message(rng, number, 1, sent, relevant=True), sent)
        state = engine.judge(state, event, now=event.received_at, rulebook=RULEBOOK).state
    assert state is not None
    return state


def prefiltering() -> None:
    """Print what the prefilter costs over the mix, beside splitting the same bytes at their segments and fields."""
    mix = list(messages(5_000))
    prefilter = Prefilter(Site.default())
    kept = sum(map(prefilter, mix))
    looking = seconds(lambda: [prefilter(raw) for raw in mix]) / len(mix) * 1e6
    splitting = seconds(lambda: [split(raw) for raw in mix]) / len(mix) * 1e6
    show("prefilter, a message of the mix", looking, "us", f"{1 / looking * 1e6:,.0f} a second and core")
    show(
        "… beside splitting it into fields", looking / splitting, "times", f"it keeps {kept / len(mix):.0%} of the mix"
    )


def decoding(decoder: Decoder) -> float:
    """Print what a message costs; return the microseconds of decoding a relevant one."""
    relevant = [raw for number, raw in enumerate(messages(3_000)) if number % 10 == 0]
    now = int(time.time() * 1000)

    def decode() -> None:
        for raw in relevant:
            decoder.decode(raw, received_at=now, source=SOURCE)

    splitting = seconds(lambda: [split(raw) for raw in relevant]) / len(relevant) * 1e6
    decoded = seconds(decode) / len(relevant) * 1e6
    show("splitting a relevant message into fields (1,350 bytes)", splitting, "us")
    show("decoding it", decoded, "us", f"{decoded / splitting:.1f} times the split")
    parsed = hl7apy_seconds(relevant[:5]) / 5 * 1e6
    show("parsing it with hl7apy", parsed, "us", f"{parsed / decoded:,.0f} times the decoding")
    return decoded


def hl7apy_seconds(raws: Sequence[bytes]) -> float:
    """Return how long hl7apy takes over messages, in the cheapest way that it offers."""
    logging.disable(logging.CRITICAL)
    try:
        return seconds(lambda: [parse_message(raw.decode(), find_groups=False) for raw in raws])
    finally:
        logging.disable(logging.NOTSET)


def judge(packed: bytes, event: PatientEvent) -> None:
    """Judge one event as the stage does: unpack, judge, pack."""
    record = decode_patient(packed)
    judgement = engine.judge(record.state, event, now=event.received_at, rulebook=RULEBOOK)
    encode_patient(PatientRecord(judgement.state))


def judging(decoder: Decoder, decoded: float) -> None:
    """Print what judging one event costs, against a patient with much history and one with little."""
    sent = datetime.now(UTC).replace(microsecond=0)
    event = event_of(decoder, message(random.Random(3), 999, 1, sent, relevant=True), sent)
    for draws, days in ((1, 0.5), (67, 10)):
        state = inpatient(decoder, draws, days)
        took = seconds(partial(repeat, 50, partial(judge, encode_patient(PatientRecord(state)), event))) / 50 * 1e6
        what = f"judging one event, patient with {len(state.results)} results (unpack, judge, pack)"
        show(what, took, "us", f"{took / decoded:.1f} times the decoding")


def storing(decoder: Decoder) -> None:
    """Print a typical patient's packed size, and how fast a partition of them is restored."""
    packed = encode_patient(PatientRecord(inpatient(decoder, 30, 10)))
    show("packed state of a ten-day inpatient (three draws a day)", len(packed), "bytes")
    show("… so that 100,000 of them take", len(packed) * 100_000 / 2**20, "MiB")
    count = 50_000
    headers = [(NEXT_DUE, b"1700000000000")]
    keys = [f"HOSP|{number}".encode() for number in range(count)]

    def restore() -> None:
        judge = Judge(RULEBOOK, Settings(Clock.LIVE), Issuer("bench", "0", "sha256:"))
        for key in keys:
            judge.restore(key, packed, headers)
        judge.commit()

    show("restoring patients into a judge", count / seconds(restore), "patients/s", "without reading from Kafka")


def main() -> None:
    """Print all figures."""
    decoder = Decoder(Site.default())
    prefiltering()
    decoded = decoding(decoder)
    judging(decoder, decoded)
    storing(decoder)


if __name__ == "__main__":
    main()
