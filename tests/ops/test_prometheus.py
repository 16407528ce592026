"""Prometheus' own promtool over the alert rules, the configuration and the service's own figures."""

import subprocess
from pathlib import Path

import pytest

from consumer.metrics import Metrics

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"


def promtool(*arguments: str, stdin: bytes = b"") -> str:
    """Run promtool; return what it said, and fail with that when it found a fault."""
    done = subprocess.run(
        ["promtool", *arguments],
        cwd=PROMETHEUS,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode()
    if done.returncode != 0:
        pytest.fail(said)
    return said


def test_rules_and_configuration_are_valid() -> None:
    """Prometheus would start with them."""
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


def test_each_rule_fires_when_it_must() -> None:
    """The rules' own tests pass: quiet over a healthy fleet, loud over each fault."""
    assert "SUCCESS" in promtool("test", "rules", "rules.test.yml")


def told() -> Metrics:
    """Return metrics that have been told of everything once."""
    metrics = Metrics()
    metrics.build("1.0", "sha256:0")
    counts = {("messages", "judged"): 1, ("latency_ms", "70"): 1, ("judge", "merges"): 1}
    metrics.committed("judge", counts, records=1, seconds=0.01)
    metrics.committed("ingest", {("dead_letters", "no_patient"): 1}, records=1, seconds=0.01)
    metrics.task_state("judge", "lab-alert.events", 0, "running")
    metrics.failed("judge", "ProducerFenced")
    metrics.restored("judge", records=1, seconds=0.1)
    metrics.lag("judge", "lab-alert.events", 0, records=1, seconds=1.0)
    metrics.watermark(1_700_000_000_000, behind_ms=0)
    metrics.rebalance("judge")
    metrics.no_progress("judge")
    metrics.broker_reachable(reachable=True)
    return metrics


def test_prometheus_reads_our_figures() -> None:
    """The parser accepts /metrics, and its linter has nothing to say against names and help texts."""
    assert promtool("check", "metrics", stdin=told().exposition()) == ""
