"""
Courses in intensive care, seeded: weeks of one patient, treated and relapsing, as a hospital's feed tells of them.

`generate.py` writes short histories in which everything meets. Here the values wander as a body's do, potassium comes
every few hours from two analysers, magnesium is given and given again, and an outage brings half a day at once.
"""

import random
from decimal import Decimal

from rules.events import (
    DAY,
    HOUR,
    MINUTE,
    Administration,
    Analyte,
    Condition,
    Demographics,
    Dialysis,
    Drug,
    Encounter,
    MagnesiumOrder,
    PatientEvent,
    Result,
    Source,
    Tube,
    Visit,
)
from tests.reference.generate import START, patient

GAS, LAB = "39790-1", "2823-3"
CODES = {
    Analyte.POTASSIUM: LAB,
    Analyte.MAGNESIUM: "19123-9",
    Analyte.CALCIUM: "17861-6",
    Analyte.CALCIUM_IONIZED: "1994-3",
    Analyte.CREATININE: "2160-0",
    Analyte.EGFR: "98979-8",
}


class Body:
    """What a body does hour by hour: potassium and magnesium in mmol/L, kidneys from 1 (well) to 0 (none)."""

    def __init__(self, chance: random.Random, crisis: int) -> None:
        self.random = chance
        self.crisis = crisis  # how often something happens: once, or so many times as often
        self.kidneys = chance.choice((1.0, 1.0, 0.7, 0.4, 0.15))
        self.will = self.kidneys  # where they are going
        self.k = chance.gauss(4.2, 0.6)
        self.mg = chance.gauss(0.8, 0.15)
        self.ca = chance.gauss(2.1, 0.15)
        self.creatinine = 70 / max(self.kidneys, 0.15)
        self.load = 0.0  # mmol/L of potassium an hour from a dying gut, a crushed leg, a lysed tumour; or lost

    def hour(self) -> None:
        """Live for an hour."""
        gauss = self.random.gauss
        self.kidneys += (self.will - self.kidneys) * 0.04
        filtration = max(self.kidneys, 0.03)
        self.k += (4.1 - self.k) * (0.01 + 0.05 * filtration) + self.load + gauss(0, 0.09)
        self.mg += (0.78 - self.mg) * (0.004 + 0.05 * filtration) + gauss(0, 0.012)
        self.ca += (2.15 - self.ca) * 0.02 - max(self.mg - 1.2, 0) * 0.01 + gauss(0, 0.02)
        self.creatinine += (70 / max(filtration, 0.12) - self.creatinine) * 0.03 + gauss(0, 2)
        self.k, self.mg = min(max(self.k, 1.9), 9.0), min(max(self.mg, 0.25), 4.5)
        self.ca, self.creatinine = min(max(self.ca, 1.2), 2.8), max(self.creatinine, 25.0)
        if self.random.random() < 0.012 * self.crisis:
            self.will = self.random.choice((1.0, 0.7, 0.3, 0.1, 0.05))
        if self.random.random() < 0.02 * self.crisis:
            self.load = self.crisis * self.random.choice((0.0, 0.0, 0.05, 0.1, 0.2, -0.05, -0.1))


