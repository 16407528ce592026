"""RULES.md 7, what a state holds: each kind of fact at the edge of the time for which it is kept."""

import pytest

from rules.alert import Rule
from rules.chart import Chart
from rules.events import DAY, Condition, Drug, Instant
from rules.patient import HoldMark, PatientState, advance, new_state
from rules.retention import retain
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import (
    PATIENT,
    Fact,
    Play,
    adt,
    d,
    dialysis,
    dose,
    event,
    given,
    h,
    infusion,
    k,
    mg,
    ordered,
    said,
    visit,
)

NOW = d(100)
OLDEST = (NOW - 14 * DAY) // DAY * DAY
"""What is older than this no rule asks for, where no alert is open: the day in which 14 days ago lies begins here."""


def state_of(*facts: Fact) -> PatientState:
    """Return the state of a patient of whom each fact came by a message of its own."""
    state = new_state(PATIENT)
    for fact in facts:
        state = advance(state, event(fact, at=NOW), NOW)
    return state


def kept(state: PatientState, now: Instant = NOW) -> PatientState:
    """Return what is kept of *state* where no episode is open."""
    return retain(state, now, DEFAULT, potassium_since=now)


@pytest.mark.parametrize(
    ("fact", "stays"),
    [
        pytest.param(k("4.0", OLDEST), True, id="a result"),
        pytest.param(k("4.0", OLDEST - 1), False, id="an older result"),
        pytest.param(dialysis(OLDEST - DAY, OLDEST), True, id="a dialysis, by its end"),
        pytest.param(dialysis(OLDEST - DAY, OLDEST - 1), False, id="a dialysis that ended before"),
        pytest.param(ordered(OLDEST), True, id="an order"),
        pytest.param(ordered(OLDEST - 1), False, id="an older order"),
        pytest.param(dose(OLDEST), True, id="a dose"),
        pytest.param(dose(OLDEST - 6 * 3_600_000), False, id="a dose 6 h older"),
        pytest.param(infusion(OLDEST - DAY, OLDEST), True, id="an infusion, by its end"),
        pytest.param(infusion(OLDEST - 30 * 3_600_000), False, id="an infusion that ran 24 h, 6 h before"),
        pytest.param(given(Drug.INSULIN, OLDEST), True, id="insulin"),
        pytest.param(given(Drug.INSULIN, OLDEST - 1), False, id="older insulin"),
    ],
)
def test_rules_7_kept_for_fourteen_days(fact: Fact, stays: bool) -> None:
    """Back to the beginning of the day 14 days ago: a dialysis and an infusion by their ends. RULES.md 7."""
    state = kept(state_of(fact))
    stored = (*state.results, *state.dialyses, *state.magnesium_orders, *state.administrations)
    assert len(stored) == stays


HOUR = 3_600_000


@pytest.mark.parametrize(
    ("before", "stays"),
    [
        pytest.param(dose(OLDEST - 6 * HOUR + 1), True, id="a dose less than 6 h before: one exposure"),
        pytest.param(dose(OLDEST - 6 * HOUR), False, id="6 h before: another"),
        pytest.param(dose(OLDEST - 5 * HOUR, parenteral=False), False, id="tablets are no exposure"),
        pytest.param(given(Drug.INSULIN, OLDEST - 5 * HOUR), False, id="insulin is none"),
        pytest.param(infusion(OLDEST - 30 * HOUR + 1), True, id="an infusion: 24 h assumed, and 6 h"),
        pytest.param(infusion(OLDEST - 30 * HOUR), False, id="one that began earlier"),
        pytest.param(infusion(OLDEST - 90 * HOUR, OLDEST - 30 * HOUR + 1), True, id="by its end"),
        pytest.param(infusion(OLDEST - 90 * HOUR, OLDEST - 30 * HOUR), False, id="that ended earlier"),
    ],
)
def test_rules_7_an_exposure_is_kept_from_its_first_dose(before: Fact, stays: bool) -> None:
    """What is one exposure with a dose of the last 14 days is kept, whatever its age; no more. RULES.md 4.2, 7."""
    state = kept(state_of(before, dose(OLDEST, order="KEPT")))
    assert len(state.administrations) == 1 + stays


