"""
A real Kafka for tests, the demo and the bench; never for production.

`broker()` looks in the order of DESIGN.md 5: the servers that ``LAB_ALERT_TEST_BOOTSTRAP`` names; Docker, through
testcontainers; Java 17 with Maven, whose jars (`broker/pom.xml`) are fetched once into the user's cache folder.
A broker started here listens on loopback ports of its own, keeps its data in a temporary folder of its own, and is
gone when we are, however we end.

``python -m consumer.kafka.brokers`` runs one until Ctrl-C.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from consumer.kafka.broker.base import Broker, BrokerError, answers, reserved_port, to_stderr
from consumer.kafka.broker.docker import IMAGE, DockerBroker, docker_engine, docker_image
from consumer.kafka.broker.java import JavaBroker, find_java, kafka_jars

__all__ = [
    "IMAGE",
    "Broker",
    "BrokerError",
    "JavaBroker",
    "answers",
    "broker",
    "kafka_jars",
    "prepare",
    "reserved_port",
]

NONE_TO_BE_HAD = (
    "no Kafka to be had: install Java 17 and Maven, or start Docker, or name one in LAB_ALERT_TEST_BOOTSTRAP"
)


@contextlib.contextmanager
def broker(*, say: Callable[[str], None] = to_stderr, proxy: int | None = None) -> Iterator[Broker]:
    """
    Give a running broker, found or started; what was started is gone afterwards.

    Args:
        say: Takes one line before anything that a user would otherwise wait for in silence.

        proxy: A loopback port. The broker then has a second listener, at `Broker.behind`, whose clients are told to
            come to that port: whoever listens there passes on, delays or cuts what clients and broker say.

    Raises:
        BrokerError: None was to be had; the message says what to install.
    """
    found = _find(say, proxy)
    try:
        yield found
    finally:
        found.close()


def _find(say: Callable[[str], None], proxy: int | None) -> Broker:
    """Return a running broker, in the order of DESIGN.md 5."""
    given = os.environ.get("LAB_ALERT_TEST_BOOTSTRAP")
    if given and proxy is not None:
        raise BrokerError("a proxy needs a broker of its own; unset LAB_ALERT_TEST_BOOTSTRAP")
    if given:
        return GivenBroker(given)
    tried = []
    for start in (DockerBroker, JavaBroker):
        try:
            return start(say, proxy)
        except BrokerError as error:
            tried.append(str(error))
    raise BrokerError(f"{NONE_TO_BE_HAD} (tried: {'; '.join(tried)})")


class GivenBroker:
    """A broker that somebody else runs."""

    kind = "given"
    behind = ""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def stop(self) -> None:
        """Refuse."""
        raise BrokerError("a broker named by LAB_ALERT_TEST_BOOTSTRAP is not ours to stop")

    kill = stop
    start = stop

    def log_tail(self, lines: int = 40) -> str:
        """Return nothing: its log is elsewhere."""
        del lines
        return ""

    def close(self) -> None:
        """Leave it running."""


def prepare(say: Callable[[str], None] = to_stderr) -> None:
    """
    Have whatever `broker` will need, so that nothing is downloaded while a test's clock runs.

    Raises:
        BrokerError: There is neither a Docker engine with the image nor Java with Kafka's jars.
    """
    if os.environ.get("LAB_ALERT_TEST_BOOTSTRAP"):
        return
    try:
        docker_image(docker_engine(), say)
    except BrokerError as no_docker:
        try:
            find_java()
            kafka_jars(say)
        except BrokerError as no_java:
            raise BrokerError(f"{NONE_TO_BE_HAD} (tried: {no_docker}; {no_java})") from None


def main() -> None:
    """Run a broker until Ctrl-C or SIGTERM; with ``--prepare`` only fetch what it needs."""
    # Asked for both: a shell that starts us in the background has us ignore the second.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        if "--prepare" in sys.argv[1:]:
            prepare()
            return
        with broker() as running:
            print(f"Kafka ({running.kind}) at {running.bootstrap_servers}; Ctrl-C stops it", flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        sys.exit(0)
    except BrokerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
