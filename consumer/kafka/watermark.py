"""
The low watermark: the time up to which every inbound record has become an event (W17, RULES.md 8). Pure.

Nothing here asks a broker; `consumer/kafka/oracle.py` does. The rule in one line: a partition that is read to its end
answers with the time of asking, any other with the time it has got to, and the slowest of them is the answer.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple


class Place(NamedTuple):
    """
    One inbound partition.

    ``committed`` is the ingest group's offset (None: it has none yet), ``stream_time`` what its metadata says,
    ``begin`` and ``end`` the log's bounds; the end was asked for after the watermark's time was taken.
    """

    committed: int | None
    stream_time: int | None
    begin: int
    end: int

    @property
    def read(self) -> bool:
        """Whether everything that stood in the log when its end was asked for has been committed."""
        return self.begin >= self.end if self.committed is None else self.committed >= self.end


def low_watermark(places: Iterable[Place], *, asked_at: int, clock: Literal["live", "records"]) -> int | None:
    """
    Return the watermark in milliseconds, None while some partition has not said anything.

    Args:
        places: Every inbound partition, also those that nobody reads.

        asked_at: The wall clock before the ends were asked for.

        clock: ``records`` takes no time from the wall: a partition at its end holds nothing back, and when all are,
            the highest record time is the watermark.

    >>> behind, idle = Place(5, 1_000, 0, 9), Place(3, 400, 0, 3)
    >>> low_watermark([behind, idle], asked_at=5_000, clock="live")
    1000
    >>> low_watermark([idle], asked_at=5_000, clock="live"), low_watermark([idle], asked_at=5_000, clock="records")
    (5000, 400)
    """
    known = list(places)
    held = [place.stream_time for place in known if not place.read]
    if any(time is None for time in held):
        return None
    slowest = min((time for time in held if time is not None), default=None)
    if clock == "live":
        return asked_at if slowest is None else min(slowest, asked_at)
    if slowest is not None:
        return slowest
    return max((place.stream_time for place in known if place.stream_time is not None), default=None)


READINGS: Final = 64
"""Watermarks that may wait for something; older ones are worth more than newer, for they hold sooner."""


class Readings:
    """Watermarks that hold once one events partition has been read to the end seen after each was asked for."""

    def __init__(self) -> None:
        self.watermark: int | None = None
        self._waiting: deque[tuple[int, int]] = deque()

    def learn(self, watermark: int, end: int) -> None:
        """Take a watermark, and how far the partition has to be read for it."""
        if len(self._waiting) == READINGS:
            self._waiting.pop()
        self._waiting.append((watermark, end))

    def promote(self, offset: int) -> bool:
        """Take over each watermark whose end has been read; return whether it moved."""
        moved = False
        while self._waiting and offset >= self._waiting[0][1]:
            watermark, _ = self._waiting.popleft()
            if self.watermark is None or watermark > self.watermark:
                self.watermark = watermark
                moved = True
        return moved


class Passing(NamedTuple):
    """A watermark on its way over aliases: how many it has passed, and the ends that it waits for now."""

    watermark: int
    passed: int
    ends: Mapping[int, int]


class Homes:
    """
    Watermarks that wait for other homes, on behalf of patients to whom aliases lead from there.

    Once those homes have committed past the ends seen after a watermark was asked for, whatever they had to pass on by
    then stands in the next ones' logs, before the ends seen after that. Over a chain of aliases this is asked as many
    times as the chain is long.
    """

    def __init__(self) -> None:
        self._passing: list[Passing] = []
        self._wanted: frozenset[int] = frozenset()

    def hear(
        self,
        low: int,
        ends: Mapping[int, int],
        committed: Mapping[int, int],
        homes: Iterable[int],
        aliases: int,
    ) -> int | None:
        """
        Return the newest watermark that has passed all *aliases*, if one has; it holds from the present *ends* on.

        Args:
            low: The low watermark just asked for.

            ends: The ends of all events partitions, asked for after *low* and after *committed*.

            committed: How far the homes have committed.

            homes: Which have to be waited for.

            aliases: Over how many aliases one after another a record may come.
        """
        wanted = frozenset(homes)
        if not wanted <= self._wanted:  # what came over an alias of such a home was not waited for until now
            self._passing = [held._replace(passed=0) for held in self._passing]
        self._wanted = wanted
        passed: int | None = None
        still: list[Passing] = []
        for held in self._passing:
            if any(ends.get(home, 0) < end for home, end in held.ends.items()):
                continue  # of a log that has been made anew since
            there = all(committed.get(home, 0) >= held.ends.get(home, 0) for home in wanted)
            now = Passing(held.watermark, held.passed + 1, ends) if there else held
            if now.passed < aliases:
                still.append(now)
            else:
                passed = max(now.watermark, passed or 0)
        self._passing = [*still[: READINGS - 1], Passing(low, 0, ends)]
        return passed
