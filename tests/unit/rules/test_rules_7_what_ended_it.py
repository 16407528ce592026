"""RULES.md 7: the draw that ended an alert, taken back; what is shown of an episode; silence while messages come."""

import pytest

from rules.alert import Rule
from rules.events import Drug
from tests.unit.rules.builders import (
    Fact,
    Play,
    ca,
    changes,
    dose,
    egfr,
    given,
    h,
    hemolyzed,
    ica,
    k,
    mg,
)

RULE, LOW, HYPO = Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM, Rule.REFRACTORY_HYPOKALEMIA
POST, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN
AFTER, CALCIUM = Rule.HYPERKALEMIA_AFTER_MAGNESIUM, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM


@pytest.mark.parametrize(
    ("rule", "facts", "ending", "reason"),
    [
        pytest.param(RULE, [k("6.2", h(0)), k("6.2", h(2))], mg("0.9", h(4)), "magnesium_resulted", id="4.1 by Mg"),
        pytest.param(RULE, [k("6.2", h(0)), k("6.2", h(2))], k("5.0", h(4)), "potassium_cleared", id="4.1 by K"),
        pytest.param(LOW, [k("6.2", h(2)), mg("0.6", h(2))], mg("0.9", h(4)), "magnesium_recovered", id="low Mg by Mg"),
        pytest.param(LOW, [k("6.2", h(2)), mg("0.6", h(2))], k("5.0", h(4)), "potassium_cleared", id="low Mg by K"),
        pytest.param(HYPO, [k("2.9", h(2)), mg("0.6", h(2))], k("3.5", h(4)), "potassium_recovered", id="low K by K"),
        pytest.param(HYPO, [k("2.9", h(2)), mg("0.6", h(2))], mg("0.9", h(4)), "magnesium_resulted", id="low K by Mg"),
        pytest.param(POST, [dose(h(-9)), mg("2.1", h(2))], mg("1.0", h(4)), "magnesium_cleared", id="after a dose"),
        pytest.param(UNKNOWN, [mg("2.1", h(2))], mg("1.0", h(4)), "magnesium_cleared", id="exposure unknown"),
        pytest.param(
            AFTER, [k("5.0", h(-1)), dose(h(0)), k("5.8", h(2))], k("5.0", h(4)), "potassium_cleared", id="K after Mg"
        ),
        pytest.param(CALCIUM, [dose(h(0)), ca("1.8", h(2))], ca("2.0", h(4)), "calcium_recovered", id="total calcium"),
        pytest.param(CALCIUM, [dose(h(0)), ica("0.9", h(2))], ica("1.1", h(4)), "calcium_recovered", id="ionized"),
        pytest.param(
            Rule.SPURIOUS_POTASSIUM, [*hemolyzed(k("6.0", h(2)))], k("4.0", h(4)), "repeat_resulted", id="spurious"
        ),
    ],
)
def test_rules_7_what_ended_an_alert_taken_back_raises_it_again(
    rule: Rule, facts: list[Fact], ending: Fact, reason: str
) -> None:
    """Every end by a result: that withdrawn, the alert is raised again under its id, with the next sequence."""
    play = Play(egfr("90", h(0)))
    play.tell(*facts, at=h(2))
    play.wait(h(3))
    play.tell(ending)
    play.tell(ending._replace(status="D", value=None), at=h(5))  # type: ignore[call-arg]  # a result
    said = [t for t in play.seen if t.rule is rule]
    first = said[0].severity.label
    assert changes(said) == [f"raised {first}", f"resolved {reason}", f"raised {first}"]
    assert len({t.alert_id for t in said}) == 1
    assert [t.sequence for t in said] == [1, 2, 3]


@pytest.mark.parametrize(
    ("facts", "steps"),
    [
        pytest.param([k("6.2", h(0)), k("6.2", h(2))], None, id="none"),
        pytest.param(
            [k("6.2", h(0)), k("5.0", h(1)), k("6.2", h(2))], ["reopened episode", "fast rise"], id="reopened"
        ),
        pytest.param([k("5.6", h(0)), k("6.1", h(2))], ["fast rise"], id="a rise of 0.5"),
        pytest.param([given(Drug.DIGOXIN, h(0)), k("6.2", h(0)), k("6.2", h(2))], ["digoxin"], id="digoxin"),
        pytest.param([k("6.2", h(0)), k("6.2", h(2)), ca("1.8", h(0))], ["low calcium"], id="calcium"),
    ],
)
@pytest.mark.parametrize("magnesium", [None, "0.6", "0.4"], ids=["no Mg", "Mg 0.6", "Mg 0.4"])
def test_rules_4_1_an_alert_shows_what_stepped_it_up(
    magnesium: str | None, facts: list[Fact], steps: list[str] | None
) -> None:
    """Each reason for the step up is named in the event, with or without a low magnesium. RULES.md 4.1, 5."""
    play = Play()
    play.tell(*facts, *([mg(magnesium, h(1))] if magnesium else []), at=h(2))
    play.wait(h(3))
    if magnesium == "0.4":
        steps = [*(steps or []), "magnesium below 0.50 mmol/L"]
    (raised,) = [t for t in play.seen if t.rule is (LOW if magnesium else RULE)]
    assert raised.context.get("stepped_up_by") == steps


def test_rules_5_a_refractory_potassium_beside_a_low_magnesium_is_said_to_persist() -> None:
    """Refractory or not, the low-magnesium alert says what it stands on. RULES.md 5, intended use."""
    for facts, persists in (([k("6.2", h(0)), k("6.2", h(2))], True), ([k("6.2", h(2))], False)):
        play = Play()
        play.tell(*facts, mg("0.6", h(2)), at=h(2))
        (raised,) = [t for t in play.seen if t.rule is LOW]
        assert any(text.startswith("persistent") for text in raised.considerations) is persists


def test_rules_4_2_a_magnesium_below_warning_breaks_the_silence() -> None:
    """48 h are counted from the last magnesium of the exposure, whatever message comes before they are over."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0)), mg("1.6", h(3)), at=h(3))
    play.tell(mg("1.4", h(20)))
    play.tell(k("4.0", h(60)))
    assert changes(play.seen, POST) == ["raised warning"]
    play.wait(h(68))
    assert changes(play.seen, POST) == ["raised warning", "closed expired"]
