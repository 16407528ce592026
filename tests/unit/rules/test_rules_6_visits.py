"""RULES.md 6, 7: what is kept of ADT messages, and in which order they are read."""

import itertools

import pytest

from rules import visit as visits
from rules.alert import Change
from rules.chart import Chart
from rules.patient import PatientState, advance, join_histories, new_state
from rules.rulebook import DEFAULT
from rules.visit import EncounterFact
from tests.unit.rules.builders import OTHER, PATIENT, Fact, Play, adt, event, h, k, visit

Message = tuple[Fact, Fact]


def update(number: str, code: str) -> Message:
    """Return an update (A08) of a visit with a diagnosis."""
    return adt("A08", diagnoses=[code]), visit(number)


def turn(trigger: str, number: str = "V1") -> Message:
    """Return what turns a visit."""
    return adt(trigger), visit(number)


def taken_in(messages: list[Message], order: tuple[int, ...]) -> PatientState:
    """Return the state after messages of an hour each, which arrive in this order."""
    state = new_state(PATIENT)
    for n in order:
        state = advance(state, event(*messages[n], at=h(n)), h(9))
    return state


def told(facts: tuple[EncounterFact, ...]) -> str:
    """Return what turns, as its trigger, else the visit and the diagnoses said of it; and when it came."""
    return " ".join(f"{f.trigger if f.turns else ':'.join((f.visit_number, *f.diagnoses))}@{f.came}" for f in facts)


@pytest.mark.parametrize(
    ("messages", "kept"),
    [
        pytest.param([update("V1", "I50")] * 4, "V1:I50@1 V1@2 V1@3 V1:I50@4", id="the same four times"),
        pytest.param(
            [update("V1", "I50"), update("V1", "N18"), update("V1", "I50"), update("V1", "I50")],
            "V1:I50@1 V1:N18@2 V1@3 V1:I50@4",
            id="said before",
        ),
        pytest.param([update("V1", "I50"), update("V2", "I50")] * 2,
                     "V1:I50@1 V2:I50@2 V1:I50@3 V2:I50@4", id="of two visits by turns"),
        pytest.param([*[update("V1", "I50"), turn("A03")] * 2, update("V1", "I50")],
                     "V1:I50@1 A03@2 V1@3 A03@4 V1:I50@5", id="over discharges"),
        pytest.param([*[update("V1", "I50"), turn("A01")] * 2, update("V1", "I50")],
                     "V1:I50@1 A01@2 V1:I50@3 A01@4 V1:I50@5", id="anew with each admission"),
        pytest.param([turn("A03")] * 3, "A03@1 A03@2 A03@3", id="a discharge told again"),
        pytest.param([turn("A13")] * 3, "A13@1 A13@2 A13@3", id="its cancel told again"),
        pytest.param([turn("A11")] * 3, "A11@1 A11@2 A11@3", id="an admission's cancel told again"),
    ],
)  # fmt: skip
def test_rules_6_what_is_told_again_marks_the_visit(messages: list[Message], kept: str) -> None:
    """The first and the newest of a visit say it, those between only mark where the patient was. RULES.md 6, 7."""
    assert told(taken_in(messages, tuple(range(len(messages)))).encounters) == kept


def test_rules_6_what_came_first_says_it_though_it_is_not_the_oldest() -> None:
    """Looking back, the diagnosis was known from the first message on that told it. RULES.md 6, 7."""
    assert told(taken_in([update("V1", "I50")] * 4, (2, 1, 0, 3)).encounters) == "V1@3 V1@2 V1:I50@1 V1:I50@4"


def test_rules_6_of_messages_that_say_nothing_new_twelve_are_marked() -> None:
    """A hundred updates with the same diagnosis: the first, the newest and the twelve before that. RULES.md 7."""
    state = new_state(PATIENT)
    for n in range(100):
        state = advance(state, event(*update("V1", "N18"), at=h(n)), h(n))
    assert told(state.encounters) == " ".join(["V1:N18@1", *(f"V1@{n}" for n in range(88, 100)), "V1:N18@100"])


def test_rules_6_a_mark_says_nothing_but_the_visit() -> None:
    """Place, service and diagnoses stand with the first and the newest that told them. RULES.md 6, 7."""
    message = adt("A08", diagnoses=["N18"]), visit("V1", location="W1", service="NEPH")
    first, mark, newest = taken_in([message] * 3, (0, 1, 2)).encounters
    assert mark == first._replace(location="", hospital_service="", diagnoses=(), received_at=h(1), came=2)
    assert newest == first._replace(received_at=h(2), came=3)
    assert [fact.only_marks for fact in (first, mark, newest)] == [False, True, False]


