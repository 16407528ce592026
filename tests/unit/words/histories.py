"""
Small histories, one for each way in which an alert can speak; the golden table is what the rules say to them.

Each is played through `rules.engine`, never through HL7. A case is a title and the transitions of its rule that its
last step brought.
"""

import copy
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rules.alert import Rule, Transition
from rules.events import MINUTE, Administration, Analyte, Condition, Demographics, Drug, Result
from tests.unit.rules.builders import (
    ADULT,
    OTHER,
    Play,
    adt,
    ca,
    crea,
    dialysis,
    dose,
    given,
    h,
    ica,
    infusion,
    k,
    mg,
    said,
    visit,
)

CHILD = Demographics("20150301", "F")


class Case(NamedTuple):
    """A title and what was said."""

    rule: Rule
    title: str
    transitions: tuple[Transition, ...]


class Opening(NamedTuple):
    """A play in which an alert of *rule* has just spoken, and the fact that it stands on."""

    rule: Rule
    title: str
    play: Callable[[], Play]
    trigger: Result | Administration


def later(play: Play) -> Play:
    """Return a copy that can go on by itself, with nothing said yet."""
    other = copy.copy(play)
    other.seen = []
    return other


def high_potassium(*, who: Demographics | None = ADULT) -> Play:
    """Two high potassiums 2 h apart, the hold not yet over."""
    play = Play(adt("A01"), visit("V1", location="ICU"), who=who)
    play.tell(crea("90", h(-1)), at=h(-0.5))
    play.tell(k("6.1", h(0)), at=h(0.5))
    play.tell(k("6.2", h(2)), at=h(2.5))
    return play


def persistent() -> Play:
    """Raised by persistence when the hold ends."""
    play = high_potassium()
    play.wait(h(3))
    return play


def treated() -> Play:
    """Insulin, and the potassium after it no lower."""
    play = Play(adt("A01"))
    play.tell(k("6.2", h(0)), given(Drug.INSULIN, h(0.2)), at=h(0.5))
    play.tell(k("6.0", h(1.75)), at=h(2))
    play.wait(h(3))
    return play


def dialyzed() -> Play:
    """Dialysis, a potassium no lower after it, a magnesium from before it."""
    play = Play(adt("A01"))
    play.tell(k("6.2", h(0)), mg("0.6", h(0)), at=h(0.3))
    play.tell(dialysis(h(0.5), h(2.5)), at=h(2.6))
    play.tell(k("6.0", h(4)), at=h(4.3))
    play.wait(h(5))
    return play


def rebounding() -> Play:
    """Cleared by insulin, and high again within 6 h."""
    play = Play(adt("A01"))
    play.tell(k("6.4", h(0)), given(Drug.INSULIN, h(0.5)), at=h(0.5))
    play.tell(k("5.0", h(2)), at=h(2.5))
    play.tell(k("5.8", h(6)), at=h(6.4))
    play.wait(h(7))
    return play


def low_magnesium() -> Play:
    """High potassium beside a magnesium that is low."""
    play = Play(adt("A01"))
    play.tell(k("6.1", h(0)), mg("0.60", h(0)), at=h(0.5))
    play.tell(k("6.2", h(2)), at=h(2.6))
    return play


def single_high_with_low_magnesium() -> Play:
    """One potassium of 6.5 and a very low magnesium in one tube, without a calcium."""
    play = Play(adt("A01"))
    play.tell(k("6.6", h(0)), mg("0.45", h(0)), at=h(0.5))
    return play


def infused() -> Play:
    """Four grams, and a magnesium above warning long after them."""
    play = Play(adt("A01"))
    play.tell(mg("0.85", h(-2)), crea("90", h(-2)), at=h(-1))
    play.tell(infusion(h(0), h(4), grams="4"), at=h(4.1))
    play.tell(mg("2.1", h(8)), at=h(8.5))
    return play


def running() -> Play:
    """Drawn while the infusion runs, kidneys impaired."""
    play = Play(adt("A01", diagnoses=["N18.5"]))
    play.tell(infusion(h(0)), at=h(0.1))
    play.tell(mg("2.6", h(3)), at=h(3.5))
    return play


def unknown_dose() -> Play:
    """High magnesium, no dose on record."""
    play = Play(adt("A01"))
    play.tell(mg("2.2", h(0)), crea("90", h(0)), at=h(0.5))
    return play


