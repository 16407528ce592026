"""RULES.md 2, 4.2, 6: doses, dialyses, orders, tubes and context, told in any order and more than once: what stands."""

from collections.abc import Callable
from itertools import permutations

import pytest

from rules.chart import Chart
from rules.events import HOUR, Condition, Demographics, Drug, Result
from rules.patient import PatientState, advance, join_histories, new_state
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import (
    OTHER,
    PATIENT,
    Fact,
    Play,
    adt,
    ca,
    chart,
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


def doses(of: Chart) -> list[str]:
    """Return the doses of magnesium as ``grams@start-end`` in hours."""
    return [f"{c.grams}@{(c.start - h(0)) / HOUR:g}-{(c.end - h(0)) / HOUR:g}" for c in of.magnesium_doses]


def sessions(of: Chart) -> list[str]:
    """Return the dialyses as ``start-end`` in hours."""
    return [f"{(s.started_at - h(0)) / HOUR:g}-{(s.ended_at - h(0)) / HOUR:g}" for s in of.dialyses]


def pending(of: Chart) -> list[float]:
    """Return the hours at which a magnesium that is pending was ordered."""
    return [(at - h(0)) / HOUR for at in of.pending_magnesium_at]


SAME = h(9)
"""One moment at which several records were received."""


@pytest.mark.parametrize(
    ("facts", "shown", "expected"),
    [
        pytest.param(
            [dose(h(0), "4", order="A", received=h(8)), dose(h(0), "2", order="A", received=SAME)],
            doses,
            ["2@0-0"],
            id="a dose corrected to less: the newest record",
        ),
        pytest.param(
            [dose(h(0), "2", order="A", received=SAME), dose(h(0), "2", order="A", received=SAME, deleted=True)],
            doses,
            [],
            id="told and deleted in one moment: deleted",
        ),
        pytest.param(
            [dose(h(0), "2", order="A", until=h(t), received=SAME) for t in (1, 3)],
            doses,
            ["2@0-3"],
            id="two ends told in one moment: the later",
        ),
        pytest.param(
            [dose(h(0), grams, order="A", received=SAME) for grams in (None, "2")],
            doses,
            ["2@0-0"],
            id="an amount and none told in one moment: the amount",
        ),
        pytest.param(
            [dose(h(0), "2", order="A"), given(Drug.MAGNESIUM, h(0), rate="1", order="A", until=h(2), grams="3")],
            doses,
            ["2@0-0", "3@0-2"],
            id="an amount and a rate of one order and start are two records",
        ),
        pytest.param(
            [dose(h(0), None, order="A"), dose(h(0), "2", order="B")],
            doses,
            ["None@0-0", "2@0-0"],
            id="two orders of one minute, of one the amount unknown: by their names",
        ),
        pytest.param([infusion(h(2), h(3)), dose(h(0), "2")], doses, ["2@0-0", "None@2-3"], id="by start"),
        pytest.param(
            [dialysis(h(0), h(2), received=h(8)), dialysis(h(0), h(1), received=SAME)],
            sessions,
            ["0-1"],
            id="a dialysis corrected to a shorter one",
        ),
        pytest.param(
            [dialysis(h(0), h(2), received=SAME), dialysis(h(0), h(1), received=SAME)],
            sessions,
            ["0-2"],
            id="two ends told in one moment: the later",
        ),
        pytest.param([dialysis(h(5), h(6)), dialysis(h(0), h(2))], sessions, ["0-2", "5-6"], id="dialyses by start"),
        pytest.param(
            [dose(h(0), None, order="A", received=SAME), dose(h(0), "0.5", order="A", received=SAME)],
            doses,
            ["0.5@0-0"],
            id="half a gram and no amount told in one moment: the amount",
        ),
        pytest.param(
            [ordered(h(0), received=SAME), ordered(h(0), received=SAME, cancelled=True)],
            pending,
            [],
            id="ordered and cancelled in one moment: cancelled",
        ),
        pytest.param(
            [ordered(h(3), received=SAME), ordered(h(1), received=SAME)],
            pending,
            [3],
            id="two times of one order told in one moment: the later",
        ),
        pytest.param(
            [ordered(h(3), received=h(8)), ordered(h(1), received=SAME)], pending, [1], id="an order set right"
        ),
        pytest.param(
            [ordered(h(0), cancelled=True, received=h(8)), ordered(h(2), received=SAME)],
            pending,
            [2],
            id="cancelled, then ordered anew",
        ),
        pytest.param([ordered(h(0), "A"), ordered(h(1), "B")], pending, [0, 1], id="two orders"),
        pytest.param(
            [ordered(h(1), "A"), mg(None, h(0), order="B", status="I")],
            pending,
            [0, 1],
            id="an order, and one announced",
        ),
        pytest.param(
            [dialysis(h(5), h(6)), dialysis(h(0), h(2))._replace(procedure_code="99999")],
            sessions,
            ["0-2", "5-6"],
            id="of two kinds, by start",
        ),
        pytest.param(
            [ordered(h(0), "A"), ordered(h(1), "B"), mg("0.9", h(2), order="B")],
            pending,
            [0],
            id="one of them answered",
        ),
    ],
)
def test_rules_2_the_newest_word_stands_in_any_order(
    facts: list[Fact], shown: Callable[[Chart], list[object]], expected: list[object]
) -> None:
    """The newest word stands; of one moment a deletion, the later end, the amount. RULES.md 2, 4.2."""
    for order in permutations(facts):
        assert shown(chart(*order, now=h(10))) == expected


def told(*facts: tuple[Fact, ...]) -> PatientState:
    """Return the state after messages an hour apart."""
    state = new_state(PATIENT)
    for n, message in enumerate(facts):
        state = advance(state, event(*message, at=h(n)), h(n))
    return state


@pytest.mark.parametrize(
    ("first", "again"),
    [
        pytest.param(dose(h(0), "2", order="A"), dose(h(0), "4", order="A"), id="a dose"),
        pytest.param(dialysis(h(0), h(1)), dialysis(h(0), h(2)), id="a dialysis"),
    ],
)
def test_rules_7_what_is_told_again_had_come_with_its_first_telling(first: Fact, again: Fact) -> None:
    """For the moments before the second telling it had come, as it is known now. RULES.md 7."""
    state = told((k("4", h(0)),), (first,), (again,))
    drawn = Chart(state, h(3), DEFAULT)
    counts = [
        len(drawn.known_by(seen, h(3)).magnesium_doses) + len(drawn.known_by(seen, h(3)).dialyses) for seen in range(4)
    ]
    assert counts == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("messages", "verdict"),
    [
        pytest.param([(1, "tube"), (2, "K")], "suspect", id="the word first"),
        pytest.param([(1, "K"), (2, "tube")], "suspect", id="the potassium first"),
        pytest.param([(1, "K")], "valid", id="no word"),
    ],
)
def test_rules_3_a_word_on_a_tube_beside_its_calcium_touches_its_potassium(
    messages: list[tuple[int, str]], verdict: str
) -> None:
    """Hemolysis told with the calcium of a tube touches the potassium that another message brings. RULES.md 3."""
    potassium, calcium = k("5.0", h(0), container="T"), ca("2.2", h(0), container="T")
    facts: dict[str, tuple[Fact, ...]] = {
        "tube": (calcium, said(calcium, Condition.HEMOLYZED)),
        "K": (potassium,),
    }
    state = told(*(facts[name] for _, name in messages))
    drawn = Chart(state, h(3), DEFAULT)
    assert drawn.potassium[0].verdict == verdict
    assert [draw.verdict for draw in drawn.calcium] == ["valid"] * (len(messages) - 1)


