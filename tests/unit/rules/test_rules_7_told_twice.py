"""RULES.md 6, 7, 8: an admission told twice, what ended an alert taken back, and a rulebook that changes meanwhile."""

import pytest

from rules.alert import Rule
from rules.events import HOUR, Instant
from rules.rulebook import load
from tests.unit.rules.builders import Fact, Play, adt, ca, changes, crea, dose, h, k, mg, visit

RULE, LOW, GAP = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.MAGNESIUM_MONITORING_GAP


def discharged(at: Instant) -> Play:
    """Return a play in which the low-magnesium alert was closed by a discharge at *at*."""
    play = Play(adt("A01"), visit("V1"))
    play.tell(k("6.6", at - HOUR), mg("0.6", at - HOUR))
    play.tell(adt("A03"), visit("V1"), at=at)
    assert changes(play.seen) == ["raised critical", "closed discharged"]
    return play


@pytest.mark.parametrize("times", [1, 2, 3])
def test_rules_7_an_admission_told_again_revives_no_discharge(times: int) -> None:
    """An A01 23 h after the discharge undoes it; told again after more than 24 h, the discharge stays undone."""
    play = discharged(h(1))
    for n in range(times):
        play.tell(adt("A01"), visit("V2"), at=h(24 + 2 * n))
    assert changes(play.seen)[2:] == ["raised critical"]
    assert play.chart is not None
    assert play.chart.discharges == []


def test_rules_7_a_clearing_potassium_that_is_taken_back_clears_nothing() -> None:
    """4.1 ended by a potassium of 5.0: that withdrawn, it is raised again under its id. RULES.md 7."""
    for rule, facts in ((RULE, []), (LOW, [mg("0.6", h(2))])):
        play = Play()
        play.tell(k("6.2", h(0)), k("6.2", h(2)), *facts, at=h(2))
        play.wait(h(3))
        play.tell(k("5.0", h(3), order="C"))
        play.tell(k(None, h(3), order="C", status="D"), at=h(4))
        assert changes(play.seen, rule) == ["raised high", "resolved potassium_cleared", "raised high"]
        assert len({t.alert_id for t in play.seen if t.rule is rule}) == 1


@pytest.mark.parametrize("again", [h(3) + 1, h(2)], ids=["told again after it", "before it"])
def test_rules_5_a_dose_told_again_after_the_discharge_had_come_before_it(again: Instant) -> None:
    """What counts is when the dose was first told: no gap is asked about after the discharge. RULES.md 5, 7."""
    play = Play()
    play.tell(dose(h(1), "4", order="A"), at=h(1.5))
    tells: list[tuple[Instant, Fact]] = [(h(3), adt("A03")), (again, dose(h(1), "5", order="A"))]
    for at, fact in sorted(tells, key=lambda one: one[0]):
        play.tell(fact, at=at)
    play.wait(h(60))
    assert changes(play.seen, GAP) == []


def test_rules_8_a_rulebook_that_changes_is_used_from_the_next_message_on() -> None:
    """A calcium of 1.95 is low from 2.0 on: the open alert steps up with the next message, of whatever. Issue 5."""
    play = Play()
    play.tell(k("5.8", h(0)), k("5.8", h(2)), ca("1.95", h(2)), at=h(2))
    play.wait(h(3))
    assert changes(play.seen) == ["raised warning"]
    play.tell(crea("80", h(3)))
    assert changes(play.seen) == ["raised warning"]
    play.rulebook = load({"parameters": {"calcium_low": "2.0 mmol/L"}})
    play.tell(crea("80", h(4)))
    assert changes(play.seen) == ["raised warning", "escalated high"]


def test_rules_8_the_chart_of_a_judgement_still_answers() -> None:
    """What was derived when judging can be asked afterwards, of what is stored then. RULES.md 8."""
    play = Play()
    play.tell(dose(h(0), "2"), k("6.6", h(1)), mg("0.6", h(1)), at=h(1))
    assert play.chart is not None
    assert play.chart.state is play.state
    assert [exposure.start for exposure in play.chart.exposures] == [h(0)]
    assert (play.chart.dialyses, play.chart.treatments, play.chart.deceased) == ([], [], False)
    assert [alert.rule for alert in play.chart.alerts_open()] == [alert.rule for alert in play.open]
