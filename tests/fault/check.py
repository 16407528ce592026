"""The invariants of KAFKA.md, held against what is in the topics and what two readers saw all along."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.kafka import compat
from consumer.kafka.offsets import committed
from consumer.stage import Output, Record
from tests.fault.plan import Model
from tests.fault.segments import Batch
from tests.kafka.lab import Lab


class Reader:
    """Reads the alerts from the beginning of the run to its end, through every restart of the broker."""

    def __init__(self, lab: Lab, isolation: str) -> None:
        self.seen: dict[tuple[int, int], dict[str, Any]] = {}
        self.again = 0
        self._lab = lab
        self._isolation = isolation

    @property
    def counts(self) -> int:
        """How many counts, holds left out, were seen."""
        return sum("count" in alert for alert in self.seen.values())

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read for as long as the context lasts."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._lab.config.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._isolation,
        )
        await consumer.start()
        topic = self._lab.topic(Output.ALERTS)
        consumer.assign(await compat.all_partitions(consumer, [topic]))
        going = asyncio.create_task(self._go(consumer))
        try:
            yield
        finally:
            going.cancel()
            await asyncio.wait([going])
            await consumer.stop()

    async def _go(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for record in batch:
                    place = (record.partition, record.offset)
                    self.again += place in self.seen
                    self.seen[place] = json.loads(record.value)


@dataclass
class Findings:
    """What the check found; every figure but the last group has to be as `broken` says."""

    expected: int = 0
    seen: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    false_holds: int = 0
    lost_holds: int = 0
    state_differs: int = 0
    without_outcome: int = 0
    uncommitted_offsets: int = 0
    committed_reader_saw_aborted: int = 0
    open_transactions: int = 0
    not_running: int = 0
    tracebacks: int = 0
    no_recovery: int = 0
    records_in: int = 0
    judged: int = 0
    dead_letters: int = 0
    ignored: int = 0
    aborted_seen_uncommitted: int = 0
    doubled_by_the_broker: int = 0
    longest_stall: float = 0.0
    faults: int = 0
    notes: list[str] = field(default_factory=list)

    FIGURES = (
        "doubled_by_the_broker",
        "expected",
        "seen",
        "records_in",
        "judged",
        "dead_letters",
        "ignored",
        "faults",
        "longest_stall",
    )

    @property
    def broken(self) -> list[str]:
        """Return the invariants that do not hold, by name."""
        zero = [
            name
            for name, value in vars(self).items()
            if name not in (*self.FIGURES, "notes", "aborted_seen_uncommitted") and value
        ]
        # Without an aborted record no fault has bitten, and the run proves nothing.
        return zero if self.aborted_seen_uncommitted else [*zero, "aborted_seen_uncommitted"]


async def check(
    lab: Lab, model: Model, live: Reader, uncommitted: Reader, found: Findings, lost: dict[tuple[str, int], list[Batch]]
) -> None:
    """Fill *found* when everything has come to rest and every member is gone; *lost* is what the broker has lost."""
    alerts = await lab.read(lab.topic(Output.ALERTS))
    excused = await _excused(lab, lost)
    found.doubled_by_the_broker = len(excused)
    _alerts(model, alerts, found, excused)
    final = {(record.partition, record.offset) for record in alerts}
    found.committed_reader_saw_aborted = len(set(live.seen) - final)
    found.aborted_seen_uncommitted = len(set(uncommitted.seen) - final)
    touched = {patient for patient, numbers in model.judged.items() if excused & set(numbers)}
    await _state(lab, model, found, touched)
    await _outcomes(lab, model, alerts, found)
    # Each record that the broker doubled names its inbound record twice.
    letters = [batch for place, shown in lost.items() if place[0] == lab.topic(Output.DEAD_LETTERS) for batch in shown]
    by_broker = len(excused) + sum(batch.last - batch.first + 1 for batch in letters)
    found.without_outcome = max(0, found.without_outcome - by_broker)
    await _at_rest(lab, found)


async def _excused(lab: Lab, lost: dict[tuple[str, int], list[Batch]]) -> set[int]:
    """Return the numbers of the messages in batches that lack their ABORT marker (KAFKA.md fact 13)."""
    numbers = set()
    for output in (Output.EVENTS, Output.ALERTS):
        for record in await lab.read(lab.topic(output)) if lost else ():
            shown = lost.get((record.topic, record.partition), ())
            if any(batch.first <= record.offset <= batch.last for batch in shown):
                numbers.add(json.loads(record.value or b"{}").get("number", -1))
    return numbers


def _alerts(model: Model, alerts: list[Record], found: Findings, excused: set[int]) -> None:
    """Invariant 1: exactly the model's alerts, each once, each patient's in order."""
    told: dict[str, list[dict[str, Any]]] = {}
    holds: Counter[str] = Counter()
    wrong: list[int] = []
    for record in alerts:
        alert = json.loads(record.value or b"")
        if "hold" in alert:
            holds[alert["patient"]] += 1
        else:
            told.setdefault(alert["patient"], []).append(alert)
    found.expected, found.seen = model.alerts + len(model.holds), len(alerts)
    for patient in set(model.judged) | set(told):
        expected = Counter(model.judged.get(patient, []))
        seen = Counter(alert["number"] for alert in told.get(patient, []))
        if excused & set(seen):
            seen = Counter(set(seen))
        found.lost += sum((expected - seen).values())
        found.doubled += sum((seen - expected).values())
        wrong.extend(sorted((seen - expected) + (expected - seen)))
        counts = [alert["count"] for alert in told.get(patient, [])]
        if excused & set(seen):
            continue
        in_order = [alert["number"] for alert in told.get(patient, [])] == model.judged.get(patient, [])
        if counts != list(range(1, len(counts) + 1)) or (patient in model.ordered and not in_order):
            found.out_of_order += 1
    if wrong:
        found.notes.append(f"lost or doubled are {len(wrong)} between messages {min(wrong)} and {max(wrong)}")
    found.false_holds = sum(times for patient, times in holds.items() if patient not in model.holds)
    found.lost_holds = len(model.holds - set(holds))
    found.doubled += sum(times - 1 for patient, times in holds.items() if patient in model.holds)


async def _state(lab: Lab, model: Model, found: Findings, touched: set[str]) -> None:
    """Invariant 2, first half: the fold of the changelog is the model's state."""
    state: dict[str, int] = {}
    for record in await lab.read(lab.topic(Output.STATE)):
        assert record.key is not None
        state[record.key.decode()] = json.loads(record.value or b"[0]")[0]
    expected = {patient: len(numbers) for patient, numbers in model.judged.items()}
    wrong = {patient for patient, count in expected.items() if state.get(patient) != count and patient not in touched}
    found.state_differs = len(wrong | (set(state) - set(expected)))


