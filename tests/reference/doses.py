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
    infusion: bool
    first: Key

    def running(self, now: int, *, back: bool) -> bool:
        """An infusion without an end yet; looking back, one that had not ended."""
        return self.infusion and (self.e is None or (back and self.e > now))


@dataclass
class Exposure:
    """Doses of parenteral magnesium less than 6 h apart."""

    s: int
    e: int | None
    until: int | None
    keys: set[Key] = field(default_factory=set)
    grams: Decimal | None = None
    first: Key = ()
    doses: list[Dose] = field(default_factory=list)

    def running(self, now: int, *, back: bool) -> bool:
        """Any of its infusions runs."""
        return any(dose.running(now, back=back) for dose in self.doses)

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
            if key not in newest or _newer(record) >= _newer(newest[key]):
                newest[key] = record
    return [record for key, record in newest.items() if came[key] <= upto and not record.deleted]


def _newer(record: Administration) -> Key:
    return (record.received_at, record.deleted, record.ended_at or 0, record.grams or 0)


def doses_of(records: Iterable[Administration], discharges: list[int], now: int) -> list[Dose]:
    """The doses and infusions of some records of one drug."""
    orders: dict[Key, list[Administration]] = defaultdict(list)
    for record in records:
        orders[record.order_number, record.drug].append(record)
    found: list[Dose] = []
    for order in orders.values():
        found += _of_order(sorted(order, key=_in_order), discharges, now)
    return sorted(found, key=lambda dose: (dose.s, dose.e or now + 1))


def _in_order(record: Administration) -> Key:
    last = record.started_at if record.ended_at is None else record.ended_at
    return (last, record.started_at, record.rate is None)


def _of_order(records: list[Administration], discharges: list[int], now: int) -> list[Dose]:
    """A record with a rate begins an infusion or goes on with it, whatever end was assumed; any other ends it."""
    doses: list[Dose] = []
    run: Dose | None = None
    last = 0
    for record in records:
        s, key = record.started_at, key_of(record)
        stop = record.ended_at if record.ended_at is not None else s
        runs = record.rate is not None and record.rate > 0 and record.ended_at is None
        if run is None and runs:
            run = Dose(s, None, None, {key}, record.grams, infusion=True, first=key)
            doses.append(run)
        elif run is None:
            if record.rate is None or record.rate > 0 or record.ended_at is not None:
                doses.append(Dose(s, stop, None, {key}, record.grams, record.rate is not None, key))
        else:
            run.s, run.keys, run.grams = min(run.s, s), run.keys | {key}, _sum(run.grams, record.grams)
            if not runs:
                run.e, run = stop, None
        last = s if runs else last
    if run is not None:
        run.until = min([left for left in discharges if left >= last] + [last + 24 * HOUR])
        run.e = run.until if run.until <= now else None
    return doses


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else one + other


def exposures_of(records: Iterable[Administration], discharges: list[int], now: int) -> list[Exposure]:
    """The exposures, oldest first."""
    given = [
        record for record in records if record.drug is Drug.MAGNESIUM and record.parenteral and not record.intention
    ]
    found: list[Exposure] = []
    for dose in doses_of(given, discharges, now):
        last = found[-1] if found else None
        if last is not None and (last.e is None or dose.s - last.e < 6 * HOUR):
            last.e = None if last.e is None or dose.e is None else max(last.e, dose.e)
            last.until = max((each for each in (last.until, dose.until) if each is not None), default=None)
            last.keys |= dose.keys
            last.grams = _sum(last.grams, dose.grams)
            last.doses.append(dose)
        else:
            found.append(Exposure(dose.s, dose.e, dose.until, set(dose.keys), dose.grams, dose.first, [dose]))
    return found


TREATMENTS = {
    Drug.INSULIN: (1, 6),
    Drug.BETA2_AGONIST: (1, 6),
    Drug.BICARBONATE: (1, 6),
    Drug.LOOP_DIURETIC: (1, 6),
    Drug.BINDER: (2, 24),
}
"""From and until how many hours later a potassium says that the treatment failed."""
