"""Whatever the batches, the failed transactions and the restarts: the alerts of a replay of the same messages."""

import json
import random
from functools import cache
from itertools import islice
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.address import partition_of
from consumer.cloudevent import Issuer, alert_event, encode_alert
from consumer.hl7.decoder import Decoder
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.ingest import Ingest
from consumer.ingest import Settings as IngestSettings
from consumer.judge import Judge
from consumer.patients import Clock
from consumer.patients import Settings as HomeSettings
from consumer.replay import Replay
from consumer.simulate import Sent, ward
from consumer.stage import Outgoing, Output, Record
from consumer.wire import decode_event
from rules.events import Source
from rules.rulebook import DEFAULT

ISSUER = Issuer("test", "1.0", "sha256:0")
START = 1_767_225_600_000  # 2026-01-01
HOMES = 2
WARDS, PATIENTS, MESSAGES = 40, 3, 350


@cache
def messages(number: int) -> tuple[Sent, ...]:
    """Some days of a small ward, without what holds nothing for us."""
    prefilter = Prefilter(Site.default())
    return tuple(one for one in islice(ward(number, PATIENTS, START), MESSAGES) if prefilter(one.raw))


def told(values: list[bytes]) -> dict[str, list[dict[str, Any]]]:
    """Each patient's events in order, without what may differ."""
    found: dict[str, list[dict[str, Any]]] = {}
    for value in values:
        event = json.loads(value)
        for name in ("published_at", "cause", "service_version"):
            del event["data"][name]
        found.setdefault(event["subject"], []).append(event)
    return found


@cache
def expected(number: int) -> str:
    """What a replay of a ward gives, as text."""
    machine = Replay(DEFAULT, Site.default())
    feed = [(one.raw, Source("in", 0, place)) for place, one in enumerate(messages(number))]
    judged = machine.run(feed, until=messages(number)[-1].at)
    events = [encode_alert(alert_event(t, source=s, published_at=0, issuer=ISSUER)) for t, s in judged]
    assert len(events) >= PATIENTS
    return json.dumps(told(events), sort_keys=True)


@cache
def inbox(number: int) -> tuple[tuple[Record, ...], ...]:
    """What ingest sends to each home from a ward."""
    site = Site.default()
    ingest = Ingest(Decoder(site), Prefilter(site), IngestSettings(Clock.RECORDS, 0, HOMES))
    inbound = [Record("in", 0, place, one.at, None, one.raw, ()) for place, one in enumerate(messages(number))]
    homes: tuple[list[Record], ...] = tuple([] for _ in range(HOMES))
    for one in ingest.process(inbound, watermark=None, wall=0).outgoing:
        home = partition_of(one.key or b"", HOMES)
        homes[home].append(Record("events", home, len(homes[home]), START, one.key, one.value, one.headers))
    return tuple(tuple(records) for records in homes)


class Home:
    """A judge that fails and restarts: what its transactions committed is all that survives."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.changelog: list[Outgoing] = []
        self.alerts: list[bytes] = []
        self.judge = self.started()

    def started(self) -> Judge:
        """A judge with what the changelog holds."""
        judge = Judge(DEFAULT, HomeSettings(Clock.RECORDS, self.number, HOMES), ISSUER)
        for one in self.changelog:
            judge.restore(one.key or b"", one.value, one.headers)
        return judge

    def take(self, records: tuple[Record, ...], watermark: int, *, fails: bool, restarts: bool) -> None:
        """Process a batch and commit it; before that, it may fail, or the process may die."""
        if fails:
            self.judge.process(records, watermark=watermark, wall=0)
            self.judge.discard()
        if restarts:
            self.judge.process(records, watermark=watermark, wall=0)
            self.judge = self.started()
        outcome = self.judge.process(records, watermark=watermark, wall=0)
        assert not [one for one in outcome.outgoing if one.output in (Output.EVENTS, Output.DEAD_LETTERS)]
        self.changelog += [one for one in outcome.outgoing if one.output is Output.STATE]
        self.alerts += [one.value or b"" for one in outcome.outgoing if one.output is Output.ALERTS]
        self.judge.commit()


@given(st.integers(0, WARDS - 1), st.integers(0, 2**32), st.sampled_from((3, 40, 400)))
def test_batches_failures_and_restarts_change_nothing(number: int, seed: int, size: int) -> None:
    """Judged by one big batch, one by one, or in pieces between crashes: byte for byte the replay's alerts."""
    rng = random.Random(seed)
    end = messages(number)[-1].at
    alerts: list[bytes] = []
    for place, records in enumerate(inbox(number)):
        home = Home(place)
        rest = records
        while rest:
            batch, rest = rest[: (cut := rng.randint(1, size))], rest[cut:]
            # No later than the next message that has not been read: that is what a watermark says.
            upcoming = end if not rest else _received(rest[0])
            fails, restarts = rng.random() < 0.1, rng.random() < 0.1
            home.take(batch, upcoming - rng.randint(1, 10_000_000), fails=fails, restarts=restarts)
        home.take((), end, fails=True, restarts=True)
        alerts += home.alerts
    assert json.dumps(told(alerts), sort_keys=True) == expected(number)


def _received(record: Record) -> int:
    event = decode_event(record.value or b"").event
    assert event is not None
    return event.received_at
