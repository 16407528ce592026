"""The judge stage: whose turn it is, what is kept, what comes back after a failure or a restart."""

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from consumer.app import Stages, kafka_config
from consumer.hl7.site import Site
from consumer.judge import Judge
from consumer.patients import Clock
from consumer.settings import Settings
from consumer.stage import Outcome, Output, Record
from consumer.wire import EventRecord, Kind, decode_patient
from rules import engine
from rules.engine import Judgement
from rules.events import MINUTE, Analyte, PatientEvent, Result
from rules.patient import PatientState
from rules.results import Results
from rules.rulebook import DEFAULT, Rulebook, load
from rules.versions import StoredResult
from tests.unit import fake_rules as fake
from tests.unit.fake_rules import event, record, words


@pytest.fixture(autouse=True)
def _fake_rules() -> Iterator[None]:
    with fake.installed():
        yield


def home(clock: Clock = Clock.LIVE, rulebook: Rulebook = DEFAULT) -> Judge:
    """The one home of a deployment of one partition."""
    return Judge(rulebook, fake.settings(clock), fake.ISSUER)


def feed(judge: Judge, *events: PatientEvent, watermark: int | None, wall: int | None = None) -> Outcome:
    """Process a batch and commit it; times in minutes."""
    outcome = judge.process(
        [record(one, offset) for offset, one in enumerate(events)],
        watermark=None if watermark is None else watermark * MINUTE,
        wall=(wall if wall is not None else watermark or 0) * MINUTE,
    )
    judge.commit()
    return outcome


def test_timers_fire_in_order_of_due_time_before_the_event_that_moved_the_watermark() -> None:
    """Timers of all patients that are due come first, earliest first, and then the event."""
    judge = home()
    feed(judge, event("A", 0, "t30"), event("B", 0, "t20"), event("C", 0, "t90"), watermark=0)
    outcome = feed(judge, event("D", 60, "x"), watermark=60, wall=30)
    assert words(outcome) == ["00:20 B timer", "00:30 A timer", "01:00 D x"]


def test_live_events_are_judged_at_the_watermark_when_that_is_later() -> None:
    """RULES.md 8: now is the latest of received_at, the patient's last now, and the watermark."""
    judge = home()
    assert words(feed(judge, event("A", 5, "x"), watermark=9)) == ["00:09 A x"]
    assert words(feed(judge, event("A", 5, "y"), watermark=None)) == ["00:09 A y"]
    assert words(feed(judge, event("A", 12, "z"), watermark=10)) == ["00:12 A z"]


def test_clock_of_the_records_orders_events_and_timers_by_their_own_times() -> None:
    """Events wait until the watermark reaches them; then each is judged at its own time, timers of that time first."""
    judge = home(Clock.RECORDS)
    waiting = feed(judge, event("A", 30, "late", 2), event("A", 10, "t20", 1), event("B", 20, "y", 3), watermark=5)
    assert words(waiting) == []
    assert words(feed(judge, watermark=25)) == ["00:10 A t20", "00:20 B y"]
    outcome = judge.tick(watermark=40 * MINUTE, wall=0)
    assert words(outcome) == ["00:30 A timer", "00:30 A late"]


def test_events_of_one_time_come_by_source_topic_partition_and_offset() -> None:
    """The order of arrival does not matter with the clock of the records."""
    judge = home(Clock.RECORDS)
    feed(judge, event("A", 10, "second", 2), event("A", 10, "first", 1), watermark=5)
    assert words(judge.tick(watermark=10 * MINUTE, wall=0)) == ["00:10 A first", "00:10 A second"]


def test_discard_takes_back_states_timers_and_inboxes() -> None:
    """W7: after a failed transaction the same records give the same outcome again."""
    judge = home(Clock.RECORDS)
    feed(judge, event("A", 0, "t30"), watermark=0)
    batch = [record(event("A", 40, "x", 5)), record(event("B", 20, "y", 6))]
    first = judge.process(batch, watermark=60 * MINUTE, wall=0)
    judge.discard()
    again = judge.process(batch, watermark=60 * MINUTE, wall=0)
    assert first == again
    assert words(first) == ["00:20 B y", "00:30 A timer", "00:40 A x"]


