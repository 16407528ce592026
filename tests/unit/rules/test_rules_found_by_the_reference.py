"""What `tests/reference`, the rulebook written a second time, found in the first: one test a sentence of RULES.md."""

import pytest

from rules.alert import Rule
from rules.events import Condition, Instant
from tests.unit.rules.builders import (
    OTHER,
    Play,
    adt,
    ca,
    changes,
    crea,
    dose,
    egfr,
    h,
    hemolyzed,
    ica,
    infusion,
    k,
    mg,
    said,
    visit,
)

POST, GAP, LOW = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.MAGNESIUM_MONITORING_GAP, Rule.HYPERKALEMIA_LOW_MAGNESIUM
HYPO, REFRACTORY = Rule.REFRACTORY_HYPOKALEMIA, Rule.REFRACTORY_HYPERKALEMIA
UNKNOWN, CALCIUM = Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM


def test_rules_2_a_u_without_a_value_keeps_what_was_said_of_the_tube() -> None:
    """U makes the *stored version* final, and that is a hemolyzed one. RULES.md 2."""
    first = k("6.4", h(0), order="A")
    play = Play()
    play.tell(first, said(first, Condition.HEMOLYZED))
    play.tell(k(None, h(0), status="U", order="A", resulted=h(1)), at=h(1))
    assert changes(play.seen) == ["raised information"]


def test_rules_4_2_an_alert_outlives_the_dose_that_named_its_exposure() -> None:
    """One alert an exposure: its first dose deleted, what is left of it owns the magnesium. RULES.md 4.2."""
    play = Play(egfr("80", h(0)))
    play.tell(dose(h(0), order="A"), dose(h(3), order="B"))
    play.tell(mg("2.2", h(6)))
    assert changes(play.seen, POST) == ["raised high"]
    play.tell(dose(h(0), order="A", deleted=True), at=h(7))
    assert changes(play.seen, POST) == ["raised high"]
    play.tell(mg("1.2", h(9)))
    assert changes(play.seen, POST) == ["raised high", "resolved magnesium_cleared"]


def test_rules_4_2_a_magnesium_that_belongs_to_the_exposure_before_goes_on_in_its_alert() -> None:
    """Its exposure deleted, an earlier one owns the trigger: the same trigger, the same alert. RULES.md 7."""
    play = Play(egfr("20", h(0)))
    play.tell(dose(h(0), order="A"), dose(h(8), order="B"))
    play.tell(mg("1.6", h(11)))
    play.tell(dose(h(8), order="B", deleted=True), at=h(12))
    assert changes(play.seen, POST) == ["raised high"]


def test_rules_5_a_gap_outlives_the_first_record_of_its_infusion() -> None:
    """The exposure has another first dose, one by which its alert was known already. RULES.md 5, 7."""
    play = Play()
    play.tell(infusion(h(0), order="A"), at=h(0))
    play.tell(infusion(h(8), order="A"), at=h(8))
    play.tell(infusion(h(0), h(8.5), order="A", received=h(9)), at=h(9))
    play.tell(infusion(h(0), order="A", received=h(26), deleted=True), at=h(26))
    assert changes(play.seen, GAP) == ["raised warning"]


def test_rules_5_a_magnesium_that_the_finding_no_longer_uses_bars_none() -> None:
    """It must be later than the low one that the finding used, and the finding uses none by now. RULES.md 7."""
    low = mg("0.6", h(2))
    play = Play()
    play.tell(k("2.4", h(0)))
    play.tell(low)
    play.tell(said(low, Condition.CLOTTED), at=h(3))
    play.tell(mg("0.9", h(1)), at=h(4))
    assert changes(play.seen, HYPO)[-2:] == ["updated critical", "resolved magnesium_resulted"]


