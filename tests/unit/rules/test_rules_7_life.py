"""RULES.md 7: the life of an alert: raised, escalated, reminded, updated, resolved, retracted, closed."""

from uuid import UUID

import pytest

from rules.alert import Change, Rule, Severity
from rules.events import DAY, HOUR, MINUTE, Condition, Drug, Instant
from rules.families import FAMILIES
from rules.finding import silence
from rules.raising import ALERT_NAMESPACE, alert_id
from rules.rulebook import load
from tests.unit.rules.builders import (
    PATIENT,
    Fact,
    Play,
    adt,
    ca,
    changes,
    chart,
    d,
    dose,
    egfr,
    event,
    given,
    h,
    k,
    mg,
    said,
    told,
    visit,
)

RULE, LOW, AFTER = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM
HYPO, POST = Rule.REFRACTORY_HYPOKALEMIA, Rule.POST_INFUSION_HYPERMAGNESEMIA


def opened(value: str = "6.2", *, until: Instant | None = None, rules: dict[str, str] | None = None) -> Play:
    """Return a play in which 4.1 was raised at h(2) + 15 min, on potassiums of *value* at 0 and 2 h."""
    book = load({"rules": {rule: {"mode": mode} for rule, mode in (rules or {}).items()}})
    play = Play(rulebook=book)
    play.tell(k(value, h(0)))
    play.tell(k(value, h(2)))
    play.wait(h(2) + 15 * MINUTE if until is None else until)
    return play


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


# Retraction


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param([k(None, h(2), status="W")], "withdrawn", id="the wrong patient"),
        pytest.param([k(None, h(2), status="D")], "withdrawn", id="deleted"),
        pytest.param([k("4.2", h(2), status="C")], "corrected", id="corrected"),
        pytest.param([k("4.2", h(2), resulted=h(3))], "corrected", id="another final value"),
        pytest.param(
            [k("4.2", h(2), status="C"), k(None, h(0), status="W")], "withdrawn", id="both: the first that holds"
        ),
        pytest.param([said(k("6.2", h(2)), Condition.CLOTTED)], "invalidated", id="the tube was clotted"),
    ],
)
def test_rules_7_retracted(facts: list[Fact], reason: str) -> None:
    """A finding that would never have stood is retracted, and says so to whom it paged. RULES.md 7."""
    play = opened()
    play.tell(*facts, at=h(4))
    assert told(play.seen, RULE)[1:] == [(RULE, Change.RETRACTED, "high", True, reason)]


def test_rules_7_a_retraction_of_what_never_notified_is_silent() -> None:
    """A warning that is retracted notifies nobody. RULES.md 7."""
    play = opened("5.7")
    play.tell(k(None, h(2), status="W"), at=h(4))
    assert told(play.seen)[1:] == [(RULE, Change.RETRACTED, "warning", False, "withdrawn")]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [([dose(h(0), deleted=True)], "withdrawn"), ([dose(h(0), "1", order="D", parenteral=False)], "corrected")],
    ids=["deleted", "replaced: it was oral"],
)
def test_rules_7_an_administration_taken_back(facts: list[Fact], reason: str) -> None:
    """A deleted administration is withdrawn, a replaced one corrected. RULES.md 7."""
    play = Play()
    play.tell(dose(h(0), "1", order=facts[0].order_number), mg("1.9", h(3)), at=h(3))  # type: ignore[union-attr]
    play.tell(*facts, at=h(4))
    assert changes(play.seen, POST) == ["raised warning", f"retracted {reason}"]


def test_rules_7_raised_again_after_a_retraction() -> None:
    """Raised again for the same trigger: the same id, the sequence goes on. RULES.md 7."""
    play = opened()
    play.tell(k("4.2", h(2), status="C", resulted=h(3)), at=h(4))
    play.tell(k("6.2", h(2), status="C", resulted=h(4)), at=h(5))
    assert changes(play.seen) == ["raised high", "retracted corrected", "raised high"]
    assert [t.sequence for t in play.seen] == [1, 2, 3]
    assert len({t.alert_id for t in play.seen}) == 1


