"""RULES.md 2: results and their versions: which one stands, whatever the order in which they came."""

from decimal import Decimal
from itertools import permutations

import pytest

from rules.chart import Chart
from rules.events import HOUR, MINUTE, Condition, Result
from rules.patient import advance, new_state
from rules.rulebook import DEFAULT
from rules.versions import identity, version_order
from tests.unit.rules.builders import PATIENT, Fact, chart, dialysis, egfr, event, h, k, mg, ordered, said


def one(value: str | None, status: str = "F", at: int = 0, *, resulted: int = 0, received: int = 0) -> Result:
    """Return a version of the potassium of order A: drawn, resulted and received so many minutes into the play."""
    return k(
        value,
        h(0) + at * MINUTE,
        status=status,
        order="A",
        resulted=h(1) + resulted * MINUTE,
        received=h(2) + received * MINUTE,
        container="A",
    )


def values(*versions: Fact) -> list[str]:
    """Return the potassiums that stand, in order of draw; the same for every order of arrival."""
    found = {
        tuple(f"{draw.value}@{(draw.at - h(0)) // MINUTE}" for draw in chart(*order, now=h(9)).all_potassium)
        for order in permutations(versions)
    }
    assert len(found) == 1
    return list(found.pop())


@pytest.mark.parametrize(
    ("versions", "stands"),
    [
        pytest.param([one("5.0"), one("6.0", resulted=1)], ["6.0@0"], id="the later result time"),
        pytest.param([one("5.0", resulted=1), one("6.0", received=9)], ["5.0@0"], id="not the later arrival"),
        pytest.param([one("5.0"), one("6.0", "C")], ["6.0@0"], id="the rank of a correction of the same time"),
        pytest.param([one("5.0", "C"), one("6.0", resulted=1)], ["6.0@0"], id="a final after a correction"),
        pytest.param([one("5.0"), one("6.0", received=1)], ["6.0@0"], id="the later arrival of equals"),
        pytest.param([one("5.0"), one("6.0")], ["6.0@0"], id="the higher value of equals"),
        pytest.param([one("5.0"), one(None, "W")], [], id="withdrawn: the wrong patient"),
        pytest.param([one("5.0"), one(None, "D")], [], id="deleted"),
        pytest.param([one("5.0"), one(None, "X")], [], id="cannot be obtained"),
        pytest.param([one("5.0"), one("5.1", "C"), one(None, "X")], [], id="X outranks a correction"),
        pytest.param([one("5.0", resulted=1), one(None, "W")], ["5.0@0"], id="a withdrawal older than the result"),
        pytest.param([one("5.0", "P"), one("5.2")], ["5.2@0"], id="preliminary, then final"),
        pytest.param([one("5.0", "P")], [], id="preliminary is not counted"),
        pytest.param([one("5.0", "R")], [], id="entered, not verified, is not counted"),
        pytest.param([one(None, "I")], [], id="pending"),
        pytest.param([one("5.0", "P"), one(None, "U")], ["5.0@0"], id="U makes the preliminary final"),
        pytest.param([one("5.0", "P"), one("5.4", "U")], ["5.4@0"], id="U with a value of its own"),
        pytest.param(
            [one("5.0", at=60), one(None, "U", 30, resulted=1), one(None, "U", 0, resulted=2)],
            ["5.0@0"],
            id="two U, each with another time",
        ),
        pytest.param(
            [one("5.0", at=60), one(None, "X", 60), one(None, "U", 30, resulted=1), one(None, "U", 0, resulted=2)],
            [],
            id="two U after a retraction",
        ),
        pytest.param(
            [one("5.6", "P"), one("5.1", "P", resulted=1), one(None, "U", resulted=2)],
            ["5.1@0"],
            id="U makes the newest of two preliminary ones final",
        ),
        pytest.param(
            [one("5.0"), one("5.0", "D", resulted=1), one(None, "U", resulted=2)],
            [],
            id="U after a deletion with value",
        ),
        pytest.param([one(None, "U")], [], id="U of nothing"),
        pytest.param([one(None, "U"), one(None, "U", 60)], [], id="two U of nothing"),
        pytest.param([one("5.0"), one(None, "X"), one(None, "U", resulted=1)], [], id="U after a retraction"),
        pytest.param([one("5.0"), one("6.0", at=60)], ["5.0@0", "6.0@60"], id="serial draws under one order"),
    ],
)
def test_rules_2_the_newest_version_stands(versions: list[Result], stands: list[str]) -> None:
    """Result time, status rank, arrival, value decide, in this order, for any order of arrival. RULES.md 2."""
    assert values(*versions) == stands


