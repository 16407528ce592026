"""HL7.md 2 and RULES.md 3: what is said of a tube, and which results it touches."""

import pytest

from consumer.hl7.comments import conditions_of
from rules.events import Condition
from tests.fuzz.builder import MAGNESIUM, MSH, OBR, PID, SODIUM, join, obx, oru, segment
from tests.unit.hl7.conftest import Decode

HEMOLYZED, GROSS = Condition.HEMOLYZED, Condition.GROSSLY_HEMOLYZED


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("Specimen hemolyzed", HEMOLYZED),
        ("Hemolysis noted; may affect potassium", HEMOLYZED),
        ("Probe hämolytisch", HEMOLYZED),
        ("PROBE HÄMOLYTISCH", HEMOLYZED),
        ("haemolysed", HEMOLYZED),
        ("Échantillon hémolytique", HEMOLYZED),
        ("hemolisis", HEMOLYZED),
        ("Campione emolizzato", HEMOLYZED),
        ("Muestra hemolizada", HEMOLYZED),
        ("гемолиз", HEMOLYZED),
        ("标本溶血", HEMOLYZED),
        ("Slight hemolysis", HEMOLYZED),
        ("hemolyzed, please repeat", HEMOLYZED),
        ("Hemolyzed - repeat requested", HEMOLYZED),
        ("Not icteric, hemolyzed", HEMOLYZED),
        ("Specimen grossly hemolyzed", GROSS),
        ("Marked hemolysis", GROSS),
        ("markedly haemolysed", GROSS),
        ("Gross hemolysis present; results unreliable", GROSS),
        ("stark hämolytisch", GROSS),
        # Not a remark about this tube.
        ("", None),
        ("loincloth", None),
        ("non-hemolyzed", None),
        ("Specimen not hemolyzed", None),
        ("No hemolysis", None),
        ("nicht hämolytisch", None),
        ("keine Hämolyse", None),
        ("sans hémolyse", None),
        ("Hemolysis: none", None),
        ("Hemolysis not detected", None),
        ("unhemolyzed", None),
        ("Previously hemolyzed", None),
        ("Repeat of hemolyzed specimen", None),
        ("Original specimen was hemolyzed", None),
        ("Hemolyzed on previous draw", None),
        ("beta-hemolytic Streptococcus", None),
        ("Hemolytic anemia", None),
        ("Hemoglobin A1c", None),
    ],
)
def test_comments(text: str, condition: Condition | None) -> None:
    """Whole words in several languages; not when negated, past, or of a germ."""
    assert conditions_of(text) == (() if condition is None else (condition,))


@pytest.mark.parametrize(
    ("spm24", "notes", "conditions"),
    [
        ("HEM^Hemolyzed^HL70493", [], [HEMOLYZED]),
        ("CLOT", [], [Condition.CLOTTED]),
        ("CON~HEM", [], [Condition.CONTAMINATED, HEMOLYZED]),
        ("L1^x^L^CLOT^Clotted^HL70493", [], [Condition.CLOTTED]),
        ("HEM", ["Grossly so"], [GROSS, HEMOLYZED]),
        ("HEM", ["Specimen grossly hemolyzed"], [GROSS, HEMOLYZED]),
        ("", ["Grossly lipemic"], []),
        ("", ["Specimen hemolyzed"], [HEMOLYZED]),
        ("LIVE", [], []),
        ("^Hemolyzed", [], [HEMOLYZED]),  # a text and no code
        ("H2^Grossly hemolysed^L", [], [GROSS]),
        ("GERONNEN", [], [Condition.CLOTTED]),
        ("HEM^Marked hemolysis^HL70493", [], [GROSS, HEMOLYZED]),
        ("N^Not hemolyzed^L", [], []),
        ("", [], []),
    ],
)
def test_conditions(decode: Decode, spm24: str, notes: list[str], conditions: list[Condition]) -> None:
    """SPM-24 and remarks together: HEM with a remark that says gross or marked is gross."""
    after = [*(f"NTE|1|L|{note}" for note in notes), segment("SPM", f1="1", f4="SER", f24=spm24)]
    (event,) = decode(oru(obx(), after=after)).events
    assert [tube.condition for tube in event.tubes] == conditions
    assert {tube.container for tube in event.tubes} <= {event.results[0].container}