def test_rules_7_what_stood_once_is_not_retracted() -> None:
    """A late result under which the finding had stood when it was raised ends nothing by itself. RULES.md 7."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(8)), at=h(8))
    play.wait(h(9))
    play.tell(k("6.2", h(8), resulted=h(9)), at=h(9))
    play.tell(k("5.0", h(1)), at=h(10))
    assert changes(play.seen) == ["raised high"]
    assert len(play.open) == 1


def test_rules_7_another_order_of_the_same_draw_retracts_nothing() -> None:
    """When another order comes to speak for the draw, the alert had stood by what had come: it ends. RULES.md 7."""
    play = opened()
    play.tell(k("4.2", h(2), order="B", resulted=h(3)), at=h(4))
    assert changes(play.seen) == ["raised high", "resolved potassium_cleared"]


# Ended, and raised again


def test_rules_7_not_raised_again_for_the_same_trigger() -> None:
    """What a magnesium ended stays ended, although that magnesium grows stale. RULES.md 7."""
    play = opened()
    play.tell(mg("0.9", h(3)))
    play.tell(ca("2.2", h(5)))
    assert changes(play.seen) == ["raised high", "resolved magnesium_resulted"]


@pytest.mark.parametrize(
    ("back", "again"),
    [
        pytest.param([mg(None, h(3), status="W")], True, id="withdrawn"),
        pytest.param([mg("0.6", h(3), status="C")], False, id="corrected: low, another rule's"),
        pytest.param([said(mg("0.9", h(3)), Condition.CLOTTED)], True, id="clotted"),
        pytest.param([ca("2.2", h(3))], False, id="nothing of it"),
    ],
)
def test_rules_7_raised_again_when_what_ended_it_is_taken_back(back: list[Fact], again: bool) -> None:
    """The result that ended it taken back: raised again under its id. RULES.md 7."""
    play = opened()
    play.tell(mg("0.9", h(3)))
    play.tell(*back, at=h(4))
    assert (changes(play.seen, RULE)[2:] == ["raised high"]) is again
    assert len({t.alert_id for t in play.seen if t.rule is RULE}) == 1


def test_rules_7_a_new_trigger_is_a_new_alert() -> None:
    """An alert that ended and whose finding comes back with a new trigger is a new alert. RULES.md 7."""
    play = opened()
    play.tell(k("5.0", h(3)))
    play.tell(k("5.8", h(4)))
    play.wait(h(5))
    assert changes(play.seen) == ["raised high", "resolved potassium_cleared", "raised high"]
    assert len({t.alert_id for t in play.seen}) == 2


def test_rules_7_the_id_is_a_uuid5_of_patient_rule_and_trigger() -> None:
    """The id is that of the first trigger, at the moment of raising. RULES.md 7."""
    (raised,) = opened().seen
    assert raised.alert_id == alert_id(PATIENT.key, RULE, f"{k('6.2', h(2)).order_number}|2823-3||{h(2)}")
    assert UUID(raised.alert_id).version == 5
    assert str(ALERT_NAMESPACE) == "6c0d1f5e-0f3b-5b6a-9d53-3f7a1c2e8b40"


# Discharge, death


@pytest.mark.parametrize(
    ("number", "closed"), [("V1", True), ("", True), ("V2", False)], ids=["the visit", "unknown", "another visit"]
)
def test_rules_7_a_discharge_closes(number: str, closed: bool) -> None:
    """A discharge of the visit of the latest ADT, or of an unknown one, closes. RULES.md 7."""
    play = opened()
    play.tell(adt("A01"), visit("V1"), at=h(3))
    play.tell(adt("A03"), visit(number), at=h(4))
    assert changes(play.seen)[1:] == (["closed discharged"] if closed else [])


def test_rules_7_a_late_discharge_of_an_old_visit_hides_no_true_one() -> None:
    """A discharge that does not count leaves the visit of the latest ADT as it was. RULES.md 7."""
    play = opened()
    play.tell(adt("A01"), visit("V2"), at=h(3))
    play.tell(adt("A03"), visit("V1"), at=h(4))
    play.tell(adt("A03"), visit("V2"), at=h(5))
    assert changes(play.seen)[1:] == ["closed discharged"]


@pytest.mark.parametrize(
    ("trigger", "after", "again"),
    [("A13", DAY * 2, True), ("A01", DAY, True), ("A01", DAY + 1, False), ("A08", HOUR, False)],
    ids=["cancelled", "admitted within 24 h", "admitted later", "an update"],
)
def test_rules_7_a_discharge_undone(trigger: str, after: Instant, again: bool) -> None:
    """A13, or an A01 within 24 h, raises what it closed and still stands under its id. RULES.md 7."""
    play = opened()
    play.tell(adt("A03"), visit("V1"), at=h(4))
    play.tell(k("6.2", h(40)), at=h(4) + 1) if after > DAY else None
    play.tell(adt(trigger), visit("V1"), at=h(4) + after)
    raised = [t for t in play.seen if t.rule is RULE and t.change is Change.RAISED]
    assert (len(raised) == 2 and raised[0].alert_id == raised[1].alert_id) is (again and after <= DAY)


def test_rules_7_an_a13_undoes_however_late() -> None:
    """An A13 undoes a discharge after more than a day too, when the finding still stands. RULES.md 7."""
    play = opened()
    play.tell(adt("A03"), at=h(4))
    play.tell(adt("A13"), at=h(40))
    assert changes(play.seen) == ["raised high", "closed discharged", "raised high"]
    assert [t.sequence for t in play.seen] == [1, 2, 3]


def test_rules_7_after_a_discharge_results_are_judged_as_ever() -> None:
    """The finding that stood isn't raised for its trigger, a new trigger is. RULES.md 7."""
    play = opened()
    play.tell(adt("A03"), at=h(4))
    play.tell(ca("2.2", h(5)))
    assert changes(play.seen) == ["raised high", "closed discharged"]
    play.tell(k("6.2", h(6)))
    assert changes(play.seen) == ["raised high", "closed discharged", "raised high"]


