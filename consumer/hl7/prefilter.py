"""
A look at the bytes: may the decoder find anything in this record at all? (DESIGN.md 1; ADR in docs/adr.)

Sound, not exact: False only when the full decoder would find nothing, look-alikes in the text of OBX-3 included.
Splits at segment starts, takes OBX-3 and asks a set of those already found to be nothing; one not seen before is
classified by the decoder's own tables, for every sender of the site. So it can't disagree with them.
"""

from collections.abc import Iterable

from consumer.hl7.codes import Kind, split_identifier
from consumer.hl7.er7 import NULL, declared_charset
from consumer.hl7.site import Sender, Site, observe

_LIMIT = 100_000
"""OBX-3 remembered as nothing; a feed has some thousands. Then it starts again, so memory is bounded."""

_BY_OBSERVATION = frozenset({b"ORU", b"OUL"})
"""Types in which only an OBX can say anything; every type not in `_READ_WHOLE` is looked at so too."""

_READ_WHOLE = frozenset({b"ADT", b"RAS", b"RDE", b"RDS", b"RGV", b"ORM", b"OML", b"BAR"})
_NOTHING = frozenset({Kind.OTHER, Kind.NO_CODE, Kind.EXCLUDED, Kind.SITE_EXCLUDED})
_PLAIN_CHARSETS = frozenset({b"", b"ASCII", b"UNICODE UTF-8", b"UNICODE", b"UTF-8", b"utf-8", b"8859/1", b"8859"})
_STANDARD = b"MSH|^~\\&|"


class Prefilter:
    """Says of a record's bytes whether they are worth decoding; made for one site, callable."""

    def __init__(self, site: Site) -> None:
        self._senders = _distinct_senders(site)
        self._default_types = any(sender.message_type for sender in site.senders)
        self._nothing: set[bytes] = set()

    def __call__(self, raw: bytes) -> bool:
        """Say whether *raw* is worth decoding."""
        return self.worth_decoding(raw)

    def worth_decoding(self, raw: bytes) -> bool:
        """
        Say whether the decoder might find anything in *raw*.

        What is not one plain message with standard delimiters in a charset that is a superset of ASCII is: such
        records are rare, and the decoder knows better.
        """
        parts = raw.split(b"OBX|")
        head = parts[0].split(b"|", 18)
        if len(head) < 12 or not raw.startswith(_STANDARD) or raw.find(b"MSH", 3) >= 0:
            return True
        kind = head[8][:3]
        if kind in _READ_WHOLE:
            return True
        if kind not in _BY_OBSERVATION and self._is_odd_type(head[8]):
            return True
        if head[17:] and head[17] not in _PLAIN_CHARSETS and self._is_odd_charset(raw):
            return True
        nothing = self._nothing
        for part in parts[1:]:
            fields = part.split(b"|", 3)
            if len(fields) > 2 and fields[2] not in nothing and self._may_matter(fields[2]):
                return True
        return False

    def _is_odd_type(self, field: bytes) -> bool:
        """Say whether MSH-9 may be read as a type that is read whole (blanks, letter case, a site's default)."""
        text = field.decode("latin-1").strip().upper()
        if "\\" in text or not text or text.startswith(("^", "~", NULL)):
            return self._default_types or "\\" in text
        return text[:3].encode("latin-1", "replace") in _READ_WHOLE

    def _is_odd_charset(self, raw: bytes) -> bool:
        """Say whether MSH-18 declares what bytes alone can't be read by; a later field than MSH-18 of another line isn't."""
        return declared_charset(raw) not in ("", "utf-8", "latin-1")

    def _may_matter(self, field: bytes) -> bool:
        """Classify an OBX-3 not seen before, by every sender; remember it when it is nothing."""
        if b"\r" in field or b"\n" in field or b"\x0b" in field or b"\x1c" in field:
            return True  # a torn segment, which the reader repairs
        for text in _readings(field):
            identifier = split_identifier(text)
            for sender in self._senders:
                if observe(identifier, sender).kind not in _NOTHING:
                    return True
        if len(self._nothing) >= _LIMIT:
            self._nothing.clear()
        self._nothing.add(field)
        return False


def _readings(field: bytes) -> Iterable[str]:
    """Yield the texts that the decoder may make of the bytes."""
    latin = field.decode("latin-1")
    yield latin
    if not field.isascii():
        try:
            yield field.decode("utf-8")
        except UnicodeDecodeError:
            return


def _distinct_senders(site: Site) -> list[Sender]:
    """Return a sender without settings of its own, and each one of the site's table."""
    named = [site.sender(each.application, each.facility) for each in site.senders]
    return [site.sender("", ""), *named]


