"""RULES.md 6 and 7, sentence by sentence: each value below, at, above; each window a millisecond before, at, after."""

import pytest

from rules.alert import Change, Rule
from rules.events import DAY, HOUR, MINUTE, Condition, Demographics, Instant
from tests.unit.rules.builders import Fact, Play, adt, ca, changes, crea, d, dialysis, dose, egfr, h, k, mg, said, visit
from tests.unit.rules.edges import WARNING, moments, standing, values

POST, LOW, SPURIOUS = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.SPURIOUS_POTASSIUM
GAP = Rule.MAGNESIUM_MONITORING_GAP
Finding = str | None


# 6: impaired, as the renal ladder shows it: a magnesium of 1.3 is a warning from 1.25, and none from 1.5


THREE = h(3)


def ladder_of(*facts: Fact, now: Instant = THREE) -> Finding:
    """Return what a magnesium of 1.3 drawn at *now*, after a dose, is: a warning with impaired kidneys."""
    return standing(POST, *facts, dose(now - HOUR, "1"), mg("1.3", now), until=now)


@pytest.mark.parametrize(("rate", "finding"), values("30", (WARNING, None, None), step="1"))
def test_rules_6_impaired_below_30(rate: str, finding: Finding) -> None:
    """Impaired: that eGFR < 30. RULES.md 6."""
    assert ladder_of(egfr(rate, h(0))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(3) - 7 * DAY, (None, WARNING, WARNING), "7 days before"))
@pytest.mark.parametrize("what", ["eGFR", "creatinine", "dialysis"])
def test_rules_6_within_7_days(what: str, at: Instant, finding: Finding) -> None:
    """The newest of eGFR or creatinine within 7 days; dialysis within 7 days (its end). RULES.md 6."""
    facts: dict[str, Fact] = {"eGFR": egfr("25", at), "creatinine": crea("400", at)}
    facts["dialysis"] = dialysis(at - 4 * HOUR, at)
    assert ladder_of(facts[what]) == finding


@pytest.mark.parametrize(("value", "finding"), values("86.5", (None, WARNING, WARNING), step="0.1"))
def test_rules_6_injury_by_26_5(value: str, finding: Finding) -> None:
    """A creatinine >= 26.5 umol/L above one of the 48 h before it. RULES.md 6."""
    assert ladder_of(crea("60", h(-20)), crea(value, h(0))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(-48), (None, WARNING, WARNING), "48 h before"))
def test_rules_6_injury_within_48_h(at: Instant, finding: Finding) -> None:
    """Above one of the 48 h before it: 70 to 97 is less than 1.5 times. RULES.md 6."""
    assert ladder_of(crea("70", at), crea("97", h(0))) == finding


@pytest.mark.parametrize(("value", "finding"), values("90", (None, WARNING, WARNING), step="0.1"))
def test_rules_6_injury_by_half_as_much_again(value: str, finding: Finding) -> None:
    """Or >= 1.5 times the lowest of the 7 days before it: 60, three days ago. RULES.md 6."""
    assert ladder_of(crea("60", h(-72)), crea(value, h(0))) == finding


@pytest.mark.parametrize(("value", "finding"), values("62", (None, WARNING, WARNING), step="0.1"))
def test_rules_6_injury_from_62(value: str, finding: Finding) -> None:
    """And >= 62 umol/L: 40, three days ago. RULES.md 6."""
    assert ladder_of(crea("40", h(-72)), crea(value, h(0))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(0) - 7 * DAY, (None, WARNING, WARNING), "7 days before it"))
def test_rules_6_injury_above_the_lowest_of_7_days(at: Instant, finding: Finding) -> None:
    """The lowest of the 7 days before it. RULES.md 6."""
    assert ladder_of(crea("60", at), crea("95", h(0))) == finding


@pytest.mark.parametrize(("now", "finding"), moments(h(0) + 7 * DAY, (WARNING, WARNING, None), "7 days later"))
def test_rules_6_injury_for_7_days(now: Instant, finding: Finding) -> None:
    """The newer one within 7 days. RULES.md 6."""
    assert ladder_of(crea("60", h(-20)), crea("95", h(0)), now=now) == finding


@pytest.mark.parametrize(("value", "finding"), values("75", (None, WARNING, WARNING), step="0.1"))
def test_rules_6_injury_undone_below_1_25_times(value: str, finding: Finding) -> None:
    """Not followed within 24 h by one below 1.25 times that lowest: 60. RULES.md 6."""
    assert ladder_of(crea("60", h(-20)), crea("95", h(0)), crea(value, h(2))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(24), (None, None, WARNING), "24 h later"))