def test_a_restart_forgets_nothing() -> None:
    """A home restored from the changelog goes on as the one that wrote it, timers, inbox and all."""
    old = home(Clock.RECORDS)
    changelog = []
    for events, watermark in (([event("A", 0, "t30"), event("B", 50, "z")], 10), ([event("C", 5, "t90")], 20)):
        changelog += feed(old, *events, watermark=watermark).outgoing
    new = home(Clock.RECORDS)
    for one in changelog:
        if one.output is Output.STATE:
            new.restore(one.key or b"", one.value, one.headers)
    assert len(new) == 3
    expected = old.tick(watermark=200 * MINUTE, wall=0)
    assert new.tick(watermark=200 * MINUTE, wall=0) == expected._replace(stream_time=None)
    assert words(expected) == ["00:30 A timer", "00:50 B z", "01:35 C timer"]


def test_one_state_record_a_touched_patient_and_a_tombstone_when_it_retires() -> None:
    """The changelog gets each touched patient once a batch; one that was never stored gets no tombstone."""
    judge = home()
    outcome = feed(judge, event("A", 0, "x"), event("A", 1, "y"), event("N", 1, "retire"), watermark=0)
    assert list(fake.states(outcome)) == ["A"]
    assert fake.states(feed(judge, event("A", 2, "retire"), watermark=0)) == {"A": None}
    assert len(judge) == 0


def test_an_exception_in_a_rule_leaves_the_state_and_dead_letters_the_event() -> None:
    """DESIGN.md, Bad input: the patient is marked, the neighbours are judged, the event can be put back."""
    judge = home()
    feed(judge, event("A", 0, "t30"), watermark=0)
    outcome = feed(judge, event("A", 1, "boom", 7), event("B", 1, "x"), watermark=0)
    assert words(outcome) == ["00:01 B x"]
    letter = next(one for one in outcome.outgoing if one.output is Output.DEAD_LETTERS)
    headers = dict(letter.headers)
    assert (headers["reason"], headers["stage"], headers["attempt"]) == (b"judge_error", b"judge", b"1")
    assert b"ZeroDivisionError" in headers["detail"]
    assert letter.value == record(event("A", 1, "boom", 7)).value
    kept = judge.stored("A")
    assert kept is not None
    assert kept.state is not None
    assert (kept.state.seen, kept.state.history_incomplete, kept.due) == (1, True, 30 * MINUTE)
    assert outcome.counts["judge", "judge_errors"] == outcome.counts["dead_letters", "judge_error"] == 1


def test_a_record_that_is_not_ours_is_a_dead_letter_of_its_bytes() -> None:
    """What can't be decoded stops nothing and loses nothing."""
    judge = home()
    bad = record(event("A", 0, "x"))._replace(value=b"\x01\x00not msgpack")
    outcome = judge.process([bad], watermark=None, wall=0)
    assert [one.value for one in outcome.outgoing] == [b"\x01\x00not msgpack"]
    assert dict(outcome.outgoing[0].headers)["reason"] == b"corrupt_record"
    assert outcome.counts["dead_letters", "corrupt_record"] == 1


def test_catching_up_and_caught_up() -> None:
    """Live: more than 15 min behind is late; what was silent speaks when the watermark has come back."""
    judge = home()
    assert words(feed(judge, event("A", 0, "wait1"), watermark=0, wall=100)) == ["00:00 A wait1 late"]
    assert words(feed(judge, event("B", 84, "x"), watermark=84, wall=100)) == ["01:24 B x late"]
    outcome = feed(judge, event("B", 90, "y"), watermark=86, wall=100)
    assert words(outcome) == ["01:30 B y", "01:26 A caught up, high"]
    assert words(feed(judge, watermark=90, wall=101)) == []


