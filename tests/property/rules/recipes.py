"""What one message of a history says: recipes, each a function of its moment and of what was told before it."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Concatenate, NamedTuple, ParamSpec

from rules.events import HOUR, MINUTE, Administration, Analyte, Condition, Drug, Instant, Result
from tests.unit.rules.builders import Fact, adt, dialysis, dose, given, infusion, ordered, result, said, visit

P = ParamSpec("P")
A = Analyte
Facts = tuple[Fact, ...]


class Recipe(NamedTuple):
    """A message to be made; its repr is how it was written, so that a failing history can be read."""

    make: Callable[..., Facts]
    arguments: tuple[Any, ...]
    more: dict[str, Any]

    def __call__(self, at: Instant, past: Sequence[Fact]) -> Facts:
        """Return what it says at a moment, after what was told before."""
        return self.make(at, past, *self.arguments, **self.more)

    def __repr__(self) -> str:
        """Return the call that made it."""
        shown = [*map(repr, self.arguments), *(f"{name}={value!r}" for name, value in self.more.items())]
        return f"{self.make.__name__}({', '.join(shown)})"


def recipe(make: Callable[Concatenate[Instant, Sequence[Fact], P], Facts]) -> Callable[P, Recipe]:
    """Make recipes of a function of a moment, of what was told before it, and of more."""

    def written(*arguments: P.args, **more: P.kwargs) -> Recipe:
        return Recipe(make, arguments, more)

    return written


def _last(past: Sequence[Fact], analyte: Analyte | None) -> Result | None:
    results = [fact for fact in past if isinstance(fact, Result) and analyte in (None, fact.analyte)]
    return results[-1] if results else None


@recipe
def measured(
    at: Instant,
    _: Sequence[Fact],
    *pairs: tuple[Analyte, str | None],
    condition: Condition | None = None,
    order: str | None = None,
    status: str = "F",
) -> Facts:
    """Results of one draw: serial draws under one order where it is told, else an order each."""
    drawn = [result(analyte, value, at, order=order, status=status) for analyte, value in pairs]
    return (*drawn, *([said(one, condition) for one in drawn] if condition is not None else []))


@recipe
def revised(
    at: Instant,
    past: Sequence[Fact],
    status: str,
    value: str | None = None,
    *,
    of: Analyte | None = None,
    condition: Condition | None = None,
) -> Facts:
    """Return a newer version of the last result (of an analyte), or without one a harmless creatinine."""
    last = _last(past, of)
    if last is None:
        return (result(A.CREATININE, "80", at),)
    text = value if value is not None or status in "WDX" else str(last.value) if last.value is not None else None
    again = result(last.analyte, text, last.observed_at, status=status, order=last.order_number, resulted=at)
    return (again,) if condition is None else (again, said(again, condition))


@recipe
def doubted(at: Instant, past: Sequence[Fact], condition: Condition, of: Analyte) -> Facts:
    """Return what is said later of the tube of the last result of an analyte, without a newer version of it."""
    last = _last(past, of)
    return (result(A.CREATININE, "80", at),) if last is None else (said(last, condition),)


@recipe
def beside(at: Instant, past: Sequence[Fact], analyte: Analyte, value: str) -> Facts:
    """Return another result of the last specimen: it may change the verdict on what is known."""
    last = _last(past, None)
    return (result(analyte, value, at if last is None else last.observed_at, resulted=at),)


@recipe
def course(at: Instant, past: Sequence[Fact], *parts: tuple[float, Recipe]) -> Facts:
    """Return what happened so many hours before, told in one message."""
    return tuple(fact for before, one in parts for fact in one(at - round(before * HOUR), past))


@recipe
def told(
    _: Instant, __: Sequence[Fact], trigger: str, number: str = "", codes: Iterable[str] = (), *, deceased: bool = False
) -> Facts:
    """Return an ADT message."""
    return (adt(trigger, diagnoses=codes, deceased=deceased), visit(number))


@recipe
def drug(at: Instant, _: Sequence[Fact], of: Drug) -> Facts:
    """Return a drug given."""
    return (given(of, at),)


@recipe
def bolus(at: Instant, _: Sequence[Fact], grams: str | None, order: str = "") -> Facts:
    """Return an amount of magnesium."""
    return (dose(at, grams, order=order),)


@recipe
def runs(at: Instant, _: Sequence[Fact], order: str = "") -> Facts:
    """Return a magnesium infusion that runs."""
    return (infusion(at, order=order),)


@recipe
def ran(at: Instant, _: Sequence[Fact], grams: str, hours: int) -> Facts:
    """Return a magnesium infusion that has ended."""
    return (infusion(at, at + hours * HOUR, grams=grams),)


@recipe
def stopped(at: Instant, _: Sequence[Fact], order: str) -> Facts:
    """Return the stop of an infusion."""
    return (given(Drug.MAGNESIUM, at, rate="0", order=order),)


@recipe
def last_dose(at: Instant, past: Sequence[Fact], grams: str | None = None) -> Facts:
    """Return the last record of a drug deleted, or with another amount."""
    records = [fact for fact in past if isinstance(fact, Administration)]
    if not records:
        return (dose(at, "4"),)
    return (records[-1]._replace(deleted=True) if grams is None else records[-1]._replace(grams=Decimal(grams)),)


@recipe
def dialyzed(at: Instant, _: Sequence[Fact], hours: int) -> Facts:
    """Return a dialysis that begins now, or that ended now."""
    return (dialysis(min(at, at + hours * HOUR), max(at, at + hours * HOUR)),)


@recipe
def ordered_magnesium(at: Instant, _: Sequence[Fact], number: str, *, cancelled: bool = False) -> Facts:
    """Return an order of a magnesium, or its cancel."""
    return (ordered(at, number, cancelled=cancelled),)


def values(analyte: Analyte, numbers: str, order: str | None = None) -> list[Recipe]:
    """Return a recipe for each of *numbers*."""
    return [measured((analyte, number), order=order) for number in numbers.split()]


def administered(*drugs: Drug) -> list[Recipe]:
    """Return each drug given."""
    return [drug(one) for one in drugs]


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
SESSIONS = [dialyzed(-4), dialyzed(4)]
PENDING = [
    *(measured((A.MAGNESIUM, None), status="I", order=order) for order in (None, "ORD1", "ORD2")),
    measured((A.MAGNESIUM, "0.6"), status="P", order="ORD1"),
    measured((A.POTASSIUM, "6.2"), status="P", order="ORD2"),
    ordered_magnesium("ORD1"),
    ordered_magnesium("ORD1", cancelled=True),
]
EDTA = [
    measured((A.POTASSIUM, "6.6"), (A.CALCIUM, "1.5"), (A.MAGNESIUM, "0.45")),
    measured((A.POTASSIUM, "6.9"), (A.CALCIUM, "1.6")),
]
MAGNESIUM_GIVEN = [
    *(bolus(grams, order) for grams in ("1", "2", "4", None) for order in ("", "RX1")),
    *(runs(order) for order in ("", "RX2", "RX2")),
    ran("6", 3),
    ran("12", 12),
    stopped("RX2"),
    last_dose(),
    last_dose(),
    last_dose("1"),
    course((13, bolus("4"))),
]
_RECENTLY_4_GRAMS = ((5, measured((A.POTASSIUM, "4.4"))), (4, bolus("4")))
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
            (1.5, drug(one)),
            (0, measured((A.POTASSIUM, last))),
        )
        for one, last in ((Drug.INSULIN, "5.6"), (Drug.BETA2_AGONIST, "5.8"))
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
    bolus("2"),
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
    bolus("2"),
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
