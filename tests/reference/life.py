"""RULES.md 7, plainly: from what the rules find at a moment to what is said of each alert."""

from decimal import Decimal
from typing import NamedTuple

from rules.alert import Rule
from rules.events import HOUR, PatientEvent
from tests.reference import companions as other
from tests.reference import magnesium as mag
from tests.reference.alert import Alert, end_of, expiry, findings
from tests.reference.chart import CRITICAL, HIGH, Chart, Held
from tests.reference.doses import key_of
from tests.reference.hyperkalemia import LOW_MAGNESIUM, REFRACTORY, Finding, criterion, episodes
from tests.reference.patient import counts_as_discharge, undoes
from tests.reference.results import Draw, Entry, Key, present

D = Decimal
SEVERITIES = ("information", "warning", "high", "critical")
ORDER = list(Rule)
WORSE = {
    REFRACTORY: D("0.5"),
    LOW_MAGNESIUM: D("0.5"),
    other.AFTER: D("0.5"),
    other.HYPOKALEMIA: D("-0.3"),
    mag.POST_INFUSION: D("0.5"),
    mag.UNKNOWN: D("0.5"),
}


class Line(NamedTuple):
    """One transition, as it is compared."""

    patient: str
    rule: str
    transition: str
    severity: str
    notify: bool
    reason: str | None
    criterion: str | None
    time: int
    sequence: int
    stale: bool
    observed_at: int | None
    alert: object


class _Said:
    """What this moment says of one alert, until it is known who speaks."""

    def __init__(self, alert: Alert, transition: str, finding: Finding | None, reason: str | None = None) -> None:
        self.alert, self.transition, self.finding, self.reason = alert, transition, finding, reason
        self.severity = alert.severity if finding is None else finding.severity
        self.notify = False
        self.stale = False


