"""Kafka from its jars, on the Java that is there."""

import base64
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from consumer.kafka.broker.base import (
    KAFKA_VERSION,
    START_SECONDS,
    STOP_SECONDS,
    BrokerError,
    advertised_listeners,
    answers,
    cache_folder,
    locked,
    reserved_port,
    server_properties,
    to_stderr,
)

POM = Path(__file__).with_name("pom.xml")

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


class JavaBroker:
    """Kafka from its jars, one JVM in KRaft mode, as in the last section of KAFKA.md."""

    kind = "java"

    def __init__(
        self,
        say: Callable[[str], None] = to_stderr,
        proxy: int | None = None,
        properties: Mapping[str, str] | None = None,
        users: Sequence[str] = (),
    ) -> None:
        """
        Start one.

        Args:
            say: Takes one line before anything that takes long.

            proxy: As for `consumer.kafka.brokers.broker`.

            properties: Settings of the server's, over those of `server_properties`.

            users: Who may log in, in the words of the storage tool's ``--add-scram``.
        """
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
        served = server_properties(
            listeners=f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller_port}"
            + (f",PROXIED://{self.behind}" if self.behind else ""),
            advertised=advertised_listeners(self.bootstrap_servers, proxy),
            controller=f"127.0.0.1:{controller_port}",
        )
        served |= {"log.dirs": str(self._data / "logs"), **(properties or {})}
        configuration = self._data / "server.properties"
        configuration.write_text("".join(f"{name}={value}\n" for name, value in served.items()), encoding="utf-8")
        logging = self._data / "log4j2.properties"
        logging.write_text(LOGGING, encoding="utf-8")
        run = [java, "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={logging}", "-cp", f"{jars}/*"]
        self._serve = [*run, "-Xmx1g", "kafka.Kafka", str(configuration)]
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = [*run, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--standalone"]
        tool += [f"--add-scram={user}" for user in users]
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
        """Stop cleanly and wait; killed when that takes longer than `STOP_SECONDS`."""
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


def kafka_jars(say: Callable[[str], None] = to_stderr) -> Path:
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
