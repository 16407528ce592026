"""The replay: time from the messages, watermark, the end; and that the command prints what it should."""

import json
from pathlib import Path

import pytest

from consumer.hl7.site import Site
from consumer.replay import Replay, message_time
from rules.alert import Change, Rule
from rules.events import HOUR, MINUTE, Source
from rules.rulebook import DEFAULT
from tests.commands import Run

NOW = 1_767_276_600_000  # 2026-01-01 14:10 UTC
SITE = Site.default()


def message(sent: str, drawn: str, potassium: str, control_id: str) -> bytes:
    """A potassium of one invented patient."""
    return (
        f"MSH|^~\\&|LAB|HOSP|E|HOSP|{sent}||ORU^R01^ORU_R01|{control_id}|P|2.5\r"
        "PID|1||123456^^^HOSP^MR||Zztest^Anna||19570614|F\r"
        f"ORC|RE|P{control_id}|L{control_id}\r"
        f"OBR|1|P{control_id}|L{control_id}|CHEM|||{drawn}|||||||||||||||||||F\r"
        f"OBX|1|NM|2823-3^Potassium^LN||{potassium}|mmol/L|||||F\r"
    ).encode()


HIGH = (
    message("20260101101000+0000", "20260101100000+0000", "6.0", "1"),
    message("20260101124000+0000", "20260101123000+0000", "6.2", "2"),
)


