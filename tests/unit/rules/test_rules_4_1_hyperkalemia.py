"""RULES.md 4.1: episodes, the three criteria, recent magnesium, holds, severity and ends."""

import pytest

from rules.alert import Rule
from rules.chart import Chart
from rules.episode import episodes
from rules.events import DAY, HOUR, Drug, Instant
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import (
    Fact,
    ca,
    chart,
    dialysis,
    dig,
    dose,
    egfr,
    findings,
    given,
    h,
    hemolyzed,
    k,
    mg,
    ordered,
    severity,
)

RULE = Rule.REFRACTORY_HYPERKALEMIA


def criteria(*facts: Fact, now: Instant | None = None) -> list[str | None]:
    """Return the criterion of the finding, nothing without one."""
    return [finding.criterion for finding in findings(RULE, *facts, now=now)]


def shape(*potassium: Fact) -> list[str]:
    """Return each episode as the hours of its draws, with ``)`` when it is closed and ``+`` where it was reopened."""
    shown = []
    for episode in episodes(chart(*potassium).potassium, DEFAULT):
        hours = [
            f"{'+' if draw.at == episode.reopened_at else ''}{(draw.at - h(0)) / HOUR:g}" for draw in episode.draws
        ]
        shown.append(" ".join(hours) + (")" if episode.closed_by else ""))
    return shown


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([k("5.49", h(0))], [], id="just below the onset opens none"),
        pytest.param([k("5.5", h(0))], ["0"], id="the onset opens one"),
        pytest.param([*hemolyzed(k("5.6", h(0)))], ["0"], id="a suspect one opens one"),
        pytest.param([k("5.6", h(0)), k("5.19", h(2))], ["0 2)"], id="below 5.2 closes"),
        pytest.param([k("5.6", h(0)), k("5.2", h(2))], ["0 2"], id="5.2 alone does not"),
        pytest.param([k("5.6", h(0)), k("5.4", h(2)), k("5.49", h(4))], ["0 2 4)"], id="two in a row below 5.5 close"),
        pytest.param([k("5.6", h(0)), k("5.4", h(2)), k("5.5", h(4)), k("5.4", h(6))], ["0 2 4 6"], id="a row broken"),
        pytest.param(
            [k("5.6", h(0)), k("5.4", h(2)), *hemolyzed(k("6.9", h(3))), k("5.4", h(4))],
            ["0 2 3 4)"],
            id="a suspect one between does not break the row",
        ),
        pytest.param([k("5.6", h(0)), *hemolyzed(k("5.0", h(2)))], ["0 2"], id="a suspect one closes none"),
        pytest.param([k("5.6", h(0)), k("5.6", h(48) - 1)], ["0 48"], id="just before 48 h of silence"),
        pytest.param([k("5.6", h(0)), k("5.6", h(48))], ["0", "48"], id="48 h of silence close"),
        pytest.param([k("5.6", h(0)), k("5.3", h(48))], ["0"], id="48 h of silence, then one below the onset"),
        pytest.param([k("5.6", h(0)), k("5.0", h(1)), k("5.6", h(7))], ["0 1 +7"], id="reopened within 6 h"),
        pytest.param([k("5.6", h(0)), k("5.0", h(1)), k("5.6", h(7) + 1)], ["0 1)", "7"], id="6 h are over: a new one"),
        pytest.param(
            [k("5.6", h(0)), k("5.0", h(1)), k("4.9", h(5)), k("5.6", h(7))],
            ["0 1 +7"],
            id="counted from the result that closed it",
        ),
    ],
)
def test_rules_4_1_episodes(facts: list[Fact], expected: list[str]) -> None:
    """An episode opens at 5.5, closes below 5.2, at the second below 5.5, or by 48 h of silence. RULES.md 4.1."""
    assert shape(*facts) == expected


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        pytest.param([k("5.5", h(0)), k("5.5", h(2) - 1)], [], id="just before 2 h"),
        pytest.param([k("5.5", h(0)), k("5.5", h(2))], ["persistence"], id="at 2 h"),
        pytest.param([k("5.5", h(0)), k("5.49", h(2))], [], id="the newest is below 5.5"),
        pytest.param([k("6.0", h(0)), k("5.5", h(3))], [], id="fallen by 0.5"),
        pytest.param([k("6.0", h(0)), k("5.51", h(3))], ["persistence"], id="fallen by less"),
        pytest.param([k("6.0", h(0)), k("5.49", h(1)), k("5.6", h(2))], ["persistence"], id="two of three specimens"),
        pytest.param([k("6.5", h(0)), k("6.4", h(1) - 1)], [], id="6.5: just before 1 h"),
        pytest.param([k("6.5", h(0)), k("6.4", h(1))], ["persistence"], id="6.5: at 1 h"),
        pytest.param([k("6.49", h(0)), k("6.4", h(1))], [], id="6.49: not at 1 h"),
        pytest.param([*hemolyzed(k("6.5", h(0))), k("6.4", h(1))], [], id="a suspect 6.5: not at 1 h"),
        pytest.param([k("7.5", h(0)), k("6.0", h(4) - 1)], [], id="fallen, just before 4 h"),
        pytest.param([k("7.5", h(0)), k("6.0", h(4))], ["persistence"], id="fallen, still 6.0 at 4 h"),
        pytest.param([k("7.5", h(0)), k("5.99", h(4))], [], id="fallen, 5.99 at 4 h"),
        pytest.param([k("6.0", h(0)), *hemolyzed(k("6.0", h(4)))], [], id="a suspect one is not refractory"),
        pytest.param([*hemolyzed(k("6.0", h(0))), k("6.0", h(4))], ["persistence"], id="a suspect one is a specimen"),
    ],
)
def test_rules_4_1_persistence(facts: list[Fact], found: list[str]) -> None:
    """Two specimens, 2 h (1 h when severe), not fallen by 0.5; or 4 h and still 6.0. RULES.md 4.1."""
    assert criteria(*facts) == found


