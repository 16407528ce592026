"""
An alert's words and shape.

Severities, transitions, reasons, and what one transition says (RULES.md 7, DESIGN.md 2).
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple

from rules.events import Instant, Patient, Result


class Severity(IntEnum):
    """RULES.md 4: information < warning < high < critical."""

    INFORMATION = 0
    WARNING = 1
    HIGH = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        """The word that an alert event carries."""
        return self.name.lower()


class Rule(StrEnum):
    """Every rule, in the order in which ties are broken (RULES.md 5)."""

    POST_INFUSION_HYPERMAGNESEMIA = "post-infusion-hypermagnesemia"
    HYPERMAGNESEMIA_EXPOSURE_UNKNOWN = "hypermagnesemia-exposure-unknown"
    REFRACTORY_HYPERKALEMIA = "refractory-hyperkalemia-no-magnesium"
    HYPERKALEMIA_LOW_MAGNESIUM = "hyperkalemia-low-magnesium"
    HYPERKALEMIA_AFTER_MAGNESIUM = "hyperkalemia-after-magnesium"
    REFRACTORY_HYPOKALEMIA = "refractory-hypokalemia-magnesium"
    MAGNESIUM_MONITORING_GAP = "magnesium-monitoring-gap"
    HYPOCALCEMIA_AFTER_MAGNESIUM = "hypocalcemia-after-magnesium"
    SPURIOUS_POTASSIUM = "spurious-potassium"


class Change(StrEnum):
    """The transitions of RULES.md 7."""

    RAISED = "raised"
    ESCALATED = "escalated"
    REMINDED = "reminded"
    UPDATED = "updated"
    RESOLVED = "resolved"
    RETRACTED = "retracted"
    CLOSED = "closed"


class Evidence(NamedTuple):
    """A result that an alert stands on, with its verdict: ``valid``, ``suspect``, ``invalid`` or ``not counted``."""

    result: Result
    specimen: str


class Transition(NamedTuple):
    """
    One transition of one alert.

    All that its event says, save the envelope, `published_at`, cause and service version.
    """

    alert_id: str
    sequence: int
    change: Change
    rule: Rule
    rule_version: str
    severity: Severity
    notify: bool
    stale: bool
    mode: str  # "active" or "shadow"
    reason: str | None
    criterion: str | None
    patient: Patient
    visit_number: str
    location: str
    summary: str
    considerations: tuple[str, ...]
    evidence_grade: str
    evidence: tuple[Evidence, ...]
    context: dict[str, object]  # renal_function, risk_factors, population, history_incomplete, exposure ...: plain JSON
    missing: tuple[str, ...]
    thresholds: dict[str, str]
    resolves_when: str
    related: tuple[str, ...]
    continues: tuple[str, ...]
    opened_at: Instant
    observed_at: Instant | None  # draw of the trigger
    observed_offset: int
    received_at: Instant  # of the message that caused it; of a timer: the instant it was due
    time: Instant
    rulebook: str = ""  # hash of the one that raised the alert
    timer: str | None = None  # "hold", "gap", "expiry" ...: the cause when it was no message
