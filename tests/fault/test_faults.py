"""A short fault run as part of the tests; `python -m tests.fault` does longer ones."""

import os
import subprocess
import sys

SEEDS = (1, 2, 3)
PROVES_NOTHING = "RED: aborted_seen_uncommitted\n"
"""Every invariant held, but no fault hit an open transaction: such a run is no proof, and another is made."""


def run(seed: int) -> subprocess.CompletedProcess[str]:
    """Make one run of twelve faults."""
    environment = {name: value for name, value in os.environ.items() if name != "LAB_ALERT_TEST_BOOTSTRAP"}
    command = [sys.executable, "-m", "tests.fault", "--seed", str(seed), "--faults", "12"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_twelve_faults() -> None:
    """Nothing lost, doubled, out of order or left open after twelve faults of ten kinds; the table says so."""
    for seed in SEEDS:
        done = run(seed)
        if PROVES_NOTHING not in done.stdout:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GREEN" in done.stdout
