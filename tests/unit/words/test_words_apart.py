"""Issue 5: of two alerts in one message each tells its own; numbers of any length leave what matters standing."""

from rules.alert import Rule
from rules.events import Condition, Result
from tests.unit.rules.builders import Play, ca, crea, dialysis, dose, egfr, h, hemolyzed, ica, k, last, mg, said

HIGH, LOW, AFTER = Rule.REFRACTORY_HYPERKALEMIA, Rule.REFRACTORY_HYPOKALEMIA, Rule.HYPERKALEMIA_AFTER_MAGNESIUM
POST = Rule.POST_INFUSION_HYPERMAGNESEMIA


def test_two_alerts_of_one_message_each_say_why_there_is_no_magnesium() -> None:
    """A clotted one lies within 24 h of the high potassium, and before those of the low one. RULES.md 4.1, 5."""
    clotted = mg("0.9", h(-21.5))
    play = Play()
    play.tell(clotted, said(clotted, Condition.CLOTTED), at=h(-21))
    play.tell(k("6.6", h(0)), k("6.6", h(2)), *hemolyzed(k("2.4", h(3))), at=h(3))
    high, low = last(play, HIGH), last(play, LOW)
    assert "magnesium drawn, but the specimen is doubtful" in high.summary
    assert "no magnesium result on record" in low.summary
    assert "magnesium: drawn, specimen doubtful" in high.missing
    assert "magnesium: never resulted" in low.missing


def test_two_alerts_of_one_message_each_name_their_own_highest() -> None:
    """The potassium's highest is told beside a magnesium that is its own. RULES.md 4.1, 4.2."""
    play = Play()
    facts = (dose(h(0), "4"), mg("2.8", h(2)), mg("2.6", h(3)), dialysis(h(3.5), h(4)))
    play.tell(*facts, k("6.9", h(4)), k("6.45", h(6.1)), at=h(6.2))
    assert "highest" not in last(play, POST).summary
    assert "highest 6.9" in last(play, HIGH).summary


def long(of: Result) -> Result:
    """Return a result of a laboratory that sends every number with 24 digits."""
    whole, _, decimals = of.original_value.partition(".")
    return of._replace(original_value=f"{whole:0>12}.{decimals:0<12}")


def test_a_low_magnesium_outlasts_a_calcium_however_long_the_numbers() -> None:
    """What the alert is about is the last to go. RULES.md 5, issue 5."""
    play = Play()
    play.tell(k("2.60", h(0)), long(ca("1.60", h(1))), long(mg("0.60", h(1))), at=h(1))
    play.tell(*hemolyzed(long(k("2.55", h(4.5)))), at=h(4.6))
    summary = last(play, LOW).summary
    assert "magnesium low, 000000000000.600000000000 mmol/L" in summary
    assert "calcium" not in summary


def test_the_magnesium_of_the_dose_outlasts_a_calcium_however_long_the_numbers() -> None:
    """A potassium after magnesium says how high that was. RULES.md 5, issue 5."""
    play = Play(egfr("80", h(-3)), k("4.4", h(-1)))
    play.tell(dose(h(0), "4"), long(mg("2.8", h(1))), long(ica("0.75", h(1.5))), at=h(2))
    play.tell(long(k("6.65", h(3))))
    summary = last(play, AFTER).summary
    assert "magnesium 000000000002.800000000000 mmol/L" in summary
    assert "calcium" not in summary


def test_that_a_magnesium_was_drawn_in_vain_outlasts_a_calcium() -> None:
    """A clotted one after the dose: nobody reads that none was drawn. RULES.md 3, 5, issue 5."""
    clotted = mg("0.9", h(1.5))
    play = Play(egfr("80", h(-3)), k("4.4", h(-1)))
    facts = (dose(h(0), "4"), clotted, said(clotted, Condition.CLOTTED), k("4.4", h(1.1)), long(ica("0.75", h(1.5))))
    play.tell(*facts, at=h(2))
    play.tell(long(k("6.65", h(3))), at=h(4.7))
    assert last(play, AFTER).summary.endswith("; magnesium specimen doubtful.")
    assert "calcium" not in last(play, AFTER).summary


def test_one_high_potassium_is_not_called_persistent_for_want_of_room() -> None:
    """Shortened to the last, what was seen stays what it was. RULES.md 5, issue 5."""
    play = Play()
    play.tell(k("7.1", h(0)), k("6.9", h(1.5)), at=h(1.6))
    play.tell(ca("1.60", h(1)), crea("1480.505555", h(1)), mg("0.605", h(2)), k("6.25", h(2)), at=h(2.5))
    assert last(play, Rule.HYPERKALEMIA_LOW_MAGNESIUM).summary.endswith("; no treatment seen.")
