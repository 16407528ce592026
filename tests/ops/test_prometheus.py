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


def test_prometheus_reads_our_figures(told_metrics: Metrics) -> None:
    """The parser accepts /metrics, and its linter has nothing to say against names and help texts."""
    assert promtool("check", "metrics", stdin=told_metrics.exposition()) == ""
