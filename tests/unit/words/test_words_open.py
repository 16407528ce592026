"""What an open alert says whose rule finds nothing at the moment (RULES.md 7: until its end it stays open)."""

import pytest

from rules.alert import Change, Rule
from rules.chart import Chart
from rules.results import NO_RESULTS
from rules.rulebook import DEFAULT
from rules.words.considerations import UNMEASURED, UNSEEN
from rules.words.transitions import transition
from tests.unit.rules.builders import Play, h
from tests.unit.words.histories import low_potassium, persistent


@pytest.mark.parametrize(
    ("play", "lead"),
    [(persistent(), "Potassium 6.2 mmol/L, drawn 4 h ago"), (low_potassium(), "Potassium 2.8 mmol/L, drawn 0 min ago")],
)
def test_an_open_alert_without_a_finding_says_so(play: Play, lead: str) -> None:
    """It leads with its trigger and its age, and says that it is still open."""
    assert play.state is not None
    (alert,) = play.open
    said = transition(Chart(play.state, h(6), DEFAULT), alert, Change.REMINDED, received_at=h(6))
    assert said.summary.startswith(f"{lead}; the alert is still open")
    assert UNSEEN in said.considerations
    assert (UNMEASURED in said.considerations) is (alert.rule is Rule.REFRACTORY_HYPERKALEMIA)
    assert said.missing[0] == "magnesium: never resulted"


def test_an_open_alert_whose_trigger_is_gone_gives_its_age() -> None:
    """Where not even the trigger stands any more, the moment of its draw does."""
    play = persistent()
    assert play.state is not None
    (alert,) = play.open
    empty = play.state._replace(results=NO_RESULTS)
    said = transition(Chart(empty, h(6), DEFAULT), alert, Change.REMINDED, received_at=h(6))
    assert said.summary.startswith("Last finding 4 h ago; the alert is still open")
    assert said.evidence == ()
    assert said.observed_offset == 0
