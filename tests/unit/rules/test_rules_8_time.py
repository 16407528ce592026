"""RULES.md 8: timers and what caused a transition, the watermark behind a message, the end of a patient's state."""

import pytest

from rules import engine
from rules.alert import Change, Rule
from rules.events import Condition, Drug, Instant, PatientMerge
from rules.patient import PatientState
from rules.rulebook import DEFAULT, load
from tests.unit.rules.builders import (
    ADULT,
    OTHER,
    PATIENT,
    Fact,
    Play,
    adt,
    ca,
    changes,
    crea,
    d,
    dialysis,
    dose,
    egfr,
    event,
    given,
    h,
    k,
    mg,
    ordered,
    said,
    told,
)

RULE, GAP, POST = Rule.REFRACTORY_HYPERKALEMIA, Rule.MAGNESIUM_MONITORING_GAP, Rule.POST_INFUSION_HYPERMAGNESEMIA


# What caused a transition, and when


def test_rules_8_each_transition_names_its_cause() -> None:
    """A hold, a gap's timer, an expiry, the end of a backlog; none for a message. RULES.md 8."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2), catching_up=True)
    play.wait(h(2.5), catching_up=True)
    play.caught_up(h(3))
    play.tell(k("6.8", h(5)), at=h(5.1))
    play.tell(dose(h(6), "5"), at=h(6.1))
    play.wait(d(9))
    assert [(t.rule, t.change.value, t.timer, t.time, t.received_at) for t in play.seen] == [
        (RULE, "raised", "hold", h(2.25), h(2.25)),
        (RULE, "reminded", "catch_up", h(3), h(3)),
        (RULE, "escalated", None, h(5.1), h(5.1)),
        (GAP, "raised", "gap", h(18), h(18)),
        (GAP, "closed", "expiry", h(30), h(30)),
        (RULE, "closed", "expiry", h(53), h(53)),
    ]


def test_rules_8_a_timer_while_catching_up_notifies_nobody() -> None:
    """A hold that ends in a backlog is published in silence, and said when caught up. RULES.md 8."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2), catching_up=True)
    assert told(play.wait(h(3), catching_up=True)) == [(RULE, Change.RAISED, "high", False, "catching_up")]


def test_rules_7_a_merge_is_told_with_its_own_times() -> None:
    """Closed and raised at the newest `now` of both, each with the merge's `received_at`; the sequence goes on."""
    for mine_at, theirs_at, merged_at in ((h(3), h(4), h(2.5)), (h(4), h(3), h(2.5)), (h(3), h(3), h(4))):
        mine, theirs = Play(), Play(patient=OTHER)
        theirs.tell(k("6.6", h(0)), k("6.6", h(2)), at=theirs_at)
        mine.tell(ca("2.2", h(1)), at=mine_at)
        message = event(at=merged_at, patient=OTHER)._replace(merge=PatientMerge(OTHER, PATIENT, merged_at))
        gone = engine.depart(theirs.state, message, now=merged_at, rulebook=DEFAULT)
        joined = engine.join(mine.state, gone.history, message, now=merged_at, rulebook=DEFAULT)
        (closed,), (raised,) = gone.transitions, joined.transitions
        assert (closed.sequence, closed.received_at, closed.time) == (2, merged_at, max(merged_at, theirs_at))
        assert (raised.sequence, raised.received_at) == (1, merged_at)
        assert raised.time == max(mine_at, theirs_at, merged_at)


def test_rules_7_a_merge_while_catching_up_notifies_nobody() -> None:
    """What a join raises in a backlog is silent until the task has caught up. RULES.md 7, 8."""
    mine, theirs = Play(), Play(patient=OTHER)
    mine.tell(k("6.6", h(0)))
    theirs.tell(k("6.6", h(2)))
    message = event(at=h(3), patient=OTHER)._replace(merge=PatientMerge(OTHER, PATIENT, h(3)))
    gone = engine.depart(theirs.state, message, now=h(3), rulebook=DEFAULT)
    joined = engine.join(mine.state, gone.history, message, now=h(3), rulebook=DEFAULT, catching_up=True)
    assert told(joined.transitions) == [(RULE, Change.RAISED, "critical", False, "catching_up")]


