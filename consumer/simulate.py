"""
A seeded, realistic HL7 feed: a ward of invented patients whose potassium and magnesium take the courses of RULES.md.

Nine messages in ten hold nothing for us, as in a real feed. The same seed and start give the same bytes. Times are
strictly rising milliseconds; MSH-7 says them exactly, so that a topic and a replay of the same messages agree.
"""
# ruff: noqa: S311  (seeded on purpose)

import heapq
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from consumer.hl7 import templates
from rules.alert import Rule
from rules.events import MINUTE, Instant

BACKGROUND_MINUTES: Final = 25.0
"""Mean time between two messages of a patient that hold nothing for us; with the courses it makes nine in ten."""

OTHER_PANELS: Final = (("GLU", "NA", "CRP"), ("HGB", "WBC", "PLT"), ("GLU",))
NORMAL: Final[Mapping[str, tuple[float, float, int]]] = {
    "K": (3.7, 4.8, 1),
    "MG": (0.76, 1.0, 2),
    "CA": (2.15, 2.5, 2),
    "CREA": (55, 105, 0),
    "GLU": (80, 160, 0),
    "NA": (135, 145, 0),
    "CRP": (1, 60, 0),
    "HGB": (9.5, 15.0, 1),
    "WBC": (4.0, 13.0, 1),
    "PLT": (140, 380, 0),
}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Labs(NamedTuple):
    """A laboratory message, minutes after the course began; ``given`` overrides normal values."""

    at: float
    panel: tuple[str, ...]
    given: Mapping[str, str] = {}
    drawn_before: float = 35
    corrects: str = ""  # the number of an order of this course that it gives again, with status C
    order: str = ""


class Dose(NamedTuple):
    """Magnesium sulfate by vein: started so many minutes before the message, over so many minutes."""

    at: float
    grams: str
    started_before: float
    minutes: float


class Adt(NamedTuple):
    """An admission, update or discharge."""

    at: float
    trigger: str
    diagnosis: str = ""


Step = Labs | Dose | Adt
Course = Callable[[random.Random], list[Step]]


class Bed(NamedTuple):
    """An invented patient."""

    mrn: str
    birth: str
    sex: str
    location: str

    @property
    def key(self) -> str:
        """The patient key, as the decoder makes it."""
        return f"SIM|{self.mrn}"


class Sent(NamedTuple):
    """A message, when it is sent, whose it is, and the alerts that it raises at once (where the model says so)."""

    at: Instant
    key: str
    raw: bytes
    raises: tuple[Rule, ...] = ()


def k(at: float, potassium: str, order: str = "", **more: str) -> Labs:
    """Return a panel with this potassium, and more of what is named."""
    panel = ("K", "CREA", "GLU") + (("MG",) if "MG" in more else ()) + (("CA",) if "CA" in more else ())
    return Labs(at, panel, {"K": potassium, **more}, order=order)


def quiet(rng: random.Random) -> list[Step]:
    """A patient with nothing to page about."""
    return [Labs(rng.uniform(0, 300), ("K", "CREA", "GLU"), drawn_before=rng.uniform(20, 90))]


def refractory(rng: random.Random) -> list[Step]:
    """Potassium that stays high while nobody looks at magnesium, until somebody does."""
    high = rng.choice(("6.1", "6.2", "6.3"))
    return [
        Adt(0, "A01", "N18.3"),
        k(20, "5.8"),
        k(150, "6.0"),
        k(290, high),
        Labs(380, ("MG",), {"MG": "0.81"}),
        k(560, "5.1"),
        k(900, "4.6"),
    ]


def worsening(rng: random.Random) -> list[Step]:
    """A warning that becomes high and critical, and then clears."""
    last = rng.choice(("6.6", "6.8", "7.0"))
    return [Adt(0, "A01"), k(10, "5.6"), k(140, "5.7"), k(260, "6.2"), k(370, last), k(600, "5.6"), k(760, "4.9")]


def corrected(rng: random.Random) -> list[Step]:
    """A potassium that the laboratory takes back: it was another patient's value."""
    right = rng.choice(("4.1", "4.4"))
    return [
        k(15, "6.0", order="1"),
        k(165, "6.2", order="2"),
        Labs(225, ("K", "CREA", "GLU"), {"K": right}, corrects="2"),
        k(420, "4.4"),
    ]


def loaded(rng: random.Random) -> list[Step]:
    """Magnesium by vein, then a level that is too high, then one that is not."""
    level = rng.choice(("2.1", "2.3", "2.6"))
    return [
        Adt(0, "A01"),
        Labs(5, ("K", "CREA", "GLU"), {"CREA": "88"}),
        Dose(30, "4", 10, 10),
        Labs(280, ("MG", "GLU"), {"MG": level}),
        Labs(520, ("MG", "K"), {"MG": "1.7"}),
        Labs(840, ("MG", "K"), {"MG": "1.1"}),
    ]


