"""
Whose turn it is under which watermark (KAFKA.md W17).

A patient to whom aliases lead from other partitions gets events by way of those: for such a one the watermark holds
only once those homes have passed on what they had. All others need not wait for that.
"""

from bisect import bisect_right
from typing import NamedTuple

from consumer.homes import AliasHomes
from consumer.schedule import Overlay, Rank, Schedule, Turn, timer_turn
from consumer.wire import Kind, PatientRecord, Waiting
from rules.events import Instant, Source


def turn_of(key: str, record: PatientRecord | None) -> Turn | None:
    """Return a patient's next turn: a timer before an event of the same moment."""
    if record is None:
        return None
    timer = None if record.due is None else timer_turn(key, record.due)
    if not record.inbox:
        return timer
    received_at, source, _ = waiting_order(record.inbox[0])
    event = Turn(received_at, Rank.EVENT, source.topic, source.partition, source.offset, key)
    return event if timer is None else min(timer, event)


def waiting_order(waiting: Waiting) -> tuple[Instant, Source, int]:
    """Return the order in which events wait: by their time, then by source, a history before the events behind it."""
    event = waiting.record.event
    if event is None:
        return (0, Source("", 0, 0), 0)
    return (event.received_at, event.source, 0 if waiting.record.kind is Kind.HANDOVER else 1)


def with_waiting(inbox: tuple[Waiting, ...], waiting: Waiting) -> tuple[Waiting, ...]:
    """Return an inbox with one more in its place."""
    place = bisect_right(inbox, waiting_order(waiting), key=waiting_order)
    return (*inbox[:place], waiting, *inbox[place:])


class Marks(NamedTuple):
    """The watermark as known now, and the one of patients to whom aliases lead; None: not known yet."""

    low: Instant | None = None
    merged: Instant | None = None

    def of(self, *, merged: bool) -> Instant | None:
        """Return the watermark of one kind of patients; that of merged ones is never ahead."""
        if not merged or self.low is None or self.merged is None:
            return None if merged else self.low
        return min(self.low, self.merged)


class Turns:
    """Two schedules, one a kind of patients, with changes that can be taken back (W7)."""

    def __init__(self) -> None:
        self.marks = Marks()
        self._schedules = {False: Schedule(), True: Schedule()}
        self._homes: Overlay[str, AliasHomes] = Overlay()
        self._united: AliasHomes | None = None

    def restore(self, key: str, due: Instant | None, homes: AliasHomes | None) -> None:
        """Take a stored patient's next turn and the homes from which aliases lead to it."""
        self._homes.restore(key, homes)
        self._united = None
        for merged, schedule in self._schedules.items():
            schedule.restore(key, due if merged is (homes is not None) else None)

    def set(self, key: str, turn: Turn | None, homes: AliasHomes | None) -> None:
        """Set a patient's next turn."""
        if self._homes.get(key) != homes:
            self._homes.set(key, homes)
            self._united = None
            self._schedules[homes is None].set(key, None)
        self._schedules[homes is not None].set(key, turn)

    def merged(self, key: str) -> bool:
        """Say whether aliases lead to the patient from other partitions."""
        return self._homes.get(key) is not None

    def until(self, key: str) -> Instant | None:
        """Return the watermark that holds for a patient."""
        return self.marks.of(merged=self.merged(key))

    def first(self) -> Turn | None:
        """Return a turn that is due by its watermark, the earliest of its kind; None: nothing is due."""
        for merged, schedule in self._schedules.items():
            until = self.marks.of(merged=merged)
            if until is not None and (turn := schedule.first(until)) is not None:
                return turn
        return None

    def due(self, until: Instant, *, merged: bool) -> list[Turn]:
        """Return every turn of one kind of patients that is due by *until*, earliest first."""
        return self._schedules[merged].due(until)

    def alias_homes(self) -> AliasHomes | None:
        """Return the homes from which aliases lead to any patient, and over how many at most; None: from none."""
        if self._united is None:
            known = [homes for homes in map(self._homes.get, self._homes.keys()) if homes is not None]
            if known:
                partitions = frozenset().union(*(homes.partitions for homes in known))
                self._united = AliasHomes(partitions, max(homes.aliases for homes in known))
        return self._united

    def commit(self) -> None:
        """Keep the changes."""
        self._homes.commit()
        for schedule in self._schedules.values():
            schedule.commit()

    def discard(self) -> None:
        """Drop the changes."""
        self._homes.discard()
        self._united = None
        for schedule in self._schedules.values():
            schedule.discard()
