"""What holds for every history of a patient, whatever was sent and in whatever order it came."""

from collections import Counter
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from hypothesis import assume, given
from hypothesis import strategies as st

from consumer.wire import PatientRecord, decode_patient, encode_patient
from rules import engine
from rules.alert import Change, Severity, Transition
from rules.chart import Chart
from rules.events import DAY, PatientEvent, PatientMerge
from rules.life import standing
from rules.patient import PatientState
from rules.results import Results
from rules.rulebook import DEFAULT
from rules.series import MIXED, REMARKED, Series
from tests.property.rules.histories import Run, histories
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


@given(history=histories(), data=st.data())
def test_rules_2_arrival_order_does_not_matter_to_the_state(history: list[PatientEvent], data: st.DataObject) -> None:
    """Any order of the same messages gives the same results, exposures and verdicts. RULES.md 2."""
    shuffled = data.draw(st.permutations(history))
    assert facts(judged_only(list(shuffled))) == facts(judged_only(history))


@given(history=histories())
def test_rules_7_a_replay_says_the_same(history: list[PatientEvent]) -> None:
    """The same input gives the same transitions, ids and states. RULES.md 7."""
    first, second = Run().take(*history), Run().take(*history)
    assert first.transitions == second.transitions
    assert first.state == second.state


@given(history=histories(), data=st.data())
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


@given(history=histories(), data=st.data())
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


@given(history=histories())
def test_rules_7_an_alert_is_told_without_gaps(history: list[PatientEvent]) -> None:
    """Sequences count from 1, one by one; raised first and after each end; nothing after an end. RULES.md 7."""
    run = Run().take(*history).wait(history[-1].received_at + 40 * DAY)
    last: dict[str, Transition] = {}
    for transition in run.transitions:
        before = last.get(transition.alert_id)
        assert transition.sequence == (before.sequence + 1 if before else 1)
        raised = before is None or before.change in ENDS
        assert (transition.change is Change.RAISED) is raised
        last[transition.alert_id] = transition


@given(history=histories())
def test_rules_7_every_alert_ends(history: list[PatientEvent]) -> None:
    """With nothing more to come every alert ends, and the state retires. RULES.md 7."""
    run = Run().take(*history).wait(history[-1].received_at + 60 * DAY)
    last = {transition.alert_id: transition.change for transition in run.transitions}
    assert set(last.values()) <= set(ENDS)
    assert run.state is None


@given(history=histories())
def test_rules_7_who_notifies(history: list[PatientEvent]) -> None:
    """What notifies as a raise, an escalation or a reminder is high or critical, fresh, and of one message one."""
    pages: Counter[tuple[int, int]] = Counter()
    for transition in Run().take(*history).wait(history[-1].received_at + 3 * DAY).transitions:
        if transition.change in PAGES and transition.notify:
            assert transition.severity >= Severity.HIGH
            assert transition.reason in (None, "caught_up", "ungrouped")
            assert not transition.stale or transition.reason == "ungrouped"
            if transition.change is not Change.REMINDED:
                pages[transition.time, transition.received_at] += 1
        if transition.change is Change.UPDATED:
            assert not transition.notify
            assert transition.reason is None
        if transition.change in ENDS:
            assert transition.reason is not None
            assert not transition.stale
            assert transition.criterion is None


@given(history=histories())
def test_rules_7_never_two_open_alerts_of_one_trigger(history: list[PatientEvent]) -> None:
    """At no moment are two alerts of one rule open on one trigger. RULES.md 7."""
    run = Run()
    for one in history:
        run.take(one)
        assert run.state is not None
        opened = Counter((a.rule, a.trigger) for a in run.state.alerts if a.ended is None)
        assert not [key for key, count in opened.items() if count > 1]


@given(history=histories())
def test_rules_7_time_never_goes_back(history: list[PatientEvent]) -> None:
    """Transitions come in order of their times, and a state's next timer lies ahead of it. RULES.md 8."""
    run = Run()
    for one in history:
        run.take(one)
        assert run.state is not None
        assert run.state.next_due is None or run.state.next_due > run.state.now
    times = [transition.time for transition in run.transitions]
    assert times == sorted(times)


@given(history=histories(), data=st.data())
def test_rules_8_time_may_pass_in_steps(history: list[PatientEvent], data: st.DataObject) -> None:
    """Two ticks give what one tick to the second watermark gives. RULES.md 8."""
    run = Run().take(*history)
    until = run.now + 5 * DAY
    between = data.draw(st.integers(run.now, until))
    at_once, in_steps = Run(run.state).wait(until), Run(run.state).wait(between).wait(until)
    assert at_once.transitions == in_steps.transitions
    assert at_once.state == in_steps.state


@given(history=histories())
def test_rules_7_a_state_survives_packing(history: list[PatientEvent]) -> None:
    """A state packed and unpacked is the same state. RULES.md 8: timers survive a restart."""
    state = Run().take(*history).state
    assert decode_patient(encode_patient(PatientRecord(state))).state == state


@given(history=histories(most=24))
def test_rules_7_a_patient_packed_after_each_event_is_judged_the_same(history: list[PatientEvent]) -> None:
    """What is read from a packed state one by one, and derived when it came, gives what the open state gives."""
    kept, packed = Run(), Run()
    for one in history:
        kept.take(one)
        packed.take(one)
        assert packed.transitions == kept.transitions
        packed.state = decode_patient(encode_patient(PatientRecord(packed.state))).state
        assert packed.state == kept.state


@given(history=histories(most=24))
def test_rules_2_what_is_derived_as_results_come_is_what_they_give_at_once(history: list[PatientEvent]) -> None:
    """Draws by the marks of a series that grew event by event, and with each version worked out anew, are the same."""
    state = judged_only(history)
    anew = Results({analyte: _unmarked(series) for analyte, series in state.results.series.items()})
    assert facts(state)["verdicts"] == facts(state._replace(results=anew))["verdicts"]


def _unmarked(series: Series) -> Series:
    marks = "".join(REMARKED if entry.said else MIXED for entry in series)
    return Series(series.columns._replace(marks=marks), series.head, series.tail)


@given(mine=histories(most=8), theirs=histories(most=8, patient=OTHER), data=st.data())
def test_rules_7_a_merge_gives_one_patient(
    mine: list[PatientEvent], theirs: list[PatientEvent], data: st.DataObject
) -> None:
    """Wherever the merge comes among the messages, the surviving patient ends with the same facts. RULES.md 7."""
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


@given(history=histories())
def test_rules_8_where_nothing_can_be_found_the_rules_would_find_nothing(history: list[PatientEvent]) -> None:
    """The short way past quiet patients gives what the rules give: state, timers, no transition. RULES.md 8."""
    state, now = None, 0
    for one in history:
        now = max(now, one.received_at)
        judgement = engine.judge(state, one, now=now, rulebook=DEFAULT)
        with patch.object(engine, "_nothing_to_find", return_value=False):
            assert judgement == engine.judge(state, one, now=now, rulebook=DEFAULT)
        state = judgement.state
