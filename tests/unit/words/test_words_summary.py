"""Issue 5, explanation: what a summary of 160 characters keeps when everything is said at once, and in which order."""

import pytest

from rules.alert import Rule, Transition
from rules.events import Drug, Instant
from rules.words.sentence import LONGEST, Part, fit
from tests.unit.rules.builders import (
    Fact,
    Play,
    adt,
    ca,
    crea,
    dialysis,
    dose,
    egfr,
    given,
    h,
    hemolyzed,
    ica,
    infusion,
    k,
    mg,
    visit,
)

POST, GAP = Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.MAGNESIUM_MONITORING_GAP
AFTER = Rule.HYPERKALEMIA_AFTER_MAGNESIUM


def last(rule: Rule, *messages: tuple[Instant, tuple[Fact, ...]], until: Instant | None = None) -> Transition:
    """Return the last transition of *rule* after messages, each at its time."""
    play = Play()
    for at, facts in messages:
        play.tell(*facts, at=at)
    if until is not None:
        play.wait(until)
    return [one for one in play.seen if one.rule is rule][-1]


def test_a_gap_says_what_is_missing_however_long_the_dose_is_told() -> None:
    """An end that is assumed, grams that are partly known: what is missing is never left out. Issue 5."""
    one = last(
        GAP,
        (h(-2), (adt("A01"), visit("V1"), egfr("20", h(-2)))),
        (h(4), (adt("A03"), visit("V1"))),
        (h(5), (infusion(h(0), order="A"), dose(h(1), "6", order="B"))),
        until=h(17),
    )
    assert one.summary == (
        "Magnesium infusion ended 12 h ago (end assumed at discharge); "
        "no magnesium and no potassium measured since; renal function impaired."
    )


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        pytest.param((), "More than the recorded dose explains: magnesium 4.0 mmol/L", id="room for all"),
        pytest.param(
            (k("7.0", h(3)), ica("0.75", h(3))), "Beyond the recorded dose: magnesium 4.0 mmol/L", id="crowded"
        ),
    ],
)
def test_what_the_dose_cannot_explain_is_first_in_either_length(told: tuple[Fact, ...], kept: str) -> None:
    """Short or long, it leads; a potassium and a calcium that are worse stay beside it. Issue 5, RULES.md 4.2."""
    facts = (mg("1.25", h(2)), dose(h(0), "1"), *told, mg("4.0", h(3)))
    one = last(POST, (h(-1), (crea("60", h(-8)), mg("0.9", h(-1)))), (h(3), facts))
    assert one.summary.startswith(kept)
    assert ("potassium 7.0 mmol/L, ionized calcium 0.75 mmol/L" in one.summary) is bool(told)
    assert any(text.startswith("more than the recorded dose explains: ") for text in one.considerations)


def test_a_creatinine_that_is_worse_outlasts_the_baseline() -> None:
    """Of what there is no room for the potassium of before the magnesium goes first. Issue 5."""
    one = last(
        AFTER,
        (h(-3), (crea("60", h(-3)), k("4.4", h(-1)), dose(h(0), "2", order="A"))),
        (h(2), (crea("180", h(2)), ca("1.5", h(2)), mg("2.6", h(2)), k("5.1", h(3)))),
        (h(5), (k("6.6", h(5)),)),
    )
    assert "calcium 1.5 mmol/L, creatinine 180 umol/L" in one.summary
    assert "magnesium 2.6 mmol/L" in one.summary
    assert "before magnesium" not in one.summary


def test_an_assumed_end_is_told_shortly_before_a_calcium_is_left_out() -> None:
    """`(assumed)` stands for `(end assumed after 24 h)`; how it is known stands in the considerations. RULES.md 4.2."""
    one = last(
        AFTER,
        (h(-1), (crea("60", h(-2)), k("5.0", h(-1)), infusion(h(0), order="A"))),
        (h(5), (mg("1.1", h(5)), ica("0.75", h(25)))),
        (h(26), (k("6.9", h(26)),)),
    )
    assert "magnesium infusion ended 2 h ago (assumed)" in one.summary
    assert "ionized calcium 0.75 mmol/L" in one.summary
    assert any("end assumed after 24 h" in text for text in one.considerations)


def test_a_doubtful_trigger_has_no_lowest_magnesium() -> None:
    """The severity is by the highest *valid* one, which is lower than the hemolyzed trigger. RULES.md 3, 4.2."""
    one = last(
        POST, (h(0), (egfr("90", h(-1)), dose(h(0)))), (h(3), (mg("3.1", h(3)),)), (h(5), hemolyzed(mg("3.3", h(5))))
    )
    assert one.summary.startswith("Magnesium 3.3 mmol/L (possibly spurious), up 0.2 in 2 h, drawn 0 min ago, highest v")
    assert "the severity is by the highest valid: magnesium 3.1 mmol/L, drawn 2 h ago" in one.considerations


def test_a_value_beyond_what_is_measured_stays_so_in_short() -> None:
    """``highest >8.0``, never 8.0, where there is no room for its unit: a comparator counts. RULES.md 1, issue 5."""
    beyond = k("8.0", h(-8))._replace(comparator=">")
    facts = (beyond, crea("432", h(2)), given(Drug.BINDER, h(-4)), dialysis(h(-6), h(-2)))
    one = last(
        Rule.REFRACTORY_HYPERKALEMIA,
        (h(-8), (mg("0.9", h(-40)), beyond)),
        (h(2), (*facts, k("6.0", h(2)))),
        until=h(4),
    )
    assert "highest >8.0" in one.summary


def test_what_was_seen_is_told_in_the_fewest_words_before_it_is_left_out() -> None:
    """Still high after a dialysis, a calcium beside it, a magnesium that is doubted: the dialysis is told. Issue 5."""
    doubted = mg("0.9", h(0))
    one = last(
        Rule.REFRACTORY_HYPERKALEMIA,
        (h(0), (mg("0.9", h(-40)), k("7.4", h(-2)), k("6.2", h(-1)), *hemolyzed(doubted), dialysis(h(-1.8), h(-0.9)))),
        (h(2.5), (ica("0.85", h(0.9)), k("6.0", h(0.9)))),
        until=h(3),
    )
    assert one.criterion == "treatment_failure"
    assert one.summary == (
        "Potassium 6.0 mmol/L, down 0.2 in 114 min, drawn 96 min ago, highest 7.4, ionized calcium 0.85 mmol/L; "
        "dialysis recorded 3 h ago; magnesium specimen doubtful."
    )


def test_a_brief_lead_stands_before_anything_is_left_out() -> None:
    """Parts are shortened first, then the lead, then parts again, then parts are left out by rank."""
    part = Part("p" * 60, 1, "p" * 50, shorter="p" * 20)
    assert fit("L" * 90, part, brief="b" * 80).startswith("L" * 90 + "; " + "p" * 60)
    assert fit("L" * 105, part, brief="b" * 80) == "L" * 105 + "; " + "p" * 50 + "."
    assert fit("L" * 110, part, brief="b" * 80) == "b" * 80 + "; " + "p" * 50 + "."
    assert fit("L" * 140, part, brief="b" * 120) == "b" * 120 + "; " + "p" * 20 + "."
    assert fit("L" * 150, part, brief="b" * 140) == "b" * 140 + "."
    assert len(fit("L" * 200, part, brief="b" * 190)) == LONGEST
