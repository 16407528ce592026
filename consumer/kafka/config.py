"""Everything that the Kafka side needs to know, as plain values; `consumer/app.py` builds it from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from consumer.stage import Output


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Group and transaction timeouts in milliseconds (W9); fault tests run with shorter ones."""

    session_ms: int = 45_000
    heartbeat_ms: int = 3_000
    rebalance_ms: int = 60_000
    transaction_ms: int = 10_000

    no_progress_seconds: float = 30.0
    """A task that did nothing for this long is a fault (W5)."""

    doubt_seconds: float = 20.0
    """For so long an offset is asked for again that does not belong to its state, before that is believed (W6)."""

    backoff_seconds: tuple[float, float] = (0.1, 10.0)
    """First and longest wait before a failed task or connection is tried again."""

    drain_seconds: float = 5.0
    """What all tasks of a member share when they are revoked or stopped (W8); below the rebalance timeout."""

    @property
    def answer_ms(self) -> int:
        """
        How long a member waits for an answer, but for that to a join.

        A connection that is dead and does not say so (no FIN, no RST) is known by nothing else; a lost heartbeat has to
        be sent again on another one within the session.
        """
        return self.session_ms // 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is committed, asked and said."""

    commit_ms: int = 100
    """Shortest time between two commits of a task that have something to say (W13) ..."""

    commit_ms_per_partition: int = 16
    """... or this for each partition that the stage owns here, when that is more: a commit costs 2 ms of CPU."""

    backlog_spacing: int = 4
    """How many times that, while more records are waiting already: fewer transactions when throughput counts."""

    offsets_only_ms: int = 2_000
    """Time between two commits that only move the offset."""

    tick_ms: int = 1_000
    """Time between two looks at the timers and two questions for the watermark (W17)."""

    status_seconds: float = 60.0
    """Time between two records on the status topic."""

    presence_seconds: float = 5.0
    """Time between two looks whether every topic is still there."""

    fetch_wait_ms: int = 50
    """How long the broker holds an empty fetch; also the longest that a resumed partition waits for its first one."""

    batch_records: int = 1_000
    """Records that a stage takes at once; between two such batches the event loop turns."""

    transaction_records: int = 5_000
    """Records in, after which a transaction is committed whatever the clock says."""

    transaction_bytes: int = 8 * 1024 * 1024
    """Bytes out, likewise."""


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """One deployment on one cluster."""

    bootstrap_servers: str = "localhost:9092"
    deployment: str = "lab-alert"
    inbound_topics: tuple[str, ...] = ("hl7.inbound",)
    topics: Mapping[Output, str] = field(
        default_factory=lambda: {
            Output.EVENTS: "lab-alert.events",
            Output.STATE: "lab-alert.state",
            Output.ALERTS: "lab-alert.alerts",
            Output.DEAD_LETTERS: "lab-alert.dead-letters",
        }
    )
    status_topic: str = "lab-alert.status"
    partitions: int = 12
    """P, of every topic of ours but the status topic."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    pace: Pace = field(default_factory=Pace)
    replication_factor: int = 3
    min_insync_replicas: int = 2
    inbound_max_message_bytes: int = 1024 * 1024
    alerts_retention_ms: int = 90 * 86_400_000
    dead_letters_retention_ms: int = 14 * 86_400_000
    start: Literal["earliest", "latest"] = "earliest"
    """Where an inbound partition without a committed offset begins (W10)."""

    clock: Literal["live", "records"] = "live"
    stuck_after_ms: int = 5 * 60_000
    """A watermark this far behind, and not closer for this long, no longer holds a timer (RULES.md 8)."""

    kept_state_seconds: float = 300.0
    """How long the state of a partition that went to another member is kept in case it comes back (W11)."""

    compression: Literal["lz4", "gzip", "snappy", "zstd"] | None = "lz4"
    format: int | None = None
    """The format to write, once the whole fleet runs it; None: the one that a partition was last committed with."""

    group_instance_id: str | None = None
    """Static membership, off by default (W11)."""

    security: Mapping[str, Any] = field(default_factory=dict)
    """Passed to every client as it is: security_protocol, ssl_context, sasl_mechanism …"""

    @property
    def max_message_bytes(self) -> int:
        """What our own topics take: twice what inbound takes, so that a record and its headers always fit (fact 10)."""
        return 2 * self.inbound_max_message_bytes

    def group(self, stage: str) -> str:
        """Return the consumer group of *stage*."""
        return f"{self.deployment}-{stage}"

    def transactional_id(self, stage: str, topic: str, partition: int) -> str:
        """Return the transactional.id of the task of one input partition (W1)."""
        return f"{self.group(stage)}-{stage}-{topic}-{partition}"

    def input_topics(self, stage: str) -> tuple[str, ...]:
        """Return what *stage* reads."""
        return self.inbound_topics if stage == "ingest" else (self.topics[Output.EVENTS],)

    def client(self, name: str) -> dict[str, Any]:
        """Return the arguments that every client of ours shares."""
        return {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": f"{self.deployment}-{name}",
            **self.security,
        }
