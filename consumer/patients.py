"""
The patients of one events partition: whose turn it is, what the rules say, who was merged into whom.

Decoded values only: bytes, offsets and transactions are `consumer/judge.py`'s. A replay of files uses this alone.
"""

from collections import deque
from collections.abc import Collection

from consumer.address import partition_of
from consumer.aliases import is_merge, known, leading, route
from consumer.bindings import Told, arrive, bind
from consumer.hl7.identity import is_order
from consumer.homes import (
    ALIAS_KEPT,
    HOLD,
    PARKED,
    Clock,
    Failure,
    Judged,
    Load,
    NoRoom,
    PumpUnbound,
    Settings,
)
from consumer.repeats import is_repeat, joined, remembered
from consumer.schedule import Rank, Turn
from consumer.store import Store
from consumer.turns import Marks, turn_of, with_waiting
from consumer.wire import Alias, EventRecord, Hop, Kind, PatientRecord, Waiting
from rules import engine
from rules.alert import Severity, Transition
from rules.events import Instant, Patient, PatientEvent, Source
from rules.patient import new_state
from rules.rulebook import Rulebook

__all__ = ["ALIAS_KEPT", "Clock", "Failure", "Judged", "Patients", "Settings"]


class Patients(Store):
    """The homes of one partition; what comes out, and what is kept, is the `Store`'s."""

    def __init__(self, rulebook: Rulebook, settings: Settings, load: Load) -> None:
        super().__init__(settings, load)
        self._rulebook = rulebook
        self._local: deque[Waiting] = deque()
        self._wall = 0
        self._overruled: set[Turn] = set()

    # What the stage calls

    def see(self, marks: Marks, *, wall: Instant) -> None:
        """Set the clocks for what follows."""
        if marks != self.turns.marks:
            self._overruled.clear()
        self.turns.marks = marks
        self._wall = wall

    def accept(self, waiting: Waiting) -> None:
        """
        Take a record of the events topic, with what it forwards to homes of ours.

        With the clock of the records it then waits for `run`; else it is judged at once, after every turn that is due.
        """
        if self._settings.clock is not Clock.RECORDS:
            self.run()
        self._local.append(waiting)
        self._drain()

    def run(self) -> None:
        """Take every turn due at or before the watermark, in order."""
        while (turn := self.turns.first()) is not None:
            self._take(turn)
            self._drain()

    def overrule(self, *, merged: bool, behind: int) -> None:
        """Fire the holds due by the wall clock although their watermark is stuck; no other timer (RULES.md 8)."""
        for turn in self.turns.due(self._wall, merged=merged):
            if turn.rank is not Rank.TIMER or turn in self._overruled:
                continue
            record = self._opened(turn.key)
            if record is None or record.due != turn.due:
                continue
            # Up to this timer; a hold behind another timer of the patient takes that one with it.
            if not any(self._end_hold(turn.key, record, until, behind) for until in (turn.due, self._wall)):
                self._overruled.add(turn)
        self._drain()

    def catch_up(self) -> None:
        """Send what was silent only for catching up: all of it when we have caught up, critical ones after 5 min."""
        low = self.turns.marks.low
        caught_up = low is not None and low >= self._wall - self._rulebook.catching_up_after
        for key in sorted(self._awaiting.keys()):
            level, since = self._awaiting.get(key) or (0, 0)
            late = (
                level >= Severity.CRITICAL - Severity.WARNING and self._wall - since >= self._rulebook.critical_awaits
            )
            if not caught_up and not late:
                continue
            record = self._opened(key)
            if record is None or record.state is None:
                self._awaiting.set(key, None)
                continue
            now = record.state.now if low is None else max(record.state.now, low)
            try:
                judgement = engine.caught_up(
                    record.state,
                    now=now,
                    rulebook=self._rulebook,
                    settled=self._settled(key),
                    least=Severity.HIGH if caught_up else Severity.CRITICAL,
                )
            except Exception as error:  # noqa: BLE001  (a bug in a rule stops no partition: DESIGN.md, Bad input)
                self._fail(key, record, None, error)
                self._awaiting.set(key, None)
                continue
            self._keep(key, record, judgement, None)

    def refuse(self, key: str, record: PatientRecord, refused: Collection[Waiting]) -> None:
        """Give up those of *record*'s inbox for whom there is no room: the history is incomplete from now on."""
        gone = set(map(id, refused))
        left = record._replace(inbox=tuple(waiting for waiting in record.inbox if id(waiting) not in gone))
        self._count("waiting_refused", len(refused))
        self.failures += [Failure(waiting.record.patient, waiting, NoRoom()) for waiting in refused]
        watched = not is_order(key) and left.alias is None
        self._put(key, self._incomplete(key, left, record.inbox[0].record) if watched else left)

    def discard(self) -> None:
        """Drop the changes."""
        super().discard()
        self._overruled.clear()

    # One record

    def _drain(self) -> None:
        while self._local:
            waiting = self._local.popleft()
            key = waiting.record.patient.key
            if waiting.record.kind is Kind.ERASE:
                self._put(key, None)
                self._count("erased")
                continue
            record = self._opened(key, waiting)
            if record is None:
                continue
            if is_order(key):
                self._order(key, record, waiting)
            elif record.alias is not None and not is_merge(waiting.record):
                self._follow(key, record, record.alias, waiting)
            elif self._settings.clock is Clock.RECORDS:
                self._put(key, record._replace(inbox=with_waiting(record.inbox, waiting)))
            else:
                self._judge(key, record, waiting)

    def _take(self, turn: Turn) -> None:
        """Take one turn: the patient's timer, or the first event of the inbox."""
        record = self._opened(turn.key)
        if record is None:
            return
        actual = turn_of(turn.key, record)
        if actual != turn:
            self.turns.set(turn.key, actual, self._homes(record))
        elif turn.rank is Rank.EVENT:
            self._judge(turn.key, record._replace(inbox=record.inbox[1:]), record.inbox[0])
        elif record.state is None:
            self._put(turn.key, record._replace(due=None, alias=None, settled_at=None))
        else:
            self._tick(turn.key, record, turn.due)

    def _judge(self, key: str, record: PatientRecord, waiting: Waiting) -> None:
        """Judge an event or a handover at its home."""
        message = waiting.record
        event = message.event
        if event is None:
            self._put(key, record)
        elif is_order(key):  # it has waited for the watermark, and nobody has told for whom it is
            self.failures.append(Failure(message.patient, waiting, PumpUnbound()))
            self._put(key, record)
        elif is_merge(message):
            self._merge(key, record, waiting, event)
        elif record.alias is not None:  # the merge had its turn while this one waited
            self._put(key, record)
            self._follow(key, record, record.alias, waiting)
        elif message.kind is Kind.HANDOVER:
            self._join(key, record, waiting, event)
        elif is_repeat(record.recent, event):
            self._count("duplicates")
            self._put(key, record)
        else:
            try:
                judgement = engine.judge(
                    record.state,
                    event,
                    now=self._now(key, event),
                    rulebook=self._rulebook,
                    catching_up=self._catching_up(event.received_at),
                    settled=self._settled(key),
                    chart=self._warm.chart(key),
                )
            except Exception as error:  # noqa: BLE001  (DESIGN.md, Bad input)
                self._fail(key, record, waiting, error)
            else:
                kept = self._led(key, record, message, event)
                kept = kept._replace(recent=remembered(record.recent, event))
                self._keep(key, kept, judgement, event.source)

    def _end_hold(self, key: str, record: PatientRecord, until: Instant, behind: int) -> bool:
        """Fire a patient's timers due at or before *until* if a hold is among them; return whether one was."""
        if record.state is None:
            return False
        try:
            judgement = engine.tick(
                record.state,
                watermark=until,
                rulebook=self._rulebook,
                behind=behind,
            )
        except Exception as error:  # noqa: BLE001  (DESIGN.md, Bad input)
            self._fail(key, record._replace(due=until + PARKED), None, error)
            return True
        if not any(transition.timer == HOLD for transition in judgement.transitions):
            return False
        self._keep(key, record, judgement, None)
        return True

    def _tick(self, key: str, record: PatientRecord, until: Instant) -> None:
        """Fire a patient's timers due at or before *until*."""
        if record.state is None:
            return
        try:
            judgement = engine.tick(
                record.state,
                watermark=until,
                rulebook=self._rulebook,
                catching_up=self._catching_up(until if record.due is None else record.due),
            )
            due = judgement.next_due
            if due is not None and due <= until:  # it would fire for ever
                judgement = judgement._replace(next_due=until + PARKED)
                self._count("timers_parked")
        except Exception as error:  # noqa: BLE001  (DESIGN.md, Bad input)
            self._fail(key, record._replace(due=until + PARKED), None, error)
        else:
            self._keep(key, record, judgement, None)

    def _order(self, key: str, record: PatientRecord, waiting: Waiting) -> None:
        """Take what came to an order's home: for whom it is, or a pump's event, sent on to them or left to wait."""
        event = waiting.record.event
        if event is not None and event.merge is not None:
            told: Told | None = bind(key, record, event)
        else:
            told = arrive(key, record, waiting)
        if told is None:
            self._put(key, record._replace(inbox=with_waiting(record.inbox, waiting)))
            return
        if told.record != record:
            self._put(key, told.record)
        for onward in told.onward:
            self._count("bound_by_order")
            self._forward(onward.record, onward)

    # Merges

    def _merge(self, key: str, record: PatientRecord, waiting: Waiting, event: PatientEvent) -> None:
        """Retire this key in favour of another: close, leave an alias, hand the history over."""
        merge = event.merge
        newest = max(
            -1 if record.alias is None else record.alias.merged_at,
            -1 if record.settled_at is None else record.settled_at,
        )
        if merge is None or merge.surviving.key == key or merge.occurred_at <= newest:
            self._count("merges_ignored")
            self._put(key, record)
            return
        transitions: tuple[Transition, ...] = ()
        history = None
        if record.alias is not None and record.alias.target.key != merge.surviving.key:
            # What went to another home stays there (docs/adr/0012): the new one is told that something is missing.
            history = new_state(event.patient)._replace(history_incomplete=True)
        if record.state is not None:
            try:
                now, settled = self._now(key, event), self._settled(key)
                departure = engine.depart(record.state, event, now=now, rulebook=self._rulebook, settled=settled)
            except Exception as error:  # noqa: BLE001  (DESIGN.md, Bad input)
                self._fail(key, record, waiting, error)
                return
            transitions, history = departure.transitions, departure.history
        alias = Alias(merge.surviving, merge.occurred_at)
        due = max(merge.occurred_at, event.received_at) + self._settings.alias_kept
        self._put(key, PatientRecord(alias=alias, due=due))
        self.judged += [Judged(transition, event.source) for transition in transitions]
        self._count("merges")
        path = (*waiting.record.path, Hop(key, merge.surviving, merge.occurred_at))
        handover = EventRecord(
            Kind.HANDOVER, merge.surviving, event, history, path, recent=record.recent, retired=record.retired
        )
        self._forward(handover, waiting)
        for left in record.inbox:
            self._follow(key, record, alias, left)

    def _join(self, key: str, record: PatientRecord, waiting: Waiting, event: PatientEvent) -> None:
        """Take a retired patient's history in at the surviving key."""
        history = waiting.record.history
        if history is not None and not history.seen and any(one.key == history.patient.key for one in record.retired):
            history = None  # it came here before, by another way
        try:
            judgement = engine.join(
                record.state,
                history,
                event,
                now=self._now(key, event),
                rulebook=self._rulebook,
                catching_up=self._catching_up(event.received_at),
                settled=self._settled(key),
            )
        except Exception as error:  # noqa: BLE001  (DESIGN.md, Bad input)
            self._fail(key, record, waiting, error)
        else:
            kept = self._led(key, record, waiting.record, event)
            kept = kept._replace(recent=joined(record.recent, waiting.record.recent))
            self._keep(key, kept, judgement, event.source)

    def _led(self, key: str, record: PatientRecord, message: EventRecord, event: PatientEvent) -> PatientRecord:
        """Return what is kept of a patient once a record has told which keys lead here."""
        told = leading(message, self._settings.alias_kept)
        return record._replace(retired=known(record.retired, told, key, event.received_at)) if told else record

    def _follow(self, key: str, record: PatientRecord, alias: Alias, waiting: Waiting) -> None:
        """Send a record on to where its patient went, or judge it here where a cycle of merges ends."""
        message, settled_at = route(key, alias, waiting.record, self._settings.alias_kept)
        if settled_at is None:
            self._forward(message, waiting)
            return
        self._count("merge_cycle")
        # The alias is gone before the record is judged here.
        settled_at = max(settled_at, record.settled_at or 0)
        self._put(key, record._replace(alias=None, settled_at=settled_at))
        self._local.appendleft(waiting._replace(record=message))

    def _forward(self, message: EventRecord, waiting: Waiting) -> None:
        home = partition_of(message.patient.key.encode(), self._settings.partitions)
        if home == self._settings.partition:
            self._local.append(Waiting(message, waiting.partition, waiting.offset))
        else:
            self.forwards.append(message)

    # What is kept

    def _keep(self, key: str, record: PatientRecord, judgement: engine.Judgement, source: Source | None) -> None:
        """Keep what a judgement gave."""
        self._warm.keep(key, judgement.chart)
        awaits = judgement.awaits_catch_up
        since = (record.awaits_since or self._wall) if awaits else 0
        self.judged += [Judged(transition, source) for transition in judgement.transitions]
        if judgement.dropped:
            self._count("results_dropped", judgement.dropped)
        if judgement.state is None:
            record = record._replace(recent=(), retired=(), settled_at=None)
        due = judgement.next_due if judgement.state is not None else None
        self._put(key, record._replace(state=judgement.state, due=due, awaits=awaits, awaits_since=since))

    def _fail(self, key: str, record: PatientRecord, waiting: Waiting | None, error: Exception) -> None:
        """Leave the state as it was, but for a mark that its history is incomplete."""
        patient = Patient(key, "", "") if waiting is None else waiting.record.patient
        self.failures.append(Failure(patient, waiting, error))
        self._count("judge_errors")
        self._put(key, self._incomplete(key, record, None if waiting is None else waiting.record))

    def _incomplete(self, key: str, record: PatientRecord, message: EventRecord | None) -> PatientRecord:
        """Return a patient marked as missing something; one of whom nothing is known begins with *message*."""
        state = record.state
        if state is None and message is not None and message.event is not None:
            now = self._now(key, message.event)
            state = new_state(message.patient)._replace(now=now, last_event_at=now)
            record = record._replace(due=now + self._rulebook.retire_after)
        return record if state is None else record._replace(state=state._replace(history_incomplete=True))

    def _now(self, key: str, event: PatientEvent) -> Instant:
        """Return the moment of judging, as far as the home knows it; the engine adds the patient's last one."""
        watermark = self.turns.until(key)
        if self._settings.clock is Clock.RECORDS or watermark is None:
            return event.received_at
        return max(event.received_at, watermark)

    def _settled(self, key: str) -> Instant | None:
        """
        Return the time up to which every message has been judged, where a message may be judged ahead of it.

        Live, one partition is faster than another; nothing is settled while the watermark is not known.
        """
        if self._settings.clock is not Clock.LIVE:
            return None
        return self.turns.until(key) or 0

    def _catching_up(self, moment: Instant) -> bool:
        return self._settings.clock is Clock.LIVE and moment < self._wall - self._rulebook.catching_up_after
