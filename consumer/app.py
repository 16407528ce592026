"""The composition root: settings in, a running service out."""

import contextlib
import dataclasses
import gc
import ssl
import tomllib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import uvloop

from consumer import http
from consumer.cloudevent import Issuer
from consumer.errors import SettingsRefused
from consumer.hl7 import site_file
from consumer.hl7.decoder import Decoder
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.ingest import Ingest
from consumer.ingest import Settings as IngestSettings
from consumer.judge import Judge
from consumer.kafka.config import KafkaConfig, Timeouts
from consumer.kafka.service import ServiceHealth, StageName, serve
from consumer.metrics import Metrics
from consumer.patients import Clock
from consumer.patients import Settings as JudgeSettings
from consumer.settings import PREFIX, Settings
from consumer.stage import Output, Record, Stage
from consumer.version import version
from rules import rulebook as rulebooks
from rules.events import DAY
from rules.rulebook import Rulebook

RECORD_PERCENT = 95
"""Of what a record of our topics may weigh (KAFKA.md W3); the rest is for its key, its headers and the batch."""

ALL_STAGES: tuple[StageName, ...] = ("ingest", "judge")


def kafka_config(settings: Settings) -> KafkaConfig:
    """Return what the Kafka side needs of the settings."""
    compression = settings.kafka_compression
    return KafkaConfig(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        deployment=settings.deployment,
        inbound_topics=settings.kafka_inbound_topics,
        topics={
            Output.EVENTS: settings.kafka_events_topic,
            Output.STATE: settings.kafka_state_topic,
            Output.ALERTS: settings.kafka_alerts_topic,
            Output.DEAD_LETTERS: settings.kafka_dead_letters_topic,
        },
        status_topic=settings.kafka_status_topic,
        partitions=settings.kafka_partitions,
        timeouts=Timeouts(
            session_ms=settings.kafka_session_timeout_ms,
            heartbeat_ms=settings.heartbeat_ms,
            rebalance_ms=settings.rebalance_ms,
            transaction_ms=settings.transaction_ms,
        ),
        replication_factor=settings.kafka_replication_factor,
        min_insync_replicas=settings.kafka_min_insync_replicas,
        inbound_max_message_bytes=settings.kafka_inbound_max_message_bytes,
        alerts_retention_ms=settings.kafka_alerts_retention_days * DAY,
        dead_letters_retention_ms=settings.kafka_dead_letters_retention_days * DAY,
        start=settings.kafka_start,
        clock=settings.clock,
        compression=None if compression == "none" else compression,
        format=settings.kafka_format,
        group_instance_id=settings.kafka_group_instance_id,
        security=_security(settings),
    )


def _security(settings: Settings) -> dict[str, Any]:
    """Return the arguments of aiokafka's clients that have to do with who we are and whom we talk to."""
    protocol = settings.kafka_security_protocol
    arguments: dict[str, Any] = {"security_protocol": protocol}
    if "SSL" in protocol:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if settings.kafka_ssl_certfile is not None:
            password = settings.kafka_ssl_keypassword
            context.load_cert_chain(
                settings.kafka_ssl_certfile,
                settings.kafka_ssl_keyfile,
                None if password is None else password.get_secret_value(),
            )
        arguments["ssl_context"] = context
    if protocol.startswith("SASL"):
        assert settings.kafka_sasl_password is not None, "settings.load refuses SASL without one"
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return arguments


def load_rulebook(settings: Settings) -> Rulebook:
    """
    Return the rulebook that the settings name.

    Raises:
        SettingsRefused: The file is not TOML, or a parameter is unknown or out of its bounds.
    """
    if settings.rulebook is None:
        return rulebooks.DEFAULT
    try:
        return rulebooks.load(tomllib.loads(settings.rulebook.read_text(encoding="utf-8")))
    except rulebooks.RulebookError as error:
        raise SettingsRefused(f"rulebook {settings.rulebook} refused:", error.faults) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsRefused("rulebook refused:", [f"{PREFIX}RULEBOOK: {settings.rulebook}: {error}"]) from error


