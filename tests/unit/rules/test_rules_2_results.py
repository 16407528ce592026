"""RULES.md 2: stored results as a value, whatever the order in which they came; their packed columns at the edges."""

from decimal import Decimal
from itertools import permutations

import pytest

from consumer.packed import pack_results, unpack_results
from rules.results import Results
from rules.series import _NO_ROWS, Series, _Decimals
from rules.versions import StoredResult
from tests.unit.rules.builders import h, k, mg

STORED = [StoredResult(fact, n) for n, fact in enumerate((k("5.0", h(0)), k("6.0", h(1)), mg("0.8", h(1))), 1)]


def test_rules_2_results_are_a_value() -> None:
    """Equal, of one hash and shown alike for every order of arrival; unequal to other results. RULES.md 2."""
    every = [Results.of(order) for order in permutations(STORED)]
    assert all(one == every[0] for one in every)
    assert len({hash(one) for one in every}) == 1
    assert len({repr(one) for one in every}) == 1
    assert Results.of(STORED[:2]) != every[0]
    assert every[0] != STORED


@pytest.mark.parametrize(
    ("excess", "kept"),
    [
        pytest.param(1, ["6.0", "0.8"], id="the oldest draw goes"),
        pytest.param(3, [], id="all go"),
        pytest.param(9, [], id="more than there are"),
    ],
)
def test_rules_7_the_oldest_beyond_the_limit_are_dropped(excess: int, kept: list[str]) -> None:
    """By draw time over all analytes; beyond all nothing is left. RULES.md 7."""
    left = Results.of(STORED).without_oldest(excess)
    assert sorted(str(entry.result.value) for entry in left) == sorted(kept)
    assert len(left) == len(kept)


def test_rules_2_a_series_of_versions_in_any_order() -> None:
    """A series made of its versions at once is the one that grew. RULES.md 2."""
    for first, second in permutations(STORED[:2]):
        series = Series.of([first, second])
        assert [entry.result.value for entry in series] == [Decimal("5.0"), Decimal("6.0")]


def test_rules_2_a_late_result_stands_where_it_belongs() -> None:
    """Any order of arrival, packed between: all lie by draw, read one by one or at once. RULES.md 2."""
    stored = [StoredResult(k(f"4.{n}", h(n)), n + 1) for n in range(4)]
    for order in permutations(stored):
        results = Results.of(order[:2])
        for entry in order[2:]:
            results = unpack_results(pack_results(results)).taking([entry])
        (series,) = results.series.values()
        assert list(series) == stored
        assert series.identities(0, 4) == [series.identity(n) for n in range(4)]
        assert series.values == [entry.result.value for entry in stored]


def test_rules_7_where_nothing_is_packed_nothing_is_read() -> None:
    """The head of a new series holds no entry, and says so to who asks for one."""
    assert len(_NO_ROWS) == 0
    assert _NO_ROWS.identities(0, 0) == ()
    for ask in (
        lambda: _NO_ROWS.read(0, h(0), None, 1),
        lambda: _NO_ROWS.identity(0),
        lambda: _NO_ROWS.inserted(0, STORED[0]),
    ):
        with pytest.raises(IndexError):
            ask()


def test_rules_1_values_by_their_text_stay_few() -> None:
    """What is remembered of values is bounded, and forgotten or not it is exact. RULES.md 1."""
    known = _Decimals()
    for n in range(8_193):
        assert known[f"{n}.0"] == Decimal(f"{n}.0")
    assert len(known) == 1
    assert known[""] is None
