"""The demonstration where no Kafka is to be had."""

from typing import NoReturn

import pytest

from consumer import demo
from consumer.kafka import brokers


@pytest.fixture
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: object) -> NoReturn:
        raise brokers.BrokerError("neither Docker nor Java: install one of them")

    monkeypatch.setattr(brokers, "broker", none)
    monkeypatch.setattr(demo, "WARD_MINUTES_PER_SECOND", 2_000)


@pytest.mark.usefixtures("_no_broker")
def test_without_kafka_the_ward_goes_through_the_replay_path(capsys: pytest.CaptureFixture[str]) -> None:
    """A banner says so, and what to install; the alerts are the same, the exit code is 0."""
    assert demo.run(duration=0.4, seed=1) == 0
    shown = capsys.readouterr().out
    assert "NO KAFKA: neither Docker nor Java" in shown
    assert "raised refractory-hyperkalemia-no-magnesium" in shown
    assert "raised post-infusion-hypermagnesemia" in shown
    assert "PAGE" in shown


def test_a_line_of_the_board_says_how_fast_and_where() -> None:
    """Throughput, latency, where metrics are, how to stop."""
    board = demo.Board("http://127.0.0.1:1")
    board.sent = 10
    board.latencies.append(0.25)
    line = board.line().plain
    for words in ("10 messages", "0.25 s (median)", "http://127.0.0.1:1/metrics", "Ctrl-C"):
        assert words in line
