"""
A patient's chart: what the rules read, derived from the stored facts at one moment.

A chart is made anew for each judgement and computes each part when it is first asked for. `known_by` gives the chart as
it would have stood with the first so many of the patient's events (RULES.md 7, retraction).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from rules.draws import Draw, Draws
from rules.events import Administration, Analyte, Dialysis, Drug, Instant
from rules.exposure import Course, Exposure, courses, exposures, key_text
from rules.lazy import lazy
from rules.patient import Alert, EncounterFact, PatientState
from rules.renal import RenalFunction, age_years, renal_function
from rules.rulebook import Rulebook
from rules.specimen import Drawn, KnownBy

T = TypeVar("T")

TREATMENTS = (Drug.INSULIN, Drug.BETA2_AGONIST, Drug.BICARBONATE, Drug.BINDER, Drug.LOOP_DIURETIC)
"""Potassium-lowering treatments, dialysis beside them; not calcium, not magnesium (RULES.md 4.1)."""


class Leave:
    """A discharge that counts at the moment, or a death: ``at`` when it was received, ``came`` its event."""

    __slots__ = ("at", "came")

    def __init__(self, at: Instant, came: int) -> None:
        self.at = at
        self.came = came


class Chart:
    """
    All that a rule may ask of one patient at ``now``.

    ``settled`` is the time up to which every message has been judged, ``now`` at the latest: what rests on nothing
    having come (a hold, a gap, an expiry) is asked by it (RULES.md 8).
    """

    def __init__(
        self,
        state: PatientState,
        now: Instant,
        rulebook: Rulebook,
        *,
        base: "Chart | None" = None,
        count: int | None = None,
        settled: Instant | None = None,
    ) -> None:
        self.state = state
        self.now = now
        self.settled = now if settled is None else min(now, settled)
        self.rulebook = rulebook
        self._base = base
        self.known: dict[str, Any] = {}
        self.count = state.seen if count is None else count

    def known_by(self, count: int, now: Instant) -> "Chart":
        """
        Return the chart at *now* with what had come by the patient's event *count*.

        Results and administrations are those, in their present versions and verdicts.
        """
        return Chart(self.state, now, self.rulebook, base=self, count=count)

    @property
    def looks_back(self) -> bool:
        """Say whether this is the chart of a moment that is past (`known_by`)."""
        return self._base is not None

    def with_state(self, state: PatientState) -> "Chart":
        """Return this chart over *state*, which differs in alerts and holds alone."""
        chart = Chart(state, self.now, self.rulebook, base=self._base, count=self.count, settled=self.settled)
        chart.__dict__.update(self.__dict__ | {"state": state})
        return chart

    def once(self, name: str, compute: Callable[["Chart"], T]) -> T:
        """Return what *compute* makes of this chart, computed once under *name*: for what several rules derive."""
        if name not in self.known:
            self.known[name] = compute(self)
        return self.known[name]  # type: ignore[no-any-return]

    # Results

    @lazy
    def _drawn(self) -> Drawn | KnownBy:
        base = self._base
        if base is not None and isinstance(base._drawn, Drawn):  # noqa: SLF001  (another chart)
            return KnownBy(base._drawn, self.count)  # noqa: SLF001
        return Drawn(self.state.results, self.state.tubes, self.rulebook)

    def may_reach(self, analyte: Analyte, value: Decimal) -> bool:
        """Say whether any stored version of *analyte* may be at *value* or above: a bound, without looking at one."""
        series = self.state.results.series.get(analyte)
        return series is not None and series.columns.highest is not None and series.columns.highest >= value

    def may_lie_below(self, analyte: Analyte, value: Decimal) -> bool:
        """Say whether any stored version of *analyte* may be below *value*: a bound, without looking at one."""
        series = self.state.results.series.get(analyte)
        return series is not None and series.columns.lowest is not None and series.columns.lowest < value

    def _counted(self, analyte: Analyte) -> Draws:
        return self._drawn.of(analyte).counted()

    @lazy
    def all_potassium(self) -> Draws:
        """Return the speaking potassiums, invalid ones too."""
        return self._drawn.of(Analyte.POTASSIUM)

    @lazy
    def potassium(self) -> Draws:
        """Return the counted potassiums, oldest first, one a specimen."""
        return self._counted(Analyte.POTASSIUM)

    @lazy
    def all_magnesium(self) -> Draws:
        """Return the speaking magnesiums, invalid ones too."""
        return self._drawn.of(Analyte.MAGNESIUM)

    @lazy
    def magnesium(self) -> Draws:
        """Return the counted total magnesiums, oldest first."""
        return self._counted(Analyte.MAGNESIUM)

    @lazy
    def calcium(self) -> Draws:
        """Return the counted total calciums, oldest first."""
        return self._counted(Analyte.CALCIUM)

    @lazy
    def ionized(self) -> Draws:
        """Return the counted ionized calciums, oldest first."""
        return self._counted(Analyte.CALCIUM_IONIZED)

    @lazy
    def creatinine(self) -> Draws:
        """Return the counted creatinines, oldest first."""
        return self._counted(Analyte.CREATININE)

    @lazy
    def egfr(self) -> Draws:
        """Return the reported eGFRs that count, oldest first."""
        return self._counted(Analyte.EGFR)

    @lazy
    def digoxin(self) -> Draws:
        """Return the counted digoxin levels, oldest first."""
        return self._counted(Analyte.DIGOXIN)

    def named(self, name: str) -> Draw | None:
        """Return the speaking potassium or magnesium, or the counted calcium, of that `Draw.key`; None without it."""
        analytes = (self.all_potassium, self.all_magnesium, self.calcium, self.ionized)
        return next((draw for draws in analytes if (draw := draws.named(name)) is not None), None)

    @lazy
    def pending_magnesium_at(self) -> list[Instant]:
        """Return when each pending magnesium was drawn, or ordered where no draw is known."""
        return [entry.result.observed_at for entry in self._drawn.pending(Analyte.MAGNESIUM)] + [
            order.ordered_at
            for order in self.state.magnesium_orders
            if not order.cancelled and not {order.order_number, order.placer_order_number} & self._answered_orders
        ]

    @lazy
    def _answered_orders(self) -> set[str]:
        numbers: set[str] = set()
        for entry in self.state.results.series.get(Analyte.MAGNESIUM, ()):
            numbers.update((entry.result.order_number, entry.result.placer_order_number))
        numbers.discard("")
        return numbers

    # Administrations and procedures

    def _given(self, drugs: Iterable[Drug], *, intentions: bool = False) -> list[Administration]:
        wanted = frozenset(drugs) if self.state.administrations else ()
        return [
            entry.administration
            for entry in self.state.administrations
            if entry.administration.drug in wanted
            and entry.came <= self.count
            and not entry.administration.deleted
            and (intentions or not entry.administration.intention)
        ]

    @lazy
    def dialyses(self) -> list[Dialysis]:
        """Return the dialysis sessions, by start."""
        return [entry.dialysis for entry in self.state.dialyses if entry.came <= self.count]

    @lazy
    def magnesium_doses(self) -> list[Course]:
        """Return parenteral magnesium: doses and infusions, by start."""
        records = [record for record in self._given((Drug.MAGNESIUM,)) if record.parenteral]
        return courses(records, [d.at for d in self.discharges], self.rulebook) if records else []

    @lazy
    def exposures(self) -> list[Exposure]:
        """Return the exposures to parenteral magnesium, by start."""
        return exposures(self.magnesium_doses, self.rulebook)

    def dose_came(self, dose: str) -> tuple[int, Instant]:
        """Return the number of the event that first told of the dose named *dose*, and when it was received last."""
        stored = self.state.administrations
        return next((e.came, e.administration.received_at) for e in stored if key_text(e.administration) == dose)

    @lazy
    def treatments(self) -> list[tuple[Instant, str]]:
        """
        Return potassium-lowering treatments as (moment, drug class or ``dialysis``).

        An infusion at its start, dialysis at its end.
        """
        found: list[tuple[Instant, str]] = []
        given = self._given(TREATMENTS)
        for drug in sorted({record.drug for record in given}):
            records = [record for record in given if record.drug is drug]
            found += [(course.start, drug.value) for course in courses(records, [], self.rulebook)]
        found += [(session.ended_at, "dialysis") for session in self.dialyses]
        return sorted(found)

    @lazy
    def digoxin_seen(self) -> list[Instant]:
        """Return when digoxin was given or ordered."""
        return [record.started_at for record in self._given((Drug.DIGOXIN,), intentions=True)]

    @lazy
    def drugs_seen(self) -> list[tuple[Instant, Drug]]:
        """Return every drug of a listed class, given or ordered, with its moment: for the words."""
        return [(record.started_at, record.drug) for record in self._given(Drug, intentions=True)]

    # Encounter

    @lazy
    def encounter_facts(self) -> Sequence[EncounterFact]:
        """Return what ADT messages said, in order of arrival."""
        return [fact for fact in self.state.encounters if fact.came <= self.count]

    @lazy
    def visit_facts(self) -> Sequence[EncounterFact]:
        """Return the facts of the current visit: an admission (A01) begins a new one (RULES.md 6)."""
        facts = self.encounter_facts
        start = next((n for n in range(len(facts) - 1, -1, -1) if facts[n].trigger == "A01"), 0)
        return facts[start:]

    @lazy
    def diagnoses(self) -> frozenset[str]:
        """Return the diagnoses of the visit, without dots, in capitals."""
        return frozenset(code.replace(".", "").upper() for fact in self.visit_facts for code in fact.diagnoses)

    @lazy
    def discharges(self) -> list[Leave]:
        """
        Return the discharges that count and were not undone (RULES.md 7).

        One counts when its PV1-19 is the visit of the latest ADT, or either is unknown. An A13 undoes it, however often
        it was sent since the last admission; an A01 undoes those of the 24 h before it. One that does not count says
        nothing of which visit is the latest.
        """
        standing: list[Leave] = []
        of_earlier_visits = 0
        latest_visit = ""
        for fact in self.encounter_facts:
            if fact.trigger == "A03":
                if latest_visit and fact.visit_number and latest_visit != fact.visit_number:
                    continue
                standing.append(Leave(fact.received_at, fact.came))
            elif fact.trigger == "A13":
                del standing[of_earlier_visits:]
            elif fact.trigger == "A01":
                since = fact.received_at - self.rulebook.readmission_within
                standing = [discharge for discharge in standing if discharge.at < since]
                of_earlier_visits = len(standing)
            latest_visit = fact.visit_number
        return standing

    @lazy
    def deaths(self) -> list[Leave]:
        """Return what told of a death."""
        return [Leave(fact.received_at, fact.came) for fact in self.encounter_facts if fact.deceased]

    @lazy
    def deceased(self) -> bool:
        """Say whether the patient has died, and was not admitted since."""
        dead = False
        for fact in self.encounter_facts:
            if fact.deceased:
                dead = True
            elif fact.trigger == "A01":
                dead = False
        return dead

    @lazy
    def obstetric(self) -> bool:
        """
        Say whether the current visit is under the obstetric protocol (RULES.md 6).

        Diagnosis, service or location in the site's lists.
        """
        book = self.rulebook
        if any(code.startswith(prefix) for code in self.diagnoses for prefix in book.obstetric_diagnoses):
            return True
        return any(
            fact.hospital_service.upper() in book.obstetric_services
            or (fact.location.split("^")[0].upper() in book.obstetric_locations and fact.location != "")
            for fact in self.visit_facts
        )

    @lazy
    def age(self) -> int | None:
        """Return the age in years, None where unknown."""
        return age_years(self.state.demographics, self.now)

    @lazy
    def supported(self) -> bool:
        """Say whether the patient belongs to the population that the thresholds are for (RULES.md 6)."""
        return self.age is None or self.age >= self.rulebook.adult_years or self.obstetric

    @lazy
    def renal(self) -> RenalFunction:
        """Return the renal function at ``now``."""
        horizon = self.now - self.rulebook.renal_within
        return renal_function(
            self.creatinine,
            self.egfr,
            dialysis=any(session.ended_at >= horizon and session.started_at <= self.now for session in self.dialyses),
            diagnoses=self.diagnoses,
            demographics=self.state.demographics,
            now=self.now,
            rulebook=self.rulebook,
        )

    @lazy
    def cleared_slowly(self) -> bool:
        """Say whether magnesium must be taken to leave slowly: renal function impaired or unknown."""
        return self.renal.status != "not impaired"

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
        unmapped = self.state.unmapped_magnesium_at
        if unmapped is not None and unmapped >= since:
            return "unmapped"
        return "old" if self.magnesium else "never"

    # Steps that several rules share

    def digoxin_step(self, t_n: Instant) -> bool:
        """
        Say whether digoxin raises the severity.

        Given, ordered, or above 2.0 ng/mL at *t_n* - 48 h or later; 7 days when renal function is impaired.
        """
        if not self.digoxin_seen and not self.digoxin:
            return False
        book = self.rulebook
        since = t_n - (book.digoxin_within_impaired if self.renal.impaired else book.digoxin_within)
        return any(at >= since for at in self.digoxin_seen) or any(
            level.value > book.digoxin_toxic for level in self.digoxin.since(since)
        )

    def low_calcium_near(self, at: Instant, within: Instant) -> bool:
        """Say whether a valid total calcium below 1.9 mmol/L was drawn within *within* of *at*, before or after."""
        return any(draw.valid for draw in self.calcium.below(self.rulebook.calcium_low, at - within, at + within))

    def alerts_open(self) -> list[Alert]:
        """Return the patient's open alerts."""
        return [alert for alert in self.state.alerts if alert.ended is None]
