"""
RULES.md 4.1, sentence by sentence: each value below, at and above; each window a millisecond before, at and after.

Whatever stands here is judged as a message or a timer: `tests/unit/rules/edges.py`.
"""

import pytest

from rules.alert import Rule
from rules.events import DAY, HOUR, MINUTE, Drug, Instant
from tests.unit.rules.builders import Fact, Play, ca, dialysis, dig, egfr, given, h, hemolyzed, k, mg, ordered
from tests.unit.rules.edges import CRITICAL, HIGH, WARNING, ending, lived, moments, standing, values

RULE = Rule.REFRACTORY_HYPERKALEMIA
Finding = str | None


def criterion(*facts: Fact) -> str | None:
    """Return the criterion of the alert that is open half an hour after *facts*, or None."""
    return next((alert.criterion for alert in lived(*facts).open if alert.rule is RULE), None)


# "Episode: opens at the first counted K >= 5.5; closes at one valid K < 5.2, at the second of two valid ones in a row
# < 5.5, or 48 h after its last counted K (silence). A counted K >= 5.5 within 6 h of the result that closed it reopens"


@pytest.mark.parametrize(("onset", "finding"), values("5.5", (None, WARNING, WARNING)))
def test_rules_4_1_opens_at_5_5(onset: str, finding: Finding) -> None:
    """Opens at the first counted K >= 5.5: two hours later it is refractory. RULES.md 4.1."""
    assert standing(RULE, k(onset, h(0)), k("5.5", h(2))) == finding


CLOSING = "resolved potassium_cleared"


@pytest.mark.parametrize(("one", "end"), values("5.2", (CLOSING, None, None)))
def test_rules_4_1_closes_at_one_below_5_2(one: str, end: Finding) -> None:
    """Closes at one valid K < 5.2. RULES.md 4.1."""
    assert ending(RULE, k("5.7", h(0)), k("5.7", h(2)), k(one, h(4))) == end


@pytest.mark.parametrize(("second", "end"), values("5.5", (CLOSING, None, None)))
def test_rules_4_1_closes_at_the_second_in_a_row_below_5_5(second: str, end: Finding) -> None:
    """At the second of two valid ones in a row < 5.5. RULES.md 4.1."""
    assert ending(RULE, k("5.7", h(0)), k("5.7", h(2)), k("5.3", h(4)), k(second, h(6))) == end
    assert ending(RULE, k("5.7", h(0)), k("5.7", h(2)), k(second, h(4)), k("5.3", h(6))) == end


@pytest.mark.parametrize(("at", "end"), moments(h(50), (None, "closed expired", "closed expired"), "48 h of silence"))
def test_rules_4_1_closes_after_48_h_of_silence(at: Instant, end: Finding) -> None:
    """48 h after its last counted K, counted from `observed_at`. RULES.md 4.1."""
    assert ending(RULE, k("5.7", h(0)), k("5.7", h(2)), until=at) == end


@pytest.mark.parametrize(("at", "finding"), moments(h(48), (WARNING, None, None), "48 h after the last"))
def test_rules_4_1_a_potassium_after_48_h_of_silence_begins_a_new_episode(at: Instant, finding: Finding) -> None:
    """K_first of a new episode is not refractory. RULES.md 4.1."""
    assert standing(RULE, k("5.7", h(0)), k("5.7", at)) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(9), (HIGH, HIGH, None), "6 h after the close"))
def test_rules_4_1_reopens_within_6_h(at: Instant, finding: Finding) -> None:
    """Within 6 h of the result that closed it: refractory at once (`rebound`), one step up. RULES.md 4.1."""
    assert standing(RULE, k("5.7", h(0)), k("5.0", h(3)), k("5.6", at)) == finding


@pytest.mark.parametrize(("again", "finding"), values("5.5", (None, HIGH, HIGH)))
def test_rules_4_1_reopens_at_5_5(again: str, finding: Finding) -> None:
    """A counted K >= 5.5 reopens. RULES.md 4.1."""
    assert standing(RULE, k("5.7", h(0)), k("5.0", h(3)), k(again, h(5))) == finding


