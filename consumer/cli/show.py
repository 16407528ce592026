"""Alerts as a clinician would read them, for `replay --format table` and `demo`."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from consumer.cloudevent import utc
from consumer.patients import Judged
from rules.alert import Severity, Transition

STYLES = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFORMATION: "cyan",
}
_MINUTES = 16  # of an ISO time: as far as a reader wants it


def alert_line(transition: Transition) -> Text:
    """Return one transition in a few words: when, how bad, who, what happened, the summary, what is missing."""
    line = Text()
    line.append(utc(transition.time)[:_MINUTES].replace("T", " ") + "  ", style="dim")
    line.append(f"{transition.severity.label.upper():^11}", style=STYLES[transition.severity])
    bell = " * " if transition.notify else "   "
    line.append(bell, style="bold red")
    line.append(f"{transition.patient.key}  ", style="bold")
    line.append(f"{transition.change.value}", style="underline")
    line.append(f" {transition.rule.value}")
    if transition.reason:
        line.append(f" ({transition.reason.replace('_', ' ')})", style="dim")
    line.append(f"\n                    {transition.summary}")
    if transition.missing:
        line.append(f"\n                    missing: {'; '.join(transition.missing)}", style="dim")
    return line


def alerts_table(console: Console, judged: Iterable[Judged]) -> int:
    """Print transitions as they come; return how many there were."""
    number = 0
    for transition, _ in judged:
        console.print(alert_line(transition), soft_wrap=True, highlight=False)
        number += 1
    console.print(f"{number} transitions ({'*'} pages somebody)", style="dim")
    return number