async def _outcomes(lab: Lab, model: Model, alerts: list[Record], found: Findings) -> None:
    """Invariant 3: each inbound record in exactly one of judged, dead letter, ignored; by coordinates."""
    inbound = await lab.read(lab.inbound)
    letters = await lab.read(lab.topic(Output.DEAD_LETTERS))
    named: Counter[str] = Counter()
    for record in (*alerts, *letters):
        named.update(value.decode() for name, value in record.headers if name == "source")
    for record in inbound:
        wanted = 0 if record.key is None else 1
        found.without_outcome += named[f"{record.partition}:{record.offset}"] != wanted
    found.records_in, found.dead_letters = len(inbound), len(letters)
    found.judged = sum(times for times in named.values()) - len(letters)
    found.ignored = sum(record.key is None for record in inbound)
    if len(inbound) != model.written:
        found.notes.append(f"the feed wrote {model.written}, the topic holds {len(inbound)}: the harness is at fault")


async def _at_rest(lab: Lab, found: Findings) -> None:
    """Invariants 2, second half, and 5: committed is the end, and no transaction is open."""
    for stage, topic in (("ingest", lab.inbound), ("judge", lab.topic(Output.EVENTS))):
        offsets = await committed(lab.config, stage)
        behind = [
            record
            for record in await lab.read(topic)
            if record.offset >= offsets[TopicPartition(topic, record.partition)].offset
        ]
        found.uncommitted_offsets += len(behind)
    for output in Output:
        places = [TopicPartition(lab.topic(output), number) for number in range(lab.config.partitions)]
        high, stable = await lab.ends(places), await _stable(lab, places)
        found.open_transactions += sum(high[place] != stable[place] for place in places)


async def _stable(lab: Lab, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the last stable offsets."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=lab.config.bootstrap_servers, enable_auto_commit=False, isolation_level="read_committed"
    )
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return ends
    finally:
        await consumer.stop()
