"""RULES.md 4.2: to which exposure a magnesium belongs, and what an alert keeps of its own."""

import pytest

from rules.alert import Change, Rule
from rules.rulebook import load
from tests.unit.rules.builders import Fact, Play, adt, ca, changes, dose, egfr, h, infusion, k, mg, severity

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


def test_rules_4_2_a_dose_told_late_takes_no_magnesium_from_an_alert() -> None:
    """Of a magnesium that an alert stood on a later exposure that comes to light owns nothing; of the next it does."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), order="A"), mg("1.6", h(8)), at=h(8))
    play.tell(dose(h(7), order="B"), at=h(9))
    assert changes(play.seen, POST) == ["raised warning"]
    play.tell(mg("1.6", h(9)))
    assert changes(play.seen, POST) == ["raised warning", "raised warning"]
    first, second = (t for t in play.seen if t.rule is POST)
    assert first.alert_id != second.alert_id


def early_and_late() -> Play:
    """Return a play of a dose at 4 h, named by it, with 1.6 at 6 h, then one at 0 h told late, with 2.6 at 3 h."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(4), order="B"), mg("1.6", h(6)), at=h(6))
    play.tell(dose(h(0), order="A"), mg("2.6", h(3)), at=h(7))
    assert changes(play.seen, POST) == ["raised warning", "escalated critical"]
    return play


def test_rules_4_2_what_an_alert_stood_on_before_its_first_dose_stays_with_it() -> None:
    """The dose at 0 h deleted: 2.6 at 3 h is before the first dose now, and still the alert's, of no other rule."""
    play = early_and_late()
    play.tell(mg("1.4", h(2)), at=h(8))  # belongs by the window alone
    play.tell(dose(h(0), order="A", deleted=True), at=h(9))
    assert changes(play.seen)[2:] == []
    play.tell(mg("1.7", h(10)))
    last = play.seen[-1]
    assert (last.change, last.severity.label) == (Change.REMINDED, "critical")
    assert [str(e.result.value) for e in last.evidence][:4] == ["1.7", "1.6", "2.6", "1.4"]


def followed(*magnesiums: Fact) -> Play:
    """Return a play of a dose at 0 h, two more at 8 h and 16 h told at 30 h, and the first deleted at 31 h."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), order="A"), *magnesiums, at=h(20))
    play.tell(dose(h(8), order="B"), dose(h(16), order="C"), at=h(30))
    play.tell(dose(h(0), order="A", deleted=True), at=h(31))
    return play


def test_rules_4_2_an_alert_whose_dose_was_deleted_keeps_what_it_stood_on() -> None:
    """It goes on with the exposure of the newest that it stood on: 2.6 at 2 h, before that one, is of no other rule."""
    play = followed(mg("2.6", h(2)), mg("2.6", h(12)))
    assert changes(play.seen) == ["raised critical"]
    assert len(play.open) == 1
    play.tell(mg("2.7", h(15)), at=h(32))
    assert changes(play.seen) == ["raised critical", "reminded critical"]


def test_rules_4_2_it_goes_on_with_the_exposure_of_the_newest() -> None:
    """Of 2.6 at 9 h and 2.1 at 18 h the later says whose the alert is: 2.7 of the dose at 16 h is news of it."""
    play = followed(mg("2.6", h(9)), mg("2.1", h(18)))
    assert changes(play.seen) == ["raised critical"]
    play.tell(mg("2.7", h(33)))
    assert changes(play.seen) == ["raised critical", "reminded critical"]


def test_rules_4_2_what_no_dose_is_left_for_is_of_no_exposure() -> None:
    """The only dose before 2.6 at 2 h deleted: taken back, and told as a magnesium of no known dose."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0), order="A"), mg("2.6", h(2)), dose(h(8), order="B"), at=h(9))
    play.tell(dose(h(0), order="A", deleted=True), at=h(10))
    assert changes(play.seen, POST) == ["raised critical", "retracted withdrawn"]
    assert changes(play.seen, UNKNOWN) == ["raised critical"]


def test_rules_4_2_an_alert_that_has_ended_keeps_nothing_for_a_dose_that_was_deleted() -> None:
    """In pre-eclampsia 3.0 clears; with the dose gone 3.6 at 2 h, before the one at 8 h, is of no known exposure."""
    play = Play(adt("A01", diagnoses=["O14"]), egfr("90", h(0)))
    play.tell(dose(h(0), order="A"), mg("3.6", h(2)), mg("3.6", h(9)), at=h(10))
    play.tell(mg("3.0", h(11)))
    assert changes(play.seen, POST) == ["raised warning", "resolved magnesium_cleared"]
    play.tell(dose(h(8), order="B"), dose(h(0), order="A", deleted=True), at=h(12))
    assert changes(play.seen, UNKNOWN) == ["raised warning"]


def test_rules_4_2_a_magnesium_whose_draw_is_set_right_stays_with_its_alert() -> None:
    """Corrected to a draw before the dose, it is the result that the alert stood on: nothing is taken back."""
    play = Play(egfr("90", h(0)))
    play.tell(mg("1.2", h(1)), dose(h(4)), mg("1.6", h(6), order="M"), at=h(6))
    play.tell(mg("1.6", h(3), order="M", status="C", resulted=h(7)), at=h(7))
    assert changes(play.seen) == ["raised warning"]
    assert len(play.open) == 1


