"""RULES.md 6: population, renal function, acute kidney injury, the obstetric protocol."""

from decimal import Decimal

import pytest

from rules.chart import Chart
from rules.events import DAY, Demographics, Instant
from rules.renal import age_years, civil_date, ckd_epi_2021
from rules.rulebook import load
from tests.unit.rules.builders import (
    ADULT,
    Fact,
    Play,
    adt,
    changes,
    chart,
    crea,
    d,
    dialysis,
    egfr,
    h,
    k,
    told,
    visit,
)

MIDNIGHT = 1_709_251_200_000  # 2024-03-01T00:00:00Z


@pytest.mark.parametrize(
    ("creatinine", "age", "sex", "expected"),
    [
        ("88.42", 50, "F", 69),
        ("88.42", 50, "M", 92),
        ("61.894", 30, "F", 119),
        ("79.578", 30, "M", 118),
        ("61.894", 30, "M", 127),
        ("44.21", 60, "F", 107),
        ("176.84", 70, "M", 35),
        ("265.26", 80, "F", 15),
    ],
)
def test_rules_6_ckd_epi_2021(creatinine: str, age: int, sex: str, expected: int) -> None:
    """Values of the CKD-EPI 2021 equation without race, in whole mL/min/1.73 m2. RULES.md 6."""
    assert ckd_epi_2021(Decimal(creatinine), age, sex) == Decimal(expected)


def test_rules_6_sex_unknown_is_the_lower_of_the_two() -> None:
    """With sex unknown the lower eGFR counts. RULES.md 6."""
    assert ckd_epi_2021(Decimal(150), 60, "") == min(ckd_epi_2021(Decimal(150), 60, sex) for sex in "FM")


@pytest.mark.parametrize(
    ("birth", "age"),
    [
        ("20060301", 18),
        ("20060302", 17),
        ("20060229", 18),
        ("200603011730", 18),
        ("20240229", 0),
        ("200603", 18),
        ("200604", 17),
        ("2006", 18),
        ("", None),
        ("19XX", None),
        ("200", None),
        ("20250101", None),
        ("18930101", None),
        ("18940101", 130),
    ],
)
def test_rules_6_age(birth: str, age: int | None) -> None:
    """Whole years at the moment of judging; nonsense is unknown. RULES.md 6."""
    assert age_years(Demographics(birth, ""), MIDNIGHT) == age
    assert age_years(None, MIDNIGHT) is None


@pytest.mark.parametrize(("birth", "age"), [("2006", 18), ("20060116", 17)], ids=["a year alone", "tomorrow"])
def test_rules_6_a_year_alone_is_its_first_of_january(birth: str, age: int) -> None:
    """Of a birth date without month and day the earliest day counts: 18 on 15 January 2024. RULES.md 6."""
    assert age_years(Demographics(birth, ""), MIDNIGHT - 46 * DAY) == age


@pytest.mark.parametrize(
    ("at", "date"),
    [
        (0, (1970, 1, 1)),
        (951_782_400_000, (2000, 2, 29)),
        (1_706_659_200_000, (2024, 1, 31)),
        (MIDNIGHT - 1, (2024, 2, 29)),
        (MIDNIGHT, (2024, 3, 1)),
        (1_735_689_599_999, (2024, 12, 31)),
        (4_107_542_400_000, (2100, 3, 1)),
    ],
)
def test_rules_6_civil_date(at: Instant, date: tuple[int, int, int]) -> None:
    """Dates are reckoned without a clock, leap years and centuries included."""
    assert civil_date(at) == date


def status(*facts: Fact, who: Demographics | None = ADULT, now: Instant | None = None) -> str:
    """Return the renal function in words."""
    return chart(*facts, who=who, now=now).renal.status


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([], "unknown", id="nothing known"),
        pytest.param([egfr("29", h(0))], "impaired", id="eGFR 29"),
        pytest.param([egfr("30", h(0))], "not impaired", id="eGFR 30"),
        pytest.param([egfr("29", h(0)), egfr("90", h(1))], "not impaired", id="the newest eGFR"),
        pytest.param([crea("400", h(0))], "impaired", id="computed"),
        pytest.param([crea("80", h(0))], "not impaired", id="computed, well"),
        pytest.param([crea("400", h(0)), egfr("50", h(0))], "not impaired", id="reported before computed"),
        pytest.param([egfr("50", h(0)), crea("400", h(1))], "impaired", id="the newer creatinine"),
        pytest.param([dialysis(h(0), h(4))], "impaired", id="dialysis"),
        pytest.param([egfr("90", h(5)), dialysis(h(0), h(4))], "impaired", id="dialysis before a good eGFR"),
    ],
)
def test_rules_6_renal_function(facts: list[Fact], expected: str) -> None:
    """The newest of reported and computed eGFR; below 30, dialysis: impaired; else unknown. RULES.md 6."""
    assert status(*facts) == expected


