"""RULES.md 3, sentence by sentence: each value below, at and above; each window a millisecond before, at and after."""

import pytest

from rules.alert import Rule
from rules.events import HOUR, MINUTE, Condition, Instant, Result
from tests.unit.rules.builders import Fact, Play, ca, changes, dose, egfr, h, hemolyzed, k, mg, said
from tests.unit.rules.edges import CRITICAL, HIGH, WARNING, lived, moments, standing, values

SPURIOUS, LOW, NO_MAGNESIUM = (
    Rule.SPURIOUS_POTASSIUM,
    Rule.HYPERKALEMIA_LOW_MAGNESIUM,
    Rule.REFRACTORY_HYPERKALEMIA,
)
Finding = str | None
TOLD = "information"


# K-EDTA pattern in one specimen: K >= 6.0 and total Ca < 1.9 and Mg < 0.6 mmol/L (no Mg: Ca < 1.7; no Ca: no pattern)


def contaminated(*facts: Fact) -> bool:
    """Say whether the laboratory is told of a doubtful potassium, for a tube whose results come in one message."""
    play = Play()
    play.tell(*facts, at=h(1))
    return any(one.rule is SPURIOUS for one in play.seen)


@pytest.mark.parametrize(("value", "found"), values("6.0", (False, True, True)))
def test_rules_3_edta_from_a_potassium_of_6_0(value: str, found: bool) -> None:
    """K >= 6.0. RULES.md 3."""
    assert contaminated(k(value, h(0)), ca("1.5", h(0)), mg("0.4", h(0))) is found


@pytest.mark.parametrize(("value", "found"), values("1.9", (True, False, False)))
def test_rules_3_edta_below_a_calcium_of_1_9(value: str, found: bool) -> None:
    """Total Ca < 1.9. RULES.md 3."""
    assert contaminated(k("6.5", h(0)), ca(value, h(0)), mg("0.4", h(0))) is found


@pytest.mark.parametrize(("value", "found"), values("0.6", (True, False, False)))
def test_rules_3_edta_below_a_magnesium_of_0_6(value: str, found: bool) -> None:
    """Mg < 0.6 mmol/L. RULES.md 3."""
    assert contaminated(k("6.5", h(0)), ca("1.8", h(0)), mg(value, h(0))) is found


@pytest.mark.parametrize(("value", "found"), values("1.7", (True, False, False)))
def test_rules_3_edta_below_a_calcium_of_1_7_alone(value: str, found: bool) -> None:
    """No Mg: Ca < 1.7. RULES.md 3."""
    assert contaminated(k("6.5", h(0)), ca(value, h(0))) is found


@pytest.mark.parametrize(("at", "found"), moments(h(0), (False, True, False), "the draw"))
def test_rules_3_edta_is_of_one_specimen(at: Instant, found: bool) -> None:
    """In one specimen: results of a patient with the same `observed_at`. RULES.md 3, 2."""
    assert contaminated(k("6.5", h(0)), ca("1.5", at)) is found


# "a jump: a potassium that differs by >= 2.5 from the previous valid one, when that is <= 3 h older and no usable one
# drawn between them is within 1.0 of it"


@pytest.mark.parametrize(("value", "finding"), values("6.5", (None, TOLD, TOLD)))
def test_rules_3_a_jump_of_2_5(value: str, finding: Finding) -> None:
    """Differs by >= 2.5 from the previous valid one. RULES.md 3."""
    assert standing(SPURIOUS, k("4.0", h(0)), k(value, h(2))) == finding


@pytest.mark.parametrize(("value", "cleared"), values("4.0", (False, False, True)))
def test_rules_3_a_jump_down_clears_nothing(value: str, cleared: bool) -> None:
    """A fall of >= 2.5 is a jump too, and a suspect potassium closes no episode. RULES.md 3, 4.1."""
    seen = lived(mg("0.6", h(0)), k("6.5", h(1)), k(value, h(3))).seen
    assert ("resolved potassium_cleared" in changes(seen, LOW)) is cleared


