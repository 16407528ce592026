"""The golden table: what every rule says at every transition, written so that a physician can read it through."""

from collections.abc import Iterable
from pathlib import Path

from rules.alert import Change, Rule, Transition
from tests.unit.words.cases import all_cases
from tests.unit.words.histories import Case

TABLE = Path(__file__).with_name("golden.md")

HEAD = """# What the alerts say

Every rule, every criterion, every transition, as small invented histories make the rules say it. A test compares this
page with the code; `python -m tests.unit.words.regenerate` writes it anew, and whoever changes a word here changes what
a clinician reads at night. Under each title: the transition, its severity, whether it notifies, its reason; the summary
with its length (at most 160); then what stands beside it.
"""


def rendered(cases: Iterable[Case]) -> str:
    """Return the table of *cases*, by rule."""
    listed = list(cases)
    lines = [HEAD]
    for rule in Rule:
        lines.append(f"\n## {rule.value}\n")
        for one in listed:
            if one.rule is rule:
                lines.append(f"### {one.title}\n")
                lines += [said(transition) for transition in one.transitions]
    return "\n".join(lines) + "\n"


def said(one: Transition) -> str:
    """Return what a transition says, as the table shows it."""
    how = "notifies" if one.notify else "silent"
    reason = f", {one.reason}" if one.reason else ""
    criterion = f" ({one.criterion})" if one.criterion else ""
    lines = [
        f"**{one.change.value}** {one.severity.label}{criterion}, {how}{reason}{', stale' if one.stale else ''}\n",
        f"> {one.summary} `{len(one.summary)}`\n",
    ]
    if one.change not in (Change.RESOLVED, Change.RETRACTED, Change.CLOSED):
        lines += [f"- {words}" for words in one.considerations]
        lines.append(f"- *missing*: {'; '.join(one.missing) or 'nothing'}")
        lines.append(f"- *resolves when* {one.resolves_when}")
        lines.append(f"- *evidence grade* {one.evidence_grade}; *results shown* {len(one.evidence)}\n")
    return "\n".join(lines)


def table() -> str:
    """Return the whole table, as the code says it now."""
    return rendered(all_cases())