def test_rules_4_2_another_order_of_a_draw_belongs_by_the_window() -> None:
    """Of two alerts the second's draw is spoken for by another order: it belongs to the second all the same."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0)), mg("1.6", h(3)), at=h(3))
    play.tell(dose(h(12)), mg("1.6", h(15)), at=h(15))
    play.tell(mg("2.1", h(15), order="B", resulted=h(16)), at=h(16))
    assert changes(play.seen) == ["raised warning", "raised warning", "escalated high"]
    assert play.seen[2].alert_id == play.seen[1].alert_id


def test_rules_4_2_what_belongs_raises_nothing_of_an_unknown_exposure() -> None:
    """Where a site has 4.2 off, or in shadow, an owned magnesium is still of a known exposure. Issue 5."""
    for mode in ("off", "shadow"):
        play = Play(egfr("90", h(0)), rulebook=load({"rules": {POST.value: {"mode": mode}}}))
        play.tell(dose(h(0)), mg("2.6", h(3)), at=h(3))
        assert changes(play.seen, UNKNOWN) == []


# Ends, to the millisecond


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        pytest.param(mg("1.3", h(1) - 1), mg("1.7", h(1)), "warning", id="risen by 0.4 in a millisecond"),
        pytest.param(mg("1.7", h(1)), mg("1.3", h(1) + 1), None, id="fallen by 0.4 in a millisecond"),
        pytest.param(mg("1.3", h(1)), mg("1.7", h(25)), "warning", id="risen in 24 h"),
        pytest.param(mg("1.3", h(1)), mg("1.7", h(25) + 1), None, id="in longer"),
    ],
)
def test_rules_4_2_risen_above_one_drawn_before(earlier: Fact, later: Fact, expected: str | None) -> None:
    """Only a magnesium drawn before it, in the 24 h before it, shows that it has risen. RULES.md 4.2."""
    assert severity(UNKNOWN, earlier, later) == expected


@pytest.mark.parametrize(("after", "ends"), [(0, 0), (1, 1)], ids=["the trigger itself", "a millisecond later"])
@pytest.mark.parametrize("given", [True, False], ids=["after an infusion", "exposure unknown"])
def test_rules_7_a_magnesium_that_clears_is_later_than_the_trigger(given: bool, after: int, ends: int) -> None:
    """The second trigger corrected to 1.0 ends nothing, and stays the trigger; 1.0 drawn just after it resolves."""
    play = Play(egfr("90", h(0)))
    play.tell(*([dose(h(0))] if given else []), mg("2.1", h(9)), at=h(9))
    play.tell(mg("2.2", h(10), order="M"))
    play.tell(
        mg("1.0", h(10) + after, order="M", status="C", resulted=h(11)) if not after else mg("1.0", h(10) + 1), at=h(11)
    )
    rule = POST if given else UNKNOWN
    assert changes(play.seen, rule) == ["raised high", "updated high", *["resolved magnesium_cleared"] * ends]


def test_rules_4_2_an_alert_whose_magnesiums_were_dropped_expires() -> None:
    """Where more than the limit of results came since, silence is counted from the trigger. RULES.md 4.2, 7."""
    play = Play(egfr("90", h(0)), rulebook=load({"parameters": {"results_at_most": 50}}))
    play.tell(dose(h(0)), mg("1.6", h(3)), at=h(3))
    play.tell(*(ca("2.3", h(5) + n) for n in range(60)), at=h(6))
    play.wait(h(100))
    assert [(t.change, t.time) for t in play.seen if t.rule is POST] == [
        (Change.RAISED, h(3)),
        (Change.CLOSED, h(3 + 48)),
    ]


def test_rules_4_2_an_end_told_beforehand_keeps_nothing_open() -> None:
    """An infusion told to end at 100 h ran, and does not run: 48 h after the magnesium is silence. RULES.md 4.2."""
    play = Play(egfr("90", h(0)))
    play.tell(infusion(h(0), h(100)), mg("1.6", h(3)), at=h(3))
    play.wait(h(120))
    assert [t.time for t in play.seen if t.rule is POST and t.change is Change.CLOSED] == [h(51)]


@pytest.mark.parametrize(
    ("facts", "profile", "steps"),
    [
        pytest.param([mg("2.1", h(1))], "general", None, id="no step"),
        pytest.param([mg("2.1", h(1)), k("6.0", h(1))], "general", ["high potassium"], id="potassium"),
        pytest.param([mg("2.1", h(1)), ca("1.8", h(1))], "general", ["low calcium"], id="calcium"),
        pytest.param([egfr("20", h(0)), mg("2.1", h(1))], "renal", None, id="renal"),
        pytest.param(
            [dose(h(-9)), mg("1.6", h(-4)), mg("1.7", h(1))], "general", ["accumulation"], id="after a dose: it rises"
        ),
    ],
)
def test_rules_4_2_an_alert_shows_its_ladder_and_what_stepped_it_up(
    facts: list[Fact], profile: str, steps: list[str] | None
) -> None:
    """With or without a known exposure the event names the profile, and what raised the severity. RULES.md 4.2."""
    play = Play()
    play.tell(*facts, at=h(1))
    shown = [t for t in play.seen if t.rule in (POST, UNKNOWN)]
    assert [(t.context["profile"], t.context.get("stepped_up_by")) for t in shown] == [(profile, steps)]
