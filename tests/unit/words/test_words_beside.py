"""What stands beside an alert where it depends on what the rule found: what is worse, doubts, flags, kidneys."""

import pytest

from rules.alert import Change, Rule
from rules.chart import Chart
from rules.events import DAY, Analyte, Dialysis, Drug, Instant
from rules.rulebook import DEFAULT, RULE_VERSION, load
from rules.words.considerations import UNMEASURED
from rules.words.evidence import trigger_of
from rules.words.transitions import transition
from tests.unit.rules.builders import (
    Fact,
    Play,
    adt,
    ca,
    chart,
    crea,
    dialysis,
    dig,
    dose,
    findings,
    given,
    h,
    hemolyzed,
    ica,
    infusion,
    k,
    last,
    mg,
    opened,
)
from tests.unit.rules.shapes import is_well_shaped
from tests.unit.words.cases import all_cases

LOW = Rule.HYPERKALEMIA_LOW_MAGNESIUM
POST, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN


# Worse beside the headline (issue 5)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param([k("6.0", h(-6))], "potassium 6.0 mmol/L", id="K 6.0, 6 h before"),
        pytest.param([k("6.0", h(-6) - 1)], None, id="longer before"),
        pytest.param([k("5.99", h(0))], None, id="K below 6.0"),
        pytest.param([k("6.4", h(-2)), k("6.2", h(-1))], "potassium 6.2 mmol/L", id="the newest of two"),
        pytest.param([k("6.4", h(-2)), k("5.0", h(-1))], "potassium 6.4 mmol/L", id="the newest that is worse"),
        pytest.param([*hemolyzed(k("6.4", h(-2)))], None, id="a hemolyzed one"),
        pytest.param([ca("1.8", h(-24))], "calcium 1.8 mmol/L", id="calcium, 24 h before"),
        pytest.param([ca("1.8", h(-24) - 1)], None, id="calcium, longer before"),
        pytest.param([ica("0.99", h(-1))], "ionized calcium 0.99 mmol/L", id="ionized below 1.0"),
        pytest.param([ica("1.0", h(-1))], None, id="ionized 1.0"),
        pytest.param([ca("1.8", h(-2)), ica("0.9", h(-1))], "calcium 1.8 mmol/L", id="total rather than ionized"),
    ],
)
def test_what_is_worse_than_a_magnesium_stands_beside_it(facts: list[Fact], words: str | None) -> None:
    """A potassium of 6.0 or more within 6 h, a total calcium below 1.9, else an ionized below 1.0 within 24 h."""
    play = Play(adt("A01"))
    play.tell(crea("90", h(-30)), *facts, mg("2.6", h(0)), at=h(0.2))
    beside = [words.removeprefix("beside it: ") for words in last(play, UNKNOWN).considerations if "beside it" in words]
    assert [one.partition(",")[0] for one in beside] == ([words] if words else [])
    shown = [one.result for one in last(play, UNKNOWN).evidence[1:] if one.result.analyte is not Analyte.CREATININE]
    assert [f"{one.original_value} mmol/L" in (words or "") for one in shown] == ([True] if words else [])


@pytest.mark.parametrize(
    ("facts", "beside"),
    [
        pytest.param([crea("480", h(-1))], True, id="impaired by its eGFR"),
        pytest.param([crea("480", h(-1)), dialysis(h(-9), h(-6))], True, id="and dialyzed"),
        pytest.param([crea("90", h(-1)), dialysis(h(-9), h(-6))], False, id="dialyzed, a creatinine that is well"),
        pytest.param([crea("90", h(-1))], False, id="not impaired"),
        pytest.param([crea("60", h(-100)), crea("60", h(-30)), crea("90", h(-1))], True, id="an injury"),
        pytest.param([crea("60", h(-1) - 7 * DAY), crea("95", h(-1))], True, id="an injury, the lowest 7 days before"),
        pytest.param([crea("100", h(-100)), crea("130", h(-1))], False, id="higher, and no injury"),
    ],
)
def test_a_creatinine_that_is_worse_stands_beside_a_potassium(facts: list[Fact], beside: bool) -> None:
    """One that makes the renal function impaired by its eGFR, or is 26.5 umol/L above the lowest of 7 days."""
    play = Play(adt("A01"))
    play.tell(*facts, k("6.6", h(0)), mg("0.6", h(0)), at=h(0.2))
    assert any("beside it: creatinine" in words for words in last(play, LOW).considerations) is beside


