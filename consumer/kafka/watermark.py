"""
The low watermark: the time up to which every inbound record has become an event (W17, RULES.md 8). Pure.

Nothing here asks a broker; `consumer/kafka/oracle.py` does. The rule in one line: a partition that is read to its end
answers with the time of asking, any other with the time it has got to, and the slowest of them is the answer.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple


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


class Reading(NamedTuple):
    """A watermark, and the ends of all events partitions asked for after it."""

    watermark: int
    ends: Mapping[int, int]


HELD_READINGS = 64


class Homes:
    """
    Readings that wait for other homes.

    An alias sends a patient's events from one home to another. So for a stage that such aliases lead to, a watermark
    holds only once those homes have committed past the ends that it was read with, and what they sent on has been read
    here too.
    """

    def __init__(self) -> None:
        self._held: deque[Reading] = deque(maxlen=HELD_READINGS)

    def hold(self, reading: Reading) -> None:
        """Take a new reading."""
        self._held.append(reading)

    def release(self, homes: Iterable[int], committed: Mapping[int, int]) -> int | None:
        """Return the newest watermark that all *homes* have committed past; it holds from the present end on."""
        wanted = list(homes)
        for reading in reversed(self._held):
            if all(committed.get(home, -1) >= reading.ends.get(home, 0) for home in wanted):
                return reading.watermark
        return None
