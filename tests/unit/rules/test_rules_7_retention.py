"""RULES.md 7, what a state holds: what is kept, for how long, and when a state retires."""

import pytest

from rules.alert import Rule
from rules.events import DAY, HOUR, Condition, Drug, Result
from rules.patient import PatientState
from rules.rulebook import DEFAULT, load
from tests.unit.rules.builders import (
    OTHER,
    Play,
    adt,
    ca,
    changes,
    crea,
    d,
    dialysis,
    dose,
    egfr,
    given,
    h,
    ica,
    infusion,
    k,
    mg,
    ordered,
    said,
    visit,
)

HYPERKALEMIA = Rule.REFRACTORY_HYPERKALEMIA


def stored(play: Play) -> PatientState:
    """Return the state, which must not have retired."""
    assert play.state is not None
    return play.state


def every_twelve_hours(play: Play, value: str, since: int, until: int) -> None:
    """Draw a potassium of *value* each 12 h from hour *since* to *until*."""
    for hour in range(since, until, 12):
        play.tell(k(value, h(hour)))


@pytest.mark.parametrize(
    ("age", "kept"),
    [(14 * DAY, True), (15 * DAY - h(0) % DAY - 1, True), (15 * DAY - h(0) % DAY, False)],
    ids=["drawn 14 days ago", "the last moment of that day", "the day after"],
)
def test_rules_7_results_are_kept_fourteen_days(age: int, kept: bool) -> None:
    """A result is kept for 14 days and to the end of that day (UTC), when nothing open asks for it. RULES.md 7."""
    play = Play(k("4.0", h(0)), crea("80", h(0)))
    play.tell(ca("2.3", h(0) + age))
    assert (len(stored(play).results) == 3) is kept


def test_rules_7_an_open_episode_keeps_its_first_potassium() -> None:
    """An episode of 30 days still compares with its first: 5.6 after 7.0 is no persistence. RULES.md 7, 4.1."""
    play = Play()
    play.tell(k("7.0", h(0)))
    every_twelve_hours(play, "5.6", 12, 30 * 24)
    assert changes(play.seen) == []
    assert stored(play).results.oldest_at == h(0)


def test_rules_7_an_open_run_keeps_its_first_potassium() -> None:
    """A run of low potassiums of 20 days is one run, with the hold that it began with. RULES.md 7, 5."""
    play = Play()
    every_twelve_hours(play, "3.2", 0, 20 * 24)
    assert stored(play).results.oldest_at == h(0)
    assert changes(play.seen, Rule.REFRACTORY_HYPOKALEMIA)[0] == "raised warning"


@pytest.mark.parametrize("value", ["5.6", "3.2"], ids=["an episode", "a run"])
def test_rules_7_what_is_long_over_keeps_no_potassium(value: str) -> None:
    """An episode gone silent, a run that recovered: after 14 days it keeps nothing, nothing is missing. RULES.md 7."""
    play = Play()
    play.tell(k(value, h(0)))
    every_twelve_hours(play, "4.2", 60, 20 * 24)
    state = stored(play)
    assert state.results.oldest_at is not None
    assert (state.results.oldest_at > d(4), state.history_incomplete) == (True, False)


@pytest.mark.parametrize(("later", "kept"), [(0, True), (1, False)], ids=["14 days after the newest", "1 ms later"])
@pytest.mark.parametrize("value", ["5.6", "3.2"], ids=["an episode", "a run"])
def test_rules_7_an_open_one_keeps_its_first_for_fourteen_days(value: str, later: int, kept: bool) -> None:
    """The first potassium stays until the newest one of its episode or run is older than 14 days. RULES.md 7."""
    play = Play()
    for fact in (k(value, h(0)), k(value, h(12)), ca("2.3", h(12) + 14 * DAY + later)):
        play.tell(fact)
    assert (stored(play).results.oldest_at == h(0)) is kept


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([given(Drug.INSULIN, h(0) + 1)], id="the insulin that failed"),
        pytest.param([dialysis(h(0), h(0) + 1)], id="the dialysis that failed"),
        pytest.param([crea("60", d(-6)), crea("100", d(-1))], id="the injury that made one hour enough"),
    ],
)
def test_rules_7_an_open_alert_keeps_what_it_stood_on(before: list[object]) -> None:
    """An alert whose trigger is three weeks old isn't retracted because what it stood on has aged. RULES.md 7."""
    play = Play()
    play.tell(k("6.4", h(0)), *before, at=h(0) + 1)  # type: ignore[arg-type]
    play.tell(k("6.0", h(1) + 1))
    every_twelve_hours(play, "5.6", 12, 21 * 24)
    assert {change.split()[0] for change in changes(play.seen, HYPERKALEMIA)} <= {"raised", "updated"}
    assert len(play.open) == 1


