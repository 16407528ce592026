"""Whatever comes in: it decodes or is rejected, every observation ends somewhere, and the prefilter is sound."""

import gc
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.hl7.decoder import Decoder
from consumer.hl7.er7 import read_record, unescape
from consumer.hl7.files import split_messages
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.hl7.times import read_time
from consumer.hl7.values import read_number
from rules.events import Source
from tests.fuzz.builder import MSH, OBR, ORC, PID, PV1, RECEIVED, SODIUM, obx, oru, rxa, typed
from tests.fuzz.hl7 import Checker, check_decoded, failures
from tests.fuzz.messages import generate
from tests.fuzz.mutations import mutate

CHECKER = Checker()
DECODER = Decoder(Site.default())
seeds = st.integers(0, 2**32)


@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes) -> None:
    """Any bytes decode or are rejected."""
    CHECKER.check(raw)
    CHECKER.check(b"MSH|^~\\&|" + raw)


@given(st.text(max_size=300))
def test_any_text_behind_a_header(text: str) -> None:
    """Any text behind a sound header does too."""
    CHECKER.check(oru(obx()) + text.encode("utf-8", "replace"))


@given(seeds)
def test_mutated_messages(seed: int) -> None:
    """So does any message, however mutated: decoded + rejected + not ours + fragments are its observations."""
    random_ = random.Random(seed)
    CHECKER.check(mutate(generate(random_), random_))


def test_two_thousand_fuzzed_records() -> None:
    """The first 2,000 cases of `make fuzz` are clean."""
    assert list(failures(range(2_000))) == []


@given(seeds)
def test_decoding_is_a_function_of_the_bytes(seed: int) -> None:
    """What was decoded before does not matter: a fresh decoder says the same."""
    raw = generate(random.Random(seed))
    source = Source("t", 0, 0)
    fresh = Decoder(Site.default()).decode(raw, received_at=RECEIVED, source=source)
    assert DECODER.decode(raw, received_at=RECEIVED, source=source) == fresh
    check_decoded(fresh)


@given(seeds, st.sampled_from(["\r", "\n", "\r\n"]))
def test_terminators_do_not_matter(seed: int, end: str) -> None:
    """CR, LF and CRLF give the same messages."""
    raw = b"\r".join(line for line in generate(random.Random(seed)).splitlines() if line.strip())
    other = raw.replace(b"\r", end.encode())
    assert [message.segments for message in read_record(other)] == [message.segments for message in read_record(raw)]


@given(
    st.lists(st.sampled_from([oru(obx()), oru(obx(value="6.2")), oru(obx(SODIUM))]), max_size=6), st.integers(1, 2_000)
)
def test_files_split_whatever_the_block(messages: list[bytes], block: int) -> None:
    """The messages of a file come out the same for every size of block."""
    found = list(split_messages(_Blocks(b"".join(messages), block)))
    assert found == [message.rstrip(b"\r") for message in messages]


class _Blocks:
    """A file that gives a few bytes at a time."""

    def __init__(self, raw: bytes, block: int) -> None:
        self._raw, self._block = raw, block

    def read(self, size: int) -> bytes:
        size = min(size, self._block)
        piece, self._raw = self._raw[:size], self._raw[size:]
        return piece


@given(st.text(max_size=40))
def test_readers_take_any_text(text: str) -> None:
    """No text makes a reader raise."""
    read_time(text)
    read_number(text)
    unescape(text)


@pytest.mark.parametrize("code", ["2823-3^Potassium^LN", "KU^Kalium^MOLIS", "19123-9^Magnesium^LN"])
def test_the_prefilters_property_can_fail(code: str) -> None:
    """With one code taken out of the prefilter, soundness no longer holds, and the property sees it."""
    raw = oru(obx(code))
    decoded = DECODER.decode(raw, received_at=RECEIVED, source=Source("t", 0, 0))
    prefilter = Prefilter(Site.default())
    assert prefilter.worth_decoding(raw)
    prefilter._nothing.add(code.encode())
    assert not prefilter.worth_decoding(raw)
    assert not decoded.holds_nothing


@pytest.mark.parametrize("inserted", [b"\r", b"\n", b"\x1c", b"\r|", b"|", b"\rMSH|^~\\&|"])
def test_a_header_torn_anywhere(inserted: bytes) -> None:
    """Wherever a line break or a delimiter falls into a header, nothing is lost and the prefilter stays sound."""
    for raw in (oru(obx(SODIUM)), oru(obx("KU^Kalium^L")), typed("ADT^A08"), typed("")):
        for place in range(raw.index(b"\r") + 1):
            CHECKER.check(raw[:place] + inserted + raw[place:])


def took(raw: bytes) -> float:
    """Return the seconds of processor time that decoding takes, the best of three; no garbage is collected then."""
    times = []
    gc.disable()  # it looks through all that other tests have left
    try:
        for _ in range(3):
            decoder = Decoder(Site.default())
            begun = time.process_time()
            decoder.decode(raw, received_at=RECEIVED, source=Source("t", 0, 0))
            times.append(time.process_time() - begun)
    finally:
        gc.enable()
    return min(times)


GROUP = [PID.replace("123456", "{n}"), PV1, ORC.replace("L1", "L{n}"), OBR.replace("L1", "L{n}"), obx(f14="{n}")]
GROWING = {
    "OBX": ([PID, OBR], [obx(f4="{n}")]),
    "OBX that are nothing": ([PID, OBR], [obx(SODIUM)]),
    "unmapped OBX": ([PID, OBR], [obx("MG{n}^Magnesium^L")]),
    "notes": ([PID, OBR, obx()], ["NTE|{n}|L|hemolyzed {n}"]),
    "orders": ([PID], [OBR.replace("L1", "L{n}"), obx()]),
    "patients": ([], GROUP),
    "one patient again and again": ([], [PID, *GROUP[1:]]),
    "specimens": ([PID, OBR, obx()], ["SPM|{n}|{n}||SER"]),
    "administrations": ([PID], ["ORC|RE|P{n}", rxa(f3="20260101080000"), "RXR|IV"]),
    "lines of a torn text": ([PID, OBR, obx()], ["NTE|1|L|a", "torn|line"]),
}


@pytest.mark.parametrize("what", GROWING)
def test_decoding_grows_no_faster_than_the_message(what: str) -> None:
    """Ten times as much of anything takes about ten times as long: 10,000 OBX or PID groups stop nobody."""
    rows, more = GROWING[what]
    head = MSH.replace("ORU^R01^ORU_R01", "RAS^O17") if what == "administrations" else MSH
    small, large = (
        "\r".join([head, *rows, *(row.replace("{n}", str(n)) for n in range(count) for row in more)]).encode()
        for count in (300, 3_000)
    )
    assert took(large) < 30 * took(small)  # 10 is linear, 100 is a square
