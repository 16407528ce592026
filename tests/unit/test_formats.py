"""Format n and n-1: what the version before wrote is read, and can be written, so that a fleet rolls over and back."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from consumer.errors import NewerVersion
from consumer.judge import Judge
from consumer.patients import Clock
from consumer.settings import Settings
from consumer.stage import Outcome, Output
from consumer.wire import (
    FORMAT,
    FORMAT_BEFORE,
    EventRecord,
    Kind,
    PatientRecord,
    Recent,
    Retired,
    decode_event,
    decode_patient,
    encode_event,
    encode_patient,
)
from rules.rulebook import DEFAULT
from tests.property.test_wire import anything
from tests.unit import fake_rules as fake
from tests.unit.fake_rules import event, record

WRITTEN: dict[str, Any] = json.loads((Path(__file__).parent / "format_1" / "records.json").read_text())
"""Records of format 1 as the version before wrote them: a state with an open alert, an alias, an inbox, a handover …"""

STATES = {key: bytes.fromhex(one["value"]) for key, one in WRITTEN["states"].items()}
EVENTS = {key: bytes.fromhex(value) for key, value in WRITTEN["events"].items()}


def test_what_the_version_before_wrote_is_read() -> None:
    """States and events of format 1 mean what they meant: the alert is open, the alias leads on, the event waits."""
    stored = {key: decode_patient(value) for key, value in STATES.items()}
    alerts = stored["HOSP|1001"].state
    assert alerts is not None
    assert [(alert.rule, alert.ended) for alert in alerts.alerts] == [("refractory-hyperkalemia-no-magnesium", None)]
    alias = stored["HOSP|1002"].alias
    assert alias is not None
    assert alias.target.key == "HOSP|1005"
    assert len(stored["HOSP|1005"].inbox) == 1
    kinds = [decode_event(value).kind for value in EVENTS.values()]
    assert (kinds.count(Kind.EVENT), kinds.count(Kind.HANDOVER), kinds.count(Kind.ERASE)) == (8, 1, 1)
    for one in stored.values():
        assert (one.recent, one.retired) == ((), ())


@pytest.mark.parametrize("key", STATES)
def test_a_state_is_written_as_the_version_before_wrote_it(key: str) -> None:
    """Byte for byte: a member that still runs it takes the partition over and reads on."""
    assert encode_patient(decode_patient(STATES[key]), FORMAT_BEFORE) == STATES[key]


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_written_as_the_version_before_wrote_it(name: str) -> None:
    """Byte for byte, handovers and erasures too."""
    assert encode_event(decode_event(EVENTS[name]), FORMAT_BEFORE) == EVENTS[name]


@given(anything(EventRecord), anything(PatientRecord))
def test_only_what_format_2_added_is_left_out(message: EventRecord, patient: PatientRecord) -> None:
    """Whatever is written as format 1 and read again has all but the fields that format 2 added."""
    plain = message._replace(recent=(), retired=())
    if plain.event is not None:
        plain = plain._replace(event=plain.event._replace(fingerprint=0))
    assert decode_event(encode_event(message, FORMAT_BEFORE)) == plain
    again = decode_patient(encode_patient(patient, FORMAT_BEFORE))
    assert again._replace(inbox=()) == patient._replace(inbox=(), recent=(), retired=())
    assert len(again.inbox) == len(patient.inbox)


def home() -> Judge:
    """A home of one partition."""
    return Judge(DEFAULT, fake.settings(Clock.FILES), fake.ISSUER)


def versions(outcome: Outcome) -> set[int]:
    """The formats of what was sent."""
    ours = [one.value or b"" for one in outcome.outgoing if one.output in (Output.STATE, Output.EVENTS)]
    return {value[0] for value in ours}


def test_the_format_before_is_written_until_told_otherwise() -> None:
    """A partition of a mixed fleet gets states and forwards of format 1, and of format 2 once all run it."""
    judge = Judge(DEFAULT, fake.settings(Clock.FILES, 0, 64), fake.ISSUER)
    batch = [record(event("A", 1, "a")), record(fake.merge("A", "B", 2)), record(event("C", 3, "c"))]
    judge.write_format(FORMAT_BEFORE)
    assert versions(judge.process(batch, watermark=None, wall=0)) == {FORMAT_BEFORE}
    judge.discard()
    judge.write_format(FORMAT)
    assert versions(judge.process(batch, watermark=None, wall=0)) == {FORMAT}


def test_the_way_back_writes_newer_states_anew() -> None:
    """Told to write format 1, a home writes every state of format 2 again as 1, so that an older member can read it."""
    judge = home()
    judge.process([record(event(key, 1, "x")) for key in "ABC"], watermark=None, wall=0)
    judge.commit()
    judge.write_format(FORMAT_BEFORE)
    outcome = judge.tick(watermark=None, wall=0)
    assert {key: value[0] for key, value in fake.states(outcome).items() if value} == dict.fromkeys("ABC", 1)
    assert outcome.counts["judge", "states_rewritten"] == 3
    judge.discard()  # the transaction failed: the task goes back to the fence, which tells the format again
    judge.write_format(FORMAT_BEFORE)
    assert len(fake.states(judge.tick(watermark=None, wall=0))) == 3
    judge.commit()
    assert not judge.tick(watermark=None, wall=0).outgoing


def test_a_newer_state_stops_the_restore() -> None:
    """
    A state of a newer format is refused once all is restored, not weeks later when the patient comes back.

    One that was written again since, on the way back to this version, is no hindrance.
    """
    value = encode_patient(PatientRecord(recent=(Recent(1, 2),), retired=(Retired("B", 1, 3),)))
    judge = home()
    judge.restore(b"A", bytes((FORMAT + 1,)) + value[1:], ())
    with pytest.raises(NewerVersion, match="run the newer lab-alert"):
        judge.write_format(FORMAT)
    judge.restore(b"A", value, ())
    judge.write_format(FORMAT)


def test_the_setting_knows_both_formats() -> None:
    """`LAB_ALERT_KAFKA_FORMAT` takes the newest format and the one before."""
    assert Settings(kafka_format=FORMAT).kafka_format == FORMAT
    assert Settings(kafka_format=FORMAT_BEFORE).kafka_format == FORMAT_BEFORE
    with pytest.raises(ValueError, match="less than or equal"):
        Settings(kafka_format=FORMAT + 1)
