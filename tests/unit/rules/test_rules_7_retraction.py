"""RULES.md 7, retracted: what would never have stood, what stood once, and what is raised again after its end."""

from uuid import UUID

import pytest

from rules.alert import Change, Rule
from rules.events import Condition
from rules.raising import ALERT_NAMESPACE, alert_id
from tests.unit.rules.builders import PATIENT, Fact, Play, ca, changes, dose, h, k, mg, opened, said, told

RULE = Rule.REFRACTORY_HYPERKALEMIA
POST = Rule.POST_INFUSION_HYPERMAGNESEMIA


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