class Patient:
    """One patient key: every message that came, and the life of the alerts."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.now = 0
        self.entries: list[Entry] = []
        self.open: list[Alert] = []
        self.ended: list[Alert] = []
        self.sequences: dict[Key, int] = {}
        self.first_met: dict[Key, int] = {}
        self.waits_for_none: set[Rule] = set()
        self.discharged: list[Alert] = []
        self.stood: list[Finding] = []
        self.discharge: int | None = None
        self.draws: list[Draw] = []
        self.due: int | None = None

    # What comes

    def take(self, event: PatientEvent, came: int, now: int) -> list[Line]:
        """Judge a message."""
        self.now = max(self.now, now)
        entry = Entry(came, self.now, event)
        entry.discharges = counts_as_discharge(self.entries, entry)
        before = {draw.key: draw for draw in self.draws}
        records = {key_of(each) for old in self.entries for each in old.event.administrations}
        self.entries.append(entry)
        self.draws = present(self.entries)
        return self._judge(came, entry, self._why(before, records, event))

    def tick(self, came: int, due: int) -> list[Line]:
        """Judge at a timer."""
        self.now = max(self.now, due)
        return self._judge(came, None, "invalidated")

    def leave(self, now: int) -> list[Line]:
        """Close what is open: this patient is merged into another."""
        self.now = max(self.now, now)
        lines = [self._line(_Said(alert, "closed", None, "merged"), self.now) for alert in self.open]
        self.open = []
        return lines

    def join(self, old: "Patient", closed: list[Alert], came: int, now: int) -> list[Line]:
        """Take a retired patient's history in, and judge again."""
        self.now = max(self.now, now, old.now)
        joined = [Entry(came, entry.now, entry.event, entry.discharges) for entry in old.entries]
        self.entries = sorted(self.entries + joined, key=lambda entry: (entry.now, entry.came))
        for key, at in old.first_met.items():
            self.first_met[key] = min(at, self.first_met.get(key, at))
        self.ended += [alert for alert in old.ended if alert.ended != "retracted"]
        self.stood += old.stood
        self.discharged += old.discharged
        self.discharge = max(
            (each for each in (self.discharge, old.discharge) if each is not None), default=None
        )
        self.draws = present(self.entries)
        return self._judge(came, None, "invalidated", closed)

    def _why(self, before: dict[Key, Draw], records: set[Key], event: PatientEvent) -> str:
        """What a message did to what was known: withdrew, corrected, or only changed a verdict."""
        changed = [
            draw
            for draw in self.draws
            if draw.key in before
            and before[draw.key].usable
            and (draw.t, draw.value) != (before[draw.key].t, before[draw.key].value)
        ]
        if any(draw.newest.status in "WDX" for draw in changed):
            return "withdrawn"
        known = [each for each in event.administrations if key_of(each) in records]
        if any(each.deleted for each in known):
            return "withdrawn"
        return "corrected" if changed or known else "invalidated"

    # One moment

    def _judge(self, came: int, entry: Entry | None, why: str, merged: list[Alert] | None = None) -> list[Line]:
        now = self.now
        chart = Chart(self.entries, came, now, self.draws)
        held = self._held()
        found, gaps = findings(chart, held)
        self._remember_first_met(chart)
        standing = found + [gap for gap, due in gaps if due <= now]
        encounter = entry.event.encounter if entry is not None else None
        if chart.context.dead:
            self.stood += found + other.timers(chart) if encounter is not None and encounter.deceased else []
            lines = [self._line(_Said(alert, "closed", None, "deceased"), now) for alert in self.open]
            for alert in self.open:
                self._end(alert, "deceased", None)
            self.open, self.due = [], None
            return lines
        undone: list[Alert] = []
        if encounter is not None and self.discharge is not None and undoes(encounter.trigger, now - self.discharge):
            undone, self.discharged, self.stood, self.discharge = self.discharged, [], [], None
        said: list[_Said] = []
        taken: list[Finding] = []
        superseded = 0
        low_stands = any(each.rule is LOW_MAGNESIUM for each in found)
        for alert in sorted(self.open, key=lambda each: each.rule is not LOW_MAGNESIUM):
            low_open = low_stands or any(each.rule is LOW_MAGNESIUM for each in self.open)
            mine = next((each for each in standing if alert.is_of(each) and each not in taken), None)
            if mine is None and self._never_stood(alert):
                said.append(_Said(alert, "retracted", None, why))
                self._end(alert, "retracted", None)
                continue
            end = end_of(alert, chart, mine, held, low_open)
            if end is not None:
                transition, reason, draw = end
                said.append(_Said(alert, transition, None, reason))
                self._end(alert, reason, draw)
                if reason == "superseded" and alert.rule is mag.UNKNOWN:
                    superseded = max(superseded, alert.highest)
                continue
            if entry is not None and entry.discharges:
                said.append(_Said(alert, "closed", None, "discharged"))
                self._end(alert, "discharged", None)
                self.discharged.append(alert)
            if mine is not None:
                taken.append(mine)
                if alert in self.open:
                    said += self._go_on(alert, mine, chart)
        waiting: list[int] = []
        for finding in standing:
            if finding in taken or (finding.rule is REFRACTORY and low_stands):
                continue
            again = self._may_be_raised(finding, undone)
            if again is False:
                continue
            leaves = entry is not None and entry.discharges
            until = self._held_until(finding) if again is None else now
            if until > now and not leaves:
                waiting.append(until)
            elif not leaves or (finding.waits is not None and until > now):
                said.append(self._raise(finding, again, came))
                for old in merged or ():
                    if old.rule is finding.rule:
                        said[-1].alert.triggers |= old.triggers
        if entry is not None and entry.discharges:
            self.stood += found + other.timers(chart)
            self.discharge = now
        self._speak(said, chart, superseded, merged)
        for each in said:
            if each.finding is not None:
                each.alert.moments.append((came, now))
        lines = [self._line(each, now) for each in said]
        dues = [expiry(alert, chart, self._held()) for alert in self.open]
        dues += [due for gap, due in gaps if due > now and (self._has(gap) or self._may_be_raised(gap, []) is not False)]
        self.due = min([each for each in [*dues, *waiting] if each is not None and each > now], default=None)
        return lines

    def _held(self) -> list[Held]:
        return [Held(alert.exposure, alert.stood_on) for alert in self.open if alert.rule is mag.POST_INFUSION]

    def _has(self, finding: Finding) -> bool:
        return any(alert.is_of(finding) for alert in self.open)

    def _remember_first_met(self, chart: Chart) -> None:
        for episode in episodes(chart.k, chart.now):
            for k in episode.members:
                if k.key not in self.first_met and criterion(chart, episode, k) is not None:
                    self.first_met[k.key] = chart.now
        low = other.low_potassium_met(chart)
        if low is not None:
            self.first_met.setdefault(("low", *low[0][-1].key), chart.now)

    def _held_until(self, finding: Finding) -> int:
        if finding.waits is None or finding.rule in self.waits_for_none:
            return self.now
        keys = [key if finding.rule is REFRACTORY else ("low", *key) for key in finding.held_keys]
        first = min((self.first_met[key] for key in keys if key in self.first_met), default=self.now)
        return first + finding.waits

    def _never_stood(self, alert: Alert) -> bool:
        """At none of the moments at which it was raised or changed is there a finding as things are known now."""
        for came, now in alert.moments:
            chart = Chart(self.entries, came, now, self.draws)
            found, gaps = findings(chart, [])
            if any(alert.is_of(each) for each in found + [gap for gap, due in gaps if due <= now]):
                return False
        return True

    def _may_be_raised(self, finding: Finding, undone: list[Alert]) -> Alert | None | bool:
        """False: no; an alert: again, under its id; None: as a new one."""
        for alert in undone:
            if alert.is_of(finding):
                return alert
        for stood in self.stood:
            if stood.rule is finding.rule and stood.key == finding.key:
                return False
        for alert in reversed(self.ended):
            if alert.rule is not finding.rule or finding.key not in alert.triggers or alert.ended == "merged":
                continue
            if alert.ended == "retracted":
                return alert
            return alert if self._taken_back(alert) else False
        return None

    def _taken_back(self, alert: Alert) -> bool:
        if alert.ender is None:
            return False
        key, state = alert.ender
        return not any(draw.key == key and draw.state == state for draw in self.draws)

    # What is said

    def _end(self, alert: Alert, reason: str, draw: Draw | None) -> None:
        alert.ended = reason
        alert.ender = None if draw is None else (draw.key, draw.state)
        self.open = [each for each in self.open if each is not alert]
        self.ended.append(alert)

    def _raise(self, finding: Finding, again: "Alert | None | bool", came: int) -> _Said:
        if isinstance(again, Alert):
            alert = again
            self.ended = [each for each in self.ended if each is not alert]
            alert.ended = alert.ender = None
            alert.t = finding.t
        else:
            name = (self.key, finding.rule, finding.key, finding.t)
            alert = Alert(name, finding.rule, finding.scope, 0, None, finding.key, finding.t, None, set(), set(), self.now)
        alert.severity, alert.since = finding.severity, self.now
        self._stand(alert, finding)
        self.open.append(alert)
        return _Said(alert, "raised", finding)

    def _stand(self, alert: Alert, finding: Finding) -> None:
        """Let an alert stand on a finding."""
        alert.triggers.add(finding.key)
        if finding.t >= alert.t:
            alert.key, alert.t = finding.key, finding.t
        alert.exposure = alert.exposure | finding.exposure
        alert.stood_on = alert.stood_on | finding.stood_on
        alert.low_t = finding.low.t if finding.low is not None else alert.low_t

    def _go_on(self, alert: Alert, finding: Finding, chart: Chart) -> list[_Said]:
        """What an open alert says of what its rule finds now."""
        new = finding.t > alert.t and finding.key != alert.key
        changed = finding.severity < alert.severity or finding.criterion != alert.criterion
        self._stand(alert, finding)
        if finding.severity > alert.severity:
            alert.since = self.now
            return [_Said(alert, "escalated", finding)]
        may = new and finding.severity >= HIGH and not chart.child and not self._stale(finding)
        if may and self._reminds(alert, finding):
            return [_Said(alert, "reminded", finding)]
        return [_Said(alert, "updated", finding)] if new or changed else []

    def _reminds(self, alert: Alert, finding: Finding) -> bool:
        step = WORSE.get(finding.rule)
        if step is not None and alert.worst is not None and finding.draw is not None:
            rise = finding.draw.v - alert.worst
            if rise >= step if step > 0 else rise <= step:
                return True
        if sum(at > self.now - 24 * HOUR for at in alert.reminders) >= 4:
            return False
        if alert.last_notified is None and alert.silent_by_age:
            return True
        since = alert.since if alert.last_notified is None else alert.last_notified
        return self.now - since >= (1 if finding.severity == CRITICAL else 4) * HOUR

    def _stale(self, finding: Finding) -> bool:
        limit = 24 * HOUR if finding.severity == CRITICAL else 12 * HOUR
        return finding.rule not in (other.GAP, other.SPURIOUS) and self.now - finding.t > limit

    def _speak(self, said: list[_Said], chart: Chart, superseded: int, merged: list[Alert] | None) -> None:
        """Who notifies, and why the others do not."""
        candidates = []
        for each in said:
            each.stale = each.finding is not None and self._stale(each.finding)
            if each.transition == "retracted":
                each.notify = each.alert.last_notified is not None
            if each.transition == "reminded":
                each.notify = True
            if each.transition not in ("raised", "escalated") or each.severity < HIGH:
                continue
            each.alert.silent_by_age = each.stale and not chart.child
            closed = [alert.notified_with for alert in merged or () if alert.rule is each.alert.rule]
            if each.stale:
                continue
            if chart.child:
                each.reason = "unsupported_population"
            elif each.alert.rule is mag.POST_INFUSION and each.transition == "raised" and superseded >= each.severity:
                each.reason = "superseding"
            elif closed and max(closed) >= each.severity:
                each.reason = "continued"
            else:
                candidates.append(each)
        candidates.sort(key=lambda each: (-each.severity, ORDER.index(each.alert.rule)))
        for place, each in enumerate(candidates):
            each.notify = place == 0
            each.reason = None if place == 0 else "grouped"
        if candidates:
            candidates[0].alert.spoke_for += [each.alert for each in candidates[1:]]
        for each in list(said):
            if each.transition == "retracted":
                self._ungroup(each.alert, said, chart)
        for each in said:
            self._note(each)

    def _ungroup(self, speaker: Alert, said: list[_Said], chart: Chart) -> None:
        left = [alert for alert in speaker.spoke_for if alert in self.open and alert.last_notified is None]
        speaking = {id(each.alert): each for each in said}
        choice = []
        for alert in left:
            now_said = speaking.get(id(alert))
            if now_said is not None and now_said.transition in ("raised", "escalated", "reminded"):
                continue
            severity = now_said.severity if now_said is not None else alert.severity
            if severity >= HIGH:
                choice.append((-severity, ORDER.index(alert.rule), alert, now_said))
        if not choice or chart.child:
            return
        _, _, alert, now_said = min(choice, key=lambda each: each[:2])
        found, gaps = findings(chart, self._held())
        mine = next((each for each in found + [gap for gap, _ in gaps] if alert.is_of(each)), None)
        if mine is not None and self._stale(mine):
            return
        if now_said is None:
            now_said = _Said(alert, "reminded", mine)
            said.append(now_said)
        now_said.transition, now_said.reason, now_said.notify = "reminded", "ungrouped", True
        alert.spoke_for += [each for each in left if each is not alert]

    def _note(self, said: _Said) -> None:
        alert, finding = said.alert, said.finding
        if finding is None and said.transition != "reminded":
            said.stale = False
            return
        alert.severity = said.severity
        alert.highest = max(alert.highest, said.severity)
        if finding is not None:
            alert.criterion = finding.criterion
        if said.transition == "reminded":
            alert.reminders.append(self.now)
        if said.notify:
            alert.last_notified = self.now
            alert.notified_with = max(alert.notified_with, said.severity)
            step = WORSE.get(alert.rule)
            if step is not None and finding is not None and finding.draw is not None:
                value = finding.draw.v
                worst = value if alert.worst is None else alert.worst
                alert.worst = max(worst, value) if step > 0 else min(worst, value)

    def _line(self, said: _Said, now: int) -> Line:
        alert = said.alert
        alert.sequence = self.sequences[alert.id] = self.sequences.get(alert.id, 0) + 1
        ends = said.transition in ("resolved", "closed", "retracted")
        return Line(
            self.key,
            alert.rule.value,
            said.transition,
            SEVERITIES[said.severity],
            said.notify,
            said.reason,
            None if ends else alert.criterion,
            now,
            alert.sequence,
            said.stale,
            alert.t,
            alert.id,
        )
