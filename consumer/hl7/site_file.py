"""
The site's TOML file to a `Site`; a wrong one is refused with every fault, its line, and the nearest known key.

The keys are tables below, so that docs/hl7.md can list them and a fault can name the nearest one.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from consumer.errors import Refused
from consumer.hl7.codes import UNITS, Kind, Observation, names_analyte
from consumer.hl7.decoder import MESSAGE_TYPES
from consumer.hl7.site import ANY, DRAW_TIME_SOURCES, LocalDrug, Sender, Site
from consumer.hl7.texts import fold, words
from consumer.hl7.toml_lines import Lines, Path_
from rules.events import Analyte, Condition, Drug
from rules.units import FACTORS, Unit

IDENTIFIER_FIELDS = ("PID-2", "PID-4")
TIME_FIELDS = (
    *("MSH-7", "SPM-17", "OBR-7", "OBX-14", "OBX-19", "OBR-22", "RXA-3", "RXA-4", "PR1-5"),
    *("EVN-2", "EVN-6", "ORC-9", "ORC-15", "RXD-3"),
)
OURS_SPECIMENS = ("serum", "plasma", "blood")
OTHER_SPECIMENS = ("urine", "dialysate", "csf", "fluid", "cord", "stool", "cells")

SITE_KEYS: Mapping[str, str] = {
    "timezone": "IANA name of the zone of times without an offset; default UTC",
    "identifier_types": "PID-3.5 in order of preference; default MR",
    "identifier_authorities": "PID-3.4 in order of preference, before the types",
    "draw_times": f"where a draw's time is looked for, in order; default {', '.join(DRAW_TIME_SOURCES)}",
    "delete_means_delete": "true where RXA-21 = D withdraws an administration; default false",
    "authorities": "table: a PID-3.4 as sent (whole, namespace or universal id) = the authority that we say",
    "confirmed": "list of {code, text}: pairs of a code and a disagreeing text that the site vouches for",
    "sender": "list of tables, one a sender",
    "drug": "list of tables: the site's own drug codes and names",
    "hemolysis_comment": "list of tables: the laboratory's own remarks about a tube",
}
SENDER_KEYS: Mapping[str, str] = {
    "application": "MSH-3.1; default * (any)",
    "facility": "MSH-4.1; default * (any)",
    "timezone": "as above, for this sender",
    "field_timezones": "table: a field (OBR-7, MSH-7 …) = the zone in which this sender writes it",
    "authority": "the authority of identifiers that this sender sends without one",
    "identifier_types": "as above, for this sender",
    "identifier_authorities": "as above, for this sender",
    "identifier_fields": "PID-2 or PID-4, where they hold the patient's number",
    "draw_times": "as above, for this sender",
    "message_type": "what an empty MSH-9 means, such as ORU^R01",
    "delete_means_delete": "as above, for this sender",
    "confirmed": "as above, for this sender",
    "code": "list of tables: this sender's local observation codes",
}
CODE_KEYS: Mapping[str, str] = {
    "code": "OBX-3.1 (or .4); required",
    "system": "OBX-3.3 (or .6); default * (any)",
    "analyte": f"{', '.join(analyte.value for analyte in Analyte)}, hemolysis_index, dialysis, or none",
    "specimen": f"{', '.join(OURS_SPECIMENS)} (ours) or {', '.join(OTHER_SPECIMENS)} (never ours)",
    "unit": "the unit of a value without one",
    "units": "the units under which a value is ours; under another it is not ours",
    "scale": "of a hemolysis index: plus, or two numbers such as 100:300 (hemolyzed from, grossly from)",
    "continuous": "true for a continuous dialysis",
}
DRUG_KEYS: Mapping[str, str] = {
    "code": "RXA-5.1 (or .4); this or name",
    "name": "the start of RXA-5.2; this or code",
    "drug": f"{', '.join(drug.value for drug in Drug)}",
    "grams_per_ml": "grams of magnesium sulfate in a mL",
}
COMMENT_KEYS: Mapping[str, str] = {
    "text": "what the remark contains, letter case and accents ignored",
    "says": f"{', '.join(condition.value for condition in Condition)}",
}
CONFIRMED_KEYS: Mapping[str, str] = {"code": "the LOINC code, or a local one of a table", "text": "the text beside it"}

_LOCAL_KINDS = {"hemolysis_index": Kind.HEMOLYSIS_INDEX, "dialysis": Kind.DIALYSIS, "none": Kind.SITE_EXCLUDED}


class SiteRefused(Refused):
    """The site file has faults; all of them are listed, each with its line."""


def load_site(path: Path | str, *, zone: tzinfo | None = None) -> Site:
    """
    Return the site that a TOML file describes; *zone* is used where the file has no timezone of its own.

    Raises:
        SiteRefused: The file can't be read or has faults; all of them are listed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SiteRefused(f"the site file {path} can't be read", [str(error)]) from None
    return parse_site(text, str(path), zone=zone)


