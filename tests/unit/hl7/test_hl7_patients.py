"""HL7.md 3: who a message is about, the stay, merges, death, diagnoses, dialysis."""

import pytest

from consumer.hl7.outcome import Outcome, Reason
from rules.events import Demographics
from tests.fuzz.builder import DRAWN, MSH, OBR, PID, PV1, RECEIVED, join, obx, oru, segment, typed
from tests.unit.hl7.conftest import Decode

ALIAS = '[authorities]\n"HOSP" = "H"\n"1.2" = "H"\n'
OTHER_FIELDS = '[[sender]]\nidentifier_fields = ["PID-2", "PID-4"]'


def keyed(decode: Decode, pid3: str, site: str = "", pid: str = "PID|1||{}") -> str:
    """Return the patient key of a potassium under a PID; empty when there is none."""
    message = decode(oru(obx(), pid=pid.format(pid3)), site)
    return message.events[0].patient.key if message.events else ""


@pytest.mark.parametrize(
    ("pid3", "site", "key"),
    [
        ("123^^^HOSP^MR", "", "HOSP|123"),
        ("99^^^NAT^NI~123^^^HOSP^MR", "", "HOSP|123"),  # MR first
        ("99~123^^^HOSP", "", "HOSP|123"),  # else the first with an authority
        ("99~123", "", "HOSP|99"),  # else the first, authority from MSH-4
        ("1^^^^MR~2^^^HOSP^MR", "", "HOSP|2"),
        ("1^^^A^PI~2^^^B^MR", 'identifier_types = ["PI", "MR"]', "A|1"),
        ("1^^^A^MR~2^^^B^PI", 'identifier_authorities = ["B"]', "B|2"),
        ("1^^^A^MR~2^^^B&1.2.3&ISO^PI", 'identifier_authorities = ["1.2.3"]', "B|2"),
        ("1^^^A^MR~2^^^B^PI~3^^^B^MR", 'identifier_authorities = ["B"]', "B|3"),  # then by type
        ("123^^^HOSP&1.2&ISO^MR", "", "HOSP|123"),  # namespace, else universal id
        ("123^^^&1.2&ISO^MR", "", "1.2|123"),
        ("123^^^HOSP^MR", ALIAS, "H|123"),
        ("123^^^HOSP&1.2&ISO^MR", ALIAS, "H|123"),
        ("123^^^&1.2&ISO^MR", ALIAS, "H|123"),
        ("123", '[[sender]]\nauthority = "MINE"', "MINE|123"),  # else the sender's default
        ("123", "", "HOSP|123"),  # else MSH-4.1
        (" 00123 ^^^HOSP^MR", "", "HOSP|00123"),  # trimmed, never zero-folded
        ("ab12^^^Hosp^MR", "", "Hosp|ab12"),  # never case-folded
        ("12%3^^^HO|SP^MR".replace("|", "\\F\\"), "", "HO%7CSP|12%253"),
        ("é1^^^HOSP^MR", "", "HOSP|é1"),
        ("", "", ""),
        ("^^^HOSP^MR", "", ""),
        ('""', "", ""),
        ("~~", "", ""),
    ],
)
def test_patient_key(decode: Decode, pid3: str, site: str, key: str) -> None:
    """By the site's authorities, then its types, then an authority, then the first."""
    assert keyed(decode, pid3, site) == key


def test_msh_3_when_msh_4_is_empty(decode: Decode) -> None:
    """Without any authority and MSH-4 it is MSH-3.1; counted and flagged."""
    message = decode(oru(obx(), pid="PID|1||7", msh=MSH.replace("|LAB|HOSP|", "|LAB^1.2^ISO||")))
    assert message.events[0].patient.key == "LAB|7"
    assert message.counts["authority_assumed"] == 1
    assert "authority_assumed" in message.flags


@pytest.mark.parametrize(("pid", "site", "key"), [
    ("PID|1|{}", "", ""), ("PID|1|{}", OTHER_FIELDS, "HOSP|42"), ("PID|1|||{}", OTHER_FIELDS, "HOSP|42"),
])  # fmt: skip
def test_pid_2_and_4_only_where_named(decode: Decode, pid: str, site: str, key: str) -> None:
    """PID-2 and PID-4 hold a patient's number only where the site says so."""
    assert keyed(decode, "42", site, pid) == key


