"""Each sentence of RULES.md that says what the text has to say, held against the golden cases."""

from functools import cache

import pytest

from rules.alert import Change, Rule, Transition
from tests.unit.rules.builders import Fact, Play, adt, ca, crea, dialysis, egfr, h, k, mg
from tests.unit.words.cases import all_cases
from tests.unit.words.histories import R, high_potassium


@cache
def spoken() -> dict[tuple[Rule, str], Transition]:
    """Return the last transition of each case, by rule and title."""
    return {(case.rule, case.title): case.transitions[-1] for case in all_cases()}


def text(one: Transition) -> str:
    """Return all that a transition says."""
    return "\n".join((one.summary, *one.considerations, *one.missing, one.resolves_when))


HIGH, LOW_MG, INFUSED = R.REFRACTORY_HYPERKALEMIA, R.HYPERKALEMIA_LOW_MAGNESIUM, R.POST_INFUSION_HYPERMAGNESEMIA
UNKNOWN, K_AFTER, CA_AFTER = (
    R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN,
    R.HYPERKALEMIA_AFTER_MAGNESIUM,
    R.HYPOCALCEMIA_AFTER_MAGNESIUM,
)
HYPO, GAP, SPURIOUS = R.REFRACTORY_HYPOKALEMIA, R.MAGNESIUM_MONITORING_GAP, R.SPURIOUS_POTASSIUM

