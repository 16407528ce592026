"""What a rule finds, and what ends an alert: the shapes between the rule families and an alert's life."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from rules.alert import Change, Rule, Severity
from rules.chart import Chart
from rules.draws import Draw
from rules.events import Instant
from rules.exposure import Exposure
from rules.patient import HoldMark

NO_HOLD: Instant = 0
"""The end of a hold that there is none of: it has passed by every clock, the watermark's too."""


class Claim(Protocol):
    """What an end is judged against: an open alert, or a finding that might become one."""

    @property
    def subject(self) -> str:
        """What tells alerts of one rule apart: an exposure, an analyte, a specimen; empty where there is one alert."""

    @property
    def trigger(self) -> str:
        """Identity of the triggering result (or first dose)."""

    @property
    def trigger_at(self) -> Instant:
        """Draw of the trigger."""

    @property
    def used_at(self) -> Instant | None:
        """Draw of the low magnesium that the finding used."""

    @property
    def stood_on(self) -> tuple[str, ...]:
        """Results of its exposure that it stands on; of `magnesium-monitoring-gap`, its doses."""


class Finding(NamedTuple):
    """What a rule found at a chart's ``now``."""

    rule: Rule
    trigger: str
    trigger_at: Instant
    severity: Severity
    evidence: Sequence[Draw]  # the trigger first
    subject: str = ""
    criterion: str | None = None
    held_until: Instant | None = None
    used_at: Instant | None = None
    stood_on: tuple[str, ...] = ()
    value: Decimal | None = None  # of the trigger, for "markedly worse"; None where there is no such step
    exposure: Exposure | None = None
    notes: Mapping[str, object] = {}
    """
    Facts for the words, by name. ``worst``: the result that the severity is by, where that is another than the trigger
    (the highest potassium of an episode, the highest magnesium of an exposure, the lowest potassium of a run);
    ``steps``: what raised it by a step.
    """


class End(NamedTuple):
    """How an alert ends: its transition, its reason, and the results that ended it."""

    change: Change
    reason: str
    by: tuple[Draw, ...] = ()


class Family(Protocol):
    """A rule: what it finds, what ends its alerts (RULES.md 7), and when the next moment comes for either to change."""

    rule: Rule

    def findings(self, chart: Chart) -> list[Finding]:
        """Return what stands at the chart's ``now``; ends that have come are not looked at here."""

    def end(self, chart: Chart, claim: Claim) -> End | None:
        """Return the first end that has come for *claim*, in the order of its rule (RULES.md 7), or None."""

    def expiry(self, chart: Chart, claim: Claim) -> Instant | None:
        """Return when an alert on *claim* expires if nothing more comes."""

    def anchor(self, chart: Chart) -> Instant | None:
        """
        Return the draw of the newest refractory potassium, whatever magnesium is known with it.

        A draw that ends an alert must be later than this, where it is known (RULES.md 7); None: than its own trigger.
        """

    def marks(self, chart: Chart) -> list[HoldMark]:
        """Return the hold marks to set at this ``now`` (RULES.md 4.1, Hold)."""

    def hold_until(self, chart: Chart) -> Instant | None:
        """Return when the hold of the newest trigger ends, whether magnesium is known or not; None without a mark."""

    def due(self, chart: Chart) -> Instant | None:
        """Return a later moment at which a finding may appear without any message, or None."""


def ended_by(draw: Draw) -> str:
    """Name a result and its value, so that a later look can tell whether it still says the same."""
    return f"{draw.key}={draw.value}"


def result_of(name: str) -> str:
    """Return the name of the result in what `ended_by` gave."""
    return name.rpartition("=")[0]


def resolved(reason: str, *draws: Draw) -> End:
    """Return a resolution, by *draws* where results brought it."""
    return End(Change.RESOLVED, reason, draws)


EXPIRED = End(Change.CLOSED, "expired")


def silence(draws: Sequence[Draw], since: Instant, limit: Instant) -> tuple[Instant, list[Draw]]:
    """
    Return when *limit* without a draw has passed after *since*, and the draws until then (RULES.md 7, `expired`).

    Args:
        draws: Oldest first; those at or before *since* are passed over.
        since: The draw from which the silence is counted first.
        limit: How long nothing may come.
    """
    last = since
    until: list[Draw] = []
    for draw in draws:
        if draw.at <= since:
            continue
        if draw.at - last >= limit:
            break
        last = draw.at
        until.append(draw)
    return last + limit, until


def step_up(severity: Severity, *, when: bool) -> Severity:
    """Return *severity* one step higher when *when* holds, at most critical (RULES.md 4, 4.1, 4.2, 5)."""
    return Severity(min(severity + 1, Severity.CRITICAL)) if when else severity


class Plain:
    """A family without holds and timers of its own: what most of them share."""

    def marks(self, chart: Chart) -> list[HoldMark]:  # noqa: ARG002  (the protocol's shape)
        """Return no hold marks."""
        return []

    def hold_until(self, chart: Chart) -> Instant | None:  # noqa: ARG002
        """Return None: nothing is held."""
        return None

    def anchor(self, chart: Chart) -> Instant | None:  # noqa: ARG002
        """Return None: an alert's own trigger is what an end must be later than."""
        return None

    def due(self, chart: Chart) -> Instant | None:  # noqa: ARG002
        """Return None: nothing appears without a message."""
        return None
