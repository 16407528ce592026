"""Histories in which a sentence has more to say than room: what is shortened, and what is left out (issue 5)."""

from collections.abc import Iterator
from decimal import Decimal

from rules import engine
from rules.alert import Change, Transition
from rules.events import MINUTE, Drug, Result
from rules.units import Unit, canonical
from tests.unit.rules.builders import Play, adt, ca, crea, dialysis, dose, given, h, hemolyzed, ica, infusion, k, mg
from tests.unit.words.histories import Case, R, case, later


def in_other_units(result: Result, number: str, units: str, comparator: str = "", unit: Unit | None = None) -> Result:
    """Return *result* as a laboratory sent it that writes *number* and *units*, which means *unit*."""
    value = canonical(result.analyte, Decimal(number), unit or Unit(units))
    return result._replace(value=value, original_value=comparator + number, original_units=units, comparator=comparator)


def crowded() -> Iterator[Case]:
    """Yield, for each rule, all that can stand in its sentence at once."""
    yield from _high_potassium()
    yield from _low_potassium()
    yield from _magnesium()
    yield from _after_magnesium()


def overruled(play: Play, minutes: int) -> list[Transition]:
    """Return what is said when the hold ends by the wall clock, the feed being *minutes* behind (RULES.md 8)."""
    assert play.state is not None
    judged = engine.tick(play.state, watermark=h(9), rulebook=play.rulebook, behind=minutes * MINUTE)
    return [one for one in judged.transitions if one.change is Change.RAISED]


def _high_potassium() -> Iterator[Case]:
    worse = (ca("1.60", h(1.9)), crea("1480.5", h(2)))
    insulin = given(Drug.BETA2_AGONIST, h(0.5))
    for title, facts in (
        ("a treatment that failed", [k("6.9", h(0)), k("6.5", h(0.4)), insulin, k("6.3", h(2))]),
        ("high again", [k("6.7", h(0)), k("5.0", h(1)), k("6.3", h(2))]),
        ("high again after a treatment", [k("6.7", h(0)), insulin, k("5.0", h(1)), k("6.3", h(2))]),
        ("persistent, treated before", [given(Drug.LOOP_DIURETIC, h(-1)), k("6.7", h(0)), k("6.3", h(2))]),
        ("persistent, untreated", [k("6.7", h(0)), k("6.3", h(2))]),
    ):
        for beside, more in (("all else worse", worse), ("kidneys impaired", (dialysis(h(-9), h(-6)),))):
            play = Play(adt("A01"))
            play.tell(mg("0.85", h(-30)), *facts, *more, at=h(2.5))
            play.wait(h(3))
            yield case(R.REFRACTORY_HYPERKALEMIA, f"crowded: {title}, {beside}", play.seen)
    for title, more in (("all else worse", worse), ("kidneys impaired", (dialysis(h(-9), h(-6)),))):
        late = Play(adt("A01"))
        late.tell(k("6.1", h(0)), mg("0.85", h(-30)), at=h(0.5))
        late.tell(k("6.2", h(2)), *more, at=h(2.5))
        yield case(R.REFRACTORY_HYPERKALEMIA, f"crowded: the feed is behind, {title}", overruled(late, 25))
    binder = Play(adt("A01"))
    binder.tell(k("6.95", h(0)), k("6.55", h(0.4)), given(Drug.BINDER, h(0.5)), at=h(0.6), unmapped=h(0))
    binder.seen = []
    binder.tell(k("6.35", h(2.6)), ca("1.605", h(2.5)), crea("1480.5", h(2)), at=h(4.35))
    yield case(R.REFRACTORY_HYPERKALEMIA, "crowded: a binder that failed, all else worse", binder.seen)
    stuck = Play(adt("A01"))
    stuck.tell(k("6.15", h(0)), ica("0.855", h(1)), crea("1480.5", h(1)), at=h(1), unmapped=h(0))
    stuck.tell(in_other_units(k("6.40", h(1.95)), "6.40", "mmol/L", ">"), at=h(3.6))
    yield case(R.REFRACTORY_HYPERKALEMIA, "crowded: the feed is far behind, all else worse", overruled(stuck, 115))
    failed = Play(adt("A01"))
    failed.tell(k("6.15", h(0)), ica("0.855", h(1)), given(Drug.BETA2_AGONIST, h(0.5)), at=h(1), unmapped=h(0))
    failed.tell(in_other_units(k("6.40", h(1.95)), "6.40", "mmol/L", ">"), at=h(3.6))
    yield case(R.REFRACTORY_HYPERKALEMIA, "crowded: a treatment failed, the feed is far behind", overruled(failed, 115))
    longer = Play(adt("A01"))
    longer.tell(k("6.05", h(0)), ca("1.605", h(1)), mg("0.605", h(1.85)), at=h(1.9))
    longer.seen = []
    longer.tell(k("6.25", h(1.9)), at=h(3.7))
    yield case(R.HYPERKALEMIA_LOW_MAGNESIUM, "crowded: calcium worse, untreated", longer.seen)
    for title, beside_it in (
        ("everything at once", (*worse, given(Drug.BETA2_AGONIST, h(1)))),
        ("everything at once, untreated", worse),
        ("the highest is hemolyzed", (crea("90", h(2)),)),
        ("the highest is hemolyzed, one before it", ()),
        ("the highest is hemolyzed, insulin", (crea("90", h(2)), given(Drug.INSULIN, h(1.5)))),
        ("kidneys impaired", (dialysis(h(-9), h(-6)),)),
    ):
        low = Play(adt("A01"))
        low.tell(*hemolyzed(k("7.1", h(0))), *([] if beside_it else [k("6.0", h(1))]), at=h(1))
        low.tell(k("6.2", h(2)), mg("0.60", h(1.5)), *beside_it, at=h(2.5))
        yield case(R.HYPERKALEMIA_LOW_MAGNESIUM, f"crowded: {title}", low.seen)


