"""
What can go wrong around a task, and what is then done: one line for each error of aiokafka's that can reach us.

The rule behind the table (KAFKA.md W3-W6): after any error in a transaction only a new producer is safe, and only the
committed offset read after its fence tells what happened. So `AGAIN` and `FENCED` both lead back to the fence; they
differ in what has to be true first. `STOP` is for what trying again cannot cure, and names the remedy.
"""

from enum import StrEnum

from aiokafka import TopicPartition
from aiokafka import errors as kafka

from consumer.errors import CorruptRecord, LabAlertError, NewerVersion


class Action(StrEnum):
    """What a task does about an error."""

    AGAIN = "again"
    """Drop the overlay and the producer, wait, fence anew, rewind to the committed offset."""

    FENCED = "fenced"
    """The same, but only once a heartbeat accepted after the error has shown that the partition is still ours (W5)."""

    LOST = "lost"
    """The partition is no longer ours: drop everything."""

    STOP = "stop"
    """Leave the partition unread, say so, and say what cures it."""


class Reason(StrEnum):
    """Why a task is stopped; fit for a metric label."""

    REVOKED = "revoked"
    OFFSET_LOST = "offset_lost"
    OFFSET_OUT_OF_RANGE = "offset_out_of_range"
    STATE_BEHIND = "state_behind"
    STATE_AHEAD = "state_ahead"
    PARTITIONS_CHANGED = "partitions_changed"
    NEWER_VERSION = "newer_version"
    CORRUPT_STATE = "corrupt_state"
    TOO_LARGE = "too_large"
    BROKER_UNSUPPORTED = "broker_unsupported"
    BUG = "bug"


class Stop(LabAlertError):
    """A task cannot go on; ``remedy`` is what an operator does about it."""

    def __init__(self, reason: Reason, what: str, remedy: str) -> None:
        super().__init__(f"{what} Remedy: {remedy}")
        self.reason = reason
        self.what = what
        self.remedy = remedy


class OutcomeUnknown(LabAlertError):
    """A transactional call passed its deadline: it may still succeed (W4)."""


class OffsetWentBack(LabAlertError):
    """A coordinator says less than it has said before: it has not read all of its log yet."""


class Undone(LabAlertError):
    """What had been acknowledged was aborted, after its markers were lost: offset and state are those before it."""


class LeaseLost(LabAlertError):
    """The partition was revoked while the task was at work on it."""