def kidneys(rng: random.Random) -> list[Step]:
    """The same dose in kidneys that fail."""
    level = rng.choice(("1.6", "1.8", "2.1"))
    return [
        Adt(0, "A01", "N18.5"),
        Labs(5, ("K", "CREA", "GLU"), {"K": "5.1", "CREA": "410"}),
        Dose(40, "2", 20, 20),
        Labs(300, ("MG", "CREA"), {"MG": level, "CREA": "420"}),
        Labs(700, ("MG", "CREA"), {"MG": "1.9", "CREA": "425"}),
        Labs(1_600, ("MG", "CREA"), {"MG": "1.0", "CREA": "415"}),
    ]


def unexplained(rng: random.Random) -> list[Step]:
    """A magnesium that no recorded dose explains."""
    return [Labs(30, ("MG", "GLU"), {"MG": rng.choice(("2.1", "2.4"))}), Labs(700, ("MG", "K"), {"MG": "1.0"})]


def low(rng: random.Random) -> list[Step]:
    """Potassium and magnesium that are low together."""
    return [k(10, "3.3", MG="0.62"), k(400, "2.9"), k(700, "3.2", MG=rng.choice(("0.64", "0.80"))), k(1_100, "3.8")]


def discharged(rng: random.Random) -> list[Step]:
    """Somebody goes home with a potassium that was never explained."""
    return [Adt(0, "A01"), k(10, "6.0"), k(200, rng.choice(("6.1", "6.3"))), Adt(400, "A03")]


COURSES: Final[tuple[Course, ...]] = (
    refractory,
    loaded,
    corrected,
    worsening,
    quiet,
    kidneys,
    unexplained,
    low,
    discharged,
    quiet,
)


def bed(rng: random.Random, number: int) -> Bed:
    """Return an invented adult."""
    born = f"{rng.randint(1935, 2000)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    location = f"{rng.choice(('ICU', 'MED', 'NEPH', 'CARD'))}^{rng.randint(1, 40)}^{rng.choice('AB')}"
    return Bed(f"{9_000_000 + number}", born, rng.choice("FM"), location)


def ward(
    seed: int, patients: int, start: Instant, *, pause_minutes: float = 240, courses: Sequence[Course] = COURSES
) -> Iterator[Sent]:
    """
    Yield a ward's messages for ever, in order of time, strictly rising.

    Args:
        seed: The same one gives the same ward.
        patients: How many beds; the first ones take each of *courses* first.
        start: When it begins, in milliseconds.
        pause_minutes: Mean time between two courses of a patient.
        courses: What befalls a patient, each as often as it stands here.
    """
    streams = [_stay(random.Random(f"{seed}/{n}"), n, start, pause_minutes, courses) for n in range(patients)]
    last = start
    for at, _, who, step, writer in heapq.merge(*streams):
        last = max(at, last + 1)
        yield Sent(last, who.key, writer.write(step, last))


def _stay(
    rng: random.Random, number: int, start: Instant, pause: float, courses: Sequence[Course]
) -> Iterator[tuple[Instant, int, Bed, Step, "Writer"]]:
    """Yield one patient's steps: courses one after another, and between them what concerns us not."""
    writer = Writer(bed(rng, number), number)
    begun = start + round(rng.uniform(0, 30) * MINUTE)
    background = start + round(rng.expovariate(1 / BACKGROUND_MINUTES) * MINUTE)
    turn = number
    while True:
        course = courses[turn % len(courses)] if turn == number else rng.choice(courses)
        turn += 1
        writer.course += 1
        steps = course(rng)
        for step in steps:
            at = begun + round(step.at * MINUTE)
            while background < at:
                panel = rng.choice(OTHER_PANELS)
                yield background, number, writer.bed, Labs(0, panel), writer
                background += round(rng.expovariate(1 / BACKGROUND_MINUTES) * MINUTE)
            yield at, number, writer.bed, step, writer
        begun += round((max(step.at for step in steps) + rng.expovariate(1 / pause)) * MINUTE)


class Pattern(NamedTuple):
    """Messages of one patient, sent seconds apart with draws of the hours before; the last raises ``rules`` at once."""

    steps: tuple[Step, ...]
    raises: tuple[Rule, ...]


