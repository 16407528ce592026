"""RULES.md 2, 7: the stored results as they are read, kept and dropped, and versions that say nothing yet."""

from decimal import Decimal

import pytest

from rules.chart import Chart
from rules.draws import SUSPECT
from rules.events import Analyte, Condition, Tube
from rules.patient import PatientState
from rules.results import Results
from rules.rulebook import DEFAULT
from rules.versions import StoredResult, draw_order, version_order
from tests.unit.rules.builders import Fact, Play, ca, chart, crea, h, ica, k, mg, said

SEVERAL = [
    StoredResult(fact, came)
    for came, fact in enumerate(
        (
            k("5.0", h(2), order="R2"),
            mg("0.8", h(1), order="R1"),
            ca("2.1", h(1), order="R3"),
            k("4.0", h(1), order="R4"),
            ca("2.2", h(1), order="R0", resulted=h(3)),
            ica("1.1", h(0), order="R5"),
            k("4.5", h(0), order="R4"),
            crea("90", h(3), order="R0"),
        ),
        1,
    )
]
"""Eight results of five analytes, four of them of one draw time."""


def test_rules_2_results_are_read_by_draw() -> None:
    """All analytes together: by draw, then by result time, then by order number. RULES.md 2."""
    read = [(entry.result.observed_at, entry.result.order_number) for entry in Results.of(SEVERAL)]
    assert [at for at, _ in read] == [h(0), h(0), h(1), h(1), h(1), h(1), h(2), h(3)]
    assert [order for at, order in read if at == h(1)] == ["R1", "R3", "R4", "R0"]
    assert [result.order_number for result in Results.of(SEVERAL).drawn_at(h(1))] == ["R1", "R3", "R4", "R0"]


@pytest.mark.parametrize("excess", range(1, len(SEVERAL) + 1))
def test_rules_7_the_oldest_go_first_whatever_their_analyte(excess: int) -> None:
    """Those that are left are the newest by draw; of one draw time the lower order numbers go first. RULES.md 7."""
    left = Results.of(SEVERAL).without_oldest(excess)
    assert list(left) == sorted(SEVERAL, key=draw_order)[excess:]
    assert all(series.columns.marks for series in left.series.values())


@pytest.mark.parametrize(
    ("horizon", "potassium", "kept"),
    [
        pytest.param(h(0), h(0), 8, id="nothing is older"),
        pytest.param(h(0) + 1, h(0) + 1, 6, id="what is older goes"),
        pytest.param(h(1), h(1), 6, id="what is as old stays"),
        pytest.param(h(2), h(0), 4, id="the potassiums of an open episode stay, older or not"),
        pytest.param(h(2), h(1), 3, id="those of its time"),
        pytest.param(h(1), h(3), 6, id="a potassium that no episode asks for is kept like any result"),
        pytest.param(h(3) + 1, h(3) + 1, 0, id="all are older"),
    ],
)
def test_rules_7_what_is_kept(horizon: int, potassium: int, kept: int) -> None:
    """Results of the time, and of potassiums also what an open episode rests on. RULES.md 7."""
    left = Results.of(SEVERAL).since(horizon, potassium)
    assert len(left) == kept
    assert all(
        entry.result.observed_at >= (min(horizon, potassium) if entry.result.analyte is Analyte.POTASSIUM else horizon)
        for entry in left
    )


def three_weeks(*facts: Fact) -> PatientState:
    """Return the state after an episode of three weeks, begun with *facts*."""
    play = Play()
    play.tell(*(fact for fact in facts if not isinstance(fact, Tube)), at=h(0))
    play.tell(*(fact for fact in facts if isinstance(fact, Tube)), at=h(1))
    for hour in range(12, 21 * 24, 12):
        play.tell(k("5.6", h(hour)))
    assert play.state is not None
    return play.state


def test_rules_7_an_open_episode_keeps_no_calcium() -> None:
    """What an episode of three weeks asks for is its potassiums; other results of its beginning go. RULES.md 7."""
    state = three_weeks(k("5.6", h(0)), ca("2.3", h(0)), crea("80", h(0)))
    assert [entry.result.analyte for entry in state.results if entry.result.observed_at == h(0)] == [Analyte.POTASSIUM]


def test_rules_7_what_was_said_of_the_tube_of_a_kept_potassium_is_kept() -> None:
    """A word on a tube that came by itself stays as long as a result of that tube, and no longer. RULES.md 3, 7."""
    first, calcium = k("5.6", h(0)), ca("2.3", h(0))
    state = three_weeks(first, calcium, said(first, Condition.HEMOLYZED), said(calcium, Condition.CLOTTED))
    assert [entry.tube.container for entry in state.tubes] == [first.container]
    assert Chart(state, state.now, DEFAULT).all_potassium[0].verdict == SUSPECT


# Versions that say nothing yet


def test_rules_2_announced_then_preliminary_is_still_pending() -> None:
    """A magnesium announced (I) and then preliminary (P) is pending, whichever came first, and not counted."""
    announced, preliminary = mg(None, h(1), order="A", status="I"), mg("0.6", h(1), order="A", status="P")
    for versions in ((announced, preliminary), (preliminary, announced)):
        drawn = chart(*versions, now=h(2))
        assert drawn.magnesium_pending(h(2))
        assert len(drawn.all_magnesium) == 0


def test_rules_2_a_version_without_a_value_is_older_than_one_with_any() -> None:
    """Of one time, rank and arrival the higher value is the newer; no value is lower than the lowest. RULES.md 2."""
    blank, least = mg(None, h(1), order="A", status="U"), mg("0.05", h(1), order="A", status="U")
    assert version_order(blank) < version_order(least)
    preliminary = mg("0.9", h(1), order="A", status="P")
    for versions in ((preliminary, blank, least), (least, blank, preliminary)):
        assert [draw.value for draw in chart(*versions, now=h(2)).magnesium] == [Decimal("0.05")]
