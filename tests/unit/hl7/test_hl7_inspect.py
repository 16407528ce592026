"""DESIGN.md 2: an inspect line; the summary and the drafted table with which a site goes live."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from consumer.hl7.site import Site
from consumer.hl7.site_file import parse_site
from consumer.hl7.survey import Survey
from consumer.inspect import inspect_lines, lines
from tests.fuzz.builder import MAGNESIUM, MSH, PV1, SODIUM, obx, oru, ras, rxa, typed


def inspected(path: Path, *messages: bytes, site: str = "") -> tuple[list[dict[str, Any]], Survey]:
    """Return the lines and the survey of a file of messages."""
    file = path / "feed.hl7"
    file.write_bytes(b"".join(messages))
    survey = Survey()
    return list(inspect_lines([file], parse_site(site) if site else Site.default(), survey)), survey


def test_shape_of_a_line(tmp_path: Path) -> None:
    """A line is what DESIGN.md 2 shows: what was decoded, what was rejected, what looks like ours."""
    raw = oru(obx(units="mEq/L"), obx(SODIUM), obx(MAGNESIUM, units=""), obx("KU^Kalium^MOLIS"))
    ((line,), _) = inspected(tmp_path, raw)
    assert line["file"].endswith("feed.hl7")
    expected = {"message": 1, "control_id": "MSG00001", "type": "ORU^R01", "outcome": "judged in part", "reason": None}
    assert expected.items() <= line.items()
    (patient,) = line["patients"]
    (result,) = patient["results"]
    assert patient["key"] == "HOSP|123456"
    assert (patient["administrations"], patient["encounter"], patient["merge"]) == ([], None, None)
    shown: dict[str, Any] = {
        "analyte": "potassium",
        "value": "6.1",
        "units": "mmol/L",
        "comparator": None,
        "status": "F",
        "usable": True,
        "observed_at": "2026-01-01T09:10:00-05:00",
        "observation_identifier": "2823-3",
        "original_value": "6.1",
        "original_units": "mEq/L",
        "flags": [],
    }
    assert shown.items() <= result.items()
    assert line["rejected"] == [{"reason": "unit_missing", "where": "OBX[3]-6", "observation_identifier": "19123-9"}]
    assert line["unmapped"] == [
        {"observation_identifier": "KU^Kalium^MOLIS", "looks_like": "potassium", "where": "OBX[4]"}
    ]


def test_lines_of_every_kind(tmp_path: Path) -> None:
    """One line a message, each JSON, each saying how it ended and why."""
    messages = [
        oru(obx(status="X"), "NTE|1|L|hemolyzed"),
        ras(rxa()),
        typed("ADT^A08", PV1, "DG1|1|I10|N18.5^^I10", "PR1|1||90935^HD^CPT||20260101080000||180"),
        typed("ADT^A40", "MRG|9^^^HOSP^MR"),
        typed("ORM^O01", "ORC|NW|P1|L1", "OBR|1|P1|L1|19123-9^Magnesium^LN"),
        typed("SIU^S12"),
        oru(obx(), pid="PID|1"),
    ]
    file = tmp_path / "feed.hl7"
    file.write_bytes(b"".join(messages))
    found = [json.loads(line) for line in lines([file], Site.default(), explain=True)]
    assert [line["outcome"] for line in found] == ["judged"] * 5 + ["ignored", "dead letter"]
    assert [line["reason"] for line in found[5:]] == ["nothing_for_us", "no_patient"]
    assert found[0]["patients"][0]["results"][0]["usable"] is False
    assert found[1]["patients"][0]["administrations"][0]["grams"] == "2"
    assert found[2]["patients"][0]["dialyses"][0]["ended_at"] == "2026-01-01T16:00:00+00:00"
    assert found[3]["patients"][0]["merge"]["surviving"] == "HOSP|123456"
    assert found[6]["explanation"][-1] == "hl7apy: reads it"
    assert "Zztest" not in json.dumps(found)
    assert "1957" not in json.dumps(found)


def test_summary(tmp_path: Path) -> None:
    """The summary counts messages, results, rejections, and unmapped codes with example numbers and units."""
    _, survey = inspected(
        tmp_path,
        oru(obx(), obx("KU^Kalium^MOLIS", "40")),
        oru(obx(), obx("KU^Kalium^MOLIS", "50"), obx(MAGNESIUM, units="")),
        oru(obx("6298-4^INR", "2.1")),
        typed("SIU^S12"),
    )
    summary = survey.as_dict()
    assert summary["messages"] == {"ORU^R01": 3, "SIU^S12": 1}
    assert summary["outcomes"] == {"judged": 1, "judged in part": 1, "dead letter": 1, "ignored": 1}
    assert summary["decoded"] == {"potassium": 2}
    assert summary["rejected"] == {"unit_missing": 1, "code_text_disagree": 1}
    (code,) = summary["unmapped"]
    assert (code["observation_identifier"], code["count"], code["values"]) == ("KU^Kalium^MOLIS", 2, ["40", "50"])
    assert summary["disagreeing"] == [{"sender": "LAB|HOSP", "observation_identifier": "6298-4^INR", "count": 1}]
    assert summary["notes"] == ["LAB|HOSP: has potassium and no magnesium; no code looks like it."]
    text = survey.text()
    assert "        2  LAB|HOSP  KU^Kalium^MOLIS (potassium; 40, 50; mmol/L)\n" in text
    assert "  LAB|HOSP  6298-4^INR\n" in text
    assert text.endswith("to look into\n  LAB|HOSP: has potassium and no magnesium; no code looks like it.\n")


def test_unknown_zone_is_pointed_at(tmp_path: Path) -> None:
    """A sender whose draws are all hours before MSH-7 may write them in another zone."""
    _, survey = inspected(tmp_path, *[oru(obx(), msh=MSH.replace("20260101100000", "20260101120000"))] * 6)
    assert any("zones may differ" in note for note in survey.notes())
    assert "#field_timezones" in survey.draft()


@pytest.mark.parametrize("enabled", [False, True])
def test_hl7_2_a_hemolysis_index_is_drafted(tmp_path: Path, enabled: bool) -> None:
    """An index under a local code is listed with its values and a scale to ask for, and read once that is enabled."""
    feed = [oru(obx(), obx("HI^Hämolyse-Index^L", "3+", "", f2="ST"))]
    _, survey = inspected(tmp_path, *feed)
    (code,) = survey.as_dict()["unmapped"]
    assert (code["looks_like"], code["values"]) == ("hemolysis_index", ["3+"])
    draft = survey.draft()
    assert '#scale = "plus"' in draft
    (line,), _ = inspected(tmp_path, *feed, site=re.sub(r"(?m)^#(?! )", "", draft) if enabled else draft)
    assert [tube["condition"] for tube in line["patients"][0]["tubes"]] == (["grossly_hemolyzed"] if enabled else [])


@pytest.mark.parametrize("enabled", [False, True])
def test_hl7_4_a_drug_that_no_table_names_is_drafted(tmp_path: Path, enabled: bool) -> None:
    """A magnesium sulfate under the site's own code or name is listed, and given once its suggestion is enabled."""
    drugs = ("M10^Magnesiumsulfat 10 %^L", "^Sulfato de Magnésio 50%", "GE1^Glucose 5 %^L")
    feed = [ras(rxa(drug)) for drug in drugs]
    _, survey = inspected(tmp_path, *feed)
    assert [(each["drug"], each["looks_like"]) for each in survey.as_dict()["drugs"]] == [
        (drug, "magnesium") for drug in drugs[:2]
    ]
    assert "  LAB|HOSP  M10^Magnesiumsulfat 10 %^L (magnesium)\n" in survey.text()
    draft = survey.draft()
    found, after = inspected(tmp_path, *feed, site=re.sub(r"(?m)^#(?! )", "", draft) if enabled else draft)
    given = [each["drug"] for line in found for patient in line["patients"] for each in patient["administrations"]]
    assert given == (["magnesium"] * 2 if enabled else [])
    assert bool(after.as_dict()["drugs"]) is not enabled