def test_rules_7_the_surviving_patient_is_the_one_of_the_merge() -> None:
    """One who was never seen gets the history under the key that the merge names, never the retired one. RULES.md 7."""
    theirs = Play(patient=OTHER)
    theirs.tell(k("6.6", h(0)), k("6.6", h(2)), at=h(2))
    mine = Play(who=None)
    mine.merge_from(theirs, h(3))
    assert mine.state is not None
    assert mine.state.patient == PATIENT
    assert [t.patient for t in mine.seen] == [PATIENT]


# The watermark is behind


def refractory() -> PatientState:
    """Return the state of two potassiums of 6.2 at 0 and 2 h, judged at 2 h; the hold ends 15 min later."""
    state = engine.judge(None, event(ADULT, k("6.2", h(0)), at=h(2)), now=h(2), rulebook=DEFAULT).state
    judged = engine.judge(state, event(k("6.2", h(2)), at=h(2)), now=h(2), rulebook=DEFAULT)
    assert judged.state is not None
    assert (judged.transitions, judged.next_due) == ((), h(2.25))
    return judged.state


def test_rules_8_a_message_ahead_of_the_watermark_ends_no_hold() -> None:
    """A message of a fast partition an hour on is judged, and the hold waits for the watermark. RULES.md 8."""
    judged = engine.judge(
        refractory(), event(ca("2.2", h(3)), at=h(3)), now=h(3), rulebook=DEFAULT, settled=h(2.25) - 1
    )
    assert (judged.transitions, judged.next_due) == ((), h(2.25))
    at_once = engine.judge(refractory(), event(ca("2.2", h(3)), at=h(3)), now=h(3), rulebook=DEFAULT, settled=h(2.25))
    assert changes(at_once.transitions) == ["raised high"]


def test_rules_8_a_timer_of_a_patient_ahead_of_the_watermark_fires_alone() -> None:
    """The hold ends at the watermark; the gap's timer, due later, waits although the patient's `now` is past it."""
    ahead = engine.judge(
        refractory(), event(dose(h(2), "5"), at=h(20)), now=h(20), rulebook=DEFAULT, settled=h(2)
    ).state
    assert ahead is not None
    fired = engine.tick(ahead, watermark=h(3), rulebook=DEFAULT)
    assert [(t.rule, t.time) for t in fired.transitions] == [(RULE, h(20))]
    assert fired.next_due == h(14)


def test_rules_8_a_merge_ahead_of_the_watermark_ends_no_hold() -> None:
    """At the retired key and at the surviving one the hold goes on until the watermark comes. RULES.md 7, 8."""
    message = event(at=h(3), patient=OTHER)._replace(merge=PatientMerge(OTHER, PATIENT, h(3)))
    for settled, expected in ((h(2.25) - 1, []), (h(2.25), ["raised high"])):
        gone = engine.depart(refractory(), message, now=h(3), rulebook=DEFAULT, settled=settled)
        arrived = engine.join(None, gone.history, message, now=h(3), rulebook=DEFAULT, settled=settled)
        stayed = engine.join(refractory(), None, message, now=h(3), rulebook=DEFAULT, settled=settled)
        assert changes(arrived.transitions) == changes(stayed.transitions) == expected


def test_rules_7_a_hold_that_ends_as_the_merge_comes_is_over() -> None:
    """At the very moment of its end, and not a millisecond before; a pending magnesium prolongs none that is over."""
    for at, expected in ((h(2.25) - 1, []), (h(2.25), ["raised high"])):
        mine, theirs = Play(), Play(patient=OTHER)
        mine.tell(ordered(h(2)))
        theirs.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
        assert theirs.state is not None
        message = event(at=at, patient=OTHER)._replace(merge=PatientMerge(OTHER, PATIENT, at))
        gone = engine.depart(theirs.state, message, now=at, rulebook=DEFAULT)
        assert changes(engine.join(mine.state, gone.history, message, now=at, rulebook=DEFAULT).transitions) == expected


