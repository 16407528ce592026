"""RULES.md 6 and the encounter part of 7, plainly: who the patient is, what visit it is, how the kidneys are."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from rules.events import DAY, HOUR, Analyte, Demographics, Dialysis, PatientEvent
from tests.reference.results import Draw, Entry

RENAL = ("N184", "N185", "N186", "Z992", "N17")
OBSTETRIC = ("O11", "O14", "O15")


@dataclass
class Context:
    """What the messages up to a moment say of a patient and the current visit."""

    birth_date: str = ""
    sex: str = ""
    diagnoses: list[str] = field(default_factory=list)
    services: tuple[str, str] = ("", "")
    discharges: list[int] = field(default_factory=list)
    dead: bool = False
    dialyses: list[Dialysis] = field(default_factory=list)

    def has(self, codes: Iterable[str]) -> bool:
        """Say whether a diagnosis of the visit is one of *codes*."""
        return any(each.replace(".", "").upper().startswith(tuple(codes)) for each in self.diagnoses)

    @property
    def obstetric(self) -> bool:
        """Under the obstetric protocol (the default site has no services or locations for it)."""
        return self.has(OBSTETRIC)

    def age(self, now: int) -> int | None:
        """Whole years, or None."""
        if len(self.birth_date) < 4:
            return None
        padded = self.birth_date + "0101"[len(self.birth_date) - 4 :]
        at = datetime.fromtimestamp(now / 1000, UTC)
        year, month, day = int(padded[:4]), int(padded[4:6]), int(padded[6:8])
        return at.year - year - ((at.month, at.day) < (month, day))

    def child(self, now: int) -> bool:
        """Under 18 and not under the obstetric protocol."""
        age = self.age(now)
        return age is not None and age < 18 and not self.obstetric


def demographics_of(event: PatientEvent, known: Demographics) -> Demographics:
    """What is known of the patient after a message."""
    said = event.demographics or known
    return Demographics(said.birth_date or known.birth_date, said.sex or known.sex)


def context_of(entries: list[Entry], demographics: Demographics) -> Context:
    """Read the messages in their order of arrival."""
    found = Context(*demographics)
    of_earlier_visits = 0
    for entry in entries:
        event = entry.event
        for session in event.dialyses:
            same = [each for each in found.dialyses if each[:2] == session[:2]]
            newest = max([*same, session], key=lambda each: (each.received_at, each.ended_at))
            found.dialyses = [each for each in found.dialyses if each[:2] != session[:2]] + [newest]
        if event.encounter is None:
            continue
        if event.encounter.trigger == "A01":
            found.diagnoses, found.dead = [], False
            found.discharges = [at for at in found.discharges if event.received_at - at > 24 * HOUR]
            of_earlier_visits = len(found.discharges)
        if event.encounter.trigger == "A13":
            del found.discharges[of_earlier_visits:]
        found.diagnoses += event.encounter.diagnoses
        found.dead = found.dead or event.encounter.deceased
        if entry.discharges:
            found.discharges.append(event.received_at)
    return found


def counts_as_discharge(before: list[Entry], entry: Entry) -> bool:
    """An A03 counts when its visit is that of the latest ADT, or either is unknown."""
    if entry.event.encounter is None or entry.event.encounter.trigger != "A03":
        return False
    visit = entry.event.visit.visit_number if entry.event.visit else ""
    latest = ""
    for each in before:
        encounter = each.event.encounter
        if encounter is not None and (encounter.trigger != "A03" or each.discharges):
            latest = each.event.visit.visit_number if each.event.visit else ""
    return not visit or not latest or visit == latest


def ckd_epi(creatinine: Decimal, age: int, sex: str) -> int:
    """CKD-EPI 2021, mL/min/1.73 m2, in whole numbers; sex unknown: the lower of the two."""
    if not sex:
        return min(ckd_epi(creatinine, age, "F"), ckd_epi(creatinine, age, "M"))
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "F" else (0.9, -0.302, 1.0)
    scaled = float(creatinine) / 88.42 / kappa
    egfr: float = 142 * min(scaled, 1.0) ** alpha * max(scaled, 1.0) ** -1.2 * 0.9938**age * factor
    return round(egfr)


def injured(creatinines: list[Draw], now: int) -> bool:
    """Acute kidney injury (KDIGO), the newer creatinine within 7 days."""
    for newer in creatinines:
        if newer.t < now - 7 * DAY:
            continue
        within_48_h = [each.v for each in creatinines if newer.t - 48 * HOUR <= each.t < newer.t]
        within_7_d = [each.v for each in creatinines if newer.t - 7 * DAY <= each.t < newer.t]
        if not within_7_d:
            continue
        lowest = min(within_7_d)
        rose = any(newer.v - each >= Decimal("26.5") for each in within_48_h)
        if not rose and not (newer.v >= lowest * Decimal("1.5") and newer.v >= 62):
            continue
        after = [each.v for each in creatinines if newer.t < each.t <= newer.t + 24 * HOUR]
        if not any(each < lowest * Decimal("1.25") for each in after):
            return True
    return False


def renal_function(counted: dict[Analyte, list[Draw]], context: Context, now: int) -> str:
    """`impaired`, `known` or `unknown`, at *now*."""
    creatinines = counted.get(Analyte.CREATININE, [])
    reported = counted.get(Analyte.EGFR, [])
    age = context.age(now)
    egfr: Decimal | int | None = None
    only_impaired = False
    newest = max(
        [*creatinines, *reported], key=lambda each: (each.t, each.newest.analyte is Analyte.EGFR), default=None
    )
    if newest is not None and newest.t >= now - 7 * DAY:
        if newest.newest.analyte is Analyte.EGFR:
            egfr = newest.v
        else:
            egfr = ckd_epi(newest.v, 18 if age is None else age, context.sex)
            only_impaired = age is None
    dialysis = any(each.started_at <= now and each.ended_at >= now - 7 * DAY for each in context.dialyses)
    if dialysis or context.has(RENAL) or injured(creatinines, now) or (egfr is not None and egfr < 30):
        return "impaired"
    return "unknown" if egfr is None or only_impaired else "known"
