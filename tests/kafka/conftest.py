"""Topics of a test's own on the broker that the whole run shares, and stages that need no medicine."""

import asyncio
import itertools
import uuid
from pathlib import Path

import pytest

from consumer.kafka.brokers import Broker
from tests.kafka.lab import Lab

numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Let a connection that is cut while it is being made be collected in silence.

    aiokafka leaves one behind when it is cancelled there, as whoever throws a client away has to; a busy machine
    makes it likely.
    """
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection:ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"))


@pytest.fixture
def lab(kafka: Broker, request: pytest.FixtureRequest) -> Lab:
    """Two inbound and two events partitions on the shared broker, and what reads and writes them."""
    name = request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")[:60]
    made = Lab(kafka.bootstrap_servers, f"{name}-{next(numbers)}-{uuid.uuid4().hex[:6]}")
    asyncio.run(made.create_topics())
    return made
