"""RULES.md 5, `hyperkalemia-low-magnesium`: thresholds, what it supersedes, ends."""

import pytest

from rules.alert import Rule
from tests.unit.rules.builders import Fact, Play, changes, dig, h, hemolyzed, k, mg, severity

LOW = Rule.HYPERKALEMIA_LOW_MAGNESIUM


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([k("5.99", h(0)), mg("0.6", h(0))], None, id="not refractory, below 6.0"),
        pytest.param([k("6.0", h(0)), mg("0.6", h(0))], "warning", id="6.0, not refractory: a warning"),
        pytest.param([k("6.49", h(0)), mg("0.6", h(0)), dig("3", h(0))], "warning", id="whatever the steps"),
        pytest.param([k("6.5", h(0)), mg("0.6", h(0))], "critical", id="6.5"),
        pytest.param([k("6.0", h(0)), mg("0.50", h(0))], "warning", id="Mg 0.50"),
        pytest.param([k("6.0", h(0)), mg("0.49", h(0))], "critical", id="Mg below 0.50: high, one step up"),
        pytest.param([k("6.0", h(0)), mg("0.694", h(0))], "warning", id="Mg below 0.695"),
        pytest.param([k("6.0", h(0)), mg("0.695", h(0))], None, id="Mg 0.695 is not low"),
        pytest.param([k("6.0", h(0)), mg("0.699444559", h(0))], None, id="1.7 mg/dL is not low"),
        pytest.param([*hemolyzed(k("6.2", h(0))), mg("0.6", h(0))], None, id="a suspect potassium"),
        pytest.param([k("6.2", h(0)), *hemolyzed(mg("0.6", h(0)))], None, id="a suspect magnesium"),
        pytest.param([k("5.6", h(0)), k("5.6", h(2)), mg("0.6", h(2))], "warning", id="refractory"),
        pytest.param([k("6.1", h(0)), k("6.1", h(2)), mg("0.6", h(2))], "high", id="refractory, as 4.1"),
        pytest.param([k("6.0", h(0)), mg("0.6", h(-1)), mg("0.9", h(0))], None, id="the newest recent one speaks"),
        pytest.param([k("6.0", h(24)), mg("0.6", h(0))], "warning", id="24 h before"),
        pytest.param([k("6.0", h(24)), mg("0.6", h(0) - 1)], None, id="longer before"),
    ],
)
def test_rules_5_hyperkalemia_low_magnesium(facts: list[Fact], expected: str | None) -> None:
    """The newest K that is refractory or valid and >= 6.0, with the newest recent Mg below 0.695. RULES.md 5."""
    assert severity(LOW, *facts) == expected


def test_rules_5_low_magnesium_has_no_hold() -> None:
    """It is raised at once. RULES.md 5."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)))
    assert changes(play.seen) == ["raised critical"]


@pytest.mark.parametrize(
    ("fact", "end"),
    [
        pytest.param(mg("0.695", h(2)), "resolved magnesium_recovered", id="magnesium 0.695"),
        pytest.param(mg("0.694", h(2)), None, id="magnesium 0.694"),
        pytest.param(mg("0.9", h(0) - 1), None, id="one drawn before the low one"),
        pytest.param(k("5.1", h(2)), "resolved potassium_cleared", id="potassium cleared"),
        pytest.param(k("5.3", h(2)), None, id="potassium 5.3"),
    ],
)
def test_rules_5_low_magnesium_ends(fact: Fact, end: str | None) -> None:
    """A valid Mg >= 0.695 later than the low one, or the episode's end. RULES.md 5, 7."""
    play = Play()
    play.tell(k("6.6", h(1)), mg("0.6", h(0)), at=h(1))
    play.tell(fact, at=h(3))
    assert changes(play.seen, LOW) == ["raised critical", *([end] if end else [])]


def test_rules_5_a_magnesium_before_the_potassium_but_after_the_low_one_recovers() -> None:
    """The Mg that ends it may be earlier than the trigger K, if it is later than the low one used. RULES.md 7."""
    play = Play()
    play.tell(mg("0.6", h(0)), k("6.6", h(2)), at=h(2))
    play.tell(mg("0.9", h(1)), at=h(3))
    assert changes(play.seen, LOW) == ["raised critical", "resolved magnesium_recovered"]


def test_rules_5_the_low_magnesium_itself_corrected_recovers() -> None:
    """A second low Mg that is corrected to a normal one ends what the first had rightly raised. RULES.md 7."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0))
    play.tell(k("6.7", h(2)), mg("0.6", h(2), order="M"), at=h(2))
    play.tell(mg("0.9", h(2), order="M", status="C", resulted=h(3)), at=h(3))
    assert changes(play.seen, LOW) == ["raised critical", "reminded critical", "resolved magnesium_recovered"]


def test_rules_5_low_magnesium_supersedes() -> None:
    """4.1 ends as superseded when a low magnesium arrives; with a normal one as resulted. RULES.md 4.1, 5."""
    for value, reason in (("0.6", "superseded"), ("0.9", "magnesium_resulted")):
        play = Play()
        play.tell(k("5.8", h(0)), k("5.8", h(2)), at=h(2))
        play.wait(h(3))
        play.tell(mg(value, h(3)))
        assert changes(play.seen, Rule.REFRACTORY_HYPERKALEMIA) == ["raised warning", f"resolved {reason}"]


def test_rules_5_a_stale_magnesium_lets_both_be_open() -> None:
    """When its Mg has become stale, 4.1 is raised beside the open one; growing old ends nothing. RULES.md 5."""
    play = Play()
    play.tell(k("6.0", h(0)), mg("0.6", h(0)))
    for hour in (12, 25):
        play.tell(k("6.0", h(hour)))
    play.wait(h(26))
    assert {alert.rule for alert in play.open} == {LOW, Rule.REFRACTORY_HYPERKALEMIA}
