"""From each statement of RULES.md to a function and a test that exist (issue 5, Traceability)."""

import re

import pytest

from rules.alert import Rule
from tests.unit.named_tests import CODE, NODE, ROOT, definitions, missing_functions, missing_tests, module_docstring

PAGE = ROOT / "docs" / "traceability.md"
SECTIONS = ("Intended", "1", "2", "3", "4.1", "4.2", "5", "6", "7", "8")
TRANSITIONS = ("raised", "escalated", "reminded", "updated", "resolved", "retracted", "closed")
REASONS = (
    *("unsupported_population", "catching_up", "superseding", "continued", "grouped", "ungrouped", "caught_up"),
    *("withdrawn", "corrected", "invalidated", "discharged", "deceased", "expired", "merged"),
)


def rows() -> list[tuple[str, str]]:
    """Return each statement's line with the section that it stands in."""
    found, section = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.split()[1]
        elif line.startswith("| ") and "`" in line:
            found.append((section, line))
    return found


def names_section(text: str, section: str) -> bool:
    """Say whether *text* names a section of RULES.md, alone or in a list: ``RULES.md 2 and 3``, ``RULES.md 7, 8``."""
    if section == "Intended":
        return "intended use" in text
    lists = re.findall(r"RULES\.md ((?:intended use|[0-9][0-9.]*)(?:(?:, | and |, and |-)[0-9][0-9.]*)*)", text)
    return any(section in [number.rstrip(".") for number in re.findall(r"[0-9][0-9.]*", one)] for one in lists)


def test_every_link_leads_to_a_function() -> None:
    """No statement points to code that is gone."""
    assert missing_functions(PAGE.read_text(encoding="utf-8")) == []


def test_every_link_leads_to_a_test() -> None:
    """No statement points to a test that is gone."""
    assert missing_tests(PAGE.read_text(encoding="utf-8")) == []


def test_every_statement_has_code_and_a_test() -> None:
    """A line without either would be a promise."""
    assert rows()
    assert [line for _, line in rows() if not CODE.search(line) or not NODE.search(line)] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_has_statements(section: str) -> None:
    """RULES.md 1, 2, 3, 4.1, 4.2, 5, 6, 7, 8: each is on the page."""
    assert [line for of, line in rows() if of == section]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_reached_from_a_docstring(section: str) -> None:
    """Who reads the rules finds the section that they follow."""
    paths = (ROOT / "rules").rglob("*.py")
    assert any(
        names_section(text, section) for path in paths for text in (module_docstring(path), *definitions(path).values())
    )


@pytest.mark.parametrize("section", SECTIONS[1:])
def test_every_section_is_reached_from_a_tests_name(section: str) -> None:
    """Who reads a test's name finds the section that it proves."""
    prefix = f"test_rules_{section.replace('.', '_')}_"
    paths = (ROOT / "tests").rglob("test_*.py")
    assert any(name.startswith(prefix) for path in paths for name in definitions(path))


@pytest.mark.parametrize(("section", "line"), rows())
def test_the_code_of_a_statement_names_its_section(section: str, line: str) -> None:
    """The docstring of the function, or of its class or module, says which section it implements."""
    for path, name in CODE.findall(line):
        known = definitions(ROOT / path)
        texts = (known[name], known.get(name.split(".", maxsplit=1)[0], ""), module_docstring(ROOT / path))
        assert any(names_section(text, section) for text in texts), f"{path}:{name} does not name RULES.md {section}"


@pytest.mark.parametrize("name", [*(rule.value for rule in Rule), *TRANSITIONS, *REASONS])
def test_every_rule_transition_and_reason_is_on_the_page(name: str) -> None:
    """Each has its line."""
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
