"""What a home of patients is told and tells: its settings, what was judged, what failed."""

from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from consumer.errors import CorruptRecord
from consumer.wire import PatientRecord, Waiting
from rules.alert import Transition
from rules.events import DAY, HOUR, Patient, Source

ALIAS_KEPT: Final = 400 * DAY
"""A merge may be sent again, or late results come, for as long as a year after it (DESIGN.md 1)."""

PARKED: Final = HOUR
"""A timer whose rule raised an exception is tried again after this long."""

HOLD: Final = "hold"
"""What the rules call the timer that ends a hold."""


JUDGE_ERROR: Final = "judge_error"
PUMP_UNBOUND: Final = "pump_unbound"
NO_ROOM: Final = "no_room"


class Clock(StrEnum):
    """Where time comes from (RULES.md 8)."""

    LIVE = "live"
    RECORDS = "records"
    FILES = "files"


class Judged(NamedTuple):
    """A transition, and the message that caused it (None: a timer)."""

    transition: Transition
    source: Source | None


QUARANTINED: Final = "quarantined"
"""The patient's stored state can't be read: nothing is judged for them until it is erased or mended."""


class Failure(NamedTuple):
    """An event (None: a timer) that a rule could not judge; the state stays as it was."""

    patient: Patient
    waiting: Waiting | None
    error: Exception

    @property
    def reason(self) -> str:
        """Why it is a dead letter."""
        if isinstance(self.error, CorruptRecord):
            return QUARANTINED
        if isinstance(self.error, NoRoom):
            return NO_ROOM
        return PUMP_UNBOUND if isinstance(self.error, PumpUnbound) else JUDGE_ERROR


class PumpUnbound(Exception):
    """A pump's event names an order of which nobody has told for whom it is; the class's name is all that is told."""


class NoRoom(Exception):
    """More waits of a patient than is kept (`consumer.spill`), or a record is too large to be sent on."""


class AliasHomes(NamedTuple):
    """The events partitions from which aliases lead to a patient, and over how many of them one after another."""

    partitions: frozenset[int]
    aliases: int


class Settings(NamedTuple):
    """What a home needs to know besides the rulebook."""

    clock: Clock
    partition: int = 0
    partitions: int = 1
    events_topic: str = "lab-alert.events"
    state_bytes: int = 2_000_000
    """What a stored patient may weigh (KAFKA.md W3); `consumer/app.py` gives it by what the state topic takes."""

    alias_kept: int = ALIAS_KEPT


class Load(Protocol):
    """Where patients come from that have not been touched since the last commit."""

    def __call__(self, key: str) -> PatientRecord | None:
        """Return the stored patient, or None."""
