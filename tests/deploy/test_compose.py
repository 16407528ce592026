"""The compose file and what it mounts: valid YAML, loopback only, every volume named, every service watched."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.kafka import brokers
from consumer.settings import Settings

ROOT = Path(__file__).parents[2]

YAML_FILES = sorted([ROOT / "docker-compose.yml", ROOT / ".pre-commit-config.yaml", *(ROOT / "deploy").rglob("*.yml")])

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

ONE_SHOT = {"inbound-topic", "topics"}


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_yaml_is_valid(path: Path) -> None:
    """Every file parses, and to a mapping."""
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_ports_are_on_loopback() -> None:
    """Nothing that compose starts can be reached from another machine."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_volumes_are_named_or_files_of_ours() -> None:
    """A volume is declared, or a path of the repository that exists, mounted read-only."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    for mount in mounts:
        source = mount.split(":")[0]
        if source.startswith("./"):
            assert (ROOT / source).exists()
            assert mount.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
    assert {mount.split(":")[0] for mount in mounts} >= set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT - {"lab-alert"}))
def test_services_are_watched_and_restarted(name: str) -> None:
    """Each long-running service has a health check and comes back; lab-alert's check stands in its image."""
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_what_is_waited_for_exists() -> None:
    """A dependency is a service with a health check, or one that ends."""
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] == ("service_completed_successfully" if other in ONE_SHOT else "service_healthy")


def test_images_are_pinned() -> None:
    """Every image has a version, and the broker is the one that tests run on."""
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert all(":" in image and not image.endswith(":latest") for image in images.values())
    assert images["kafka"] == images["inbound-topic"] == brokers.IMAGE


def test_the_dockerfile_runs_as_nobody_special() -> None:
    """The image has a numeric user, a health check, and starts the service by its own name."""
    lines = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    last_stage = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert "USER 10001:10001" in last_stage
    assert any(line.startswith("HEALTHCHECK ") for line in last_stage)
    assert 'ENTRYPOINT ["lab-alert"]' in last_stage


def test_the_image_is_built_from_files_that_exist() -> None:
    """What the Dockerfile copies is there and not ignored."""
    allowed = {
        line[1:] for line in (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }  # fmt: skip
    lines = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    sources = {source for sources in copied for source in sources}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)


def test_every_setting_that_is_passed_is_one() -> None:
    """A misspelt name would keep the service from starting."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    names = set(re.findall(r"\bLAB_ALERT_(\w+)=", dockerfile))
    for service in SERVICES.values():
        names |= {name.removeprefix("LAB_ALERT_") for name in service.get("environment", {}) if "LAB_ALERT_" in name}
    assert names
    assert {name.lower() for name in names} <= set(Settings.model_fields)
