"""RULES.md 5: the companion rules, each at its thresholds, windows and ends."""

import pytest

from rules.alert import Rule
from rules.events import DAY, HOUR, MINUTE, Condition, Instant
from rules.families import BY_RULE
from rules.finding import EXPIRED
from tests.unit.rules.builders import (
    Fact,
    Play,
    adt,
    ca,
    changes,
    chart,
    crea,
    d,
    dig,
    dose,
    egfr,
    findings,
    h,
    hemolyzed,
    ica,
    infusion,
    k,
    mg,
    ordered,
    said,
    severity,
)

LOW, AFTER, HYPO = (
    Rule.HYPERKALEMIA_LOW_MAGNESIUM,
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM,
    Rule.REFRACTORY_HYPOKALEMIA,
)
GAP, CALCIUM, SPURIOUS = Rule.MAGNESIUM_MONITORING_GAP, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM, Rule.SPURIOUS_POTASSIUM


# hyperkalemia-low-magnesium


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


# refractory-hypokalemia-magnesium


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([k("3.4", h(0)), k("3.4", h(4))], "warning", id="two 4 h apart"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4) - 1)], None, id="closer"),
        pytest.param([k("3.4", h(0)), k("3.4", h(48))], "warning", id="48 h apart"),
        pytest.param([k("3.4", h(0)), k("3.4", h(48) + 1)], None, id="further: the run begins anew"),
        pytest.param([k("3.5", h(0)), k("3.4", h(4))], None, id="3.5 is not low"),
        pytest.param([k("3.4", h(0)), k("3.5", h(2)), k("3.4", h(4))], None, id="a valid 3.5 between"),
        pytest.param([k("3.4", h(0)), *hemolyzed(k("3.5", h(2))), k("3.4", h(4))], "warning", id="a suspect 3.5"),
        pytest.param([*hemolyzed(k("3.4", h(0))), k("3.4", h(4))], "warning", id="a hemolyzed low one stands"),
        pytest.param([k("2.99", h(0))], None, id="one below 3.0, Mg missing"),
        pytest.param([k("2.99", h(0)), mg("0.694", h(0))], "high", id="one below 3.0, Mg low"),
        pytest.param([k("3.0", h(0)), mg("0.694", h(0))], None, id="one at 3.0, Mg low"),
        pytest.param([k("2.99", h(0)), mg("0.695", h(0))], None, id="one below 3.0, Mg not low"),
        pytest.param([k("2.5", h(0))], None, id="one at 2.5"),
        pytest.param([k("2.49", h(0))], "critical", id="one below 2.5"),
        pytest.param([k("2.49", h(0)), mg("0.9", h(0))], None, id="one below 2.5, Mg not low"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), mg("0.9", h(4))], None, id="two, Mg not low"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), mg("0.6", h(4))], "warning", id="two, Mg low"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), mg("0.49", h(4))], "high", id="Mg below 0.50: one step"),
        pytest.param([k("3.4", h(0)), k("3.4", h(4)), dig("2.1", h(4))], "high", id="digoxin: one step"),
        pytest.param([k("2.99", h(0)), k("2.99", h(4))], "high", id="below 3.0"),
        pytest.param([k("3.0", h(0)), k("3.0", h(4))], "warning", id="3.0"),
        pytest.param([k("2.9", h(0)), k("2.99", h(4))], "high", id="by the lowest"),
        pytest.param([k("2.9", h(0)), k("3.1", h(12))], "high", id="the lowest of 12 h, rising by 0.2"),
        pytest.param([k("2.9", h(0)), k("3.1", h(12) + 1)], "warning", id="the lowest is longer ago"),
        pytest.param([k("2.8", h(0)), k("3.09", h(6))], "high", id="recovering by less than 0.3"),
        pytest.param([k("2.8", h(0)), k("3.1", h(6))], "warning", id="recovering by 0.3"),
        pytest.param([k("2.6", h(0)), k("2.99", h(6))], "high", id="recovering, still below 3.0"),
        pytest.param([k("2.8", h(0)), k("3.1", h(6)), dig("3", h(6))], "warning", id="recovering: whatever the steps"),
    ],
)
def test_rules_5_hypokalemia(facts: list[Fact], expected: str | None) -> None:
    """Two low ones 4-48 h apart, or one very low, with a magnesium that is low or missing. RULES.md 5."""
    assert severity(HYPO, *facts) == expected


def test_rules_5_a_jump_is_not_believed_for_being_low() -> None:
    """Only hemolysis raises potassium alone: a low one suspect for another reason does not stand. RULES.md 5."""
    assert severity(HYPO, k("5.0", h(0)), k("2.4", h(1))) is None


@pytest.mark.parametrize(
    ("facts", "minutes"),
    [
        pytest.param([k("3.2", h(0)), k("3.2", h(4))], 15, id="15 min"),
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), ordered(h(4))], 60, id="60 min while pending"),
        pytest.param([k("2.4", h(0)), k("2.9", h(4))], 0, id="none: the lowest of 12 h is below 2.5"),
        pytest.param([k("3.2", h(0)), k("3.2", h(4)), mg("0.6", h(4))], 0, id="none with a low magnesium"),
    ],
)
def test_rules_5_hypokalemia_hold(facts: list[Fact], minutes: int) -> None:
    """The hold of 4.1 while magnesium is missing, none below 2.5. RULES.md 5."""
    play = Play()
    play.tell(*facts, at=h(5))
    play.wait(h(8))
    raised = [t.time for t in play.seen if t.change.value == "raised"]
    assert raised == [h(5) + minutes * MINUTE]


@pytest.mark.parametrize(
    ("fact", "end"),
    [
        (k("3.5", h(6)), ["resolved potassium_recovered"]),
        (k("3.49", h(6)), ["updated warning"]),
        (mg("0.695", h(6)), ["resolved magnesium_resulted"]),
        (mg("0.694", h(6)), ["updated warning"]),
        (mg("0.9", h(4) - DAY), ["resolved magnesium_resulted"]),
        (mg("0.9", h(4) - DAY - 1), []),
    ],
    ids=["K 3.5", "K 3.49", "Mg 0.695", "Mg 0.694: the criterion changes", "a recent Mg comes late", "an old one"],
)
def test_rules_5_hypokalemia_ends(fact: Fact, end: list[str]) -> None:
    """A valid K >= 3.5, a recent valid Mg >= 0.695, 48 h without K. RULES.md 5, 7."""
    play = Play()
    play.tell(k("3.2", h(0)), k("3.2", h(4)), at=h(5))
    play.wait(h(6))
    play.tell(fact, at=h(7))
    assert changes(play.seen)[1:] == end
    play.wait(d(9))
    assert play.open == []


def test_rules_5_a_magnesium_before_the_low_one_ends_nothing() -> None:
    """The magnesium that ends it must be later than the low one that the finding used. RULES.md 7."""
    play = Play()
    play.tell(k("3.2", h(0)), k("3.2", h(4)), mg("0.6", h(3)), at=h(5))
    play.tell(mg("0.9", h(2)), at=h(6))
    assert changes(play.seen) == ["raised warning"]


# magnesium-monitoring-gap

IMPAIRED, WELL = (egfr("20", h(0)),), (egfr("90", h(0)),)


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


# spurious-potassium


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
