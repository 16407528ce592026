"""What `docs/mutants.md` says: the figure of each module, and each survivor with the verdict of verdicts.toml on it."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.mutation.run import Outcome

AT_LEAST = 92
"""Per cent of the mutants that have to be killed (issue 5)."""

HEAD = """# What a mutant can change unseen

Every operator, number, string, argument and branch of every function in `rules/` is changed, one at a time, with
mutmut's operators; the unit tests of the rules and of the words have to fail. `make mutants` tries them all and writes
this page; it fails below {at_least} %, or where a survivor has no verdict in `tests/mutation/verdicts.toml`.
*Equivalent*: no input tells the two apart. *Harmless*: an input could, and no alert would differ by it in a way that
matters.

"""


class Kept(NamedTuple):
    """An outcome, as it is stored and shown."""

    where: str
    before: str
    after: str
    verdict: str
    killed: bool
    test: str


class Verdict(NamedTuple):
    """What is said of survivors: ``where`` names the function, ``after`` what each of them has in its changed lines."""

    where: str
    after: tuple[str, ...]
    kind: str
    why: str

    def covers(self, one: Kept) -> bool:
        """Whether it speaks of *one*."""
        return one.where == self.where and any(text in one.after for text in self.after)


class Verdicts(NamedTuple):
    """All of them."""

    known: tuple[Verdict, ...]

    def of(self, one: Kept) -> Verdict | None:
        """Return the verdict on *one*, None without any."""
        return next((verdict for verdict in self.known if verdict.covers(one)), None)

    def unused(self, survivors: Iterable[Kept]) -> list[Verdict]:
        """Return those that speak of no survivor."""
        alive = list(survivors)
        return [verdict for verdict in self.known if not any(verdict.covers(one) for one in alive)]


def verdicts(path: Path) -> Verdicts:
    """Read verdicts.toml."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["verdict"]
    return Verdicts(tuple(Verdict(t["where"], tuple(t["after"]), t["kind"], t["why"]) for t in tables))


class Store:
    """The last outcomes of each module, with the source that they are of."""

    def __init__(self, folder: Path, paths: Mapping[str, Path]) -> None:
        self._folder = folder
        self._sources = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}

    def save(self, module: str, outcomes: Iterable[Outcome]) -> None:
        """Keep the outcomes of a module."""
        kept = [
            Kept(
                f"{one.mutant.module}:{one.mutant.name}",
                *one.mutant.change,
                verdict=one.verdict,
                killed=one.killed,
                test=one.test,
            )
            for one in outcomes
        ]
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"source": self._sources[module], "outcomes": kept}, indent=1)
        (self._folder / f"{module}.json").write_text(text, encoding="utf-8")

    def load(self) -> dict[str, list[Kept]]:
        """Return the outcomes of each module whose source is still that."""
        found = {}
        for module in self._sources:
            path = self._folder / f"{module}.json"
            stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"source": ""}
            if stored["source"] == self._sources[module]:
                found[module] = [Kept(*one) for one in stored["outcomes"]]
        return found

    @property
    def complete(self) -> bool:
        """Whether every module has been tried as it stands."""
        return len(self.load()) == len(self._sources)


def page(tried: Mapping[str, list[Kept]], known: Verdicts) -> str:
    """Return the page."""
    everything = [one for kept in tried.values() for one in kept]
    files = {name: f"rules/{name.replace('.', '/')}.py" for name in tried}
    lines = [HEAD.format(at_least=AT_LEAST), "| module | mutants | killed | |", "|---|---|---|---|"]
    for name, kept in [*((f"`{files[name]}`", kept) for name, kept in tried.items()), ("all", everything)]:
        if kept:
            killed = sum(one.killed for one in kept)
            lines.append(f"| {name} | {len(kept)} | {killed} | {100 * killed / len(kept):.1f} % |")
    for name, kept in tried.items():
        alive = [one for one in kept if not one.killed]
        if alive:
            lines.append(f"\n## `{files[name]}`\n")
        for one in alive:
            verdict = known.of(one)
            said = f"**{verdict.kind}**: {verdict.why}" if verdict else "no verdict"
            lines.append(f"- `{one.where.split(':')[1]}`: `` {one.before} `` → `` {one.after} ``  \n  {said}")
    return "\n".join(lines) + "\n"