SENTENCES: tuple[tuple[str, Rule, str, str], ...] = (
    # Intended use
    ("intended use", HIGH, "persistence", "magnesium has not been measured"),
    ("intended use", HIGH, "persistence", "renal function not impaired (eGFR 83, creatinine 90 umol/L drawn 4 h ago)"),
    ("intended use", HIGH, "persistence", "ECG, urine output, cells, albumin, pH"),
    ("intended use", HIGH, "persistence", "weakly supported (evidence grade low)"),
    ("intended use", HIGH, "persistence", "a valid magnesium arrives"),
    ("intended use", LOW_MG, "one tube, magnesium very low, no calcium", "EDTA contamination not excluded"),
    ("intended use", INFUSED, "long after the infusion", "check reflexes, breathing, urine output"),
    ("intended use", UNKNOWN, "no dose on record", "check reflexes, breathing, urine output"),
    ("intended use", GAP, "six grams, nothing measured", "check reflexes, breathing, urine output"),
    # 1 and 2: what was assumed
    ("1", HIGH, "unit and status assumed, censored, age unknown", "unit not sent, taken as its usual one"),
    ("1", HIGH, "unit and status assumed, censored, age unknown", "Potassium >8.0 mEq/L, up 1.9 or more in 2 h"),
    ("1", HIGH, "unit and status assumed, censored, age unknown", "beyond what the laboratory measures"),
    ("1", HIGH, "magnesium: old, in mg/dL", "last magnesium 2.0 mg/dL, 34 h old"),
    ("1", HIGH, "magnesium: old, a spelling of mg/dL", "last magnesium 2.0 mg/dL, 34 h old"),
    ("2", HIGH, "unit and status assumed, censored, age unknown", "result status not sent, taken as final"),
    ("2", HIGH, "unit and status assumed, censored, age unknown", "draw time not known to the minute"),
    ("2", HIGH, "two values of one specimen", "the same specimen also gave 5.8 mmol/L"),
    # 3
    ("3", SPURIOUS, "hemolyzed", "possibly spurious: repeat the specimen, look at the ECG"),
    ("3", HIGH, "a hemolyzed potassium in the episode", "possibly spurious: repeat the specimen, look at the ECG"),
    ("3", HIGH, "two hemolyzed ones agree", "an earlier specimen agrees with it"),
    # 4.1
    ("4.1", HIGH, "persistence", "persistent over 2 h, no treatment seen in the feed"),
    ("4.1", HIGH, "persistence", "treatment data: not available"),
    ("4.1", HIGH, "treatment failure: insulin", "still high after insulin 2 h ago"),
    ("4.1", HIGH, "dialysis, magnesium from before it", "dialysis recorded 2 h ago"),
    ("4.1", HIGH, "rebound", "high again after clearing"),
    ("4.1", HIGH, "persistence", "no magnesium result on record"),
    ("4.1", HIGH, "magnesium: pending", "magnesium pending, no result yet"),
    ("4.1", HIGH, "magnesium: invalid", "magnesium drawn, but the specimen is doubtful"),
    ("4.1", HIGH, "dialysis, magnesium from before it", "magnesium 0.6 mmol/L is from before dialysis"),
    ("4.1", HIGH, "magnesium: stale, a dose after it", "magnesium 0.55 mmol/L is from before a magnesium dose"),
    ("4.1", HIGH, "magnesium: unmapped", "a magnesium came under a code that is not mapped"),
    ("4.1", HIGH, "magnesium: old", "last magnesium 0.80 mmol/L, 34 h old"),
    ("4.1", HIGH, "magnesium: drawn at a time not known", "its draw time is not known"),
    ("4.1", HIGH, "digoxin", "counted towards the severity: digoxin"),
    # Issue 5: worse beside the headline
    ("4.1", HIGH, "calcium and creatinine", "drawn 45 min ago, calcium 1.6 mmol/L, creatinine 480 umol/L"),
    # 4.2
    ("4.2", INFUSED, "while the infusion runs, kidneys impaired", "verify the draw site"),
    ("4.2", INFUSED, "while the infusion runs, kidneys impaired", "repeat now from another site"),
    ("4.2", INFUSED, "obstetric", "verify the draw site"),
    ("4.2", INFUSED, "soon after the infusion, a dose without an amount", "verify the draw site"),
    (
        "4.2",
        INFUSED,
        "while the infusion runs, kidneys impaired",
        "infusion running for 4 h (by its record, no end recorded)",
    ),
    ("4.2", INFUSED, "long after the infusion", "infusion ended 5 h ago (recorded), 4 g recorded, last record 5 h ago"),
    ("4.2", INFUSED, "end assumed after 24 h", "infusion ended 7 h ago (end assumed after 24 h)"),
    ("4.2", INFUSED, "end assumed at discharge", "infusion ended 4 h ago (end assumed at discharge)"),
    ("4.2", INFUSED, "soon after the infusion, a dose without an amount", "4 g recorded, more without an amount"),
    ("4.2", INFUSED, "a dose, route assumed", "route of the magnesium not sent, taken as parenteral"),
    ("4.2", INFUSED, "more than the dose explains", "a contaminated draw or a dosing error"),
    ("4.2", UNKNOWN, "no dose on record", "no magnesium dose on record"),
    ("4.2", UNKNOWN, "a dose too long ago", "last magnesium infusion ended 40 h before it: exposure unknown"),
    ("4.2", UNKNOWN, "a dose too long ago", "infusion ended 41 h ago (recorded), 4 g recorded, last record 41 h ago"),
    ("4.2", INFUSED, "more than the doses before it explain", "a contaminated draw or a dosing error"),
    ("4.2", INFUSED, "more than the recorded part of the dose explains", "a part of the dose came without an amount"),
    ("intended use", HIGH, "calcium and creatinine", "beside it: calcium 1.6 mmol/L, drawn 75 min ago; creatinine"),
    ("5", GAP, "an infusion that runs", "no magnesium and no potassium drawn after its first 2 h"),
    ("4.2", INFUSED, "potassium, calcium and creatinine worse", "potassium 6.3 mmol/L, calcium 1.7 mmol/L"),
    # 5
    ("5", K_AFTER, "potassium rises", "Potassium 6.1 mmol/L, up 1.5 in 10 h"),
    ("5", CA_AFTER, "total calcium falls", "total calcium, not corrected for albumin"),
    ("5", CA_AFTER, "total calcium falls", "magnesium 1.4 mmol/L, drawn 30 min ago"),
    ("5", CA_AFTER, "total calcium falls", "low magnesium lowers calcium too"),
    ("5", CA_AFTER, "ionized, continuous dialysis", "this may be a post-filter sample"),
    ("5", HIGH, "digoxin", "intravenous calcium in digoxin toxicity is disputed"),
    ("5", HYPO, "no magnesium", "no magnesium result on record"),
    ("5", HYPO, "low magnesium", "magnesium low, 0.60 mmol/L"),
    ("5", HYPO, "hemolyzed", "Potassium 2.8 mmol/L (hemolyzed, may be lower)"),
    ("5", HYPO, "hemolyzed", "hemolysis only raises potassium"),
    ("5", GAP, "six grams, nothing measured", "no magnesium and no potassium measured since"),
    ("5", LOW_MG, "refractory, magnesium low", "0.695 mmol/L (1.7 mg/dL) or above"),
    ("5", K_AFTER, "grouped", "another alert of the same message notifies and names this one"),
    # 6
    ("6", HIGH, "a child", "the thresholds are those of adults"),
    ("6", HIGH, "unit and status assumed, censored, age unknown", "age: unknown, taken as adult"),
    ("6", HYPO, "no magnesium", "Potassium 2.8 mmol/L, down 0.1 in 6 h"),
    ("6", INFUSED, "end assumed after 24 h", "renal function: unknown"),
    # 7
    ("7", HIGH, "stale", "old: the result was drawn 14 h ago, nobody is notified"),
    ("7", HIGH, "history dropped", "history incomplete"),
    ("7", HIGH, "goes on after a merge", "under a number that was merged"),
    ("7", SPURIOUS, "jump: the specimen is not believed any more", "its specimen is no longer doubted"),
    # 8
    ("8", HIGH, "the feed is behind", "the feed is 25 min behind"),
    ("8", HIGH, "catching up", "while the service catches up with its feed"),
    ("8", HIGH, "caught up", "was silent while the service was catching up"),
)
"""Section of RULES.md, rule, case, and words that have to be in it."""


