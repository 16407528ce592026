"""`lab-alert state`: what is stored of one patient, and its erasure."""

import json
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum

from consumer import settings
from consumer.address import partition_of
from consumer.app import kafka_config
from consumer.cli.administering import reaching
from consumer.errors import CorruptRecord, Refused
from consumer.kafka import clients
from consumer.kafka.config import KafkaConfig
from consumer.spill import load_all
from consumer.stage import Output, Record
from consumer.wire import FORMAT_BEFORE, EventRecord, Kind, PatientRecord, encode_event
from rules.events import DAY, Patient
from rules.results import Results


def show(key: str) -> None:
    """
    Print what is stored of a patient as JSON.

    Raises:
        Refused: Nothing is stored under the key.
    """
    config = kafka_config(settings.load())
    records = reaching(config, _states(config, partition_of(key.encode(), config.partitions)))
    stored = records.get(key)
    if stored is None:
        raise Refused("no such patient:", [f"nothing is stored under {key}; a key is AUTHORITY|MRN"])
    state = stored.state
    told = {
        "key": key,
        "merged_into": None if stored.alias is None else stored.alias.target.key,
        "waiting": len(stored.inbox),
        "open_alerts": [] if state is None else _plain([alert for alert in state.alerts if alert.ended is None]),
        "state": _plain(state),
    }
    print(json.dumps(told, indent=2, ensure_ascii=False))


def erase(key: str) -> None:
    """Ask the owners to forget a patient: where the key's aliases lead, and every key whose aliases lead there."""
    config = kafka_config(settings.load())
    records = reaching(config, _states(config, None))
    keys = led_to(key, {other: one.alias.target.key for other, one in records.items() if one.alias is not None})
    reaching(config, _send_erasures(config, keys))
    print(f"asked the owners of {len(keys)} keys to erase them: {', '.join(keys)}")
    print("copies remain, until their topics drop them:")
    days = {
        config.topics[Output.EVENTS]: "7 days",
        config.topics[Output.ALERTS]: f"{config.alerts_retention_ms // DAY} days",
        config.topics[Output.DEAD_LETTERS]: f"{config.dead_letters_retention_ms // DAY} days",
        config.topics[Output.STATE]: "until it is compacted",
        **dict.fromkeys(config.inbound_topics, "as long as the site keeps them"),
    }
    for topic, long in days.items():
        print(f"  {topic}: {long}")


def led_to(key: str, aliases: Mapping[str, str]) -> list[str]:
    """
    Return the keys of the one patient whom *key* stands for: where its aliases lead, and all that lead there.

    >>> led_to("B", {"A": "B", "B": "C", "X": "A", "Y": "Z"})
    ['C', 'B', 'A', 'X']
    """
    seen = {key}
    while (target := aliases.get(key)) is not None and target not in seen:
        key = target
        seen.add(key)
    keys = [key]
    for led in keys:
        keys += [other for other, target in aliases.items() if target == led and other not in keys]
    return keys


async def _states(config: KafkaConfig, partition: int | None) -> dict[str, PatientRecord]:
    values: dict[str, bytes] = {}
    async for record in clients.read(config, config.topics[Output.STATE], partition):
        name = (record.key or b"").decode()
        if record.value is None:
            values.pop(name, None)
        else:
            values[name] = record.value
    return load_all(values, _say_damaged)


def _say_damaged(key: str, error: CorruptRecord) -> None:
    print(f"{key}: {error}", file=sys.stderr)


async def _send_erasures(config: KafkaConfig, keys: list[str]) -> None:
    topic = config.topics[Output.EVENTS]
    async with clients.Writer(config) as writer:
        for key in keys:
            name = key.encode()
            value = encode_event(EventRecord(Kind.ERASE, Patient(key, "", ""), None), FORMAT_BEFORE)
            home = partition_of(name, config.partitions)
            await writer.write(topic, [Record(topic, home, -1, time.time_ns() // 1_000_000, name, value, ())])


def _plain(value: object) -> object:
    """Return a value of ours as plain JSON, named tuples as objects."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, list | tuple | Results):
        return [_plain(part) for part in value]
    if isinstance(value, IntEnum):
        return value.name.lower()
    return str(value) if isinstance(value, Decimal) else value
