"""When a watermark counts as stuck: a hold due by the wall clock then fires although it has not come (RULES.md 8)."""

from collections import deque
from typing import Final

LOOKS: Final = 300
"""How many looks are kept of the time after which it is stuck: one a second of five minutes, however often is asked."""


class Stuck:
    """Tells when the watermark hangs behind the wall clock and comes no closer (RULES.md 8)."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._seen: deque[tuple[int, int]] = deque()

    def behind(self, watermark: int | None, wall: int) -> int:
        """Return how far a stuck watermark is behind, in milliseconds; 0 when it is not stuck."""
        if watermark is None:
            self._seen.clear()
            return 0
        lag = wall - watermark
        if not self._seen or abs(wall - self._seen[-1][0]) >= self._after // LOOKS:
            self._seen.append((wall, lag))
        while len(self._seen) > 1 and self._seen[1][0] <= wall - self._after:
            self._seen.popleft()
        since, earlier = self._seen[0]
        stuck = lag > self._after and since <= wall - self._after and lag >= earlier
        return lag if stuck else 0
