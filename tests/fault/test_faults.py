"""A short fault run as part of the tests; `make test-faults` does longer ones."""

import os
import subprocess
import sys

from tests.fault.__main__ import FAULTS


def test_twelve_faults() -> None:
    """Nothing lost, doubled, out of order or left open after twelve faults of twelve kinds; the table says so."""
    environment = {name: value for name, value in os.environ.items() if name != "LAB_ALERT_TEST_BOOTSTRAP"}
    command = [sys.executable, "-m", "tests.fault", "--seed", "1", "--faults", str(FAULTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GREEN" in done.stdout
