"""A merge whose two homes belong to two processes, one of which dies while the history is on its way."""

import json
import random
import signal
import time
from collections.abc import Sequence

import pytest

from consumer.address import partition_of
from consumer.kafka.brokers import Broker
from consumer.simulate import Adt, Labs, Writer, bed
from consumer.stage import Output
from consumer.wire import Kind, decode_event
from tests.e2e.deployment import Deployment, Placed, Process, until

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
"""Docker's client, asked whether there is a Docker, leaves a socket to the garbage collector."""

HOMES = 2


def at_home(home: int) -> Writer:
    """Return who writes for a patient of that events partition."""
    numbers = (number for number in range(100) if partition_of(writer(number).bed.key.encode(), HOMES) == home)
    return writer(next(numbers))


def writer(number: int) -> Writer:
    """Return who writes for the patient of that number."""
    return Writer(bed(random.Random(number), number), number)


def owner(processes: Sequence[Process], stage: str, partition: int) -> Process | None:
    """Return the process that was given that partition alone of its stage's input, by what each has logged last."""
    for process in processes:
        lines = [line for line in process.log().splitlines() if '"member.assigned"' in line]
        assigned = [json.loads(line)["partitions"] for line in lines if json.loads(line)["stage"] == stage]
        if assigned and len(assigned[-1]) == 1 and assigned[-1][0].endswith(f"-{partition}"):
            return process
    return None


def told(deployment: Deployment) -> list[tuple[str, str, str | None]]:
    """Return whose alerts were told, how they changed and why; each id once, or this fails."""
    events = [json.loads(record.value or b"") for record in deployment.read(Output.ALERTS)]
    ids = [event["id"] for event in events]
    assert len(ids) == len(set(ids))
    return [(event["subject"], event["data"]["transition"], event["data"]["reason"]) for event in events]


def handed_over(deployment: Deployment) -> bool:
    """Whether a history stands in the events."""
    return any(decode_event(record.value or b"").kind is Kind.HANDOVER for record in deployment.read(Output.EVENTS))


@pytest.mark.parametrize("dies", ["the home that it left", "the home that it goes to"])
def test_a_merge_whose_home_dies_in_between(kafka: Broker, dies: str) -> None:
    """The alert closes under the old number and goes on under the new one, once, and so does what comes later."""
    deployment = Deployment(kafka.bootstrap_servers, clock="live", partitions=HOMES, inbound=HOMES)
    old, new = at_home(0), at_home(1)

    with deployment.running(2) as processes:

        def alone() -> list[Process] | None:
            found = [owner(processes, stage, n) for stage in ("ingest", "judge") for n in range(HOMES)]
            return None if None in found else [one for one in found if one is not None]

        until(lambda: alone() is not None, 60, processes[0].log)
        for process in processes:
            process.ready()
        _, _, left, goes_to = alone() or []
        inbound = (alone() or []).index(left)

        def send(raw: bytes) -> None:
            now = time.time_ns() // 1_000_000
            deployment.write([Placed(now, inbound, None, raw)])

        def magnesium(value: str) -> bytes:
            return old.write(Labs(0, ("MG", "GLU"), {"MG": value}), time.time_ns() // 1_000_000)

        raised = (old.bed.key, "raised", None)
        send(magnesium("2.4"))
        until(lambda: told(deployment) == [raised], 30, lambda: str(told(deployment)))
        goes_to.signal(signal.SIGSTOP)
        merge = new.write(Adt(0, "A40"), time.time_ns() // 1_000_000)
        send(merge + f"MRG|{old.bed.mrn}^^^SIM^MR\r".encode())
        until(lambda: handed_over(deployment), 30, left.log)
        assert not [one for one in told(deployment) if one[0] == new.bed.key], "too late to prove anything"
        if dies == "the home that it left":
            left.kill()
            goes_to.signal(signal.SIGCONT)
        else:
            goes_to.kill()
        there = [raised, (old.bed.key, "closed", "merged"), (new.bed.key, "raised", "continued")]
        until(lambda: sorted(told(deployment)) == sorted(there), 60, lambda: str(told(deployment)))
        inbound = 0
        send(magnesium("3.2"))
        there.append((new.bed.key, "escalated", None))
        until(lambda: sorted(told(deployment)) == sorted(there), 60, lambda: str(told(deployment)))
