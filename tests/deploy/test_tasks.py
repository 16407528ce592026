"""Tasks and locks: what the pages tell a reader to run exists, and the locks hold what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / ".ci" / "run", *sorted((ROOT / "docs").glob("*.md"))]
LOCKS = {"requirements.txt": "", "requirements-dev.txt": "dev", "requirements-build.txt": "build"}


def targets() -> set[str]:
    """Return the names of the Makefile's tasks."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tasks_that_a_page_names_exist(page: Path) -> None:
    """Nobody is told to run a task that there is not."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:`|^ {4}|\d )make ([a-z-]+)", text, re.MULTILINE)
    assert set(named) <= targets()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of the repository leads to one."""
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_is_asked_for(lock: str) -> None:
    """Each requirement is locked, each lock has hashes, and no host is named."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    pinned = re.findall(r"^([a-z0-9._-]+)==.*\\\n +--hash=sha256:", text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [] if lock == "requirements-build.txt" else list(project["project"]["dependencies"])
    asked += [each for each in project["dependency-groups"].get(LOCKS[lock], []) if isinstance(each, str)]
    names = {re.split(r"[<>=\[ ]", each)[0].lower().replace("_", "-") for each in asked}
    assert names
    assert names <= set(pinned)
    assert pinned == re.findall(r"^([^ =#]+)==", text, re.MULTILINE)