def test_rules_7_an_infusion_of_three_weeks_is_one_exposure() -> None:
    """The records of an infusion are kept while it runs: its alert stays. RULES.md 7, 4.2."""
    play = Play()
    for hour in range(0, 21 * 24, 12):
        told = (infusion(h(hour), order="I"), crea("400", h(hour)), mg("1.8", h(hour)), k("4.0", h(hour)))
        play.tell(*told, at=h(hour))
    told_of = changes(play.seen, Rule.POST_INFUSION_HYPERMAGNESEMIA)
    assert set(told_of[1:]) == {"reminded high"}


def test_rules_7_doses_of_three_weeks_are_one_exposure() -> None:
    """Doses less than 6 h apart are one exposure, named by its first dose, however old. RULES.md 7, 4.2."""
    play = Play()
    for hour in range(0, 21 * 24, 5):
        play.tell(dose(h(hour)), crea("400", h(hour)), mg("1.8", h(hour)), at=h(hour))
    told_of = changes(play.seen, Rule.POST_INFUSION_HYPERMAGNESEMIA)
    assert told_of[0] == "raised high"
    assert {change.split()[0] for change in told_of[1:]} <= {"reminded", "updated"}


def test_rules_7_what_nothing_asks_for_is_dropped() -> None:
    """Doses, dialyses, orders and tubes go with the results of their time. RULES.md 7."""
    play = Play()
    clotted = said(ca("2.0", h(0)), Condition.CLOTTED)
    play.tell(k("4.0", h(0)), clotted, dose(h(0), "1"), dialysis(h(0), h(1)), ordered(h(0)), at=h(1))
    play.tell(k("4.1", d(15)))
    state = stored(play)
    assert [entry.result.observed_at for entry in state.results] == [d(15)]
    assert (state.tubes, state.administrations, state.dialyses, state.magnesium_orders) == ((), (), (), ())


def test_rules_7_at_most_400_results() -> None:
    """Beyond 400 results the oldest are dropped, counted, and the history is said to be incomplete. RULES.md 7."""
    play = Play()
    play.tell(*(ca("2.3", h(0) + n) for n in range(400)), at=h(1))
    assert (len(stored(play).results), stored(play).history_incomplete) == (400, False)
    play.tell(ca("2.3", h(2)), ca("2.3", h(2) + 1))
    state = stored(play)
    assert (len(state.results), state.dropped, state.history_incomplete) == (400, 2, True)
    assert state.results.oldest_at == h(0) + 2


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param(("P", "F"), id="preliminary, then final"),
        pytest.param(("F", "C"), id="final, then corrected"),
        pytest.param(("I", "P", "F", "C"), id="announced, preliminary, final, corrected"),
        pytest.param(("F", "W"), id="withdrawn"),
    ],
)
def test_rules_7_the_versions_of_a_result_are_one_of_the_400(versions: tuple[str, ...]) -> None:
    """400 results, each in several versions, are 400: what the rules can ask for is not dropped. RULES.md 7, 2."""
    play = Play()
    for late, status in enumerate(versions):
        value = None if status in "IW" else "2.3"
        told = [ca(value, h(0) + n, order=f"O{n}", status=status, resulted=h(1 + late)) for n in range(400)]
        play.tell(*told, at=h(1 + late))
    state = stored(play)
    assert (state.dropped, state.history_incomplete, state.results.oldest_at) == (0, False, h(0))
    play.tell(ca("2.3", h(9)), at=h(9))
    state = stored(play)
    assert (state.dropped, state.history_incomplete, state.results.oldest_at) == (1, True, h(0) + 1)


