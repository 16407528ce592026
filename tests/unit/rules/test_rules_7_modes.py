"""RULES.md 7 and issue 5: rules in shadow and off, and a rulebook that has changed under an open alert."""

from rules.alert import Change, Rule
from rules.rulebook import load
from tests.unit.rules.builders import Play, ca, changes, d, dose, h, k, mg, opened

RULE, LOW = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM


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


def test_rules_7_a_changed_threshold_lets_a_gap_stand() -> None:
    """The same for an alert that a dose triggered. Issue 5."""
    play = Play()
    play.tell(dose(h(0), "4"))
    play.wait(h(12))
    play.rulebook = load({"parameters": {"gap_grams": "9 g"}})
    play.tell(ca("2.2", h(13)))
    assert changes(play.seen) == ["raised warning"]
