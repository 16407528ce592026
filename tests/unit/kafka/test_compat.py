"""What `compat` makes of a coordinator's answers."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka import compat

PLACE, OTHER = TopicPartition("events", 0), TopicPartition("events", 1)
LOADING, NOT_COORDINATOR, UNKNOWN_TOPIC, NO_RIGHT = 14, 16, 3, 30


def answer(*partitions: tuple[int, int, str, int], error_code: int = 0) -> Any:
    """Return an OffsetFetch answer of version 3."""
    return SimpleNamespace(topics=[("events", list(partitions))] if partitions else [], error_code=error_code)


class Coordinator:
    """Answers what it was told to, one after the other."""

    group_id = "ward-judge"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.deaths = 0

    async def ensure_coordinator_known(self) -> None:
        """Do nothing."""

    async def _send_req(self, request: object) -> Any:
        return self.answers.pop(0)

    def coordinator_dead(self) -> None:
        """Count."""
        self.deaths += 1


WHOLE = answer((0, 7, "m", 0), (1, -1, "", 0))


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param(answer(error_code=LOADING), id="loading: an error for the group, and no partition"),
        pytest.param(answer((0, -1, "", LOADING), (1, -1, "", LOADING)), id="loading, said of each partition"),
        pytest.param(answer((0, -1, "", UNKNOWN_TOPIC), (1, -1, "", 0)), id="a topic not known yet"),
        pytest.param(answer((0, 7, "m", 0)), id="one partition left out"),
        pytest.param(answer(error_code=NOT_COORDINATOR), id="another is coordinator"),
    ],
)
def test_no_answer_is_not_taken_for_no_offset(earlier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A coordinator that is loading, as after a broker's restart, is asked again; its silence is no lost offset.

    aiokafka's own call returns nothing for the first case, and a task that believed it judged everything twice.
    """
    monkeypatch.setattr(compat, "RETRY_SECONDS", 0.0)
    coordinator = Coordinator(earlier, WHOLE)
    consumer: Any = SimpleNamespace(_coordinator=coordinator)
    found = asyncio.run(compat.committed(consumer, [PLACE, OTHER]))
    assert found == {PLACE: OffsetAndMetadata(7, "m")}
    assert coordinator.deaths == (1 if earlier.error_code == NOT_COORDINATOR else 0)


def test_a_right_that_is_missing_is_told() -> None:
    """What asking again does not cure is raised."""
    consumer: Any = SimpleNamespace(_coordinator=Coordinator(answer(error_code=NO_RIGHT)))
    with pytest.raises(GroupAuthorizationFailedError):
        asyncio.run(compat.committed(consumer, [PLACE]))
