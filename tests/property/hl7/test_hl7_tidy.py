"""The short way of `consumer.hl7.tidy` and the long way say the same of every message, whoever sends it."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.hl7 import decoder, tidy
from consumer.hl7.context import Header, SenderContext
from consumer.hl7.decoder import Decoder
from consumer.hl7.er7 import Message
from consumer.hl7.outcome import DecodedMessage
from consumer.hl7.site import Site
from consumer.hl7.site_file import parse_site
from rules.events import Source
from tests.fuzz.builder import MAGNESIUM, MSH, OBR, ORC, PID, POTASSIUM, PV1, RECEIVED, SODIUM, join, obx
from tests.fuzz.hl7 import SITE
from tests.fuzz.messages import generate
from tests.fuzz.mutations import mutate

SITES = (
    Site.default(),
    parse_site(SITE),
    parse_site('timezone = "Europe/Zurich"'),
    parse_site('draw_times = ["OBX-14", "OBR-7"]'),
    parse_site(
        '[[sender]]\napplication = "LAB"\nfield_timezones = { "OBR-7" = "Europe/Zurich", "MSH-7" = "Asia/Tokyo" }'
    ),
)
SOURCE = Source("t", 0, 0)
seeds = st.integers(0, 2**32)


class Ways:
    """Decoders of the same sites, in pairs: one takes the short way where it can, one never. Counts what it took."""

    def __init__(self) -> None:
        self.pairs = [(Decoder(site), Decoder(site)) for site in SITES]
        self.open = True
        self.asked = self.taken = 0

    def __call__(
        self, message: Message, header: Header, sender: SenderContext, received_at: int | None, source: Source
    ) -> DecodedMessage | None:
        """Stand in for `read_tidy`."""
        found = tidy.read_tidy(message, header, sender, received_at, source) if self.open else None
        self.taken += found is not None
        return found

    def same(self, raw: bytes) -> bool:
        """
        Hold both ways beside each other, live and replayed; return whether the short one was taken.

        At the first site, and at one of the others by turns.
        """
        before = self.taken
        self.asked += 1
        for short, long in (self.pairs[0], self.pairs[1 + self.asked % (len(SITES) - 1)]):
            for received_at in (RECEIVED, None):
                said = []
                for self.open, one in ((True, short), (False, long)):
                    said.append(one.decode(raw, received_at=received_at, source=SOURCE, previous_received_at=7))
                assert said[0] == said[1]
                assert all(message.accounted for message in said[0].messages)
        return self.taken > before


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    """Both ways, the short one watched."""
    with pytest.MonkeyPatch.context() as patch:
        both = Ways()
        patch.setattr(decoder, "read_tidy", both)
        yield both


ROWS = [
    MSH + "||||||UNICODE UTF-8",
    PID + "||||||||||A1",
    PV1,
    ORC,
    OBR.replace("091000|", "091000-0500|"),
    obx(SODIUM, value="139", f8="N", f14="20260101091000"),
    obx(POTASSIUM, value="6.1", f7="3.5-5.1", f14="20260101091000"),
    obx(MAGNESIUM, value="0.4", f14="20260101091000", f19=""),
]
ODD = [
    *("", " ", '""', "x", "a^b", "1~2", "\\T\\", "é", "ﬀ", "<5", "> 5", "7.5", "-1", "1e3", "9999", "hemolyzed"),
    *("P", "C", "D", "F", "f", "X", "T", "ED", "RP", "TX", "NM", "mg/dL", "mmol/L", "mg/dL^L", "furlong", "UR", "SER"),
    *("2026", "20260101", "2026010109", "202601010910", "20260101091000", "20260101091000.5", "2026010109100050"),
    *("20260101091000+0100", "20260101091000-500", "20260329023000", "20261025023000", "20270101091000", "2026-01-01"),
    *(POTASSIUM, MAGNESIUM, SODIUM, "2823-3^Magnesium^LN", "2823-3^Urine potassium^LN", "K^Kalium^L", "KX^K^L", "HI"),
    *("ORU^R01", "ORU_R01", "OUL^R22", "ADT^A01", "MDC_DEV_PUMP^MDC_DEV_PUMP^MDC", "2532-0^LDH^LN", "Z1^&^~\\F\\"),
]
"""What stands for once in a field: nothing, nulls, escapes, other times, units, codes, kinds, statuses."""


def variants(place: int) -> Iterator[bytes]:
    """Yield the tidy message with each field of one segment replaced in turn, or the segment ended there."""
    fields = ROWS[place].split("|")
    wide = fields + [""] * (24 - len(fields))
    for number in range(2 if place == 0 else 0, len(wide)):
        for changed in (fields[:number], *([*wide[:number], odd, *wide[number + 1 :]] for odd in ODD)):
            yield join(*ROWS[:place], "|".join(changed), *ROWS[place + 1 :])


@pytest.mark.parametrize("place", range(len(ROWS)), ids=[f"{row[:3]} {place}" for place, row in enumerate(ROWS)])
def test_hl7_tidy_but_for_one_field(ways: Ways, place: int) -> None:
    """Any one field of a tidy message may say anything, or its segment end before it: both ways say the same."""
    taken = Counter(map(ways.same, variants(place)))
    assert taken[True] > 50
    assert taken[False] > 50


@pytest.mark.parametrize("place", range(1, len(ROWS)))
def test_hl7_tidy_but_for_one_segment(ways: Ways, place: int) -> None:
    """A segment may lack, come twice, change places with the next or have a note or specimen behind it."""
    before, row, after = ROWS[:place], ROWS[place], ROWS[place + 1 :]
    for rows in (
        [*before, *after],
        [*before, row, row, *after],
        [*before, *after[:1], row, *after[1:]],
        *([*before, row, more, *after] for more in ("NTE|1||hemolyzed", "SPM|1|||UR", "ZZZ|1", "PV1|1|O", " | ")),
    ):
        ways.same(join(*rows))
    assert ways.same(join(*ROWS))


def test_hl7_tidy_but_for_a_date_and_no_time_of_the_report(ways: Ways) -> None:
    """An MSH-7 without a time is none, so that nothing was reported then."""
    for sent in ("20260101", "2026010110", "20260101100000"):
        for obr in (ROWS[4], ROWS[4].replace("20260101093000", "")):
            ways.same(join(ROWS[0].replace("20260101100000-0500", sent), *ROWS[1:4], obr, *ROWS[5:]))


def test_hl7_tidy_but_for_a_clock_put_forward_or_back(ways: Ways) -> None:
    """A time that summer time leaves out, or has twice, is flagged both ways, whoever's zone it is."""
    times = ("20251026023000", "20250330023000", "20251026043000")
    msh = ROWS[0].replace("-0500", "")
    for _ in SITES[1:]:  # nine messages: each at another site in each turn
        for drawn, told in product(times, times):
            obr = OBR.replace("20260101091000", drawn).replace("20260101093000", told)
            ways.same(join(msh, *ROWS[1:4], obr, *ROWS[5:]))