def test_a_critical_alert_waits_five_minutes_for_the_task_to_catch_up() -> None:
    """RULES.md 8: a critical one waits at most 5 min, also over a restart."""
    judge = home()
    outcome = feed(judge, event("A", 0, "wait2"), event("B", 0, "wait1"), watermark=0, wall=100)
    new = home()
    for one in outcome.outgoing:
        if one.output is Output.STATE:
            new.restore(one.key or b"", one.value, one.headers)
    assert words(new.tick(watermark=1 * MINUTE, wall=104 * MINUTE)) == []
    assert words(new.tick(watermark=1 * MINUTE, wall=105 * MINUTE)) == ["00:01 A caught up, critical"]


@pytest.mark.parametrize(
    ("watermarks", "fires"),
    [
        ([(0, 10), (0, 12), (0, 14), (0, 15)], True),
        ([(0, 10), (3, 12), (4, 14), (6, 15)], False),
        ([(0, 4), (1, 6), (2, 7), (5, 10)], False),
    ],
    ids=["stuck", "coming closer", "not far behind"],
)
def test_a_stuck_watermark_is_overruled(watermarks: list[tuple[int, int]], fires: bool) -> None:
    """RULES.md 8: 5 min behind and no closer for 5 min, a hold due by the wall clock fires and says so, once."""
    judge = home()
    feed(judge, event("A", 0, "t12"), watermark=0, wall=watermarks[0][1])
    said = []
    for watermark, wall in watermarks:
        said += words(judge.tick(watermark=watermark * MINUTE, wall=wall * MINUTE))
    assert said == (["00:12 A timer behind 15"] if fires else [])
    judge.commit()
    if fires:
        assert words(judge.tick(watermark=0, wall=16 * MINUTE)) == []


def test_a_watermark_that_cannot_be_had_is_overruled_too() -> None:
    """
    RULES.md 8: a home that was taken over, and that nobody can tell a watermark, waits 5 min for one and not for ever.

    Red when an unknown watermark is never stuck: the hold does not end, and nobody hears of the potassium.
    """
    judge = home()
    feed(judge, event("A", 0, "t12"), watermark=0, wall=0)
    said = [words(judge.tick(watermark=None, wall=wall * MINUTE)) for wall in (20, 21, 22, 23, 24, 25, 26)]
    assert said == [[], [], [], [], [], [], ["00:12 A timer behind 6"]]


def test_a_hold_that_is_overruled_late_is_not_silent() -> None:
    """RULES.md 8: a hold fired by the wall clock long after it was due is no backlog that is caught up with."""
    judge = home()
    feed(judge, event("A", 0, "t12"), watermark=0, wall=30)
    said = [words(judge.tick(watermark=0, wall=wall * MINUTE)) for wall in (33, 35)]
    assert said == [[], ["00:12 A timer behind 35"]]


def test_how_long_a_watermark_may_hang_is_the_sites() -> None:
    """RULES.md 8 [cfg]: the 5 min of a stuck watermark, the 15 min of catching up are in the rulebook."""
    judge = home(rulebook=load({"parameters": {"stuck_after": "20 min", "catching_up_after": "2 h"}}))
    assert words(feed(judge, event("A", 0, "t12"), watermark=0, wall=100)) == ["00:00 A t12"]
    said = [words(judge.tick(watermark=0, wall=wall * MINUTE)) for wall in (106, 119, 120)]
    assert said == [[], [], ["00:12 A timer behind 120"]]


def test_what_shadow_rules_publish_is_counted() -> None:
    """Issue 5: a transition in shadow mode is published as such, and counted by itself."""
    outcome = feed(home(), event("A", 0, "shadow"), event("A", 0, "x"), watermark=0)
    modes = [json.loads(one.value or b"")["data"]["mode"] for one in outcome.outgoing if one.output is Output.ALERTS]
    assert modes == ["shadow", "active"]
    assert outcome.counts["judge", "shadow_transitions"] == 1