def test_rules_5_a_stop_in_the_same_record_does_not_retract_the_gap() -> None:
    """At s + 6 h the infusion ran, though the record of that was replaced by one with its end. RULES.md 5."""
    play = Play()
    play.tell(infusion(h(0), order="A"), at=h(0))
    play.tell(infusion(h(0), h(7), order="A"), at=h(7))
    assert changes(play.seen, GAP) == ["raised warning"]
    play.wait(h(60))
    assert changes(play.seen, GAP) == ["raised warning", "closed expired"]


def test_rules_5_a_death_ends_the_monitoring_timer() -> None:
    """A discharge and a death both end monitoring-gap timers, for good. RULES.md 4.1."""
    play = Play()
    play.tell(dose(h(0), "6"))
    play.tell(adt("A08", deceased=True), at=h(1))
    play.tell(adt("A01"), at=h(2))
    play.wait(h(60))
    assert changes(play.seen, GAP) == []


def test_rules_5_a_discharge_before_the_dose_ends_no_timer_after_a_merge() -> None:
    """A discharge ends the timers that stood; the dose came after it, though the merge brought both. RULES.md 5."""
    other = Play(patient=OTHER)
    other.tell(adt("A03"), at=h(0))
    other.tell(dose(h(1), "6"))
    play = Play()
    play.merge_from(other, h(2))
    play.wait(h(13))
    assert changes(play.seen, GAP) == ["raised warning"]


def test_rules_7_measured_is_undone_when_either_measurement_is() -> None:
    """Both results ended it; the potassium taken back, the finding stands again, under its id. RULES.md 7."""
    play = Play()
    play.tell(dose(h(0), "6"))
    play.wait(h(12))
    play.tell(k("4.2", h(13), order="K"), mg("0.9", h(13)))
    play.tell(k(None, h(13), status="W", order="K", resulted=h(14)), at=h(14))
    assert changes(play.seen, GAP) == ["raised warning", "resolved measured", "raised warning"]
    assert len({t.alert_id for t in play.seen if t.rule is GAP}) == 1


def test_rules_7_a_discharge_counts_when_the_latest_adt_names_no_visit() -> None:
    """The visit of the latest ADT is unknown, whatever an earlier one said. RULES.md 7."""
    play = Play(adt("A01"), visit("V1"))
    play.tell(mg("0.6", h(0)), k("6.8", h(0)))
    play.tell(adt("A08"), at=h(1))
    play.tell(adt("A03"), visit("V2"), at=h(2))
    assert changes(play.seen, LOW) == ["raised critical", "closed discharged"]


def test_rules_7_an_a08_after_a_discharge_that_does_not_count_is_the_latest_adt() -> None:
    """An A03 of another visit says nothing of which visit is the latest; the A08 after it does. RULES.md 7."""
    play = Play(adt("A01"), visit("V1"))
    play.tell(mg("0.6", h(0)), k("6.8", h(0)))
    play.tell(adt("A03"), visit("V2"), at=h(1))
    assert changes(play.seen, LOW) == ["raised critical"]
    play.tell(adt("A08"), visit("V2"), at=h(2))
    play.tell(adt("A03"), visit("V2"), at=h(3))
    assert changes(play.seen, LOW) == ["raised critical", "closed discharged"]


def test_rules_7_an_a13_undoes_a_discharge_that_was_sent_twice() -> None:
    """A13 undoes the discharge, not its last copy. RULES.md 7."""
    play = Play(adt("A01"))
    play.tell(mg("0.6", h(0)), k("6.8", h(0)))
    play.tell(adt("A03"), at=h(1))
    play.tell(adt("A03"), at=h(2))
    play.tell(adt("A13"), at=h(3))
    assert changes(play.seen, LOW) == ["raised critical", "closed discharged", "raised critical"]


