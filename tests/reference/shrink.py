"""The smallest history that still makes the two differ."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rules.events import PatientEvent

Differs = Callable[[Sequence[PatientEvent]], bool]


def shrink(events: Sequence[PatientEvent], differs: Differs) -> list[PatientEvent]:
    """Drop events, then parts of events, as long as the rest still differs."""
    left = list(events)
    size = max(len(left) // 2, 1)
    while size:
        start = 0
        while start < len(left):
            fewer = left[:start] + left[start + size :]
            if fewer and differs(fewer):
                left = fewer
            else:
                start += size
        size //= 2
    changed = True
    while changed:
        changed = False
        for place, event in enumerate(left):
            for smaller in _smaller(event):
                if differs([*left[:place], smaller, *left[place + 1 :]]):
                    left[place], changed = smaller, True
                    break
        for place in reversed(range(len(left))):
            if len(left) > 1 and differs(left[:place] + left[place + 1 :]):
                del left[place]
                changed = True
    return left


def _without(event: PatientEvent, **parts: Any) -> PatientEvent:
    return event._replace(**parts)


def _smaller(event: PatientEvent) -> Iterator[PatientEvent]:
    for name in ("results", "tubes", "administrations", "dialyses", "magnesium_orders"):
        parts = getattr(event, name)
        for place in range(len(parts)):
            yield _without(event, **{name: parts[:place] + parts[place + 1 :]})
    for name in ("demographics", "visit", "encounter"):
        if getattr(event, name) is not None:
            yield _without(event, **{name: None})
    if event.encounter is not None and event.encounter.diagnoses:
        yield event._replace(encounter=event.encounter._replace(diagnoses=()))
