"""docs/clinical-safety.md names tests that exist, and says of every hazard what a safety officer asks (issue 5)."""

import re
from typing import NamedTuple

import pytest

from tests.unit.named_tests import NODE, ROOT, missing_tests

PAGE = ROOT / "docs" / "clinical-safety.md"
PARTS = ("Harm", "Causes", "Controls", "Tests", "Residual risk")
HAZARDS = {
    "lag": "one part of the feed is ahead",
    "order": "messages out of order",
    "unit and mapping": "not mapped, or was rejected",
    "identity": "two identities",
    "recency": "taken for recent",
    "rejection": "because a result was rejected",
    "time zone": "wrong time zone",
    "merge": "by a merge",
    "hemolysis": "hemolysis",
    "EDTA": "K-EDTA",
    "drip arm": "arm of the drip",
    "alarm fatigue": "Alarm fatigue",
    "stale page": "stale page",
    "doubled page": "A page is doubled",
    "lost page": "A page is lost",
    "wrong patient": "Wrong patient",
    "dose without end": "dose without an end",
    "obstetric protocol": "obstetric protocol",
    "children": "Children",
    "unit confusion": "mg/dL, mEq/L, mmol/L",
    "clock ahead": "A clock is ahead",
    "withdrawn results": "withdrawn or corrected",
    "silence of the service": "The service itself is silent",
}
"""What issue 5 wants to see in the log, and the words of a heading that show it."""


class Hazard(NamedTuple):
    """A hazard of the log."""

    number: str
    title: str
    body: str


def hazards() -> list[Hazard]:
    """Return the hazards of the page."""
    parts = re.split(
        r"^### (H\d+)\. (.*)$", PAGE.read_text(encoding="utf-8").split("\n## What this")[0], flags=re.MULTILINE
    )
    return [Hazard(*parts[n : n + 3]) for n in range(1, len(parts), 3)]


def test_every_named_test_exists() -> None:
    """A control is only as good as the test that proves it; a test that is gone proves nothing."""
    text = PAGE.read_text(encoding="utf-8")
    assert NODE.search(text)
    assert missing_tests(text) == []


def test_a_test_that_is_gone_is_found() -> None:
    """The check itself can fail."""
    assert missing_tests("`tests/unit/test_clinical_safety.py::test_nothing`") == [
        "tests/unit/test_clinical_safety.py::test_nothing"
    ]
    assert missing_tests("`tests/unit/test_none.py::test_nothing`") == ["tests/unit/test_none.py::test_nothing"]


@pytest.mark.parametrize("hazard", hazards(), ids=lambda hazard: hazard.number)
def test_every_hazard_is_complete(hazard: Hazard) -> None:
    """Harm, causes, controls, at least two tests, the risk that is left, and both ratings."""
    for part in PARTS:
        assert f"- **{part}**:" in hazard.body
    assert len(set(NODE.findall(hazard.body))) >= 2
    ratings = re.findall(r"\b(\d) x (\d) = (\d+)", " ".join(hazard.body.split()))
    assert len(ratings) == 2
    before, after = (int(score) for _, _, score in ratings)
    assert all(int(severity) * int(likelihood) == int(score) for severity, likelihood, score in ratings)
    assert after < before


def test_hazards_are_numbered_and_listed() -> None:
    """The table at the head lists each of them, in order, with its ratings."""
    found = hazards()
    assert [hazard.number for hazard in found] == [f"H{n}" for n in range(1, len(found) + 1)]
    text = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| (H\d+) \| (.*?) \| (.*?) \| (.*?) \|$", text, flags=re.MULTILINE)
    assert [(number, title) for number, title, _, _ in listed] == [(hazard.number, hazard.title) for hazard in found]
    for hazard, (_, _, before, after) in zip(found, listed, strict=True):
        assert f"Before {before}; after {after}." in " ".join(hazard.body.split())


@pytest.mark.parametrize("words", HAZARDS.values(), ids=list(HAZARDS))
def test_the_hazards_of_the_issue_are_there(words: str) -> None:
    """No hazard that the project set out with has been left out."""
    assert any(words in hazard.title for hazard in hazards())


def test_what_is_left_is_tolerable_or_says_until_when() -> None:
    """A residual risk of 9 or more stands only with what has to come before clinical use."""
    for hazard in hazards():
        after = re.search(r"after \d x \d = (\d+)(.*?)\.", " ".join(hazard.body.split()))
        assert after is not None
        assert int(after[1]) < 9 or "until" in after[2]


@pytest.mark.parametrize(
    "words",
    [
        "**No alert does not mean safe.**",
        "**secondary\nnotification**",
        "*Not a medical device*",
        "## Intended use",
        "## What this does not cover",
        "## Who must do what",
    ],
)
def test_what_the_page_has_to_say(words: str) -> None:
    """Intended use, limits, duties of the site, and that silence is no all-clear (RULES.md, intended use)."""
    text = PAGE.read_text(encoding="utf-8")
    assert " ".join(words.split()) in " ".join(text.split()) or words in text