@pytest.mark.parametrize(
    ("spm21", "conditions"),
    [("RH", [HEMOLYZED]), ("RC", [Condition.CLOTTED]), ("RN", [Condition.CONTAMINATED]), ("QS", []), ("", [])],
)
def test_reject_reasons(decode: Decode, spm21: str, conditions: list[Condition]) -> None:
    """SPM-21 of table 0490; too little of a specimen says nothing of what was measured."""
    (event,) = decode(oru(obx(), after=[segment("SPM", f1="1", f4="SER", f21=spm21)])).events
    assert [tube.condition for tube in event.tubes] == conditions


def test_remark_under_another_obx(decode: Decode) -> None:
    """Any remark of the order counts: under sodium, under OBR."""
    note = "NTE|1|L|Specimen hemolyzed"
    for raw in (oru(obx(SODIUM), note, obx()), oru(note, obx()), oru(obx(), obx(SODIUM), note)):
        (event,) = decode(raw).events
        assert [(tube.container, tube.condition) for tube in event.tubes] == [(event.results[0].container, HEMOLYZED)]


def test_remark_in_the_place_of_a_value(decode: Decode) -> None:
    """``HEMOLYZED`` as a potassium is rejected, and said of the magnesium of its tube."""
    message = decode(oru(obx(value="HEMOLYZED"), obx(MAGNESIUM, "0.8")))
    (event,) = message.events
    assert [tube.condition for tube in event.tubes] == [HEMOLYZED]
    assert len(message.rejected) == 1


def test_remark_of_another_order(decode: Decode) -> None:
    """A remark of one order does not touch the tube of another."""
    other = OBR.replace("L1", "L2")
    raw = join(MSH, PID, OBR, obx(), other, obx(MAGNESIUM, "0.8"), "NTE|1|L|hemolyzed")
    (event,) = decode(raw).events
    potassium, magnesium = event.results
    assert {tube.container for tube in event.tubes} == {magnesium.container}
    assert potassium.container != magnesium.container


def test_container_of_one_specimen(decode: Decode) -> None:
    """Two orders on one SPM share its tube; without an id the order and the draw time name it."""
    spm = segment("SPM", f1="1", f2="S77", f4="SER", f24="HEM")
    raw = join(MSH, PID, OBR, obx(), spm, OBR.replace("L1", "L2"), obx(MAGNESIUM, "0.8"), spm)
    (event,) = decode(raw).events
    assert {result.container for result in event.results} == {"spm:S77"}
    (result,) = decode(oru(obx())).events[0].results
    assert result.container == f"L1@{result.observed_at}"


def test_same_order_and_draw_later_is_the_same_tube(decode: Decode) -> None:
    """A correction in another message touches the same container; another tube of the minute does not."""
    first = decode(oru(obx())).events[0].results[0]
    later = decode(oru(obx(value="6.0", status="C")).replace(b"MSG00001", b"MSG00002")).events[0].results[0]
    other = decode(oru(obx(), obr=OBR.replace("L1", "L2"))).events[0].results[0]
    assert first.container == later.container != other.container


def test_specimen_first_in_oul_r22(decode: Decode) -> None:
    """In OUL^R22 a specimen stands before its orders."""
    raw = join(
        MSH.replace("ORU^R01^ORU_R01", "OUL^R22^OUL_R22"),
        PID,
        segment("SPM", f1="1", f2="S1", f4="SER"),
        OBR,
        obx(),
        segment("SPM", f1="2", f2="S2", f4="UR"),
        OBR.replace("L1", "L2"),
        obx(value="40"),
    )
    message = decode(raw)
    assert [result.container for result in message.events[0].results] == ["spm:S1"]
    assert sum(message.not_ours.values()) == 1


