"""What stands beside an alert where it depends on what the rule found: thresholds, doubts, kidneys, doses."""

import pytest

from rules.alert import Rule, Transition
from tests.unit.rules.builders import Play
from tests.unit.words.histories import low_magnesium, single_high_with_low_magnesium

LOW = Rule.HYPERKALEMIA_LOW_MAGNESIUM


def last(play: Play, rule: Rule) -> Transition:
    """Return the last that *rule* said."""
    return [one for one in play.seen if one.rule is rule][-1]


@pytest.mark.parametrize(
    ("play", "named"),
    [(low_magnesium(), True), (single_high_with_low_magnesium(), False)],
    ids=["refractory by persistence", "a single one of 6.0 or more"],
)
def test_rules_5_the_thresholds_name_the_criterion_that_was_met(play: Play, named: bool) -> None:
    """Beside a low magnesium the criterion of 4.1 is told where the potassium meets one. RULES.md 4.1, 5."""
    assert ("persistence_after" in last(play, LOW).thresholds) is named
    assert ("persistence_fall" in last(play, LOW).thresholds) is named