@pytest.mark.parametrize("enabled", [False, True])
def test_draft_is_a_site_table(tmp_path: Path, enabled: bool) -> None:
    """The draft changes nothing as it is; with its suggestions enabled the results are there."""
    feed = [
        oru(obx("K^Kalium^MOLIS"), obx("MG^Magnesium^MOLIS", "0.8")),
        oru(obx('6298-4^Kali "x" \\T\\ y')),
        oru(obx("CREP^Kreatinin^MOLIS", "90", "")),
    ]
    _, survey = inspected(tmp_path, *feed)
    draft = survey.draft()
    assert "ask the laboratory" in draft.lower()
    site = re.sub(r"(?m)^#(?! )", "", draft) if enabled else draft
    found, after = inspected(tmp_path, *feed, site=site)
    analytes = [result["analyte"] for line in found for patient in line["patients"] for result in patient["results"]]
    assert analytes == (["potassium", "magnesium", "potassium"] if enabled else [])
    assert bool(after.as_dict()["unmapped"]) is not enabled
    assert after.as_dict()["rejected"] == ({"unit_missing": 1} if enabled else {"code_text_disagree": 1})


def test_time_of_the_message_before(tmp_path: Path) -> None:
    """A message without MSH-7 is received when the one before it in its file was."""
    first, second = oru(obx()), oru(obx(), msh=MSH.replace("20260101100000-0500", ""))
    (_, line), _ = inspected(tmp_path, first, second)
    assert line["flags"] == ["received_at_assumed"]
    assert line["outcome"] == "judged"
