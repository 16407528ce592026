"""
Messages that we make ourselves, for simulation, demo and tests: built once with hl7apy, filled by substitution.

hl7apy takes 20-30 ms a message; a template filled with `str.format_map` takes microseconds. Placeholders stand where
values go (``{mrn}``, ``{sent}``); what a message means is `consumer/simulate.py`'s.
"""

from functools import cache

from hl7apy.core import Segment

VERSION = "2.5"

PANEL: dict[str, tuple[str, str, str]] = {
    "K": ("2823-3", "Potassium", "mmol/L"),
    "MG": ("19123-9", "Magnesium", "mmol/L"),
    "CA": ("17861-6", "Calcium", "mmol/L"),
    "CREA": ("2160-0", "Creatinine", "umol/L"),
    "GLU": ("2345-7", "Glucose", "mg/dL"),
    "NA": ("2951-2", "Sodium", "mmol/L"),
    "CRP": ("1988-5", "CRP", "mg/L"),
    "HGB": ("718-7", "Hemoglobin", "g/dL"),
    "WBC": ("6690-2", "Leukocytes", "10*3/uL"),
    "PLT": ("777-3", "Platelets", "10*3/uL"),
}
"""Short name to LOINC code, text and UCUM unit."""


@cache
def results(panel: tuple[str, ...]) -> str:
    """
    Return an ORU^R01 with one OBX for each name of *panel*.

    Placeholders: sent, control_id, mrn, birth, sex, location, visit, order, drawn, and for each name of the panel its
    value and its status (``{K}``, ``{K_status}``).
    """
    segments = [_header("ORU", "R01", "ORU_R01", "LAB"), *_patient(), _order("RE")]
    request = Segment("OBR", version=VERSION)
    request.obr_1 = "1"
    request.obr_2 = "P{order}"
    request.obr_3 = "L{order}"
    request.obr_4 = "CHEM^Chemistry^L"
    request.obr_7 = "{drawn}"
    request.obr_22 = "{sent}"
    request.obr_25 = "F"
    segments.append(request)
    for number, name in enumerate(panel, 1):
        code, text, unit = PANEL[name]
        result = Segment("OBX", version=VERSION)
        result.obx_1 = str(number)
        result.obx_2 = "NM"
        result.obx_3 = f"{code}^{text}^LN"
        result.obx_5 = f"{{{name}}}"
        result.obx_6 = unit
        result.obx_11 = f"{{{name}_status}}"
        segments.append(result)
    return _joined(segments)


@cache
def administration() -> str:
    """
    Return a RAS^O17 of magnesium sulfate given by vein.

    Placeholders: those of the patient, and order, started, ended, grams.
    """
    given = Segment("RXA", version=VERSION)
    given.rxa_1 = "0"
    given.rxa_2 = "1"
    given.rxa_3 = "{started}"
    given.rxa_4 = "{ended}"
    given.rxa_5 = "6585^magnesium sulfate^RXNORM"
    given.rxa_6 = "{grams}"
    given.rxa_7 = "g"
    given.rxa_20 = "CP"
    route = Segment("RXR", version=VERSION)
    route.rxr_1 = "IV^Intravenous^HL70162"
    return _joined([_header("RAS", "O17", "RAS_O17", "MAR"), *_patient(), _order("RE"), given, route])


@cache
def encounter(trigger: str, diagnosis: str = "") -> str:
    """Return an ADT message; placeholders are those of the patient."""
    event = Segment("EVN", version=VERSION)
    event.evn_1 = trigger
    event.evn_2 = "{sent}"
    segments = [_header("ADT", trigger, "ADT_A01", "HIS"), event, *_patient()]
    if diagnosis:
        named = Segment("DG1", version=VERSION)
        named.dg1_1 = "1"
        named.dg1_3 = f"{diagnosis}^^I10"
        named.dg1_6 = "W"
        segments.append(named)
    return _joined(segments)


def _header(kind: str, trigger: str, structure: str, application: str) -> Segment:
    header = Segment("MSH", version=VERSION)
    header.msh_3 = application
    header.msh_4 = "SIM"
    header.msh_5 = "ENGINE"
    header.msh_6 = "SIM"
    header.msh_7 = "{sent}"
    header.msh_9 = f"{kind}^{trigger}^{structure}"
    header.msh_10 = "{control_id}"
    header.msh_11 = "P"
    header.msh_12 = VERSION
    return header


def _patient() -> list[Segment]:
    person = Segment("PID", version=VERSION)
    person.pid_1 = "1"
    person.pid_3 = "{mrn}^^^SIM^MR"
    person.pid_5 = "Zztest^{mrn}"
    person.pid_7 = "{birth}"
    person.pid_8 = "{sex}"
    visit = Segment("PV1", version=VERSION)
    visit.pv1_1 = "1"
    visit.pv1_2 = "I"
    visit.pv1_3 = "{location}"
    visit.pv1_10 = "MED"
    visit.pv1_19 = "{visit}"
    return [person, visit]


def _order(control: str) -> Segment:
    order = Segment("ORC", version=VERSION)
    order.orc_1 = control
    order.orc_2 = "P{order}"
    order.orc_3 = "L{order}"
    return order


def _joined(segments: list[Segment]) -> str:
    """Return the segments as one message; a segment by itself does not know its MSH-2."""
    return "\r".join(segment.to_er7() for segment in segments).replace("MSH||", "MSH|^~\\&|", 1) + "\r"
