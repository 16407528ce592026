"""What stands beside the sentence for machines and for those who look closer: context, thresholds, evidence."""

import pytest

from rules.alert import Rule, Severity, Transition
from rules.events import Condition, Demographics, Drug, Result
from rules.rulebook import load
from rules.words.considerations import UNSEEN
from rules.words.evidence import EVIDENCE_AT_MOST
from rules.words.values import iso
from tests.unit.rules.builders import (
    ADULT,
    T0,
    Play,
    adt,
    ca,
    crea,
    dig,
    dose,
    egfr,
    given,
    h,
    ica,
    infusion,
    k,
    last,
    mg,
    said,
)
from tests.unit.words.histories import CHILD, high_potassium, infused, running


def raised(play: Play) -> Transition:
    """Return what 4.1 says when its hold ends."""
    play.wait(h(3))
    return last(play, Rule.REFRACTORY_HYPERKALEMIA)


def test_rules_4_1_risk_factors_are_listed() -> None:
    """Loop diuretic, heart failure, CKD, alcohol, digoxin, malabsorption are listed (RULES.md 4.1)."""
    play = Play(adt("A01", diagnoses=["I50.9", "N18.3", "F10.2", "K70.3", "K90.0", "E11.9"]))
    play.tell(given(Drug.LOOP_DIURETIC, h(-20)), given(Drug.DIGOXIN, h(-90)), given(Drug.INSULIN, h(-30)), at=h(-10))
    play.tell(k("6.1", h(0)), at=h(0.5))
    play.tell(k("6.2", h(2)), at=h(2.5))
    assert raised(play).context["risk_factors"] == [
        "alcohol",
        "chronic kidney disease",
        "digoxin",
        "heart failure",
        "loop diuretic",
        "malabsorption",
    ]


def test_no_risk_factor_is_an_empty_list() -> None:
    """None is known, and none is guessed."""
    assert raised(high_potassium()).context["risk_factors"] == []


@pytest.mark.parametrize(
    ("who", "diagnoses", "population", "age_known"),
    [
        (ADULT, [], "adult", True),
        (None, [], "adult", False),
        (CHILD, [], "child", True),
        (CHILD, ["O14.1"], "obstetric", True),
        (Demographics("20060309", "F"), [], "adult", True),
        (Demographics("20060311", "F"), [], "child", True),
    ],
)
def test_rules_6_the_population_is_told(
    who: Demographics | None, diagnoses: list[str], population: str, age_known: bool
) -> None:
    """Adult, child or obstetric; an age that is not known is told (RULES.md 6)."""
    play = Play(adt("A01", diagnoses=diagnoses), who=who)
    play.tell(k("6.1", h(0)), at=h(0.5))
    play.tell(k("6.2", h(2)), at=h(2.5))
    context = raised(play).context
    assert (context["population"], context["age_known"]) == (population, age_known)


def test_rules_6_renal_function_is_told_with_its_causes() -> None:
    """Status, figure and causes; without data unknown and no figure (RULES.md 6)."""
    play = high_potassium()
    play.tell(egfr("22", h(2.2)), at=h(2.6))
    assert raised(play).context["renal_function"] == {"status": "impaired", "egfr": "22", "because": ["eGFR 22"]}
    bare = Play()
    bare.tell(k("6.1", h(0)), at=h(0.5))
    bare.tell(k("6.2", h(2)), at=h(2.5))
    assert raised(bare).context["renal_function"] == {"status": "unknown"}


def test_rules_4_1_what_stepped_the_severity_up_is_told() -> None:
    """Digoxin and a low calcium near, by name; nothing where nothing did (RULES.md 4.1)."""
    play = high_potassium()
    play.tell(dig("2.4", h(2)), ca("1.6", h(1.5)), at=h(2.6))
    assert raised(play).context["stepped_up_by"] == ["digoxin", "low calcium"]
    assert "stepped_up_by" not in raised(high_potassium()).context


def test_rules_4_2_an_exposure_is_told() -> None:
    """Start, end and how it is known, grams, last record, in the sender's offset (RULES.md 4.2)."""
    context = last(infused(), Rule.POST_INFUSION_HYPERMAGNESEMIA).context
    assert context["exposure"] == {
        "start": "2024-03-09T16:00:00+00:00",
        "end": "2024-03-09T20:00:00+00:00",
        "running": False,
        "end_known": "recorded",
        "grams": "4",
        "last_record": "2024-03-09T20:00:00+00:00",
    }
    assert context["profile"] == "general"