# `persistence`: "at least 2 specimens with K >= 5.5 ..., t_n - t_first >= 2 h (1 h when a valid K >= 6.5 is among them
# or renal function is impaired), and K_n > K_first - 0.5; or t_n - t_first >= 4 h and K_n >= 6.0"


@pytest.mark.parametrize(("at", "finding"), moments(h(2), (None, "persistence", "persistence")))
def test_rules_4_1_persistence_from_2_h(at: Instant, finding: Finding) -> None:
    """t_n - t_first >= 2 h. RULES.md 4.1."""
    assert criterion(k("5.7", h(0)), k("5.7", at)) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(1), (None, "persistence", "persistence")))
@pytest.mark.parametrize("why", ["6.5 among them", "impaired"])
def test_rules_4_1_persistence_from_1_h(why: str, at: Instant, finding: Finding) -> None:
    """1 h when a valid K >= 6.5 is among them or renal function is impaired. RULES.md 4.1."""
    first: tuple[Fact, ...] = (k("6.5", h(0)),) if why != "impaired" else (egfr("29", h(0)), k("6.2", h(0)))
    assert criterion(*first, k("6.2", at)) == finding


@pytest.mark.parametrize(("first", "finding"), values("6.5", (None, "persistence", "persistence")))
def test_rules_4_1_persistence_from_1_h_at_6_5(first: str, finding: Finding) -> None:
    """A valid K >= 6.5 is among them. RULES.md 4.1."""
    assert criterion(k(first, h(0)), k("6.2", h(1))) == finding


@pytest.mark.parametrize(("rate", "finding"), values("30", ("persistence", None, None), step="1"))
def test_rules_4_1_persistence_from_1_h_when_impaired(rate: str, finding: Finding) -> None:
    """Impaired: an eGFR < 30. RULES.md 4.1, 6."""
    assert criterion(egfr(rate, h(0)), k("5.7", h(0)), k("5.7", h(1))) == finding


@pytest.mark.parametrize(("newest", "finding"), values("5.8", (None, None, "persistence")))
def test_rules_4_1_persistence_unless_fallen_by_half(newest: str, finding: Finding) -> None:
    """K_n > K_first - 0.5: 6.3 fallen to 5.8 has fallen. RULES.md 4.1."""
    assert criterion(k("6.3", h(0)), k(newest, h(3))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(4), (None, "persistence", "persistence")))
def test_rules_4_1_persistence_at_6_0_from_4_h(at: Instant, finding: Finding) -> None:
    """Or t_n - t_first >= 4 h and K_n >= 6.0, however far it fell. RULES.md 4.1."""
    assert criterion(k("7.4", h(0)), k("6.0", at)) == finding


@pytest.mark.parametrize(("newest", "finding"), values("6.0", (None, "persistence", "persistence")))
def test_rules_4_1_persistence_at_4_h_from_6_0(newest: str, finding: Finding) -> None:
    """K_n >= 6.0. RULES.md 4.1."""
    assert criterion(k("7.4", h(0)), k(newest, h(4))) == finding


# `treatment_failure`: "given at t_T ..., not before the episode's first K, K_n was drawn 1-6 h later (binder 2-24 h),
# K_b >= 5.5, where K_b is the last counted K at or before t_T and at most 24 h older; and K_n > K_b - 0.5, or
# K_n >= 6.0 at t_T + 2 h or later"

FAILED = "treatment_failure"
FALLEN = (k("6.5", h(0)), k("5.8", h(1)))
"""What follows has fallen by more than 0.5: no persistence, unless it is 6.0 four hours after the first."""