def test_rules_8_catching_up_forgets_no_hold() -> None:
    """What speaks because the feed has caught up leaves the hold of another finding as it was. RULES.md 8."""
    play = Play(egfr("90", h(-1)))
    play.tell(dose(h(0), "1"), mg("2.6", h(1)), at=h(1), catching_up=True)
    play.tell(k("3.2", h(-3)), k("3.2", h(2)), mg(None, h(1), status="W"), dose(h(0), "1", deleted=True), at=h(2))
    assert play.state is not None
    later = engine.caught_up(play.state, now=h(3), rulebook=DEFAULT, settled=h(2.1))
    assert later.next_due == h(2.25)


def test_rules_8_what_speaks_when_caught_up_has_not_expired_before_the_watermark_says_so() -> None:
    """12 h of silence are over by the wall clock and not by the watermark: the finding stands, and is told."""
    book = load({"parameters": {"episode_silence": "12 h"}})
    message = event(ADULT, k("6.6", h(0)), mg("0.6", h(0)), at=h(0))
    state = engine.judge(None, message, now=h(0), rulebook=book, catching_up=True).state
    assert state is not None
    (told_now,) = engine.caught_up(state, now=h(13), rulebook=book, settled=h(11)).transitions
    (too_late,) = engine.caught_up(state, now=h(13), rulebook=book, settled=h(13)).transitions
    assert "magnesium low, 0.6 mmol/L" in told_now.summary
    assert "the alert is still open" in too_late.summary


def test_rules_8_a_state_without_a_timer_gets_one_when_caught_up() -> None:
    """Its hold ends when it would have: what is looked for when nothing is known to be due. RULES.md 8."""
    asked = engine.caught_up(refractory()._replace(next_due=None), now=h(2), rulebook=DEFAULT)
    assert (asked.transitions, asked.next_due) == ((), h(2.25))


@pytest.mark.parametrize("due", [h(2.25), h(4)], ids=["due at that moment", "due before"])
def test_rules_8_catching_up_loses_no_timer_that_is_due(due: Instant) -> None:
    """What speaks because the feed has caught up leaves a timer that is due and has not fired to fire. RULES.md 8."""
    asked = engine.caught_up(refractory(), now=due, rulebook=DEFAULT)
    assert (asked.transitions, asked.next_due) == ((), h(2.25))
    assert asked.state is not None
    assert changes(engine.tick(asked.state, watermark=due, rulebook=DEFAULT).transitions) == ["raised high"]


def test_rules_8_what_was_derived_of_another_state_is_not_looked_at() -> None:
    """A judgement that is given the chart of another patient says what it says without one. RULES.md 8."""
    first = engine.judge(None, event(ADULT, k("6.6", h(0)), at=h(0)), now=h(0), rulebook=DEFAULT)
    other = engine.judge(None, event(ADULT, k("6.6", h(0)), mg("0.9", h(0)), at=h(0)), now=h(0), rulebook=DEFAULT)
    message = event(k("6.6", h(2)), at=h(2))
    assert other.chart is not None
    alone = engine.judge(first.state, message, now=h(2), rulebook=DEFAULT)
    given_another = engine.judge(first.state, message, now=h(2), rulebook=DEFAULT, chart=other.chart)
    assert changes(alone.transitions) == ["raised critical"]
    assert given_another._replace(chart=None) == alone._replace(chart=None)


def test_rules_8_what_was_derived_with_another_rulebook_is_not_looked_at() -> None:
    """A changed rulebook judges by its own ladder, whatever the last judgement had derived with the old. Issue 5."""
    facts = (ADULT, egfr("90", h(-1)), dose(h(0), "4"), mg("1.6", h(3)))
    first = engine.judge(None, event(*facts, at=h(3)), now=h(3), rulebook=DEFAULT)
    higher = load({"parameters": {"general_warning": "1.7 mmol/L"}})
    newer = event(mg("1.65", h(4)), at=h(4))
    said_of = [
        changes(engine.judge(first.state, newer, now=h(4), rulebook=book, chart=first.chart).transitions)
        for book in (higher, DEFAULT)
    ]
    assert changes(first.transitions) == ["raised warning"]
    assert said_of == [[], ["updated warning"]]


