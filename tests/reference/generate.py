"""Dense random histories, seeded: far more meets in them than in a ward."""

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
    Patient,
    PatientEvent,
    PatientMerge,
    Result,
    Source,
    Tube,
    Visit,
)

START = 1_750_000_000_000 // MINUTE * MINUTE
EDGES = (10, 29, 30, 31, 59, 60, 61, 90, 119, 120, 121, 180, 181, 239, 240, 241, 300, 359, 360, 361, 480, 720, 721)
LONG = (1439, 1440, 1441, 2160, 2879, 2880, 2881, 4320)
VERY_LONG = (*LONG, 10080, 10081)
DELAYS = (0, 5, 15, 20, 30, 45, 60, 90, 120)
VALUES = {
    "hyper": "4.0 4.6 5.0 5.1 5.2 5.3 5.4 5.4 5.5 5.5 5.6 5.7 5.8 5.9 6.0 6.1 6.3 6.4 6.5 6.6 6.9 7.0 7.4 8.0",
    "hypo": "2.0 2.4 2.5 2.6 2.8 2.9 3.0 3.1 3.2 3.3 3.4 3.4 3.5 3.6 4.0 5.5",
    Analyte.MAGNESIUM: "0.3 0.45 0.49 0.5 0.55 0.59 0.6 0.65 0.69 0.694 0.695 0.7 0.8 0.9 1.04 1.05 1.2 1.25 1.29 1.3 "
    "1.4 1.5 1.6 1.7 1.8 1.9 1.99 2.0 2.1 2.5 2.6 3.0 3.1 3.29 3.3 3.5 3.6 4.0 4.5 5.0 5.2",
    Analyte.CALCIUM: "1.5 1.6 1.64 1.65 1.69 1.7 1.8 1.89 1.9 1.95 2.0 2.1 2.3",
    Analyte.CALCIUM_IONIZED: "0.45 0.7 0.79 0.8 0.9 0.95 0.99 1.0 1.05 1.1 1.2",
    Analyte.CREATININE: "50 61 62 70 80 90 96 97 100 106.5 120 150 180 250 400",
    Analyte.EGFR: "15 25 29 30 31 60 90",
    Analyte.DIGOXIN: "0.8 1.9 2.0 2.1 3.0",
}
CODES = {
    Analyte.POTASSIUM: ("2823-3", "6298-4"),
    Analyte.MAGNESIUM: ("19123-9", "2601-3"),
    Analyte.CALCIUM: ("17861-6",),
    Analyte.CALCIUM_IONIZED: ("1994-3",),
    Analyte.CREATININE: ("2160-0",),
    Analyte.EGFR: ("98979-8",),
    Analyte.DIGOXIN: ("10535-3",),
}
TREATMENTS = (Drug.INSULIN, Drug.BETA2_AGONIST, Drug.BICARBONATE, Drug.BINDER, Drug.LOOP_DIURETIC, Drug.CALCIUM)
DIAGNOSES = ("N18.4", "N18.3", "N18.6", "N17.9", "Z99.2", "O14.1", "O15", "I50.9", "E11")


def patient(number: int) -> Patient:
    """One of the patients of a history."""
    return Patient(f"HOSP|{number}", str(number), "HOSP")


