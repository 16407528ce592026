"""RULES.md 7: the life of an alert: raised, escalated, reminded, updated, resolved, retracted, closed."""

import pytest

from rules.alert import Change, Rule, Severity
from rules.events import HOUR, MINUTE, Condition, Drug, Instant
from rules.families import FAMILIES
from rules.finding import silence
from tests.unit.rules.builders import (
    Fact,
    Play,
    adt,
    ca,
    changes,
    chart,
    dose,
    egfr,
    event,
    given,
    h,
    k,
    mg,
    opened,
    said,
    told,
    visit,
)

RULE, LOW, AFTER = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM
HYPO, POST = Rule.REFRACTORY_HYPOKALEMIA, Rule.POST_INFUSION_HYPERMAGNESEMIA


@pytest.mark.parametrize(
    ("value", "notify"), [("5.6", False), ("6.2", True), ("6.6", True)], ids=["warning", "high", "critical"]
)
def test_rules_7_raised(value: str, notify: bool) -> None:
    """High and critical notify, a warning does not. RULES.md 7."""
    (raised,) = opened(value).seen
    assert (raised.change, raised.notify, raised.reason, raised.sequence) == (Change.RAISED, notify, None, 1)


@pytest.mark.parametrize(
    ("value", "change"),
    [("5.6", None), ("5.8", "updated high"), ("6.2", "updated high"), ("6.5", "escalated critical")],
    ids=["not refractory", "lower", "the same", "more severe"],
)
def test_rules_7_a_new_trigger_within_the_hours(value: str, change: str | None) -> None:
    """More severe: escalated and notifies; else updated in silence. RULES.md 7."""
    play = opened()
    play.tell(k(value, h(3)))
    assert changes(play.seen)[1:] == ([change] if change else [])
    assert play.seen[-1].notify is (change in (None, "escalated critical"))


@pytest.mark.parametrize(
    ("value", "wait", "change"),
    [
        ("6.2", 4 * HOUR - 1, "updated high"),
        ("6.2", 4 * HOUR, "reminded high"),
        ("6.8", HOUR - 1, "updated critical"),
        ("6.8", HOUR, "reminded critical"),
        ("5.6", 9 * HOUR, "updated warning"),
    ],
    ids=["high, just before 4 h", "high, 4 h", "critical, just before 1 h", "critical, 1 h", "a warning never"],
)
def test_rules_7_reminded(value: str, wait: Instant, change: str) -> None:
    """A new trigger 1 h (critical) or 4 h (high) after the last notification reminds. RULES.md 7."""
    play = opened(value)
    raised = play.seen[0].time
    play.tell(k(value, h(2.5)), at=raised + wait)
    if change == "updated warning":
        assert changes(play.seen)[1:] == [change]
    else:
        assert (changes(play.seen)[-1], play.seen[-1].notify) == (change, change.startswith("reminded"))


def test_rules_7_no_new_trigger_no_word() -> None:
    """A new version of the trigger, an older result or another analyte say nothing. RULES.md 7."""
    play = opened()
    play.tell(k("6.3", h(2), status="C"), at=h(8))
    play.tell(k("6.1", h(1)), at=h(9))
    play.tell(ca("2.3", h(9)))
    assert changes(play.seen) == ["raised high"]


def test_rules_7_at_most_four_reminders_a_day() -> None:
    """Four in any 24 h, then updates; after 24 h again. RULES.md 7."""
    play = opened("6.8", until=h(2))
    for hour in range(3, 31):
        play.tell(k("6.8", h(hour)))
    said_at = [round((t.time - h(0)) / HOUR) for t in play.seen if t.change is Change.REMINDED]
    assert said_at == [3, 4, 5, 6, 27, 28, 29, 30]


@pytest.mark.parametrize(
    ("value", "change"),
    [("7.29", "updated critical"), ("7.3", "reminded critical")],
    ids=["0.49 higher", "0.5 higher"],
)
def test_rules_7_markedly_worse(value: str, change: str) -> None:
    """Markedly worse than the worst value with which it notified reminds whatever clock and count say. RULES.md 7."""
    play = opened("6.8", until=h(2))
    play.tell(k(value, h(2) + 5 * MINUTE))
    assert changes(play.seen) == ["raised critical", change]