@pytest.mark.parametrize(
    ("born", "sex", "expected"),
    [
        ("19570614", "F", Demographics("19570614", "F")),
        ("195706", "M", Demographics("195706", "M")),
        ("1957", "female", Demographics("1957", "F")),
        ("19570614083000-0500", "U", Demographics("19570614", "")),
        ("", "X", None),
        ("unknown", "F^Female", Demographics("", "F")),
    ],
)
def test_demographics(decode: Decode, born: str, sex: str, expected: Demographics | None) -> None:
    """PID-7 as digits, PID-8 as F, M or empty."""
    assert decode(oru(obx(), pid=f"PID|1||1^^^H^MR||Z^A||{born}|{sex}")).events[0].demographics == expected


def test_visit(decode: Decode) -> None:
    """PV1-19 (else PID-18), PV1-3 as sent, PV1-10 and PV1-2."""
    pv1 = segment("PV1", f2="I", f3="OB^7^1", f10="OBS^x", f19="V1^^^H")
    (event,) = decode(typed("ADT^A08", pv1)).events
    assert event.visit == ("V1", "OB^7^1", "OBS", "I")
    (event,) = decode(typed("ADT^A08", pid=segment("PID", f3="1^^^H^MR", f18="ACC7"))).events
    assert event.visit is not None
    assert event.visit.visit_number == "ACC7"


@pytest.mark.parametrize(
    "trigger", ["A01", "A02", "A03", "A04", "A05", "A06", "A08", "A11", "A12", "A13", "A28", "A31"]
)
def test_every_adt_is_context(decode: Decode, trigger: str) -> None:
    """Every ADT with a patient is context, a transfer too, at EVN-6, else EVN-2, else MSH-7."""
    (event,) = decode(typed(f"ADT^{trigger}", f"EVN|{trigger}|20260101091000", PV1)).events
    assert event.encounter is not None
    assert (event.encounter.trigger, event.encounter.occurred_at) == (trigger, DRAWN)
    (event,) = decode(typed(f"ADT^{trigger}", PV1)).events
    assert event.encounter is not None
    assert event.encounter.occurred_at == RECEIVED


@pytest.mark.parametrize(
    ("dg1", "diagnoses"),
    [
        ("DG1|1|I10|I50.9^^I10|||W", ("I50.9",)),
        ("DG1|1||N18.5^Chronic kidney disease^I10", ("N18.5",)),
        ("DG1|1||n179^AKI^I10", ("N179",)),
        ("DG1|1||^N18.4^I10", ("N18.4",)),
        ("DG1|1||L1^local^L^O14.1^Pre-eclampsia^I10", ("O14.1",)),
        ("DG1|1||N18.4+^CKD^I10", ("N18.4",)),  # marks behind a code are no part of it
        ("DG1|1||N08.3*^Glomerular disorder^I10", ("N08.3",)),
        ("DG1|1||N18.4 G^certain^I10GM", ("N18.4",)),
        ("DG1|1||N18.4 A^excluded^I10GM", ()),
        ("DG1|1||428.0^CHF^I9", ("428.0",)),
        ("DG1|1||Heart failure", ()),
        ("DG1|1||", ()),
        ("DG1|1||I50.9^^I10||||||||||||||||||D", ()),
    ],
)
def test_diagnoses(decode: Decode, dg1: str, diagnoses: tuple[str, ...]) -> None:
    """DG1-3.1, or where the ICD-10 code stands; never a text; a deleted one is none."""
    (event,) = decode(typed("ADT^A08", PV1, dg1)).events
    assert event.encounter is not None
    assert event.encounter.diagnoses == diagnoses


@pytest.mark.parametrize(("pid30", "deceased"), [("Y", True), ("N", False), ("", False), ('""', False)])
def test_death(decode: Decode, pid30: str, deceased: bool) -> None:
    """PID-30 = Y in any ADT is a death."""
    (event,) = decode(typed("ADT^A03", PV1, pid=segment("PID", f3="1^^^H^MR", f30=pid30))).events
    assert event.encounter is not None
    assert event.encounter.deceased is deceased


