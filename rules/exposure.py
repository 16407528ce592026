"""
Doses and infusions: from administration records to courses, and from magnesium's courses to exposures (RULES.md 4.2).

An order is not an administration. A record with a rate and no later end runs until its stop, a discharge, or 24 h after
its last record; only amounts that were given add up to grams, never rate times time.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from rules.events import Administration, Instant
from rules.rulebook import Rulebook

RECORDED, ASSUMED, DISCHARGED = "recorded", "assumed", "assumed at discharge"
"""How the end of a course is known: its record, the assumed length of an infusion, a discharge (RULES.md 4.2)."""


class Course(NamedTuple):
    """One dose, or one infusion from its start to its end; ``end_known`` says how the end is known."""

    start: Instant
    end: Instant
    end_known: str
    grams: Decimal | None
    infusion: bool
    keys: tuple[str, ...]
    last: Administration

    def running(self, now: Instant) -> bool:
        """Say whether it runs at *now*: its end is not recorded, only assumed, and still ahead."""
        return self.infusion and self.end_known != RECORDED and now < self.end


class Exposure(NamedTuple):
    """Magnesium doses less than 6 h apart: one exposure, from its first start to its last end."""

    start: Instant
    end: Instant
    end_known: str
    grams: Decimal | None
    courses: tuple[Course, ...]
    keys: tuple[str, ...]

    @property
    def first_dose(self) -> str:
        """Identity of the first dose: what an alert of the exposure is named by."""
        return self.keys[0]

    def running(self, now: Instant) -> bool:
        """Say whether any of its infusions runs at *now*."""
        return now < self.end and any(course.running(now) for course in self.courses)

    def ran(self, now: Instant) -> bool:
        """Say whether any of its infusions ran at a *now* that is past: no end was known yet."""
        return now < self.end and any(course.infusion and now < course.end for course in self.courses)

    def phase(self, at: Instant, rulebook: Rulebook) -> str:
        """Return ``during``, ``early`` or ``post`` for a draw at *at*."""
        if at <= self.end:
            return "during"
        return "early" if at <= self.end + rulebook.early_phase else "post"


def key_text(record: Administration) -> str:
    """Return an administration's identity as text."""
    how = "dose" if record.rate is None else "rate"  # as `administration_key` has it
    return f"{record.order_number}|{record.drug_code}|{record.started_at}|{how}"


def courses(records: Iterable[Administration], discharges: Sequence[Instant], rulebook: Rulebook) -> list[Course]:
    """
    Return the courses of one drug class, by start.

    Args:
        records: Administrations of the class, given and not deleted.
        discharges: When each discharge that counts was received, ascending.
        rulebook: For the assumed length of an infusion.
    """
    by_order: dict[tuple[str, str], list[Administration]] = {}
    for record in records:
        by_order.setdefault((record.order_number, record.drug_code), []).append(record)
    found: list[Course] = []
    for order in by_order.values():
        if len(order) == 1 and order[0].rate is None:  # nearly all of them
            found.append(_as_a_whole(order[0]))
        else:
            found.extend(_of_order(order, discharges, rulebook))
    found.sort(key=lambda course: (course.start, course.end, course.keys))
    return found


def _of_order(order: list[Administration], discharges: Sequence[Instant], rulebook: Rulebook) -> Iterable[Course]:
    running: list[Administration] = []
    for record in sorted(order, key=_told_of):
        if record.rate is not None and record.rate > 0 and record.ended_at is None:
            running.append(record)
        elif running:
            yield _stopped(running, record)
            running = []
        elif record.rate is None or record.ended_at is not None:
            yield _as_a_whole(record)
    if running:
        last = running[-1]
        end, known = last.started_at + rulebook.infusion_assumed, ASSUMED
        discharge = next((at for at in discharges if at >= last.started_at), None)
        if discharge is not None and discharge < end:
            end, known = discharge, DISCHARGED
        yield Course(
            running[0].started_at, end, known, _grams(running), True, tuple(key_text(r) for r in running), last
        )


def _as_a_whole(record: Administration) -> Course:
    """Return the course that a record tells from its start to its end: a dose, or an infusion that has ended."""
    end = record.started_at if record.ended_at is None else record.ended_at
    return Course(record.started_at, end, RECORDED, record.grams, record.rate is not None, (key_text(record),), record)


def _told_of(record: Administration) -> tuple[Instant, Instant, bool]:
    """
    Order the records of an order by the last moment that each tells of.

    A stop's RXA-3 is often the infusion's start.
    """
    last = record.ended_at if record.ended_at is not None else record.started_at
    return (last, record.started_at, record.rate is None)


def _stopped(running: list[Administration], stop: Administration) -> Course:
    """Return the course that *stop* ended: a record that tells of it as a whole starts no later than its first rate."""
    end = stop.ended_at if stop.ended_at is not None else stop.started_at
    records = [*running, stop]
    return Course(
        min(running[0].started_at, stop.started_at),
        end,
        RECORDED,
        _grams(records),
        True,
        tuple(key_text(r) for r in records),
        stop,
    )


def _grams(parts: Iterable[Administration | Course]) -> Decimal | None:
    known = [part.grams for part in parts if part.grams is not None]
    return sum(known, Decimal(0)) if known else None


def exposures(magnesium: Sequence[Course], rulebook: Rulebook) -> list[Exposure]:
    """Join courses of parenteral magnesium less than 6 h apart (end to next start) into exposures."""
    groups: list[list[Course]] = []
    end = 0
    for course in magnesium:
        if groups and course.start - end < rulebook.exposure_gap:
            groups[-1].append(course)
            end = max(end, course.end)
        else:
            groups.append([course])
            end = course.end
    return [_exposure(group) for group in groups]


def _exposure(group: list[Course]) -> Exposure:
    last = max(group, key=lambda course: course.end)
    return Exposure(
        start=group[0].start,
        end=last.end,
        end_known=last.end_known,
        grams=_grams(group),
        courses=tuple(group),
        keys=tuple([key for course in group for key in course.keys]),
    )