def potassium_after() -> Play:
    """Potassium that rises after four grams."""
    play = Play(adt("A01"))
    play.tell(k("4.6", h(-4)), crea("90", h(-4)), at=h(-3))
    play.tell(infusion(h(0), h(4), grams="4"), at=h(4.1))
    play.tell(k("6.1", h(6)), mg("1.2", h(6)), at=h(6.5))
    return play


def calcium_after() -> Play:
    """Total calcium that falls after magnesium."""
    play = Play(adt("A01"))
    play.tell(ca("2.3", h(-4)), crea("90", h(-4)), at=h(-3))
    play.tell(infusion(h(0), h(4), grams="4"), at=h(4.1))
    play.tell(ca("1.6", h(6)), mg("1.4", h(6)), at=h(6.5))
    return play


def ionized_after() -> Play:
    """Ionized calcium, low during continuous dialysis, no earlier value."""
    play = Play(adt("A01"))
    play.tell(infusion(h(0), grams=None), dialysis(h(-2), h(20), continuous=True), at=h(0.2))
    play.tell(ica("0.42", h(6)), at=h(6.5))
    return play


def low_potassium(magnesium: str | None = None) -> Play:
    """Low potassium twice, with a magnesium or without."""
    play = Play(adt("A01"))
    play.tell(k("2.9", h(0)), crea("90", h(0)), at=h(0.5))
    play.tell(k("2.8", h(6)), *([mg(magnesium, h(6))] if magnesium else []), at=h(6.5))
    play.wait(h(7))
    return play


def unmeasured() -> Play:
    """Six grams into failing kidneys, and nobody measures."""
    play = Play(adt("A01", diagnoses=["N18.5"]))
    play.tell(dose(h(0), "6", order="MGDOSE"), at=h(0.2))
    play.wait(h(12.5))
    return play


def hemolyzed_potassium() -> Play:
    """A high potassium in a hemolyzed tube."""
    play = Play(adt("A01"))
    high = k("6.4", h(0))
    play.tell(high, said(high, Condition.HEMOLYZED), at=h(0.5))
    return play


def jumping_potassium() -> Play:
    """A potassium that jumps."""
    play = Play(adt("A01"))
    play.tell(k("4.0", h(-2)), at=h(-1.5))
    play.tell(k("6.8", h(0)), at=h(0.5))
    return play


R = Rule
OPENINGS: tuple[Opening, ...] = (
    Opening(R.REFRACTORY_HYPERKALEMIA, "persistence", persistent, k("6.2", h(2))),
    Opening(R.REFRACTORY_HYPERKALEMIA, "treatment failure: insulin", treated, k("6.0", h(1.75))),
    Opening(R.REFRACTORY_HYPERKALEMIA, "dialysis, magnesium from before it", dialyzed, k("6.0", h(4))),
    Opening(R.REFRACTORY_HYPERKALEMIA, "rebound", rebounding, k("5.8", h(6))),
    Opening(R.HYPERKALEMIA_LOW_MAGNESIUM, "refractory, magnesium low", low_magnesium, k("6.2", h(2))),
    Opening(
        R.HYPERKALEMIA_LOW_MAGNESIUM,
        "one tube, magnesium very low, no calcium",
        single_high_with_low_magnesium,
        k("6.6", h(0)),
    ),
    Opening(R.POST_INFUSION_HYPERMAGNESEMIA, "long after the infusion", infused, mg("2.1", h(8))),
    Opening(R.POST_INFUSION_HYPERMAGNESEMIA, "while the infusion runs, kidneys impaired", running, mg("2.6", h(3))),
    Opening(R.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN, "no dose on record", unknown_dose, mg("2.2", h(0))),
    Opening(R.HYPERKALEMIA_AFTER_MAGNESIUM, "potassium rises", potassium_after, k("6.1", h(6))),
    Opening(R.HYPOCALCEMIA_AFTER_MAGNESIUM, "total calcium falls", calcium_after, ca("1.6", h(6))),
    Opening(R.HYPOCALCEMIA_AFTER_MAGNESIUM, "ionized, continuous dialysis", ionized_after, ica("0.42", h(6))),
    Opening(R.REFRACTORY_HYPOKALEMIA, "no magnesium", low_potassium, k("2.8", h(6))),
    Opening(R.REFRACTORY_HYPOKALEMIA, "low magnesium", lambda: low_potassium("0.60"), k("2.8", h(6))),
    Opening(R.MAGNESIUM_MONITORING_GAP, "six grams, nothing measured", unmeasured, dose(h(0), "6", order="MGDOSE")),
    Opening(R.SPURIOUS_POTASSIUM, "hemolyzed", hemolyzed_potassium, k("6.4", h(0))),
    Opening(R.SPURIOUS_POTASSIUM, "jump", jumping_potassium, k("6.8", h(0))),
)
"""How each rule begins to speak, each of its criteria once."""