@pytest.mark.parametrize("trigger", ["A40", "A18", "A34"])
@pytest.mark.parametrize(
    ("pid3", "mrg1", "retired", "surviving"),
    [
        ("1^^^HOSP^MR", "2^^^HOSP^MR", "HOSP|2", "HOSP|1"),
        ("1^^^HOSP^MR", "2", "HOSP|2", "HOSP|1"),  # authority only in one of the two
        ("1", "2^^^HX^MR", "HX|2", "HX|1"),
        ("9^^^NAT^NI~1^^^HOSP^MR", "8^^^NAT^NI~2^^^HOSP^MR", "HOSP|2", "HOSP|1"),  # the same identifier type
        ("1", "2", "HOSP|2", "HOSP|1"),
    ],
)
def test_merges(decode: Decode, trigger: str, pid3: str, mrg1: str, retired: str, surviving: str) -> None:
    """MRG-1 goes into PID-3 of the same identifier type; the event is the retired patient's."""
    (event,) = decode(typed(f"ADT^{trigger}", "MRG|" + mrg1, pid=f"PID|1||{pid3}")).events
    assert event.merge is not None
    assert (event.patient.key, event.merge.retired.key, event.merge.surviving.key) == (retired, retired, surviving)


def test_several_merges_in_one_message(decode: Decode) -> None:
    """Each PID with its MRG is a merge."""
    raw = typed("ADT^A40", "MRG|2^^^HOSP^MR", "PID|2||3^^^HOSP^MR", "MRG|4^^^HOSP^MR", pid="PID|1||1^^^HOSP^MR")
    assert [event.patient.key for event in decode(raw).events] == ["HOSP|2", "HOSP|4"]


@pytest.mark.parametrize(
    ("segments", "outcome", "reason"),
    [
        (["MRG|1^^^HOSP^MR"], Outcome.IGNORED, Reason.MERGE_WITH_ITSELF),
        (["MRG|"], Outcome.DEAD_LETTER, Reason.MERGE_INCOMPLETE),
        ([], Outcome.DEAD_LETTER, Reason.MERGE_INCOMPLETE),
        (["MRG|2^^^HOSP^PI"], Outcome.DEAD_LETTER, Reason.MERGE_INCOMPLETE),
    ],
)
def test_merges_that_are_none(decode: Decode, segments: list[str], outcome: Outcome, reason: Reason) -> None:
    """A merge with itself is ignored; one without both numbers of a type is a dead letter."""
    message = decode(typed("ADT^A40", *segments, pid="PID|1||1^^^HOSP^MR"))
    assert (message.outcome, message.reason) == (outcome, reason)


def test_hl7_3_the_event_of_an_adt_without_one(decode: Decode) -> None:
    """Where MSH-9 says ADT alone, EVN-1 says which: a merge there is a merge, an unmerge a dead letter."""
    (event,) = decode(typed("ADT", "EVN|A40", "MRG|2^^^HOSP^MR")).events
    assert event.merge is not None
    assert event.merge.retired.key == "HOSP|2"
    assert decode(typed("ADT", "EVN|A37")).reason is Reason.UNMERGE_UNSUPPORTED


def test_unmerge_is_a_dead_letter(decode: Decode) -> None:
    """A37 is not supported."""
    message = decode(typed("ADT^A37", PV1))
    assert (message.outcome, message.reason) == (Outcome.DEAD_LETTER, Reason.UNMERGE_UNSUPPORTED)


def test_mrg_in_other_adt_is_no_merge(decode: Decode) -> None:
    """Inside A08-like traffic an MRG merges nothing."""
    (event,) = decode(typed("ADT^A08", PV1, "MRG|2^^^HOSP^MR")).events
    assert event.merge is None


@pytest.mark.parametrize("kind", ["ADT^A08", "BAR^P01"])
@pytest.mark.parametrize(
    ("pr1", "minutes", "continuous"),
    [
        ("PR1|1||90935^Hemodialysis^CPT|x|20260101091000|P|180", 180, False),
        ("PR1|1||90945^Dialysis^CPT||20260101091000", 0, True),
        ("PR1|1||5A1D70Z^x^I10P||20260101091000||240", 240, False),
        ("PR1|1||5A1D90Z^x^I10P||20260101091000||", 0, True),
        ("PR1|1||L1^x^L^90937^y^CPT||20260101091000||abc", 0, False),
    ],
)
def test_dialysis(decode: Decode, kind: str, pr1: str, minutes: int, continuous: bool) -> None:
    """PR1 of ADT or BAR: start PR1-5, minutes PR1-7."""
    (session,) = decode(typed(kind, PV1, pr1)).events[0].dialyses
    assert (session.started_at, session.ended_at) == (DRAWN, DRAWN + minutes * 60_000)
    assert session.continuous is continuous


