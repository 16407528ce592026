"""The engine says what the rulebook written a second time from RULES.md says (`tests/reference`)."""

import os

import pytest

from tests.reference.__main__ import differ, told
from tests.reference.generate import history
from tests.reference.icu import course

FIRST = int(os.environ.get("REFERENCE_SEED", "1"))
"""Another seed here, and as many batches of 25 histories as REFERENCE_BATCHES says; `make test` takes 300 histories."""
BATCHES = {"check": 4, "deep": 400}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 12)
SEEDS = [FIRST + 25 * batch for batch in range(int(os.environ.get("REFERENCE_BATCHES", str(BATCHES))))]


@pytest.mark.parametrize("seed", SEEDS)
def test_rules_written_twice_say_the_same(seed: int) -> None:
    """Two who write RULES.md apart get the same alerts from the same messages: 25 dense histories a seed."""
    different = [each for each in range(seed, seed + 25) if differ(history(each))]
    assert not different, [told(event) for event in history(different[0])]


@pytest.mark.parametrize("seed", [2005, 2014, 2029])
def test_rules_written_twice_say_the_same_of_weeks_in_intensive_care(seed: int) -> None:
    """Some of the courses of `tests/reference/icu.py`; `python -m tests.reference --kind icu` plays more."""
    assert not differ(course(seed))
