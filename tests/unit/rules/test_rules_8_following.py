"""A judgement that begins with the chart of the last one changes nothing in it, and is none the worse for it."""

import pytest

from rules import engine
from rules.alert import Rule
from rules.chart import Chart
from rules.events import Condition, Drug
from rules.patient import advance, new_state
from rules.rulebook import DEFAULT, load
from tests.unit.rules.builders import PATIENT, Fact, ca, d, egfr, event, given, h, k, mg, said

BEFORE = event(k("5.6", h(-3)), mg("0.5", h(0)), ca("1.6", h(0)), at=h(0))
CONTAMINATED = event(k("6.2", h(0)), at=h(1))


def test_rules_3_a_pattern_that_shows_later_leaves_the_chart_before_as_it_was() -> None:
    """A potassium that makes a tube suspect makes it so from then on, not in what was judged before. RULES.md 3."""
    first = engine.judge(None, BEFORE, now=h(0), rulebook=DEFAULT)
    assert first.chart is not None
    assert [draw.valid for draw in (*first.chart.magnesium, *first.chart.calcium)] == [True, True]
    for _ in range(2):
        second = engine.judge(first.state, CONTAMINATED, now=h(1), rulebook=DEFAULT, chart=first.chart)
        assert second.chart is not None
        assert [draw.why for draw in (*second.chart.magnesium, *second.chart.calcium)] == ["edta", "edta"]
        assert [draw.valid for draw in (*first.chart.magnesium, *first.chart.calcium)] == [True, True]


def test_rules_3_a_pattern_that_is_gone_is_taken_back() -> None:
    """With the potassium withdrawn the magnesium and calcium of its tube are believed again. RULES.md 3."""
    first = engine.judge(None, BEFORE, now=h(0), rulebook=DEFAULT)
    second = engine.judge(first.state, CONTAMINATED, now=h(1), rulebook=DEFAULT, chart=first.chart)
    withdrawn = event(k(None, h(0), status="D", resulted=h(2)), at=h(2))
    third = engine.judge(second.state, withdrawn, now=h(2), rulebook=DEFAULT, chart=second.chart)
    assert third.chart is not None
    assert [draw.valid for draw in (*third.chart.magnesium, *third.chart.calcium)] == [True, True]


def test_rules_8_a_chart_is_followed_from_its_own_state_and_rulebook_alone() -> None:
    """Any other state, and any other rulebook, is judged by itself. RULES.md 8."""
    first = engine.judge(None, BEFORE, now=h(0), rulebook=DEFAULT)
    assert first.chart is not None
    assert first.chart.follows(first.state, DEFAULT)
    assert not first.chart.follows(first.state, load({}))
    assert first.state is not None
    assert not first.chart.follows(first.state._replace(now=h(1)), DEFAULT)
    assert first.chart.state is first.state


def test_rules_5_kidneys_that_fail_reach_what_was_found_before() -> None:
    """Digoxin of three days ago steps a low potassium up as soon as the kidneys are known to fail. RULES.md 4.1, 5."""
    low = event(k("3.2", h(-6)), k("3.2", h(0)), mg("0.6", h(0)), given(Drug.DIGOXIN, d(-3)), at=h(0))
    first = engine.judge(None, low, now=h(0), rulebook=DEFAULT)
    after = engine.judge(first.state, event(egfr("20", h(0)), at=h(1)), now=h(1), rulebook=DEFAULT, chart=first.chart)
    assert [(t.rule, t.change.value, t.severity.label) for t in after.transitions] == [
        (Rule.REFRACTORY_HYPOKALEMIA, "escalated", "high")
    ]


FIRST = (k("4.0", h(0)), k("4.1", h(3)), mg("0.9", h(3)))
WITH_CALCIUM = (*FIRST, ca("2.2", h(3)))
ONCE_HIGH = (k("6.1", h(0)), *WITH_CALCIUM[1:])
DOUBTED = (*FIRST, k("6.7", h(4)))
"""Its last potassium jumps."""
ELSEWHERE = k("4.3", h(9), container="T")
CLOTTED = k("4.6", h(-2))


