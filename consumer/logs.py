"""
Logs: one JSON object a line on standard error. Coordinates and reasons, never an MRN, a name or a message.

`structlog.contextvars` carries what is bound once per record: topic, partition, offset, `message_control_id`.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

FORBIDDEN: Final = frozenset(
    {"mrn", "name", "patient", "patient_key", "key", "raw", "value", "birth_date", "address", "message"}
)
"""Names under which a patient could enter a log line; whatever is logged under one of them is taken out."""


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging (aiokafka, uvicorn) for one shape of line."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_patients,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*processors, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What aiokafka says below a warning is about every rebalance and request.
    for name in ("aiokafka", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def without_patients(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out whatever was logged under a name that may hold a patient."""
    del logger, method
    for name in FORBIDDEN.intersection(event):
        del event[name]
    return event
