"""W17 in the judge: live, a message of a fast partition is judged at once, but ends no hold before the watermark."""

import random
from dataclasses import replace
from typing import NamedTuple

import pytest

from consumer import patients
from consumer.cloudevent import Issuer
from consumer.judge import Judge
from consumer.kafka.watermark import Place, low_watermark
from consumer.patients import Clock, Settings
from consumer.stage import Outcome, Output, Record
from consumer.wire import EventRecord, Kind, encode_event
from rules import engine
from rules.events import HOUR, MINUTE, PatientEvent
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import dose, event, h, infusion, k, mg

RAISED = ("raised", "refractory-hyperkalemia-no-magnesium")
GAP = ("raised", "magnesium-monitoring-gap")


def home() -> Judge:
    """A live home of one partition, without stuck watermarks."""
    return Judge(replace(DEFAULT, stuck_after=10**12), Settings(Clock.LIVE), Issuer("test", "1", "sha256:0"))


def record(message: PatientEvent) -> Record:
    """An events record."""
    value = encode_event(EventRecord(Kind.EVENT, message.patient, message))
    return Record("events", 0, 0, message.received_at, message.patient.key.encode(), value, ())


def told(outcome: Outcome) -> list[tuple[str, str]]:
    """Transition and rule of each alert event that was sent."""
    return [
        (dict(one.headers)["transition"].decode(), (one.value or b"").decode().split('"rule":"')[1].split('"')[0])
        for one in outcome.outgoing
        if one.output is Output.ALERTS
    ]


def take(judge: Judge, *messages: PatientEvent, watermark: int) -> list[tuple[str, str]]:
    """Judge messages while the watermark stands somewhere."""
    outcome = judge.process([record(one) for one in messages], watermark=watermark, wall=0)
    judge.commit()
    return told(outcome)


def tick(judge: Judge, watermark: int) -> list[tuple[str, str]]:
    """Let the watermark get on."""
    outcome = judge.tick(watermark=watermark, wall=0)
    judge.commit()
    return told(outcome)


def refractory() -> tuple[PatientEvent, PatientEvent]:
    """Two potassiums, the second of which is refractory and begins a hold of 15 min."""
    return event(k("6.0", h(0)), at=h(0)), event(k("6.1", h(3)), at=h(3))


def test_w17_a_message_ahead_of_the_watermark_ends_no_hold() -> None:
    """A potassium that came 20 min later by a fast partition is judged; "no magnesium" waits for the slow one."""
    judge = home()
    take(judge, *refractory(), watermark=h(3))
    assert RAISED not in take(
        judge, event(k("6.2", h(3) + 20 * MINUTE), at=h(3) + 20 * MINUTE), watermark=h(3) + MINUTE
    )
    assert RAISED not in tick(judge, h(3) + 14 * MINUTE)
    assert tick(judge, h(3) + 20 * MINUTE) == [RAISED]


def test_w17_where_nothing_is_held_nothing_waits() -> None:
    """A potassium of 6.5 ends every hold at once, whatever the watermark: in the first message, and in a later one."""
    judge = home()
    first, _ = refractory()
    high = event(k("6.6", h(3)), at=h(3))
    assert RAISED in take(judge, first, high, watermark=h(1))
    judge = home()
    assert RAISED not in take(judge, *refractory(), watermark=h(1))
    assert RAISED in take(judge, event(k("6.6", h(3.1)), at=h(3.1)), watermark=h(1))


def test_w17_the_magnesium_of_the_slow_partition_is_in_time() -> None:
    """It was sent within the hold, and comes when its partition is read: no alert was ever raised."""
    judge = home()
    take(judge, *refractory(), watermark=h(3))
    take(judge, event(k("6.2", h(3) + 20 * MINUTE), at=h(3) + 20 * MINUTE), watermark=h(3) + MINUTE)
    take(judge, event(mg("0.9", h(3) + 5 * MINUTE), at=h(3) + 5 * MINUTE), watermark=h(3) + 5 * MINUTE)
    assert RAISED not in tick(judge, h(4))


def test_w17_nor_a_monitoring_gap() -> None:
    """That no magnesium came since the infusion began is a statement about every partition too."""
    judge = home()
    take(judge, event(infusion(h(0)), at=h(0)), watermark=h(0))
    assert GAP not in take(judge, event(dose(h(6.5), "0.1"), at=h(6.5)), watermark=h(5))
    assert GAP not in tick(judge, h(5.9))
    assert GAP in tick(judge, h(6.6))


