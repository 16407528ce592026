"""RULES.md 5 (one message, one page) and 7, plainly: what is said of each alert, and who notifies."""

from decimal import Decimal
from typing import NamedTuple

from rules.alert import Rule
from rules.events import HOUR
from tests.reference import companions as other
from tests.reference import magnesium as mag
from tests.reference.alert import Alert, findings
from tests.reference.chart import CRITICAL, HIGH, Chart, Held
from tests.reference.hyperkalemia import LOW_MAGNESIUM, REFRACTORY, Finding
from tests.reference.results import Draw, Key

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


class Said:
    """What this moment says of one alert, until it is known who speaks."""

    def __init__(self, alert: Alert, transition: str, finding: Finding | None, reason: str | None = None) -> None:
        self.alert, self.transition, self.finding, self.reason = alert, transition, finding, reason
        self.severity = alert.severity if finding is None else finding.severity
        self.notify = False
        self.stale = False


class Speaker:
    """The alerts of one patient, and what is said of them at one moment."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.now = 0
        self.open: list[Alert] = []
        self.ended: list[Alert] = []
        self.sequences: dict[Key, int] = {}

    def _held(self) -> list[Held]:
        alerts = [alert for alert in self.ended + self.open if alert.rule is mag.POST_INFUSION]
        return [Held(alert.dose, alert.stood_on, alert.ended is None) for alert in alerts if alert.ended != "retracted"]

    def _end(self, alert: Alert, reason: str, draws: tuple[Draw, ...]) -> None:
        alert.ended, alert.ended_at, alert.ender = reason, self.now, draws
        self.open = [each for each in self.open if each is not alert]
        self.ended.append(alert)

    def _raise(self, finding: Finding, again: "Alert | bool | None") -> Said:
        """A new alert; or an old one again, under its id, which begins anew."""
        name: Key = (self.key, finding.rule, finding.key)
        triggers: set[Key] = set()
        if isinstance(again, Alert):
            self.ended = [each for each in self.ended if each is not again]
            name, triggers = again.id, again.triggers
        alert = Alert(
            name,
            finding.rule,
            finding.scope,
            finding.severity,
            None,
            finding.key,
            finding.t,
            None,
            set(),
            finding.first,
        )
        alert.since, alert.triggers = self.now, triggers
        self._stand(alert, finding)
        self.open.append(alert)
        return Said(alert, "raised", finding)

    def _stand(self, alert: Alert, finding: Finding) -> None:
        """Let an alert stand on a finding."""
        alert.triggers = alert.triggers | {finding.key}
        if finding.t >= alert.t:
            alert.key, alert.t = finding.key, finding.t
        if alert.dose not in finding.exposure:
            alert.dose = finding.first
        alert.stood_on = alert.stood_on | finding.stood_on
        alert.low_t = finding.low.t if finding.low is not None else None

    def _go_on(self, alert: Alert, finding: Finding, chart: Chart) -> list[Said]:
        """What an open alert says of what its rule finds now."""
        new = finding.t > alert.t and finding.key != alert.key
        changed = finding.severity < alert.severity or finding.criterion != alert.criterion
        self._stand(alert, finding)
        if finding.severity > alert.severity:
            alert.since = self.now
            return [Said(alert, "escalated", finding)]
        may = new and finding.severity >= HIGH and not chart.child and not self._stale(finding)
        if may and self._reminds(alert, finding):
            return [Said(alert, "reminded", finding)]
        return [Said(alert, "updated", finding)] if new or changed else []

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
        return self._old(finding.rule, finding.severity, finding.t)

    def _old(self, rule: Rule, severity: int, t: int) -> bool:
        limit = 24 * HOUR if severity == CRITICAL else 12 * HOUR
        return rule not in (other.GAP, other.SPURIOUS) and self.now - t > limit

    def _speak(self, said: list[Said], chart: Chart, superseded: list[Alert], merged: list[Alert] | None) -> None:
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
            elif each.alert.rule is mag.POST_INFUSION and any(
                old.key in each.alert.stood_on and old.highest >= each.severity for old in superseded
            ):
                each.reason = "superseding"
            elif closed and max(closed) >= each.severity:
                each.reason = "continued"
            else:
                candidates.append(each)
        candidates.sort(
            key=lambda each: (-each.severity, ORDER.index(each.alert.rule), each.alert.t, str(each.alert.scope))
        )
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

    def _ungroup(self, speaker: Alert, said: list[Said], chart: Chart) -> None:
        left = [alert for alert in speaker.spoke_for if alert in self.open and alert.last_notified is None]
        speaking = {id(each.alert): each for each in said}
        choice = []
        for alert in left:
            now_said = speaking.get(id(alert))
            if now_said is not None and now_said.transition in ("raised", "escalated", "reminded"):
                continue
            severity = now_said.severity if now_said is not None else alert.severity
            if severity >= HIGH:
                old = now_said.stale if now_said is not None else self._old(alert.rule, severity, alert.t)
                choice.append((old, -severity, ORDER.index(alert.rule), alert, now_said))
        if not choice or chart.child:
            return
        old, _, _, alert, now_said = min(choice, key=lambda each: each[:3])
        mine = next((each for each in findings(chart, self._held()) if alert.is_of(each)), None)
        if now_said is None:
            now_said = Said(alert, "updated", mine)
            now_said.stale, now_said.severity = old, alert.severity
            said.append(now_said)
        if old:
            return
        now_said.transition, now_said.reason, now_said.notify = "reminded", "ungrouped", True
        alert.spoke_for += [each for each in left if each is not alert]

    def _note(self, said: Said) -> None:
        alert, finding = said.alert, said.finding
        if said.transition in ("resolved", "closed", "retracted"):
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

    def _line(self, said: Said, now: int) -> Line:
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
