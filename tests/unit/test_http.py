"""The HTTP endpoints."""

import asyncio

import httpx
import pytest

from consumer.errors import Refused
from consumer.http import CONNECTIONS, Answer, application, served
from consumer.metrics import Metrics

WELL = Answer(True)


async def asked(*, healthy: Answer = WELL, ready: Answer = WELL) -> dict[str, httpx.Response]:
    """What every path answers."""
    app = application(Metrics(), healthy=lambda: healthy, ready=lambda: ready)
    async with served(app, "127.0.0.1", 0) as address, httpx.AsyncClient(base_url=address) as client:
        return {path: await client.get(path) for path in ("/", "/metrics", "/healthz", "/readyz", "/nothing")}


def test_probes_say_what_is_wrong() -> None:
    """200 when all is well, else 503 with the reason in words; metrics are served either way."""
    answers = asyncio.run(asked(ready=Answer(False, "2 of 12 tasks are restoring")))
    assert answers["/healthz"].json() == {"ok": True, "why": "ok"}
    assert (answers["/readyz"].status_code, answers["/readyz"].json()["why"]) == (503, "2 of 12 tasks are restoring")
    assert answers["/metrics"].status_code == 200
    assert answers["/metrics"].headers["content-type"].startswith("text/plain")
    assert answers["/nothing"].status_code == 404


def test_an_address_in_use_is_refused_in_one_line() -> None:
    """Two services on one port: the second says which setting to change."""

    async def twice() -> None:
        app = application(Metrics(), healthy=lambda: Answer(True), ready=lambda: Answer(True))
        async with served(app, "127.0.0.1", 0) as address:
            port = int(address.rsplit(":", 1)[1])
            async with served(app, "127.0.0.1", port):
                pytest.fail("it was served twice")

    with pytest.raises(Refused, match="LAB_ALERT_HTTP_PORT"):
        asyncio.run(twice())


def test_connections_have_a_limit() -> None:
    """While as many connections are open as may be, another is answered 503; when they have gone, 200 again."""

    async def crowd() -> list[int]:
        app = application(Metrics(), healthy=lambda: WELL, ready=lambda: WELL)
        async with served(app, "127.0.0.1", 0) as address:
            port = int(address.rsplit(":", 1)[1])
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
            codes = []
            async with httpx.AsyncClient(base_url=address) as client:
                codes.append((await client.get("/healthz")).status_code)
            for _, writer in idle:
                writer.close()
                await writer.wait_closed()
            async with httpx.AsyncClient(base_url=address) as client:
                codes.append((await client.get("/healthz")).status_code)
            return codes

    assert asyncio.run(crowd()) == [503, 200]
