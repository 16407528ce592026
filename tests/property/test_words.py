"""Whatever a ward sends, what the alerts say stays a page long and orders nothing (RULES.md, intended use)."""

from hypothesis import given

from rules.alert import Change
from rules.events import DAY
from rules.words.considerations import UNSEEN
from rules.words.sentence import LONGEST
from tests.property.rules.histories import Life, Run, lives
from tests.unit.words.test_words_lint import FORBIDDEN

ENDS = (Change.RESOLVED, Change.RETRACTED, Change.CLOSED)


@given(life=lives())
def test_every_text_of_any_history_is_short_and_orders_nothing(life: Life) -> None:
    """At most 160 characters, no word that orders or reassures; the limits of the service in every one."""
    for one in Run(rulebook=life.rulebook).live(life).wait(life.events[-1].received_at + 4 * DAY).transitions:
        assert len(one.summary) <= LONGEST
        assert one.summary.endswith(".")
        texts = (one.summary, *one.considerations, *one.missing, one.resolves_when, *one.thresholds.values())
        assert not [text for text in texts if FORBIDDEN.search(text)]
        assert len(set(one.considerations)) == len(one.considerations)
        assert one.considerations[-1] == UNSEEN
        assert bool(one.resolves_when) is (one.change not in ENDS)