def test_a_calcium_has_no_other_calcium_beside_it() -> None:
    """An alert on ionized calcium names no total calcium as worse, nor the other way about. Issue 5."""
    play = Play(adt("A01"))
    play.tell(infusion(h(0), h(4), grams="4"), ca("1.6", h(5)), ica("0.75", h(5)), at=h(5.5))
    alerts = [one for one in play.seen if one.rule is Rule.HYPOCALCEMIA_AFTER_MAGNESIUM]
    assert len(alerts) == 2
    assert not any("beside it" in words for one in alerts for words in one.considerations)


# Doubts, doses, flags


@pytest.mark.parametrize(
    ("value", "session", "told"),
    [
        pytest.param("0.49", dialysis(h(-2), h(20), continuous=True), True, id="0.49, during"),
        pytest.param("0.50", dialysis(h(-2), h(20), continuous=True), False, id="0.50"),
        pytest.param("0.42", dialysis(h(-2), h(20)), False, id="not continuous"),
        pytest.param("0.42", dialysis(h(6), h(20), continuous=True), True, id="as it begins"),
        pytest.param("0.42", dialysis(h(6) + 1, h(20), continuous=True), False, id="before it begins"),
        pytest.param("0.42", dialysis(h(-2), h(6), continuous=True), True, id="as it ends"),
        pytest.param("0.42", dialysis(h(-2), h(6) - 1, continuous=True), False, id="after its end"),
        pytest.param("0.42", dialysis(h(-2), h(-2), continuous=True), True, id="without an end: it runs"),
    ],
)
def test_rules_5_a_post_filter_sample(value: str, session: Dialysis, told: bool) -> None:
    """An ionized calcium below 0.5 mmol/L during continuous dialysis may be of the filter. RULES.md 5."""
    play = Play(adt("A01"))
    play.tell(session, infusion(h(0), h(4), grams="4"), ica(value, h(6)), at=h(6.5))
    words = "during continuous dialysis this may be a post-filter sample"
    assert (words in last(play, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM).considerations) is told


def test_rules_4_1_three_newest_treatments_are_told() -> None:
    """Of many treatments the newest three stand beside the sentence, the newest first. RULES.md 4.1."""
    play = Play(adt("A01"))
    drugs = (Drug.INSULIN, Drug.BICARBONATE, Drug.LOOP_DIURETIC, Drug.BINDER)
    play.tell(*(given(drug, h(0.1 * n)) for n, drug in enumerate(drugs, 1)), k("6.6", h(0)), mg("0.6", h(0)), at=h(1))
    assert "seen in the feed: potassium binder 36 min ago, loop diuretic 42 min ago, bicarbonate 48 min ago" in (
        last(play, LOW).considerations
    )


def test_rules_5_what_stepped_up_nothing_is_not_told() -> None:
    """A recovering potassium is a warning whatever the steps: none is said to have counted. RULES.md 5."""
    play = Play(adt("A01"))
    play.tell(k("2.8", h(0)), k("3.1", h(6)), mg("0.45", h(6)), at=h(6.2))
    one = last(play, Rule.REFRACTORY_HYPOKALEMIA)
    assert one.severity.label == "warning"
    assert not any("counted towards the severity" in words for words in one.considerations)


def test_rules_1_what_was_assumed_is_told_of_the_results_that_are_shown() -> None:
    """Of fourteen potassiums without a unit the twelve that are shown say so. RULES.md 1."""
    play = Play(adt("A01"))
    facts = [k(f"6.{n:02}", h(n / 4), flags=("unit_assumed",)) for n in range(14)]
    play.tell(*facts, mg("0.6", h(0)), at=h(4))
    flagged = [words for words in last(play, LOW).considerations if "unit not sent" in words]
    shown = [one for one in last(play, LOW).evidence if one.result.flags]
    assert (len(flagged), len(last(play, LOW).evidence)) == (11, 12)
    assert len(shown) == 11


def test_rules_4_1_a_trigger_from_before_the_reopening_names_no_worse_one() -> None:
    """The episode was reopened by a hemolyzed potassium: the severity is that of the draws since, the trigger older."""
    play = Play(adt("A01"))
    play.tell(k("6.2", h(0)), k("6.2", h(2)), at=h(2))
    play.wait(h(3))
    play.tell(k("5.0", h(3)), *hemolyzed(k("6.6", h(4))), at=h(4))
    one = last(play, Rule.REFRACTORY_HYPERKALEMIA)
    assert (one.change, one.severity.label) == (Change.ESCALATED, "critical")
    assert "highest" not in one.summary


