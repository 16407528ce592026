"""Every case of the golden table: `histories` told to their ends, and one small history for each thing to be said."""

from collections.abc import Callable, Iterator
from functools import cache

from rules import engine
from rules.alert import Rule
from rules.events import MINUTE, Condition, Drug, Instant
from rules.rulebook import load
from rules.units import Unit
from tests.unit.rules.builders import (
    OTHER,
    Play,
    adt,
    ca,
    crea,
    dialysis,
    dig,
    dose,
    given,
    h,
    ica,
    infusion,
    k,
    mg,
    ordered,
    said,
)
from tests.unit.words.crowded import crowded, in_other_units
from tests.unit.words.histories import (
    CHILD,
    Case,
    R,
    calcium_after,
    case,
    ended_in_every_way,
    high_potassium,
    infused,
    later,
    low_magnesium,
    low_potassium,
    persistent,
    potassium_after,
    unknown_dose,
    unmeasured,
)

Step = Callable[[Play], object]


def then(rule: Rule, title: str, play: Play, *steps: Step) -> Case:
    """Return what *rule* says at the last of *steps*."""
    going = later(play)
    for step in steps:
        going.seen = []
        step(going)
    return case(rule, title, going.seen)


def told(*facts: object, at: Instant, **more: object) -> Step:
    """Return the step that tells *facts*."""
    return lambda play: play.tell(*facts, at=at, **more)  # type: ignore[arg-type]


def until(at: Instant) -> Step:
    """Return the step that lets time pass."""
    return lambda play: play.wait(at)


def resolutions() -> Iterator[Case]:
    """Yield each end that a rule of its own names (RULES.md 4, 5)."""
    high, low, hypo = persistent(), low_magnesium(), low_potassium()
    yield then(R.REFRACTORY_HYPERKALEMIA, "a magnesium results", high, told(mg("0.85", h(3)), at=h(3.5)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "a low magnesium results", high, told(mg("0.60", h(3)), at=h(3.5)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "potassium clears", high, told(k("5.0", h(4)), at=h(4.5)))
    yield then(R.HYPERKALEMIA_LOW_MAGNESIUM, "magnesium recovers", low, told(mg("0.80", h(4)), at=h(4.5)))
    yield then(R.HYPERKALEMIA_LOW_MAGNESIUM, "potassium clears", low, told(k("5.0", h(4)), at=h(4.5)))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "magnesium clears", infused(), told(mg("1.1", h(14)), at=h(14.5)))
    yield then(R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "magnesium clears", unknown_dose(), told(mg("1.1", h(8)), at=h(8.5)))
    found = told(infusion(h(-10), h(-6), grams="4"), at=h(1))
    yield then(R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "the dose comes to light", unknown_dose(), found)
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "takes over: the dose comes to light", unknown_dose(), found)
    yield then(R.HYPERKALEMIA_AFTER_MAGNESIUM, "potassium clears", potassium_after(), told(k("5.0", h(9)), at=h(9.5)))
    yield then(R.HYPOCALCEMIA_AFTER_MAGNESIUM, "calcium recovers", calcium_after(), told(ca("2.1", h(9)), at=h(9.5)))
    yield then(R.REFRACTORY_HYPOKALEMIA, "potassium recovers", hypo, told(k("3.7", h(9)), at=h(9.5)))
    yield then(R.REFRACTORY_HYPOKALEMIA, "a magnesium results", hypo, told(mg("0.85", h(7)), at=h(7.5)))
    measured = told(mg("1.0", h(13)), k("4.4", h(13)), at=h(13.5))
    yield then(R.MAGNESIUM_MONITORING_GAP, "both are measured", unmeasured(), measured)
    hemolyzed = k("6.4", h(0))
    doubtful = Play(adt("A01"))
    doubtful.tell(hemolyzed, said(hemolyzed, Condition.HEMOLYZED), at=h(0.5))
    yield then(R.SPURIOUS_POTASSIUM, "a valid repeat", doubtful, told(k("4.4", h(1)), at=h(1.4)))


