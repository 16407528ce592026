"""One order of a message, as its segments gather: OBR, the OBX that matter, remarks and specimens."""

import re
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from consumer.hl7 import comments
from consumer.hl7.codes import Observation
from consumer.hl7.context import Context
from consumer.hl7.er7 import NULL, REPETITION, entity_identifier, unescape
from consumer.hl7.making import maker
from consumer.hl7.specimen import Specimen, vetoes
from consumer.hl7.texts import fold
from consumer.hl7.times import WITH_MINUTE, Moment, Stamp
from rules.events import Condition

_NOT_THE_DRAW = frozenset({"OBX-19", "OBR-22"})  # when it was measured or reported


class Found(NamedTuple):
    """An OBX that the tables know: its place in the message (from 1), raw OBX-3, fields and meaning."""

    number: int
    raw_identifier: str
    fields: list[str]
    observation: Observation


class Drawn(NamedTuple):
    """
    When a specimen was drawn, with the sender's offset and flags (``time_degraded``), and what follows from it.

    ``container`` names the tube: of one SPM, else of the order and the time of the draw (RULES.md 3).
    """

    moment: Moment
    flags: tuple[str, ...]
    resulted_at: int
    container: str


_drawn = maker(Drawn)

NO_RESULT = frozenset({"ED", "RP"})  # OBX-2: a document or a pointer
NUMBERS = re.compile(r"[0-9<>=.+\r-]*").fullmatch
VALUE = itemgetter(5)
_LONGEST_REMARK = 4_000  # characters; what is longer is a report


def remarks(run: Iterable[list[str]]) -> list[str]:
    """Return the texts of NTE that follow each other; a line that begins in lower case goes on with the one before."""
    texts: list[list[str]] = []
    for segment in run:
        text = segment[3] if len(segment) > 3 else ""
        if texts and text[:1].islower():
            texts[-1].append(text)
        else:
            texts.append([text])
    return list(map(" ".join, texts))


def texts_in(run: Iterable[list[str]]) -> list[str]:
    """Return the texts that stand as values in some OBX; a document or a number is none."""
    return [obx[5] for obx in run if len(obx) > 5 and obx[2] not in NO_RESULT and not NUMBERS(obx[5])]


