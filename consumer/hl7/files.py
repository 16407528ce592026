"""
Files of messages: ER7, batches, MLLP captures, one message a line; messages out one by one at flat memory.

Shared by `inspect` and `replay`. A message here is still bytes as they stood; charset and repairs are the decoder's.
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from consumer.hl7.er7 import utf16_encoding

BLOCK_BYTES = 1 << 20
LONGEST_MESSAGE_BYTES = 64 << 20
"""What has gone on for so long without a new MSH is handed out as it is; memory stays bounded."""

# A message begins with MSH and a field separator at the start of a line, or right behind an MLLP start byte.
_START = re.compile(rb"(?:(?<=[\r\n\x0b\x1c])|(?<=[\r\n][ \t]))MSH(?=[^\r\nA-Za-z0-9 ])")
_BATCH = re.compile(rb"\s*(?:FHS|BHS|BTS|FTS)[^A-Za-z0-9\r\n][^\r\n]*(?:[\r\n]+|$)")
_BLANK = b" \t\r\n\x0b\x1c\x00\x1a"


def read_messages(path: Path | str) -> Iterator[bytes]:
    """
    Yield the messages of a file in order; bytes before the first MSH are one of their own when they say anything.

    Takes CR, LF and CRLF, MLLP framing, FHS/BHS batches, UTF-16 (with or without a mark) and gzip.

    Raises:
        OSError: The file can't be read.
    """
    with Path(path).open("rb") as file:
        magic = file.peek(4)[:4]
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(file) as unpacked:
                yield from split_messages(unpacked)
        elif magic[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in magic:
            yield from _split_utf16(file.read())
        else:
            yield from split_messages(file)


class Readable(Protocol):
    """A file open for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes, none at the end."""


def split_messages(file: Readable) -> Iterator[bytes]:
    """Yield the messages of an open file, one block of it in memory at a time."""
    rest = b"\n"  # a message may begin with the first byte
    scanned = 0
    while True:
        block = file.read(BLOCK_BYTES)
        rest += block
        starts = [match.start() for match in _START.finditer(rest, scanned)]
        if not block:
            break
        if starts:
            begin = 0
            for start in starts:
                message = _trimmed(rest[begin:start])
                if message:
                    yield message
                begin = start
            # The last message may go on in the next block; its own start is not looked at again.
            rest = rest[begin:]
            scanned = 3
            if len(rest) > 3:
                scanned = max(3, len(rest) - 5)
        elif len(rest) > LONGEST_MESSAGE_BYTES:
            yield _trimmed(rest)
            rest, scanned = b"", 0
        else:
            scanned = max(scanned, len(rest) - 5)
    begin = 0
    for start in [*starts, len(rest)]:
        message = _trimmed(rest[begin:start])
        if message:
            yield message
        begin = start


def _trimmed(message: bytes) -> bytes:
    """Return a message without the blank lines, framing and batch segments around it; empty when nothing is left."""
    message = message.strip(_BLANK)
    if message.startswith(b"\xef\xbb\xbf"):
        message = message[3:]
    if message[:3] in (b"FHS", b"BHS", b"BTS", b"FTS"):
        while (batch := _BATCH.match(message)) is not None:
            message = message[batch.end() :]
    last = max(message.rfind(b"\r"), message.rfind(b"\n"))
    while last >= 0 and message[last + 1 : last + 4] in (b"BTS", b"FTS", b"BHS", b"FHS"):
        message = message[:last].rstrip(_BLANK)
        last = max(message.rfind(b"\r"), message.rfind(b"\n"))
    return message


def _split_utf16(raw: bytes) -> Iterator[bytes]:
    """Yield the messages of a UTF-16 file as UTF-8."""
    text = b"\n" + raw.decode(utf16_encoding(raw), "replace").lstrip("\ufeff").encode("utf-8", "replace")
    starts = [match.start() for match in _START.finditer(text)]
    begin = 0
    for start in [*starts, len(text)]:
        message = _trimmed(text[begin:start])
        if message:
            yield message
        begin = start