def load_site(settings: Settings) -> Site:
    """
    Return the site's tables.

    Raises:
        SiteRefused: The site's file is not what it has to be; every fault is listed.
    """
    zone = ZoneInfo(settings.timezone)
    if settings.site is None:
        return dataclasses.replace(Site.default(), zone=zone)
    return site_file.load_site(settings.site, zone=zone)


Sample = Callable[[Sequence[Record]], None]
"""What is shown each inbound batch."""


@contextlib.contextmanager
def cross_checking(
    settings: Settings, site: Site, metrics: Metrics, stages: Sequence[StageName]
) -> Iterator[Sample | None]:
    """Read a share of what is ingested with hl7apy too, until the end of the block; None: there is none, or no wish."""
    if not settings.cross_check_each or "ingest" not in stages:
        yield None
        return
    from consumer import crosscheck  # noqa: PLC0415  (hl7apy takes half a second to import)

    wanted = crosscheck.Settings(
        settings.cross_check_each, settings.cross_check_per_second, settings.cross_check_waiting
    )
    checks = crosscheck.CrossCheck(site, settings.processing_ids, metrics.cross_checked, wanted)
    checks.start()
    try:
        yield checks.offer
    finally:
        checks.stop()


class Stages:
    """Makes the two stages of a process; what is costly to make is shared by all its partitions."""

    def __init__(self, settings: Settings, rulebook: Rulebook, site: Site, sample: Sample | None = None) -> None:
        self._settings = settings
        self._sample = sample
        self._rulebook = rulebook
        self._clock = Clock(settings.clock)
        self._decoder = Decoder(site, accept_processing_ids=settings.processing_ids)
        self._prefilter = Prefilter(site)
        self._issuer = Issuer(settings.deployment, version(), rulebook.fingerprint())
        self._record_bytes = kafka_config(settings).max_message_bytes * RECORD_PERCENT // 100

    def ingest(self, partition: int) -> Stage:
        """Return the ingest stage of one inbound partition."""
        settings = self._settings
        return Ingest(
            self._decoder,
            self._prefilter,
            IngestSettings(
                self._clock,
                partition,
                settings.kafka_partitions,
                frozenset(settings.processing_ids),
                self._record_bytes,
            ),
            self._sample,
        )

    def judge(self, partition: int) -> Stage:
        """Return the judge stage of one events partition."""
        settings = self._settings
        return Judge(
            self._rulebook,
            JudgeSettings(
                self._clock,
                partition,
                settings.kafka_partitions,
                settings.kafka_events_topic,
                self._record_bytes,
            ),
            self._issuer,
        )


COLLECT_AFTER = (50_000, 20, 50)
"""
Thresholds of Python's garbage collector: a batch makes and drops tens of thousands of tuples that are in no cycle.

With the default of 700 the collector looks through them hundreds of times a batch (measured in `make bench-quick`).
"""


async def run_async(settings: Settings, stages: Sequence[StageName] = ALL_STAGES) -> int:
    """Run the service in this event loop; see `run`."""
    rulebook = load_rulebook(settings)
    config = dataclasses.replace(kafka_config(settings), stuck_after_ms=rulebook.stuck_after)
    site = load_site(settings)
    metrics = Metrics()
    metrics.build(version(), rulebook.fingerprint())
    health = ServiceHealth()

    def healthy() -> http.Answer:
        why = health.why_not_live()
        return http.Answer(not why, why or "ok")

    def ready() -> http.Answer:
        why = health.why_not_ready()
        return http.Answer(not why, why or "ok")

    app = http.application(metrics, healthy=healthy, ready=ready)
    async with http.served(app, settings.http_host, settings.http_port):
        with cross_checking(settings, site, metrics, stages) as sample:
            made = Stages(settings, rulebook, site, sample)
            return await serve(
                config,
                make_ingest=made.ingest,
                make_judge=made.judge,
                stages=stages,
                metrics=metrics,
                health=health,
                about={"version": version(), "rulebook": rulebook.fingerprint()},
            )


def run(settings: Settings, stages: Sequence[StageName] = ALL_STAGES) -> int:
    """
    Run the service until SIGTERM.

    Returns:
        The exit code of DESIGN.md 2: 0 after a signal, 2 on a fault that a restart may cure.

    Raises:
        Refused: Settings, rulebook or topics are refused; the caller prints every fault and ends with 1.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    return uvloop.run(run_async(settings, stages))
