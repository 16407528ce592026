"""
Messages that a sender sends again, because it did not see our engine's acknowledgement (KAFKA.md W18): pure.

A duplicate has the same sender, control id and content, all of which its fingerprint stands for. It is known at the
patient's home, where all of the patient's messages come together whatever partition they came in by.
"""

from typing import Final

from consumer.wire import Recent
from rules.events import DAY, Instant, PatientEvent

WINDOW: Final = DAY
"""An interface that was down sends again what it did not see acknowledged; a day covers a night's repair."""

AT_MOST: Final = 64
"""Messages remembered of a patient, the newest: 1.2 KB packed at the very most, 0.1 KB for an inpatient's day."""


def is_repeat(recent: tuple[Recent, ...], event: PatientEvent) -> bool:
    """
    Say whether a message has been judged here within the window.

    It may also have been received before the one that was judged: a partition that lags brings the first copy last.

    >>> from rules.events import Patient, Source
    >>> event = PatientEvent(Patient("A", "A", ""), 10, Source("in", 0, 1), "1", "ORU^R01", "LAB", fingerprint=7)
    >>> is_repeat((Recent(7, 5),), event), is_repeat((Recent(8, 5),), event), is_repeat((), event)
    (True, False, False)
    """
    fingerprint = event.fingerprint
    if not fingerprint:
        return False
    return any(one.fingerprint == fingerprint and abs(one.received_at - event.received_at) <= WINDOW for one in recent)


def remembered(recent: tuple[Recent, ...], event: PatientEvent) -> tuple[Recent, ...]:
    """Return what is remembered once *event* has been judged."""
    if not event.fingerprint:
        return recent
    return _kept((*recent, Recent(event.fingerprint, event.received_at)), event.received_at)


def joined(recent: tuple[Recent, ...], brought: tuple[Recent, ...]) -> tuple[Recent, ...]:
    """Return what is remembered once a history has brought what its home remembered."""
    if not brought:
        return recent
    both = sorted({*recent, *brought}, key=lambda one: (one.received_at, one.fingerprint))
    return _kept(tuple(both), both[-1].received_at)


def _kept(recent: tuple[Recent, ...], now: Instant) -> tuple[Recent, ...]:
    if len(recent) > AT_MOST or recent[0].received_at < now - WINDOW:
        return tuple(one for one in recent if one.received_at >= now - WINDOW)[-AT_MOST:]
    return recent
