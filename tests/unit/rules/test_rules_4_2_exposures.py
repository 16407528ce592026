"""RULES.md 4.2: doses, infusions and exposures to parenteral magnesium."""

from decimal import Decimal
from itertools import permutations

import pytest

from rules.chart import Chart
from rules.events import HOUR, Administration, Drug, Instant
from rules.exposure import Exposure, key_text
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import Fact, Play, adt, chart, dose, given, h, infusion, visit


def spans(*records: Fact, now: Instant | None = None) -> list[str]:
    """Return the exposures as ``start-end`` in hours, how the end is known, and grams; for any order of arrival."""
    found = {tuple(_shown(e) for e in chart(*order, now=now or h(99)).exposures) for order in permutations(records)}
    assert len(found) == 1
    return list(found.pop())


def _shown(exposure: Exposure) -> str:
    known = {"recorded": "", "assumed": " assumed", "assumed at discharge": " discharged"}
    grams = "" if exposure.grams is None else f" {exposure.grams} g"
    start, end = (exposure.start - h(0)) / HOUR, (exposure.end - h(0)) / HOUR
    return f"{start:g}-{end:g}{known[exposure.end_known]}{grams}"


def stop(at: Instant, *, until: Instant | None = None, order: str = "I", grams: str | None = None) -> Administration:
    """Return a record with rate 0, or of a later end."""
    return given(Drug.MAGNESIUM, at, rate="0", until=until, order=order, grams=grams)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([dose(h(0), "2")], ["0-0 2 g"], id="a dose"),
        pytest.param([dose(h(0), None)], ["0-0"], id="a dose of unknown amount"),
        pytest.param([dose(h(0), "2", parenteral=False)], [], id="oral magnesium is none"),
        pytest.param([dose(h(0), "2", intention=True)], [], id="an order is not an administration"),
        pytest.param([dose(h(0), "2", deleted=True)], [], id="a deleted record"),
        pytest.param([dose(h(0), "2"), dose(h(6) - 1, "2")], ["0-6 4 g"], id="less than 6 h apart"),
        pytest.param([dose(h(0), "2"), dose(h(6), "2")], ["0-0 2 g", "6-6 2 g"], id="6 h apart"),
        pytest.param([dose(h(0), "2"), dose(h(1), None)], ["0-1 2 g"], id="grams add up where known"),
        pytest.param([infusion(h(0), h(4), grams="8")], ["0-4 8 g"], id="a rate and a later end: it ran"),
        pytest.param([infusion(h(0), h(4)), dose(h(9.9), "2")], ["0-9.9 2 g"], id="end to next start"),
        pytest.param([infusion(h(0))], ["0-24 assumed"], id="running: 24 h are assumed"),
        pytest.param([infusion(h(0), grams="4")], ["0-24 assumed 4 g"], id="running: what it says was given"),
        pytest.param(
            [given(Drug.MAGNESIUM, h(0), rate="0.5", order="I")], ["0-24 assumed"], id="half a gram an hour runs too"
        ),
        pytest.param([given(Drug.MAGNESIUM, h(0), rate="0.5", until=h(4))], ["0-4"], id="half a gram an hour, ended"),
        pytest.param(
            [infusion(h(0), order="I"), infusion(h(3), order="I"), stop(h(0), until=h(7))],
            ["0-7"],
            id="a stop whose start is the infusion's is later than a change of rate",
        ),
        pytest.param(
            [infusion(h(0), order="I"), dose(h(0), "4", order="I")], ["0-0 4 g"], id="an amount at its start ends it"
        ),
        pytest.param([dose(h(0), None), dose(h(0), "2")], ["0-0 2 g"], id="two doses of one minute, one unknown"),
        pytest.param([infusion(h(0), order="I"), infusion(h(5), order="I")], ["0-29 assumed"], id="continued"),
        pytest.param([infusion(h(0), order="I"), stop(h(5))], ["0-5"], id="stopped by rate 0"),
        pytest.param([infusion(h(0), order="I"), stop(h(0), until=h(7))], ["0-7"], id="stopped by its end"),
        pytest.param(
            [infusion(h(0), order="I"), dose(h(0), "8", order="I", until=h(8))], ["0-8 8 g"], id="its summary"
        ),
        pytest.param([infusion(h(0), order="I"), dose(h(3), "2", order="I")], ["0-3 2 g"], id="any other ends it"),
        pytest.param([infusion(h(0), order="I"), stop(h(30))], ["0-30"], id="a stop after 24 h moves the end"),
        pytest.param([infusion(h(0), order="I"), stop(h(5), order="J")], ["0-24 assumed"], id="the stop of another"),
        pytest.param([stop(h(5))], [], id="a stop of nothing"),
        pytest.param(
            [infusion(h(0), order="I"), stop(h(5)), infusion(h(6), order="I"), stop(h(8))],
            ["0-8"],
            id="stopped, begun again",
        ),
        pytest.param(
            [dose(h(0), "2", order="I"), infusion(h(1), order="I")], ["0-25 assumed 2 g"], id="a bolus before"
        ),
    ],
)
def test_rules_4_2_exposures(records: list[Fact], expected: list[str]) -> None:
    """What runs, what ends it, what adds up, what is one exposure; whatever the order of arrival. RULES.md 4.2."""
    assert spans(*records) == [text.replace("0-6 4 g", f"0-{6 - 1 / HOUR:g} 4 g") for text in expected]


@pytest.mark.parametrize(
    ("told", "grams"),
    [
        ([dose(h(0), "2", order="A", received=h(1)), dose(h(0), "4", order="A", received=h(2))], "4"),
        ([dose(h(0), "2", order="A", received=h(1)), dose(h(0), "4", order="A", received=h(1))], "4"),
    ],
    ids=["the newest by received_at", "the same moment: the larger"],
)
def test_rules_4_2_the_newest_record_replaces(told: list[Fact], grams: str) -> None:
    """A record is order, drug, RXA-3 and whether it has a rate; the newest replaces. RULES.md 4.2."""
    for order in permutations(told):
        assert [exposure.grams for exposure in chart(*order, now=h(3)).exposures] == [Decimal(grams)]


@pytest.mark.parametrize(
    ("at", "running"),
    [(h(24) - 1, True), (h(24), False)],
    ids=["before its assumed end", "at its assumed end"],
)
def test_rules_4_2_running(at: Instant, running: bool) -> None:
    """An infusion runs until its end, and one whose end is recorded never. RULES.md 4.2."""
    (exposure,) = chart(infusion(h(0)), now=at).exposures
    assert exposure.running(at) is running
    (ended,) = chart(infusion(h(0), h(99)), now=at).exposures
    assert not ended.running(at)


@pytest.mark.parametrize(
    ("at", "phase"),
    [(h(4), "during"), (h(4) + 1, "early"), (h(6), "early"), (h(6) + 1, "post")],
    ids=["at e", "after e", "at e + 2 h", "after e + 2 h"],
)
def test_rules_4_2_phases(at: Instant, phase: str) -> None:
    """During s..e, early e..e+2 h, post later. RULES.md 4.2."""
    (exposure,) = chart(infusion(h(0), h(4))).exposures
    assert exposure.phase(at, DEFAULT) == phase


def after_discharge(*messages: tuple[Instant, tuple[Fact, ...]]) -> list[str]:
    """Return the exposures after an infusion from h(0) and more messages."""
    play = Play(adt("A01"), visit("V1"))
    play.tell(infusion(h(0), order="I"))
    for at, facts in messages:
        play.tell(*facts, at=at)
    assert play.state is not None
    return [_shown(exposure) for exposure in Chart(play.state, play.now, DEFAULT).exposures]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([(h(5), (adt("A03"), visit("V1")))], "0-5 discharged", id="a discharge ends it"),
        pytest.param([(h(0), (adt("A03"), visit("V1")))], "0-0 discharged", id="a discharge as it began"),
        pytest.param([(h(24), (adt("A03"), visit("V1")))], "0-24 assumed", id="at 24 h it had ended"),
        pytest.param([(h(25), (adt("A03"), visit("V1")))], "0-24 assumed", id="after 24 h it had ended"),
        pytest.param([(h(5), (adt("A03"), visit("V9")))], "0-24 assumed", id="the discharge of another visit"),
        pytest.param([(h(5), (adt("A03"), visit("")))], "0-5 discharged", id="of a visit unknown"),
        pytest.param(
            [(h(5), (adt("A03"), visit("V1"))), (h(6), (adt("A13"), visit("V1")))], "0-24 assumed", id="cancelled"
        ),
        pytest.param(
            [(h(5), (adt("A03"), visit("V1"))), (h(29), (adt("A01"), visit("V2")))],
            "0-24 assumed",
            id="admitted within 24 h",
        ),
        pytest.param(
            [(h(5), (adt("A03"), visit("V1"))), (h(29) + 1, (adt("A01"), visit("V2")))],
            "0-5 discharged",
            id="admitted later",
        ),
        pytest.param(
            [(h(5), (adt("A03"), visit("V1"))), (h(9), (stop(h(7)),))], "0-7", id="a stop told later moves the end"
        ),
    ],
)
def test_rules_4_2_a_discharge_ends_an_infusion(
    messages: list[tuple[Instant, tuple[Fact, ...]]], expected: str
) -> None:
    """A running one ends at the discharge, when the A03 was received, unless that is undone. RULES.md 4.2, 7."""
    assert after_discharge(*messages) == [expected]


def test_rules_4_2_a_late_discharge_ends_it_when_it_was_received() -> None:
    """A discharge judged late ends the infusion at its own time, not when its turn came. RULES.md 4.2, 2."""
    assert after_discharge((h(9), (dose(h(50), "1", order="X"),)), (h(5), (adt("A03"), visit("V1"))))[0] == (
        "0-5 discharged"
    )


@pytest.mark.parametrize(
    ("record", "named"),
    [(dose(h(0), order="A"), f"A|magnesium|{h(0)}|dose"), (infusion(h(0), order="A"), f"A|magnesium|{h(0)}|rate")],
    ids=["an amount", "a rate"],
)
def test_rules_4_2_a_record_is_named_for_good(record: Administration, named: str) -> None:
    """Order, drug, RXA-3 and whether it has a rate name a record; an alert's id is made of it. RULES.md 4.2, 7."""
    assert key_text(record) == named


def test_rules_4_2_a_stopped_infusion_was_one_and_knows_its_last_record() -> None:
    """Every alert says that the infusion ended, and by which record that is known. RULES.md 4.2."""
    (course,) = chart(infusion(h(0), order="I"), stop(h(5))).magnesium_doses
    assert course.infusion is True
    assert course.last.started_at == h(5)
