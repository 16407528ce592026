"""`lab-alert simulate`: a seeded feed to a file or a topic."""

import asyncio
import time
from itertools import islice
from pathlib import Path

from consumer.errors import Refused
from consumer.kafka.config import KafkaConfig
from consumer.simulate import Sent, ward
from rules.events import HOUR

FILE_START = 1_767_225_600_000
"""2026-01-01T00:00:00Z: a file of the same seed is the same file, whenever it is written."""


def simulate(output: Path | None, *, messages: int, patients: int, seed: int, rate: float, keyed: bool) -> None:
    """
    Write *messages* of a ward to *output*, or to the inbound topic where that is None.

    Raises:
        Refused: The file can't be written.
    """
    if output is not None:
        try:
            _to_file(output, list(islice(ward(seed, patients, FILE_START), messages)))
        except OSError as error:
            raise Refused("no file:", [f"{output}: {error.strerror}"]) from error
        print(f"{messages} messages of {patients} patients in {output}")
        return
    from consumer import settings
    from consumer.app import kafka_config
    from consumer.cli.administering import reaching

    config = kafka_config(settings.load())
    # The ward ends about now: a broker refuses records that are far ahead of its clock.
    wall = time.time_ns() // 1_000_000
    length = list(islice(ward(seed, patients, 0), messages))[-1].at
    feed = list(islice(ward(seed, patients, wall - min(length, 20 * 24 * HOUR)), messages))
    sent = reaching(config, _to_topic(config, feed, rate=rate, keyed=keyed))
    print(f"{sent} messages of {patients} patients on {config.inbound_topics[0]}")


def _to_file(output: Path, feed: list[Sent]) -> None:
    with output.open("wb") as file:
        for message in feed:
            file.write(message.raw + b"\n")


async def _to_topic(config: KafkaConfig, feed: list[Sent], *, rate: float, keyed: bool) -> int:
    """Send the feed, *rate* messages a second, each with its ward time as timestamp; 0: as fast as it goes."""
    from consumer.kafka.clients import Writer

    begun = time.monotonic()
    futures = []
    async with Writer(config) as writer:
        for number, message in enumerate(feed):
            if rate:
                await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            key = message.key.encode() if keyed else None
            futures.append(await writer.post(config.inbound_topics[0], message.raw, key, timestamp=message.at))
        await asyncio.gather(*futures)
    return len(futures)
