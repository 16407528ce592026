"""
Which results stand (RULES.md 2): from stored versions to *draws*, oldest first.

Most versions are draws as they are (`rules/series.py`, PLAIN): they become a `Draw` when a rule takes them up, and a
rule takes up the newest few. The others are worked out here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple, Protocol, cast, overload

from rules.events import Condition, Instant, Result
from rules.lazy import lazy
from rules.versions import RETRACTING, REVISING, StoredResult, drawn_at, first_came, identity, version_order

VALID, SUSPECT, INVALID = "valid", "suspect", "invalid"


class Source(Protocol):
    """Where the results of draws are read: a series, or what was worked out."""

    def __getitem__(self, n: int) -> StoredResult:
        """Read one."""

    def identity(self, n: int) -> str:
        """Return the identity of one (`rules.versions.identity`)."""

    def identities(self, start: int, end: int) -> Sequence[str]:
        """Return those from *start* to before *end*."""


class Draw:
    """
    A usable result in its newest version, with its verdict.

    ``valid`` is what the rules ask: the verdict is valid, or it is suspect and an earlier suspect one confirms it.
    ``why`` is ``clot``, ``hemolysis``, ``edta``, ``jump`` or empty. ``others`` are usable results of the same analyte
    and draw time that do not speak. It is the *number*-th of its *source*.
    """

    tube = VALID
    """The verdict by what is said of its tube alone."""
    verdict = VALID
    valid = True
    why = ""
    edta = False
    others: "Sequence[Draw]" = ()

    def __init__(
        self, at: Instant, value: Decimal, came: int, source: "Source", n: int, named_at: Instant | None = None
    ) -> None:
        self.at = at
        self.value = value
        self.came = came
        self.source = source
        self.number = n
        self.named_at = at if named_at is None else named_at

    @lazy
    def result(self) -> Result:
        """Return the result."""
        return self.source[self.number].result

    @lazy
    def key(self) -> str:
        """Name the result and its draw, as `identity_at`; a version that sets the draw's time right leaves the name."""
        return f"{self.source.identity(self.number)}|{self.named_at}"

    @property
    def counted(self) -> bool:
        """Usable and not invalid (RULES.md 2)."""
        return self.verdict != INVALID

    def doubt(self, verdict: str, why: str) -> None:
        """Take the verdict on its tube, which is not valid."""
        self.tube = self.verdict = verdict
        self.valid = False
        self.why = why

    def __repr__(self) -> str:
        """Show analyte, value, draw and verdict."""
        return f"Draw({self.result.analyte.value} {self.value} at {self.at}, {self.verdict})"


