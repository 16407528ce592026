"""docs/going-live.md, played: a feed with local codes, the drafted table, its lines enabled, the alerts that come."""

import json
import re
import sys
from pathlib import Path

import pytest

from consumer.cli.main import main
from consumer.hl7.files import read_messages
from consumer.hl7.site import Site
from consumer.hl7.site_file import load_site
from consumer.hl7.survey import Survey
from consumer.inspect import inspect_lines
from consumer.replay import Replay
from rules.events import Source
from rules.rulebook import DEFAULT
from tests.fuzz.builder import MSH, OBR, obx, oru


def feed() -> bytes:
    """Return a day of a laboratory that sends local codes alone: three rising potassiums, no magnesium."""
    return b"".join(
        oru(
            obx("K^Kalium^INLAB", value),
            obx("NA^Natrium^INLAB", "139"),
            msh=MSH.replace("20260101100000", f"20260101{hour + 1:02}0000").replace("MSG00001", f"M{hour}"),
            obr=OBR.replace("20260101091000", f"20260101{hour:02}0000").replace("L1", f"L{hour}"),
        )
        for hour, value in ((6, "6.0"), (9, "6.2"), (12, "6.3"))
    )


def alerts(path: Path, site: Site) -> list[str]:
    """Return the rules that raise an alert over a file."""
    messages = [(raw, Source("feed", 0, number)) for number, raw in enumerate(read_messages(path))]
    return [
        str(judged.transition.rule)
        for judged in Replay(DEFAULT, site).run(messages)
        if judged.transition.change == "raised"
    ]


def test_from_a_file_of_messages_to_alerts(tmp_path: Path) -> None:
    """What was invisible before is raised after the drafted lines have been enabled."""
    path, table = tmp_path / "feed.hl7", tmp_path / "site.toml"
    path.write_bytes(feed())
    assert alerts(path, Site.default()) == []

    survey = Survey()
    assert all(line["outcome"] == "ignored" for line in inspect_lines([path], Site.default(), survey))
    assert [code["observation_identifier"] for code in survey.as_dict()["unmapped"]] == ["K^Kalium^INLAB"]
    table.write_text(survey.draft(), encoding="utf-8")
    assert alerts(path, load_site(table)) == []

    table.write_text(re.sub(r"(?m)^#(?! )", "", survey.draft()), encoding="utf-8")
    assert alerts(path, load_site(table)) == ["refractory-hyperkalemia-no-magnesium"]
    after = Survey()
    assert all(line["outcome"] == "judged" for line in inspect_lines([path], load_site(table), after))
    assert after.as_dict()["unmapped"] == []
    assert after.as_dict()["decoded"] == {"potassium": 3}


def test_the_same_by_the_commands_that_a_site_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`inspect --draft`, the drafted lines enabled by an editor, `LAB_ALERT_SITE`, `replay`: the alert is there."""
    path, table = tmp_path / "feed.hl7", tmp_path / "site.toml"
    path.write_bytes(feed())

    def run(*arguments: str) -> str:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["lab-alert", *arguments, str(path)])
        assert main() == 0
        return capfd.readouterr().out

    assert run("replay", "--format", "jsonl") == ""
    said = run("inspect", "--draft", str(table))
    assert "K^Kalium^INLAB" in said
    monkeypatch.setenv("LAB_ALERT_SITE", str(table))
    assert run("replay", "--format", "jsonl") == ""  # nothing is mapped until somebody has said so
    table.write_text(re.sub(r"(?m)^#(?! )", "", table.read_text(encoding="utf-8")), encoding="utf-8")
    (raised, *_) = [json.loads(line) for line in run("replay", "--format", "jsonl").splitlines()]
    assert raised["data"]["rule"] == "refractory-hyperkalemia-no-magnesium"
    assert '"outcome":"ignored"' not in run("inspect")
    assert "K^Kalium^INLAB" not in run("inspect", "--summary")


def test_what_is_read_is_told_message_by_message(tmp_path: Path) -> None:
    """A progress bar moves within a file, by the bytes of its messages."""
    path = tmp_path / "feed.hl7"
    path.write_bytes(feed() * 50)
    read: list[int] = []
    assert len(list(inspect_lines([path], Site.default(), advance=read.append))) == 150
    assert len(read) == 150
    assert sum(read) == path.stat().st_size - 150  # the CR that ends each


def test_unmapped_magnesium_reaches_the_alert(tmp_path: Path) -> None:
    """With potassium mapped and magnesium not, the alert says that a magnesium is there and unmapped."""
    path, table = tmp_path / "feed.hl7", tmp_path / "site.toml"
    path.write_bytes(feed().replace(b"NA^Natrium^INLAB", b"MG^Magnesium^INLAB").replace(b"|139|", b"|0.8|"))
    table.write_text('[[sender]]\n[[sender.code]]\ncode = "K"\nanalyte = "potassium"\n', encoding="utf-8")
    messages = [(raw, Source("feed", 0, number)) for number, raw in enumerate(read_messages(path))]
    raised = [judged.transition for judged in Replay(DEFAULT, load_site(table)).run(messages)]
    assert any("not mapped" in missing for transition in raised for missing in transition.missing)
