"""What one PID and the segments behind it gather, until the next PID; then the event that they are."""

from collections.abc import Container, Iterator

from consumer.hl7.administrations import Given
from consumer.hl7.codes import Kind, Observation
from consumer.hl7.context import Context
from consumer.hl7.making import maker
from consumer.hl7.orders import Found, Order, remarks, texts_in
from consumer.hl7.outcome import NotOurs
from consumer.hl7.specimen import Specimen, specimen_of

_GIVEN = frozenset({"RXA", "RXE", "RXD", "RXG", "RXO"})
_found = maker(Found)
_OTHER, _NO_CODE, _PUMP = Kind.OTHER, Kind.NO_CODE, Kind.PUMP  # an enum looks its members up at each mention
_NONE: frozenset[str] = frozenset()
_UNKNOWN: dict[str, Observation] = {}
_OTHERS = _GIVEN | {"EVN", "DG1", "RXR", "PR1", "MRG"}
_SPECIMEN_FIRST = frozenset({"R22", "R23"})  # OUL: SPM stands before its orders


class PatientGroup:
    """Segments of one patient. ``pid`` is None for what came before any PID."""

    __slots__ = (
        "dg1",
        "given",
        "has_pump",
        "mrg",
        "orders",
        "pid",
        "pr1",
        "pv1",
    )

    def __init__(self, pid: list[str] | None) -> None:
        self.pid = pid
        self.has_pump = False
        self.pv1: list[str] = []
        self.mrg: list[tuple[int, list[str]]] = []
        self.dg1: list[list[str]] = []
        self.pr1: list[tuple[int, list[str]]] = []
        self.orders: list[Order] = []
        self.given: list[tuple[str, Given]] = []

    @property
    def is_empty(self) -> bool:
        """Nothing stood before the first PID."""
        return self.pid is None and not (self.orders or self.given or self.mrg or self.pr1)

    @property
    def found(self) -> Iterator[Found]:
        """Every OBX that the tables know, those of pumps left out."""
        return (found for order in self.orders for found in order.found)

    @property
    def pump_observations(self) -> int:
        """How many OBX are a pump's."""
        return sum(len(order.pump) for order in self.orders)


