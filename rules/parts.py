"""
The parts of a patient's chart: what is derived of the stored facts, each computed when it is first asked for.

What rests on facts that an event has not touched is taken over from the chart of the judgement before: such a part
names all that it reads (`rules/lazy.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

from rules import visit
from rules.alert import Rule
from rules.draws import Draws
from rules.events import Administration, Analyte, Dialysis, Drug, Instant, MagnesiumOrder
from rules.exposure import Course, Exposure, courses, exposures
from rules.lazy import Following, lazy, resting_on
from rules.patient import Alert, HoldMark, PatientState, StoredAdministration, StoredDialysis
from rules.renal import RenalFunction, age_years, last_injury, newest, renal_function
from rules.rulebook import Rulebook
from rules.series import Series
from rules.specimen import Drawn, KnownBy
from rules.versions import StoredResult
from rules.visit import EncounterFact, Leave

C = TypeVar("C", StoredAdministration, StoredDialysis, EncounterFact)

TREATMENTS = (Drug.INSULIN, Drug.BETA2_AGONIST, Drug.BICARBONATE, Drug.BINDER, Drug.LOOP_DIURETIC)
"""Potassium-lowering treatments, dialysis beside them; not calcium, not magnesium (RULES.md 4.1)."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Parts(Following):
    """
    What a chart at ``now`` has of a patient.

    ``settled`` is the time up to which every message has been judged, ``now`` at the latest: what rests on nothing
    having come (a hold, a gap, an expiry) is asked by it (RULES.md 8). *base* is the chart of which this one shows no
    more than had come with the first *count* events; *before* that of the judgement before.
    """

    def __init__(
        self,
        state: PatientState,
        now: Instant,
        rulebook: Rulebook,
        *,
        base: "Parts | None" = None,
        count: int | None = None,
        settled: Instant | None = None,
        before: "Parts | None" = None,
    ) -> None:
        self.state = state
        self.now = now
        self.settled = now if settled is None else min(now, settled)
        self.rulebook = rulebook
        self._base = base
        self.count = state.seen if count is None else count
        self.words: dict[tuple[str, ...], Any] = {}
        self.before = NOTHING if before is None else before.__dict__

    @property
    def looks_back(self) -> bool:
        """Say whether this is the chart of a moment that is past (`known_by`)."""
        return self._base is not None

    # Results

    @lazy
    def _drawn(self) -> Drawn | KnownBy:
        base = self._base
        if base is not None and isinstance(base._drawn, Drawn):  # noqa: SLF001  (another chart)
            return KnownBy(base._drawn, self.count)  # noqa: SLF001
        before: Drawn | None = self.before.get("_drawn")
        if before is not None and before.is_of(self.state.results, self.state.tubes):
            return before
        return Drawn(self.state.results, self.state.tubes, self.rulebook, before)

    def may_reach(self, analyte: Analyte, value: Decimal) -> bool:
        """Say whether any stored version of *analyte* may be at *value* or above: a bound, without looking at one."""
        series = self.state.results.series.get(analyte)
        return series is not None and series.columns.highest is not None and series.columns.highest >= value

    def may_lie_below(self, analyte: Analyte, value: Decimal) -> bool:
        """Say whether any stored version of *analyte* may be below *value*: a bound, without looking at one."""
        series = self.state.results.series.get(analyte)
        return series is not None and series.columns.lowest is not None and series.columns.lowest < value

    def _counted(self, analyte: Analyte) -> Draws:
        return self._drawn.counted(analyte)

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

    @resting_on("potassium")
    def high_potassium_at(self) -> list[Instant]:
        """Return the draws of the valid potassiums >= 6.0 mmol/L, oldest first."""
        potassium = self.potassium
        if not self.may_reach(Analyte.POTASSIUM, self.rulebook.potassium_high):
            return []
        return [draw.at for draw in potassium.above(self.rulebook.potassium_high) if draw.valid]

    @resting_on("calcium")
    def low_calcium_at(self) -> list[Instant]:
        """Return the draws of the valid total calciums < 1.9 mmol/L, oldest first."""
        calcium = self.calcium
        if not self.may_lie_below(Analyte.CALCIUM, self.rulebook.calcium_low):
            return []
        return [draw.at for draw in calcium.below(self.rulebook.calcium_low) if draw.valid]

    # Magnesium that has not resulted

    @lazy
    def pending_magnesium(self) -> Sequence[StoredResult]:
        """Return the magnesiums that are announced or provisional."""
        return self._drawn.pending(Analyte.MAGNESIUM)

    @lazy
    def magnesium_orders(self) -> Sequence[MagnesiumOrder]:
        """Return the orders of a magnesium."""
        return self.state.magnesium_orders

    @resting_on("pending_magnesium", "magnesium_orders", "_magnesium_versions")
    def pending_magnesium_at(self) -> list[Instant]:
        """Return when each pending magnesium was drawn, or ordered where no draw is known."""
        pending = [entry.result.observed_at for entry in self.pending_magnesium]
        if self.magnesium_orders:
            answered = self._answered_orders()
            pending += [
                order.ordered_at
                for order in self.magnesium_orders
                if not order.cancelled and not {order.order_number, order.placer_order_number} & answered
            ]
        return pending

    @lazy
    def unmapped_magnesium_at(self) -> Instant | None:
        """Return when a magnesium came under a code that is not mapped, the newest."""
        return self.state.unmapped_magnesium_at

    @lazy
    def _magnesium_versions(self) -> Series | None:
        return self.state.results.series.get(Analyte.MAGNESIUM)

    def _answered_orders(self) -> set[str]:
        numbers: set[str] = set()
        for entry in self._magnesium_versions or ():
            numbers.update((entry.result.order_number, entry.result.placer_order_number))
        numbers.discard("")
        return numbers

    # Administrations and procedures

    @lazy
    def administrations(self) -> Sequence[StoredAdministration]:
        """Return the records of administrations, by start."""
        return self._come(self.state.administrations)

    @lazy
    def dialysis_records(self) -> Sequence[StoredDialysis]:
        """Return the records of dialysis sessions, by start."""
        return self._come(self.state.dialyses)

    def _come(self, stored: tuple[C, ...]) -> tuple[C, ...]:
        """Return what had come by the chart's moment."""
        return tuple(entry for entry in stored if entry.came <= self.count) if self.looks_back else stored

    def _given(self, drugs: Iterable[Drug], *, intentions: bool = False) -> list[Administration]:
        wanted = frozenset(drugs) if self.administrations else ()
        return [
            entry.administration
            for entry in self.administrations
            if entry.administration.drug in wanted
            and not entry.administration.deleted
            and (intentions or not entry.administration.intention)
        ]

    @resting_on("dialysis_records")
    def dialyses(self) -> list[Dialysis]:
        """Return the dialysis sessions, by start."""
        return [entry.dialysis for entry in self.dialysis_records]

    @resting_on("administrations", "discharges")
    def magnesium_doses(self) -> list[Course]:
        """Return parenteral magnesium: doses and infusions, by start."""
        records = [record for record in self._given((Drug.MAGNESIUM,)) if record.parenteral]
        return courses(records, [d.at for d in self.discharges], self.rulebook) if records else []

    @resting_on("magnesium_doses")
    def exposures(self) -> list[Exposure]:
        """Return the exposures to parenteral magnesium, by start."""
        return exposures(self.magnesium_doses, self.rulebook)

    @resting_on("exposures")
    def exposure_of_dose(self) -> dict[str, Exposure]:
        """Return the exposure that each dose is part of, by the dose's name."""
        return {dose: exposure for exposure in self.exposures for dose in exposure.keys}

    @resting_on("administrations", "dialyses")
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

    @resting_on("administrations")
    def digoxin_seen(self) -> list[Instant]:
        """Return when digoxin was given or ordered."""
        return [record.started_at for record in self._given((Drug.DIGOXIN,), intentions=True)]

    @resting_on("digoxin_seen", "digoxin")
    def newest_digoxin(self) -> Instant | None:
        """Return when digoxin was last given or ordered, or last too high."""
        levels, toxic = self.digoxin, self.rulebook.digoxin_toxic
        high = [at for at, value in zip(levels.at, levels.values, strict=True) if value > toxic]
        return max((*self.digoxin_seen, *high), default=None)

    @resting_on("administrations")
    def drugs_seen(self) -> list[tuple[Instant, Drug]]:
        """Return every drug of a listed class, given or ordered, with its moment: for the words."""
        return [(record.started_at, record.drug) for record in self._given(Drug, intentions=True)]

    # Encounter

    @lazy
    def encounter_facts(self) -> Sequence[EncounterFact]:
        """Return what ADT messages said, in order of arrival."""
        return self._come(self.state.encounters)

    @resting_on("encounter_facts")
    def visit_facts(self) -> Sequence[EncounterFact]:
        """Return the facts of the current visit."""
        return visit.of_visit(self.encounter_facts)

    @resting_on("visit_facts")
    def diagnoses(self) -> frozenset[str]:
        """Return the diagnoses of the visit, without dots, in capitals."""
        return visit.diagnoses(self.visit_facts)

    @resting_on("encounter_facts")
    def discharges(self) -> list[Leave]:
        """Return the discharges that count and were not undone (RULES.md 7)."""
        return visit.discharges(self.encounter_facts, self.rulebook)

    @resting_on("encounter_facts")
    def deaths(self) -> list[Leave]:
        """Return what told of a death."""
        return visit.deaths(self.encounter_facts)

    @resting_on("encounter_facts")
    def deceased(self) -> bool:
        """Say whether the patient has died, and was not admitted since."""
        return visit.deceased(self.encounter_facts)

    @resting_on("visit_facts", "diagnoses")
    def obstetric(self) -> bool:
        """Say whether the current visit is under the obstetric protocol (RULES.md 6)."""
        return visit.obstetric(self.visit_facts, self.diagnoses, self.rulebook)

    # The patient

    @lazy
    def age(self) -> int | None:
        """Return the age in years, None where unknown."""
        return age_years(self.state.demographics, self.now)

    @lazy
    def supported(self) -> bool:
        """Say whether the patient belongs to the population that the thresholds are for (RULES.md 6)."""
        return self.age is None or self.age >= self.rulebook.adult_years or self.obstetric

    @resting_on("creatinine")
    def _last_injury(self) -> Instant | None:
        return last_injury(self.creatinine, self.rulebook)

    @resting_on("diagnoses")
    def _renal_diagnosis(self) -> bool:
        return any(code.startswith(prefix) for code in self.diagnoses for prefix in self.rulebook.renal_diagnoses)

    @lazy
    def renal(self) -> RenalFunction:
        """Return the renal function at ``now``."""
        horizon = self.now - self.rulebook.renal_within
        injury, demographics = self._last_injury, self.state.demographics
        causes = []
        if any(session.ended_at >= horizon and session.started_at <= self.now for session in self.dialyses):
            causes.append("dialysis")
        if self._renal_diagnosis:
            causes.append("diagnosis")
        if injury is not None and injury >= self.now - self.rulebook.aki_within:
            causes.append("acute kidney injury")
        return renal_function(
            newest(self.creatinine, horizon),
            newest(self.egfr, horizon),
            age=self.age,
            sex=demographics.sex if demographics else "",
            causes=causes,
            rulebook=self.rulebook,
        )

    @lazy
    def impaired(self) -> bool:
        """Say whether the kidneys are known to be impaired."""
        return self.renal.impaired

    @lazy
    def creatinine_high(self) -> bool:
        """Say whether the creatinine that stands is one at which the obstetric ladder is lower (RULES.md 4.2)."""
        creatinine = self.renal.creatinine
        return creatinine is not None and creatinine.value >= self.rulebook.obstetric_creatinine

    @lazy
    def cleared_slowly(self) -> bool:
        """Say whether magnesium must be taken to leave slowly: renal function impaired or unknown."""
        return self.renal.status != "not impaired"

    # Alerts and holds

    @lazy
    def alerts(self) -> Sequence[Alert]:
        """Return the patient's alerts, open or ended."""
        return self.state.alerts

    @lazy
    def holds(self) -> Sequence[HoldMark]:
        """Return the hold marks (RULES.md 4.1)."""
        return self.state.holds

    @resting_on("alerts")
    def stood_on(self) -> list[tuple[str, tuple[str, ...], bool]]:
        """Return the dose that names an alert's exposure, the results that it stood on, and whether it is open."""
        return [
            (alert.subject, alert.stood_on, alert.ended is None)
            for alert in self.alerts
            if alert.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA and not alert.retracted
        ]
