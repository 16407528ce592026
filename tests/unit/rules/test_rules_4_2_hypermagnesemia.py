"""RULES.md 4.2: the ladders, phases, steps and ends of both hypermagnesemia alerts."""

import pytest

from rules.alert import Rule
from rules.chart import Chart
from rules.events import HOUR, Instant
from rules.hypermagnesemia import ladder
from rules.rulebook import load
from tests.unit.rules.builders import (
    Fact,
    Play,
    adt,
    ca,
    changes,
    crea,
    dose,
    egfr,
    findings,
    h,
    hemolyzed,
    infusion,
    k,
    mg,
    severity,
    visit,
)

RULE, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN
GENERAL = (egfr("90", h(0)),)
RENAL = (egfr("29", h(0)),)
OBSTETRIC = (egfr("90", h(0)), adt("A01", diagnoses=["O14.1"]))
OBSTETRIC_RENAL = (egfr("29", h(0)), adt("A01", diagnoses=["O14.1"]))


@pytest.mark.parametrize(
    ("profile", "value", "expected"),
    [
        (GENERAL, "1.49", None),
        (GENERAL, "1.5", "warning"),
        (GENERAL, "1.99", "warning"),
        (GENERAL, "2.0", "high"),
        (GENERAL, "2.49", "high"),
        (GENERAL, "2.5", "critical"),
        (RENAL, "1.24", None),
        (RENAL, "1.25", "warning"),
        (RENAL, "1.49", "warning"),
        (RENAL, "1.5", "high"),
        (RENAL, "1.99", "high"),
        (RENAL, "2.0", "critical"),
        (OBSTETRIC, "3.5", None),
        (OBSTETRIC, "3.51", "warning"),
        (OBSTETRIC, "3.99", "warning"),
        (OBSTETRIC, "4.0", "high"),
        (OBSTETRIC, "4.99", "high"),
        (OBSTETRIC, "5.0", "critical"),
        (OBSTETRIC_RENAL, "3.0", None),
        (OBSTETRIC_RENAL, "3.01", "warning"),
        (OBSTETRIC_RENAL, "3.5", "warning"),
        (OBSTETRIC_RENAL, "3.51", "high"),
        (OBSTETRIC_RENAL, "3.99", "high"),
        (OBSTETRIC_RENAL, "4.0", "critical"),
    ],
)
def test_rules_4_2_ladders(profile: tuple[Fact, ...], value: str, expected: str | None) -> None:
    """Every rung of every profile, post phase, just below and at it; more than, where it says >. RULES.md 4.2."""
    assert severity(RULE, *profile, dose(h(0)), mg(value, h(3))) == expected


@pytest.mark.parametrize(("creatinine", "expected"), [("96.9", None), ("97", "warning"), ("97.1", "warning")], ids=str)
def test_rules_4_2_creatinine_makes_the_obstetric_ladder_stricter(creatinine: str, expected: str | None) -> None:
    """From a creatinine of 97 umol/L the second obstetric ladder counts. RULES.md 4.2."""
    facts = (adt("A01", diagnoses=["O14"]), crea(creatinine, h(0)), dose(h(0)), mg("3.2", h(3)))
    assert severity(RULE, *facts) == expected


@pytest.mark.parametrize(
    ("kidneys", "at", "belongs"),
    [
        (GENERAL, h(0) - 1, False),
        (GENERAL, h(0), True),
        (GENERAL, h(25), True),
        (GENERAL, h(25) + 1, False),
        (RENAL, h(49), True),
        (RENAL, h(49) + 1, False),
        ((), h(49), True),
        ((), h(49) + 1, False),
    ],
    ids=[
        "before s",
        "at s",
        "e + 24 h",
        "later",
        "impaired: e + 48 h",
        "impaired: later",
        "unknown: e + 48 h",
        "unknown: later",
    ],
)
def test_rules_4_2_which_magnesium_belongs_to_an_exposure(
    kidneys: tuple[Fact, ...], at: Instant, belongs: bool
) -> None:
    """From s to e + 24 h, 48 h when renal function is impaired or unknown. RULES.md 4.2."""
    found = findings(RULE, *kidneys, infusion(h(0), h(1)), mg("2.6", at))
    assert bool(found) is belongs