def test_procedures_that_are_no_dialysis(decode: Decode) -> None:
    """Another procedure is nothing; a dialysis without a start is rejected beside the encounter."""
    assert decode(typed("BAR^P01", "PR1|1||47562^Cholecystectomy^CPT||20260101091000")).outcome is Outcome.IGNORED
    message = decode(typed("ADT^A08", PV1, "PR1|1||90935^Hemodialysis^CPT"))
    assert (message.outcome, message.reason) == (Outcome.IN_PART, Reason.PROCEDURE_INCOMPLETE)


def test_dialysis_by_observation(decode: Decode) -> None:
    """A site's observation code can say that a dialysis began."""
    site = '[[sender]]\n[[sender.code]]\ncode = "HD"\nanalyte = "dialysis"\ncontinuous = true'
    (session,) = decode(oru(obx("HD^Hemodialysis started^L", "1", "")), site).events[0].dialyses
    assert (session.started_at, session.continuous) == (DRAWN, True)


@pytest.mark.parametrize("kind", ["OML^O21", "ORM^O01"])
@pytest.mark.parametrize(
    ("orc", "obr", "ordered_at", "cancelled"),
    [
        ("ORC|NW|P1|L1", "OBR|1|P1|L1|19123-9^Magnesium^LN|||20260101091000", DRAWN, False),
        ("ORC|NW|P1|L1||||||20260101091000", "OBR|1|P1|L1|19123-9^Magnesium^LN", DRAWN, False),
        ("ORC|CA|P1|L1", "OBR|1|P1|L1|19123-9^Magnesium^LN", RECEIVED, True),
    ],
)
def test_magnesium_orders(decode: Decode, kind: str, orc: str, obr: str, ordered_at: int, cancelled: bool) -> None:
    """A magnesium ordered is pending from OBR-7, else ORC-9, until ORC-1 = CA."""
    (order,) = decode(typed(kind, PV1, orc, obr)).events[0].magnesium_orders
    assert (order.order_number, order.placer_order_number) == ("L1", "P1")
    assert (order.ordered_at, order.cancelled) == (ordered_at, cancelled)


def test_other_orders_are_nothing(decode: Decode) -> None:
    """An order of potassium, or of urine magnesium, is nothing for us."""
    for obr in ("OBR|1|P1|L1|2823-3^Potassium^LN", "OBR|1|P1|L1|19123-9^Magnesium^LN|||||||||||UR"):
        assert decode(typed("ORM^O01", ORC_NEW, obr)).outcome is Outcome.IGNORED


ORC_NEW = "ORC|NW|P1|L1"


@pytest.mark.parametrize("kind", ["ADT^A03", "RAS^O17", "ORM^O01"])
def test_no_patient(decode: Decode, kind: str) -> None:
    """What is for us and names nobody is a dead letter."""
    raw = typed(
        kind,
        ORC_NEW,
        "OBR|1|P1|L1|19123-9^Magnesium^LN",
        "RXA|0|1|20260101080000||1658236^x^RXNORM|2|g|||||||||||||CP",
        pid="PID|1",
    )
    assert decode(raw).reason is Reason.NO_PATIENT


def test_no_names_anywhere(decode: Decode) -> None:
    """Nothing but the birth date inside the event's demographics is personal."""
    message = decode(oru(obx(), "NTE|1|L|Mrs Zztest was hemolyzed", obx(value="see Zztest", f4="2")))
    assert "Zztest" not in repr(message)
    assert repr(message).count("19570614") == 1


def test_order_without_obr(decode: Decode) -> None:
    """Observations without an OBR are read by the message's own times."""
    (result,) = decode(join(MSH, PID, obx(f14="20260101091000"))).events[0].results
    assert (result.order_number, result.observed_at) == ("MSG00001", DRAWN)
    assert OBR


@pytest.mark.parametrize(
    ("pid7", "birth_date"),
    [
        ("19570614", "19570614"),
        ("19570614000000-0500", "19570614"),
        ("1957-06-14", "19570614"),
        ("195706", "195706"),
        ("1957", "1957"),
        ("19570000", "1957"),  # month and day unknown
        ("20850101", "20850101"),  # research data is shifted
        ("00000000", ""),  # a placeholder does not replace a birth date that is known
        ("14/06/1957", ""),
        ('""', ""),
        ("", ""),
    ],
)
def test_hl7_3_birth_dates(decode: Decode, pid7: str, birth_date: str) -> None:
    """PID-7 as far as it is a date: a year will do; what is none says nothing."""
    (event,) = decode(oru(obx(), pid=PID.replace("19570614", pid7))).events
    assert event.demographics == Demographics(birth_date, "F")
