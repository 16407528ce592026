"""
What the parts cost: decoding beside splitting and hl7apy, judging beside decoding, a patient's packed size, restoring.

One core, no broker, processor time; the best of several rounds, so that a busy machine disturbs less. It takes a minute
or two; `python -m bench.parts judging` prints one of the parts, and `flat` is only done by name.
"""

import argparse
import asyncio
import gc
import logging
import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from hl7apy.parser import parse_message

from bench.feed import message, messages, panel
from bench.figures import seconds, show
from bench.judging import RULEBOOK, SHORT_ROUNDS, judging
from bench.ward import judging_a_ward
from consumer.app import COLLECT_AFTER
from consumer.cloudevent import Issuer
from consumer.crosscheck import CrossCheck
from consumer.crosscheck import Settings as CheckSettings
from consumer.hl7.decoder import Decoder
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.judge import NEXT_DUE, Judge
from consumer.patients import Clock, Settings
from consumer.stage import Record
from consumer.wire import PatientRecord, encode_patient
from rules import engine
from rules.events import PatientEvent, Source
from rules.patient import PatientState

MESSAGES = 500
AT_ONCE = 20
TURNS, PARSE_EACH = 200, 10
MANY = 1_000_000
CHECKED_SECONDS = 6.0
SOURCE = Source("hl7.inbound", 0, 0)


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


def decoding(decoder: Decoder) -> None:
    """Print what a message costs."""
    rng = random.Random(2)
    sent = datetime.now(UTC).replace(microsecond=0)
    kinds: dict[str, Callable[[int], bytes]] = {
        "a message of ten OBX": lambda number: panel(rng, number, sent - timedelta(seconds=number)),
        "a relevant message of the mix": lambda number: message(
            rng, number, 5_000, sent - timedelta(seconds=number), relevant=True
        ),
    }
    for what, make in kinds.items():
        splitting, decoded, parsed = beside(decoder, make)
        raw = make(0)
        show(f"splitting {what} into fields ({len(raw):,} bytes)", splitting, "us")
        show("decoding it", decoded, "us", f"{decoded / splitting:.1f} times the split")
        show("parsing it with hl7apy", parsed, "us", f"{parsed / decoded:,.0f} times the decoding")
    load, *_ = os.getloadavg()
    show("… while others wanted the machine", load, "load", f"{os.cpu_count()} cores")


def beside(decoder: Decoder, make: Callable[[int], bytes]) -> tuple[float, float, float]:
    """
    Return the microseconds that splitting, decoding and hl7apy take a message: some by turns, the best turn of each.

    No message comes twice, so that nothing is known of it but what a feed makes known: codes, values, patients. The
    first ones teach the decoder those.
    """
    now = int(time.time() * 1000)

    def split_all(raws: Sequence[bytes]) -> None:
        for raw in raws:
            split(raw)

    def decode_all(raws: Sequence[bytes]) -> None:
        for raw in raws:
            decoder.decode(raw, received_at=now, source=SOURCE)

    decode_all([make(number) for number in range(MESSAGES)])
    split_s, decode_s, parse_s = [], [], []
    for turn in range(TURNS):
        raws = [make(MESSAGES + turn * AT_ONCE + number) for number in range(AT_ONCE)]
        split_s.append(seconds(partial(split_all, raws), rounds=1) / AT_ONCE)
        decode_s.append(seconds(partial(decode_all, raws), rounds=1) / AT_ONCE)
        if turn % PARSE_EACH == 0:
            parse_s.append(hl7apy_seconds(raws[0]))
    return min(split_s) * 1e6, min(decode_s) * 1e6, min(parse_s) * 1e6


def judged_beside(decoder: Decoder) -> None:
    """Print what judging costs by kind of patient, and how it grows, beside decoding a message of ten OBX."""
    judging(of_ten_obx(decoder))


def warded(decoder: Decoder) -> None:
    """Print what judging costs in the mean of a ward, beside decoding a message of ten OBX."""
    judging_a_ward(of_ten_obx(decoder))