@pytest.mark.parametrize("condition", [Condition.CLOTTED, Condition.HEMOLYZED], ids=str)
@pytest.mark.parametrize("make", [k, ca, mg], ids=["potassium", "calcium", "magnesium"])
def test_rules_3_what_was_said_beside_a_result_goes_with_its_correction(
    make: Callable[..., Result], condition: Condition
) -> None:
    """Told in the message of the result, taken back by a correction that no longer says so. RULES.md 3."""
    first = make("2.1", h(0), order="A")
    again = make("2.1", h(0), order="A", status="C", resulted=h(1))
    touched = condition is Condition.CLOTTED or make is not ca
    state = told((first, said(first, condition)))
    series = {k: "all_potassium", ca: "calcium", mg: "all_magnesium"}[make]
    before = getattr(Chart(state, h(2), DEFAULT), series)
    assert [draw.why for draw in before if draw.why] == (
        ([] if series == "calcium" else ["clot"])
        if condition is Condition.CLOTTED
        else (["hemolysis"] if touched else [])
    )
    after = getattr(Chart(advance(state, event(again, at=h(2)), h(2)), h(2), DEFAULT), series)
    assert [draw.verdict for draw in after] == ["valid"]


@pytest.mark.parametrize(
    ("told_of", "birth", "sex"),
    [
        pytest.param([Demographics("19600501", ""), Demographics("", "F")], "19600501", "F", id="each tells a part"),
        pytest.param([Demographics("19600501", "M"), Demographics("", "")], "19600501", "M", id="nothing told"),
        pytest.param([Demographics("19600501", "M"), Demographics("19610501", "F")], "19610501", "F", id="corrected"),
    ],
)
def test_rules_6_what_is_known_of_a_person_is_not_forgotten(told_of: list[Demographics], birth: str, sex: str) -> None:
    """A message that tells no birth date or sex leaves what is known; another one corrects it. RULES.md 6."""
    state = told(*((one,) for one in told_of), (k("4", h(0)),))
    assert state.demographics == Demographics(birth, sex)


