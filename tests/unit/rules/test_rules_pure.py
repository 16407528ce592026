"""The rules are pure: no clock, no floats before a threshold, the same for all who ask."""

import ast
import datetime as dt
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest

import rules
from rules.chart import Chart
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import Play, adt, ca, changes, crea, dig, dose, egfr, h, ica, infusion, k, mg, visit

SOURCES = sorted(Path(rules.__file__).parent.rglob("*.py"))


def eventful() -> Play:
    """Return a play in which most rules speak."""
    play = Play()
    play.tell(adt("A01", diagnoses=["N18.4"]), visit("V1"), at=h(0))
    play.tell(crea("400", h(0)), egfr("14", h(0)), dig("2.4", h(0)), k("5.0", h(0)), at=h(0) + 1)
    play.tell(infusion(h(1), h(5), grams="8"), dose(h(8), "4"), at=h(8))
    for hour, potassium in ((9, "6.2"), (12, "6.4"), (15, "7.1")):
        play.tell(k(potassium, h(hour)), mg("2.2", h(hour)), ca("1.7", h(hour)), ica("0.8", h(hour)), at=h(hour))
    play.tell(k("2.4", h(40)), k("2.6", h(45)))
    play.tell(adt("A03"), visit("V1"), at=h(46))
    play.wait(h(900))
    return play


def test_rules_8_no_rule_looks_at_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every clock of the standard library forbidden the rules say the same. RULES.md 8."""
    expected = eventful().seen

    def forbidden(*_: object) -> NoReturn:
        message = "the rules looked at a clock"
        raise AssertionError(message)

    no_date = type("NoDate", (dt.datetime,), dict.fromkeys(("now", "utcnow", "today"), classmethod(forbidden)))
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime", "perf_counter"):
        monkeypatch.setattr(time, name, forbidden)
    monkeypatch.setattr(dt, "datetime", no_date)
    said = eventful().seen
    monkeypatch.undo()
    assert said == expected
    assert len(changes(said)) > 10


def test_rules_1_no_float_meets_a_threshold() -> None:
    """Every threshold and every value that a rule compares is an exact decimal, the computed eGFR too. RULES.md 1."""
    figures: list[Any] = [getattr(DEFAULT, name) for name in DEFAULT.__dataclass_fields__]
    state = Play(crea("123.4", h(0)), k("5.51", h(0)), mg("0.6944", h(0))).state
    assert state is not None
    chart = Chart(state, h(0), DEFAULT)
    figures += [chart.renal.egfr, *(draw.value for draw in (*chart.potassium, *chart.magnesium, *chart.creatinine))]
    assert not [figure for figure in figures if isinstance(figure, float)]
    assert isinstance(chart.renal.egfr, Decimal)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_rules_8_nothing_of_the_world_is_imported(source: Path) -> None:
    """Clocks, files, logs and networks are not among what the rules import. RULES.md 8, STYLE.md a."""
    forbidden = {"time", "datetime", "os", "io", "pathlib", "logging", "socket", "random", "secrets", "asyncio"}
    forbidden |= {"threading", "subprocess", "urllib", "http", "consumer", "tests"}
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    assert not found & forbidden


def test_rules_8_a_chart_computes_each_part_once() -> None:
    """What a chart derives stays the same object; the class tells what it is."""
    state = Play(k("5.0", h(0))).state
    assert state is not None
    chart = Chart(state, h(0), DEFAULT)
    assert chart.potassium is chart.potassium
    assert "potassium" in str(Chart.potassium.__doc__)


WORDS = ("rulebook.py", "parameter.py", "explain.py", "__main__.py")
"""What shows figures, or looks for the nearest name, compares none with a threshold."""


@pytest.mark.parametrize(
    "source",
    [path for path in SOURCES if path.name not in WORDS and path.parent.name != "words"],
    ids=lambda path: path.name,
)
def test_rules_1_floats_stand_in_one_formula_alone(source: Path) -> None:
    """Only the eGFR equation has floats; it rounds before anything is compared. RULES.md 1."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    formula = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "ckd_epi_2021"]
    inside = {id(node) for function in formula for node in ast.walk(function)}
    floats = [
        node.lineno
        for node in ast.walk(tree)
        if id(node) not in inside
        and (
            (isinstance(node, ast.Constant) and isinstance(node.value, float))
            or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float")
        )
    ]
    assert floats == []
