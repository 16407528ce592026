"""A backtest over topics gives byte for byte what a replay of the same messages gives, whatever dies on the way."""

import json
import signal
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from consumer.address import partition_of
from consumer.cloudevent import Issuer, alert_event, encode_alert
from consumer.hl7.decoder import Decoder
from consumer.hl7.files import read_messages
from consumer.hl7.site import Site
from consumer.kafka.brokers import Broker
from consumer.replay import Replay, message_time
from consumer.simulate import ward
from consumer.stage import Output
from rules.events import Source
from rules.rulebook import DEFAULT
from tests.e2e.deployment import Deployment, Placed, Process, by_patient

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
"""Docker's client, asked whether there is a Docker, leaves a socket to the garbage collector."""

STORIES = Path(__file__).parents[3] / "shared" / "stories"
PARTITIONS = 12
WARD_MESSAGES = 20_000
SESSION_SECONDS = 7.0
"""Longer than the deployment's session timeout."""

WARD_START = 1_767_225_600_000  # 2026-01-01


def stories() -> list[tuple[int, str, bytes]]:
    """Time, patient and bytes of the stories' messages; those with merges, or without a time of their own, left out."""
    site = Site.default()
    decoder = Decoder(site)
    found = []
    for path in sorted(STORIES.glob("*/feed.hl7")):
        messages = list(read_messages(path))
        times = [message_time(raw, site) for raw in messages]
        if any(b"|ADT^A40" in raw for raw in messages) or None in times:
            continue
        for raw, at in zip(messages, times, strict=True):
            events = decoder.decode(raw, received_at=at, source=Source("story", 0, 0)).events
            found.append((at or 0, events[0].patient.key if events else "", raw))
    return found


@pytest.fixture(scope="module")
def messages() -> list[tuple[int, str, bytes]]:
    """The stories and a ward, by time."""
    simulated = [(one.at, one.key, one.raw) for one in islice(ward(7, 300, WARD_START), WARD_MESSAGES)]
    return sorted([*stories(), *simulated], key=lambda one: one[0])


def placed(messages: list[tuple[int, str, bytes]], *, keyed: bool) -> list[Placed]:
    """The messages on their partitions: by patient, or spread without a key."""
    return [
        Placed(at, partition_of(key.encode(), PARTITIONS), key.encode(), raw)
        if keyed
        else Placed(at, number % PARTITIONS, None, raw)
        for number, (at, key, raw) in enumerate(messages)
    ]


def replayed(feed: list[Placed]) -> list[bytes]:
    """What a replay of the feed gives, up to its last message; messages of one moment by partition and offset."""
    offsets = [0] * PARTITIONS
    ordered = []
    for one in feed:
        ordered.append((one.received_at, one.partition, offsets[one.partition], one.raw))
        offsets[one.partition] += 1
    ordered.sort()
    machine = Replay(DEFAULT, Site.default())
    issuer = Issuer("", "", DEFAULT.fingerprint())
    messages = ((raw, Source("inbound", partition, offset)) for _, partition, offset, raw in ordered)
    return [
        encode_alert(alert_event(transition, source=source, published_at=0, issuer=issuer))
        for transition, source in machine.run(messages, until=ordered[-1][0])
    ]


Fault = Callable[[list[Process], Deployment, int], None]


def nothing(processes: list[Process], deployment: Deployment, expected: int) -> None:
    """Let the service be."""


def kill_and_restart(processes: list[Process], deployment: Deployment, expected: int) -> None:
    """SIGKILL half way, and a new process."""
    deployment.until_written(Output.ALERTS, expected // 10)
    processes[0].kill()
    assert len(deployment.read(Output.ALERTS)) < expected, "it was killed too late to prove anything"
    # The new one has to wait for nobody: per-partition ids fence what the dead one left open.
    with deployment.running() as again:
        processes += again
        deployment.alerts(expected)


def kill_one_of_two(processes: list[Process], deployment: Deployment, expected: int) -> None:
    """SIGKILL one of two that share the work."""
    deployment.until_written(Output.ALERTS, expected // 10)
    processes[0].kill()
    assert len(deployment.read(Output.ALERTS)) < expected, "it was killed too late to prove anything"


def freeze_one_of_two(processes: list[Process], deployment: Deployment, expected: int) -> None:
    """SIGSTOP until the other has taken over and told more, and SIGCONT: a zombie with a transaction open."""
    deployment.until_written(Output.ALERTS, expected // 10)
    processes[0].signal(signal.SIGSTOP)
    try:
        told = len(deployment.read(Output.ALERTS))
        assert told < expected, "it was frozen too late to prove anything"
        time.sleep(SESSION_SECONDS)
        deployment.until_written(Output.ALERTS, told + 1)
    finally:
        processes[0].signal(signal.SIGCONT)


def restart_both(processes: list[Process], deployment: Deployment, expected: int) -> None:
    """SIGTERM, one after the other, and a new process for each: an update of the deployment."""
    deployment.until_written(Output.ALERTS, 1)
    processes[0].signal(signal.SIGTERM)
    assert len(deployment.read(Output.ALERTS)) < expected, "it was stopped too late to prove anything"
    assert processes[0].ended() == 0
    with deployment.running() as third:
        third[0].ready()
        assert processes[1].stop() == 0
        with deployment.running() as fourth:
            fourth[0].ready()
            deployment.alerts(expected)


@pytest.mark.parametrize(
    ("keyed", "processes", "fault"),
    [
        (True, 1, nothing),
        (False, 1, nothing),
        (False, 1, kill_and_restart),
        (True, 2, kill_one_of_two),
        (False, 2, freeze_one_of_two),
        (True, 2, restart_both),
    ],
    ids=["keyed", "unkeyed", "killed and restarted", "one of two killed", "one of two frozen", "both restarted"],
)
def test_the_service_says_what_a_replay_says(
    kafka: Broker, messages: list[tuple[int, str, bytes]], keyed: bool, processes: int, fault: Fault
) -> None:
    """Order by patient, each id once, every byte but `published_at`, `cause` and `service_version`."""
    feed = placed(messages, keyed=keyed)
    expected = by_patient(replayed(feed))
    count = sum(len(events) for events in expected.values())
    assert count > 1_000
    deployment = Deployment(kafka.bootstrap_servers, clock="records")
    deployment.write(feed)
    with deployment.running(processes) as running:
        fault(running, deployment, count)
        values = [record.value or b"" for record in deployment.alerts(count)]
    ids = [json.loads(value)["id"] for value in values]
    assert len(ids) == len(set(ids))
    found = by_patient([value.replace(deployment.config.deployment.encode(), b"") for value in values])
    assert found.keys() == expected.keys()
    for patient, events in expected.items():
        assert found[patient] == events, patient
