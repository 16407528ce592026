"""
Every exception that we raise, as a tree.

    LabAlertError
    ├── Refused            the operator's to mend before a start: settings, rulebook, topics (exit 1)
    │   ├── SettingsRefused
    │   └── TopicsRefused
    ├── NewerVersion       a record written by a newer lab-alert: the partition stops, with the remedy
    ├── CorruptRecord      one of our own internal records can't be read
    └── NoInput            a command had nothing that it could read (exit 2)

Data that can't be used is not an exception: the decoder returns it (`Rejected`), and it becomes a dead letter.
"""

from collections.abc import Sequence


class LabAlertError(Exception):
    """Anything that we raise ourselves."""


class Refused(LabAlertError):
    """The start is refused; ``faults`` lists all that has to be mended, one line each."""

    def __init__(self, title: str, faults: Sequence[str]) -> None:
        super().__init__(title + "".join(f"\n  - {fault}" for fault in faults))
        self.title = title
        self.faults = tuple(faults)


class SettingsRefused(Refused):
    """A setting or a rulebook parameter is unknown, missing or out of its bounds."""


class TopicsRefused(Refused):
    """A topic is missing, has settings that would lose data, or is not ours to use."""


class NewerVersion(LabAlertError):
    """A record of a newer format than ours: reading on would lose what we don't know."""

    def __init__(self, what: str, found: int, ours: int) -> None:
        super().__init__(
            f"{what} has format {found}, this version reads up to {ours}. Remedy: run the newer lab-alert on every "
            "member again, or wait until it has been rolled back with its setting for the older format."
        )
        self.found = found
        self.ours = ours


class CorruptRecord(LabAlertError):
    """The bytes of one of our own records are not what we write."""


class NoInput(LabAlertError):
    """No input could be read."""
