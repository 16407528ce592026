"""
/metrics, /healthz and /readyz (DESIGN.md 2).

Health: the event loop turns and no task is orphaned; a broker that is down makes us not ready, never dead.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from consumer.errors import Refused
from consumer.metrics import CONTENT_TYPE, Metrics

log = structlog.get_logger(__name__)


CONNECTIONS = 64
"""Open at once; another is answered 503. A probe and a scraper or two need a handful."""


class Answer(NamedTuple):
    """What a probe says: whether all is well, and in words what is not."""

    well: bool
    why: str = "ok"


Probe = Callable[[], Answer]


def application(metrics: Metrics, *, healthy: Probe, ready: Probe) -> Starlette:
    """Return the HTTP application."""

    async def exposition(request: Request) -> Response:
        del request
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    def probe(ask: Probe) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            del request
            well, why = ask()
            return JSONResponse({"ok": well, "why": why}, status_code=200 if well else 503)

        return answer

    async def root(request: Request) -> Response:
        del request
        return PlainTextResponse("lab-alert: /metrics /healthz /readyz\n")

    return Starlette(
        routes=[
            Route("/", root),
            Route("/metrics", exposition),
            Route("/healthz", probe(healthy)),
            Route("/readyz", probe(ready)),
        ]
    )


@asynccontextmanager
async def served(app: Starlette, host: str, port: int) -> AsyncIterator[str]:
    """
    Serve *app* while the context lasts; give the address, with the port that was found when *port* is 0.

    Raises:
        Refused: The address can't be had.
    """
    try:
        listening = _listen(host, port)
    except OSError as error:
        raise Refused(
            "no HTTP server:",
            [f"{host}:{port}: {error.strerror}; LAB_ALERT_HTTP_HOST and LAB_ALERT_HTTP_PORT name another (0: any)"],
        ) from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        limit_concurrency=CONNECTIONS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listening]), name="http")
    bound = listening.getsockname()
    address = f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"
    log.info("http", url=address, metrics=f"{address}/metrics")
    try:
        yield address
    finally:
        server.should_exit = True
        await task
        listening.close()


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the application."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening
