"""RULES.md 2, 4, 6, 7: edges that two facts of one moment, or a millisecond apart, show."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from rules.alert import Rule
from rules.draws import names
from rules.events import DAY, MINUTE, Condition, Demographics, Drug, Result
from rules.renal import civil_date
from tests.unit.rules.builders import (
    OTHER,
    Fact,
    Play,
    adt,
    changes,
    chart,
    crea,
    d,
    dialysis,
    dose,
    egfr,
    given,
    h,
    infusion,
    k,
    mg,
    said,
)

RULE = Rule.REFRACTORY_HYPERKALEMIA


def one(value: str | None, status: str, at: int = 0, *, resulted: int = 0) -> Result:
    """Return a version of the potassium of order A, drawn and resulted so many minutes into the play."""
    return k(value, h(0) + at * MINUTE, status=status, order="A", resulted=h(1) + resulted * MINUTE)


@pytest.mark.parametrize(
    ("versions", "stands"),
    [
        pytest.param(
            [one("5.6", "P"), one("5.1", "R"), one(None, "U", resulted=1)], ["5.6"], id="P before R of a time"
        ),
        pytest.param(
            [one("5.1", "P"), one("5.6", "R"), one(None, "U", resulted=1)], ["5.1"], id="whatever their values"
        ),
        pytest.param([one("5.0", "P"), one("5.4", "U", 90)], ["5.4"], id="a U with a value of its own, drawn later"),
        pytest.param([one("5.0", "P"), one(None, "U", 90)], ["5.0"], id="a U without one"),
    ],
)
def test_rules_2_what_a_u_makes_final(versions: list[Result], stands: list[str]) -> None:
    """The newest of the other versions by time and rank; a value of its own stands for itself. RULES.md 2."""
    for order in (versions, versions[::-1]):
        assert [str(draw.value) for draw in chart(*order, now=h(9)).potassium] == stands


@pytest.mark.parametrize(
    ("facts", "recent"),
    [
        pytest.param([mg("0.8", h(7)), mg("0.9", h(8))], "0.9", id="the newest"),
        pytest.param(
            [mg("0.8", h(7)), mg("0.9", h(8)), mg("1.0", h(9), container="T")], "0.9", id="but a hemolyzed one"
        ),
        pytest.param(
            [mg("0.8", h(7)), mg("0.9", h(8), flags=("time_degraded",)), mg("1.0", h(9), container="T")],
            "0.8",
            id="and but one of no known time",
        ),
    ],
)
def test_rules_4_1_the_newest_magnesium_that_is_recent(facts: list[Fact], recent: str) -> None:
    """What is suspect, or of no known time, is passed over one by one. RULES.md 4.1."""
    word = said(mg("1.0", h(9), container="T"), Condition.HEMOLYZED)
    found = chart(*facts, word, now=h(10)).recent_magnesium(h(10))
    assert found is not None
    assert found.value == Decimal(recent)


@pytest.mark.parametrize(("after", "steps"), [(-1, ["fast rise"]), (1, None)], ids=["just before", "just after"])
def test_rules_4_1_a_fast_rise_is_above_one_drawn_before(after: int, steps: list[str] | None) -> None:
    """5.5 a millisecond before 6.0 shows a rise, a millisecond after it none. RULES.md 4.1."""
    play = Play()
    play.tell(k("5.9", h(0)), k("6.0", h(2)), k("5.5", h(2) + after), at=h(3))
    play.wait(h(4))
    assert [t.context.get("stepped_up_by") for t in play.seen if t.rule is RULE] == [steps]


def test_rules_7_an_episode_that_may_be_reopened_keeps_its_first_potassium() -> None:
    """For 6 h after it closed all of it is kept; then what is older than the day 14 days ago goes. RULES.md 4.1, 7."""
    play = Play()
    for hour in range(0, 20 * 24, 12):
        play.tell(k("5.6", h(hour)))
    play.tell(k("5.0", d(20)))
    assert play.state is not None
    for at, oldest in ((d(20), h(0)), (d(20.25), h(0)), (d(20.25) + 1, d(5.5))):
        play.tell(crea("80", at), at=at)
        assert play.state.results.oldest_at == oldest


def test_rules_7_a_hold_that_is_over_outweighs_one_of_an_earlier_draw() -> None:
    """Merged with a hold that began later, of potassiums drawn earlier: it stays over, and raises at once."""
    mine, theirs = Play(), Play(patient=OTHER)
    theirs.tell(k("5.8", h(2)), k("5.8", h(4)), mg("0.9", h(4)), at=h(4))
    mine.tell(k("5.7", h(1)), k("5.7", h(3)), at=h(4) + 10 * MINUTE)
    assert mine.merge_from(theirs, h(4) + 20 * MINUTE) == []
    mine.tell(mg(None, h(4), status="W"), at=h(4) + 21 * MINUTE)
    mine.wait(h(5))
    assert [t.time for t in mine.seen if t.change.value == "raised"] == [h(4) + 21 * MINUTE]


def test_rules_4_1_an_ordered_diuretic_is_a_risk_factor() -> None:
    """Given or only ordered, it is listed; it changes no severity. RULES.md 4.1."""
    for intention in (True, False):
        play = Play()
        play.tell(given(Drug.LOOP_DIURETIC, h(-9), intention=intention), k("6.6", h(0)), mg("0.6", h(0)), at=h(0))
        factors = play.seen[0].context["risk_factors"]
        assert isinstance(factors, list)
        assert len(factors) == 1


def test_rules_6_what_is_said_without_an_admission_counts() -> None:
    """The first fact that was ever told of a patient is of the current visit. RULES.md 6."""
    assert chart(adt("A08", diagnoses=["N18.5"]), now=h(0)).renal.why == ("diagnosis",)


def test_rules_6_a_known_sex_is_used() -> None:
    """A creatinine of 200 umol/L at 64 years: 32 in a man, 24 in a woman, the lower where unknown. RULES.md 6."""
    of = {sex: chart(crea("200", h(0)), who=Demographics("19600101", sex)).renal.egfr for sex in ("M", "F", "")}
    assert of["F"] == of[""]
    assert of["M"] is not None
    assert of["F"] is not None
    assert of["F"] < 30 <= of["M"]


def test_rules_4_2_what_ran_at_a_moment_that_is_past() -> None:
    """An infusion until its own end, also beside a later dose of its exposure; a slow dose never (4.2)."""
    (exposure,) = chart(infusion(h(0), h(4)), dose(h(9)), now=h(10)).exposures
    assert [exposure.ran(at) for at in (h(4) - 1, h(4), h(8))] == [True, False, False]
    (slow,) = chart(dose(h(0), until=h(4)), now=h(10)).exposures
    assert not slow.ran(h(2))


def test_rules_7_three_weeks_of_doses_whatever_their_orders_are_called() -> None:
    """A chain of doses 5 h apart is kept from its first, in whatever order their numbers stand. RULES.md 4.2, 7."""
    play = Play()
    for n in range(21 * 24 // 5):
        play.tell(dose(h(5 * n), "1", order=f"N{999 - n}"), crea("80", h(5 * n)))
    assert play.state is not None
    assert play.state.administrations[0].administration.started_at == h(0)
    assert play.state.results.oldest_at is not None
    assert play.state.results.oldest_at >= play.state.now - 15 * DAY


@pytest.mark.parametrize(
    "taken", [(0, 1, 2, 3), (0, 2, 3), (0, 3), (1, 2), (3, 2, 1), (2,), ()], ids=lambda taken: "-".join(map(str, taken))
)
def test_rules_2_results_are_named_alike_together_and_alone(taken: tuple[int, ...]) -> None:
    """Some of four magnesiums, in any order, named at once or one by one. RULES.md 7, `alert_id`."""
    facts = [mg(f"1.{n}", h(n)) for n in range(4)]
    together, alone = chart(*facts).magnesium, chart(*facts).magnesium
    assert list(names([together[n] for n in taken])) == [alone[n].key for n in taken]


def test_rules_6_the_date_of_every_day() -> None:
    """Of each day from 1900 to 2200 the date is the calendar's: an age changes on the birthday. RULES.md 6."""
    first = date(1970, 1, 1)
    for day in range((date(1900, 1, 1) - first).days, (date(2200, 1, 1) - first).days):
        of = first + timedelta(days=day)
        year, month, of_month = civil_date(day * DAY)
        assert (year, month, of_month) == (of.year, of.month, of.day)
        assert isinstance(year, int)


