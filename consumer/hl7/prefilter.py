r"""
A look at the bytes, whether the decoder may find anything in a record at all (DESIGN.md 1).

Sound, not exact: False only when the full decoder would find nothing, look-alikes in the text of OBX-3 included. Takes
OBX-3 at each ``OBX`` and asks a set of those already known to be nothing; one not seen before is classified by the
decoder's own tables, for every sender of the site. So it can't disagree with them.
"""

import re
from collections.abc import Iterator

from consumer.hl7.codes import Kind, split_identifier
from consumer.hl7.er7 import LONGEST_REMEMBERED, NULL, declared_charset
from consumer.hl7.site import Sender, Site, observe

_LIMIT = 100_000
"""OBX-3 remembered as nothing; a feed has some thousands. Then it starts again, so memory is bounded."""

_READ_WHOLE = frozenset({"ADT", "RAS", "RDE", "RDS", "RGV", "ORM", "OML", "BAR"})
"""Types in which more than an OBX can say something."""

_NOTHING = frozenset({Kind.OTHER, Kind.NO_CODE, Kind.EXCLUDED, Kind.SITE_EXCLUDED})

# One plain ORU or OUL with standard delimiters; anything else takes the slow path.
_PLAIN_HEAD = re.compile(rb"MSH\|\^~\\&(?:\|[^|\r\n\x0b\x1c]*+){6}+\|(?:ORU|OUL)[\^|]").match

# OBX-3 of each OBX. An OBX that is not plain (a torn line, an odd OBX-1) gives an empty one, which is never "nothing".
# The classes are narrow so that a match can't swallow the next OBX; possessive, as nothing is ever given back.
_IDENTIFIERS = re.compile(rb"OBX(?:\|[0-9]*+\|[A-Z]*+\|([^|]*+)\|)?+").findall
_LINE_END = re.compile(rb"[\r\n\x0b\x1c]")
_TORN = re.compile(rb"[\r\n\x0b\x1c\x1b]")


class Prefilter:
    """Says of a record's bytes whether they are worth decoding; made for one site, callable."""

    def __init__(self, site: Site) -> None:
        self._senders = _distinct_senders(site)
        self._default_types = any(sender.message_type for sender in site.senders)
        self._nothing: set[bytes] = set()
        self._nothing_beyond_ascii: set[bytes] = set()

    def __call__(self, raw: bytes) -> bool:
        """Say whether *raw* is worth decoding."""
        return self.worth_decoding(raw)

    def worth_decoding(self, raw: bytes) -> bool:
        """
        Say whether the decoder might find anything in *raw*.

        What is not one message with standard delimiters in a charset that is a superset of ASCII is worth it: such
        records are rare, and the decoder knows better.
        """
        if raw.rfind(b"MSH") or (not _PLAIN_HEAD(raw) and self._head_matters(raw)):
            return True
        found = _IDENTIFIERS(raw)
        return not self._nothing.issuperset(found) and self._any_matters(found, raw)

    def _head_matters(self, raw: bytes) -> bool:
        """Say whether a record must be decoded for its header alone."""
        if not raw.startswith(b"MSH|^~\\&|"):
            return True
        fields = _LINE_END.split(raw, maxsplit=1)[0].decode("latin-1").split("|", 9)
        if len(fields) < 10:
            return True  # a torn MSH, which the reader repairs
        kind = fields[8].strip().upper()
        if not kind or kind.startswith(("^", "~", NULL)):
            return self._default_types
        return "\\" in kind or kind[:3] in _READ_WHOLE

    def _any_matters(self, found: list[bytes], raw: bytes) -> bool:
        """Say whether one of the OBX-3 found may matter; those that don't are remembered."""
        nothing = self._nothing
        for field in found:
            if field in nothing:
                continue
            if not field or _TORN.search(field) is not None:
                return True  # a torn segment, which the reader repairs, or a charset that shifts
            if field.isascii():
                if self._matters(field.decode("ascii")):
                    return True
                known = nothing
            else:
                known = self._nothing_beyond_ascii
                if declared_charset(raw) not in ("", "utf-8", "latin-1"):
                    return True  # a delimiter's byte may be half of a character
                if field in known:
                    continue
                if any(self._matters(text) for text in _readings(field)):
                    return True
            if len(known) >= _LIMIT:
                known.clear()
            if len(field) <= LONGEST_REMEMBERED:
                known.add(field)
        return False

    def _matters(self, text: str) -> bool:
        """Classify an OBX-3 by every sender."""
        identifier = split_identifier(text)
        return any(observe(identifier, sender).kind not in _NOTHING for sender in self._senders)


def _readings(field: bytes) -> Iterator[str]:
    """Yield the texts that the decoder may make of the bytes."""
    yield field.decode("latin-1")
    try:
        yield field.decode("utf-8")
    except UnicodeDecodeError:
        return


def _distinct_senders(site: Site) -> list[Sender]:
    """Return a sender without settings of its own, and each one of the site's table."""
    named = [site.sender(each.application, each.facility) for each in site.senders]
    return [site.sender("", ""), *named]
