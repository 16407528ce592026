"""The commands of those who run it, on a real broker beside the running service."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from consumer.kafka import clients
from consumer.kafka.brokers import Broker
from consumer.simulate import stamp
from consumer.stage import Output
from rules.events import MINUTE
from tests.commands import Run
from tests.e2e.deployment import Deployment, Placed, until

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
"""Docker's client, asked whether there is a Docker, leaves a socket to the garbage collector."""


@pytest.fixture
def deployment(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A small deployment, whose settings are those of this process too."""
    made = Deployment(kafka.bootstrap_servers, clock="live", partitions=2, inbound=2)
    for name, value in made.settings.items():
        monkeypatch.setenv(f"LAB_ALERT_{name.upper()}", value)
    return made


def message(mrn: str, body: str) -> bytes:
    """A laboratory message sent now."""
    now = time.time_ns() // 1_000_000
    return (
        f"MSH|^~\\&|LAB|HOSP|E|HOSP|{stamp(now)}||ORU^R01^ORU_R01|{now}|P|2.5\r"
        f"PID|1||{mrn}^^^HOSP^MR||Zztest^Anna||19570614|F\r"
        f"ORC|RE|P{mrn}|L{mrn}\rOBR|1|P{mrn}|L{mrn}|CHEM|||{stamp(now - 20 * MINUTE)}|||||||||||||||||||F\r{body}"
    ).encode()


def write(deployment: Deployment, *raws: bytes) -> None:
    """Write messages that come now."""
    now = time.time_ns() // 1_000_000
    deployment.write([Placed(now, number % 2, None, raw) for number, raw in enumerate(raws)])


def test_topics_are_made_and_checked(deployment: Deployment, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`create` makes what is missing and nothing twice; `check` ends with 1 and the command that makes it."""
    assert run("topics", "check").code == 0
    assert run("topics", "create").out.startswith("all topics of ours are there")
    monkeypatch.setenv("LAB_ALERT_KAFKA_ALERTS_TOPIC", f"{deployment.config.deployment}.others")
    missing = run("topics", "check")
    assert missing.code == 1
    assert "run `lab-alert topics create`" in missing.err
    assert run("topics", "create").out == f"made {deployment.config.deployment}.others\n"
    assert run("topics", "check").code == 0


def test_dead_letters_are_listed_and_put_back_and_fail_again(deployment: Deployment, run: Run) -> None:
    """`attempt` grows with each failure; after the second it takes --force. The bytes never change."""
    bad = message("1", "OBX|1|NM|19123-9^Magnesium^LN||2.4||||||F\r")
    with deployment.running() as (process,):
        process.ready()
        write(deployment, bad)
        for attempt in (1, 2, 3):
            until(lambda: len(deployment.read(Output.DEAD_LETTERS)) == attempt, 20, process.log)  # noqa: B023
            rows = [
                json.loads(line)
                for line in run(
                    "dead-letters", "list", "--reason", "unit_missing", "--format", "jsonl"
                ).out.splitlines()
            ]
            assert [row["attempt"] for row in rows] == list(range(1, attempt + 1))
            assert rows[-1]["detail"] == [
                {"reason": "unit_missing", "where": "OBX[1]-6", "observation_identifier": "19123-9"}
            ]
            place = rows[-1]["letter"]
            if attempt == 1:
                assert run("dead-letters", "replay", place).out == "1 records put back\n"
            elif attempt == 2:
                refused = run("dead-letters", "replay", place)
                assert (refused.code, "--force tries again" in refused.err) == (1, True)
                assert run("dead-letters", "replay", place, "--force").code == 0
        assert {letter.value for letter in deployment.read(Output.DEAD_LETTERS)} == {bad}
        assert "there is no such letter" in run("dead-letters", "replay", "1:999").err


def listed(run: Run, *options: str) -> list[dict[str, Any]]:
    """Return what `dead-letters list` prints, a letter each."""
    done = run("dead-letters", "list", "--format", "jsonl", *options)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_dead_letters_by_reason_and_time_and_never_their_bodies(deployment: Deployment, run: Run) -> None:
    """A table for people; filters; each fault in words; the message itself only when it is asked for. Keys are kept."""
    no_unit = message("1", "OBX|1|NM|19123-9^Magnesium^LN||2.4||||||F\r")
    no_number = message("2", "OBX|1|NM|2823-3^Potassium^LN||zztest|mmol/L|||||F\r")
    now = time.time_ns() // 1_000_000
    with deployment.running() as (process,):
        process.ready()
        deployment.write([Placed(now, 0, b"a key", no_unit), Placed(now, 1, None, no_number)])
        until(lambda: len(deployment.read(Output.DEAD_LETTERS)) == 2, 20, process.log)
        assert sorted(row["reason"] for row in listed(run)) == ["not_a_number", "unit_missing"]
        (row,) = listed(run, "--reason", "not_a_number", "--explain")
        assert row["explanation"][0].startswith("OBX[1]-5: OBX-5 is not exactly one number")
        failed_at = row["failed_at"]
        assert {row["letter"] for row in listed(run, "--since", failed_at)} >= {row["letter"]}
        assert listed(run, "--since", "2999-01-01T00:00:00Z") == []
        assert listed(run, "--until", "2020-01-01T00:00:00Z") == []
        assert run("dead-letters", "list", "--since", "yesterday").code != 0
        table = run("dead-letters", "list", "--explain").out
        assert "unit_missing" in table
        for shown in (table, json.dumps(listed(run))):
            assert "zztest" not in shown.lower()
        (with_body,) = listed(run, "--reason", "not_a_number", "--show-body")
        assert with_body["body"] == no_number.decode()
        assert run("dead-letters", "replay", "--reason", "unit_missing", "--until", "2020-01-01T00:00:00Z").out == (
            "0 records put back\n"
        )
        assert run("dead-letters", "replay", "--reason", "unit_missing").out == "1 records put back\n"
        until(lambda: len(deployment.read(Output.DEAD_LETTERS)) == 3, 20, process.log)
        again = [letter for letter in deployment.read(Output.DEAD_LETTERS) if dict(letter.headers)["attempt"] == b"2"]
        assert [(letter.key, letter.value) for letter in again] == [(b"a key", no_unit)]


def test_a_record_of_just_under_one_mebibyte(deployment: Deployment, run: Run) -> None:
    """KAFKA.md 10: what the inbound topic takes is kept whole as a dead letter, and judged in part all the same."""
    body = "OBX|1|NM|19123-9^Magnesium^LN||2.4||||||F\rOBX|2|NM|2823-3^Potassium^LN||6.6|mmol/L|||||F\r"
    raw = message("3", body + "NTE|1|L|")
    raw += b"x" * (1_048_576 - 200 - len(raw)) + b"\r"
    with deployment.running() as (process,):
        process.ready()
        write(deployment, raw)
        until(lambda: len(deployment.read(Output.DEAD_LETTERS)) == 1, 20, process.log)
        until(lambda: run("state", "show", "HOSP|3").code == 0, 20, process.log)
        (row,) = listed(run)
        assert (row["reason"], row["bytes"]) == ("unit_missing", len(raw))
        (letter,) = deployment.read(Output.DEAD_LETTERS)
        assert letter.value == raw
        assert process.get("/readyz")[0] == 200


def test_a_patient_is_shown_and_erased(deployment: Deployment, run: Run) -> None:
    """`state show` gives open alerts; `state erase` has the owner write the tombstone and says where copies remain."""
    with deployment.running() as (process,):
        process.ready()
        write(deployment, message("2", "OBX|1|NM|19123-9^Magnesium^LN||2.4|mmol/L|||||F\r"))
        until(lambda: run("state", "show", "HOSP|2").code == 0, 20, process.log)
        shown = json.loads(run("state", "show", "HOSP|2").out)
        assert [alert["rule"] for alert in shown["open_alerts"]] == ["hypermagnesemia-exposure-unknown"]
        erased = run("state", "erase", "HOSP|2", "--yes")
        assert erased.code == 0
        assert deployment.config.topics[Output.ALERTS] in erased.out
        until(lambda: run("state", "show", "HOSP|2").code == 1, 20, process.log)
        assert "nothing is stored under HOSP|2" in run("state", "show", "HOSP|2").err


def test_offsets_are_set_only_while_nobody_reads(deployment: Deployment, run: Run) -> None:
    """Refused while the group has members; then it says from where to where."""
    write(deployment, *(message(str(number), "") for number in range(4)))
    with deployment.running() as (process,):
        process.ready()
        refused = run("offsets", "set", "--stage", "ingest", "--to", "earliest")
        assert (refused.code, "members" in refused.err) == (2, True)
        assert process.stop() == 0
    moved = run("offsets", "set", "--stage", "ingest", "--to", "earliest", "--partition", "1")
    assert moved.code == 0
    assert moved.out.strip().endswith("-> 0")


def test_simulate_feeds_the_topic(deployment: Deployment, run: Run) -> None:
    """A seeded ward on the inbound topic, each record with its ward time."""
    done = run("simulate", "--messages", "300", "--patients", "10")
    assert done.code == 0, done.err

    async def inbound() -> int:
        return len([one async for one in clients.read(deployment.config, deployment.config.inbound_topics[0])])

    assert asyncio.run(inbound()) == 300


def test_the_demo_shows_both_alerts_and_ends_with_0(kafka: Broker) -> None:
    """Both alerts of the mission, an escalation, a resolution, a retraction; nothing is left running."""
    done = subprocess.run(
        [sys.executable, "-m", "consumer", "demo", "--duration", "25"],
        env=os.environ | {"LAB_ALERT_TEST_BOOTSTRAP": kafka.bootstrap_servers},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
    for words in (
        "raised refractory-hyperkalemia-no-magnesium",
        "raised post-infusion-hypermagnesemia",
        "escalated ",
        "resolved ",
        "retracted ",
        "messages (",
    ):
        assert words in done.stdout, words
    assert "Traceback" not in done.stdout + done.stderr