def test_rules_4_2_the_latest_of_two_exposures_owns_the_magnesium() -> None:
    """When several exposures match, the latest owns the result. RULES.md 4.2."""
    (found,) = findings(RULE, *GENERAL, dose(h(0)), dose(h(8)), mg("2.6", h(9)))
    assert found.exposure is not None
    assert found.exposure.start == h(8)


@pytest.mark.parametrize(
    ("profile", "start", "end", "drawn", "value", "expected"),
    [
        (GENERAL, h(0), h(5), h(4), "2.0", "warning"),
        (GENERAL, h(0), h(5), h(7), "2.0", "warning"),
        (GENERAL, h(0), h(5), h(7) + 1, "2.0", "high"),
        (GENERAL, h(0), h(5), h(4), "1.5", "warning"),
        (GENERAL, h(0), h(5), h(4), "2.5", "critical"),
        (GENERAL, h(0), h(9), h(6) - 1, "2.0", "warning"),
        (GENERAL, h(0), h(9), h(6), "2.0", "high"),
        (GENERAL, h(0), h(6), h(7), "2.0", "high"),
        (GENERAL, h(0), h(6) - 1, h(7), "2.0", "warning"),
        (RENAL, h(0), h(5), h(4), "1.5", "high"),
        (OBSTETRIC, h(0), h(5), h(4), "4.0", "high"),
    ],
    ids=[
        "during",
        "early",
        "post",
        "at least a warning",
        "critical stays",
        "run for less than 6 h at the draw",
        "run for 6 h",
        "early, run for 6 h at its end",
        "early, run for less",
        "renal: none",
        "obstetric: none",
    ],
)
def test_rules_4_2_one_step_down(
    profile: tuple[Fact, ...], start: Instant, end: Instant, drawn: Instant, value: str, expected: str
) -> None:
    """General profile, during and early, run for less than 6 h: one step down, unless critical. RULES.md 4.2."""
    assert severity(RULE, *profile, infusion(start, end), mg(value, drawn)) == expected


@pytest.mark.parametrize(
    ("first", "second", "apart", "value", "expected"),
    [
        (h(4) + 1, "1.60", 2 * HOUR, "1.70", "high"),
        (h(4), "1.60", 2 * HOUR, "1.70", "warning"),
        (h(4) + 1, "1.60", 2 * HOUR - 1, "1.70", "warning"),
        (h(4) + 1, "1.60", 2 * HOUR, "1.69", "warning"),
        (h(4) + 1, "1.30", 2 * HOUR, "1.45", None),
    ],
    ids=["accumulation", "the first at e + 4 h", "closer", "a smaller rise", "only from a warning upwards"],
)
def test_rules_4_2_accumulation(first: Instant, second: str, apart: Instant, value: str, expected: str | None) -> None:
    """Two valid results after e + 4 h, 2 h apart, 0.1 higher: one step up. RULES.md 4.2."""
    assert severity(RULE, *GENERAL, dose(h(0)), mg(second, first), mg(value, first + apart)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([], "warning"),
        ([k("5.99", h(9))], "warning"),
        ([k("6.0", h(9))], "high"),
        ([k("6.0", h(3))], "high"),
        ([k("6.0", h(3) - 1)], "warning"),
        ([k("6.0", h(15))], "high"),
        ([k("6.0", h(15) + 1)], "warning"),
        ([*hemolyzed(k("6.2", h(9)))], "warning"),
        ([ca("1.9", h(9))], "warning"),
        ([ca("1.89", h(9))], "high"),
        ([ca("1.89", h(3) - 1)], "warning"),
        ([ca("1.5", h(9)), k("7", h(9))], "high"),
    ],
)
def test_rules_4_2_potassium_or_calcium_is_a_step(facts: list[Fact], expected: str) -> None:
    """A valid K >= 6.0 or Ca < 1.9 within 6 h of the triggering magnesium is one step up. RULES.md 4.2."""
    assert severity(RULE, *GENERAL, dose(h(0)), mg("1.6", h(9)), *facts) == expected


