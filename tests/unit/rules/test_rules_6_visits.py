"""RULES.md 6, 7: what is kept of ADT messages, and in which order they are read."""

import itertools

import pytest

from rules.patient import advance, new_state
from tests.unit.rules.builders import PATIENT, Fact, adt, event, h, visit


def update(number: str, code: str) -> tuple[Fact, Fact]:
    """Return an update (A08) of a visit with a diagnosis."""
    return adt("A08", diagnoses=[code]), visit(number)


def turn(trigger: str) -> tuple[Fact, Fact]:
    """Return what turns a visit."""
    return adt(trigger), visit("V1")


@pytest.mark.parametrize(
    ("messages", "kept"),
    [
        pytest.param([update("V1", "I50")] * 3, "V1 V1 V1:I50", id="the same three times"),
        pytest.param(
            [update("V1", "I50"), update("V1", "N18"), update("V1", "I50")], "V1 V1:N18 V1:I50", id="said before"
        ),
        pytest.param([update("V1", "I50"), update("V2", "I50")], "V1:I50 V2:I50", id="of another visit"),
        pytest.param(
            [update("V1", "I50"), update("V2", "I50"), update("V1", "I50")], "V1 V2:I50 V1:I50", id="of one before"
        ),
        pytest.param([update("V1", "I50"), turn("A03"), update("V1", "I50")], "V1 A03 V1:I50", id="after a discharge"),
        pytest.param([update("V1", "I50"), turn("A01"), update("V1", "I50")], "V1 A01 V1:I50", id="after an admission"),
        pytest.param([turn("A03")] * 2, "A03 A03", id="a discharge told twice"),
        pytest.param([turn("A13")] * 2, "A13 A13", id="its cancel told twice"),
        pytest.param([turn("A11")] * 2, "A11 A11", id="an admission's cancel told twice"),
    ],
)
def test_rules_6_what_says_the_same_of_a_visit_is_said_once(messages: list[tuple[Fact, Fact]], kept: str) -> None:
    """By the newest, however they come; the others only mark the visit. What turns a visit always stays."""
    for order in itertools.permutations(range(len(messages))):
        state = new_state(PATIENT)
        for n in order:
            state = advance(state, event(*messages[n], at=h(n)), h(9))
        said = [
            fact.trigger if fact.turns else ":".join((fact.visit_number, *fact.diagnoses)) for fact in state.encounters
        ]
        assert " ".join(said) == kept
        assert [fact.received_at for fact in state.encounters] == [h(n) for n in range(len(messages))]


def test_rules_7_of_one_millisecond_the_order_is_that_of_the_log() -> None:
    """Kafka may give a batch one time; what was told last is the latest. RULES.md 7."""
    told = [update("V1", "I50"), update("V2", "I50"), update("V1", "I50"), turn("A03"), turn("A13")]
    names = ["A08 V1", "A08 V2", "A08 V1", "A03 V1", "A13 V1"]
    for order in itertools.permutations(range(5)):
        state = new_state(PATIENT)
        for n in order:
            state = advance(state, event(*told[n], at=h(0)), h(1))
        found = [f"{fact.trigger} {fact.visit_number}" for fact in state.encounters]
        assert found == [names[n] for n in order]
