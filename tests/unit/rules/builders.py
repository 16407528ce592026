"""
Facts, charts and plays in one short line each, for the tests of the rules.

Times are instants; `h(2)` is two hours into the play, `h(2) - 1` a millisecond before that. A fact's times default to
the message that brings it.
"""

from collections.abc import Iterable
from decimal import Decimal

from rules import engine
from rules.alert import Change, Rule, Transition
from rules.chart import Chart
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
    Instant,
    MagnesiumOrder,
    Patient,
    PatientEvent,
    PatientMerge,
    Result,
    Source,
    Tube,
    Visit,
)
from rules.families import BY_RULE
from rules.finding import Finding
from rules.patient import Alert, PatientState, advance, new_state
from rules.rulebook import DEFAULT, Rulebook, load
from tests.unit.rules.shapes import well_shaped

T0: Instant = 1_710_000_000_000
"""The zero hour of every play: 2024-03-09T16:00:00Z."""

ADULT = Demographics("19600501", "M")
PATIENT = Patient("HOSP|1", "1", "HOSP")
OTHER = Patient("HOSP|2", "2", "HOSP")

CODES = {
    Analyte.POTASSIUM: "2823-3",
    Analyte.MAGNESIUM: "19123-9",
    Analyte.CALCIUM: "17861-6",
    Analyte.CALCIUM_IONIZED: "1995-0",
    Analyte.CREATININE: "2160-0",
    Analyte.EGFR: "98979-8",
    Analyte.DIGOXIN: "10535-3",
}

Fact = Result | Tube | Administration | Dialysis | MagnesiumOrder | Encounter | Visit | Demographics
Said = tuple[Rule, Change, str, bool, str | None]


def h(hours: float) -> Instant:
    """Return the instant *hours* into the play."""
    return T0 + round(hours * HOUR)


def d(days: float) -> Instant:
    """Return the instant *days* into the play."""
    return T0 + round(days * DAY)


def result(
    analyte: Analyte,
    value: str | None,
    at: Instant,
    *,
    status: str = "F",
    order: str | None = None,
    code: str | None = None,
    sub: str = "",
    resulted: Instant | None = None,
    received: Instant = 0,
    container: str | None = None,
    flags: tuple[str, ...] = (),
    placer: str = "",
) -> Result:
    """Return a result drawn at *at*; of its own order, in the tube of that order and draw, unless told otherwise."""
    number = order if order is not None else f"{analyte.value}@{at}"
    return Result(
        analyte=analyte,
        order_number=number,
        observation_identifier=code or CODES[analyte],
        sub_id=sub,
        observed_at=at,
        observed_offset=0,
        resulted_at=at if resulted is None else resulted,
        received_at=received,
        status=status,
        value=None if value is None else Decimal(value),
        comparator="",
        original_value=value or "",
        original_units="mmol/L",
        container=container if container is not None else f"{number}@{at}",
        message_control_id="",
        placer_order_number=placer,
        flags=flags,
    )


def k(value: str | None, at: Instant, **more: object) -> Result:
    """Return a potassium in mmol/L."""
    return result(Analyte.POTASSIUM, value, at, **more)  # type: ignore[arg-type]


def mg(value: str | None, at: Instant, **more: object) -> Result:
    """Return a total magnesium in mmol/L."""
    return result(Analyte.MAGNESIUM, value, at, **more)  # type: ignore[arg-type]


def ca(value: str | None, at: Instant, **more: object) -> Result:
    """Return a total calcium in mmol/L."""
    return result(Analyte.CALCIUM, value, at, **more)  # type: ignore[arg-type]


def ica(value: str | None, at: Instant, **more: object) -> Result:
    """Return an ionized calcium in mmol/L."""
    return result(Analyte.CALCIUM_IONIZED, value, at, **more)  # type: ignore[arg-type]


def crea(value: str | None, at: Instant, **more: object) -> Result:
    """Return a creatinine in umol/L."""
    return result(Analyte.CREATININE, value, at, **more)  # type: ignore[arg-type]


def egfr(value: str | None, at: Instant, **more: object) -> Result:
    """Return a reported eGFR."""
    return result(Analyte.EGFR, value, at, **more)  # type: ignore[arg-type]


def dig(value: str | None, at: Instant, **more: object) -> Result:
    """Return a digoxin level in ng/mL."""
    return result(Analyte.DIGOXIN, value, at, **more)  # type: ignore[arg-type]


def said(of: Result, condition: Condition, received: Instant = 0) -> Tube:
    """Return what is said of the tube of a result."""
    return Tube(of.container, condition, received)


def hemolyzed(of: Result) -> tuple[Result, Tube]:
    """Return a result and the word that its tube is hemolyzed, without a grade."""
    return of, said(of, Condition.HEMOLYZED)


