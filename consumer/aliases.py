"""Where a record goes that was sent to a merged patient's old key (DESIGN.md 1): pure, one decision at a time."""

from typing import NamedTuple

from consumer.wire import Alias, EventRecord, Hop, Kind
from rules.events import Instant, Patient


class Route(NamedTuple):
    """
    What is to be done with a record that came to an alias.

    ``settled_at`` None: send ``message`` on. Else it has met a cycle that ends here: the alias is dropped, merges not
    newer than that are ignored, and the message is judged here.
    """

    message: EventRecord
    settled_at: Instant | None = None


def route(key: str, alias: Alias, message: EventRecord) -> Route:
    """
    Return where a record goes that came to *key*, which leads to *alias*.

    No record is forwarded for ever: a cycle is left at once for the target of its newest merge, which drops an alias
    that is not newer than that; and a newer one than all that were met can't come for ever.
    """
    if message.settle is not None and alias.merged_at <= message.settle:
        return Route(message._replace(settle=None), message.settle)
    path = (*message.path, Hop(key, alias.target, alias.merged_at))
    met = next((place for place, earlier in enumerate(path) if earlier.key == alias.target.key), None)
    if met is None:
        return Route(readdressed(message, alias.target)._replace(path=path))
    newest = max(path[met:], key=lambda hop: (hop.merged_at, hop.key))
    if newest.target.key == key:
        return Route(message._replace(settle=None), max(newest.merged_at, message.settle or 0))
    return Route(readdressed(message, newest.target)._replace(path=(), settle=newest.merged_at))


def readdressed(message: EventRecord, target: Patient) -> EventRecord:
    """Return a record for another home; the rules then see the patient who is judged there."""
    event = message.event
    if event is None:
        return message._replace(patient=target)
    if message.kind is Kind.HANDOVER and event.merge is not None:
        event = event._replace(merge=event.merge._replace(surviving=target))
    else:
        event = event._replace(patient=target)
    return message._replace(patient=target, event=event)


def is_merge(message: EventRecord) -> bool:
    """Say whether a record retires the key that it is addressed to (a handover has done that already)."""
    return message.kind is Kind.EVENT and message.event is not None and message.event.merge is not None
