r"""
ER7, the vertical-bar encoding of HL7 v2: a record's bytes to messages of segments (HL7.md 1).

A reader, not a validator: whatever can be read is read, what was repaired is flagged. Messages come out with the
standard delimiters (``|^~\&``), so that nothing behind this module asks which ones a sender chose.
"""

import hashlib
import re
from collections.abc import Iterable
from itertools import groupby, islice
from operator import itemgetter, methodcaller
from typing import NamedTuple

from consumer.hl7.making import maker

FIELD, COMPONENT, REPETITION, ESCAPE, SUBCOMPONENT = "|", "^", "~", "\\", "&"
STANDARD_ENCODING = "^~\\&"
NULL = '""'
LONGEST_REMEMBERED = 1_000
"""Characters of a raw field whose meaning is kept between messages: a bad sender's texts are not to fill the memory."""

LONGEST_IDENTIFIER = 250
"""HL7 v2.5 gives the entity identifier of an order, a specimen or a message 199 characters at most."""

# The segments that most messages are made of: with these alone there is nothing to repair.
_COMMON = frozenset(
    (
        *("MSH", "EVN", "PID", "PD1", "NTE", "PV1", "PV2", "ORC", "OBR", "OBX", "SPM", "TQ1", "RXA", "RXR", "DG1"),
        *("AL1", "NK1", "IN1", "GT1", "ROL", "SFT", "CTI", "FT1", "PR1", "MRG", "RXO", "RXE", "ZDS", "ZPI"),
    )
)
_BATCH = frozenset({"FHS", "BHS", "BTS", "FTS"})
_SEGMENT_START = re.compile(r"[A-Z][A-Z0-9]{2}(?=\||$)")
_MESSAGE_START = re.compile(rb"(?:^|[\r\n\x0b\x1c\x0c])[ \t]*(?:\xef\xbb\xbf)?(?=MSH[^\r\nA-Za-z0-9 ])")
# Terminators that an export wrote out in a message of one line: ``\r``, ``\n``, ``<CR>`` before a segment.
_WRITTEN_OUT = re.compile(r"(?:(?:\\r\\n|\\[rn]|<CR>|<LF>)\s{0,64}){1,16}(?=[A-Z][A-Z0-9]{2}\||$)")
_TORN_SEGMENT = re.compile(rb"(?:^|[\r\n\x0b\x1c])[ \t]*(?!FHS|BHS|BTS|FTS)[A-Z][A-Z0-9]{2}\|")
_NOT_A_DELIMITER = re.compile(r"[\w\s\x00-\x1f\x7f(){}\[\]<>\"'.,:;+/-]")


Runs = tuple[tuple[str, int, int], ...]
"""Name of the segments, the first one's place, and the place behind the last."""


class Message(NamedTuple):
    """
    One message: its segments split into fields, with standard delimiters, the first one MSH.

    Field 0 is a segment's name, so OBX-5 is ``segment[5]``; MSH-1, the separator, is not there, so MSH-9 is
    ``segment[8]``. ``text`` is the same unsplit, each segment but the last ended by CR. ``truncation`` is MSH-2's fifth
    character or empty. ``runs`` are the segments behind the first as they follow each other, those of one name at once.
    """

    segments: list[list[str]]
    runs: Runs
    text: str
    truncation: str
    flags: tuple[str, ...]


_message = maker(Message)
_fields = methodcaller("split", FIELD)
_name = itemgetter(0)


def read_record(raw: bytes) -> list[Message]:
    """
    Return the messages of one record, in order; empty when there is none.

    Takes CR, LF and CRLF in any mixture, a byte order mark, MLLP framing, UTF-16, blank lines, indentation, FHS/BHS
    batches and several MSH in a record.
    """
    if raw.rfind(b"MSH") == 0 and raw.startswith(b"MSH|^~\\&|"):
        return [_read_message(raw, ())]
    flags: tuple[str, ...] = ()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in raw[:8]:
        text = _from_utf16(raw)
        if text is not None:
            raw, flags = text.encode("utf-8", "replace"), ("utf_16",)
    starts = [match.end() for match in _MESSAGE_START.finditer(raw)]
    return [_read_message(raw[start:end], flags) for start, end in zip(starts, [*starts[1:], len(raw)], strict=False)]


def starts_torn(raw: bytes) -> bool:
    """Say whether segments stand before a record's first MSH: the end of a message whose start is lost."""
    start = _MESSAGE_START.search(raw)
    return start is not None and _TORN_SEGMENT.search(raw, 0, start.start()) is not None


