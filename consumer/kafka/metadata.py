"""What a commit says beside its offset (W6), so that offsets, state and P cannot part unseen."""

import json
from typing import NamedTuple

from aiokafka.structs import OffsetAndMetadata

from consumer.wire import FORMAT


class Metadata(NamedTuple):
    """
    The metadata of one commit.

    ``stream_time`` is the highest record timestamp processed so far, in milliseconds (None: nothing yet).
    ``partitions`` is P when it was made, ``version`` the format that the partition is written in (`consumer/wire.py`),
    ``transactions`` how many the partition has had. ``changelog_end`` is the offset after the last state record ever
    committed (None: none was): a changelog that ends before it has been made anew, one with a record behind it is ahead
    of its offset.
    """

    stream_time: int | None
    partitions: int
    version: int = FORMAT
    transactions: int = 0
    changelog_end: int | None = None

    def encode(self) -> str:
        """Return it as short JSON."""
        short = {
            "v": self.version,
            "p": self.partitions,
            "n": self.transactions,
            "t": self.stream_time,
            "e": self.changelog_end,
        }
        return json.dumps({name: value for name, value in short.items() if value is not None}, separators=(",", ":"))


def decode(text: str | None) -> Metadata | None:
    """
    Return what *text* says, None when it is not ours (another tool set the offset).

    >>> decode(Metadata(stream_time=7, partitions=12, transactions=3).encode())
    Metadata(stream_time=7, partitions=12, version=2, transactions=3, changelog_end=None)
    >>> decode("") is None
    True
    """
    try:
        short = json.loads(text or "")
        return Metadata(short.get("t"), short["p"], short["v"], short.get("n", 0), short.get("e"))
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def transactions(committed: OffsetAndMetadata | None) -> int | None:
    """Return the how manieth transaction of its partition it is; None: somebody else's."""
    if committed is None:
        return 0
    metadata = decode(committed.metadata)
    return None if metadata is None else metadata.transactions


def gone_on(committed: OffsetAndMetadata | None, ours: OffsetAndMetadata) -> bool:
    """
    Whether *committed* is of a transaction that came after *ours*, or in its stead: of another owner, or set by hand.

    The offset does not tell: a timer's alert is committed at the same one, and `offsets set` goes back.
    """
    if committed is None or committed == ours:
        return False
    theirs, own = transactions(committed), transactions(ours)
    return theirs is None or own is None or theirs >= own or committed.offset > ours.offset