def test_rules_4_2_a_running_exposure_has_no_end() -> None:
    """While it runs neither an end nor how it is known is claimed; no amount is no zero (RULES.md 4.2)."""
    context = last(running(), Rule.POST_INFUSION_HYPERMAGNESEMIA).context
    assert context["exposure"] == {
        "start": "2024-03-09T16:00:00+00:00",
        "end": None,
        "running": True,
        "end_known": None,
        "grams": None,
        "last_record": "2024-03-09T16:00:00+00:00",
    }
    assert context["profile"] == "renal"


@pytest.mark.parametrize(
    ("diagnoses", "creatinine", "rungs"),
    [
        ([], "90", (">= 1.5 mmol/L (3.6 mg/dL)", ">= 2.0 mmol/L (4.9 mg/dL)", ">= 2.5 mmol/L (6.1 mg/dL)")),
        (["N18.5"], "90", (">= 1.25 mmol/L (3.0 mg/dL)", ">= 1.5 mmol/L (3.6 mg/dL)", ">= 2.0 mmol/L (4.9 mg/dL)")),
        (["O14.1"], "60", ("> 3.5 mmol/L (8.5 mg/dL)", ">= 4.0 mmol/L (9.7 mg/dL)", ">= 5.0 mmol/L (12.2 mg/dL)")),
        (["O14.1"], "97", ("> 3.0 mmol/L (7.3 mg/dL)", "> 3.5 mmol/L (8.5 mg/dL)", ">= 4.0 mmol/L (9.7 mg/dL)")),
    ],
)
def test_rules_4_2_the_ladder_is_among_the_thresholds(
    diagnoses: list[str], creatinine: str, rungs: tuple[str, ...]
) -> None:
    """The four ladders as RULES.md 4.2 prints them, mg/dL beside for reading."""
    play = Play(adt("A01", diagnoses=diagnoses))
    play.tell(crea(creatinine, h(-1)), infusion(h(0), h(4), grams="20"), at=h(4.1))
    play.tell(mg("5.5", h(8)), at=h(8.5))
    thresholds = last(play, Rule.POST_INFUSION_HYPERMAGNESEMIA).thresholds
    assert tuple(thresholds[rung] for rung in ("warning", "high", "critical")) == rungs


def test_the_thresholds_of_a_potassium() -> None:
    """The figures that were used stand in the alert with their units."""
    assert raised(high_potassium()).thresholds == {
        "potassium_onset": "5.5 mmol/L",
        "potassium_clear": "5.2 mmol/L",
        "potassium_high": "6.0 mmol/L",
        "potassium_critical": "6.5 mmol/L",
        "magnesium_recent": "24 h",
        "persistence_after": "2 h",
        "persistence_after_severe": "1 h",
        "persistence_fall": "0.5 mmol/L",
        "persistence_late": "4 h",
    }


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (ca("1.6", h(5)), ("hypocalcemia", "hypocalcemia_critical", "hypocalcemia_fall")),
        (ica("0.75", h(5)), ("hypocalcemia_ionized", "hypocalcemia_ionized_critical", "hypocalcemia_ionized_fall")),
    ],
    ids=["total", "ionized"],
)
def test_rules_5_the_thresholds_are_those_of_the_calcium(fact: Result, expected: tuple[str, ...]) -> None:
    """An alert on total calcium names the limits of total calcium, one on ionized those of ionized (RULES.md 5)."""
    play = Play(adt("A01"))
    play.tell(infusion(h(0), h(4), grams="4"), fact, at=h(5.5))
    named = [name for name in last(play, Rule.HYPOCALCEMIA_AFTER_MAGNESIUM).thresholds if "hypocalcemia" in name]
    assert named == ["hypocalcemia_magnesium", *expected]


@pytest.mark.parametrize(
    ("hours_before", "available"), [(5, True), (6, True), (7, False), (72, False)], ids=["5 h", "6 h", "7 h", "3 days"]
)
def test_rules_4_1_a_treatment_of_another_time_is_none_of_this_episode(hours_before: int, available: bool) -> None:
    """Where the sentence says that none was seen, treatment data is said to be missing (RULES.md 4.1)."""
    play = Play(adt("A01"))
    play.tell(given(Drug.INSULIN, h(-hours_before)), k("6.1", h(0)), at=h(0.5))
    play.tell(k("6.2", h(2)), at=h(2.5))
    one = raised(play)
    assert ("no treatment seen" not in one.summary) is available
    assert any(words.startswith("treatment data: not available") for words in one.missing) is not available


