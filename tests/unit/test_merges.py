"""Merges: aliases, what follows them, cycles, homes in other partitions (DESIGN.md 1)."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from consumer import patients
from consumer.address import partition_of
from consumer.judge import Judge
from consumer.patients import ALIAS_KEPT, Clock
from consumer.stage import Outgoing, Output
from consumer.wire import FORMAT, EventRecord, Kind
from rules.events import DAY, MINUTE, PatientEvent
from rules.rulebook import DEFAULT
from tests.unit import fake_rules as fake
from tests.unit.fake_rules import event, forwards, merge, record, words

PARTITIONS = 3
A, B, C = "A", "B", "C"

MOST_FOLLOWED = 250
"""Five times what the longest test here needs (49)."""


@pytest.fixture(autouse=True)
def _fake_rules() -> Iterator[None]:
    with fake.installed():
        yield


@pytest.fixture(autouse=True)
def _bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aliases be followed so often in a test and no more: within one partition a cycle would never come back."""
    turns = itertools.count(1)
    follow = patients.route  # type: ignore[attr-defined]  # as it stands there: a mutant's, when one is tried

    def bounded(*given: Any) -> Any:
        assert next(turns) <= MOST_FOLLOWED, "a record is forwarded for ever within a partition"
        return follow(*given)

    monkeypatch.setattr(patients, "route", bounded)


class Hospital:
    """Every home of a deployment, and the events topic between them, without a broker."""

    def __init__(self, partitions: int = PARTITIONS, clock: Clock = Clock.FILES, *, dying: bool = False) -> None:
        self.partitions, self.clock, self.dying = partitions, clock, dying
        self.homes = [self._home(number) for number in range(partitions)]
        self.changelog: list[list[Outgoing]] = [[] for _ in range(partitions)]
        self.said: list[str] = []
        self.hops = self.wall = 0
        self.counts: dict[str, int] = {}

    def _home(self, number: int) -> Judge:
        return Judge(DEFAULT, fake.settings(self.clock, number, self.partitions), fake.ISSUER)

    def home(self, key: str) -> Judge:
        """The home of a key."""
        return self.homes[partition_of(key.encode(), len(self.homes))]

    def kill(self, number: int) -> Judge:
        """Have another process restore a home from what it has committed."""
        self.homes[number] = home = self._home(number)
        for one in self.changelog[number]:
            home.restore(one.key or b"", one.value, one.headers)
        home.write_format(FORMAT)
        return home

    def take(self, *events: PatientEvent) -> "Hospital":
        """Judge events, each with all that it makes homes send each other."""
        for one in events:
            queue: list[PatientEvent | EventRecord] = [one]
            while queue:
                message = queue.pop(0)
                number = partition_of(message.patient.key.encode(), self.partitions)
                judge = self.homes[number]
                if self.dying:
                    # Its transaction is never seen; the next owner gets the same record from the committed offset.
                    judge.process([record(message)], watermark=None, wall=self.wall)
                    judge = self.kill(number)
                outcome = judge.process([record(message)], watermark=None, wall=self.wall)
                judge.commit()
                self.changelog[number] += [one for one in outcome.outgoing if one.output is Output.STATE]
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
    assert hospital.counts["merges_ignored"] == 1


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


# Merged again, and what is known of the keys that lead to a patient


def test_a_merged_again_into_another_goes_there_from_now_on() -> None:
    """
    A into B, later A into C: results under A go to C, and the history that went to B stays there alone.

    Whose it is cannot be told apart any more, and no history lives twice; so C is told that something is missing.
    """
    hospital = Hospital().take(event(A, 1, "a"), merge(A, B, 2), event(A, 3, "b"), merge(A, C, 4), event(A, 5, "c"))
    assert hospital.said[-1] == "C c"
    assert hospital.living() == {B: 2, C: 1}
    incomplete = {key: hospital.home(key).stored(key) for key in (B, C)}
    assert [one.state.history_incomplete for one in incomplete.values() if one and one.state] == [False, True]


def test_merged_again_in_the_other_order() -> None:
    """The newer merge comes first: the older one is ignored, and nothing ever went to B."""
    hospital = Hospital().take(event(A, 1, "a"), merge(A, C, 4), merge(A, B, 2), event(A, 5, "c"))
    assert hospital.living() == {C: 2}
    assert hospital.counts["merges_ignored"] == 1