def courses_of_alerts() -> Iterator[Case]:
    """Yield escalations, reminders and updates (RULES.md 7)."""
    high, low, hypo = persistent(), low_magnesium(), low_potassium()
    yield then(R.REFRACTORY_HYPERKALEMIA, "worse", high, told(k("6.7", h(5)), at=h(5.4)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "as before, 5 h on", high, told(k("6.2", h(8)), at=h(8.4)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "as before, soon", high, told(k("6.1", h(4)), at=h(4.4)))
    yield then(R.HYPERKALEMIA_LOW_MAGNESIUM, "worse", low, told(k("6.7", h(5)), at=h(5.4)))
    yield then(R.HYPERKALEMIA_LOW_MAGNESIUM, "as before, 6 h on", low, told(k("6.2", h(8)), at=h(8.7)))
    yield then(R.HYPERKALEMIA_LOW_MAGNESIUM, "as before, soon", low, told(k("6.1", h(4)), at=h(4.4)))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "worse", infused(), told(mg("2.6", h(12)), at=h(12.5)))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "as before, 5 h on", infused(), told(mg("2.0", h(14)), at=h(14.5)))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "as before, soon", infused(), told(mg("2.0", h(10)), at=h(10.5)))
    yield then(R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "worse", unknown_dose(), told(mg("2.6", h(3)), at=h(3.5)))
    yield then(
        R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "as before, 6 h on", unknown_dose(), told(mg("2.2", h(6)), at=h(6.5))
    )
    yield then(R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "falling", unknown_dose(), told(mg("2.0", h(3)), at=h(3.5)))
    yield then(R.HYPERKALEMIA_AFTER_MAGNESIUM, "worse", potassium_after(), told(k("6.6", h(8)), at=h(8.5)))
    yield then(
        R.HYPERKALEMIA_AFTER_MAGNESIUM, "as before, 5 h on", potassium_after(), told(k("6.1", h(11)), at=h(11.6))
    )
    yield then(R.HYPERKALEMIA_AFTER_MAGNESIUM, "falling", potassium_after(), told(k("5.9", h(8)), at=h(8.5)))
    yield then(
        R.HYPOCALCEMIA_AFTER_MAGNESIUM,
        "as before, 3 h on",
        calcium_after(),
        told(ca("1.6", h(9)), at=h(9.6)),
    )
    yield then(R.HYPOCALCEMIA_AFTER_MAGNESIUM, "rising", calcium_after(), told(ca("1.8", h(7)), at=h(7.2)))
    mild = Play(adt("A01"))
    mild.tell(ca("2.3", h(-4)), at=h(-3))
    mild.tell(infusion(h(0), h(4), grams="4"), at=h(4.1))
    mild.tell(ca("1.8", h(6)), at=h(6.5))
    yield then(R.HYPOCALCEMIA_AFTER_MAGNESIUM, "worse", mild, told(ca("1.5", h(9)), at=h(9.5)))
    yield then(R.REFRACTORY_HYPOKALEMIA, "worse", hypo, told(k("2.4", h(9)), at=h(9.5)))
    yield then(R.REFRACTORY_HYPOKALEMIA, "as before, 5 h on", hypo, told(k("2.8", h(12)), at=h(12.5)))
    yield then(R.REFRACTORY_HYPOKALEMIA, "recovering", hypo, told(k("3.2", h(9)), at=h(9.5)))
    yield then(R.REFRACTORY_HYPOKALEMIA, "the magnesium is low", hypo, told(mg("0.55", h(7)), at=h(7.5)))
    waiting = Play()
    waiting.tell(dose(h(0), "6"), at=h(0.2))
    waiting.wait(h(12.5))
    yield case(R.MAGNESIUM_MONITORING_GAP, "kidneys unknown", waiting.seen)
    yield then(R.MAGNESIUM_MONITORING_GAP, "then impaired", waiting, told(crea("500", h(13)), at=h(13.5)))
    yield then(
        R.MAGNESIUM_MONITORING_GAP, "a magnesium, no potassium", unmeasured(), told(mg("1.1", h(13)), at=h(13.5))
    )
    yield then(
        R.MAGNESIUM_MONITORING_GAP,
        "an infusion that runs",
        Play(adt("A01")),
        told(infusion(h(0)), at=h(0.1)),
        until(h(7)),
    )


