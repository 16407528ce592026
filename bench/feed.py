"""
A seeded mix of laboratory messages for the bench: 1.35 KB each, one in ten with something for us.

The others are blood counts and cultures whose text holds look-alikes (K, MG, 2823 as an order number), so that a
prefilter that searches anywhere in the message does not get away with it.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

BYTES = 1_350

RELEVANT_EACH = 10

OTHERS = """\
6690-2^Leukocytes 10*9/L 7.4|789-8^Erythrocytes 10*12/L 4.4|718-7^Hemoglobin g/dL 13.1|4544-3^Hematocrit % 39
787-2^MCV fL 88|785-6^MCH pg 29|777-3^Platelets 10*9/L 244|788-0^RDW % 13.2|770-8^Neutrophils % 61
736-9^Lymphocytes % 27|2951-2^Sodium mmol/L 139|2075-0^Chloride mmol/L 103|2345-7^Glucose mg/dL 104
1742-6^ALT U/L 23|1920-8^AST U/L 27|6768-6^ALP U/L 71
"""
"""What else a laboratory reports: code and name, unit, a usual value."""

ROWS = [row.rsplit(" ", 2) for row in OTHERS.replace("\n", "|").strip("|").split("|")]


SYLLABLES = [first + vowel for first in "bdfglnrst" for vowel in "aeiou"]

WORDS = [first + second + end for first in SYLLABLES for second in SYLLABLES for end in "nrst"]
"""Made-up words, so that the messages compress as real ones do; none of them names an analyte."""


def hl7_time(moment: datetime) -> str:
    """Return an HL7 time with seconds and offset."""
    return moment.strftime("%Y%m%d%H%M%S%z")


def observations(rng: random.Random, *, relevant: bool) -> list[str]:
    """Return the OBX segments of one message."""
    rows = [(name, unit, f"{float(usual) * rng.uniform(0.7, 1.4):.1f}") for name, unit, usual in ROWS]
    if relevant:
        rows[4:7] = [
            ("2823-3^Potassium", "mmol/L", f"{rng.gauss(4.3, 0.6):.1f}"),
            ("19123-9^Magnesium", "mmol/L", f"{max(0.3, rng.gauss(0.85, 0.15)):.2f}"),
            ("2160-0^Creatinine", "mg/dL", f"{max(0.4, rng.gauss(1.0, 0.4)):.2f}"),
        ]
    return [f"OBX|{number}|NM|{name}^LN||{value}|{unit}|||||F" for number, (name, unit, value) in enumerate(rows, 1)]


def message(rng: random.Random, number: int, patients: int, sent: datetime, *, relevant: bool) -> bytes:
    """Return one ORU^R01 of about `BYTES` bytes; its specimen was drawn some minutes to hours before *sent*."""
    mrn = 70_000_000 + rng.randrange(patients)
    drawn = hl7_time(sent - timedelta(minutes=rng.randrange(10, 240)))
    order = f"2823K{number:010d}"
    town = f"{rng.choice(WORDS)}^^{rng.randrange(10_000, 99_999)}"
    street = f"{rng.randrange(1, 400)} {rng.choice(WORDS)} {rng.choice(WORDS)}^^{town}"
    person = f"{rng.choice(WORDS)}^{rng.choice(WORDS)}^{rng.choice('ABCDEFGH')}"
    born = f"19{rng.randrange(30, 99)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    segments = [
        f"MSH|^~\\&|LAB|HOSP|ALERT|HOSP|{hl7_time(sent)}||ORU^R01^ORU_R01|B{number:09d}|P|2.5.1",
        f"PID|1||{mrn}^^^HOSP^MR||{person}||{born}|{rng.choice('FM')}|||{street}||555{rng.randrange(10**6):06d}",
        f"PV1|1|I|ICU^{rng.randrange(1, 40)}^A||||{rng.choice(WORDS)}^{rng.choice(WORDS)}|||MED|||||||||V{mrn}",
        f"ORC|RE|P{order}|{order}",
        f"OBR|1|P{order}|{order}|24323-8^Comprehensive metabolic panel^LN|||{drawn}|||||||||||||||{hl7_time(sent)}|||F",
        *observations(rng, relevant=relevant),
        "NTE|1|L|KALIUM and MG are reported apart; 2823-3.",
    ]
    text = " ".join(["\r".join(segments), *rng.choices(WORDS, k=60)])
    return (text[: BYTES - 1] + "\r").encode()


PANEL = (
    ("2951-2^Sodium [Moles/volume] in Serum or Plasma^LN", "mmol/L", "136-145", 138, 0),
    ("2823-3^Potassium [Moles/volume] in Serum or Plasma^LN", "mmol/L", "3.5-5.1", 4.5, 1),
    ("2075-0^Chloride [Moles/volume] in Serum or Plasma^LN", "mmol/L", "98-107", 102, 0),
    ("2028-9^Carbon dioxide^LN", "mmol/L", "22-29", 24, 0),
    ("19123-9^Magnesium [Mass/volume] in Serum or Plasma^LN", "mg/dL", "1.6-2.6", 2.1, 1),
    ("17861-6^Calcium [Mass/volume] in Serum or Plasma^LN", "mg/dL", "8.6-10.2", 9.2, 1),
    ("2160-0^Creatinine [Mass/volume] in Serum or Plasma^LN", "mg/dL", "0.7-1.2", 1.1, 2),
    ("3094-0^Urea nitrogen^LN", "mg/dL", "6-20", 14, 0),
    ("2345-7^Glucose^LN", "mg/dL", "70-99", 110, 0),
    ("1751-7^Albumin^LN", "g/dL", "3.5-5.2", 4.1, 1),
)
"""A metabolic panel as most laboratories write it out: code, unit, range, a usual value, its decimals."""


def panel(rng: random.Random, number: int, sent: datetime) -> bytes:
    """Return one ORU^R01 of ten OBX with ranges and draw times, four of them for us."""
    mrn = 70_000_000 + rng.randrange(5_000)
    drawn = hl7_time(sent - timedelta(minutes=rng.randrange(10, 240)))
    segments = [
        f"MSH|^~\\&|LAB|HOSP|ALERT|HOSP|{hl7_time(sent)}||ORU^R01^ORU_R01|B{number:09d}|P|2.5.1",
        f"PID|1||{mrn}^^^HOSP^MR||Zz{mrn}^Anna||19{30 + mrn % 70}0612|F|||12 Street^^Town^^12345||555123456",
        f"PV1|1|I|ICU^{mrn % 40}^A||||1234^House|||MED|||||||||V{mrn}",
        f"ORC|RE|P{number}|F{number}",
        f"OBR|1|P{number}|F{number}|24323-8^CMP^LN|||{drawn}|||||||||1234^House|||||{hl7_time(sent)}|||F",
    ]
    for place, (code, unit, limits, usual, decimals) in enumerate(PANEL, 1):
        value = f"{usual * rng.uniform(0.7, 1.3):.{decimals}f}"
        segments.append(f"OBX|{place}|NM|{code}||{value}|{unit}|{limits}|N|||F|||{drawn}")
    return ("\r".join(segments) + "\r").encode()


def messages(count: int, *, patients: int = 5_000, seed: int = 1) -> Iterator[bytes]:
    """Yield *count* different messages, one in `RELEVANT_EACH` relevant, all sent now."""
    rng = random.Random(seed)
    now = datetime.now(UTC).replace(microsecond=0)
    for number in range(count):
        yield message(rng, number, patients, now, relevant=number % RELEVANT_EACH == 0)