def test_rules_6_injury_undone_within_24_h(at: Instant, finding: Finding) -> None:
    """Not followed within 24 h: a single odd value is no injury. RULES.md 6."""
    assert ladder_of(crea("60", h(-20)), crea("95", h(0)), crea("60", at), now=h(27)) == finding


@pytest.mark.parametrize(
    ("birth", "notifies"),
    [("20060311", False), ("20060310", False), ("20060309", True), ("20060308", True)],
    ids=["two days before", "the day before", "the birthday", "the day after"],
)
def test_rules_6_children_are_under_18(birth: str, notifies: bool) -> None:
    """Under 18 years and not under the obstetric protocol, on 9 March 2024: nobody is notified. RULES.md 6."""
    play = Play(who=Demographics(birth, "F"))
    play.tell(k("6.6", h(0)), mg("0.6", h(0)))
    assert [one.notify for one in play.seen] == [notifies]


# 7: reminders, the age limit, discharges, retention


def paged(severity: str) -> Play:
    """Return a play in which `hyperkalemia-low-magnesium` paged at h(0): K 6.2 (high) or 6.8 (critical)."""
    play = Play()
    play.tell(mg("0.6", h(-3)), k("6.2" if severity == "high" else "6.8", h(-2)), at=h(-2))
    value = "6.3" if severity == "high" else "6.9"
    play.tell(k(value, h(0)), at=h(0))
    assert (play.seen[-1].severity.label, play.seen[-1].notify) == (severity, True)
    return play


@pytest.mark.parametrize(
    ("severity", "at", "change"),
    [
        *(
            pytest.param("critical", *row.values, id=f"critical, {row.id}")
            for row in moments(h(1), ("updated", "reminded", "reminded"))
        ),
        *(
            pytest.param("high", *row.values, id=f"high, {row.id}")
            for row in moments(h(4), ("updated", "reminded", "reminded"))
        ),
    ],
)
def test_rules_7_reminded_after_1_h_and_4_h(severity: str, at: Instant, change: str) -> None:
    """1 h (critical) or 4 h (high) since its last notification. RULES.md 7."""
    play = paged(severity)
    play.tell(k("6.3" if severity == "high" else "6.9", h(0.5)), at=at)
    assert play.seen[-1].change.value == change


@pytest.mark.parametrize(("at", "change"), moments(h(24), ("updated", "reminded", "reminded"), "24 h after the first"))
def test_rules_7_reminded_four_times_in_24_h(at: Instant, change: str) -> None:
    """At most 4 of them in any 24 h: at 0, 1, 2 and 3 h. RULES.md 7."""
    play = paged("critical")
    for hour in range(1, 4):
        play.tell(k("6.9", h(hour)))
    assert [one.change.value for one in play.seen[-4:]] == ["reminded"] * 4
    play.tell(mg("0.6", h(5)))
    play.tell(k("6.9", h(23.5)), at=at)
    assert play.seen[-1].change.value == change