@pytest.mark.parametrize(("value", "expected"), [("1.4", None), ("1.5", "warning"), ("2.5", "warning")])
def test_rules_3_a_suspect_magnesium_makes_a_warning_at_most(value: str, expected: str | None) -> None:
    """A suspect magnesium makes at most a warning, before the step up. RULES.md 3."""
    suspect = hemolyzed(mg(value, h(3)))
    assert severity(RULE, *GENERAL, dose(h(0)), *suspect) == expected
    if expected:
        assert severity(RULE, *GENERAL, dose(h(0)), *suspect, k("6.1", h(3))) == "high"


def test_rules_4_2_the_highest_counts_the_newest_triggers() -> None:
    """Severity is the highest over the exposure's results; the trigger the newest at warning. RULES.md 4.2."""
    (found,) = findings(RULE, *GENERAL, dose(h(0)), mg("2.6", h(3)), mg("1.6", h(5)), mg("1.4", h(7)))
    assert (found.severity.label, found.trigger_at) == ("critical", h(5))


def raised(*profile: Fact, value: str = "2.6", record: Fact | None = None) -> Play:
    """Return a play with an alert raised at h(3)."""
    play = Play()
    play.tell(*profile, record or dose(h(0)), mg(value, h(3)), at=h(3))
    return play


@pytest.mark.parametrize(
    ("value", "at", "end"),
    [
        ("1.3", h(5), []),
        ("1.29", h(5), ["resolved magnesium_cleared"]),
        ("1.29", h(2), []),
    ],
    ids=["warning - 0.2", "below it", "not after the trigger"],
)
def test_rules_4_2_ends_cleared(value: str, at: Instant, end: list[str]) -> None:
    """A valid post-phase magnesium below warning - 0.2, drawn after the trigger, resolves. RULES.md 4.2."""
    play = raised(*GENERAL)
    play.tell(mg(value, at))
    assert changes(play.seen)[1:] == end


def test_rules_4_2_only_a_valid_post_phase_magnesium_clears() -> None:
    """Neither a hemolyzed one nor one drawn during or early clears; stopping does not resolve. RULES.md 4.2."""
    play = raised(*GENERAL, record=infusion(h(0), order="I"))
    play.tell(mg("1.0", h(4)))
    play.tell(infusion(h(0), h(5), order="I"), at=h(5))
    play.tell(mg("1.0", h(7)))
    play.tell(*hemolyzed(mg("1.0", h(8))))
    assert changes(play.seen) == ["raised critical"]
    play.tell(mg("1.0", h(9)))
    assert changes(play.seen) == ["raised critical", "resolved magnesium_cleared"]


@pytest.mark.parametrize(
    ("facts", "until"),
    [
        pytest.param([], h(51), id="48 h after the trigger"),
        pytest.param([mg("1.4", h(20))], h(68), id="48 h after the last that belongs"),
        pytest.param([mg("1.4", h(24) + 1)], h(51), id="one outside the window prolongs nothing"),
    ],
)
def test_rules_4_2_expires(facts: list[Fact], until: Instant) -> None:
    """48 h after the last magnesium that belongs to it the alert is closed. RULES.md 4.2."""
    play = raised(*GENERAL)
    for fact in facts:
        play.tell(fact)
    play.wait(until - 1)
    assert changes(play.seen, RULE) == ["raised critical"]
    play.wait(until)
    assert changes(play.seen, RULE) == ["raised critical", "closed expired"]


