"""
An alert as outsiders get it: one CloudEvents 1.0 JSON event a transition, structured mode (DESIGN.md 2).

Within v1, fields and enum values are only added; `docs/contract/` holds the JSON Schema and AsyncAPI document that
`consumer/contract.py` makes from the types here.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from rules.alert import Change, Evidence, Rule, Transition
from rules.events import MINUTE, Analyte, Instant, Source
from rules.units import CANONICAL
from rules.words.values import hours

CONTENT_TYPE: Final = b"application/cloudevents+json; charset=UTF-8"
DATA_SCHEMA: Final = "urn:lab-alert:schema:alert:v1"

SeverityWord = Literal["information", "warning", "high", "critical"]
SEVERITIES: Final[tuple[SeverityWord, ...]] = ("information", "warning", "high", "critical")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000


Utc = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="UTC with milliseconds",
        extra_json_schema={"format": "date-time"},
    ),
]
Local = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$",
        description="as its sender meant it, with its sender's offset",
        extra_json_schema={"format": "date-time"},
    ),
]
Number = Annotated[str, Meta(pattern=r"^\d+(\.\d+)?$", description="a decimal number as text, never rounded")]


class Issuer(NamedTuple):
    """Who publishes: what is the same in every event of a process."""

    deployment: str
    service_version: str
    rulebook: str


class EvidenceItem(msgspec.Struct, frozen=True):
    """A result that the alert stands on; values are decimal numbers as text."""

    analyte: Analyte
    value: Number | None
    units: str
    original_value: str
    original_units: str
    observed_at: Local
    result_status: str
    specimen: str
    message_control_id: str
    filler_order_number: str
    observation_identifier: str
    flags: tuple[str, ...]
    comparator: str
    age: Annotated[str, Meta(description="how long before `time` it was drawn, in words: `30 min`")]


class AlertPatient(msgspec.Struct, frozen=True):
    """Whom the alert is about: identifiers and place, never a name."""

    key: str
    mrn: str
    assigning_authority: str
    visit_number: str
    location: str


class AlertData(msgspec.Struct, frozen=True):
    """
    What an alert event says; the order of the fields is the order on the wire.

    Act only on `notify`; order by `sequence`, higher wins. Only `published_at`, `cause` and `service_version` may
    differ when the same input is judged again.
    """

    alert_id: str
    sequence: int
    transition: Change
    rule: Rule
    rule_version: str
    severity: SeverityWord
    notify: bool
    stale: bool
    mode: Literal["active", "shadow"]
    reason: str | None
    criterion: str | None
    patient: AlertPatient
    summary: str
    considerations: tuple[str, ...]
    evidence_grade: str
    evidence: tuple[EvidenceItem, ...]
    context: dict[str, Any]
    missing: tuple[str, ...]
    thresholds: dict[str, str]
    resolves_when: str
    related: tuple[str, ...]
    continues: tuple[str, ...]
    opened_at: Utc
    observed_at: Local | None
    received_at: Utc
    published_at: Utc
    cause: dict[str, str | int]
    service_version: str
    rulebook: str


class AlertEvent(msgspec.Struct, frozen=True):
    """The CloudEvents envelope."""

    specversion: Literal["1.0"]
    type: str
    source: str
    id: str
    time: Utc
    subject: str
    datacontenttype: str
    dataschema: str
    data: AlertData


_encoder: Final = msgspec.json.Encoder()


def utc(instant: Instant) -> str:
    """
    Return an instant in UTC with milliseconds.

    >>> utc(1_767_276_600_000)
    '2026-01-01T14:10:00.000Z'
    """
    moment = _EPOCH + timedelta(milliseconds=instant)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % _SECOND:03d}Z"


def local(instant: Instant, offset: int) -> str:
    """
    Return an instant as its sender wrote it, *offset* minutes east of UTC, to the second.

    >>> local(1_767_276_600_000, -300)
    '2026-01-01T09:10:00-05:00'
    """
    zone = timezone(timedelta(milliseconds=offset * MINUTE))
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone).isoformat(timespec="seconds")


def alert_event(transition: Transition, *, source: Source | None, published_at: Instant, issuer: Issuer) -> AlertEvent:
    """
    Return the event of a transition.

    Args:
        transition: What the rules decided.
        source: The inbound record that caused it; None where a timer did.
        published_at: The wall clock, in milliseconds.
        issuer: Who publishes.
    """
    patient = transition.patient
    cause: dict[str, str | int]
    if source is None or transition.timer is not None:
        cause = {"timer": transition.timer or "timer"}
    else:
        cause = {"topic": source.topic, "partition": source.partition, "offset": source.offset}
    observed_at = transition.observed_at
    data = AlertData(
        alert_id=transition.alert_id,
        sequence=transition.sequence,
        transition=transition.change,
        rule=transition.rule,
        rule_version=transition.rule_version,
        severity=SEVERITIES[transition.severity],
        notify=transition.notify,
        stale=transition.stale,
        mode="shadow" if transition.mode == "shadow" else "active",
        reason=transition.reason,
        criterion=transition.criterion,
        patient=AlertPatient(
            patient.key, patient.mrn, patient.assigning_authority, transition.visit_number, transition.location
        ),
        summary=transition.summary,
        considerations=transition.considerations,
        evidence_grade=transition.evidence_grade,
        evidence=tuple(_evidence(item, transition.time) for item in transition.evidence),
        context=transition.context,
        missing=transition.missing,
        thresholds=transition.thresholds,
        resolves_when=transition.resolves_when,
        related=transition.related,
        continues=transition.continues,
        opened_at=utc(transition.opened_at),
        observed_at=None if observed_at is None else local(observed_at, transition.observed_offset),
        received_at=utc(transition.received_at),
        published_at=utc(published_at),
        cause=cause,
        service_version=issuer.service_version,
        rulebook=transition.rulebook or issuer.rulebook,
    )
    return AlertEvent(
        specversion="1.0",
        type=f"lab-alert.alert.{transition.change.value}.v1",
        source=f"/lab-alert/{issuer.deployment}",
        id=f"{transition.alert_id}:{transition.sequence}",
        time=utc(transition.time),
        subject=patient.key,
        datacontenttype="application/json",
        dataschema=DATA_SCHEMA,
        data=data,
    )


def encode_alert(event: AlertEvent) -> bytes:
    """Return the value of an alerts record."""
    return _encoder.encode(event)


def alert_headers(transition: Transition) -> tuple[tuple[str, bytes], ...]:
    """Return the headers by which a router can choose without reading the value."""
    return (
        ("content-type", CONTENT_TYPE),
        ("severity", transition.severity.label.encode()),
        ("transition", transition.change.value.encode()),
        ("notify", b"true" if transition.notify else b"false"),
    )


def _evidence(item: Evidence, time: Instant) -> EvidenceItem:
    result = item.result
    return EvidenceItem(
        analyte=result.analyte,
        value=None if result.value is None else f"{result.value:f}",
        units=CANONICAL[result.analyte].value,
        original_value=result.original_value,
        original_units=result.original_units,
        observed_at=local(result.observed_at, result.observed_offset),
        result_status=result.status,
        specimen=item.specimen,
        message_control_id=result.message_control_id,
        filler_order_number=result.order_number,
        observation_identifier=result.observation_identifier,
        flags=result.flags,
        comparator=result.comparator,
        age=hours(max(0, time - result.observed_at)),
    )