def test_w17_nor_does_it_expire_an_alert() -> None:
    """Silence for 48 h is silence on every partition: a message that came by a fast one does not close what is open."""
    judge = home()
    take(judge, *refractory(), watermark=h(3))
    assert tick(judge, h(4)) == [RAISED]
    late = h(3) + 48 * HOUR + MINUTE
    assert take(judge, event(at=late), watermark=h(40)) == []
    assert tick(judge, late) == [("closed", RAISED[1])]


def test_w17_nor_does_a_merge_call_a_hold_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a history brings is still held when the merge came by a fast partition."""
    judge = home()
    take(judge, *refractory(), watermark=h(3))
    stored = judge.stored(refractory()[0].patient.key)
    assert stored is not None
    gone = engine.depart(stored.state, refractory()[0], now=h(4), rulebook=DEFAULT, settled=h(3))
    assert gone.history is not None
    assert [mark.over for mark in gone.history.holds] == [False]
    gone = engine.depart(stored.state, refractory()[0], now=h(4), rulebook=DEFAULT)
    assert gone.history is not None
    assert [mark.over for mark in gone.history.holds] == [True]


def test_w17_with_no_watermark_yet_nothing_is_over() -> None:
    """After a start, until every partition has said where it is, messages are judged and no hold ends."""
    judge = home()
    messages = (*refractory(), event(k("6.2", h(5)), at=h(5)))
    outcome = judge.process([record(one) for one in messages], watermark=None, wall=0)
    assert RAISED not in told(outcome)
    assert tick(judge, h(5)) == [RAISED]


def test_catching_up_forgets_no_hold() -> None:
    """What speaks because the feed has caught up leaves the hold of another finding running."""
    judge = home()
    late = [event(dose(h(0)), at=h(0)), event(mg("2.6", h(1)), at=h(1))]
    judge.process([record(one) for one in late], watermark=h(1), wall=h(2))
    held = event(k("6.0", h(0)), k("6.1", h(3)), at=h(3))
    judge.process([record(held)], watermark=h(1.5), wall=h(3))
    stored = judge.stored(held.patient.key)
    assert stored is not None
    assert stored.due is not None


class Message(NamedTuple):
    """A message with its partition."""

    partition: int
    message: PatientEvent


def read(order: list[Message], *, fastest: bool) -> int:
    """
    Read messages in *order* from partitions that lag as it says; return how many false alerts were raised.

    Each patient's magnesium was sent within the hold, so that every alert is false.
    """
    judge = home()
    partitions: dict[int, list[Message]] = {}
    for one in sorted(order, key=lambda one: one.message.received_at):
        partitions.setdefault(one.partition, []).append(one)
    done = dict.fromkeys(partitions, 0)
    false = 0
    for one in order:
        done[one.partition] += 1
        places = [
            Place(n, partitions[place][n - 1].message.received_at if n else 0, 0, len(partitions[place]))
            for place, n in done.items()
        ]
        if fastest:
            watermark: int | None = max(place.stream_time or 0 for place in places)
        else:
            watermark = low_watermark(places, asked_at=h(1_000), clock="records")
        outcome = judge.process([record(one.message)], watermark=watermark, wall=0)
        judge.commit()
        false += told(outcome).count(RAISED)
    return false + tick(judge, h(100)).count(RAISED)


def lagging(seed: int) -> list[Message]:
    """Twelve patients, each with three potassiums and, on another partition, a magnesium; one is read last of all."""
    draw = random.Random(seed)
    sent: list[Message] = []
    for number in range(12):
        at = h(number / 3)
        patient = event(at=0).patient._replace(key=f"HOSP|{number}", mrn=str(number))
        given = at + 3 * HOUR + draw.randrange(1, 15) * MINUTE
        facts = [(k("6.0", at), at), (k("6.1", at + 3 * HOUR), at + 3 * HOUR), (k("6.2", at + 4 * HOUR), at + 4 * HOUR)]
        sent += [Message(number % 3, event(fact, at=when, patient=patient)) for fact, when in facts]
        sent.append(Message((number + 1) % 3, event(mg("0.9", given), at=given, patient=patient)))
    sent.sort(key=lambda one: one.message.received_at)
    return sorted(sent, key=lambda one: one.partition == seed % 3)


@pytest.mark.parametrize("seed", range(6))
def test_w17_whole_judge_under_lag(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With the rules and the judge as they are: false "no magnesium" alerts by the fastest clock, none by the low one.

    Nor by the low one alone: where a message's own time may end a hold, they are there again.
    """
    order = lagging(seed)
    assert read(order, fastest=False) == 0
    assert read(order, fastest=True) > 0
    monkeypatch.setattr(patients.Patients, "_settled", lambda *_: None)
    assert read(order, fastest=False) > 0
