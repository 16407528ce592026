"""RULES.md 2: the versions of one analyte in every order of arrival, packed between or not: the same is read."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import permutations

import pytest

from consumer.packed import pack_results, unpack_results
from rules.chart import Chart
from rules.events import MINUTE, Condition, Instant, Result
from rules.patient import new_state
from rules.results import NO_RESULTS, Results
from rules.rulebook import DEFAULT
from rules.versions import StoredResult, draw_order, identity, version_order
from tests.unit.rules.builders import PATIENT, h, k


def version(
    order: str, minute: int, value: str | None, status: str = "F", *, resulted: int = 0, clotted: bool = False
) -> tuple[Result, tuple[Condition, ...]]:
    """Return a potassium of an order, drawn so many minutes into the play, and what is said of its tube."""
    at = h(0) + minute * MINUTE
    of = k(value, at, order=order, status=status, resulted=at + resulted * MINUTE, container=order)
    return of, (Condition.CLOTTED,) if clotted else ()


SETS = {
    "draws of their own": (
        [
            version("A", 0, "4.5"),
            version("B", 10, "4.1"),
            version("C", 20, "5.9"),
            version("D", 30, "4.2"),
            version("E", 40, "4.0"),
        ],
        "4.5@0 4.1@10 5.9@20 4.2@30 4.0@40",
    ),
    "serial draws under one order, and a correction of the second": (
        [
            version("A", 0, "4.5"),
            version("A", 10, "4.6"),
            version("A", 20, "4.7"),
            version("A", 10, "5.6", "C", resulted=60),
            version("B", 5, "4.0"),
        ],
        "4.5@0 4.0@5 5.6@10 4.7@20",
    ),
    "a correction that sets the draw time right, across another draw": (
        [
            version("B", 0, "4.0"),
            version("A", 10, "4.6"),
            version("B", 20, "4.1"),
            version("A", 30, "4.7", "C", resulted=60),
            version("C", 30, "4.9"),
        ],
        "4.0@0 4.1@20 4.7@30",
    ),
    "preliminary, final, corrected, withdrawn: one draw": (
        [
            version("A", 10, "4.5", "P"),
            version("A", 10, "4.6"),
            version("A", 10, "6.9", "C", resulted=1),
            version("A", 10, None, "W", resulted=2),
            version("B", 0, "4.0"),
        ],
        "4.0@0",
    ),
    "announced, preliminary, final, and a value between": (
        [
            version("A", 10, None, "I"),
            version("A", 10, "3.9", "P", resulted=1),
            version("A", 10, "4.4", resulted=2),
            version("B", 5, None, "I"),
            version("C", 15, "4.3"),
        ],
        "4.4@10 4.3@15",
    ),
    "a final sent again, and again with the highest value": (
        [
            version("A", 10, "4.4"),
            version("A", 10, "7.4", resulted=1),
            version("A", 10, "4.6", resulted=2),
            version("B", 5, "4.0"),
            version("B", 5, "2.9", resulted=-1),
        ],
        "4.0@5 4.6@10",
    ),
    "two orders of one draw time, and a third later": (
        [
            version("A", 10, "4.4"),
            version("B", 10, "4.5"),
            version("B", 10, "4.6", "C", resulted=1),
            version("C", 20, "4.7"),
            version("C", 20, "4.8", resulted=1),
        ],
        "4.6@10 4.8@20",
    ),
    "a clotted tube, and the final that no longer says so": (
        [
            version("A", 10, "4.4", clotted=True),
            version("A", 10, "4.4", "C", resulted=1),
            version("B", 10, "4.5", clotted=True),
            version("C", 20, "4.6", clotted=True),
            version("C", 20, "4.7", resulted=1),
        ],
        "4.4@10 4.7@20",
    ),
    "preliminary and final of a clotted tube, and a draw of its own": (
        [
            version("A", 10, "4.4", "P", clotted=True),
            version("A", 10, "4.5", clotted=True),
            version("B", 20, "4.6", "P"),
            version("B", 20, "4.6", resulted=1),
            version("C", 30, "4.7"),
        ],
        "4.5@10! 4.6@20 4.7@30",
    ),
    "a clotted tube told of first, and a clean one of its time": (
        [
            version("A", 10, "4.4", clotted=True),
            version("B", 20, "4.5", clotted=True),
            version("C", 20, "4.3"),
            version("D", 30, "4.2", clotted=True),
            version("D", 40, "4.6"),
        ],
        "4.4@10! 4.3@20 4.2@30! 4.6@40!",
    ),
}
"""Sets of versions, and the potassiums that stand: value@minute, an exclamation mark where it is not valid."""


def stored(arrived: Iterable[tuple[Result, tuple[Condition, ...]]], packed_after: Sequence[int]) -> Results:
    """Return the results after versions have *arrived* one by one, packed and read again after some of them."""
    results = NO_RESULTS
    for count, (result, words) in enumerate(arrived, 1):
        results = results.taking([StoredResult(result, count, words)])
        if count in packed_after:
            results = unpack_results(pack_results(results))
    return results


def newest(versions: Iterable[tuple[Result, tuple[Condition, ...]]]) -> list[StoredResult]:
    """Return what is to be stored: of each identity, draw and status the newest version, with the earliest came."""
    kept: dict[tuple[str, Instant, str], list[StoredResult]] = {}
    for count, (result, words) in enumerate(versions, 1):
        key = (identity(result), result.observed_at, result.status)
        kept.setdefault(key, []).append(StoredResult(result, count, words))
    found = [
        max(same, key=lambda e: version_order(e.result))._replace(came=min(e.came for e in same))
        for same in kept.values()
    ]
    return sorted(found, key=draw_order)


def standing(results: Results) -> str:
    """Return the potassiums that stand, as in `SETS`."""
    chart = Chart(new_state(PATIENT)._replace(results=results), h(9), DEFAULT)
    return " ".join(
        f"{draw.value}@{(draw.at - h(0)) // MINUTE}{'' if draw.valid else '!'}" for draw in chart.all_potassium
    )


def bounds(entries: Sequence[StoredResult]) -> tuple[Decimal, Decimal]:
    """Return the lowest and the highest value."""
    values = [entry.result.value for entry in entries if entry.result.value is not None]
    return min(values), max(values)


PACKED = pytest.mark.parametrize(
    "packed_after", [(), (1, 2, 3, 4, 5), (2, 4), (3,)], ids=["never", "each", "2, 4", "3"]
)


@PACKED
@pytest.mark.parametrize(("versions", "stands"), SETS.values(), ids=SETS)
def test_rules_2_the_order_of_arrival_does_not_matter(
    versions: list[tuple[Result, tuple[Condition, ...]]], stands: str, packed_after: Sequence[int]
) -> None:
    """Five versions in all 120 orders: the same are stored, by draw, and the same potassiums stand. RULES.md 2."""
    marks: set[str] = set()
    for arrived in permutations(versions):
        results = stored(arrived, packed_after)
        expected = newest(arrived)
        (series,) = results.series.values()
        assert list(series) == expected
        assert list(series.at) == [entry.result.observed_at for entry in expected]
        assert list(series.came) == [entry.came for entry in expected]
        assert series.values == [entry.result.value for entry in expected]
        assert (series.oldest_at, series.newest_at) == (series.at[0], series.at[-1])
        assert (series.columns.lowest, series.columns.highest) == bounds(expected)
        assert standing(results) == stands
        marks.add(series.columns.marks)
    assert len(marks) == 1


@PACKED
@pytest.mark.parametrize("reverse", [False, True], ids=["the highest third", "the highest and lowest first"])
def test_rules_7_dropped_or_kept_a_series_is_what_is_left(packed_after: Sequence[int], reverse: bool) -> None:
    """Of five potassiums any number of the oldest dropped, by count or by age: the rest are as if alone. RULES.md 7."""
    versions, _ = SETS["draws of their own"]
    if reverse:
        values = ("5.9", "4.0", "4.4", "4.2", "4.3")
        versions = [version(f"O{n}", n, value) for n, value in enumerate(values)]
    results, every = stored(versions, packed_after), newest(versions)
    for count in range(1, 5):
        for left in (results.without_oldest(count), results.since(every[count].result.observed_at, h(9))):
            (series,) = left.series.values()
            assert list(series) == every[count:]
            assert series.values == [entry.result.value for entry in every[count:]]
            assert (series.columns.lowest, series.columns.highest) == bounds(every[count:])
            for start in range(5 - count):
                some = [identity(entry.result) for entry in every[count + start : count + start + 2]]
                assert series.identities(start, min(start + 2, len(series))) == some
            assert series.identities(0, 9) == [identity(entry.result) for entry in every[count:]]
            again = left.taking([every[0]])  # what was dropped and is told once more stands where it belongs
            assert list(again) == [every[0], *every[count:]]
    assert results.since(every[-1].result.observed_at + 1, h(9)) == NO_RESULTS


VALUED_AND_NOT = (("A", "4.5"), ("B", "4.1"), ("C", None), ("D", None))


@PACKED
def test_rules_7_a_series_whose_values_have_all_been_dropped(packed_after: Sequence[int]) -> None:
    """Results without a value (cancelled, not measured) have no lowest and no highest. RULES.md 7."""
    versions = [
        version("A", 0, "4.5"),
        version("B", 10, "4.1"),
        version("C", 20, None, "X"),
        version("D", 30, None, "X"),
    ]
    (series,) = stored(versions, packed_after).without_oldest(2).series.values()
    assert series.values == [None, None]
    assert (series.columns.lowest, series.columns.highest) == (None, None)


@PACKED
def test_rules_2_results_by_order_tube_and_draw(packed_after: Sequence[int]) -> None:
    """The versions of an order, of a draw time, and whether a tube is known: of these and no other. RULES.md 2, 3."""
    versions, _ = SETS["two orders of one draw time, and a third later"]
    results = stored(versions, packed_after)
    assert [str(of.value) for of in results.of_order("B")] == ["4.5", "4.6"]
    assert [str(of.value) for of in results.drawn_at(h(0) + 10 * MINUTE)] == ["4.4", "4.5", "4.6"]
    assert results.drawn_at(h(0) + 15 * MINUTE) == []
    assert [name for name in ("A", "B", "C", "D", "2823-3", "F", "mmol/L") if results.holds(name)] == ["A", "B", "C"]
    assert results.of_order("2823-3") == []
