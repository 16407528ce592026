"""What all tests share: how many examples a property tries, a clean environment, one broker for a whole run."""

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from consumer.cli.main import main
from consumer.kafka.brokers import Broker, BrokerError, broker
from consumer.metrics import Metrics
from tests.commands import Done, Run

# Two cores are shared by whoever tests: a slow example is no failure, and neither is a slow strategy.
SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

settings.register_profile("check", SHARED, max_examples=20, derandomize=True, database=None)
settings.register_profile("test", SHARED, max_examples=2_000)
settings.register_profile("deep", SHARED, max_examples=50_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test; a broker named for tests does."""
    for name in list(os.environ):
        if name.startswith("LAB_ALERT_") and name != "LAB_ALERT_TEST_BOOTSTRAP":
            monkeypatch.delenv(name)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process."""

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["lab-alert", *arguments])
        code = main()
        return Done(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """A real broker, found or started once a run; tests use topics and groups of their own and never stop it."""
    try:
        with broker() as running:
            yield running
    except BrokerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def told_metrics() -> Metrics:
    """Metrics that have been told of everything once, so that every series is in their exposition."""
    metrics = Metrics()
    metrics.build("1.0", "sha256:0")
    named = ("messages", "judged"), ("latency_ms", "70"), ("judge", "merges")
    metrics.committed("judge", dict.fromkeys(named, 1), records=1, seconds=0.01)
    reasons = (
        ("dead_letters", "no_patient"),
        ("not_ours", "specimen"),
        ("flags", "status_assumed"),
        ("ignored", "empty"),
    )
    metrics.committed("ingest", dict.fromkeys(reasons, 1), records=1, seconds=0.01)
    metrics.task_state("judge", "lab-alert.events", 0, "running")
    metrics.failed("judge", "ProducerFenced")
    metrics.restoring("judge", records=1)
    metrics.restored("judge", seconds=0.1)
    metrics.lag("judge", "lab-alert.events", 0, records=1, seconds=1.0)
    metrics.watermark(1_700_000_000_000, behind_ms=0)
    metrics.rebalance("judge")
    metrics.no_progress("judge")
    metrics.broker_reachable(reachable=True)
    return metrics
