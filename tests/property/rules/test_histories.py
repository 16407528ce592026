"""What holds for every history of a patient, whatever was sent and in whatever order it came."""

import random
from collections import Counter
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from consumer.wire import PatientRecord, decode_patient, encode_patient
from rules import engine
from rules.alert import Change, Severity, Transition
from rules.chart import Chart
from rules.events import DAY, PatientEvent, PatientMerge
from rules.families import standing
from rules.patient import PatientState
from rules.results import Results
from rules.rulebook import DEFAULT
from rules.series import MIXED, REMARKED, Series
from tests.property.rules.histories import Life, Run, histories, lives, others
from tests.unit.rules.builders import OTHER, PATIENT, event

ENDS = (Change.RESOLVED, Change.RETRACTED, Change.CLOSED)
PAGES = (Change.RAISED, Change.ESCALATED, Change.REMINDED)


def facts(state: PatientState) -> dict[str, Any]:
    """Return what must not depend on the order of arrival: stored facts, exposures and verdicts (RULES.md 2)."""
    chart = Chart(state, state.now, DEFAULT)
    return {
        "results": [(entry.result, entry.said) for entry in state.results],
        "tubes": [entry.tube for entry in state.tubes],
        "administrations": [entry.administration for entry in state.administrations],
        "dialyses": [entry.dialysis for entry in state.dialyses],
        "exposures": chart.exposures,
        "renal": chart.renal.status,
        "verdicts": [
            (draw.key, draw.value, draw.verdict, draw.valid)
            for draws in (chart.all_potassium, chart.all_magnesium, chart.calcium, chart.ionized, chart.creatinine)
            for draw in draws
        ],
    }


def judged_only(events: list[PatientEvent]) -> PatientState:
    """Return the state after events judged in this order, no timer between."""
    run, now = Run(), 0
    for one in events:
        now = max(now, one.received_at)
        run.state = engine.judge(run.state, one, now=now, rulebook=DEFAULT).state
    assert run.state is not None
    return run.state


def _held(*told: list[PatientEvent]) -> bool:
    """Say whether messages tell of no more days than a state holds whatever stands open (RULES.md 7)."""
    times = [one.received_at for events in told for one in events]
    return max(times) - min(times) < 6 * DAY


@given(history=histories, order=st.integers(0, 10**6))
def test_rules_2_arrival_order_does_not_matter_to_the_state(history: list[PatientEvent], order: int) -> None:
    """Any order of the same messages, of the days that a state holds, gives the same results, exposures, verdicts."""
    assume(_held(history))
    shuffled = random.Random(order).sample(history, len(history))
    # Of the ADT messages of one millisecond the latest is the one that stands last in the log.
    movements = {
        one.received_at: iter([m for m in history if m.encounter and m.received_at == one.received_at])
        for one in history
    }
    shuffled = [next(movements[one.received_at]) if one.encounter else one for one in shuffled]
    assert facts(judged_only(shuffled)) == facts(judged_only(history))


@given(life=lives())
def test_rules_7_a_replay_says_the_same(life: Life) -> None:
    """The same input gives the same bytes: transitions, ids, words and state. RULES.md 7."""
    first, second = (Run(rulebook=life.rulebook).live(life) for _ in range(2))
    assert msgspec.msgpack.encode(first.transitions) == msgspec.msgpack.encode(second.transitions)
    assert encode_patient(PatientRecord(first.state)) == encode_patient(PatientRecord(second.state))


@given(history=histories, data=st.data())
def test_rules_2_a_duplicate_changes_nothing(history: list[PatientEvent], data: st.DataObject) -> None:
    """A message that comes twice says nothing the second time, and leaves the facts as they were. RULES.md 2, 7."""
    n = data.draw(st.integers(0, len(history) - 1))
    run = Run().take(*history[: n + 1])
    assert run.state is not None
    before, said = facts(run.state), len(run.transitions)
    run.take(history[n])
    assert run.state is not None
    assert facts(run.state) == before
    assert run.transitions[said:] == []


def found(state: PatientState) -> list[tuple[object, ...]]:
    """Return what stands, without what earlier alerts and holds lend it."""
    chart = Chart(state._replace(alerts=(), holds=()), state.now, DEFAULT)
    return [(f.rule, f.subject, f.trigger, f.severity, f.criterion, f.value) for f in standing(chart)]