@pytest.mark.parametrize(
    ("drug", "after", "finding"),
    [
        pytest.param(drug, *row.values, id=f"{drug.value} {row.id}")
        for drug, start, until in (
            (Drug.INSULIN, 1, 6),
            (Drug.BETA2_AGONIST, 1, 6),
            (Drug.BICARBONATE, 1, 6),
            (Drug.LOOP_DIURETIC, 1, 6),
            (Drug.BINDER, 2, 24),
        )
        for row in (*moments(start * HOUR, (None, FAILED, FAILED)), *moments(until * HOUR, (FAILED, FAILED, None)))
    ],
)
def test_rules_4_1_a_treatment_fails_within_its_hours(drug: Drug, after: Instant, finding: Finding) -> None:
    """K_n was drawn 1-6 h later, binder 2-24 h. RULES.md 4.1."""
    assert criterion(*FALLEN, given(drug, h(1)), k("5.8", h(1) + after)) == finding


@pytest.mark.parametrize(("end", "finding"), moments(h(2), (FAILED, FAILED, None), "1 h before the draw"))
def test_rules_4_1_dialysis_counts_from_its_end(end: Instant, finding: Finding) -> None:
    """Dialysis: its end. K_n is drawn an hour after it, or too early. RULES.md 4.1."""
    assert criterion(k("6.5", h(0)), k("5.8", h(0.5)), dialysis(h(0.5), end), k("5.8", h(3))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(0), (None, FAILED, FAILED), "the first K"))
def test_rules_4_1_no_treatment_before_the_first_potassium(at: Instant, finding: Finding) -> None:
    """Not before the episode's first K; insulin with it, 5.7 an hour and a half later. RULES.md 4.1."""
    assert criterion(k("5.7", h(0)), given(Drug.INSULIN, at), k("5.7", h(1.5))) == finding


@pytest.mark.parametrize(("before", "finding"), values("5.5", (None, FAILED, FAILED)))
def test_rules_4_1_the_potassium_that_was_treated_is_5_5(before: str, finding: Finding) -> None:
    """K_b >= 5.5: insulin for sugar is no treatment of a potassium that was not high. RULES.md 4.1."""
    assert criterion(k("6.5", h(0)), k(before, h(1)), given(Drug.INSULIN, h(1)), k("5.5", h(2.5))) == finding


@pytest.mark.parametrize(("age", "finding"), moments(24 * HOUR, (FAILED, FAILED, None), "24 h before the treatment"))
def test_rules_4_1_the_potassium_that_was_treated_is_a_day_old_at_most(age: Instant, finding: Finding) -> None:
    """The last counted K at or before t_T and at most 24 h older. RULES.md 4.1."""
    assert criterion(*FALLEN, given(Drug.INSULIN, h(1) + age), k("5.8", h(2) + age)) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(1), (None, FAILED, FAILED), "the draw of K_b"))
def test_rules_4_1_the_potassium_that_was_treated_is_at_or_before_it(at: Instant, finding: Finding) -> None:
    """At or before t_T: insulin a moment before 5.8 was for 6.5, and that has fallen. RULES.md 4.1."""
    assert criterion(*FALLEN, given(Drug.INSULIN, at), k("5.8", h(2.5))) == finding


@pytest.mark.parametrize(("newest", "finding"), values("5.8", (None, None, FAILED)))
def test_rules_4_1_a_treatment_fails_unless_it_fell_by_half(newest: str, finding: Finding) -> None:
    """K_n > K_b - 0.5: 6.3 fallen to 5.8 has fallen. RULES.md 4.1."""
    assert criterion(k("7.5", h(0)), k("6.3", h(1)), given(Drug.INSULIN, h(1)), k(newest, h(2.5))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(3), (None, FAILED, FAILED), "t_T + 2 h"))
def test_rules_4_1_a_treatment_fails_at_6_0_from_2_h(at: Instant, finding: Finding) -> None:
    """Or K_n >= 6.0 at t_T + 2 h or later, however far it fell. RULES.md 4.1."""
    assert criterion(k("7.5", h(0)), k("6.9", h(1)), given(Drug.INSULIN, h(1)), k("6.0", at)) == finding