@pytest.mark.parametrize(("rate", "found"), [("29", ["persistence"]), ("30", [])], ids=["eGFR 29", "eGFR 30"])
def test_rules_4_1_persistence_of_one_hour_when_impaired(rate: str, found: list[str]) -> None:
    """With impaired kidneys one hour is enough. RULES.md 4.1."""
    assert criteria(egfr(rate, h(0)), k("5.6", h(0)), k("5.6", h(1))) == found


@pytest.mark.parametrize(
    ("drug", "after", "found"),
    [
        (Drug.INSULIN, HOUR - 1, False),
        (Drug.INSULIN, HOUR, True),
        (Drug.INSULIN, 6 * HOUR, True),
        (Drug.INSULIN, 6 * HOUR + 1, False),
        (Drug.BETA2_AGONIST, HOUR, True),
        (Drug.BICARBONATE, HOUR, True),
        (Drug.LOOP_DIURETIC, HOUR, True),
        (Drug.BINDER, 2 * HOUR - 1, False),
        (Drug.BINDER, 2 * HOUR, True),
        (Drug.BINDER, 24 * HOUR, True),
        (Drug.BINDER, 24 * HOUR + 1, False),
        (Drug.CALCIUM, 2 * HOUR, False),
        (Drug.MAGNESIUM, 2 * HOUR, False),
        (Drug.DIGOXIN, 2 * HOUR, False),
    ],
)
def test_rules_4_1_treatment_failure_windows(drug: Drug, after: Instant, found: bool) -> None:
    """A treatment can be seen to fail 1-6 h later, a binder 2-24 h; calcium and magnesium are none. RULES.md 4.1."""
    first = h(0)
    treated = h(1)
    # 6.4, fallen to 5.8 at the treatment: what follows is no persistence, whenever it is drawn.
    facts = (k("6.4", first), k("5.8", treated), given(drug, treated), k("5.8", treated + after))
    assert ("treatment_failure" in criteria(*facts)) is found


