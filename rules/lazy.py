"""
To do no more than is asked.

A property that is computed once an object; one that is taken over from the object before while what it rests on is the
same; a record changed only where it differs.
"""

from collections.abc import Callable, Mapping
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


class Following:
    """
    An object that comes after another of its kind, and takes over what has not changed.

    ``before`` is what that one had computed, by name.
    """

    before: Mapping[str, Any]

    def once(self, name: str, compute: Callable[[Any], T], reads: tuple[str, ...]) -> T:
        """
        Return what *compute* makes of this object, once under *name*, from the parts named *reads* and nothing else.

        It is taken over while each of these is the very same; a new value that is equal to the one before is taken for
        that one. Wrong *reads* would keep what no longer holds: `tests/property/rules/test_charts.py` computes each
        value with nothing else to read.
        """
        known = self.__dict__
        if name in known:
            return known[name]  # type: ignore[no-any-return]
        before = self.before
        if name not in before:  # and what was not computed then was not read either
            value = compute(self)
        else:
            value = before[name]
            for read in reads:
                if read in before and (known[read] if read in known else getattr(self, read)) is not before[read]:
                    anew = compute(self)
                    if anew != value:
                        value = anew
                    break
        known[name] = value
        return value


class _Fact(lazy[T]):
    """A lazy value of what follows another."""

    def __init__(self, compute: Callable[[Any], T], reads: tuple[str, ...]) -> None:
        super().__init__(compute)
        self.reads = reads

    def __get__(self, instance: Any, owner: type) -> Any:
        """Take the value over, or compute it."""
        return self if instance is None else instance.once(self._name, self._compute, self.reads)


def resting_on(*reads: str) -> Callable[[Callable[[Any], T]], lazy[T]]:
    """Return the decorator of a lazy value of `Following` that is computed from the parts named *reads* alone."""
    return lambda compute: _Fact(compute, reads)


def replaced(record: R, **fields: object) -> R:
    """Return a named tuple with *fields* in it: itself, where they are there already."""
    for name, value in fields.items():
        if getattr(record, name) != value:
            return record._replace(**fields)  # type: ignore[attr-defined,no-any-return]  # a named tuple has it
    return record
