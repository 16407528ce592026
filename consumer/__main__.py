"""`python -m consumer` is `lab-alert`."""

import sys

from consumer.cli import main

sys.exit(main())
