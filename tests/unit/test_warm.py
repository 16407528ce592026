"""The patients that stay unpacked: what is committed alone, no more than the limit, and judged as all others are."""

from collections.abc import Callable
from unittest.mock import patch

import pytest

from consumer import judge as stage
from consumer.cloudevent import Issuer
from consumer.judge import Judge
from consumer.patients import Clock, Settings
from consumer.stage import Outcome, Output, Record
from consumer.warm import Warm
from consumer.wire import EMPTY, FORMAT_BEFORE, EventRecord, Kind, encode_event
from rules import engine
from rules.chart import Chart
from rules.events import PatientEvent
from rules.patient import PatientState, new_state
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import PATIENT, event, h, k

FIRST, SECOND, THIRD, CLEARED = (event(k(value, h(at)), at=h(at)) for value, at in (("6.2", 0), ("6.4", 3), ("6.6", 4), ("4.9", 5)))


def home(state_bytes: int = 900_000) -> Judge:
    """Return a judge that has caught up."""
    return Judge(DEFAULT, Settings(Clock.SOURCE, state_bytes=state_bytes), Issuer("test", "1.0", "sha256:0"))


def feed(judge: Judge, one: PatientEvent, *, commit: bool = True) -> list[bytes]:
    """Judge an event; return the alerts' bytes."""
    record = Record("e", 0, one.received_at, one.received_at, b"", encode_event(EventRecord(Kind.EVENT, PATIENT, one)), ())
    outcome: Outcome = judge.process([record], watermark=one.received_at, wall=h(9))
    if commit:
        judge.commit()
    return [sent.value or b"" for sent in outcome.outgoing if sent.output is Output.ALERTS]
