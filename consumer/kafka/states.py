"""The life of a task, in one table."""

from enum import StrEnum


class State(StrEnum):
    """Where a task is; fit for a metric label."""

    ASSIGNED = "assigned"
    """The partition is paused; nothing has been done yet."""

    FENCING = "fencing"
    """Waiting for a heartbeat that says the partition is ours, then for the fence (W2)."""

    RESTORING = "restoring"
    """The offset is known; the changelog is being read to its end."""

    RUNNING = "running"
    """Records go in, transactions go out."""

    DRAINING = "draining"
    """Revoked or stopping: what has been processed is committed, nothing more is taken."""

    STOPPED = "stopped"
    """Over: given away, or out of order with a remedy printed."""


TRANSITIONS: dict[State, frozenset[State]] = {
    # Revoked or stopped before it began; else the way of W2.
    State.ASSIGNED: frozenset({State.FENCING, State.DRAINING, State.STOPPED}),
    # Again after an error; on when the fence holds; out when the partition turns out not to be ours.
    State.FENCING: frozenset({State.FENCING, State.RESTORING, State.DRAINING, State.STOPPED}),
    # Back on any error; stopped where offset and state have parted (W6).
    State.RESTORING: frozenset({State.FENCING, State.RUNNING, State.DRAINING, State.STOPPED}),
    # Back to the fence on any error in a transaction (W3, W4, W5).
    State.RUNNING: frozenset({State.FENCING, State.DRAINING, State.STOPPED}),
    # One way out: a draining task is never used again.
    State.DRAINING: frozenset({State.STOPPED}),
    State.STOPPED: frozenset(),
}
