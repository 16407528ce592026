"""
Topics that go while we run: said with the remedy, and not ready; what needs one tries again until it is there.

Without this, an input that is deleted looks like one on which nothing happens: the group rebalances, nobody is assigned
anything, and every task that is left is well.
"""

import asyncio

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from consumer.kafka import topics
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import UNREACHABLE

log = structlog.get_logger(__name__)


class Presence:
    """Looks every few seconds; ``faults`` has a line for each topic that is missing or has other partitions than P."""

    def __init__(self, config: KafkaConfig) -> None:
        self.faults: tuple[str, ...] = ()
        self._config = config
        self._before: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            try:
                async with topics.admin(self._config) as admin:
                    await self._session(admin)
            except (*UNREACHABLE, KafkaError) as error:
                # A broker that is away is said by others.
                log.debug("topics.not_seen", error=type(error).__name__)
            await asyncio.sleep(self._config.pace.presence_seconds)

    async def _session(self, admin: AIOKafkaAdminClient) -> None:
        while True:
            async with asyncio.timeout(topics.ADMIN_SECONDS):
                self.see(await topics.gone(self._config, admin))
            await asyncio.sleep(self._config.pace.presence_seconds)

    def see(self, found: list[str]) -> None:
        """Take what a look has found; a fault is one when two looks have found it: one broker may know less."""
        faults = tuple(fault for fault in found if fault in self._before)
        self._before = frozenset(found)
        for fault in faults:
            if fault not in self.faults:
                log.error("topics.gone", what=fault)
        if self.faults and not faults:
            log.info("topics.back")
        self.faults = faults