def test_rules_7_a_death_closes_and_nothing_is_raised_until_an_admission() -> None:
    """A death closes; what comes after it is raised only with an admission. RULES.md 7."""
    play = opened()
    play.tell(adt("A03", deceased=True), at=h(4))
    assert changes(play.seen) == ["raised high", "closed deceased"]
    play.tell(k("7.0", h(5)), mg("0.4", h(5)))
    assert len(play.seen) == 2
    play.tell(adt("A01"), at=h(6))
    play.tell(k("7.0", h(7)))
    assert changes(play.seen)[2:] == ["raised critical", "reminded critical"]


# Modes


def test_rules_7_shadow() -> None:
    """A shadow rule is published and never notifies, reminds, groups, or supersedes. Issue 5."""
    play = opened("6.8", rules={RULE.value: "shadow"})
    play.tell(k("7.4", h(5)))
    assert changes(play.seen) == ["raised critical", "updated critical"]
    assert [(t.notify, t.mode) for t in play.seen] == [(False, "shadow")] * 2
    play.tell(k("5.0", h(6), status="C"), k(None, h(5), status="W"), k(None, h(2), status="W"), at=h(6))
    assert (play.seen[-1].change, play.seen[-1].notify) == (Change.RETRACTED, False)


def test_rules_7_a_shadow_rule_supersedes_nothing() -> None:
    """4.1 ends as resulted when the low-magnesium rule is only a shadow. Issue 5."""
    play = opened(rules={LOW.value: "shadow"})
    play.tell(mg("0.6", h(3)))
    assert changes(play.seen, RULE)[-1] == "resolved magnesium_resulted"


def test_rules_7_off() -> None:
    """A rule that is off raises nothing and sets no timer. Issue 5."""
    off = {rule.value: "off" for rule in Rule}
    play = opened(rules=off)
    play.tell(dose(h(3), "9"), mg("3", h(4)), at=h(4))
    play.wait(d(40))
    assert play.seen == []
    assert play.state is None


def test_rules_7_a_rule_switched_off_ends_its_alerts_by_their_ends() -> None:
    """A changed rulebook retracts nothing: an open alert stays until its rule's end. Issue 5."""
    play = opened()
    play.rulebook = load({"rules": {RULE.value: {"mode": "off"}}})
    play.tell(ca("2.2", h(3)))
    assert len(play.open) == 1
    play.tell(mg("0.9", h(4)))
    assert changes(play.seen) == ["raised high", "resolved magnesium_resulted"]


def test_rules_7_a_changed_threshold_retracts_nothing() -> None:
    """An alert whose finding the change removed stays until its rule's end; withdrawn, it is retracted. Issue 5."""
    stricter = load({"parameters": {"potassium_onset": "6.3 mmol/L", "potassium_high": "6.4 mmol/L"}})
    for fact, end in (
        (mg("0.9", h(4)), "resolved magnesium_resulted"),
        (k(None, h(2), status="W"), "retracted withdrawn"),
    ):
        play = opened()
        play.rulebook = stricter
        play.tell(ca("2.2", h(3)))
        assert changes(play.seen) == ["raised high"]
        play.tell(fact, at=h(4))
        assert changes(play.seen) == ["raised high", end]


def test_rules_7_an_open_alert_keeps_the_version_that_raised_it() -> None:
    """Each transition names the rulebook that raised the alert, and beside it the one it is judged with. Issue 5."""
    play = opened()
    raised_with, play.rulebook = play.rulebook, load({"parameters": {"remind_high": "1 h"}})
    (reminded,) = play.tell(k("6.2", h(4)), at=h(4))
    assert [one.rulebook for one in play.seen] == [raised_with.fingerprint()] * 2
    assert "judged_with_rulebook" not in play.seen[0].context
    assert reminded.context["judged_with_rulebook"] == play.rulebook.fingerprint()


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


def test_rules_7_a_changed_threshold_lets_a_gap_stand() -> None:
    """The same for an alert that a dose triggered. Issue 5."""
    play = Play()
    play.tell(dose(h(0), "4"))
    play.wait(h(12))
    play.rulebook = load({"parameters": {"gap_grams": "9 g"}})
    play.tell(ca("2.2", h(13)))
    assert changes(play.seen) == ["raised warning"]


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
