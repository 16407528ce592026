"""RULES.md 8, plainly: messages in their order, timers between them, merges; and the engine over the same."""

from collections.abc import Iterable

from rules.events import HOUR, PatientEvent
from tests.reference.life import Patient
from tests.reference.saying import Line


class Reference:
    """A replay: `play` each message's events with its received_at, then `finish`."""

    def __init__(self) -> None:
        self.patients: dict[str, Patient] = {}
        self.aliases: dict[str, tuple[str, int]] = {}
        self.settled: dict[str, int] = {}
        self.watermark = 0
        self.came = 0
        self.lines: list[Line] = []

    def play(self, received_at: int, events: Iterable[PatientEvent]) -> None:
        """Fire what is due, then judge."""
        self.watermark = max(self.watermark, received_at)
        self.fire(self.watermark)
        for event in events:
            self.came += 1
            if event.merge is not None:
                self.merge(event)
            else:
                self.home(event.patient.key).take_into(self, event)

    def fire(self, until: int) -> None:
        """Fire every timer due at or before *until*, in order of due time."""
        while True:
            due = [(at, p.key) for p in self.patients.values() for at in (p.due, p.retires_at()) if at is not None]
            if not due or min(due)[0] > until:
                return
            at, key = min(due)
            self.came += 1
            if at == self.patients[key].retires_at():
                del self.patients[key]
            else:
                self.lines += self.patients[key].tick(self.came, at)

    def finish(self, until: int | None = None) -> list[Line]:
        """Fire the timers up to 48 h after the last watermark."""
        self.fire(self.watermark + 48 * HOUR if until is None else until)
        return self.lines

    def home(self, key: str) -> "Home":
        """Where a key's messages go."""
        while key in self.aliases:
            key = self.aliases[key][0]
        return Home(self.patients.setdefault(key, Patient(key)))

    def merge(self, event: PatientEvent) -> None:
        """Join the retired patient into the surviving one."""
        merge = event.merge
        assert merge is not None
        old, new = merge.retired.key, merge.surviving.key
        known = max(self.aliases.get(old, ("", -1))[1], self.settled.get(old, -1))
        if old == new or merge.occurred_at <= known:
            return
        now = self.watermark
        retired = self.patients.pop(old, None)
        closed = [] if retired is None else list(retired.open)
        if retired is not None:
            self.lines += retired.leave(now)
        self.aliases[old] = (new, merge.occurred_at)
        key, circle = new, [(merge.occurred_at, new)]
        while key in self.aliases and key != old:
            key, at = self.aliases[key]
            circle.append((at, key))
        if key == old:  # a circle: its newest merge says who survives
            at, key = max(circle)
            del self.aliases[key]
            self.settled[key] = at
        target = self.patients.setdefault(key, Patient(key))
        self.lines += target.join(retired if retired is not None else Patient(old), closed, self.came, now)


class Home:
    """A patient to whom a message goes."""

    def __init__(self, patient: Patient) -> None:
        self.patient = patient

    def take_into(self, reference: Reference, event: PatientEvent) -> None:
        """Judge a message here."""
        reference.lines += self.patient.take(event, reference.came, reference.watermark)
