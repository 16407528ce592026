"""
The service without transactions, for the bench alone: what exactly-once costs is the difference (issue D, how fast).

``python -m bench.plain run`` is ``lab-alert run`` with one thing replaced: a batch's records are sent by an idempotent
producer and acknowledged, and then the consumer commits its offset. Killed in between, it tells everything twice.
"""

# ruff: noqa: SLF001  (a bench that looks inside)

import sys
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata

from consumer.cli.main import main
from consumer.kafka import compat, task
from consumer.kafka.transaction import DISCARD_SECONDS, Transactor
from consumer.stage import Outgoing, Output


class Plain(Transactor):
    """A transactor that begins and ends nothing."""

    consumer: AIOKafkaConsumer

    async def fence(self) -> None:
        """Start a producer that has no transactional id."""
        await compat.dispose(self._producer, DISCARD_SECONDS)
        config = self._config
        self._producer = AIOKafkaProducer(
            **config.client(f"plain-{self._source.partition}"),
            enable_idempotence=True,
            max_batch_size=512 * 1024,
            max_request_size=config.max_message_bytes,
            compression_type=config.compression,
            acks="all",
            linger_ms=0,
        )
        await self._producer.start()

    async def commit(
        self, outgoing: Sequence[Outgoing], offset: int, metadata: Callable[[int | None], str]
    ) -> int | None:
        """Send, wait until all is acknowledged, and commit the offset."""
        delivered = await self._send(self._place(outgoing))
        state = self._config.topics[Output.STATE]
        ends = [part.offset + part.records for part in delivered if part.partition.topic == state]
        end = max(ends, default=None)
        await self.consumer.commit({self._source: OffsetAndMetadata(offset, metadata(end))})
        return end


def replace() -> None:
    """Have every task use it."""
    made = task.Task._commit

    async def commit(self: task.Task) -> None:
        assert isinstance(self._transactor, Plain)
        self._transactor.consumer = self._consumer
        await made(self)

    task.Task._commit = commit  # type: ignore[method-assign]  # replaced for the bench alone
    task.Transactor = Plain  # type: ignore[attr-defined]  # replaced for the bench alone


if __name__ == "__main__":
    replace()
    sys.exit(main())