@pytest.mark.parametrize(
    ("before", "at", "after", "drawn", "found"),
    [
        pytest.param("5.5", h(1), "5.5", h(2), True, id="K_b at the onset"),
        pytest.param("5.49", h(1), "5.5", h(2), False, id="K_b below it: insulin for sugar"),
        pytest.param("6.0", h(1), "5.51", h(2), True, id="fallen by less than 0.5"),
        pytest.param("6.0", h(1), "5.5", h(2), False, id="fallen by 0.5"),
        pytest.param("6.3", h(1), "6.0", h(3), True, id="6.0 at 2 h"),
        pytest.param("6.9", h(1), "6.0", h(3) - 1, False, id="fallen far, 6.0 just before 2 h"),
        pytest.param("6.9", h(1), "6.0", h(3), True, id="fallen far, 6.0 at 2 h"),
        pytest.param("6.9", h(1), "5.99", h(3), False, id="fallen far, 5.99 at 2 h"),
    ],
)
def test_rules_4_1_treatment_failure_values(before: str, at: Instant, after: str, drawn: Instant, found: bool) -> None:
    """The treatment failed when K fell by less than 0.5 from K_b, or is 6.0 from 2 h on. RULES.md 4.1."""
    facts = (k("7.4", h(0)), k(before, at), given(Drug.INSULIN, at), k(after, drawn))
    assert ("treatment_failure" in criteria(*facts)) is found


@pytest.mark.parametrize(
    ("treatment", "found"),
    [
        pytest.param(given(Drug.INSULIN, h(0) - 1), False, id="before the episode"),
        pytest.param(given(Drug.INSULIN, h(1)), True, id="in the episode"),
        pytest.param(given(Drug.INSULIN, h(1), intention=True), False, id="only ordered"),
        pytest.param(given(Drug.INSULIN, h(1), deleted=True), False, id="withdrawn"),
        pytest.param(dialysis(h(0) - HOUR, h(1)), True, id="dialysis: its end"),
        pytest.param(dialysis(h(1), h(1.5)), False, id="dialysis that ended less than an hour ago"),
        pytest.param(given(Drug.INSULIN, h(1), rate="4"), True, id="an infusion: its start"),
    ],
)
def test_rules_4_1_what_is_a_treatment(treatment: Fact, found: bool) -> None:
    """Given, not ordered; not before the episode; dialysis counts from its end. RULES.md 4.1."""
    names = criteria(k("6.4", h(0)), k("5.8", h(1)), treatment, k("5.8", h(2)))
    assert names == (["treatment_failure"] if found else [])


def test_rules_4_1_a_treatment_as_the_episode_begins_is_of_it() -> None:
    """Insulin at the moment of the first K is not before it: 6.4, insulin, 6.0 an hour later. RULES.md 4.1."""
    assert criteria(k("6.4", h(0)), given(Drug.INSULIN, h(0)), k("6.0", h(1))) == ["treatment_failure"]


@pytest.mark.parametrize(
    ("newer", "more"),
    [
        pytest.param(given(Drug.BETA2_AGONIST, h(2.5)), [], id="a newer one too short before"),
        pytest.param(given(Drug.BETA2_AGONIST, h(2)), [k("5.4", h(1.5))], id="a newer one at a K that was not high"),
    ],
)
def test_rules_4_1_any_treatment_may_have_failed(newer: Fact, more: list[Fact]) -> None:
    """When a newer treatment proves nothing, an older one still may: insulin at 5.8, still 5.8. RULES.md 4.1."""
    facts = (k("6.4", h(0)), k("5.8", h(1)), given(Drug.INSULIN, h(1)), *more, newer, k("5.8", h(3)))
    assert criteria(*facts) == ["treatment_failure"]


def test_rules_4_1_a_rate_change_is_no_new_treatment() -> None:
    """An infusion of insulin counts from its start, not from its rate changes. RULES.md 4.1."""
    first, changed = (given(Drug.INSULIN, h(hour), rate="4", order="I") for hour in (0, 7))
    assert criteria(k("6.4", h(0)), first, changed, k("5.8", h(7)), k("5.8", h(8.5))) == []


@pytest.mark.parametrize(
    ("age", "found"), [(24 * HOUR, ["treatment_failure"]), (24 * HOUR + 1, [])], ids=["24 h before", "longer before"]
)
def test_rules_4_1_the_potassium_before_a_treatment_is_a_day_old_at_most(age: Instant, found: list[str]) -> None:
    """K_b is the last counted K at or before t_T, and at most 24 h older. RULES.md 4.1."""
    treated = h(1) + age
    facts = (k("6.4", h(0)), k("5.8", h(1)), given(Drug.INSULIN, treated), k("5.8", treated + HOUR))
    assert criteria(*facts) == found


