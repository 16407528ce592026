"""
A patient's chart: what the rules read, derived from the stored facts at one moment.

A chart is made anew for each judgement; its parts are those of `rules/parts.py`, and here is what a rule asks of them.
`known_by` gives the chart as it would have stood with the first so many of the patient's events (RULES.md 7,
retraction).
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TypeVar

from rules.alert import Rule
from rules.draws import Draw
from rules.events import Instant
from rules.exposure import key_text
from rules.parts import NOTHING, Parts
from rules.patient import Alert, PatientState
from rules.rulebook import Rulebook

T = TypeVar("T")

OF_ALERTS = (
    *("alerts", "holds", "stood_on", "owned"),
    *(rule.value for rule in Rule),  # what each finds
)
"""What of a chart rests on alerts and holds."""


class Chart(Parts):
    """All that a rule may ask of one patient at ``now``."""

    def follows(self, state: PatientState | None, rulebook: Rulebook) -> bool:
        """Say whether the judgement that this is the chart of gave just this *state*, by this rulebook."""
        return self.state is state and self.rulebook is rulebook

    def closed(self, state: PatientState) -> "Chart":
        """Return this chart as the next one takes it up, over what was kept in the end; it lets go of its own past."""
        self.state = state
        self.before = NOTHING
        self.words = {}
        return self

    def known_by(self, count: int, now: Instant) -> "Chart":
        """
        Return the chart at *now* with what had come by the patient's event *count*.

        Results and administrations are those, in their present versions and verdicts.
        """
        return Chart(self.state, now, self.rulebook, base=self, count=count)

    def with_state(self, state: PatientState) -> "Chart":
        """Return this chart over *state*, which differs in alerts and holds alone."""
        chart = Chart.__new__(Chart)
        chart.__dict__.update(self.__dict__ | {"state": state, "before": self.__dict__})
        for name in OF_ALERTS:
            chart.__dict__.pop(name, None)
        return chart

    def named(self, name: str) -> Draw | None:
        """Return the speaking potassium or magnesium, or the counted calcium, of that `Draw.key`; None without it."""
        analytes = (self.all_potassium, self.all_magnesium, self.calcium, self.ionized)
        return next((draw for draws in analytes if (draw := draws.named(name)) is not None), None)

    def dose_came(self, dose: str) -> tuple[int, Instant, Instant]:
        """Return the event that first told of the dose named *dose*, when that was received last, and its RXA-3."""
        entry = next(e for e in self.administrations if key_text(e.administration) == dose)
        return entry.came, entry.administration.received_at, entry.administration.started_at

    def told(self, name: tuple[str, ...], compute: Callable[[], T]) -> T:
        """Return what the words of this moment make of something, once; nothing of it is taken over."""
        told = self.words
        if name not in told:
            told[name] = compute()
        return told[name]  # type: ignore[no-any-return]

    # Magnesium, as two rules ask for it

    def recent_magnesiums(self, t_n: Instant, least: Decimal = Decimal(0)) -> Iterator[Draw]:
        """
        Yield the valid total magnesiums that are *recent* for a potassium drawn at *t_n*, newest first (RULES.md 4.1).

        Those below *least* (mmol/L) are passed over.

        Drawn at or after t_n - 24 h, at a known time, and not stale: not before a dialysis that started by t_n, nor
        (when low) before a parenteral magnesium dose that started by t_n.
        """
        since = t_n - self.rulebook.magnesium_recent
        magnesium = self.magnesium
        for n in range(len(magnesium) - 1, -1, -1):
            if magnesium.at[n] < since:
                return
            if magnesium.values[n] >= least and self._stands(magnesium[n], t_n):
                yield magnesium[n]

    def recent_magnesium(self, t_n: Instant) -> Draw | None:
        """Return the newest magnesium that is recent (RULES.md 4.1), or None."""
        return next(self.recent_magnesiums(t_n), None)

    def _stands(self, draw: Draw, t_n: Instant) -> bool:
        return draw.valid and "time_degraded" not in draw.result.flags and not self.stale_magnesium(draw, t_n)

    def stale_magnesium(self, draw: Draw, t_n: Instant) -> bool:
        """
        Say whether *draw* tells nothing of the magnesium at *t_n*.

        A dialysis came after it, or, when it is low, a dose.
        """
        if any(draw.at < session.started_at <= t_n for session in self.dialyses):
            return True
        low = draw.value < self.rulebook.magnesium_low
        return low and any(draw.at < course.start <= t_n for course in self.magnesium_doses)

    def magnesium_pending(self, t_n: Instant) -> bool:
        """Say whether a magnesium drawn (or ordered) at or after t_n - 24 h is pending."""
        return any(at >= t_n - self.rulebook.magnesium_recent for at in self.pending_magnesium_at)

    def magnesium_status(self, t_n: Instant) -> str:
        """Return why there is no recent magnesium: pending, invalid, stale, unmapped, old or never (RULES.md 4.1)."""
        since = t_n - self.rulebook.magnesium_recent
        if self.magnesium_pending(t_n):
            return "pending"
        if any(not draw.valid for draw in self.all_magnesium.since(since)):
            return "invalid"
        if any(self.stale_magnesium(draw, t_n) for draw in self.magnesium.since(since)):
            return "stale"
        unmapped = self.unmapped_magnesium_at
        if unmapped is not None and unmapped >= since:
            return "unmapped"
        return "old" if self.magnesium else "never"

    # Steps that several rules share

    def digoxin_step(self, t_n: Instant) -> bool:
        """
        Say whether digoxin raises the severity.

        Given, ordered, or above 2.0 ng/mL at *t_n* - 48 h or later; 7 days when renal function is impaired.
        """
        newest_at = self.newest_digoxin
        if newest_at is None:
            return False
        book = self.rulebook
        return newest_at >= t_n - (book.digoxin_within_impaired if self.impaired else book.digoxin_within)

    def low_calcium_near(self, at: Instant, within: Instant) -> bool:
        """
        Say whether a valid total calcium below 1.9 mmol/L was drawn within *within* of *at*, before or after.

        A suspect calcium counts for nothing (RULES.md 3).
        """
        return any(at - within <= drawn <= at + within for drawn in self.low_calcium_at)

    def alerts_open(self) -> list[Alert]:
        """Return the patient's open alerts."""
        return [alert for alert in self.state.alerts if alert.ended is None]
