"""What waits of one patient stops no partition, however much it is (docs/adr/0015)."""

import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from unittest.mock import patch

import pytest

from consumer import spill
from consumer.address import partition_of
from consumer.deadletter import attempt_of
from consumer.judge import Judge
from consumer.patients import Clock
from consumer.spill import behind, load, owner
from consumer.stage import Outcome, Outgoing, Output, Record
from consumer.wire import FORMAT, FORMAT_BEFORE, EventRecord, Hop, Kind, decode_event, decode_patient, encode_event
from rules import engine
from rules.events import MINUTE, Administration, Drug, Source
from rules.patient import PatientState, StoredAdministration, new_state
from rules.results import Results
from rules.rulebook import DEFAULT
from rules.versions import StoredResult
from tests.unit import fake_rules as fake
from tests.unit.fake_rules import event, forwards, merge, record, words
from tests.unit.test_judge import result

LIMIT = 3_000
"""Bytes of a record of the state topic: a few dozen waiting events."""

ORDER = "%order|magnesium|P9"


@pytest.fixture(autouse=True)
def _fake_rules() -> Iterator[None]:
    with fake.installed():
        yield


class Home:
    """A home that dies and is restored from its changelog whenever it is told to."""

    def __init__(
        self, limit: int = LIMIT, clock: Clock = Clock.RECORDS, partition: int = 0, partitions: int = 1
    ) -> None:
        self._settings = fake.settings(clock, partition, partitions)._replace(state_bytes=limit)
        self.judge = Judge(DEFAULT, self._settings, fake.ISSUER)
        self.changelog: dict[str, Outgoing] = {}
        self.said: list[str] = []
        self.letters: list[Outgoing] = []
        self.sent_on: list[EventRecord] = []
        self.counts: dict[tuple[str, str], int] = {}
        self._version = FORMAT
        self.written = 0

    def take(self, records: Sequence[Record] = (), *, watermark: int | None = None) -> Outcome:
        """Process a batch (a tick: none) that is thrown away once, and then committed."""
        self._once(records, watermark)
        self.judge.discard()
        self.judge.write_format(self._version)  # as the task does behind each fence
        outcome = self._once(records, watermark)
        self.judge.commit()
        for one in outcome.outgoing:
            if one.output is Output.STATE:
                name = (one.key or b"").decode()
                self.written += 1
                if one.value is None:
                    del self.changelog[name]
                else:
                    self.changelog[name] = one
        self.said += words(outcome)
        self.letters += [one for one in outcome.outgoing if one.output is Output.DEAD_LETTERS]
        self.sent_on += forwards(outcome)
        for place, number in outcome.counts.items():
            self.counts[place] = self.counts.get(place, 0) + number
        assert all(len(value) <= self._settings.state_bytes for value in self.values.values())
        return outcome

    def _once(self, records: Sequence[Record], watermark: int | None) -> Outcome:
        until = None if watermark is None else watermark * MINUTE
        if records:
            return self.judge.process(records, watermark=until, wall=0)
        return self.judge.tick(watermark=until, wall=0)

    @property
    def values(self) -> dict[str, bytes]:
        """What a compacted changelog holds."""
        return {name: one.value for name, one in self.changelog.items() if one.value is not None}

    def restart(self, version: int = FORMAT) -> None:
        """Have another process restore it, keys in any order as compaction leaves them."""
        self._version = version
        self.judge = Judge(DEFAULT, self._settings, fake.ISSUER)
        for one in sorted(self.changelog.values(), key=lambda one: one.value or b""):
            self.judge.restore(one.key or b"", one.value, one.headers)
        self.judge.write_format(version)


def noise(number: int) -> str:
    """A control id that compresses badly."""
    return random.Random(number).randbytes(24).hex()


def lagging(count: int, *keys: str) -> list[Record]:
    """Events of some patients, one a minute, in the disorder in which a lagging partition brings them."""
    numbers = list(range(count))
    random.Random(count).shuffle(numbers)
    return [record(event(keys[n % len(keys)], n, noise(n), n), place) for place, n in enumerate(numbers)]


@pytest.mark.parametrize("restarted", [False, True])
def test_w3_what_waits_of_a_patient_outgrows_no_record(restarted: bool) -> None:
    """
    Clock of the records, a neighbour that lags: hundreds of events wait, each record fits, and all is judged in order.

    Nothing is lost or doubled, whether a home restarts or a transaction fails meanwhile; in the end nothing is left.
    """
    small, roomy = Home(), Home(10_000_000)
    records = lagging(400, "A", "A", "A", "B")
    for n in range(0, 400, 50):
        for home in (small, roomy):
            home.take(records[n : n + 50])
            if restarted:
                home.restart()
    assert behind("A", 3) in small.values
    assert not any(owner(name) != name for name in roomy.values)
    for watermark in (99, 100, 250, 400):
        for home in (small, roomy):
            home.take(watermark=watermark)
            if restarted:
                home.restart()
    assert small.said == roomy.said
    assert len(small.said) == 400
    assert small.letters == []
    assert small.values.keys() == roomy.values.keys() == {"A", "B"}


