"""
The golden table again, from what the rules had found before a mutant was put in.

So a mutant of the words is held against it without playing every history anew: no more is seen than in
`test_words_golden`, in an eighth of the time.
"""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from rules import engine
from rules.alert import Transition
from rules.words.transitions import transition
from tests.unit.words.cases import all_cases
from tests.unit.words.golden import TABLE, said


def _heard() -> Iterator[tuple[tuple[Any, ...], dict[str, Any], Transition]]:
    heard: list[tuple[tuple[Any, ...], dict[str, Any], Transition]] = []

    def hearing(*found: Any, **more: Any) -> Transition:
        heard.append((found, more, transition(*found, **more)))
        return heard[-1][2]

    all_cases.cache_clear()
    with patch.object(engine, "transition", hearing):
        shown = {id(one) for case in all_cases() for one in case.transitions}
    yield from (one for one in heard if id(one[2]) in shown)


HEARD = [(found, more, said(one)) for found, more, one in _heard()]


def test_the_table_is_told_again() -> None:
    """Of the same findings the same is said, and it is what the table holds."""
    page = TABLE.read_text(encoding="utf-8")
    for found, more, told in HEARD:
        assert said(transition(*found, **more)) == told
    assert all(told in page for _, _, told in HEARD)
