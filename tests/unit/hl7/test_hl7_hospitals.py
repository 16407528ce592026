"""HL7.md, whole: what hospitals of seven kinds send, and what should come of it. Every value is invented."""

import pytest

from consumer.hl7.site_file import load_site
from consumer.inspect import inspect_lines
from tests.unit.named_tests import ROOT

MESSAGES = ROOT / "tests" / "messages"
LINES = {
    line["control_id"]: line
    for line in inspect_lines([MESSAGES / "hospitals.hl7"], load_site(MESSAGES / "hospitals.toml"))
}

HOSPITALS = {
    "Epic, Rhapsody: LOINC in the second triplet, US units, offsets, a remark with a plus": (
        "E1001",
        "judged",
        "GENHOSP|000778812",
        [
            "potassium 6.4 F 2026-03-05T09:45:00-05:00",
            "creatinine 204.2502 F 2026-03-05T09:45:00-05:00",
            "egfr 21 F 2026-03-05T09:45:00-05:00",
        ],
        ["hemolyzed"],
        [],
    ),
    "Cerner, Cloverleaf: local codes, a unit of the site's table, an index with a letter before its plus": (
        "Q1234567T7654321",
        "judged",
        "MRN Pool|00123",
        [
            "potassium 5.8 F 2026-02-10T14:01:00-06:00",
            "magnesium 0.699444559 F 2026-02-10T14:01:00-06:00 unit_assumed",
        ],
        ["grossly_hemolyzed"],
        [],
    ),
    "MEDITECH: v2.2, numbers as text, a cancelled test, a remark over three lines, no authority": (
        "MT0001",
        "judged",
        "COCMT|M000123456",
        ["potassium >10.0 F 2026-01-15T07:30:00+00:00 censored", "magnesium None X 2026-01-15T07:30:00+00:00"],
        ["grossly_hemolyzed", "hemolyzed"],
        [],
    ),
    "A German KIS: a decimal comma is no number, a remark that negates the result": (
        "G1",
        "judged in part",
        "KIS|0001234567",
        ["potassium 5.7 F 2026-01-20T10:55:00+00:00", "creatinine 212 F 2026-01-20T10:55:00+00:00"],
        ["grossly_hemolyzed"],
        ["not_a_number OBX[2]-5"],
    ),
    "A Trust: Read codes, an NHS number beside the hospital's own, summer time, a remark of another tube": (
        "UK1",
        "judged",
        "RXX|1234567",
        ["potassium 6.1 C 2026-07-01T08:45:00+01:00", "magnesium 0.55 P 2026-07-01T08:45:00+01:00"],
        [],
        [],
    ),
    "A Dutch laboratory: NPU codes, specimen first with its remark, SN, urine under serum's name": (
        "N1",
        "judged",
        "UMCX|1234567",
        ["potassium 6.0 F 2026-07-12T09:40:00+02:00"],
        ["hemolyzed"],
        [],
    ),
    "An Australian laboratory: v2.3.1, another escape character, a comparator, a plus of something else": (
        "A1",
        "judged",
        "AUH|U0042",
        ["potassium <3.0 F 2026-03-01T09:00:00+10:00 censored", "egfr 45 F 2026-03-01T09:00:00+10:00"],
        [],
        [],
    ),
}


@pytest.mark.parametrize(
    ("control_id", "outcome", "key", "results", "tubes", "rejected"), HOSPITALS.values(), ids=HOSPITALS.keys()
)
def test_hl7_a_hospital(
    control_id: str, outcome: str, key: str, results: list[str], tubes: list[str], rejected: list[str]
) -> None:
    """Each is read as its laboratory means it: whose, what, when, and what is said of the tube."""
    line = LINES[control_id]
    (patient,) = line["patients"]
    assert (line["outcome"], patient["key"]) == (outcome, key)
    assert [
        f"{each['analyte']} {each['comparator'] or ''}{each['value']} {each['status']} {each['observed_at']}"
        + "".join(f" {flag}" for flag in each["flags"])
        for each in patient["results"]
    ] == results
    assert [each["condition"] for each in patient["tubes"]] == tubes
    assert [f"{each['reason']} {each['where']}" for each in line["rejected"]] == rejected


def test_hl7_every_hospital_is_looked_at() -> None:
    """No message of the file goes unread."""
    assert set(LINES) == {row[0] for row in HOSPITALS.values()}
