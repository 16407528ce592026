"""The invariants of KAFKA.md, held against what is in the topics and what two readers saw all along."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.address import partition_of
from consumer.errors import CorruptRecord
from consumer.hl7.outcome import Outcome
from consumer.kafka import clients
from consumer.kafka.config import KafkaConfig
from consumer.kafka.offsets import committed
from consumer.spill import load_all, owner
from consumer.stage import Output, Record
from consumer.wire import EventRecord, Kind, PatientRecord, decode_event
from rules.patient import PatientState
from rules.results import Results
from tests.e2e.deployment import Told
from tests.fault.model import Ending, Model, known
from tests.fault.readers import Place, Reader
from tests.fault.segments import Batch

Lost = dict[tuple[str, int], list[Batch]]
"""Batches that lack their ABORT marker, by topic and partition (KAFKA.md fact 13)."""


@dataclass
class Findings:
    """What the check found; a figure of `ZERO` that is not zero is a broken invariant."""

    faults: int = 0
    faults_that_bite: int = 0
    records_in: int = 0
    judged: int = 0
    judged_in_part: int = 0
    dead_letter: int = 0
    ignored: int = 0
    alerts_expected: int = 0
    alerts_seen: int = 0
    of_merges_across: int = 0
    lost: int = 0
    never_told: int = 0
    doubled: int = 0
    out_of_order: int = 0
    differing: int = 0
    states_differing: int = 0
    merges_differing: int = 0
    outcomes_differing: int = 0
    judge_dead_letters: int = 0
    offsets_behind: int = 0
    aborted_seen_uncommitted: int = 0
    aborted_seen_committed: int = 0
    batches_of_fact_13: int = 0
    excused_by_fact_13: int = 0
    open_transactions: int = 0
    partitions_without_task: int = 0
    wrong_stops: int = 0
    bad_exits: int = 0
    tracebacks: int = 0
    not_recovered: int = 0
    stalls_too_long: int = 0
    alerts_too_late: int = 0
    started_seconds: float = 0.0
    longest_stall_seconds: float = 0.0
    longest_delay_seconds: float = 0.0
    longest_delay_of_merges_across_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    ZERO = (
        "lost",
        "never_told",
        "doubled",
        "out_of_order",
        "differing",
        "states_differing",
        "merges_differing",
        "outcomes_differing",
        "judge_dead_letters",
        "offsets_behind",
        "aborted_seen_committed",
        "open_transactions",
        "partitions_without_task",
        "wrong_stops",
        "bad_exits",
        "tracebacks",
        "not_recovered",
        "stalls_too_long",
        "alerts_too_late",
    )

    @property
    def broken(self) -> list[str]:
        """Return the invariants that do not hold, by name."""
        zero = [name for name in self.ZERO if getattr(self, name)]
        # Without an aborted record no fault has bitten, and the run proves nothing.
        bitten = self.aborted_seen_uncommitted or not self.faults_that_bite
        return zero if bitten else [*zero, "aborted_seen_uncommitted"]


async def check(
    config: KafkaConfig, model: Model, live: Reader, uncommitted: Reader, found: Findings, lost: Lost
) -> None:
    """Fill *found* when everything has come to rest and every member is gone; *lost* is what the broker has lost."""
    read = {output: [record async for record in clients.read(config, config.topics[output])] for output in Output}
    found.batches_of_fact_13 = sum(len(batches) for batches in lost.values())
    kept = {output: [record for record in records if not _shown(record, lost)] for output, records in read.items()}
    touched = {
        _owner(record)
        for output in (Output.EVENTS, Output.ALERTS, Output.STATE)
        for record in read[output]
        if _shown(record, lost)
    }
    found.excused_by_fact_13 = sum(len(records) - len(kept[output]) for output, records in read.items())
    shown = [known(record.value or b"") for record in read[Output.ALERTS]]
    states = fold(kept[Output.STATE])
    alerts_told(model, [known(record.value or b"") for record in kept[Output.ALERTS]], found, touched)
    all_told(model, states, {alert.id for alert in shown}, found, touched)
    _isolation(read, live, uncommitted, found)
    _states(config, model, kept[Output.STATE], states, found, touched)
    _outcomes(model, kept[Output.EVENTS], kept[Output.DEAD_LETTERS], found)
    await _at_rest(config, model, read, found)


def _owner(record: Record) -> str:
    """Return whose record it is."""
    return owner((record.key or b"").decode("utf-8", "replace"))


def _shown(record: Record, lost: Lost) -> bool:
    return any(batch.first <= record.offset <= batch.last for batch in lost.get((record.topic, record.partition), ()))


def alerts_told(model: Model, alerts: list[Told], found: Findings, touched: set[str]) -> None:
    """Invariant 1: exactly the model's alerts, each once, each patient's in order; *touched* ones are judged apart."""
    seen: dict[str, list[Told]] = {}
    for alert in alerts:
        seen.setdefault(alert.subject, []).append(alert)
    # Of those whom merges bind across homes there may be more or fewer, by what comes when: counted apart.
    found.alerts_expected = model.certain
    found.alerts_seen = sum(alert.subject not in model.crossed for alert in alerts)
    found.doubled = sum(times - 1 for times in Counter(alert.id for alert in alerts).values())
    wrong: list[str] = []
    for subject in {*seen, *model.alerts} - touched:
        ours, theirs = seen.get(subject, []), model.alerts.get(subject, [])
        found.out_of_order += not _in_sequence(ours)
        if subject in model.crossed:
            found.of_merges_across += len(ours)
            continue
        if ours == theirs:
            continue
        expected, told_of = {alert.id: alert for alert in theirs}, {alert.id: alert for alert in ours}
        found.lost += len(expected.keys() - told_of.keys())
        found.differing += len(told_of.keys() - expected.keys())
        found.differing += sum(told_of[name] != expected[name] for name in told_of.keys() & expected.keys())
        common = [alert.id for alert in theirs if alert.id in told_of]
        found.out_of_order += [name for name in dict.fromkeys(a.id for a in ours) if name in expected] != common
        wrong.append(subject)
    _note(found, "patients whose alerts are not the model's", wrong)


def all_told(
    model: Model, states: Mapping[str, PatientRecord], told: set[str], found: Findings, touched: set[str]
) -> None:
    """
    Invariant 1, also for those of whom the model can't say it all: nothing that was decided stayed untold.

    Each alert that a patient still has was told from its first transition to its last, whoever told it; and what the
    model tells of those *touched* by fact 13 was told at least once.
    """
    alerts = [alert for record in states.values() if record.state is not None for alert in record.state.alerts]
    decided = {f"{alert.alert_id}:{number}" for alert in alerts for number in range(1, alert.sequence + 1)}
    certain = touched - model.crossed
    decided |= {alert.id for subject in certain for alert in model.alerts.get(subject, ())}
    found.never_told = len(decided - told)
    _note(found, "transitions that were decided and never told", sorted(decided - told))


def _in_sequence(alerts: list[Told]) -> bool:
    """
    Whether each alert's transitions came as 1, 2, 3 ..., whatever the model says; one that came twice counts once.

    >>> one, two, other = Told("A", "a:1", ""), Told("A", "a:2", ""), Told("A", "b:1", "")
    >>> _in_sequence([one, other, two, one]), _in_sequence([two, one]), _in_sequence([two])
    (True, False, False)
    """
    last: dict[str, int] = {}
    for name, number in (alert.id.rsplit(":", 1) for alert in {alert.id: alert for alert in alerts}.values()):
        if int(number) != last.get(name, 0) + 1:
            return False
        last[name] = int(number)
    return True


def _isolation(read: dict[Output, list[Record]], live: Reader, uncommitted: Reader, found: Findings) -> None:
    """Invariant 4: who stayed on saw nothing aborted, unless uncommitted, and then it did."""
    final = {Place(record.topic, record.partition, record.offset) for records in read.values() for record in records}
    found.aborted_seen_committed = len(live.seen - final)
    found.aborted_seen_uncommitted = len(uncommitted.seen - final)


def fold(changelog: list[Record]) -> dict[str, PatientRecord]:
    """Return each patient's last state."""
    last = {(record.key or b"").decode(): record.value for record in changelog}
    return load_all({name: value for name, value in last.items() if value is not None}, _damaged)