class Draws(Sequence[Draw]):
    """
    Draws of one analyte, oldest first; ``at``, ``values`` and ``came`` without taking one up.

    ``made`` holds those that were taken up, by their number among all of the analyte; the rest are valid.
    """

    __slots__ = ("_make", "_numbers", "at", "came", "made", "values")

    def __init__(
        self,
        at: Sequence[Instant],
        values: Sequence[Decimal],
        came: Sequence[int],
        made: dict[int, Draw],
        make: Callable[[int], Draw],
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.at = at
        self.values = values
        self.came = came
        self.made = made
        self._make = make
        self._numbers = range(len(at)) if numbers is None else numbers

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.at)

    @overload
    def __getitem__(self, n: int) -> Draw: ...

    @overload
    def __getitem__(self, n: slice) -> list[Draw]: ...

    def __getitem__(self, n: int | slice) -> Draw | list[Draw]:
        """Take one up, or some."""
        made = self.made
        if not isinstance(n, slice):
            number = self._numbers[n]
            return made[number] if number in made else made.setdefault(number, self._make(number))
        numbers = self._numbers[n]
        for number in numbers:
            if number not in made:
                made[number] = self._make(number)
        return [made[number] for number in numbers]

    def __iter__(self) -> Iterator[Draw]:
        """Take up all."""
        return iter(self[:])

    def __reversed__(self) -> Iterator[Draw]:
        """Take them up from the newest on."""
        return (self[n] for n in range(len(self) - 1, -1, -1))

    def known(self) -> Mapping[int, Draw]:
        """Return those that were taken up already, by their place; any other is valid."""
        if isinstance(self._numbers, range):
            return self.made
        return {n: self.made[number] for n, number in enumerate(self._numbers) if number in self.made}

    def last(self, at: Instant) -> Draw | None:
        """Return the last drawn at *at* or before."""
        n = bisect_right(self.at, at)
        return self[n - 1] if n else None

    def first(self, at: Instant) -> Draw | None:
        """Return the first drawn at *at* or later."""
        n = bisect_left(self.at, at)
        return self[n] if n < len(self) else None

    def between(self, start: Instant, end: Instant) -> list[Draw]:
        """Return those drawn from *start* to *end*, both included."""
        return self[bisect_left(self.at, start) : bisect_right(self.at, end)]

    def since(self, at: Instant) -> list[Draw]:
        """Return those drawn at *at* or later."""
        return self[bisect_left(self.at, at) :]

    def named(self, name: str) -> Draw | None:
        """Return the one whose `Draw.key` is *name*; it may have been set right to another draw time since."""
        at = drawn_at(name)
        same = [] if at is None else self.between(at, at)
        moved = (draw for draw in self.known().values() if draw.named_at != draw.at)
        return next((draw for draw in (*same, *moved) if draw.key == name), None)

    def above(self, value: Decimal, start: Instant | None = None, end: Instant | None = None) -> list[Draw]:
        """Return those of at least *value* drawn from *start* to *end*, both included; no other is taken up."""
        return [self[n] for n in self._places(start, end) if self.values[n] >= value]

    def below(self, value: Decimal, start: Instant | None = None, end: Instant | None = None) -> list[Draw]:
        """Return those below *value* drawn from *start* to *end*, both included; no other is taken up."""
        return [self[n] for n in self._places(start, end) if self.values[n] < value]

    def _places(self, start: Instant | None, end: Instant | None) -> range:
        first = 0 if start is None else bisect_left(self.at, start)
        return range(first, len(self.at) if end is None else bisect_right(self.at, end))

    def least(self, start: Instant, end: Instant) -> Decimal | None:
        """Return the lowest value from *start* to *end*, both included."""
        return min(self.values[bisect_left(self.at, start) : bisect_right(self.at, end)], default=None)

    def only(self, kept: Sequence[int]) -> "Draws":
        """Return some of them, by number, ascending."""
        return Draws(
            [self.at[n] for n in kept],
            [self.values[n] for n in kept],
            [self.came[n] for n in kept],
            self.made,
            self._make,
            [self._numbers[n] for n in kept],
        )

    def doubtful(self) -> list[Draw]:
        """Return those whose verdict is not valid."""
        found = {n: draw for n, draw in self.known().items() if draw.verdict != VALID} if self.made else {}
        return [found[n] for n in sorted(found)] if found else []

    def valid(self) -> "Draws":
        """Return the valid ones."""
        return self._without([n for n, draw in self.known().items() if not draw.valid])

    def counted(self) -> "Draws":
        """Return those that are not invalid."""
        if not self.made:
            return self
        return self._without([n for n, draw in self.known().items() if draw.verdict == INVALID])

    def _without(self, left_out: Collection[int]) -> "Draws":
        return self.only([n for n in range(len(self)) if n not in left_out]) if left_out else self

    def joined(self, draws: Sequence[Draw]) -> "Draws":
        """Return them with more, which were taken up already."""
        if not draws:
            return self
        below = min([0, *self.made])  # no series has such a number, and none that was joined before
        numbered = {below - number: draw for number, draw in enumerate(draws, 1)}
        made = self.made | numbered
        every = [*zip(self.at, self._numbers, self.values, self.came, strict=True)]
        every += [(draw.at, number, draw.value, draw.came) for number, draw in numbered.items()]
        at, numbers, values, came = zip(*sorted(every), strict=True)
        return Draws(at, values, came, made, self._make, numbers)

    def grown(self, entries: Sequence[StoredResult], first: int, make: Callable[[int], Draw]) -> "Draws":
        """Return them with later ones behind them: the *first* of their source and those that follow, all valid."""
        numbers = range(first, first + len(entries))
        return Draws(
            [*self.at, *[entry.result.observed_at for entry in entries]],
            [*self.values, *[cast("Decimal", entry.result.value) for entry in entries]],
            [*self.came, *[entry.came for entry in entries]],
            dict(self.made),
            make,
            range(numbers.stop) if isinstance(self._numbers, range) else [*self._numbers, *numbers],
        )


_NOBODYS: Sequence[Draw] = ()
NO_DRAWS = Draws((), (), (), {}, _NOBODYS.__getitem__)