def parse_site(text: str, name: str = "site", *, zone: tzinfo | None = None) -> Site:
    """Return the site of a TOML text; as `load_site`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SiteRefused(f"the site file {name} is not TOML", [str(error)]) from None
    reader = _Reader(Lines(text))
    site = reader.site(document)
    if reader.faults:
        faults = [f"line {line}: {fault}" if line else fault for line, fault in sorted(reader.faults)]
        raise SiteRefused(f"the site file {name} has {len(faults)} fault{'s' * (len(faults) > 1)}", faults)
    if zone is not None and "timezone" not in document:
        site = dataclasses.replace(site, zone=zone)
    return site


class _Reader:
    """Reads the parsed document; collects faults and goes on."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.faults: list[tuple[int, str]] = []
        self._codes: set[tuple[str, ...]] = set()  # application, facility, code, system: those that stand there

    def fault(self, where: Path_, text: str) -> None:
        self.faults.append((self._lines.of(where), text))

    def known(self, table: Mapping[str, Any], keys: Mapping[str, str], where: Path_) -> None:
        """Note every key that nobody knows, with the nearest one."""
        for key in table:
            if key not in keys:
                self.fault((*where, key), f"unknown key {key!r}{_nearest(key, keys)}")

    def text(self, table: Mapping[str, Any], key: str, where: Path_, default: str = "") -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            self.fault((*where, key), f"{key} must be a text, not {value!r}")
            return default
        return value

    def texts(self, table: Mapping[str, Any], key: str, where: Path_) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.fault((*where, key), f"{key} must be a list of texts")
            return ()
        return tuple(value)

    def flag(self, table: Mapping[str, Any], key: str, where: Path_) -> bool | None:
        value = table.get(key)
        if value is not None and not isinstance(value, bool):
            self.fault((*where, key), f"{key} must be true or false, not {value!r}")
            return None
        return value

    def tables(self, table: Mapping[str, Any], key: str, where: Path_) -> list[tuple[Mapping[str, Any], Path_]]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            name = ".".join(part for part in (*where, key) if isinstance(part, str))
            self.fault((*where, key), f"{key} must be a list of tables ([[{name}]])")
            return []
        return [(each, (*where, key, number)) for number, each in enumerate(value)]

    def strings(self, table: Mapping[str, Any], key: str, where: Path_) -> dict[str, str]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            self.fault((*where, key), f"{key} must be a table")
            return {}
        wrong = [name for name, each in value.items() if not isinstance(each, str)]
        for name in wrong:
            self.fault((*where, key, name), f"{key}.{name} must be a text")
        return {name: each for name, each in value.items() if name not in wrong}

    def one_of(self, value: str, allowed: tuple[str, ...], where: Path_, meant: str = "") -> bool:
        if value in allowed:
            return True
        nearest = f" (did you mean {meant!r}?)" if meant else _nearest(value, allowed)
        self.fault(where, f"{value!r} is none of {', '.join(allowed)}{nearest}")
        return False

    def zone(self, name: str, where: Path_) -> tzinfo | None:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fault(where, f"{name!r} is no time zone; such as Europe/Zurich")
            return None

    def unit(self, spelling: str, where: Path_) -> Unit | None:
        unit = UNITS.get("".join(spelling.split()).lower())
        if unit is None:
            allowed = tuple(unit.value for unit in Unit)
            self.fault(where, f"{spelling!r} is no unit that we know{_nearest(spelling, allowed)}")
        return unit

    def draw_times(self, table: Mapping[str, Any], where: Path_) -> tuple[str, ...]:
        names = self.texts(table, "draw_times", where)
        return tuple(name for name in names if self.one_of(name, DRAW_TIME_SOURCES, (*where, "draw_times")))

    def confirmed(self, table: Mapping[str, Any], where: Path_) -> frozenset[tuple[str, str]]:
        pairs = set()
        for each, at in self.tables(table, "confirmed", where):
            self.known(each, CONFIRMED_KEYS, at)
            code, text = self.text(each, "code", at), self.text(each, "text", at)
            if not code or not text:
                self.fault(at, "a confirmed pair needs a code and a text")
            pairs.add((code, text.casefold()))
        return frozenset(pairs)

    def site(self, document: Mapping[str, Any]) -> Site:
        self.known(document, SITE_KEYS, ())
        zone = self.zone(self.text(document, "timezone", (), "UTC"), ("timezone",))
        codes, names = self.drugs(document)
        default = Site.default()
        return Site(
            zone=zone or default.zone,
            senders=tuple(self.sender(table, where) for table, where in self.tables(document, "sender", ())),
            aliases=self.strings(document, "authorities", ()),
            drugs=codes,
            drug_names=names,
            types=self.types(document, ()) or default.types,
            authorities=self.texts(document, "identifier_authorities", ()),
            draw_times=self.draw_times(document, ()) or default.draw_times,
            delete_means_delete=bool(self.flag(document, "delete_means_delete", ())),
            hemolysis_comments=self.comments(document),
            confirmed=self.confirmed(document, ()),
        )

    def types(self, table: Mapping[str, Any], where: Path_) -> tuple[str, ...]:
        return tuple(each.upper() for each in self.texts(table, "identifier_types", where))

    def sender(self, table: Mapping[str, Any], where: Path_) -> Sender:
        self.known(table, SENDER_KEYS, where)
        zones: dict[str, tzinfo] = {}
        for name, zone_name in self.strings(table, "field_timezones", where).items():
            at = (*where, "field_timezones", name)
            zone = self.zone(zone_name, at)
            if self.one_of(name, TIME_FIELDS, at) and zone is not None:
                zones[name] = zone
        fields = self.texts(table, "identifier_fields", where)
        for name in fields:
            self.one_of(name, IDENTIFIER_FIELDS, (*where, "identifier_fields"))
        message_type = self.text(table, "message_type", where)
        if message_type:
            self.one_of(message_type.split("^")[0], tuple(sorted(MESSAGE_TYPES)), (*where, "message_type"))
        zone_name = self.text(table, "timezone", where)
        application, facility = self.text(table, "application", where, ANY), self.text(table, "facility", where, ANY)
        codes: dict[tuple[str, str], Observation] = {}
        for each, at in self.tables(table, "code", where):
            key, observation = self.code(each, at)
            if (application, facility, *key) in self._codes:
                self.fault(at, f"the code {key[0]!r} of system {key[1]!r} stands here twice")
            self._codes.add((application, facility, *key))
            codes[key] = observation
        return Sender(
            application=application,
            facility=facility,
            zone=self.zone(zone_name, (*where, "timezone")) if zone_name else None,
            field_zones=zones,
            codes=codes,
            confirmed=self.confirmed(table, where),
            authority=self.text(table, "authority", where),
            authorities=self.texts(table, "identifier_authorities", where),
            types=self.types(table, where),
            other_identifiers=fields,
            draw_times=self.draw_times(table, where),
            message_type=message_type,
            delete_means_delete=self.flag(table, "delete_means_delete", where),
        )

    def code(self, table: Mapping[str, Any], where: Path_) -> tuple[tuple[str, str], Observation]:
        """Return the key and the meaning of one local code."""
        self.known(table, CODE_KEYS, where)
        code = self.text(table, "code", where)
        if not code:
            self.fault((*where, "code"), "a code table needs its code")
        name = self.text(table, "analyte", where)
        allowed = (*(analyte.value for analyte in Analyte), *_LOCAL_KINDS)
        if not self.one_of(name, allowed, (*where, "analyte"), meant=_analyte_named(name)):
            name = "none"
        specimen = self.text(table, "specimen", where, "serum")
        self.one_of(specimen, (*OURS_SPECIMENS, *OTHER_SPECIMENS), (*where, "specimen"))
        kind = _LOCAL_KINDS.get(name, Kind.OURS)
        if specimen in OTHER_SPECIMENS:
            kind = Kind.SITE_EXCLUDED
        analyte = Analyte(name) if kind is Kind.OURS else None
        default = self.text(table, "unit", where)
        unit = self.unit(default, (*where, "unit")) if default else None
        units = [self.unit(each, (*where, "units")) for each in self.texts(table, "units", where)]
        for said, each in (("unit", unit), *(("units", each) for each in units)):
            if analyte is not None and each is not None and each not in FACTORS[analyte]:
                self.fault((*where, said), f"{each.value} is no unit of {analyte.value}")
        for said, owner in (("scale", "hemolysis_index"), ("continuous", "dialysis")):
            if said in table and name not in (owner, "none"):
                self.fault((*where, said), f"{said} says nothing of {name}, only of {owner}")
        scale = self.text(table, "scale", where)
        if scale and not _is_scale(scale):
            self.fault((*where, "scale"), f"{scale!r} is no scale: plus, or two rising numbers such as 100:300")
        if self.flag(table, "continuous", where):
            scale = "continuous"
        allowed_units = frozenset(each for each in units if each is not None)
        key = (code, self.text(table, "system", where, ANY))
        return key, Observation(kind, code, analyte, False, allowed_units, unit, scale)

    def drugs(self, document: Mapping[str, Any]) -> tuple[dict[str, LocalDrug], dict[str, LocalDrug]]:
        """Return the site's drugs by code and by name."""
        codes: dict[str, LocalDrug] = {}
        names: dict[str, LocalDrug] = {}
        for table, where in self.tables(document, "drug", ()):
            self.known(table, DRUG_KEYS, where)
            code, name = self.text(table, "code", where), self.text(table, "name", where)
            drug = self.text(table, "drug", where)
            if not code and not name:
                self.fault(where, "a drug needs a code or a name")
            grams = self.decimal(table, "grams_per_ml", where)
            if not self.one_of(drug, tuple(each.value for each in Drug), (*where, "drug")):
                continue
            plain = " ".join(words(fold(name)))
            if code in codes or plain in names:
                self.fault(where, f"the drug {code or name!r} stands here twice")
            local = LocalDrug(Drug(drug), grams)
            if code:
                codes[code] = local
            if plain:
                names[plain] = local
        return codes, names

    def decimal(self, table: Mapping[str, Any], key: str, where: Path_) -> str:
        value = table.get(key)
        if value is None:
            return ""
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal(0)
        if isinstance(value, bool) or not number.is_finite() or not 0 < number <= 1:
            self.fault((*where, key), f"{key} must be a number above 0 and at most 1, not {value!r}")
            return ""
        return str(number)

    def comments(self, document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Return the laboratory's own remarks: what they contain (folded) and what they say."""
        found = []
        for table, where in self.tables(document, "hemolysis_comment", ()):
            self.known(table, COMMENT_KEYS, where)
            text, says = self.text(table, "text", where), self.text(table, "says", where)
            if not text.strip():
                self.fault(where, "a hemolysis comment needs a text")
            elif self.one_of(says, tuple(each.value for each in Condition), (*where, "says")):
                found.append((fold(text), says))
        return tuple(found)


def _analyte_named(text: str) -> str:
    """Return the analyte that a text names in any language (``Kalium``), or nothing."""
    return next((analyte.value for analyte in Analyte if text and names_analyte(text, analyte)), "")


def _is_scale(scale: str) -> bool:
    if scale == "plus":
        return True
    numbers = scale.split(":")
    try:
        return len(numbers) == 2 and 0 < Decimal(numbers[0]) < Decimal(numbers[1])
    except InvalidOperation:
        return False


def _nearest(key: str, known: Iterable[str]) -> str:
    """Return words that name the nearest known key, or nothing when none is near."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(key.lower(), list(names), n=1, cutoff=0.6)
    return f" (did you mean {names[found[0]]!r}?)" if found else ""
