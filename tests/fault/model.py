"""
What has to come of a feed: a replay of what stands in the inbound topic, in order of time, up to the last message.

Read from the topic and not from the feed: what a sender was told and what the log holds can differ, and the log counts.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from consumer.address import partition_of
from consumer.cloudevent import Issuer, alert_event, encode_alert
from consumer.hl7.outcome import Outcome
from consumer.hl7.site import Site
from consumer.kafka import clients
from consumer.kafka.config import KafkaConfig
from consumer.replay import Played, Replay
from consumer.stage import Record
from consumer.wire import PatientRecord
from rules.events import Source
from rules.rulebook import DEFAULT
from tests.e2e.deployment import Told, told


class Ending(NamedTuple):
    """How an inbound record has to end, and how many events it has to give."""

    outcome: Outcome
    events: int


@dataclass
class Model:
    """What the log of the inbound topic has to lead to."""

    endings: dict[tuple[int, int], Ending] = field(default_factory=dict)
    alerts: dict[str, list[Told]] = field(default_factory=dict)
    states: dict[str, PatientRecord] = field(default_factory=dict)
    crossed: set[str] = field(default_factory=set)
    """Keys that merges bind together although their homes differ: a merge is then judged when the history has come."""

    @property
    def certain(self) -> int:
        """How many alert events have to be told whatever comes when: all but those of `crossed` keys."""
        return sum(len(events) for subject, events in self.alerts.items() if subject not in self.crossed)

    def outcomes(self) -> Counter[Outcome]:
        """Count the records by outcome."""
        return Counter(ending.outcome for ending in self.endings.values())


def known(event: bytes) -> Told:
    """Return an alert event as it is to be compared, its text by its hash: a soak tells a gigabyte of them."""
    alert = told(event)
    return alert._replace(text=hashlib.sha256(alert.text.encode()).hexdigest())


async def inbound(config: KafkaConfig, partitions: int) -> AsyncIterator[Record]:
    """Yield everything in the inbound topic in order of time; records of one time by partition and offset."""
    (topic,) = config.inbound_topics
    readers = [clients.read(config, topic, number) for number in range(partitions)]
    heads = [await anext(reader, None) for reader in readers]
    while any(heads):
        _, number = min((head.timestamp, n) for n, head in enumerate(heads) if head is not None)
        head = heads[number]
        assert head is not None
        yield head
        heads[number] = await anext(readers[number], None)


async def model(config: KafkaConfig, partitions: int) -> Model:
    """Return what has to come of the inbound topic as it stands now."""
    made = Model()
    families = _Families()
    machine = Replay(DEFAULT, Site.default())
    issuer = Issuer(config.deployment, "", DEFAULT.fingerprint())
    last = 0

    def tell(played: Played) -> None:
        for transition, source in played.judged:
            alert = known(encode_alert(alert_event(transition, source=source, published_at=0, issuer=issuer)))
            made.alerts.setdefault(alert.subject, []).append(alert)

    async for record in inbound(config, partitions):
        last = record.timestamp
        played = machine.play(record.value or b"", Source(record.topic, record.partition, record.offset), last)
        assert played.decoded is not None
        decoded = played.decoded
        sent = len(decoded.bindings) + len(decoded.events)
        made.endings[record.partition, record.offset] = Ending(decoded.outcome, sent)
        for event in decoded.bindings:
            families.join(event.patient.key, event.patient.key)
        for event in decoded.events:
            families.join(event.patient.key, event.patient.key if event.merge is None else event.merge.surviving.key)
        tell(played)
    tell(machine.finish(last))
    for key in families.members:
        if (stored := machine.stored(key)) is not None:
            made.states[key] = stored
    made.crossed = families.crossed(config.partitions)
    return made


class _Families:
    """Which keys merges bind together."""

    def __init__(self) -> None:
        self.members: dict[str, set[str]] = {}

    def join(self, one: str, other: str) -> None:
        """Bind two keys, or take one in by itself."""
        family = self.members.setdefault(one, {one})
        joining = self.members.setdefault(other, {other})
        if family is not joining:
            family |= joining
            for key in joining:
                self.members[key] = family

    def crossed(self, partitions: int) -> set[str]:
        """Return the keys of families that live in several partitions."""
        return {
            key
            for key, family in self.members.items()
            if len({partition_of(member.encode(), partitions) for member in family}) > 1
        }
