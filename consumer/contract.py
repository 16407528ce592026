"""
The contract with those who read our topics, made from the code: a JSON Schema of the alert event, an AsyncAPI document.

``python -m consumer.contract`` writes both to docs/contract; a test keeps them true, another that v1 only grows.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from consumer.cloudevent import DATA_SCHEMA, SEVERITIES, AlertEvent
from rules.alert import Change

SCHEMA_FILE: Final = "alert.v1.schema.json"
ASYNCAPI_FILE: Final = "asyncapi.json"

_TEMPLATE: Final = "#/$defs/{name}"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the value of an alerts record."""
    (reference,), parts = msgspec.json.schema_components([AlertEvent], ref_template=_TEMPLATE)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": DATA_SCHEMA,
        "title": "lab-alert alert event, v1",
        "description": "A CloudEvents 1.0 event in structured mode. Within v1 fields and enum values are only added: "
        "ignore what you don't know.",
        **reference,
        "$defs": dict(sorted(parts.items())),
    }


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of the topics that outsiders read."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lab-alert",
            "version": "1",
            "description": "Electrolyte alerts from HL7 v2 results. A secondary notification beside the laboratory's "
            "own critical-value call. Delivery is exactly once to read_committed readers; ignore an id seen before.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "alerts": {
                "address": "lab-alert.alerts",
                "description": "One event a transition, keyed by patient; read it with isolation.level=read_committed.",
                "messages": {"alert": {"$ref": "#/components/messages/alert"}},
            },
            "deadLetters": {
                "address": "lab-alert.dead-letters",
                "description": "Records that could not be used, or not wholly: their original bytes, unchanged.",
                "messages": {"deadLetter": {"$ref": "#/components/messages/deadLetter"}},
            },
            "status": {
                "address": "lab-alert.status",
                "description": "One record a minute and at every change from each instance, keyed by it; silence is an "
                "alarm. A tombstone follows the last one.",
                "messages": {"status": {"$ref": "#/components/messages/status"}},
            },
        },
        "operations": {
            "publishAlert": {"action": "send", "channel": {"$ref": "#/channels/alerts"}},
            "publishDeadLetter": {"action": "send", "channel": {"$ref": "#/channels/deadLetters"}},
            "publishStatus": {"action": "send", "channel": {"$ref": "#/channels/status"}},
        },
        "components": {
            "messages": {"alert": _alert_message(), "deadLetter": _dead_letter_message(), "status": _status_message()}
        },
    }


def documents() -> dict[str, str]:
    """Return every generated file of docs/contract by its name."""
    return {SCHEMA_FILE: _text(schema()), ASYNCAPI_FILE: _text(asyncapi())}


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """
    Return what a reader of *old* could stumble over in *new*; empty when fields and enum values were only added.

    Args:
        old: The schema that readers were built for.
        new: The schema of what is written now.
    """
    return list(_broken(old, new, old, new, "event"))


def _broken(old: Any, new: Any, old_root: dict[str, Any], new_root: dict[str, Any], place: str) -> list[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    faults: list[str] = []
    if _types(old) - {"null"} and not _types(new) <= _types(old):
        faults.append(f"{place}: was {sorted(_types(old))}, is {sorted(_types(new))}")
    gone = set(old.get("enum", ())) - set(new.get("enum", old.get("enum", ())))
    faults += [f"{place}: the value {value!r} is gone" for value in sorted(map(str, gone))]
    faults += [
        f"{place}.{name}: is gone" for name in old.get("properties", {}) if name not in new.get("properties", {})
    ]
    for name in old.get("required", ()):
        if name not in new.get("required", ()) and name in new.get("properties", {}):
            faults.append(f"{place}.{name}: may now be missing")
    for name, part in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            faults += _broken(part, new["properties"][name], old_root, new_root, f"{place}.{name}")
    if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
        faults += _broken(old["items"], new["items"], old_root, new_root, f"{place}[]")
    return faults


def _resolved(part: Any, root: dict[str, Any]) -> dict[str, Any]:
    while isinstance(part, dict) and "$ref" in part:
        part = root["$defs"][part["$ref"].rsplit("/", 1)[1]]
    return part if isinstance(part, dict) else {}


def _types(part: dict[str, Any]) -> set[str]:
    if "anyOf" in part:
        return {kind for one in part["anyOf"] for kind in _types(one)}
    kind = part.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


def _alert_message() -> dict[str, Any]:
    return {
        "name": "alert",
        "title": "A transition of an alert",
        "contentType": "application/cloudevents+json; charset=UTF-8",
        "headers": {
            "type": "object",
            "properties": {
                "content-type": {"const": "application/cloudevents+json; charset=UTF-8"},
                "severity": {"enum": list(SEVERITIES)},
                "transition": {"enum": [change.value for change in Change]},
                "notify": {"enum": ["true", "false"]},
            },
        },
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": {"$ref": SCHEMA_FILE}},
    }


def _dead_letter_message() -> dict[str, Any]:
    text = {"type": "string"}
    headers = (
        "reason",
        "detail",
        "source_topic",
        "source_partition",
        "source_offset",
        "received_at",
        "failed_at",
        "attempt",
        "stage",
    )
    return {
        "name": "deadLetter",
        "title": "A record that could not be used",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": dict.fromkeys(headers, text), "required": list(headers)},
        "payload": {"description": "the original bytes; none where they did not fit (reason too_large)"},
    }


def _status_message() -> dict[str, Any]:
    text, number, whole = {"type": "string"}, {"type": "number", "minimum": 0}, {"type": "integer"}
    stopped = {"stage": text, "topic": text, "partition": whole, "why": text}
    fields = {
        "instance": text,
        "deployment": text,
        "version": text,
        "rulebook": text,
        "at": whole | {"description": "milliseconds since 1970"},
        "ready": {"type": "boolean"},
        "tasks": {"type": "object", "description": "by stage, then by state, how many"},
        "stopped": {"type": "array", "items": {"type": "object", "properties": stopped, "required": list(stopped)}},
        "lag_records": whole,
        "lag_seconds": number,
        "watermark": {"type": ["integer", "null"], "description": "milliseconds since 1970"},
        "watermark_overruled_ms": whole,
    }
    ended = {"ended": {"const": True, "description": "in the last record of an instance"}}
    return {
        "name": "status",
        "title": "How an instance is",
        "contentType": "application/json",
        "payload": {"type": "object", "properties": fields | ended, "required": list(fields)},
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    """Write the documents to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/contract"))
