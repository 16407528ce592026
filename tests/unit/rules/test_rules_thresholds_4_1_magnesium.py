"""RULES.md 4.1, no recent magnesium: each window a millisecond before, at and after, and the status for the text."""

import pytest

from rules.alert import Rule
from rules.events import DAY, Condition, Instant
from tests.unit.rules.builders import Fact, Play, dialysis, dose, h, hemolyzed, k, mg, ordered, said
from tests.unit.rules.edges import WARNING, moments, standing, values

RULE = Rule.REFRACTORY_HYPERKALEMIA
Finding = str | None
PAIR = (k("5.7", h(0)), k("5.7", h(2)))


@pytest.mark.parametrize(("at", "finding"), moments(h(2) - DAY, (WARNING, None, None), "t_n - 24 h"))
def test_rules_4_1_a_magnesium_is_recent_for_24_h(at: Instant, finding: Finding) -> None:
    """observed_at >= t_n - 24 h. RULES.md 4.1."""
    assert standing(RULE, mg("0.9", at), *PAIR) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(2), (WARNING, WARNING, None), "t_n"))
def test_rules_4_1_a_dialysis_makes_it_stale(at: Instant, finding: Finding) -> None:
    """Drawn before a dialysis that started at or before t_n: stale, however young. RULES.md 4.1."""
    assert standing(RULE, mg("0.9", h(1)), *PAIR, dialysis(at, h(2.1))) == finding


@pytest.mark.parametrize(("drawn", "finding"), moments(h(1), (WARNING, None, None), "the start of the dialysis"))
def test_rules_4_1_what_is_drawn_as_the_dialysis_started_is_not_before_it(drawn: Instant, finding: Finding) -> None:
    """Drawn before a dialysis that started. RULES.md 4.1."""
    assert standing(RULE, mg("0.9", drawn), *PAIR, dialysis(h(1), h(1.5))) == finding


@pytest.mark.parametrize(("value", "finding"), values("0.695", (WARNING, None, None), step="0.001"))
def test_rules_4_1_a_dose_makes_no_normal_magnesium_low(value: str, finding: Finding) -> None:
    """So is one < 0.695 drawn before a parenteral dose. RULES.md 4.1."""
    assert standing(RULE, mg(value, h(0)), dose(h(1)), *PAIR) == finding


@pytest.mark.parametrize(("at", "finding"), moments(h(2), (WARNING, WARNING, None), "t_n"))
def test_rules_4_1_a_dose_makes_a_low_one_stale(at: Instant, finding: Finding) -> None:
    """A dose that started at or before t_n. RULES.md 4.1."""
    assert standing(RULE, mg("0.6", h(1)), *PAIR, dose(at, "1")) == finding


# Status for the text


def status(*facts: Fact, unmapped: Instant | None = None) -> str:
    """Return what the alert on a persistent potassium says of the magnesium that is missing."""
    play = Play()
    play.tell(*PAIR, *facts, at=h(2), unmapped=unmapped)
    play.wait(h(4))
    (raised,) = [one for one in play.seen if one.rule is RULE]
    return raised.missing[0].removeprefix("magnesium: ")


DOUBTED = "last 0.9 mmol/L (possibly spurious), over 24 h old"


@pytest.mark.parametrize(
    ("at", "words"),
    moments(h(2) - DAY, ("never resulted", "drawn, specimen doubtful", "drawn, specimen doubtful"), "t_n - 24 h"),
)
def test_rules_4_1_status_invalid_within_24_h(at: Instant, words: str) -> None:
    """A suspect or invalid one within 24 h. RULES.md 4.1."""
    magnesium = mg("0.9", at)
    assert status(magnesium, said(magnesium, Condition.CLOTTED)) == words
    assert status(*hemolyzed(magnesium)) == words.replace("never resulted", DOUBTED)


@pytest.mark.parametrize(
    ("at", "words"),
    moments(h(2) - DAY, ("never resulted", *["came under a code that is not mapped"] * 2), "t_n - 24 h"),
)
def test_rules_4_1_status_unmapped_within_24_h(at: Instant, words: str) -> None:
    """Unmapped (HL7.md 2): for 24 h. RULES.md 4.1."""
    assert status(unmapped=at) == words


@pytest.mark.parametrize(("at", "words"), moments(h(2) - DAY, ("never resulted", "pending", "pending"), "t_n - 24 h"))
def test_rules_4_1_status_pending_within_24_h(at: Instant, words: str) -> None:
    """An Mg drawn (no draw time: ordered) at or after t_n - 24 h. RULES.md 4.1."""
    assert status(ordered(at)) == words
    assert status(mg(None, at, status="I")) == words
