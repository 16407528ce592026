"""W18: a message that a sender sends again changes nothing, whatever it says and however it comes back."""

from collections.abc import Callable
from typing import Any

import pytest

from consumer import patients, repeats
from consumer.address import partition_of
from consumer.cloudevent import Issuer
from consumer.hl7.decoder import Decoder
from consumer.hl7.site import Site
from consumer.ingest import Ingest
from consumer.ingest import Settings as IngestSettings
from consumer.judge import Judge
from consumer.patients import Clock
from consumer.patients import Settings as HomeSettings
from consumer.replay import Replay
from consumer.stage import Output, Record
from consumer.wire import PatientRecord
from rules import engine
from rules.events import DAY, HOUR, MINUTE, Source
from rules.patient import PatientState
from rules.rulebook import DEFAULT

START = 1_767_258_000_000  # 2026-01-01 09:00 UTC
KEY = "HOSP|1001"
DECODER = Decoder(Site.default())


def at(minute: int) -> str:
    """An HL7 time so many minutes after nine."""
    return f"20260101{9 + minute // 60:02d}{minute % 60:02d}00+0000"


def message(control_id: str, kind: str, minute: int, *rows: str, sender: str = "LAB", mrn: str = "1001") -> bytes:
    """A message of an invented patient."""
    return "\r".join(
        (
            f"MSH|^~\\&|{sender}|HOSP|||{at(minute)}||{kind}|{control_id}|P|2.5.1",
            f"PID|1||{mrn}^^^HOSP^MR|||||19500101|F",
            *rows,
            "",
        )
    ).encode()


def visit(location: str = "ICU^1^A", number: str = "V1") -> str:
    """A PV1 with location and visit number."""
    return f"PV1|1|I|{location}{'|' * 16}{number}"


def oru(control_id: str, minute: int, value: str, *, order: str = "", drawn: int | None = None, **more: str) -> bytes:
    """A potassium; *drawn* minutes after nine, by default when it was sent."""
    order = order or f"F{control_id}"
    when = at(minute if drawn is None else drawn)
    obr = f"OBR|1||{order}|24323-8|||{when}|||||||||||||||{when}|||F"
    return message(control_id, "ORU^R01", minute, obr, f"OBX|1|NM|2823-3^K^LN||{value}|mmol/L|||||F", **more)


def ras(control_id: str, minute: int, rate: str) -> bytes:
    """A magnesium infusion of order M1 that began at 09:10, with its rate in g/h as of then."""
    rxa = f"RXA|0|1|{at(10)}||6585^magnesium sulfate^RXNORM|{rate}|g|||||h{'|' * 8}CP"
    return message(control_id, "RAS^O17", minute, "ORC|RE|M1|M1", rxa, "RXR|IV")


def orm(control_id: str, minute: int, control: str = "NW") -> bytes:
    """An order of a magnesium, or its cancel."""
    return message(control_id, "ORM^O01", minute, f"ORC|{control}|P7|F7", f"OBR|1|P7|F7|19123-9^Mg^LN|||{at(0)}")