def test_rules_7_an_admission_undoes_the_discharges_of_a_day_alone() -> None:
    """A01 within 24 h undoes a discharge; one of an earlier day stands, and an A13 of the new visit too. RULES.md 7."""
    play = Play(adt("A01"))
    play.tell(mg("0.6", h(0)), k("6.8", h(0)))
    play.tell(adt("A03"), at=h(1))
    play.tell(adt("A01"), at=h(25) + 1)
    play.tell(adt("A13"), at=h(26))
    assert changes(play.seen, LOW) == ["raised critical", "closed discharged"]


def test_rules_7_a_corrected_draw_time_is_no_new_result() -> None:
    """A new version of a result is not a new result, though it sets the draw an hour later. RULES.md 7."""
    play = Play()
    play.tell(mg("0.59", h(-0.5)), at=h(0))
    play.tell(k("6.3", h(0), order="A"))
    play.tell(k("6.3", h(1), order="A", status="C", resulted=h(2)), at=h(2))
    assert changes(play.seen, LOW) == ["raised warning"]


def test_rules_7_what_stood_at_a_discharge_is_not_raised_by_an_older_trigger_either() -> None:
    """At the discharge the finding stood on the older magnesium, since the newer one had not risen. RULES.md 7."""
    play = Play(egfr("80", h(0)))
    play.tell(mg("2.5", h(0)))
    play.tell(mg("0.9", h(5), order="B"))
    play.tell(mg("1.7", h(5.5)))
    play.tell(mg("1.7", h(5), order="B", status="C", resulted=h(6)), at=h(6))
    play.tell(adt("A03"), at=h(7))
    play.tell(crea("70", h(8)))
    ends = ["resolved magnesium_cleared", "raised warning", "escalated critical", "closed discharged"]
    assert changes(play.seen, UNKNOWN) == ["raised critical", *ends]


def test_rules_7_a_merge_with_a_record_of_the_deceased_closes() -> None:
    """The one person of both records has died. RULES.md 7."""
    other = Play(patient=OTHER)
    other.tell(adt("A08", deceased=True), at=h(1))
    play = Play()
    play.tell(mg("0.6", h(0)), k("6.8", h(0)))
    play.merge_from(other, h(2))
    assert changes(play.seen, LOW) == ["raised critical", "closed deceased"]


def test_rules_7_a_stale_trigger_is_never_reminded_not_even_ungrouped() -> None:
    """`reminded`: never for a stale trigger. The alert that was grouped has grown old. RULES.md 5, 7."""
    play = Play(egfr("80", h(-2)))
    play.tell(k("4.8", h(-1)), dose(h(0)))
    play.tell(k("6.6", h(7)), mg("2.6", h(7), order="M"))
    play.tell(mg("1.0", h(7), order="M", status="C", resulted=h(32)), at=h(32))
    assert [t.reason for t in play.seen if t.change.value == "reminded"] == []
    assert changes(play.seen, POST)[-1] == "retracted corrected"


@pytest.mark.parametrize("drawn", [h(1 + n / 4) for n in range(8)])
def test_rules_5_of_two_calciums_of_one_moment_the_total_speaks(drawn: Instant) -> None:
    """A tie of one rule goes by the order of the table: total calcium, then ionized. RULES.md 5."""
    play = Play()
    play.tell(infusion(h(0)))
    raised = play.tell(ca("1.6", drawn), ica("0.7", drawn))
    spoke = [t for t in raised if t.rule is CALCIUM and t.notify]
    assert [t.evidence[0].result.analyte.value for t in spoke] == ["calcium"]


def test_rules_3_the_pattern_is_of_the_specimen_whatever_speaks_for_it() -> None:
    """The EDTA pattern touches K, Ca and Mg of the specimen: what was believed of it is taken back. RULES.md 3, 7."""
    play = Play()
    play.tell(k("6.9", h(0), order="A"), mg("0.55", h(0), order="A"))
    play.tell(
        k("6.5", h(0), order="B", resulted=h(1)),
        mg("0.59", h(0), order="B", resulted=h(1)),
        ca("1.5", h(0), order="B", resulted=h(1)),
        at=h(1),
    )
    assert changes(play.seen, LOW) == ["raised critical", "retracted invalidated"]