def _damaged(key: str, error: CorruptRecord) -> None:
    raise AssertionError(f"the state of {key} can't be read") from error


def _states(
    config: KafkaConfig,
    model: Model,
    changelog: list[Record],
    states: Mapping[str, PatientRecord],
    found: Findings,
    touched: set[str],
) -> None:
    """Invariant 2, first half: *states*, the fold of the changelog, are the model's, and lie where they belong."""
    for record in changelog:
        found.states_differing += record.partition != partition_of(_owner(record).encode(), config.partitions)
    wrong, across = [], []
    for key in {*states, *model.states} - touched:
        ours, theirs = states.get(key), model.states.get(key)
        if key in model.crossed:
            if _standing(ours) != _standing(theirs):
                across.append(f"{key} ({_where(ours, theirs)})")
        elif ours != theirs and not _dropped(ours, theirs):
            wrong.append(f"{key} ({_where(ours, theirs)})")
    found.states_differing += len(wrong)
    found.merges_differing += len(across)
    _note(found, "patients whose state is not the model's", wrong)
    _note(found, "merged patients of whom something else stands at the end", across)


def _where(ours: PatientRecord | None, theirs: PatientRecord | None) -> str:
    """Return the names of what differs."""
    if ours is None or theirs is None:
        return "missing" if ours is None else "not to be there"
    names = [name for name in ours._fields if getattr(ours, name) != getattr(theirs, name)]
    if ours.state is not None and theirs.state is not None:
        mine, other = ours.state, theirs.state
        names += [f"state.{name}" for name in mine._fields if getattr(mine, name) != getattr(other, name)]
    return " ".join(names)