def what_is_missing() -> Iterator[Case]:
    """Yield each status of a magnesium that is not recent (RULES.md 4.1)."""

    def first(title: str, *facts: object, **more: object) -> Case:
        play = Play(adt("A01"))
        if facts or more:
            play.tell(*facts, at=h(0.2), **more)  # type: ignore[arg-type]
        play.tell(k("6.1", h(1)), at=h(1.3))
        return then(R.REFRACTORY_HYPERKALEMIA, title, play, lambda p: (p.tell(k("6.2", h(3)), at=h(3.4)), p.wait(h(5))))

    clotted = mg("0.9", h(0))
    yield first("magnesium: old", mg("0.80", h(-30)))
    yield first("magnesium: pending", ordered(h(0)))
    yield first("magnesium: invalid", clotted, said(clotted, Condition.CLOTTED))
    yield first("magnesium: stale, a dose after it", mg("0.55", h(0)), dose(h(0.1)))
    yield first("magnesium: unmapped", unmapped=h(0))
    yield first("magnesium: drawn at a time not known", mg("0.9", h(0), flags=("time_degraded",)))
    crowded = (ca("1.6", h(0.9)), crea("480", h(1)))
    unknown_time = mg("0.9", h(0), flags=("time_degraded",))
    yield first("magnesium: drawn at a time not known, calcium and creatinine worse", unknown_time, *crowded)
    yield first("magnesium: old, in mg/dL", in_other_units(mg("1", h(-30)), "2.0", "mg/dL"))
    yield first("magnesium: old, a spelling of mg/dL", in_other_units(mg("1", h(-30)), "2.0", "mg%", unit=Unit.MG_DL))


def what_stands_beside() -> Iterator[Case]:
    """Yield calcium, creatinine, digoxin, doubtful tubes, assumptions and doses (RULES.md 1-5)."""
    play = high_potassium()
    yield then(
        R.REFRACTORY_HYPERKALEMIA,
        "calcium lower than the headline",
        play,
        told(ca("1.6", h(1.5)), at=h(2.6)),
        until(h(3)),
    )
    ionized_low = told(ica("0.85", h(1.5)), at=h(2.6))
    yield then(R.REFRACTORY_HYPERKALEMIA, "ionized calcium lower than the headline", play, ionized_low, until(h(3)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "creatinine worse", play, told(crea("480", h(2)), at=h(2.6)), until(h(3)))
    both = told(crea("480", h(2)), ca("1.6", h(1.5)), at=h(2.6))
    yield then(R.REFRACTORY_HYPERKALEMIA, "calcium and creatinine", play, both, until(h(3)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "digoxin", play, told(dig("2.4", h(2)), at=h(2.6)), until(h(3)))
    yield then(
        R.REFRACTORY_HYPERKALEMIA,
        "binder and dialysis seen",
        play,
        told(given(Drug.BINDER, h(1)), dialysis(h(0.2), h(1.2)), at=h(2.6)),
        until(h(3)),
    )
    hemolyzed = k("6.6", h(2.2))
    doubt = told(hemolyzed, said(hemolyzed, Condition.HEMOLYZED), at=h(2.6))
    yield then(R.REFRACTORY_HYPERKALEMIA, "a hemolyzed potassium in the episode", play, doubt, until(h(3)))
    twice = Play(adt("A01"))
    for at in (0.0, 2.0):
        tube = k("6.2", h(at))
        twice.tell(tube, said(tube, Condition.HEMOLYZED), at=h(at + 0.4))
    yield then(R.REFRACTORY_HYPERKALEMIA, "two hemolyzed ones agree", twice, until(h(3)))
    assumed = Play(adt("A01"), who=None)
    assumed.tell(k("6.1", h(0), flags=("unit_assumed", "status_assumed")), at=h(0.5))
    censored = in_other_units(k("8.0", h(2), flags=("censored", "time_degraded")), "8.0", "mEq/L", ">")
    yield then(
        R.REFRACTORY_HYPERKALEMIA, "unit and status assumed, censored, age unknown", assumed, told(censored, at=h(2.5))
    )
    pair = told(k("6.2", h(2), order="A"), k("5.8", h(2), order="B"), at=h(2.5))
    single = Play(adt("A01"))
    single.tell(k("6.1", h(0)), at=h(0.5))
    yield then(R.REFRACTORY_HYPERKALEMIA, "two values of one specimen", single, pair, until(h(3)))
    twice_the_same = told(k("6.2", h(2), order="A"), k("6.2", h(2), order="B"), at=h(2.5))
    yield then(R.REFRACTORY_HYPERKALEMIA, "one value twice in a specimen", single, twice_the_same, until(h(3)))
    low = Play(adt("A01"))
    low.tell(k("2.9", h(0)), at=h(0.5))
    tube = k("2.8", h(6))
    red = told(tube, said(tube, Condition.HEMOLYZED), at=h(6.5))
    yield then(R.REFRACTORY_HYPOKALEMIA, "hemolyzed", low, red, until(h(7)))
    complete = told(k("6.6", h(0)), mg("0.60", h(0)), ca("2.1", h(0)), at=h(0.5))
    yield then(R.HYPERKALEMIA_LOW_MAGNESIUM, "calcium in the tube", Play(adt("A01")), complete)
    wild = told(mg("3.4", h(8.5)), at=h(9))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "more than the dose explains", infused(), wild)
    early = told(mg("2.2", h(5)), at=h(5.4))
    given_now = Play(adt("A01"))
    given_now.tell(infusion(h(0), h(4), grams="4"), dose(h(3), None), at=h(4.1))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "soon after the infusion, a dose without an amount", given_now, early)
    assumed_end = Play(adt("A01"))
    assumed_end.tell(infusion(h(0)), at=h(0.1))
    yield then(
        R.POST_INFUSION_HYPERMAGNESEMIA, "end assumed after 24 h", assumed_end, told(mg("2.3", h(30)), at=h(30.5))
    )
    timed = told(infusion(h(0), h(10), grams="6"), mg("2.6", h(3)), crea("90", h(3)), at=h(3.5))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "an end recorded ahead of time", Play(adt("A01")), timed)
    sent_home = later(assumed_end)
    sent_home.tell(adt("A03"), at=h(6))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "end assumed at discharge", sent_home, told(mg("2.3", h(9)), at=h(9.5)))
    intramuscular = told(
        dose(h(0), "4")._replace(flags=("route_assumed",)), mg("2.3", h(5)), crea("90", h(5)), at=h(5.5)
    )
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "a dose, route assumed", Play(adt("A01")), intramuscular)
    potassium = told(k("6.3", h(8)), crea("400", h(8)), ca("1.7", h(8)), at=h(8.6))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "potassium, calcium and creatinine worse", infused(), potassium)
    ionized = told(infusion(h(0), h(4), grams="4"), ica("0.75", h(5)), at=h(5.5))
    yield then(R.HYPOCALCEMIA_AFTER_MAGNESIUM, "ionized, no dialysis", Play(adt("A01")), ionized)
    obstetric = Play(adt("A01", diagnoses=["O14.1"]))
    obstetric.tell(infusion(h(0)), crea("60", h(0)), at=h(0.2))
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "obstetric", obstetric, told(mg("4.2", h(6)), at=h(6.4)))