HISTORIES = {
    "a diagnosis of two visits": [update("V1", "N184"), turn("A01"), update("V1", "N184"), update("V1", "N184")],
    "admitted twice": [*[update("V1", "O14"), turn("A01")] * 2, update("V1", "O14")],
    "two visits, and who leaves which": [*[update("V1", "I50"), update("V2", "I50")] * 2, turn("A03", "V2")],
    "a discharge between updates": [update("V1", "I50"), turn("A03", "V2"), *[update("V1", "I50")] * 2, turn("A03")],
    "one visit in another": [update("V1", "I50"), update("V2", "I50"), turn("A03"), update("V1", "I50"), turn("A13")],
    "no diagnoses": [turn("A08"), turn("A08", "V2"), turn("A08"), turn("A03", "V2"), turn("A08")],
}  # fmt: skip


@pytest.mark.parametrize("messages", HISTORIES.values(), ids=HISTORIES)
def test_rules_7_what_is_left_out_is_missed_at_no_moment(messages: list[Message]) -> None:
    """Whatever the order of arrival, at each moment as if every message had been kept whole. RULES.md 2, 7."""
    for order in itertools.permutations(range(len(messages))):
        state = taken_in(messages, order)
        came = {n: place for place, n in enumerate(order, 1)}
        whole = [
            taken_in([message], (0,)).encounters[0]._replace(received_at=h(n), came=came[n])
            for n, message in enumerate(messages)
        ]
        for count in range(1, len(messages) + 1):
            then = Chart(state, h(9), DEFAULT).known_by(count, h(9))
            known = [fact for fact in whole if fact.came <= count]
            assert then.diagnoses == visits.diagnoses(visits.of_visit(known)), (order, count)
            assert then.discharges == visits.discharges(known, DEFAULT), (order, count)


def test_rules_7_of_one_millisecond_the_order_is_that_of_the_log() -> None:
    """Kafka may give a batch one time; what was told last is the latest, the same twice running is one. RULES.md 7."""
    messages = [update("V1", "I50"), update("V2", "I50"), update("V1", "I50"), turn("A03"), turn("A13")]
    names = ["A08 V1", "A08 V2", "A08 V1", "A03 V1", "A13 V1"]
    for order in itertools.permutations(range(5)):
        state = new_state(PATIENT)
        for n in order:
            state = advance(state, event(*messages[n], at=h(0)), h(1))
        found = [f"{fact.trigger} {fact.visit_number}" for fact in state.encounters]
        assert found == [name for name, _ in itertools.groupby(names[n] for n in order)]


def test_rules_7_a_discharge_that_comes_twice_is_one() -> None:
    """The alert that it raised, by ending the hold, is not closed by the same message once more. RULES.md 4.1, 7."""
    play = Play()
    for n, value in enumerate(("5.1", "5.1", "5.5", "5.1", "5.5")):
        play.tell(k(value, h(n)), at=h(n))
    for _ in range(2):
        play.tell(*turn("A03"), at=h(4))
        assert [(seen.change, seen.notify) for seen in play.seen] == [(Change.RAISED, True)]
    play.tell(*turn("A03"), at=h(5))
    assert [seen.change for seen in play.seen] == [Change.RAISED, Change.CLOSED]


@pytest.mark.parametrize(
    ("mine", "theirs", "place"),
    [
        pytest.param(h(1), h(2), "V2 ICU", id="the retired one was moved last"),
        pytest.param(h(2), h(1), "V1 WARD", id="the survivor was"),
        pytest.param(h(1), h(1), "V1 WARD", id="both at once"),
    ],
)
def test_rules_7_after_a_merge_the_place_is_that_of_the_newer_movement(mine: int, theirs: int, place: str) -> None:
    """An emergency's record goes into an old one: the alert names the bed that the patient lies in. RULES.md 7."""
    state = advance(new_state(PATIENT), event(adt("A01"), visit("V1", location="WARD"), at=mine), mine)
    history = advance(
        new_state(OTHER), event(adt("A01"), visit("V2", location="ICU"), at=theirs, patient=OTHER), theirs
    )
    joined = join_histories(state, history, h(3))
    assert f"{joined.visit_number} {joined.location}" == place
