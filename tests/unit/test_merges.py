"""Merges: aliases, what follows them, cycles, homes in other partitions (DESIGN.md 1)."""

import itertools
from collections.abc import Iterator

import pytest

from consumer.address import partition_of
from consumer.judge import Judge
from consumer.patients import ALIAS_KEPT, Clock
from consumer.wire import EventRecord, Kind
from rules.events import MINUTE, PatientEvent
from rules.rulebook import DEFAULT
from tests.unit import fake_rules as fake
from tests.unit.fake_rules import event, forwards, merge, record, words

PARTITIONS = 3
A, B, C = "A", "B", "C"


@pytest.fixture(autouse=True)
def _fake_rules() -> Iterator[None]:
    with fake.installed():
        yield


class Hospital:
    """Every home of a deployment, and the events topic between them, without a broker."""

    def __init__(self, partitions: int = PARTITIONS, clock: Clock = Clock.FILES) -> None:
        self.homes = [Judge(DEFAULT, fake.settings(clock, n, partitions), fake.ISSUER) for n in range(partitions)]
        self.said: list[str] = []
        self.hops = 0
        self.counts: dict[str, int] = {}

    def home(self, key: str) -> Judge:
        """The home of a key."""
        return self.homes[partition_of(key.encode(), len(self.homes))]

    def take(self, *events: PatientEvent) -> "Hospital":
        """Judge events, each with all that it makes homes send each other."""
        for one in events:
            queue: list[PatientEvent | EventRecord] = [one]
            while queue:
                message = queue.pop(0)
                judge = self.home(message.patient.key)
                outcome = judge.process([record(message)], watermark=None, wall=0)
                judge.commit()
                self.said += [line.split(" ", 1)[1] for line in words(outcome)]
                queue += forwards(outcome)
                self.hops += len(forwards(outcome))
                for (_, what), number in outcome.counts.items():
                    self.counts[what] = self.counts.get(what, 0) + number
                assert self.hops < 50, "a record is forwarded for ever"
        return self

    def living(self) -> dict[str, int]:
        """Keys that hold a state, with the number of events that it knows."""
        stored = {key: self.home(key).stored(key) for key in (A, B, C)}
        return {key: one.state.seen for key, one in stored.items() if one is not None and one.state is not None}


def test_the_history_goes_to_the_surviving_key_and_later_events_follow() -> None:
    """The retired patient's alerts close, the history is joined, an event for the old key is judged at the new one."""
    hospital = Hospital().take(event(A, 1, "a"), event(B, 2, "b"), merge(A, B, 3), event(A, 4, "late"))
    assert hospital.said == ["A a", "B b", "A departs with 1", "B has 2", "B late"]
    assert hospital.living() == {B: 3}


def test_an_alias_is_made_for_a_patient_nobody_knew() -> None:
    """The merge may come before everything else: what comes for the old key later still goes to the new one."""
    hospital = Hospital().take(merge(A, B, 3), event(A, 4, "late"))
    assert hospital.said[-1] == "B late"
    assert hospital.living() == {B: 1}


def test_a_merge_with_itself_or_not_newer_than_the_alias_is_ignored() -> None:
    """MRG-1 = PID-3, a duplicate, an older merge of the same key: counted, nothing moves."""
    hospital = Hospital().take(merge(A, A, 1), merge(A, B, 3), merge(A, B, 3), merge(A, C, 2), event(A, 4, "x"))
    assert hospital.counts["merges_ignored"] == 3
    assert hospital.said[-1] == "B x"


def test_a_chain_of_merges_leads_to_its_end() -> None:
    """A into B, B into C: what comes for A is judged at C."""
    hospital = Hospital().take(event(A, 1, "a"), merge(A, B, 2), merge(B, C, 3), event(A, 4, "x"))
    assert hospital.said[-1] == "C x"
    assert hospital.living() == {C: 2}


CYCLE = (merge(A, B, 1), merge(B, C, 2), merge(C, A, 3))


@pytest.mark.parametrize("order", list(itertools.permutations(CYCLE)), ids=lambda order: order[0].message_control_id)
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_cycle_of_merges_ends_at_the_target_of_the_newest(order: tuple[PatientEvent, ...], partitions: int) -> None:
    """In any order of arrival one patient is left, at the newest merge's target, and nothing is forwarded for ever."""
    seen = (event(A, 0, "a"), event(B, 0, "b"), event(C, 0, "c"))
    hospital = Hospital(partitions).take(*seen, *order, event(A, 5, "x"), event(B, 6, "y"), event(C, 7, "z"))
    assert hospital.living() == {A: 6}
    assert hospital.said[-3:] == ["A x", "A y", "A z"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_merge_there_and_back(order: tuple[int, int]) -> None:
    """A into B and later B into A: A lives, whichever message comes first; a repetition changes nothing."""
    merges = (merge(A, B, 1), merge(B, A, 2))
    first, second = (merges[n] for n in order)
    hospital = Hospital().take(
        event(A, 0, "a"), event(B, 0, "b"), first, second, first, event(B, 5, "x"), event(A, 6, "y")
    )
    assert hospital.living() == {A: 4}
    assert hospital.counts["merge_cycle"] >= 1


def test_events_that_wait_follow_their_patient() -> None:
    """Clock of the records: what the inbox still holds when the merge has its turn is judged at the new home."""
    judge = Judge(DEFAULT, fake.settings(Clock.RECORDS), fake.ISSUER)
    batch = [
        record(one, n) for n, one in enumerate((event(A, 9, "x"), merge(A, B, 5), event(A, 1, "a"), event(B, 2, "b")))
    ]
    outcome = judge.process(batch, watermark=20 * MINUTE, wall=0)
    assert words(outcome) == ["00:01 A a", "00:02 B b", "00:05 A departs with 1", "00:05 B has 2", "00:09 B x"]


def test_a_home_elsewhere_gets_the_history_with_its_path() -> None:
    """Between partitions the history crosses as a record of the events topic that carries where it has been."""
    keys = [f"P{n}" for n in range(20)]
    here = next(key for key in keys if partition_of(key.encode(), 2) == 0)
    there = next(key for key in keys if partition_of(key.encode(), 2) == 1)
    judge = Judge(DEFAULT, fake.settings(Clock.LIVE, 0, 2), fake.ISSUER)
    outcome = judge.process([record(event(here, 1, "a")), record(merge(here, there, 2))], watermark=None, wall=0)
    (handover,) = forwards(outcome)
    assert handover.history is not None
    assert (handover.kind, handover.patient.key, handover.history.seen) == (Kind.HANDOVER, there, 1)
    assert [(hop.key, hop.target.key, hop.merged_at) for hop in handover.path] == [(here, there, 2 * MINUTE)]


def test_an_alias_retires_after_its_time() -> None:
    """Kept 400 days, then it is a tombstone."""
    judge = Judge(DEFAULT, fake.settings(), fake.ISSUER)
    judge.process([record(merge(A, B, 3))], watermark=None, wall=0)
    end = 3 * MINUTE + ALIAS_KEPT
    assert A not in fake.states(judge.tick(watermark=end - 1, wall=0))
    assert fake.states(judge.tick(watermark=end, wall=0))[A] is None