def what_the_severity_is_by() -> Iterator[Case]:
    """Yield what is told where the severity is by another result than the headline's (RULES.md 4.1, 4.2, 5)."""
    falling = Play(adt("A01"))
    falling.tell(k("6.6", h(0)), at=h(0.5))
    yield then(R.REFRACTORY_HYPERKALEMIA, "lower than the highest", falling, told(k("6.3", h(2)), at=h(2.5)))
    doubtful = k("7.1", h(0))
    unsure = Play(adt("A01"))
    unsure.tell(doubtful, said(doubtful, Condition.HEMOLYZED), at=h(0.5))
    unsure.tell(k("5.9", h(1)), at=h(1.5))
    yield then(
        R.REFRACTORY_HYPERKALEMIA,
        "the highest is hemolyzed",
        unsure,
        told(given(Drug.INSULIN, h(1.1)), k("5.9", h(2.5)), at=h(3)),
        until(h(4)),
    )
    peak = infused()
    yield then(R.POST_INFUSION_HYPERMAGNESEMIA, "lower than the highest", peak, told(mg("1.6", h(12)), at=h(12.5)))


def doses_that_do_not_explain() -> Iterator[Case]:
    """Yield magnesiums that the doses on record do not own, or do not explain (RULES.md 4.2)."""
    slow = Play(adt("A01", diagnoses=["N18.5"]))
    yield then(
        R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN,
        "no dose on record, kidneys impaired",
        slow,
        told(mg("2.3", h(0)), at=h(0.5)),
    )
    long_ago = Play(adt("A01"))
    long_ago.tell(crea("90", h(0)), infusion(h(-44), h(-40), grams="4"), at=h(0.1))
    yield then(R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "a dose too long ago", long_ago, told(mg("2.3", h(0)), at=h(0.5)))
    since = Play(adt("A01"))
    since.tell(crea("90", h(0)), mg("0.8", h(-1)), at=h(0))
    since.tell(dose(h(1), "2"), at=h(1.1))
    yield then(
        R.POST_INFUSION_HYPERMAGNESEMIA,
        "more than the doses before it explain",
        since,
        told(dose(h(5.2), "4"), mg("2.6", h(5)), at=h(5.5)),
    )
    rated = Play(adt("A01", diagnoses=["O14.1"]))
    rated.tell(crea("60", h(0)), mg("0.8", h(-1)), dose(h(0), "4"), at=h(0.1))
    rated.tell(infusion(h(0.4)), at=h(0.5))
    yield then(
        R.POST_INFUSION_HYPERMAGNESEMIA,
        "more than the recorded part of the dose explains",
        rated,
        told(mg("3.7", h(12)), at=h(12.4)),
    )


