"""The members of a run: real `lab-alert run` processes behind the proxy; whatever is killed is replaced."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from tests.e2e.deployment import Deployment, Process

MEMBERS = 3
END_SECONDS = 20


class Members:
    """
    The processes of a run.

    Args:
        deployment: Whose settings they have.
        servers: Where they find the broker.
        module: What runs them.
        logs: Where their logs are left; None: nowhere.
        more: Settings that differ from the deployment's.
    """

    def __init__(
        self,
        deployment: Deployment,
        servers: str,
        *,
        module: str = "consumer",
        logs: Path | None = None,
        **more: str,
    ) -> None:
        self.running: list[Process] = []
        self._logs = logs
        self.tracebacks = 0
        self.bad_exits: list[str] = []
        self._environment = deployment.environment(kafka_bootstrap_servers=servers, **more)
        self._module = module

    def start(self) -> Process:
        """Start one more."""
        process = Process(self._environment, self._module)
        self.running.append(process)
        return process

    def start_all(self) -> None:
        """Start as many as a run has."""
        for _ in range(MEMBERS):
            self.start()

    async def kill(self, process: Process) -> None:
        """End one as a crash does."""
        self.running.remove(process)
        await asyncio.to_thread(process.kill)
        self._look(process)

    async def stop(self, process: Process) -> None:
        """End one as an operator does, once it has begun to work; it has to end with 0."""
        self.running.remove(process)
        await until(lambda: bool(lines(process, "member.assigned")), END_SECONDS)
        code: int | None = None
        with contextlib.suppress(TimeoutExpired):
            code = await asyncio.to_thread(process.stop)
        if code != 0:
            self.bad_exits.append("did not end" if code is None else str(code))
            await asyncio.to_thread(process.kill)
        self._look(process)

    async def stop_all(self) -> None:
        """End all as an operator does."""
        await asyncio.gather(*(self.stop(process) for process in list(self.running)))

    async def said(self, processes: list[Process], event: str, seconds: float) -> dict[str, Any] | None:
        """Wait until one of *processes* has logged *event*, and return the line; None: not in time."""
        found: dict[str, Any] | None = None

        def look() -> bool:
            nonlocal found
            found = next((line for process in processes for line in lines(process, event)), None)
            return found is not None

        await until(look, seconds)
        return found

    def owner(self, stage: str, partition: int) -> Process | None:
        """Return which one was given a partition last, as far as its log says."""
        for process in self.running:
            given = [line for line in lines(process, "member.assigned") if line["stage"] == stage]
            if given and any(name.endswith(f"-{partition}") for name in given[-1]["partitions"]):
                return process
        return None

    def kill_all(self) -> None:
        """End all, now."""
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                process.signal(signal.SIGCONT)
            process.kill()
            self._look(process)
        self.running.clear()

    def _look(self, process: Process) -> None:
        log = process.log()
        self.tracebacks += "Traceback" in log
        if self._logs is not None:
            (self._logs / f"member-{process.pid}.log").write_text(log, encoding="utf-8")
        process.end()


def lines(process: Process, event: str) -> list[dict[str, Any]]:
    """Return the lines of a process's log that tell of *event*."""
    named = [line for line in process.log().splitlines() if f'"{event}"' in line]
    return [json.loads(line) for line in named if line.startswith("{") and line.endswith("}")]


async def until(fact: Callable[[], bool], seconds: float) -> bool:
    """Wait until *fact* holds; False when it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True
