"""
Infusion pumps (IHE PCD-01, PCD-10) to administrations with a rate (HL7.md 4). Data in `tables/pumps.toml`.

OBX-4 is a path, MDS.VMD.CHAN.METRIC; a time stands at the metric or at an ancestor, in UTC when it has no offset. A
rate change is a stop (transitioning) and a start, so a stop alone does not end an infusion; what ends it is a complete,
a status that is not infusing, or a rate of zero. A start after a complete (keep vein open) runs again.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from consumer.hl7.codes import PUMP_METRICS, table
from consumer.hl7.context import CLOCK_SKEW, Context
from consumer.hl7.drugs import DrugFound, drug_of, strength_of
from consumer.hl7.er7 import COMPONENT, NULL, component, unescape
from consumer.hl7.orders import Found, Order
from consumer.hl7.outcome import NotOurs, Reason
from consumer.hl7.times import Moment, place, read_time
from consumer.hl7.values import read_number, read_status
from rules.events import Administration, Drug

_TABLE = table("pumps")
PROFILES: tuple[str, ...] = tuple(_TABLE["profiles"])
EVENT_TRIGGER: str = _TABLE["event_trigger"]
_EVENTS: dict[str, str] = {name: kind for kind, names in _TABLE["events"].items() for name in names}
_TRANSITIONING = frozenset(_TABLE["words"]["transitioning"])
_NOT_INFUSING = frozenset(_TABLE["words"]["not_infusing"])
_MASS = {unit: Decimal(grams) for unit, grams in _TABLE["mass"].items()}
_TIME = {unit: Decimal(count) for unit, count in _TABLE["time"].items()}
_WORD = re.compile(r"[a-z]+")
_PATH = re.compile(r"[0-9]+(?:\.[0-9]+){2,5}")
_RETRACTED = frozenset("DWX")
_NOT_REAL = frozenset({"DEMO", "TEST"})
_PLACES = Decimal("1E-6")


def is_pump(context: Context) -> bool:
    """Say whether a message is one of a pump: by its profile (MSH-21) or as ORU^R42."""
    header = context.header
    return header.kind == "ORU" and (
        header.trigger == EVENT_TRIGGER or any(profile in header.profiles for profile in PROFILES)
    )


class Facet(NamedTuple):
    """One metric of a channel: what it is, its raw OBX-5, OBX-6 and the OBX that it came from."""

    kind: str
    value: str
    units: str
    found: Found


def read_pump(order: Order, context: Context, *, known: bool) -> Iterator[Administration]:
    """
    Yield the administrations of one OBR of a pump message; every pump OBX of the order ends in one count.

    Without a patient it is bound by its order's number (`consumer.bindings`); with neither, what is ours is rejected.
    """
    metrics, times = _gather(order, context)
    tree = _Tree(metrics)
    left = len(metrics)
    for channel in tree.channels():
        facets = tree.facets_of(channel)
        drug = _drug_of(facets, order, context)
        if drug is None or facets.keys().isdisjoint(("flow", "dose_rate", "event", "status")):
            continue
        if not known and not (order.placer_order_number or order.filler_order_number):
            first = next(iter(metrics.values())).found
            context.reject(Reason.PUMP_UNBOUND, f"OBX[{first.number}]", first.observation.code, observations=left)
            left = 0
            break
        administration = _administration(channel, facets, times, drug, order, context)
        if administration is not None:
            context.used += left
            left = 0
            yield administration
    if left:
        context.not_ours[NotOurs.OTHER_CODE] += left


class _Tree:
    """The metrics of an order by channel, by VMD and by device; the first of a kind counts."""

    def __init__(self, metrics: dict[str, Facet]) -> None:
        self._of_channel: dict[str, dict[str, Facet]] = {}
        for path, facet in metrics.items():
            self._of_channel.setdefault(path.rpartition(".")[0], {}).setdefault(facet.kind, facet)
        self._shared: dict[str, dict[str, Facet]] = {}
        for channel, facets in self._of_channel.items():
            # A channel with a drug of its own speaks for itself alone.
            if "drug" not in facets:
                shared = self._shared.setdefault(_vmd(channel), {})
                for kind, facet in facets.items():
                    shared.setdefault(kind, facet)

    def channels(self) -> list[str]:
        """Return the channels to read: those with a drug of their own, else one a VMD, else the device."""
        labelled = [channel for channel, facets in self._of_channel.items() if "drug" in facets]
        if labelled:
            return sorted(labelled)
        first_of: dict[str, str] = {}
        for channel in sorted(self._of_channel):
            if not _vmd(channel).endswith(".0"):
                first_of.setdefault(_vmd(channel), channel)
        return list(first_of.values()) or sorted(self._of_channel)[:1]

    def facets_of(self, channel: str) -> dict[str, Facet]:
        """Return what is said of a channel, by kind: its own first, then of its VMD, then of the device."""
        device = self._shared.get(channel.partition(".")[0] + ".0", {})
        return device | self._shared.get(_vmd(channel), {}) | self._of_channel[channel]


def _vmd(channel: str) -> str:
    """Return the path of a channel's VMD: ``1.1`` of ``1.1.2``."""
    return ".".join(channel.split(".")[:2])


