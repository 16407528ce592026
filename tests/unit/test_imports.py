"""What import-linter's contracts cannot say: who may touch a library at all, and that the rules are pure."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ONLY_THERE = {"aiokafka": "consumer/kafka/", "hl7apy": "consumer/hl7/"}
"""One folder wraps each library without types (STYLE.md a, f)."""

IMPURE = {
    "asyncio",
    "concurrent",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
}
"""Clocks, input and output, logging: none of it in ``rules/`` (DESIGN.md 3)."""

CLOCKS = {"now", "utcnow", "today"}


def modules(folder: str) -> list[Path]:
    """Return the Python files below a top-level folder; there are some."""
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level name of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", modules("rules"), ids=lambda path: path.stem)
def test_rules_are_standard_library_without_clock_or_io(path: Path) -> None:
    """A rule module imports the rules and pure parts of the standard library, and asks no clock."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set(imported(tree))
    assert names <= (sys.stdlib_module_names | {"rules"}) - IMPURE
    calls = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & CLOCKS
    assert "open" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize(("library", "folder"), ONLY_THERE.items())
def test_a_library_without_types_stays_in_its_folder(library: str, folder: str) -> None:
    """Nobody else imports it, so that a change of library is a change of one folder."""
    strangers = [
        name
        for path in [*modules("rules"), *modules("consumer")]
        if library in imported(ast.parse(path.read_text(encoding="utf-8")))
        and not (name := path.relative_to(ROOT).as_posix()).startswith(folder)
    ]
    assert strangers == []