@pytest.mark.parametrize(("section", "rule", "title", "words"), SENTENCES)
def test_the_text_says_what_rules_md_wants(section: str, rule: Rule, title: str, words: str) -> None:
    """RULES.md intended use, 1, 2, 3, 4.1, 4.2, 5, 6, 7, 8: what the text has to say, it says."""
    assert words in text(spoken()[rule, title]), section


def test_a_value_that_the_dose_cannot_explain_says_so_first() -> None:
    """Issue 5: what the recorded dose cannot explain leads the summary (RULES.md 4.2)."""
    summary = spoken()[INFUSED, "more than the dose explains"].summary
    assert summary.startswith("More than the recorded dose explains: magnesium 3.4 mmol/L")


def test_another_site_is_asked_for_only_when_high_or_critical() -> None:
    """RULES.md 4.2: a warning drawn early asks to verify the site, and for no repeat."""
    warning = spoken()[INFUSED, "soon after the infusion, a dose without an amount"]
    assert warning.severity.label == "warning"
    assert "repeat now from another site" not in text(warning)
    assert "verify the draw site" not in text(spoken()[INFUSED, "long after the infusion"])


@pytest.mark.parametrize(
    ("rule", "title", "beside", "listed"),
    [
        (HIGH, "lower than the highest", "highest 6.6 mmol/L", "highest: potassium 6.6 mmol/L, drawn 3 h ago"),
        (HIGH, "the highest is hemolyzed", "highest 7.1 (doubtful)", "highest: potassium 7.1 mmol/L, drawn 3 h ago"),
        (INFUSED, "lower than the highest", "highest 2.1 mmol/L", "highest: magnesium 2.1 mmol/L, drawn 5 h ago"),
        (HYPO, "recovering", "lowest 2.8 mmol/L", "lowest: potassium 2.8 mmol/L, drawn 4 h ago"),
    ],
)
def test_a_severity_by_another_result_is_explained(rule: Rule, title: str, beside: str, listed: str) -> None:
    """RULES.md 4.1, 4.2, 5: the result that the severity is by stands in the sentence, and with its age beside it."""
    one = spoken()[rule, title]
    assert beside in one.summary
    assert f"the severity is by the {listed}" in one.considerations


def test_a_severity_by_the_trigger_names_no_other() -> None:
    """Where the headline itself makes the severity, no other result is named as its cause."""
    one = spoken()[HIGH, "persistence"]
    assert "highest" not in text(one)


def test_a_calcium_in_the_tube_excludes_edta() -> None:
    """RULES.md intended use: with a calcium in the tube nothing is said of EDTA."""
    assert "EDTA" not in text(spoken()[LOW_MG, "calcium in the tube"])


def test_every_alert_leads_with_what_was_measured() -> None:
    """Issue 5: value with unit and age of the draw come first; a monitoring gap leads with the magnesium given."""
    begin = (
        "Potassium ",
        "Magnesium ",
        "Calcium ",
        "Ionized calcium ",
        "More than the recorded dose",
        "Beyond the recorded dose",
        "Last magnesium",
    )
    for case in all_cases():
        for one in case.transitions:
            if one.change not in (Change.RESOLVED, Change.RETRACTED, Change.CLOSED):
                assert one.summary.startswith(begin)
                assert one.rule is GAP or "drawn " in one.summary.partition(";")[0]