def of_ten_obx(decoder: Decoder) -> float:
    """Print and return the microseconds of decoding a message of ten OBX: the best of many short rounds."""
    rng = random.Random(2)
    sent = datetime.now(UTC).replace(microsecond=0)
    now = int(sent.timestamp() * 1000)
    raws = iter([panel(rng, number, sent - timedelta(seconds=number)) for number in range(AT_ONCE * SHORT_ROUNDS)])

    def work() -> None:  # no message twice
        for raw in islice(raws, AT_ONCE):
            decoder.decode(raw, received_at=now, source=SOURCE)

    decoded = seconds(work, SHORT_ROUNDS) / AT_ONCE * 1e6
    show("decoding a message of ten OBX", decoded, "us")
    return decoded


def growing(decoder: Decoder) -> None:
    """Print how decoding grows with a message: the time that an OBX, or a patient group, takes in a large one."""
    sent = datetime.now(UTC).replace(microsecond=0)
    head, *rest = panel(random.Random(5), 1, sent).decode().rstrip("\r").split("\r")
    for what, rows, each in (("OBX", rest[:-10], rest[-10:]), ("patient groups", [], rest[:4] + rest[-10:-8])):
        took = {}
        for count in (100, 10_000):
            times = count // 10 if what == "OBX" else count
            raw = "\r".join([head, *rows, *each * times]).encode()
            work = partial(decoder.decode, raw, received_at=int(sent.timestamp() * 1000), source=SOURCE)
            took[count] = seconds(work) / count * 1e6
        show(f"decoding one of 10,000 {what}", took[10_000], "us", f"{took[10_000] / took[100]:.1f} times one of 100")


def flat(decoder: Decoder) -> None:
    """Print how much memory a million messages leave behind."""
    rng = random.Random(4)
    sent = datetime.now(UTC).replace(microsecond=0)
    prefilter = Prefilter(Site.default())
    before = after = resident_mib()
    for number in range(MANY):
        raw = panel(rng, number, sent - timedelta(seconds=number % 86_400))
        prefilter(raw)
        decoder.decode(raw, received_at=int(sent.timestamp() * 1000), source=SOURCE)
        if number == MANY // 10:
            before = resident_mib()
    after = resident_mib()
    show(f"resident memory after {MANY // 10:,} messages decoded", before, "MiB")
    show(f"… after {MANY:,}", after, "MiB", f"{after - before:+.1f} MiB")


def resident_mib() -> float:
    """Return how much memory this process takes now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def checking() -> None:
    """Print how late the event loop is while hl7apy reads one message a second beside it."""
    sent = datetime.now(UTC)
    at = int(sent.timestamp() * 1000)
    rng = random.Random(6)
    records = [Record("inbound", 0, n, at, None, panel(rng, n, sent), ()) for n in range(100)]
    verdicts: list[str] = []
    checks = CrossCheck(Site.default(), ("P", ""), verdicts.append, CheckSettings(each=1))
    checks.start()
    for what, offered in (("without the cross-check", []), ("with it, one a second", records)):
        late = sorted(asyncio.run(lateness(partial(checks.offer, offered))))
        show(f"event loop late {what}, 99 of 100", late[len(late) * 99 // 100] * 1e3, "ms")
        show("… at most", late[-1] * 1e3, "ms", f"{len(verdicts)} messages compared")
    checks.stop()


async def lateness(work: Callable[[], object]) -> list[float]:
    """Return by how many seconds each of the turns of some seconds was late, with *work* in each."""
    late = []
    end = time.perf_counter() + CHECKED_SECONDS
    while (begun := time.perf_counter()) < end:
        work()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - begun - 0.001)
    return late


def hl7apy_seconds(raw: bytes) -> float:
    """Return how long hl7apy takes over a message, in the cheapest way that it offers."""
    logging.disable(logging.CRITICAL)
    try:
        return seconds(lambda: parse_message(raw.decode(), find_groups=False), rounds=1)
    finally:
        logging.disable(logging.NOTSET)


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


PARTS: dict[str, Callable[[Decoder], None]] = {
    "ward": warded,
    "judging": judged_beside,
    "decoding": decoding,
    "storing": storing,
    "prefiltering": lambda _: prefiltering(),
    "growing": growing,
    "checking": lambda _: checking(),
    "flat": flat,
}


def main() -> None:
    """Print the figures of the parts that are named; without a name all but `flat`, which takes minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    named = parser.parse_args().parts or [name for name in PARTS if name != "flat"]
    gc.set_threshold(*COLLECT_AFTER)  # as the service does
    decoder = Decoder(Site.default())
    for name in named:
        PARTS[name](decoder)


if __name__ == "__main__":
    main()
