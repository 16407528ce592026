"""
KAFKA.md fact 13, proven by the log: an aborted batch whose ABORT marker the broker lost when it was killed.

The broker's own segment files are read. A transactional batch belongs to the next marker of its producer id; a fence
raises the epoch, so a batch whose next marker is a COMMIT of a later epoch was never committed by its producer, and is
shown to readers all the same. No client can prevent that.
"""

import shutil
import struct
from pathlib import Path
from typing import NamedTuple

from consumer.kafka.brokers import Broker, JavaBroker

HEADER = struct.Struct(">qiibihiqqqhii")
"""Offset, length, leader epoch, magic, crc, attributes, last delta, two times, producer id, epoch, sequence, count."""

TRANSACTIONAL, CONTROL = 0x10, 0x20
COMMIT = 1


class Batch(NamedTuple):
    """What matters of a record batch."""

    first: int
    last: int
    producer: int
    epoch: int
    transactional: bool
    marker: int | None


def batches(log: bytes) -> list[Batch]:
    """Return the batches of a segment."""
    found = []
    at = 0
    while at + HEADER.size <= len(log):
        offset, length, _, _, _, attributes, delta, _, _, producer, epoch, _, _ = HEADER.unpack_from(log, at)
        marker = None
        if attributes & CONTROL:
            # One record: length, attributes, two deltas (a byte each), the key's length; then version and type.
            marker = struct.unpack_from(">h", log, at + HEADER.size + 5 + 2)[0]
        found.append(Batch(offset, offset + delta, producer, epoch, bool(attributes & TRANSACTIONAL), marker))
        at += 12 + length
    return found


def covered(found: list[Batch]) -> list[Batch]:
    """
    Return the batches that a later producer's COMMIT has covered.

    One with nothing of its own before it says a transaction again whose COMMIT markers were lost: that one counts.

    >>> lost = Batch(0, 3, 7, 1, transactional=True, marker=None)
    >>> own, commit = Batch(4, 5, 7, 2, True, None), Batch(6, 6, 7, 2, True, COMMIT)
    >>> covered([lost, own, commit]) == [lost], covered([own, commit]), covered([lost, commit])
    (True, [], [])
    """
    open_batches: dict[int, list[Batch]] = {}
    shown = []
    for batch in found:
        if batch.marker is None and batch.transactional:
            open_batches.setdefault(batch.producer, []).append(batch)
        elif batch.marker is not None:
            before = open_batches.pop(batch.producer, [])
            if batch.marker == COMMIT and any(one.epoch == batch.epoch for one in before):
                shown += [earlier for earlier in before if earlier.epoch < batch.epoch]
    return shown


def lost_markers(broker: Broker, topics: list[str]) -> dict[tuple[str, int], list[Batch]]:
    """Return the covered batches of each partition of *topics*; none for a broker whose files are not ours to read."""
    if not isinstance(broker, JavaBroker):
        return {}
    lost: dict[tuple[str, int], list[Batch]] = {}
    for folder in sorted(Path(broker._data, "logs").iterdir()):
        topic, _, number = folder.name.rpartition("-")
        if topic in topics:
            log = b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))
            if shown := covered(batches(log)):
                lost[topic, int(number)] = shown
    return lost


def keep(broker: Broker, folder: Path) -> None:
    """Copy the broker's segment files and its own log: what a run that ended red is explained by."""
    if isinstance(broker, JavaBroker):
        shutil.copytree(broker._data, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".lock", "*.tmp"))
