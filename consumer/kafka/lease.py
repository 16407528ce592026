"""An assignment as its tasks see it: valid or not, and ours for certain only when the coordinator has just said so."""

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer

from consumer.kafka import compat
from consumer.kafka.faults import LeaseLost

HEARTBEAT_SECONDS = 5.0
"""How long one answer is waited for."""

AGAIN_SECONDS = 0.2
"""Wait after a refusal; a rebalance that is under way ends in a revocation soon."""


class Lease:
    """What one assignment gave; all tasks of it share its heartbeats."""

    def __init__(self, consumer: AIOKafkaConsumer, owned: Callable[[], int]) -> None:
        self.valid = True
        self._consumer = consumer
        self._owned = owned
        self._asking = asyncio.Lock()
        self._accepted_at = float("-inf")

    @property
    def owned(self) -> int:
        """How many partitions the process owns."""
        return self._owned()

    async def confirm(self, progress: Callable[[], None]) -> None:
        """
        Return once a heartbeat that was sent after this call has been accepted (W2, W5).

        Args:
            progress: Called while the broker does not answer: that is no fault of the task's.

        Raises:
            LeaseLost: The partitions were revoked meanwhile.
        """
        asked = time.monotonic()
        while True:
            async with self._asking:
                if not self.valid:
                    raise LeaseLost
                if self._accepted_at >= asked:
                    return
                sent = time.monotonic()
                beat = await self._beat()
                if not self.valid:
                    raise LeaseLost
                if beat.accepted:
                    self._accepted_at = sent
                    return
                if not beat.answered:
                    progress()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _beat(self) -> compat.Heartbeat:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                return await compat.heartbeat(self._consumer)
        except TimeoutError:
            return compat.Heartbeat(accepted=False, answered=False, error="no answer to a heartbeat")
