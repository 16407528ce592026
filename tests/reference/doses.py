"""RULES.md 4.1 (treatments) and 4.2 (exposure), plainly: from records of administration to doses and exposures."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from rules.events import HOUR, Administration, Drug
from tests.reference.results import Entry, Key


@dataclass
class Dose:
    """A dose or an infusion. `e` None: it runs. `until`: when an end would be assumed."""

    s: int
    e: int | None
    until: int | None
    keys: set[Key]
    grams: Decimal | None
    stopped: bool = True


@dataclass
class Exposure:
    """Doses of parenteral magnesium less than 6 h apart."""

    s: int
    e: int | None
    until: int | None
    keys: set[Key] = field(default_factory=set)
    grams: Decimal | None = None
    first: Key = ()

    def phase(self, t: int) -> str:
        """`during`, `early` or `post`."""
        if self.e is None or t <= self.e:
            return "during"
        return "early" if t <= self.e + 2 * HOUR else "post"

    def ran(self, t: int) -> int:
        """How long it had run at *t*, or at its end."""
        return (t if self.e is None else min(t, self.e)) - self.s


def key_of(record: Administration) -> Key:
    """A record is order, drug, RXA-3 and whether it has a rate."""
    return (record.order_number, record.drug, record.started_at, record.rate is not None)


def records_of(entries: Iterable[Entry], upto: int) -> list[Administration]:
    """Records given (no orders) that had come by *upto*, each in its newest version, without the deleted ones."""
    newest: dict[Key, Administration] = {}
    came: dict[Key, int] = {}
    for entry in entries:
        for record in entry.event.administrations:
            key = (*key_of(record), record.intention)
            came[key] = min(came.get(key, entry.came), entry.came)
            if key not in newest or record.received_at >= newest[key].received_at:
                newest[key] = record
    return [record for key, record in newest.items() if came[key] <= upto and not record.deleted]


def doses_of(records: Iterable[Administration], discharges: list[int], now: int) -> list[Dose]:
    """The doses and infusions of some records of one drug."""
    orders: dict[Key, list[Administration]] = defaultdict(list)
    for record in records:
        orders[record.order_number, record.drug].append(record)
    found: list[Dose] = []
    for order in orders.values():
        found += _of_order(sorted(order, key=_in_order), discharges, now)
    return sorted(found, key=lambda dose: dose.s)


def _in_order(record: Administration) -> Key:
    runs = record.rate is not None and record.rate > 0 and record.ended_at is None
    return (record.started_at if record.ended_at is None else record.ended_at, not runs, record.rate is not None)


def _of_order(records: list[Administration], discharges: list[int], now: int) -> list[Dose]:
    doses: list[Dose] = []
    run: Dose | None = None
    last = 0
    for record in records:
        s, key = record.started_at, key_of(record)
        stop = record.ended_at if record.ended_at is not None else s
        runs = record.rate is not None and record.rate > 0 and record.ended_at is None
        is_stop = record.ended_at is not None or (record.rate is not None and record.rate == 0)
        if run is not None:
            gone = any(last < left <= s for left in discharges)
            if (runs and gone) or (not runs and not is_stop and (gone or s > last + 24 * HOUR)):
                _assume(run, last, discharges, now)
                run = None
        if run is not None and runs:
            last = s
            run.keys.add(key)
        elif run is not None:
            run.s, run.e, run.keys = min(run.s, s), stop, run.keys | {key}
            run.grams = _sum(run.grams, record.grams)
            run = None
        elif runs:
            run, last = Dose(s, None, None, {key}, record.grams, stopped=False), s
            doses.append(run)
        elif record.rate is None or record.rate > 0:
            doses.append(Dose(s, stop, None, {key}, record.grams))
    if run is not None:
        _assume(run, last, discharges, now)
    return doses


def _assume(run: Dose, last: int, discharges: list[int], now: int) -> None:
    """End an infusion without a stop by discharge, or 24 h after its last record."""
    ends = [left for left in discharges if left > last]
    until = min([*ends, last + 24 * HOUR])
    run.until = until
    if until <= now:
        run.e = until


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else one + other


def exposures_of(records: Iterable[Administration], discharges: list[int], now: int) -> list[Exposure]:
    """The exposures, oldest first."""
    given = [record for record in records if record.drug is Drug.MAGNESIUM and record.parenteral and not record.intention]
    found: list[Exposure] = []
    for dose in doses_of(given, discharges, now):
        last = found[-1] if found else None
        if last is not None and (last.e is None or dose.s - last.e < 6 * HOUR):
            last.e = None if last.e is None or dose.e is None else max(last.e, dose.e)
            last.until = max((each for each in (last.until, dose.until) if each is not None), default=None)
            last.keys |= dose.keys
            last.grams = _sum(last.grams, dose.grams)
        else:
            first = min(dose.keys, key=lambda key: (key[2], str(key)))[:3]
            found.append(Exposure(dose.s, dose.e, dose.until, set(dose.keys), dose.grams, first))
    return found


TREATMENTS = {
    Drug.INSULIN: (1, 6),
    Drug.BETA2_AGONIST: (1, 6),
    Drug.BICARBONATE: (1, 6),
    Drug.LOOP_DIURETIC: (1, 6),
    Drug.BINDER: (2, 24),
}
"""From and until how many hours later a potassium says that the treatment failed."""