class Generator:
    """Writes one history from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pick = self.random.random
        self.people = 1 if pick() < 0.75 else self.random.choice((2, 2, 3))
        self.potassium = "hypo" if pick() < 0.3 else "hyper"
        self.mg_given = pick() < 0.7
        self.dense = pick() < 0.6
        self.encounters = pick() < 0.5
        self.order = 0
        self.near: dict[Analyte, int] = {}
        self.at = START
        self.sent: list[tuple[int, int, PatientEvent]] = []
        self.results: list[tuple[int, Result, tuple[Tube, ...]]] = []
        self.given: list[tuple[int, Administration]] = []

    def write(self, steps: int) -> list[PatientEvent]:
        """The events in their order of arrival, each with its `received_at`."""
        if self.random.random() < 0.8:
            self._demographics()
        choices = [self._draw] * 10 + [self._change] * 4 + [self._treat] * 2 + [self._digoxin]
        choices += [self._dialyse] + [self._announce] + [self._renal] * 2
        choices += [self._infuse, self._dose, self._dose, self._regive, self._regive] if self.mg_given else []
        choices += [self._encounter] * 3 if self.encounters else []
        choices += [self._merge] if self.people > 1 else []
        for _ in range(steps):
            self.random.choice(choices)()
            gaps = EDGES if self.random.random() < 0.95 else VERY_LONG
            if self.random.random() < (0.5 if self.dense else 0.8):
                self.at += self.random.choice(gaps[: len(gaps) // 2] if self.dense else gaps) * MINUTE
        self.sent.sort(key=lambda each: each[:2])
        return [event._replace(source=Source("t", 0, place)) for place, (_, _, event) in enumerate(self.sent)]

    # What is sent

    def _who(self) -> int:
        return self.random.randrange(self.people)

    def _delay(self) -> int:
        pick = self.random.random()
        late = self.random.choice(EDGES + LONG[:6]) if pick < 0.12 else self.random.choice(DELAYS)
        return late * MINUTE

    def _send(self, who: int, at: int, kind: str, **parts: object) -> None:
        event = PatientEvent(patient(who), at, Source("t", 0, 0), f"M{len(self.sent)}", kind, "LAB", **parts)  # type: ignore[arg-type]
        self.sent.append((at, len(self.sent), event))
        if self.random.random() < 0.03:
            again = at + self.random.choice(EDGES) * MINUTE
            self.sent.append((again, len(self.sent), self._received(event, again)))

    def _received(self, event: PatientEvent, at: int) -> PatientEvent:
        return event._replace(
            received_at=at,
            results=tuple(each._replace(received_at=at) for each in event.results),
            tubes=tuple(each._replace(received_at=at) for each in event.tubes),
            administrations=tuple(each._replace(received_at=at) for each in event.administrations),
            dialyses=tuple(each._replace(received_at=at) for each in event.dialyses),
            magnesium_orders=tuple(each._replace(received_at=at) for each in event.magnesium_orders),
        )

    def _number(self, prefix: str) -> str:
        self.order += 1
        return f"{prefix}{self.order}"

    def _value(self, analyte: Analyte) -> Decimal:
        listed = VALUES[self.potassium if analyte is Analyte.POTASSIUM else analyte].split()
        near = self.near.get(analyte, self.random.randrange(len(listed)))
        if self.random.random() < 0.5:  # a walk through the list, else a leap
            place = min(max(near + self.random.randrange(-2, 3), 0), len(listed) - 1)
        else:
            place = self.random.randrange(len(listed))
        self.near[analyte] = place
        return Decimal(listed[place])

    # Results

    def _result(self, analyte: Analyte, order: str, drawn: int, received: int, status: str) -> Result:
        code = self.random.choice(CODES[analyte]) if self.random.random() < 0.2 else CODES[analyte][0]
        value = None if status in "ION" else self._value(analyte)
        return Result(
            analyte,
            order,
            code,
            "",
            drawn,
            0,
            received,
            received,
            status,
            value,
            "",
            "",
            "",
            f"{order}@{drawn}",
            "",
            "",
        )

    def _draw(self) -> None:
        who, drawn = self._who(), self.at
        received = drawn + self._delay()
        order = self._number("L")
        if self.results and self.random.random() < 0.12:  # another draw, or tube, of an order that is known
            _, old, _ = self.random.choice(self.results)
            order = old.order_number if self.random.random() < 0.5 else order
            drawn = old.observed_at if self.random.random() < 0.5 else drawn
            received = max(received, drawn)
        panel = [Analyte.POTASSIUM] if self.random.random() < 0.8 else []
        panel += [Analyte.MAGNESIUM] if self.random.random() < (0.45 if self.mg_given else 0.25) else []
        panel += [Analyte.CALCIUM] if self.random.random() < 0.3 else []
        panel += [Analyte.CALCIUM_IONIZED] if self.random.random() < 0.15 else []
        panel += [Analyte.CREATININE] if self.random.random() < 0.12 else []
        results = []
        for analyte in panel:
            status = "F"
            if self.random.random() < 0.15:
                status = self.random.choice("IPPSA" if analyte is Analyte.MAGNESIUM else "PPRA")
            results.append(self._result(analyte, order, drawn, received, status))
        tubes: tuple[Tube, ...] = ()
        if results and self.random.random() < 0.15:
            said = self.random.choice(
                (
                    Condition.HEMOLYZED,
                    Condition.HEMOLYZED,
                    Condition.HEMOLYZED,
                    Condition.GROSSLY_HEMOLYZED,
                    Condition.CLOTTED,
                )
            )
            tubes = (Tube(results[0].container, said, received),)
        if results:
            self.results += [(who, result, tubes) for result in results]
            self._send(who, received, "ORU^R01", results=tuple(results), tubes=tubes)

    def _renal(self) -> None:
        who, received = self._who(), self.at + self._delay()
        analyte = self.random.choice((Analyte.CREATININE, Analyte.EGFR, Analyte.DIGOXIN))
        result = self._result(analyte, self._number("L"), self.at, received, "F")
        self.results.append((who, result, ()))
        self._send(who, received, "ORU^R01", results=(result,))

    def _change(self) -> None:
        """A new version of a result that is known: final, corrected, withdrawn, another time, a remark on its tube."""
        if not self.results:
            return
        who, old, tubes = self.random.choice(self.results[-8:])
        if self.people > 1 and self.random.random() < 0.1:
            who = self._who()
        received = max(self.at, old.received_at) + self.random.choice(DELAYS) * MINUTE
        if self.random.random() < 0.1:
            tube = Tube(old.container, self.random.choice(list(Condition)), received)
            self._send(who, received, "ORU^R01", tubes=(tube,), unmapped_magnesium_at=None)
            return
        status = self.random.choice("FCCCCDDWXUUPI" if old.status == "F" else "FFFFFFCUXD")
        value = self._value(old.analyte) if status in "FCP" else None
        if status in "FU" and self.random.random() < 0.5:
            value = old.value
        if status in "FP" and value is None:
            value = self._value(old.analyte)
        resulted = old.resulted_at if self.random.random() < 0.4 else received
        drawn = old.observed_at
        if self.random.random() < 0.08:
            drawn += self.random.choice((-60, -30, 30, 60)) * MINUTE
        container = old.container if self.random.random() < 0.8 else f"{old.order_number}@{drawn}"
        new = old._replace(
            status=status, value=value, resulted_at=resulted, received_at=received, observed_at=min(drawn, received)
        )._replace(container=container)
        keep = tubes if tubes and self.random.random() < 0.4 else ()
        self.results.append((who, new, keep))
        self._send(
            who, received, "ORU^R01", results=(new,), tubes=tuple(each._replace(received_at=received) for each in keep)
        )

    def _announce(self) -> None:
        who, ordered = self._who(), self.at
        received = ordered + self.random.choice(DELAYS) * MINUTE
        number = (
            self._number("L") if self.random.random() < 0.7 or not self.results else self.results[-1][1].order_number
        )
        order = MagnesiumOrder(number, "", ordered, False, received)
        self._send(who, received, "OML^O21", magnesium_orders=(order,))
        if self.random.random() < 0.4:
            late = received + self.random.choice(EDGES) * MINUTE
            self._send(who, late, "OML^O21", magnesium_orders=(order._replace(cancelled=True, received_at=late),))
        elif self.random.random() < 0.5:
            late = received + self.random.choice(EDGES) * MINUTE
            result = self._result(Analyte.MAGNESIUM, number, ordered, late, "F")
            self.results.append((who, result, ()))
            self._send(who, late, "ORU^R01", results=(result,))

    # Administrations

    def _administer(self, who: int, drug: Drug, order: str, s: int, **more: object) -> Administration:
        received = max(s, int(more.get("ended_at") or s)) + self._delay()  # type: ignore[call-overload]
        given = Administration(drug, order, drug.value, s, 0, None, None, None, True, False, False, received, "")
        given = given._replace(**more)  # type: ignore[arg-type]
        self.given.append((who, given))
        self._send(who, received, "RAS^O17", administrations=(given,))
        return given

    def _treat(self) -> None:
        drug = self.random.choice(TREATMENTS)
        rate = Decimal(5) if drug is Drug.INSULIN and self.random.random() < 0.3 else None
        self._administer(self._who(), drug, self._number("R"), self.at, rate=rate)

    def _digoxin(self) -> None:
        intention = self.random.random() < 0.3
        self._administer(self._who(), Drug.DIGOXIN, self._number("R"), self.at, intention=intention, parenteral=False)

    def _dose(self) -> None:
        grams = self.random.choice((None, Decimal(1), Decimal(2), Decimal(4), Decimal(6)))
        ended = self.at + self.random.choice((0, 20, 60, 240, 361)) * MINUTE
        parenteral = self.random.random() < 0.9
        self._administer(
            self._who(),
            Drug.MAGNESIUM,
            self._number("R"),
            self.at,
            grams=grams,
            ended_at=ended if ended > self.at else None,
            parenteral=parenteral,
            intention=self.random.random() < 0.05,
        )

    def _infuse(self) -> None:
        who, order, s = self._who(), self._number("R"), self.at
        self._administer(who, Drug.MAGNESIUM, order, s, rate=Decimal(1))
        at = s
        while self.random.random() < 0.5:
            at += self.random.choice(EDGES if self.random.random() < 0.9 else LONG) * MINUTE
            self._administer(who, Drug.MAGNESIUM, order, at, rate=Decimal(2))
        at += self.random.choice(EDGES if self.random.random() < 0.8 else LONG) * MINUTE
        end = self.random.random()
        if end < 0.3:
            self._administer(who, Drug.MAGNESIUM, order, at, rate=Decimal(0))
        elif end < 0.55:
            self._administer(who, Drug.MAGNESIUM, order, s, ended_at=at, grams=Decimal(6))
        elif end < 0.65:
            self._administer(who, Drug.MAGNESIUM, order, s, rate=Decimal(1), ended_at=at)
        elif end < 0.72:
            self._administer(who, Drug.MAGNESIUM, order, at, grams=Decimal(2))

    def _regive(self) -> None:
        """A record again: deleted, or replaced by another."""
        if not self.given:
            return
        who, old = self.random.choice(self.given[-5:])
        received = max(self.at, old.received_at) + self.random.choice(DELAYS) * MINUTE
        new = old._replace(received_at=received)
        pick = self.random.random()
        if pick < 0.5:
            new = new._replace(deleted=not old.deleted)
        elif pick < 0.8:
            new = new._replace(grams=self.random.choice((None, Decimal(1), Decimal(5))))
        else:
            new = new._replace(ended_at=old.started_at + self.random.choice(EDGES) * MINUTE)
            received = max(received, new.ended_at or 0)
            new = new._replace(received_at=received)
        self.given.append((who, new))
        self._send(who, received, "RAS^O17", administrations=(new,))

    def _dialyse(self) -> None:
        length = self.random.choice((0, 60, 240, 1440, 2880)) * MINUTE
        received = self.at + length * (self.random.random() < 0.6) + self.random.choice(DELAYS) * MINUTE
        session = Dialysis("90935", self.at, self.at + length, length > 300 * MINUTE, received)
        encounter = Encounter("A08", (), False, received)
        self._send(self._who(), received, "ADT^A08", dialyses=(session,), encounter=encounter, visit=self._visit())

    # Encounters

    def _visit(self) -> Visit | None:
        if self.random.random() < 0.2:
            return None
        return Visit(self.random.choice(("V1", "V1", "V1", "V1", "V2", "")), "WARD", "", "I")

    def _demographics(self) -> None:
        for who in range(self.people):
            born = self.random.choice(("19500505", "19500505", "19800101", "20090301", "20150601", ""))
            sex = self.random.choice(("F", "M", ""))
            diagnoses = (self.random.choice(DIAGNOSES),) if self.random.random() < 0.35 else ()
            encounter = Encounter("A01", diagnoses, False, START)
            self._send(
                who,
                START,
                "ADT^A01",
                encounter=encounter,
                visit=Visit("V1", "WARD", "", "I"),
                demographics=Demographics(born, sex) if born or sex else None,
            )

    def _encounter(self) -> None:
        trigger = self.random.choice(("A01", "A01", "A03", "A03", "A03", "A13", "A08", "A02"))
        diagnoses = (self.random.choice(DIAGNOSES),) if self.random.random() < 0.3 else ()
        deceased = self.random.random() < 0.08
        encounter = Encounter(trigger, diagnoses, deceased, self.at)
        self._send(self._who(), self.at, f"ADT^{trigger}", encounter=encounter, visit=self._visit())

    def _merge(self) -> None:
        self.at += MINUTE
        old, new = self.random.sample(range(self.people), 2)
        if self.random.random() < 0.6:
            old, new = max(old, new), min(old, new)
        merge = PatientMerge(patient(old), patient(new), self.at)
        self._send(old, self.at, "ADT^A40", merge=merge)


def history(seed: int) -> list[PatientEvent]:
    """The history of a seed."""
    generator = Generator(seed)
    return generator.write(generator.random.choice((10, 20, 35, 60)))


RETIRED = 31 * DAY + HOUR
