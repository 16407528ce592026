"""DESIGN.md 1: hl7apy reads a sampled share of live messages too, beside the service and never in its way."""

import threading
from collections import Counter
from typing import Literal

import pytest
from structlog.testing import capture_logs

from consumer import app, crosscheck
from consumer.crosscheck import LARGEST_BYTES, CrossCheck, Settings
from consumer.hl7.outcome import Verdict
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.metrics import VERDICTS, Metrics
from consumer.settings import Settings as ServiceSettings
from consumer.stage import Record
from tests.fuzz.builder import RECEIVED, SODIUM, obx, oru

ALL = Settings(each=1, per_second=10, waiting=100)


class Told:
    """Hears verdicts; `wait` until so many have come."""

    def __init__(self) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self._heard = threading.Condition()

    def __call__(self, verdict: Verdict) -> None:
        """Hear one."""
        with self._heard:
            self.verdicts[verdict] += 1
            self._heard.notify_all()

    def wait(self, number: int) -> Counter[Verdict]:
        """Return the verdicts when there are *number* of them."""
        with self._heard:
            assert self._heard.wait_for(lambda: self.verdicts.total() >= number, 20), self.verdicts
        return self.verdicts


class Clock:
    """A clock that goes on by *step* seconds at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        """Say what time it is."""
        self.now += self.step
        return self.now


def records(*raws: bytes | None) -> list[Record]:
    """Return inbound records of these values."""
    return [Record("hl7.inbound", 3, offset, RECEIVED, None, raw, ()) for offset, raw in enumerate(raws)]


def checked(told: Told, *raws: bytes) -> None:
    """Compare all of *raws*, in the thread, to the end."""
    checks = CrossCheck(Site.default(), ("P", ""), told, ALL, clock=Clock(1))
    checks.start()
    checks.offer(records(*raws))
    told.wait(len(raws))
    checks.stop()


def test_verdicts_are_counted() -> None:
    """Messages of ours, messages that were ruled out, and messages that hl7apy refuses."""
    told = Told()
    checked(told, oru(obx()), oru(obx(SODIUM)), b"noise", oru(obx()).replace(b"|^~\\&|", b"|^~\\&#|"))
    assert told.verdicts == {Verdict.AGREES: 2, Verdict.REFUSED: 2}


def test_a_disagreement_is_logged_without_the_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coordinates and verdict, no word of the message."""
    told = Told()
    monkeypatch.setattr(crosscheck, "compare", lambda raw, decoded: Verdict.RESULT)
    with capture_logs() as lines:
        checked(told, oru(obx()))
    assert told.verdicts == {Verdict.RESULT: 1}
    assert lines == [
        {
            "event": "cross_check.disagrees",
            "log_level": "warning",
            "verdict": "result",
            "topic": "hl7.inbound",
            "partition": 3,
            "offset": 0,
        }
    ]


def test_an_unsound_prefilter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that the prefilter calls nothing and the decoder does not."""
    told = Told()
    monkeypatch.setattr(Prefilter, "worth_decoding", lambda self, raw: False)
    with capture_logs() as lines:
        checked(told, oru(obx()), oru(obx("MG^Magnesium^L")), oru(obx(SODIUM)))
    assert told.verdicts == {Verdict.RULED_OUT: 2, Verdict.AGREES: 1}
    assert [line["offset"] for line in lines] == [0, 1]


def test_a_reader_that_trips_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception is a verdict, told by its class alone; the next record is compared all the same."""

    def trips(raw: bytes, decoded: object) -> Verdict:
        del decoded
        if b"6.6" in raw:
            raise ValueError(raw)
        return Verdict.AGREES

    monkeypatch.setattr(crosscheck, "compare", trips)
    told = Told()
    with capture_logs() as lines:
        checked(told, oru(obx(value="6.6")), oru(obx()))
    assert told.verdicts == {Verdict.FAILED: 1, Verdict.AGREES: 1}
    assert "Zztest" not in str(lines)
    assert lines[0]["error"] == "ValueError"


def test_never_waits_and_counts_what_it_passes_by() -> None:
    """With a full queue, or a message too large, the record is passed by at once."""
    told = Told()
    checks = CrossCheck(Site.default(), ("P", ""), told, ALL._replace(waiting=2), clock=Clock(1))  # not started
    checks.offer(records(*[oru(obx())] * 5, oru(obx()) + b"x" * LARGEST_BYTES, None, b""))
    assert told.verdicts == {Verdict.QUEUE_FULL: 3, Verdict.TOO_LARGE: 1}
    checks.stop()


@pytest.mark.parametrize(("step", "looked_at"), [(0.0, 1), (0.01, 10), (0.5, 500), (1.0, 999)])
def test_at_most_so_many_a_second(step: float, looked_at: int) -> None:
    """However fast records come, one a second is compared at most."""
    told = Told()
    settings = Settings(each=1, per_second=1, waiting=1)
    checks = CrossCheck(Site.default(), ("P", ""), told, settings, clock=Clock(step))
    for _ in range(1_000):
        checks.offer(records(oru(obx())))
    assert abs(told.verdicts[Verdict.QUEUE_FULL] + 1 - looked_at) <= 1


@pytest.mark.parametrize("batch", [1, 7, 500, 5_000])
def test_the_share_does_not_depend_on_the_batch(batch: int) -> None:
    """One record in `each` is taken on average, however they are fetched."""
    told = Told()
    checks = CrossCheck(Site.default(), ("P", ""), told, Settings(50, 10, 1), clock=Clock(1))
    some = records(*[b"x"] * batch)
    for _ in range(50_000 // batch):
        checks.offer(some)
    assert 850 < told.verdicts[Verdict.QUEUE_FULL] < 1_150


def test_metrics_know_every_verdict() -> None:
    """The series of all verdicts begin at zero; the label comes from the enum."""
    assert set(VERDICTS) == {verdict.value for verdict in Verdict}


@pytest.mark.parametrize(
    ("each", "stages", "sampled"),
    [(1_000, ("ingest", "judge"), True), (1_000, ("judge",), False), (0, ("ingest", "judge"), False)],
)
def test_only_where_messages_come_in_and_when_wanted(
    each: int, stages: tuple[Literal["ingest", "judge"], ...], sampled: bool
) -> None:
    """A process of the judge alone has nothing to compare; 0 switches it off; the thread ends with the block."""
    settings = ServiceSettings(cross_check_each=each)
    with app.cross_checking(settings, Site.default(), Metrics(), stages) as sample:
        assert (sample is not None) is sampled
        running = [thread for thread in threading.enumerate() if thread.name == "cross-check" and thread.is_alive()]
        assert bool(running) is sampled
    for thread in running:
        thread.join(10)
        assert not thread.is_alive()
