"""RULES.md 2, 3: two tubes of one specimen, of which one speaks; what is said of the specimen is said of both."""

import pytest

from rules.events import Condition
from tests.unit.rules.builders import Fact, Play, ca, chart, h, k, mg, said

HIGH, HIGHER = k("6.5", h(1), order="A"), k("6.6", h(1), order="B", resulted=h(2))


@pytest.mark.parametrize(
    ("facts", "verdict", "why"),
    [
        pytest.param([k("6.0", h(0))], "valid", "", id="neither jumps"),
        pytest.param([k("4.0", h(0))], "suspect", "jump", id="the specimen jumps"),
        pytest.param([ca("1.2", h(1))], "suspect", "edta", id="the specimen shows the EDTA pattern"),
        pytest.param([k("4.0", h(0)), ca("1.2", h(1))], "suspect", "edta", id="the pattern, which also jumps"),
        pytest.param([said(HIGHER, Condition.HEMOLYZED)], "suspect", "hemolysis", id="the other tube is hemolyzed"),
    ],
)
def test_rules_3_what_is_said_of_a_specimen_is_said_of_both_its_tubes(
    facts: list[Fact], verdict: str, why: str
) -> None:
    """The tube that does not speak for a specimen that jumps, or shows EDTA, is as suspect; hemolysis is its tube's."""
    draw = chart(*facts, HIGH, HIGHER).all_potassium[-1]
    (other,) = draw.others
    if why == "hemolysis":
        assert (draw.value, draw.verdict) == (HIGH.value, "valid")
        assert (other.value, other.verdict, other.why) == (HIGHER.value, verdict, why)
    else:
        assert [(one.verdict, one.why, one.valid) for one in (draw, other)] == [(verdict, why, verdict == "valid")] * 2


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (Condition.CLOTTED, "clot"),
        (Condition.CONTAMINATED, "clot"),
        (Condition.GROSSLY_HEMOLYZED, "hemolysis"),
        (Condition.HEMOLYZED, "hemolysis"),
    ],
)
def test_rules_3_why_a_tube_is_doubted(condition: Condition, why: str) -> None:
    """The reason goes with the verdict: the words name it. RULES.md 3."""
    of = k("6.0", h(0))
    assert [draw.why for draw in chart(of, said(of, condition)).all_potassium] == [why]


def test_rules_3_asked_in_any_order_the_verdicts_are_the_same() -> None:
    """Calcium or magnesium asked for first, potassium later, or twice: the pattern is seen. RULES.md 3."""
    facts = (k("6.5", h(0)), ca("1.2", h(0)), mg("0.4", h(0)))
    for names in (("calcium", "magnesium", "all_potassium"), ("magnesium", "potassium", "potassium", "calcium")):
        drawn = chart(*facts)
        assert [getattr(drawn, name)[0].verdict for name in names] == ["suspect"] * len(names)


@pytest.mark.parametrize(
    ("later", "verdicts"),
    [
        pytest.param(ca("1.2", h(0)), {"potassium": "suspect", "magnesium": "suspect"}, id="a calcium: EDTA"),
        pytest.param(ca("2.2", h(0)), {"potassium": "valid", "magnesium": "valid"}, id="a calcium that is well"),
        pytest.param(k("4.0", h(-1)), {"potassium": "suspect", "magnesium": "valid"}, id="a potassium: a jump"),
        pytest.param(mg("0.9", h(1)), {"potassium": "valid", "magnesium": "valid"}, id="another specimen"),
        pytest.param(
            said(k("6.5", h(0)), Condition.CLOTTED), {"potassium": "invalid", "magnesium": "valid"}, id="its tube"
        ),
    ],
)
def test_rules_3_what_comes_later_changes_what_was_thought(later: Fact, verdicts: dict[str, str]) -> None:
    """A result, or a word on a tube, that comes an hour later judges the specimen anew. RULES.md 3."""
    play = Play()
    play.tell(k("6.5", h(0)), mg("0.4", h(0)), at=h(2))
    play.tell(later, at=h(3))
    assert play.chart is not None
    of = {"potassium": play.chart.all_potassium, "magnesium": play.chart.all_magnesium}
    assert {name: draws.last(h(0)).verdict for name, draws in of.items()} == verdicts  # type: ignore[union-attr]  # there
