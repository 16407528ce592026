"""What a member and its tasks hand one another."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

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
