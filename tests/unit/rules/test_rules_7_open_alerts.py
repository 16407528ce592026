"""RULES.md 7: what an open alert does when several things come in one message, and what it remembers of its past."""

import pytest

from rules import engine
from rules.alert import Change, Rule, Transition
from rules.events import Condition, Demographics, Instant
from rules.rulebook import load
from tests.unit.rules.builders import (
    ADULT,
    Fact,
    Play,
    adt,
    ca,
    changes,
    crea,
    dose,
    egfr,
    event,
    h,
    k,
    mg,
    opened,
    said,
    told,
    visit,
)
from tests.unit.words.histories import CHILD

RULE, LOW = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM
AFTER = Rule.HYPERKALEMIA_AFTER_MAGNESIUM
POST, CALCIUM = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM


def of(transitions: list[Transition], rule: Rule) -> list[Transition]:
    """Return the transitions of *rule*."""
    return [t for t in transitions if t.rule is rule]


# Exposures that change under an alert


@pytest.mark.parametrize("order", ["A", "B", "C", "D"])
def test_rules_4_2_of_two_exposures_joined_the_alert_with_the_newest_magnesium_goes_on(order: str) -> None:
    """A dose told of late joins two exposures that have an alert each: the newer alert follows. RULES.md 4.2, 7."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "2"), mg("2.1", h(3), order=order), at=h(3))
    play.tell(dose(h(10), "2"), mg("2.1", h(12), order=order), at=h(12))
    first, second = (t.alert_id for t in of(play.seen, POST))
    play.tell(dose(h(5), "2"), at=h(12.5))
    play.tell(mg("2.6", h(13)))
    assert [(t.change.value, t.alert_id) for t in of(play.seen, POST)[2:]] == [("escalated", second)] * 2
    assert [alert.alert_id for alert in play.open] == [first, second]


def test_rules_4_2_the_first_dose_deleted_a_clearing_and_a_high_magnesium_at_once() -> None:
    """What the second dose owns ends the alert that the first one named, and the later high one is a new alert."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "4", order="A"), dose(h(1), "4", order="B"), mg("2.2", h(3.5)), at=h(4))
    play.tell(dose(h(0), "4", order="A", deleted=True), mg("1.0", h(9)), mg("2.1", h(12)), at=h(12))
    assert changes(play.seen, POST) == ["raised high", "resolved magnesium_cleared", "raised critical"]
    assert [t.sequence for t in of(play.seen, POST)] == [1, 2, 1]


# Several draws in one message


def test_rules_7_cleared_and_high_again_in_one_message() -> None:
    """A magnesium that clears and a later high one in a batch: the old alert is resolved, a new one raised."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), "4"), mg("2.2", h(3)), at=h(3))
    play.tell(mg("1.0", h(6)), mg("2.3", h(9)), at=h(9))
    assert changes(play.seen, POST) == ["raised high", "resolved magnesium_cleared", "raised critical"]
    assert [t.sequence for t in of(play.seen, POST)] == [1, 2, 1]
    assert len({t.alert_id for t in of(play.seen, POST)}) == 2


def test_rules_7_a_potassium_before_the_newest_refractory_one_ends_nothing() -> None:
    """Cleared at 4 h and high again at 5 h, told of at once: the alert goes on, a step up for the reopening."""
    play = opened()
    play.tell(k("5.0", h(4)), k("6.2", h(5)), at=h(5))
    assert changes(play.seen) == ["raised high", "escalated critical"]


def test_rules_7_a_new_trigger_with_the_discharge_is_the_one_that_is_closed() -> None:
    """A new potassium in the discharge itself: the discharge undone, nothing but that alert returns. RULES.md 7."""
    play = opened()
    play.tell(k("6.2", h(5)), adt("A03"), visit("V1"), at=h(5))
    play.tell(ca("2.2", h(6)))
    assert changes(play.seen) == ["raised high", "closed discharged"]
    assert play.seen[-1].observed_at == h(5)
    play.tell(adt("A13"), visit("V1"), at=h(7))
    assert [t.sequence for t in play.seen] == [1, 2, 3]


# The moments at which it stood


def test_rules_7_what_stood_when_it_changed_is_not_retracted() -> None:
    """The first potassium is withdrawn as another clears: beside a late one the alert had stood when it changed."""
    for changed, end in ((True, "resolved potassium_cleared"), (False, "retracted withdrawn")):
        play = Play()
        play.tell(k("6.2", h(0)), k("6.2", h(2.5)), at=h(2.5))
        play.wait(h(2.75))
        play.tell(k("6.2", h(0.2)), *([k("6.2", h(2.6))] if changed else []), at=h(3))
        play.tell(k(None, h(0), status="W"), k("5.0", h(4)), at=h(4))
        assert changes(play.seen) == ["raised high", *(["updated high"] if changed else []), end]


def test_rules_8_what_stood_when_caught_up_is_not_retracted() -> None:
    """The reminder that the task has caught up is such a moment too. RULES.md 7, 8."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2.5)), at=h(2.5), catching_up=True)
    play.wait(h(2.75), catching_up=True)
    play.tell(k("6.2", h(0.2)), at=h(3), catching_up=True)
    play.caught_up(h(3.5))
    play.tell(k(None, h(0), status="W"), k("5.0", h(4)), at=h(4))
    assert changes(play.seen) == ["raised high", "reminded high", "resolved potassium_cleared"]
    assert [t.sequence for t in play.seen] == [1, 2, 3]