def utf16_encoding(raw: bytes) -> str:
    """Return Python's name of the UTF-16 that *raw* seems to be: by its mark, else by where the zeros stand."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    return "utf-16-be" if raw[:1] == b"\x00" else "utf-16-le"


def _from_utf16(raw: bytes) -> str | None:
    """Return the text of UTF-16 bytes with or without a mark, or None when they are something else."""
    text = raw.decode(utf16_encoding(raw), "replace").lstrip("\ufeff")
    return text if "MSH" in text else None


def _read_message(raw: bytes, flags: tuple[str, ...]) -> Message:
    """Return one message; *raw* starts with ``MSH`` and a field separator."""
    text, charset_flag = _decode(raw)
    if charset_flag:
        flags = (*flags, charset_flag)
    if "\n" in text or "\x0b" in text or "\x1c" in text:
        text = text.replace("\r\n", "\r").replace("\n", "\r").replace("\x0b", "\r").replace("\x1c", "\r")
    truncation = ""
    if not text.startswith("MSH|^~\\&|"):
        text, truncation, damaged = _standardise(text)
        if damaged:
            flags = (*flags, "encoding_characters_assumed")
    text = text.rstrip("\r")
    if "\r" not in text:
        text, written = _WRITTEN_OUT.subn("\r", text)
        if written:
            flags = (*flags, "terminators_escaped")
    lines = text.split("\r")
    segments = list(map(_fields, lines))
    names = tuple(map(_name, segments))
    runs = _RUNS.get(names)
    if runs is None:
        if not _COMMON.issuperset(names):
            lines, torn = _repair(lines)
            text = "\r".join(lines)
            segments = list(map(_fields, lines))
            if torn:
                flags = (*flags, "segment_joined")
            return _message((segments, _runs(map(_name, segments)), text, truncation, flags))
        runs = _runs(names)
        if len(names) <= _LONGEST_SHAPE:
            if len(_RUNS) >= _SHAPES:
                _RUNS.clear()
            _RUNS[names] = runs
    return _message((segments, runs, text, truncation, flags))


_RUNS: dict[tuple[str, ...], Runs] = {}
"""By the names of their segments, messages of common ones: a sender's messages are of few shapes."""

_SHAPES, _LONGEST_SHAPE = 1024, 64


def _runs(names: Iterable[str]) -> Runs:
    """Return the runs of a message's segments; the first segment, MSH, is in none."""
    found = []
    end = 1
    for name, run in groupby(islice(names, 1, None)):
        start, end = end, end + sum(1 for _ in run)
        found.append((name, start, end))
    return tuple(found)


def _repair(lines: list[str]) -> tuple[list[str], bool]:
    """
    Return the segments of *lines* without blank lines, indentation and batch segments, and whether any was joined.

    A line that starts no segment continues the one before it when it carries fields of it (a line break inside a
    text) or when that is a note; otherwise it says nothing.
    """
    segments: list[list[str]] = []  # each in the pieces that it was torn into
    pending: list[str] = []
    torn = False
    for line in lines:
        segment = line.lstrip(" \t\f\ufeff") if line[:1] in (" ", "\t", "\f", "\ufeff") else line
        if _SEGMENT_START.match(segment) is not None:
            if segment[:3] not in _BATCH:
                segments.append([segment])
                pending = []
        elif segment.strip() and segments and segments[-1][0][3:4] == FIELD:
            pending.append(segment)
            if FIELD in segment or segments[-1][0].startswith("NTE"):
                text = " ".join(pending)
                segments[-1].append(text if segment[0] == FIELD else f" {text}")
                pending = []
                torn = True
    return list(map("".join, segments)), torn


def _decode(raw: bytes) -> tuple[str, str]:
    """
    Return the text of one message, and a flag: declared charset, else UTF-8 strict, else Latin-1.

    A declared charset that fails or that nobody knows is no better than none.
    """
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        pass
    else:
        if "\x1b" not in text:
            return text, ""
    declared = declared_charset(raw)
    if declared:
        try:
            return raw.decode(declared), ""
        except UnicodeDecodeError:
            pass
    try:
        return raw.decode("utf-8"), "charset_assumed" if declared else ""
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "charset_assumed"