def given(
    drug: Drug,
    at: Instant,
    *,
    until: Instant | None = None,
    rate: str | None = None,
    grams: str | None = None,
    order: str = "",
    parenteral: bool = True,
    intention: bool = False,
    deleted: bool = False,
    received: Instant = 0,
) -> Administration:
    """Return a drug given at *at*; with a *rate* an infusion, that runs unless *until* is told."""
    return Administration(
        drug=drug,
        order_number=order or f"{drug.value}@{at}",
        drug_code=drug.value,
        started_at=at,
        started_offset=0,
        ended_at=until,
        rate=None if rate is None else Decimal(rate),
        grams=None if grams is None else Decimal(grams),
        parenteral=parenteral,
        intention=intention,
        deleted=deleted,
        received_at=received,
        message_control_id="",
    )


def infusion(at: Instant, until: Instant | None = None, *, grams: str | None = None, **more: object) -> Administration:
    """Return an infusion of magnesium from *at*, running or ended at *until*."""
    return given(Drug.MAGNESIUM, at, until=until, rate="2", grams=grams, **more)  # type: ignore[arg-type]


def dose(at: Instant, grams: str | None = "2", **more: object) -> Administration:
    """Return a dose of magnesium."""
    return given(Drug.MAGNESIUM, at, grams=grams, **more)  # type: ignore[arg-type]


def dialysis(start: Instant, end: Instant, *, continuous: bool = False, received: Instant = 0) -> Dialysis:
    """Return a dialysis session."""
    return Dialysis("90935", start, end, continuous, received)


def ordered(at: Instant, number: str = "MGORDER", *, cancelled: bool = False, received: Instant = 0) -> MagnesiumOrder:
    """Return an order for a magnesium."""
    return MagnesiumOrder(number, "", at, cancelled, received)


def adt(trigger: str, *, diagnoses: Iterable[str] = (), deceased: bool = False) -> Encounter:
    """Return an ADT message's news."""
    return Encounter(trigger, tuple(diagnoses), deceased, 0)


def visit(number: str = "", *, location: str = "", service: str = "") -> Visit:
    """Return a visit."""
    return Visit(number, location, service, "I")


def event(*facts: Fact, at: Instant, patient: Patient = PATIENT, unmapped: Instant | None = None) -> PatientEvent:
    """Return one message that says *facts* and was received at *at*."""

    def stamped(fact: Fact) -> Fact:
        if isinstance(fact, Encounter | Visit | Demographics) or fact.received_at:
            return fact
        return fact._replace(received_at=at)

    facts = tuple(stamped(fact) for fact in facts)
    return PatientEvent(
        patient=patient,
        received_at=at,
        source=Source("t", 0, 0),
        message_control_id="",
        message_type="",
        sender="",
        demographics=next((fact for fact in facts if isinstance(fact, Demographics)), None),
        visit=next((fact for fact in facts if isinstance(fact, Visit)), None),
        results=tuple(fact for fact in facts if isinstance(fact, Result)),
        tubes=tuple(fact for fact in facts if isinstance(fact, Tube)),
        administrations=tuple(fact for fact in facts if isinstance(fact, Administration)),
        dialyses=tuple(fact for fact in facts if isinstance(fact, Dialysis)),
        magnesium_orders=tuple(fact for fact in facts if isinstance(fact, MagnesiumOrder)),
        unmapped_magnesium_at=unmapped,
        encounter=next((fact for fact in facts if isinstance(fact, Encounter)), None),
    )


def latest(facts: Iterable[Fact]) -> Instant:
    """Return the latest draw, start or end that *facts* tell of; the zero hour without any."""
    moments = [T0]
    for fact in facts:
        if isinstance(fact, Result):
            moments.append(fact.observed_at)
        elif isinstance(fact, Administration | Dialysis):
            moments.append(max(fact.started_at, fact.ended_at or 0))
        elif isinstance(fact, MagnesiumOrder):
            moments.append(fact.ordered_at)
    return max(moments)


def chart(
    *facts: Fact, now: Instant | None = None, rulebook: Rulebook = DEFAULT, who: Demographics | None = ADULT
) -> Chart:
    """Return the chart at *now* (else at the latest fact) of a patient with *facts*, each by its own message."""
    state = new_state(PATIENT)._replace(demographics=who)
    at = latest(facts) if now is None else now
    tubes = [fact for fact in facts if isinstance(fact, Tube)]
    for fact in facts:
        if isinstance(fact, Tube):
            continue
        with_it = [t for t in tubes if isinstance(fact, Result) and t.container == fact.container]
        state = advance(state, event(fact, *with_it, at=at), at)
    return Chart(state, at, rulebook)


def findings(rule: Rule, *facts: Fact, now: Instant | None = None, rulebook: Rulebook = DEFAULT) -> list[Finding]:
    """Return what a rule finds in *facts*, for which none of its ends has come."""
    drawn = chart(*facts, now=now, rulebook=rulebook)
    family = BY_RULE[rule]
    return [finding for finding in family.findings(drawn) if family.end(drawn, finding) is None]


def severity(rule: Rule, *facts: Fact, now: Instant | None = None, rulebook: Rulebook = DEFAULT) -> str | None:
    """Return the severity of the one finding of a rule, None without any."""
    found = findings(rule, *facts, now=now, rulebook=rulebook)
    assert len(found) <= 1
    return found[0].severity.label if found else None


