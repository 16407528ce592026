"""
A feed in one short line each, for tables of what stands on the wire: decoded and judged as a replay does it.

``"2 Mg 3.6 mg/dL"`` is a magnesium drawn two hours into the play, ``"0 dose 2 g"`` two grams of magnesium sulfate into
a vein, ``"0 O14.1"`` an admission with that diagnosis. Every result is an order and a tube of its own.
"""

from consumer.hl7.site import Site
from consumer.replay import Replay
from rules.alert import Rule, Transition
from rules.events import HOUR, MINUTE, Instant, Source
from rules.renal import civil_date
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import h

CODES = {
    "K": "2823-3^Potassium^LN",
    "Mg": "19123-9^Magnesium^LN",
    "Ca": "17861-6^Calcium^LN",
    "iCa": "1995-0^Calcium.ionized^LN",
    "crea": "2160-0^Creatinine^LN",
    "eGFR": "98979-8^eGFR^LN",
    "dig": "10535-3^Digoxin^LN",
}
PID = "PID|1||1^^^HOSP^MR||Zztest^Alex||19600501|M"
PV1 = "PV1|1|I|MED^1^A||||||||||||||||V1"


def stamp(at: Instant) -> str:
    """Return an instant as HL7 writes it."""
    year, month, day = civil_date(at)
    seconds = at // 1000 % 86_400
    return f"{year:04}{month:02}{day:02}{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}+0000"


def message(line: str, number: int) -> bytes:
    """Return the HL7 message of one line: hour, what, value, unit."""
    hour, what, *rest = line.split(maxsplit=3)
    at = stamp(h(float(hour)))
    value, unit = (*rest, "", "")[:2]
    if what in CODES:
        kind = "ORU^R01"
        said = f"OBR|1||L{number}|PANEL^Panel^L|||{at}\rOBX|1|NM|{CODES[what]}||{value}|{unit}|||||F|||{at}"
    elif what == "dose":
        kind = "RAS^O17"
        said = (
            f"ORC|RE|P{number}|R{number}\r"
            f"RXA|0|1|{at}|{at}|6585^magnesium sulfate^RXNORM|{value}|{unit}|||||||||||||CP|A\r"
            "RXR|IV^Intravenous^HL70162"
        )
    else:
        kind, said = "ADT^A01", f"DG1|1||{what}^^I10"
    head = f"MSH|^~\\&|LAB|HOSP|ENGINE|HOSP|{at}||{kind}|{number}|P|2.5"
    return f"{head}\r{PID}\r{PV1}\r{said}".encode()


def heard(*lines: str) -> list[Transition]:
    """Return every transition of a feed, its holds included: the timers of the half hour after it fire."""
    replay = Replay(DEFAULT, Site.default())
    judged = [
        one
        for number, line in enumerate(lines)
        for one in replay.play(message(line, number), Source("t", 0, number)).judged
    ]
    last = h(max(float(line.split()[0]) for line in lines))
    return [one.transition for one in (*judged, *replay.finish(last + HOUR // 2 + MINUTE).judged)]


def severity_on_the_wire(rule: Rule, *lines: str) -> str | None:
    """Return the severity that an alert of *rule* has at the end of a feed, None where there never was one."""
    labels = [one.severity.label for one in heard(*lines) if one.rule is rule]
    return labels[-1] if labels else None
