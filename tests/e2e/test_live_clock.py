"""With the live clock: every alert of the model, within a second of its message; no patient in logs or metrics."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumer.address import partition_of
from consumer.kafka import clients
from consumer.kafka.brokers import Broker
from consumer.simulate import Sent, live, stamp
from consumer.stage import Output
from rules.events import MINUTE
from tests.e2e.deployment import Deployment, Placed, Process, until

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
"""Docker's client, asked whether there is a Docker, leaves a socket to the garbage collector."""

RATE = 200
SECONDS = 100
STRUCK_SECONDS = 45
PARTITIONS = 12
"""Of each topic: the default, and three times what 200 messages a second need; with more, commits are further apart."""

WITHIN_SECONDS = 1.0


class Watch:
    """What was sent when, and what came out when; one clock for both."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.sent: dict[tuple[int, int], float] = {}
        self.feed: list[Sent] = []
        self.alerts: list[tuple[float, dict[str, Any]]] = []

    async def send(self, deployment: Deployment) -> None:
        """Send the live feed at its rate; a message is stamped as it is sent."""
        topic = deployment.config.inbound_topics[0]
        begun = time.monotonic()
        async with clients.Writer(deployment.config) as writer:
            futures = []
            for number, write in enumerate(live(11, RATE * self._seconds, every=80)):
                await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
                message = write(time.time_ns() // 1_000_000)
                at = time.monotonic()
                partition = partition_of(message.key.encode(), PARTITIONS)
                future = await writer.post(topic, message.raw, partition=partition, timestamp=message.at)
                future.add_done_callback(partial(self._acknowledged, at))
                futures.append(future)
                self.feed.append(message)
            await asyncio.gather(*futures)

    def _acknowledged(self, at: float, done: "asyncio.Future[Any]") -> None:
        self.sent[done.result().partition, done.result().offset] = at

    async def read(self, deployment: Deployment) -> None:
        """Read alerts as a pager does."""
        async for record in clients.follow(deployment.config, deployment.config.topics[Output.ALERTS]):
            self.alerts.append((time.monotonic(), json.loads(record.value or b"")))

    async def watch(self, deployment: Deployment, *meanwhile: Coroutine[Any, Any, None]) -> None:
        """Send and read while *meanwhile* happens, and wait a moment longer for what should not come."""
        reading = asyncio.create_task(self.read(deployment))
        await asyncio.gather(self.send(deployment), *meanwhile)
        await asyncio.sleep(5)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    def told_what_was_expected(self) -> int:
        """Assert that each alert of the model was raised, once, and nothing else was told; return how many."""
        raised = {(event["subject"], event["data"]["rule"]) for _, event in self.alerts}
        expected = {(message.key, rule.value) for message in self.feed for rule in message.raises}
        assert raised == expected
        assert len(self.alerts) == len(expected)
        for _, event in self.alerts:
            assert not event["data"]["stale"]
            assert event["data"]["reason"] is None
            assert event["data"]["transition"] == "raised"
        return len(expected)


def test_every_alert_within_a_second_of_its_message(kafka: Broker) -> None:
    """200 messages a second for 100 s: all that the model expects, nothing else, none stale or catching up."""
    deployment = Deployment(kafka.bootstrap_servers, clock="live", partitions=PARTITIONS, inbound=PARTITIONS)
    watch = Watch(SECONDS)
    with deployment.running() as (process,):
        process.ready()
        asyncio.run(watch.watch(deployment))
    assert watch.told_what_was_expected() >= 100
    causes = [(seen, event["data"]["cause"]) for seen, event in watch.alerts]
    latencies = sorted(seen - watch.sent[cause["partition"], cause["offset"]] for seen, cause in causes)
    assert latencies[int(len(latencies) * 0.99) - 1] <= WITHIN_SECONDS, latencies[-10:]


async def strike(processes: list[Process], another: Callable[[], Process]) -> None:
    """Kill one of three and start another; freeze one past its session and thaw it; stop one as an operator does."""
    killed, frozen, stopped = processes
    await asyncio.sleep(8)
    killed.kill()
    processes.append(await asyncio.to_thread(another))
    await asyncio.sleep(10)
    frozen.signal(signal.SIGSTOP)
    await asyncio.sleep(9)
    frozen.signal(signal.SIGCONT)
    await asyncio.sleep(6)
    assert await asyncio.to_thread(stopped.stop) == 0


def test_every_alert_once_whatever_dies(kafka: Broker) -> None:
    """With the live clock too: nothing lost, doubled, stale or false over SIGKILL, a zombie and SIGTERM."""
    deployment = Deployment(kafka.bootstrap_servers, clock="live", partitions=PARTITIONS, inbound=PARTITIONS)
    watch = Watch(STRUCK_SECONDS)
    with deployment.running(3) as processes:
        for process in processes:
            process.ready()
        asyncio.run(watch.watch(deployment, strike(processes, lambda: Process(deployment.environment()))))
        for process in (processes[1], processes[3]):
            process.ready()
    assert watch.told_what_was_expected() >= 50


NAME, MRN, NOTE, STREET = "Xylophonia", "77700012399", "Quokkasentence", "Zanzibarstreet"


def planted(number: int, body: str) -> bytes:
    """A message whose patient, address and note can be recognised wherever they come out."""
    now = time.time_ns() // 1_000_000
    head = f"MSH|^~\\&|LAB|HOSP|E|HOSP|{stamp(now)}||ORU^R01^ORU_R01|M{number}|P|2.5\r"
    person = f"PID|1||{MRN}^^^HOSP^MR||{NAME}^Anna||19570614|F|||{STREET} 5\r"
    order = (
        f"ORC|RE|P{number}|L{number}\rOBR|1|P{number}|L{number}|CHEM|||{stamp(now - 20 * MINUTE)}|||||||||||||||||||F\r"
    )
    return (head + person + order + body + f"NTE|1||{NOTE}\r").encode()


def test_no_patient_in_logs_or_metrics(kafka: Broker) -> None:
    """A planted patient: alerts name the MRN alone, dead letters keep the bytes, logs and metrics know nothing."""
    deployment = Deployment(kafka.bootstrap_servers, clock="live", partitions=2, inbound=2)
    bodies = (
        "OBX|1|NM|19123-9^Magnesium^LN||2.4|mmol/L|||||F\r",  # an alert
        f"OBX|1|NM|19123-9^Magnesium^LN||{NOTE}|mmol/L|||||F\r",  # rejected
        "OBX|1|NM|2823-3^Potassium^LN||5.0|mmol/L|||||F\rOBX|2|NM|19123-9^Magnesium^LN||2.4||||||F\r",  # in part
    )
    raws = [*(planted(number, body) for number, body in enumerate(bodies)), f"{NAME} {MRN} {STREET}".encode(), b""]
    now = time.time_ns() // 1_000_000
    with deployment.running(log_level="debug") as (process,):
        process.ready()
        deployment.write([Placed(now, number % 2, MRN.encode(), raw) for number, raw in enumerate(raws)])
        until(lambda: len(deployment.read(Output.ALERTS)) > 0, 30, process.log)
        until(lambda: len(deployment.read(Output.DEAD_LETTERS)) == 4, 30, process.log)
        until(
            lambda: 'outcome="judged in part"} 1.0' in process.get("/metrics")[1],
            10,
            lambda: process.get("/metrics")[1],
        )
        _, metrics = process.get("/metrics")
        assert process.stop() == 0
        log = process.log()
    assert list(text_string_to_metric_families(metrics))
    letters = deployment.read(Output.DEAD_LETTERS)
    assert sorted(letter.value or b"" for letter in letters) == sorted(raws[1:])
    (alert, *_) = deployment.read(Output.ALERTS)
    for marker in (NAME, NOTE, STREET):
        assert marker.encode() not in (alert.value or b"")
    said = metrics + log + "".join(str(letter.headers) for letter in letters)
    for marker in (NAME, MRN, NOTE, STREET):
        assert marker not in said, marker
