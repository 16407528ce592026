"""The topics: what each has to be, making those that are ours, and checking all of them (DESIGN.md 2)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from consumer.errors import LabAlertError
from consumer.kafka.config import KafkaConfig
from consumer.stage import Output

ADMIN_SECONDS = 30.0
SETTLE_ATTEMPTS = 50
DAY_MS = 86_400_000

HARMFUL = frozenset({"cleanup.policy", "max.message.bytes", "unclean.leader.election.enable"})
"""Settings with which data are lost or refused; the others only earn a warning."""


MAKE_OURS = "run `lab-alert topics create`"
MAKE_INBOUND = (
    "make it as the integration engine needs it (it is not ours), or name the right one in "
    "LAB_ALERT_KAFKA_INBOUND_TOPICS"
)


class TopicPlan(NamedTuple):
    """A topic of ours as it has to be."""

    name: str
    partitions: int
    settings: Mapping[str, str]


class Report(NamedTuple):
    """What a check found: ``faults`` keep the service from starting, ``warnings`` don't; one line each."""

    faults: list[str]
    warnings: list[str]


class AdminError(LabAlertError):
    """The cluster refused an administrative call."""


def plans(config: KafkaConfig) -> list[TopicPlan]:
    """Return every topic of ours as *config* wants it."""
    common = {
        "min.insync.replicas": str(config.min_insync_replicas),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(config.max_message_bytes),
    }
    changelog = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 * 1024 * 1024),
        "segment.ms": str(3_600_000),
        "min.cleanable.dirty.ratio": "0.2",
        "delete.retention.ms": str(7 * DAY_MS),
    }
    settings = {
        Output.EVENTS: {"retention.ms": str(7 * DAY_MS), "message.timestamp.type": "LogAppendTime"},
        Output.STATE: changelog,
        Output.ALERTS: {"retention.ms": str(config.alerts_retention_ms)},
        Output.DEAD_LETTERS: {"retention.ms": str(config.dead_letters_retention_ms)},
    }
    made = [TopicPlan(config.topics[output], config.partitions, {**common, **own}) for output, own in settings.items()]
    return [*made, TopicPlan(config.status_topic, 1, {**common, "cleanup.policy": "compact"})]


async def create(config: KafkaConfig) -> list[str]:
    """
    Make the topics of ours that are not there; return their names.

    Raises:
        AdminError: The cluster refused; the message says which topic, and why.
    """
    async with admin(config) as client:
        wanted = [
            NewTopic(plan.name, plan.partitions, config.replication_factor, topic_configs=dict(plan.settings))
            for plan in plans(config)
        ]
        return await _create(client, wanted)


async def create_inbound(config: KafkaConfig, partitions: int) -> list[str]:
    """
    Make the inbound topics for tests, demo and bench; a site makes its own.

    They take any timestamp and keep every record: with the default retention, old records vanish within seconds.
    """
    settings = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
    async with admin(config) as client:
        wanted = [
            NewTopic(name, partitions, config.replication_factor, topic_configs=settings)
            for name in config.inbound_topics
        ]
        return await _create(client, wanted)


async def _create(admin: AIOKafkaAdminClient, wanted: list[NewTopic]) -> list[str]:
    response = await admin.create_topics(wanted)
    made = []
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if error is NoError:
            made.append(name)
        elif error is not TopicAlreadyExistsError:
            raise AdminError(f"topic {name} could not be made: {error.__name__} {rest[0] if rest else ''}".rstrip())
    # A topic is answered for before every broker knows of it.
    for _ in range(SETTLE_ATTEMPTS):
        described = await admin.describe_topics([topic.name for topic in wanted])
        if all(for_code(topic["error_code"]) is NoError for topic in described):
            break
        await asyncio.sleep(0.1)
    return made


async def check(config: KafkaConfig) -> Report:
    """Hold every topic, ours and inbound, against what it has to be."""
    async with admin(config) as client:
        names = [*(plan.name for plan in plans(config)), *config.inbound_topics]
        described = {topic["topic"]: topic for topic in await client.describe_topics(names)}
        there = [name for name in names if for_code(described[name]["error_code"]) is NoError]
        settings = await _settings(client, there)
    report = Report([], [])
    for plan in plans(config):
        _exists(report, plan.name, described[plan.name], MAKE_OURS)
        if plan.name in settings:
            _check_ours(report, plan, described[plan.name], settings[plan.name])
            _check_replicas(report, config, described[plan.name])
    for name in config.inbound_topics:
        _exists(report, name, described[name], MAKE_INBOUND)
        if name in settings:
            report.warnings.extend(_inbound_warnings(config, name, settings[name]))
    return report