def test_rules_7_serial_draws_under_one_order_are_results_of_their_own() -> None:
    """One order, drawn once more than there are kept: the oldest goes. RULES.md 7, 2."""
    play = Play(rulebook=load({"parameters": {"results_at_most": 50}}))
    play.tell(*(ca("2.3", h(0) + n, order="O") for n in range(51)), at=h(1))
    assert (stored(play).dropped, stored(play).results.oldest_at) == (1, h(0) + 1)


def test_rules_7_the_creatinine_before_an_injury_is_kept_where_the_laboratory_sends_twice() -> None:
    """Six days of intensive care, each result sent P and F: the kidneys are still known to be hurt. RULES.md 7, 6."""
    play = Play(crea("60", h(0)))
    play.tell(crea("95", d(1)))
    for hour in range(2, 6 * 24, 2):
        for status in "PF":
            drawn = (k("4.2", h(hour)), mg("0.9", h(hour)), ca("2.2", h(hour)))
            play.tell(*(each._replace(status=status, order_number=f"{hour}") for each in drawn), at=h(hour + 1))
    play.tell(crea("95", d(6)), mg("1.3", d(6)), dose(d(6) - HOUR))
    assert changes(play.seen, Rule.POST_INFUSION_HYPERMAGNESEMIA) == ["raised warning"]


def test_rules_7_a_dropped_result_retracts_nothing() -> None:
    """An alert whose trigger fell out of the 400 did stand: it stays open until its rule's end. RULES.md 7."""
    play = Play(rulebook=load({"parameters": {"results_at_most": 50}}))
    play.tell(k("6.0", h(0)))
    play.tell(k("6.1", h(3)))
    play.wait(h(4))
    play.tell(*(ca("2.3", h(5) + n) for n in range(60)), at=h(6))
    assert changes(play.seen) == ["raised high"]
    play.wait(h(3) + 48 * HOUR)
    assert changes(play.seen) == ["raised high", "closed expired"]


@pytest.mark.parametrize(("days", "facts"), [(7, ()), (30, (k("4.0", h(0)),))], ids=["only context", "with a result"])
def test_rules_7_a_quiet_state_retires(days: int, facts: tuple[object, ...]) -> None:
    """A state retires 30 days after its last event, 7 with nothing but encounter context. RULES.md 7."""
    play = Play()
    play.tell(adt("A01"), visit("V1"), *facts, at=h(0))  # type: ignore[arg-type]
    play.wait(d(days) - 1)
    assert play.state is not None
    play.wait(d(days))
    assert play.state is None


def test_rules_7_an_open_alert_keeps_its_state() -> None:
    """No state retires with an alert open: the alert ends first. RULES.md 7."""
    play = Play(rulebook=load({"parameters": {"retire_after": "14 d", "hypocalcemia_silence": "168 h"}}))
    play.tell(dose(h(0)), ca("1.5", h(1)), at=h(13 * 24))
    assert changes(play.seen) == []
    play.wait(d(60))
    assert play.state is None


def test_rules_7_a_state_whose_last_alert_outlived_its_time_retires_with_it() -> None:
    """An infusion told to end in 40 days keeps its gap open until then; the state has no alert after it. RULES.md 7."""
    play = Play()
    play.tell(infusion(h(0)), infusion(h(1), d(40)), at=h(1))
    play.wait(d(41))
    assert changes(play.seen) == ["raised warning", "closed expired"]
    assert play.state is not None
    play.wait(d(41) + 1)
    assert play.state is None


@pytest.mark.parametrize("facts", [61, 90], ids=["one more than the bound", "many more"])
def test_rules_7_the_context_of_a_visit_is_bounded(facts: int) -> None:
    """Of a visit at most 60 facts are kept, its admission first. RULES.md 7, 6."""
    play = Play()
    play.tell(adt("A01"), visit("V1"), at=h(0))
    for n in range(facts):
        play.tell(adt("A02"), visit("V1", location=f"WARD{n}"), at=h(0) + n + 1)
    kept = stored(play).encounters
    assert (len(kept), kept[0].trigger) == (60, "A01")