@given(history=histories, data=st.data())
def test_rules_2_a_correction_and_its_undoing_restore_the_findings(
    history: list[PatientEvent], data: st.DataObject
) -> None:
    """A value corrected and corrected back leaves the findings as they were. RULES.md 2."""
    state = judged_only(history)
    chart = Chart(state, state.now, DEFAULT)
    plain = [
        draw.result
        for draws in (chart.all_potassium, chart.all_magnesium, chart.calcium, chart.creatinine)
        for draw in draws
        if draw.tube == "valid" and not draw.others and draw.result.value is not None
    ]
    assume(plain)
    result = data.draw(st.sampled_from(plain))
    at = state.now + DAY
    wrong = result._replace(status="C", value=Decimal("3.9"), resulted_at=at, received_at=at)
    right = result._replace(status="C", resulted_at=at + 1, received_at=at + 1)
    after = judged_only([*history, event(wrong, at=at), event(right, at=at + 1)])
    again = judged_only([*history, event(right, at=at + 1)])
    expected = found(state._replace(now=at + 1))
    assert found(after) == found(again)
    assert sorted(found(after)) == sorted(expected)


def lived(life: Life, *, wait: int = 60 * DAY) -> Run:
    """Return a life, and the silence after it."""
    run = Run(rulebook=life.rulebook).live(life)
    return run.wait(run.now + wait)


@given(life=lives())
def test_rules_7_an_alert_is_told_without_gaps(life: Life) -> None:
    """Sequences count from 1, one by one; raised first and after each end; nothing after an end. RULES.md 7."""
    last: dict[str, Transition] = {}
    for transition in lived(life).transitions:
        before = last.get(transition.alert_id)
        assert transition.sequence == (before.sequence + 1 if before else 1)
        raised = before is None or before.change in ENDS
        assert (transition.change is Change.RAISED) is raised
        last[transition.alert_id] = transition


@given(life=lives())
def test_rules_7_every_alert_ends(life: Life) -> None:
    """With nothing more to come every alert ends, and the state retires. RULES.md 7."""
    run = lived(life)
    last = {transition.alert_id: transition.change for transition in run.transitions}
    assert set(last.values()) <= set(ENDS)
    assert run.state is None


@given(life=lives())
def test_rules_7_who_notifies(life: Life) -> None:
    """A raise, escalation or reminder that notifies is high or critical, active, fresh; of one message one page."""
    notified: set[str] = set()
    for call in lived(life, wait=3 * DAY).calls:
        pages: Counter[int] = Counter()
        for one in call:
            if one.change in PAGES and one.notify:
                assert one.severity >= Severity.HIGH
                assert one.mode == "active"
                assert one.reason in ((None, "caught_up", "ungrouped") if one.change is Change.REMINDED else (None,))
                assert not one.stale or one.reason == "ungrouped"
                pages[one.time] += one.change is not Change.REMINDED
            if one.change is Change.UPDATED:
                assert not one.notify
                assert one.reason is None
            if one.change in ENDS:
                assert one.reason is not None
                assert not one.stale
                assert one.criterion is None
                assert one.notify is (one.change is Change.RETRACTED and one.alert_id in notified)
            if one.notify:
                notified.add(one.alert_id)
            if one.change in ENDS:
                notified.discard(one.alert_id)
        assert max(pages.values(), default=0) <= 1


@given(life=lives())
def test_rules_7_never_two_open_alerts_of_one_trigger(life: Life) -> None:
    """At no moment are two alerts of one rule open on one trigger. RULES.md 7."""
    for state in lived(life).states:
        opened = Counter((a.rule, a.trigger) for a in state.alerts if a.ended is None) if state else Counter()
        assert not [key for key, count in opened.items() if count > 1]


@given(life=lives())
def test_rules_7_time_never_goes_back(life: Life) -> None:
    """Transitions come in order of their times, and a state's next timer lies ahead of it. RULES.md 8."""
    run = lived(life)
    for state in run.states:
        assert state is None or state.next_due is None or state.next_due > state.now
    times = [transition.time for transition in run.transitions if transition.patient == PATIENT]
    assert times == sorted(times)


