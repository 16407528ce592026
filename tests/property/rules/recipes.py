"""What one message of a history says: recipes, each a function of its moment and of what was told before it."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial

from rules.events import HOUR, MINUTE, Administration, Analyte, Condition, Drug, Instant, Result
from tests.unit.rules.builders import Fact, adt, dialysis, dose, given, infusion, ordered, result, said, visit

Recipe = Callable[[Instant, Sequence[Fact]], tuple[Fact, ...]]

A = Analyte
ORDERS = (None, "ORD1", "ORD2")


def measured(*pairs: tuple[Analyte, str], condition: Condition | None = None, order: str | None = None) -> Recipe:
    """Return results of one draw: serial draws under one order where it is told, else an order each."""

    def recipe(at: Instant, _: Sequence[Fact]) -> tuple[Fact, ...]:
        drawn = [result(analyte, value, at, order=order) for analyte, value in pairs]
        tubes = [said(one, condition) for one in drawn] if condition is not None else []
        return (*drawn, *tubes)

    return recipe


def announced(
    status: str, analyte: Analyte = A.MAGNESIUM, value: str | None = None, order: str | None = None
) -> Recipe:
    """Return a result that is not final: announced, preliminary, cannot be obtained."""
    return lambda at, _: (result(analyte, value, at, status=status, order=order),)


def revised(
    status: str, value: str | None = None, condition: Condition | None = None, *, of: Analyte | None = None
) -> Recipe:
    """Return a newer version of the last result (of an analyte), or without one a harmless creatinine."""

    def recipe(at: Instant, past: Sequence[Fact]) -> tuple[Fact, ...]:
        last = _last(past, of)
        if last is None:
            return (result(A.CREATININE, "80", at),)
        text = value if value is not None or status in "WDX" else str(last.value) if last.value is not None else None
        again = result(last.analyte, text, last.observed_at, status=status, order=last.order_number, resulted=at)
        return (again,) if condition is None else (again, said(again, condition))

    return recipe


def doubted(condition: Condition, of: Analyte) -> Recipe:
    """Return what is said later of the tube of the last result of an analyte, without a newer version of it."""

    def recipe(at: Instant, past: Sequence[Fact]) -> tuple[Fact, ...]:
        last = _last(past, of)
        return (result(A.CREATININE, "80", at),) if last is None else (said(last, condition),)

    return recipe


def beside(analyte: Analyte, value: str) -> Recipe:
    """Return another result of the last specimen: it may change the verdict on what is known."""

    def recipe(at: Instant, past: Sequence[Fact]) -> tuple[Fact, ...]:
        last = _last(past, None)
        return (result(analyte, value, at if last is None else last.observed_at, resulted=at),)

    return recipe


def course(*parts: tuple[float, Recipe]) -> Recipe:
    """Return what happened so many hours before, told in one message."""
    return lambda at, past: tuple(fact for before, recipe in parts for fact in recipe(at - round(before * HOUR), past))


def _last(past: Sequence[Fact], analyte: Analyte | None) -> Result | None:
    results = [fact for fact in past if isinstance(fact, Result) and analyte in (None, fact.analyte)]
    return results[-1] if results else None


def values(analyte: Analyte, numbers: str, order: str | None = None) -> list[Recipe]:
    """Return a recipe for each of *numbers*."""
    return [measured((analyte, number), order=order) for number in numbers.split()]


def administered(*drugs: Drug) -> list[Recipe]:
    """Return each drug given."""
    return [partial(_given, drug) for drug in drugs]


def told(trigger: str, number: str = "", codes: Iterable[str] = (), *, deceased: bool = False) -> Recipe:
    """Return an ADT message."""
    return lambda at, _: (adt(trigger, diagnoses=codes, deceased=deceased), visit(number))


def _given(drug: Drug, at: Instant, _: Sequence[Fact]) -> tuple[Fact, ...]:
    return (given(drug, at),)


def _dose(grams: str | None, order: str, at: Instant, _: Sequence[Fact]) -> tuple[Fact, ...]:
    return (dose(at, grams, order=order),)


def _runs(order: str, at: Instant, _: Sequence[Fact]) -> tuple[Fact, ...]:
    return (infusion(at, order=order),)


def _ran(grams: str, hours: int, at: Instant, _: Sequence[Fact]) -> tuple[Fact, ...]:
    return (infusion(at, at + hours * HOUR, grams=grams),)


def _stopped(order: str, at: Instant, _: Sequence[Fact]) -> tuple[Fact, ...]:
    return (given(Drug.MAGNESIUM, at, rate="0", order=order),)


def _last_dose(grams: str | None, at: Instant, past: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return the last record of a drug deleted, or with another amount."""
    records = [fact for fact in past if isinstance(fact, Administration)]
    if not records:
        return (dose(at, "4"),)
    return (records[-1]._replace(deleted=True) if grams is None else records[-1]._replace(grams=Decimal(grams)),)