@pytest.mark.parametrize(("newest", "finding"), values("6.0", (None, FAILED, FAILED)))
def test_rules_4_1_a_treatment_fails_at_2_h_from_6_0(newest: str, finding: Finding) -> None:
    """K_n >= 6.0. RULES.md 4.1."""
    assert criterion(k("7.5", h(0)), k("6.9", h(1)), given(Drug.INSULIN, h(1)), k(newest, h(3))) == finding


PAIR = (k("5.7", h(0)), k("5.7", h(2)))


# "Hold: from the now at which a K of the episode is first judged refractory wait 15 min; 60 min while an Mg ... is
# pending; not at all once a valid K >= 6.5 is in the episode (since its last reopening)"


@pytest.mark.parametrize(("at", "finding"), moments(h(2) + 15 * MINUTE, (None, WARNING, WARNING), "15 min"))
def test_rules_4_1_hold_of_15_min(at: Instant, finding: Finding) -> None:
    """Wait 15 min. RULES.md 4.1."""
    assert standing(RULE, *PAIR, until=at) == finding


@pytest.mark.parametrize("fact", [mg("0.9", h(1)), k("5.0", h(2) + 1)], ids=["magnesium", "a closing potassium"])
@pytest.mark.parametrize(("at", "raised"), moments(h(2) + 15 * MINUTE, (False, True, True), "15 min"))
def test_rules_4_1_what_comes_in_the_hold_prevents_the_alert(fact: Fact, at: Instant, raised: bool) -> None:
    """In that time: a timer due at the message's own moment fires before it. RULES.md 4.1, 8."""
    play = Play()
    play.tell(*PAIR, at=h(2))
    play.tell(fact, at=at)
    assert [one.change.value for one in play.seen] == (["raised", "resolved"] if raised else [])


@pytest.mark.parametrize(("at", "finding"), moments(h(3), (None, WARNING, WARNING), "60 min"))
def test_rules_4_1_hold_of_60_min_while_pending(at: Instant, finding: Finding) -> None:
    """60 min while an Mg is pending, counted from the same moment. RULES.md 4.1."""
    assert standing(RULE, ordered(h(1)), *PAIR, until=at) == finding


@pytest.mark.parametrize(("pending", "finding"), moments(h(2) - DAY, (WARNING, None, None), "t_n - 24 h"))
def test_rules_4_1_hold_for_what_is_pending_since_24_h(pending: Instant, finding: Finding) -> None:
    """Drawn (ordered) at or after t_n - 24 h: half an hour later it is still held. RULES.md 4.1."""
    assert standing(RULE, ordered(pending), *PAIR) == finding


@pytest.mark.parametrize(("value", "finding"), values("6.5", (None, CRITICAL, CRITICAL)))
def test_rules_4_1_no_hold_from_6_5(value: str, finding: Finding) -> None:
    """Not at all once a valid K >= 6.5 is in the episode. RULES.md 4.1."""
    assert standing(RULE, k("6.2", h(0)), k(value, h(2)), until=h(2)) == finding


def test_rules_4_1_a_6_5_of_before_the_reopening_shortens_no_hold() -> None:
    """Since its last reopening: 7.0, cleared, 5.6 again waits its 15 min. RULES.md 4.1."""
    facts = (mg("0.9", h(0) - DAY), k("7.0", h(0)), k("5.0", h(3)), k("5.6", h(5)))
    assert standing(RULE, *facts, until=h(5) + 15 * MINUTE - 1) is None
    assert standing(RULE, *facts, until=h(5) + 15 * MINUTE) == HIGH


# Severity, and one step up for any of four


@pytest.mark.parametrize(
    ("highest", "finding"),
    [*values("6.0", (WARNING, HIGH, HIGH)), *values("6.5", (HIGH, CRITICAL, CRITICAL))],
)
def test_rules_4_1_severity(highest: str, finding: Finding) -> None:
    """Warning 5.5-5.9, high 6.0-6.4, critical >= 6.5; in between, by value. RULES.md 4.1."""
    assert standing(RULE, k(highest, h(0)), k(highest, h(2))) == finding