class Order:
    """What one OBR (or a run of OBX without one) gathers."""

    __slots__ = (
        *("draws", "filler_order_number", "found", "notes", "number", "obr", "orc", "placer_order_number", "pump"),
        *("runs", "specimens"),
    )

    def __init__(self, obr: list[str], orc: list[str], control_id: str) -> None:
        self.obr = obr
        self.orc = orc
        self.found: list[Found] = []
        self.pump: list[Found] = []  # OBX of a pump's metrics and nodes
        self.notes: list[str] = []
        self.runs: list[list[list[str]]] = []  # every OBX, as they follow each other
        self.specimens: list[Specimen] = []
        self.draws: dict[tuple[str, ...], Drawn | None] = {}  # by OBX-14 and OBX-19
        count = len(obr)
        self.placer_order_number = entity_identifier(obr[2]) if count > 2 and obr[2] else ""
        self.filler_order_number = entity_identifier(obr[3]) if count > 3 and obr[3] else ""
        # OBR-3, else OBR-2, else MSH-10 (RULES.md 2).
        self.number = self.filler_order_number or self.placer_order_number or control_id

    def field(self, number: int) -> str:
        """Return OBR-*number* as sent; empty when there is none."""
        return self.obr[number] if number < len(self.obr) else ""

    @property
    def vetoed(self) -> bool:
        """A specimen of another kind: urine, dialysate, a fluid, cord blood."""
        if self.specimens and any(specimen.vetoed for specimen in self.specimens):
            return True
        source = self.obr[15] if len(self.obr) > 15 else ""
        return source not in ("", NULL) and vetoes(source)

    @property
    def of_a_patient(self) -> bool:
        """SPM-11 is P or empty."""
        return not self.specimens or all(specimen.of_a_patient for specimen in self.specimens)

    @property
    def specimen_identifier(self) -> str:
        """SPM-2 when there is exactly one specimen and it has one; else empty."""
        return self.specimens[0].identifier if len(self.specimens) == 1 else ""

    def conditions(self, site_comments: tuple[tuple[str, str], ...]) -> list[Condition]:
        """Return what SPM-24, SPM-21 and the remarks of the order say of its tube, each once."""
        if not self.notes and not any(specimen.conditions for specimen in self.specimens):
            return []
        found = {condition for specimen in self.specimens for condition in specimen.conditions}
        texts = [unescape(note.replace(REPETITION, " ")) for note in self.notes if 0 < len(note) < _LONGEST_REMARK]
        silent: list[str] = []
        for text in texts:
            said = comments.conditions_of(text)
            found.update(said)
            if not said:
                silent.append(text)
            folded = fold(text)
            found.update(Condition(meaning) for pattern, meaning in site_comments if pattern in folded)
        if Condition.HEMOLYZED in found and any(map(comments.says_gross, silent)):
            found.add(Condition.GROSSLY_HEMOLYZED)
        return [condition for condition in Condition if condition in found]

    def note_texts(self) -> None:
        """Take the texts that stand as values, of our codes or others, for remarks of the order."""
        for run in self.runs:
            try:
                if NUMBERS("\r".join(map(VALUE, run))):
                    continue  # numbers alone, as nearly always
            except IndexError:  # an OBX without a value among them
                pass
            self.notes += texts_in(run)

    def drawn(self, context: Context, obx: list[str]) -> Drawn | None:
        """
        Return when the specimen of an OBX was drawn (RULES.md 2), or None when the message has no time at all.

        The site's order of SPM-17.1, OBR-7, OBX-14; else OBX-19, OBR-22, MSH-7, degraded. A date without a time
        yields to a later candidate of the same date that has one.
        """
        key = tuple(obx[14:20:5])  # OBX-14 and OBX-19, as far as they are there
        if key in self.draws:
            return self.draws[key]
        drawn = None
        observed, analyzed, *_ = (*key, "", "")
        found = self._find_draw(context, observed, analyzed)
        if found is not None:
            moment, flags = found
            identifier = self.specimen_identifier if self.specimens else ""
            container = f"spm:{identifier}" if identifier else f"{self.number}@{moment.instant}"
            drawn = _drawn((moment, flags, self._resulted_at(context, analyzed), container))
        self.draws[key] = drawn
        return drawn

    def _find_draw(self, context: Context, observed: str, analyzed: str) -> tuple[Moment, tuple[str, ...]] | None:
        coarse: tuple[Stamp, Moment] | None = None
        for name in context.sender.draw_times:
            text = self._candidate(name, observed, analyzed)
            found = context.time(text, name) if text else None
            if found is None:
                continue
            stamp, moment = found
            if stamp.digits >= WITH_MINUTE and (coarse is None or stamp.date == coarse[0].date):
                return moment, ("time_degraded", *moment.flags) if name in _NOT_THE_DRAW else moment.flags
            if coarse is None:
                coarse = found
        if coarse is not None:
            return coarse[1], ("time_degraded", *coarse[1].flags)
        if context.header_at is not None:
            return context.header_at, ("time_degraded",)
        return None

    def _candidate(self, name: str, observed: str, analyzed: str) -> str:
        """Return the raw text of a field in which a time of the draw may stand."""
        if name == "OBR-7":
            return self.field(7)
        if name == "OBX-14":
            return observed
        if name == "SPM-17":
            return self.specimens[0].collected if self.specimens else ""
        return analyzed if name == "OBX-19" else self.field(22)

    def _resulted_at(self, context: Context, analyzed: str) -> int:
        """Return OBX-19, else OBR-22, else MSH-7, else the time of receipt."""
        found = (analyzed and context.time(analyzed, "OBX-19")) or context.time(self.field(22), "OBR-22")
        if found:
            return found[1].instant
        return context.header_at.instant if context.header_at is not None else context.received_at