def test_rules_4_2_a_severity_by_a_valid_magnesium_as_high_as_a_doubtful_one_says_so() -> None:
    """The newest is hemolyzed, and no higher than the valid one that the severity is by. RULES.md 3, 4.2."""
    play = Play(adt("A01"))
    play.tell(infusion(h(0), h(4), grams="4"), crea("90", h(0)), mg("2.1", h(8)), at=h(8))
    play.tell(*hemolyzed(mg("2.1", h(10))), at=h(10))
    one = last(play, POST)
    assert "highest valid 2.1 mmol/L" in one.summary
    assert one.considerations[0].startswith("possibly spurious: repeat the specimen, look at the ECG (magnesium 2.1")


@pytest.mark.parametrize(("at", "told"), [(h(2) - 7 * DAY, True), (h(2) - 7 * DAY - 1, False)], ids=["7 d", "longer"])
def test_rules_6_a_creatinine_of_7_days_is_what_the_renal_function_rests_on(at: Instant, told: bool) -> None:
    """Shown with its age, and among the results, up to 7 days. RULES.md 6."""
    play = Play(adt("A01"))
    play.tell(crea("90", at), k("6.6", h(2)), mg("0.6", h(2)), at=h(2))
    one = last(play, LOW)
    assert any("creatinine 90 umol/L drawn 7 days ago" in words for words in one.considerations) is told
    assert (len(one.evidence) == 3) is told


def test_an_open_alert_that_finds_nothing_says_no_more_than_that_magnesium_has_not_been_measured() -> None:
    """Why a magnesium is not recent is said of the finding's potassium; without one nothing is known of that."""
    play = Play(adt("A01"))
    play.tell(mg("0.85", h(-30)), k("6.6", h(0)), k("6.6", h(2)), at=h(2))
    (alert,) = play.open
    assert play.state is not None
    one = transition(Chart(play.state, h(6), DEFAULT), alert, Change.REMINDED, received_at=h(6))
    assert [words for words in one.considerations if words.startswith(UNMEASURED)] == [UNMEASURED]


# What is known of the patient and of the judging


def test_rules_7_dropped_history_is_told() -> None:
    """The context says whether all that came of the patient was considered. RULES.md 7."""
    for limit, incomplete in (("50", True), ("400", False)):
        play = Play(adt("A01"), rulebook=load({"parameters": {"results_at_most": limit}}))
        play.tell(*(crea("90", h(-n / 10 - 0.1)) for n in range(60)), at=h(-0.1))
        play.tell(k("6.6", h(0)), mg("0.6", h(0)))
        assert last(play, LOW).context["history_incomplete"] is incomplete


def test_an_alert_names_the_rulebook_that_it_is_judged_with_where_it_has_changed() -> None:
    """Beside the hash of the rulebook that raised it stands that of now; the same one is not told twice. Issue 5."""
    play = Play(adt("A01"))
    play.tell(k("6.6", h(0)), mg("0.6", h(0)), at=h(0))
    assert "judged_with_rulebook" not in last(play, LOW).context
    play.rulebook = load({"parameters": {"remind_high": "1 h"}})
    play.tell(k("6.6", h(2)))
    assert last(play, LOW).context["judged_with_rulebook"] == play.rulebook.fingerprint() != DEFAULT.fingerprint()
    assert last(play, LOW).rulebook == DEFAULT.fingerprint()


def test_every_alert_is_of_the_shape_that_is_promised() -> None:
    """Identity, sequence, version, mode, times: no field of any transition is of another type. DESIGN.md 2."""
    told = [one for case in all_cases() for one in case.transitions]
    assert all(is_well_shaped(one) for one in told)
    assert {one.rule_version for one in told} == {RULE_VERSION}
    assert {one.mode for one in told} == {"active", "shadow"}
    assert {one.timer for one in told} == {None, "hold", "gap", "expiry", "catch_up"}
    assert all(one.observed_at is not None for one in told)


# The results that are shown


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        pytest.param([dig("2.4", h(-1))], ["2.4"], id="a toxic level"),
        pytest.param([dig("2.4", h(-3)), dig("2.6", h(-1))], ["2.6"], id="the newest of two"),
        pytest.param([dig("2.4", h(-60))], [], id="too long ago to count"),
        pytest.param([dig("2.0", h(-1)), given(Drug.DIGOXIN, h(-2))], [], id="2.0 is not toxic, though it was given"),
        pytest.param([dig("2.1", h(-1)), given(Drug.DIGOXIN, h(-2))], ["2.1"], id="2.1 is"),
    ],
)
def test_rules_4_1_the_digoxin_level_that_counted_is_shown(facts: list[Fact], shown: list[str]) -> None:
    """A level above 2.0 ng/mL stands among the results where digoxin raised the severity. RULES.md 4.1."""
    play = Play(adt("A01"))
    play.tell(*facts, k("6.2", h(0)), mg("0.6", h(0)), at=h(0.5))
    levels = [one.result for one in last(play, LOW).evidence if one.result.analyte is Analyte.DIGOXIN]
    assert [level.original_value for level in levels] == shown