def test_rules_4_2_does_not_expire_while_it_runs() -> None:
    """An infusion that runs keeps its alert open, until its assumed end. RULES.md 4.2."""
    play = raised(*GENERAL, record=infusion(h(0), order="I"))
    for hour in range(12, 61, 12):
        play.tell(infusion(h(hour), order="I"))
    play.wait(h(84) - 1)
    assert changes(play.seen, RULE) == ["raised critical"]
    play.wait(h(84))
    assert changes(play.seen, RULE) == ["raised critical", "closed expired"]


def test_rules_4_2_an_alert_keeps_what_it_stood_on() -> None:
    """When kidneys turn out well and the window shrinks, the result stays with its exposure. RULES.md 4.2."""
    play = Play()
    play.tell(dose(h(0)), mg("2.6", h(30)), at=h(30))
    play.tell(egfr("90", h(31)))
    play.tell(mg("2.7", h(32)))
    assert changes(play.seen, RULE) == ["raised critical"]
    assert changes(play.seen, UNKNOWN) == ["raised critical"]


def test_rules_4_2_a_deleted_dose_retracts() -> None:
    """A dose that was charted by mistake: its alert is withdrawn, the magnesium has no exposure. RULES.md 4.2, 7."""
    play = raised(*GENERAL)
    play.tell(dose(h(0), deleted=True), at=h(4))
    assert changes(play.seen, RULE) == ["raised critical", "retracted withdrawn"]
    assert changes(play.seen, UNKNOWN) == ["raised critical"]


def test_rules_4_2_a_closed_alert_of_a_deleted_dose_owns_nothing() -> None:
    """What an ended alert stood on belongs to no exposure, once its dose is deleted. RULES.md 4.2."""
    play = raised(*GENERAL)
    play.tell(adt("A03"), at=h(4))
    play.tell(dose(h(0), deleted=True), dose(h(4.5), "1"), at=h(5))
    assert changes(play.seen, UNKNOWN) == ["raised critical"]


def test_rules_4_2_a_late_dose_that_joins_two_exposures_retracts_nothing() -> None:
    """Both alerts stood by what had come: the newest follows the joined exposure; both end. RULES.md 4.2."""
    play = Play(*GENERAL)
    play.tell(dose(h(0)), mg("2.6", h(3)), at=h(3))
    play.tell(dose(h(8)), mg("2.7", h(10)), at=h(10))
    play.tell(dose(h(4)), at=h(11))
    play.tell(mg("2.8", h(12)))
    assert changes(play.seen, RULE) == ["raised critical", "raised critical", "reminded critical"]
    assert len({alert.trigger for alert in play.open}) == 2
    play.tell(mg("1.0", h(20)))
    assert changes(play.seen, RULE)[3:] == ["resolved magnesium_cleared"] * 2


# Without an exposure


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([mg("1.99", h(3))], None, id="below 2.0"),
        pytest.param([mg("2.0", h(3))], "high", id="2.0"),
        pytest.param([mg("1.1", h(2)), mg("1.5", h(3))], "warning", id="1.5, risen by 0.4"),
        pytest.param([mg("1.09", h(2)), mg("1.49", h(3))], None, id="1.49, risen by 0.4"),
        pytest.param([mg("1.11", h(2)), mg("1.5", h(3))], None, id="1.5, risen by less"),
        pytest.param([mg("1.1", h(3) - 24 * HOUR), mg("1.5", h(3))], "warning", id="of the 24 h before"),
        pytest.param([mg("1.1", h(3) - 24 * HOUR - 1), mg("1.5", h(3))], None, id="of longer before"),
        pytest.param([*hemolyzed(mg("3.0", h(3)))], None, id="suspect"),
        pytest.param([mg("2.0", h(3)), k("6.0", h(3))], "critical", id="the step by potassium"),
        pytest.param([*OBSTETRIC, mg("2.2", h(3))], "warning", id="at least a warning, by the profile's ladder"),
        pytest.param([*RENAL, mg("2.0", h(3))], "critical", id="the renal ladder"),
        pytest.param([dose(h(0)), mg("2.6", h(3))], None, id="it belongs to an exposure"),
    ],
)
def test_rules_4_2_exposure_unknown(facts: list[Fact], expected: str | None) -> None:
    """A valid magnesium of no exposure, >= 2.0, or >= 1.5 and risen by 0.4 in 24 h. RULES.md 4.2."""
    found = severity(UNKNOWN, *(GENERAL if "egfr" not in str(facts) else ()), *facts)
    assert found == expected