VALUED = (A.POTASSIUM, A.MAGNESIUM, A.CALCIUM)
K_HIGH = "5.1 5.3 5.4 5.5 5.6 5.8 6.0 6.0 6.1 6.3 6.5 7.1 8.0"
K_LOW = "2.3 2.4 2.6 2.9 2.9 3.1 3.2 3.4 3.5 4.2"
MG_LOW, MG_HIGH = "0.40 0.55 0.69 0.695 0.9", "0.9 1.2 1.25 1.3 1.5 1.9 2.0 2.3 2.6 3.6 4.1 5.2"

TAKEN_BACK = [
    *(revised(status, of=analyte) for analyte in (*VALUED, None) for status in "WWX"),
    *(revised("C", value) for value in ("3.9", "5.0", "6.4", "0.9", "2.2", "1.0")),
    *(doubted(condition, of) for condition in (Condition.HEMOLYZED, Condition.CLOTTED) for of in VALUED),
    beside(A.CALCIUM, "1.5"),
    revised("D"),
    revised("F"),
    revised("U"),
    revised("C", condition=Condition.HEMOLYZED),
]
VISITS = [
    told("A01", "V1"),
    told("A01", "V2"),
    told("A02", "V1"),
    *[told("A03", "V1")] * 3,
    told("A03", ""),
    told("A03", "V2"),
    told("A13", "V1"),
    told("A08", "V1", ["N184"]),
    told("A08", "V1", ["O141"]),
    *[told("A08", "", deceased=True)] * 3,
]
TUBES = [measured((A.POTASSIUM, v), condition=c) for v in ("5.4", "6.2", "7.2", "2.9") for c in Condition]
KIDNEYS = [*values(A.CREATININE, "60 90 97 400"), *values(A.EGFR, "12 29 30 80"), *values(A.DIGOXIN, "1.1 2.1")]
SESSIONS: list[Recipe] = [lambda at, _: (dialysis(at - 4 * HOUR, at),), lambda at, _: (dialysis(at, at + 4 * HOUR),)]
PENDING = [
    *(announced("I", order=order) for order in ORDERS),
    announced("P", value="0.6", order="ORD1"),
    announced("P", A.POTASSIUM, "6.2", order="ORD2"),
    lambda at, _: (ordered(at, "ORD1"),),
    lambda at, _: (ordered(at, "ORD1", cancelled=True),),
]
EDTA = [
    measured((A.POTASSIUM, "6.6"), (A.CALCIUM, "1.5"), (A.MAGNESIUM, "0.45")),
    measured((A.POTASSIUM, "6.9"), (A.CALCIUM, "1.6")),
]
MAGNESIUM_GIVEN: list[Recipe] = [
    *(partial(_dose, grams, order) for grams in ("1", "2", "4", None) for order in ("", "RX1")),
    *(partial(_runs, order) for order in ("", "RX2", "RX2")),
    partial(_ran, "6", 3),
    partial(_ran, "12", 12),
    partial(_stopped, "RX2"),
    *(partial(_last_dose, grams) for grams in (None, None, "1")),
    course((13, partial(_dose, "4", ""))),
]

