"""
`lab-alert demo`: the whole path in two minutes, on a real local Kafka with a simulated ward in accelerated time.

The records carry the ward's time and the service runs with the clock of the records (DESIGN.md 2, RULES.md 8). Where no
Kafka is to be had, the ward goes through the replay path, under a banner that says so.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from consumer import logs
from consumer.app import kafka_config, run_async
from consumer.cli.show import AlertLine, alert_line
from consumer.cloudevent import AlertEvent, Issuer, alert_event
from consumer.errors import LabAlertError
from consumer.hl7.site import Site
from consumer.kafka import brokers, clients, topics
from consumer.kafka.config import KafkaConfig
from consumer.replay import Replay
from consumer.settings import Settings
from consumer.simulate import Sent, ward
from consumer.stage import Output
from consumer.version import version
from rules.events import DAY, HOUR, MINUTE, Source
from rules.rulebook import DEFAULT

PATIENTS: Final = 40
PARTITIONS: Final = 3
WARD_MINUTES_PER_SECOND: Final = 20
"""A ward's night and day pass in about a minute: holds of 15 min and exposures of hours can be seen to end."""

ROOM_SECONDS: Final = 30
"""A feed that never ends starts so much further back that it does not meet the wall clock in this demonstration."""

LONGEST: Final = 25 * DAY
TICK_SECONDS: Final = 0.25
PROBE_SECONDS: Final = 60.0

_decoder: Final = msgspec.json.Decoder(AlertEvent)


def run(*, duration: float, seed: int) -> int:
    """
    Show the demonstration; return its exit code.

    Args:
        duration: Seconds from the first message; 0 runs until Ctrl-C.
        seed: Which ward.
    """
    console = Console(highlight=False)
    console.print(
        "lab-alert demo: a simulated ward of invented patients. A secondary notification beside the laboratory's own "
        "critical-value call; no medical device.",
        style="dim",
    )
    logs.configure("error")
    try:
        with brokers.broker(say=lambda line: console.print(line, style="dim")) as broker:
            return asyncio.run(_with_kafka(console, broker.bootstrap_servers, duration, seed))
    except brokers.BrokerError as error:
        console.print(f"NO KAFKA: {error}", style="bold yellow")
        console.print(
            "The ward goes through the replay path instead: same decoder, same rules, no broker.", style="bold yellow"
        )
        return _without_kafka(console, duration, seed)
    except KeyboardInterrupt:
        return 0


class Board:
    """What the terminal shows below the alerts: how far the ward is, how fast, where metrics are."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sent = 0
        self.alerts = 0
        self.pages = 0
        self.changes: dict[str, int] = {}
        self.latencies: deque[float] = deque(maxlen=500)
        self.begun = time.monotonic()
        self.sent_at: dict[tuple[object, object], float] = {}

    def line(self) -> Text:
        """Return the line."""
        seconds = max(0.1, time.monotonic() - self.begun)
        ordered = sorted(self.latencies)
        latency = f", alert after {ordered[len(ordered) // 2]:.2f} s (median)" if ordered else ""
        text = Text(style="dim")
        text.append(
            f"{self.sent} messages ({self.sent / seconds:.0f}/s), {self.alerts} transitions, {self.pages} pages"
        )
        text.append(f"{latency}\nmetrics {self.address}/metrics    stop with Ctrl-C")
        return text


async def _with_kafka(console: Console, bootstrap_servers: str, duration: float, seed: int) -> int:
    """Make topics, start the service, feed it, print what it says."""
    port = _free_port()
    settings = Settings(
        deployment=f"demo-{os.getpid()}",
        clock="records",
        http_port=port,
        kafka_bootstrap_servers=bootstrap_servers,
        kafka_inbound_topics=(f"demo-{os.getpid()}.inbound",),
        kafka_events_topic=f"demo-{os.getpid()}.events",
        kafka_state_topic=f"demo-{os.getpid()}.state",
        kafka_alerts_topic=f"demo-{os.getpid()}.alerts",
        kafka_dead_letters_topic=f"demo-{os.getpid()}.dead-letters",
        kafka_status_topic=f"demo-{os.getpid()}.status",
        kafka_partitions=PARTITIONS,
        kafka_replication_factor=1,
        kafka_min_insync_replicas=1,
        kafka_session_timeout_ms=6_000,
    )
    config = kafka_config(settings)
    await topics.create(config)
    await topics.create_inbound(config, PARTITIONS)
    board = Board(f"http://127.0.0.1:{port}")
    service = asyncio.create_task(run_async(settings), name="service")
    with Live(console=console, refresh_per_second=4, get_renderable=board.line, transient=True) as live:
        helpers = [
            asyncio.create_task(_feed(config, board, duration, seed), name="feed"),
            asyncio.create_task(_show(config, board, live), name="show"),
        ]
        try:
            await asyncio.wait({service, *helpers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            code = await _ended(service, helpers)
    console.print(board.line().plain.split("\n")[0], style="dim")
    console.print(
        ", ".join(f"{number} {change}" for change, number in sorted(board.changes.items())) or "no alert", style="bold"
    )
    return code


async def _ended(service: "asyncio.Task[int]", helpers: list["asyncio.Task[None]"]) -> int:
    """Stop everything; return the service's exit code."""
    for helper in helpers:
        helper.cancel()
    ended = await asyncio.gather(*helpers, return_exceptions=True)
    if not service.done():
        os.kill(os.getpid(), signal.SIGTERM)  # the way in which an operator ends it
    code = await service
    for error in ended:
        if isinstance(error, Exception):
            raise error
    return code


