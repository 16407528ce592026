"""Messages like those of hospitals, most of them sound, each made of a seed: results, ADT, orders, drugs, pumps."""

import random

from tests.fuzz.builder import MSH, OBR, ORC, PID, PV1, join, obx, pump, pump_row, rxa, segment

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
MERGES = ("ADT^A40", "ADT^A18", "ADT^A34")
KINDS = (
    "ORU^R01^ORU_R01",
    *("ORU", "ORU^R30", "OUL^R22", "OUL^R21", "MDM^T02", "", "Z01", "??"),
    *("ADT^A01", "ADT^A03", "ADT^A08", "ADT^A11", "ADT^A13", "ADT^A37", "ADT", "BAR^P01"),
    *MERGES,
    *("RAS^O17", "RAS^O01", "RDE^O11", "RDS^O13", "RGV^O15"),
    *("ORM^O01", "OML^O21"),
)
RETIRED = ("2^^^HOSP^MR", "123456^^^HOSP^MR", "2", "", '""', "2^^^&1.2.3&ISO^MR~3^^^HOSP^PI", "9^^^^AN")
ORDERED = ("19123-9^Magnesium^LN", "MG^Magnesium^L", "2823-3^Potassium^LN", "", "24323-8^CMP^LN")
DRUGS = (
    *("1658236^magnesium sulfate 2 g in 50 mL^RXNORM", "X^MAGNESIUM SULFATE IN WATER^L", "^furosemide 40 mg", ""),
    *(
        "0409-2168-02^magnesium sulfate^NDC",
        "M^magnesium oxide 400 mg^L",
        "1^esomeprazole magnesium^L",
        "^insulin lispro",
    ),
)
PUMP_METRICS = (
    *(
        "157784^MDC_FLOW_FLUID_PUMP^MDC",
        "0^MDC_RATE_DOSE^MDC",
        "157760^MDC_CONC_DRUG^MDC",
        "184514^X^MDC",
        "0^MDC_X^MDC",
    ),
    *("0^MDC_ATTR_EVT_COND^MDC", "184519^MDC_PUMP_INFUSING_STATUS^MDC", "70050^MDC_DEV_PUMP_VMD^MDC", "^^MDC"),
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
    if random_.random() < 0.12:
        return _pump(random_)
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
            segments += _administrations(random_)
        if kind.startswith(("OML", "ORM")):
            segments += [pick(("ORC|NW|P7", "ORC|CA|P7", "ORC")), f"OBR|1|P7||{pick(ORDERED)}|||{pick(TIMES)}"]
        if kind in MERGES:
            segments += [f"MRG|{pick(RETIRED)}" for _ in range(pick((1, 1, 1, 0, 2)))]
        if random_.random() < 0.4:
            segments.append(pick(OTHER_SEGMENTS))
    return join(*segments, end=pick(("\r", "\r", "\r", "\n", "\r\n")))


def _administrations(random_: random.Random) -> list[str]:
    """Return administrations with the habits of vendors: times, rates, refusals, routes, and no order at all."""
    pick = random_.choice
    segments = []
    for _ in range(pick((1, 1, 2))):
        given = rxa(
            pick(DRUGS),
            pick(("2", "0", "", "x", "1 MLS", "999")),
            pick(("g", "mL", "mEq", "", "mg/min")),
            f3=pick(TIMES),
            f4=pick(TIMES),
            f12=pick(("", "H", "?", "MIN")),
            f17=pick(("", "", "00^refused^NIP002")),
            f20=pick(("CP", "NA", "", "??", "Given")),
            f21=pick(("A", "D", "")),
        )
        segments += [pick(("ORC|RE|P2|R2", "ORC|RE|P2", "ORC")), given, pick(("RXR|IV", "RXR|PO^Oral", "RXR", "ZXX|1"))]
    return segments


def _pump(random_: random.Random) -> bytes:
    """Return a pump's event or report: any part of it may be missing, twice, or on another channel."""
    pick = random_.choice
    extra = [
        pump_row(
            pick(PUMP_METRICS),
            pick(("1.1.1.4", "1.1.2.4", "1.2.1.1", "1.0.0.0", "1.1.0.0", "1", "x", "", "1.1.1.1.1.1")),
            pick(("25", "", "x", "^pump-status-standby", "Insulin regular")),
            pick(("", "0^X^MDC^mL/h^mL/h^UCUM", "mg/min", "g/h^^UCUM", "//")),
            status=pick(("R", "R", "X", "F", "D", "")),
            at=pick(TIMES),
            flag=pick(("", "", "DEMO", "TEST~X")),
        )
        for _ in range(random_.randrange(5))
    ]
    return pump(
        pick(("start", "stop", "complete", "")),
        flow=pick(("50", "2.5", "0", "", "-1", "x")),
        label=pick(("Magnesium sulfate 4 g in 100 mL", "Insulin regular", "Dopamine", "", '""')),
        status=pick(("^pump-status-infusing", "^pump-status-not-infusing", "", "standby")),
        delivery=pick(("", "", "^pump-delivery-status-transitioning")),
        at=pick(TIMES),
        pid=pick((PID, PID, PID, "", "PID|1")),
        trigger=pick(("ORU^R42^ORU_R01", "ORU^R01^ORU_R01", "ORU")),
        extra=tuple(extra),
    )


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
