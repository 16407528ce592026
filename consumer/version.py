"""Which version of the service this is."""

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """Return the version of the installed distribution, or ``0+unknown`` in a source tree that is not installed."""
    try:
        return metadata.version("lab-alert")
    except metadata.PackageNotFoundError:
        return "0+unknown"
