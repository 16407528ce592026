"""W16: what we use of aiokafka inside is in two modules, and each name is there in the version that is installed."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v5

from consumer.kafka import compat

FOLDER = Path(compat.__file__).parent

INSIDE = ("compat.py", "patches.py")
"""What asks aiokafka for what it keeps to itself, and what changes it."""

HELD: dict[type, tuple[str, ...]] = {
    AIOKafkaConsumer: ("_coordinator", "_fetcher", "_client"),
    GroupCoordinator: (
        *("_send_req", "_coordination_task", "_heartbeat_task", "_commit_refresh_task", "generation", "member_id"),
        *("group_id", "coordinator_id", "request_rejoin", "ensure_coordinator_known", "coordinator_dead"),
        *("check_errors", "_coordinator_dead_fut"),
    ),
    Fetcher: ("_fetch_task",),
    FetchResult: ("getall", "_topic_partition"),
    PartitionRecords: ("_contains_abort_marker",),
    JoinGroupRequest: ("_rebalance_timeout",),
    AIOKafkaConnection: ("send", "_send_sasl_token", "close", "_request_timeout"),
    AIOKafkaClient: (
        *("add_topic", "force_metadata_update", "close", "_sync_task"),
        *("bootstrap", "coordinator_lookup", "get_random_node"),
    ),
    AIOKafkaProducer: ("_closed", "_txn_manager", "_message_accumulator", "_sender", "client"),
    Sender: ("sender_task", "_fail_all"),
    TransactionManager: (*("_transaction_waiter", "maybe_add_partition_to_txn", "is_empty_transaction"),),
    MessageAccumulator: ("_closed", "_batches", "_pending_batches", "fail_all"),
    MessageBatch: ("_drain_waiter", "future"),
    StickyPartitionAssignor: ("member_assignment", "generation", "_latest_partition_movements"),
}
"""What `compat` and `patches` use of each class that is not in aiokafka's documentation, private or not."""

OURS = frozenset({"_", "_replace", "_exit"})
"""A separator, a named tuple's method and `os._exit`; none is aiokafka's."""


def private_names(module: Path) -> Iterator[str]:
    """Yield each name with one underscore that *module* uses of another's object, by dot or as a string."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            name = "" if own else node.attr
        else:
            name = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if name.isidentifier() and name.startswith("_") and not name.startswith("__") and name not in OURS:
            yield name


def has(owner: type) -> set[str]:
    """Return every attribute that *owner* gives its objects: those of the class, and those that its methods assign."""
    names = set(dir(owner))
    for base in owner.__mro__[:-1]:
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return names


def test_w16_version_is_one_that_was_looked_at() -> None:
    """The aiokafka that is installed is of a release whose private parts were looked at."""
    assert version("aiokafka").rpartition(".")[0] in compat.TRIED_VERSIONS


@pytest.mark.parametrize("owner", HELD, ids=lambda owner: owner.__name__)
def test_w16_each_name_is_there(owner: type) -> None:
    """Every attribute that we use of a class, and that aiokafka's documentation does not promise, is there."""
    assert not set(HELD[owner]) - has(owner)


def test_w16_nothing_is_used_that_is_not_held() -> None:
    """Each private name that `compat` and `patches` use stands in the table above."""
    held = {name for names in HELD.values() for name in names}
    assert not {name for module in INSIDE for name in private_names(FOLDER / module)} - held


def test_w16_two_modules_alone() -> None:
    """No other module that may import aiokafka uses a private name of anybody's."""
    others = [path for path in FOLDER.glob("*.py") if path.name not in INSIDE]
    assert not [f"{path.name}: {name}" for path in others for name in private_names(path)]


def test_w16_asking_about_a_topic_does_not_make_it() -> None:
    """No question for metadata lets the broker make a topic, though its default would; consumer, producer and admin."""
    asked = MetadataRequest(["lab-alert.events"]).build(MetadataRequest_v5)
    assert (asked.topics, asked.allow_auto_topic_creation) == (["lab-alert.events"], False)
    signature = inspect.signature(MetadataRequest.__init__).parameters
    assert list(signature) == ["self", "topics", "allow_auto_topic_creation"], "the defaults are set by place"
