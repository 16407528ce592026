"""What the documents name: the tests and functions of this repository, found by reading the files, not by importing."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NODE = re.compile(r"`(tests/[\w/.-]+\.py)::([\w:]+)(?:\[[^\]`]*\])?`")
CODE = re.compile(r"`((?:rules|consumer)/[\w/.-]+\.py):([\w.]+)`")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def definitions(path: Path) -> dict[str, str]:
    """Return every function, class and method of a file by its dotted name, with its docstring."""
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, Definition):
            found[node.name] = ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Definition):
                    found[f"{node.name}.{inner.name}"] = ast.get_docstring(inner) or ""
    return found


@cache
def module_docstring(path: Path) -> str:
    """Return the docstring of a file."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def missing_tests(text: str) -> list[str]:
    """Return the test node names in *text* that no file defines."""
    return [
        f"{path}::{name}"
        for path, name in NODE.findall(text)
        if name.replace("::", ".") not in definitions(ROOT / path)
    ]


def missing_functions(text: str) -> list[str]:
    """Return the functions of `rules/` and `consumer/` in *text* that no file defines."""
    return [f"{path}:{name}" for path, name in CODE.findall(text) if name not in definitions(ROOT / path)]
