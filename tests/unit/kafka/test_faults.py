"""What is done about each error of aiokafka: every class is in the table, or left out of it on purpose."""

import inspect

import pytest
from aiokafka import errors as kafka

from consumer.kafka.faults import ACTIONS, REMEDIES, Action, Reason, judge_error

NEVER_A_TASKS = frozenset(
    {
        # Of a group member that joins, beats and commits as itself: the consumer's own, before a task hears of it.
        *("IllegalGenerationError", "UnknownMemberIdError", "RebalanceInProgressError", "CommitFailedError"),
        *("InconsistentGroupProtocolError", "InvalidGroupIdError", "InvalidSessionTimeoutError", "MemberIdRequired"),
        # Raised by `getmany` for a partition before its seek; the member takes it (W10).
        "NoOffsetForPartitionError",
        # Of the administration of topics, groups, replicas, quotas and tokens.
        *("TopicAlreadyExistsError", "InvalidPartitionsError", "InvalidReplicationAssignmentError"),
        *("InvalidReplicationFactorError", "InvalidConfigurationError", "PolicyViolationError", "NonEmptyGroup"),
        *("GroupIdNotFound", "LogDirNotFound", "ReassignmentInProgress", "QuotaViolationError"),
        *("DelegationTokenAuthDisabled", "DelegationTokenAuthorizationFailed", "DelegationTokenExpired"),
        *("DelegationTokenNotFound", "DelegationTokenOwnerMismatch", "DelegationTokenRequestNotAllowed"),
        *("InvalidPrincipalType", "StaleControllerEpochError", "StaleLeaderEpochCodeError"),
        # Of fetch sessions, which aiokafka does not have.
        *("FetchSessionIdNotFound", "InvalidFetchSessionEpoch", "InvalidFetchRequestError"),
        # No error, and the bases of others.
        *("NoError", "BrokerResponseError"),
    }
)
"""Not retriable, and not met in a transaction, a fence, a restore or a seek; should one come, it is tried again."""


def classes() -> dict[str, type[kafka.KafkaError]]:
    """Return every error class that aiokafka has, by name."""
    return {
        name: error
        for name, error in vars(kafka).items()
        if inspect.isclass(error) and issubclass(error, kafka.KafkaError)
    }


def has_a_line(error: type[BaseException]) -> bool:
    """Whether a line of the table means *error* and not just any error of Kafka's."""
    return any(base in ACTIONS for base in error.__mro__[: error.__mro__.index(kafka.KafkaError)])


@pytest.mark.parametrize("name", sorted(classes()))
def test_every_error_of_aiokafka_has_its_line(name: str) -> None:
    """An error that aiokafka calls retriable passes; one that it does not is in the table, or can't reach a task."""
    error = classes()[name]
    assert error.retriable or has_a_line(error) or error is kafka.KafkaError or name in NEVER_A_TASKS
    assert judge_error(error()) == next(ACTIONS[base] for base in error.__mro__ if base in ACTIONS)


def test_what_is_left_out_is_aiokafkas() -> None:
    """The list of what can't reach a task names classes that are there, and none that the table has."""
    assert classes().keys() >= NEVER_A_TASKS
    assert not [name for name in NEVER_A_TASKS if has_a_line(classes()[name])]


def test_a_retriable_error_stops_nothing() -> None:
    """What aiokafka calls retriable is tried again."""
    stopped = [name for name, error in classes().items() if error.retriable and judge_error(error())[0] is Action.STOP]
    assert not stopped


def test_every_stop_names_its_reason_and_its_remedy() -> None:
    """A line of the error table that stops a partition says why and what cures it; what is in no line is a bug."""
    for error, (action, reason) in ACTIONS.items():
        assert action is not Action.STOP or reason in REMEDIES, error
    assert judge_error(RuntimeError("?")) == (Action.STOP, Reason.BUG)