def test_hl7_tidy_but_for_other_segments(ways: Ways) -> None:
    """What only looks like an OBX is none."""
    assert not ways.same(join(*ROWS[:5], *(row.replace("OBX|", "ZDS|") for row in ROWS[5:])))


@given(seed=seeds)
def test_hl7_tidy_but_for_some_fields(ways: Ways, seed: int) -> None:
    """Two or three odd fields at once say the same both ways too."""
    rng = random.Random(seed)
    for _ in range(3):
        rows = [[*row.split("|"), *[""] * 3] for row in ROWS]
        for row in rng.choices(rows, k=rng.randint(2, 3)):
            row[rng.randrange(2, len(row))] = rng.choice(ODD)
        ways.same(join(*("|".join(row) for row in rows)))


@given(seed=seeds)
def test_hl7_tidy_messages_mutated(ways: Ways, seed: int) -> None:
    """However a tidy or any other message is mutated, both ways say the same."""
    rng = random.Random(seed)
    ways.same(generate(rng))
    ways.same(mutate(generate(rng), rng))
    ways.same(mutate(join(*ROWS), rng))


def test_hl7_tidy_batches_replayed(ways: Ways) -> None:
    """In a batch a message without a time takes that of the tidy one before it."""
    timeless = join(MSH.replace("20260101100000-0500", ""), *ROWS[1:])
    assert ways.same(join(*ROWS) + timeless + join(*ROWS))


@pytest.mark.parametrize("identifier", ["2823-3^Magn#^LN", "2951-2^Sod#^LN", "K#^Kalium^L", POTASSIUM])
def test_hl7_tidy_but_truncated(ways: Ways, identifier: str) -> None:
    """Where a sender marks what it cut off, an OBX-3 that was cut off means no more than what is left of it."""
    for msh in (MSH, MSH.replace("\\&|", "\\&#|")):
        ways.same(join(msh, *ROWS[1:5], obx(identifier), obx(MAGNESIUM)))
