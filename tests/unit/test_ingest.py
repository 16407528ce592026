"""The ingest stage: each inbound record ends as exactly one outcome, and what can't be used is kept as it came."""

import hashlib
import json
import random

import pytest

from consumer.hl7.decoder import Decoder
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.ingest import Ingest, Settings
from consumer.patients import Clock
from consumer.stage import Outcome, Outgoing, Output, Record
from consumer.wire import decode_event
from rules.events import MINUTE, PatientEvent

NOW = 1_767_276_600_000  # 2026-01-01 14:10 UTC
# Shaped like a chemistry panel of a European laboratory; the patient is invented.
HEAD = "MSH|^~\\&|LAB|HOSP|E|HOSP|20260101141000+0000||ORU^R01^ORU_R01|M1|P|2.5\rPID|1||123456^^^HOSP^MR||Zztest^Anna\r"
ORDER = "ORC|RE|P1|L1\rOBR|1|P1|L1|CHEM|||20260101140000+0000|||||||||||||||||||F\r"
POTASSIUM = "OBX|1|NM|2823-3^Potassium^LN||6.3|mmol/L|||||F\r"
MAGNESIUM_WITHOUT_UNIT = "OBX|2|NM|19123-9^Magnesium^LN||2.0||||||F\r"
GLUCOSE = "OBX|1|NM|2345-7^Glucose^LN||99|mg/dL|||||F\r"


def stage(clock: Clock = Clock.LIVE, partition: int = 5) -> Ingest:
    """An ingest stage with the real decoder and prefilter."""
    site = Site.default()
    return Ingest(Decoder(site), Prefilter(site), Settings(clock, partition, 3))