def how_it_is_published() -> Iterator[Case]:
    """Yield what is said of the publishing itself (RULES.md 5, 6, 7, 8)."""
    child = high_potassium(who=CHILD)
    yield then(R.REFRACTORY_HYPERKALEMIA, "a child", child, until(h(3)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "a child, updated", child, until(h(3)), told(k("6.1", h(4)), at=h(4.4)))
    late = Play(adt("A01"))
    late.tell(k("6.1", h(0)), at=h(0.5), catching_up=True)
    late.tell(k("6.7", h(2)), at=h(2.5), catching_up=True)
    yield case(R.REFRACTORY_HYPERKALEMIA, "catching up", late.seen)
    yield then(R.REFRACTORY_HYPERKALEMIA, "caught up", late, lambda play: play.caught_up(h(3)))
    old = Play(adt("A01"))
    old.tell(k("6.1", h(0)), k("6.2", h(2)), at=h(16))
    yield then(R.REFRACTORY_HYPERKALEMIA, "stale", old, until(h(17)))
    shadow = load({"rules": {R.REFRACTORY_HYPERKALEMIA.value: {"mode": "shadow"}}})
    shaded = Play(adt("A01"), rulebook=shadow)
    shaded.tell(k("6.1", h(0)), at=h(0.5))
    yield then(R.REFRACTORY_HYPERKALEMIA, "shadow", shaded, told(k("6.7", h(2)), at=h(2.5)))
    yield then(R.REFRACTORY_HYPERKALEMIA, "the feed is behind", high_potassium(), overruled)
    merged = persistent()
    surviving = Play(patient=OTHER)
    surviving.tell(adt("A01"), at=h(3))
    surviving.seen = []
    surviving.merge_from(merged, h(3.5))
    yield case(R.REFRACTORY_HYPERKALEMIA, "goes on after a merge", surviving.seen)
    worse = later(surviving)
    yield then(R.REFRACTORY_HYPERKALEMIA, "worse after a merge", worse, told(k("6.8", h(5)), at=h(5.4)))
    page = Play(adt("A01"))
    page.tell(k("4.6", h(-4)), at=h(-3))
    page.tell(infusion(h(0), h(4), grams="4"), at=h(4.1))
    page.tell(k("6.6", h(8)), mg("2.6", h(8)), at=h(8.5))
    yield case(R.HYPERKALEMIA_AFTER_MAGNESIUM, "grouped", page.seen)
    yield case(R.POST_INFUSION_HYPERMAGNESEMIA, "speaks for another", page.seen)
    fixed = told(mg("0.9", h(8), status="C"), at=h(9))
    yield then(R.HYPERKALEMIA_AFTER_MAGNESIUM, "ungrouped", page, fixed)
    crowded = load({"parameters": {"results_at_most": "50"}})
    full = Play(adt("A01"), rulebook=crowded)
    for n in range(60):
        full.tell(crea("90", h(-70 + n)), at=h(-70 + n))
    full.tell(k("6.1", h(0)), at=h(0.5))
    full.tell(k("6.2", h(2)), at=h(2.5))
    yield then(R.REFRACTORY_HYPERKALEMIA, "history dropped", full, until(h(3)))


def overruled(play: Play) -> None:
    """Fire the hold by the wall clock, the watermark being stuck (RULES.md 8)."""
    assert play.state is not None
    judged = engine.tick(play.state, watermark=h(3), rulebook=play.rulebook, behind=25 * MINUTE)
    play.seen += judged.transitions


@cache
def all_cases() -> tuple[Case, ...]:
    """Return every case in which its rule says something, played once; `test_words_golden` names what must be there."""
    found = [
        *ended_in_every_way(),
        *resolutions(),
        *courses_of_alerts(),
        *what_is_missing(),
        *what_stands_beside(),
        *what_the_severity_is_by(),
        *doses_that_do_not_explain(),
        *how_it_is_published(),
        *crowded(),
    ]
    return tuple(one for one in found if one.transitions)
