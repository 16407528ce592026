"""What an alert says of the facts: thresholds, a missing magnesium, treatments, doses (RULES.md 4.1, 4.2, 5)."""

from collections.abc import Callable

import pytest

from rules.alert import Change, Rule
from rules.chart import Chart
from rules.events import Condition, Drug, Instant
from rules.rulebook import DEFAULT
from rules.words.transitions import transition
from tests.unit.rules.builders import (
    Fact,
    Play,
    adt,
    ca,
    crea,
    dialysis,
    dose,
    given,
    h,
    infusion,
    k,
    last,
    mg,
    ordered,
    said,
)
from tests.unit.words.histories import low_magnesium, single_high_with_low_magnesium

LOW = Rule.HYPERKALEMIA_LOW_MAGNESIUM


@pytest.mark.parametrize(
    ("play", "named"),
    [(low_magnesium, True), (single_high_with_low_magnesium, False)],
    ids=["refractory by persistence", "a single one of 6.0 or more"],
)
def test_rules_5_the_thresholds_name_the_criterion_that_was_met(play: Callable[[], Play], named: bool) -> None:
    """Beside a low magnesium the criterion of 4.1 is told where the potassium meets one. RULES.md 4.1, 5."""
    thresholds = last(play(), LOW).thresholds
    assert ("persistence_after" in thresholds) is named
    assert ("persistence_fall" in thresholds) is named


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param(
            [mg("0.6", h(0)), dialysis(h(0.5), h(1)), mg("0.9", h(1.5), flags=("time_degraded",))],
            "magnesium 0.6 mmol/L is from before dialysis",
            id="a later one whose draw time is not known",
        ),
        pytest.param(
            [mg("0.6", h(-22)), dialysis(h(0.5), h(1))],
            "magnesium 0.6 mmol/L is from before dialysis",
            id="drawn just 24 h before",
        ),
        pytest.param(
            [mg("0.6", h(0)), dialysis(h(2), h(5))],
            "magnesium 0.6 mmol/L is from before dialysis",
            id="dialysis begins as potassium is drawn",
        ),
        pytest.param(
            [mg("0.6", h(0)), dialysis(h(0), h(1)), dose(h(0.5), "2")],
            "magnesium 0.6 mmol/L is from before a magnesium dose",
            id="drawn as dialysis begins, a dose after it",
        ),
        pytest.param(
            [mg("0.6", h(-22), flags=("time_degraded",))],
            "last magnesium 0.6 mmol/L, but its draw time is not known",
            id="just 24 h before, at a time not known",
        ),
        pytest.param(
            [mg("0.6", h(-22) - 1, flags=("time_degraded",))],
            "last magnesium 0.6 mmol/L, 24 h old",
            id="longer ago, at a time not known",
        ),
    ],
)
def test_rules_4_1_why_a_magnesium_is_not_recent(facts: list[Fact], words: str) -> None:
    """A stale one with what made it stale, one of a time not known: the newest that it is true of. RULES.md 4.1."""
    play = Play(adt("A01"))
    play.tell(*facts, k("6.6", h(0)), k("6.6", h(2)), at=h(2))
    assert words.replace(", 24 h", ", over 24 h") in last(play, Rule.REFRACTORY_HYPERKALEMIA).summary


@pytest.mark.parametrize(("given_at", "seen"), [(h(2), True), (h(2) + 1, False)], ids=["at that moment", "ahead"])
def test_rules_4_1_a_treatment_is_seen_from_the_moment_of_its_start(given_at: Instant, seen: bool) -> None:
    """One that is recorded ahead of its time is not told as seen. RULES.md 4.1."""
    play = Play(adt("A01"))
    play.tell(k("6.2", h(0)), k("6.2", h(2)), mg("0.6", h(2)), given(Drug.INSULIN, given_at), at=h(2))
    assert ("insulin 0 min ago" in last(play, LOW).summary) is seen


