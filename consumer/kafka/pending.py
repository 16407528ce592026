"""What a task has processed and not yet committed, and when that is due (W13)."""

from dataclasses import dataclass, field

from consumer.kafka.config import Pace
from consumer.kafka.transaction import record_size
from consumer.stage import Outcome, Outgoing


@dataclass(slots=True)
class Pending:
    """The outcomes since the last commit; ``offset`` is the next record to be read once they are committed."""

    offset: int
    committed_offset: int
    outgoing: list[Outgoing] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    stream_time: int | None = None
    records: int = 0
    size: int = 0
    urgent: bool = False

    def add(self, outcome: Outcome, *, records: int = 0) -> None:
        """Take in what a batch or a tick gave."""
        self.outgoing += outcome.outgoing
        self.size += sum(record_size(record) for record in outcome.outgoing)
        self.records += records
        self.urgent |= outcome.urgent
        for name, increment in outcome.counts.items():
            self.counts[name] = self.counts.get(name, 0) + increment

    def see(self, timestamp: int) -> None:
        """Take in the time of a processed record."""
        self.stream_time = timestamp if self.stream_time is None else max(timestamp, self.stream_time)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to commit, not even an offset."""
        return not self.outgoing and not self.counts and self.offset == self.committed_offset

    def due(self, since_commit: float, pace: Pace, owned: int, *, backlog: bool = False) -> float:
        """
        Return in how many seconds a commit is due: 0 or less, now.

        Args:
            since_commit: Seconds since the last one.

            pace: The intervals.

            owned: Partitions that the stage owns here; each transaction costs CPU, so many of them wait longer.

            backlog: More records are waiting already: a longer transaction then delays nothing that is in time.
        """
        if self.outgoing:
            full = self.records >= pace.transaction_records or self.size >= pace.transaction_bytes
            if self.urgent or full:
                return 0.0
            spacing = max(pace.commit_ms, owned * pace.commit_ms_per_partition)
            return spacing * (pace.backlog_spacing if backlog else 1) / 1000 - since_commit
        return pace.offsets_only_ms / 1000 - since_commit