def test_every_alert_says_what_it_cannot_see() -> None:
    """RULES.md intended use: the thresholds used, and what the service cannot see, are in every alert."""
    for case in all_cases():
        for one in case.transitions:
            assert one.thresholds
            assert one.evidence_grade in ("low", "moderate", "high")
            assert one.considerations[-1].startswith("not visible to this service")
            if one.change not in (Change.RESOLVED, Change.RETRACTED, Change.CLOSED):
                assert one.resolves_when


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ([egfr("83", h(0))], "renal function not impaired (eGFR 83 drawn 3 h ago)"),
        ([egfr("22", h(0))], "renal function impaired (eGFR 22 drawn 3 h ago): magnesium accumulates"),
        ([egfr("83", h(0)), dialysis(h(-9), h(-6))], "renal function impaired (dialysis): magnesium accumulates"),
        ([egfr("22", h(0)), dialysis(h(-9), h(-6))], "renal function impaired (eGFR 22 drawn 3 h ago, dialysis): "),
        ([crea("90", h(0)), dialysis(h(-9), h(-6))], "impaired (dialysis, creatinine 90 umol/L drawn 3 h ago): "),
        ([], "renal function unknown: magnesium accumulates when the kidneys fail"),
    ],
)
def test_rules_6_renal_function_is_told_with_what_it_rests_on(facts: list[Fact], words: str) -> None:
    """The figure and its age; beside a dialysis no eGFR that could be read as an all-clear (RULES.md 6)."""
    play = Play(adt("A01"))
    play.tell(*facts, k("6.1", h(0)), at=h(0.5))
    play.tell(k("6.2", h(2)), at=h(2.5))
    assert words in text(play.wait(h(3))[-1])


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (-22.1, "last magnesium 0.80 mmol/L, 25 h old"),
        (-22.01 - 0.5, "last magnesium 0.80 mmol/L, 26 h old"),
        (-22 - 1 / 60, "last magnesium 0.80 mmol/L, over 24 h old"),
    ],
)
def test_rules_4_1_an_old_magnesium_is_never_told_as_24_hours_old(drawn: float, words: str) -> None:
    """One that is just too old to be recent does not print as the very limit (RULES.md 4.1)."""
    play = Play(adt("A01"))
    play.tell(mg("0.80", h(drawn)), k("6.6", h(0)), at=h(0.1))
    play.tell(k("6.6", h(2)), at=h(2.1 if "over" in words else 3))
    assert words in play.seen[-1].summary


@pytest.mark.parametrize(("value", "severity"), [("5.95", "warning"), ("5.99", "warning"), ("6.0", "high")])
def test_rules_4_1_a_value_between_the_rungs_is_never_rounded_up(value: str, severity: str) -> None:
    """5.95 is a warning, and prints as 5.95: no text puts a value on a rung that it has not reached (RULES.md 4.1)."""
    play = Play(adt("A01"))
    play.tell(k("5.8", h(0)), at=h(0.5))
    play.tell(k(value, h(2)), at=h(2.5))
    raised = play.wait(h(3))[-1]
    assert (raised.severity.label, raised.summary.partition(",")[0]) == (severity, f"Potassium {value} mmol/L")


@pytest.mark.parametrize(("creatinine", "beside"), [("60", False), ("86.4", False), ("86.5", True), ("150", True)])
def test_rules_6_a_creatinine_back_at_its_lowest_is_not_worse(creatinine: str, beside: bool) -> None:
    """After an injury the creatinine is told while it is 26.5 umol/L or more above the lowest (RULES.md 6, issue 5)."""
    play = Play(adt("A01"))
    play.tell(crea("60", h(-60)), crea("150", h(-40)), at=h(-39))
    play.tell(k("6.1", h(0)), crea(creatinine, h(0)), at=h(0.5))
    play.tell(k("6.2", h(2)), at=h(2.5))
    (raised,) = play.wait(h(3))
    assert any("acute kidney injury" in words for words in raised.considerations)
    assert (f"creatinine {creatinine} umol/L" in raised.summary) is beside


@pytest.mark.parametrize(("calcium", "beside"), [("1.89", True), ("1.9", False)])
def test_rules_4_1_a_calcium_is_worse_below_its_limit(calcium: str, beside: bool) -> None:
    """Beside the headline stands a calcium below 1.9 mmol/L, and no other (RULES.md 4.1)."""
    play = high_potassium()
    play.tell(ca(calcium, h(1.5)), at=h(2.6))
    (raised,) = play.wait(h(3))
    assert (f"calcium {calcium} mmol/L" in raised.summary) is beside
