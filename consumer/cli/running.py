"""`lab-alert run`."""

from consumer import logs, settings
from consumer.app import ALL_STAGES
from consumer.app import run as serve
from consumer.kafka.service import StageName  # noqa: TC001  (the one import of types alone)


def run(stage: str) -> int:
    """Run the service with the settings of the environment; return its exit code."""
    effective = settings.load()
    logs.configure(effective.log_level)
    stages: dict[str, tuple[StageName, ...]] = {"all": ALL_STAGES, "ingest": ("ingest",), "judge": ("judge",)}
    return serve(effective, stages[stage])