@pytest.mark.parametrize(("hours", "missing"), [(-22, False), (-23, True)], ids=["24 h before it", "25 h before it"])
def test_rules_4_1_without_a_finding_treatment_of_the_day_before_the_trigger_is_seen(hours: int, missing: bool) -> None:
    """An open alert that finds nothing by now says that treatment data is missing only where none is. RULES.md 4.1."""
    play = Play(adt("A01"))
    play.tell(k("6.6", h(0)), k("6.6", h(2)), given(Drug.INSULIN, h(hours)), at=h(2))
    (alert,) = play.open
    assert play.state is not None
    one = transition(Chart(play.state, h(6), DEFAULT), alert, Change.REMINDED, received_at=h(6))
    assert any(words.startswith("treatment data: not available") for words in one.missing) is missing


CLOTTED = mg("0.9", h(0))


@pytest.mark.parametrize(
    ("facts", "unmapped", "words"),
    [
        pytest.param([ordered(h(0))], None, "magnesium pending", id="pending"),
        pytest.param([CLOTTED, said(CLOTTED, Condition.CLOTTED)], None, "magnesium specimen doubtful", id="invalid"),
        pytest.param([mg("0.6", h(0)), dialysis(h(0.1), h(0.5))], None, "magnesium from before dialysis", id="stale"),
        pytest.param([mg("0.6", h(0)), dose(h(0.1), "2")], None, "magnesium from before a dose", id="stale, a dose"),
        pytest.param([], h(0), "magnesium under an unmapped code", id="unmapped"),
        pytest.param([mg("0.8", h(-30))], None, "last magnesium 34 h old", id="old"),
        pytest.param([mg("0.8", h(0), flags=("time_degraded",))], None, "last magnesium of unknown time", id="no time"),
        pytest.param([], None, "no magnesium result", id="never"),
    ],
)
def test_rules_4_1_the_short_words_for_a_missing_magnesium(
    facts: list[Fact], unmapped: Instant | None, words: str
) -> None:
    """With calcium and creatinine worse beside it the sentence has room for the short form alone. RULES.md 4.1."""
    play = Play(adt("A01"))
    play.tell(*facts, at=h(0.8), unmapped=unmapped)
    play.tell(k("6.1", h(1)), ca("1.60", h(0.9)), crea("1480.5", h(1)), at=h(1.3))
    play.tell(k("6.2", h(3)), at=h(3.4))
    play.wait(h(5))
    summary = last(play, Rule.REFRACTORY_HYPERKALEMIA).summary
    assert words in (part.rstrip(".") for part in summary.split("; ")), summary


POST, UNKNOWN = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN


@pytest.mark.parametrize(
    ("until", "words", "record"),
    [
        (h(4) + 1, "infusion running, recorded to end in 0 min", "its record ends later than now"),
        (h(4), "infusion ended 0 min ago", "last record 0 min ago"),
    ],
    ids=["a millisecond before its end", "at its end"],
)
def test_rules_4_2_an_infusion_has_ended_at_its_end(until: Instant, words: str, record: str) -> None:
    """Up to its recorded end it runs, from then on it has ended. RULES.md 4.2."""
    play = Play(adt("A01"))
    play.tell(infusion(h(0), until, grams="4"), mg("2.6", h(4)), at=h(4))
    one = last(play, POST)
    assert words in one.summary
    assert [text.rpartition(", ")[2] for text in one.considerations if text.startswith(words)] == [record]


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (dose(h(1), "2"), "no magnesium dose on record before it"),
        (dose(h(-50), "2"), "last magnesium dose 50 h before it"),
        (infusion(h(-54), h(-50), grams="2"), "last magnesium infusion ended 50 h before it"),
    ],
    ids=["after it", "a dose too long ago", "an infusion too long ago"],
)
def test_rules_4_2_what_is_on_record_of_a_dose_that_owns_nothing(fact: Fact, words: str) -> None:
    """Of a magnesium of no exposure what came before it is told, and that something came after. RULES.md 4.2."""
    play = Play(adt("A01"))
    play.tell(fact, mg("2.3", h(0)), at=h(1.5))
    one = last(play, UNKNOWN)
    assert words in one.summary
    assert any(text.startswith(f"{words}: exposure unknown") for text in one.considerations)
