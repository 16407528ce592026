"""
Mutants of `rules/`: mutmut's operators on every function, property and lazy part, as code objects to swap in.

mutmut's own runner starts pytest anew for each mutant and calls every function through a trampoline: hours for this
folder, and it passes by decorated functions. What makes a good mutant is its knowledge; how ours are run is in `run`.
"""

import ast
import types
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import Mutation, MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

FOLDER = Path(__file__).parents[2] / "rules"
MODULES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path
    for path in sorted(FOLDER.rglob("*.py"))
    if path.stem != "__init__"
}
"""The modules of `rules/` by name: ``renal``, ``words.summary``."""


class Visitor(MutationVisitor):
    """mutmut's visitor, which goes into decorated functions too: a code object is swapped beneath its decorator."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef) and node.decorators:
            return any(_name(decorator) == "overload" for decorator in node.decorators)
        return super()._skip_node_and_children(node)


def _name(decorator: cst.Decorator) -> str:
    return decorator.decorator.value if isinstance(decorator.decorator, cst.Name) else ""


class Change(NamedTuple):
    """What a mutant changes: the lines before and after, for people and as its identity in the report."""

    before: str
    after: str


class Mutant:
    """One mutation of one function."""

    def __init__(self, module: str, name: str, shell: cst.Module, mutation: Mutation) -> None:
        self.module = module
        self.name = name
        self._shell = shell
        self._mutation = mutation

    @cached_property
    def source(self) -> str:
        """The function, mutated, in the class that it belongs to."""
        mutated = deep_replace(self._shell, self._mutation.original_node, self._mutation.mutated_node)
        assert isinstance(mutated, cst.Module)
        return mutated.code

    def code(self) -> types.CodeType:
        """Return the mutated function's code object."""
        return code_of(self.source, self.name)

    @property
    def change(self) -> Change:
        """The statement that differs, before and after."""
        before, after = self._shell.code.splitlines(), self.source.splitlines()
        same = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
        tail = next(
            (n for n, (a, b) in enumerate(zip(before[::-1], after[::-1], strict=False)) if a != b),
            0,
        )
        return Change(
            " ".join(line.strip() for line in before[same : max(same + 1, len(before) - tail)]),
            " ".join(line.strip() for line in after[same : max(same + 1, len(after) - tail)]),
        )


def code_of(source: str, name: str) -> types.CodeType:
    """Return the code object of the function *name* (``Class.method`` or a plain name) in *source*."""
    waiting = [compile(source, "<mutant>", "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        if code.co_qualname == name:
            return code
        waiting += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
    raise LookupError(name)


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield the mutants of a module, function by function."""
    wrapper = MetadataWrapper(cst.parse_module(MODULES[module].read_text(encoding="utf-8")))
    visitor = Visitor(mutation_operators, IgnoredCode(set(), set(), set()))
    tree = wrapper.visit(visitor)
    homes: dict[cst.CSTNode, tuple[str, cst.Module]] = {}
    for statement in tree.body:
        if isinstance(statement, cst.FunctionDef):
            homes[statement] = (statement.name.value, cst.Module([statement]))
        elif isinstance(statement, cst.ClassDef):
            for method in statement.body.body:
                if isinstance(method, cst.FunctionDef):
                    body = statement.body.with_changes(body=[method])
                    shell = cst.Module([statement.with_changes(body=body, decorators=[], bases=[], keywords=[])])
                    homes[method] = (f"{statement.name.value}.{method.name.value}", shell)
    for mutation in visitor.mutations:
        function = mutation.contained_by_top_level_function
        if function in homes:
            mutant = Mutant(module, *homes[function], mutation)
            if mutant.code() != code_of(homes[function][1].code, mutant.name):
                yield mutant


def functions(module: str) -> Iterator[str]:
    """Yield the names of a module's functions and methods."""
    for node in ast.parse(MODULES[module].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef))