@pytest.mark.parametrize(
    ("revision", "stands"),
    [
        pytest.param(one("5.9", "C", 60, resulted=1), ["5.0@0", "5.9@60"], id="of the draw with its time"),
        pytest.param(one("5.9", "C", 90, resulted=1), ["5.0@0", "5.9@90"], id="else of the latest draw before it"),
        pytest.param(one("5.9", "C", 30, resulted=1), ["5.9@30", "6.0@60"], id="a time between belongs to the earlier"),
        pytest.param(one("5.9", "C", -30, resulted=1), ["5.9@-30", "6.0@60"], id="before all: of the earliest"),
        pytest.param(one(None, "W", 90), ["5.0@0"], id="a withdrawal with another time"),
        pytest.param(one(None, "U", 90, resulted=1), ["5.0@0", "6.0@90"], id="U with another time takes its time"),
    ],
)
def test_rules_2_a_revision_belongs_to_a_draw(revision: Result, stands: list[str]) -> None:
    """C, D, W, X and U are versions of a draw that is known; the result has its newest version's draw. RULES.md 2."""
    assert values(one("5.0"), one("6.0", at=60), revision) == stands


def test_rules_2_a_revision_is_assigned_anew_with_each_message() -> None:
    """A correction that came before its original's neighbour still finds its own draw. RULES.md 2."""
    assert values(one("5.9", "C", 30, resulted=9), one("6.0", at=60)) == ["5.9@30"]
    assert values(one("5.9", "C", 30, resulted=9), one("6.0", at=60), one("5.0")) == ["5.9@30", "6.0@60"]


def test_rules_2_revisions_alone_are_draws_of_their_own() -> None:
    """With no version of another status, each time is a draw of its own. RULES.md 2."""
    assert values(one("5.0", "C"), one("6.0", "C", 60)) == ["5.0@0", "6.0@60"]


def test_rules_2_identity_is_order_code_and_sub_id() -> None:
    """Another code or sub-id is another result; another draw time is another draw. RULES.md 2."""
    assert identity(k("5", h(0), order="A")) == identity(k("6", h(1), order="A"))
    assert len({identity(k("5", h(0), order="A", **more)) for more in ({}, {"code": "6298-4"}, {"sub": "1"})}) == 3


@pytest.mark.parametrize("pair", ["WD", "DX", "XC", "CA", "AF", "FP", "PR", "RI"], ids="-".join)
def test_rules_2_status_ranks(pair: str) -> None:
    """Of equal times the status decides: W D X C, then A B V, F U, P S, R, I O N. RULES.md 2."""
    higher, lower = (version_order(one("5.0", status)) for status in pair)
    assert higher > lower


@pytest.mark.parametrize("pair", ["AB", "AV", "FU", "PS", "IO", "IN"], ids="=".join)
def test_rules_2_statuses_of_one_rank(pair: str) -> None:
    """A B V, F U, P S and I O N are of one rank each. RULES.md 2."""
    first, second = (version_order(one("5.0", status)) for status in pair)
    assert first == second


