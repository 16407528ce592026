"""One real broker for all tests that need one, topics of a test's own, and stages that need no medicine."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from consumer.kafka.brokers import Broker, BrokerError, broker
from tests.kafka.lab import Lab

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """A running broker, shared by the session; tests that stop one start their own."""
    try:
        with broker() as running:
            yield running
    except BrokerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def lab(kafka: Broker, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Topics of this test's own on the shared broker, and what reads and writes them."""
    name = request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")[:60]
    made = Lab(kafka.bootstrap_servers, f"{name}-{next(numbers)}")
    asyncio.run(made.create_topics())
    return made
