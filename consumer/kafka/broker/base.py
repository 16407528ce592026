"""What brokers of every kind share: what they can do, their settings, and loopback ports that nobody else is given."""

import contextlib
import fcntl
import os
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from consumer.errors import LabAlertError

KAFKA_VERSION = "4.3.1"

START_SECONDS = 90
"""Four seconds on a quiet machine; far more when two cores are shared by a whole test run."""

STOP_SECONDS = 120
"""A clean stop takes ten seconds, on a busy machine half a minute; one cut short by SIGKILL may lose markers."""

PORTS = range(20_000, 32_000)
"""
Below the ephemeral ports (from 32768 on Linux): no client's own port can be in the way when a killed broker comes back
on its port, and no client that knocks while it is away can connect to itself.
"""


class BrokerError(LabAlertError):
    """A broker could not be found, started or stopped; the message is one line for whoever ran the command."""


class Broker(Protocol):
    """A running broker. One that was only named to us can be neither stopped nor killed."""

    bootstrap_servers: str
    kind: str
    behind: str
    """Where a proxy that was named when it was started reaches it; empty without one."""

    def stop(self) -> None:
        """Stop cleanly (SIGTERM) and wait; the data stay."""

    def kill(self) -> None:
        """Kill (SIGKILL) and wait; the data stay as they were."""

    def start(self) -> None:
        """Start again on the same port with the same data, and wait until it answers."""

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of its log."""

    def close(self) -> None:
        """End it and throw its data away."""


def to_stderr(line: str) -> None:
    """Print a line for whoever waits."""
    print(line, file=sys.stderr, flush=True)


def server_properties(*, listeners: str, advertised: str, controller: str) -> dict[str, str]:
    """Return the settings of a broker that is its own controller; KAFKA.md, last section, says why each."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": listeners,
        "advertised.listeners": advertised,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": controller,
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "auto.create.topics.enable": "false",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "1000",
    }


def advertised_listeners(servers: str, proxy: int | None) -> str:
    """Return what clients of each listener are told to come to."""
    return f"PLAINTEXT://{servers}" + ("" if proxy is None else f",PROXIED://127.0.0.1:{proxy}")


def cache_folder() -> Path:
    """Return the folder of what is kept between runs; the same for every clone."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lab-alert"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[IO[bytes]]:
    """Hold the lock that the file at *path* stands for; it falls with the process that holds it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Give a loopback port on which nothing listens, and that no other caller on this machine is given meanwhile."""
    folder = cache_folder() / "ports"
    folder.mkdir(exist_ok=True)
    for port in random.sample(PORTS, len(PORTS)):
        with (folder / str(port)).open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with socket.socket() as listener:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            yield port
            return
    raise BrokerError(f"no free port between {PORTS.start} and {PORTS.stop}")


def answers(port: int) -> bool:
    """Whether something listens on the loopback port; Kafka opens it last."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