class Unreadable(kafka.KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """
    What was fetched of one partition can't be decoded, for the reason in ``error``.

    aiokafka doesn't say which it was. And what the same call had taken out for other partitions is gone with it, though
    their positions have moved: whoever polls has to put them back.
    """

    def __init__(self, partition: TopicPartition, error: Exception) -> None:
        super().__init__(f"{partition.topic}-{partition.partition}: {type(error).__name__}: {error}")
        self.partition = partition
        self.error = error


ACTIONS: dict[type[BaseException], tuple[Action, Reason | None]] = {
    # Ours.
    LeaseLost: (Action.LOST, Reason.REVOKED),
    OutcomeUnknown: (Action.AGAIN, None),
    OffsetWentBack: (Action.AGAIN, None),
    Undone: (Action.AGAIN, None),
    TimeoutError: (Action.AGAIN, None),
    OSError: (Action.AGAIN, None),
    NewerVersion: (Action.STOP, Reason.NEWER_VERSION),
    CorruptRecord: (Action.STOP, Reason.CORRUPT_STATE),
    # Another producer has our transactional.id, or the broker aborted us for being slow: both look alike (fact 6).
    kafka.ProducerFenced: (Action.FENCED, None),
    kafka.InvalidProducerEpoch: (Action.FENCED, None),
    kafka.TransactionCoordinatorFenced: (Action.FENCED, None),
    # The producer's memory and the broker's differ; a new producer starts afresh (fact 5).
    kafka.OutOfOrderSequenceNumber: (Action.AGAIN, None),
    kafka.DuplicateSequenceNumber: (Action.AGAIN, None),
    kafka.UnknownProducerId: (Action.AGAIN, None),
    kafka.InvalidProducerIdMapping: (Action.AGAIN, None),
    kafka.InvalidTxnState: (Action.AGAIN, None),
    kafka.ConcurrentTransactions: (Action.AGAIN, None),
    kafka.OperationNotAttempted: (Action.AGAIN, None),
    kafka.ProducerClosed: (Action.AGAIN, None),
    kafka.IllegalOperation: (Action.AGAIN, None),
    # Damaged on the way; the log itself is checked by the broker.
    kafka.CorruptRecordException: (Action.AGAIN, None),
    # Rights may be given while we run; the member says so and is not ready meanwhile.
    kafka.TopicAuthorizationFailedError: (Action.AGAIN, None),
    kafka.GroupAuthorizationFailedError: (Action.AGAIN, None),
    kafka.TransactionalIdAuthorizationFailed: (Action.AGAIN, None),
    kafka.ClusterAuthorizationFailedError: (Action.AGAIN, None),
    kafka.AuthenticationFailedError: (Action.AGAIN, None),
    kafka.AuthenticationMethodNotSupported: (Action.AGAIN, None),
    kafka.SaslAuthenticationFailed: (Action.AGAIN, None),
    kafka.UnsupportedSaslMechanismError: (Action.AGAIN, None),
    kafka.IllegalSaslStateError: (Action.AGAIN, None),
    kafka.SecurityDisabled: (Action.AGAIN, None),
    # A cluster that is starting, moving or short of brokers; aiokafka does not call these retriable, time cures them.
    kafka.BrokerNotAvailableError: (Action.AGAIN, None),
    kafka.ReplicaNotAvailableError: (Action.AGAIN, None),
    kafka.ListenerNotFound: (Action.AGAIN, None),
    kafka.KafkaUnavailableError: (Action.AGAIN, None),
    kafka.KafkaTimeoutError: (Action.AGAIN, None),
    kafka.UnknownError: (Action.AGAIN, None),
    # A broker's clock that is wrong, until it is set.
    kafka.InvalidTimestampError: (Action.AGAIN, None),
    # The consumer no longer has the partition.
    kafka.IllegalStateError: (Action.LOST, Reason.REVOKED),
    kafka.ConsumerStoppedError: (Action.LOST, Reason.REVOKED),
    # Looked at again behind the fence, where `recovery` stops the partition with its remedy.
    kafka.OffsetOutOfRangeError: (Action.AGAIN, None),
    # Would fail again however often it is tried.
    kafka.MessageSizeTooLargeError: (Action.STOP, Reason.TOO_LARGE),
    kafka.RecordListTooLargeError: (Action.STOP, Reason.TOO_LARGE),
    kafka.RecordTooLargeError: (Action.STOP, Reason.TOO_LARGE),
    kafka.OffsetMetadataTooLargeError: (Action.STOP, Reason.BUG),
    kafka.InvalidCommitOffsetSizeError: (Action.STOP, Reason.BUG),
    kafka.InvalidTransactionTimeout: (Action.STOP, Reason.BROKER_UNSUPPORTED),
    kafka.IncompatibleBrokerVersion: (Action.STOP, Reason.BROKER_UNSUPPORTED),
    kafka.UnsupportedVersionError: (Action.STOP, Reason.BROKER_UNSUPPORTED),
    kafka.UnsupportedForMessageFormatError: (Action.STOP, Reason.BROKER_UNSUPPORTED),
    kafka.UnsupportedCodecError: (Action.STOP, Reason.BROKER_UNSUPPORTED),
    kafka.UnrecognizedBrokerVersion: (Action.STOP, Reason.BROKER_UNSUPPORTED),
    # We have asked for what cannot be.
    kafka.IllegalArgumentError: (Action.STOP, Reason.BUG),
    kafka.KafkaConfigurationError: (Action.STOP, Reason.BUG),
    kafka.InvalidRequestError: (Action.STOP, Reason.BUG),
    kafka.InvalidRequiredAcksError: (Action.STOP, Reason.BUG),
    kafka.InvalidTopicError: (Action.STOP, Reason.BUG),
    # Everything else that Kafka says (connections, leaders, coordinators, replicas) passes.
    kafka.KafkaError: (Action.AGAIN, None),
}

REMEDIES = {
    Reason.TOO_LARGE: "raise max.message.bytes of the topic to what `lab-alert topics check` says, then restart.",
    Reason.BROKER_UNSUPPORTED: "run Apache Kafka 2.8 or later, and allow our transaction timeout on it.",
    Reason.BUG: "report this line with its traceback; the offset is not committed, nothing is lost.",
    Reason.NEWER_VERSION: "run the newer lab-alert on every member again.",
    Reason.CORRUPT_STATE: "restore the state topic, or accept its loss with `lab-alert offsets set`.",
}


UNREACHABLE = (
    OutcomeUnknown,
    TimeoutError,
    OSError,
    kafka.KafkaConnectionError,
    kafka.NodeNotReadyError,
    kafka.NoBrokersAvailable,
    kafka.RequestTimedOutError,
    kafka.KafkaTimeoutError,
    kafka.StaleMetadata,
)
"""What a broker that is away looks like; said once for all tasks together."""


def judge_error(error: BaseException) -> tuple[Action, Reason | None]:
    """
    Return what to do about *error*; what is in no line of the table is a bug of ours, and stops the partition.

    >>> judge_error(kafka.ProducerFenced())
    (<Action.FENCED: 'fenced'>, None)
    >>> judge_error(ZeroDivisionError())
    (<Action.STOP: 'stop'>, <Reason.BUG: 'bug'>)
    """
    if isinstance(error, Stop):
        return Action.STOP, error.reason
    if isinstance(error, Unreadable):
        return judge_error(error.error)
    for base in type(error).__mro__:
        if base in ACTIONS:
            return ACTIONS[base]
    return Action.STOP, Reason.BUG