def test_w3_the_results_of_a_patient_do_not_go_for_what_waits() -> None:
    """What waits makes no room for itself: the oldest results go when the state alone is too large."""
    home = Home()
    state = PatientState(fake.patient("A"), 0, 1, 0, results=Results.of(StoredResult(result(n), n) for n in range(8)))
    with patch.object(engine, "judge", lambda *_, **__: engine.Judgement(state, (), None)):
        home.take([record(event("A", 0, "first"))], watermark=0)
    home.take(lagging(100, "A"))
    stored = home.judge.stored("A")
    assert stored is not None
    assert stored.state == state
    assert len(stored.inbox) == 100
    assert ("judge", "results_dropped") not in home.counts


def test_w3_pumps_that_wait_for_their_order_outgrow_no_record() -> None:
    """Live, hundreds of a pump's records come before anybody has told for whom the order is: all find their patient."""
    home = Home(clock=Clock.LIVE)
    home.take([record(event(ORDER, n, noise(n), n), n) for n in range(150)])
    assert behind(ORDER, 2) in home.values
    home.restart()
    assert home.letters == []
    told = fake.merge(ORDER, "A", 0)
    home.take([record(told, 150)])
    assert len(home.said) == 150
    assert home.letters == []
    assert home.values.keys() == {"A", ORDER}


def test_w3_more_than_is_kept_is_a_dead_letter_event_by_event() -> None:
    """What is beyond the last record is a dead letter `no_room` that can be put back; the patient's history says so."""
    home, records = Home(), lagging(400, "A")
    with patch.object(spill, "BEHIND_AT_MOST", 2):
        for n in range(0, 400, 40):
            home.take(records[n : n + 40])
        assert sorted(home.values) == [behind("A", 1), behind("A", 2), "A"]
        stored = home.judge.stored("A")
        assert stored is not None
        assert stored.state is not None
        assert stored.state.history_incomplete
        home.take(watermark=400)
    letters = [decode_event(one.value or b"").event for one in home.letters]
    refused = [one.message_control_id for one in letters if one is not None]
    assert {dict(one.headers)["reason"] for one in home.letters} == {b"no_room"}
    assert 0 < len(refused) == home.counts["judge", "waiting_refused"] == home.counts["dead_letters", "no_room"]
    assert sorted([*refused, *(line.split()[-1] for line in home.said)]) == sorted(noise(n) for n in range(400))
    assert home.said == sorted(home.said)
    after = home.judge.stored("A")
    assert after is not None
    assert after.state is not None
    assert after.state.history_incomplete


def test_w3_pumps_beyond_what_is_kept_are_nobodys() -> None:
    """An order's home has no history to be incomplete: `no_room`, and the others still find their patient."""
    home = Home(clock=Clock.LIVE)
    with patch.object(spill, "BEHIND_AT_MOST", 1):
        home.take([record(event(ORDER, n, noise(n), n), n) for n in range(60)])
        home.take([record(fake.merge(ORDER, "A", 0), 60)])
    assert home.letters
    assert len(home.said) + len(home.letters) == 60
    stored = home.judge.stored(ORDER)
    assert stored is not None
    assert stored.state is None


def test_w3_a_merge_moves_what_waits_record_by_record() -> None:
    """What waits goes on to a home elsewhere one by one; the history is cut to what the events topic takes."""
    keys = [f"P{n}" for n in range(20)]
    here, there = (next(key for key in keys if partition_of(key.encode(), 2) == n) for n in (0, 1))
    home = Home(partitions=2)
    grown = new_state(fake.patient(here))._replace(
        results=Results.of(StoredResult(result(n), n) for n in range(300)), now=0, seen=1
    )
    with patch.object(engine, "depart", lambda *_, **__: engine.Departure((), grown)):
        home.take([record(event(here, n, noise(n), n), n) for n in range(1, 101)])
        home.take([record(event(here, 0, "first", 0), 101)], watermark=0)
        home.take([record(merge(here, there, 0)._replace(source=Source("in", 0, 200)), 200)], watermark=0)
    (handover,) = (one for one in home.sent_on if one.kind is Kind.HANDOVER)
    assert handover.history is not None
    assert handover.history.history_incomplete
    assert len(handover.history.results) == 300 - handover.history.dropped < 300
    assert home.counts["judge", "results_dropped"] == handover.history.dropped
    assert len(encode_event(handover)) <= LIMIT
    assert sum(one.kind is Kind.EVENT for one in home.sent_on) == 100
    assert home.values.keys() == {here}
    assert home.letters == []


