"""
The scenes that a fault run plays beside its ward: bad messages, repetitions, merges, and what is too large.

Each scene is a few messages of invented patients, minutes apart. What has to come of them is the model's to say, by the
same replay as for all others; so a scene says only what is sent.
"""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from consumer.simulate import Adt, Bed, Dose, Labs, Step, Writer, bed, k, stamp
from rules.events import MINUTE, SECOND, Instant

OVERSIZE_BYTES = 900_000
"""Of a dead letter: the inbound topic takes it (1 MiB), our own topics, set to far less, do not."""

HEAVY = 18
"""Messages after which the heavy patient's state has grown to about what our topics take."""

STRANGERS = 600_000
"""Numbers of scenes' patients begin here; those of the ward lie far below."""


class Line(NamedTuple):
    """A message of a scene: when it is sent, and its bytes."""

    at: Instant
    raw: bytes


class Cast:
    """Draws scenes; each patient of theirs is new. *limit* is what our own topics take of a record, in bytes."""

    def __init__(self, seed: int, limit: int) -> None:
        self._limit = limit
        self.draw = random.Random(f"{seed}/cast")
        self._number = STRANGERS
        self._garbage = 0
        self._heavy = self._stranger()
        self.scenes: tuple[Callable[[Instant], Iterator[Line]], ...] = (
            self.garbage,
            self.in_part,
            self.merged,
            self.too_large,
            self.chain,
            self.there_and_back,
            self.in_time,
            self.cycle,
            self.never_seen,
            self.heavier,
        )

    def scene(self, number: int, at: Instant) -> list[Line]:
        """Return the lines of scene *number*, which begins at *at*."""
        return sorted(self.scenes[number % len(self.scenes)](at))

    def _stranger(self) -> Writer:
        self._number += 1
        return Writer(bed(self.draw, self._number), self._number)

    def _play(self, who: Writer, at: Instant, *steps: Step) -> Iterator[Line]:
        for step in steps:
            when = at + round(step.at * MINUTE)
            yield Line(when, who.write(step, when))

    def _merge(self, old: Bed, new: Writer, at: Instant, minutes: float) -> Line:
        """Return the message that retires *old* in favour of *new*."""
        when = at + round(minutes * MINUTE)
        return Line(when, new.write(Adt(0, "A40"), when) + f"MRG|{old.mrn}^^^SIM^MR\r".encode())

    # ---- what cannot be used ----

    def garbage(self, at: Instant) -> Iterator[Line]:
        """Records that are no messages, or messages of nobody: dead letters."""
        self._garbage += 1
        headless = self._stranger().write(k(0, "6.4"), at)
        nobody = headless.replace(b"PID|", b"ZID|")
        unmerge = self._stranger().write(Adt(0, "A37"), at) + b"MRG|1^^^SIM^MR\r"
        yield Line(at, b"no message at all, number %d" % self._garbage)
        yield Line(at + MINUTE, nobody)
        yield Line(at + 2 * MINUTE, unmerge)

    def in_part(self, at: Instant) -> Iterator[Line]:
        """A potassium to be judged, beside a magnesium without a unit: judged in part."""
        who = self._stranger()
        for line in self._play(who, at, k(0, "6.6", MG="0.9"), k(100, "6.7", MG="0.9")):
            yield line._replace(raw=line.raw.replace(b"|0.9|mmol/L|", b"|0.9||"))

    def too_large(self, at: Instant) -> Iterator[Line]:
        """Bytes that our dead-letter topic does not take, and that do not compress; and some that just do not fit."""
        yield Line(at, b"MSH no more " + self.draw.randbytes(OVERSIZE_BYTES))
        yield Line(at + MINUTE, b"MSH no more " + self.draw.randbytes(self._limit - 200))

    def heavier(self, at: Instant) -> Iterator[Line]:
        """Twenty more results of one patient, each newer than all before: the state does not take them for ever."""
        line = self._heavy.write(Labs(0, ("K",)), at)
        head, _, request = line.partition(b"ORC|")
        drawn = [at - 30 * MINUTE + n * 20 * SECOND for n in range(20)]
        orders = [_named(b"ORC|" + request, b"%032x" % self.draw.getrandbits(128), moment) for moment in drawn]
        yield Line(at, head + b"".join(orders))

    def overture(self, at: Instant) -> list[Line]:
        """Return the first results of that patient, slowly enough that they need not wait for one another."""
        return [line for n in range(HEAVY) for line in self.heavier(at + n * 8 * MINUTE)]

    # ---- merges ----

    def merged(self, at: Instant) -> Iterator[Line]:
        """Two numbers of one patient, each with a high potassium; results go on under the old number."""
        old, new = self._stranger(), self._stranger()
        yield from self._play(old, at, Adt(0, "A01"), k(10, "6.1"), k(150, "6.3"), k(330, "6.4"), k(500, "4.6"))
        yield from self._play(new, at, k(20, "5.7"), k(240, "6.0"), k(420, "5.8"), k(560, "4.5"))
        yield self._merge(old.bed, new, at, 200)

    def chain(self, at: Instant) -> Iterator[Line]:
        """A into B, B into C, and results for all three before, between and after."""
        a, b, c = (self._stranger() for _ in range(3))
        yield from self._play(a, at, k(10, "6.0"), k(160, "6.2"), k(310, "6.6"), k(480, "4.8"))
        yield from self._play(b, at, Dose(15, "4", 10, 10), Labs(250, ("MG", "GLU"), {"MG": "2.2"}), k(360, "5.0"))
        yield from self._play(c, at, k(40, "4.4"), Labs(460, ("MG", "K"), {"MG": "1.0"}))
        yield self._merge(a.bed, b, at, 190)
        yield self._merge(b.bed, c, at, 280)

    def there_and_back(self, at: Instant) -> Iterator[Line]:
        """A into B, and later B into A; each merge sent twice."""
        a, b = self._stranger(), self._stranger()
        yield from self._play(a, at, k(10, "6.0"), k(170, "6.3"), k(400, "6.1"))
        yield from self._play(b, at, k(20, "5.0"), k(260, "4.9"), k(430, "4.4"))
        there, back = self._merge(a.bed, b, at, 120), self._merge(b.bed, a, at, 300)
        yield from (there, there._replace(at=there.at + MINUTE), back, back._replace(at=back.at + 50 * MINUTE))

    def cycle(self, at: Instant) -> Iterator[Line]:
        """A into B, B into C, C into A: no record may go round for ever."""
        a, b, c = (self._stranger() for _ in range(3))
        for number, who in enumerate((a, b, c)):
            yield from self._play(who, at, k(5 + number, "4.2"), k(120 + number, "4.6"), k(300 + number, "4.4"))
        yield self._merge(a.bed, b, at, 60)
        yield self._merge(b.bed, c, at, 70)
        yield self._merge(c.bed, a, at, 80)

    def never_seen(self, at: Instant) -> Iterator[Line]:
        """A merge of a number of which nothing was known, and one with itself; a result under the old number later."""
        old, new = self._stranger(), self._stranger()
        yield self._merge(old.bed, new, at, 1)
        yield self._merge(new.bed, new, at, 2)
        yield from self._play(old, at, k(60, "6.5"), k(190, "6.7"))

    # ---- timers ----

    def in_time(self, at: Instant) -> Iterator[Line]:
        """A hold, and the magnesium within it: no alert, however much later than the potassium it is read."""
        who = self._stranger()
        yield from self._play(who, at, k(0, "5.9"), k(150, "6.1"), Labs(162, ("MG", "GLU"), {"MG": "0.84"}))


def _named(request: bytes, order: bytes, drawn: Instant) -> bytes:
    """Return an order under a number of its own, drawn at a time of its own."""
    segments = [segment.split(b"|") for segment in request.split(b"\r")]
    for fields in segments:
        if fields[0] in (b"ORC", b"OBR"):
            fields[2:4] = [b"P" + order, b"L" + order]
        if fields[0] == b"OBR":
            fields[7] = stamp(drawn).encode()
    return b"\r".join(b"|".join(fields) for fields in segments)