def test_rules_7_an_exposure_is_a_chain() -> None:
    """Doses 5 h apart hang together back to the first; insulin among them, and an order of old, do not. RULES.md 7."""
    chain = [dose(OLDEST - n * 5 * HOUR) for n in range(4)]
    others = [given(Drug.INSULIN, OLDEST - 7 * HOUR), dose(OLDEST - 22 * HOUR, order="ALONE")]
    left = kept(state_of(*chain, *others)).administrations
    assert [entry.administration.started_at for entry in left] == [OLDEST - n * 5 * HOUR for n in (3, 2, 1, 0)]
    assert {entry.administration.drug for entry in left} == {Drug.MAGNESIUM}


def test_rules_7_all_records_of_an_order_are_kept_together() -> None:
    """An infusion whose stop is of the last 14 days keeps its start; of another order nothing. RULES.md 4.2, 7."""
    start, change = (given(Drug.INSULIN, OLDEST - n * DAY, rate="4", order="I") for n in (3, 2))
    stop = given(Drug.INSULIN, OLDEST, rate="0", order="I")
    other = given(Drug.INSULIN, OLDEST - DAY, rate="4", order="J")
    same_number = given(Drug.BINDER, OLDEST - DAY, order="I")
    left = kept(state_of(start, change, stop, other, same_number)).administrations
    assert [e.administration.started_at for e in left] == [OLDEST - 3 * DAY, OLDEST - 2 * DAY, OLDEST]


@pytest.mark.parametrize(("age", "stays"), [(30 * DAY, True), (30 * DAY + 1, False)], ids=["30 days", "longer"])
def test_rules_7_context_is_kept_thirty_days(age: Instant, stays: bool) -> None:
    """What an earlier visit said, and a hold, for 30 days; the current visit from its admission on. RULES.md 7."""
    play = Play()
    play.tell(adt("A01"), visit("V1"), at=NOW - age)
    play.tell(adt("A01"), visit("V2"), at=NOW - age + 1)
    play.tell(adt("A08", diagnoses=["N18.4"]), visit("V2"), at=NOW - age + 2)
    assert play.state is not None
    state = play.state._replace(holds=(HoldMark(Rule.REFRACTORY_HYPERKALEMIA, NOW - 40 * DAY, NOW - age),))
    assert [fact.visit_number for fact in kept(state).encounters] == ["V1"] * stays + ["V2", "V2"]
    assert len(kept(state).holds) == stays
    early = retain(state, NOW + DAY, DEFAULT, potassium_since=NOW - 40 * DAY)
    assert len(early.holds) == 1
    assert len(retain(state, NOW + DAY, DEFAULT, potassium_since=NOW - 40 * DAY + 1).holds) == 0


@pytest.mark.parametrize(
    ("now", "stays"),
    [(NOW + 30 * DAY, True), (NOW + 30 * DAY + 1, False)],
    ids=["ended 30 days ago", "longer ago"],
)
def test_rules_7_an_ended_alert_is_kept_thirty_days(now: Instant, stays: bool) -> None:
    """Its trigger is not raised again for so long. RULES.md 7."""
    play = Play()
    play.tell(mg("0.6", NOW - DAY), k("6.6", NOW - DAY), at=NOW - DAY)
    play.tell(mg("0.9", NOW))
    assert play.state is not None
    assert [alert.ended_at for alert in play.state.alerts] == [NOW]
    assert len(kept(play.state, now).alerts) == stays


@pytest.mark.parametrize(("drawn", "stays"), [(OLDEST, True), (OLDEST - 1, False)], ids=["14 days", "longer"])
def test_rules_7_an_open_alert_keeps_the_time_before_its_trigger(drawn: Instant, stays: bool) -> None:
    """While it is open, however long: what was drawn up to 14 days before its trigger. RULES.md 7."""
    play = Play()
    play.tell(k("4.2", drawn), mg("0.6", NOW), k("6.6", NOW), at=NOW)
    assert play.state is not None
    left = kept(play.state, NOW + 30 * DAY)
    assert (len(left.alerts), len(left.results)) == (1, 2 + stays)


