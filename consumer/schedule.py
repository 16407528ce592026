"""Whose turn is next: timers and waiting events of a partition's patients, with changes that can be taken back (W7)."""

import heapq
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final, Generic, NamedTuple, TypeVar

from rules.events import Instant

K = TypeVar("K")
V = TypeVar("V")


class Overlay(Generic[K, V]):
    """A dictionary whose changes since the last commit can be discarded. A value of None means: not there."""

    def __init__(self) -> None:
        self._base: dict[K, V] = {}
        self._changed: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        """Return the value as changed, or None."""
        return self._changed[key] if key in self._changed else self._base.get(key)

    def committed(self, key: K) -> V | None:
        """Return the value as of the last commit, or None."""
        return self._base.get(key)

    def set(self, key: K, value: V | None) -> None:
        """Change a value; None takes the key away."""
        self._changed[key] = value

    def restore(self, key: K, value: V | None) -> None:
        """Set what is committed already."""
        if value is None:
            self._base.pop(key, None)
        else:
            self._base[key] = value

    def keys(self) -> Iterator[K]:
        """Every key that has a value, in no order."""
        yield from (key for key in self._base if key not in self._changed)
        yield from (key for key, value in self._changed.items() if value is not None)

    def where(self, fact: Callable[[V], bool]) -> list[K]:
        """Return the committed keys of whose value *fact* holds."""
        return [key for key, value in self._base.items() if fact(value)]

    def commit(self) -> None:
        """Keep the changes."""
        for key, value in self._changed.items():
            self.restore(key, value)
        self._changed.clear()

    def discard(self) -> list[K]:
        """Drop the changes; return the keys that they had touched."""
        touched = list(self._changed)
        self._changed.clear()
        return touched

    def __len__(self) -> int:
        """Return how many are committed."""
        return len(self._base)


class Rank(IntEnum):
    """A timer that is due at the moment of an event comes before it (RULES.md 8)."""

    TIMER = 0
    EVENT = 1


class Turn(NamedTuple):
    """When a patient is next: by due time, timers first, events of one time by their inbound coordinates."""

    due: Instant
    rank: Rank
    topic: str
    partition: int
    offset: int
    key: str


def timer_turn(key: str, due: Instant) -> Turn:
    """Return the turn of a patient's timer."""
    return Turn(due, Rank.TIMER, "", 0, 0, key)


HEAP_SLACK: Final = 1_024
"""Turns that a heap may hold beyond twice those that were current when it was last cleared out."""


class Schedule:
    """
    A heap of turns with lazy deletion, one current turn a patient.

    A patient whose turn moves leaves the old one behind until it would come first, perhaps for months; so the heap is
    cleared out whenever it has doubled.

    Restoring decodes nothing: a turn may then be earlier or of another rank than what the patient really has; who
    takes it looks again and sets the right one.
    """

    def __init__(self) -> None:
        self._heap: list[Turn] = []
        self._limit = HEAP_SLACK
        self._turns: Overlay[str, Turn] = Overlay()

    def restore(self, key: str, due: Instant | None) -> None:
        """Take a restored patient's next due time."""
        turn = None if due is None else timer_turn(key, due)
        self._turns.restore(key, turn)
        self._push(turn)

    def set(self, key: str, turn: Turn | None) -> None:
        """Set a patient's next turn; None: none."""
        if self._turns.get(key) == turn:
            return
        self._turns.set(key, turn)
        self._push(turn)

    def first(self, until: Instant) -> Turn | None:
        """Return the earliest turn due at or before *until*, and leave it where it is; None: nothing is due."""
        heap = self._heap
        while heap:
            turn = heap[0]
            if self._turns.get(turn.key) != turn:
                heapq.heappop(heap)
                continue
            return turn if turn.due <= until else None
        return None

    def due(self, until: Instant) -> list[Turn]:
        """Return every turn due at or before *until*, earliest first, each once."""
        return sorted(
            {turn for turn in self._heap if turn.due <= until and self._turns.get(turn.key) == turn},
        )

    def commit(self) -> None:
        """Keep the changes."""
        self._turns.commit()

    def discard(self) -> None:
        """Drop the changes: the turns of the last commit are due again."""
        for key in self._turns.discard():
            self._push(self._turns.committed(key))

    def _push(self, turn: Turn | None) -> None:
        if turn is None:
            return
        heapq.heappush(self._heap, turn)
        if len(self._heap) > self._limit:
            self._heap = [turn for key in self._turns.keys() if (turn := self._turns.get(key)) is not None]  # noqa: SIM118  (no dictionary)
            heapq.heapify(self._heap)
            self._limit = 2 * len(self._heap) + HEAP_SLACK
