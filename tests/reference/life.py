"""RULES.md 7, plainly: from what the rules find at a moment to what is said of each alert."""

from collections.abc import Sequence
from typing import Any

from rules.alert import Rule
from rules.events import DAY, Demographics, PatientEvent
from tests.reference import companions as other
from tests.reference import magnesium as mag
from tests.reference.alert import Alert, end_of, expiry, findings
from tests.reference.chart import Chart, Held
from tests.reference.doses import key_of
from tests.reference.hyperkalemia import LOW_MAGNESIUM, REFRACTORY, Finding, criterion, episodes
from tests.reference.patient import counts_as_discharge, demographics_of
from tests.reference.results import Draw, Entry, Key, order_of, present
from tests.reference.saying import Line, Said, Speaker


class Patient(Speaker):
    """One patient key: every message that came, and the life of the alerts."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.entries: list[Entry] = []
        self.who = Demographics("", "")
        self.marks: list[tuple[Rule, int, int]] = []
        self.stood: list[tuple[int, Finding]] = []
        self.last_event = 0
        self.draws: list[Draw] = []
        self.dropped: set[Key] = set()
        self.due: int | None = None

    # What comes

    def take(self, event: PatientEvent, came: int, now: int) -> list[Line]:
        """Judge a message."""
        self.now = self.last_event = max(self.now, now)
        entry = Entry(came, self.now, event)
        entry.discharges = counts_as_discharge(self.entries, entry)
        told = sorted((each for old in self.entries for each in old.event.results), key=order_of)
        before = [(*key, value) for key, value in {(*each[1:5], each.status): each.value for each in told}.items()]
        records = {key_of(each) for old in self.entries for each in old.event.administrations}
        self.entries.append(entry)
        self.who = demographics_of(event, self.who)
        self._look()
        lines = self._judge(came, entry, self._why(before, records, event))
        self._drop()
        return lines

    def tick(self, came: int, due: int) -> list[Line]:
        """Judge at a timer."""
        self.now = max(self.now, due)
        return self._judge(came, None, "invalidated")

    def retires_at(self) -> int | None:
        """When a quiet patient is forgotten: 30 days after the last event, 7 with nothing but context."""
        if self.open or not self.entries:
            return None
        since = (self.last_event - 14 * DAY) // DAY * DAY
        events = [entry.event for entry in self.entries]
        times = [each.observed_at for event in events for each in event.results]
        times += [each.ended_at or each.started_at for event in events for each in event.administrations]
        times += [each.ended_at for event in events for each in event.dialyses]
        times += [each.ordered_at for event in events for each in event.magnesium_orders]
        context = not self.ended and not any(t >= since for t in times)
        return self.last_event + (7 if context else 30) * DAY

    def leave(self, now: int) -> list[Line]:
        """Close what is open: this patient is merged into another."""
        self.now = max(self.now, now)
        lines = [self._line(Said(alert, "closed", None, "merged"), self.now) for alert in self.open]
        for alert in list(self.open):
            self._end(alert, "merged", ())
        return lines

    def join(self, old: "Patient", closed: list[Alert], came: int, now: int) -> list[Line]:
        """Take a retired patient's history in, and judge again."""
        self.now = max(self.now, now, old.now)
        joined = [Entry(came, each.now, each.event, each.discharges) for each in old.entries]
        self.entries = sorted(self.entries + joined, key=lambda entry: (entry.event.received_at, entry.came))
        self.who = Demographics(self.who.birth_date or old.who.birth_date, self.who.sex or old.who.sex)
        self.marks += old.marks
        self.ended += old.ended
        self.sequences |= old.sequences
        self.stood += old.stood
        self.last_event = max(self.last_event, self.now)
        self.dropped |= old.dropped
        self._look()
        return self._judge(came, None, "invalidated", closed)

    def _look(self) -> None:
        """Read the draws anew, but for those that were dropped."""
        self.draws = [draw for draw in present(self.entries) if draw.key not in self.dropped]

    def _drop(self) -> None:
        """Drop the oldest results beyond 400: a draw is one, whatever its versions (reading 27)."""
        oldest = sorted(self.draws, key=lambda draw: (draw.t, draw.newest.resulted_at, *draw.newest[1:4]))
        self.dropped |= {draw.key for draw in oldest[:-400]}
        self.draws = [draw for draw in self.draws if draw.key not in self.dropped]

    def _why(self, before: list[tuple[Any, ...]], records: set[Key], event: PatientEvent) -> str:
        """What a message did to what was known: withdrew, corrected, or only changed a verdict."""
        deleted = any(each.deleted for each in event.administrations)
        if deleted or any(each.status in "WDX" for each in event.results):
            return "withdrawn"
        changed = [
            each
            for each in event.results
            for old in before
            if old[:4] == each[1:5] and old[4] not in "ION" and old[5] != each.value
            if each.status != "U" or each.value is not None
        ]
        known = [each for each in event.administrations if key_of(each) in records]
        said = any(each.status == "C" for each in event.results)
        return "corrected" if said or changed or known else "invalidated"

    # One moment

    def _judge(self, came: int, entry: Entry | None, why: str, merged: list[Alert] | None = None) -> list[Line]:
        now = self.now
        chart = Chart(self.entries, self.who, came, now, self.draws)
        held = self._held()
        found = findings(chart, held)
        self._mark(chart)
        leaves = entry is not None and entry.discharges
        if chart.context.dead:
            lines = [self._line(Said(alert, "closed", None, "deceased"), now) for alert in self.open]
            for alert in list(self.open):
                self._end(alert, "deceased", ())
            self.due = None
            return lines
        said: list[Said] = []
        taken: list[Finding] = []
        superseded: list[Alert] = []
        low_stands = any(each.rule is LOW_MAGNESIUM for each in found)
        for alert in sorted(self.open, key=lambda each: (each.rule is not LOW_MAGNESIUM, -each.t)):
            mine = max(
                (each for each in found if alert.is_of(each) and each not in taken), key=alert.fits, default=None
            )
            if mine is None and self._never_stood(alert):
                said.append(Said(alert, "retracted", None, why))
                self._end(alert, "retracted", ())
                continue
            if mine is not None and mine.exposure and alert.dose not in mine.exposure:
                alert.dose = mine.first
            end = end_of(alert, chart, mine, held, low_open=False)
            if end is not None:
                transition, reason, draws = end
                said.append(Said(alert, transition, None, reason))
                self._end(alert, reason, draws)
                if reason == "superseded" and alert.rule is mag.UNKNOWN:
                    superseded.append(alert)
            elif leaves:
                if mine is not None:
                    self._stand(alert, mine)
                said.append(Said(alert, "closed", None, "discharged"))
                self._end(alert, "discharged", ())
                alert.discharge = chart.context.discharges[-1]
            elif mine is not None:
                said += self._go_on(alert, mine, chart)
            if mine is not None and end is None:
                taken.append(mine)
        waiting: list[int] = []
        for finding in found:
            if finding in taken or (finding.rule is REFRACTORY and low_stands):
                continue
            again = self._may_be_raised(finding, chart)
            if again is False or any(each.alert is again for each in said):
                continue
            until = self._held_until(finding)
            if until > now and not leaves and not any(old.rule is finding.rule for old in merged or ()):
                waiting.append(until)
                continue
            said.append(self._raise(finding, again))
        if any(each.rule is LOW_MAGNESIUM for each in self.open):
            for each in said:
                if each.reason == "magnesium_resulted" and each.alert.rule is REFRACTORY:
                    each.reason = "superseded"
        if leaves:
            left = chart.context.discharges[-1]
            self.stood += [(left, each) for each in found]
        self._speak(said, chart, superseded, merged)
        for each in said:
            if each.finding is not None:
                each.alert.moments.append((came, now))
        lines = [self._line(each, now) for each in said]
        dues = [expiry(alert, chart, self._held()) for alert in self.open] + waiting
        dues += [due for first, due in other.gap_timers(chart) if not other.timer_ended(first, chart)]
        self.due = min([due for due in dues if due is not None and due > now], default=None)
        return lines

    def _mark(self, chart: Chart) -> None:
        """Remember the `now` at which a potassium of the episode, or the run, is first judged to meet its rule."""
        low = other.low_potassium_met(chart)
        if low is not None and self._first(other.HYPOKALEMIA, other.low_run(chart)) is None:
            self.marks.append((other.HYPOKALEMIA, low[0][-1].t, chart.now))
        found = episodes(chart.k, chart.now)
        met = [k for k in found[-1].members if criterion(chart, found[-1], k) is not None] if found else []
        if met and self._first(REFRACTORY, found[-1].members) is None:
            self.marks.append((REFRACTORY, met[-1].t, chart.now))

    def _first(self, rule: Rule, members: Sequence[Draw]) -> int | None:
        times = [at for of, t, at in self.marks if of is rule and members[0].t <= t <= members[-1].t]
        return min(times, default=None)

    def _held_until(self, finding: Finding) -> int:
        if finding.waits is None:
            return self.now
        first = self._first(finding.rule, finding.members)
        return (self.now if first is None else first) + finding.waits

    def _never_stood(self, alert: Alert) -> bool:
        """
        At none of the moments at which it was raised or changed is there a finding as things are known now.

        Of what was dropped nothing can be said.
        """
        if self.dropped and alert.t < min(draw.t for draw in self.draws):
            return False
        for came, now in alert.moments:
            chart = Chart(self.entries, self.who, came, now, self.draws)
            if any(
                alert.is_of(each) for each in findings(chart, [Held(alert.dose, alert.stood_on, alert.ended is None)])
            ):
                return False
        return True

    def _may_be_raised(self, finding: Finding, chart: Chart) -> Alert | bool | None:
        """False: no; an alert: again, under its id; None: as a new one."""
        for alert in sorted(self.ended, key=lambda each: (-each.ended_at, each.id[2] != finding.key)):
            if alert.rule is not finding.rule or not alert.had(finding) or alert.ended == "merged":
                continue
            mine = alert if alert.id[0] == self.key else None
            if alert.ended == "retracted" or self._taken_back(alert, chart):
                return mine
            return False
        return False if any(self._stands_down(*each, finding, chart) for each in self.stood) else None

    def _stands_down(self, left: int, stood: Finding, finding: Finding, chart: Chart) -> bool:
        """A finding that stood at a discharge which was not undone."""
        same = stood.rule is finding.rule and stood.key == finding.key
        return same and left in chart.context.discharges

    def _taken_back(self, alert: Alert, chart: Chart) -> bool:
        """What ended an alert is no more: a discharge undone, a result withdrawn, corrected, not valid or silent."""
        if alert.discharge is not None:
            return alert.discharge not in chart.context.discharges
        speak = [draw for draws in chart.counted.values() for draw in draws if draw.verdict == "valid"]
        now = {(draw.key, draw.value) for draw in speak}
        return any((draw.key, draw.value) not in now for draw in alert.ender)