@pytest.mark.parametrize(
    ("value", "end"), [("1.3", []), ("1.29", ["resolved magnesium_cleared"])], ids=["1.3", "below 1.3"]
)
def test_rules_4_2_exposure_unknown_ends(value: str, end: list[str]) -> None:
    """A later valid magnesium below 1.3 resolves. RULES.md 4.2."""
    play = Play()
    play.tell(mg("2.0", h(3)))
    play.tell(mg(value, h(4)))
    assert changes(play.seen)[1:] == end


def test_rules_4_2_exposure_unknown_expires() -> None:
    """48 h after the last magnesium of no exposure the alert is closed. RULES.md 4.2."""
    play = Play()
    play.tell(mg("2.0", h(3)))
    play.tell(mg("1.4", h(5)))
    play.wait(h(53) - 1)
    assert changes(play.seen) == ["raised high"]
    play.wait(h(53))
    assert changes(play.seen) == ["raised high", "closed expired"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [([], "superseding"), ([k("6.2", h(3))], None)],
    ids=["as severe", "more severe than it ever was"],
)
def test_rules_4_2_an_exposure_that_arrives_late(facts: list[Fact], reason: str | None) -> None:
    """It resolves as superseded, and 4.2 is raised silently unless more severe than it ever was. RULES.md 4.2."""
    play = Play()
    play.tell(*GENERAL, mg("2.0", h(3)), at=h(3))
    told = play.tell(dose(h(0)), *facts, at=h(4))
    of = {t.rule: t for t in told}
    assert changes([of[UNKNOWN]]) == ["resolved superseded"]
    assert (of[RULE].change.value, of[RULE].notify, of[RULE].reason) == ("raised", reason is None, reason)


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_rules_4_2_a_rule_that_is_not_active_supersedes_nothing(mode: str) -> None:
    """With 4.2 in shadow or off the open alert goes on to its own end: nobody else would page. Issue 5."""
    play = Play(rulebook=load({"rules": {RULE.value: {"mode": mode}}}))
    play.tell(*GENERAL, mg("2.0", h(3)), at=h(3))
    play.tell(dose(h(0)), at=h(4))
    play.tell(mg("1.2", h(9)), at=h(9))
    assert changes([t for t in play.seen if t.rule is UNKNOWN]) == ["raised high", "resolved magnesium_cleared"]


@pytest.mark.parametrize(
    ("facts", "profile"),
    [
        ([egfr("90", h(0))], "general"),
        ([], "general"),
        ([egfr("29", h(0))], "renal"),
        ([adt("A01", diagnoses=["O15"]), egfr("90", h(0))], "obstetric"),
        ([adt("A01", diagnoses=["O11"]), egfr("29", h(0))], "obstetric, renal"),
        ([adt("A01"), visit(service="ob")], "obstetric"),
        ([adt("A01"), visit(location="L&D^3^1")], "obstetric"),
        ([adt("A01"), visit(location="ICU^3^1", service="MED")], "general"),
        ([adt("A01", diagnoses=["O10"]), egfr("90", h(0))], "general"),
    ],
)
def test_rules_4_2_profiles(facts: list[Fact], profile: str) -> None:
    """Obstetric by diagnosis, service or location; renal when impaired, never when unknown. RULES.md 4.2, 6."""
    play = Play(rulebook=load({"parameters": {"obstetric_services": ["OB"], "obstetric_locations": ["L&D"]}}))
    play.tell(*facts, at=h(1))
    assert play.state is not None
    assert ladder(Chart(play.state, h(1), play.rulebook)).profile == profile
