"""RULES.md 5, what may follow magnesium: potassium that rises, calcium that falls; thresholds, windows, ends."""

import pytest

from rules.alert import Rule
from rules.events import HOUR, Instant
from rules.families import BY_RULE
from rules.finding import EXPIRED
from tests.unit.rules.builders import (
    Fact,
    Play,
    ca,
    changes,
    chart,
    d,
    dose,
    egfr,
    findings,
    h,
    hemolyzed,
    ica,
    k,
    mg,
    severity,
)

AFTER, CALCIUM = Rule.HYPERKALEMIA_AFTER_MAGNESIUM, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM
GAP = Rule.MAGNESIUM_MONITORING_GAP


# hyperkalemia-after-magnesium


@pytest.mark.parametrize(
    ("before", "at", "value", "drawn", "expected"),
    [
        ("5.0", h(-1), "5.5", h(1), "warning"),
        ("5.0", h(-1), "5.49", h(1), None),
        ("5.01", h(-1), "5.5", h(1), None),
        ("4.0", h(-1), "5.99", h(1), "warning"),
        ("4.0", h(-1), "6.0", h(1), "high"),
        ("4.0", h(-1), "6.49", h(1), "high"),
        ("4.1", h(-1), "6.5", h(1), "critical"),
        ("5.0", h(-72), "5.6", h(1), "warning"),
        ("5.0", h(-72) - 1, "5.6", h(1), None),
        ("5.0", h(-1), "5.6", h(0), "warning"),
        ("5.0", h(-1), "5.6", h(24), "warning"),
        ("5.0", h(-1), "5.6", h(24) + 1, None),
        ("5.0", h(0), "5.6", h(1), None),
    ],
    ids=[
        "5.5, risen by 0.5",
        "below 5.5",
        "risen by less",
        "below 6.0",
        "6.0 high",
        "below 6.5",
        "6.5 critical",
        "72 h before s",
        "longer before",
        "drawn at s",
        "drawn at e + 24 h",
        "later",
        "one drawn at s is no baseline",
    ],
)
def test_rules_5_hyperkalemia_after_magnesium(
    before: str, at: Instant, value: str, drawn: Instant, expected: str | None
) -> None:
    """A valid K >= 5.5 in s..e+24 h, 0.5 above the last counted one of the 72 h before s. RULES.md 5."""
    assert severity(AFTER, k(before, at), dose(h(0)), k(value, drawn)) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("1.99", "warning"), ("2.0", "high")], ids=["below high", "at its profile's high"]
)
def test_rules_5_a_high_magnesium_makes_it_high(value: str, expected: str) -> None:
    """A valid Mg of the exposure at its profile's high makes it high. RULES.md 5."""
    facts = (egfr("90", h(0)), k("5.0", h(-1)), dose(h(0)), k("5.6", h(1)))
    assert severity(AFTER, *facts, mg(value, h(1))) == expected
    assert severity(AFTER, *facts, *hemolyzed(mg(value, h(1)))) == "warning"


def test_rules_5_the_newest_potassium_and_the_latest_exposure() -> None:
    """The trigger is the newest such K, with the latest exposure that it follows. RULES.md 5."""
    facts = (k("4.0", h(-1)), dose(h(0)), k("5.6", h(2)), k("4.2", h(9)), dose(h(10)), k("5.7", h(12)))
    (found,) = findings(AFTER, *facts)
    assert (found.trigger_at, found.exposure and found.exposure.start) == (h(12), h(10))


def test_rules_5_the_newest_potassium_may_follow_the_earlier_exposure() -> None:
    """A K that has risen only against the baseline of the first of two exposures is of that one. RULES.md 5."""
    facts = (k("4.0", h(-1)), dose(h(0)), k("5.4", h(9)), dose(h(10)), k("6.0", h(11)), k("5.6", h(12)))
    (found,) = findings(AFTER, *facts)
    assert (found.trigger_at, found.exposure and found.exposure.start) == (h(12), h(0))


def test_rules_5_an_exposure_without_a_baseline_is_passed_over() -> None:
    """Nothing measured before the first dose: the second is judged by what was measured before it. RULES.md 5."""
    facts = (dose(h(0)), k("4.4", h(8)), dose(h(10)), k("5.6", h(12)))
    (found,) = findings(AFTER, *facts)
    assert found.exposure is not None
    assert found.exposure.start == h(10)