def _patterns() -> tuple[Pattern, ...]:
    crea = ("K", "CREA", "GLU")
    return (
        # Two valid potassium >= 6.5 drawn 100 min apart: persistence after 1 h, and no hold (RULES.md 4.1).
        Pattern(
            (Labs(0, crea, {"K": "6.6"}, 120), Labs(0, crea, {"K": "6.8"}, 20)),
            (Rule.REFRACTORY_HYPERKALEMIA,),
        ),
        # A level of 2.6 four hours after 4 g, general profile: critical in the post phase (RULES.md 4.2).
        Pattern(
            (Dose(0, "4", 300, 15), Labs(0, ("MG", "GLU"), {"MG": "2.6"}, 15)),
            (Rule.POST_INFUSION_HYPERMAGNESEMIA,),
        ),
        # A level that belongs to no dose (RULES.md 4.2).
        Pattern((Labs(0, ("MG", "GLU"), {"MG": "2.4"}, 45),), (Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN,)),
        # Near misses: a potassium that fell, one high potassium alone, a level below the ladder.
        Pattern((Labs(0, crea, {"K": "6.4"}, 180), Labs(0, crea, {"K": "5.4"}, 20)), ()),
        Pattern((Labs(0, crea, {"K": "6.3"}, 25),), ()),
        Pattern((Dose(0, "4", 300, 15), Labs(0, ("MG", "GLU"), {"MG": "1.3"}, 15)), ()),
    )


def live(seed: int, messages: int, *, every: int) -> Iterator[Callable[[Instant], Sent]]:
    """
    Yield messages to be written when they are sent: MSH-7 is then, the draws lie minutes to hours before.

    Args:
        seed: The same one gives the same feed.
        messages: How many.
        every: A pattern begins each so many messages; the others hold nothing for us.
    """
    rng = random.Random(seed)
    patterns = _patterns()
    waiting: list[tuple[int, Writer, Step, tuple[Rule, ...]]] = []
    others = [Writer(bed(rng, 500_000 + n), n) for n in range(200)]
    for number in range(messages):
        if number % every == 0:
            pattern = patterns[number // every % len(patterns)]
            writer = Writer(bed(rng, number), number)
            for place, step in enumerate(pattern.steps):
                last = place == len(pattern.steps) - 1
                waiting.append((number + place * every // 2, writer, step, pattern.raises if last else ()))
        due = next((one for one in waiting if one[0] <= number), None)
        if due is not None:
            waiting.remove(due)
            _, writer, step, raises = due
        else:
            writer, step, raises = rng.choice(others), Labs(0, rng.choice(OTHER_PANELS)), ()
        yield _later(writer, step, raises)


def _later(writer: "Writer", step: Step, raises: tuple[Rule, ...]) -> Callable[[Instant], Sent]:
    return lambda at: Sent(at, writer.bed.key, writer.write(step, at), raises)


class Writer:
    """Writes one patient's messages; remembers orders, so that a correction names what it corrects."""

    def __init__(self, who: Bed, seed: int) -> None:
        self.bed = who
        self.course = 0
        self._rng = random.Random(seed)
        self._written = 0
        self._drawn: dict[str, Instant] = {}

    def write(self, step: Step, at: Instant) -> bytes:
        """Return the message of *step*, sent at *at*."""
        self._written += 1
        fields = {
            "sent": stamp(at),
            "control_id": f"{self.bed.mrn}-{self._written}",
            "mrn": self.bed.mrn,
            "birth": self.bed.birth,
            "sex": self.bed.sex,
            "location": self.bed.location,
            "visit": f"V{self.bed.mrn}",
            "order": f"{self.bed.mrn}{self._written:04d}",
        }
        match step:
            case Labs():
                text = self._labs(step, at, fields)
            case Dose():
                started = at - round(step.started_before * MINUTE)
                fields |= {"started": stamp(started), "ended": stamp(started + round(step.minutes * MINUTE))}
                text = templates.administration().format_map(fields | {"grams": step.grams})
            case Adt():
                text = templates.encounter(step.trigger, step.diagnosis).format_map(fields)
        return text.encode()

    def _labs(self, step: Labs, at: Instant, fields: dict[str, str]) -> str:
        drawn = at - round(step.drawn_before * MINUTE)
        status = "F"
        if step.order or step.corrects:
            fields["order"] = f"{self.bed.mrn}-{self.course}-{step.order or step.corrects}"
        if step.order:
            self._drawn[fields["order"]] = drawn
        if step.corrects:
            drawn = self._drawn[fields["order"]]
            status = "C"
        fields["drawn"] = stamp(drawn)
        for name in step.panel:
            lowest, highest, places = NORMAL[name]
            fields[name] = step.given.get(name) or f"{self._rng.uniform(lowest, highest):.{places}f}"
            fields[f"{name}_status"] = status
        return templates.results(step.panel).format_map(fields)


def stamp(at: Instant) -> str:
    """
    Return an instant as HL7 writes it, to the millisecond, in UTC.

    >>> stamp(1_767_276_600_123)
    '20260101141000.123+0000'
    """
    moment = _EPOCH + timedelta(milliseconds=at)
    return f"{moment:%Y%m%d%H%M%S}.{at % 1_000:03d}+0000"
