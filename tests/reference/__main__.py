# ruff: noqa: T201  (what it prints is its product)
"""
The engine against the rulebook written a second time.

``python -m tests.reference --seed 1 --histories 1000`` compares what both say of dense random histories, and prints
each difference with the smallest history that shows it; with ``--kind icu`` of weeks in intensive care.
``python -m tests.reference PATH ...`` compares them over files of HL7 messages, or over folders that hold a
``feed.hl7``. Exit 1 when they differ.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rules.events import Administration, PatientEvent
from tests.reference.compare import both_of_file, differences, engine_lines, reference_lines
from tests.reference.generate import history
from tests.reference.icu import course
from tests.reference.saying import Line
from tests.reference.shrink import shrink

KINDS = {"dense": history, "icu": course}


def main() -> int:
    """Compare, print, say how many differ."""
    parser = argparse.ArgumentParser(prog="tests.reference", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files of HL7 messages, or folders with a feed.hl7")
    parser.add_argument("--seed", type=int, default=1, help="of the first history")
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--kind", choices=sorted(KINDS), default="dense", help="of the histories")
    arguments = parser.parse_args()
    if arguments.paths:
        return _files(arguments.paths)
    return _histories(arguments.seed, arguments.histories, KINDS[arguments.kind])


def _files(paths: Sequence[Path]) -> int:
    different = 0
    for path in paths:
        engine, reference = both_of_file(path / "feed.hl7" if path.is_dir() else path)
        found = differences(engine, reference)
        different += bool(found)
        print(f"{path}: {len(engine)} transitions, {len(found)} differences")
        for pair in found:
            _print(*pair)
    return int(different > 0)


def _histories(seed: int, count: int, made: Callable[[int], list[PatientEvent]]) -> int:
    started, transitions, different = time.monotonic(), 0, 0
    for each in range(seed, seed + count):
        events = made(each)
        if not differ(events):
            transitions += len(reference_lines(events))
            continue
        different += 1
        smallest = shrink(events, differ)
        print(f"\nhistory {each}, {len(smallest)} of its {len(events)} events:")
        for event in smallest:
            print(f"  {told(event)}")
        for pair in differences(engine_lines(smallest), reference_lines(smallest)):
            _print(*pair)
    seconds = time.monotonic() - started
    print(f"{count} histories from seed {seed}, {transitions} transitions, {different} differ, in {seconds:.0f} s")
    return int(different > 0)


def differ(events: Sequence[PatientEvent]) -> bool:
    """Say whether engine and reference differ; an exception of the engine is a difference."""
    reference = reference_lines(events)
    try:
        engine = engine_lines(events)
    except Exception as error:  # noqa: BLE001  (a bug in a rule is what is looked for)
        print(f"  the engine raised {error!r}")
        return True
    return bool(differences(engine, reference))


def told(event: PatientEvent) -> str:
    """Return an event in a line, without what is empty."""
    shown = [f"{_at(event.received_at)} {event.patient.key} {event.message_type}"]
    for result in event.results:
        about = f"{result.order_number} {result.observation_identifier} drawn {_at(result.observed_at)}"
        shown.append(f"{result.analyte.value} {result.status} {result.value} ({about})")
    shown += [f"{tube.container} {tube.condition.value}" for tube in event.tubes]
    shown += [_given(each) for each in event.administrations]
    shown += [f"dialysis {_at(each.started_at)}-{_at(each.ended_at)}" for each in event.dialyses]
    shown += [f"Mg ordered {each.order_number} {_at(each.ordered_at)}" for each in event.magnesium_orders]
    others = (event.encounter, event.visit, event.demographics, event.merge)
    shown += [str(tuple(other)) for other in others if other is not None]
    return "; ".join(shown)


def _given(each: Administration) -> str:
    until = "" if each.ended_at is None else f"-{_at(each.ended_at)}"
    how = f"rate {each.rate} grams {each.grams}{' deleted' if each.deleted else ''}"
    return f"{each.drug.value} {each.order_number} {_at(each.started_at)}{until} {how}"


def _at(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant / 1000, UTC):%d %H:%M}"


def _print(engine: Line | None, reference: Line | None) -> None:
    for who, line in (("engine   ", engine), ("reference", reference)):
        print(f"    {who} {line if line is None else line._replace(alert=None)}")


if __name__ == "__main__":
    sys.exit(main())
