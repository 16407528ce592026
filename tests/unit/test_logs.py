"""Logs: one shape, and no patient in it."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from consumer import logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What has been logged, line by line."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    logs.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def test_every_line_is_one_json_object(lines: Lines) -> None:
    """Our own lines and those of libraries look the same."""
    structlog.get_logger("x").info("committed", partition=3, offset=7)
    logging.getLogger("aiokafka.consumer").warning("group %s", "rebalances")
    ours, theirs = lines()
    assert (ours["event"], ours["level"], ours["partition"], ours["offset"]) == ("committed", "info", 3, 7)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("group rebalances", "warning", "aiokafka.consumer")
    assert ours["timestamp"].endswith("Z")


def test_a_patient_logged_by_mistake_is_taken_out(lines: Lines) -> None:
    """Whatever is bound under a name that may hold a patient never reaches the line."""
    structlog.get_logger("x").error(
        "failed", mrn="12345", patient_key="HOSP|12345", raw=b"PID|12345", reason="unit_missing"
    )
    (line,) = lines()
    assert "12345" not in json.dumps(line)
    assert line["reason"] == "unit_missing"


def test_below_the_level_nothing_is_written(lines: Lines) -> None:
    """LAB_ALERT_LOG_LEVEL holds for our lines and for libraries."""
    structlog.get_logger("x").debug("detail")
    logging.getLogger("aiokafka").info("chatter")
    assert lines() == []
