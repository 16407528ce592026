"""A short fault run as part of the tests; `python -m tests.fault` does longer ones."""

import os
import subprocess
import sys

RUN = [sys.executable, "-m", "tests.fault", "--seed", "1", "--faults", "12"]


def test_twelve_faults() -> None:
    """Nothing lost, doubled, out of order or left open after twelve faults of ten kinds; the table says so."""
    environment = {name: value for name, value in os.environ.items() if name != "LAB_ALERT_TEST_BOOTSTRAP"}
    done = subprocess.run(RUN, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GREEN" in done.stdout