@pytest.mark.parametrize(
    ("candidates", "speaks"),
    [
        pytest.param([k("5.0", h(0), resulted=h(1)), k("6.0", h(0), order="B", resulted=h(2))], "6.0", id="the newer"),
        pytest.param([k("5.0", h(0), resulted=h(1)), k("6.0", h(0), order="B", resulted=h(1))], "6.0", id="the higher"),
    ],
)
def test_rules_2_one_analyte_twice_in_a_specimen(candidates: list[Result], speaks: str) -> None:
    """Of two orders of one draw the newer speaks, then the higher; the other is evidence only. RULES.md 2."""
    for order in permutations(candidates):
        (draw,) = chart(*order, now=h(3)).all_potassium
        assert (draw.value, len(draw.others)) == (Decimal(speaks), 1)


@pytest.mark.parametrize(
    ("condition", "speaks"),
    [(Condition.HEMOLYZED, "5.0"), (Condition.CLOTTED, "5.0"), (None, "6.0")],
    ids=["a valid one before a hemolyzed", "before a clotted", "both valid: the newer"],
)
def test_rules_2_a_believed_tube_speaks_first(condition: Condition | None, speaks: str) -> None:
    """A valid result speaks before a suspect one, that before an invalid one. RULES.md 2."""
    newer = k("6.0", h(0), order="B", resulted=h(2))
    words = [] if condition is None else [said(newer, condition)]
    (draw,) = chart(k("5.0", h(0), resulted=h(1)), newer, *words, now=h(3)).all_potassium
    assert draw.value == Decimal(speaks)


def test_rules_2_of_reported_egfrs_the_lowest_speaks() -> None:
    """Of several reported eGFR of one time the lowest speaks; one of a clotted tube does not. RULES.md 2, 6."""
    clotted = egfr("5", h(0), order="C")
    facts = (egfr("40", h(0), order="A", resulted=h(3)), egfr("28", h(0), order="B"), clotted)
    drawn = chart(*facts, said(clotted, Condition.CLOTTED), now=h(4))
    assert [draw.value for draw in drawn.egfr] == [Decimal(28)]


@pytest.mark.parametrize(
    ("facts", "pending"),
    [
        pytest.param([mg(None, h(0), status="I")], 1, id="announced"),
        pytest.param([mg("0.8", h(0), status="P")], 1, id="preliminary"),
        pytest.param([mg("0.8", h(0))], 0, id="final"),
        pytest.param(
            [mg(None, h(0), status="I", order="A"), mg("0.8", h(0), order="A")], 0, id="announced, then final"
        ),
        pytest.param([mg(None, h(0), status="X")], 0, id="cancelled"),
        pytest.param([ordered(h(0))], 1, id="ordered"),
        pytest.param([ordered(h(0), received=h(1)), ordered(h(0), cancelled=True)], 0, id="ordered, then cancelled"),
        pytest.param([ordered(h(0), "A"), mg("0.8", h(1), order="A")], 0, id="ordered, then resulted"),
        pytest.param(
            [ordered(h(0), "P"), mg("0.8", h(1), order="A", placer="P")], 0, id="resulted by its placer number"
        ),
        pytest.param([k(None, h(0), status="I")], 0, id="another analyte"),
    ],
)
def test_rules_2_pending_magnesium(facts: list[Fact], pending: int) -> None:
    """A magnesium announced, provisional or ordered is pending until its result or its cancel. RULES.md 2."""
    assert len(chart(*facts, now=h(10)).pending_magnesium_at) == pending


def test_rules_2_the_newest_word_on_an_order_stands() -> None:
    """An order cancelled, whichever message came first, is cancelled. RULES.md 2."""
    facts = (ordered(h(0), received=h(1)), ordered(h(0), cancelled=True, received=h(1) + HOUR))
    for order in permutations(facts):
        assert chart(*order, now=h(10)).pending_magnesium_at == []


def test_rules_2_the_newest_word_on_a_dialysis_and_on_a_tube_stands() -> None:
    """A session told twice has the newer end; a tube's word the time when last said. RULES.md 2."""
    short, long = dialysis(h(0), h(2), received=h(3)), dialysis(h(0), h(4), received=h(5))
    of = k("5.0", h(0))
    words = [said(of, Condition.CLOTTED, received=at) for at in (h(1), h(2))]
    for order in permutations((short, long)):
        assert [session.ended_at for session in chart(*order, now=h(9)).dialyses] == [h(4)]
    for first, second in permutations(words):
        state = new_state(PATIENT)
        for word in (first, second):
            state = advance(state, event(word, at=h(3)), h(3))
        assert [entry.tube.received_at for entry in state.tubes] == [h(2)]


