"""The patients that stay unpacked: what is committed alone, no more than the limit, and judged as all others are."""

from unittest.mock import Mock, patch

from consumer import spill, wire
from consumer.cloudevent import Issuer
from consumer.judge import Judge
from consumer.patients import Clock, Settings
from consumer.stage import Output, Record
from consumer.warm import Warm
from consumer.wire import EMPTY, FORMAT_BEFORE, EventRecord, Kind, PatientRecord, Waiting, encode_event
from rules import engine
from rules.chart import Chart
from rules.events import PatientEvent
from rules.rulebook import DEFAULT
from tests.unit.rules.builders import PATIENT, event, h, k

COURSE = [
    event(k(value, h(at)), at=h(at)) for value, at in (("6.2", 0), ("6.4", 3), ("6.6", 4), ("6.9", 5), ("4.9", 6))
]


def home(state_bytes: int = 900_000) -> Judge:
    """Return the judge of a replay."""
    return Judge(DEFAULT, Settings(Clock.FILES, state_bytes=state_bytes), Issuer("test", "1.0", "sha256:0"))


def feed(judge: Judge, one: PatientEvent, *, commit: bool = True) -> list[bytes]:
    """Judge an event; return the alerts' bytes."""
    value = encode_event(EventRecord(Kind.EVENT, PATIENT, one))
    outcome = judge.process([Record("e", 0, 0, one.received_at, None, value, ())], watermark=one.received_at, wall=h(9))
    if commit:
        judge.commit()
    return [sent.value or b"" for sent in outcome.outgoing if sent.output is Output.ALERTS]


def cold(*events: PatientEvent) -> list[bytes]:
    """Return the last event's alerts of a judge that reads the patient anew each time."""
    judge, said = home(), list[bytes]()
    for one in events:
        said = feed(judge, one)
        judge.write_format(2)
        judge._patients._warm.forget(PATIENT.key)
    return said


def test_a_committed_patient_is_not_unpacked_again() -> None:
    """The next event of a patient finds the patient as the last one left it, and goes on from its chart."""
    judge = home()
    feed(judge, COURSE[0])
    with (
        patch.object(spill, "decode_patient", side_effect=AssertionError("unpacked")),
        patch.object(engine, "judge", wraps=engine.judge) as judged,
    ):
        feed(judge, COURSE[1])
    assert judged.call_args.kwargs["chart"].follows(judged.call_args.args[0], DEFAULT)


def test_w7_a_discarded_change_is_gone() -> None:
    """After a batch that was not committed the same records give the same alerts again. KAFKA.md W7."""
    judge = home()
    for one in COURSE[:2]:
        feed(judge, one)
    for again in range(3):
        said = feed(judge, COURSE[2], commit=again == 2)
        assert said == cold(*COURSE[:3])
        if again < 2:
            feed(judge, COURSE[3], commit=False)
            judge.discard()
    assert feed(judge, COURSE[3]) == cold(*COURSE[:4])
    assert feed(judge, COURSE[4]) == cold(*COURSE)


def test_w7_what_came_before_the_batch_stays_as_it_was() -> None:
    """A batch that is judged and discarded leaves no trace in the unpacked patient that it began with. KAFKA.md W7."""
    judge = home()
    feed(judge, COURSE[0])
    before = judge.stored(PATIENT.key)
    for one in COURSE[1:]:
        feed(judge, one, commit=False)
    judge.discard()
    assert judge.stored(PATIENT.key) is before
    judge._patients._warm.forget(PATIENT.key)
    assert judge.stored(PATIENT.key) == before


def test_a_patient_restored_anew_is_read_anew() -> None:
    """A changelog record speaks, not what was unpacked before it."""
    judge = home()
    feed(judge, COURSE[0])
    judge.restore(PATIENT.key.encode(), None, ())
    assert judge.stored(PATIENT.key) is None


def test_w3_results_that_had_to_go_are_gone_from_the_unpacked_patient_too() -> None:
    """What is judged next is what is stored. KAFKA.md W3."""
    judge = home(state_bytes=300)
    for n in range(12):
        feed(judge, event(k("4.1", h(n)), at=h(n)))
    kept = judge.stored(PATIENT.key)
    assert kept is not None
    assert kept.state is not None
    assert 0 < len(kept.state.results) < 12
    judge._patients._warm.forget(PATIENT.key)
    assert judge.stored(PATIENT.key) == kept


def test_an_older_format_is_read_anew() -> None:
    """What it leaves out of a patient is not remembered by chance."""
    judge = home()
    judge.write_format(FORMAT_BEFORE)
    feed(judge, COURSE[0])
    with patch.object(spill, "decode_patient", wraps=wire.decode_patient) as unpacked:
        feed(judge, COURSE[1])
    assert unpacked.called


def test_whoever_changed_longest_ago_goes_first() -> None:
    """No more patients, and no more charts, than the limit are kept."""
    warm = Warm(at_most=2)
    for key in "ABAC":
        warm.commit({key: PatientRecord(due=1)})
        warm.keep(key, Mock(Chart))
    assert [warm.get(key) is not None for key in "ABC"] == [True, False, True]
    assert [warm.chart(key) is not None for key in "ABC"] == [True, False, True]


def test_an_erased_patient_is_not_kept() -> None:
    """Neither is one who has events waiting: they may be many."""
    warm = Warm()
    waiting = (Waiting(EventRecord(Kind.EVENT, PATIENT, COURSE[0]), 0, 0),)
    for gone in (None, EMPTY._replace(inbox=waiting)):
        warm.commit({"A": EMPTY})
        warm.keep("A", Mock(Chart))
        warm.commit({"A": gone})
        assert warm.get("A") is None
        assert warm.chart("A") is None
