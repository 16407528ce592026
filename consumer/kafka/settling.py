"""Whether what was acknowledged stands; where markers of it were lost, it is said again (docs/reliability.md)."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

import structlog
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka.config import KafkaConfig
from consumer.kafka.fate import Fate, fates
from consumer.kafka.faults import OutcomeUnknown
from consumer.kafka.metadata import decode, gone_on, transactions
from consumer.kafka.transaction import Delivered, Transactor
from consumer.stage import Output

log = structlog.get_logger(__name__)

SETTLE_ATTEMPTS = 5
"""How often is asked again what a broker may not know yet that has just begun to lead: an end, a marker."""


class Settled(StrEnum):
    """
    What a look at our last transaction has shown, and done.

    ``undone``: another one that was begun since has aborted it, after its markers were lost.
    """

    STANDS = "stands"
    SAID_AGAIN = "said again"
    UNDONE = "undone"


class Settling:
    """Sees for one partition that what was committed can be read."""

    def __init__(self, config: KafkaConfig, stage: str, partition: TopicPartition) -> None:
        self._config = config
        self._stage = stage
        self._partition = partition

    async def settle(self, transactor: Transactor, committed: OffsetAndMetadata | None, end: int) -> Settled:
        """
        Say our last transaction again where something of it is missing, unless nothing can be done about that.

        Args:
            transactor: The producer, fenced, with what it was told last.

            committed: What was read behind its fence.

            end: The end of the input's log.

        Raises:
            OutcomeUnknown: Something stays hidden, or a deadline has passed.
        """
        last = transactor.acknowledged
        if last is None:
            return Settled.STANDS
        if last.place.offset > end or gone_on(committed, last.place):
            # Whoever said it now would take back what has been committed since.
            transactor.acknowledged = None
            return Settled.STANDS
        behind = committed != last.place
        if behind and committed is None and transactions(last.place) != 1:
            # No lost marker does that: it was deleted, or its coordinator has not read it yet.
            return Settled.STANDS
        became = await fates(self._config, last.written, closely=behind)
        if not behind and Fate.OPEN in became.values():
            became = await fates(self._config, last.written, closely=True)
        still_open = [batch for batch, fate in became.items() if fate is Fate.OPEN]
        if Fate.ABORTED in became.values():
            undone = behind and transactions(committed) == (transactions(last.place) or 0) - 1
            return Settled.UNDONE if undone else Settled.STANDS
        missing = behind or bool(still_open)
        if missing:
            self._say(committed, last.place, hidden=len(still_open))
            await self._say_again(transactor, last.place, still_open)
        await transactor.end_abandoned()
        return Settled.SAID_AGAIN if missing else Settled.STANDS

    async def _say_again(
        self, transactor: Transactor, place: OffsetAndMetadata, still_open: Sequence[Delivered]
    ) -> None:
        """
        Commit *place* once more, and see that nothing of ours stays hidden.

        Raises:
            OutcomeUnknown: Something does: the markers were lost once more, as while a partition has no leader yet.
        """
        await transactor.repeat(place, {batch.partition for batch in still_open})
        # Only we write to these; in the others a neighbour's transaction may be open.
        ours = {self._config.topics[output] for output in (Output.ALERTS, Output.STATE)}
        mine = [batch for batch in still_open if batch.partition.topic in ours]
        for _ in range(SETTLE_ATTEMPTS):
            if Fate.OPEN not in (await fates(self._config, mine, closely=False)).values():
                return
            await asyncio.sleep(0.1)  # markers are written after the answer
        raise OutcomeUnknown(f"the last transaction of {self._partition} is not shown to readers yet")

    async def state_is_hidden(self, committed: OffsetAndMetadata | None) -> bool:
        """Whether the state that belongs to an offset is there, and no marker behind it."""
        metadata = None if committed is None else decode(committed.metadata)
        if metadata is None or not metadata.changelog_end:
            return False
        last = Delivered(self._home(Output.STATE), metadata.changelog_end - 1, 1)
        return (await fates(self._config, [last], closely=False))[last] is Fate.OPEN

    async def show_state(self, transactor: Transactor, committed: OffsetAndMetadata) -> None:
        """
        End what is hidden of the state, and of its alerts, that belong to what is committed.

        Whoever was told so is not needed for that: the offset tells that its transaction was committed.

        Raises:
            OutcomeUnknown: Past the deadline.
        """
        self._say(committed, committed, hidden=1)
        await transactor.repeat(committed, {self._home(Output.STATE), self._home(Output.ALERTS)})

    def _home(self, output: Output) -> TopicPartition:
        return TopicPartition(self._config.topics[output], self._partition.partition)

    def _say(self, found: OffsetAndMetadata | None, again: OffsetAndMetadata, *, hidden: int) -> None:
        log.warning(
            "offsets.said_again",
            stage=self._stage,
            topic=self._partition.topic,
            partition=self._partition.partition,
            found=None if found is None else found.offset,
            acknowledged=again.offset,
            hidden=hidden,
        )