async def _feed(config: KafkaConfig, board: Board, duration: float, seed: int) -> None:
    """Send the ward's messages as its time goes by, for *duration*; it never overtakes the wall clock."""
    await _ready(board)
    wall = time.time_ns() // 1_000_000
    length = round((duration + ROOM_SECONDS) * WARD_MINUTES_PER_SECOND * MINUTE) if duration else LONGEST
    start = wall - min(length, LONGEST)
    board.begun = time.monotonic()
    messages = ward(seed, PATIENTS, start)
    upcoming = next(messages)
    async with clients.Writer(config) as writer:
        while not duration or time.monotonic() - board.begun < duration:
            passed = time.monotonic() - board.begun
            ward_now = min(start + round(passed * WARD_MINUTES_PER_SECOND * MINUTE), time.time_ns() // 1_000_000)
            while upcoming.at <= ward_now:
                await _post(writer, config, board, upcoming)
                board.sent += 1
                upcoming = next(messages)
            await asyncio.sleep(TICK_SECONDS)


async def _post(writer: clients.Writer, config: KafkaConfig, board: Board, message: Sent) -> None:
    """Send a message, and note where it stands and when it was sent."""
    sent_at = time.monotonic()
    future = await writer.post(config.inbound_topics[0], message.raw, message.key.encode(), timestamp=message.at)

    def acknowledged(done: "asyncio.Future[Any]") -> None:
        if not done.cancelled() and done.exception() is None:
            board.sent_at[done.result().partition, done.result().offset] = sent_at

    future.add_done_callback(acknowledged)


async def _ready(board: Board) -> None:
    """Wait until /readyz says so, as a load balancer would."""
    deadline = time.monotonic() + PROBE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(board.address.rsplit(":", 1)[1]))
            try:
                writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
                answer = await reader.read()
            finally:
                writer.close()
            if b" 200 " in answer.split(b"\r\n", 1)[0]:
                return
        await asyncio.sleep(TICK_SECONDS)
    raise LabAlertError(f"the service was not ready within {PROBE_SECONDS:.0f} s; {board.address}/readyz says why")


async def _show(config: KafkaConfig, board: Board, live: Live) -> None:
    """Print alerts as a read_committed reader sees them."""
    async for record in clients.follow(config, config.topics[Output.ALERTS]):
        if record.value is None:
            continue
        event = _decoder.decode(record.value)
        _count(board, event)
        cause = event.data.cause
        sent_at = board.sent_at.pop((cause.get("partition"), cause.get("offset")), None)
        if sent_at is not None:
            board.latencies.append(time.monotonic() - sent_at)
        live.console.print(alert_line(AlertLine.of(event)), soft_wrap=True, highlight=False)


def _count(board: Board, event: AlertEvent) -> None:
    board.alerts += 1
    board.pages += event.data.notify
    change = event.data.transition.value
    board.changes[change] = board.changes.get(change, 0) + 1


def _without_kafka(console: Console, duration: float, seed: int) -> int:
    """Show the same ward through the replay path, paced alike."""
    machine = Replay(DEFAULT, Site.default())
    issuer = Issuer("demo", version(), DEFAULT.fingerprint())
    start = time.time_ns() // 1_000_000 - 2 * DAY + HOUR
    board = Board("(no service)")
    with contextlib.suppress(KeyboardInterrupt):
        for message in _paced(ward(seed, PATIENTS, start), start, duration):
            board.sent += 1
            for transition, source in machine.play(message.raw, Source("ward", 0, board.sent)).judged:
                event = alert_event(transition, source=source, published_at=transition.time, issuer=issuer)
                _count(board, event)
                console.print(alert_line(AlertLine.of(event)), soft_wrap=True)
    console.print(
        ", ".join(f"{number} {change}" for change, number in sorted(board.changes.items())) or "no alert", style="bold"
    )
    sys.stdout.flush()
    return 0


def _paced(messages: Iterator[Sent], start: int, duration: float) -> Iterator[Sent]:
    begun = time.monotonic()
    for message in messages:
        due = (message.at - start) / (WARD_MINUTES_PER_SECOND * MINUTE)
        if duration and due > duration:
            return
        time.sleep(max(0.0, due - (time.monotonic() - begun)))
        yield message


def _free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
