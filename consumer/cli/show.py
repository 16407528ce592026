"""Alerts as a clinician would read them, for `replay --format table` and `demo`."""

from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from consumer.cloudevent import AlertEvent, utc
from consumer.patients import Judged

STYLES = {
    "critical": "bold white on red",
    "high": "bold red",
    "warning": "yellow",
    "information": "cyan",
}
_MINUTES = 16  # of an ISO time: as far as a reader wants it
_INDENT = "\n" + 18 * " "


class AlertLine(NamedTuple):
    """What is shown of a transition."""

    time: str
    severity: str
    notify: bool
    patient: str
    location: str
    change: str
    rule: str
    reason: str | None
    summary: str
    missing: tuple[str, ...]

    @classmethod
    def of(cls, event: AlertEvent) -> "AlertLine":
        """Return what is shown of an alert event."""
        data = event.data
        return cls(
            event.time,
            data.severity,
            data.notify,
            data.patient.key,
            data.patient.location,
            data.transition.value,
            data.rule.value,
            data.reason,
            data.summary,
            data.missing,
        )

    @classmethod
    def judged(cls, judged: Judged) -> "AlertLine":
        """Return what is shown of a transition that was not published."""
        one = judged.transition
        return cls(
            utc(one.time),
            one.severity.label,
            one.notify,
            one.patient.key,
            one.location,
            one.change.value,
            one.rule.value,
            one.reason,
            one.summary,
            one.missing,
        )


def alert_line(line: AlertLine) -> Text:
    """Return one transition in a few words: when, how bad, who, what happened, the summary, what is missing."""
    text = Text()
    text.append(line.time[:_MINUTES].replace("T", " ") + "  ", style="dim")
    text.append(f"{line.severity.upper():^13}", style=STYLES[line.severity])
    text.append(" PAGE " if line.notify else "      ", style="bold red")
    text.append(f"{line.patient}", style="bold")
    text.append(f" {line.location.replace('^', ' ')}  ", style="dim")
    text.append(line.change, style="bold")
    text.append(f" {line.rule}")
    if line.reason:
        text.append(f" ({line.reason.replace('_', ' ')})", style="dim")
    if line.summary:
        text.append(_INDENT + line.summary)
    if line.missing:
        text.append(f"{_INDENT}missing: {'; '.join(line.missing)}", style="dim")
    return text


def alerts_table(console: Console, judged: Iterable[Judged]) -> int:
    """Print transitions as they come; return how many there were."""
    number = pages = 0
    for one in judged:
        console.print(alert_line(AlertLine.judged(one)), soft_wrap=True, highlight=False)
        number += 1
        pages += one.transition.notify
    console.print(f"{number} transitions, {pages} of them page somebody", style="dim")
    return number