def record(value: str | bytes | None, *, timestamp: int = NOW, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """An inbound record."""
    raw = value.encode() if isinstance(value, str) else value
    return Record("hl7.inbound", 5, 4711, timestamp, b"key", raw, headers)


def take(value: str | bytes | None, **given: object) -> Outcome:
    """What one record gives."""
    return stage().process([record(value, **given)], watermark=None, wall=NOW)  # type: ignore[arg-type]


def events(outcome: Outcome) -> list[PatientEvent]:
    """The events that it sent on."""
    found = [decode_event(one.value or b"").event for one in outcome.outgoing if one.output is Output.EVENTS]
    return [event for event in found if event is not None]


def letters(outcome: Outcome) -> list[Outgoing]:
    """The dead letters that it wrote."""
    return [one for one in outcome.outgoing if one.output is Output.DEAD_LETTERS]


@pytest.mark.parametrize(
    ("value", "outcome", "reason"),
    [
        (HEAD + ORDER + POTASSIUM, "judged", None),
        (HEAD + ORDER + POTASSIUM + MAGNESIUM_WITHOUT_UNIT, "judged in part", "unit_missing"),
        (HEAD + ORDER + MAGNESIUM_WITHOUT_UNIT, "dead letter", "unit_missing"),
        (HEAD + ORDER + GLUCOSE, "ignored", "nothing_for_us"),
        (HEAD.replace("|P|", "|T|") + ORDER + POTASSIUM, "ignored", "processing_id"),
        (HEAD.replace("PID", "ZID") + ORDER + POTASSIUM, "dead letter", "no_patient"),
        (None, "dead letter", "empty"),
        (b"", "dead letter", "empty"),
        (b"\x00\xff\xfe" * 100, "dead letter", "not_hl7"),
        (b"noise " * 900_000, "dead letter", "not_hl7"),
        (HEAD + ORDER + "OBX|1|NM|2823-3^Potassium^LN", "dead letter", "value_missing"),
        ((HEAD + ORDER + POTASSIUM).replace("^~\\&", "^~\\}", 1), "judged", None),
        (HEAD + ORDER + POTASSIUM.replace("6.3", "abc"), "dead letter", "not_a_number"),
        (HEAD + ORDER + POTASSIUM.replace("mmol/L", "furlongs"), "dead letter", "unit_unknown"),
    ],
    ids=[
        "judged",
        "in part",
        "all faulty",
        "not ours",
        "test message",
        "no PID",
        "tombstone",
        "empty",
        "binary",
        "5 MB of noise",
        "truncated segment",
        "wrong MSH-2",
        "letters for a number",
        "a unit nobody knows",
    ],
)
def test_every_record_ends_as_exactly_one_outcome(value: str | bytes | None, outcome: str, reason: str | None) -> None:
    """One count under one outcome; a dead letter exactly where something was rejected, with the bytes as they came."""
    gave = take(value)
    ended = {label: number for (metric, label), number in gave.counts.items() if metric == "messages"}
    assert ended == {outcome: 1}
    assert len(events(gave)) == (1 if outcome.startswith("judged") else 0)
    expected = [] if outcome in ("judged", "ignored") else [value.encode() if isinstance(value, str) else value]
    assert [letter.value for letter in letters(gave)] == expected
    if outcome == "ignored":
        assert gave.counts["ignored", str(reason)] == 1
    elif reason is not None:
        assert gave.counts["dead_letters", reason] == 1


def test_a_dead_letter_says_why_and_where_from() -> None:
    """DESIGN.md 2: reason, the list of faults with their places, coordinates, times, attempt; no patient."""
    (letter,) = letters(take(HEAD + ORDER + POTASSIUM + MAGNESIUM_WITHOUT_UNIT))
    headers = {name: value.decode() for name, value in letter.headers}
    assert json.loads(headers.pop("detail")) == [
        {"reason": "unit_missing", "where": "OBX[2]-6", "observation_identifier": "19123-9"}
    ]
    assert headers == {
        "reason": "unit_missing",
        "source_topic": "hl7.inbound",
        "source_partition": "5",
        "source_offset": "4711",
        "received_at": "2026-01-01T14:10:00.000Z",
        "failed_at": "2026-01-01T14:10:00.000Z",
        "attempt": "1",
        "stage": "ingest",
    }
    assert (letter.key, letter.partition) == (b"key", 2)
    assert "123456" not in str(letter.headers)


def test_a_dead_letter_that_does_not_fit_becomes_a_stub() -> None:
    """W3: coordinates and SHA-256 instead of the bytes."""
    value = b"noise " * 10
    (letter,) = letters(take(value))
    assert letter.fallback is not None
    assert letter.fallback.value is None
    headers = {name: text.decode() for name, text in letter.fallback.headers}
    (detail,) = json.loads(headers["detail"])
    assert headers["reason"] == "too_large"
    assert detail == {"reason": "not_hl7", "bytes": 60, "sha256": hashlib.sha256(value).hexdigest()}


def test_thousands_of_faults_are_listed_to_a_limit() -> None:
    """Headers count towards a record's size: the first faults, and how many there are."""
    many = "".join(
        MAGNESIUM_WITHOUT_UNIT.replace("OBX|2", f"OBX|{n}").replace("||2.0", f"|{n}|2.0") for n in range(3_000)
    )
    (letter,) = letters(take(HEAD + ORDER + many))
    detail = json.loads(dict(letter.headers)["detail"])
    assert len(dict(letter.headers)["detail"]) <= 64 * 1024
    assert detail[-1]["reason"] == "and_more"
    assert detail[-1]["faults"] == 3_000


@pytest.mark.parametrize(
    ("clock", "ahead", "received", "flagged"),
    [
        (Clock.LIVE, 10 * MINUTE, NOW + 10 * MINUTE, False),
        (Clock.LIVE, 10 * MINUTE + 1, NOW, True),
        (Clock.RECORDS, 600 * MINUTE, NOW + 600 * MINUTE, False),
    ],
    ids=["10 min ahead", "more than 10 min ahead", "clock of the records"],
)
def test_received_at_is_the_records_timestamp(clock: Clock, ahead: int, received: int, flagged: bool) -> None:
    """RULES.md 8: more than 10 min ahead it is the wall clock, flagged; not with the clock of the records."""
    inbound = record(HEAD + ORDER + POTASSIUM, timestamp=NOW + ahead)
    outcome = stage(clock).process([inbound], watermark=None, wall=NOW)
    (event,) = events(outcome)
    assert event.received_at == received
    assert ("received_ahead" in event.flags) == flagged
    assert outcome.stream_time == received


def test_an_event_that_does_not_fit_is_a_dead_letter_of_its_message() -> None:
    """
    W3: a message of which more has to be remembered than a record takes stops no partition: `too_large`.

    Nor does a patient's number that would make every record of the patient too large. The next message is judged.
    """
    small = Settings(Clock.LIVE, 5, 3, event_bytes=2_000)
    site = Site.default()
    noise = [random.Random(n).randbytes(45).hex() for n in range(60)]
    panel = HEAD + ORDER + "".join(POTASSIUM.replace("||6.3", f"|{text}|6.3") for text in noise)
    stranger = (HEAD + ORDER + POTASSIUM).replace("123456", "9" * 50)
    records = [record(panel), record(stranger), record(HEAD + ORDER + POTASSIUM)]
    outcome = Ingest(Decoder(site), Prefilter(site), small).process(records, watermark=None, wall=NOW)
    assert [dict(one.headers)["reason"] for one in letters(outcome)] == [b"too_large", b"too_large"]
    assert [one.value for one in letters(outcome)] == [panel.encode(), stranger.encode()]
    assert [event.patient.mrn for event in events(outcome)] == ["123456"]
    assert outcome.counts["messages", "dead letter"] == 2
    assert outcome.counts["messages", "judged"] == 1


def test_a_resubmitted_record_keeps_when_it_was_received_first_and_counts_its_attempt() -> None:
    """`received_at` is the inbound record's, however many hops later; a failure again says which attempt it was."""
    headers = (("attempt", b"2"), ("received_at", b"2026-01-01T13:55:00.000Z"))
    outcome = take(HEAD + ORDER + POTASSIUM + MAGNESIUM_WITHOUT_UNIT, headers=headers)
    (event,) = events(outcome)
    assert event.received_at == NOW - 15 * MINUTE
    assert dict(letters(outcome)[0].headers)["attempt"] == b"2"
    sent = next(one for one in outcome.outgoing if one.output is Output.EVENTS)
    assert dict(sent.headers) == {"attempt": b"2"}


def test_one_event_a_patient_of_a_message_addressed_by_key() -> None:
    """Two PID groups are two patients; the record's key is the patient's, its partition the task's to find."""
    two = HEAD + ORDER + POTASSIUM + HEAD.split("\r")[1].replace("123456", "654321") + "\r" + ORDER + POTASSIUM
    outcome = take(two)
    sent = [one for one in outcome.outgoing if one.output is Output.EVENTS]
    assert [(one.key, one.partition) for one in sent] == [(b"HOSP|123456", None), (b"HOSP|654321", None)]
    assert {event.source.offset for event in events(outcome)} == {4711}


class Broken:
    """A decoder with a bug."""

    def decode(self, raw: bytes, *, received_at: int, source: object) -> None:
        """Fail as code does."""
        raise KeyError("OBX")


def test_a_bug_in_the_decoder_neither_stops_the_feed_nor_loses_a_record() -> None:
    """The bytes go to the dead letters under `decoder_error`, and what comes after is read."""
    broken = Ingest(Broken(), lambda raw: True, Settings(Clock.LIVE, 0, 3))  # type: ignore[arg-type]
    outcome = broken.process([record("MSH|1"), record("MSH|2")], watermark=None, wall=NOW)
    assert [letter.value for letter in letters(outcome)] == [b"MSH|1", b"MSH|2"]
    assert outcome.counts["dead_letters", "decoder_error"] == 2