@pytest.mark.parametrize(
    ("known", "came", "taken", "verdicts"),
    [
        pytest.param(FIRST, [k("4.4", h(9))], True, "vvv", id="a later one"),
        pytest.param(FIRST, [mg("0.8", h(9))], True, "vv", id="a later magnesium"),
        pytest.param(FIRST, [k("4.4", h(9)), k("4.6", h(10))], True, "vvvv", id="two later ones"),
        pytest.param(FIRST, [k("4.4", h(1))], False, "vvv", id="one drawn before the last"),
        pytest.param(FIRST, [k("4.4", h(3), order="B")], False, "vv", id="another of its specimen"),
        pytest.param(FIRST, [k("4.3", h(0), status="C")], False, "vv", id="a correction"),
        pytest.param(FIRST, [k(None, h(9), status="I")], False, "vv", id="one announced"),
        pytest.param(FIRST, [ELSEWHERE, said(ELSEWHERE, Condition.HEMOLYZED)], False, "vvs", id="a hemolyzed one"),
        pytest.param((*FIRST, said(ELSEWHERE, Condition.HEMOLYZED)), [ELSEWHERE], False, "vvs", id="told of before it"),
        pytest.param(
            (CLOTTED, said(CLOTTED, Condition.CLOTTED), *FIRST),
            [k("4.4", h(9))],
            True,
            "vvv",
            id="beside a clotted one",
        ),
        pytest.param(
            (k("4.2", h(0), resulted=h(1), status="C"), *FIRST),
            [k("4.4", h(9))],
            True,
            "vvv",
            id="beside a corrected one",
        ),
        pytest.param(FIRST, [k("6.5", h(5))], True, "vvv", id="a rise of 2.4"),
        pytest.param(FIRST, [k("6.6", h(6))], False, "vvs", id="a jump of 2.5 in 3 h"),
        pytest.param(FIRST, [k("6.6", h(6) + 1)], True, "vvv", id="of 2.5 in more than 3 h"),
        pytest.param(FIRST, [k("1.6", h(5))], False, "vvs", id="a jump down"),
        pytest.param(FIRST, [k("5.9", h(5)), k("3.4", h(6))], False, "vvvs", id="the second jumps"),
        pytest.param(DOUBTED, [k("6.4", h(7))], False, "vvsv", id="one near to a doubtful one, within 3 h"),
        pytest.param(DOUBTED, [k("6.4", h(7) + 1)], True, "vvsv", id="later than that"),
        pytest.param(WITH_CALCIUM, [k("5.9", h(9)), ca("1.6", h(9))], True, "vvv", id="5.9 is no EDTA pattern"),
        pytest.param(WITH_CALCIUM, [k("6.0", h(9)), ca("1.6", h(9))], False, "vvs", id="6.0 is one"),
        pytest.param(ONCE_HIGH, [k("5.9", h(9)), ca("1.6", h(9))], True, "vvv", id="a high one is known"),
        pytest.param(ONCE_HIGH, [k("6.0", h(9))], False, "vvv", id="another high one"),
        pytest.param(ONCE_HIGH, [ca("1.6", h(3) + 1)], True, "vv", id="calcium later than it"),
        pytest.param((k("6.1", h(3)), *WITH_CALCIUM[2:]), [mg("0.5", h(9))], True, "v", id="a magnesium later than it"),
        pytest.param((k("6.1", h(3)), ca("2.2", h(0))), [ca("1.6", h(3))], False, "s", id="the calcium of its tube"),
        pytest.param((k("6.1", h(3)),), [ca("1.6", h(3))], False, "s", id="the first calcium, of its tube"),
    ],
)
def test_rules_3_what_is_taken_over_when_later_draws_come(
    known: tuple[Fact, ...], came: list[Fact], taken: bool, verdicts: str
) -> None:
    """Draws go on as they are where no verdict can change, and the later ones are valid; else all is judged anew."""
    state = advance(new_state(PATIENT), event(*known, at=h(10)), h(10))
    before = Chart(state, h(10), DEFAULT)
    first, _, _ = before.potassium[0], before.magnesium, before.calcium
    then = advance(state, event(*came, at=h(11)), h(11))
    after, anew = Chart(then, h(11), DEFAULT, before=before), Chart(then, h(11), DEFAULT)
    assert (after.potassium[0] is first) is taken
    for part in ("potassium", "magnesium", "calcium"):
        assert repr(list(getattr(after, part))) == repr(list(getattr(anew, part)))
    assert "".join(draw.verdict[0] for draw in after.potassium) == verdicts


def test_rules_3_a_potassium_of_a_tube_that_is_known_leaves_the_chart_before_as_it_was() -> None:
    """The first potassium shows the K-EDTA pattern of a calcium known before; that one stays as it was judged then."""
    state = advance(new_state(PATIENT), event(mg("0.5", h(0)), ca("1.6", h(0)), at=h(1)), h(1))
    before = Chart(state, h(1), DEFAULT)
    assert [draw.verdict for draw in (*before.magnesium, *before.calcium)] == ["valid", "valid"]
    after = Chart(advance(state, event(k("6.5", h(0)), at=h(2)), h(2)), h(2), DEFAULT, before=before)
    assert [draw.verdict for draw in (*after.potassium, *after.magnesium, *after.calcium)] == ["suspect"] * 3
    assert [draw.verdict for draw in (*before.magnesium, *before.calcium)] == ["valid", "valid"]
