"""Everything that the rules ask of a patient at a moment, worked out anew from the messages each time."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from rules.events import DAY, HOUR, Analyte, Demographics, Drug
from tests.reference.doses import TREATMENTS, Exposure, doses_of, exposures_of, records_of
from tests.reference.patient import context_of, renal_function
from tests.reference.results import CA, MG, Draw, Entry, K, Key, speakers

D = Decimal
WARNING, HIGH, CRITICAL = 1, 2, 3


@dataclass
class Held:
    """What an alert of 4.2 holds fast: the first dose of its exposure, and the magnesiums that it stood on."""

    dose: Key
    draws: set[Key]
    open: bool


class Chart:
    """
    A patient at `now`, over what had come by `upto` in its present versions and verdicts.

    `draws` are all of today (`results.present`), so that a look back sees them as they are now.
    """

    def __init__(self, entries: list[Entry], who: Demographics, upto: int, now: int, draws: list[Draw]) -> None:
        self.now = now
        self.back = any(entry.came > upto for entry in entries) or any(entry.now > now for entry in entries)
        self.entries = [entry for entry in entries if entry.came <= upto]
        self.draws = [draw for draw in draws if draw.came is None or draw.came <= upto]
        self.context = context_of(self.entries, who)
        self.counted: dict[Analyte, list[Draw]] = defaultdict(list)
        self.all: dict[Analyte, list[Draw]] = defaultdict(list)
        for (analyte, _), draw in sorted(speakers(each for each in self.draws if each.came is not None).items()):
            self.all[analyte].append(draw)
            if draw.verdict != "invalid":
                self.counted[analyte].append(draw)
        self.records = records_of(entries, upto)
        self.exposures = exposures_of(self.records, self.context.discharges, now)
        self.renal = renal_function(self.counted, self.context, now)
        self.impaired = self.renal == "impaired"
        self.child = self.context.child(now)

    @property
    def k(self) -> list[Draw]:
        """Counted potassiums, oldest first."""
        return self.counted[K]

    @property
    def mg(self) -> list[Draw]:
        """Counted magnesiums, oldest first."""
        return self.counted[MG]

    def valid(self, analyte: Analyte) -> list[Draw]:
        """The valid ones, oldest first."""
        return [draw for draw in self.counted[analyte] if draw.verdict == "valid"]

    def last(self, analyte: Analyte, before: int, within: int) -> Draw | None:
        """The last counted one in [before - within, before)."""
        found = [draw for draw in self.counted[analyte] if before - within <= draw.t < before]
        return found[-1] if found else None

    # 4.1: what was given

    @cached_property
    def treatments(self) -> list[tuple[int, int, int]]:
        """(t_T, from, until) of every potassium-lowering treatment; from and until in hours."""
        found = []
        given = [each for each in self.records if not each.intention and each.drug in TREATMENTS]
        for drug, (low, high) in TREATMENTS.items():
            doses = doses_of([each for each in given if each.drug is drug], self.context.discharges, self.now)
            found += [(dose.s, low, high) for dose in doses]
        return found + [(each.ended_at, 1, 6) for each in self.context.dialyses]

    def recent_magnesium(self, t: int) -> Draw | None:
        """The newest recent magnesium as of a potassium drawn at *t* (RULES.md 4.1)."""
        found = [draw for draw in self.valid(MG) if draw.t >= t - 24 * HOUR and not self._stale(draw, t)]
        found = [draw for draw in found if "time_degraded" not in draw.newest.flags]
        return found[-1] if found else None

    def _stale(self, draw: Draw, t: int) -> bool:
        if any(draw.t < session.started_at <= t for session in self.context.dialyses):
            return True
        return draw.v < D("0.695") and any(draw.t < s <= t for s in self.dose_starts)

    @cached_property
    def dose_starts(self) -> list[int]:
        """When parenteral magnesium doses and infusions started."""
        given = [
            each for each in self.records if each.drug is Drug.MAGNESIUM and each.parenteral and not each.intention
        ]
        return [dose.s for dose in doses_of(given, self.context.discharges, self.now)]

    def magnesium_pending(self, t: int) -> bool:
        """A magnesium drawn (no draw time: ordered) at or after t - 24 h is pending."""
        if any(d.pending and d.newest.analyte is MG and d.t >= t - 24 * HOUR for d in self.draws):
            return True
        results = [each for entry in self.entries for each in entry.event.results if each.analyte is MG]
        numbers = {each.order_number for each in results} | {each.placer_order_number for each in results}
        orders = [each for entry in self.entries for each in entry.event.magnesium_orders]
        ordered = {each.order_number: each for each in sorted(orders, key=lambda each: each.received_at)}
        return any(
            each.ordered_at >= t - 24 * HOUR
            and not each.cancelled
            and not ({each.order_number, each.placer_order_number} - {""}) & numbers
            for each in ordered.values()
        )

    def digoxin(self, t: int) -> bool:
        """Digoxin given or ordered, or its level > 2.0 ng/mL, at t - 48 h or later (impaired: 7 days)."""
        since = t - (7 * DAY if self.impaired else 48 * HOUR)
        given = any(each.drug is Drug.DIGOXIN and each.started_at >= since for each in self.records)
        return given or any(draw.t >= since and draw.v > D("2.0") for draw in self.counted[Analyte.DIGOXIN])

    def low_calcium(self, t: int, within: int) -> bool:
        """A valid total calcium < 1.9 mmol/L within *within* of *t*, before or after."""
        return any(abs(draw.t - t) <= within and draw.v < D("1.9") for draw in self.valid(CA))

    # 4.2: whose exposure

    def window(self, exposure: Exposure) -> int | None:
        """Until when a magnesium belongs to the exposure; None: it runs."""
        if exposure.e is None:
            return None
        return exposure.e + (24 if self.renal == "known" else 48) * HOUR

    def owner(self, draw: Draw, held: list[Held]) -> Exposure | None:
        """The exposure that a magnesium belongs to: that of an alert that stood on it, else the latest that matches."""
        for each in held:
            if draw.key in each.draws:
                for exposure in self.exposures:
                    if each.dose in exposure.keys:
                        return exposure
                # Its dose was deleted: the alert goes on with the exposure of the newest that it stood on.
                mine = [other for other in self.mg if other.key in each.draws] if each.open else []
                for other in sorted(mine, key=lambda one: (one.t, one.key), reverse=True):
                    if (matching := self.matching(other)) is not None:
                        return matching
        return self.matching(draw)

    def matching(self, draw: Draw) -> Exposure | None:
        """The latest exposure in whose time a magnesium was drawn."""
        for exposure in reversed(self.exposures):
            until = self.window(exposure)
            if exposure.s <= draw.t and (until is None or draw.t <= until):
                return exposure
        return None

    @property
    def profile(self) -> str:
        """`general`, `renal`, `obstetric` or `obstetric renal`."""
        if not self.context.obstetric:
            return "renal" if self.impaired else "general"
        recent = [draw for draw in self.counted[Analyte.CREATININE] if draw.t >= self.now - 7 * DAY]
        high = bool(recent) and recent[-1].v >= 97
        return "obstetric renal" if high or self.impaired else "obstetric"

    def level(self, value: Decimal) -> int:
        """0 or the severity of a magnesium by the ladder of the patient's profile."""
        steps = {
            "general": (value >= D("1.5"), value >= D("2.0"), value >= D("2.5")),
            "renal": (value >= D("1.25"), value >= D("1.5"), value >= D("2.0")),
            "obstetric": (value > D("3.5"), value >= D("4.0"), value >= D("5.0")),
            "obstetric renal": (value > D("3.0"), value > D("3.5"), value >= D("4.0")),
        }
        return sum(steps[self.profile])

    @property
    def warning(self) -> Decimal:
        """The figure of the profile's warning."""
        return {"general": D("1.5"), "renal": D("1.25"), "obstetric": D("3.5"), "obstetric renal": D("3.0")}[
            self.profile
        ]


def silent(draws: list[Draw], t: int) -> int:
    """When 48 h have gone by without a draw, from *t* on."""
    last = t
    for draw in draws:
        if last < draw.t < last + 48 * HOUR:
            last = draw.t
    return last + 48 * HOUR