def test_rules_5_what_a_finding_after_magnesium_shows() -> None:
    """The trigger, the baseline, and the newest three magnesiums (of calcium the newest one). RULES.md 5."""
    given_before: list[Fact] = [k("4.4", h(-1)), ca("2.3", h(-1)), dose(h(0))]
    given_before += [mg(f"1.{n}", h(n)) for n in range(1, 6)]
    (potassium,) = findings(AFTER, *given_before, k("5.6", h(7)))
    assert [str(draw.value) for draw in potassium.evidence] == ["5.6", "4.4", "1.3", "1.4", "1.5"]
    (calcium,) = findings(CALCIUM, *given_before, ca("1.8", h(7)))
    assert [str(draw.value) for draw in calcium.evidence] == ["1.8", "2.3", "1.5"]


def test_rules_5_the_silence_of_a_calcium_is_its_own() -> None:
    """48 h are counted from the last draw of the same analyte, total or ionized. RULES.md 5."""
    facts = (dose(h(0)), ca("1.8", h(1)), ica("0.9", h(2)), ca("1.8", h(5)), ica("0.95", h(9)))
    drawn = chart(*facts)
    expiries = {found.subject: BY_RULE[CALCIUM].expiry(drawn, found) for found in findings(CALCIUM, *facts)}
    assert expiries == {"calcium": h(53), "calcium_ionized": h(57)}


def test_rules_5_after_48_hours_of_silence_nothing_clears() -> None:
    """A potassium after the silence finds the finding expired, not cleared. RULES.md 5, 7."""
    facts = chart(k("4.0", h(-1)), dose(h(0)), k("5.6", h(2)), k("5.0", h(50)))
    family = BY_RULE[AFTER]
    (found,) = family.findings(facts)
    assert family.end(facts, found) == EXPIRED


@pytest.mark.parametrize("rule", [GAP, Rule.POST_INFUSION_HYPERMAGNESEMIA], ids=str)
def test_rules_5_an_alert_whose_exposure_is_gone_expires(rule: Rule) -> None:
    """An alert of which no dose is stored ends by its expiry, counted from its trigger. RULES.md 7."""
    play = Play()
    play.tell(dose(h(0), "4"), mg("2.6", h(3)), at=h(3))
    play.wait(h(12))
    (alert,) = [alert for alert in play.open if alert.rule is rule]
    family, silent = BY_RULE[rule], (24 if rule is GAP else 48) * HOUR
    assert family.end(chart(now=alert.trigger_at + silent - 1), alert) is None
    assert family.end(chart(now=alert.trigger_at + silent), alert) == EXPIRED
    assert family.expiry(chart(now=alert.trigger_at), alert) == alert.trigger_at + silent


@pytest.mark.parametrize(
    ("fact", "end"),
    [
        (k("5.19", h(3)), ["resolved potassium_cleared"]),
        (k("5.2", h(3)), []),
        (k("5.0", h(1)), []),
    ],
    ids=["below 5.2", "5.2", "drawn before the trigger"],
)
def test_rules_5_hyperkalemia_after_magnesium_ends(fact: Fact, end: list[str]) -> None:
    """A valid K < 5.2 after the trigger, or 48 h without K. RULES.md 5."""
    play = Play()
    play.tell(k("4.0", h(-1)), dose(h(0)), k("5.6", h(2)))
    play.tell(fact, at=h(3))
    assert changes(play.seen, AFTER) == ["raised warning", *end]
    play.wait(d(9))
    assert changes(play.seen, AFTER)[-1] == (end[0] if end else "closed expired")