def test_rules_7_a_magnesium_before_the_low_one_of_the_same_message_ends_nothing() -> None:
    """It must be later than the low one that the finding used, and that is the newest. RULES.md 7."""
    play = Play()
    play.tell(k("6.6", h(0)), mg("0.65", h(0)))
    play.tell(mg("0.75", h(1)), mg("0.60", h(2)))
    assert changes(play.seen, LOW) == ["raised critical"]
    assert [alert.rule for alert in play.open] == [LOW]


def test_rules_7_the_same_draw_under_another_order_is_no_new_trigger() -> None:
    """After a discharge nothing that stood at it is raised for the same trigger, sent twice or not. RULES.md 7."""
    play = Play()
    play.tell(k("6.8", h(0), order="A"), mg("0.6", h(0)))
    play.tell(adt("A03"), at=h(1))
    play.tell(k("6.8", h(0), order="B", resulted=h(2)), at=h(2))
    assert changes(play.seen, LOW) == ["raised critical", "closed discharged"]


def test_rules_7_an_adt_that_says_nothing_new_is_still_the_latest() -> None:
    """Joined with a record of another visit, which is the latest ADT goes by when each came. RULES.md 7."""
    other = Play(patient=OTHER)
    other.tell(adt("A08"), visit("V2"), at=h(1))
    play = Play(adt("A08"), visit("V1"))
    play.tell(adt("A08"), visit("V1"), at=h(2))
    play.merge_from(other, h(3))
    play.tell(k("6.8", h(4)), mg("0.6", h(4)))
    play.tell(adt("A03"), visit("V1"), at=h(5))
    assert changes(play.seen, LOW) == ["raised critical", "closed discharged"]


def test_rules_7_never_two_alerts_of_one_trigger() -> None:
    """The dose deleted, its alert goes with its trigger, not with an older result that it stood on. RULES.md 7."""
    older = mg("0.9", h(27.5))
    play = Play()
    play.tell(dose(h(0), order="A"), mg("1.7", h(1)))
    play.tell(infusion(h(24), order="B"), at=h(24))
    play.tell(dose(h(28), order="B"))
    play.tell(older, said(older, Condition.HEMOLYZED), at=h(28))
    play.tell(mg("4.5", h(61)))
    play.tell(infusion(h(24), order="B", deleted=True), at=h(62))
    opened = [alert.alert_id for alert in play.open if alert.rule is POST]
    assert len(opened) == len(set(opened))
    assert len({(t.alert_id, t.sequence) for t in play.seen}) == len(play.seen)


def test_rules_4_2_an_end_that_is_told_ahead_keeps_no_silent_alert_open() -> None:
    """Running: no end yet. Of two infusions one runs until 64 h, of the other 200 h is told. RULES.md 4.2, ADR 8.26."""
    play = Play(egfr("80", h(0)))
    play.tell(infusion(h(0), order="A"), infusion(h(1), h(200), order="B"), at=h(1))
    play.tell(mg("2.2", h(3)))
    for hour in (20, 40):
        play.tell(infusion(h(hour), order="A"))
    play.wait(h(64) - 1)
    assert changes(play.seen, POST) == ["raised warning"]
    play.wait(h(64))
    assert changes(play.seen, POST) == ["raised warning", "closed expired"]


def test_rules_7_a_second_result_of_the_tube_takes_no_alert_back() -> None:
    """What had spoken for the specimen at the raise is looked back at beside another that was doubted. RULES.md 7."""
    play = Play()
    play.tell(*hemolyzed(k("5.5", h(0))))
    play.tell(k("6.3", h(8), order="A"))
    play.wait(h(9))
    play.tell(k("6.4", h(8), order="B"), at=h(9))
    play.wait(h(8 + 48))
    assert changes(play.seen, REFRACTORY) == ["raised critical", "closed expired"]