def test_rules_7_a_corrected_trigger_does_not_clear_when_another_comes() -> None:
    """The second trigger corrected to 1.0 is no clearing draw, also with 1.4 drawn after it. RULES.md 4.2, 7."""
    play = Play(egfr("90", h(0)))
    play.tell(dose(h(0)), mg("2.1", h(9)), at=h(9))
    play.tell(mg("2.2", h(10), order="M"))
    play.tell(mg("1.0", h(10), order="M", status="C", resulted=h(11)), mg("1.4", h(11)), at=h(11))
    rule = Rule.POST_INFUSION_HYPERMAGNESEMIA
    assert changes(play.seen, rule) == ["raised high", "updated high"]


@pytest.mark.parametrize(
    ("at", "impaired"),
    [
        pytest.param(h(1) - 1, False, id="before it starts"),
        pytest.param(h(1), True, id="as it starts"),
        pytest.param(h(4) + 7 * DAY, True, id="7 days after its end"),
        pytest.param(h(4) + 7 * DAY + 1, False, id="later"),
    ],
)
def test_rules_6_a_dialysis_impairs_from_its_start(at: int, impaired: bool) -> None:
    """From the moment it starts until 7 days after its end. RULES.md 6."""
    assert chart(dialysis(h(1), h(4)), now=at).impaired is impaired