def test_a_critical_alert_is_urgent() -> None:
    """W13: a critical alert is committed at once."""
    assert feed(home(), event("A", 0, "critical"), watermark=0).urgent
    assert not feed(home(), event("A", 0, "x"), watermark=0).urgent


def test_the_cause_names_the_inbound_record_or_the_timer() -> None:
    """DESIGN.md 2: `cause` holds inbound coordinates, of a timer its name."""
    judge = home()
    causes = []
    for outcome in (feed(judge, event("A", 0, "t1", 42), watermark=0), feed(judge, watermark=5)):
        causes += [
            json.loads(one.value or b"")["data"]["cause"] for one in outcome.outgoing if one.output is Output.ALERTS
        ]
    assert causes == [{"topic": "in", "partition": 0, "offset": 42}, {"timer": "hold"}]


def test_the_attempt_of_a_resubmitted_event_goes_on() -> None:
    """A dead letter that fails again says which attempt that was."""
    judge = home()
    again = record(event("A", 0, "boom"), headers=(("attempt", b"2"),))
    outcome = judge.process([again], watermark=None, wall=0)
    letter = next(one for one in outcome.outgoing if one.output is Output.DEAD_LETTERS)
    assert dict(letter.headers)["attempt"] == b"2"


def test_a_state_that_does_not_fit_drops_its_oldest_results() -> None:
    """W3: counted, and said in the patient's alerts; what is kept are the newest."""
    small = fake.settings()._replace(state_bytes=3_000)
    judge = Judge(DEFAULT, small, fake.ISSUER)
    many = PatientState(fake.patient("A"), 0, 1, 0, results=Results.of(StoredResult(result(n), n) for n in range(400)))
    handover = EventRecord(Kind.HANDOVER, fake.patient("A"), fake.merge("B", "A", 1), many)
    with patch.object(engine, "join", lambda *_, **__: Judgement(many, (), None)):
        outcome = judge.process([record(handover)], watermark=None, wall=0)
    (stored,) = (one for one in outcome.outgoing if one.output is Output.STATE)
    assert len(stored.value or b"") <= 3_000
    kept = decode_patient(stored.value or b"").state
    assert kept is not None
    assert list(kept.results) == list(many.results)[400 - len(kept.results) :]
    assert kept.history_incomplete
    assert outcome.counts["judge", "results_dropped"] == 400 - len(kept.results) == kept.dropped


@pytest.mark.parametrize("inbound_max", [10_000, 1_048_576])
def test_w3_a_state_is_kept_to_what_its_topic_takes(inbound_max: int) -> None:
    """The limit follows the setting for the largest inbound message; a fixed one stops partitions of a small site."""
    settings = Settings(kafka_inbound_max_message_bytes=inbound_max)
    judge = Stages(settings, DEFAULT, Site.default()).judge(0)
    assert isinstance(judge, Judge)
    assert inbound_max < judge._settings.state_bytes <= kafka_config(settings).max_message_bytes - 1_000


def result(number: int) -> Result:
    """A result that compresses badly."""
    noise = random.Random(number).randbytes(20).hex()
    return Result(
        analyte=Analyte.POTASSIUM,
        order_number=noise,
        observation_identifier="2823-3",
        sub_id="",
        observed_at=number,
        observed_offset=0,
        resulted_at=number,
        received_at=number,
        status="F",
        value=Decimal("4.1"),
        comparator="",
        original_value="4.1",
        original_units="mmol/L",
        container=noise,
        message_control_id=noise,
    )


def test_an_overruled_watermark_ends_holds_alone() -> None:
    """RULES.md 8: an expiry waits for the watermark, however far the feed is behind."""
    judge = home()
    feed(judge, event("A", 0, "t12"), watermark=0, wall=10)
    tick = fake.tick

    def expiry(*arguments: Any, **named: Any) -> Judgement:
        judged = tick(*arguments, **named)
        return judged._replace(transitions=tuple(one._replace(timer="expiry") for one in judged.transitions))

    with patch.object(engine, "tick", expiry):
        for wall in (12, 14, 16, 18):
            assert words(judge.tick(watermark=0, wall=wall * MINUTE)) == []
        assert words(judge.tick(watermark=12 * MINUTE, wall=20 * MINUTE)) == ["00:12 A timer"]


