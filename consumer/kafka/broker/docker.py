"""Kafka from its image, through testcontainers."""

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consumer.kafka.broker.base import (
    KAFKA_VERSION,
    START_SECONDS,
    STOP_SECONDS,
    BrokerError,
    advertised_listeners,
    answers,
    reserved_port,
    server_properties,
    to_stderr,
)

IMAGE = f"apache/kafka:{KAFKA_VERSION}"

DOCKER_SOCKET = Path("/var/run/docker.sock")

ENGINE_SECONDS = 1.5
"""How long a Docker engine may take to answer a ping; one that is there answers in milliseconds."""

IMAGE_SECONDS = 60
"""How long the image may take to come; a machine that cannot have it is one without Docker (DESIGN.md 5)."""


class DockerBroker:
    """Kafka from its image; testcontainers removes the container even when we are killed."""

    kind = "docker"

    def __init__(self, say: Callable[[str], None] = to_stderr, proxy: int | None = None) -> None:
        client = docker_engine()
        docker_image(client, say)
        testcontainers = importlib.import_module("testcontainers.core.container")
        self._ports = contextlib.ExitStack()
        self._port = self._ports.enter_context(reserved_port())
        self.bootstrap_servers = f"127.0.0.1:{self._port}"
        properties = server_properties(
            listeners="PLAINTEXT://:9092,CONTROLLER://:9093" + ("" if proxy is None else ",PROXIED://:9094"),
            advertised=advertised_listeners(self.bootstrap_servers, proxy),
            controller="localhost:9093",
        )
        # The image formats its storage without --standalone, so its quorum is the static one.
        del properties["controller.quorum.bootstrap.servers"]
        properties["controller.quorum.voters"] = "1@localhost:9093"
        container = testcontainers.DockerContainer(IMAGE)
        # with_bind_ports takes no address, and would listen on all of them.
        container.ports["9092/tcp"] = ("127.0.0.1", self._port)
        self.behind = ""
        if proxy is not None:
            behind = self._ports.enter_context(reserved_port())
            container.ports["9094/tcp"] = ("127.0.0.1", behind)
            self.behind = f"127.0.0.1:{behind}"
        for name, value in properties.items():
            container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
        self._container = container
        try:
            container.start()
            self._answering()
        except BrokerError:
            self.close()
            raise
        except Exception as error:
            # Whatever the engine says no with, another way to a broker is still open.
            self.close()
            raise BrokerError(f"Docker could not start {IMAGE}: {error}") from error

    def _answering(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        # Docker's proxy accepts before Kafka does, so ask the log.
        while "Kafka Server started" not in self.log_tail() or not answers(self._port):
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka in Docker did not answer within {START_SECONDS} s")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop cleanly and wait."""
        self._container.get_wrapped_container().stop(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """Kill and wait."""
        self._container.get_wrapped_container().kill()
        self._container.get_wrapped_container().wait()

    def start(self) -> None:
        """Start again on the same port with the same data."""
        self._container.get_wrapped_container().start()
        self._answering()

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the container's log."""
        log: bytes = self._container.get_wrapped_container().logs(tail=lines)
        return log.decode(errors="replace")

    def close(self) -> None:
        """Remove the container and its data."""
        try:
            self._container.stop()
        finally:
            self._ports.close()


def docker_engine() -> Any:
    """Return a client of the Docker engine, when testcontainers is installed and the engine answers a ping at once."""
    try:
        importlib.import_module("testcontainers")
        docker = importlib.import_module("docker")
    except ImportError:
        raise BrokerError("testcontainers is not installed (it is among the development requirements)") from None
    if "DOCKER_HOST" not in os.environ and not DOCKER_SOCKET.exists():
        # Asked first: docker's library leaves a socket open that could not be connected, and a test run says so.
        raise BrokerError("no Docker engine answers")
    try:
        client = docker.from_env(timeout=ENGINE_SECONDS)
        client.ping()
    except (docker.errors.DockerException, OSError):
        raise BrokerError("no Docker engine answers") from None
    return docker.from_env(timeout=IMAGE_SECONDS)


def docker_image(client: Any, say: Callable[[str], None]) -> None:
    """Have the image, pulled in a thread of its own because a pull has no timeout as a whole."""
    failures: list[BaseException] = []

    def pull() -> None:
        try:
            client.images.pull(IMAGE)
        except Exception as error:  # noqa: BLE001  (reported below, whatever it is)
            failures.append(error)

    if client.images.list(name=IMAGE):
        return
    say(f"Docker pulls {IMAGE} (given up after {IMAGE_SECONDS} s)")
    thread = threading.Thread(target=pull, daemon=True)
    thread.start()
    thread.join(IMAGE_SECONDS)
    if thread.is_alive() or failures:
        raise BrokerError(f"Docker could not pull {IMAGE} within {IMAGE_SECONDS} s")
