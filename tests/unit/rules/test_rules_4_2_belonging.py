"""RULES.md 4.2: to which exposure a magnesium belongs, and what an alert keeps of its own."""

from rules.alert import Change, Rule
from tests.unit.rules.builders import Play, dose, egfr, h, mg

POST, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN


def test_rules_4_2_a_retracted_alert_keeps_nothing() -> None:
    """
    What an alert stood on is its own until the alert is retracted; then the window alone says what belongs.

    Kidneys unknown: 48 h, so that 1.4 at 36 h is of the dose at 6 h, and stays so when they prove well (24 h). When
    the 1.6 that raised the alert is corrected to 1.4, the alert is taken back, and 1.4 at 36 h is of no exposure: the
    alert on 2.1 before the dose expires 48 h after it. RULES.md 4.2, 7.
    """
    play = Play()
    play.tell(mg("2.1", h(1)))
    play.tell(dose(h(6)), mg("1.6", h(9), order="M"), at=h(9))
    play.tell(mg("1.4", h(36)))
    play.tell(egfr("90", h(37)))
    assert play.state is not None
    assert play.state.next_due == h(1 + 48)
    play.tell(mg("1.4", h(9), order="M", status="C", resulted=h(38)), at=h(38))
    assert play.state.next_due == h(36 + 48)
    play.wait(h(100))
    assert [(t.rule, t.change, t.time) for t in play.seen] == [
        (UNKNOWN, Change.RAISED, h(1)),
        (POST, Change.RAISED, h(9)),
        (POST, Change.RETRACTED, h(38)),
        (UNKNOWN, Change.CLOSED, h(84)),
    ]
