"""
What the service tells Prometheus. Labels come from enums, stages and the topics of the settings, never from messages.

`Metrics` is also the observer of the Kafka side (`consumer/kafka/observe.py`): counters that the stages gathered are
added when their commit has returned, so that a batch that was thrown away counts for nothing.
"""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from rules.alert import Change, Rule, Severity

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

LATENCY_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""From a commit's time to the 15 min after which an alert counts as catching up (RULES.md 8)."""

TASK_STATES: Final = ("assigned", "fencing", "restoring", "running", "draining", "stopped")
OUTCOMES: Final = ("judged", "judged in part", "dead letter", "ignored")
VERDICTS: Final = (
    *("agrees", "refused", "observations", "result", "patient", "ruled_out", "failed", "too_large", "queue_full"),
)
"""Those of `consumer.hl7.outcome.Verdict`, which this leaf does not import."""

_PARTITION: Final = ("stage", "topic", "partition")


class Metrics:
    """Every metric of one process, in a registry of its own (a fresh one in each test)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._tasks: dict[tuple[str, str, int], str] = {}
        self._counters = {
            "messages": self._counter("messages", "Inbound records by how they ended", "outcome"),
            "ignored": self._counter("ignored", "Inbound records that held nothing for us", "reason"),
            "dead_letters": self._counter(
                "dead_letters", "Inbound records that could not be used, or not wholly", "reason"
            ),
            "not_ours": self._counter("observations_not_ours", "Observations that are not ours", "reason"),
            "flags": self._counter("flags", "Messages that something was assumed of", "flag"),
            "cross_checks": self._counter(
                "cross_checks", "Live messages that hl7apy was to read too, by verdict", "verdict"
            ),
            "judge": self._counter("judge_events", "What the judge met besides judging", "event"),
        }
        self._transitions = Counter(
            "lab_alert_transitions",
            "Transitions of alerts",
            ("rule", "transition", "severity"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "lab_alert_decision_latency_seconds",
            "From an inbound record's timestamp to the decision that it caused",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._records = self._counter("records", "Records read and committed", "stage")
        self._transactions = self._counter("transactions", "Transactions committed", "stage")
        self._failures = Counter(
            "lab_alert_transaction_failures",
            "Transactions thrown away",
            ("stage", "error"),
            registry=self.registry,
        )
        self._commit_seconds = Histogram(
            "lab_alert_commit_seconds",
            "How long a commit took",
            ("stage",),
            buckets=LATENCY_BUCKETS[:10],
            registry=self.registry,
        )
        self._lag_records = Gauge(
            "lab_alert_lag_records", "Records behind the input's end", _PARTITION, registry=self.registry
        )
        self._lag_seconds = Gauge(
            "lab_alert_lag_seconds", "Age of the oldest record not done", _PARTITION, registry=self.registry
        )
        self._task_states = Gauge("lab_alert_tasks", "Tasks by state", ("stage", "state"), registry=self.registry)
        self._watermark = Gauge(
            "lab_alert_watermark_seconds", "Low watermark, seconds since 1970", registry=self.registry
        )
        self._behind = Gauge(
            "lab_alert_watermark_overruled_seconds",
            "By how much a stuck watermark is overruled; 0: it is not",
            registry=self.registry,
        )
        self._rebalances = self._counter("rebalances", "New assignments", "stage")
        self._no_progress = self._counter("no_progress", "Tasks that stood still, or partitions without one", "stage")
        self._restored = self._counter("restored_records", "Changelog records read to restore states", "stage")
        self._restore_seconds = Histogram(
            "lab_alert_restore_seconds",
            "How long a restore took",
            ("stage",),
            buckets=(0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0),
            registry=self.registry,
        )
        self._broker = Gauge("lab_alert_broker_reachable", "1 while the broker answers", registry=self.registry)
        self._build = Gauge("lab_alert_build_info", "What runs", ("version", "rulebook"), registry=self.registry)
        self._begin()

    def build(self, version: str, rulebook: str) -> None:
        """Tell what runs: the service's version and the rulebook's hash."""
        self._build.labels(version, rulebook).set(1)

    def exposition(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)

    # What the Kafka side tells

    def committed(self, stage: str, counts: Mapping[tuple[str, str], int], *, records: int, seconds: float) -> None:
        """Add a commit's counters."""
        self._records.labels(stage).inc(records)
        self._transactions.labels(stage).inc()
        self._commit_seconds.labels(stage).observe(seconds)
        for (name, label), number in counts.items():
            if name == "transitions":
                rule, change, severity = label.split("|")
                self._transitions.labels(rule, change, severity).inc(number)
            elif name == "latency_ms":
                for _ in range(number):
                    self._latency.observe(int(label) / 1_000)
            elif name in self._counters:
                self._counters[name].labels(label).inc(number)

    def task_state(self, stage: str, topic: str, partition: int, state: str | None) -> None:
        """Count a task under its new state; None: it is no longer ours, nor are its lags."""
        place = (stage, topic, partition)
        before = self._tasks.pop(place, None)
        if before is not None:
            self._task_states.labels(stage, before).dec()
        if state is not None:
            self._tasks[place] = state
            self._task_states.labels(stage, state).inc()
        elif before is not None:
            for gauge in (self._lag_records, self._lag_seconds):
                try:
                    gauge.remove(stage, topic, str(partition))
                except KeyError:  # it never had a lag
                    continue

    def failed(self, stage: str, error: str) -> None:
        """Count a transaction that was thrown away."""
        self._failures.labels(stage, error).inc()

    def restoring(self, stage: str, *, records: int) -> None:
        """Count what a restore has read so far: whoever waits for it sees it go on."""
        self._restored.labels(stage).inc(records)

    def restored(self, stage: str, *, seconds: float) -> None:
        """Count a restore that ended."""
        self._restore_seconds.labels(stage).observe(seconds)

    def lag(self, stage: str, topic: str, partition: int, *, records: int, seconds: float) -> None:
        """Set a task's lag."""
        self._lag_records.labels(stage, topic, str(partition)).set(records)
        self._lag_seconds.labels(stage, topic, str(partition)).set(seconds)

    def watermark(self, millis: int | None, *, behind_ms: int) -> None:
        """Set the low watermark."""
        if millis is not None:
            self._watermark.set(millis / 1_000)
        self._behind.set(behind_ms / 1_000)

    def cross_checked(self, verdict: str) -> None:
        """Count a message that hl7apy has read too; may be called from another thread."""
        self._counters["cross_checks"].labels(verdict).inc()

    def rebalance(self, stage: str) -> None:
        """Count an assignment."""
        self._rebalances.labels(stage).inc()

    def no_progress(self, stage: str) -> None:
        """Count a task that stood still."""
        self._no_progress.labels(stage).inc()

    def broker_reachable(self, *, reachable: bool) -> None:
        """Set whether the broker answers."""
        self._broker.set(1 if reachable else 0)

    def _counter(self, name: str, words: str, label: str) -> Counter:
        return Counter(f"lab_alert_{name}", words, (label,), registry=self.registry)

    def _begin(self) -> None:
        """Begin every known series at zero: a rate over one that appears with its first event misses that event."""
        for outcome in OUTCOMES:
            self._counters["messages"].labels(outcome)
        for verdict in VERDICTS:
            self._counters["cross_checks"].labels(verdict)
        for stage in ("ingest", "judge"):
            for state in TASK_STATES:
                self._task_states.labels(stage, state)
            for counter in (self._records, self._transactions, self._rebalances, self._no_progress, self._restored):
                counter.labels(stage)
        for rule in Rule:
            for severity in Severity:
                self._transitions.labels(rule.value, Change.RAISED.value, severity.label)
        self._counters["judge"].labels("judge_errors")
        self._counters["judge"].labels("quarantined")