# hypocalcemia-after-magnesium


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([ca("1.9", h(1))], None, id="total 1.9"),
        pytest.param([ca("1.89", h(1))], "warning", id="total below 1.9"),
        pytest.param([ca("1.65", h(1))], "warning", id="total 1.65"),
        pytest.param([ca("1.64", h(1))], "critical", id="total below 1.65"),
        pytest.param([ica("1.0", h(1))], None, id="ionized 1.0"),
        pytest.param([ica("0.99", h(1))], "warning", id="ionized below 1.0"),
        pytest.param([ica("0.8", h(1))], "warning", id="ionized 0.8"),
        pytest.param([ica("0.79", h(1))], "critical", id="ionized below 0.8"),
        pytest.param([ca("1.6", h(1)), mg("1.24", h(1))], "warning", id="critical, but the newest Mg is below 1.25"),
        pytest.param([ca("1.6", h(1)), mg("1.25", h(1))], "critical", id="the newest Mg is 1.25"),
        pytest.param([ca("2.0", h(-1)), ca("1.81", h(1))], None, id="total fallen by less than 0.2"),
        pytest.param([ca("2.0", h(-1)), ca("1.8", h(1))], "warning", id="total fallen by 0.2"),
        pytest.param([ica("1.0", h(-1)), ica("0.92", h(1))], None, id="ionized fallen by less than 0.09"),
        pytest.param([ica("1.0", h(-1)), ica("0.91", h(1))], "warning", id="ionized fallen by 0.09"),
        pytest.param([ca("1.9", h(-72)), ca("1.85", h(1))], None, id="low before, 72 h"),
        pytest.param([ca("1.9", h(-72) - 1), ca("1.85", h(1))], "warning", id="low before, longer ago"),
        pytest.param([ca("1.8", h(0))], "warning", id="drawn at s"),
        pytest.param([ca("1.8", h(24))], "warning", id="drawn at e + 24 h"),
        pytest.param([ca("1.8", h(24) + 1)], None, id="drawn later"),
        pytest.param([ca("1.8", h(-1))], None, id="drawn before"),
        pytest.param([ca("1.5", h(-5)), ca("1.8", h(-1))], None, id="both drawn before, the lower one first"),
        pytest.param([ca("1.8", h(1)), ica("1.0", h(5))], None, id="an ionized one >= 1.0 within 4 h"),
        pytest.param([ca("1.8", h(1)), ica("1.0", h(5) + 1)], "warning", id="later than 4 h"),
    ],
)
def test_rules_5_hypocalcemia_after_magnesium(facts: list[Fact], expected: str | None) -> None:
    """A valid calcium below its limit in s..e+24 h, fallen where one before is known. RULES.md 5."""
    assert severity(CALCIUM, dose(h(0)), *facts) == expected


def test_rules_5_one_alert_an_analyte() -> None:
    """Total and ionized calcium have an alert each. RULES.md 5."""
    assert {f.subject for f in findings(CALCIUM, dose(h(0)), ca("1.8", h(1)), ica("0.9", h(1)))} == {
        "calcium",
        "calcium_ionized",
    }


def test_rules_5_the_newest_calcium_may_follow_the_earlier_exposure() -> None:
    """A calcium that has fallen only against the first baseline is of the first exposure. RULES.md 5."""
    facts = (ca("2.3", h(-1)), dose(h(0)), ca("1.95", h(9)), dose(h(10)), ca("1.7", h(11)), ca("1.85", h(12)))
    (found,) = findings(CALCIUM, *facts)
    assert (found.trigger_at, found.exposure and found.exposure.start) == (h(12), h(0))


def test_rules_5_calcium_is_of_the_latest_exposure() -> None:
    """The newest low calcium triggers, with the latest exposure that it follows. RULES.md 5."""
    (found,) = findings(CALCIUM, dose(h(0)), ca("1.8", h(2)), dose(h(10)), ca("1.5", h(12)))
    assert (found.trigger_at, found.exposure and found.exposure.start) == (h(12), h(10))


@pytest.mark.parametrize(
    ("fact", "end"),
    [
        (ca("1.9", h(3)), ["resolved calcium_recovered"]),
        (ca("1.89", h(3)), ["updated warning"]),
        (ica("1.3", h(9)), []),
    ],
    ids=["at the limit", "below", "the other analyte"],
)
def test_rules_5_hypocalcemia_ends(fact: Fact, end: list[str]) -> None:
    """The same analyte back at its limit, or 48 h without it. RULES.md 5."""
    play = Play()
    play.tell(dose(h(0)), ca("1.8", h(1)))
    play.tell(fact)
    assert changes(play.seen)[1:] == end
    play.wait(d(9))
    assert play.open == []
