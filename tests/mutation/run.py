"""
Every mutant against the tests that reach it: a fork of one pytest session each, until the first test fails.

The session collects the tests once and runs none itself, so what a test caches is never there in a fork. The mutated
code object takes the place of the function's own; a decorated function keeps its decorator. A test that takes ten times
its time is a mutant that does not end: killed.
"""

import functools
import gc
import hashlib
import importlib
import json
import os
import resource
import signal
import sys
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutants import FOLDER, MODULES, Mutant, functions, mutants_of

TESTS = ("tests/unit/rules", "tests/unit/words", "tests/mutation/table.py")
"""Where the tests are; the last of them is the golden table without its histories."""
MEMORY_BYTES = 2 << 30
NONE_FAILED, FAILED = 0, 1


class Outcome(NamedTuple):
    """What became of a mutant: ``killed``, ``timeout``, ``survived`` or ``untested``; and by which test."""

    mutant: Mutant
    verdict: str
    test: str = ""

    @property
    def killed(self) -> bool:
        """Whether a test failed, or did not end."""
        return self.verdict in ("killed", "timeout")


def live_functions() -> dict[str, Any]:
    """Return the functions of `rules/` by ``module:Class.name``, below their decorators."""
    found = {}
    for module in MODULES:
        for name in functions(module):
            value: Any = importlib.import_module(f"rules.{module}")
            for part in name.split("."):
                value = vars(value)[part]
            found[f"{module}:{name}"] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    for inner in ("fget", "_compute", "__wrapped__", "__func__"):
        value = getattr(value, inner, value)
    return value


class Reach(NamedTuple):
    """The tests that call a function, and how long each took, in seconds."""

    tests: dict[str, list[int]]
    seconds: list[float]