def _standing(record: PatientRecord | None) -> object:
    """What stands at the end of merges across homes: where the key leads, what is known, what is open."""
    if record is None or record.state is None:
        return record and record.alias
    state = record.state
    return (
        record.alias,
        record.inbox,
        sorted(map(repr, (entry.result for entry in state.results))),
        sorted(map(repr, (entry.administration for entry in state.administrations))),
        sorted(alert.rule for alert in state.alerts if alert.ended is None),
    )


def _dropped(ours: PatientRecord | None, theirs: PatientRecord | None) -> bool:
    """Whether the two differ only in that the oldest results had to go, which is said (KAFKA.md W3)."""
    if ours is None or theirs is None or ours.state is None or theirs.state is None:
        return False
    mine, other = ours.state, theirs.state
    if not (mine.dropped > other.dropped and mine.history_incomplete):
        return False
    newest = list(other.results)[len(other.results) - len(mine.results) :]
    return _without_results(ours, mine) == _without_results(theirs, other) and list(mine.results) == newest


def _without_results(record: PatientRecord, state: PatientState) -> PatientRecord:
    return record._replace(state=state._replace(results=Results.of(()), dropped=0, history_incomplete=False))


def _outcomes(model: Model, events: list[Record], letters: list[Record], found: Findings) -> None:
    """Invariant 3: each inbound record in exactly one outcome, the model's; by the coordinates that it left."""
    given: Counter[tuple[int, int]] = Counter()
    for record in events:
        event = decode_event(record.value or b"")
        if event.event is not None and _first_hand(event):
            given[event.event.source.partition, event.event.source.offset] += 1
    refused: Counter[tuple[int, int]] = Counter()
    for record in letters:
        named = dict(record.headers)
        if named["stage"] == b"judge":
            found.judge_dead_letters += 1
        else:
            refused[int(named["source_partition"]), int(named["source_offset"])] += 1
    wrong = []
    for place, ending in model.endings.items():
        letter = ending.outcome in (Outcome.DEAD_LETTER, Outcome.IN_PART)
        if (given[place], refused[place]) != (ending.events, letter):
            wrong.append(f"{place} {ending.outcome}")
    beside = [f"{place} nowhere inbound" for place in {*given, *refused} - model.endings.keys()]
    found.outcomes_differing = len(wrong) + len(beside)
    _note(found, "inbound records without exactly their outcome", [*wrong, *beside])
    _counts(found, model.endings.values())


def _first_hand(event: EventRecord) -> bool:
    """Whether a record came from ingest; one that a home has sent on carries its way, or where it is to settle."""
    return event.kind is Kind.EVENT and not event.path and event.settle is None


def _counts(found: Findings, endings: Iterable[Ending]) -> None:
    outcomes = Counter(ending.outcome for ending in endings)
    found.records_in = sum(outcomes.values())
    found.judged = outcomes[Outcome.JUDGED]
    found.judged_in_part = outcomes[Outcome.IN_PART]
    found.dead_letter = outcomes[Outcome.DEAD_LETTER]
    found.ignored = outcomes[Outcome.IGNORED]


async def _at_rest(config: KafkaConfig, model: Model, read: dict[Output, list[Record]], found: Findings) -> None:
    """Invariants 2, second half, and 5: nothing lies behind what is committed, and no transaction is open."""
    ingest, judge = await committed(config, "ingest"), await committed(config, "judge")
    (topic,) = config.inbound_topics
    for partition, offset in model.endings:
        place = TopicPartition(topic, partition)
        found.offsets_behind += place not in ingest or offset >= ingest[place].offset
    for record in read[Output.EVENTS]:
        place = TopicPartition(record.topic, record.partition)
        found.offsets_behind += place not in judge or record.offset >= judge[place].offset
    found.open_transactions = await open_transactions(config)


async def open_transactions(config: KafkaConfig) -> int:
    """Return how many of our partitions have a transaction open."""
    places = [TopicPartition(config.topics[output], number) for output in Output for number in range(config.partitions)]
    stable, high = await _ends(config, places, "read_committed"), await _ends(config, places, "read_uncommitted")
    return sum(high[place] != stable[place] for place in places)


async def _ends(config: KafkaConfig, places: list[TopicPartition], isolation: str) -> dict[TopicPartition, int]:
    """Return the high watermarks, or with read_committed the last stable offsets."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=config.bootstrap_servers, enable_auto_commit=False, isolation_level=isolation
    )
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return ends
    finally:
        await consumer.stop()


def _note(found: Findings, what: str, which: list[str]) -> None:
    if which:
        found.notes.append(f"{len(which)} {what}: {', '.join(sorted(which)[:5])}")
