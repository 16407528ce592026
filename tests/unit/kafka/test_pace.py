"""W9 and W13 without a broker: the defaults, what the clients are given of them, and when a commit is due."""

from typing import Any

import pytest
from aiokafka import TopicPartition

from consumer.kafka import member, transaction
from consumer.kafka.config import KafkaConfig, Pace, Timeouts
from consumer.kafka.member import Member
from consumer.kafka.observe import Silent
from consumer.kafka.pending import Pending
from consumer.kafka.reach import Reach
from consumer.kafka.states import TRANSITIONS, State
from consumer.kafka.transaction import Transactor
from consumer.stage import Outcome, Outgoing, Output

SOMETHING = Outgoing(Output.ALERTS, 0, b"key", b"value")


def test_w9_defaults() -> None:
    """Session 45 s, heartbeat 3 s, rebalance 60 s, transaction 10 s."""
    timeouts = Timeouts()
    assert (timeouts.session_ms, timeouts.heartbeat_ms) == (45_000, 3_000)
    assert (timeouts.rebalance_ms, timeouts.transaction_ms) == (60_000, 10_000)
    assert timeouts.drain_seconds * 1000 < timeouts.rebalance_ms


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the clients that are made in this test are given."""
    arguments: dict[str, Any] = {}
    monkeypatch.setattr(member, "AIOKafkaConsumer", lambda **named: arguments.update(named))
    monkeypatch.setattr(transaction, "AIOKafkaProducer", lambda **named: arguments.update(named))
    return arguments


UNLIKE_ANY_DEFAULT = KafkaConfig(
    deployment="ward",
    timeouts=Timeouts(session_ms=41_000, heartbeat_ms=2_500, rebalance_ms=59_000, transaction_ms=9_000),
)


@pytest.mark.parametrize("stage", ["ingest", "judge"])
def test_w9_the_consumer_is_given_them(stage: str, given: dict[str, Any]) -> None:
    """
    A member's consumer has the configured timeouts, reads committed records, commits nothing and resets nothing itself.

    What is left out is aiokafka's own: a session of 10 s and no longer to rejoin, uncommitted records, a silent
    "latest", and a member put out of its group when it polls for nothing for five minutes.
    """
    config = UNLIKE_ANY_DEFAULT
    Member(config, stage, lambda _: pytest.fail("no task is made"), Silent(), Reach("", Silent()))._make_consumer()
    wanted = {
        "group_id": f"ward-{stage}",
        "session_timeout_ms": 41_000,
        "heartbeat_interval_ms": 2_500,
        "rebalance_timeout_ms": 59_000,
        "request_timeout_ms": 20_500,
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "group_instance_id": None,
    }
    assert {name: given.get(name, "left out") for name in wanted} == wanted
    assert given["max_poll_interval_ms"] > 10 * 365 * 86_400_000, "longer than any process lives"


def test_w9_the_producer_is_given_them(given: dict[str, Any]) -> None:
    """A task's producer has its own id (W1), the transaction timeout, no longer for an answer, and waits for all."""
    Transactor(UNLIKE_ANY_DEFAULT, "judge", TopicPartition("lab-alert.events", 3))
    wanted = {
        "transactional_id": "ward-judge-judge-lab-alert.events-3",
        "transaction_timeout_ms": 9_000,
        "request_timeout_ms": 9_000,
        "acks": "all",
    }
    assert {name: given.get(name, "left out") for name in wanted} == wanted


def test_w1_ids() -> None:
    """A group for each deployment and stage, a transactional.id for each of their partitions."""
    config = KafkaConfig(deployment="ward")
    assert config.group("judge") == "ward-judge"
    assert config.transactional_id("judge", "lab-alert.events", 3) == "ward-judge-judge-lab-alert.events-3"


@pytest.mark.parametrize(
    ("outcome", "records", "owned", "seconds"),
    [
        pytest.param(Outcome([SOMETHING]), 1, 1, 0.1, id="a hundred milliseconds"),
        pytest.param(Outcome([SOMETHING]), 1, 48, 0.768, id="sixteen for each partition, when that is more"),
        pytest.param(Outcome([SOMETHING], urgent=True), 1, 48, 0.0, id="a critical alert: at once"),
        pytest.param(Outcome([SOMETHING]), 5_000, 48, 0.0, id="a full transaction: at once"),
        pytest.param(Outcome([]), 5_000, 1, 2.0, id="only the offset: every two seconds"),
    ],
)
def test_w13_commit_is_due(outcome: Outcome, records: int, owned: int, seconds: float) -> None:
    """When the next commit is due, from the one before."""
    pending = Pending(offset=9, committed_offset=4)
    pending.add(outcome, records=records)
    assert pending.due(0.0, Pace(), owned) == pytest.approx(seconds)
    assert pending.due(60.0, Pace(), owned) <= 0


def test_w13_nothing_to_commit() -> None:
    """A task that has taken nothing and said nothing commits nothing."""
    pending = Pending(offset=4, committed_offset=4)
    pending.add(Outcome([]))
    assert pending.idle


def test_states_have_a_way_on() -> None:
    """Every state stands in the table, everything but the end can be drained or stopped, and the end is the end."""
    assert set(TRANSITIONS) == set(State)
    assert not TRANSITIONS[State.STOPPED]
    for state in set(State) - {State.STOPPED}:
        assert State.STOPPED in TRANSITIONS[state]


def test_w13_a_backlog_makes_fewer_and_longer_transactions() -> None:
    """While records wait already, a commit that is not urgent is due four times later."""
    pace = Pace()
    pending = Pending(10, 0, outgoing=[Outgoing(Output.EVENTS, 0, b"k", b"v")])
    quick = pending.due(0.0, pace, 12)
    assert pending.due(0.0, pace, 12, backlog=True) == quick * pace.backlog_spacing
    pending.urgent = True
    assert pending.due(0.0, pace, 12, backlog=True) == 0.0