class Gathering:
    """Walks the segments of a message once and sorts them into patient groups."""

    __slots__ = ("_context", "_notes", "_numbers", "_orc", "_route", "_specimens", "evn", "groups")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._notes: list[str] = []  # remarks between an ORC, or a specimen that stands first, and its orders
        self._numbers: dict[str, int] = {}
        self._orc: list[str] = []
        self._route = ""
        self._specimens: list[Specimen] = []
        self.evn: list[str] = []
        self.groups: list[PatientGroup] = [PatientGroup(None)]

    def walk(self) -> list[PatientGroup]:
        """Return the groups of the message's segments."""
        context = self._context
        group = self.groups[0]
        order: Order | None = None
        segments = context.message.segments
        for name, start, end in context.message.runs:
            run = segments[start:end]
            if name == "OBX":
                order = self._observations(run, group, order)
                continue
            if name == "NTE":
                if order is not None:
                    order.notes += remarks(run)
                elif self._orc or self._specimens:
                    self._notes += remarks(run)
                continue
            for segment in run:
                if name == "OBR":
                    order = self._new_order(group, segment)
                elif name == "SPM":
                    order = self._specimen(specimen_of(segment), order)
                elif name == "PID":
                    group = PatientGroup(segment)
                    self.groups.append(group)
                    order = None
                    self._orc, self._route, self._specimens, self._notes = [], "", [], []
                elif name == "PV1":
                    group.pv1 = group.pv1 or segment
                elif name == "ORC":
                    self._orc = segment
                    self._route = ""
                    if not self._specimens:
                        self._notes = []
                    order = None
                elif name in _OTHERS:
                    self._other(name, segment, group)
        if not self.groups[0].is_empty:
            return self.groups
        return self.groups[1:]

    def _observations(self, run: list[list[str]], group: PatientGroup, order: Order | None) -> Order | None:
        """Sort a run of OBX into their order (one of its own where no OBR stands before them); return that."""
        context = self._context
        sender = context.sender
        truncation = context.message.truncation
        # An OBX-3 that was truncated means nothing by itself, so that none is looked up.
        nothing, known = (_NONE, _UNKNOWN) if truncation else (sender.nothing, sender.observations)
        before = context.observations
        context.observations += len(run)
        left = _left(run, before, nothing)
        others = len(run) - len(left)
        for number, segment in left:
            raw = segment[3] if len(segment) > 3 else ""
            observation = known.get(raw) or sender.observation(raw, truncation)
            kind = observation.kind
            if kind is _OTHER:
                others += 1
            elif kind is _NO_CODE:
                context.not_ours[NotOurs.NO_CODE] += 1
            else:
                if order is None:
                    order = self._new_order(group, [])
                found = _found((number, raw, segment, observation))
                if kind is _PUMP:
                    order.pump.append(found)
                    group.has_pump = True
                else:
                    order.found.append(found)
        if others:
            context.not_ours[NotOurs.OTHER_CODE] += others
        if order is not None:
            order.runs.append(run)
        elif self._specimens:
            self._notes += texts_in(run)
        return order

    def _new_order(self, group: PatientGroup, obr: list[str]) -> Order:
        order = Order(obr, self._orc, self._context.control_id)
        if self._specimens:
            order.specimens.extend(self._specimens)
        if self._notes:
            order.notes += self._notes
            if not self._specimens:
                self._notes = []
        group.orders.append(order)
        return order

    def _specimen(self, specimen: Specimen, order: Order | None) -> Order | None:
        """An SPM belongs to the order before it; where orders follow their specimen, to those that come."""
        if self._context.header.trigger in _SPECIMEN_FIRST or order is None:
            self._specimens, self._notes = [specimen], []
            return None
        order.specimens.append(specimen)
        return order

    def _other(self, name: str, segment: list[str], group: PatientGroup) -> None:
        """Take a segment that is neither result nor patient."""
        if name == "EVN":
            self.evn = self.evn or segment
        elif name == "DG1":
            group.dg1.append(segment)
        elif name == "RXR":
            self._route_of(segment, group)
        elif name in _GIVEN:
            self._numbers[name] = self._numbers.get(name, 0) + 1
            group.given.append((name, Given(segment, self._numbers[name], self._orc, self._route)))
        elif name == "PR1":
            self._numbers[name] = self._numbers.get(name, 0) + 1
            group.pr1.append((self._numbers[name], segment))
        elif name == "MRG":
            self._numbers[name] = self._numbers.get(name, 0) + 1
            group.mrg.append((self._numbers[name], segment))

    def _route_of(self, fields: list[str], group: PatientGroup) -> None:
        """
        An RXR is of the drugs before it that have none; the first of several counts.

        Behind an order it holds for what is given by it, until that has one of its own; before any drug of its order,
        for those that come.
        """
        route = fields[1] if len(fields) > 1 else ""
        before = group.given[-1] if group.given and group.given[-1][1].orc is self._orc else None
        if before is None or (before[0] != "RXA" and not before[1].routed):
            self._route = route
        for name, given in reversed(group.given if before is not None and route else []):
            if given.routed or given.orc is not self._orc or (before is not None and name != before[0]):
                break
            given.route, given.routed = route, True


def _left(run: list[list[str]], before: int, nothing: Container[str]) -> list[tuple[int, list[str]]]:
    """Return the OBX of a run whose OBX-3 is not known to be nothing, each with its place in the message (from 1)."""
    try:
        return [each for each in enumerate(run, before + 1) if each[1][3] not in nothing]
    except IndexError:  # a short one is among them
        return list(enumerate(run, before + 1))
