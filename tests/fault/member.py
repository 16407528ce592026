"""`lab-alert run` with one rule switched off: ``python -m tests.fault.member run``, the rule in the environment."""

import sys

from consumer.cli import main
from tests.fault import mutants

if __name__ == "__main__":
    mutants.apply()
    sys.exit(main())
