"""
Rules without medicine, so that a test of homes and timers says what it needs to say.

A message's control id says what it does: ``t30`` sets a timer in 30 minutes, ``boom`` raises, ``wait2`` was silent for
catching up, ``retire`` ends the patient, anything else is judged and says so.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from consumer.cloudevent import Issuer
from consumer.patients import Clock, Settings
from consumer.stage import Outcome, Output, Record
from consumer.wire import EventRecord, Kind, decode_event, encode_event
from rules import engine
from rules.alert import Change, Rule, Severity, Transition
from rules.chart import Chart
from rules.engine import Departure, Judgement
from rules.events import MINUTE, Patient, PatientEvent, PatientMerge, Source
from rules.patient import PatientState, new_state
from rules.rulebook import Rulebook

ISSUER = Issuer("test", "1.0", "sha256:0")


def said(patient: Patient, words: str, now: int, timer: str | None = None) -> Transition:
    """Return a transition that says *words*."""
    return Transition(
        alert_id="a",
        sequence=1,
        change=Change.RAISED,
        rule=Rule.SPURIOUS_POTASSIUM,
        rule_version="1",
        severity=Severity.CRITICAL if words.startswith("critical") else Severity.WARNING,
        notify=False,
        stale=False,
        mode="shadow" if "shadow" in words else "active",
        reason=None,
        criterion=None,
        patient=patient,
        visit_number="",
        location="",
        summary=words,
        considerations=(),
        evidence_grade="",
        evidence=(),
        context={},
        missing=(),
        thresholds={},
        resolves_when="",
        related=(),
        continues=(),
        opened_at=now,
        observed_at=None,
        observed_offset=0,
        received_at=now,
        time=now,
        timer=timer,
    )


def judge(
    state: PatientState | None,
    event: PatientEvent,
    *,
    now: int,
    rulebook: Rulebook,
    catching_up: bool = False,
    settled: int | None = None,
    chart: Chart | None = None,
) -> Judgement:
    """Stand for `engine.judge`."""
    words = event.message_control_id
    if words == "boom":
        raise ZeroDivisionError("in a rule")
    now = max(now, state.now if state else 0)
    state = (state or new_state(event.patient))._replace(now=now, last_event_at=now)
    state = state._replace(seen=state.seen + 1)
    if words == "retire":
        return Judgement(None, (), None)
    due = now + int(words[1:]) * MINUTE if words[:1] == "t" else None
    awaits = int(words[4:]) if words.startswith("wait") else 0
    late = " late" if catching_up else ""
    return Judgement(state, (said(state.patient, words + late, now),), due, awaits)


def tick(
    state: PatientState, *, watermark: int, rulebook: Rulebook, catching_up: bool = False, behind: int | None = None
) -> Judgement:
    """Stand for `engine.tick`."""
    words = "timer" + (" late" if catching_up else "") + ("" if behind is None else f" behind {behind // MINUTE}")
    return Judgement(state._replace(now=watermark), (said(state.patient, words, watermark, "hold"),), None)


def depart(
    state: PatientState, event: PatientEvent, *, now: int, rulebook: Rulebook, settled: int | None = None
) -> Departure:
    """Stand for `engine.depart`."""
    return Departure((said(state.patient, f"departs with {state.seen}", now),), state)


def join(
    state: PatientState | None,
    history: PatientState | None,
    event: PatientEvent,
    *,
    now: int,
    rulebook: Rulebook,
    catching_up: bool = False,
    settled: int | None = None,
) -> Judgement:
    """Stand for `engine.join`."""
    assert event.merge is not None
    state = state or new_state(event.merge.surviving)
    state = state._replace(now=max(now, state.now), seen=state.seen + (history.seen if history else 0))
    state = state._replace(history_incomplete=state.history_incomplete or bool(history and history.history_incomplete))
    return Judgement(state, (said(state.patient, f"has {state.seen}", state.now),), None)


def caught_up(
    state: PatientState, *, now: int, rulebook: Rulebook, settled: int | None = None, least: Severity
) -> Judgement:
    """Stand for `engine.caught_up`."""
    return Judgement(state, (said(state.patient, f"caught up, {least.label}", now),), None)


@contextmanager
def installed() -> Iterator[None]:
    """Put the fakes in the place of the rules."""
    functions: dict[str, Any] = {"judge": judge, "tick": tick, "depart": depart, "join": join, "caught_up": caught_up}
    with patch.multiple(engine, create=True, **functions):
        yield


def patient(key: str) -> Patient:
    """A patient by key alone."""
    return Patient(key, key, "")


def event(key: str, minute: int, words: str, offset: int = 0) -> PatientEvent:
    """What a message at *minute* says."""
    return PatientEvent(patient(key), minute * MINUTE, Source("in", 0, offset), words, "ORU^R01", "LAB")


def merge(retired: str, surviving: str, minute: int) -> PatientEvent:
    """A merge at *minute*."""
    fact = PatientMerge(patient(retired), patient(surviving), minute * MINUTE)
    return event(retired, minute, f"{retired}>{surviving}")._replace(merge=fact)


def record(what: PatientEvent | EventRecord, offset: int = 0, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """An events record of an event, or of what was forwarded."""
    message = EventRecord(Kind.EVENT, what.patient, what) if isinstance(what, PatientEvent) else what
    received_at = message.event.received_at if message.event else 0
    return Record("events", 0, offset, received_at, message.patient.key.encode(), encode_event(message), headers)


def settings(clock: Clock = Clock.LIVE, partition: int = 0, partitions: int = 1) -> Settings:
    """A home's settings."""
    return Settings(clock, partition, partitions)


def words(outcome: Outcome) -> list[str]:
    """What the alerts of an outcome say: ``HH:MM key summary``."""
    rows = []
    for one in outcome.outgoing:
        if one.output is Output.ALERTS:
            data = json.loads(one.value or b"")
            rows.append(f"{data['time'][11:16]} {data['subject']} {data['data']['summary']}")
    return rows


def forwards(outcome: Outcome) -> list[EventRecord]:
    """What an outcome sends to other homes."""
    return [decode_event(one.value or b"") for one in outcome.outgoing if one.output is Output.EVENTS]


def states(outcome: Outcome) -> dict[str, bytes | None]:
    """What an outcome writes to the changelog, by key."""
    return {(one.key or b"").decode(): one.value for one in outcome.outgoing if one.output is Output.STATE}
