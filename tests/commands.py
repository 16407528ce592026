"""The command line, run in the test's own process."""

from collections.abc import Callable
from typing import NamedTuple


class Done(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]
"""Runs `lab-alert` with these arguments: the fixture `run`."""
