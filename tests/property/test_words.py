"""Whatever a ward sends, what the alerts say stays a page long and orders nothing (RULES.md, intended use)."""

import re

from hypothesis import given

from rules.alert import Change, Rule, Transition
from rules.events import DAY
from rules.words.considerations import UNSEEN
from rules.words.sentence import LONGEST
from tests.property.rules.histories import Life, Run, lives
from tests.unit.words.test_words_lint import FORBIDDEN

LEAD = re.compile(
    r"((More than the recorded dose explains|Beyond the recorded dose): )?(potassium|magnesium|(ionized )?calcium) "
    r"[<>]?=?[\d.]+ (mmol/L|mEq/L|mg/dL)( \((possibly spurious|hemolyzed, may be lower)\))?"
    r"(, ((up|down) [\d.]+( or more)?|unchanged) in \d+ (min|h|days)( from a doubtful value)?|, baseline not known)?"
    r", drawn \d+ (min|h|days) ago[;,.]",
    re.IGNORECASE,
)
"""Value with its unit, change and interval, age of the draw."""
SEEN = re.compile("no treatment seen|insulin|beta-2 agonist|bicarbonate|binder|loop diuretic|dialysis recorded")
DOSE = re.compile("infusion (running|ended)|last dose")
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
        if one.change not in ENDS and "the alert is still open" not in one.summary:
            _leads(one)


def _leads(one: Transition) -> None:
    """Hold a summary to issue 5: the value itself first, then what was seen, then what is missing."""
    said = one.summary
    if one.rule is Rule.MAGNESIUM_MONITORING_GAP:
        assert said.startswith(("Magnesium infusion", "Last magnesium dose"))
        assert re.search("; no (usable )?(magnesium|potassium)", said)
        return
    lead = LEAD.match(said)
    assert lead, said
    beyond = any(text.startswith("more than the recorded dose explains") for text in one.considerations)
    assert bool(lead[1]) is beyond
    if one.rule in (Rule.REFRACTORY_HYPERKALEMIA, Rule.HYPERKALEMIA_LOW_MAGNESIUM):
        assert SEEN.search(said) or _crowded(said, "; dialysis recorded 119 min ago"), said
        assert "magnesium" in said
    if one.rule is Rule.REFRACTORY_HYPOKALEMIA:
        assert "magnesium" in said
    if one.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA:
        assert DOSE.search(said) or _crowded(said, "; infusion ended 119 min ago (assumed)"), said


def _crowded(said: str, lacking: str) -> bool:
    """Say whether there was no room for what is lacking, at its shortest."""
    return len(said) + len(lacking) > LONGEST
