"""
Messages a second through the whole service, beside a bare aiokafka consumer of the same topic on the same broker.

Both stages run in one process, as installed, with everything on. The clock of the service starts at its first commit
and stops when every inbound message and every event is committed. DESIGN.md 7 holds what a skeleton of the same path
reached; the floor is that of the first issue.
"""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from bench.feed import messages
from consumer.cloudevent import Issuer
from consumer.judge import Judge
from consumer.kafka import changelog
from consumer.kafka.brokers import Broker, broker
from consumer.kafka.config import KafkaConfig
from consumer.patients import Clock, Settings
from consumer.wire import FORMAT
from rules.rulebook import DEFAULT

MESSAGES = 300_000
PARTITIONS = 12
FETCH_BYTES = 4 * 1024 * 1024
FLOOR = 0.12
EXACTLY_ONCE = 0.5
"""What exactly-once may cost: half of the throughput of the same pipeline without transactions."""
INBOUND = "hl7.inbound"
PATIENCE_SECONDS = 300
"""A machine that others share too has done it by then; what counts is the rate, not this."""


async def create_inbound(servers: str) -> None:
    """Make the topic as KAFKA.md advises for benches: the records' own time, kept for ever."""
    settings = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(INBOUND, PARTITIONS, 1, topic_configs=settings)])
    finally:
        await admin.close()


async def fill(servers: str, count: int, seed: int = 1) -> None:
    """Write *count* messages, without keys, round robin by batches."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, compression_type="lz4", max_batch_size=256 * 1024, linger_ms=5
    )
    await producer.start()
    try:
        batch, number, sending = producer.create_batch(), 0, []
        for message in messages(count, seed=seed):
            if batch.append(key=None, value=message, timestamp=None) is None:
                sending.append(await producer.send_batch(batch, INBOUND, partition=number % PARTITIONS))
                batch, number = producer.create_batch(), number + 1
                batch.append(key=None, value=message, timestamp=None)
        sending.append(await producer.send_batch(batch, INBOUND, partition=number % PARTITIONS))
        await asyncio.gather(*sending)
    finally:
        await producer.stop()


async def bare(servers: str, count: int) -> float:
    """Return messages a second of a consumer that does nothing with them."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=PARTITIONS * FETCH_BYTES,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(INBOUND, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        seen, begun = 0, time.perf_counter()
        while seen < count:
            fetched = await consumer.getmany(timeout_ms=1000)
            seen += sum(map(len, fetched.values()))
        return count / (time.perf_counter() - begun)
    finally:
        await consumer.stop()


