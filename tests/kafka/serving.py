"""The whole service with fake stages, in a process of its own: ``python -m tests.kafka.serving SERVERS NAME``."""

import asyncio
import dataclasses
import sys

from consumer import logs
from consumer.errors import TopicsRefused
from consumer.kafka.observe import Silent
from consumer.kafka.service import ServiceHealth, serve
from tests.kafka.lab import Lab
from tests.kafka.process import count, echo


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(servers: str, name: str) -> int:
    """Serve until a signal."""
    lab = Lab(servers, name)
    health = ServiceHealth()

    async def tell() -> None:
        while True:
            say("ready" if health.ready() else f"not ready: {health.why_not_ready()}")
            await asyncio.sleep(0.1)

    telling = asyncio.create_task(tell())
    try:
        return await serve(
            dataclasses.replace(lab.config, pace=dataclasses.replace(lab.config.pace, status_seconds=1.0)),
            make_ingest=echo,
            make_judge=count,
            stages=("ingest", "judge"),
            metrics=Silent(),
            health=health,
        )
    except TopicsRefused as error:
        say(str(error))
        return 1
    finally:
        telling.cancel()


if __name__ == "__main__":
    logs.configure("info")
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2])))
