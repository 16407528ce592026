"""The golden table holds, and holds every rule, criterion, transition and reason (RULES.md 4, 5, 7)."""

import ast
from pathlib import Path

import pytest

from rules.alert import Change, Rule
from rules.words.considerations import REASONS
from rules.words.endings import ENDS, TITLES
from rules.words.transitions import GRADES
from tests.unit.words.cases import all_cases
from tests.unit.words.golden import TABLE, table

OF_EVERY_RULE = {
    ("retracted", "withdrawn"),
    ("retracted", "corrected"),
    ("retracted", "invalidated"),
    ("closed", "discharged"),
    ("closed", "deceased"),
    ("closed", "merged"),
    ("closed", "expired"),
}
K, MG = "potassium_cleared", "magnesium_cleared"
RESOLVED_BY = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: {MG},
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: {MG, "superseded"},
    Rule.REFRACTORY_HYPERKALEMIA: {"magnesium_resulted", "superseded", K},
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: {"magnesium_recovered", K},
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: {K},
    Rule.REFRACTORY_HYPOKALEMIA: {"potassium_recovered", "magnesium_resulted"},
    Rule.MAGNESIUM_MONITORING_GAP: {"measured"},
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: {"calcium_recovered"},
    Rule.SPURIOUS_POTASSIUM: {"repeat_resulted"},
}
CRITERIA = {
    Rule.REFRACTORY_HYPERKALEMIA: {"persistence", "treatment_failure", "rebound"},
    Rule.REFRACTORY_HYPOKALEMIA: {"low_magnesium", "magnesium_missing"},
}
WITHOUT_COURSE = {
    Rule.SPURIOUS_POTASSIUM: {"escalated", "reminded", "updated"},  # one alert a specimen, always information
    Rule.MAGNESIUM_MONITORING_GAP: {"reminded"},  # its trigger is a dose: there is no newer one
}
NOT_INVALIDATED = {Rule.MAGNESIUM_MONITORING_GAP}  # it stands on doses, which have no specimen


def test_the_table_says_what_the_rules_say() -> None:
    """The committed page is what the code says now; `python -m tests.unit.words.regenerate` writes it anew."""
    assert table() == TABLE.read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", list(Rule))
def test_every_end_of_a_rule_is_in_the_table(rule: Rule) -> None:
    """Each rule ends in every way that RULES.md 4, 5 and 7 name for it, and in no other."""
    said = {(t.change.value, t.reason) for case in all_cases() for t in case.transitions if t.rule is rule}
    ends = {(change, reason) for change, reason in said if change in ("resolved", "retracted", "closed")}
    wanted = OF_EVERY_RULE | {("resolved", reason) for reason in RESOLVED_BY[rule]}
    if rule in NOT_INVALIDATED:
        wanted -= {("retracted", "invalidated")}
    assert ends == wanted


@pytest.mark.parametrize("rule", list(Rule))
def test_every_transition_and_criterion_of_a_rule_is_in_the_table(rule: Rule) -> None:
    """Raised by each criterion, escalated, reminded, updated (RULES.md 7): each is there to be read."""
    transitions = [t for case in all_cases() for t in case.transitions if t.rule is rule]
    changes = {t.change.value for t in transitions}
    ends = {"resolved", "retracted", "closed"}
    assert changes - ends == {"raised", "escalated", "reminded", "updated"} - WITHOUT_COURSE.get(rule, set())
    raised = {t.criterion for t in transitions if t.change is Change.RAISED}
    assert raised == CRITERIA.get(rule, {None})


def test_every_reason_not_to_notify_is_in_the_table() -> None:
    """`unsupported_population`, `catching_up`, `superseding`, `continued`, `grouped`, and the two that speak again."""
    reasons = {t.reason for case in all_cases() for t in case.transitions}
    assert set(REASONS) <= reasons


def _reasons_in(path: Path) -> set[str]:
    """Return the reasons that a module of the rules names: given to `resolved` or `End`, assigned, or returned."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        values: list[ast.expr] = []
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            values += node.args[:1] if called == "resolved" else node.args[1:2] if called == "End" else []
            values += [word.value for word in node.keywords if word.arg in ("reason", "ended")]
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Attribute) and target.attr == "reason" for target in node.targets
        ):
            values.append(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name == "_why_silent":
            values += [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None]
        found |= {value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)}
    return found


def test_every_reason_in_the_code_has_words() -> None:
    """No reason that a rule or the life of an alert can name is without words (RULES.md 7)."""
    folder = Path(__file__).parents[3] / "rules"
    named = set().union(*(_reasons_in(path) for path in folder.glob("*.py")))
    assert {"discharged", "superseded", "grouped"} <= named
    assert named <= {*ENDS, *REASONS, "superseded", "expired"}  # of these two each rule has its own


def test_every_rule_has_words() -> None:
    """Each rule has a title and an evidence grade."""
    assert set(TITLES) == set(GRADES) == set(Rule)
