"""What the nine rules do not look for (docs/clinical-safety.md, What this does not cover), so that it stays true."""

import pytest

from rules.alert import Change, Rule
from tests.unit.rules.builders import Fact, Play, ca, d, dose, egfr, h, ica, k, mg, told


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param((k("8.0", h(0)),), id="a single potassium of 8.0"),
        pytest.param((mg("0.9", h(0)), k("8.0", h(1)), k("8.2", h(4))), id="8.0 twice, magnesium known and not low"),
        pytest.param((mg("0.3", h(0)), k("4.2", h(0))), id="a magnesium of 0.3, potassium not with it"),
        pytest.param((ca("1.2", h(0)), ica("0.6", h(0))), id="a calcium of 1.2 without magnesium"),
        pytest.param((mg("0.9", h(0)), k("2.0", h(1)), k("2.0", h(6))), id="2.0 twice, magnesium known and not low"),
        pytest.param((egfr("9", h(0)),), id="kidneys that fail"),
    ],
)
def test_rules_what_is_no_constellation_raises_nothing(facts: tuple[Fact, ...]) -> None:
    """The laboratory's critical-value call is another thing, and runs beside this. RULES.md, intended use."""
    play = Play()
    for fact in facts:
        play.tell(fact)
    play.wait(d(3))
    assert play.seen == []


def test_rules_7_reminders_are_not_grouped() -> None:
    """Of what a message *raises or escalates* one notifies; a new trigger of two alerts reminds of both. RULES.md 5."""
    play = Play(egfr("90", h(-1)))
    play.tell(k("5.0", h(-3)), mg("0.6", h(-1)), dose(h(-2), "1"), k("6.9", h(0)), at=h(0))
    assert [(change, notify) for _, change, _, notify, _ in told(play.seen)] == [
        (Change.RAISED, True),
        (Change.RAISED, False),
    ]
    play.tell(k("7.5", h(2)))
    assert [(change, notify) for _, change, _, notify, _ in told(play.seen)[2:]] == [(Change.REMINDED, True)] * 2


def test_rules_4_1_a_magnesium_resolves_the_finding_and_not_the_potassium() -> None:
    """The resolution says which alert ended and by what, and nothing pages for the potassium any more. RULES.md 4.1."""
    play = Play()
    play.tell(k("6.9", h(0)))
    play.tell(k("7.0", h(2)))
    play.tell(mg("0.85", h(3)))
    play.tell(k("7.2", h(6)))
    raised, resolved = play.seen
    assert raised.rule is resolved.rule is Rule.REFRACTORY_HYPERKALEMIA
    assert resolved.summary == (
        "Resolved: high potassium without a recent magnesium; magnesium has resulted: 0.85 mmol/L, drawn 0 min ago."
    )


def test_rules_5_who_was_spoken_for_is_silent_when_the_speaker_is_resolved() -> None:
    """Only a retraction lets the next one speak; after a resolution it waits for a new trigger. RULES.md 5."""
    play = Play(egfr("90", h(-1)))
    play.tell(k("5.0", h(-1)), dose(h(0), "1"), at=h(0))
    play.tell(k("6.2", h(3)), mg("2.6", h(3)), at=h(3))
    play.tell(mg("1.0", h(5)))
    assert [(rule, change, notify) for rule, change, _, notify, _ in told(play.seen)] == [
        (Rule.POST_INFUSION_HYPERMAGNESEMIA, Change.RAISED, True),
        (Rule.HYPERKALEMIA_AFTER_MAGNESIUM, Change.RAISED, False),
        (Rule.POST_INFUSION_HYPERMAGNESEMIA, Change.RESOLVED, False),
    ]
    play.tell(k("6.2", h(7)))
    assert told(play.seen)[-1][1:4] == (Change.REMINDED, "high", True)
