"""Whether the broker answers: said once when it goes, now and then while it is away, and once when it is back."""

import time

import structlog

from consumer.kafka.observe import Observer

AGAIN_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Reach:
    """One process's view of its brokers, told by whoever talks to them."""

    def __init__(self, bootstrap_servers: str, observer: Observer) -> None:
        self._away: set[str] = set()
        self._servers = bootstrap_servers
        self._observer = observer
        self._said = 0.0

    @property
    def ok(self) -> bool:
        """Whether everybody who talks to it is answered."""
        return not self._away

    def lost(self, who: str, error: BaseException | str) -> None:
        """Take it that *who* gets no answer."""
        now = time.monotonic()
        if self.ok or now - self._said > AGAIN_SECONDS:
            self._said = now
            what = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
            log.warning("broker.unreachable", tried=self._servers, error=what, next="trying again")
        self._away.add(who)
        self._observer.broker_reachable(reachable=False)

    def back(self, who: str) -> None:
        """Take it that *who* is answered again, or no longer asks."""
        if who in self._away:
            self._away.discard(who)
            if self.ok:
                log.info("broker.reachable", servers=self._servers)
        self._observer.broker_reachable(reachable=self.ok)