class Course:
    """Writes one stay, or several, of one patient."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"icu {seed}")
        chance = self.random.random
        self.crisis = self.random.choice((1, 1, 3))
        self.body = Body(self.random, self.crisis)
        self.at = START
        self.sent: list[tuple[int, int, PatientEvent]] = []
        self.numbers = 0
        self.visit = 0
        self.outage: int | None = None
        self.every_gas = self.random.choice((2, 3, 4, 6))
        self.every_lab = self.random.choice((6, 8, 12, 24))
        self.units = self.random.choice(("mg/dL", "mg/dL", "mEq/L", "mmol/L"))
        self.reports_egfr = chance() < 0.3
        self.preliminary = chance() < 0.3  # the laboratory sends P before F
        self.standing = chance() < 0.3  # doses of a standing order keep its number
        self.watched = self.random.choice((0.1, 0.6, 0.9))  # how often magnesium is measured
        self.careful = chance()  # how soon a low magnesium is treated
        self.dialysis_told = chance() < 0.5
        self.weeks = chance() < 0.15  # an infusion goes on for weeks, as for tetanus
        self.infusion: tuple[str, int] | None = None
        self.insulin: str | None = None
        self.continuous_until = 0
        self.born = self.random.choice(("19410302", "19550711", "19780923", "19990101", ""))

    def write(self, days: int, at_most: int) -> list[PatientEvent]:
        """The events in their order of arrival, each with its `received_at`."""
        self._admit()
        end = START + days * DAY
        while self.at < end and len(self.sent) < at_most:
            self._hour()
            self.at += HOUR
        self.sent.sort(key=lambda each: each[:2])
        return [event._replace(source=Source("t", 0, place)) for place, (_, _, event) in enumerate(self.sent)]

    def _hour(self) -> None:
        chance, hour = self.random.random, (self.at - START) // HOUR
        self.body.hour()
        if self.outage is None and chance() < 0.004 * self.crisis:
            self.outage = self.at + self.random.choice((3, 8, 14, 26)) * HOUR
        if self.outage is not None and self.at >= self.outage:
            self.outage = None
        if hour % self.every_gas == 0 and chance() < 0.9:
            self._gas()
        if hour % self.every_lab == 0 or (abs(self.body.k - 4.2) > 1.4 and chance() < 0.3):
            self._laboratory()
        self._treat()
        if chance() < 0.01:
            self._tell("A02", location=self.random.choice(("ICU", "MICU", "WARD", "STEP")))
        if chance() < 0.003:
            self._tell("A08", diagnoses=(self.random.choice(("N17.9", "I50.9", "E11", "N18.4")),))
        if chance() < 0.002:
            self._leave()

    # What is sent

    def _number(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}{self.numbers}"

    def _minutes(self, low: int, high: int) -> int:
        return self.random.randrange(low, high) * MINUTE

    def _send(self, at: int, kind: str, **parts: object) -> None:
        event = PatientEvent(patient(0), at, Source("t", 0, 0), f"M{len(self.sent)}", kind, "LAB", **parts)  # type: ignore[arg-type]
        self.sent.append((at, len(self.sent), event))

    def _arrives(self, at: int) -> int:
        """When something sent at *at* comes: in an outage all comes at its end, within a minute."""
        return at if self.outage is None or at >= self.outage else self.outage + self.random.randrange(60) * 1000

    def _tell(self, trigger: str, location: str = "ICU", diagnoses: tuple[str, ...] = (), **more: object) -> None:
        at = self.at + self._minutes(0, 60)
        where = Visit(f"V{self.visit}", location, "", "I")
        encounter = Encounter(trigger, diagnoses, bool(more.get("deceased")), at)
        self._send(at, f"ADT^{trigger}", encounter=encounter, visit=where, demographics=more.get("who"))

    def _admit(self) -> None:
        self.visit += 1
        who = Demographics(self.born, self.random.choice(("F", "M", "")))
        reasons = (self.random.choice(("J96.0", "A41.9", "I21.9", "N18.4", "K85.9")),)
        self._tell("A01", diagnoses=reasons, who=who if who.birth_date or who.sex else None)

    def _leave(self) -> None:
        """Go home and come back after days, on other kidneys; or die, and something still comes."""
        if self.random.random() < 0.15:
            self._tell("A03", deceased=True)
            self._laboratory()
            return
        self._tell("A03")
        if self.random.random() < 0.3:
            self._laboratory()
        self.infusion = self.insulin = self.outage = None
        self.at += self.random.choice((6, 30, 60, 120, 240, 400)) * HOUR
        self.body = Body(self.random, self.crisis)
        self._admit()

    # Results

    def _value(self, analyte: Analyte, *, gas: bool = False) -> Decimal:
        body, error = self.body, self.random.gauss(0, 1)
        if analyte is Analyte.POTASSIUM:
            return _rounded(max(body.k + error * 0.07 - 0.1 * gas, 1.0), "0.1" if not gas else "0.01")
        if analyte is Analyte.MAGNESIUM:
            value = max(body.mg + error * 0.02, 0.15)
            if self.units == "mg/dL":
                return _rounded(value * 2.4305, "0.1") * 10 / Decimal("24.305")
            return _rounded(value * 2, "0.1") / 2 if self.units == "mEq/L" else _rounded(value, "0.01")
        if analyte is Analyte.CALCIUM:
            return _rounded(body.ca + error * 0.03, "0.01")
        if analyte is Analyte.CALCIUM_IONIZED:
            return _rounded(body.ca * 0.5 + error * 0.02, "0.01")
        if analyte is Analyte.EGFR:
            return _rounded(min(max(7600 / body.creatinine, 5), 120), "1")
        return _rounded(body.creatinine, "1")

    def _result(self, analyte: Analyte, order: str, drawn: int, received: int, value: Decimal | None) -> Result:
        return Result(
            analyte,
            order,
            CODES[analyte],
            "",
            drawn,
            0,
            received,
            received,
            "F" if value is not None else "X",
            value,
            "",
            "",
            "",
            f"{order}@{drawn}",
            "",
        )

    def _gas(self) -> None:
        """A blood gas: potassium and ionized calcium, minutes old."""
        drawn, order = self.at + self._minutes(0, 60), self._number("G")
        received = self._arrives(drawn + self._minutes(2, 12))
        panel = [self._result(Analyte.POTASSIUM, order, drawn, received, self._value(Analyte.POTASSIUM, gas=True))]
        panel[0] = panel[0]._replace(observation_identifier=GAS)
        if self.random.random() < 0.4:
            ionized = self._value(Analyte.CALCIUM_IONIZED)
            panel.append(self._result(Analyte.CALCIUM_IONIZED, order, drawn, received, ionized))
        self._send(received, "ORU^R01", results=tuple(panel))

    def _laboratory(self) -> None:
        """A panel of the laboratory; some hemolyzed, clotted, cancelled, corrected or sent preliminary first."""
        chance = self.random.random
        drawn, order = self.at + self._minutes(0, 60), self._number("L")
        if chance() < 0.15:
            asked = MagnesiumOrder(order, "", drawn - self._minutes(1, 180), False, drawn)
            self._send(self._arrives(drawn), "OML^O21", magnesium_orders=(asked,))
        received = self._arrives(drawn + self._minutes(25, 150))
        names = [Analyte.POTASSIUM, Analyte.CREATININE]
        names += [Analyte.MAGNESIUM] if chance() < self.watched else []
        names += [Analyte.CALCIUM] if chance() < 0.4 else []
        names += [Analyte.EGFR] if self.reports_egfr else []
        if chance() < 0.02:
            self._send(
                received, "ORU^R01", results=tuple(self._result(each, order, drawn, received, None) for each in names)
            )
            return
        panel = [self._result(each, order, drawn, received, self._value(each)) for each in names]
        tubes: tuple[Tube, ...] = ()
        if chance() < 0.05 * self.crisis:
            raised = panel[0].value + _rounded(self.random.uniform(0.3, 3.5), "0.1")  # type: ignore[operator]
            panel[0] = panel[0]._replace(value=raised)
            said = (Condition.HEMOLYZED, Condition.HEMOLYZED, Condition.GROSSLY_HEMOLYZED, Condition.CLOTTED)
            if chance() < 0.9:
                tubes = (Tube(panel[0].container, self.random.choice(said), received),)
        if self.preliminary:
            first = tuple(each._replace(status="P") for each in panel)
            self._send(received, "ORU^R01", results=first, tubes=tubes)
            received = self._arrives(received + self._minutes(5, 90))
            panel = [each._replace(resulted_at=received, received_at=received) for each in panel]
            tubes = tuple(each._replace(received_at=received) for each in tubes)
        self._send(received, "ORU^R01", results=tuple(panel), tubes=tubes)
        if chance() < 0.03 * self.crisis:
            received += self._minutes(5, 600)
            status = self.random.choice("CCCWX")
            value = self._value(panel[0].analyte) if status == "C" else None
            again = panel[0]._replace(status=status, value=value, resulted_at=received, received_at=received)
            self._send(received, "ORU^R01", results=(again,))

    # What is given

    def _give(self, drug: Drug, order: str, s: int, **more: object) -> None:
        received = self._arrives(max(s, int(more.get("ended_at") or s)) + self._minutes(0, 40))  # type: ignore[call-overload]
        given = Administration(drug, order, drug.value, s, 0, None, None, None, True, False, False, received, "")
        given = given._replace(**more)  # type: ignore[arg-type]
        self._send(received, "RAS^O17", administrations=(given,))
        if self.random.random() < 0.01:
            later = received + self._minutes(1, 60)
            self._send(later, "RAS^O17", administrations=(given._replace(deleted=True, received_at=later),))

    def _order_of(self, drug: Drug) -> str:
        return f"S{self.visit}{drug.value}" if self.standing else self._number("R")

    def _treat(self) -> None:
        """What a ward does of what it sees: repletion, rescue, dialysis; not always, not always in time."""
        chance, body, now = self.random.random, self.body, self.at + self._minutes(0, 60)
        if body.mg < 0.8 and chance() < 0.05 + 0.1 * self.careful:
            grams, hours = self.random.choice(((2, 1), (2, 2), (4, 4), (4, 2)))
            told = {"ended_at": now + hours * HOUR} if chance() < 0.8 else {}
            self._give(Drug.MAGNESIUM, self._order_of(Drug.MAGNESIUM), now, grams=Decimal(grams), **told)
            body.mg += 0.12 * grams / 2
        self._infuse(now)
        if body.k > 5.4 and chance() < 0.15 + 0.2 * self.careful:
            drug = self.random.choice((Drug.INSULIN, Drug.LOOP_DIURETIC, Drug.BETA2_AGONIST, Drug.BICARBONATE))
            self._give(drug, self._order_of(drug), now)
            body.k -= self.random.choice((0.0, 0.3, 0.7))
        elif body.k < 3.6 and chance() < 0.2:
            self._give(Drug.POTASSIUM, self._order_of(Drug.POTASSIUM), now)
            body.k += self.random.choice((0.0, 0.2, 0.4))
        elif chance() < 0.03:
            self._give(Drug.LOOP_DIURETIC, self._order_of(Drug.LOOP_DIURETIC), now)
            body.k -= 0.15
        if self.insulin is None and chance() < 0.004:
            self.insulin = self._number("I")
        if self.insulin is not None and chance() < 0.25:
            off = chance() < 0.1
            self._give(Drug.INSULIN, self.insulin, now, rate=Decimal(0 if off else self.random.randrange(1, 9)))
            self.insulin = None if off else self.insulin
        if chance() < 0.002:
            self._give(Drug.DIGOXIN, self._number("R"), now, parenteral=False, intention=chance() < 0.3)
        self._dialyse(now)

    def _infuse(self, now: int) -> None:
        """Magnesium that runs: begun, changed, stopped; sometimes nobody writes the stop down."""
        chance = self.random.random
        if self.infusion is None:
            if chance() < (0.05 if self.weeks else 0.003 * self.crisis):
                self.infusion = (self._number("M"), now)
                self._give(Drug.MAGNESIUM, self.infusion[0], now, rate=Decimal(self.random.choice((1, 2))))
            return
        order, s = self.infusion
        self.body.mg += 0.02 if self.weeks else 0.05
        if chance() < 0.15:
            self._give(Drug.MAGNESIUM, order, now, rate=Decimal(self.random.choice((1, 2))))
        if chance() < (0.003 if self.weeks else 0.05):
            how = chance()
            if how < 0.4:
                self._give(Drug.MAGNESIUM, order, now, rate=Decimal(0))
            elif how < 0.7:
                self._give(Drug.MAGNESIUM, order, s, ended_at=now, grams=Decimal((now - s) // HOUR + 1))
            self.infusion = None

    def _dialyse(self, now: int) -> None:
        """Sessions of four hours, or continuous treatment told of once a day; half of the hospitals tell nothing."""
        body = self.body
        needed = body.kidneys < 0.2 and (body.k > 6 or body.creatinine > 400)
        if now < self.continuous_until:
            body.k += (4.0 - body.k) * 0.1
            body.mg += (0.75 - body.mg) * 0.05
            body.creatinine *= 0.985
        elif needed and self.random.random() < 0.1:
            length = self.random.choice((4, 24, 24)) * HOUR
            self.continuous_until = now + length
            if self.dialysis_told:
                received = self._arrives(now + self._minutes(0, 120))
                code = "90935" if length < DAY else "90945"
                session = Dialysis(code, now, now + length, length >= DAY, received)
                told = Encounter("A08", (), False, received)
                where = Visit(f"V{self.visit}", "ICU", "", "I")
                self._send(received, "ADT^A08", dialyses=(session,), encounter=told, visit=where)


def _rounded(value: float, step: str) -> Decimal:
    return Decimal(value).quantize(Decimal(step))


def course(seed: int) -> list[PatientEvent]:
    """The course of a seed: four to forty days, at most 800 messages."""
    length = random.Random(f"length {seed}")
    return Course(seed).write(length.choice((4, 10, 20, 30, 40)), length.choice((300, 300, 500, 500, 800)))
