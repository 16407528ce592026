"""Settings: where they come from, and how a wrong one is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.errors import SettingsRefused
from consumer.settings import Settings, load, shown

SetEnv = Callable[..., None]


@pytest.fixture
def set_env(monkeypatch: pytest.MonkeyPatch) -> SetEnv:
    """Set settings by their names without the prefix."""

    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"LAB_ALERT_{name}", value)

    return set_all


def test_the_environment_wins_over_the_file_over_the_defaults(set_env: SetEnv, tmp_path: Path) -> None:
    """LAB_ALERT_CONFIG names a TOML file; its tables are common beginnings of names."""
    file = tmp_path / "lab-alert.toml"
    file.write_text(
        'deployment = "ward"\nhttp_port = 1\n[kafka]\nbootstrap_servers = "b:1"\ninbound_topics = ["x", "y"]\n'
    )
    set_env(CONFIG=str(file), HTTP_PORT="0")
    settings = load()
    assert (settings.deployment, settings.http_port, settings.kafka_bootstrap_servers) == ("ward", 0, "b:1")
    assert settings.kafka_inbound_topics == ("x", "y")
    assert settings.kafka_partitions == 12


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"KAFKA_BOOTSTRAP": "x"}, "nearest known one is LAB_ALERT_KAFKA_BOOTSTRAP_SERVERS"),
        ({"HTTP_PRT": "1"}, "nearest known one is LAB_ALERT_HTTP_PORT"),
        ({"HTTP_PORT": "65536"}, "LAB_ALERT_HTTP_PORT: input should be less than or equal to 65535"),
        ({"HTTP_PORT": "web"}, "LAB_ALERT_HTTP_PORT: input should be a valid integer"),
        ({"CLOCK": "sundial"}, "LAB_ALERT_CLOCK: input should be 'live' or 'records'"),
        ({"TIMEZONE": "Mars/Olympus"}, "LAB_ALERT_TIMEZONE: no time zone 'Mars/Olympus'"),
        ({"RULEBOOK": "/nowhere.toml"}, "LAB_ALERT_RULEBOOK: no file /nowhere.toml"),
        ({"DEPLOYMENT": "a b"}, "LAB_ALERT_DEPLOYMENT: string should match pattern"),
        ({"KAFKA_INBOUND_TOPICS": "a,,b"}, "LAB_ALERT_KAFKA_INBOUND_TOPICS: at least one topic"),
        (
            {"KAFKA_MIN_INSYNC_REPLICAS": "4"},
            "LAB_ALERT_KAFKA_MIN_INSYNC_REPLICAS: 4 is more than the replication factor, 3",
        ),
        ({"KAFKA_HEARTBEAT_INTERVAL_MS": "30000"}, "LAB_ALERT_KAFKA_HEARTBEAT_INTERVAL_MS: at most a third"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "LAB_ALERT_KAFKA_SASL_USERNAME: SASL_SSL needs"),
        ({"KAFKA_STATE_TOPIC": "hl7.inbound"}, "hl7.inbound: one topic is named for two purposes"),
        ({"CONFIG": "/nowhere.toml"}, "LAB_ALERT_CONFIG: /nowhere.toml: No such file"),
    ],
)
def test_a_wrong_setting_is_refused(set_env: SetEnv, environment: dict[str, str], fault: str) -> None:
    """Each fault names the setting, and an unknown one the nearest that is known."""
    set_env(**environment)
    with pytest.raises(SettingsRefused) as refused:
        load()
    assert fault in str(refused.value)
    assert len(refused.value.faults) == 1


def test_all_faults_are_listed_at_once(set_env: SetEnv, tmp_path: Path) -> None:
    """Unknown names in file and environment, and values out of bounds: one refusal lists them all."""
    file = tmp_path / "lab-alert.toml"
    file.write_text('deployement = "ward"\n')
    set_env(CONFIG=str(file), HTTP_PORT="-1", CLOK="live", TIMEZONE="x")
    with pytest.raises(SettingsRefused) as refused:
        load()
    assert len(refused.value.faults) == 4


def test_a_file_that_is_not_toml_is_one_fault(set_env: SetEnv, tmp_path: Path) -> None:
    """A torn file says where it is torn."""
    file = tmp_path / "lab-alert.toml"
    file.write_text("deployment = \n")
    set_env(CONFIG=str(file))
    with pytest.raises(SettingsRefused, match="is not TOML"):
        load()


def test_secrets_are_masked(set_env: SetEnv) -> None:
    """What is printed of the settings holds no secret."""
    set_env(KAFKA_SASL_PASSWORD="hunter2", KAFKA_SSL_KEYPASSWORD="hunter3")
    settings = load()
    assert settings.kafka_sasl_password is not None
    assert settings.kafka_sasl_password.get_secret_value() == "hunter2"
    assert "hunter" not in str(shown(settings)) + repr(settings)


def test_a_short_session_shortens_what_hangs_on_it(set_env: SetEnv) -> None:
    """KAFKA.md: fault tests run at session 6 s, heartbeat 1 s, transaction 3 s, rebalance 10 s; W9 by default."""
    settings = load()
    assert (settings.heartbeat_ms, settings.transaction_ms, settings.rebalance_ms) == (3_000, 10_000, 60_000)
    set_env(KAFKA_SESSION_TIMEOUT_MS="6000")
    settings = load()
    assert (settings.heartbeat_ms, settings.transaction_ms, settings.rebalance_ms) == (1_000, 3_000, 10_000)


def test_names_that_outsiders_rely_on() -> None:
    """DESIGN.md 2 names these; they are never renamed."""
    names = (
        "deployment http_host http_port kafka_bootstrap_servers kafka_replication_factor kafka_min_insync_replicas "
        "kafka_session_timeout_ms timezone clock rulebook"
    )
    assert set(names.split()) <= set(Settings.model_fields)
