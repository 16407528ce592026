"""What the Kafka side tells about itself: a protocol that `consumer/metrics.py` meets, and one that hears nothing."""

from collections.abc import Mapping
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)


class Observer(Protocol):
    """Takes figures as they arise; every label is an enum's value, a stage, or a topic and partition of settings."""

    def task_state(self, stage: str, topic: str, partition: int, state: str | None) -> None:
        """Tell the state of a task; None: it is no longer ours."""

    def committed(self, stage: str, counts: Mapping[tuple[str, str], int], *, records: int, seconds: float) -> None:
        """Tell of a commit: the outcome's counters (name, label value), the records that went in, how long it took."""

    def failed(self, stage: str, error: str) -> None:
        """Tell of a transaction that was thrown away, by the class of its error."""

    def restoring(self, stage: str, *, records: int) -> None:
        """Tell of records that a restore has taken, while it goes on."""

    def restored(self, stage: str, *, seconds: float) -> None:
        """Tell how long a restore took that ended."""

    def lag(self, stage: str, topic: str, partition: int, *, records: int, seconds: float) -> None:
        """Tell how far a task is behind its input's end (W14)."""

    def watermark(self, millis: int | None, *, behind_ms: int) -> None:
        """Tell the low watermark, and by how much a stuck one is being overruled (0: it is not)."""

    def rebalance(self, stage: str) -> None:
        """Tell of a new assignment."""

    def no_progress(self, stage: str) -> None:
        """Tell of a task that stood still, or of a partition that had none (W5)."""

    def broker_reachable(self, *, reachable: bool) -> None:
        """Tell whether the broker answers."""


class Silent:
    """An observer that keeps nothing."""

    def task_state(self, stage: str, topic: str, partition: int, state: str | None) -> None:
        """Do nothing."""

    def committed(self, stage: str, counts: Mapping[tuple[str, str], int], *, records: int, seconds: float) -> None:
        """Do nothing."""

    def failed(self, stage: str, error: str) -> None:
        """Do nothing."""

    def restoring(self, stage: str, *, records: int) -> None:
        """Do nothing."""

    def restored(self, stage: str, *, seconds: float) -> None:
        """Do nothing."""

    def lag(self, stage: str, topic: str, partition: int, *, records: int, seconds: float) -> None:
        """Do nothing."""

    def watermark(self, millis: int | None, *, behind_ms: int) -> None:
        """Do nothing."""

    def rebalance(self, stage: str) -> None:
        """Do nothing."""

    def no_progress(self, stage: str) -> None:
        """Do nothing."""

    def broker_reachable(self, *, reachable: bool) -> None:
        """Do nothing."""


def say_quarantined(counts: Mapping[tuple[str, str], int], where: Mapping[str, object]) -> None:
    """Log that a commit had events of patients whose state can't be read, and what to do."""
    if times := counts.get(("judge", "quarantined")):
        log.error(
            "patients.quarantined",
            times=times,
            what="the stored state of a patient can't be read; their events are dead letters",
            remedy="`lab-alert dead-letters list` names them; `state erase`, then `dead-letters replay`",
            **where,
        )
