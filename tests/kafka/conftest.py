"""Topics of a test's own on the broker that the whole run shares, and stages that need no medicine."""

import asyncio
import itertools
import uuid

import pytest

from consumer.kafka.brokers import Broker
from tests.kafka.lab import Lab

numbers = itertools.count(1)


@pytest.fixture
def lab(kafka: Broker, request: pytest.FixtureRequest) -> Lab:
    """Two inbound and two events partitions on the shared broker, and what reads and writes them."""
    name = request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")[:60]
    made = Lab(kafka.bootstrap_servers, f"{name}-{next(numbers)}-{uuid.uuid4().hex[:6]}")
    asyncio.run(made.create_topics())
    return made
