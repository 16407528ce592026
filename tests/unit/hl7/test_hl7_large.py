"""DESIGN.md 2, bad input: what is large or endless costs its size, is remembered by nobody, and crashes nothing."""

import time

import pytest

from consumer.hl7.context import SenderContext
from consumer.hl7.decoder import Decoder
from consumer.hl7.outcome import Decoded, Outcome, Reason
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.hl7.values import read_number
from rules.events import Condition, Source
from tests.fuzz.builder import MSH, OBR, PID, POTASSIUM, RECEIVED, join, obx, oru, ras, rxa, segment

SMALL, LARGE = 3_000, 24_000
GROWTH = LARGE / SMALL
BODY = "a line of a report with some words"
OUT = "\\r"  # a terminator as an export writes it out


def decoded(raw: bytes) -> Decoded:
    """Decode a record afresh."""
    return Decoder(Site.default()).decode(raw, received_at=RECEIVED, source=Source("t", 0, 0))


def seconds(raw: bytes) -> float:
    """Return the processor time that decoding a record takes, the best of three."""
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        decoded(raw)
        best = min(best, time.process_time() - before)
    return best


def large(what: str, count: int) -> bytes:
    """Return a record with *count* of something."""
    if what == "lines of a torn note":
        return oru(obx()) + b"NTE|1||text\n" + f"{BODY}\n".encode() * count
    if what == "torn lines with fields":
        return oru(obx(), "OBX|2|TX|RPT||text") + f"{BODY} | {BODY}\n".encode() * count
    if what == "notes that go on":
        return oru(obx(), "NTE|1||text", *[f"NTE|2||{BODY}"] * count)
    if what == "terminators written out":
        return join(MSH, PID).replace(b"\r", b"x") + (OUT * count).encode()
    if what == "words of a drug":
        return ras(rxa(drug="^magnesium sulfate " + "1 g in a " * count, units="mL"))
    return join(MSH, f"{PID}~" + "~".join(f"{number}^^^A{number}" for number in range(count)), OBR, obx())


@pytest.mark.parametrize(
    "what",
    [
        *("lines of a torn note", "torn lines with fields", "notes that go on", "terminators written out"),
        *("words of a drug", "repetitions of PID-3"),
    ],
)
def test_hl7_1_costs_what_it_weighs(what: str) -> None:
    """Eight times as much of it takes eight times as long, not sixty-four: one bad record holds nobody up."""
    assert seconds(large(what, LARGE)) < max(seconds(large(what, SMALL)), 0.002) * GROWTH * 3


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (oru(obx(value="9" * 1_000_000)), Reason.NOT_A_NUMBER),
        (oru(obx(value="~".join(["6.1"] * 10_000))), Reason.NOT_A_NUMBER),
        (oru(obx(units="m" * 1_000_000)), Reason.UNIT_UNKNOWN),
        (oru(obx(identifier="2823-3^" + "K" * 1_000_000)), Reason.CODE_TEXT_DISAGREE),
        (oru(obx(status="F" * 1_000_000)), Reason.STATUS_UNKNOWN),
    ],
)
def test_hl7_2_a_field_of_a_megabyte(raw: bytes, reason: Reason) -> None:
    """A field that is far too long has the fault that a shorter one has."""
    assert (decoded(raw).outcome, decoded(raw).reason) == (Outcome.DEAD_LETTER, reason)


def test_hl7_2_an_index_of_more_digits_than_python_reads() -> None:
    """A number in a remark may be of any length: no crash, and a grade."""
    remark = "hemolysis index " + "9" * 5_000
    (event,) = decoded(oru(obx(), segment("SPM", f1="1", f4="SER", f24=f"X^{remark}"))).events
    assert [tube.condition for tube in event.tubes] == [Condition.GROSSLY_HEMOLYZED]


def test_a_number_may_stand_among_many_blanks() -> None:
    """A feed of fixed widths pads its values; they are numbers all the same."""
    number = read_number("6.1" + " " * 200)
    assert number is not None
    assert str(number.value) == "6.1"


def test_what_is_long_is_not_remembered() -> None:
    """Tables of what was seen before hold no field of a megabyte, so that a bad sender does not fill the memory."""
    sender = SenderContext(Site.default(), "LAB", "HOSP")
    long = "x" * 100_000
    observation = sender.observation(POTASSIUM, "")
    sender.observation(f"L1^{long}", "")
    sender.measured(long, "mmol/L", POTASSIUM, observation, "")
    sender.chosen(["PID", "", "", long])
    assert [*sender.observations, *sender.nothing] == [POTASSIUM]
    assert sender.measures == {}
    assert sender.chosen(["PID", "", "", "1^^^A"]) is sender.chosen(["PID", "", "", "1^^^A"])
    assert sender.chosen(["PID", "", "", long]) is not sender.chosen(["PID", "", "", long])
    prefilter = Prefilter(Site.default())
    assert not prefilter(oru(obx(f"L1^{long}"), obx("L2^Sodium")))
    assert prefilter._nothing == {b"L2^Sodium"}
