"""Commands for those who run the cluster: topics, offsets."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from consumer import settings
from consumer.app import kafka_config
from consumer.errors import LabAlertError, Refused, TopicsRefused
from consumer.kafka import compat, offsets, topics
from consumer.kafka.config import KafkaConfig
from consumer.kafka.faults import UNREACHABLE

T = TypeVar("T")


class Unreachable(LabAlertError):
    """The broker does not answer."""


def reaching(config: KafkaConfig, doing: Coroutine[Any, Any, T]) -> T:
    """
    Return what *doing* gives.

    Raises:
        Unreachable: The broker does not answer; one line says where it was looked for.
    """
    compat.hush()
    try:
        return asyncio.run(doing)
    except UNREACHABLE as error:
        raise Unreachable(
            f"no Kafka at {config.bootstrap_servers} ({type(error).__name__}); is it up, and is "
            "LAB_ALERT_KAFKA_BOOTSTRAP_SERVERS right?"
        ) from error


def create_topics() -> None:
    """Make the topics of ours that are missing, and say which."""
    config = kafka_config(settings.load())
    made = reaching(config, topics.create(config))
    for name in made:
        print(f"made {name}")
    if not made:
        print("all topics of ours are there; `lab-alert topics check` looks at their settings")


def check_topics() -> None:
    """Print warnings, raise on faults."""
    config = kafka_config(settings.load())
    report = reaching(config, topics.check(config))
    for warning in report.warnings:
        print(f"warning: {warning}")
    if report.faults:
        raise TopicsRefused("topics refused:", report.faults)
    print(f"{len(topics.plans(config)) + len(config.inbound_topics)} topics are as they have to be")


def set_offsets(stage: str, topic: str | None, partitions: list[int] | None, to: str) -> None:
    """Set the committed offsets of a stage."""
    if stage not in ("ingest", "judge"):
        raise Refused("offsets refused:", ["--stage: ingest or judge; offsets are set for one of them"])
    config = kafka_config(settings.load())
    inputs = config.input_topics(stage)
    if topic is None and len(inputs) > 1:
        raise Refused("offsets refused:", [f"--topic: {stage} reads several; name one of {', '.join(inputs)}"])
    for moved in reaching(config, offsets.set_offsets(config, stage, topic or inputs[0], partitions, to)):
        before = "none" if moved.before is None else moved.before
        print(f"{moved.partition.topic} partition {moved.partition.partition}: {before} -> {moved.after}")