@pytest.mark.parametrize(
    ("fact", "known"),
    [(egfr("29", h(0)), "impaired"), (crea("400", h(0)), "impaired"), (dialysis(h(-1), h(0)), "impaired")],
    ids=["eGFR", "creatinine", "dialysis"],
)
def test_rules_6_seven_days(fact: Fact, known: str) -> None:
    """eGFR, creatinine and dialysis count for 7 days, to the millisecond. RULES.md 6."""
    assert status(fact, now=d(7)) == known
    assert status(fact, now=d(7) + 1) == "unknown"


def test_rules_6_a_dialysis_to_come_is_none_yet() -> None:
    """A session that starts later impairs nothing now. RULES.md 6."""
    assert status(dialysis(h(5), h(9)), now=h(4)) == "unknown"


@pytest.mark.parametrize(
    ("creatinine", "expected"),
    [("300", "impaired"), ("150", "unknown")],
    ids=["impaired at any age", "well at 18 says nothing"],
)
def test_rules_6_age_unknown(creatinine: str, expected: str) -> None:
    """The eGFR at 18 years serves only to find impaired; the age itself is taken as adult. RULES.md 6."""
    assert status(crea(creatinine, h(0)), who=None) == expected
    assert chart(crea(creatinine, h(0)), who=None).supported


@pytest.mark.parametrize(
    ("creatinine", "sex", "expected"),
    [
        pytest.param("210", "F", [], id="a woman of 18 would have 30"),
        pytest.param("211", "F", ["eGFR 29 or lower, age unknown"], id="a woman of 18 would have 29"),
        pytest.param("268", "M", [], id="a man of 18 would have 30"),
        pytest.param("269", "M", ["eGFR 29 or lower, age unknown"], id="a man of 18 would have 29"),
        pytest.param("211", "", ["eGFR 29 or lower, age unknown"], id="sex unknown too: the lower"),
    ],
)
def test_rules_6_age_unknown_at_the_limit(creatinine: str, sex: str, expected: list[str]) -> None:
    """Below 30 at 18 years is impaired at any age, 30 says nothing; the reason says how it was found. RULES.md 6."""
    drawn = chart(crea(creatinine, h(0)), who=Demographics("", sex))
    assert list(drawn.renal.why) == expected
    assert drawn.renal.egfr is None


@pytest.mark.parametrize("code", ["N18.4", "N18.5", "n18.6", "Z99.2", "N17", "N17.9", "N179"])
def test_rules_6_diagnoses_that_impair(code: str) -> None:
    """N18.4 to N18.6, Z99.2 and N17 of the visit mean impaired. RULES.md 6."""
    assert status(adt("A01", diagnoses=[code])) == "impaired"


@pytest.mark.parametrize("code", ["N18.3", "N18", "Z99", "I50", "N1"])
def test_rules_6_diagnoses_that_do_not(code: str) -> None:
    """Other diagnoses leave it unknown. RULES.md 6."""
    assert status(adt("A01", diagnoses=[code])) == "unknown"


@pytest.mark.parametrize(
    ("facts", "injury"),
    [
        pytest.param([crea("60", h(0)), crea("86.4", h(48))], False, id="a rise below 26.5"),
        pytest.param([crea("60", h(0)), crea("86.5", h(48))], True, id="a rise of 26.5 in 48 h"),
        pytest.param([crea("60", h(0)), crea("86.5", h(48) + 1)], False, id="in longer"),
        pytest.param([crea("60", d(0)), crea("90", d(7))], True, id="1.5 times the lowest of 7 days"),
        pytest.param([crea("60", d(0)), crea("89.9", d(7))], False, id="less than 1.5 times"),
        pytest.param([crea("60", d(0)), crea("90", d(7) + 1)], False, id="the lowest is older"),
        pytest.param([crea("41", d(0)), crea("61.9", d(3))], False, id="1.5 times, but below 62"),
        pytest.param([crea("41", d(0)), crea("62", d(3))], True, id="1.5 times and 62"),
        pytest.param([crea("60", d(0)), crea("90", d(3)), crea("74.9", d(4))], False, id="undone within 24 h"),
        pytest.param([crea("60", d(0)), crea("90", d(3)), crea("75", d(4))], True, id="1.25 times undoes nothing"),
        pytest.param([crea("60", d(0)), crea("90", d(3)), crea("74.9", d(4) + 1)], True, id="undone too late"),
        pytest.param([crea("100", d(0)), crea("60", d(1))], False, id="a fall"),
        pytest.param([crea("60", h(0)), crea("80", h(24)), crea("86.5", h(48))], True, id="above any of the 48 h"),
        pytest.param([crea("100", d(0))], False, id="one alone"),
        pytest.param(
            [crea("60", d(0)), crea("95", d(3)), crea("60", d(3.5)), crea("95", d(4))], True, id="the second stands"
        ),
    ],
)
def test_rules_6_acute_kidney_injury(facts: list[Fact], injury: bool) -> None:
    """KDIGO: 26.5 umol/L in 48 h, or 1.5 times the lowest of 7 days and 62; not a single odd value. RULES.md 6."""
    assert ("acute kidney injury" in chart(*facts).renal.why) is injury