@pytest.mark.parametrize(
    ("rule", "first", "figure", "marked"),
    [
        (LOW, (mg("0.6", h(-1)), k("6.9", h(0))), "7.4", (False, True, True)),
        (Rule.REFRACTORY_HYPERKALEMIA, (k("6.9", h(-1)), k("6.9", h(0))), "7.4", (False, True, True)),
        (
            Rule.HYPERKALEMIA_AFTER_MAGNESIUM,
            (mg("0.9", h(-1)), k("5.0", h(-3)), dose(h(-2), "1"), k("6.9", h(0))),
            "7.4",
            (False, True, True),
        ),
        (Rule.REFRACTORY_HYPOKALEMIA, (k("2.4", h(0)),), "2.1", (True, True, False)),
        (POST, (egfr("90", h(-1)), dose(h(-3), "1"), mg("2.6", h(0))), "3.1", (False, True, True)),
        (
            Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN,
            (egfr("90", h(-1)), mg("2.6", h(0))),
            "3.1",
            (False, True, True),
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, Rule) else "",
)
def test_rules_7_markedly_worse(
    rule: Rule, first: tuple[Fact, ...], figure: str, marked: tuple[bool, bool, bool]
) -> None:
    """K 0.5 higher; hypokalemia: K 0.3 lower; Mg 0.5 higher: reminded whatever clock and count say. RULES.md 7."""
    make = mg if figure == "3.1" else k
    for row in values(figure, marked):
        value, worse = row.values
        play = Play()
        play.tell(*first, at=h(0))
        assert play.seen[-1].notify
        play.tell(make(value, h(0) + MINUTE))
        assert changes(play.seen, rule)[-1] == ("reminded critical" if worse else "updated critical")


@pytest.mark.parametrize(
    ("value", "now", "stale"),
    [
        *(pytest.param("6.2", *row.values, id=f"high, {row.id}") for row in moments(h(12), (False, False, True))),
        *(pytest.param("6.6", *row.values, id=f"critical, {row.id}") for row in moments(h(24), (False, False, True))),
    ],
)
def test_rules_7_age_limit(value: str, now: Instant, stale: bool) -> None:
    """A trigger drawn more than 12 h (critical 24 h) before the moment it is judged. RULES.md 7."""
    play = Play()
    play.tell(mg("0.6", h(-1)), k("5.8", h(-2)), k(value, h(0)), at=now)
    found = [(one.stale, one.notify) for one in play.seen if one.rule is LOW]
    assert found == [(stale, not stale)]


@pytest.mark.parametrize(("now", "stale"), moments(h(23), (False, False, False), "an hour before its end"))
def test_rules_7_no_age_limit_for_a_doubtful_potassium(now: Instant, stale: bool) -> None:
    """Not for `magnesium-monitoring-gap` and `spurious-potassium`. RULES.md 7."""
    play, tube = Play(), k("6.2", h(0))
    play.tell(tube, said(tube, Condition.CLOTTED), at=now)
    assert [one.stale for one in play.seen if one.rule is SPURIOUS] == [stale]
    running = Play()
    running.tell(dose(h(0), "4"), at=now)
    assert [one.stale for one in running.seen if one.rule is GAP] == [stale]


@pytest.mark.parametrize(("at", "again"), moments(h(28), (True, True, False), "24 h after the A03"))
def test_rules_7_an_admission_within_24_h_undoes_a_discharge(at: Instant, again: bool) -> None:
    """An admission (A01) within 24 h undoes it: what it closed is raised again under its id. RULES.md 7."""
    play = Play(adt("A01"), visit("V1"))
    play.tell(mg("0.6", h(-1)), k("6.8", h(0)))
    play.tell(adt("A03"), visit("V1"), at=h(4))
    play.tell(adt("A01"), visit("V1"), at=at)
    raised = [one.alert_id for one in play.seen if one.rule is LOW and one.change is Change.RAISED]
    assert (len(raised) == 2) is again
    assert len(set(raised)) == 1


@pytest.mark.parametrize(("at", "gone"), moments(d(30), (False, True, True), "30 days"))
def test_rules_7_retires_after_30_days(at: Instant, gone: bool) -> None:
    """It retires 30 days after its last event, with no alert open. RULES.md 7."""
    play = Play()
    play.tell(k("4.0", h(0)))
    play.wait(at)
    assert (play.state is None) is gone


@pytest.mark.parametrize(("at", "gone"), moments(d(7), (False, True, True), "7 days"))
def test_rules_7_retires_after_7_days_with_context_alone(at: Instant, gone: bool) -> None:
    """7 when it holds only encounter context. RULES.md 7."""
    play = Play(who=None)
    play.tell(adt("A08"), visit("V1"), at=d(0))
    play.wait(at)
    assert (play.state is None) is gone


@pytest.mark.parametrize(
    ("age", "kept"),
    moments(7 * DAY, (2, 2, 2), "7 days")
    + moments(14 * DAY, (2, 2, 2), "14 days")
    + moments(15 * DAY - h(0) % DAY, (2, 1, 1), "the end of that day"),
)
def test_rules_7_results_are_kept_7_days_and_creatinine_14(age: Instant, kept: int) -> None:
    """At least 7 days of results (creatinine 14); one bound for all. RULES.md 7."""
    play = Play()
    play.tell(crea("80", h(0)))
    play.tell(ca("2.3", h(0) + age))
    assert play.state is not None
    assert len(play.state.results) == kept


@pytest.mark.parametrize(("count", "dropped"), [(399, 0), (400, 0), (401, 1)])
def test_rules_7_at_most_400_results(count: int, dropped: int) -> None:
    """At most 400 results, the oldest beyond that dropped and counted. RULES.md 7."""
    play = Play()
    play.tell(*(ca("2.3", h(0) + n) for n in range(count)), at=h(1))
    assert play.state is not None
    assert (len(play.state.results), play.state.dropped) == (count - dropped, dropped)