@pytest.mark.parametrize("partitions", [1, 64])
def test_merged_again_to_where_it_has_come_already(partitions: int) -> None:
    """A into B into C, and then A into C: C has A's history by way of B, once, and misses nothing."""
    hospital = Hospital(partitions).take(event(A, 1, "a"), merge(A, B, 2), merge(B, C, 3), merge(A, C, 4))
    stored = hospital.take(event(A, 5, "c")).home(C).stored(C)
    assert hospital.living() == {C: 2}
    assert stored is not None
    assert stored.state is not None
    assert not stored.state.history_incomplete


def test_merged_again_into_the_same() -> None:
    """A into B, and once more, later: B has all of it, once, and misses nothing."""
    hospital = Hospital().take(event(A, 1, "a"), merge(A, B, 2), merge(A, B, 3), event(A, 5, "c"))
    stored = hospital.home(B).stored(B)
    assert hospital.living() == {B: 2}
    assert stored is not None
    assert stored.state is not None
    assert not stored.state.history_incomplete


SEEN = (event(A, 0, "a"), event(B, 0, "b"), event(C, 0, "c"))
LATE = (event(A, 5, "x"), event(B, 6, "y"), event(C, 7, "z"))


@pytest.mark.parametrize("partitions", [1, 3, 64])
@pytest.mark.parametrize("dying", [False, True])
@pytest.mark.parametrize(
    ("merges", "living"),
    [
        ((merge(A, B, 1), merge(B, C, 2)), {C: 6}),
        ((merge(B, C, 2), merge(A, B, 1)), {C: 6}),
        ((merge(A, B, 1), merge(B, A, 2)), {A: 4, C: 2}),
        ((merge(B, A, 2), merge(A, B, 1)), {A: 4, C: 2}),
        ((merge(A, A, 1),), {A: 2, B: 2, C: 2}),
        ((merge(A, B, 1), merge(A, B, 1), merge(A, B, 1)), {B: 4, C: 2}),
        ((merge(A, B, 1), merge(A, C, 2)), {B: 3, C: 3}),
        (CYCLE, {A: 6}),
        (CYCLE[::-1], {A: 6}),
    ],
    ids=["chain", "chain, last first", "back", "back, last first", "self", "repeated", "again", "cycle", "cycle back"],
)  # fmt: skip
def test_every_home_dies_at_every_step(
    merges: tuple[PatientEvent, ...], living: dict[str, int], dying: bool, partitions: int
) -> None:
    """
    Whichever owner is killed in between, each history lives once, in the same place, and so do the results after it.

    Before every record its home's process dies with its transaction open, and another restores what was committed.
    """
    hospital = Hospital(partitions, dying=dying).take(*SEEN, *merges, *LATE)
    assert hospital.living() == living
    assert sum(living.values()) == 6