async def gone(config: KafkaConfig, client: AIOKafkaAdminClient) -> list[str]:
    """Return a line for each topic that is not there, or of ours with other partitions; one request, for a look now."""
    remedies = {plan.name: MAKE_OURS for plan in plans(config)} | dict.fromkeys(config.inbound_topics, MAKE_INBOUND)
    described = {topic["topic"]: topic for topic in await client.describe_topics(list(remedies))}
    report = Report([], [])
    for name, remedy in remedies.items():
        # Another error is a leader or a right that is being sought, and not said here.
        if for_code(described[name]["error_code"]) is UnknownTopicOrPartitionError:
            _exists(report, name, described[name], remedy)
    for plan in plans(config):
        if for_code(described[plan.name]["error_code"]) is NoError:
            _has_partitions(report, plan, described[plan.name])
    return report.faults


def _exists(report: Report, name: str, described: Mapping[str, object], remedy: str) -> None:
    code = described["error_code"]
    assert isinstance(code, int)
    error = for_code(code)
    if error is TopicAuthorizationFailedError:
        report.faults.append(f"topic {name}: we have no right to see it; grant Describe, Read and Write on it")
    elif error is not NoError:
        report.faults.append(f"topic {name} is missing: {remedy}")


def _check_ours(
    report: Report, plan: TopicPlan, described: Mapping[str, object], settings: Mapping[str, str | None]
) -> None:
    _has_partitions(report, plan, described)
    for name, wanted in plan.settings.items():
        found = settings.get(name)
        if found is None or found == wanted:
            continue
        line = f"topic {plan.name}: {name} is {found}, should be {wanted}"
        if name == "max.message.bytes":
            if int(found) < int(wanted):
                report.faults.append(line)
        elif name in HARMFUL:
            report.faults.append(line)
        elif not (name == "retention.ms" and (int(found) < 0 or int(found) > int(wanted))):
            report.warnings.append(line)


def _has_partitions(report: Report, plan: TopicPlan, described: Mapping[str, object]) -> None:
    partitions = described["partitions"]
    assert isinstance(partitions, list)
    if len(partitions) != plan.partitions:
        report.faults.append(
            f"topic {plan.name} has {len(partitions)} partitions, the setting is {plan.partitions}: patients would be "
            "looked for where they are not"
        )


def _check_replicas(report: Report, config: KafkaConfig, described: Mapping[str, object]) -> None:
    partitions = described["partitions"]
    assert isinstance(partitions, list)
    fewest = min((len(partition["replicas"]) for partition in partitions), default=0)
    if fewest < config.replication_factor:
        report.warnings.append(
            f"topic {described['topic']}: {fewest} replicas, the setting is {config.replication_factor}"
        )


def _inbound_warnings(config: KafkaConfig, name: str, settings: Mapping[str, str | None]) -> Iterator[str]:
    if settings.get("message.timestamp.type") == "CreateTime":
        yield (
            f"topic {name}: message.timestamp.type is CreateTime; LogAppendTime is advised, else a sender's clock "
            "decides when a result was received"
        )
    if "compact" in (settings.get("cleanup.policy") or ""):
        yield f"topic {name}: cleanup.policy is compact; a record that has not been read can vanish"
    retention = int(settings.get("retention.ms") or -1)
    if 0 <= retention < DAY_MS:
        yield f"topic {name}: retention.ms is {retention}; a day's outage would lose messages"
    largest = int(settings.get("max.message.bytes") or 0)
    # Kafka's own default is a mebibyte and the twelve bytes of a batch's frame.
    if largest > config.inbound_max_message_bytes + 12:
        yield (
            f"topic {name}: max.message.bytes is {largest}, LAB_ALERT_KAFKA_INBOUND_MAX_MESSAGE_BYTES is "
            f"{config.inbound_max_message_bytes}; a dead letter of a larger message would be a stub"
        )


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str | None]]:
    if not names:
        return {}
    found: dict[str, dict[str, str | None]] = {}
    for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for _, _, _, name, entries in response.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


@contextlib.asynccontextmanager
async def admin(config: KafkaConfig) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a connected admin client."""
    client = AIOKafkaAdminClient(**config.client("topics"), request_timeout_ms=int(ADMIN_SECONDS * 1000))
    try:
        async with asyncio.timeout(ADMIN_SECONDS):
            await client.start()
        yield client
    finally:
        await client.close()