@pytest.mark.parametrize(("at", "finding"), moments(h(3), (TOLD, TOLD, None)))
def test_rules_3_a_jump_within_3_h(at: Instant, finding: Finding) -> None:
    """When that is <= 3 h older. RULES.md 3."""
    assert standing(SPURIOUS, k("4.0", h(0)), k("6.6", at)) == finding


@pytest.mark.parametrize(
    ("between", "jumps"),
    [*values("5.6", (True, False, False)), *values("7.6", (False, False, True))],
)
def test_rules_3_a_jump_that_a_usable_one_between_agrees_with(between: str, jumps: bool) -> None:
    """No usable one drawn between them is within 1.0 of it: 6.6 after 4.0, and a clotted one between. RULES.md 3."""
    clotted = k(between, h(1))
    play = lived(k("4.0", h(0)), clotted, said(clotted, Condition.CLOTTED), k("6.6", h(2)))
    assert (h(2) in [alert.trigger_at for alert in play.open if alert.rule is SPURIOUS]) is jumps


# Two suspect ones confirm each other


def confirmed(first: Result, second: Result) -> bool:
    """Say whether the second of two hemolyzed potassiums counts as valid: the laboratory's doubt of the first ends."""
    play = Play()
    play.tell(*hemolyzed(first), *hemolyzed(second), at=h(1))
    return not any(alert.rule is SPURIOUS and alert.trigger_at == second.observed_at for alert in play.open)


@pytest.mark.parametrize(("value", "valid"), values("5.5", (False, True, True)))
def test_rules_3_confirmed_from_5_5(value: str, valid: bool) -> None:
    """Two suspect ones >= 5.5: the first, or the later. RULES.md 3."""
    assert confirmed(k(value, h(0)), k("5.9", h(1))) is valid
    one, later = hemolyzed(k("5.9", h(0))), hemolyzed(k(value, h(2)))
    assert (standing(NO_MAGNESIUM, *one, *later) is not None) is valid


@pytest.mark.parametrize(
    ("value", "valid"), [*values("6.9", (True, False, False)), *values("7.0", (False, False, False))]
)
def test_rules_3_confirmed_less_than_1_0_apart(value: str, valid: bool) -> None:
    """Less than 1.0 mmol/L: 5.9 and 6.9 differ by 1.0. RULES.md 3."""
    assert confirmed(k("5.9", h(0)), k(value, h(1))) is valid
    assert confirmed(k(value, h(0)), k("5.9", h(1))) is valid


@pytest.mark.parametrize(
    ("apart", "valid"),
    [*moments(30 * MINUTE, (False, True, True), "30 min"), *moments(24 * HOUR, (True, True, False))],
)
def test_rules_3_confirmed_30_min_to_24_h_apart(apart: Instant, valid: bool) -> None:
    """30 min to 24 h apart. RULES.md 3."""
    assert confirmed(k("5.9", h(0)), k("6.1", h(0) + apart)) is valid


# What they make of the severity, before the step up


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        *values("5.5", (WARNING, WARNING, WARNING)),
        *values("6.0", (WARNING, HIGH, HIGH)),
        *values("6.5", (HIGH, HIGH, HIGH)),
        *values("7.0", (HIGH, CRITICAL, CRITICAL)),
    ],
)
def test_rules_3_severity_by_a_suspect_potassium(value: str, finding: Finding) -> None:
    """At most high, critical when >= 7.0. RULES.md 3."""
    assert standing(NO_MAGNESIUM, k("5.6", h(0)), k("5.6", h(2)), *hemolyzed(k(value, h(3)))) == finding


@pytest.mark.parametrize(
    ("value", "finding"),
    [*values("1.5", (None, WARNING, WARNING)), *values("2.5", (WARNING, WARNING, WARNING))],
)
def test_rules_3_severity_by_a_suspect_magnesium(value: str, finding: Finding) -> None:
    """At most a warning, before the step up. RULES.md 3."""
    facts = (egfr("90", h(-1)), dose(h(0), "1"), *hemolyzed(mg(value, h(3))))
    assert standing(Rule.POST_INFUSION_HYPERMAGNESEMIA, *facts) == finding
    assert standing(Rule.POST_INFUSION_HYPERMAGNESEMIA, *facts, k("6.2", h(3))) == (finding and HIGH)
