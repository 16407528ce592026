# ruff: noqa: T201  (what it prints is its product)
"""
Seeded fuzzing of the HL7 decoder: messages that we build ourselves, mutated in bytes, fields, segments, encodings.

``python -m tests.fuzz.hl7 --count 200000 --seed 0``: case n is made of seed n alone, so a run is resumed with another
``--seed`` and one case is shown with ``--count 1 --show``. A crash, a record whose observations do not add up, an
unsound prefilter, or more than a second for one record is a failure; exit 1.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from consumer.hl7.decoder import Decoder
from consumer.hl7.outcome import Decoded, Outcome
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.hl7.site_file import parse_site
from rules.events import Source
from tests.fuzz.builder import MSH, OBR, ORC, PID, PV1, RECEIVED, join, obx, rxa, segment

SLOWEST_SECONDS = 1.0
LARGEST_BYTES = 1 << 20
"""A broker's usual limit for a record."""

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

IDENTIFIERS = (
    *("2823-3^Potassium^LN", "K^POTASSIUM^L^2823-3^Potassium SerPl-sCnc^LN", "19123-9^Magnesium^LN", "2601-3^Mg^LN"),
    *(
        "17861-6^Calcium^LN",
        "1995-0^Calcium ionized^LN",
        "2160-0^Creatinine^LN",
        "98979-8^eGFR^LN",
        "10535-3^Digoxin^LN",
    ),
    *("2828-2^Potassium Ur^LN", "6298-4^INR", "2532-0^Magnesium", "KU^Kalium^MOLIS", "MG^Magnesium^MOLIS", "K^血钾"),
    *(
        "2951-2^Sodium^LN",
        "6690-2^WBC^LN",
        "KX^Kalium^L",
        "HI^HEMOLYSIS INDEX^L",
        "HD^Dialysis^L",
        "",
        "^^^",
        "^Kälium",
    ),
    *(
        "75940-7^Potassium^LN",
        "1742-6^ALT SerPl-cCnc^LN",
        "718-7^Hemoglobin^LN",
        "2823-3#^Potassium^LN",
        "X^cr\\XE9\\atinine",
    ),
)
VALUES = (
    "6.1",
    "4.2",
    "<15",
    ">^10",
    "",
    '""',
    "HEMOLYZED",
    "0 .07",
    "139.",
    "See Note",
    "1e9",
    "-4",
    "4.2~4.3",
    "6.#",
)
UNITS = ("mmol/L", "mEq/L", "mg/dL", "", "umol/L", "mmol/l^^L", "?mol/L", "mL/min", "^^^mmol/L", "ng/mL")
STATUSES = ("F", "C", "P", "", "X", "D", "W", "I", "Z", "Final", "unknown", "F^Final")
TIMES = ("20260101091000", "20260101", "2026010109", "", "201497870911", "20260101091000-0500", "20300101000000", "T")
KINDS = (
    "ORU^R01^ORU_R01",
    "ORU",
    "OUL^R22",
    "ADT^A01",
    "ADT^A40",
    "ADT^A37",
    "RAS^O17",
    "RDE^O11",
    "ORM^O01",
    "BAR^P01",
)
NOTES = ("Specimen hemolyzed", "grossly hemolyzed", "not hemolyzed", "x", "Probe hämolytisch")
OTHER_SEGMENTS = (
    *("EVN|A01|20260101091000", "MRG|2^^^HOSP^MR", "DG1|1|I10|I50.9^^I10", "PR1|1||90935^HD^CPT||20260101091000||180"),
    *(
        "ZXX|a|b",
        "AL1|1",
        "IN1|1",
        "RXR|IV",
        "RXR|PO^Oral",
        "RXE||DGX^digoxin^L",
        "PD1|",
        "MSA|AA|1",
        "",
        "   ",
        "OBX",
        "OBX|",
    ),
)


def generate(random_: random.Random) -> bytes:
    """Return a message like those of a hospital, most of it sound."""
    pick = random_.choice
    kind = pick(KINDS) if random_.random() < 0.4 else KINDS[0]
    facility = pick(("HOSP", "HOSP", "LOCAL", ""))
    head = MSH.replace("ORU^R01^ORU_R01", kind).replace("|LAB|HOSP|", f"|LAB|{facility}|")
    segments = [head]
    for _ in range(pick((0, 1, 1, 1, 2))):
        segments += [pick((PID, PID, "PID|1", "PID|1||7", f"PID|1||{random_.randrange(99)}^^^&1.2.3&ISO")), PV1]
        for _ in range(pick((0, 1, 1, 2))):
            segments += [ORC, OBR.replace("20260101091000", pick(TIMES))]
            segments += [_observation(random_) for _ in range(random_.randrange(6))]
        if random_.random() < 0.3:
            segments.append(
                segment(
                    "SPM", f1="1", f4=pick(("SER", "UR", "")), f11=pick(("", "P", "Q")), f24=pick(("", "HEM", "CLOT"))
                )
            )
        if "RAS" in kind:
            segments.append(
                rxa(amount=pick(("2", "0", "", "x")), f12=pick(("", "H", "?")), f20=pick(("CP", "NA", "", "??")))
            )
        if random_.random() < 0.4:
            segments.append(pick(OTHER_SEGMENTS))
    return join(*segments, end=pick(("\r", "\r", "\r", "\n", "\r\n")))


def _observation(random_: random.Random) -> str:
    pick = random_.choice
    if random_.random() < 0.1:
        return f"NTE|1|L|{pick(NOTES)}"
    return obx(
        pick(IDENTIFIERS),
        pick(VALUES) if random_.random() < 0.5 else "6.1",
        pick(UNITS) if random_.random() < 0.5 else "mmol/L",
        pick(STATUSES) if random_.random() < 0.4 else "F",
        f1=pick(("1", "2", "")),
        f2=pick(("NM", "NM", "ST", "SN", "TX", "ED", "")),
        f4=pick(("", "", "1")),
        f14=pick(TIMES),
        f19=pick(TIMES),
    )


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


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_bytes_changed, _slice_moved, _cut, _fields_changed, _segments_changed),
    *(_encoded, _framed, _delimiters, _blown_up),
)


def mutate(raw: bytes, random_: random.Random) -> bytes:
    """Return *raw* after a few mutations."""
    for _ in range(random_.randrange(4)):
        raw = random_.choice(MUTATIONS)(raw, random_)
    return raw[:LARGEST_BYTES]


def case(seed: int) -> bytes:
    """Return the record of one seed."""
    random_ = random.Random(seed)
    return mutate(generate(random_), random_)


class Checker:
    """Decodes records with and without a site table, and says what must hold of each."""

    def __init__(self) -> None:
        sites = (Site.default(), parse_site(SITE))
        self._pairs = [(Decoder(site, accept_processing_ids=None), Prefilter(site)) for site in sites]
        self.outcomes: Counter[str] = Counter()

    def check(self, raw: bytes) -> None:
        """
        Decode a record.

        Raises:
            AssertionError: An observation is lost, the prefilter drops something, or it took too long.
        """
        for decoder, prefilter in self._pairs:
            begun = time.process_time()  # of this process: others may keep the machine busy
            decoded = decoder.decode(raw, received_at=RECEIVED, source=Source("fuzz", 0, 0))
            worth = prefilter.worth_decoding(raw)
            took = time.process_time() - begun
            check_decoded(decoded)
            assert worth or decoded.holds_nothing, "the prefilter drops what the decoder would use"
            assert took < SLOWEST_SECONDS, f"took {took:.1f} s"
            self.outcomes[decoded.outcome.value] += 1


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