def _gather(order: Order, context: Context) -> tuple[dict[str, Facet], dict[str, str]]:
    """Return an order's metrics and the times of its nodes, by path; the other pump OBX are counted."""
    metrics: dict[str, Facet] = {}
    times: dict[str, str] = {}
    for found in order.pump:
        fields = found.fields + [""] * (15 - len(found.fields))
        path = component(fields[4], 1).strip()
        kind = PUMP_METRICS.get(found.observation.code, "")
        if {component(flag, 1).upper() for flag in fields[8].split("~")} & _NOT_REAL:
            context.not_ours[NotOurs.DEVICE_TEST] += 1
            continue
        if _PATH.fullmatch(path) is not None and fields[14]:
            times[path] = fields[14]
        if not kind or _PATH.fullmatch(path) is None or path in metrics or read_status(fields[11]) in _RETRACTED:
            context.not_ours[NotOurs.OTHER_CODE] += 1
            continue
        metrics[path] = Facet(kind, fields[5], fields[6], found)
    return metrics, times


def _drug_of(facets: dict[str, Facet], order: Order, context: Context) -> DrugFound | None:
    """Return the drug of a channel: its label, else what the order is for (OBR-4)."""
    label = facets.get("drug")
    if label is not None and label.value:
        value = label.value if COMPONENT in label.value else COMPONENT + label.value
        return drug_of(value, context.site)
    return drug_of(order.field(4), context.site)


def _administration(
    channel: str, facets: dict[str, Facet], times: dict[str, str], drug: DrugFound, order: Order, context: Context
) -> Administration | None:
    """Return one channel's record: a rate, or zero when it ended; None when it says neither."""
    event = _event_of(facets.get("event"))
    words = _words(facets.get("status")) | _words(facets.get("delivery"))
    if event == "stop" and words & _TRANSITIONING:
        return None  # the first half of a rate change
    rate = _rate(facets, drug)
    # A start is a start whatever an old status says; a stop without a status ends nothing.
    stopped = event != "start" and (bool(words & _NOT_INFUSING) or "not" in words)
    if stopped or event == "complete":
        rate = Decimal(0)
    elif event == "stop" or rate is None:
        return None
    moment = _time_of(channel, facets, times, order, context)
    if moment is None or moment.instant > context.received_at + CLOCK_SKEW:
        context.counts["pump_time_unusable"] += 1
        return None
    return Administration(
        drug=drug.drug,
        order_number=order.placer_order_number or order.number,
        drug_code=drug.drug.value,
        started_at=moment.instant,
        started_offset=moment.offset,
        ended_at=None,
        rate=rate,
        grams=None,
        parenteral=True,
        intention=False,
        deleted=False,
        received_at=context.received_at,
        message_control_id=context.control_id,
        flags=("pump", *moment.flags),
    )


def _event_of(facet: Facet | None) -> str:
    """Return start, stop or complete; empty for another event or none. By name first, then by number."""
    if facet is None:
        return ""
    parts = [unescape(part).strip().upper() for part in facet.value.split(COMPONENT)]
    return next((_EVENTS[part] for part in (*parts[1:], *parts[:1]) if part in _EVENTS), "")


def _words(facet: Facet | None) -> frozenset[str]:
    return frozenset(_WORD.findall(unescape(facet.value).lower())) if facet is not None else frozenset()


def _rate(facets: dict[str, Facet], drug: DrugFound) -> Decimal | None:
    """Return grams an hour where the units tell, else the number sent; None when no rate is told."""
    dose = facets.get("dose_rate")
    if dose is not None:
        number, units = read_number(dose.value), _units(dose.units)
        if number is not None and len(units) == 2 and units[0] in _MASS and units[1] in _TIME:
            return (number.value * _MASS[units[0]] * _TIME[units[1]]).quantize(_PLACES).normalize()
    flow = facets.get("flow")
    if flow is None:
        return None
    number, units = read_number(flow.value), _units(flow.units)
    if number is None or number.value < 0:
        return None
    factor = _concentration(facets, drug)
    if factor is None or drug.drug is not Drug.MAGNESIUM or len(units) != 2 or units[1] not in _TIME:
        return number.value
    return (number.value * factor * _TIME[units[1]]).quantize(_PLACES).normalize()


def _concentration(facets: dict[str, Facet], drug: DrugFound) -> Decimal | None:
    """Return grams in a mL: of the channel's own metric, else the site's strength, else the label's text."""
    facet = facets.get("concentration")
    if facet is not None:
        number, units = read_number(facet.value), _units(facet.units)
        if number is not None and len(units) == 2 and units[0] in _MASS and units[1] == "ml":
            return number.value * _MASS[units[0]]
    return drug.grams_per_ml if drug.grams_per_ml is not None else strength_of(drug.text)


def _units(field: str) -> list[str]:
    """Return the parts of a unit such as ``mL/h``: of the first component of OBX-6 that is written with a slash."""
    for part in field.split(COMPONENT):
        if "/" in part:
            return [each.strip().lower() for each in part.split("/")]
    return []


def _time_of(
    channel: str, facets: dict[str, Facet], times: dict[str, str], order: Order, context: Context
) -> Moment | None:
    """Return when: OBX-14 of the event, of a metric, of an ancestor; else OBR-7, else MSH-7. No offset: UTC."""
    parts = channel.split(".")
    candidates = [
        facet.found.fields[14]
        for kind in ("event", "dose_rate", "flow", "status")
        if (facet := facets.get(kind)) is not None and len(facet.found.fields) > 14
    ]
    candidates += [
        times.get(".".join([*parts[:depth], *["0"] * (len(parts) - depth + 1)]), "")
        for depth in range(len(parts), 0, -1)
    ]
    candidates.append(order.field(7))
    for text in candidates:
        stamp = read_time(component(text, 1)) if text and text != NULL else None
        if stamp is not None and stamp.precise:
            return place(stamp, 0)
    return context.header_at
