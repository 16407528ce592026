"""
A real Kafka for tests, the demo and the bench; never for production.

`broker()` looks in the order of DESIGN.md 5: the servers that ``LAB_ALERT_TEST_BOOTSTRAP`` names; Docker, through
testcontainers; Java 17 with Maven, whose jars (`broker/pom.xml`) are fetched once into the user's cache folder.
A broker started here listens on loopback ports of its own, keeps its data in a temporary folder of its own, and is
gone when we are, however we end.

``python -m consumer.kafka.brokers`` runs one until Ctrl-C.
"""

import base64
import contextlib
import fcntl
import hashlib
import importlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from consumer.errors import LabAlertError

KAFKA_VERSION = "4.3.1"
IMAGE = f"apache/kafka:{KAFKA_VERSION}"
POM = Path(__file__).with_name("broker") / "pom.xml"

DOCKER_SOCKET = Path("/var/run/docker.sock")

ENGINE_SECONDS = 1.5
"""How long a Docker engine may take to answer a ping; one that is there answers in milliseconds."""

IMAGE_SECONDS = 60
"""How long the image may take to come; a machine that cannot have it is one without Docker (DESIGN.md 5)."""

START_SECONDS = 90
"""Four seconds on a quiet machine; far more when two cores are shared by a whole test run."""

STOP_SECONDS = 30

NONE_TO_BE_HAD = (
    "no Kafka to be had: install Java 17 and Maven, or start Docker, or name one in LAB_ALERT_TEST_BOOTSTRAP"
)

PORTS = range(20_000, 32_000)
"""
Below the ephemeral ports (from 32768 on Linux): no client's own port can be in the way when a killed broker comes back
on its port, and no client that knocks while it is away can connect to itself.
"""

WATCH = """
data=$1; shift
exec 3<&0
( read -r _ <&3 || { kill -KILL $$; rm -rf -- "$data"; } ) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"""
"""
Becomes the JVM (same process id) and leaves a watcher at its side, which waits on a pipe that only we hold open: a line
dismisses it; its end, which even SIGKILL to us brings, kills the JVM and removes its data.
"""