# Catching up


def test_rules_8_what_has_become_stale_waits_for_nothing_more() -> None:
    """Its trigger withdrawn, the alert stands on an older potassium, too old to page anybody: it is silent, once."""
    play = Play()
    play.tell(k("6.2", h(0)), k("6.2", h(2)), mg("0.6", h(0)), k("6.2", h(14)), at=h(14), catching_up=True)
    play.tell(k(None, h(14), status="W"), at=h(15), catching_up=True)
    assert changes(play.seen, LOW) == ["raised high"]
    assert play.state is not None
    judged = engine.caught_up(play.state, now=h(15.5), rulebook=play.rulebook)
    assert (judged.transitions, judged.awaits_catch_up) == ((), 0)


def test_rules_8_a_stale_alert_silences_no_other_when_caught_up() -> None:
    """Of two that were silent the one with an old trigger says nothing, and the other is reminded. RULES.md 8."""
    play = Play(egfr("90", h(-1)))
    play.tell(dose(h(0), "1"), mg("2.1", h(3)), at=h(3), catching_up=True)
    play.tell(ca("1.6", h(14)), at=h(14), catching_up=True)
    assert [(t.rule, t.reason) for t in play.seen] == [(POST, "catching_up"), (CALCIUM, "catching_up")]
    assert told(play.caught_up(h(15.5))) == [(CALCIUM, Change.REMINDED, "critical", True, "caught_up")]
    assert [alert.rule for alert in play.open] == [POST, CALCIUM]


@pytest.mark.parametrize(
    ("before", "says"),
    [((), ["reminded critical"]), ((CHILD,), []), ((k("5.7", h(0), status="C"),), [])],
    ids=["as it was", "a child, as it turns out", "only a warning now"],
)
def test_rules_8_who_is_reminded_when_caught_up(before: tuple[Fact, ...], says: list[str]) -> None:
    """Each alert still open that would have notified: no child's, none that is a warning by now. RULES.md 8."""
    play = Play(who=None)
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
    play.tell(*before, at=h(1), catching_up=True)
    assert changes(play.caught_up(h(1.5))) == says


def test_rules_8_a_reminder_when_caught_up_is_one_of_the_four_of_a_day() -> None:
    """It counts as any other reminder: three more within 24 h, then updates. RULES.md 7, 8."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
    play.caught_up(h(0.5))
    for hour in range(2, 8):
        play.tell(k("6.6", h(hour)))
    assert changes(play.seen, LOW)[1:] == ["reminded critical"] * 4 + ["updated critical"] * 3


def test_rules_8_a_reminder_when_caught_up_is_what_worse_is_measured_by() -> None:
    """0.5 mmol/L above the value that it told of is markedly worse, within the hour. RULES.md 7, 8."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
    play.caught_up(h(0.5))
    play.tell(k("7.1", h(0.6)))
    assert changes(play.seen, LOW)[-1] == "reminded critical"


# What an end is later than


def test_rules_7_a_magnesium_that_is_old_for_the_newest_potassium_ends_nothing() -> None:
    """17 h before the trigger and 25 h before a newer one, told of together: the alert goes on. RULES.md 4.1, 7."""
    play = opened()
    play.tell(k("6.2", h(10)), mg("0.9", h(-15)), at=h(10))
    assert changes(play.seen) == ["raised high", "reminded high"]


def test_rules_7_the_newest_potassium_withdrawn_a_magnesium_is_recent_for_the_one_before() -> None:
    """What was old for the newer trigger is recent for the older one, which is the newest again: resolved."""
    play = opened()
    play.tell(k("6.2", h(10)), mg("0.9", h(-15)), at=h(10))
    play.tell(k(None, h(10), status="W"), at=h(11))
    assert changes(play.seen) == ["raised high", "reminded high", "resolved magnesium_resulted"]


# Retraction where something is missing or has changed


@pytest.mark.parametrize("later", [20, 49], ids=["among older ones", "the oldest that is kept"])
def test_rules_7_a_trigger_that_is_kept_can_be_taken_back(later: int) -> None:
    """History was dropped, the trigger was not: withdrawn, its alert is retracted like any other. RULES.md 7."""
    play = Play(rulebook=load({"parameters": {"results_at_most": "50"}}))
    for n in range(60 - later):
        play.tell(crea("90", h(-n / 10 - 0.1)), at=h(-0.1))
    play.tell(k("2.4", h(0)))
    for n in range(later):
        play.tell(crea("90", h(n / 100 + 0.01)))
    assert play.state is not None
    assert play.state.history_incomplete
    play.tell(k(None, h(0), status="W"), at=h(1))
    assert changes(play.seen) == ["raised critical", "retracted withdrawn"]