@pytest.mark.parametrize(
    ("first", "worse", "value", "change"),
    [
        (LOW, "6.9", "7.39", "updated critical"),
        (LOW, "6.9", "7.4", "reminded critical"),
        (AFTER, "6.9", "7.4", "reminded critical"),
        (HYPO, "2.4", "2.11", "updated critical"),
        (HYPO, "2.4", "2.1", "reminded critical"),
        (POST, "2.6", "3.09", "updated critical"),
        (POST, "2.6", "3.1", "reminded critical"),
        (Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "2.6", "3.1", "reminded critical"),
        (Rule.HYPOCALCEMIA_AFTER_MAGNESIUM, "1.6", "0.9", "updated critical"),
    ],
)
def test_rules_7_markedly_worse_by_rule(first: Rule, worse: str, value: str, change: str) -> None:
    """K 0.5 higher, 0.3 lower, Mg 0.5 higher; calcium never. RULES.md 7."""
    before: dict[Rule, tuple[Fact, ...]] = {
        LOW: (mg("0.6", h(0)),),
        AFTER: (k("5.0", h(0) - 1), dose(h(0), "1")),
        HYPO: (),
        POST: (dose(h(0), "1"),),
        Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: (),
        Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: (dose(h(0), "1"),),
    }
    make = ca if first is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM else (mg if value[0] == "3" else k)
    play = Play(egfr("90", h(0)))
    play.tell(*before[first], make(worse, h(5)), at=h(5))
    play.tell(make(value, h(5.5)))
    assert changes(play.seen, first) == ["raised critical", change]


def test_rules_7_worse_than_ever_notified() -> None:
    """Falling and rising again is not worse than the worst: 7.4, 6.8, 7.4. RULES.md 7."""
    play = opened("7.4", until=h(2))
    play.tell(k("7.0", h(2.2)))
    play.tell(k("7.4", h(2.4)))
    assert changes(play.seen) == ["raised critical", "updated critical", "updated critical"]


@pytest.mark.parametrize(
    ("facts", "change"),
    [
        ([mg("0.6", h(2))], "resolved superseded"),
        ([ca("1.8", h(2))], "escalated critical"),
        ([ca("1.5", h(2))], "retracted invalidated"),
    ],
    ids=["a low magnesium", "a low calcium", "a calcium that shows EDTA"],
)
def test_rules_7_other_evidence(facts: list[Fact], change: str) -> None:
    """Evidence beside the trigger may end or escalate. RULES.md 7."""
    play = opened()
    play.tell(*facts, at=h(3))
    assert changes(play.seen, RULE)[1:] == [change]


def test_rules_7_evidence_that_lowers_severity_or_changes_the_criterion_updates() -> None:
    """A correction that lowers the highest value updates in silence; so does another criterion. RULES.md 7."""
    play = opened()
    play.tell(k("5.8", h(0), status="C"), k("5.9", h(2), status="C"), at=h(3))
    assert (changes(play.seen), play.seen[-1].notify) == (["raised high", "updated warning"], False)
    again = Play()
    again.tell(k("6.4", h(0)), k("5.8", h(1)), given(Drug.INSULIN, h(1)), k("5.8", h(2)), at=h(2))
    again.wait(h(3))
    again.tell(k("6.2", h(0), status="C"), at=h(3.5))
    assert [t.criterion for t in again.seen] == ["treatment_failure", "persistence"]


# Age limit


@pytest.mark.parametrize(
    ("value", "age", "stale"),
    [("6.2", 12 * HOUR, False), ("6.2", 12 * HOUR + 1, True), ("6.6", 24 * HOUR, False), ("6.6", 24 * HOUR + 1, True)],
    ids=["high, 12 h", "high, older", "critical, 24 h", "critical, older"],
)
def test_rules_7_age_limit(value: str, age: Instant, stale: bool) -> None:
    """A trigger older than 12 h, critical 24 h, is published without notifying. RULES.md 7."""
    play = Play()
    play.tell(k(value, h(0)), k(value, h(2)), mg("0.6", h(0)), at=h(2) + age)
    assert [(t.rule, t.notify, t.stale, t.reason) for t in play.seen] == [(LOW, not stale, stale, None)]


