"""The engine and the reference over the same messages, and where they differ."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

from consumer.hl7.files import read_messages
from consumer.hl7.site import Site
from consumer.patients import Clock, Judged, Patients, Settings
from consumer.replay import AFTER_THE_END, Replay
from consumer.turns import Marks
from consumer.wire import EventRecord, Kind, Waiting
from rules.events import PatientEvent, Source
from rules.rulebook import DEFAULT
from tests.reference.run import Reference
from tests.reference.saying import Line


def line_of(judged: Judged) -> Line:
    """An engine's transition as it is compared."""
    said = judged.transition
    return Line(
        said.patient.key,
        said.rule.value,
        said.change.value,
        said.severity.label,
        said.notify,
        said.reason,
        said.criterion,
        said.time,
        said.sequence,
        said.stale,
        said.observed_at,
        said.alert_id,
    )


def engine_lines(events: Sequence[PatientEvent], until: int | None = None) -> list[Line]:
    """What the engine says of events, each received at its own time (as `consumer.replay` does)."""
    patients = Patients(DEFAULT, Settings(Clock.FILES), lambda key: None)
    watermark = 0
    lines: list[Line] = []

    def take() -> None:
        lines.extend(line_of(each) for each in patients.judged)
        failures = list(patients.failures)
        patients.clear()
        if failures:
            raise failures[0].error

    for place, event in enumerate(events):
        watermark = max(watermark, event.received_at)
        patients.see(Marks(watermark), wall=watermark)
        patients.run()
        patients.accept(Waiting(EventRecord(Kind.EVENT, event.patient, event), 0, place))
        take()
    end = watermark + AFTER_THE_END if until is None else until
    patients.see(Marks(end), wall=end)
    patients.run()
    take()
    told = {(line.alert, line.sequence) for line in lines}
    assert len(told) == len(lines), "an event id is told twice"
    return lines


def reference_lines(events: Sequence[PatientEvent], until: int | None = None) -> list[Line]:
    """What the reference says of the same."""
    reference = Reference()
    for event in events:
        reference.play(event.received_at, [event])
    return reference.finish(until)


def both_of_file(path: Path, until: int | None = None) -> tuple[list[Line], list[Line]]:
    """Engine and reference over a file of HL7 messages."""
    replay, reference = Replay(DEFAULT, Site()), Reference()
    lines: list[Line] = []
    for offset, raw in enumerate(read_messages(path)):
        played = replay.play(raw, Source("", 0, offset))
        lines += [line_of(each) for each in played.judged]
        assert played.decoded is not None
        reference.play(replay._received_at, played.decoded.events)
    lines += [line_of(each) for each in replay.finish(until).judged]
    return lines, reference.finish(until)


def differences(engine: Iterable[Line], reference: Iterable[Line]) -> list[tuple[Line | None, Line | None]]:
    """The lines that only one of them says, paired; the order of lines of one moment is free, ids are one to one."""
    ours: dict[tuple[str, str], list[Line]] = {}
    theirs: dict[tuple[str, str], list[Line]] = {}
    for one in engine:
        ours.setdefault((one.patient, one.rule), []).append(one)
    for one in reference:
        theirs.setdefault((one.patient, one.rule), []).append(one)
    found: list[tuple[Line | None, Line | None]] = []
    names: dict[object, object] = {}
    back: dict[object, object] = {}
    for group in sorted({*ours, *theirs}):
        left = sorted(ours.get(group, []), key=_order)
        right = sorted(theirs.get(group, []), key=_order)
        for a, b in zip_longest(left, right):
            if a is None or b is None or _compared(a) != _compared(b):
                found.append((a, b))
                break
            if _repeated(a, left) or _repeated(b, right):
                continue
            if names.setdefault(a.alert, b.alert) != b.alert or back.setdefault(b.alert, a.alert) != a.alert:
                found.append((a, b))
                break
    return found


def _order(line: Line) -> tuple[object, ...]:
    return (line.time, line.transition, line.sequence, line.severity, str(_compared(line)))


def _repeated(line: Line, lines: list[Line]) -> bool:
    """Another alert says the same at the same moment: which is which can't be told."""
    return sum(_compared(each)._replace(sequence=0) == _compared(line)._replace(sequence=0) for each in lines) > 1


def _compared(line: Line) -> Line:
    """What is compared: an ending says its alert's trigger as it was published last, or as it is."""
    ends = line.transition in ("resolved", "closed", "retracted")
    return line._replace(alert=None, observed_at=None if ends else line.observed_at)
