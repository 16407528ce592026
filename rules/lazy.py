"""
To do no more than is asked.

A property that is computed once an object; one that is taken over from the object before while what it rests on is the
same; a record changed only where it differs.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar, overload

T = TypeVar("T")
R = TypeVar("R", bound=tuple[Any, ...])


class lazy(Generic[T]):  # noqa: N801  (used as a decorator, like property)
    """Compute a value when it is first asked for, and put it where the next look finds it: without a lock."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "lazy[T]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> "lazy[T] | T":
        """Compute the value and keep it."""
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value


class Succeeding(Protocol):
    """What comes after another of its kind, and has in ``before`` what that one had computed, by name."""

    before: Mapping[str, Any]


def stands(instance: Succeeding, name: str, reads: tuple[str, ...]) -> bool:
    """
    Say whether what the one before had computed as *name* stands: each of *reads* that it had is the very same object.

    What it had not computed, *name* did not rest on: no value of its lead there.
    """
    before = instance.before
    if name not in before:
        return False
    for read in reads:
        if read in before and getattr(instance, read) is not before[read]:
            return False
    return True


class _Fact(lazy[T]):
    """A lazy value that rests on others alone, and is taken over while those are the same."""

    def __init__(self, compute: Callable[[Any], T], reads: tuple[str, ...]) -> None:
        super().__init__(compute)
        self.reads = reads

    def __get__(self, instance: Any, owner: type) -> Any:
        """Take the value over, or compute it; one that is equal to that before is taken for the same."""
        if instance is None:
            return self
        name, before = self._name, instance.before
        if stands(instance, name, self.reads):
            value = before[name]
        else:
            value = self._compute(instance)
            if name in before and before[name] == value:
                value = before[name]
        instance.__dict__[name] = value
        return value


def resting_on(*reads: str) -> Callable[[Callable[[Any], T]], lazy[T]]:
    """
    Return the decorator of a lazy value that is computed from the values named *reads*, and from nothing else.

    A wrong list would keep what no longer holds: `tests/property/rules` computes each value with nothing else to read.
    """
    return lambda compute: _Fact(compute, reads)


def replaced(record: R, **fields: object) -> R:
    """Return a named tuple with *fields* in it: itself, where they are there already."""
    for name, value in fields.items():
        if getattr(record, name) != value:
            return record._replace(**fields)  # type: ignore[attr-defined,no-any-return]  # a named tuple has it
    return record
