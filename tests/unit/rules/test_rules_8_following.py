"""A judgement that begins with the chart of the last one changes nothing in it, and is none the worse for it."""

from rules import engine
from rules.alert import Rule
from rules.events import Drug
from rules.rulebook import DEFAULT, load
from tests.unit.rules.builders import ca, d, egfr, event, given, h, k, mg

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
