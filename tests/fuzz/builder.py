"""Small HL7 messages for tests, from parts; synthetic patients only. Shapes after HL7.md, values invented."""

from collections.abc import Sequence

MSH = r"MSH|^~\&|LAB|HOSP|ENGINE|HOSP|20260101100000-0500||ORU^R01^ORU_R01|MSG00001|P|2.5.1"
PID = "PID|1||123456^^^HOSP^MR||Zztest^Anna||19570614|F"
PV1 = "PV1|1|I|MED^312^A||||||||||||||||V123"
ORC = "ORC|RE|P1|L1"
OBR = "OBR|1|P1|L1|24323-8^CMP^LN|||20260101091000|||||||||||||||20260101093000||CH|F"
POTASSIUM = "2823-3^Potassium SerPl-sCnc^LN"
MAGNESIUM = "19123-9^Magnesium SerPl-mCnc^LN"
SODIUM = "2951-2^Sodium SerPl-sCnc^LN"
RECEIVED = 1_767_279_600_000
"""2026-01-01T10:00:00-05:00, the time of `MSH`."""
DRAWN = 1_767_276_600_000
"""2026-01-01T09:10:00-05:00, the time of `OBR`."""


def segment(name: str, **fields: str) -> str:
    """
    Return a segment with fields by number, ``f5="6.1"``.

    >>> segment("OBX", f3="K", f5="4.2")
    'OBX|||K||4.2'
    """
    numbers = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(numbers.get(number, "") for number in range(1, max(numbers, default=0) + 1))])


def obx(
    identifier: str = POTASSIUM, value: str = "6.1", units: str = "mmol/L", status: str = "F", **fields: str
) -> str:
    """Return an OBX; a type of NM unless ``f2`` says otherwise."""
    return segment("OBX", **{"f1": "1", "f2": "NM", "f3": identifier, "f5": value, "f6": units, "f11": status} | fields)


def join(*segments: str, end: str = "\r") -> bytes:
    """Return the bytes of a message in UTF-8."""
    return (end.join(segments) + end).encode()


def oru(*observations: str, msh: str = MSH, pid: str = PID, obr: str = OBR, after: Sequence[str] = ()) -> bytes:
    """Return an ORU^R01 of one order."""
    return join(msh, pid, PV1, ORC, obr, *observations, *after)


def typed(kind: str, *segments: str, pid: str = PID, msh: str = MSH) -> bytes:
    """Return a message of another type, such as ``ADT^A08``, of one patient."""
    return join(msh.replace("ORU^R01^ORU_R01", kind), pid, *segments)


def ras(rxa: str, route: str = "IV^Intravenous^HL70162", orc: str = "ORC|RE|P2|R2") -> bytes:
    """Return a RAS^O17 of one administration."""
    return typed("RAS^O17", PV1, orc, rxa, f"RXR|{route}")


def rxa(
    drug: str = "1658236^magnesium sulfate 2 g in 50 mL^RXNORM", amount: str = "2", units: str = "g", **fields: str
) -> str:
    """Return an RXA given from 08:00 to 08:30."""
    start, end = "20260101080000", "20260101083000"
    values = {
        "f1": "0",
        "f2": "1",
        "f3": start,
        "f4": end,
        "f5": drug,
        "f6": amount,
        "f7": units,
        "f20": "CP",
        "f21": "A",
    }
    return segment("RXA", **values | fields)


PUMP_PROFILE = "IHE_PCD_010^IHE PCD^1.3.6.1.4.1.19376.1.6.4.10.1^ISO"
PUMP_EVENTS = {"start": "197288^MDC_EVT_PUMP_DELIV_START^MDC", "stop": "0^MDC_EVT_PUMP_DELIV_STOP^MDC"}
PUMP_EVENTS |= {"complete": "0^MDC_EVT_PUMP_DELIV_COMP^MDC", "": ""}


def pump_row(
    code: str, path: str, value: str = "", units: str = "", *, status: str = "R", at: str = "", flag: str = ""
) -> str:
    """Return an OBX of a pump."""
    return f"OBX|1|ST|{code}|{path}|{value}|{units}||{flag}|||{status}|||{at}"


def pump(
    event: str = "start",
    *,
    flow: str = "50",
    label: str = "Magnesium sulfate 4 g in 100 mL",
    status: str = "^pump-status-infusing",
    delivery: str = "",
    sent: str = "20260101130000+0000",
    at: str = "20260101130000",
    pid: str = PID,
    trigger: str = "ORU^R42^ORU_R01",
    extra: tuple[str, ...] = (),
) -> bytes:
    """Return a PCD-10 event of one channel; times of the device are UTC."""
    msh = MSH.replace("ORU^R01^ORU_R01", trigger).replace("20260101100000-0500", sent) + "|" * 9 + PUMP_PROFILE
    rows = [
        pump_row("70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC", "1.0.0.0", status="X", at=at),
        pump_row("0^MDC_ATTR_EVT_COND^MDC", "1.0.0.2", PUMP_EVENTS[event]) if event else "ZXX|1",
        pump_row("184519^MDC_PUMP_INFUSING_STATUS^MDC", "1.1.1.1", status),
        pump_row("0^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC", "1.1.2.1", delivery),
        pump_row("157784^MDC_FLOW_FLUID_PUMP^MDC", "1.1.2.4", flow, "265266^MDC_DIM_MILLI_L_PER_HR^MDC^mL/h^mL/h^UCUM"),
        pump_row("184514^MDC_DRUG_NAME_LABEL^MDC", "1.1.2.10", label),
    ]
    return join(msh, *([pid] if pid else []), f"OBR|1|P9^PCD-03|D77|2222^Infusion|||{at}", *rows, *extra)
