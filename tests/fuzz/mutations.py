"""Changes to a record's bytes, fields, segments, encodings, framing, sizes and nesting; each seeded."""

import random
from collections.abc import Callable

LARGEST_BYTES = 1 << 20
"""A broker's usual limit for a record."""


def _bytes_changed(raw: bytes, random_: random.Random) -> bytes:
    out = bytearray(raw)
    for _ in range(random_.randrange(1, 8)):
        if out:
            out[random_.randrange(len(out))] = random_.choice((random_.randrange(256), *b"|^~\\&\r\n\x0b\x1c\x00#"))
    return bytes(out)


def _slice_moved(raw: bytes, random_: random.Random) -> bytes:
    if len(raw) < 4:
        return raw
    start, end = sorted(random_.randrange(len(raw)) for _ in range(2))
    piece, rest = raw[start:end], raw[:start] + raw[end:]
    place = random_.randrange(len(rest) + 1)
    return rest[:place] + piece * random_.randrange(3) + rest[place:]


def _cut(raw: bytes, random_: random.Random) -> bytes:
    return raw[: random_.randrange(len(raw) + 1)]


def _fields_changed(raw: bytes, random_: random.Random) -> bytes:
    lines = raw.split(b"\r")
    number = random_.randrange(len(lines))
    fields = lines[number].split(b"|")
    place = random_.randrange(len(fields))
    fields[place] = random_.choice(
        (b"", b'""', b"^^^", b"~", b"\\", b"A" * 300, b"\xff\xfe", fields[-1], b"\\X41\\", b"MSH|")
    )
    lines[number] = b"|".join(fields)
    return b"\r".join(lines)


def _segments_changed(raw: bytes, random_: random.Random) -> bytes:
    lines = raw.split(b"\r")
    action = random_.randrange(4)
    number = random_.randrange(len(lines))
    if action == 0:
        del lines[number]
    elif action == 1:
        lines.insert(number, random_.choice(lines))
    elif action == 2:
        random_.shuffle(lines)
    else:
        lines[number] = b" " + lines[number]
    return b"\r".join(lines)


def _encoded(raw: bytes, random_: random.Random) -> bytes:
    text = raw.decode("utf-8", "replace")
    codec = random_.choice(
        ("latin-1", "utf-16", "utf-16-be", "utf-16-le", "utf-8-sig", "gb18030", "iso2022_jp", "shift_jis")
    )
    if random_.random() < 0.5:
        declared = random_.choice(("8859/1", "GB 18030-2000", "~ISO IR87", "UNICODE UTF-8", "X"))
        text = text.replace("|P|2.5.1", f"|P|2.5.1||||||{declared}", 1)
    return text.encode(codec, "replace")


def _framed(raw: bytes, random_: random.Random) -> bytes:
    return random_.choice(
        (b"\x0b" + raw + b"\x1c\r", b"FHS|^~\\&\rBHS|^~\\&\r" + raw + b"BTS|1\r", raw + raw, b"\n\n" + raw, b"x" + raw)
    )


def _delimiters(raw: bytes, random_: random.Random) -> bytes:
    if random_.random() < 0.5:
        other = bytes(random_.sample(b"|^~\\&#!$*%@;", 5))
        return raw.translate(bytes.maketrans(b"|^~\\&", other))
    return raw.replace(b"^~\\&", random_.choice((b"^~\\&#", b"^~\\\\&", b"^~", b"", b"^~\\}", b"||||", b"^^^^")), 1)


def _blown_up(raw: bytes, random_: random.Random) -> bytes:
    lines = raw.split(b"\r")
    number = random_.randrange(len(lines))
    times = random_.choice((20, 200, 2000)) if random_.random() < 0.1 else 5
    action = random_.randrange(3)
    if action == 0:
        lines[number:number] = [lines[number]] * times
    elif action == 1:
        lines[number] += random_.choice((b"|", b"^", b"~", b"&", b"\\", b"\\X")) * times
    else:
        lines[number] = lines[number].replace(b"|", b"~|" * min(times, 200))
    return b"\r".join(lines)


def _nested(raw: bytes, random_: random.Random) -> bytes:
    """A message inside a field of itself, a repetition of fields, a component of components: depth without meaning."""
    lines = raw.split(b"\r")
    number = random_.randrange(len(lines))
    inner = random_.choice((raw[:600], lines[number], b"a^b&c~d\\T\\e", b"\\X0D4F42587C\\"))
    for old, new in ((b"|", b"^"), (b"^", b"&"))[: random_.randrange(3)]:
        inner = inner.replace(old, new)
    fields = lines[number].split(b"|")
    fields[random_.randrange(len(fields))] = inner.replace(b"\r", random_.choice((b"\r", b"\\.br\\", b" ")))
    lines[number] = b"|".join(fields)
    return b"\r".join(lines)


def _batched(raw: bytes, random_: random.Random) -> bytes:
    """A batch of the record and parts of it, with headers and trailers where they belong and where they don't."""
    parts = [
        raw,
        raw[: random_.randrange(len(raw) + 1)],
        b"FHS|^~\\&|A\r",
        b"BHS|^~\\&|A\r",
        b"BTS|2\r",
        b"FTS|1\r",
        b"\x0b",
    ]
    return b"".join(random_.choice(parts) for _ in range(random_.randrange(2, 7)))


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_bytes_changed, _slice_moved, _cut, _fields_changed, _segments_changed),
    *(_encoded, _framed, _delimiters, _blown_up, _nested, _batched),
)


def mutate(raw: bytes, random_: random.Random) -> bytes:
    """Return *raw* after a few mutations."""
    for _ in range(random_.randrange(4)):
        raw = random_.choice(MUTATIONS)(raw, random_)
    return raw[:LARGEST_BYTES]