def since(draws: Sequence[Draw], at: Instant) -> Sequence[Draw]:
    """Return those of *draws*, oldest first, that were drawn at *at* or later."""
    return draws[bisect_left(draws, at, key=attrgetter("at")) :]


def names(draws: Sequence[Draw]) -> tuple[str, ...]:
    """Return each one's `Draw.key`; those that nobody has asked for yet are read at once, where they lie together."""
    unread = [draw for draw in draws if "key" not in draw.__dict__]
    if len(unread) > 1 and unread[-1].number - unread[0].number == len(unread) - 1:
        source = unread[0].source
        if all(draw.source is source for draw in unread):
            identities = source.identities(unread[0].number, unread[-1].number + 1)
            for draw, text in zip(unread, identities, strict=True):
                draw.__dict__["key"] = f"{text}|{draw.named_at}"
    return tuple([draw.key for draw in draws])


class Present(NamedTuple):
    """
    The newest version of a draw.

    The value that stands, when the draw first came, what its message said of the tube, and the draw time that its
    versions share, whatever the newest says.
    """

    result: Result
    value: Decimal | None
    came: int
    said: tuple[Condition, ...]
    named_at: Instant


class InSeries:
    """Where the draws of a series are read: the series as it is now, which may have grown since they were taken up."""

    def __init__(self, series: Source) -> None:
        self.series = series

    def __getitem__(self, n: int) -> StoredResult:
        """Read one."""
        return self.series[n]

    def identity(self, n: int) -> str:
        """Return the identity of one."""
        return self.series.identity(n)

    def identities(self, start: int, end: int) -> Sequence[str]:
        """Return those from *start* to before *end*."""
        return self.series.identities(start, end)


class Worked:
    """The one result of a draw that was worked out."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def __getitem__(self, n: int) -> StoredResult:
        """Return it."""
        return StoredResult(self._result, n)

    def identity(self, n: int) -> str:
        """Return its identity."""
        return self.identities(n, n + 1)[0]

    def identities(self, start: int, end: int) -> Sequence[str]:
        """Return it."""
        return [identity(self._result)] * (end - start)


def newest_versions(results: Sequence[StoredResult]) -> Iterable[Present]:
    """
    Yield the newest version of each draw.

    RULES.md 2: a C, D, W, X or U is a version of the draw with its `observed_at`, else of the latest draw before that,
    else of the earliest; with no version of another status, each time is a draw of its own.
    """
    by_identity: dict[tuple[str, str, str], list[StoredResult]] = {}
    for entry in results:
        key = entry.result[1:4]  # order_number, observation_identifier, sub_id: what `identity` names, and the quickest
        if key in by_identity:
            by_identity[key].append(entry)
        else:
            by_identity[key] = [entry]
    for versions in by_identity.values():
        if len(versions) == 1:
            result, came, said = versions[0]
            yield Present(result, result.value, came, said, result.observed_at)
        else:
            yield from _draws_of(versions)


def _draws_of(versions: list[StoredResult]) -> Iterable[Present]:
    """Yield the newest version of each draw of one identity."""
    times = sorted({v.result.observed_at for v in versions if v.result.status not in REVISING})
    groups: dict[Instant, list[StoredResult]] = {}
    for version in versions:
        at = version.result.observed_at
        if times and at not in times:
            at = max((t for t in times if t < at), default=times[0])
        groups.setdefault(at, []).append(version)
    for at, group in groups.items():
        newest = max(group, key=lambda v: version_order(v.result))
        value, said = newest.result.value, newest.said
        if _only_finalises(newest):
            value, said = _finalised(group, newest)
        yield Present(newest.result, value, first_came(group), said, at)


def _finalised(group: list[StoredResult], newest: StoredResult) -> tuple[Decimal | None, tuple[Condition, ...]]:
    """
    Return the value that a U without one makes final, and what was said of its tube; *newest* is that U.

    Those of the newest version that is none itself; none after a retraction.
    """
    said = {*newest.said}
    for version in sorted(group, key=lambda v: version_order(v.result), reverse=True):
        said.update(version.said)
        if not _only_finalises(version):
            if version.result.status in RETRACTING:
                break
            return version.result.value, tuple(sorted(said))
    return None, newest.said


def _only_finalises(version: StoredResult) -> bool:
    """Say whether a version is a U without a value; there may be several in a row."""
    return version.result.status == "U" and version.result.value is None