INDEX = """
[[sender]]
[[sender.code]]
code = "HI"
analyte = "hemolysis_index"
[[sender.code]]
code = "HP"
analyte = "hemolysis_index"
scale = "plus"
[[sender.code]]
code = "HX"
analyte = "hemolysis_index"
scale = "50:250"
[[hemolysis_comment]]
text = "Probe ROSA"
says = "clotted"
"""


@pytest.mark.parametrize(
    ("code", "value", "condition"),
    [
        ("HP", "H2+", HEMOLYZED),
        ("HI", "H 3+", GROSS),
        ("HI", "99", None),
        ("HI", "99.9", None),
        ("HI", "100", HEMOLYZED),
        ("HI", "101", HEMOLYZED),
        ("HI", "299", HEMOLYZED),
        ("HI", "299.9", HEMOLYZED),
        ("HI", "300", GROSS),
        ("HI", "301", GROSS),
        ("HI", ">300", GROSS),
        ("HI", "<300", HEMOLYZED),
        ("HI", "<100", None),
        ("HI", "<=100", HEMOLYZED),
        ("HI", "2+", HEMOLYZED),
        ("HI", "abc", None),
        ("HP", "0", None),
        ("HP", "1+", HEMOLYZED),
        ("HP", "++", HEMOLYZED),
        ("HP", "3+", GROSS),
        ("HP", "4", GROSS),
        ("HP", "2+", HEMOLYZED),
        ("HX", "49", None),
        ("HX", "50", HEMOLYZED),
        ("HX", "60", HEMOLYZED),
        ("HX", "249", HEMOLYZED),
        ("HI", "SLIGHT", HEMOLYZED),
        ("HI", "Moderate", HEMOLYZED),
        ("HI", "MARKED", GROSS),
        ("HI", "Gross", GROSS),
        ("HP", "MODERATE", HEMOLYZED),
        ("HP", "2+ (moderate)", HEMOLYZED),
        ("HP", "NEG", None),
        ("HI", "None", None),
        ("HI", "not present", None),
        ("HX", "250", GROSS),
    ],
)
def test_hemolysis_index(decode: Decode, code: str, value: str, condition: Condition | None) -> None:
    """A hemolysis index by the site's code and scale: 100 to 299, 1+ or 2+ suspect; 300, 3+ gross."""
    (event,) = decode(oru(obx(), obx(f"{code}^HEMOLYSIS INDEX^L", value, "", f2="ST")), INDEX).events
    assert [tube.condition for tube in event.tubes] == ([] if condition is None else [condition])


def test_hemolysis_index_alone(decode: Decode) -> None:
    """An index that comes after its results touches their tube."""
    (event,) = decode(oru(obx("HI^HEMOLYSIS INDEX^L", "310", "")), INDEX).events
    assert [tube.container for tube in event.tubes] == [decode(oru(obx())).events[0].results[0].container]


def test_sites_own_remark(decode: Decode) -> None:
    """A laboratory's own words about a tube come from the site table."""
    (event,) = decode(oru(obx(), "NTE|1|L|probe rosa gefärbt"), INDEX).events
    assert [tube.condition for tube in event.tubes] == [Condition.CLOTTED]


def test_no_tubes_without_results(decode: Decode) -> None:
    """A remark in a message that holds nothing of ours is nothing: the prefilter does not look at remarks."""
    assert decode(oru(obx(SODIUM), "NTE|1|L|hemolyzed")).events == ()


@pytest.mark.parametrize(
    ("lines", "conditions"),
    [
        (["Specimen", "hemolyzed"], [HEMOLYZED]),
        (["Specimen is not", "hemolyzed"], []),  # a line that begins in lower case goes on
        (["No icterus", "Hemolyzed"], [HEMOLYZED]),
        (["Specimen grossly", "hemolyzed"], [GROSS]),
        (["SPECIMEN GROSSLY", "HEMOLYZED"], [GROSS, HEMOLYZED]),
        (["HEMOLYZED", "GROSSLY LIPEMIC"], [HEMOLYZED]),
    ],
)
def test_hl7_2_a_remark_over_several_lines(decode: Decode, lines: list[str], conditions: list[Condition]) -> None:
    """Notes that follow each other are lines of one remark."""
    (event,) = decode(oru(obx(), *(f"NTE|{number}|L|{line}" for number, line in enumerate(lines, 1)))).events
    assert [tube.condition for tube in event.tubes] == conditions


