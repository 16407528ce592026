"""HL7.md 4 on a real broker: a pump's infusion (start, rate change, stop, keep vein open), and its hypermagnesemia."""

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumer.kafka.brokers import Broker
from consumer.stage import Output
from rules.events import HOUR
from tests.e2e.deployment import Deployment, Placed, Process, until
from tests.fuzz.builder import MSH, PID, obx, oru, pump, typed

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
"""Docker's client, asked whether there is a Docker, leaves a socket to the garbage collector."""

MIDNIGHT = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

RAISED = ("magnesium-monitoring-gap", "post-infusion-hypermagnesemia")
"""Six hours of an infusion without a magnesium or potassium; then 2.6 mmol/L."""

EVENTS: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("start", 7, {}),
    ("stop", 9, {"delivery": "^pump-delivery-status-transitioning"}),
    ("start", 9, {"flow": "75"}),
    ("complete", 13, {}),
    ("start", 13, {"flow": "2"}),  # keep vein open
    ("stop", 13.5, {"flow": "0", "status": "^pump-status-not-infusing"}),
)


def utc(hour: float) -> str:
    """Return a time of 1 January 2026, with its offset."""
    return f"20260101{int(hour):02}{int(hour % 1 * 60):02}00+0000"


def infusion(order: str, pid: str) -> list[tuple[float, bytes]]:
    """Return a pump's messages of one infusion, each with the hour at which it was sent."""
    return [
        (hour, pump(event, at=utc(hour)[:14], sent=utc(hour), pid=pid, **said).replace(b"|P9^", f"|{order}^".encode()))
        for event, hour, said in EVENTS
    ]


def feed() -> list[tuple[float, int, bytes]]:
    """
    Return hours, partitions and messages: the pump's on partition 0, the pharmacy's on 1, the laboratory's on 2.

    The pump of HOSP|1 names its patient; that of HOSP|2 only the order, which the pharmacy has told of; of the third
    nobody has told.
    """
    one, two = (PID.replace("123456", mrn) for mrn in ("1", "2"))
    pumps = infusion("P1", one) + infusion("P2", "") + infusion("P3", "")[:1]
    told = typed(
        "RGV^O15", "ORC|RE|P2", "RXG|1|||M^magnesium sulfate^L", pid=two, msh=MSH.replace("20260101100000-0500", utc(6))
    )
    results = [
        oru(
            obx("19123-9^Magnesium^LN", "2.6"),
            pid=pid,
            msh=MSH.replace("20260101100000-0500", utc(15)).replace("MSG00001", f"MG{number}"),
            obr=f"OBR|1|K{number}|L{number}|CHEM|||{utc(14.75)}",
        )
        for number, pid in enumerate((one, two))
    ]
    return sorted([*((hour, 0, raw) for hour, raw in pumps), (6, 1, told), *((15, 2, raw) for raw in results)])


def compared(process: Process) -> dict[str, float]:
    """Return how many messages hl7apy has read too, by verdict."""
    return {
        sample.labels["verdict"]: sample.value
        for family in text_string_to_metric_families(process.get("/metrics")[1])
        for sample in family.samples
        if sample.name == "lab_alert_cross_checks_total"
    }


def test_an_infusion_from_pump_messages_raises_hypermagnesemia(kafka: Broker) -> None:
    """
    Named by the pump, or found through its order's number: each patient's magnesium is of their infusion.

    Meanwhile hl7apy reads a share of the messages too, and sees the same in them.
    """
    deployment = Deployment(kafka.bootstrap_servers, clock="records", partitions=3, inbound=3)
    deployment.write([Placed(MIDNIGHT + int(hour * HOUR), place, None, raw) for hour, place, raw in feed()])
    with deployment.running(cross_check_each="1", cross_check_per_second="10") as (process,):
        process.ready()
        until(lambda: len(deployment.read(Output.DEAD_LETTERS)) == 1, 30, process.log)
        until(lambda: len(deployment.read(Output.ALERTS)) >= 2 * len(RAISED), 30, process.log)
        until(lambda: compared(process)["agrees"] > 0, 30, process.log)
        assert {verdict for verdict, number in compared(process).items() if number} == {"agrees"}
    alerts = [json.loads(record.value or b"") for record in deployment.read(Output.ALERTS)]
    raised = {(event["subject"], event["data"]["rule"]) for event in alerts if event["type"].endswith("raised.v1")}
    assert raised == {(f"HOSP|{mrn}", rule) for mrn in "12" for rule in RAISED}
    (letter,) = (dict(record.headers) for record in deployment.read(Output.DEAD_LETTERS))
    assert (letter["reason"], letter["stage"]) == (b"pump_unbound", b"judge")
