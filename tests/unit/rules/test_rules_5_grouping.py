"""RULES.md 5 "One message, one page", 7 "merge", 8 "Catching up": who speaks for whom, and when."""

import pytest

from rules import engine
from rules.alert import Change, Rule, Severity
from rules.events import HOUR, MINUTE, Instant
from rules.rulebook import DEFAULT, load
from tests.unit.rules.builders import Play, ca, changes, dose, egfr, event, h, ica, k, mg, told

RULE, LOW, AFTER = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.HYPERKALEMIA_AFTER_MAGNESIUM
POST = Rule.POST_INFUSION_HYPERMAGNESEMIA


def test_rules_5_one_message_one_page() -> None:
    """The most severe notifies and names the others; they say grouped and name it. RULES.md 5."""
    play = Play()
    play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(1)), mg("2.6", h(1)), at=h(1))
    first, second = play.seen
    assert told(play.seen) == [
        (POST, Change.RAISED, "critical", True, None),
        (AFTER, Change.RAISED, "high", False, "grouped"),
    ]
    assert (first.related, second.related) == ((second.alert_id,), (first.alert_id,))


def test_rules_5_a_tie_is_broken_by_the_table() -> None:
    """Of equals 4.2 speaks, then exposure-unknown, 4.1, then the table's order. RULES.md 5."""
    play = Play()
    play.tell(egfr("90", h(0)), dose(h(0), "1"), at=h(0))
    play.tell(mg("2.6", h(3)), ca("1.6", h(3)), at=h(3))
    assert [(t.rule, t.notify) for t in play.seen] == [(POST, True), (Rule.HYPOCALCEMIA_AFTER_MAGNESIUM, False)]


def test_rules_5_a_warning_is_not_grouped() -> None:
    """What would not notify anyway has no reason. RULES.md 5."""
    play = Play()
    play.tell(egfr("90", h(0)), dose(h(0), "1"), at=h(0))
    play.tell(mg("2.6", h(3)), ca("1.8", h(3)), at=h(3))
    assert [(t.severity.label, t.notify, t.reason) for t in play.seen] == [
        ("critical", True, None),
        ("warning", False, None),
    ]


def ungrouping() -> Play:
    """Return a play in which 4.2 (critical) spoke for the alert after magnesium (high)."""
    play = Play()
    play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(1)), mg("2.6", h(1)), at=h(1))
    return play


def test_rules_5_when_the_one_that_spoke_is_retracted_another_speaks() -> None:
    """The most severe that is open, high and has not notified is reminded at once: ungrouped. RULES.md 5."""
    play = ungrouping()
    play.tell(mg(None, h(1), status="W"), at=h(2))
    assert told(play.seen)[2:] == [
        (POST, Change.RETRACTED, "critical", True, "withdrawn"),
        (AFTER, Change.REMINDED, "high", True, "ungrouped"),
    ]


def test_rules_5_whom_it_spoke_for_is_not_forgotten_at_an_escalation() -> None:
    """An alert that spoke for another and then escalated alone still spoke for it. RULES.md 5."""
    play = Play()
    play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(3)), mg("1.6", h(3)), at=h(3))
    assert told(play.seen) == [
        (POST, Change.RAISED, "high", True, None),
        (AFTER, Change.RAISED, "high", False, "grouped"),
    ]
    play.tell(mg("2.6", h(4)), at=h(4))
    play.tell(mg(None, h(3), status="W"), mg(None, h(4), status="W"), at=h(5))
    assert told(play.seen)[-1] == (AFTER, Change.REMINDED, "high", True, "ungrouped")


@pytest.mark.parametrize(
    ("after", "says", "stale"),
    [(12 * HOUR, "reminded high", False), (12 * HOUR + 1, "updated high", True)],
    ids=["12 h", "stale"],
)
def test_rules_7_a_stale_trigger_is_never_reminded_when_ungrouped(after: Instant, says: str, stale: bool) -> None:
    """The silent one whose potassium is more than 12 h old by then is updated, and pages nobody. RULES.md 5, 7."""
    play = ungrouping()
    play.tell(mg(None, h(1), status="W"), at=h(1) + after)
    last = play.seen[-1]
    assert (changes([last])[0], last.notify, last.stale) == (says, not stale, stale)