def _low_potassium() -> Iterator[Case]:
    worse = (ca("1.60", h(6)), crea("1480.5", h(6)))
    for title, first, facts in (
        ("magnesium low, worse beside it", "2.4", [mg("0.60", h(6)), *worse]),
        ("no magnesium, worse beside it", "2.4", [mg("0.85", h(-30)), *worse]),
        ("no magnesium, kidneys impaired", "2.9", [dialysis(h(-9), h(-6))]),
        ("magnesium low, kidneys impaired", "2.9", [mg("0.60", h(6)), dialysis(h(-9), h(-6))]),
    ):
        play = Play(adt("A01"))
        play.tell(k(first, h(0)), at=h(0.1))
        play.seen = []
        play.tell(*hemolyzed(k("2.8", h(6))), *facts, at=h(6.5))
        play.wait(h(7))
        yield case(R.REFRACTORY_HYPOKALEMIA, f"crowded: {title}", play.seen)
    stuck = Play(adt("A01"))
    stuck.tell(k("2.95", h(0)), at=h(0.1), unmapped=h(0))
    stuck.tell(*hemolyzed(k("2.85", h(5.9))), ica("0.855", h(5.9)), at=h(7.6))
    yield case(R.REFRACTORY_HYPOKALEMIA, "crowded: the feed is far behind, calcium worse", overruled(stuck, 115))
    stuck = Play(adt("A01"))
    stuck.tell(k("2.9", h(0)), k("2.8", h(6)), at=h(6.2))
    yield case(R.REFRACTORY_HYPOKALEMIA, "the feed is behind", overruled(stuck, 25))


