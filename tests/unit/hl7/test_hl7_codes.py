"""HL7.md 2: what an OBX-3 is, and what makes a result not ours."""

import pytest

from consumer.hl7.codes import ACCEPTED, EXCLUDED, Kind, classify, split_identifier
from consumer.hl7.outcome import NotOurs, Outcome, Reason
from rules.events import Analyte
from tests.fuzz.builder import MAGNESIUM, OBR, POTASSIUM, SODIUM, obx, oru, segment
from tests.unit.hl7.conftest import Decode


@pytest.mark.parametrize(
    ("identifier", "kind", "analyte"),
    [
        ("2823-3^Potassium^LN", Kind.OURS, Analyte.POTASSIUM),
        ("2823-3^Potassium^LOINC", Kind.OURS, Analyte.POTASSIUM),
        ("2823-3^Potassium", Kind.OURS, Analyte.POTASSIUM),
        ("2823-3", Kind.OURS, Analyte.POTASSIUM),
        ("14588^Kalium^INLAB^2823-3^Potassium SerPl-sCnc^LOINC", Kind.OURS, Analyte.POTASSIUM),
        ("K^POTASSIUM^L^2823-3^POTASSIUM^LN", Kind.OURS, Analyte.POTASSIUM),
        ("2823-3^K^LN", Kind.OURS, Analyte.POTASSIUM),
        ("2823-3^K+^LN", Kind.OURS, Analyte.POTASSIUM),
        ("19123-9^Mg2+^LN", Kind.OURS, Analyte.MAGNESIUM),
        ("2601-3^Magnesio^LN", Kind.OURS, Analyte.MAGNESIUM),
        ("17861-6^Ca^LN", Kind.OURS, Analyte.CALCIUM),
        ("1995-0^Calcium ionisiert^LN", Kind.OURS, Analyte.CALCIUM_IONIZED),
        ("2160-0^CREA^LN", Kind.OURS, Analyte.CREATININE),
        ("98979-8^Estimated GFR^LN", Kind.OURS, Analyte.EGFR),
        ("10535-3^Digoxin^LN", Kind.OURS, Analyte.DIGOXIN),
        # Local codes, and what only looks like ours.
        ("K^Kalium", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("192^Kalium", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("k_B^Kalium", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("84132^POTASSIUM^GH", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("K^Kalium^LN", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("KU^Kalium^MOLIS", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("MAGNESIUM^MAGNESIUM^A400", Kind.UNMAPPED, Analyte.MAGNESIUM),
        ("MG^Magnesium^MOLIS", Kind.UNMAPPED, Analyte.MAGNESIUM),
        ("K^血钾", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("2823-3^Potassium^L", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("^Potassium", Kind.UNMAPPED, Analyte.POTASSIUM),
        ("CAI^Calcium ionisiert^L", Kind.UNMAPPED, Analyte.CALCIUM_IONIZED),
        ("ICA^iCa^L", Kind.UNMAPPED, Analyte.CALCIUM_IONIZED),
        ("CA^Calcium^L", Kind.UNMAPPED, Analyte.CALCIUM),
        ("MGI^Magnesium ionisiert^L", Kind.OTHER, None),
        ("HI^Hemolysis index^L", Kind.UNMAPPED, None),
        ("HI^溶血指数^L", Kind.UNMAPPED, None),
        ("X1^Digitoxin^L", Kind.OTHER, None),
        ("KU^Kalium Urin^L", Kind.OTHER, None),
        ("6690-2^WBC^LN", Kind.OTHER, None),
        ("^^^", Kind.NO_CODE, None),
        # Codes that are never ours, in either triplet.
        ("2828-2^Potassium Ur-sCnc^LN", Kind.EXCLUDED, None),
        ("KU^KALIUM^L^2828-2^Potassium Ur-sCnc^LN", Kind.EXCLUDED, None),
        ("2823-3^Potassium^LN^2828-2^Potassium Ur^LN", Kind.EXCLUDED, None),
        ("2532-0^LDH^LN", Kind.EXCLUDED, None),
        ("73573-8^Magnesium ionized^LN", Kind.EXCLUDED, None),
        # Code and text disagree.
        ("6298-4^INR", Kind.DISAGREE, Analyte.POTASSIUM),
        ("17861-6^CRP^LN", Kind.DISAGREE, Analyte.CALCIUM),
        ("17861-6^Kalsium ionisert^LN", Kind.DISAGREE, Analyte.CALCIUM),
        ("2532-0^Magnesium^LN", Kind.DISAGREE, Analyte.MAGNESIUM),
        ("2823-3^Potassium Urine^LN", Kind.DISAGREE, Analyte.POTASSIUM),
        ("KU^Kalium/U^L^2823-3^Potassium^LN", Kind.DISAGREE, Analyte.POTASSIUM),
        ("2160-0^Creatinine clearance^LN", Kind.DISAGREE, Analyte.CREATININE),
        ("2160-0^Albumin/Creatinine ratio^LN", Kind.DISAGREE, Analyte.CREATININE),
        ("17861-6^Calcium corrected^LN", Kind.DISAGREE, Analyte.CALCIUM),
        ("10535-3^Digitoxin^LN", Kind.DISAGREE, Analyte.DIGOXIN),
        ("2823-3^Potassium^LN^^^^^^Potassium, Urine", Kind.DISAGREE, Analyte.POTASSIUM),
        ("2823-3^Potassium^LN^2601-3^Magnesium^LN", Kind.DISAGREE, Analyte.POTASSIUM),
    ],
)
def test_what_an_identifier_is(identifier: str, kind: Kind, analyte: Analyte | None) -> None:
    """A LOINC in either triplet with a text that agrees is ours; text alone never maps."""
    observation = classify(split_identifier(identifier))
    assert observation.kind is kind
    if analyte is not None:
        assert observation.analyte is analyte


@pytest.mark.parametrize("code", sorted(ACCEPTED))
def test_every_accepted_code(code: str) -> None:
    """Every code of the table maps without a text."""
    assert classify(split_identifier(f"{code}^^LN")).kind is Kind.OURS


@pytest.mark.parametrize("code", sorted(EXCLUDED))
def test_every_excluded_code(code: str) -> None:
    """Every excluded code is not ours, whatever stands beside it, and never rejected."""
    assert classify(split_identifier(f"L1^x^L^{code}^^LN")).kind is Kind.EXCLUDED


def test_no_code_is_accepted_and_excluded() -> None:
    """The two tables do not meet."""
    assert not EXCLUDED & set(ACCEPTED)


def test_truncated_identifier() -> None:
    """A component that ends in the truncation character is incomplete: no code."""
    assert classify(split_identifier("2823-3#^Potassium^LN", "#")).kind is Kind.UNMAPPED
    assert classify(split_identifier("2823-3^Potass#^LN", "#")).kind is Kind.OURS


def test_disagreeing_is_rejected_with_its_text(decode: Decode) -> None:
    """Code and text disagree: rejected, never judged, and listed so that a site may confirm the pair."""
    message = decode(oru(obx("6298-4^INR")))
    (rejected,) = message.rejected
    assert message.outcome is Outcome.DEAD_LETTER
    assert (rejected.reason, rejected.where, rejected.detail) == (Reason.CODE_TEXT_DISAGREE, "OBX[1]-3", "6298-4^INR")


def test_site_confirms_a_pair(decode: Decode) -> None:
    """A confirmed pair of code and text is judged."""
    site = 'confirmed = [{ code = "6298-4", text = "Blutgas 7" }]'
    assert decode(oru(obx("6298-4^BLUTGAS 7")), site).outcome is Outcome.JUDGED
    assert decode(oru(obx("6298-4^INR")), site).outcome is Outcome.DEAD_LETTER


def test_unmapped_is_listed(decode: Decode) -> None:
    """A look-alike is counted by code, with an example number and its unit; no text of a value."""
    message = decode(oru(obx("KU^Kalium^MOLIS", f2="ST"), obx("KX^Kalium^MOLIS", value="folgt")))
    first, second = message.unmapped
    assert message.outcome is Outcome.IGNORED
    assert first[:5] == ("KU^Kalium^MOLIS", "potassium", "OBX[1]", "6.1", "mmol/L")
    assert second.value == ""
    assert message.not_ours == {NotOurs.UNMAPPED: 2}


def test_unmapped_magnesium_is_told(decode: Decode) -> None:
    """An unmapped code that looks like magnesium reaches the rules with its draw."""
    (event,) = decode(oru(obx("MGU^Magnesium^MOLIS", value="0.8"))).events
    assert event.unmapped_magnesium_at == 1_767_276_600_000
    assert event.results == ()


LOCAL = """
[[sender]]
application = "LAB"
[[sender.code]]
code = "K"
system = "L"
analyte = "potassium"
units = ["mmol/L"]
[[sender.code]]
code = "KU"
analyte = "potassium"
specimen = "urine"
[[sender.code]]
code = "MG"
analyte = "magnesium"
unit = "mg/dL"
"""


def test_local_codes(decode: Decode) -> None:
    """A site's row maps a local code of a sender, with its default unit."""
    message = decode(oru(obx("K^Kalium^L"), obx("MG^Magnesium^X", value="2.0", units="")), LOCAL)
    potassium, magnesium = message.events[0].results
    assert (potassium.analyte, potassium.observation_identifier) == (Analyte.POTASSIUM, "K")
    assert (str(magnesium.value), magnesium.flags) == ("0.822875951", ("unit_assumed",))


@pytest.mark.parametrize(
    ("identifier", "units", "reason"),
    [
        ("K^Kalium^OTHER", "mmol/L", NotOurs.UNMAPPED),  # another system
        ("KU^Kalium^L", "mmol/L", NotOurs.SITE_EXCLUDED),  # urine by the site's table
        ("K^Kalium^L", "mEq/L", NotOurs.UNIT_EXCLUDED),  # allowed units
    ],
)
def test_local_codes_that_are_not_ours(decode: Decode, identifier: str, units: str, reason: NotOurs) -> None:
    """A row's system, specimen and units bound what is ours."""
    message = decode(oru(obx(identifier, units=units)), LOCAL)
    assert message.not_ours == {reason: 1}
    assert not message.rejected


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("K^Kalium^L^2828-2^Potassium Ur-sCnc^LN", NotOurs.CODE_EXCLUDED),  # the laboratory's LOINC says urine
        ("K^Kalium^L^2601-3^Magnesium^LN", Reason.CODE_TEXT_DISAGREE),
        ("K^Kalium im Urin^L", Reason.CODE_TEXT_DISAGREE),
        ("K^Kalium^L^^^^^^Kalium, Harn", Reason.CODE_TEXT_DISAGREE),
        ("K^Natrium-Kalium-Quotient^L", Reason.CODE_TEXT_DISAGREE),
        ("K^ISE 3^L^2823-3^Potassium^LN", None),  # a site's code needs no name
        ("K^Blutgas/Urin^L", None),  # vouched for
    ],
)
def test_hl7_2_what_stands_beside_a_local_code(
    decode: Decode, identifier: str, reason: NotOurs | Reason | None
) -> None:
    """A mapped code is not ours where another triplet or a text says another fluid, quantity or analyte."""
    site = LOCAL + '[[sender]]\napplication = "LAB"\nconfirmed = [{ code = "K", text = "Blutgas/Urin" }]\n'
    message = decode(oru(obx(identifier)), site)
    assert bool(message.events) is (reason is None)
    assert reason in (None, *message.not_ours, *(part.reason for part in message.rejected))


def test_local_codes_of_another_sender(decode: Decode) -> None:
    """A row holds for its sender alone."""
    assert decode(oru(obx("K^Kalium^L")).replace(b"|LAB|", b"|MOLIS|"), LOCAL).outcome is Outcome.IGNORED


@pytest.mark.parametrize(
    ("source", "vetoed"),
    [
        ("UR", True),
        ("UR^Urine^HL70070", True),
        ("ur", True),
        ("^Urine", True),
        ("^^^UR", True),
        ("UR&Urine&HL70070^^^", True),
        ("X^24h Urin", True),
        ("CSF", True),
        ("^Cerebrospinal fluid", True),
        ("DIAF", True),
        ("CBLD^Cord blood", True),
        ("122575003^Urine specimen^SCT", True),
        ("SER^Serum^HL70487", False),
        ("PLAS^EDTA plasma", False),
        ("BLD^Blood^^^^Dr. Urian, Urinology", False),
        ("^^Urine ward", False),
        ("SER^Serum^^^^^Urine clinic", False),
        ("URIC", False),
        ("", False),
        ('""', False),
    ],
)
def test_specimen_vetoes(decode: Decode, source: str, vetoed: bool) -> None:
    """A specimen vetoes by code and by whole words of its own components; it is never required."""
    for raw in (
        oru(obx(), obr=OBR.replace("20260101091000||||||||", f"20260101091000||||||||{source}")),
        oru(obx(), after=[segment("SPM", f1="1", f4=source)]),
    ):
        message = decode(raw)
        assert (message.outcome is Outcome.IGNORED) is vetoed
        assert message.not_ours.get(NotOurs.SPECIMEN, 0) == vetoed


@pytest.mark.parametrize(("role", "ours"), [("", True), ("P", True), ("P^Patient", True), ("Q", False), ("C", False)])
def test_specimen_role(decode: Decode, role: str, ours: bool) -> None:
    """SPM-11 other than P or empty is no patient's specimen."""
    message = decode(oru(obx(), after=[segment("SPM", f1="1", f4="SER", f11=role)]))
    assert (message.outcome is Outcome.JUDGED) is ours
    assert message.not_ours.get(NotOurs.NOT_A_PATIENT_SPECIMEN, 0) == (not ours)


def test_one_bad_obx_hides_no_neighbour(decode: Decode) -> None:
    """A faulty magnesium beside a good potassium: judged in part."""
    message = decode(oru(obx(POTASSIUM), obx(MAGNESIUM, units=""), obx(SODIUM)))
    assert message.outcome is Outcome.IN_PART
    assert [(part.reason, part.where, part.observation_identifier) for part in message.rejected] == [
        (Reason.UNIT_MISSING, "OBX[2]-6", "19123-9")
    ]
    assert message.not_ours == {NotOurs.OTHER_CODE: 1}


@pytest.mark.parametrize("kind", ["MDM^T02", "ORM^O01", "ADT^A08", "VXU^V04", "ZZZ^Z01"])
def test_result_in_other_message(decode: Decode, kind: str) -> None:
    """An OBX of ours in a message that reports no results is ignored and counted."""
    message = decode(oru(obx()).replace(b"ORU^R01^ORU_R01", kind.encode()))
    assert message.not_ours == {NotOurs.OTHER_MESSAGE: 1}
    assert message.counts["result_in_other_message"] == 1
    assert not message.rejected


@pytest.mark.parametrize("kind", ["", '""', "junk", "42", "^R01"])
def test_message_type_unknown(decode: Decode, kind: str) -> None:
    """MSH-9 empty or junk with an OBX for us is a dead letter; with none it is ignored."""
    message = decode(oru(obx(), obx(SODIUM)).replace(b"ORU^R01^ORU_R01", kind.encode()))
    assert (message.outcome, message.reason) == (Outcome.DEAD_LETTER, Reason.MESSAGE_TYPE_UNKNOWN)
    assert decode(oru(obx(SODIUM)).replace(b"ORU^R01^ORU_R01", kind.encode())).outcome is Outcome.IGNORED


def test_site_sets_a_default_message_type(decode: Decode) -> None:
    """A site may say what an empty MSH-9 of a sender means."""
    site = '[[sender]]\napplication = "LAB"\nmessage_type = "ORU^R01"'
    assert decode(oru(obx()).replace(b"ORU^R01^ORU_R01", b""), site).outcome is Outcome.JUDGED
