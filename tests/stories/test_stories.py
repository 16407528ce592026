"""The acceptance stories beside the repository, of the rules that are built; `make test` runs them when it has them."""

import json
import subprocess
import sys
from pathlib import Path

STORIES = Path(__file__).parents[3] / "shared" / "stories"

BUILT = {"refractory-hyperkalemia-no-magnesium", "post-infusion-hypermagnesemia", "hypermagnesemia-exposure-unknown"}
"""The companion rules of RULES.md 5 are not among them yet."""


def rules_expected(story: Path) -> set[str]:
    """Return the rules that a story expects alerts of; none at all for a near miss."""
    lines = (story / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["rule"] for line in lines if line.strip()}


def test_the_stories_of_the_rules_that_are_built_pass() -> None:
    """Every story that expects alerts of the built rules alone, or none, gives exactly those."""
    names = [path.parent.name for path in sorted(STORIES.glob("*/feed.hl7")) if rules_expected(path.parent) <= BUILT]
    assert len(names) > 40
    command = f"{sys.executable} -m consumer replay --format jsonl"
    check = [sys.executable, str(STORIES / "check.py"), "--lines", "8", "--command", command, *names]
    done = subprocess.run(check, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
