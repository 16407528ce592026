"""No order, no reassurance, no page longer than 160 characters (RULES.md, intended use)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules import words
from rules.words.sentence import LONGEST, Part, fit
from tests.unit.words.cases import all_cases

ORDERS = (
    *("give", "gives", "given", "giving", "administer", "administered", "infuse", "inject", "prescribe", "treat"),
    *("start", "starts", "started", "starting", "stop", "stops", "stopped", "stopping", "discontinue", "withhold"),
    *("increase", "decrease", "reduce", "replace", "replete", "supplement", "correct", "dialyze", "dialyse"),
)
"""What an order begins with; "given" too, so that "none given" can't be read out of "none seen"."""
DUTIES = (
    "must",
    "should",
    "shall",
    "ought",
    "need",
    "needs",
    "required",
    "recommend",
    "recommended",
    "advise",
    "avoid",
)
"""What puts a duty on the reader; the service tells, it does not advise."""
REASSURANCE = ("safe", "normal", "fine", "ok", "harmless", "nothing to worry")
"""What could be read as an all-clear; renal function is never "normal" (RULES.md 6)."""
FORBIDDEN = re.compile(rf"\b({'|'.join((*ORDERS, *DUTIES, *REASSURANCE))})\b", re.IGNORECASE)

IMPERATIVES = re.compile(
    r"\b(check|repeat|verify|look|consider|call|order|hold|draw|send|measure|see)\b(?! recorded)", re.IGNORECASE
)
"""Verbs that are orders where a text begins with them; allowed only in RULES.md's own words."""
RULES_OWN_WORDS = (
    "possibly spurious: repeat the specimen, look at the ECG",
    "drawn during or soon after the infusion: verify the draw site",
    "repeat now from another site",
    "check reflexes, breathing, urine output",
    "a valid repeat has resulted",
    "no valid repeat yet",
    "no valid repeat within",
    "verify the draw site",
    "draw time",
    "contaminated draw",
)


def texts() -> Iterator[str]:
    """Yield every text of the golden table."""
    for case in all_cases():
        for one in case.transitions:
            yield from (one.summary, *one.considerations, *one.missing, one.resolves_when, *one.thresholds.values())


MODULES = sorted(Path(words.__file__).parent.glob("*.py"))


def literals(module: Path) -> Iterator[str]:
    """Yield every string of a module that is no docstring: what it could ever say."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_no_string_in_the_code_orders(module: Path) -> None:
    """No literal of the words holds a word that orders, binds or reassures: never an order."""
    found = [text for text in literals(module) if FORBIDDEN.search(text) and " " in text]
    assert found == []


def test_no_text_orders() -> None:
    """No text of the golden table holds a word that orders, binds or reassures."""
    assert [text for text in texts() if FORBIDDEN.search(text)] == []


def test_imperatives_are_those_of_the_rules() -> None:
    """What is asked of the reader is asked in RULES.md's own words, and nothing else is."""
    for text in texts():
        left = text
        for allowed in RULES_OWN_WORDS:
            left = left.replace(allowed, "")
        assert not IMPERATIVES.search(left), text


def test_no_summary_is_longer_than_a_page_shows() -> None:
    """At most 160 characters, one sentence with an end."""
    for case in all_cases():
        for one in case.transitions:
            assert len(one.summary) <= LONGEST
            assert one.summary.endswith(".")


@pytest.mark.parametrize("length", [1, 60, 158, 159, 160, 300])
def test_fit_never_exceeds(length: int) -> None:
    """Whatever has to be said, 160 characters hold; what matters most stays."""
    parts = [Part("m" * 40, 1, "m" * 20), Part("s" * 60, 3, "s" * 20), Part("r" * 30, 4)]
    text = fit("L" * length, *parts)
    assert len(text) <= LONGEST
    assert text.startswith("L" * min(length, LONGEST - 1))


def test_fit_leaves_out_by_rank() -> None:
    """First what is optional, then what can be shortened, then what matters least; the order of reading stays."""
    seen, missing, renal = Part("s" * 60, 3, "s" * 30), Part("m" * 40, 1), Part("r" * 30, 4)
    assert fit("L" * 50, seen, missing, renal) == f"{'L' * 50}; {'s' * 60}; {'m' * 40}."
    assert fit("L" * 80, seen, missing, renal) == f"{'L' * 80}; {'s' * 30}; {'m' * 40}."
    assert fit("L" * 100, seen, missing, renal) == f"{'L' * 100}; {'m' * 40}."


def test_fit_shortens_twice_before_it_leaves_out() -> None:
    """What was seen stays in its shortest form where nothing else can give way."""
    seen, missing = Part("s" * 60, 3, "s" * 40, shorter="s" * 10), Part("m" * 40, 1, "m" * 20)
    assert fit("L" * 95, seen, missing) == f"{'L' * 95}; {'s' * 40}; {'m' * 20}."
    assert fit("L" * 120, seen, missing) == f"{'L' * 120}; {'s' * 10}; {'m' * 20}."
    assert fit("L" * 130, seen, missing) == f"{'L' * 130}; {'m' * 20}."


def test_fit_takes_the_brief_lead_only_where_the_full_one_has_no_room() -> None:
    """A sentence of 160 characters keeps its lead; one more, and the brief one stands in its place."""
    assert fit("L" * 155, Part("mm"), brief="brief") == f"{'L' * 155}; mm."
    assert fit("L" * 156, Part("mm"), brief="brief") == "brief; mm."