def test_w3_a_history_that_waits_is_cut_to_a_record() -> None:
    """Clock of the records: a handover whose history alone is as large as a state waits too."""
    home = Home()
    grown = new_state(fake.patient("A"))._replace(results=Results.of(StoredResult(result(n), n) for n in range(300)))
    hop = Hop("A", fake.patient("B"), 0)
    handover = EventRecord(Kind.HANDOVER, fake.patient("B"), merge("A", "B", 5), grown, (hop,))
    home.take([record(handover), *lagging(60, "B")])
    home.restart()
    stored = home.judge.stored("B")
    assert stored is not None
    (waits,) = (one.record for one in stored.inbox if one.record.kind is Kind.HANDOVER)
    assert waits.history is not None
    assert waits.history.history_incomplete
    assert len(stored.inbox) == 61
    assert home.counts["judge", "results_dropped"] == waits.history.dropped == 300 - len(waits.history.results)
    home.take(watermark=60)
    assert len(home.said) == 61
    assert home.letters == []


def test_w3_one_event_that_fits_nowhere_is_a_dead_letter_and_the_others_wait() -> None:
    """It neither stops the partition nor takes the events behind it along."""
    home = Home()
    large = event("A", 20, "".join(noise(n) for n in range(200)), 20)
    home.take([*lagging(60, "A"), record(large, 60)])
    (letter,) = home.letters
    assert dict(letter.headers)["reason"] == b"no_room"
    home.take(watermark=60)
    assert len(home.said) == 60


def test_w3_what_can_not_be_sent_on_is_a_dead_letter() -> None:
    """An event that has become too large for the events topic by the aliases that it followed."""
    keys = [f"P{n}" for n in range(20)]
    here, there = (next(key for key in keys if partition_of(key.encode(), 2) == n) for n in (0, 1))
    home = Home(clock=Clock.LIVE, partitions=2)
    home.take([record(merge(here, there, 0))])
    home.take([record(event(here, 1, "".join(noise(n) for n in range(200))), 1, (("attempt", b"2"),))])
    (letter,) = home.letters
    assert (dict(letter.headers)["reason"], attempt_of(letter.headers)) == (b"no_room", 2)
    assert [one.kind for one in home.sent_on] == [Kind.HANDOVER]
    assert home.counts["dead_letters", "no_room"] == 1


def test_w3_a_state_of_doses_alone_drops_its_oldest() -> None:
    """A pump that tells its rate every minute for weeks stops no partition either: counted, and said in the alerts."""
    home = Home(clock=Clock.LIVE)
    given = [
        StoredAdministration(
            Administration(
                Drug.MAGNESIUM, noise(n), "X", n, 0, None, Decimal(1), None, True, False, False, n, noise(n)
            ),
            n,
        )
        for n in range(400)
    ]
    state = new_state(fake.patient("A"))._replace(administrations=tuple(given))
    with patch.object(engine, "judge", lambda *_, **__: engine.Judgement(state, (), None)):
        home.take([record(event("A", 0, "first"))])
    stored = home.judge.stored("A")
    assert stored is not None
    assert stored.state is not None
    kept = stored.state.administrations
    assert 0 < len(kept) < 400
    assert list(kept) == given[-len(kept) :]
    assert stored.state.history_incomplete
    assert home.counts["judge", "results_dropped"] == stored.state.dropped == 400 - len(kept)


def test_erasing_a_patient_leaves_nothing_behind() -> None:
    """Erasure takes the records behind the patient's own with it."""
    home = Home()
    home.take(lagging(200, "A"))
    assert len(home.values) > 2
    home.take([record(EventRecord(Kind.ERASE, fake.patient("A"), None), 200)])
    assert home.values == {}
    assert len(home.judge) == 0


def test_the_format_before_knows_no_records_behind() -> None:
    """The way back: what waits is in the patient's record again, and what does not fit there can be put back later."""
    home = Home()
    home.take(lagging(100, "A"))
    assert len(home.values) > 2
    home.restart(FORMAT_BEFORE)
    home.take()
    assert home.values.keys() == {"A"}
    waits = decode_patient(home.values["A"]).inbox
    assert home.values["A"][0] == FORMAT_BEFORE
    assert len(waits) + len(home.letters) == 100
    assert waits
    home.restart(FORMAT_BEFORE)
    home.take(watermark=100)
    assert len(home.said) + len(home.letters) == 100


def test_a_damaged_record_behind_is_quarantined() -> None:
    """Of such a patient nothing is judged, as of one whose own record is damaged; the others go on."""
    home = Home()
    home.take([*lagging(120, "A"), record(event("B", 1, "x"), 200)])
    name = behind("A", 2)
    home.changelog[name] = home.changelog[name]._replace(value=b"\x02\x00damaged")
    home.restart()
    home.take(watermark=200)
    assert home.said == ["00:01 B x"]
    assert home.counts["judge", "quarantined"] == 1


def test_a_stored_patient_is_read_with_all_that_waits() -> None:
    """As `state show` and a fault run's check read it, from values by key."""
    home = Home()
    home.take(lagging(200, "A"))
    read = load("A", home.values.get)
    assert read == home.judge.stored("A")
    assert spill.load_all(home.values, lambda *_: None) == {"A": read}
    assert load("B", home.values.get) is None
