"""Where a record goes that was sent to a merged patient's old key (DESIGN.md 1): pure, one decision at a time."""

from typing import Final, NamedTuple

from consumer.address import partition_of
from consumer.homes import AliasHomes
from consumer.wire import Alias, EventRecord, Hop, Kind, Retired
from rules.events import Instant, Patient


class Route(NamedTuple):
    """
    What is to be done with a record that came to an alias.

    ``settled_at`` None: send ``message`` on. Else it has met a cycle that ends here: the alias is dropped, merges not
    newer than that are ignored, and the message is judged here.
    """

    message: EventRecord
    settled_at: Instant | None = None


def route(key: str, alias: Alias, message: EventRecord, kept: int) -> Route:
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
    told = leading(message._replace(path=path), kept)
    return Route(readdressed(message, newest.target)._replace(path=(), settle=newest.merged_at, retired=told))


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


RETIRED_AT_MOST: Final = 32
"""Keys that lead to one patient, of which is known here; a chain that is longer is waited for in part."""


def leading(message: EventRecord, kept: int) -> tuple[Retired, ...]:
    """
    Return the keys of which a record tells that their aliases lead to where it has come.

    Those are the aliases that it has followed, and with a history those that led to its patient before. *kept* is how
    long an alias is kept, in milliseconds.
    """
    if not message.path and not message.retired:
        return ()
    hops = len(message.path)
    followed = [Retired(hop.key, hops - place, hop.merged_at + kept) for place, hop in enumerate(message.path)]
    return (*followed, *(one._replace(aliases=one.aliases + hops) for one in message.retired))


def known(retired: tuple[Retired, ...], told: tuple[Retired, ...], key: str, now: Instant) -> tuple[Retired, ...]:
    """Return the keys that lead to *key*, with what a record has told; of one key the longest way and time."""
    if not told:
        return retired
    found: dict[str, Retired] = {}
    for one in (*retired, *told):
        old = found.get(one.key, one)
        found[one.key] = Retired(one.key, max(old.aliases, one.aliases), max(old.until, one.until))
    found.pop(key, None)
    live = sorted((one for one in found.values() if one.until > now), key=lambda one: (one.until, one.key))
    return tuple(live[-RETIRED_AT_MOST:])


def homes_of(retired: tuple[Retired, ...], partition: int, partitions: int) -> AliasHomes | None:
    """
    Return the homes that have to be waited for on behalf of a patient of *partition*; None: no other one.

    Over more than one alias a record may leave this partition and come back: then it is one of them itself.
    """
    if not retired or partitions == 1:
        return None
    aliases = max(one.aliases for one in retired)
    homes = frozenset(partition_of(one.key.encode(), partitions) for one in retired)
    if aliases == 1 or homes == {partition}:
        homes -= {partition}
    return AliasHomes(homes, aliases) if homes else None