def test_results_come_under_the_old_number_for_weeks() -> None:
    """Long after the merge, and after the surviving patient's state has retired, the old number still leads on."""
    weeks = [event(A, 7 * DAY // MINUTE * week, f"w{week}") for week in range(1, 50)]
    hospital = Hospital().take(event(A, 0, "a"), merge(A, B, 1), event(B, 2, "retire"), *weeks)
    assert hospital.said[-1] == "B w49"
    assert hospital.living() == {B: 49}


def leads(hospital: Hospital, key: str) -> dict[str, int]:
    """Keys that are known to lead to a patient, and over how many aliases."""
    stored = hospital.home(key).stored(key)
    return {} if stored is None else {one.key: one.aliases for one in stored.retired}


@pytest.mark.parametrize(
    ("feed", "key", "known"),
    [
        ((merge(A, B, 1),), B, {A: 1}),
        ((event(A, 0, "a"), merge(A, B, 1), event(A, 2, "x")), B, {A: 1}),
        ((merge(A, B, 1), merge(B, C, 2)), C, {A: 2, B: 1}),
        ((merge(B, C, 2), merge(A, B, 1)), C, {A: 2, B: 1}),
        ((merge(A, B, 1), merge(B, A, 2)), A, {B: 1}),
        (CYCLE, A, {B: 4, C: 3}),
    ],
    ids=["one", "with results", "chain", "chain, last first", "back", "cycle"],
)
@pytest.mark.parametrize("dying", [False, True])
def test_w17_a_home_knows_who_leads_to_it(
    feed: tuple[PatientEvent, ...], key: str, known: dict[str, int], dying: bool
) -> None:
    """Over chains, in any order, after a cycle (more aliases than there are then, never fewer: it would not wait)."""
    hospital = Hospital(64, dying=dying).take(*feed)
    assert leads(hospital, key) == known
    homes = hospital.kill(partition_of(key.encode(), 64)).alias_homes()
    assert homes is not None
    others = frozenset(partition_of(name.encode(), 64) for name in known)
    assert (homes.partitions, homes.aliases) == (others, max(known.values()))


def test_w17_an_event_for_the_old_number_says_so_too() -> None:
    """A home whose state had gone learns it again from the record that followed the alias."""
    hospital = Hospital(64).take(merge(A, B, 1), event(B, 2, "retire"))
    assert hospital.home(B).alias_homes() is None
    hospital.take(event(A, 3, "x"))
    assert leads(hospital, B) == {A: 1}


def test_w17_only_other_partitions_are_waited_for() -> None:
    """An alias within one partition needs no waiting: what it leads on is judged with the same record."""
    assert Hospital(1).take(merge(A, B, 1)).home(B).alias_homes() is None


def test_w17_a_patient_to_whom_an_alias_leads_waits_for_its_home() -> None:
    """
    Timers of such a patient run on the watermark by which the alias's home has passed on all that it had.

    Red with the low watermark alone: what still lies in the other home's partition may be the magnesium.
    """
    partition = partition_of(B.encode(), 64)
    other = next(key for key in (f"P{n}" for n in range(500)) if partition_of(key.encode(), 64) == partition)
    hospital = Hospital(64, Clock.LIVE).take(merge(A, B, 0), event(B, 0, "t30"), event(other, 0, "t30"))
    judge = hospital.home(B)
    assert words(judge.tick(watermark=40 * MINUTE, wall=0)) == [f"00:30 {other} timer"]
    judge.commit()
    judge.see_merged(29 * MINUTE)
    assert words(judge.tick(watermark=40 * MINUTE, wall=0)) == []
    judge.see_merged(35 * MINUTE)
    assert words(judge.tick(watermark=40 * MINUTE, wall=0)) == ["00:30 B timer"]


def test_w17_a_merged_patient_waits_after_a_restart_too() -> None:
    """The header of the state says so, so that nothing is decoded for it."""
    hospital = Hospital(64, Clock.LIVE).take(merge(A, B, 0), event(B, 0, "t30"))
    judge = hospital.kill(partition_of(B.encode(), 64))
    assert words(judge.tick(watermark=40 * MINUTE, wall=0)) == []
    judge.see_merged(40 * MINUTE)
    assert words(judge.tick(watermark=40 * MINUTE, wall=0)) == ["00:30 B timer"]


def test_w17_a_stuck_home_is_overruled_as_a_stuck_feed_is() -> None:
    """Five minutes behind and no closer for five: the hold fires by the wall clock and says how far behind."""
    hospital = Hospital(64, Clock.LIVE).take(merge(A, B, 0), event(B, 0, "t12"))
    judge = hospital.home(B)
    judge.see_merged(0)
    said = []
    for wall in (10, 12, 14, 15):
        said += words(judge.tick(watermark=wall * MINUTE, wall=wall * MINUTE))
    assert said == ["00:12 B timer behind 15"]


def test_w17_the_homes_of_a_first_alias_are_given_their_time() -> None:
    """
    Before an alias leads here nobody has asked its homes anything; that does not count as their silence.

    Red when it does: hours after a start, the first merge would end holds before its homes have answered once.
    """
    hospital = Hospital(64, Clock.LIVE)
    judge = hospital.home(B)
    for wall in range(60):
        assert words(judge.tick(watermark=wall * MINUTE, wall=wall * MINUTE)) == []
    hospital.wall = 60 * MINUTE
    hospital.take(merge(A, B, 0), event(B, 0, "t12"))
    said = [words(judge.tick(watermark=wall * MINUTE, wall=wall * MINUTE)) for wall in range(60, 67)]
    assert said == [[], [], [], [], [], [], ["00:12 B timer behind 6"]]