@pytest.mark.parametrize(
    "remark",
    [
        obx("CMT^Comment^L", "Specimen hemolyzed", f2="TX", units=""),
        obx("LDH^LDH^L", "HEMOLYZED", f2="ST", units="U/L"),
        obx("LDH^LDH^L", "HEMOLYZED", units="U/L"),
        obx("CMT^Comment^L", "2+ hemolysis", f2="ST", units=""),
        obx(value="Specimen hemolyzed", f2="TX", units=""),  # a fragment of the potassium itself
    ],
)
def test_hl7_2_a_remark_in_an_obx(decode: Decode, remark: str) -> None:
    """A text in the place of a value is a remark of its order, under a code of ours or another."""
    (event,) = decode(oru(obx(), remark)).events
    assert [(tube.container, tube.condition) for tube in event.tubes] == [(event.results[0].container, HEMOLYZED)]


@pytest.mark.parametrize(
    "other",
    [
        obx("CMT^Comment^L", "^application^pdf^Base64^hemolyzed", f2="ED", units=""),
        obx("CMT^Comment^L", "No hemolysis", f2="TX", units=""),
        obx("CMT^Comment^L", "Report: hemolyzed " + "x" * 4000, f2="FT", units=""),
    ],
)
def test_hl7_2_no_remark_in_an_obx(decode: Decode, other: str) -> None:
    """A document, a report of thousands of letters and a negation are none."""
    (event,) = decode(oru(obx(), other)).events
    assert event.tubes == ()


SPM = segment("SPM", f1="1", f2="S7", f4="SER", f11="P")
OTHER_OBR = OBR.replace("L1", "L2")
HEMOLYZED_NOTE = "NTE|1|L|Specimen hemolyzed"


@pytest.mark.parametrize(
    ("kind", "segments", "touched"),
    [
        # v2.7 and later: a note between ORC and OBR; it is of that order alone.
        ("ORU^R01", ["ORC|RE", HEMOLYZED_NOTE, OBR, obx(), "ORC|RE", OTHER_OBR, obx(MAGNESIUM, "0.8")], ["L1"]),
        ("ORU^R01", ["ORC|RE", HEMOLYZED_NOTE, "ORC|RE", OBR, obx()], []),
        ("ORU^R01", [HEMOLYZED_NOTE, OBR, obx()], []),  # of the patient
        # Specimen first: what stands between it and its orders is of its tube.
        ("OUL^R22", [SPM, HEMOLYZED_NOTE, OBR, obx(), OTHER_OBR, obx(MAGNESIUM, "0.8")], ["L1", "L2"]),
        ("OUL^R22", [SPM, HEMOLYZED_NOTE, "ORC|RE", OBR, obx()], ["L1"]),
        ("OUL^R22", [SPM, obx("CND^Condition^L", "Hemolyzed", f2="ST", units=""), OBR, obx()], ["L1"]),
        ("OUL^R22", [SPM, HEMOLYZED_NOTE, SPM.replace("S7", "S8"), OBR, obx()], []),
    ],
)
def test_hl7_2_a_remark_before_its_order(decode: Decode, kind: str, segments: list[str], touched: list[str]) -> None:
    """A note between an ORC and its OBR, or under a specimen that stands first, is of the orders that come."""
    (event,) = decode(join(MSH.replace("ORU^R01^ORU_R01", kind), PID, *segments)).events
    containers = {result.container for result in event.results if result.order_number in touched}
    assert {tube.container for tube in event.tubes if tube.condition is HEMOLYZED} == containers