@pytest.mark.parametrize(
    ("again", "found"), [(h(7), ["rebound"]), (h(7) + 1, [])], ids=["reopened at 6 h", "a new episode"]
)
def test_rules_4_1_rebound(again: Instant, found: list[str]) -> None:
    """A potassium at or after the reopening is refractory at once. RULES.md 4.1."""
    assert criteria(k("6.4", h(0)), k("5.0", h(1)), k("5.6", again)) == found


def test_rules_4_1_the_first_criterion_that_holds_is_told() -> None:
    """Persistence stands before treatment failure, that before rebound. RULES.md 4.1."""
    insulin = given(Drug.INSULIN, h(0))
    assert criteria(k("5.6", h(0)), insulin, k("5.6", h(2))) == ["persistence"]
    closed = (k("6.4", h(0)), k("5.0", h(1)), k("5.7", h(2)), given(Drug.INSULIN, h(2)), k("5.7", h(3)))
    assert criteria(*closed) == ["treatment_failure"]


@pytest.mark.parametrize(
    ("facts", "recent"),
    [
        pytest.param([mg("0.9", h(10) - DAY)], True, id="24 h before"),
        pytest.param([mg("0.9", h(10) - DAY - 1)], False, id="longer before"),
        pytest.param([mg("0.9", h(12))], True, id="a later draw"),
        pytest.param([*hemolyzed(mg("0.9", h(9)))], False, id="suspect"),
        pytest.param([mg("0.9", h(9), flags=("time_degraded",))], False, id="drawn at no known time"),
        pytest.param([mg("0.9", h(9), status="P")], False, id="preliminary"),
        pytest.param([mg("0.9", h(5)), dialysis(h(10), h(11))], False, id="a dialysis started at t_n"),
        pytest.param([mg("0.9", h(5)), dialysis(h(10) + 1, h(11))], True, id="a dialysis started later"),
        pytest.param([mg("0.9", h(5)), dialysis(h(5), h(6))], True, id="drawn as the dialysis started"),
        pytest.param([mg("0.694", h(5)), dose(h(10))], False, id="a low one before a dose"),
        pytest.param([mg("0.694", h(5)), dose(h(10) + 1)], True, id="a dose after t_n"),
        pytest.param([mg("0.694", h(5)), dose(h(5))], True, id="drawn as the dose started"),
        pytest.param([mg("0.695", h(5)), dose(h(10))], True, id="a dose makes no normal magnesium low"),
        pytest.param([mg("0.694", h(5)), dose(h(9), parenteral=False)], True, id="an oral dose"),
    ],
)
def test_rules_4_1_recent_magnesium(facts: list[Fact], recent: bool) -> None:
    """Valid, of the 24 h before t_n or later, at a known time, and not stale. RULES.md 4.1."""
    assert (chart(*facts, now=h(13)).recent_magnesium(h(10)) is not None) is recent


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        pytest.param([], "never", id="never"),
        pytest.param([mg("0.9", h(10) - 2 * DAY)], "old", id="old"),
        pytest.param([mg("0.9", h(5)), dialysis(h(6), h(7))], "stale", id="stale"),
        pytest.param([*hemolyzed(mg("0.9", h(5)))], "invalid", id="invalid"),
        pytest.param([mg(None, h(5), status="I"), *hemolyzed(mg("0.9", h(5), order="B"))], "pending", id="pending"),
        pytest.param([ordered(h(10) - DAY - 1)], "never", id="ordered longer ago"),
    ],
)
def test_rules_4_1_why_there_is_no_recent_magnesium(facts: list[Fact], status: str) -> None:
    """Pending, else invalid, stale, unmapped, old, never. RULES.md 4.1."""
    assert chart(*facts, now=h(13)).magnesium_status(h(10)) == status


def test_rules_4_1_an_unmapped_magnesium_is_told() -> None:
    """A magnesium under a code that isn't mapped is named, before an old one, within 24 h. RULES.md 4.1."""
    known = chart(mg("0.9", h(-30)), now=h(13))
    for at, status in ((h(10) - DAY, "unmapped"), (h(10) - DAY - 1, "old")):
        told = Chart(known.state._replace(unmapped_magnesium_at=at), h(13), DEFAULT)
        assert told.magnesium_status(h(10)) == status


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        ("5.5", "warning"),
        ("5.95", "warning"),
        ("5.99", "warning"),
        ("6.0", "high"),
        ("6.49", "high"),
        ("6.5", "critical"),
    ],
)
def test_rules_4_1_severity_by_the_highest(highest: str, expected: str) -> None:
    """Warning below 6.0, high below 6.5, critical from 6.5, by the highest of the episode. RULES.md 4.1."""
    assert severity(RULE, k(highest, h(0)), k(highest, h(2)), now=h(4)) == expected


