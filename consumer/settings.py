"""
Settings: environment (``LAB_ALERT_…``) over a TOML file (``LAB_ALERT_CONFIG``) over defaults. All faults at once.

In the TOML file the names are the same in small letters without the prefix; a table is a common beginning:
``[kafka]`` with ``bootstrap_servers`` is ``LAB_ALERT_KAFKA_BOOTSTRAP_SERVERS``.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from consumer.errors import SettingsRefused

PREFIX: Final = "LAB_ALERT_"
NOT_SETTINGS: Final = frozenset({"config", "test_bootstrap"})
"""Names that begin like settings and are none: where the file is, and where tests find a broker."""

Words = Annotated[tuple[str, ...], NoDecode]
"""A list; in the environment separated by commas."""

Port = Annotated[int, Field(ge=0, le=65_535)]
Partitions = Annotated[int, Field(ge=1, le=10_000)]
Milliseconds = Annotated[int, Field(ge=100, le=3_600_000)]


class Settings(BaseSettings):
    """Everything that a site sets, with defaults for production."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, validate_default=False)

    deployment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "lab-alert"
    """Name of this deployment: its groups are ``<deployment>-ingest`` and ``<deployment>-judge``."""

    clock: Literal["live", "records"] = "live"
    """``records`` takes time from the records alone: backtests over a topic, tests."""

    timezone: str = "UTC"
    """Zone of times without an offset, where MSH-7 has none either."""

    rulebook: Path | None = None
    """TOML file that changes parameters of the rules."""

    site: Path | None = None
    """TOML file of the site's own codes, units, zones and authorities."""

    processing_ids: Words = ("P", "")
    """MSH-11 values that `run` accepts; others are ignored, counted."""

    cross_check_each: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1_000
    """One live message in so many is read by hl7apy too, in a thread beside the service; 0: none."""

    cross_check_per_second: Annotated[float, Field(ge=0.001, le=10)] = 1.0
    """At most so many of them a second: each costs some 20 ms."""

    cross_check_waiting: Annotated[int, Field(ge=1, le=1_000)] = 16
    """At most so many of them wait for their turn; more are passed by, counted."""

    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    """0: any free one, logged."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    kafka_bootstrap_servers: Annotated[str, Field(min_length=1)] = "localhost:9092"
    kafka_inbound_topics: Words = ("hl7.inbound",)
    kafka_events_topic: str = "lab-alert.events"
    kafka_state_topic: str = "lab-alert.state"
    kafka_alerts_topic: str = "lab-alert.alerts"
    kafka_dead_letters_topic: str = "lab-alert.dead-letters"
    kafka_status_topic: str = "lab-alert.status"
    kafka_partitions: Partitions = 12
    kafka_replication_factor: Annotated[int, Field(ge=1, le=32)] = 3
    kafka_min_insync_replicas: Annotated[int, Field(ge=1, le=32)] = 2
    kafka_inbound_max_message_bytes: Annotated[int, Field(ge=10_000, le=1_000_000_000)] = 1_048_576
    kafka_alerts_retention_days: Annotated[int, Field(ge=1, le=3_650)] = 90
    kafka_dead_letters_retention_days: Annotated[int, Field(ge=1, le=3_650)] = 14
    kafka_start: Literal["earliest", "latest"] = "earliest"
    """Where an inbound partition without a committed offset begins."""

    kafka_session_timeout_ms: Milliseconds = 45_000
    """How long a silent member keeps its partitions; the next three follow it where they are not set."""

    kafka_heartbeat_interval_ms: Milliseconds | None = None
    kafka_rebalance_timeout_ms: Milliseconds | None = None
    kafka_transaction_timeout_ms: Milliseconds | None = None
    kafka_format: Annotated[int, Field(ge=1, le=2)] | None = None
    """Which format our internal records are written in, said when the whole fleet runs it; see docs/operations.md."""

    kafka_group_instance_id: str | None = None
    kafka_compression: Literal["lz4", "gzip", "snappy", "zstd", "none"] = "lz4"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_cafile: Path | None = None
    kafka_ssl_certfile: Path | None = None
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_keypassword: SecretStr | None = None

    @property
    def heartbeat_ms(self) -> int:
        """3 s (KAFKA.md W9), or a sixth of a shorter session."""
        return self.kafka_heartbeat_interval_ms or min(3_000, self.kafka_session_timeout_ms // 6)

    @property
    def rebalance_ms(self) -> int:
        """60 s for the default session (KAFKA.md W9), in proportion for another, at least 10 s."""
        return self.kafka_rebalance_timeout_ms or max(10_000, self.kafka_session_timeout_ms * 4 // 3)

    @property
    def transaction_ms(self) -> int:
        """10 s (KAFKA.md W9), or half of a shorter session."""
        return self.kafka_transaction_timeout_ms or min(10_000, self.kafka_session_timeout_ms // 2)

    @field_validator("processing_ids", "kafka_inbound_topics", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("kafka_inbound_topics")
    @classmethod
    def _some_topic(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(value):
            raise ValueError("at least one topic is needed, and none may be empty")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone {value!r}; write it as Europe/Berlin") from None
        return value

    @field_validator("rulebook", "site", "kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile")
    @classmethod
    def _there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"no file {value}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment first, then what `load` found in the file; no ``.env``, no secrets folder."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load() -> Settings:
    """
    Return the settings of this process.

    Raises:
        SettingsRefused: Something is unknown, missing or out of its bounds; every fault is listed.
    """
    faults: list[str] = []
    known = set(Settings.model_fields)
    from_file = dict(_file(faults))
    path = os.environ.get(PREFIX + "CONFIG")
    faults += [f"{name} in {path}: unknown{nearest(name, known)}" for name in sorted(from_file) if name not in known]
    for variable in sorted(os.environ):
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in known | NOT_SETTINGS:
            names = {PREFIX + each.upper() for each in known}
            faults.append(f"{variable}: unknown{nearest(variable, names)}")
    settings = None
    try:
        settings = Settings(**{name: value for name, value in from_file.items() if name in known})
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0]) if fault["loc"] else ""
            message = fault["msg"].removeprefix("Value error, ")
            faults.append(f"{PREFIX}{name.upper()}: {message[:1].lower()}{message[1:]}")
    if settings is not None:
        faults += _contradictions(settings)
    if faults or settings is None:
        raise SettingsRefused("settings refused:", faults)
    return settings


def tables() -> Settings:
    """Return where rulebook, site and zone are, as far as that can be read: for when others are refused."""
    from_file = dict(_file([]))

    def named(name: str) -> str:
        return str(os.environ.get(PREFIX + name.upper()) or from_file.get(name) or "")

    def file(name: str) -> Path | None:
        path = Path(named(name))
        return path if path.is_file() else None

    zone = named("timezone")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = "UTC"
    return Settings.model_construct(timezone=zone, rulebook=file("rulebook"), site=file("site"))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return words that name the known name nearest to *name*."""
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
    return f"; the nearest known one is {matches[0]}" if matches else ""