LOGGING = """\
status = error
shutdownHook = disable
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = stdout
logger.server.name = kafka.server
logger.server.level = info
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{ISO8601} %-5p %c{1}: %m%n
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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def broker(*, say: Callable[[str], None] = _say, proxy: int | None = None) -> Iterator[Broker]:
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


class JavaBroker:
    """Kafka from its jars, one JVM in KRaft mode, as in the last section of KAFKA.md."""

    kind = "java"

    def __init__(self, say: Callable[[str], None] = _say, proxy: int | None = None) -> None:
        java = find_java()
        jars = kafka_jars(say)
        self._ports = contextlib.ExitStack()
        self._port = self._ports.enter_context(reserved_port())
        controller_port = self._ports.enter_context(reserved_port())
        self.bootstrap_servers = f"127.0.0.1:{self._port}"
        self.behind = f"127.0.0.1:{self._ports.enter_context(reserved_port())}" if proxy is not None else ""
        self._data = Path(tempfile.mkdtemp(prefix="lab-alert-kafka-"))
        self._log = self._data / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        properties = server_properties(
            listeners=f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller_port}"
            + (f",PROXIED://{self.behind}" if self.behind else ""),
            advertised=_advertised(self.bootstrap_servers, proxy),
            controller=f"127.0.0.1:{controller_port}",
        ) | {"log.dirs": str(self._data / "logs")}
        configuration = self._data / "server.properties"
        configuration.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")
        logging = self._data / "log4j2.properties"
        logging.write_text(LOGGING, encoding="utf-8")
        run = [java, "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={logging}", "-cp", f"{jars}/*"]
        self._serve = [*run, "-Xmx1g", "kafka.Kafka", str(configuration)]
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = [*run, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--standalone"]
        try:
            # An id may begin with a dash, hence the equals sign.
            self._run([*tool, f"--cluster-id={cluster_id}", "-c", str(configuration)])
            self.start()
        except BaseException:
            self.close()
            raise

    def _run(self, command: list[str]) -> None:
        """Run a tool of Kafka's to its end; its words go to the log."""
        with self._log.open("ab") as log:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=START_SECONDS, check=False
            )
        if done.returncode != 0:
            raise BrokerError(f"Kafka's storage tool failed: {self.log_tail(1)}")

    def start(self) -> None:
        """Start on the same port with the same data, and wait until it answers."""
        if self._process is not None:
            return
        command = ["/bin/sh", "-c", WATCH, "sh", str(self._data), *self._serve]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C reaches us, and we end it.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not answers(self._port):
            if self._process.poll() is not None:
                self._dismiss()
                raise BrokerError(f"Kafka ended at its start: {self.log_tail(1)}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"Kafka did not answer within {START_SECONDS} s: {self.log_tail(1)}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop cleanly and wait; killed when that takes longer than half a minute."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill and wait."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._dismiss()

    def _dismiss(self) -> None:
        """Send the watcher away: the JVM has ended and been reaped, its id may soon be another's."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process = None

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the JVM's output."""
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def close(self) -> None:
        """Kill it (its data are thrown away, so nothing is gained by waiting for a clean stop) and clean up."""
        try:
            self.kill()
        finally:
            shutil.rmtree(self._data, ignore_errors=True)
            self._ports.close()


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


def _advertised(servers: str, proxy: int | None) -> str:
    """Return what clients of each listener are told to come to."""
    return f"PLAINTEXT://{servers}" + ("" if proxy is None else f",PROXIED://127.0.0.1:{proxy}")


def find_java() -> str:
    """
    Return the path of a Java of version 17 or later.

    Raises:
        BrokerError: There is none.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else None
    java = java or shutil.which("java")
    if java is None:
        raise BrokerError("java is not on the PATH")
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    version = re.search(r'version "(\d+)', shown)
    if version is None or int(version[1]) < 17:
        raise BrokerError(f"Java 17 or later is needed, {java} is {shown.splitlines()[0] if shown else 'silent'}")
    return java


def kafka_jars(say: Callable[[str], None] = _say) -> Path:
    """
    Return the folder of Kafka's jars, fetched by Maven when they are not there yet.

    The folder's name holds the hash of the POM, so another version is another folder. It appears complete or not
    at all.

    Raises:
        BrokerError: Maven is missing or failed.
    """
    cache = cache_folder()
    jars = cache / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError("Maven (mvn) is not on the PATH and Kafka's jars are not in the cache")
    with locked(cache / "jars.lock"):
        if jars.is_dir():
            return jars
        say(f"Maven downloads the jars of Kafka {KAFKA_VERSION} (44 MB), once, into {jars}")
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            pom = shutil.copy(POM, scratch)
            copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={scratch}/jars"]
            command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", pom, *copy]
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stdout.strip())
                raise BrokerError(f"Maven could not fetch Kafka's jars: {reason}")
            Path(scratch, "jars").rename(jars)
    return jars


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


class DockerBroker:
    """Kafka from its image; testcontainers removes the container even when we are killed."""

    kind = "docker"

    def __init__(self, say: Callable[[str], None] = _say, proxy: int | None = None) -> None:
        client = _docker_engine()
        _docker_image(client, say)
        testcontainers = importlib.import_module("testcontainers.core.container")
        self._ports = contextlib.ExitStack()
        self._port = self._ports.enter_context(reserved_port())
        self.bootstrap_servers = f"127.0.0.1:{self._port}"
        properties = server_properties(
            listeners="PLAINTEXT://:9092,CONTROLLER://:9093" + ("" if proxy is None else ",PROXIED://:9094"),
            advertised=_advertised(self.bootstrap_servers, proxy),
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


def _docker_engine() -> Any:
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


def _docker_image(client: Any, say: Callable[[str], None]) -> None:
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


def prepare(say: Callable[[str], None] = _say) -> None:
    """
    Have whatever `broker` will need, so that nothing is downloaded while a test's clock runs.

    Raises:
        BrokerError: There is neither a Docker engine with the image nor Java with Kafka's jars.
    """
    if os.environ.get("LAB_ALERT_TEST_BOOTSTRAP"):
        return
    try:
        _docker_image(_docker_engine(), say)
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