@pytest.mark.parametrize(("suspect", "expected"), [("6.5", "high"), ("6.99", "high"), ("7.0", "critical")])
def test_rules_3_a_suspect_potassium_makes_high_at_most(suspect: str, expected: str) -> None:
    """A suspect one makes a severity of at most high, critical from 7.0. RULES.md 3."""
    assert severity(RULE, k("5.6", h(0)), k("5.6", h(2)), *hemolyzed(k(suspect, h(3)))) == expected


BASE = (k("5.6", h(0)), k("5.6", h(2)))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([], "warning", id="none"),
        pytest.param([dig("2.0", h(2))], "warning", id="digoxin 2.0"),
        pytest.param([dig("2.01", h(2))], "high", id="digoxin above 2.0"),
        pytest.param([dig("2.1", h(2) - 48 * HOUR)], "high", id="digoxin 48 h before"),
        pytest.param([dig("2.1", h(2) - 48 * HOUR - 1)], "warning", id="digoxin longer before"),
        pytest.param([given(Drug.DIGOXIN, h(2) - 48 * HOUR)], "high", id="digoxin given"),
        pytest.param([given(Drug.DIGOXIN, h(1), intention=True)], "high", id="digoxin ordered"),
        pytest.param([ca("1.9", h(2))], "warning", id="calcium 1.9"),
        pytest.param([ca("1.89", h(2) - 24 * HOUR)], "high", id="calcium below 1.9, 24 h before"),
        pytest.param([ca("1.89", h(2) - 24 * HOUR - 1)], "warning", id="calcium longer before"),
        pytest.param([ca("1.89", h(26))], "high", id="calcium 24 h after"),
        pytest.param([dig("3", h(2)), ca("1.5", h(2))], "high", id="one step in all"),
    ],
)
def test_rules_4_1_steps_up(facts: list[Fact], expected: str) -> None:
    """Digoxin and low calcium raise the severity by one step, at most one in all. RULES.md 4.1."""
    assert severity(RULE, *BASE, *facts) == expected


@pytest.mark.parametrize(
    ("rate", "at", "expected"),
    [
        ("29", h(2) - 7 * DAY, "high"),
        ("29", h(2) - 7 * DAY - 1, "warning"),
        ("30", h(2) - 7 * DAY, "warning"),
    ],
    ids=["impaired: 7 days", "impaired: longer", "not impaired: 48 h"],
)
def test_rules_4_1_digoxin_stays_when_the_kidneys_are_impaired(rate: str, at: Instant, expected: str) -> None:
    """Digoxin counts for 7 days when renal function is impaired. RULES.md 4.1."""
    assert severity(RULE, *BASE, egfr(rate, h(0)), given(Drug.DIGOXIN, at)) == expected


@pytest.mark.parametrize(
    ("before", "at", "value", "expected"),
    [
        pytest.param("5.5", h(-10), "6.0", "critical", id="0.5 within 12 h"),
        pytest.param("5.51", h(-10), "6.0", "high", id="less than 0.5"),
        pytest.param("5.4", h(-12), "6.0", "critical", id="12 h before, of no episode"),
        pytest.param("5.4", h(-12) - 1, "6.0", "high", id="longer before"),
        pytest.param("5.0", h(-10), "5.99", "warning", id="to less than 6.0"),
    ],
)
def test_rules_4_1_a_fast_rise_is_a_step(before: str, at: Instant, value: str, expected: str) -> None:
    """A valid K >= 6.0 at least 0.5 above a counted one of the 12 h before is a step up. RULES.md 4.1."""
    assert severity(RULE, k(before, at), k(value, h(0)), k(value, h(2) + HOUR)) == expected


def test_rules_4_1_a_reopened_episode_is_a_step_and_forgets_what_was_before() -> None:
    """Severity is by the highest since the reopening, one step up: 7.0, 5.0, 5.6 is high. RULES.md 4.1."""
    assert severity(RULE, k("7.0", h(0)), k("5.0", h(4)), k("5.6", h(9))) == "high"
