"""All stored results of a patient (RULES.md 2): a series an analyte."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from rules.events import Analyte, Instant, Result
from rules.series import SHADOWED, Series
from rules.versions import StoredResult, draw_order


class Results:
    """
    The stored versions of a patient's results; a value, like the state that holds it.

    They do not depend on the order in which messages arrive: of one identity, draw and status the newest stays, with
    the earliest ``came``. ``packed`` is for those who write it down: what they wrote, as long as it is this value.
    """

    __slots__ = ("packed", "series")

    def __init__(self, series: Mapping[Analyte, Series]) -> None:
        self.series = series
        self.packed: bytes | None = None

    @classmethod
    def of(cls, entries: Iterable[StoredResult]) -> Self:
        """Return the results of versions in any order."""
        return cls({}).taking(entries)

    def __bool__(self) -> bool:
        """Say whether there are any: no series is empty."""
        return bool(self.series)

    def __len__(self) -> int:
        """Return how many versions there are."""
        return sum(map(len, self.series.values()))

    def __iter__(self) -> Iterator[StoredResult]:
        """Read all, by draw; of two that differ in their analyte alone in its order, however they came."""
        return iter(sorted((entry for name in sorted(self.series) for entry in self.series[name]), key=draw_order))

    def __eq__(self, other: object) -> bool:
        """Say whether both hold the same versions."""
        return isinstance(other, Results) and list(self) == list(other)

    def __hash__(self) -> int:
        """Return a hash that equal ones share."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Show all versions."""
        return f"Results.of({list(self)!r})"

    @property
    def oldest_at(self) -> Instant | None:
        """Return the oldest draw time; None without results."""
        return min((series.oldest_at for series in self.series.values()), default=None)

    def taking(self, entries: Iterable[StoredResult]) -> Self:
        """Return the results with more versions."""
        taken = dict(self.series)
        for entry in entries:
            analyte = entry.result.analyte
            series = taken.get(analyte)
            taken[analyte] = Series.of([entry]) if series is None else series.taking(entry)
        return type(self)(taken)

    def since(self, horizon: Instant, potassium: Instant, calcium: Instant | None = None) -> Self:
        """Return those of *horizon* or later, *potassium* and *calcium* of theirs: itself, where that is all."""
        oldest = self.oldest_at
        if oldest is None or oldest >= horizon:
            return self
        longer = {Analyte.POTASSIUM: potassium}
        if calcium is not None:
            longer |= {Analyte.CALCIUM: calcium, Analyte.CALCIUM_IONIZED: calcium}
        kept = {}
        for analyte, series in self.series.items():
            later = series.since(min(horizon, longer.get(analyte, horizon)))
            if later is not None:
                kept[analyte] = later
        same = len(kept) == len(self.series) and all(kept[analyte] is self.series[analyte] for analyte in kept)
        return self if same else type(self)(kept)

    def _naming(self, text: str) -> Iterator[Result]:
        """Read those whose order number or container may be *text*."""
        return (series[n].result for series in self.series.values() for n in series.naming(text))

    def drawn_at(self, at: Instant) -> list[Result]:
        """Return the versions of one draw time."""
        found = (entry for series in self.series.values() for entry in series.drawn_at(at))
        return [entry.result for entry in sorted(found, key=draw_order)]

    def of_order(self, order_number: str) -> list[Result]:
        """Return the versions of one order."""
        return [result for result in self._naming(order_number) if result.order_number == order_number]

    def holds(self, container: str) -> bool:
        """Say whether any is of the tube *container*."""
        return any(result.container == container for result in self._naming(container))

    def draws(self) -> int:
        """Return how many results there are: of one draw's versions, preliminary, final or corrected, one counts."""
        return sum(len(series.draws()) for series in self.series.values())

    def beyond(self, limit: int) -> int:
        """Return how many results there are beyond *limit*."""
        at_most = sum(len(series) - series.columns.marks.count(SHADOWED) for series in self.series.values())
        return max(0, self.draws() - limit) if at_most > limit else 0

    def without_oldest(self, excess: int) -> Self:
        """Return all but the *excess* oldest results, each with its versions."""
        places = {analyte: series.draws() for analyte, series in self.series.items()}
        if excess >= sum(map(len, places.values())):
            return type(self)({})
        drawn = sorted(self.series[analyte].at[n] for analyte, last in places.items() for n in last[:excess])
        end = drawn[excess - 1]  # the draw of the last that goes; of those of that time only some may go
        gone: dict[Analyte, int] = {}
        tied: list[StoredResult] = []
        for analyte, last in places.items():
            series = self.series[analyte]
            gone[analyte] = bisect_left(last, bisect_left(series.at, end))
            tied += [series[n] for n in last if series.at[n] == end]
        for entry in sorted(tied, key=draw_order)[: excess - sum(gone.values())]:
            gone[entry.result.analyte] += 1
        kept = {}
        for analyte, series in self.series.items():
            last, count = places[analyte], gone[analyte]
            if count < len(last):
                kept[analyte] = series.without_first(last[count - 1] + 1 if count else 0)
        return type(self)(kept)


NO_RESULTS = Results({})
