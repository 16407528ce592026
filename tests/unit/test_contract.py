"""What we promise to those who read: the documents are true, v1 only grows, other people's tools read our events."""

import json
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cloudevents.kafka import KafkaMessage, from_structured

from consumer.cloudevent import CONTENT_TYPE, Issuer, alert_event, alert_headers, encode_alert
from consumer.contract import SCHEMA_FILE, asyncapi, breaks, documents, schema
from consumer.kafka.config import KafkaConfig
from consumer.kafka.service import ServiceHealth, Status
from rules.alert import Change, Evidence, Rule, Severity, Transition
from rules.events import MINUTE, Analyte, Patient, Result, Source

DOCS = Path(__file__).parents[2] / "docs" / "contract"
NOW = 1_767_276_600_000  # 2026-01-01 14:10 UTC
RESULT = Result(
    analyte=Analyte.MAGNESIUM,
    order_number="L1",
    observation_identifier="19123-9",
    sub_id="",
    observed_at=NOW,
    observed_offset=-300,
    resulted_at=NOW,
    received_at=NOW,
    status="F",
    value=Decimal("1.481176713"),
    comparator=">",
    original_value=">3.6",
    original_units="mg/dL",
    container="c",
    message_control_id="M1",
    flags=("censored",),
)
TRANSITION = Transition(
    alert_id="5f0c0000-0000-5000-8000-000000000000",
    sequence=2,
    change=Change.ESCALATED,
    rule=Rule.POST_INFUSION_HYPERMAGNESEMIA,
    rule_version="1.0",
    severity=Severity.CRITICAL,
    notify=True,
    stale=False,
    mode="active",
    reason=None,
    criterion=None,
    patient=Patient("HOSP|123456", "123456", "HOSP"),
    visit_number="V1",
    location="ICU^1^A",
    summary="Magnesium > 3.6 mg/dL.",
    considerations=("check reflexes, breathing, urine output",),
    evidence_grade="high",
    evidence=(Evidence(RESULT, "valid"),),
    context={"population": "adult", "risk_factors": ["loop diuretic"]},
    missing=(),
    thresholds={"general_critical": "2.5 mmol/L"},
    resolves_when="magnesium < 1.3 mmol/L",
    related=(),
    continues=(),
    opened_at=NOW - 1,
    observed_at=NOW,
    observed_offset=-300,
    received_at=NOW,
    time=NOW + 30 * MINUTE,
)
ISSUER = Issuer("ward", "1.2.3", "sha256:0")
SOURCE = Source("hl7.inbound", 3, 4711)


def event(transition: Transition = TRANSITION, source: Source | None = SOURCE) -> dict[str, Any]:
    """The event of a transition as its reader parses it."""
    value = encode_alert(alert_event(transition, source=source, published_at=NOW + 5, issuer=ISSUER))
    parsed: dict[str, Any] = json.loads(value)
    return parsed


@pytest.mark.parametrize("name", list(documents()))
def test_the_committed_documents_are_what_the_code_says(name: str) -> None:
    """`python -m consumer.contract` has been run after the last change."""
    assert (DOCS / name).read_text(encoding="utf-8") == documents()[name]


def test_v1_has_only_grown_since_it_was_released() -> None:
    """No field and no enum value that readers were promised is gone or of another type."""
    released = json.loads((DOCS / "released" / SCHEMA_FILE).read_text(encoding="utf-8"))
    assert breaks(released, schema()) == []