@pytest.mark.parametrize(("facts", "left"), [(60, 60), (61, 60), (80, 60)], ids=["60 facts", "61", "80"])
def test_rules_7_of_a_visit_the_admission_and_the_newest_facts_are_kept(facts: int, left: int) -> None:
    """At most 60: the admission and the 59 newest. RULES.md 7."""
    play = Play()
    play.tell(adt("A01"), visit("V1"), at=h(0))
    for n in range(1, facts):
        play.tell(adt("A02"), visit("V1", location=f"WARD{n}"), at=h(0) + n)
    assert play.state is not None
    encounters = play.state.encounters
    assert len(encounters) == left
    assert (encounters[0].trigger, encounters[1].location) == ("A01", f"WARD{facts - left + 1}")
    assert encounters[-1].location == f"WARD{facts - 1}"


@pytest.mark.parametrize("facts", [57, 58, 59, 60, 75])
def test_rules_7_of_a_long_visit_the_admission_stays(facts: int) -> None:
    """At most 60; what an earlier visit said never counts as said of this one, however much is told. RULES.md 6, 7."""
    play = Play()
    play.tell(adt("A01", diagnoses=["O14"]), visit("V1"), at=h(0))
    play.tell(adt("A01"), visit("V2"), at=h(1))
    for n in range(facts):
        play.tell(adt("A02"), visit("V2", location=f"WARD{n}"), at=h(2) + n)
    assert play.state is not None
    encounters = play.state.encounters
    before = ["V1"] if facts <= 58 else []
    assert [fact.visit_number for fact in encounters] == [*before, "V2", *["V2"] * min(facts, 59)]
    assert [fact.trigger for fact in encounters].count("A01") == len(before) + 1
    assert not Chart(play.state, play.now, DEFAULT).obstetric


def test_rules_7_a_word_on_a_tube_waits_for_its_result() -> None:
    """Told before its potassium, it is kept while it is young, whatever else is dropped. RULES.md 3, 7."""
    play, of = Play(), k("5.9", d(15))
    play.tell(k("4.0", h(0)))
    play.tell(said(of, Condition.HEMOLYZED), at=d(15))
    play.tell(k("4.1", d(15) - 1), at=d(15) + 1)
    play.tell(of, at=d(15) + 2)
    assert play.chart is not None
    assert [draw.verdict for draw in play.chart.potassium] == ["valid", "suspect"]


def test_rules_7_context_without_an_admission_is_one_visit() -> None:
    """Where no admission was ever told, all facts are of the current visit, however old; at most 60. RULES.md 6, 7."""
    play = Play()
    for n in range(70):
        play.tell(adt("A08"), visit("V1", location=f"WARD{n}"), at=h(0) + n)
    assert play.state is not None
    assert [fact.location for fact in kept(play.state, h(0) + 40 * DAY).encounters][-1] == "WARD69"
    assert len(kept(play.state, h(0) + 40 * DAY).encounters) == 60


def test_rules_7_an_admission_that_was_just_told_begins_what_is_kept() -> None:
    """With a new admission the visit before it goes when it is older than 30 days. RULES.md 6, 7."""
    state = new_state(PATIENT)
    for at, fact, number in (
        (NOW - 31 * DAY, adt("A01"), "V1"),
        (NOW - 31 * DAY + 1, adt("A08", diagnoses=["I50"]), "V1"),
        (NOW, adt("A01"), "V2"),
    ):
        state = advance(state, event(fact, visit(number), at=at), at)
    assert [fact.visit_number for fact in kept(state).encounters] == ["V2"]


@pytest.mark.parametrize(("at", "stays"), [(OLDEST, 1), (OLDEST - 1, 0)], ids=["14 days ago", "longer ago"])
def test_rules_7_a_word_on_a_tube_is_kept_fourteen_days(at: Instant, stays: int) -> None:
    """Without a result of its tube it goes with the results of its time. RULES.md 3, 7."""
    state = advance(new_state(PATIENT), event(said(k("5", at), Condition.CLOTTED), at=at), at)
    state = advance(state, event(k("4.0", OLDEST - 1, container="OTHER"), at=at), at)
    assert len(kept(state).tubes) == stays