# A stored state that can't be read


DAMAGED = {
    "torn": b"\x02\x00\x97\xc0",
    "empty": b"",
    "of no version": b"\x00\x00",
    "of no version that there will be": b"\xff\x00\x97",
    "not what it says": b"\x02\x01\x10\x00\x00\x00garbage",
}


def with_damage(clock: Clock, value: bytes, due: bytes = b"60000") -> Judge:
    """A home that restores a patient A in order, and a damaged one, D, with a timer in a minute."""
    judge = home(clock)
    (kept,) = (
        one for one in feed(home(clock), event("A", 0, "t1"), watermark=0).outgoing if one.output is Output.STATE
    )
    judge.restore(b"A", kept.value, kept.headers)
    judge.restore(b"D", value, (("next_due", due),))
    judge.write_format(2)
    return judge


@pytest.mark.parametrize("value", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_state_is_quarantined_and_the_rest_goes_on(value: bytes) -> None:
    """
    Its patient's events and timers are dead letters, counted; the neighbours are judged; the bytes stay as they are.

    Red where the error is let out of the stage: the partition stops, and with it everybody.
    """
    judge = with_damage(Clock.LIVE, value)
    outcome = feed(judge, event("D", 2, "x"), event("A", 2, "y"), watermark=2)
    assert words(outcome) == ["00:01 A timer", "00:02 A y"]
    letters = [one for one in outcome.outgoing if one.output is Output.DEAD_LETTERS]
    assert [(one.key, dict(one.headers)["reason"]) for one in letters] == [(b"D", b"quarantined")] * 2
    assert b"D" not in [one.key for one in outcome.outgoing if one.output is Output.STATE]
    assert outcome.counts["judge", "quarantined"] == outcome.counts["dead_letters", "quarantined"] == 2
    assert not judge.tick(watermark=10 * MINUTE, wall=0).outgoing, "told once, not at every tick"


def test_an_erased_patient_begins_anew() -> None:
    """The remedy: the damaged record is taken away, and the dead letters put back are judged."""
    judge = with_damage(Clock.LIVE, DAMAGED["torn"])
    (letter,) = (
        one for one in feed(judge, event("D", 0, "x"), watermark=0).outgoing if one.output is Output.DEAD_LETTERS
    )
    erased = feed_records(judge, record(EventRecord(Kind.ERASE, fake.patient("D"), None)))
    assert fake.states(erased) == {"D": None}
    again = record(event("D", 0, "x"))._replace(value=letter.value, headers=(("attempt", b"2"),))
    assert words(feed_records(judge, again)) == ["00:00 D x"]


def feed_records(judge: Judge, *records: Record) -> Outcome:
    """Process records and commit them."""
    outcome = judge.process(records, watermark=0, wall=0)
    judge.commit()
    return outcome


def test_damaged_headers_are_no_loss() -> None:
    """The patient's own record says when the timer is due."""
    (kept,) = (one for one in feed(home(), event("A", 0, "t30"), watermark=0).outgoing if one.output is Output.STATE)
    judge = home()
    judge.restore(b"A", kept.value, (("next_due", b"soon"), ("awaits_catch_up", b"x"), ("aliases", b"")))
    assert words(judge.tick(watermark=29 * MINUTE, wall=0)) == []
    assert words(judge.tick(watermark=30 * MINUTE, wall=0)) == ["00:30 A timer"]


def test_a_key_that_is_no_text_is_passed_over() -> None:
    """What something else has written to the state topic stops no restore."""
    judge = home()
    judge.restore(b"\xff\xfe", b"\x02\x00", ())
    assert words(feed(judge, event("A", 0, "x"), watermark=0)) == ["00:00 A x"]
