"""The one door to the rules: judge a message, a timer, a merge (RULES.md 7, 8)."""

from typing import NamedTuple

from rules.alert import Transition
from rules.events import Instant, PatientEvent
from rules.patient import PatientState
from rules.rulebook import Rulebook


class Judgement(NamedTuple):
    """
    What judging gave.

    ``state`` None: retire the patient (tombstone). ``next_due``: the next timer, or None. ``awaits_catch_up``: an alert
    was silent only because the task is catching up (2: a critical one, 1: a high one, 0: none). ``dropped``: results
    dropped beyond the limit of 400.
    """

    state: PatientState | None
    transitions: tuple[Transition, ...]
    next_due: Instant | None
    awaits_catch_up: int = 0
    dropped: int = 0


class Departure(NamedTuple):
    """The retired side of a merge: its closed alerts, and the history that goes to the surviving key (None: nothing known)."""

    transitions: tuple[Transition, ...]
    history: PatientState | None
