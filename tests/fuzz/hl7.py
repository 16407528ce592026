# ruff: noqa: T201  (what it prints is its product)
"""
Seeded fuzzing of the HL7 decoder: messages that we build ourselves, mutated in bytes, fields, segments, encodings.

``python -m tests.fuzz.hl7 --count 200000 --seed 0``: case n is made of seed n alone, so a run is resumed with another
``--seed`` (it says with which, now and then) and one case is shown with ``--count 1 --show``. A crash, a record or an
observation that is not accounted for, an unsound prefilter, or more than a second for one record is a failure; exit 1.
"""

import argparse
import contextlib
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType

from consumer.hl7.decoder import Decoder
from consumer.hl7.outcome import Decoded, Outcome
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.hl7.site_file import parse_site
from consumer.ingest import Ingest, Settings
from consumer.patients import Clock
from consumer.stage import Output, Record
from rules.events import Source
from tests.fuzz.builder import RECEIVED
from tests.fuzz.messages import generate
from tests.fuzz.mutations import mutate

SLOWEST_SECONDS = 1.0
"""Of this process; then a record is given up."""

TRIES = 3
"""A record that is slow is slow each time; a pause of the garbage collector in a large process is not the record's."""

TELL_EVERY = 10_000

SITE = """
timezone = "Europe/Zurich"
[authorities]
"1.2.3" = "H"
[[sender]]
application = "LAB"
[[sender.code]]
code = "KX"
analyte = "potassium"
[[sender.code]]
code = "HI"
analyte = "hemolysis_index"
[[sender.code]]
code = "HD"
analyte = "dialysis"
[[sender]]
facility = "LOCAL"
message_type = "ADT^A08"
"""


def case(seed: int) -> bytes:
    """Return the record of one seed."""
    random_ = random.Random(seed)
    return mutate(generate(random_), random_)


class Checker:
    """Decodes records with and without a site table, and says what must hold of each."""

    def __init__(self) -> None:
        sites = (Site.default(), parse_site(SITE))
        self._pairs = [(Decoder(site, accept_processing_ids=None), Prefilter(site)) for site in sites]
        self._ingest = Ingest(Decoder(sites[0]), Prefilter(sites[0]), Settings(Clock.LIVE, 0, 1))
        self.outcomes: Counter[str] = Counter()

    def check(self, raw: bytes) -> None:
        """
        Decode a record, and take it in as the stage does.

        Raises:
            AssertionError: A record or an observation is lost, the prefilter drops something, or it took too long.
        """
        for decoder, prefilter in self._pairs:
            decoded, worth = in_time(decoder, prefilter, raw)
            check_decoded(decoded)
            assert worth or decoded.holds_nothing, "the prefilter drops what the decoder would use"
            self.outcomes[decoded.outcome.value] += 1
        self._check_taken_in(raw)

    def _check_taken_in(self, raw: bytes) -> None:
        """Say what holds of the batch that the ingest stage makes of one record (DESIGN.md 2, bad input)."""
        record = Record("fuzz", 0, 0, RECEIVED, None, raw, ())
        batch = self._ingest.process([record], watermark=None, wall=RECEIVED)
        ended = {outcome: number for (what, outcome), number in batch.counts.items() if what == "messages"}
        assert sum(ended.values()) == 1, "not exactly one outcome"
        (outcome,) = (Outcome(name) for name in ended)
        written = Counter(outgoing.output for outgoing in batch.outgoing)
        assert bool(written[Output.EVENTS]) == (outcome in (Outcome.JUDGED, Outcome.IN_PART)), "outcome without events"
        refused = outcome in (Outcome.DEAD_LETTER, Outcome.IN_PART)
        assert written[Output.DEAD_LETTERS] == int(refused), "not one dead letter for what was refused"
        assert not any(what == "dead_letters" and "error" in reason for what, reason in batch.counts), "it tripped"


def in_time(decoder: Decoder, prefilter: Prefilter, raw: bytes) -> tuple[Decoded, bool]:
    """Return what a record holds, and whether the prefilter lets it through; raises `Hung` when it is always slow."""
    for tried in range(1, TRIES + 1):
        try:
            with _giving_up():
                decoded = decoder.decode(raw, received_at=RECEIVED, source=Source("fuzz", 0, 0))
                return decoded, prefilter.worth_decoding(raw)
        except Hung:
            if tried == TRIES:
                raise
    raise AssertionError("not reached")


class Hung(AssertionError):
    """A record took too long."""


@contextlib.contextmanager
def _giving_up() -> Iterator[None]:
    """Raise `Hung` in the block when it takes more than `SLOWEST_SECONDS` of processor time."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise Hung(f"took more than {SLOWEST_SECONDS} s")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, SLOWEST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def check_decoded(decoded: Decoded) -> None:
    """Say what holds of every decoded record."""
    assert decoded.messages, "a record without an outcome"
    for message in decoded.messages:
        assert message.accounted, "observations do not add up"
        assert (message.outcome in (Outcome.JUDGED, Outcome.IN_PART)) == bool(message.events), (
            "outcome and events differ"
        )
        assert (message.outcome in (Outcome.DEAD_LETTER, Outcome.IN_PART)) == bool(message.rejected), (
            "rejected in silence"
        )
        assert (message.reason is None) == (message.outcome is Outcome.JUDGED), "no reason"


def failures(seeds: range) -> Iterator[tuple[int, str]]:
    """Yield the seeds that fail, each with what was wrong."""
    checker = Checker()
    for seed in seeds:
        if seed > seeds.start and (seed - seeds.start) % TELL_EVERY == 0:
            print(f"{seed - seeds.start} of {len(seeds)} done; resume with SEED={seed}", file=sys.stderr, flush=True)
        try:
            checker.check(case(seed))
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the finding)
            yield seed, f"{type(error).__name__}: {error}"
    print(" ".join(f"{outcome}: {count}" for outcome, count in sorted(checker.outcomes.items())), file=sys.stderr)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Fuzz the HL7 decoder with seeded records.")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--show", action="store_true", help="print each record")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    if arguments.show:
        for seed in seeds:
            print(seed, repr(case(seed)))
    found = 0
    for seed, text in failures(seeds):
        found += 1
        print(f"seed {seed}: {text}", flush=True)
    print(f"{len(seeds)} records from seed {seeds.start}: {found} failures", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
