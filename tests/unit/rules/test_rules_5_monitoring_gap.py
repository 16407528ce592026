"""RULES.md 5, `magnesium-monitoring-gap`: when its timer comes, what ends it, and over a merge."""

import pytest

from rules.alert import Change, Rule
from rules.events import DAY, Drug, Instant
from rules.families import BY_RULE
from rules.rulebook import load
from tests.unit.rules.builders import (
    OTHER,
    Fact,
    Play,
    adt,
    changes,
    chart,
    crea,
    d,
    dose,
    egfr,
    findings,
    given,
    h,
    hemolyzed,
    infusion,
    k,
    mg,
    severity,
)

GAP = Rule.MAGNESIUM_MONITORING_GAP
IMPAIRED, WELL = (egfr("20", h(0)),), (egfr("90", h(0)),)


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


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([dose(h(0), "4")], "warning", id="4 g, kidneys unknown"),
        pytest.param([dose(h(0), "3.9")], None, id="less than 4 g"),
        pytest.param([*WELL, dose(h(0), "9")], None, id="kidneys well"),
        pytest.param([*IMPAIRED, dose(h(0), "2")], "warning", id="2 g, impaired"),
        pytest.param([*IMPAIRED, dose(h(0), "1.9")], None, id="less than 2 g"),
        pytest.param([*IMPAIRED, dose(h(0), "4")], "high", id="4 g, impaired, Mg missing"),
        pytest.param([*IMPAIRED, dose(h(0), "4"), mg("1", h(2))], "warning", id="only K missing"),
        pytest.param([infusion(h(0), h(6))], "warning", id="ran for 6 h"),
        pytest.param([infusion(h(0), h(6) - 1)], None, id="ran for less"),
        pytest.param([*IMPAIRED, infusion(h(0), h(6))], "high", id="6 h, impaired, Mg missing"),
        pytest.param([dose(h(0), "4"), mg("1", h(2)), k("4", h(2))], None, id="both measured"),
        pytest.param([dose(h(0), "4"), mg("1", h(2))], "warning", id="K missing"),
        pytest.param([dose(h(0), "4"), k("4", h(2))], "warning", id="Mg missing"),
        pytest.param([infusion(h(0), h(9)), mg("1", h(2) - 1), k("4", h(3))], "warning", id="Mg before s + 2 h"),
        pytest.param([infusion(h(0), h(9)), mg("1", h(2)), k("4", h(3))], None, id="Mg at s + 2 h"),
        pytest.param([dose(h(0), "4"), mg("1", h(0)), k("4", h(0))], None, id="at e, when that is earlier"),
        pytest.param([dose(h(0), "4"), *hemolyzed(mg("1", h(2))), k("4", h(2))], None, id="counted is enough"),
    ],
)
def test_rules_5_monitoring_gap(facts: list[Fact], expected: str | None) -> None:
    """4 g (2 when impaired) or 6 h, kidneys impaired or unknown, Mg or K missing. RULES.md 5."""
    assert severity(GAP, *facts, now=h(22)) == expected


@pytest.mark.parametrize(
    ("facts", "at"),
    [
        pytest.param([dose(h(0), "4")], h(12), id="e + 12 h"),
        pytest.param([infusion(h(0))], h(6), id="running: s + 6 h"),
        pytest.param([infusion(h(0), h(5), grams="4")], h(17), id="ended: e + 12 h"),
    ],
)
def test_rules_5_monitoring_gap_timer(facts: list[Fact], at: Instant) -> None:
    """Running, at s + 6 h; else at e + 12 h. RULES.md 5."""
    play = Play()
    play.tell(*facts, at=h(1))
    play.wait(at - 1)
    assert changes(play.seen) == []
    play.wait(at)
    assert changes(play.seen) == ["raised warning"]
    assert (play.seen[0].time, play.seen[0].timer) == (at, "gap")


def test_rules_5_monitoring_gap_of_kidneys_that_are_no_longer_known() -> None:
    """A creatinine that was young enough at the dose is too old at the timer: unknown. RULES.md 5, 6."""
    play = Play()
    play.tell(crea("60", h(4) - 7 * DAY), dose(h(0), "4"), at=h(0))
    play.wait(h(12))
    assert changes(play.seen) == ["raised warning"]


def test_rules_5_a_stop_moves_the_timer() -> None:
    """An infusion that stops at 5 h is asked about at e + 12 h. RULES.md 5."""
    play = Play()
    play.tell(infusion(h(0), order="I"))
    play.tell(infusion(h(0), h(5), order="I", grams="10"))
    play.wait(h(40))
    assert [t.time for t in play.seen if t.change.value == "raised"] == [h(17)]


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ([mg("1", h(13)), k("4", h(13))], ["resolved measured"]),
        ([mg("1", h(13))], []),
    ],
    ids=["both there", "one of them"],
)
def test_rules_5_monitoring_gap_ends(facts: list[Fact], end: list[str]) -> None:
    """Both there: measured; e + 24 h: expired. RULES.md 5."""
    play = Play()
    play.tell(dose(h(0), "4"))
    play.wait(h(12))
    play.tell(*facts, at=h(14))
    assert changes(play.seen, GAP)[1:] == end
    play.wait(h(24) - 1)
    assert changes(play.seen, GAP)[1:] == end
    play.wait(h(24))
    assert changes(play.seen, GAP)[1:] == (end or ["closed expired"])


@pytest.mark.parametrize("trigger", [adt("A03"), adt("A08", deceased=True)], ids=["discharge", "death"])
def test_rules_5_discharge_and_death_end_the_timer(trigger: Fact) -> None:
    """After a discharge or a death no gap is raised. RULES.md 4.1, 5."""
    play = Play()
    play.tell(dose(h(0), "4"))
    play.tell(trigger, at=h(5))
    play.wait(d(5))
    assert changes(play.seen) == []


def test_rules_5_a_gap_is_none_after_a_death() -> None:
    """Of the dead nothing is asked. RULES.md 5, 7."""
    facts = (dose(h(0), "4"), adt("A08", deceased=True))
    assert findings(GAP, *facts, now=h(13)) == []
    assert BY_RULE[GAP].due(chart(*facts, now=h(5))) is None


def test_rules_5_of_two_exposures_the_discharge_ends_one_timer() -> None:
    """A dose before the discharge is not asked about, the next one 12 h later is. RULES.md 5."""
    play = Play()
    play.tell(dose(h(0), "4"))
    play.tell(adt("A03"), at=h(5))
    play.tell(dose(h(12), "4"))
    play.wait(h(24))
    assert [(t.change.value, t.time) for t in play.seen] == [("raised", h(24))]


@pytest.mark.parametrize(("hours", "expires"), [(0, 24), (8, 32)], ids=["a dose", "an infusion of 8 h"])
def test_rules_5_a_gap_expires_a_day_after_the_end(hours: int, expires: int) -> None:
    """Counted from e, not from s. RULES.md 5."""
    play = Play()
    play.tell(dose(h(0), "4") if hours == 0 else infusion(h(0), h(hours), grams="10"), at=h(hours))
    play.wait(h(expires) - 1)
    assert changes(play.seen, GAP) == ["raised warning"]
    play.wait(h(expires))
    assert changes(play.seen, GAP) == ["raised warning", "closed expired"]


def test_rules_5_a_dose_after_the_discharge_has_a_timer_of_its_own() -> None:
    """A dose that is told of after the discharge is watched. RULES.md 5."""
    play = Play()
    play.tell(adt("A03"), at=h(1))
    play.tell(dose(h(2), "4"))
    play.wait(h(14))
    assert changes(play.seen) == ["raised warning"]
