"""To do no more than is asked: a property that is computed once an object, a record changed only where it differs."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

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


def replaced(record: R, **fields: object) -> R:
    """Return a named tuple with *fields* in it: itself, where they are there already."""
    for name, value in fields.items():
        if getattr(record, name) != value:
            return record._replace(**fields)  # type: ignore[attr-defined,no-any-return]  # a named tuple has it
    return record