def test_evidence_begins_with_the_trigger_and_ends_somewhere() -> None:
    """The trigger first, the newest next, twelve at most."""
    play = high_potassium()
    for n in range(20):
        play.tell(k("6.2", h(2.1 + n / 10)), at=h(2.55 + n / 10))
    evidence = last(play, Rule.REFRACTORY_HYPERKALEMIA).evidence
    assert len(evidence) == EVIDENCE_AT_MOST
    assert evidence[0].result.observed_at == max(item.result.observed_at for item in evidence)


def test_rules_2_a_value_that_does_not_speak_is_evidence() -> None:
    """Of two values of a specimen the doubtful one is shown with its verdict (RULES.md 2)."""
    play = Play(adt("A01"))
    play.tell(k("6.1", h(0)), at=h(0.5))
    doubtful = k("6.9", h(2), order="B")
    play.tell(k("6.2", h(2), order="A"), doubtful, said(doubtful, Condition.HEMOLYZED), at=h(2.5))
    one = raised(play)
    assert ("6.9", "suspect") in [(str(item.result.value), item.specimen) for item in one.evidence]
    assert "the same specimen also gave 6.9 mmol/L (suspect)" in one.considerations


def test_what_ended_an_alert_is_its_first_evidence() -> None:
    """The magnesium that resolved it stands first."""
    play = high_potassium()
    play.wait(h(3))
    play.tell(mg("0.85", h(3)), at=h(3.5))
    one = last(play, Rule.REFRACTORY_HYPERKALEMIA)
    assert one.reason == "magnesium_resulted"
    assert str(one.evidence[0].result.value) == "0.85"
    assert (one.severity, one.criterion, one.considerations, one.missing, one.resolves_when) == (
        Severity.HIGH,
        None,
        (UNSEEN,),
        (),
        "",
    )


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("completion_assumed", "completion of the magnesium dose not sent"),
        ("amount_unknown", "a unit that is not known"),
        ("rate_unit_assumed", "without its time unit"),
        ("time_degraded", "time of a magnesium dose not known to the minute"),
    ],
)
def test_rules_4_2_what_was_assumed_of_a_dose_is_told(flag: str, words: str) -> None:
    """What the decoder had to assume of an administration stands beside it (RULES.md 4.2)."""
    play = Play(adt("A01"))
    play.tell(dose(h(0), "4")._replace(flags=(flag,)), mg("2.3", h(5)), crea("90", h(5)), at=h(5.5))
    assert any(words in one for one in last(play, Rule.POST_INFUSION_HYPERMAGNESEMIA).considerations)


def test_a_gap_and_a_withdrawn_trigger_keep_their_offset() -> None:
    """The time of a dose, and of a draw that was taken back, keep their sender's offset (DESIGN.md 2)."""
    gap = Play(adt("A01", diagnoses=["N18.5"]))
    gap.tell(dose(h(0), "6")._replace(started_offset=-300), at=h(0.1))
    gap.wait(h(13))
    assert last(gap, Rule.MAGNESIUM_MONITORING_GAP).observed_offset == -300
    play = Play(adt("A01"))
    play.tell(mg("2.3", h(0))._replace(observed_offset=120), at=h(0.5))
    play.tell(mg(None, h(0), status="W")._replace(observed_offset=120), at=h(1))
    one = last(play, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN)
    assert (one.reason, one.observed_offset) == ("withdrawn", 120)


def test_rules_1_a_threshold_in_mg_dl_is_read_with_four_decimals() -> None:
    """What a site gives as 4.9 mg/dL has no end in mmol/L; the text has one (RULES.md 1)."""
    play = Play(adt("A01"), rulebook=load({"parameters": {"unknown_level": "4.9 mg/dL"}}))
    play.tell(mg("2.3", h(0)), at=h(0.5))
    thresholds = last(play, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN).thresholds
    assert thresholds["unknown_level"] == "2.0160 mmol/L (4.9 mg/dL)"


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (0, "2024-03-09T16:00:00+00:00"),
        (-300, "2024-03-09T11:00:00-05:00"),
        (345, "2024-03-09T21:45:00+05:45"),
        (600, "2024-03-10T02:00:00+10:00"),
    ],
)
def test_moments_keep_their_senders_offset(offset: int, text: str) -> None:
    """The time of a draw or dose is shown as its sender meant it."""
    assert iso(T0, offset) == text