def came(*versions: Result) -> list[int]:
    """Return the number of the event with which each potassium that stands first came."""
    state = new_state(PATIENT)
    for version in versions:
        state = advance(state, event(version, at=h(3)), h(3))
    return [draw.came for draw in Chart(state, h(3), DEFAULT).all_potassium]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param([one("5.0"), one("5.1", "C")], [1], id="a correction came with its original"),
        pytest.param([one("5.0", "P"), one("5.0")], [2], id="a preliminary one had not come yet"),
        pytest.param([one(None, "I"), one("5.0", "P"), one("5.0"), one("5.1", "C")], [3], id="the first usable one"),
        pytest.param([one("5.0", "P"), one(None, "U")], [2], id="U makes it come"),
    ],
)
def test_rules_7_when_a_result_had_come(versions: list[Result], expected: list[int]) -> None:
    """A result had come to the patient with its first usable version, whatever its present one says. RULES.md 7."""
    assert came(*versions) == expected


def test_rules_7_what_spoke_before_another_tube_came() -> None:
    """Of three tubes of a draw the best of those that had come speaks for the moment before the last. RULES.md 2, 7."""
    state = new_state(PATIENT)
    for n, potassium in enumerate(("5.0", "5.4", "5.2", "6.0")):
        tube = k(potassium, h(0), order=f"T{n}", resulted=h(1) + (2 - n) % 3)
        words = (said(tube, Condition.HEMOLYZED),) if n == 0 else ()
        state = advance(state, event(tube, *words, at=h(2)), h(2))
    drawn = Chart(state, h(2), DEFAULT)
    spoke = [[str(draw.value) for draw in drawn.known_by(count, h(2)).all_potassium] for count in range(5)]
    assert spoke == [[], ["5.0"], ["5.4"], ["5.4"], ["6.0"]]


def test_rules_7_what_was_pending_at_a_moment() -> None:
    """A magnesium announced with the second message was pending from that on, and not before. RULES.md 4.1, 7."""
    state = new_state(PATIENT)
    for fact in (k("6.0", h(0)), mg(None, h(0), status="I")):
        state = advance(state, event(fact, at=h(1)), h(1))
    drawn = Chart(state, h(1), DEFAULT)
    assert [drawn.known_by(count, h(1)).pending_magnesium_at for count in range(3)] == [[], [], [h(0)]]


def test_rules_3_a_correction_may_tell_of_the_tube_what_its_original_did_not() -> None:
    """Hemolysis that the newest version tells of makes its result suspect. RULES.md 2, 3."""
    state = new_state(PATIENT)
    first, again = one("5.9"), one("5.9", "C", resulted=1)
    state = advance(state, event(first, at=h(3)), h(3))
    state = advance(state, event(again, said(again, Condition.HEMOLYZED), at=h(4)), h(4))
    assert [draw.verdict for draw in Chart(state, h(4), DEFAULT).potassium] == ["suspect"]


def test_rules_2_draws_are_read_from_the_newest_on() -> None:
    """Each once, the newest first, the oldest last."""
    drawn = chart(k("4.0", h(0)), k("5.0", h(1))).potassium
    assert [draw.at for draw in reversed(drawn)] == [h(1), h(0)]


def test_rules_2_a_draw_set_right_to_another_time_is_found_by_its_name() -> None:
    """An alert that stood on it keeps its name; a correction moved it from 0 h to 1 h."""
    first = k("6.0", h(0), order="A")
    (name,) = [draw.key for draw in chart(first).potassium]
    moved = chart(first, k("6.1", h(1), order="A", status="C", resulted=h(2))).named(name)
    assert moved is not None
    assert (moved.at, str(moved.value)) == (h(1), "6.1")
