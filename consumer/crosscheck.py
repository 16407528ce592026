"""
A sampled share of live messages read a second time, by hl7apy, beside the service (DESIGN.md 1).

A thread of its own with a decoder of its own: the tasks only hand it a record now and then, at most one a second, and
never wait; when its queue is full the record is passed by and counted. Nothing that it finds changes what is judged: it
counts verdicts, and a disagreement is logged by coordinates.
"""

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog

from consumer.hl7.conformance import compare
from consumer.hl7.decoder import Decoder
from consumer.hl7.outcome import Verdict
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.stage import Record
from rules.events import Source

LARGEST_BYTES: Final = 16_384
"""
hl7apy takes about 20 ms a KiB of processor time, which the tasks' thread has to share: a third of a second at most.

Most messages are a tenth as long; longer ones are passed by, counted.
"""

_DISAGREE: Final = frozenset({Verdict.OBSERVATIONS, Verdict.RESULT, Verdict.PATIENT, Verdict.RULED_OUT, Verdict.FAILED})

log = structlog.get_logger(__name__)


class Settings(NamedTuple):
    """One record in ``each`` on average, at most ``per_second`` of them, ``waiting`` of them in the queue."""

    each: int = 1_000
    per_second: float = 1.0
    waiting: int = 16


class CrossCheck:
    """Takes records by `offer`, compares them in its thread; ``tell`` hears each verdict, from both threads."""

    def __init__(
        self,
        site: Site,
        processing_ids: tuple[str, ...],
        tell: Callable[[Verdict], None],
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or Settings()
        self._decoder = Decoder(site, accept_processing_ids=processing_ids)
        self._prefilter = Prefilter(site)
        self._tell = tell
        self._clock = clock
        self._random = random.Random()  # noqa: S311  (which message is looked at is no secret)
        self._until = self._stride()
        self._not_before = float("-inf")
        self._queue: queue.Queue[Record | None] = queue.Queue(self._settings.waiting)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="cross-check", daemon=True)

    def start(self) -> None:
        """Begin to compare."""
        self._thread.start()

    def stop(self) -> None:
        """End after the record in hand; does not wait for it."""
        self._ended.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def offer(self, records: Sequence[Record]) -> None:
        """Take the share of a batch that is due; never waits."""
        while self._until <= len(records):
            record = records[self._until - 1]
            self._until += self._stride()
            now = self._clock()
            if now < self._not_before or not record.value:
                continue
            self._not_before = now + 1 / self._settings.per_second
            if len(record.value) > LARGEST_BYTES:
                self._tell(Verdict.TOO_LARGE)
                continue
            try:
                self._queue.put_nowait(record)
            except queue.Full:
                self._tell(Verdict.QUEUE_FULL)
        self._until -= len(records)

    def _stride(self) -> int:
        """Return how far the next record is: one in ``each`` on average, in no step with a sender's own rhythm."""
        return self._random.randrange(1, 2 * self._settings.each)

    def _work(self) -> None:
        while (record := self._queue.get()) is not None and not self._ended.is_set():
            try:
                verdict = self._verdict(record, record.value or b"")
            except Exception as error:  # noqa: BLE001  (what trips a second reader must not end it)
                verdict = Verdict.FAILED
                log.warning("cross_check.failed", error=type(error).__name__)
            self._tell(verdict)
            if verdict in _DISAGREE:
                log.warning(
                    "cross_check.disagrees",
                    verdict=verdict.value,
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )

    def _verdict(self, record: Record, raw: bytes) -> Verdict:
        source = Source(record.topic, record.partition, record.offset)
        decoded = self._decoder.decode(raw, received_at=record.timestamp, source=source)
        if not self._prefilter(raw) and not decoded.holds_nothing:
            return Verdict.RULED_OUT
        return compare(raw, decoded)
