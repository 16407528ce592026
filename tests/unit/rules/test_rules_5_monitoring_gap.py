"""RULES.md 5, `magnesium-monitoring-gap`: when its timer comes, what ends it, and over a merge."""

import pytest

from rules.alert import Change, Rule
from rules.events import DAY, Drug, Instant
from rules.rulebook import load
from tests.unit.rules.builders import OTHER, Fact, Play, adt, changes, crea, d, dose, egfr, given, h, infusion, k, mg

GAP = Rule.MAGNESIUM_MONITORING_GAP


def raised_at(play: Play) -> list[float]:
    """Return the hours at which gaps were raised."""
    return [(t.time - h(0)) / (h(1) - h(0)) for t in play.seen if t.rule is GAP and t.change is Change.RAISED]


@pytest.mark.parametrize(
    ("record", "hours"),
    [
        pytest.param(infusion(h(0)), [6], id="it runs: s + 6 h"),
        pytest.param(infusion(h(0), h(9)), [21], id="it is told beforehand that it ends at 9 h: e + 12 h"),
        pytest.param(infusion(h(0), h(5.9), grams="3"), [], id="it ended before 6 h and 4 g"),
    ],
)
def test_rules_5_the_timer_of_an_infusion(record: Fact, hours: list[float]) -> None:
    """With a rate and no end it runs, and is asked about at s + 6 h; with its end told, 12 h after that. RULES.md 5."""
    play = Play()
    play.tell(record, at=h(1))
    play.wait(h(40))
    assert raised_at(play) == hours


def test_rules_5_an_infusion_is_asked_about_again_when_it_has_ended() -> None:
    """Kidneys known to be well at s + 6 h, and no longer at e + 12 h: raised then, with no message. RULES.md 5, 6."""
    play = Play()
    play.tell(crea("60", h(30) - 7 * DAY), infusion(h(0)), at=h(0))
    play.wait(h(60))
    assert raised_at(play) == [36]


def test_rules_5_one_exposure_that_is_not_due_holds_no_other_back() -> None:
    """At a site where doses 4 h apart are two exposures the second may be due first: 18 h, 20 h. RULES.md 5."""
    play = Play(rulebook=load({"parameters": {"exposure_gap": "4 h"}}))
    play.tell(infusion(h(0), h(8)), at=h(8))
    play.tell(infusion(h(12)))
    play.wait(h(19))
    assert raised_at(play) == [18]
    play.wait(h(20))
    assert raised_at(play) == [18, 20]


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        pytest.param((mg("1", h(13)), k("4", h(14))), "potassium", id="potassium last"),
        pytest.param((mg("1", h(14)), k("4", h(13))), "magnesium", id="magnesium last"),
    ],
)
def test_rules_5_the_last_of_the_two_measurements_ended_it(facts: tuple[Fact, ...], first: str) -> None:
    """Measured: of the magnesium and the potassium the one drawn last is shown first. RULES.md 5."""
    play = Play()
    play.tell(dose(h(0), "4"))
    play.wait(h(12))
    play.tell(*facts)
    (ended,) = [t for t in play.seen if t.rule is GAP and t.change is Change.RESOLVED]
    assert ended.evidence[0].result.analyte == first


@pytest.mark.parametrize(
    ("given", "told", "asked"),
    [
        pytest.param(h(1), h(2), [], id="told before the discharge"),
        pytest.param(h(1), h(3), [], id="told in its very millisecond"),
        pytest.param(h(1), h(3) + 1, [13], id="told after it"),
        pytest.param(h(3), h(3), [], id="given and told as the patient left"),
        pytest.param(h(3) + 1, h(3) + 1, [15 + 1 / 3_600_000], id="given after it"),
    ],
)
@pytest.mark.parametrize("merged", [False, True], ids=["one key", "merged"])
def test_rules_5_a_discharge_ends_the_timer_of_what_was_told_before_it(
    merged: bool, given: Instant, told: Instant, asked: list[float]
) -> None:
    """A dose told before the discharge is asked about no more, also when a merge brings both. RULES.md 4.1, 5, 7."""
    play, other = Play(), Play(patient=OTHER)
    tells: list[tuple[Instant, Fact]] = [(told, dose(given, "4")), (h(3), adt("A03"))]
    for at, fact in sorted(tells, key=lambda one: one[0]):
        (other if merged else play).tell(fact, at=at)
    if merged:
        play.merge_from(other, h(4))
    play.wait(d(3))
    assert raised_at(play) == [pytest.approx(hour) for hour in asked]


def test_rules_5_a_discharge_before_the_dose_that_names_the_exposure_ends_no_timer() -> None:
    """A stop told the infusion's earlier start; the other number had been discharged then. RULES.md 5, 7, ADR 8.6."""
    play, other = Play(), Play(patient=OTHER)
    play.tell(infusion(h(2), order="A"), at=h(2))
    other.tell(adt("A03"), at=h(1))
    play.merge_from(other, h(3))
    play.tell(given(Drug.MAGNESIUM, h(0), until=h(4), order="A", grams="6"), at=h(4))
    play.wait(d(3))
    assert raised_at(play) == [16]


def test_rules_5_of_the_dead_nothing_is_asked() -> None:
    """Neither what was told before the death nor what is told after it; once admitted, a new dose is. RULES.md 5, 7."""
    play = Play()
    play.tell(dose(h(0), "4", order="A"), at=h(0))
    play.tell(adt("A08", deceased=True), at=h(1))
    play.tell(dose(h(0.5), "4", order="B"), at=h(2))
    play.wait(h(20))
    assert changes(play.seen) == []
    play.tell(adt("A01"), egfr("20", h(21)), at=h(21))
    play.tell(dose(h(22), "4", order="C"), at=h(22))
    play.wait(h(40))
    assert raised_at(play) == [34]
