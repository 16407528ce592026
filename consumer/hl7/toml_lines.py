"""Where each key of a TOML text stands, since the parser does not say; for faults that name their line."""

import re

Path_ = tuple[str | int, ...]
"""A place in the document: keys, and numbers in lists of tables."""

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)((?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=""")
_PART = re.compile(r""""[^"]*"|'[^']*'|[^.\s"']+""")


class Lines:
    """Line numbers of a TOML text, from 1; 0 where nobody knows."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path_, int] = {}
        counts: dict[Path_, int] = {}
        table: Path_ = ()
        for number, line in enumerate(text.splitlines(), 1):
            header = _HEADER.match(line)
            if header is not None:
                names = _parts(header.group(2))
                table = self._table(names, counts, new=header.group(1) == "[[")
                self._lines.setdefault(table, number)
                self._lines.setdefault(names[:1], number)  # [[sender.code]] without its [[sender]]
                continue
            key = _KEY.match(line)
            if key is not None:
                self._lines.setdefault((*table, *_parts(key.group(1) + key.group(2))), number)

    def _table(self, names: tuple[str, ...], counts: dict[Path_, int], *, new: bool) -> Path_:
        """Return the place of a table's header; a list of tables counts on, its last one is meant otherwise."""
        place: Path_ = ()
        for index, name in enumerate(names):
            place = (*place, name)
            if new and index == len(names) - 1:
                counts[place] = counts.get(place, -1) + 1
            if place in counts:
                place = (*place, counts[place])
        return place

    def of(self, place: Path_) -> int:
        """Return the line of a place, or of the nearest one around it that stands in the text."""
        while place:
            if place in self._lines:
                return self._lines[place]
            place = place[:-1]
        return 0


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted.strip()))