def test_rules_7_a_merge_joins_what_is_kept() -> None:
    """A merged history is bounded as any other. RULES.md 7."""
    play, other = Play(rulebook=load({"parameters": {"results_at_most": 50}})), Play(patient=OTHER)
    play.tell(*(ca("2.3", h(0) + n) for n in range(40)), at=h(1))
    other.tell(*(ca("2.4", h(0) + n, order=f"B{n}") for n in range(40)), at=h(1))
    play.merge_from(other, h(2))
    assert (len(stored(play).results), stored(play).dropped) == (50, 30)
    assert DEFAULT.results_at_most == 400


def three_weeks_of_magnesium(*before: Result) -> Play:
    """An infusion from hour 0 on, told of twice a day, as for tetanus; and what was measured before it."""
    play = Play(*before, egfr("90", h(-1)))
    for hour in range(0, 21 * 24, 12):
        play.tell(infusion(h(hour), order="I"), mg("1.2", h(hour)), k("4.5", h(hour)), at=h(hour))
    return play


def test_rules_7_an_exposure_keeps_the_potassium_before_it() -> None:
    """An infusion of three weeks: a potassium that rises is held against the last one before it. RULES.md 7, 5."""
    play = three_weeks_of_magnesium(k("5.0", h(-1)))
    play.tell(k("5.5", d(21)))
    assert changes(play.seen, Rule.HYPERKALEMIA_AFTER_MAGNESIUM) == ["raised warning"]
    for day in range(22, 40):
        play.tell(k("5.5", d(day)))
    told = changes(play.seen, Rule.HYPERKALEMIA_AFTER_MAGNESIUM)
    assert {change.split()[0] for change in told[1:]} <= {"reminded", "updated"}


def test_rules_7_an_exposure_that_has_ended_keeps_the_potassium_before_it() -> None:
    """To the last moment of the 24 h after it, and as long as an alert is open that was raised then. RULES.md 7, 5."""
    play = three_weeks_of_magnesium(k("5.0", h(-1)))
    play.tell(infusion(h(0), d(20.75), order="I"), at=d(20.75))
    play.tell(k("5.5", d(21.75)))
    play.tell(k("5.5", d(22)))
    play.tell(k("5.5", d(22.5)))
    assert changes(play.seen, Rule.HYPERKALEMIA_AFTER_MAGNESIUM) == ["raised warning"]


def test_rules_7_an_exposure_keeps_the_calcium_before_it() -> None:
    """An infusion of three weeks: a calcium that was low before it is none of its doing. RULES.md 7, 5."""
    play = three_weeks_of_magnesium(ca("1.95", h(-1)), ica("1.0", h(-1)))
    play.tell(ca("1.8", d(21)), ica("0.95", d(21)))
    assert changes(play.seen, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM) == []


def test_rules_7_a_dropped_baseline_retracts_nothing() -> None:
    """An alert whose potassium before the infusion fell out of the 400 did stand. RULES.md 7."""
    play = Play(k("4.0", h(-1)), egfr("90", h(-1)), rulebook=load({"parameters": {"results_at_most": 50}}))
    play.tell(infusion(h(0), order="I"))
    play.tell(k("5.6", h(4)))
    play.tell(*(ca("2.3", h(1) + n) for n in range(47)), k("5.6", h(6)), at=h(6))
    assert stored(play).results.oldest_at == h(-1)
    play.tell(ca("2.3", h(7)), ca("2.3", h(7) + 1), ca("2.3", h(7) + 2))
    assert stored(play).history_incomplete
    play.tell(k("5.7", h(8)))
    assert changes(play.seen, Rule.HYPERKALEMIA_AFTER_MAGNESIUM) == ["raised warning", "updated warning"]
    play.tell(k(None, h(6), status="W", resulted=h(9)), k(None, h(8), status="W", resulted=h(9)), at=h(9))
    assert changes(play.seen, Rule.HYPERKALEMIA_AFTER_MAGNESIUM)[2:] == ["retracted withdrawn"]