# What a message did


TUBE = k("6.2", h(2), order="P")


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        pytest.param([], "invalidated", id="nothing else"),
        pytest.param([ca("2.2", h(2), order="P")], "invalidated", id="another analyte of its order"),
        pytest.param([k("4.9", h(3), order="P")], "invalidated", id="another draw of its order"),
        pytest.param([ca("2.3", h(1), order="Q")], "invalidated", id="what was pending has a value now"),
        pytest.param([k(None, h(0), order="S", status="U")], "invalidated", id="a U that makes a result final"),
        pytest.param([k("6.2", h(0), order="S", status="U")], "invalidated", id="a U with the same value"),
        pytest.param([k("6.4", h(0), order="S", status="U")], "corrected", id="a U with another value"),
        pytest.param([k("6.2", h(0), order="S", status="C")], "corrected", id="a correction, of nothing but its text"),
        pytest.param([k(None, h(0), order="S", status="X")], "withdrawn", id="a result cancelled"),
    ],
)
def test_rules_7_why_it_was_retracted(beside: list[Fact], reason: str) -> None:
    """The tube of the trigger is clotted, and the message says something else too: the first that holds. RULES.md 7."""
    play = Play()
    play.tell(ca(None, h(1), order="Q", status="I"), k("6.2", h(0), order="S"), TUBE, at=h(2))
    play.wait(h(3))
    play.tell(*beside, said(TUBE, Condition.CLOTTED), at=h(4))
    assert changes(play.seen, RULE) == ["raised high", f"retracted {reason}"]


# The end of a state


@pytest.mark.parametrize(
    ("facts", "days"),
    [
        pytest.param([adt("A01")], 7, id="an admission alone"),
        pytest.param([k("4.2", h(0))], 30, id="a result"),
        pytest.param([given(Drug.INSULIN, h(0))], 30, id="a drug"),
        pytest.param([dialysis(h(-1), h(0))], 30, id="a dialysis"),
        pytest.param([ordered(h(0))], 30, id="an order for magnesium"),
    ],
)
def test_rules_7_when_a_state_retires(facts: list[Fact], days: int) -> None:
    """30 days after the last event, 7 with nothing but the context of an encounter; the judgement says when."""
    judged = engine.judge(None, event(*facts, at=h(0)), now=h(0), rulebook=DEFAULT)
    assert (judged.transitions, judged.next_due, judged.awaits_catch_up, judged.dropped) == ((), d(days), 0, 0)
    assert judged.state is not None
    assert judged.state.next_due == d(days)


def test_rules_7_an_ended_alert_keeps_its_state_for_30_days() -> None:
    """Its results forgotten after 14 days, the alert that ended is still known: 30 days from the last message."""
    play = Play()
    play.tell(k("6.6", h(0)), k("6.6", h(2)), at=h(2))
    play.tell(k("5.0", h(3)))
    play.tell(adt("A08"), at=d(20))
    assert play.state is not None
    assert (len(play.state.results), len(play.state.alerts), play.state.next_due) == (0, 1, d(50))


@pytest.mark.parametrize("value", ["4.2", "6.6"], ids=["a quiet patient", "one with an alert"])
def test_rules_7_each_result_beyond_the_limit_is_counted_once(value: str) -> None:
    """A judgement counts what it dropped itself, not what the ones before it dropped. RULES.md 7."""
    book = load({"parameters": {"results_at_most": "50"}})
    state = None
    counted: list[int] = []
    for n in range(53):
        judged = engine.judge(state, event(crea("90", h(n / 10)), at=h(n / 10)), now=h(n / 10), rulebook=book)
        state, counted = judged.state, [*counted, judged.dropped]
    more = event(k(value, h(6)), k(value, h(9)), at=h(9))
    judged = engine.judge(state, more, now=h(9), rulebook=book)
    assert ([*counted, judged.dropped], bool(judged.transitions)) == ([0] * 50 + [1] * 3 + [2], value == "6.6")