_RECENTLY_4_GRAMS = ((5, measured((A.POTASSIUM, "4.4"))), (4, partial(_dose, "4", "")))
TOGETHER = [
    measured((A.POTASSIUM, "6.2"), (A.MAGNESIUM, "2.2")),
    measured((A.POTASSIUM, "2.3"), (A.MAGNESIUM, "0.45"), (A.CALCIUM, "1.5")),
    measured((A.MAGNESIUM, "2.7"), (A.CALCIUM, "1.5"), (A.POTASSIUM, "6.2")),
    course(*_RECENTLY_4_GRAMS, (0, measured((A.MAGNESIUM, "2.2"), (A.POTASSIUM, "6.2")))),
    course(*_RECENTLY_4_GRAMS, (0, measured((A.POTASSIUM, "6.7"), (A.MAGNESIUM, "2.2"), (A.CALCIUM, "1.6")))),
]
FAILED = [
    course(
        (3, measured((A.POTASSIUM, "6.6"))), (2, measured((A.POTASSIUM, "5.0"))), (0, measured((A.POTASSIUM, "5.6")))
    ),
    course((1, measured((A.POTASSIUM, "5.1"))), (0, measured((A.POTASSIUM, "5.6")))),
    *(
        course(
            (2.5, measured((A.POTASSIUM, "6.4"))),
            (1.5, measured((A.POTASSIUM, "5.7"))),
            (1.5, partial(_given, drug)),
            (0, measured((A.POTASSIUM, last))),
        )
        for drug, last in ((Drug.INSULIN, "5.6"), (Drug.BETA2_AGONIST, "5.8"))
    ),
]
HIGH = [
    *values(A.POTASSIUM, K_HIGH) * 2,
    *values(A.POTASSIUM, "5.6 6.2", order="ORD2"),
    *FAILED * 2,
    *values(A.MAGNESIUM, MG_LOW),
    *(measured((A.POTASSIUM, p), (A.MAGNESIUM, m)) for p in ("5.7", "6.2", "6.6") for m in ("0.45", "0.6")),
    *administered(Drug.INSULIN, Drug.BETA2_AGONIST, Drug.BINDER, Drug.LOOP_DIURETIC, Drug.CALCIUM, Drug.DIGOXIN),
    *values(A.CALCIUM, "1.85 2.3"),
    *TUBES[::3],
    *EDTA,
    *PENDING,
    *SESSIONS,
    *TAKEN_BACK,
    *VISITS,
    *KIDNEYS[::2],
    partial(_dose, "2", ""),
]
LOW = [
    *values(A.POTASSIUM, K_LOW) * 3,
    *values(A.MAGNESIUM, MG_LOW),
    *(measured((A.POTASSIUM, p), (A.MAGNESIUM, m)) for p in ("2.4", "2.9", "3.2") for m in ("0.45", "0.6", "0.9")),
    *TOGETHER[1:2] * 2,
    *administered(Drug.DIGOXIN, Drug.LOOP_DIURETIC),
    *TUBES[::3],
    *PENDING,
    *SESSIONS,
    *TAKEN_BACK,
    *VISITS,
    partial(_dose, "2", ""),
]
INFUSED = [
    *MAGNESIUM_GIVEN,
    *TOGETHER * 3,
    *values(A.MAGNESIUM, MG_HIGH),
    *values(A.POTASSIUM, "4.0 5.0 5.1 5.5 5.6 6.0 6.6"),
    *values(A.CALCIUM, "1.5 1.64 1.85 1.9 2.3"),
    *values(A.CALCIUM_IONIZED, "0.45 0.79 0.95 1.0 1.2"),
    measured((A.MAGNESIUM, "2.2"), condition=Condition.HEMOLYZED),
    measured((A.MAGNESIUM, "2.7"), condition=Condition.CLOTTED),
    *TAKEN_BACK,
    *VISITS,
    *KIDNEYS[::2],
    *SESSIONS,
]
ANYTHING = [*HIGH, *LOW, *INFUSED]
THEMES = (HIGH, INFUSED, LOW, ANYTHING)
GAPS = tuple(
    round(hours * HOUR)
    for hours in (1, 2, 0, 0.5, 1.5, 3, 4, 6, 0.25, 9, 12, 24, 48 - 1 / 3600, 48)  # the simplest first, to shrink to
)
DELAYS = (0, 0, 0, 0, 5 * MINUTE, 20 * MINUTE, 3 * HOUR, 26 * HOUR)
