"""Histories of a patient for the properties: messages that a ward could send, densely packed around the thresholds."""

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from rules import engine
from rules.alert import Rule, Transition
from rules.events import HOUR, Demographics, Instant, Patient, PatientEvent, PatientMerge
from rules.patient import PatientState
from rules.rulebook import DEFAULT, Rulebook, load
from tests.property.rules.recipes import DELAYS, GAPS, THEMES, Recipe
from tests.unit.rules.builders import ADULT, OTHER, PATIENT, T0, Fact, event

if TYPE_CHECKING:
    from rules.chart import Chart

Transitions = list[Transition]
Step = tuple[Instant, Recipe, Instant]

CHILD = Demographics("20100501", "F")
SHADOWED = load({"rules": {rule.value: {"mode": "shadow"} for rule in (Rule.REFRACTORY_HYPERKALEMIA,)}})

_steps = tuple(
    st.lists(st.tuples(st.sampled_from(GAPS), st.sampled_from(theme), st.sampled_from(DELAYS)), min_size=4, max_size=24)
    for theme in THEMES
)


def told(steps: list[Step], patient: Patient = PATIENT, who: Demographics = ADULT) -> list[PatientEvent]:
    """Return the messages of *steps*, in order of `received_at`: each some time after the one before, and delayed."""
    events = [event(who, at=T0 - HOUR, patient=patient)]
    past: list[Fact] = []
    at = T0
    for gap, recipe, delay in steps:
        at += gap
        facts = recipe(at, past)
        past += facts
        events.append(event(*facts, at=at + delay, patient=patient))
    return sorted(events, key=lambda one: one.received_at)


histories = st.one_of(*_steps).map(told)
"""The messages of an adult, in order of `received_at`; some come late, some are revised, some never end."""

others = st.one_of(*_steps).map(lambda steps: told(steps, OTHER))
"""The same under another key."""


class Life(NamedTuple):
    """A whole life: who it is of, what is sent, how far the service lags meanwhile, and a second key merged in."""

    events: list[PatientEvent]
    merged: list[PatientEvent]
    merge_after: int
    behind: tuple[int, int]
    rulebook: Rulebook


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Return a life; most are of an adult, without lag and without a merge."""
    who = draw(st.sampled_from((ADULT, ADULT, ADULT, CHILD)))
    events = told(draw(st.one_of(*_steps)), who=who)
    merged = draw(st.sampled_from((False, False, True)))
    lags = draw(st.sampled_from((False, False, True)))
    return Life(
        events,
        draw(others) if merged else [],
        draw(st.integers(0, len(events) - 1)) if merged else -1,
        (draw(st.integers(0, len(events) - 1)), draw(st.integers(0, len(events)))) if lags else (0, 0),
        draw(st.sampled_from((DEFAULT, DEFAULT, DEFAULT, SHADOWED))),
    )


class Run:
    """What became of a history: the state after the last message, and every transition."""

    def __init__(
        self, state: PatientState | None = None, *, rulebook: Rulebook = DEFAULT, following: bool = True
    ) -> None:
        self.state = state
        self.following = following
        self.chart: Chart | None = None
        self.now: Instant = 0
        self.rulebook = rulebook
        self.transitions: Transitions = []
        self.calls: list[Transitions] = []
        """What each message, and each passing of time, brought."""
        self.states: list[PatientState | None] = []
        """After each of them."""
        self.charts: list[Chart] = []
        """What each message left derived, for the next to begin with."""

    def take(self, *events: PatientEvent, catching_up: bool = False) -> "Run":
        """Judge events, with what is due by each before it."""
        for one in events:
            self.now = max(self.now, one.received_at)
            self._tick(self.now, catching_up=catching_up)
            self._add(
                engine.judge(
                    self.state, one, now=self.now, rulebook=self.rulebook, catching_up=catching_up, chart=self.chart
                ),
            )
        return self

    def wait(self, until: Instant) -> "Run":
        """Fire what is due by *until*."""
        self.now = max(self.now, until)
        self._tick(until)
        return self

    def live(self, life: Life) -> "Run":
        """Judge a life: lagging, caught up, merged as it says."""
        start, stop = life.behind
        for n, one in enumerate(life.events):
            self.take(one, catching_up=start <= n < stop)
            if n + 1 == stop and self.state is not None:
                self._add(engine.caught_up(self.state, now=self.now, rulebook=self.rulebook))
            if n == life.merge_after:
                self._merge(life.merged)
        return self

    def _merge(self, others: list[PatientEvent]) -> None:
        """Merge the other key, as it stands now, and forward what comes for it later."""
        other = Run(rulebook=self.rulebook).take(*(one for one in others if one.received_at <= self.now)).wait(self.now)
        message = event(at=self.now, patient=OTHER)._replace(merge=PatientMerge(OTHER, PATIENT, self.now))
        gone = engine.depart(other.state, message, now=self.now, rulebook=self.rulebook)
        self.transitions += [*other.transitions, *gone.transitions]
        self._add(engine.join(self.state, gone.history, message, now=self.now, rulebook=self.rulebook))
        self.take(*(one._replace(patient=PATIENT) for one in others if one.received_at > message.received_at))

    def _tick(self, until: Instant, *, catching_up: bool = False) -> None:
        if self.state is not None:
            self._add(engine.tick(self.state, watermark=until, rulebook=self.rulebook, catching_up=catching_up))

    def _add(self, judged: engine.Judgement) -> None:
        self.state = judged.state
        if self.following and judged.chart is not None:
            self.chart = judged.chart
            self.charts.append(judged.chart)
        self.transitions += judged.transitions
        self.calls.append(list(judged.transitions))
        self.states.append(self.state)