@pytest.mark.parametrize(
    ("facts", "raised", "parameters"),
    [
        ((dose(h(0), "4"), mg("2.2", h(3.5))), POST, {"general_high": "2.4 mmol/L", "general_warning": "2.3 mmol/L"}),
        (
            (k("6.2", h(0)), said(k("6.2", h(0)), Condition.CLOTTED)),
            Rule.SPURIOUS_POTASSIUM,
            {"potassium_onset": "6.3 mmol/L", "potassium_high": "6.4 mmol/L"},
        ),
    ],
    ids=["a magnesium", "a potassium that does not count"],
)
def test_rules_7_a_changed_rulebook_retracts_nothing(
    facts: tuple[Fact, ...], raised: Rule, parameters: dict[str, str]
) -> None:
    """An alert whose finding a new rulebook removed stays, while its trigger is a result as before. Issue 5."""
    play = Play(egfr("90", h(0)))
    play.tell(*facts, at=h(4))
    play.rulebook = load({"parameters": parameters})
    play.tell(crea("80", h(4.5)))
    assert [alert.rule for alert in play.open] == [raised]


# Silence


@pytest.mark.parametrize(
    ("catching_up", "at", "who", "mode", "awaits"),
    [
        pytest.param(True, h(8), ADULT, "active", 1, id="catching up"),
        pytest.param(False, h(8), ADULT, "active", 0, id="not catching up: reminded"),
        pytest.param(False, h(20) + 1, ADULT, "active", 0, id="stale"),
        pytest.param(True, h(20) + 1, ADULT, "active", 0, id="catching up, stale"),
        pytest.param(True, h(8), CHILD, "active", 0, id="catching up, a child"),
        pytest.param(False, h(8), CHILD, "active", 0, id="a child"),
        pytest.param(True, h(8), ADULT, "shadow", 0, id="catching up, a shadow rule"),
        pytest.param(False, h(8), ADULT, "shadow", 0, id="a shadow rule"),
    ],
)
def test_rules_8_which_reminder_waits_until_caught_up(
    catching_up: bool, at: Instant, who: Demographics, mode: str, awaits: int
) -> None:
    """Only one that would notify if the task were not catching up: due, fresh, supported, active. RULES.md 7, 8."""
    play = Play(who=who, rulebook=load({"rules": {RULE.value: {"mode": mode}}}))
    play.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    play.wait(h(3))
    message = event(k("6.2", h(8)), at=at)
    judged = engine.judge(play.state, message, now=at, rulebook=play.rulebook, catching_up=catching_up)
    assert [t.change for t in judged.transitions] == [
        Change.REMINDED if at == h(8) and who is ADULT and not (catching_up or mode == "shadow") else Change.UPDATED
    ]
    assert judged.awaits_catch_up == awaits


def test_rules_7_a_shadow_escalates_in_silence() -> None:
    """An escalation of a shadow rule is published and notifies nobody. Issue 5."""
    play = Play(rulebook=load({"rules": {LOW.value: {"mode": "shadow"}, RULE.value: {"mode": "off"}}}))
    play.tell(k("6.2", h(0)), mg("0.6", h(0)), at=h(0))
    play.tell(k("6.8", h(3)))
    assert told(play.seen) == [
        (LOW, Change.RAISED, "warning", False, None),
        (LOW, Change.ESCALATED, "critical", False, None),
    ]


def test_rules_7_a_reminder_is_counted_from_an_escalation_that_was_grouped() -> None:
    """Never notified: 4 h from when it escalated, not from when it was raised, and not at once. RULES.md 7."""
    play = Play(egfr("90", h(-1)), k("5.0", h(-1)))
    play.tell(dose(h(0), "1"), k("5.6", h(1)), at=h(1))
    play.tell(k("6.2", h(3)), mg("2.6", h(3)), at=h(3))
    for hour in (3.5, 6.9, 7):
        play.tell(k("6.2", h(hour)))
    assert told(play.seen, AFTER) == [
        (AFTER, Change.RAISED, "warning", False, None),
        (AFTER, Change.ESCALATED, "high", False, "grouped"),
        (AFTER, Change.UPDATED, "high", False, None),
        (AFTER, Change.UPDATED, "high", False, None),
        (AFTER, Change.REMINDED, "high", True, None),
    ]


def test_rules_4_2_superseding_is_silent_up_to_the_highest_that_it_ever_was() -> None:
    """Escalated to critical before its dose came to light: the alert that takes over is no worse. RULES.md 4.2."""
    play = Play(egfr("90", h(-1)))
    play.tell(mg("2.2", h(0)))
    play.tell(mg("2.6", h(2)))
    play.tell(dose(h(-8), "4"), at=h(3))
    assert told(play.seen)[2:] == [
        (POST, Change.RAISED, "critical", False, "superseding"),
        (Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, Change.RESOLVED, "critical", False, "superseded"),
    ]
