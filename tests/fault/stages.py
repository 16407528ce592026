"""
Two stages that stand in for the pipeline under faults: as little medicine as shows every kind of fault.

Ingest passes on, ignores, or writes a dead letter that does not fit. Judge counts each patient's messages (its state),
tells each count, and holds an alert back until the watermark has passed: "no magnesium within `HOLD_MS`".
"""

import json
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from consumer.stage import Outcome, Outgoing, Output, Record

HOLD_MS = 2_500
TOO_LARGE = random.Random(0).randbytes(3 * 1024 * 1024)
"""Larger than its topic takes, and nothing that compression could make smaller."""


class Patient(NamedTuple):
    """What is known of one: messages so far, when an alert is due, whether a magnesium was given."""

    messages: int = 0
    due: int | None = None
    magnesium: bool = False


class PassOn:
    """Ingest: what has a key goes on, what has none is ignored, what says so becomes a dead letter."""

    def __init__(self, partition: int) -> None:
        self.partition = partition

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Refuse: there is no state."""
        raise AssertionError

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Take a batch."""
        out = []
        for record in records:
            source = (("source", b"%d:%d" % (record.partition, record.offset)),)
            if record.key is None:
                continue
            if record.key == b"bad":
                stub = Outgoing(Output.DEAD_LETTERS, None, record.key, b"too large", source)
                out.append(Outgoing(Output.DEAD_LETTERS, None, record.key, TOO_LARGE, source, stub))
            else:
                out.append(Outgoing(Output.EVENTS, None, record.key, record.value, source))
        return Outcome(out)

    def tick(self, *, watermark: int | None, wall: int) -> Outcome:
        """Do nothing."""
        return Outcome([])

    def commit(self) -> None:
        """Do nothing."""

    def discard(self) -> None:
        """Do nothing."""


class Hold:
    """Judge: counts and holds."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.patients: dict[bytes, Patient] = {}
        self.overlay: dict[bytes, Patient] = {}

    def restore(self, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Take a patient."""
        self.patients[key] = Patient(*json.loads(value or b"[]"))

    def process(self, records: Sequence[Record], *, watermark: int | None, wall: int) -> Outcome:
        """Count each message, and set or lift a hold."""
        out = []
        touched = set()
        for record in records:
            assert record.key is not None
            message = json.loads(record.value or b"")
            patient = self._get(record.key)
            patient = patient._replace(messages=patient.messages + 1)
            if message["kind"] == "magnesium":
                patient = patient._replace(magnesium=True, due=None)
            elif message["kind"] == "potassium" and not patient.magnesium:
                patient = patient._replace(due=message["at"] + HOLD_MS)
            self.overlay[record.key] = patient
            touched.add(record.key)
            out.append(
                self._alert(record.key, {"count": patient.messages, "number": message["number"]}, record.headers)
            )
        return Outcome(out + [self._state(key) for key in touched])

    def tick(self, *, watermark: int | None, wall: int) -> Outcome:
        """Fire each hold that the watermark has passed."""
        out: list[Outgoing] = []
        if watermark is not None:
            for key in {**self.patients, **self.overlay}:
                patient = self._get(key)
                if patient.due is not None and patient.due <= watermark:
                    self.overlay[key] = patient._replace(due=None)
                    out += [self._alert(key, {"hold": True}), self._state(key)]
        return Outcome(out)

    def commit(self) -> None:
        """Merge the overlay."""
        self.patients |= self.overlay
        self.overlay.clear()

    def discard(self) -> None:
        """Drop it."""
        self.overlay.clear()

    def _get(self, key: bytes) -> Patient:
        return self.overlay.get(key) or self.patients.get(key) or Patient()

    def _alert(self, key: bytes, what: dict[str, Any], headers: Sequence[tuple[str, bytes]] = ()) -> Outgoing:
        value = json.dumps({"patient": key.decode(), **what}).encode()
        return Outgoing(Output.ALERTS, self.partition, key, value, headers)

    def _state(self, key: bytes) -> Outgoing:
        return Outgoing(Output.STATE, self.partition, key, json.dumps(self.overlay[key]).encode())
