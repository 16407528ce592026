"""The acceptance stories beside the repository; `make test` runs them when they are there."""

import subprocess
import sys
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"


@pytest.mark.parametrize("folder", ["stories", "ward"])
def test_alerts_are_those_of_the_stories(folder: str) -> None:
    """A replay of each story, and of the seeded ward, gives exactly the alerts that were written down for it."""
    replay = f"{sys.executable} -m consumer replay --format jsonl"
    check = [sys.executable, str(SHARED / "stories" / "check.py"), "--lines", "8", "--command", replay]
    done = subprocess.run(
        [*check, "--stories", str(SHARED / folder)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
