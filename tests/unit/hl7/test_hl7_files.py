"""Files of messages: whatever the framing, the same messages come out, at flat memory."""

import gzip
import io
from pathlib import Path

import pytest

from consumer.hl7 import files
from consumer.hl7.files import read_messages, split_messages
from tests.fuzz.builder import SODIUM, obx, oru

FIRST, SECOND = oru(obx()), oru(obx(SODIUM))
BOTH = [FIRST.strip(), SECOND.strip()]


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        pytest.param(FIRST + SECOND, BOTH, id="one behind the other"),
        pytest.param(FIRST + b"\r\n\r\n" + SECOND + b"\n", BOTH, id="blank lines"),
        pytest.param(b"\x0b" + FIRST + b"\x1c\r\x0b" + SECOND + b"\x1c\r", BOTH, id="MLLP capture"),
        pytest.param(b"\x0b" + FIRST + b"\x1c\x0b" + SECOND + b"\x1c", BOTH, id="MLLP without CR"),
        pytest.param(b"FHS|^~\\&|A\rBHS|^~\\&|B\r" + FIRST + SECOND + b"BTS|2\rFTS|1\r", BOTH, id="batch"),
        pytest.param(
            b"FHS|^~\\&|A\nBHS|^~\\&|B\n" + FIRST + b"BTS|1\nBHS|^~\\&|C\n" + SECOND + b"BTS|1\nFTS|2\n",
            BOTH,
            id="two batches",
        ),
        pytest.param(b"\xef\xbb\xbf" + FIRST, BOTH[:1], id="byte order mark"),
        pytest.param(FIRST.strip() + b"\n" + SECOND.strip() + b"\n", BOTH, id="one message a line"),
        pytest.param((FIRST + SECOND).decode().encode("utf-16"), BOTH, id="UTF-16"),
        pytest.param((FIRST + SECOND).decode().encode("utf-16-be"), BOTH, id="UTF-16 without a mark"),
        pytest.param(gzip.compress(FIRST + SECOND), BOTH, id="gzip"),
        pytest.param(b"noise\n" + FIRST, [b"noise", BOTH[0]], id="noise before"),
        pytest.param(b"", [], id="empty"),
        pytest.param(b"\r\n\x1c", [], id="blanks"),
        pytest.param(b"noise", [b"noise"], id="noise alone"),
    ],
)  # fmt: skip
def test_read_messages(tmp_path: Path, content: bytes, messages: list[bytes]) -> None:
    """ER7, batches, MLLP captures, one message a line; nothing is lost."""
    path = tmp_path / "feed.hl7"
    path.write_bytes(content)
    assert list(read_messages(path)) == messages


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there says so."""
    with pytest.raises(FileNotFoundError):
        list(read_messages(tmp_path / "none.hl7"))


def test_endless_message_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on without a new MSH is handed out in pieces: memory stays bounded."""
    monkeypatch.setattr(files, "LONGEST_MESSAGE_BYTES", 3_000)
    monkeypatch.setattr(files, "BLOCK_BYTES", 1_000)
    pieces = list(split_messages(io.BytesIO(b"x" * 10_000)))
    assert b"".join(pieces) == b"x" * 10_000
    assert max(map(len, pieces)) < 5_000