def test_rules_6_an_injury_counts_for_seven_days() -> None:
    """The newer creatinine must lie within 7 days. RULES.md 6."""
    facts = (crea("60", d(0)), crea("90", d(3)))
    assert status(*facts, now=d(10)) == "impaired"
    assert status(*facts, now=d(10) + 1) == "unknown"


def context(*messages: tuple[Fact, ...]) -> Chart:
    """Return the chart after ADT messages an hour apart."""
    play = Play()
    for n, facts in enumerate(messages):
        play.tell(*facts, at=h(n))
    assert play.state is not None
    return Chart(play.state, play.now, play.rulebook)


def test_rules_6_an_admission_begins_a_new_visit() -> None:
    """The diagnoses of the last visit are not those of this one. RULES.md 6."""
    visits = ((adt("A01", diagnoses=["O14", "N18.5"]), visit("V1")), (adt("A01"), visit("V2")))
    before, after = context(*visits[:1]), context(*visits)
    assert (before.obstetric, before.renal.status) == (True, "impaired")
    assert (after.obstetric, after.renal.status) == (False, "unknown")
    assert not context(*visits, (adt("A08", diagnoses=["I50"]), visit("V2"))).obstetric


@pytest.mark.parametrize(("location", "found"), [("LD^1", True), ("ICU^1", False), ("", False)], ids=str)
def test_rules_6_a_patient_without_a_place_is_at_no_obstetric_one(location: str, found: bool) -> None:
    """A rulebook with an empty string among its places would say otherwise: it is refused. RULES.md 6."""
    site = load({"parameters": {"obstetric_locations": ["LD"]}})
    play = Play(adt("A01"), visit("V1", location=location), rulebook=site)
    assert play.state is not None
    assert Chart(play.state, play.now, site).obstetric is found


def test_rules_6_a_diagnosis_said_again_in_a_new_visit_counts() -> None:
    """What an earlier visit said already is news in this one. RULES.md 6."""
    said = (adt("A08", diagnoses=["N18.4"]), visit(""))
    assert context(said, (adt("A01"), visit("")), said).renal.status == "impaired"


def test_rules_6_a_visit_collects_what_its_messages_say() -> None:
    """Diagnoses of an update count beside those of the admission. RULES.md 6."""
    facts = ((adt("A01", diagnoses=["I50"]), visit("V1")), (adt("A08", diagnoses=["O14.0"]), visit("V1")))
    assert context(*facts).diagnoses == {"I50", "O140"}


@pytest.mark.parametrize(
    ("birth", "facts", "reason"),
    [
        ("20061201", (), "unsupported_population"),
        ("20061201", (adt("A01", diagnoses=["O14"]),), None),
        ("19600101", (), None),
        ("", (), None),
    ],
    ids=["17 years", "17 with pre-eclampsia", "adult", "age unknown"],
)
def test_rules_6_children(birth: str, facts: tuple[Fact, ...], reason: str | None) -> None:
    """Under 18 and not obstetric: published without notifying, whatever happens. RULES.md 6, 7."""
    play = Play(who=Demographics(birth, "F"))
    play.tell(*facts, at=h(0))
    play.tell(k("6.6", h(0)), k("6.6", h(2)), at=h(2))
    assert [(t.change.value, t.notify, t.reason) for t in play.seen] == [("raised", reason is None, reason)]
    play.tell(k("7.4", h(5)))
    assert changes(play.seen)[-1] == ("updated critical" if reason else "reminded critical")
    assert told(play.seen)[-1][3] is (reason is None)


def test_rules_6_demographics_are_kept() -> None:
    """A message without a birth date does not forget the one that is known. RULES.md 6."""
    play = Play(who=Demographics("19600101", ""))
    play.tell(Demographics("", "F"), at=h(1))
    assert play.state is not None
    assert play.state.demographics == Demographics("19600101", "F")
