"""
What one hospital adds to the tables: its senders' local codes, units, zones, authorities, drugs (HL7.md 2 to 4).

`Site` is what the decoder asks; `consumer.hl7.site_file` reads it from TOML (`LAB_ALERT_SITE`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from types import MappingProxyType
from typing import NamedTuple

from consumer.hl7.codes import Identifier, Kind, Observation, classify, confirmed_local
from rules.events import Drug

ANY = "*"
DRAW_TIME_SOURCES = ("SPM-17", "OBR-7", "OBX-14")
"""RULES.md 2: where the time of a draw is looked for, in order."""

IDENTIFIER_TYPES = ("MR",)


class LocalDrug(NamedTuple):
    """A site's code or name for a drug; ``strength`` is magnesium sulfate in grams per mL, where it is one."""

    drug: Drug
    grams_per_ml: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """
    What is known of one sender; empty settings are the site's.

    ``codes`` is keyed by (code, system); a system of ``*`` is any. ``shifts`` are minutes added to times of a field
    (``OBR-7``, ``MSH-7``) that this sender writes in another zone than it says. ``types`` order PID-3.5;
    ``authorities`` order PID-3.4 before that. ``other_identifiers`` names PID-2 or PID-4 where they count.
    """

    application: str = ANY
    facility: str = ANY
    zone: tzinfo | None = None
    field_zones: Mapping[str, tzinfo] = field(default_factory=lambda: MappingProxyType({}))
    codes: Mapping[tuple[str, str], Observation] = field(default_factory=lambda: MappingProxyType({}))
    confirmed: frozenset[tuple[str, str]] = frozenset()
    authority: str = ""
    authorities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    other_identifiers: tuple[str, ...] = ()
    draw_times: tuple[str, ...] = ()
    message_type: str = ""
    delete_means_delete: bool | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """The site's own tables; frozen. ``aliases`` maps a PID-3.4 (any of its parts) to the authority that we say."""

    zone: tzinfo = UTC
    senders: tuple[Sender, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    drugs: Mapping[str, LocalDrug] = field(default_factory=lambda: MappingProxyType({}))
    drug_names: Mapping[str, LocalDrug] = field(default_factory=lambda: MappingProxyType({}))
    types: tuple[str, ...] = IDENTIFIER_TYPES
    authorities: tuple[str, ...] = ()
    draw_times: tuple[str, ...] = DRAW_TIME_SOURCES
    delete_means_delete: bool = False
    hemolysis_comments: tuple[tuple[str, str], ...] = ()
    confirmed: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def default(cls) -> "Site":
        """Return a site that adds nothing: UTC, the tables alone."""
        return cls()

    def sender(self, application: str, facility: str) -> Sender:
        """Return the settings of one sender (MSH-3.1, MSH-4.1), the site's where it has none; exact before ``*``."""
        matching = [
            each for each in self.senders if each.application in (ANY, application) and each.facility in (ANY, facility)
        ]
        matching.sort(key=lambda each: (each.application == ANY) + (each.facility == ANY))
        return self._joined(application, facility, matching)

    def _joined(self, application: str, facility: str, matching: list[Sender]) -> Sender:
        """Return one sender of all that match: the most exact says first, codes add up."""
        codes: dict[tuple[str, str], Observation] = {}
        zones: dict[str, tzinfo] = {}
        for each in reversed(matching):
            codes.update(each.codes)
            zones.update(each.field_zones)
        deletes = next((each.delete_means_delete for each in matching if each.delete_means_delete is not None), None)
        return Sender(
            application=application,
            facility=facility,
            zone=next((each.zone for each in matching if each.zone is not None), self.zone),
            field_zones=zones,
            codes=codes,
            confirmed=self.confirmed.union(*(each.confirmed for each in matching)),
            authority=next((each.authority for each in matching if each.authority), ""),
            authorities=next((each.authorities for each in matching if each.authorities), self.authorities),
            types=next((each.types for each in matching if each.types), self.types),
            other_identifiers=next((each.other_identifiers for each in matching if each.other_identifiers), ()),
            draw_times=next((each.draw_times for each in matching if each.draw_times), self.draw_times),
            message_type=next((each.message_type for each in matching if each.message_type), ""),
            delete_means_delete=self.delete_means_delete if deletes is None else deletes,
        )


def observe(identifier: Identifier, sender: Sender) -> Observation:
    """Return what an OBX-3 means at this sender: its local codes first, then the tables."""
    for code, system in (
        (identifier.code, identifier.system),
        (identifier.alternate_code, identifier.alternate_system),
    ):
        if code and sender.codes:
            local = sender.codes.get((code, system)) or sender.codes.get((code, ANY))
            if local is not None:
                return confirmed_local(local, identifier, sender.confirmed)
    return classify(identifier, sender.confirmed)


__all__ = ["ANY", "DRAW_TIME_SOURCES", "Kind", "LocalDrug", "Sender", "Site", "observe"]