def test_rules_7_a_message_without_a_place_leaves_the_place() -> None:
    """Ward and visit are those told last; a message from before the newest transfer moves nobody. RULES.md 7."""
    play = Play()
    play.tell(adt("A01"), visit("V1", location="WARD1"), at=h(1))
    play.tell(k("4", h(2)), visit("", location=""), at=h(2))
    assert play.state is not None
    assert (play.state.location, play.state.visit_number) == ("WARD1", "V1")
    for at, place in ((h(1) - 1, "WARD1"), (h(1), "WARD2")):
        state = advance(play.state, event(visit("V2", location="WARD2"), at=at), h(3))
        assert (state.location, state.visit_number) == (place, "V2" if place == "WARD2" else "V1")
    play.tell(adt("A08", diagnoses=["I50"]), at=h(4))  # tells of no place
    last = play.state.encounters[-1]
    assert (last.visit_number, last.location, last.hospital_service) == ("", "", "")
    assert advance(play.state, event(visit("V2", location="WARD2"), at=h(3)), h(5)).location == "WARD2"


def test_rules_4_1_of_two_unmapped_magnesiums_the_newest_is_told() -> None:
    """Whatever their order of arrival, and over a merge. RULES.md 4.1, 7."""
    for first, second in ((h(1), h(5)), (h(5), h(1))):
        state = advance(new_state(PATIENT), event(at=h(6), unmapped=first), h(6))
        assert advance(state, event(at=h(7), unmapped=second), h(7)).unmapped_magnesium_at == h(5)
        other = advance(new_state(OTHER), event(at=h(6), unmapped=second, patient=OTHER), h(6))
        assert join_histories(state, other, h(8)).unmapped_magnesium_at == h(5)


def test_rules_7_a_merge_keeps_what_either_side_knows() -> None:
    """Ward, visit and person of the survivor, else of the other; a dropped history stays incomplete. RULES.md 7."""
    mine = new_state(PATIENT)._replace(visit_number="V1", demographics=Demographics("", "F"))
    theirs = new_state(OTHER)._replace(
        visit_number="V2", location="W2", demographics=Demographics("19600501", "M"), history_incomplete=True
    )
    joined = join_histories(mine, theirs, h(1))
    assert (joined.visit_number, joined.location, joined.history_incomplete) == ("V1", "W2", True)
    assert joined.demographics == Demographics("19600501", "F")
    assert (joined.patient, joined.now) == (PATIENT, h(1))
    assert join_histories(theirs, mine, h(1)).history_incomplete
    assert not join_histories(mine, mine, h(1)).history_incomplete
    assert (join_histories(mine, None, h(1)).seen, join_histories(mine, None, h(1)).last_event_at) == (1, h(1))


def test_rules_7_a_merge_brings_all_that_was_known() -> None:
    """Results, tubes, doses, dialyses, orders, context: all of the retired patient, in order. RULES.md 7."""
    doubted = ca("2.0", h(0), container="T")
    theirs = told(
        (adt("A01"), visit("V1", location="W1")),
        (k("5", h(0), container="T"),),
        (said(doubted, Condition.CLOTTED),),
        (dose(h(0), "2"), given(Drug.INSULIN, h(0))),
        (dialysis(h(0), h(1)), ordered(h(0))),
    )
    mine = told((adt("A08", diagnoses=["I50"]), visit("V2")), (said(doubted, Condition.HEMOLYZED),), (mg("0.9", h(1)),))
    joined = join_histories(mine, theirs, h(6))
    assert len(joined.results) == 2
    assert [entry.tube.condition for entry in joined.tubes] == [Condition.CLOTTED, Condition.HEMOLYZED]
    assert (len(joined.administrations), len(joined.dialyses), len(joined.magnesium_orders)) == (2, 1, 1)
    assert [fact.visit_number for fact in joined.encounters] == ["V2", "V1"]
    assert {entry.came for entry in joined.administrations} == {joined.seen} == {4}
    assert {entry.came for entry in joined.dialyses} == {4}
