"""The commands of `lab-alert`: they parse arguments and call the rest, and import what they need when they run."""

from consumer.cli.main import main

__all__ = ["main"]
