"""Rules in plain words: every parameter is in some text, with the site's figures (issue 5, RULES.md 4-7)."""

import runpy
import sys
from decimal import Decimal

import pytest

from rules.__main__ import main
from rules.alert import Rule
from rules.explain import COMMON, RULES, explain, named, parameters
from rules.rulebook import DEFAULT, load
from rules.words.endings import TITLES
from tests.unit.words.regenerate import PAGE, page


def test_every_rule_is_explained() -> None:
    """No rule is without its plain words."""
    assert set(RULES) == set(Rule)


def test_every_parameter_is_explained() -> None:
    """Whatever a site can change stands in the words of some rule."""
    assert {name for rule in Rule for name in parameters(rule)} == {name for name, *_ in DEFAULT.rows()}


@pytest.mark.parametrize("rule", list(Rule))
def test_a_rule_shows_its_figures(rule: Rule) -> None:
    """Value, unit, bounds, section and source of each parameter that the text names are in its table."""
    text = explain(rule)
    assert rule.value in text
    assert f"RULES.md {RULES[rule].section}" in text
    rows = {name: row for name, *row in DEFAULT.rows()}
    for name in parameters(rule):
        value, low, high, section, source = rows[name]
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{name} "))
        for part in (value, low, high, section, source):
            assert part in line


def test_a_site_reads_its_own_figures() -> None:
    """A changed threshold stands in the text."""
    book = load({"parameters": {"potassium_clear": "5.1 mmol/L"}})
    assert book.potassium_clear == Decimal("5.1")
    assert "below 5.1 mmol/L" in explain(Rule.REFRACTORY_HYPERKALEMIA, book).replace("\n  ", " ")


def test_the_command_explains_one_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m rules --explain refractory-hyperkalemia-no-magnesium` prints that rule and no other."""
    assert main(["--explain", "refractory-hyperkalemia-no-magnesium"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("refractory-hyperkalemia-no-magnesium: high potassium without a recent magnesium")
    assert "magnesium_recent               24 h" in text
    assert "hypokalemia_apart" not in text


@pytest.mark.parametrize("arguments", [[], ["--explain"], ["--explain", "all"]], ids=" ".join)
def test_the_command_explains_all(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a rule it prints all of them, in the order of RULES.md 5, two empty lines between."""
    assert main(arguments) == 0
    assert capsys.readouterr().out == "\n\n\n".join(explain(rule) for rule in Rule) + "\n"


def test_the_command_lists(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` names the rules, one a line."""
    assert main(["--list"]) == 0
    assert capsys.readouterr().out == "".join(f"{rule.value}: {TITLES[rule]}\n" for rule in Rule)


def test_the_command_tells_how_to_use_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` says what the command is for and what each option does."""
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "usage: python -m rules [-h] [--list] [--explain [RULE]]"
    assert "The clinical rules in plain words." in lines
    assert "--list name the rules" in lines
    assert (
        "--explain [RULE] one rule, or all of them: what fires it, severity, ends, parameters with units, bounds and "
        "sources"
    ) in lines


def test_python_m_rules_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m rules` is the command, and ends with 0."""
    monkeypatch.setattr(sys, "argv", ["rules", "--list"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PAGE.parents[1] / "rules" / "__main__.py"), run_name="__main__")
    assert ended.value.code == 0
    assert "spurious-potassium: doubtful potassium" in capsys.readouterr().out


def test_an_unknown_rule_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that does not exist ends with 2 and the names of those that do."""
    with pytest.raises(SystemExit) as refused:
        main(["--explain", "hyperkalemia"])
    assert refused.value.code == 2
    assert "spurious-potassium" in capsys.readouterr().err


def test_what_rules_rest_on_is_explained_once() -> None:
    """Each common text is used, and names parameters."""
    assert {name for one in RULES.values() for name in one.related} == set(COMMON)
    assert all(named(text) for _, text in COMMON.values())


def test_the_page_is_what_the_code_says() -> None:
    """docs/rules.md holds every rule as `python -m rules` prints it; `regenerate` writes it anew."""
    assert page() == PAGE.read_text(encoding="utf-8")