class Feed:
    """A record of hl7.inbound at a time: minutes after nine."""

    def __init__(self, clock: Clock = Clock.LIVE, homes: int = 1) -> None:
        self.clock = clock
        self.homes = [self._home(number, homes) for number in range(homes)]
        self.ingest = Ingest(DECODER, lambda _: True, IngestSettings(clock, 0, homes))
        self.changelog: list[Any] = []
        self.told: list[bytes | None] = []
        self.counts: dict[tuple[str, str], int] = {}
        self.offset = 0

    def _home(self, number: int, homes: int) -> Judge:
        settings = HomeSettings(self.clock, number, homes)
        return Judge(DEFAULT, settings, Issuer("test", "1.0", "sha256:0"))

    def send(self, minute: float, raw: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> "Feed":
        """Take a message through both stages, with what the homes send each other."""
        self.offset += 1
        when = START + round(minute * MINUTE)
        inbound = Record("hl7.inbound", self.offset % 3, self.offset, when, None, raw, headers)
        queue = list(self.ingest.process([inbound], watermark=None, wall=when).outgoing)
        while queue:
            one = queue.pop(0)
            if one.output is not Output.EVENTS:
                continue
            home = partition_of(one.key or b"", len(self.homes))
            event = Record("events", home, self.offset, when, one.key, one.value, one.headers)
            queue += self._keep(home, self.homes[home].process([event], watermark=when, wall=when))
        return self

    def _keep(self, home: int, outcome: Any) -> list[Any]:
        self.homes[home].commit()
        self.changelog += [(home, one) for one in outcome.outgoing if one.output is Output.STATE]
        self.told += [one.key for one in outcome.outgoing if one.output is Output.ALERTS]
        for place, number in outcome.counts.items():
            self.counts[place] = self.counts.get(place, 0) + number
        return [one for one in outcome.outgoing if one.output is Output.EVENTS]

    def restart(self) -> "Feed":
        """Have other processes restore the homes from the changelog."""
        self.homes = [self._home(number, len(self.homes)) for number in range(len(self.homes))]
        for home, one in self.changelog:
            self.homes[home].restore(one.key, one.value, one.headers)
        return self

    def stored(self, key: str = KEY) -> PatientRecord | None:
        """What a home keeps of a patient."""
        return self.homes[partition_of(key.encode(), len(self.homes))].stored(key)

    @property
    def duplicates(self) -> int:
        """How many were known for duplicates."""
        return self.counts.get(("judge", "duplicates"), 0)


DUPLICATES: dict[str, list[tuple[float, bytes]]] = {
    "a discharge: it would close what was raised after it": [
        (0, message("1", "ADT^A01", 0, visit())),
        (5, oru("2", 5, "5.9")),
        (10, message("3", "ADT^A03", 10, visit())),
        (250, oru("4", 250, "6.6")),
        (255, message("3", "ADT^A03", 10, visit())),
    ],
    "an admission: it would begin another visit, without the diagnoses": [
        (0, message("1", "ADT^A01", 0, visit())),
        (5, message("2", "ADT^A08", 5, visit(), "DG1|1||N18.4")),
        (9, message("1", "ADT^A01", 0, visit())),
    ],
    "a transfer: it would page the ward that the patient has left": [
        (0, message("1", "ADT^A02", 0, visit("ICU^1^A"))),
        (5, message("2", "ADT^A02", 5, visit("WARD^2^B"))),
        (9, message("1", "ADT^A02", 0, visit("ICU^1^A"))),
    ],
    "an infusion's record: it would bring an older rate back": [
        (10, ras("1", 10, "2")),
        (20, ras("2", 20, "1")),
        (30, ras("1", 10, "2")),
    ],
    "an order: it would be pending again after its cancel": [
        (0, orm("1", 0)),
        (5, orm("2", 5, "CA")),
        (9, orm("1", 0)),
    ],
    "an older version of a result: received last, it would be the newest": [
        (5, oru("1", 5, "5.9", order="F", drawn=0)),
        (6, oru("2", 6, "4.1", order="F", drawn=0)),
        (7, oru("1", 5, "5.9", order="F", drawn=0)),
    ],
    "a result like any: it would count as an event and keep the patient longer": [
        (5, oru("1", 5, "4.4")),
        (9, oru("1", 5, "4.4")),
    ],
}


HARMED: dict[str, Callable[[PatientState], object]] = {
    "a discharge": lambda state: [alert.ended for alert in state.alerts],
    "an admission": lambda state: [fact.trigger for fact in state.encounters],
    "a transfer": lambda state: state.location,
    "an infusion's record": lambda state: [entry.administration.rate for entry in state.administrations],
    "an order": lambda state: [order.cancelled for order in state.magnesium_orders],
    "an older version of a result": lambda state: [entry.result.value for entry in state.results],
    "a result like any": lambda state: (state.seen, state.last_event_at),
}
"""What a duplicate changed, and must not."""


@pytest.mark.parametrize(("what", "feed"), DUPLICATES.items(), ids=DUPLICATES)
@pytest.mark.parametrize("way", ["as it is", "after a restart"])
def test_w18_a_duplicate_changes_nothing(
    what: str, feed: list[tuple[float, bytes]], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """State and alerts are those without it, also when another process has restored the state; else they differ."""
    *first, (minute, again) = feed
    harmed = HARMED[what.split(":", maxsplit=1)[0]]

    def after(*, sent: bool) -> tuple[PatientRecord, list[bytes | None], int]:
        machine = Feed()
        for when, raw in first:
            machine.send(when, raw)
        if way != "as it is":
            machine.restart()
        if sent:
            machine.send(minute, again)
        stored = machine.stored()
        assert stored is not None
        assert stored.state is not None
        return stored, machine.told, machine.duplicates

    stored, told, _ = after(sent=False)
    assert stored.state is not None
    assert after(sent=True) == (stored, told, 1)
    monkeypatch.setattr(patients, "is_repeat", lambda *_: False)
    changed = after(sent=True)[0].state
    assert changed is not None
    assert harmed(changed) != harmed(stored.state), "the case shows nothing"


def resend(minute: float, raw: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> int:
    """Send a potassium at 09:05, then *raw*: how many of the two were duplicates."""
    return Feed().send(5, oru("1", 5, "4.4")).send(minute, raw, headers).duplicates


@pytest.mark.parametrize(
    ("what", "minute", "raw", "headers", "known"),
    [
        ("the same bytes", 6, oru("1", 5, "4.4"), (), 1),
        ("the same, framed otherwise", 6, b"\x0b" + oru("1", 5, "4.4").replace(b"\r", b"\n") + b"\x1c", (), 1),
        ("received earlier, over a partition that lags", 4, oru("1", 5, "4.4"), (), 1),
        ("just within the window", 5 + DAY / MINUTE, oru("1", 5, "4.4"), (), 1),
        ("after the window", 6 + DAY / MINUTE, oru("1", 5, "4.4"), (), 0),
        ("another value under the same control id", 6, oru("1", 5, "4.5"), (), 0),
        ("another sender with the same control id", 6, oru("1", 5, "4.4", sender="POC"), (), 0),
        ("the same content under another control id", 6, oru("9", 5, "4.4", order="F1"), (), 0),
        ("put back on purpose", 6, oru("1", 5, "4.4"), (("attempt", b"2"),), 0),
        ("put back by hand, with the headers of its dead letter", 6, oru("1", 5, "4.4"), (("attempt", b"1"),), 0),
    ],
)  # fmt: skip
def test_w18_what_is_a_duplicate(
    what: str, minute: float, raw: bytes, headers: tuple[tuple[str, bytes], ...], known: int
) -> None:
    """HL7.md 3: the same sender, control id and content, within a day, and not put back by anybody."""
    assert resend(minute, raw, headers) == known, what


def test_w18_without_a_control_id_nothing_is_a_duplicate() -> None:
    """A sender without MSH-10 has no name for a message; two discharges of its may read the same and be two."""
    raw = message("", "ADT^A03", 5, visit())
    assert Feed().send(5, raw).send(9, raw).duplicates == 0


def test_w18_more_read_in_the_same_message_is_news() -> None:
    """A site that maps another code and has the message sent again wants it judged."""
    raw = oru("1", 5, "4.4").replace(b"2823-3^K^LN", b"KX^K^L") + b"OBX|2|NM|2823-3^K^LN||4.4|mmol/L|||||F\r"
    (event,) = DECODER.decode(raw, received_at=START, source=Source("in", 0, 1)).events
    more = event._replace(results=event.results * 2)
    assert event.fingerprint
    again = DECODER.decode(raw, received_at=START + HOUR, source=Source("in", 1, 9)).events[0]
    assert again.fingerprint == event.fingerprint
    both = raw + b"OBX|3|NM|19123-9^Mg^LN||2.0|mg/dL|||||F\r"
    assert DECODER.decode(both, received_at=START, source=Source("in", 0, 1)).events[0].fingerprint != event.fingerprint
    assert len(more.results) == 2


def test_w18_what_could_not_be_judged_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event on which a rule failed has not been judged: sent again, it gets its second chance."""
    feed = Feed()
    with monkeypatch.context() as patch:
        patch.setattr(engine, "judge", lambda *_, **__: 1 // 0)
        feed.send(5, oru("1", 5, "4.4"))
    feed.send(6, oru("1", 5, "4.4"))
    stored = feed.stored()
    assert feed.duplicates == 0
    assert stored is not None
    assert stored.state is not None
    assert len(stored.state.results) == 1


@pytest.mark.parametrize("homes", [1, 8])
def test_w18_a_merge_brings_what_was_remembered(homes: int) -> None:
    """A message judged under the old number, sent again after the merge, is known at the new home; so is its merge."""
    merge = message("7", "ADT^A40", 10, "MRG|1001^^^HOSP^MR", mrn="1005")
    feed = Feed(homes=homes).send(5, oru("1", 5, "5.9")).send(10, merge)
    before = feed.stored("HOSP|1005")
    feed.send(11, oru("1", 5, "5.9")).send(12, merge)
    assert feed.stored("HOSP|1005") == before
    assert (feed.duplicates, feed.counts["judge", "merges_ignored"]) == (1, 1)


def test_w18_two_patients_of_one_message_who_are_merged_are_not_a_duplicate() -> None:
    """Both halves of a message are judged although one home gets them: the fingerprint names the patient too."""
    both = oru("1", 20, "4.4") + b"PID|2||1005^^^HOSP^MR\r" + b"\r".join(oru("1", 20, "4.5").split(b"\r")[2:])
    feed = Feed().send(10, message("7", "ADT^A40", 10, "MRG|1001^^^HOSP^MR", mrn="1005")).send(20, both)
    stored = feed.stored("HOSP|1005")
    assert feed.duplicates == 0
    assert stored is not None
    assert stored.state is not None
    assert {str(entry.result.value) for entry in stored.state.results} >= {"4.5"}
    assert feed.send(21, both).duplicates == 2


def test_w18_memory_is_bounded() -> None:
    """At most 64 messages of the last day are remembered of a patient."""
    feed = Feed()
    for number in range(100):
        feed.send(number / 2, oru(f"N{number}", 0, "4.4"))
    stored = feed.stored()
    assert stored is not None
    assert len(stored.recent) == repeats.AT_MOST == 64
    assert stored.recent[-1].received_at == START + round(49.5 * MINUTE)
    later = feed.send(60 * 26, oru("L", 0, "4.4")).stored()
    assert later is not None
    assert len(later.recent) == 1


def test_w18_an_older_fleet_reads_what_we_write() -> None:
    """Writing format 1 nothing is remembered, and a duplicate does what it did; W18 begins with format 2."""
    feed = Feed()
    feed.homes[0].write_format(1)
    feed.send(5, oru("1", 5, "4.4")).send(6, oru("1", 5, "4.4"))
    assert feed.duplicates == 0


def test_w18_in_a_replay_too() -> None:
    """The replay of a file that holds a message twice tells what it tells without."""

    def told(*raws: bytes) -> list[Any]:
        machine = Replay(DEFAULT, Site.default())
        return [t for t, _ in machine.run((raw, Source("f", 0, n)) for n, raw in enumerate(raws))]

    discharge = message("3", "ADT^A03", 10, visit())
    feed = [message("1", "ADT^A01", 0, visit()), oru("2", 5, "5.9"), discharge, oru("4", 250, "6.6")]
    plain = told(*feed)
    assert plain
    assert told(*feed, discharge) == plain
