"""The seeded feed, and the model of what has to come out of it whatever dies."""

import asyncio
import dataclasses
import json
import random
import time
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from consumer.kafka.config import Pace
from tests.kafka.lab import Lab

PARTITIONS = 4
RATE = 80
"""Messages a second: two cores are shared by three members, the broker and us."""


def lab_of(servers: str, name: str) -> Lab:
    """Return the topics and timeouts of a run, the same in every process of it."""
    lab = Lab(servers, name, partitions=PARTITIONS, inbound_partitions=PARTITIONS)
    lab.config = dataclasses.replace(lab.config, pace=Pace(status_seconds=5.0))
    return lab


Drawn = tuple[bytes | None, dict[str, object], int]
"""Key, value and inbound partition of a message."""


@dataclass
class Model:
    """What was written, and what has to come of it."""

    judged: dict[str, list[int]] = field(default_factory=dict)
    """The numbers of each patient's messages, in order where they went to one partition."""

    ordered: set[str] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)
    dead: int = 0
    ignored: int = 0

    @property
    def alerts(self) -> int:
        """How many counts have to be told."""
        return sum(len(numbers) for numbers in self.judged.values())

    @property
    def written(self) -> int:
        """How many records went in."""
        return self.alerts + self.dead + self.ignored


class Feed:
    """Writes until stopped; what has been acknowledged stands in the model."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.model = Model()
        self._lab = lab
        self._draw = random.Random(seed)
        self._number = 0
        self._later: list[tuple[float, str, int]] = []
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Write what is due later, and end."""
        self._stopped.set()

    async def run(self) -> None:
        """Write at `RATE`, through whatever happens to the broker."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._lab.config.bootstrap_servers, enable_idempotence=True, request_timeout_ms=60_000
        )
        await producer.start()
        try:
            while not self._stopped.is_set() or self._later:
                begun = time.monotonic()
                batch = [] if self._stopped.is_set() else [self._next() for _ in range(RATE // 10)]
                batch += self._due()
                now = int(time.time() * 1000)
                futures = [
                    await producer.send(
                        self._lab.inbound, json.dumps({**value, "at": now}).encode(), key, place, timestamp_ms=now
                    )
                    for key, value, place in batch
                ]
                await asyncio.gather(*futures)
                await asyncio.sleep(max(0.0, 0.1 - (time.monotonic() - begun)))
        finally:
            await producer.stop()

    def _next(self) -> Drawn:
        """Draw the next message: its key, what it is, and the inbound partition."""
        draw = self._draw
        what = draw.random()
        if what < 0.10:
            self.model.ignored += 1
            return None, {}, draw.randrange(PARTITIONS)
        if what < 0.14:
            self.model.dead += 1
            return b"bad", {}, draw.randrange(PARTITIONS)
        if what < 0.22:
            # A potassium on one partition, and its magnesium on another, soon enough that no alert may come.
            name, place = f"pair-{self._number}", draw.randrange(PARTITIONS)
            self._later.append((time.monotonic() + draw.random(), name, (place + 1) % PARTITIONS))
            return self._message(name, "potassium", place)
        if what < 0.25:
            name = f"lone-{self._number}"
            self.model.holds.add(name)
            return self._message(name, "potassium", draw.randrange(PARTITIONS))
        patient = draw.randrange(40)
        name = f"patient-{patient}"
        self.model.ordered.add(name)
        return self._message(name, "count", patient % PARTITIONS)

    def _due(self) -> list[Drawn]:
        now = time.monotonic()
        due = [(name, place) for when, name, place in self._later if when <= now]
        self._later = [later for later in self._later if later[0] > now]
        return [self._message(name, "magnesium", place) for name, place in due]

    def _message(self, name: str, kind: str, place: int) -> Drawn:
        self._number += 1
        self.model.judged.setdefault(name, []).append(self._number)
        return name.encode(), {"number": self._number, "kind": kind}, place
