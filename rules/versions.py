"""
One version of one result, and which of two is the newer (RULES.md 2).

Beside each version stands ``came``, the number of the event of this patient with which it first came, so that an alert
can be judged again as of any moment (RULES.md 7, retraction).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from rules.events import Condition, Instant, Result

RANK = {"W": 8, "D": 7, "X": 6, "C": 5, "A": 4, "B": 4, "V": 4, "F": 3, "U": 3, "P": 2, "S": 2, "R": 1}
"""Status ranks of the version order; the rest have none."""
USABLE = frozenset("FCABVU")
RETRACTING = frozenset("DWX")
PENDING = frozenset("ION")
REVISING = frozenset("CDWXU")
"""A version of one of these is a version of a draw that is known, whatever draw time it carries."""


class StoredResult(NamedTuple):
    """
    A version of a result, with the number of the event that first brought its draw and status.

    ``said`` is what the version's own message said of its tube, and touches it: a clot everything, hemolysis potassium
    and magnesium. A correction that no longer says so takes it back.
    """

    result: Result
    came: int
    said: tuple[Condition, ...] = ()


def identity(result: Result) -> str:
    """Return what makes two versions one result, within a patient: filler order number, code, sub-id (RULES.md 2)."""
    return f"{result.order_number}|{result.observation_identifier}|{result.sub_id}"


def identity_at(result: Result) -> str:
    """Return the identity with the draw time: the name of a triggering result."""
    return f"{identity(result)}|{result.observed_at}"


def drawn_at(name: str) -> Instant | None:
    """Return the draw time in what `identity_at` gave; None of another name, as that of a dose."""
    at = name.rpartition("|")[2]
    return int(at) if at.isdecimal() else None


def version_order(result: Result) -> tuple[Instant, int, Instant, Decimal]:
    """Return the sort key of RULES.md 2: result time, status rank, received_at, value."""
    return (
        result.resulted_at,
        RANK.get(result.status, 0),
        result.received_at,
        result.value if result.value is not None else Decimal(-1),
    )


def draw_order(entry: StoredResult) -> tuple[Instant, Instant, str, str, str, str]:
    """Return the order in which versions are stored: by draw."""
    result = entry.result
    return (
        result.observed_at,
        result.resulted_at,
        result.order_number,
        result.observation_identifier,
        result.sub_id,
        result.status,
    )


def first_came(group: Sequence[StoredResult]) -> int:
    """Return when a draw first came as a result: an announced or provisional one had not come yet."""
    usable = [v.came for v in group if v.result.status in USABLE]
    return min(usable) if usable else min(v.came for v in group)
