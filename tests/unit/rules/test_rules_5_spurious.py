"""RULES.md 5, `spurious-potassium`: what is found, and what ends it."""

import pytest

from rules.alert import Rule
from rules.events import Condition
from tests.unit.rules.builders import Play, changes, findings, h, hemolyzed, k, said

SPURIOUS = Rule.SPURIOUS_POTASSIUM


@pytest.mark.parametrize(
    ("value", "condition", "found"),
    [
        ("5.49", Condition.HEMOLYZED, False),
        ("5.5", Condition.HEMOLYZED, True),
        ("5.5", Condition.CLOTTED, True),
        ("5.5", Condition.GROSSLY_HEMOLYZED, True),
    ],
)
def test_rules_5_spurious_potassium(value: str, condition: Condition, found: bool) -> None:
    """A suspect or invalid K >= 5.5 is information for the laboratory, and never notifies. RULES.md 5."""
    play, tube = Play(), k(value, h(0))
    play.tell(tube, said(tube, condition))
    assert changes(play.seen, SPURIOUS) == (["raised information"] if found else [])
    assert not any(t.notify for t in play.seen)


def test_rules_5_spurious_not_when_a_later_valid_one_is_known() -> None:
    """A valid potassium of a later specimen answers it. RULES.md 5."""
    assert findings(SPURIOUS, *hemolyzed(k("6.0", h(0))), k("4.0", h(0) + 1)) == []
    assert len(findings(SPURIOUS, *hemolyzed(k("6.0", h(0))), k("4.0", h(-1)), now=h(1))) == 1


def test_rules_5_spurious_another_tube_of_the_same_draw_is_no_repeat() -> None:
    """A valid potassium of the same specimen is no later specimen: the alert waits for a repeat. RULES.md 5."""
    play = Play()
    play.tell(*hemolyzed(k("6.0", h(0), order="A")), at=h(1))
    play.tell(k("4.1", h(0), order="B"), at=h(2))
    assert changes(play.seen, SPURIOUS) == ["raised information"]
    play.tell(k("4.0", h(3)))
    assert changes(play.seen, SPURIOUS) == ["raised information", "resolved repeat_resulted"]


def test_rules_5_spurious_is_none_that_an_earlier_one_confirms() -> None:
    """Two hemolyzed ones an hour apart: the later counts as valid, is not spurious, and answers the first."""
    assert findings(SPURIOUS, *hemolyzed(k("6.0", h(0))), *hemolyzed(k("6.1", h(1)))) == []


def test_rules_5_spurious_one_alert_a_specimen() -> None:
    """A specimen that is withdrawn takes back its own alert, and leaves that of another. RULES.md 5, 7."""
    play = Play()
    play.tell(*hemolyzed(k("6.0", h(0))), *hemolyzed(k("7.5", h(1), order="B")), at=h(1))
    play.tell(k(None, h(1), order="B", status="D"), at=h(2))
    assert changes(play.seen, SPURIOUS) == ["raised information"] * 2 + ["retracted withdrawn"]
    assert [alert.trigger_at for alert in play.open] == [h(0)]


def test_rules_5_spurious_ends() -> None:
    """A repeat resolves it; 24 h after the draw it is closed; one alert a specimen. RULES.md 5."""
    play = Play()
    play.tell(*hemolyzed(k("6.0", h(0))), *hemolyzed(k("7.5", h(1))), at=h(1))
    assert changes(play.seen, SPURIOUS) == ["raised information"] * 2
    play.wait(h(24))
    assert changes(play.seen, SPURIOUS)[2:] == ["closed expired"]
    play.tell(k("4.0", h(24)))
    assert changes(play.seen, SPURIOUS)[3:] == ["resolved repeat_resulted"]
