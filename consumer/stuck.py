"""When a watermark counts as stuck: a hold due by the wall clock then fires although it has not come (RULES.md 8)."""

from collections import deque
from typing import Final

LOOKS: Final = 300
"""How many looks are kept of the time after which it is stuck: one a second of five minutes, however often is asked."""


class Stuck:
    """
    Tells when the watermark hangs behind the wall clock and comes no closer (RULES.md 8).

    One that is not known, because nobody answers or a partition has never said how far it is, is as old as we have been
    asking for it.
    """

    def __init__(self, after: int) -> None:
        self._after = after
        self._seen: deque[tuple[int, int]] = deque()
        self._unknown: tuple[int, int] | None = None

    def behind(self, watermark: int | None, wall: int) -> int:
        """Return how far a stuck watermark is behind, in milliseconds; 0 when it is not stuck."""
        if watermark is None:
            self._seen.clear()
            since, looked = self._unknown or (wall, wall)
            if abs(wall - looked) > self._after // 5:  # nobody has asked meanwhile, or the clock was set
                since = wall
            self._unknown = since, wall
            return wall - since if wall - since > self._after else 0
        self._unknown = None
        lag = wall - watermark
        if not self._seen or abs(wall - self._seen[-1][0]) >= self._after // LOOKS:
            self._seen.append((wall, lag))
        while len(self._seen) > 1 and self._seen[1][0] <= wall - self._after:
            self._seen.popleft()
        since, earlier = self._seen[0]
        stuck = lag > self._after and since <= wall - self._after and lag >= earlier
        return lag if stuck else 0