def withdraw(play: Play, trigger: Result | Administration) -> None:
    """Take the trigger back."""
    if isinstance(trigger, Administration):
        play.tell(trigger._replace(deleted=True, received_at=0), at=play.now + 20 * MINUTE)
    else:
        play.tell(trigger._replace(status="W", value=None, original_value=""), at=play.now + 20 * MINUTE)


MILD = {
    Analyte.POTASSIUM: "4.3",
    Analyte.MAGNESIUM: "0.9",
    Analyte.CALCIUM: "2.2",
    Analyte.CALCIUM_IONIZED: "1.2",
}


def correct(play: Play, trigger: Result | Administration) -> None:
    """Correct the trigger to what alarms nobody."""
    if isinstance(trigger, Administration):
        play.tell(dose(trigger.started_at, "1", order=trigger.order_number), at=play.now + 20 * MINUTE)
        return
    value = MILD[trigger.analyte]
    fixed = {Analyte.POTASSIUM: k, Analyte.MAGNESIUM: mg, Analyte.CALCIUM: ca, Analyte.CALCIUM_IONIZED: ica}
    play.tell(fixed[trigger.analyte](value, trigger.observed_at, status="C"), at=play.now + 20 * MINUTE)


def invalidate(play: Play, trigger: Result | Administration) -> None:
    """Say afterwards that the trigger's tube was clotted; of a jump, that a potassium between agrees with it."""
    assert isinstance(trigger, Result)
    if trigger.value is not None and len(play.open) and play.open[0].rule is R.SPURIOUS_POTASSIUM:
        play.tell(k("6.3", trigger.observed_at - 30 * MINUTE), at=play.now + 20 * MINUTE)
    else:
        play.tell(said(trigger, Condition.CLOTTED), at=play.now + 20 * MINUTE)


def discharge(play: Play, _trigger: Result | Administration) -> None:
    """Send the patient home."""
    play.tell(adt("A03"), at=play.now + 20 * MINUTE)


def die(play: Play, _trigger: Result | Administration) -> None:
    """Let the patient die."""
    play.tell(adt("A08", deceased=True), at=play.now + 20 * MINUTE)


def merge(play: Play, _trigger: Result | Administration) -> None:
    """Merge the patient into another number."""
    Play(patient=OTHER).merge_from(play, play.now + 20 * MINUTE)


def fall_silent(play: Play, _trigger: Result | Administration) -> None:
    """Let a week pass."""
    play.wait(play.now + 7 * 24 * 60 * MINUTE)


TAILS: tuple[tuple[str, Callable[[Play, Result | Administration], None]], ...] = (
    ("the result is withdrawn", withdraw),
    ("the result is corrected", correct),
    ("the specimen is not believed any more", invalidate),
    ("discharge", discharge),
    ("death", die),
    ("merge", merge),
    ("silence", fall_silent),
)


def ended_in_every_way() -> Iterator[Case]:
    """Yield each opening as it speaks, and each way in which any alert can end."""
    for opening in OPENINGS:
        play = opening.play()
        yield case(opening.rule, opening.title, play.seen)
        for name, tail in TAILS:
            if tail is invalidate and (opening.rule is R.MAGNESIUM_MONITORING_GAP or opening.title == "hemolyzed"):
                continue  # a dose has no specimen; a hemolyzed tube does not become better
            going = later(play)
            tail(going, opening.trigger)
            yield case(opening.rule, f"{opening.title}: {name}", going.seen)


def case(rule: Rule, title: str, seen: list[Transition]) -> Case:
    """Return what *rule* said."""
    return Case(rule, title, tuple(t for t in seen if t.rule is rule))