def test_rules_5_who_speaks_next_speaks_for_the_rest() -> None:
    """Retracted in its turn, the second speaker leaves the page to the third: none of three is lost. RULES.md 5."""
    play = Play()
    play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(1)), mg("2.6", h(1)), ica("0.75", h(1)), at=h(1))
    play.tell(mg(None, h(1), status="W"), at=h(2))
    play.tell(ica(None, h(1), status="W"), at=h(3))
    calcium = Rule.HYPOCALCEMIA_AFTER_MAGNESIUM
    assert told(play.seen) == [
        (POST, Change.RAISED, "critical", True, None),
        (AFTER, Change.RAISED, "high", False, "grouped"),
        (calcium, Change.RAISED, "critical", False, "grouped"),
        (POST, Change.RETRACTED, "critical", True, "withdrawn"),
        (calcium, Change.REMINDED, "critical", True, "ungrouped"),
        (calcium, Change.RETRACTED, "critical", True, "withdrawn"),
        (AFTER, Change.REMINDED, "high", True, "ungrouped"),
    ]


def test_rules_5_one_that_is_grouped_anew_is_not_ungrouped() -> None:
    """What the same message escalates under another speaker pages nobody a second time. RULES.md 5."""
    play = ungrouping()
    play.tell(mg(None, h(1), status="W"), k("6.6", h(2)), at=h(2))
    assert told(play.seen)[2:] == [
        (POST, Change.RETRACTED, "critical", True, "withdrawn"),
        (RULE, Change.RAISED, "critical", True, None),
        (AFTER, Change.ESCALATED, "critical", False, "grouped"),
    ]


def test_rules_5_nobody_is_left_to_speak() -> None:
    """When the silent one has ended, nothing is reminded. RULES.md 5."""
    play = ungrouping()
    play.tell(k("5.0", h(1.5)))
    play.tell(mg(None, h(1), status="W"), at=h(2))
    assert changes(play.seen)[2:] == ["resolved potassium_cleared", "retracted withdrawn"]


def test_rules_5_one_that_changes_with_the_retraction_speaks_with_its_own_words() -> None:
    """The silent one that has a new trigger in the same message is reminded, once. RULES.md 5, 7."""
    play = ungrouping()
    play.tell(mg(None, h(1), status="W"), k("6.2", h(2)), at=h(2))
    assert told(play.seen)[2:] == [
        (POST, Change.RETRACTED, "critical", True, "withdrawn"),
        (AFTER, Change.REMINDED, "high", True, "ungrouped"),
    ]


# Catching up


def test_rules_8_catching_up() -> None:
    """What would have notified says catching_up, and is reminded once when the task has caught up. RULES.md 8."""
    play = Play()
    play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(1)), mg("2.6", h(1)), at=h(1), catching_up=True)
    assert [(t.notify, t.reason) for t in play.seen] == [(False, "catching_up")] * 2
    assert told(play.caught_up(h(2))) == [
        (POST, Change.REMINDED, "critical", True, "caught_up"),
        (AFTER, Change.REMINDED, "high", True, "caught_up"),
    ]
    assert play.caught_up(h(3)) == []


@pytest.mark.parametrize(
    ("value", "after", "says"),
    [("2.1", 12 * HOUR, 1), ("2.1", 12 * HOUR + 1, 0), ("2.6", 24 * HOUR, 1), ("2.6", 24 * HOUR + 1, 0)],
    ids=["high, 12 h", "high, stale", "critical, 24 h", "critical, stale"],
)
def test_rules_8_what_is_stale_when_caught_up_says_nothing(value: str, after: Instant, says: int) -> None:
    """Each alert still open that would have notified, and is not stale, says so once. RULES.md 8."""
    play = Play()
    play.tell(egfr("90", h(0)), dose(h(-9)), mg(value, h(0)), at=h(0), catching_up=True)
    assert [t.reason for t in play.seen] == ["catching_up"]
    assert len(play.caught_up(h(0) + after)) == says


def test_rules_8_only_a_critical_alert_speaks_before_the_task_has_caught_up() -> None:
    """After 5 min the critical one speaks; the high one of the same patient waits for the end of it. RULES.md 8."""
    play = Play()
    play.tell(egfr("90", h(0)), k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(1)), mg("2.6", h(1)), at=h(1), catching_up=True)
    assert play.state is not None
    early = engine.caught_up(play.state, now=h(2), rulebook=DEFAULT, least=Severity.CRITICAL)
    assert told(early.transitions) == [(POST, Change.REMINDED, "critical", True, "caught_up")]
    assert early.awaits_catch_up == 1
    assert early.state is not None
    late = engine.caught_up(early.state, now=h(3), rulebook=DEFAULT)
    assert told(late.transitions) == [(AFTER, Change.REMINDED, "high", True, "caught_up")]
    assert late.awaits_catch_up == 0