class Session:
    """The pytest plugin: in the place of the tests it runs *work* with the collected tests."""

    def __init__(self, work: Callable[[Sequence[pytest.Item]], None]) -> None:
        self._work = work

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Work; no test is left for pytest to run."""
        self._work(session.items)
        return True


def run(modules: Iterable[str], save: Callable[[str, list[Outcome]], None], *, jobs: int, seconds: float) -> None:
    """Try the mutants of modules and *save* what became of them; what is not done after *seconds* is not saved."""
    until = time.monotonic() + seconds

    def work(items: Sequence[pytest.Item]) -> None:
        runner = Runner(items, jobs=jobs, until=until)
        for module in modules:
            found = runner.run(mutants_of(module))
            if time.monotonic() > until:
                return
            save(module, found)

    code = pytest.main(["--quiet", "--no-header", *TESTS], plugins=[Session(work)])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(f"pytest ended with {code!r}")


class Runner:
    """Forks one child a mutant, *jobs* at a time."""

    _remembered = FOLDER.parent / ".build" / "mutants" / "reach"

    def __init__(self, items: Sequence[pytest.Item], *, jobs: int, until: float) -> None:
        self._items = items
        self._jobs = jobs
        self._until = until
        self._functions = live_functions()
        self._caches = [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]
        gc.collect()
        gc.freeze()
        self._reach = self._known() or self._measured()
        self._killers: dict[str, set[int]] = defaultdict(set)

    def run(self, mutants: Iterable[Mutant]) -> list[Outcome]:
        """Return what became of each mutant."""
        found: list[Outcome] = []
        running: dict[int, tuple[Mutant, str, int]] = {}
        for mutant in mutants:
            name = f"{mutant.module}:{mutant.name}"
            tests = self._ordered(name)
            if not tests:
                found.append(Outcome(mutant, "untested"))
                continue
            if time.monotonic() > self._until:
                break
            while len(running) >= self._jobs:
                found.append(self._ended(running))
            pid, pipe = self._forked(functools.partial(self._try, mutant, name, tests))
            running[pid] = mutant, name, pipe
        while running:
            found.append(self._ended(running))
        return found

    def _ordered(self, name: str) -> list[int]:
        """
        Return the tests of a function: the table, those that killed a mutant of it, then quick ones first.

        The words are held to by their own tests alone: every play of a rule says something, and looks at little of it.
        """
        killers, table = self._killers[name], TESTS[-1]
        reached = self._reach.tests.get(name, [])
        return sorted(
            (n for n in reached if not (name.startswith("words.") and TESTS[0] in self._items[n].nodeid)),
            key=lambda n: (table not in self._items[n].nodeid, n not in killers, self._reach.seconds[n]),
        )

    def _ended(self, running: dict[int, tuple[Mutant, str, int]]) -> Outcome:
        pid, status = os.wait()
        mutant, name, pipe = running.pop(pid)
        with os.fdopen(pipe, "rb") as stream:
            said = stream.read()
        if os.WIFSIGNALED(status):
            return Outcome(mutant, "timeout")
        if os.WEXITSTATUS(status) == NONE_FAILED:
            return Outcome(mutant, "survived")
        test = int(said or b"0")
        self._killers[name].add(test)
        return Outcome(mutant, "killed", self._items[test].nodeid)

    def _forked(self, work: Callable[[int], int]) -> tuple[int, int]:
        """Run *work* in a fork, with what it may say to us; return the child and the end that we read."""
        mine, its = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = FAILED
            try:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
                for cache in self._caches:
                    cache.cache_clear()
                code = work(its)
            finally:
                os._exit(code)
        os.close(its)
        return pid, mine

    def _try(self, mutant: Mutant, name: str, tests: Sequence[int], pipe: int) -> int:
        self._functions[name].__code__ = mutant.code()
        for test in tests:
            signal.setitimer(signal.ITIMER_VIRTUAL, 2 + 10 * self._reach.seconds[test])
            if _fails(self._items[test]):
                os.write(pipe, str(test).encode())
                return FAILED
        return NONE_FAILED

    def _known(self) -> Reach | None:
        """Return what was measured of these tests and rules the last time, None where anything of them has changed."""
        if not self._remembered.exists():
            return None
        kept = json.loads(self._remembered.read_text(encoding="utf-8"))
        return Reach(kept["tests"], kept["seconds"]) if kept["of"] == self._fingerprint() else None

    def _fingerprint(self) -> str:
        files = [path for folder in ("rules", *TESTS) for path in sorted((FOLDER.parent / folder).rglob("*.py"))]
        told = [*(path.read_text(encoding="utf-8") for path in files), *(item.nodeid for item in self._items)]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()

    def _measured(self) -> Reach:
        """Run every test in a fork, and hear which functions each called and how long it took."""
        pid, pipe = self._forked(self._measure)
        with os.fdopen(pipe, "rb") as stream:
            lines = stream.read().decode().splitlines()
        os.waitpid(pid, 0)
        if len(lines) != len(self._items):
            raise SystemExit(f"without a mutant the tests must pass: {self._items[len(lines)].nodeid} does not")
        tests: dict[str, list[int]] = defaultdict(list)
        seconds = [float(line.split()[0]) for line in lines]
        for n in sorted(range(len(lines)), key=seconds.__getitem__):
            for name in lines[n].split()[1:]:
                tests[name].append(n)
        self._remembered.parent.mkdir(parents=True, exist_ok=True)
        kept = {"of": self._fingerprint(), "tests": tests, "seconds": seconds}
        self._remembered.write_text(json.dumps(kept), encoding="utf-8")
        return Reach(tests, seconds)

    def _measure(self, pipe: int) -> int:
        names = {id(function.__code__): name for name, function in self._functions.items()}
        with os.fdopen(pipe, "w") as stream:
            for item in self._items:
                called: set[int] = set()

                def calls(frame: types.FrameType, event: str, _: Any, seen: set[int] = called) -> None:
                    if event == "call":
                        seen.add(id(frame.f_code))

                for cache in self._caches:
                    cache.cache_clear()  # what the test before it has computed it would not be seen to reach
                sys.setprofile(calls)
                started = time.process_time()
                failed = _fails(item)
                took = time.process_time() - started
                sys.setprofile(None)
                if failed:
                    return FAILED
                print(took, *sorted(names[code] for code in called if code in names), file=stream)
        return NONE_FAILED


def _fails(item: pytest.Item) -> bool:
    """
    Say whether a test fails.

    One without fixtures of its own is called as it is: pytest's way costs several times that. (The fixture of all tests
    clears settings from the environment, which the rules do not read.)
    """
    assert isinstance(item, pytest.Function)
    arguments = item.callspec.params if hasattr(item, "callspec") else {}
    if not set(item._fixtureinfo.argnames) <= set(arguments):
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
    try:
        item.obj(**arguments)
    except BaseException:  # noqa: BLE001  (a test has failed, however)
        return True
    return False