@contextlib.contextmanager
def service(servers: str, module: str = "consumer", name: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run ``lab-alert run`` beside us, its log in a file that is shown when it ends too soon."""
    name = name or deployment(module)
    environment = os.environ | {
        "LAB_ALERT_KAFKA_BOOTSTRAP_SERVERS": servers,
        "LAB_ALERT_KAFKA_REPLICATION_FACTOR": "1",
        "LAB_ALERT_KAFKA_MIN_INSYNC_REPLICAS": "1",
        "LAB_ALERT_DEPLOYMENT": name,
        **{
            f"LAB_ALERT_KAFKA_{topic.upper().replace('-', '_')}_TOPIC": f"{name}.{topic}"
            for topic in ("events", "state", "alerts", "dead-letters", "status")
        },
        "LAB_ALERT_HTTP_PORT": "0",
    }
    command = [sys.executable, "-m", module]
    subprocess.run([*command, "topics", "create"], env=environment, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryFile() as log:
        running = subprocess.Popen([*command, "run"], env=environment, stdout=log, stderr=log)
        try:
            yield running
        except TimeoutError:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def deployment(module: str) -> str:
    """Return the deployment's name: each way to run the service has groups and topics of its own."""
    return f"bench-{module.rpartition('.')[2]}"


async def whole(servers: str, count: int, module: str = "consumer") -> float:
    """Return messages a second of the service, from its first commit to its last; *module* is what is run."""
    with service(servers, module) as running:
        admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        ends = AIOKafkaConsumer(bootstrap_servers=servers)
        await admin.start()
        await ends.start()
        try:
            return await asyncio.wait_for(_watch(running, admin, ends, count, deployment(module)), PATIENCE_SECONDS)
        finally:
            await ends.stop()
            await admin.close()


async def _watch(
    running: subprocess.Popen[bytes], admin: AIOKafkaAdminClient, ends: AIOKafkaConsumer, count: int, name: str
) -> float:
    async def committed(stage: str) -> dict[TopicPartition, int]:
        try:
            found = await admin.list_consumer_group_offsets(f"{name}-{stage}")
        except GroupCoordinatorNotAvailableError:  # nobody has committed yet
            return {}
        return {partition: place.offset for partition, place in found.items() if place.offset > 0}

    begun, before = 0.0, 0
    while running.poll() is None:
        done = sum((await committed("ingest")).values())
        now = time.perf_counter()
        if done and not begun:
            begun, before = now, done
        if done == count:
            judged = await committed("judge")
            last = await ends.end_offsets([TopicPartition(f"{name}.events", number) for number in range(PARTITIONS)])
            if all(judged.get(partition, 0) == end for partition, end in last.items()):
                return (count - before) / (time.perf_counter() - begun)
        await asyncio.sleep(0.1)
    raise TimeoutError(f"the service ended with {running.returncode}")


async def restoring(servers: str) -> tuple[int, float]:
    """Read the whole changelog that the service has left into judges, as a restart does; return records and seconds."""
    name = deployment("consumer")
    config = KafkaConfig(bootstrap_servers=servers, deployment=name)
    records, begun = 0, time.perf_counter()
    for number in range(PARTITIONS):
        judge = Judge(DEFAULT, Settings(Clock.LIVE, number, PARTITIONS), Issuer(name, "0", "sha256:0"))
        place = TopicPartition(f"{name}.state", number)
        restored = await changelog.restore(config, place, judge, position=None, progress=lambda _: None)
        judge.write_format(FORMAT)
        records += restored.records
    return records, time.perf_counter() - begun


async def measure(running: Broker, count: int) -> None:
    """Print both figures and their ratio."""
    servers = running.bootstrap_servers
    print(f"Writing {count:,} messages (1,350 bytes, one in ten relevant, {PARTITIONS} partitions, lz4)", flush=True)
    await create_inbound(servers)
    await fill(servers, count)
    reading = max([await bare(servers, count) for _ in range(2)])
    print(f"{'bare aiokafka consumer (getmany, 4 MiB a partition)':<55}{reading:>10,.0f} messages/s", flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    serving = await whole(servers, count)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{'lab-alert run, both stages, everything on':<55}{serving:>10,.0f} messages/s")
    print(f"{'… its processor time, start and stop included':<55}{cpu / count * 1e6:>10,.1f} us/message")
    records, seconds = await restoring(servers)
    rate = f"{records / seconds:>10,.0f} records/s of {records:,}"
    print(f"{'restoring its states, one partition after the other':<55}{rate}")
    plain = await whole(servers, count, "bench.plain")
    print(f"{'the same without transactions (bench/plain.py)':<55}{plain:>10,.0f} messages/s")
    verdict = "at or above" if serving / plain >= EXACTLY_ONCE else "BELOW"
    print(f"{'… of which exactly-once keeps':<55}{serving / plain:>10.2f} ({verdict} {EXACTLY_ONCE})")
    verdict = "at or above" if serving / reading >= FLOOR else "BELOW"
    print(f"{'ratio':<55}{serving / reading:>10.2f} ({verdict} the floor of {FLOOR})")


def main() -> None:
    """Measure on a broker of its own."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    with broker() as running:
        asyncio.run(measure(running, count))


if __name__ == "__main__":
    main()