def test_rules_8_what_ended_meanwhile_says_nothing() -> None:
    """An alert that ended, or is only a warning now, says nothing when caught up. RULES.md 8."""
    for fact in (k("5.0", h(1)), k("5.6", h(0), status="C")):
        play = Play()
        play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0), catching_up=True)
        play.tell(fact, at=h(1), catching_up=True)
        assert play.caught_up(h(2)) == []


def test_rules_8_a_reminder_while_catching_up_is_an_update() -> None:
    """A reminder that is due is an update, and said when caught up; a retraction always notifies. RULES.md 8."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0))
    play.tell(k("6.6", h(2)), at=h(2), catching_up=True)
    assert (changes(play.seen)[-1], play.seen[-1].notify) == ("updated critical", False)
    assert changes(play.caught_up(h(3))) == ["reminded critical"]
    play.tell(k(None, h(2), status="W"), k(None, h(0), status="W"), at=h(4), catching_up=True)
    assert (changes(play.seen)[-1], play.seen[-1].notify) == ("retracted withdrawn", True)


def test_rules_8_what_would_be_ungrouped_while_catching_up_is_said_when_caught_up() -> None:
    """A page that its group's speaker took with it is not lost by a backlog. RULES.md 5, 8."""
    play = ungrouping()
    play.tell(mg(None, h(1), status="W"), at=h(2), catching_up=True)
    assert changes(play.seen)[2:] == ["retracted withdrawn", "updated high"]
    assert told(play.caught_up(h(3))) == [(AFTER, Change.REMINDED, "high", True, "caught_up")]


@pytest.mark.parametrize(("value", "awaits"), [("2.1", 1), ("2.6", 2)], ids=["high", "critical"])
def test_rules_8_who_awaits(value: str, awaits: int) -> None:
    """The judgement tells whether a critical or a high alert waits for the task to catch up. RULES.md 8."""
    message = event(mg(value, h(0)), at=h(0))
    caught = engine.judge(None, message, now=h(0), rulebook=load({}), catching_up=True)
    assert caught.awaits_catch_up == awaits
    calm = engine.judge(None, message, now=h(0), rulebook=DEFAULT)
    assert calm.awaits_catch_up == 0


def test_rules_8_what_is_found_no_more_is_stale_by_its_own_trigger() -> None:
    """An open alert without a finding is judged by its own trigger's age. RULES.md 7, 8."""
    for after, says in ((24 * HOUR, 1), (24 * HOUR + 1, 0)):
        play = Play()
        play.tell(k("6.6", h(0)), mg("0.6", h(-23)), at=h(0), catching_up=True)
        play.tell(k("6.2", h(2)), at=h(2), catching_up=True)
        assert len([t for t in play.caught_up(h(0) + after) if t.rule is LOW]) == says


# Timers


def test_rules_8_a_timer_fires_at_its_due_time() -> None:
    """However late the watermark moves, the transition's time is the due time; in order. RULES.md 8."""
    play = Play()
    play.tell(k("5.8", h(0)), k("5.8", h(2)), at=h(2))
    play.wait(h(400))
    assert [(t.change, t.time, t.timer) for t in play.seen] == [
        (Change.RAISED, h(2) + 15 * MINUTE, "hold"),
        (Change.CLOSED, h(50), "expiry"),
    ]


def test_rules_8_now_never_goes_back() -> None:
    """A message that was received before the patient's last one is judged at that one's now. RULES.md 8."""
    play = Play()
    play.tell(k("6.6", h(5)), at=h(9))
    assert play.state is not None
    judged = engine.judge(play.state, event(mg("0.6", h(5)), at=h(6)), now=h(6), rulebook=DEFAULT)
    assert [(t.time, t.received_at) for t in judged.transitions] == [(h(9), h(6))]


def test_rules_8_a_hold_by_the_wall_clock_says_how_far_the_feed_is_behind() -> None:
    """A stuck watermark is overruled: the hold fires, and the words say so. RULES.md 8."""
    play = Play()
    play.tell(k("5.8", h(0)), k("5.8", h(2)), at=h(2))
    assert play.state is not None
    judged = engine.tick(play.state, watermark=h(3), rulebook=DEFAULT, behind=10 * MINUTE)
    assert [t.change for t in judged.transitions] == [Change.RAISED]