def changes() -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Changes of the schema, and what a reader would stumble over."""
    for name, expected in (
        ("a field added", []),
        ("a value added", []),
        ("a field gone", ["event.data.summary: is gone"]),
        ("a value gone", ["event.data.severity: the value 'high' is gone"]),
        ("another type", ["event.data.sequence: was ['integer'], is ['string']"]),
        ("may be null", ["event.data.summary: was ['string'], is ['null', 'string']"]),
        ("may be missing", ["event.data.summary: may now be missing"]),
        ("deep inside", ["event.data.evidence[].units: is gone"]),
    ):
        new = deepcopy(schema())
        data = new["$defs"]["AlertData"]
        match name:
            case "a field added":
                data["properties"]["new"] = {"type": "string"}
            case "a value added":
                data["properties"]["severity"]["enum"].append("fatal")
            case "a field gone":
                del data["properties"]["summary"]
            case "a value gone":
                data["properties"]["severity"]["enum"].remove("high")
            case "another type":
                data["properties"]["sequence"]["type"] = "string"
            case "may be null":
                data["properties"]["summary"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
            case "may be missing":
                data["required"].remove("summary")
            case "deep inside":
                del new["$defs"]["EvidenceItem"]["properties"]["units"]
        yield name, new, expected


@pytest.mark.parametrize(("new", "expected"), [pytest.param(new, want, id=name) for name, new, want in changes()])
def test_what_breaks_a_reader(new: dict[str, Any], expected: list[str]) -> None:
    """The compatibility test goes red for each kind of change that v1 does not allow."""
    assert breaks(schema(), new) == expected


@pytest.mark.parametrize("source", [SOURCE, None], ids=["message", "timer"])
def test_events_keep_to_the_schema(source: Source | None) -> None:
    """What is written is what the schema says, formats included."""
    jsonschema.validate(event(source=source), schema(), format_checker=jsonschema.FormatChecker())


def test_every_field_of_the_event() -> None:
    """DESIGN.md 2: the envelope, times in UTC with milliseconds, a draw with its sender's offset, exact numbers."""
    one = event()
    data = one.pop("data")
    assert one == {
        "specversion": "1.0",
        "type": "lab-alert.alert.escalated.v1",
        "source": "/lab-alert/ward",
        "id": "5f0c0000-0000-5000-8000-000000000000:2",
        "time": "2026-01-01T14:40:00.000Z",
        "subject": "HOSP|123456",
        "datacontenttype": "application/json",
        "dataschema": "urn:lab-alert:schema:alert:v1",
    }
    assert data["opened_at"] == "2026-01-01T14:09:59.999Z"
    assert data["published_at"] == "2026-01-01T14:10:00.005Z"
    assert data["observed_at"] == "2026-01-01T09:10:00-05:00"
    assert data["cause"] == {"topic": "hl7.inbound", "partition": 3, "offset": 4711}
    assert data["severity"] == "critical"
    assert data["evidence"] == [
        {
            "analyte": "magnesium",
            "value": "1.481176713",
            "units": "mmol/L",
            "original_value": ">3.6",
            "original_units": "mg/dL",
            "observed_at": "2026-01-01T09:10:00-05:00",
            "result_status": "F",
            "specimen": "valid",
            "message_control_id": "M1",
            "filler_order_number": "L1",
            "observation_identifier": "19123-9",
            "flags": ["censored"],
            "comparator": ">",
            "age": "30 min",
        }
    ]


def test_the_cause_of_a_timer_is_its_name() -> None:
    """A transition that no message caused says which timer did."""
    assert event(TRANSITION._replace(timer="hold"), None)["data"]["cause"] == {"timer": "hold"}


def test_cloudevents_own_sdk_reads_an_event() -> None:
    """Structured mode over Kafka, as the CloudEvents Kafka binding has it."""
    value = encode_alert(alert_event(TRANSITION, source=SOURCE, published_at=NOW, issuer=ISSUER))
    headers = dict(alert_headers(TRANSITION))
    read = from_structured(KafkaMessage(headers=headers, key=b"HOSP|123456", value=value))
    assert read["id"] == "5f0c0000-0000-5000-8000-000000000000:2"
    assert read["type"] == "lab-alert.alert.escalated.v1"
    assert read["subject"] == "HOSP|123456"
    data = read.get_data()
    assert isinstance(data, dict)
    assert data["severity"] == "critical"


def test_a_status_record_is_what_the_document_says() -> None:
    """What an instance says of itself once a minute has the fields that AsyncAPI promises, and no others."""
    promised = asyncapi()["components"]["messages"]["status"]["payload"]
    status = Status(KafkaConfig(), ServiceHealth(), {"version": "1.2.3", "rulebook": "sha256:0"})
    record = status._record()
    jsonschema.validate(record, promised)
    assert set(record) | {"ended"} == set(promised["properties"])


def test_the_documents_name_the_topics_that_outsiders_read() -> None:
    """Alerts, dead letters and status; each operation names a channel, each channel a message that is there."""
    document = asyncapi()
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {"lab-alert.alerts", "lab-alert.dead-letters", "lab-alert.status"}
    named = {operation["channel"]["$ref"].rsplit("/", 1)[1] for operation in document["operations"].values()}
    assert named == set(document["channels"])
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            assert message["$ref"].rsplit("/", 1)[1] in document["components"]["messages"]


def test_headers_route_without_the_value() -> None:
    """Content type, severity, transition and notify."""
    assert dict(alert_headers(TRANSITION)) == {
        "content-type": CONTENT_TYPE,
        "severity": b"critical",
        "transition": b"escalated",
        "notify": b"true",
    }
