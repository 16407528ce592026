"""
The seeded feed: a ward and the scenes of `cast.py`, spread over inbound partitions in order of time.

With the clock of the records, a topic that is still being written has to be written in order of time, or "read to its
end" means nothing (RULES.md 8). So each tenth of a second is one transaction over all partitions: none of it can be
read before all of it stands in the log.
"""

import asyncio
import contextlib
import heapq
import random
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.simulate import ward
from rules.events import MINUTE, SECOND, Instant
from tests.fault.cast import Cast, Line

START: Instant = 1_767_225_600_000  # 2026-01-01
BEDS = 300
BATCHES_A_SECOND = 10
STOP_SECONDS = 10.0

OTHERS_KEPT = 0.4
"""Share that is sent of the messages that hold nothing for us: a real feed has more, but it is alerts that we watch."""

SENT_AGAIN = 0.06
"""Share of the other messages that are sent a second time, as a sender does whose acknowledgement was lost."""

SCENE_EVERY = 120
"""Messages between the beginnings of two scenes."""


class Post(NamedTuple):
    """A message, when it is sent, and its inbound partition."""

    at: Instant
    partition: int
    raw: bytes


def posts(seed: int, partitions: int, limit: int) -> Iterator[Post]:
    """Yield the feed for ever, in strictly rising time; the same seed gives the same. *limit* is as `Cast` has it."""
    draw = random.Random(f"{seed}/feed")
    relevant = Prefilter(Site.default())
    cast = Cast(seed, limit)
    later = cast.overture(START + MINUTE)
    last = START
    written = scenes = 0
    for sent in ward(seed, BEDS, START):
        while later and later[0].at <= sent.at:
            line = heapq.heappop(later)
            last = max(last + 1, line.at)
            yield Post(last, draw.randrange(partitions), line.raw)
        if not relevant(sent.raw):
            if draw.random() >= OTHERS_KEPT:
                continue
        elif draw.random() < SENT_AGAIN:
            heapq.heappush(later, Line(sent.at + round(draw.uniform(1, 120) * SECOND), sent.raw))
        last = max(last + 1, sent.at)
        yield Post(last, draw.randrange(partitions), sent.raw)
        written += 1
        if written % SCENE_EVERY == 0:
            for line in cast.scene(scenes, last):
                heapq.heappush(later, line)
            scenes += 1


class Feed:
    """Writes a feed to the inbound topic until stopped, and remembers when which time was written."""

    def __init__(self, servers: str, topic: str, source: Iterator[Post], rate: int) -> None:
        self.written = 0
        self.pen = asyncio.Lock()
        """Held while a batch is written; who is about to stop the broker takes it first."""

        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers,
            transactional_id=f"{topic}-feed",
            transaction_timeout_ms=60_000,
            request_timeout_ms=30_000,
            max_request_size=2_000_000,
        )
        self._topic = topic
        self._source = source
        self._batch = max(1, rate // BATCHES_A_SECOND)
        self._stopped = asyncio.Event()
        self._at = array("q")
        self._wall = array("d")

    def stop(self) -> None:
        """End after the batch under way."""
        self._stopped.set()

    def written_at(self, moment: Instant) -> float | None:
        """Return when (monotonic) everything up to *moment* had been written; None: not yet."""
        place = bisect_left(self._at, moment)
        return self._wall[place] if place < len(self._wall) else None

    async def run(self) -> None:
        """Write at the rate given; what could not be written while the broker was away is caught up with slowly."""
        await self._producer.start()
        try:
            while not self._stopped.is_set():
                begun = time.monotonic()
                async with self.pen:
                    await self._write([next(self._source) for _ in range(self._batch)])
                await asyncio.sleep(max(0.0, 1 / BATCHES_A_SECOND - (time.monotonic() - begun)))
        finally:
            # Bounded: where a run is cut short the proxy has gone before us, and nothing is delivered any more.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._producer.stop()

    async def _write(self, batch: list[Post]) -> None:
        async with self._producer.transaction():
            futures = [
                await self._producer.send(self._topic, one.raw, None, one.partition, timestamp_ms=one.at)
                for one in batch
            ]
            await asyncio.gather(*futures)
        self.written += len(batch)
        self._at.append(batch[-1].at)
        self._wall.append(time.monotonic())
