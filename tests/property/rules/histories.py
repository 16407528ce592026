"""Histories of a patient for the properties: messages that a ward could send, densely packed around the thresholds."""

from decimal import Decimal

from hypothesis import strategies as st

from rules import engine
from rules.alert import Transition
from rules.events import HOUR, MINUTE, Analyte, Condition, Drug, Instant, Patient, PatientEvent
from rules.patient import PatientState
from rules.rulebook import DEFAULT, Rulebook
from tests.unit.rules.builders import (
    ADULT,
    PATIENT,
    T0,
    Fact,
    adt,
    dialysis,
    dose,
    event,
    given,
    h,
    infusion,
    ordered,
    result,
    said,
    visit,
)

VALUES = {
    Analyte.POTASSIUM: ("2.4", "2.9", "3.4", "3.5", "4.2", "5.1", "5.3", "5.5", "5.6", "6.0", "6.2", "6.5", "7.1"),
    Analyte.MAGNESIUM: ("0.40", "0.55", "0.69", "0.695", "0.9", "1.25", "1.5", "1.9", "2.0", "2.6", "4.1"),
    Analyte.CALCIUM: ("1.5", "1.69", "1.85", "1.9", "2.3"),
    Analyte.CALCIUM_IONIZED: ("0.45", "0.79", "0.95", "1.0", "1.2"),
    Analyte.CREATININE: ("60", "90", "97", "150", "400"),
    Analyte.EGFR: ("12", "29", "30", "80"),
    Analyte.DIGOXIN: ("1.1", "2.1"),
}
Transitions = list[Transition]

SPAN = 60
"""Hours that a history covers: longer than the longest silence."""

moments = st.integers(0, SPAN * 2).map(lambda half_hours: h(half_hours / 2))


@st.composite
def results(draw: st.DrawFn) -> tuple[Fact, ...]:
    """Return a result, sometimes with what is said of its tube; some share an order, a draw or both."""
    likely = (Analyte.POTASSIUM, Analyte.POTASSIUM, Analyte.POTASSIUM, Analyte.MAGNESIUM, Analyte.MAGNESIUM)
    analyte = draw(st.sampled_from((*likely, *Analyte)))
    status = draw(st.sampled_from("FFFFFFFFFFFPICUWD"))
    bare = status in "IUWD"
    fact = result(
        analyte,
        None if bare else draw(st.sampled_from(VALUES[analyte])),
        draw(moments),
        status=status,
        order=draw(st.sampled_from(("", "ORD1", "ORD2"))) or None,
        resulted=draw(st.one_of(st.none(), moments)),
        flags=draw(st.sampled_from(((), (), (), ("time_degraded",)))),
    )
    condition = draw(st.sampled_from((None, None, None, None, *Condition)))
    return (fact,) if condition is None else (fact, said(fact, condition))


@st.composite
def administrations(draw: st.DrawFn) -> tuple[Fact, ...]:
    """Return a dose, an infusion, its stop, an order or a deletion."""
    at = draw(moments)
    order = draw(st.sampled_from(("", "", "RX1")))
    kind = draw(st.sampled_from(("dose", "dose", "runs", "ran", "stop", "drug", "deleted")))
    if kind == "dose":
        return (dose(at, draw(st.sampled_from(("1", "2", "4", None))), order=order),)
    if kind == "runs":
        return (infusion(at, order=order),)
    if kind == "ran":
        return (infusion(at, at + 3 * HOUR, grams="6", order=order),)
    if kind == "stop":
        return (given(Drug.MAGNESIUM, at, rate="0", order=order),)
    if kind == "deleted":
        return (dose(at, "2", order=order, deleted=True),)
    return (given(draw(st.sampled_from(Drug)), at, intention=draw(st.booleans())),)


@st.composite
def others(draw: st.DrawFn) -> tuple[Fact, ...]:
    """Return a dialysis, a magnesium order or an ADT message."""
    at = draw(moments)
    kind = draw(st.sampled_from(("dialysis", "order", "adt")))
    if kind == "dialysis":
        return (dialysis(at, at + 4 * HOUR),)
    if kind == "order":
        return (ordered(at, draw(st.sampled_from(("ORD1", "ORD9"))), cancelled=draw(st.booleans())),)
    trigger = draw(st.sampled_from(("A01", "A02", "A03", "A08", "A13")))
    codes = draw(st.sampled_from(((), (), ("N184",), ("O141",))))
    return (
        adt(trigger, diagnoses=codes, deceased=draw(st.integers(0, 9)) == 0),
        visit(draw(st.sampled_from(("", "V1", "V2")))),
    )


messages = st.one_of(
    st.lists(results(), min_size=1, max_size=4).map(lambda found: tuple(fact for facts in found for fact in facts)),
    results(),
    administrations(),
    others(),
)


@st.composite
def histories(draw: st.DrawFn, *, patient: Patient = PATIENT, most: int = 14) -> list[PatientEvent]:
    """Return the messages of a patient in order of `received_at`, each received up to a day after what it tells of."""
    told = draw(st.lists(st.tuples(messages, st.integers(0, 24 * 12)), min_size=1, max_size=most))
    events = [event(ADULT, at=T0 - HOUR, patient=patient)]
    for facts, delay in told:
        at = max((t for fact in facts if (t := _told_at(fact))), default=T0) + delay * 5 * MINUTE
        events.append(event(*facts, at=at, patient=patient))
    return sorted(events, key=lambda e: e.received_at)


def _told_at(fact: Fact) -> Instant:
    for name in ("observed_at", "started_at", "ordered_at"):
        at = getattr(fact, name, None)
        if at is not None:
            return int(at)
    return 0


class Run:
    """What became of a history: the state after the last message, and every transition."""

    def __init__(self, state: PatientState | None = None, *, rulebook: Rulebook = DEFAULT) -> None:
        self.state = state
        self.now: Instant = 0
        self.rulebook = rulebook
        self.transitions: Transitions = []

    def take(self, *events: PatientEvent) -> "Run":
        """Judge events, with what is due by each before it."""
        for one in events:
            self.now = max(self.now, one.received_at)
            self.wait(self.now)
            judged = engine.judge(self.state, one, now=self.now, rulebook=self.rulebook)
            self.state = judged.state
            self.transitions += judged.transitions
        return self

    def wait(self, until: Instant) -> "Run":
        """Fire what is due by *until*."""
        self.now = max(self.now, until)
        if self.state is not None:
            judged = engine.tick(self.state, watermark=until, rulebook=self.rulebook)
            self.state = judged.state
            self.transitions += judged.transitions
        return self


def values(run: Run) -> list[Decimal | None]:
    """Return the stored values."""
    return [] if run.state is None else [entry.result.value for entry in run.state.results]
