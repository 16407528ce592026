"""The service on a broker that takes nobody without TLS and a password, as a hospital's does."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.kafka.broker.java import JavaBroker
from consumer.stage import Output
from rules.events import HOUR
from tests.e2e.deployment import Deployment, Placed, Process, until
from tests.e2e.test_pumps import MIDNIGHT, RAISED, feed

USER, PASSWORD = "lab-alert", "of-the-night-shift"
MECHANISM = "SCRAM-SHA-512"
STORE_PASSWORD = "of-the-store"
LOGIN = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{USER}" password="{PASSWORD}";'


def certify(folder: Path) -> tuple[Path, Path]:
    """Make a key for 127.0.0.1; return the store that holds it, and its certificate, which vouches for itself."""
    store, certificate = folder / "broker.p12", folder / "broker.pem"
    tool = ["keytool", "-alias", "broker", "-keystore", str(store), "-storepass", STORE_PASSWORD]
    key = ["-keyalg", "RSA", "-storetype", "PKCS12", "-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1"]
    for command in (["-genkeypair", "-validity", "2", *key], ["-exportcert", "-rfc", "-file", str(certificate)]):
        subprocess.run([tool[0], command[0], *tool[1:], *command[1:]], check=True, capture_output=True)
    return store, certificate


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The broker's store and certificate."""
    return certify(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(certified: tuple[Path, Path]) -> Iterator[JavaBroker]:
    """A broker all of whose clients, itself among them, need TLS and a password."""
    store, _ = certified
    stores = {
        f"ssl.{name}.{what}": value
        for name in ("keystore", "truststore")
        for what, value in (("location", str(store)), ("password", STORE_PASSWORD), ("type", "PKCS12"))
    }
    properties = {
        **stores,
        "listener.security.protocol.map": "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        f"listener.name.plaintext.{MECHANISM.lower()}.sasl.jaas.config": LOGIN,
    }
    broker = JavaBroker(properties=properties, users=[f"{MECHANISM}=[name={USER},password={PASSWORD}]"])
    try:
        yield broker
    finally:
        broker.close()


def raised(deployment: Deployment) -> set[tuple[str, str]]:
    """Return who was alerted of, and by which rule."""
    alerts = [json.loads(record.value or b"") for record in deployment.read(Output.ALERTS)]
    return {(event["subject"], event["data"]["rule"]) for event in alerts if event["type"].endswith("raised.v1")}


def test_tls_and_a_password(secure: JavaBroker, certified: tuple[Path, Path]) -> None:
    """
    Alerts come, over a broker's restart too; without the right password it says so, and is not ready.

    What closes a connection under TLS is another part of uvloop than without (docs/reliability.md, Found on the way).
    """
    _, certificate = certified
    deployment = Deployment(
        secure.bootstrap_servers,
        clock="records",
        partitions=3,
        inbound=3,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username=USER,
        kafka_sasl_password=PASSWORD,
        kafka_ssl_cafile=str(certificate),
    )
    messages = [Placed(MIDNIGHT + int(hour * HOUR), place, None, raw) for hour, place, raw in feed()]
    before = [one for one in messages if one.received_at < MIDNIGHT + 15 * HOUR]
    with deployment.running() as (process,):
        process.ready()
        deployment.write(before)
        until(lambda: len(raised(deployment)) == 2, 60, process.log)
        secure.stop()
        until(lambda: process.get("/readyz")[0] == 503, 30, process.log)
        secure.start()
        process.ready()
        deployment.write(messages[len(before) :])
        until(lambda: len(raised(deployment)) == 2 * len(RAISED), 60, process.log)
        assert process.stop() == 0, process.log()
        assert "Traceback" not in process.log()
    assert raised(deployment) == {(f"HOSP|{mrn}", rule) for mrn in "12" for rule in RAISED}

    stranger = Process(deployment.environment(kafka_sasl_password="of-somebody-else"))
    try:
        until(lambda: "AuthenticationFailed" in stranger.log(), 30, stranger.log)
        assert stranger.get("/readyz")[0] == 503
        assert "of-somebody-else" not in stranger.log()
        assert "Traceback" not in stranger.log()
    finally:
        stranger.end()
