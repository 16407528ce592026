"""Whether every partition that wants records is fetched; aiokafka doesn't say when one is not."""

from collections.abc import Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError


class Unfetched(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """A partition has not been fetched for too long; asking its leader anew shows whether that is its fault."""


class Look(NamedTuple):
    """When a partition was last fetched, as the consumer has it (None: never), and since when we know of no other."""

    fetched: int | None
    since: float


class Fetching:
    """
    One consumer's fetches, by what can be seen from outside: the time of the last answer that held a position.

    A fetch is answered within `fetch_max_wait_ms` whether there are records or not, so a partition that wants records
    and has not been fetched for seconds is not read: its leader is away or refuses, or the consumer has lost its way.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._looks: dict[TopicPartition, Look] = {}
        self._tried: dict[TopicPartition, int | None] = {}

    @property
    def tried(self) -> frozenset[TopicPartition]:
        """Partitions whose tasks began again for this, and that have not been fetched since."""
        return frozenset(self._tried)

    def starving(
        self, consumer: AIOKafkaConsumer, hungry: Iterable[TopicPartition], now: float
    ) -> list[TopicPartition]:
        """
        Return which of the *hungry* have not been fetched for too long; each is returned once in that time.

        Args:
            consumer: Who fetches.

            hungry: The partitions that want records, all the time since the last look or anew.

            now: The monotonic clock.

        Raises:
            KafkaError: None of them is fetched although all their leaders have been asked anew and have answered.
        """
        before, self._looks = self._looks, {}
        for partition in hungry:
            fetched = consumer.last_poll_timestamp(partition)
            look = before.get(partition)
            self._looks[partition] = look if look is not None and look.fetched == fetched else Look(fetched, now)
            if partition in self._tried and self._tried[partition] != fetched:
                del self._tried[partition]
        found = [partition for partition, look in self._looks.items() if now - look.since > self._seconds]
        if found and len(found) == len(self._looks) and self._tried.keys() >= set(found):
            raise KafkaError(f"no fetch is answered, though the leaders are there: {', '.join(map(_name, found))}")
        for partition in found:
            self._tried[partition] = self._looks.pop(partition).fetched
        return found


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"
