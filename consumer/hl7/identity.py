"""Who a message is about: the identifier chosen from PID-3 and its authority, as a patient key (HL7.md 3)."""

from typing import NamedTuple

from consumer.hl7.er7 import COMPONENT, NULL, REPETITION, SUBCOMPONENT, unescape
from consumer.hl7.site import Sender, Site
from rules.events import Drug, Patient

_OTHER_FIELDS = {"PID-2": 2, "PID-4": 4}


class Identifier(NamedTuple):
    """One repetition of a CX field: identifier, PID-3.4 as sent, identifier type code (PID-3.5)."""

    number: str
    authority: str
    type_code: str


class Chosen(NamedTuple):
    """The patient chosen from a list, the type by which a merge's MRG-1 is chosen too, and flags to count."""

    patient: Patient
    type_code: str
    flags: tuple[str, ...]


def identifiers(field: str) -> list[Identifier]:
    """Return the identifiers of a raw PID-3 or MRG-1, those without a number left out."""
    found = []
    for repetition in field.split(REPETITION):
        parts = repetition.split(COMPONENT)
        number = unescape(parts[0]).strip()
        if not number or number == NULL:
            continue
        authority = parts[3].strip() if len(parts) > 3 else ""
        type_code = unescape(parts[4]).strip().upper() if len(parts) > 4 else ""
        found.append(Identifier(number, "" if authority == NULL else authority, type_code))
    return found


def choose(found: list[Identifier], site: Site, sender: Sender) -> Identifier | None:
    """Return one identifier: by the site's authorities, then its types, else with an authority, else the first."""
    if len(found) < 2:
        return found[0] if found else None
    for wanted in sender.authorities:
        by_it = [
            each
            for each in found
            if wanted in authority_names(each.authority) or wanted == _alias(each.authority, site)
        ]
        if by_it:
            found = by_it
            break
    for wanted in sender.types:
        # Of several of the type, one with an authority first.
        of_type = [each for each in found if each.type_code == wanted]
        if of_type:
            return next((each for each in of_type if each.authority), of_type[0])
    return next((each for each in found if each.authority), found[0])


def authority_names(authority: str) -> tuple[str, ...]:
    """Return what a raw HD may be called: whole, namespace, universal id; empty ones left out."""
    parts = [unescape(part).strip() for part in authority.split(SUBCOMPONENT)]
    return tuple(name for name in (unescape(authority).strip(), *parts[:2]) if name)


def _alias(authority: str, site: Site) -> str:
    if site.aliases:
        for name in authority_names(authority):
            alias = site.aliases.get(name)
            if alias is not None:
                return alias
    return ""


def authority_of(authority: str, site: Site, sender: Sender) -> tuple[str, tuple[str, ...]]:
    """
    Return the authority that we say for a raw PID-3.4, and flags.

    The site's alias, else the namespace, else the universal id, else the sender's default, else MSH-4.1, else MSH-3.1.
    """
    if authority:
        alias = _alias(authority, site)
        if alias:
            return alias, ()
        if SUBCOMPONENT not in authority:
            return unescape(authority).strip(), ()
        parts = [unescape(part).strip() for part in authority.split(SUBCOMPONENT)]
        if parts[0] and parts[0] != NULL:
            return parts[0], ()
        if parts[1] and parts[1] != NULL:
            return parts[1], ("authority_by_universal_id",)
    if sender.authority:
        return sender.authority, ()
    return (sender.facility or sender.application), ("authority_assumed",)


def patient_of(identifier: Identifier, site: Site, sender: Sender) -> Chosen:
    """Return the patient that *identifier* names; the MRN is trimmed, never case- or zero-folded."""
    authority, flags = authority_of(identifier.authority, site, sender)
    return Chosen(
        Patient(f"{percent_encoded(authority)}|{percent_encoded(identifier.number)}", identifier.number, authority),
        identifier.type_code,
        flags,
    )


def percent_encoded(text: str) -> str:
    """Return *text* with ``|``, ``%`` and control characters percent-encoded, so that a key has one reading."""
    if text.isascii() and text.isprintable() and "|" not in text and "%" not in text:
        return text
    return "".join(
        "".join(f"%{byte:02X}" for byte in char.encode("utf-8"))
        if char in "|%" or ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0
        else char
        for char in text
    )


def patient_from(fields: list[str], site: Site, sender: Sender) -> Chosen | None:
    """Return the patient of a PID segment's fields, or None when it names nobody."""
    found = identifiers(fields[3]) if len(fields) > 3 else []
    for name in sender.other_identifiers:
        number = _OTHER_FIELDS.get(name, 0)
        if 0 < number < len(fields):
            found += identifiers(fields[number])
    chosen = choose(found, site, sender)
    return None if chosen is None else patient_of(chosen, site, sender)


ORDER = "%order"
"""In the place of an authority: no patient's key begins with ``%``, which is percent-encoded there."""


def order_patient(drug: Drug, number: str) -> Patient:
    """Return the key under which it is remembered for whom an order is (`consumer.bindings`)."""
    return Patient(f"{ORDER}|{drug.value}|{percent_encoded(number)}", "", "")


def is_order(key: str) -> bool:
    """Say whether a key is an order's."""
    return key.startswith(ORDER)