@given(history=histories, data=st.data())
def test_rules_8_time_may_pass_in_steps(history: list[PatientEvent], data: st.DataObject) -> None:
    """Two ticks give what one tick to the second watermark gives. RULES.md 8."""
    run = Run().take(*history)
    until = run.now + 5 * DAY
    between = data.draw(st.integers(run.now, until))
    at_once, in_steps = Run(run.state).wait(until), Run(run.state).wait(between).wait(until)
    assert at_once.transitions == in_steps.transitions
    assert at_once.state == in_steps.state


@given(life=lives())
def test_rules_7_a_state_survives_packing(life: Life) -> None:
    """A state packed and unpacked after any message is the same state. RULES.md 8: timers survive a restart."""
    for state in Run(rulebook=life.rulebook).live(life).states:
        assert decode_patient(encode_patient(PatientRecord(state))).state == state


@given(history=histories)
def test_rules_7_a_patient_packed_after_each_event_is_judged_the_same(history: list[PatientEvent]) -> None:
    """What is packed and read again, what is packed and stays open, and what is never packed: all say the same."""
    kept, packed, warm = Run(), Run(), Run()
    for one in history:
        for run in (kept, packed, warm):
            run.take(one)
        assert packed.transitions == warm.transitions == kept.transitions
        packed.state = decode_patient(encode_patient(PatientRecord(packed.state))).state
        encoded = encode_patient(PatientRecord(warm.state))
        assert packed.state == warm.state == kept.state == decode_patient(encoded).state


@given(history=histories)
def test_rules_2_what_is_derived_as_results_come_is_what_they_give_at_once(history: list[PatientEvent]) -> None:
    """Draws by the marks of a series that grew event by event, and with each version worked out anew, are the same."""
    state = judged_only(history)
    anew = Results({analyte: _unmarked(series) for analyte, series in state.results.series.items()})
    assert facts(state)["verdicts"] == facts(state._replace(results=anew))["verdicts"]


def _unmarked(series: Series) -> Series:
    marks = "".join(REMARKED if entry.said else MIXED for entry in series)
    return Series(series.columns._replace(marks=marks), series.head, series.tail)


@given(mine=histories, theirs=others, data=st.data())
def test_rules_7_a_merge_gives_one_patient(
    mine: list[PatientEvent], theirs: list[PatientEvent], data: st.DataObject
) -> None:
    """Wherever the merge comes among the messages, the surviving patient ends with the same facts. RULES.md 7."""
    assume(_held(mine, theirs))
    at = data.draw(st.integers(0, len(theirs)))
    again = data.draw(st.integers(0, len(theirs)))
    assert facts(_merged(mine, theirs, at)) == facts(_merged(mine, theirs, again))


def _merged(mine: list[PatientEvent], theirs: list[PatientEvent], cut: int) -> PatientState:
    """Return the survivor: *theirs* up to *cut* under the retired key, the rest forwarded, all judged at one moment."""
    now = max(one.received_at for one in (*mine, *theirs))
    retired = None
    for one in theirs[:cut]:
        retired = engine.judge(retired, one, now=now, rulebook=DEFAULT).state
    state = None
    for one in mine:
        state = engine.judge(state, one, now=now, rulebook=DEFAULT).state
    message = event(at=now, patient=OTHER)._replace(merge=PatientMerge(OTHER, PATIENT, now))
    gone = engine.depart(retired, message, now=now, rulebook=DEFAULT)
    state = engine.join(state, gone.history, message, now=now, rulebook=DEFAULT).state
    for one in theirs[cut:]:
        state = engine.judge(state, one._replace(patient=PATIENT), now=now, rulebook=DEFAULT).state
    assert state is not None
    return state


@given(history=histories)
def test_rules_8_where_nothing_can_be_found_the_rules_would_find_nothing(history: list[PatientEvent]) -> None:
    """The short ways past patients and rules, by the bounds of values, give what the rules give. RULES.md 8."""
    state, now = None, 0
    for one in history:
        now = max(now, one.received_at)
        judgement = engine.judge(state, one, now=now, rulebook=DEFAULT)
        with (
            patch.object(engine, "_nothing_to_find", return_value=False),
            patch.object(Chart, "may_reach", return_value=True),
            patch.object(Chart, "may_lie_below", return_value=True),
        ):
            in_full = engine.judge(state, one, now=now, rulebook=DEFAULT)
        assert judgement._replace(chart=None) == in_full._replace(chart=None)
        state = judgement.state
