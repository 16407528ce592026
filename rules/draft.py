"""A transition being settled, and what a change of an alert rests on: the shapes of an alert's life (RULES.md 7)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from rules.alert import Change, Rule, Severity
from rules.chart import Chart
from rules.events import DAY, Instant
from rules.finding import End, Finding
from rules.patient import Alert, PatientState
from rules.rulebook import Rulebook

TIMELESS = frozenset((Rule.MAGNESIUM_MONITORING_GAP, Rule.SPURIOUS_POTASSIUM))
"""Rules without an age limit (RULES.md 7)."""


class Occasion(NamedTuple):
    """Why a patient is judged now."""

    received_at: Instant
    timer: str | None = None  # the cause when it was no message
    withdrew: Callable[[], str] = lambda: "invalidated"  # what the message did, asked when a finding is gone
    discharged: bool = False  # this message is a discharge that counts
    catching_up: bool = False
    merged: tuple[Alert, ...] = ()  # what the merge closed under the retired key
    behind: Instant | None = None  # how far the feed is behind, when a stuck watermark was overruled


@dataclass(slots=True)
class Draft:
    """A transition being settled: the alert as it will be stored, and what its event will say."""

    alert: Alert
    change: Change
    finding: Finding | None = None
    notify: bool = False
    stale: bool = False
    reason: str | None = None
    related: tuple[str, ...] = ()
    ended: End | None = None
    wants: bool = field(default=False)  # high or critical, fresh, active: it would notify if nothing stood against it


class Lived(NamedTuple):
    """The state after judging, the drafts in order of rule, and until when findings are still held."""

    state: PatientState
    drafts: list[Draft]
    held_until: list[Instant]


def is_stale(found: Finding | Alert, chart: Chart) -> bool:
    """Say whether the trigger is too old to page anybody: more than 12 h, critical 24 h (RULES.md 7, Age limit)."""
    if found.rule in TIMELESS:
        return False
    book = chart.rulebook
    limit = book.stale_after_critical if found.severity is Severity.CRITICAL else book.stale_after
    return chart.now - found.trigger_at > limit


def version_of(rulebook: Rulebook) -> str:
    """Name the rulebook as it is stored with each alert: the digits of its hash."""
    return rulebook.fingerprint().removeprefix("sha256:")


def continued(occasion: Occasion, rule: Rule) -> tuple[str, ...]:
    """Name the alerts of *rule* that the merge closed under the retired key (RULES.md 7)."""
    return tuple(alert.alert_id for alert in occasion.merged if alert.rule is rule)


def notified(alert: Alert, finding: Finding | None, now: Instant, *, reminder: bool) -> Alert:
    """Return the alert after it has notified."""
    worst = alert.worst_notified
    value = finding.value if finding is not None else None
    if value is not None:
        worse = min if alert.rule is Rule.REFRACTORY_HYPOKALEMIA else max
        worst = value if worst is None else worse(worst, value)
    reminders = tuple(at for at in alert.notified_at if now - at < DAY)
    return alert._replace(
        last_notified_at=now,
        notified_at=(*reminders, now) if reminder else reminders,
        notified_severity=max(alert.severity, alert.notified_severity or alert.severity),
        worst_notified=worst,
        awaits_catch_up=False,
    )
