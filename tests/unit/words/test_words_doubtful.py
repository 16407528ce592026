"""RULES.md 3: what is said beside an alert of a specimen that is doubted, or of no use."""

import pytest

from rules.alert import Rule
from rules.events import Condition
from tests.unit.rules.builders import Fact, Play, ca, changes, crea, dose, egfr, h, hemolyzed, k, last, mg, said

HIGH, AFTER, CALCIUM = (
    Rule.REFRACTORY_HYPERKALEMIA,
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM,
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM,
)
GAP = Rule.MAGNESIUM_MONITORING_GAP


def clotted(of: Fact) -> tuple[Fact, Fact]:
    """Return a result of a tube that clotted: it is not counted."""
    return of, said(of, Condition.CLOTTED)  # type: ignore[arg-type]


def test_a_trend_says_that_it_starts_from_a_doubtful_value() -> None:
    """A potassium that falls from a hemolyzed one may not have fallen."""
    play = Play()
    play.tell(*hemolyzed(k("6.5", h(0))))
    play.tell(k("6.2", h(2)))
    play.wait(h(3))
    assert last(play, HIGH).summary.startswith("Potassium 6.2 mmol/L, down 0.3 in 2 h from a doubtful value, drawn")


def test_a_trend_starts_from_the_newest_valid_value() -> None:
    """A valid one before the hemolyzed one is what the change is counted from."""
    play = Play()
    play.tell(k("6.0", h(0)))
    play.tell(*hemolyzed(k("7.1", h(1))))
    play.tell(k("6.2", h(2)))
    play.wait(h(3))
    assert last(play, HIGH).summary.startswith("Potassium 6.2 mmol/L, up 0.2 in 2 h, drawn")


def test_no_calcium_is_compared_with_a_suspect_one() -> None:
    """A suspect calcium counts for nothing: the change is that from the valid one before the dose. RULES.md 3."""
    edta = (ca("1.2", h(2)), k("6.4", h(2)), mg("0.4", h(2)))
    play = Play(egfr("80", h(-1)), ca("2.3", h(-1)))
    play.tell(dose(h(0)), at=h(0))
    play.tell(*edta, at=h(2))
    play.tell(ca("1.7", h(4)))
    assert last(play, CALCIUM).summary.startswith("Calcium 1.7 mmol/L, down 0.6 in 5 h, drawn")


DRAWN, NOT_MEASURED = "magnesium drawn, but the specimen is doubtful", "magnesium not measured since"


@pytest.mark.parametrize(
    ("magnesium", "words", "missing"),
    [
        pytest.param((), NOT_MEASURED, "magnesium: not measured since the dose", id="none"),
        pytest.param((mg("0.9", h(0) - 1),), NOT_MEASURED, "magnesium: not measured since the dose", id="before it"),
        pytest.param(
            clotted(mg("0.9", h(0))), DRAWN, "magnesium: drawn, specimen doubtful", id="clotted, at its start"
        ),
        pytest.param(clotted(mg("0.9", h(3))), DRAWN, "magnesium: drawn, specimen doubtful", id="clotted"),
    ],
)
@pytest.mark.parametrize("rule", [AFTER, CALCIUM])
def test_a_magnesium_of_no_use_is_told_as_drawn(
    rule: Rule, magnesium: tuple[Fact, ...], words: str, missing: str
) -> None:
    """Nobody reads that none was drawn: somebody tried, and a repeat is on somebody's mind. RULES.md 3, 5."""
    play = Play(crea("60", h(-1)), k("4.4", h(-1)), ca("2.3", h(-1)))
    play.tell(dose(h(0), "2"), *magnesium, at=h(3))
    play.tell(k("5.7", h(4)), ca("1.7", h(4)))
    one = last(play, rule)
    assert one.summary.endswith(f"; {words}.")
    assert missing in one.missing
    if rule is CALCIUM:
        beside = "magnesium drawn since, but the specimen is doubtful" if words == DRAWN else words
        assert beside in one.considerations


@pytest.mark.parametrize("rule", [AFTER, CALCIUM])
def test_a_magnesium_of_after_the_window_is_told(rule: Rule) -> None:
    """A potassium and a calcium of 23 h come late: the magnesium of 25 h belongs to no dose, and was measured."""
    play = Play(crea("60", h(-1)), k("4.4", h(-1)), ca("2.3", h(-1)))
    play.tell(dose(h(0), "2"), at=h(0))
    play.tell(mg("0.9", h(25)))
    play.tell(k("5.7", h(23)), ca("1.7", h(23)), at=h(25))
    one = last(play, rule)
    assert "magnesium 0.9 mmol/L drawn 0 min ago" in one.summary
    assert not any(words.startswith("magnesium:") for words in one.missing)
    if rule is CALCIUM:
        assert "magnesium 0.9 mmol/L, drawn 0 min ago" in one.considerations


def test_a_suspect_magnesium_says_nothing_of_a_potassium_after_it() -> None:
    """Its severity asks for a valid one; a hemolyzed magnesium was drawn all the same. RULES.md 5."""
    play = Play(crea("60", h(-1)), k("4.4", h(-1)))
    play.tell(dose(h(0), "2"), *hemolyzed(mg("0.9", h(3))), at=h(3))
    play.tell(k("5.7", h(4)))
    assert DRAWN in last(play, AFTER).summary


@pytest.mark.parametrize(
    ("drawn", "words", "missing"),
    [
        ((), "no magnesium and no potassium measured since", ("magnesium: not measured", "potassium: not measured")),
        (
            clotted(mg("0.9", h(3))),
            "no usable magnesium and no potassium measured since",
            ("magnesium: drawn, specimen doubtful", "potassium: not measured"),
        ),
        (
            (*clotted(k("4.9", h(3))), mg("0.9", h(4))),
            "no usable potassium measured since",
            ("potassium: drawn, specimen doubtful",),
        ),
        (clotted(mg("0.9", h(0) - 1)), "no magnesium and no potassium measured since", ("magnesium: not measured",)),
        (clotted(mg("0.9", h(0))), "no usable magnesium and no potassium", ("magnesium: drawn, specimen doubtful",)),
    ],
    ids=["nothing", "a clotted magnesium", "a clotted potassium", "clotted before the dose", "clotted at its time"],
)
def test_a_gap_tells_what_was_drawn_in_vain(drawn: tuple[Fact, ...], words: str, missing: tuple[str, ...]) -> None:
    """No counted Mg, or K: one that clotted is not counted, and was drawn. RULES.md 3, 5."""
    play = Play()
    play.tell(dose(h(0), "6"), *drawn, at=h(4))
    play.wait(h(13))
    one = last(play, GAP)
    assert words in one.summary
    assert set(missing) <= set(one.missing)


def test_a_gap_that_expires_does_not_say_that_nothing_was_measured() -> None:
    """One of the two may have been measured in time. RULES.md 5."""
    play = Play()
    play.tell(dose(h(0), "6"), mg("0.9", h(4)))
    play.wait(h(30))
    assert changes(play.seen, GAP) == ["raised warning", "closed expired"]
    assert "not both measured within 24 h of the end of the dose" in last(play, GAP).summary