def _magnesium() -> Iterator[Case]:
    worse = (k("6.25", h(8)), ca("1.65", h(8)), crea("1480.5", h(8)))
    for title, drug, value, more in (
        ("more than the dose explains, all else worse", infusion(h(0), h(4), grams="2"), "3.45", worse),
        ("more than the dose explains, kidneys impaired", infusion(h(0), h(4), grams="2"), "3.45", ()),
        ("an end that is assumed, all else worse", infusion(h(-26), grams="2.5"), "2.15", worse),
        ("as much as the dose explains, all else worse", infusion(h(0), h(4), grams="12.5"), "3.45", worse),
    ):
        play = Play(adt("A01", diagnoses=["N18.5"] if not more else []))
        play.tell(mg("0.85", h(-28)), drug, at=h(4.1))
        play.tell(mg("1.60", h(5)), at=h(5.1)) if value == "2.15" else None
        play.seen = []
        play.tell(mg(value, h(8)), *more, at=h(8.5))
        yield case(R.POST_INFUSION_HYPERMAGNESEMIA, f"crowded: {title}", play.seen)
    explained = Play(adt("A01"))
    explained.tell(mg("0.855", h(-28)), infusion(h(0), h(4), grams="12.5"), at=h(4.1))
    explained.tell(
        mg("3.455", h(8)), k("6.255", h(8)), ica("0.855", h(8)), crea("1480.5", h(8)), at=h(8) + 105 * MINUTE
    )
    yield case(R.POST_INFUSION_HYPERMAGNESEMIA, "crowded: explained, ionized calcium worse", explained.seen)
    unknown = Play(adt("A01"))
    unknown.tell(mg("2.45", h(8)), *worse, at=h(8.5))
    yield case(R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "crowded: all else worse", unknown.seen)
    ahead = Play(adt("A01"))
    ahead.tell(infusion(h(0), h(30), grams="12.5"), dose(h(1), None), at=h(1))
    ahead.wait(h(44))
    yield case(R.MAGNESIUM_MONITORING_GAP, "an end recorded ahead of time, a dose without an amount", ahead.seen)
    ahead = Play(adt("A01"))
    ahead.tell(infusion(h(0), grams="12.5"), dose(h(1), None), at=h(1))
    ahead.wait(h(7))
    going = later(ahead)
    going.tell(crea("1480.5", h(8)), at=h(8))
    yield case(R.MAGNESIUM_MONITORING_GAP, "an infusion that runs, kidneys impaired by now", going.seen)
    going = later(ahead)
    going.tell(crea("1480.5", h(37)), at=h(37))
    yield case(R.MAGNESIUM_MONITORING_GAP, "an end that is assumed, kidneys impaired by now", going.seen)


def _after_magnesium() -> Iterator[Case]:
    doses = (infusion(h(0), h(4), grams="4"), dose(h(3), None))
    for title, more in (
        ("all else worse", (mg("1.25", h(6)), ca("1.65", h(6)), crea("1480.5", h(6)))),
        ("a hemolyzed magnesium", (*hemolyzed(mg("1.25", h(6))),)),
        ("kidneys impaired", (dialysis(h(-9), h(-6)),)),
    ):
        play = Play(adt("A01"))
        play.tell(k("4.55", h(-4)), ca("2.35", h(-4)), at=h(-3))
        play.tell(*doses, at=h(4.1))
        play.tell(k("5.85", h(5)), at=h(5.1))
        first = later(play)
        first.tell(k("6.65", h(6)), *more, at=h(6.5))
        yield case(R.HYPERKALEMIA_AFTER_MAGNESIUM, f"crowded: {title}", first.seen)
        if title == "all else worse":
            longest = later(play)
            longest.tell(k("6.65", h(6.75)), *more, at=h(8.5))
            yield case(R.HYPERKALEMIA_AFTER_MAGNESIUM, "crowded: all else worse, and late", longest.seen)
        second = later(play)
        total = [fact for fact in more if fact != ca("1.65", h(6))]
        second.tell(ca("1.60", h(6)), *total, at=h(6.5))
        second.tell(ica("0.75", h(7)), ca("1.62", h(7)), at=h(7.5))
        yield case(R.HYPOCALCEMIA_AFTER_MAGNESIUM, f"crowded: {title}", second.seen)