class Play:
    """A patient's messages in order, judged as a replay judges them; ``seen`` is every transition so far."""

    def __init__(
        self, *facts: Fact, rulebook: Rulebook = DEFAULT, patient: Patient = PATIENT, who: Demographics | None = ADULT
    ) -> None:
        self.rulebook = rulebook
        self.patient = patient
        self.state: PatientState | None = None
        self.chart: Chart | None = None  # of the last judgement: the next one goes on from it
        self.seen: list[Transition] = []
        self.now: Instant = T0 - HOUR
        opening: tuple[Fact, ...] = (*((who,) if who is not None else ()), *facts)
        if opening:
            self.tell(*opening, at=self.now)

    def tell(
        self, *facts: Fact, at: Instant | None = None, catching_up: bool = False, unmapped: Instant | None = None
    ) -> list[Transition]:
        """Send one message, received at *at* (else at its latest fact, never before the last message)."""
        self.now = max(self.now, latest(facts)) if at is None else at
        return self.send(event(*facts, at=self.now, patient=self.patient, unmapped=unmapped), catching_up=catching_up)

    def send(self, message: PatientEvent, *, catching_up: bool = False) -> list[Transition]:
        """Fire what is due by the message's `received_at`, then judge it."""
        self.now = max(self.now, message.received_at)
        before = self.wait(self.now)
        judged = engine.judge(
            self.state, message, now=self.now, rulebook=self.rulebook, catching_up=catching_up, chart=self.chart
        )
        self.state, self.chart = well_shaped(judged.state), judged.chart
        self.seen += judged.transitions
        return [*before, *judged.transitions]

    def wait(self, until: Instant, *, catching_up: bool = False) -> list[Transition]:
        """Let time pass: fire every timer due by *until*."""
        self.now = max(self.now, until)
        if self.state is None:
            return []
        judged = engine.tick(self.state, watermark=until, rulebook=self.rulebook, catching_up=catching_up)
        self.state = well_shaped(judged.state)
        self.seen += judged.transitions
        return list(judged.transitions)

    def caught_up(self, at: Instant) -> list[Transition]:
        """Say what was silent only for catching up, at the wall clock *at*."""
        assert self.state is not None
        judged = engine.caught_up(self.state, now=at, rulebook=self.rulebook)
        self.state = well_shaped(judged.state)
        self.seen += judged.transitions
        return list(judged.transitions)

    def merge_from(self, other: "Play", at: Instant) -> list[Transition]:
        """Merge *other* into this patient with one message received at *at*; the transitions of both."""
        message = event(at=at, patient=other.patient)._replace(merge=PatientMerge(other.patient, self.patient, at))
        gone = engine.depart(other.state, message, now=at, rulebook=self.rulebook)
        other.state = None
        other.seen += gone.transitions
        joined = engine.join(self.state, gone.history, message, now=at, rulebook=self.rulebook)
        self.state = well_shaped(joined.state)
        self.seen += joined.transitions
        self.now = max(self.now, at)
        return [*gone.transitions, *joined.transitions]

    @property
    def open(self) -> list[Alert]:
        """The alerts that are open."""
        return [alert for alert in self.state.alerts if alert.ended is None] if self.state is not None else []


def opened(
    value: str = "6.2", *, until: Instant | None = None, rules: dict[str, str] | None = None, **more: str
) -> Play:
    """
    Return a play in which 4.1 was raised at h(2) + 15 min, on potassiums of *value* at 0 and 2 h.

    Args:
        value: Of both potassiums, mmol/L.
        until: The moment up to which time has passed.
        rules: The mode of each rule that is not active.
        more: What is said of the second potassium.
    """
    book = load({"rules": {rule: {"mode": mode} for rule, mode in (rules or {}).items()}})
    play = Play(rulebook=book)
    play.tell(k(value, h(0)))
    play.tell(k(value, h(2), **more))
    play.wait(h(2) + 15 * MINUTE if until is None else until)
    return play


def told(transitions: Iterable[Transition], rule: Rule | None = None) -> list[Said]:
    """Return what transitions say, short: rule, transition, severity, notify, reason; of one *rule* if told."""
    return [
        (t.rule, t.change, t.severity.label, t.notify, t.reason) for t in transitions if rule is None or t.rule is rule
    ]


def changes(transitions: Iterable[Transition], rule: Rule | None = None) -> list[str]:
    """Return the transitions as ``raised critical``, ``resolved magnesium_resulted`` …; of one *rule* if told."""
    ends = (Change.RESOLVED, Change.RETRACTED, Change.CLOSED)
    return [
        f"{t.change.value} {t.reason if t.change in ends else t.severity.label}"
        for t in transitions
        if rule is None or t.rule is rule
    ]


def last(play: Play, rule: Rule) -> Transition:
    """Return what was said of *rule* last."""
    return [one for one in play.seen if one.rule is rule][-1]