def test_rules_7_silent_because_stale_then_fresh() -> None:
    """What was silent only because its trigger was stale reminds at once with a fresh one. RULES.md 7."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), mg("0.6", h(0)), at=h(15))
    play.tell(k("6.2", h(15)), at=h(15) + MINUTE)
    assert told(play.seen, LOW)[-1] == (LOW, Change.REMINDED, "high", True, None)


def test_rules_7_an_escalation_silent_because_stale_then_fresh() -> None:
    """The same when it was the escalation that was stale. RULES.md 7."""
    play = opened("5.6", until=h(4))
    play.tell(k("6.1", h(4)), at=h(29))
    assert (play.seen[-1].change, play.seen[-1].notify, play.seen[-1].stale) == (Change.ESCALATED, False, True)
    play.tell(k("6.1", h(29)), at=h(29) + MINUTE)
    assert changes(play.seen) == ["raised warning", "escalated critical", "reminded critical"]


def test_rules_7_a_stale_trigger_reminds_never() -> None:
    """A new trigger that is itself too old updates. RULES.md 7."""
    play = opened()
    play.tell(k("6.2", h(5)), at=h(17) + 1)
    assert changes(play.seen) == ["raised high", "updated high"]


def test_rules_7_spurious_and_gap_have_no_age_limit() -> None:
    """A spurious potassium is told however old, until its own end. RULES.md 7."""
    play, tube = Play(), k("6.2", h(0))
    play.tell(tube, said(tube, Condition.CLOTTED), at=h(23))
    assert [t.stale for t in play.seen] == [False]


def test_rules_7_an_alert_names_the_place_that_was_told_last() -> None:
    """A transfer moves the alert's ward with the patient; a message without a place leaves it. DESIGN.md 2."""
    play = Play()
    play.tell(k("6.2", h(0)), visit("V1", location="ER^1"), at=h(0.5))
    play.tell(adt("A02"), visit("V1", location="ICU^7^B"), at=h(1))
    play.tell(k("6.2", h(2)), at=h(2))
    (raised,) = play.wait(h(3))
    assert (raised.visit_number, raised.location) == ("V1", "ICU^7^B")


def test_rules_7_a_late_message_moves_nobody_back() -> None:
    """A result received before the transfer and judged after it brings no ward of yesterday. DESIGN.md 2."""
    play = Play()
    play.tell(k("6.2", h(0)), adt("A02"), visit("V1", location="ICU^7^B"), at=h(1))
    play.send(event(k("6.2", h(2)), visit("V1", location="ER^1"), at=h(0.9)))
    assert play.state is not None
    assert play.state.location == "ICU^7^B"


def test_rules_7_every_rule_has_one_family() -> None:
    """The families are one a rule, in the order in which ties are broken. RULES.md 5."""
    assert [family.rule for family in FAMILIES] == list(Rule)
    assert [severity.label for severity in Severity] == ["information", "warning", "high", "critical"]


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        pytest.param([], (h(48), []), id="nothing after it"),
        pytest.param([k("4", h(0))], (h(48), []), id="the draw itself is none after it"),
        pytest.param([k("4", h(48) - 1)], (h(96) - 1, [h(48) - 1]), id="just in time"),
        pytest.param([k("4", h(48))], (h(48), []), id="too late"),
        pytest.param([k("4", h(-1)), k("4", h(30)), k("4", h(60))], (h(108), [h(30), h(60)]), id="again and again"),
    ],
)
def test_rules_7_silence(draws: list[Fact], expected: tuple[Instant, list[Instant]]) -> None:
    """Silence is counted from the draw and from each one that came in time. RULES.md 7."""
    silent_at, until = silence(chart(*draws).potassium, h(0), 48 * HOUR)
    assert (silent_at, [draw.at for draw in until]) == expected


@pytest.mark.parametrize(
    ("facts", "at", "rule", "ends"),
    [
        pytest.param([mg("2.2", h(3))], h(3), POST, [mg("1.0", h(9))], id="hypermagnesemia"),
        pytest.param([], h(13), Rule.MAGNESIUM_MONITORING_GAP, [mg("1.0", h(14)), k("4", h(14))], id="monitoring gap"),
    ],
)
def test_rules_7_an_alert_outlives_the_dose_that_named_its_exposure(
    facts: list[Fact], at: Instant, rule: Rule, ends: list[Fact]
) -> None:
    """The first of two doses deleted: the finding stands on the other, the alert goes on under its id. RULES.md 7."""
    play = Play()
    play.tell(dose(h(0), "4", order="A"), dose(h(1), "4", order="B"), *facts, at=at)
    play.tell(dose(h(0), "4", order="A", deleted=True), at=at + 1)
    play.tell(*ends)
    said_of = [t for t in play.seen if t.rule is rule]
    assert [t.change.value for t in said_of if t.change is not Change.UPDATED] == ["raised", "resolved"]
    assert len({t.alert_id for t in said_of}) == 1
    assert [t.sequence for t in said_of] == [*range(1, len(said_of) + 1)]


@pytest.mark.parametrize(("rule", "facts", "at"), [(POST, [mg("2.2", h(3))], h(3))], ids=str)
def test_rules_7_the_only_dose_deleted_takes_the_alert_back(rule: Rule, facts: list[Fact], at: Instant) -> None:
    """With no dose left the finding would never have stood: retracted as withdrawn. RULES.md 7."""
    play = Play()
    play.tell(dose(h(0), "4", order="A"), *facts, at=at)
    play.tell(dose(h(0), "4", order="A", deleted=True), at=at + 1)
    assert changes(play.seen, rule)[1:] == ["retracted withdrawn"]
