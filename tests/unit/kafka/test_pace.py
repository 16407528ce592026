"""W9 and W13 without a broker: the defaults, and when a commit is due."""

import pytest

from consumer.kafka.config import KafkaConfig, Pace, Timeouts
from consumer.kafka.pending import Pending
from consumer.kafka.states import TRANSITIONS, State
from consumer.stage import Outcome, Outgoing, Output

SOMETHING = Outgoing(Output.ALERTS, 0, b"key", b"value")


def test_w9_defaults() -> None:
    """Session 45 s, heartbeat 3 s, rebalance 60 s, transaction 10 s."""
    timeouts = Timeouts()
    assert (timeouts.session_ms, timeouts.heartbeat_ms) == (45_000, 3_000)
    assert (timeouts.rebalance_ms, timeouts.transaction_ms) == (60_000, 10_000)
    assert timeouts.drain_seconds * 1000 < timeouts.rebalance_ms


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