_CHARSETS: dict[str, str] = {
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE": "utf-8",
    "88591": "latin-1",
    "8859": "latin-1",
    "ISO88591": "latin-1",
    "LATIN1": "latin-1",
    **{f"8859{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)},
    **{f"ISO8859{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)},
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "WINDOWS1250": "cp1250",
    "WINDOWS1251": "cp1251",
    "WINDOWS1254": "cp1254",
    "KOI8R": "koi8_r",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gb18030",  # the larger set reads the smaller ones, which senders outgrow
    "GB2312": "gb18030",
    "KSX1001": "euc_kr",
    "CNS116431992": "euc_tw",
    "BIG5": "big5",
    "ISOIR87": "iso2022_jp",
    "ISOIR159": "iso2022_jp_1",
    "ISOIR14": "shift_jis",
    "SHIFTJIS": "shift_jis",
    "EUCJP": "euc_jp",
}
_CHARSETS.pop("CNS116431992")  # Python has no codec for it: falls back to UTF-8, then Latin-1
_NO_CHARSET = frozenset({"", "ASCII", "USASCII"})


def declared_charset(raw: bytes) -> str:
    """
    Return Python's name of the charset that MSH-18 declares; empty when none, ASCII, or one that nobody knows.

    Of a repetition (``ASCII~ISO IR87``) the first that is more than ASCII counts.
    """
    head = raw.split(b"\r", 1)[0].split(b"\n", 1)[0]
    fields = head.split(head[3:4], 18) if len(head) > 3 else []
    if len(fields) < 18:
        return ""
    for repetition in fields[17].decode("latin-1").split(REPETITION):
        name = re.sub(r"[^A-Z0-9]", "", repetition.upper())
        if name not in _NO_CHARSET:
            return _CHARSETS.get(name, "")
    return ""


def _standardise(text: str) -> tuple[str, str, bool]:
    """Return *text* with standard delimiters, the truncation character, and whether MSH-2 was damaged."""
    separator = text[3]
    end = text.find(separator, 4)
    first_line = text.find("\r")
    if end < 0 or 0 <= first_line < end:  # nothing behind MSH-2
        end = first_line if first_line >= 0 else len(text)
    encoding = text[4:end]
    truncation = ""
    damaged = False
    if (
        len(encoding) not in (4, 5)
        or len(set(encoding + separator)) != len(encoding) + 1
        or _NOT_A_DELIMITER.search(encoding) is not None
    ):
        # A short one that agrees with the standard as far as it goes is read by the standard all the same.
        damaged = True
        chosen = STANDARD_ENCODING
    else:
        chosen = encoding[:4]
        truncation = encoding[4:]
    if separator != FIELD or chosen != STANDARD_ENCODING:
        wanted = {separator: FIELD, **dict(zip(chosen, STANDARD_ENCODING, strict=True))}
        hidden = {FIELD: "\\F\\", COMPONENT: "\\S\\", SUBCOMPONENT: "\\T\\", REPETITION: "\\R\\", ESCAPE: "\\E\\"}
        head = 4 + len(encoding)
        table = {ord(key): value for key, value in (hidden | wanted).items()}
        text = f"MSH|{STANDARD_ENCODING}{text[head:].translate(table)}"
    elif damaged and encoding:
        text = f"MSH|{STANDARD_ENCODING}{text[4 + len(encoding) :]}"
    return text, truncation, damaged


_ESCAPES = {"F": FIELD, "S": COMPONENT, "T": SUBCOMPONENT, "R": REPETITION, "E": ESCAPE, ".br": "\n", "P": "#"}
_ESCAPED = re.compile(r"\\([^\\\r\n]{0,64})\\")


def unescape(text: str) -> str:
    r"""
    Return *text* with its escape sequences decoded; call it after splitting.

    Highlighting (``\H\ \N\``) and unknown sequences vanish; a lone backslash stays.

    >>> unescape("6\\X2E\\1 \\T\\ more")
    '6.1 & more'
    """
    return _ESCAPED.sub(_unescape_one, text) if ESCAPE in text else text


def _unescape_one(match: re.Match[str]) -> str:
    sequence = match.group(1)
    known = _ESCAPES.get(sequence)
    if known is not None:
        return known
    if sequence[:1] == "X":
        try:
            raw = bytes.fromhex(sequence[1:])
        except ValueError:
            return ""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    if sequence[:3] in (".sp", ".br") or sequence == ".ce":
        return "\n"
    if sequence in ("H", "N") or sequence[:1] in ("C", "M", "Z", "."):
        return ""
    return match.group(0)


def component(field: str, number: int) -> str:
    """Return component *number* (from 1) of the first repetition of *field*, unescaped; empty when there is none."""
    if field.isalnum():  # no delimiter, no escape: as most numbers and codes are
        return field if number == 1 else ""
    if REPETITION in field:
        field = field.split(REPETITION, 1)[0]
    if COMPONENT in field:
        parts = field.split(COMPONENT, number)
        text = parts[number - 1] if number <= len(parts) else ""
    else:
        text = field if number == 1 else ""
    if ESCAPE in text:
        text = unescape(text)
    return "" if text == NULL else text


def entity_identifier(field: str) -> str:
    """Return what names an order or a visit, the first component, trimmed; see `bounded`."""
    return bounded(component(field, 1).strip())


def bounded(identifier: str) -> str:
    """
    Return an identifier as it is, or its hash where it is longer than any that HL7 allows.

    It stands in every result of a message: a number of 100 kB in forty results is an event of 12 MB.

    >>> bounded("4711"), bounded("4711" * 100) == bounded("4711" * 100), len(bounded("4711" * 100))
    ('4711', True, 71)
    """
    if len(identifier) <= LONGEST_IDENTIFIER:
        return identifier
    return f"sha256:{hashlib.sha256(identifier.encode(errors='surrogatepass')).hexdigest()}"