def shown(settings: Settings) -> dict[str, str]:
    """Return the effective settings for people, secrets masked."""
    rows = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        rows[name] = ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
    return rows


def _file(faults: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of the TOML file, tables joined to names."""
    path = os.environ.get(PREFIX + "CONFIG")
    if not path:
        return
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{PREFIX}CONFIG: {path}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{PREFIX}CONFIG: {path} is not TOML: {error}")
    else:
        yield from _flat(data, "")


def _flat(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}_")
        else:
            yield f"{prefix}{name}", value


def _contradictions(settings: Settings) -> Iterator[str]:
    """Yield what two settings together make impossible."""
    if settings.kafka_min_insync_replicas > settings.kafka_replication_factor:
        yield (
            f"{PREFIX}KAFKA_MIN_INSYNC_REPLICAS: {settings.kafka_min_insync_replicas} is more than the replication "
            f"factor, {settings.kafka_replication_factor}: nothing could ever be written"
        )
    if settings.heartbeat_ms * 3 > settings.kafka_session_timeout_ms:
        yield f"{PREFIX}KAFKA_HEARTBEAT_INTERVAL_MS: at most a third of the session, or a lost beat ends a member"
    if settings.rebalance_ms < settings.kafka_session_timeout_ms:
        yield f"{PREFIX}KAFKA_REBALANCE_TIMEOUT_MS: at least the session timeout"
    if settings.kafka_security_protocol.startswith("SASL") and not (
        settings.kafka_sasl_username and settings.kafka_sasl_password
    ):
        yield f"{PREFIX}KAFKA_SASL_USERNAME: {settings.kafka_security_protocol} needs a user name and a password"
    topics = [
        *settings.kafka_inbound_topics,
        settings.kafka_events_topic,
        settings.kafka_state_topic,
        settings.kafka_alerts_topic,
        settings.kafka_dead_letters_topic,
        settings.kafka_status_topic,
    ]
    for name in sorted({topic for topic in topics if topics.count(topic) > 1}):
        yield f"{name}: one topic is named for two purposes"
