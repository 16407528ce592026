"""What has been fetched for a task and not yet been processed: bounded, and handed on in pieces."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from consumer.kafka.handover import Batch
from consumer.stage import Record

INBOX_BATCHES: Final = 2
"""Fetched batches that may wait: one being worked on and one behind it, so that a task never starves on a fetch."""


class Inbox:
    """Fetched batches in order; who fills it asks first whether there is room."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._batches)

    @property
    def has_room(self) -> bool:
        """Whether another batch may come."""
        return len(self._batches) < INBOX_BATCHES

    @property
    def end(self) -> int:
        """The position behind all that waits; 0: nothing does."""
        return self._batches[-1].position if self._batches else 0

    def put(self, batch: Batch) -> None:
        """Take a batch."""
        assert self.has_room, "more was fetched than was asked for"
        self._batches.append(batch)

    def take(self, limit: int) -> tuple[Sequence[Record], int]:
        """Return the next records, at most *limit* of them, and the offset behind them."""
        batch = self._batches[0]
        records = batch.records[:limit]
        if len(records) == len(batch.records):
            self._batches.popleft()
            return records, batch.position
        self._batches[0] = batch._replace(records=batch.records[limit:])
        return records, records[-1].offset + 1

    def clear(self) -> None:
        """Forget all of it: it will be fetched again."""
        self._batches.clear()
