"""W6 and W10 without a broker: offset, log, metadata and state held against one another."""

import contextlib
import dataclasses

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import recovery
from consumer.kafka.changelog import Restored
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import OffsetWentBack, Reason, Stop
from consumer.kafka.metadata import Metadata, gone_on
from consumer.kafka.recovery import Bounds, Start, resume_from
from consumer.wire import FORMAT

CONFIG = KafkaConfig(partitions=12)
PLACE = TopicPartition("lab-alert.events", 3)
LOG = Bounds(10, 100)
USUAL = Metadata(stream_time=5, partitions=12, transactions=9, changelog_end=40)


Committed = tuple[int, Metadata | None]


def start(committed: Committed | None, restored: Restored, *, config: KafkaConfig = CONFIG) -> Start:
    """Ask where the judge begins."""
    found = None
    if committed is not None:
        offset, metadata = committed
        found = OffsetAndMetadata(offset, "" if metadata is None else metadata.encode())
    return resume_from(config, "judge", PLACE, found, LOG, restored)


WHOLE = Restored(position=42, last=40, end=42, records=3)
KEPT = Restored(position=42, last=40, end=42, records=0)
EMPTY = Restored(position=0, last=None, end=0, records=0)


@pytest.mark.parametrize(
    ("committed", "restored", "reason", "words"),
    [
        (None, WHOLE, Reason.OFFSET_LOST, "`--to OFFSET`"),
        ((50, None), WHOLE, Reason.OFFSET_LOST, "another tool"),
        ((50, USUAL), EMPTY, Reason.STATE_BEHIND, "made anew"),
        ((50, USUAL), WHOLE._replace(position=39, end=39), Reason.STATE_BEHIND, "offsets set"),
        ((50, USUAL), WHOLE._replace(last=41), Reason.STATE_AHEAD, "set back"),
        ((50, USUAL._replace(changelog_end=30)), KEPT, Reason.STATE_AHEAD, "set back"),
        ((50, USUAL._replace(partitions=6)), WHOLE, Reason.PARTITIONS_CHANGED, "back to 6"),
        ((50, USUAL._replace(version=FORMAT + 1)), WHOLE, Reason.NEWER_VERSION, "newer lab-alert"),
        ((9, USUAL), WHOLE, Reason.OFFSET_OUT_OF_RANGE, "from 10 to 100"),
        ((101, USUAL), WHOLE, Reason.OFFSET_OUT_OF_RANGE, "--partition 3 --to earliest"),
    ],
)
def test_w6_stops_with_a_remedy(committed: Committed | None, restored: Restored, reason: Reason, words: str) -> None:
    """Each way in which offset and state can part stops the partition, and says what to do."""
    with pytest.raises(Stop) as stopped:
        start(committed, restored)
    assert stopped.value.reason is reason
    assert words in str(stopped.value)


@pytest.mark.parametrize(
    ("committed", "restored", "offset"),
    [
        pytest.param((50, USUAL), WHOLE, 50, id="as it was left"),
        pytest.param((50, USUAL), KEPT, 50, id="kept over a revocation"),
        pytest.param((100, USUAL), WHOLE._replace(end=60), 100, id="at the end, markers behind the state"),
        pytest.param((10, USUAL._replace(changelog_end=None)), EMPTY, 10, id="no state yet"),
        pytest.param(None, EMPTY, 10, id="first start"),
        pytest.param((50, None), EMPTY, 50, id="set by another tool before there was any state"),
    ],
)
def test_w6_goes_on(committed: Committed | None, restored: Restored, offset: int) -> None:
    """What belongs together is taken up where it was."""
    assert start(committed, restored).offset == offset


def test_w10_first_start() -> None:
    """An inbound partition begins where the setting says, an events partition always at its beginning."""
    latest = dataclasses.replace(CONFIG, start="latest")
    inbound = TopicPartition("hl7.inbound", 0)
    assert resume_from(CONFIG, "ingest", inbound, None, LOG, None)[::2] == (10, True)
    assert resume_from(latest, "ingest", inbound, None, LOG, None)[::2] == (100, True)
    assert start(None, EMPTY, config=latest).offset == 10


@pytest.mark.parametrize(
    ("position", "written", "stops"),
    [
        pytest.param(40, 43, False, id="behind what was there"),
        pytest.param(None, 3, False, id="nothing known of before"),
        pytest.param(40, None, False, id="no state written"),
        pytest.param(40, 3, True, id="near the beginning: another topic"),
        pytest.param(40, 40, True, id="where the last record stood"),
    ],
)
def test_w6_state_is_written_behind_what_was_there(position: int | None, written: int | None, stops: bool) -> None:
    """A state topic that is made anew while a commit is being tried stops the partition before its offset moves."""
    with pytest.raises(Stop, match="made anew") if stops else contextlib.nullcontext():
        recovery.still_the_same(KafkaConfig(), "judge", TopicPartition("events", 0), position, written)


@pytest.mark.parametrize(
    ("found", "end", "believed"),
    [
        pytest.param(7, 7, True, id="as it was"),
        pytest.param(8, 9, True, id="further on"),
        pytest.param(6, 9, False, id="set back"),
        pytest.param(None, 7, False, id="gone"),
        pytest.param(None, 6, True, id="gone with its log, which was made anew"),
        pytest.param(2, 6, True, id="of a log that was made anew"),
    ],
)
def test_w6_an_offset_does_not_go_back(found: int | None, end: int, believed: bool) -> None:
    """A coordinator that says less than before has not read all of its log: it is asked again."""
    known = recovery.Known()
    known.check(PLACE, None, 0)
    known.see(PLACE, 7)
    known.see(PLACE, 5)
    answer = None if found is None else OffsetAndMetadata(found, "")
    with contextlib.nullcontext() if believed else pytest.raises(OffsetWentBack, match="restart"):
        known.check(PLACE, answer, end)


@pytest.mark.parametrize(
    ("offset", "count", "gone"),
    [
        pytest.param(50, 9, False, id="ours"),
        pytest.param(40, 8, False, id="the one before: ours does not show"),
        pytest.param(50, 8, False, id="the one before, at the same offset"),
        pytest.param(50, 10, True, id="a timer's alert of another owner"),
        pytest.param(60, 10, True, id="another owner, further on"),
        pytest.param(40, 9, True, id="another owner in our stead"),
        pytest.param(10, 10, True, id="`offsets set`"),
        pytest.param(60, 1, True, id="a new beginning, further on"),
        pytest.param(40, None, True, id="another tool"),
    ],
)
def test_w6_who_has_gone_on(offset: int, count: int | None, gone: bool) -> None:
    """Whether what is committed came after our ninth transaction, or in its stead, by the count in the metadata."""
    ours = OffsetAndMetadata(50, USUAL.encode())
    theirs = OffsetAndMetadata(offset, "" if count is None else USUAL._replace(transactions=count).encode())
    assert gone_on(theirs, ours) == gone
    assert not gone_on(None, ours)