@pytest.mark.parametrize(("suspect", "finding"), values("7.0", (HIGH, CRITICAL, CRITICAL)))
def test_rules_3_a_suspect_potassium_is_critical_from_7_0(suspect: str, finding: Finding) -> None:
    """At most high, critical when >= 7.0. RULES.md 3."""
    assert standing(RULE, k("5.7", h(0)), k("5.7", h(2)), *hemolyzed(k(suspect, h(3)))) == finding


@pytest.mark.parametrize(("before", "finding"), values("5.5", (CRITICAL, CRITICAL, HIGH)))
def test_rules_4_1_a_fast_rise_of_half(before: str, finding: Finding) -> None:
    """A valid K >= 6.0 at least 0.5 above a counted one of the 12 h before it. RULES.md 4.1."""
    assert standing(RULE, k(before, h(-9)), k("6.0", h(0)), k("6.0", h(2.5))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(0) - 12 * HOUR, (HIGH, CRITICAL, CRITICAL), "12 h before"))
def test_rules_4_1_a_fast_rise_within_12_h(at: Instant, finding: Finding) -> None:
    """Of the 12 h before it. RULES.md 4.1."""
    assert standing(RULE, k("5.0", at), k("6.1", h(0)), k("6.1", h(2))) == finding


@pytest.mark.parametrize(("value", "finding"), values("6.0", (WARNING, CRITICAL, CRITICAL)))
def test_rules_4_1_a_fast_rise_to_6_0(value: str, finding: Finding) -> None:
    """A valid K >= 6.0. RULES.md 4.1."""
    assert standing(RULE, k("5.0", h(-4)), k(value, h(0)), k(value, h(2))) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(2) - 2 * DAY, (WARNING, HIGH, HIGH), "t_n - 48 h"))
@pytest.mark.parametrize("how", ["given", "ordered", "level"])
def test_rules_4_1_digoxin_within_48_h(how: str, at: Instant, finding: Finding) -> None:
    """Digoxin given or ordered, or its level > 2.0 ng/mL, at t_n - 48 h or later. RULES.md 4.1."""
    digoxin = dig("2.1", at) if how == "level" else given(Drug.DIGOXIN, at, intention=how == "ordered")
    assert standing(RULE, digoxin, *PAIR) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(2) - 7 * DAY, (WARNING, HIGH, HIGH), "t_n - 7 days"))
def test_rules_4_1_digoxin_within_7_days_when_impaired(at: Instant, finding: Finding) -> None:
    """7 days when renal function is impaired: it stays. RULES.md 4.1."""
    assert standing(RULE, given(Drug.DIGOXIN, at), egfr("29", h(0)), *PAIR) == finding


@pytest.mark.parametrize(("level", "finding"), values("2.0", (WARNING, WARNING, HIGH)))
def test_rules_4_1_digoxin_above_2_0(level: str, finding: Finding) -> None:
    """Its level > 2.0 ng/mL. RULES.md 4.1."""
    assert standing(RULE, dig(level, h(1)), *PAIR) == finding


@pytest.mark.parametrize(
    ("at", "finding"),
    [
        *moments(h(2) - DAY, (WARNING, HIGH, HIGH), "24 h before the trigger"),
        *moments(h(2) + DAY, (HIGH, HIGH, WARNING), "24 h after the trigger"),
    ],
)
def test_rules_4_1_low_calcium_within_24_h(at: Instant, finding: Finding) -> None:
    """Valid total calcium < 1.9 mmol/L drawn within 24 h of the trigger, before or after. RULES.md 4.1."""
    assert standing(RULE, ca("1.89", at), *PAIR) == finding


@pytest.mark.parametrize(("value", "finding"), values("1.9", (HIGH, WARNING, WARNING)))
def test_rules_4_1_low_calcium_below_1_9(value: str, finding: Finding) -> None:
    """< 1.9 mmol/L. RULES.md 4.1."""
    assert standing(RULE, ca(value, h(1)), *PAIR) == finding