@pytest.mark.parametrize("order", ["M1", "M 1"], ids=["a plain order number", "one with a space"])
def test_what_ended_an_alert_stands_first(order: str) -> None:
    """Of the two results by which a gap was measured the first that is named leads. RULES.md, intended use."""
    play = Play(adt("A01"))
    play.tell(dose(h(0), "6"), at=h(0.2))
    play.wait(h(12.5))
    play.tell(k("4.4", h(13)), mg("1.0", h(13), order=order), at=h(13.5))
    one = last(play, Rule.MAGNESIUM_MONITORING_GAP)
    assert (one.reason, one.evidence[0].result.original_value) == ("measured", "1.0")


def test_rules_5_a_potassium_drawn_as_magnesium_begins_is_where_the_change_is_counted_from() -> None:
    """It is of the time of the dose; the one before it is told as what was before magnesium. RULES.md 5."""
    play = Play(adt("A01"))
    play.tell(k("4.6", h(-4)), infusion(h(0), h(4), grams="4"), k("4.9", h(0)), k("6.1", h(6)), at=h(6.2))
    summary = last(play, Rule.HYPERKALEMIA_AFTER_MAGNESIUM).summary
    assert "up 1.2 in 6 h" in summary
    assert "4.6 mmol/L before magnesium" in summary


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param([mg("0.8", h(-1)), dose(h(0), "2"), mg("1.8", h(3))], False, id="1.0 by 2 g"),
        pytest.param([mg("0.8", h(-1)), dose(h(0), "2"), mg("1.81", h(3))], True, id="more than 1.0 by 2 g"),
        pytest.param([mg("0.8", h(-1)), dose(h(0), "2"), mg("2.0", h(0))], True, id="drawn as the dose begins"),
        pytest.param(
            [mg("0.8", h(-3)), *hemolyzed(mg("1.6", h(-1))), dose(h(0), "2"), mg("2.0", h(3))],
            True,
            id="above the last valid one",
        ),
        pytest.param([dose(h(0), "1"), mg("2.6", h(3)), mg("1.4", h(5))], False, id="none before the dose"),
        pytest.param([mg("0.8", h(-1)), dose(h(0), None), mg("2.6", h(3))], False, id="no amount recorded"),
    ],
)
def test_rules_4_2_more_than_the_recorded_dose_explains(facts: list[Fact], told: bool) -> None:
    """A rise of more than 0.5 mmol/L for each gram of the doses that had begun, from the last valid one before them."""
    play = Play(adt("A01"))
    play.tell(crea("90", h(-4)), *facts, at=h(5))
    words = "more than the recorded dose explains: a contaminated draw or a dosing error"
    assert any(one.startswith(words) for one in last(play, POST).considerations) is told


def test_rules_4_1_an_old_magnesium_that_is_doubtful_is_told_as_such() -> None:
    """The value of a hemolyzed tube is shown with its doubt. RULES.md 3, 4.1."""
    play = Play(adt("A01"))
    play.tell(*hemolyzed(mg("0.8", h(-30))), k("6.6", h(0)), k("6.6", h(2)), at=h(2))
    assert "last magnesium 0.8 mmol/L (possibly spurious), 32 h old" in last(play, Rule.REFRACTORY_HYPERKALEMIA).summary


def test_rules_5_the_lowest_of_a_run_says_that_it_may_be_spurious() -> None:
    """Where there is room for the word; the severity is by a hemolyzed potassium. RULES.md 3, 5."""
    play = Play()
    play.tell(k("3.1", h(0)), mg("0.5", h(0)))
    play.tell(*hemolyzed(k("2.6", h(6))))
    play.tell(k("3.1", h(10)))
    assert "lowest 2.6 mmol/L (possibly spurious)" in last(play, Rule.REFRACTORY_HYPOKALEMIA).summary


def test_rules_7_an_alert_keeps_its_trigger_beside_a_newer_finding() -> None:
    """What triggered it is told as such, also where the finding goes by a newer potassium. RULES.md 7."""
    facts = (k("5.8", h(0)), k("5.9", h(2)), k("6.1", h(4)))
    (finding,) = findings(Rule.REFRACTORY_HYPERKALEMIA, *facts)
    potassiums = chart(*facts)
    play = opened("5.8")
    alert = play.open[0]._replace(trigger=potassiums.all_potassium[0].key)
    trigger = trigger_of(potassiums, alert, finding)
    assert trigger is not None
    assert str(trigger.value) == "5.8"
