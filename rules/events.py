"""
What can happen to a patient, as the decoder hands it to the rules.

Every time is an *instant*: whole milliseconds since 1970-01-01T00:00:00Z. A draw or a dose keeps its sender's offset
from UTC beside it, in minutes east, for showing. The types are named tuples, so that msgspec writes them as short
arrays; a field is only ever added at the end, with a default.
"""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

Instant = int

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Analyte(StrEnum):
    """What we judge; RULES.md 1."""

    POTASSIUM = "potassium"
    MAGNESIUM = "magnesium"
    CALCIUM = "calcium"
    CALCIUM_IONIZED = "calcium_ionized"
    CREATININE = "creatinine"
    EGFR = "egfr"
    DIGOXIN = "digoxin"


class Condition(StrEnum):
    """What is said of a tube (RULES.md 3): SPM-24, a comment, a hemolysis index."""

    CLOTTED = "clotted"
    CONTAMINATED = "contaminated"
    GROSSLY_HEMOLYZED = "grossly_hemolyzed"
    HEMOLYZED = "hemolyzed"


class Drug(StrEnum):
    """Classes of drugs that a rule or its words can ask for; HL7.md 4."""

    MAGNESIUM = "magnesium"
    INSULIN = "insulin"
    BETA2_AGONIST = "beta2_agonist"
    BICARBONATE = "bicarbonate"
    BINDER = "binder"
    LOOP_DIURETIC = "loop_diuretic"
    CALCIUM = "calcium"
    DIGOXIN = "digoxin"
    POTASSIUM = "potassium"


class Patient(NamedTuple):
    """A patient's key (``AUTHORITY|MRN``, escaped as in HL7.md 3) and its parts."""

    key: str
    mrn: str
    assigning_authority: str


class Source(NamedTuple):
    """Where the inbound record of a message stands."""

    topic: str
    partition: int
    offset: int


class Result(NamedTuple):
    """
    One version of one result (RULES.md 2), in canonical units.

    ``status`` is one letter of table 0085, blank already settled (OBR-25, else F with ``status_assumed``).
    ``value`` is None when the status carries none (pending, withdrawn). ``observed_at`` follows RULES.md 2, with
    ``time_degraded`` among the flags where the draw itself was not known to the minute; ``resulted_at`` is OBX-19,
    else OBR-22, else MSH-7. ``container`` names the tube: one SPM, else one order and draw time; any string that is
    equal for results of one tube and differs for another.
    """

    analyte: Analyte
    order_number: str
    observation_identifier: str
    sub_id: str
    observed_at: Instant
    observed_offset: int
    resulted_at: Instant
    received_at: Instant
    status: str
    value: Decimal | None
    comparator: str
    original_value: str
    original_units: str
    container: str
    message_control_id: str
    placer_order_number: str = ""
    flags: tuple[str, ...] = ()


class Tube(NamedTuple):
    """What a message says of one tube; ``container`` as in `Result`."""

    container: str
    condition: Condition
    received_at: Instant


class MagnesiumOrder(NamedTuple):
    """A magnesium that is ordered (OML, ORM) and pending until a result of the order or its cancel."""

    order_number: str
    placer_order_number: str
    ordered_at: Instant
    cancelled: bool
    received_at: Instant


class Administration(NamedTuple):
    """
    A drug given, or (``intention``) only ordered or dispensed; HL7.md 4.

    ``started_at`` is RXA-3, ``ended_at`` RXA-4 when it is filled and later. ``rate`` is the amount per hour (None: no
    rate; zero: stopped), ``grams`` the amount of magnesium sulfate given, where it is an amount and not a rate.
    ``parenteral`` is IV, IM, IO or no route given. ``deleted`` withdraws the record of the same identity.
    """

    drug: Drug
    order_number: str
    drug_code: str
    started_at: Instant
    started_offset: int
    ended_at: Instant | None
    rate: Decimal | None
    grams: Decimal | None
    parenteral: bool
    intention: bool
    deleted: bool
    received_at: Instant
    message_control_id: str
    flags: tuple[str, ...] = ()


class Dialysis(NamedTuple):
    """
    A dialysis session; ``ended_at`` is the start where its length is unknown.

    ``continuous``: a code of continuous treatment (90945, 90947, 5A1D90Z).
    """

    procedure_code: str
    started_at: Instant
    ended_at: Instant
    continuous: bool
    received_at: Instant


class Demographics(NamedTuple):
    """PID-7 as digits (``YYYY``, ``YYYYMM`` or ``YYYYMMDD``; empty: unknown) and PID-8 (``F``, ``M`` or empty)."""

    birth_date: str
    sex: str


class Visit(NamedTuple):
    """PV1-19, PV1-3 as sent, PV1-10 and PV1-2 of whatever message carried them."""

    visit_number: str
    location: str
    hospital_service: str
    patient_class: str


class Encounter(NamedTuple):
    """An ADT message: its trigger event (``A01`` …), diagnoses (DG1-3.1, without dots stripped) and PID-30."""

    trigger: str
    diagnoses: tuple[str, ...]
    deceased: bool
    occurred_at: Instant


class PatientMerge(NamedTuple):
    """ADT^A40, A18, A34: ``retired`` (MRG-1) goes into ``surviving`` (PID-3)."""

    retired: Patient
    surviving: Patient
    occurred_at: Instant


class PatientEvent(NamedTuple):
    """
    What one message says of one patient. A merge is addressed to the retired patient.

    ``fingerprint`` is a number made of the whole message and the patient: equal when a sender sends a message again
    (KAFKA.md W18); 0: the message has no control id, so that nothing says that it is the same.
    """

    patient: Patient
    received_at: Instant
    source: Source
    message_control_id: str
    message_type: str
    sender: str
    demographics: Demographics | None = None
    visit: Visit | None = None
    results: tuple[Result, ...] = ()
    tubes: tuple[Tube, ...] = ()
    administrations: tuple[Administration, ...] = ()
    dialyses: tuple[Dialysis, ...] = ()
    magnesium_orders: tuple[MagnesiumOrder, ...] = ()
    unmapped_magnesium_at: Instant | None = None
    encounter: Encounter | None = None
    merge: PatientMerge | None = None
    flags: tuple[str, ...] = ()
    fingerprint: int = 0