def test_rules_8_the_first_message_may_be_without_a_time() -> None:
    """Its time is the latest that it names, and the messages after it that have none share it. RULES.md 8."""
    replay = Replay(DEFAULT, SITE)
    replay.play(message("", "20260101100000+0000", "6.0", "1"), Source("f", 0, 1))
    second = replay.play(message("", "20260101090000+0000", "6.0", "2"), Source("f", 0, 2)).decoded
    assert second is not None
    assert [event.received_at for event in second.events] == [NOW - 4 * HOUR - 10 * MINUTE]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("20260101141000+0000", NOW),
        ("20260101141000.250+0000", NOW + 250),
        ("202601011510+0100", NOW),
        ("20260101141000", NOW),
        ("20260101", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_message_is_received_at_its_msh_7(sent: str, expected: int | None) -> None:
    """To the millisecond, with its offset or the site's zone; a date alone or nothing is no time."""
    raw = message(sent, "", "5.0", "1")
    assert message_time(raw, SITE) == expected
    assert message_time(raw.replace(b"\r", b"\n"), SITE) == expected
    assert message_time(b"\x0b" + raw + b"\x1c\r", SITE) == expected
    assert message_time(raw.decode().encode("utf-16"), SITE) == expected


@pytest.mark.parametrize("raw", [b"", b"noise", b"MSH", b"MSH|^~\\&|A"])
def test_what_is_no_message_has_no_time(raw: bytes) -> None:
    """A replay then takes the time of the message before."""
    assert message_time(raw, SITE) is None


def test_timers_fire_at_their_due_time_at_the_end() -> None:
    """RULES.md 8: the hold 15 min after the finding, the expiry 48 h after the last draw is out of reach."""
    machine = Replay(DEFAULT, SITE)
    for number, raw in enumerate(HIGH):
        assert not machine.play(raw, Source("f", 0, number)).judged
    raised, closed = machine.finish().judged
    found = NOW - 90 * MINUTE
    assert (raised.transition.change, raised.transition.time) == (Change.RAISED, found + 15 * MINUTE)
    assert (closed.transition.change, closed.transition.time) == (Change.CLOSED, found - 10 * MINUTE + 48 * HOUR)


def test_until_sets_another_end() -> None:
    """`--until`: timers due later do not fire."""
    machine = Replay(DEFAULT, SITE)
    judged = list(machine.run([(raw, Source("f", 0, 0)) for raw in HIGH], until=NOW - 75 * MINUTE))
    assert [one.transition.change for one in judged] == [Change.RAISED]
    machine = Replay(DEFAULT, SITE)
    assert not list(machine.run([(raw, Source("f", 0, 0)) for raw in HIGH], until=NOW - 75 * MINUTE - 1))


def test_a_message_without_a_time_is_received_with_the_one_before() -> None:
    """It does not set the clock back, nor to zero."""
    machine = Replay(DEFAULT, SITE)
    machine.play(HIGH[0], Source("f", 0, 0))
    machine.play(message("", "20260101093000+0000", "6.1", "3"), Source("f", 0, 1))
    (alert, *_) = [one.transition for one in machine.run([(HIGH[1], Source("f", 0, 2))])]
    assert alert.rule is Rule.REFRACTORY_HYPERKALEMIA


@pytest.fixture
def feed(tmp_path: Path) -> str:
    """A file with a refractory potassium."""
    path = tmp_path / "feed.hl7"
    path.write_bytes(b"\r".join(HIGH))
    return str(path)


def test_jsonl_is_one_event_a_line_and_the_same_each_time(run: Run, feed: str) -> None:
    """Replay twice gives the same bytes."""
    first = run("replay", "--format", "jsonl", feed)
    events = [json.loads(line) for line in first.out.splitlines()]
    assert [event["data"]["transition"] for event in events] == ["raised", "closed"]
    assert events[0]["data"]["cause"] == {"timer": "hold"}
    assert (first.code, first.err) == (0, "")
    assert run("replay", "--format", "jsonl", feed).out == first.out


def test_the_table_is_for_people(run: Run, feed: str) -> None:
    """Severity, patient, summary; the counts at the end."""
    shown = run("replay", feed)
    assert "HIGH" in shown.out
    assert "HOSP|123456" in shown.out
    assert "2 transitions, 1 of them page somebody" in shown.out
    assert "2 messages: 2 judged" in shown.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/nowhere.hl7"], "/nowhere.hl7: No such file or directory"),
        (["{feed}", "--until", "tomorrow"], "'tomorrow' is no ISO 8601 time with an offset"),
        (["{feed}", "--until", "2026-01-01T12:00:00"], "is no ISO 8601 time with an offset"),
        (["{empty}"], "no message could be read"),
    ],
)
def test_without_input_the_exit_code_is_2(
    run: Run, feed: str, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """One line says what is wrong, never a traceback."""
    empty = tmp_path / "empty.hl7"
    empty.write_bytes(b"\n\n")
    done = run("replay", *(argument.format(feed=feed, empty=empty) for argument in arguments))
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_sites_rulebook_and_zone_hold_for_a_replay(
    run: Run, feed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LAB_ALERT_RULEBOOK changes what a replay says, and its hash."""
    rulebook = tmp_path / "rules.toml"
    rulebook.write_text('[rules.refractory-hyperkalemia-no-magnesium]\nmode = "off"\n')
    monkeypatch.setenv("LAB_ALERT_RULEBOOK", str(rulebook))
    assert run("replay", "--format", "jsonl", feed).out == ""


def test_one_of_several_files_missing_prints_nothing(run: Run, feed: str) -> None:
    """All files are looked for before the first is judged: half a replay would look like a whole one."""
    done = run("replay", "--format", "jsonl", feed, "/nowhere/second.hl7")
    assert (done.code, done.out) == (2, "")
    assert "/nowhere/second.hl7: No such file or directory" in done.err


def test_several_files_are_one_feed(run: Run, tmp_path: Path) -> None:
    """A patient's potassiums from two files make one alert, as from one. RULES.md 8, DESIGN.md 2."""
    for number, raw in enumerate(HIGH):
        (tmp_path / f"{number}.hl7").write_bytes(raw)
    (tmp_path / "both.hl7").write_bytes(b"\n".join(HIGH))
    apart = run("replay", "--format", "jsonl", str(tmp_path / "0.hl7"), str(tmp_path / "1.hl7"))
    together = run("replay", "--format", "jsonl", str(tmp_path / "both.hl7"))
    said = [[json.loads(line)["id"] for line in done.out.splitlines()] for done in (apart, together)]
    assert said[0] == said[1] != []
