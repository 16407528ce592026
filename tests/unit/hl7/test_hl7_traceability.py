"""From each statement about the feed to tests that exist (issue 7: every bullet with a test)."""

import re
from pathlib import Path

import pytest

from tests.unit.named_tests import ROOT, definitions

PAGE = (ROOT / "docs" / "hl7-traceability.md").read_text(encoding="utf-8")
TEST = re.compile(r"([a-z_0-9]+)::(test_\w+)")
ELSEWHERE = {
    "properties": "tests/property/hl7/test_hl7_properties.py",
    "bindings": "tests/unit/test_bindings.py",
    "w18": "tests/unit/test_w18.py",
    "pumps_e2e": "tests/e2e/test_pumps.py",
    "going_live": "tests/unit/hl7/test_going_live.py",
}
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "::" in line]


def file_of(name: str) -> Path:
    """Return the file that a short name stands for."""
    return ROOT / ELSEWHERE.get(name, f"tests/unit/hl7/test_hl7_{name}.py")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_statement_has_tests_that_exist(row: str) -> None:
    """A line that names a test that is gone would be a promise."""
    named = TEST.findall(row)
    assert named
    assert [f"{file}::{test}" for file, test in named if test not in definitions(file_of(file))] == []


def test_every_table_line_names_tests() -> None:
    """No statement stands on the page without one, and no section without statements."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| statement")]
    assert lines == ROWS
    sections = PAGE.split("\n## ")[1:]
    assert [section[0] for section in sections] == ["1", "2", "3", "4"]
    assert all("::" in section for section in sections)
