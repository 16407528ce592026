"""What a member and its tasks hand one another."""

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from consumer.stage import Record, Stage

MakeStage = Callable[[int], Stage]
"""Makes the stage of one partition."""


class Kept(NamedTuple):
    """
    A stage whose committed state is known up to a changelog position (W11).

    ``last`` is the offset after the last record of it, None while it has none; behind that only markers stand.
    """

    stage: Stage
    position: int | None = None
    last: int | None = None
    since: float = 0.0


class Batch(NamedTuple):
    """Fetched records, and the position behind them (markers passed)."""

    records: Sequence[Record]
    position: int


def wall_clock() -> int:
    """Return the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000


PAUSE_MS: Final = 30_000
"""A task looks at the clock every second; when it has not for so long, the process stood still or the clock was set."""


class Clock:
    """The wall clock of one task, and whether it has been looked at all along."""

    def __init__(self) -> None:
        self._looked = 0

    def look(self, watermark: int | None) -> tuple[int | None, int]:
        """
        Return the *watermark* as far as it counts now, and the wall clock.

        After a pause it is as old as the pause for that reason alone. It is then not known for one look, or a stuck
        feed would be seen where there is none, and a hold ended before what came meanwhile has been read.
        """
        wall = wall_clock()
        paused = abs(wall - self._looked) > PAUSE_MS
        self._looked = wall
        return None if paused else watermark, wall
