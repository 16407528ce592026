"""HL7.md 2 and RULES.md 1 and 2: values, units, status, repeats."""

from decimal import Decimal

import pytest

from consumer.hl7.outcome import NotOurs, Outcome, Reason
from consumer.hl7.values import read_number, read_status
from tests.fuzz.builder import MAGNESIUM, OBR, POTASSIUM, obx, oru
from tests.unit.hl7.conftest import Decode

EGFR = "98979-8^eGFR^LN"
CREATININE = "2160-0^Creatinine^LN"
CALCIUM = "17861-6^Calcium^LN"
DIGOXIN = "10535-3^Digoxin^LN"


@pytest.mark.parametrize(
    ("raw", "value", "comparator"),
    [
        ("4.2", "4.2", ""),
        (" 4.2 ", "4.2", ""),
        ("139.", "139", ""),
        (".5", "0.5", ""),
        ("+4.2", "4.2", ""),
        ("007", "7", ""),
        ("<15", "15", "<"),
        ("< 15", "15", "<"),
        ("<=2.0", "2.0", "<="),
        (">^10", "10", ">"),
        ("=^2", "2", ""),
        ("^5", "5", ""),
        (">=^32", "32", ">="),
        (">^90^", "90", ">"),
        ("GREATER THAN 10", "10", ">"),
        ("less than 2.0", "2.0", "<"),
        ("≥10", "10", ">="),
    ],
)
def test_numbers(raw: str, value: str, comparator: str) -> None:
    """Exactly one number with an optional comparator is a value, exact as sent."""
    number = read_number(raw)
    assert number is not None
    assert (number.value, number.comparator) == (Decimal(value), comparator)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "0 .07",
            "HEMOLYZED",
            "cancelled",
            "See Note",
            "NOVALUE",
            "folgt",
            "4,2",
            "4.2 mmol/L",
            "4.2*",
            "1-2",
            "^1^-^2",
        ),
        *("4.2~4.3", "4.2.1", "--4", "1e3", "٤.٢", "<>4", "", ">", "4.2^high", "1/2", "abc^4", "nan", "Infinity"),
    ],
)
def test_what_is_no_number(raw: str) -> None:
    """Anything else is rejected."""
    assert read_number(raw) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("0 .07", Reason.NOT_A_NUMBER),
        ("", Reason.VALUE_MISSING),
        ('""', Reason.VALUE_MISSING),
        ("4^5", Reason.NOT_A_NUMBER),
    ],
)
def test_rejected_values(decode: Decode, value: str, reason: Reason) -> None:
    """A value that is none is rejected with its place."""
    (rejected,) = decode(oru(obx(value=value))).rejected
    assert (rejected.reason, rejected.where) == (reason, "OBX[1]-5")


@pytest.mark.parametrize(
    ("identifier", "value", "units", "canonical"),
    [
        (POTASSIUM, "6.1", "mmol/L", "6.1"),
        (POTASSIUM, "6.1", "MMOL/L", "6.1"),
        (POTASSIUM, "6.1", "MMOLL", "6.1"),
        (POTASSIUM, "6.1", "mEq/L", "6.1"),
        (POTASSIUM, "6.1", "mmol/l^^L", "6.1"),
        (POTASSIUM, "6.1", "mEq/L^mEq/L^L", "6.1"),
        (POTASSIUM, "6.1", "^^^mmol/L", "6.1"),
        (POTASSIUM, "6.1", "^mmol/L", "6.1"),
        (POTASSIUM, "6.1", "27^mmol/L^L", "6.1"),  # a code in the place of the unit
        (POTASSIUM, "6.1", "mmol/L^millimole per liter^UCUM", "6.1"),
        (POTASSIUM, "6.1", "mmol/lt", "6.1"),
        (POTASSIUM, "6.1", "mEq/litro", "6.1"),
        (POTASSIUM, "6.1", "ммоль/л", "6.1"),
        (POTASSIUM, "6.1", "毫摩尔/升", "6.1"),
        (MAGNESIUM, "2.0", "mg/dL", "0.822875951"),
        (MAGNESIUM, "1.6", "meq/L", "0.8"),
        (MAGNESIUM, "0.8", "mmol/l", "0.8"),
        (CALCIUM, "10", "MG/DL", "2.495134488"),
        (CALCIUM, "4.6", "mEq/L", "2.3"),
        (CREATININE, "1.1", "mg/dL", "97.262"),
        (CREATININE, "97", "umol/L", "97"),
        (CREATININE, "97", "µmol/L", "97"),
        (CREATININE, "97", "UMOLL", "97"),
        (CREATININE, "97", "μmol/L", "97"),
        (CREATININE, "97", "Âµmol/L", "97"),  # UTF-8 under a declared Latin-1
        (CREATININE, "97", "μmol/L".encode("gbk").decode("latin-1"), "97"),  # GBK that nobody declared
        (CREATININE, "97", "μmol/L".encode("shift_jis").decode("latin-1"), "97"),
        (CREATININE, "97", "mcmol/l", "97"),
        (CREATININE, "0.097", "mmol/L", "97.000"),
        (EGFR, "22", "mL/min/1.73m2", "22"),
        (EGFR, "22", "mL/min/{1.73_m2}", "22"),
        (EGFR, "22", "mL/min/1.73 m^2", "22"),  # its 2 falls into the next component
        (EGFR, "22", "mL/min/1.73 qm", "22"),
        (EGFR, "22", "mL/dk/1.73 m²", "22"),
        (DIGOXIN, "2.1", "ng/mL", "2.1"),
        (DIGOXIN, "2.1", "ug/L", "2.1"),
        (DIGOXIN, "2.0", "nmol/L", "1.5620"),
        ("75940-7^Potassium^LN", "4.0", "mmol/L", "4.0"),  # the unit beats the code
    ],
)
def test_units(decode: Decode, identifier: str, value: str, units: str, canonical: str) -> None:
    """Every accepted spelling converts exactly."""
    (result,) = decode(oru(obx(identifier, value, units))).events[0].results
    assert result.value == Decimal(canonical)
    assert result.original_value == value
    assert result.flags == ()


@pytest.mark.parametrize(
    ("identifier", "value", "units"),
    [(POTASSIUM, "6.1", ""), (POTASSIUM, "6.1", '""'), (EGFR, "22", ""), (EGFR, "22", "mL/min"), (EGFR, "22", "MLMIN")],
)
def test_units_assumed(decode: Decode, identifier: str, value: str, units: str) -> None:
    """Potassium without a unit is mmol/L, eGFR its own unit, mL/min under eGFR is indexed; all flagged."""
    (result,) = decode(oru(obx(identifier, value, units))).events[0].results
    assert (str(result.value), result.flags) == (value, ("unit_assumed",))


@pytest.mark.parametrize(
    ("identifier", "value", "units", "reason"),
    [
        (MAGNESIUM, "2.0", "", Reason.UNIT_MISSING),
        (CALCIUM, "2.0", "", Reason.UNIT_MISSING),
        (CREATININE, "1.1", "", Reason.UNIT_MISSING),
        (DIGOXIN, "1.1", "", Reason.UNIT_MISSING),
        ("75940-7^Potassium^LN", "4.0", "", Reason.UNIT_MISSING),
        (POTASSIUM, "6.1", "?mol/L", Reason.UNIT_UNKNOWN),
        (POTASSIUM, "6.1", "furlong", Reason.UNIT_UNKNOWN),
        (POTASSIUM, "23", "mg/dL", Reason.UNIT_NOT_ACCEPTED),
        (MAGNESIUM, "820", "umol/L", Reason.UNIT_NOT_ACCEPTED),
        (CREATININE, "90", "mL/min", Reason.UNIT_NOT_ACCEPTED),
        (EGFR, "90", "mmol/L", Reason.UNIT_NOT_ACCEPTED),
    ],
)
def test_units_rejected(decode: Decode, identifier: str, value: str, units: str, reason: Reason) -> None:
    """A missing or unknown unit is never guessed for magnesium, calcium, creatinine, digoxin."""
    (rejected,) = decode(oru(obx(identifier, value, units))).rejected
    assert (rejected.reason, rejected.where) == (reason, "OBX[1]-6")


@pytest.mark.parametrize(
    ("value", "accepted"),
    [("0.4", False), ("0.5", True), ("20", True), ("20.1", False), ("-4", False), (">10", True), ("<0.4", False)],
)
def test_plausible(decode: Decode, value: str, accepted: bool) -> None:
    """Outside 0.5 to 20 mmol/L a potassium is rejected; both bounds are inside."""
    message = decode(oru(obx(value=value)))
    assert (message.outcome is Outcome.JUDGED) is accepted
    assert accepted or message.reason is Reason.IMPLAUSIBLE


def test_comparator_is_flagged(decode: Decode) -> None:
    """``>10`` is 10, flagged censored, and shown as sent."""
    (result,) = decode(oru(obx(value=">^10", f2="SN"))).events[0].results
    assert (result.value, result.comparator, result.original_value, result.flags) == (
        Decimal(10),
        ">",
        ">10",
        ("censored",),
    )


@pytest.mark.parametrize(
    ("raw", "letter"),
    [
        *((letter, letter) for letter in "FCABVUPRSDWXION"),
        *(("Final", "F"), ("FINAL", "F"), ("F^Final results", "F"), ("f", "F"), ("", ""), ('""', "")),
        *(("Z", None), ("FA", None), ("unknown", None), ("?", None), ("Finally", None)),
    ],
)
def test_status_letters(raw: str, letter: str | None) -> None:
    """The first component counts; Final is F; what nobody knows is never F."""
    assert read_status(raw) == letter


@pytest.mark.parametrize("status", list("FCABVUPSR"))
def test_status_with_value(decode: Decode, status: str) -> None:
    """A status that carries a value keeps it."""
    (result,) = decode(oru(obx(status=status))).events[0].results
    assert (result.status, result.value) == (status, Decimal("6.1"))


@pytest.mark.parametrize("status", list("DWXION"))
@pytest.mark.parametrize("value", ["6.1", "", "see note"])
def test_status_wins_over_the_value(decode: Decode, status: str, value: str) -> None:
    """Pending and retracted carry no value, whatever stands in OBX-5 or OBX-6."""
    (result,) = decode(oru(obx(MAGNESIUM, value=value, units="", status=status))).events[0].results
    assert (result.status, result.value, result.original_value) == (status, None, "")


@pytest.mark.parametrize(
    ("status", "rejected"), [*((each, True) for each in "FCABV"), *((each, False) for each in "UPSR")]
)
def test_status_without_value(decode: Decode, status: str, rejected: bool) -> None:
    """F, C, A, B and V without a value are rejected; U finalizes; a preliminary one is awaited."""
    message = decode(oru(obx(value="", status=status)))
    assert (message.reason is Reason.VALUE_MISSING) is rejected
    assert rejected or message.events[0].results[0].value is None


@pytest.mark.parametrize(
    ("obr25", "status", "flags"),
    [("F", "F", ()), ("P", "P", ()), ("C", "C", ()), ("", "F", ("status_assumed",)), ('""', "F", ("status_assumed",))],
)
def test_blank_status(decode: Decode, obr25: str, status: str, flags: tuple[str, ...]) -> None:
    """A blank OBX-11 takes OBR-25; both blank: usable, flagged."""
    raw = oru(obx(status=""), obr=OBR.rsplit("|", 1)[0] + f"|{obr25}")
    (result,) = decode(raw).events[0].results
    assert (result.status, result.flags) == (status, flags)


@pytest.mark.parametrize(("status", "obr25"), [("Z", "F"), ("unknown", "F"), ("", "Y")])
def test_unknown_status_is_quarantined(decode: Decode, status: str, obr25: str) -> None:
    """An unknown status letter is rejected, never taken as F."""
    message = decode(oru(obx(status=status), obr=OBR.rsplit("|", 1)[0] + f"|{obr25}"))
    assert (message.reason, message.rejected[0].where) == (Reason.STATUS_UNKNOWN, "OBX[1]-11")


@pytest.mark.parametrize("value_type", ["NM", "ST", "TX", "SN", "CWE", "FT", ""])
def test_value_types(decode: Decode, value_type: str) -> None:
    """OBX-2 does not decide: numeric text is a number."""
    assert decode(oru(obx(f2=value_type))).events[0].results[0].value == Decimal("6.1")


@pytest.mark.parametrize("value_type", ["ED", "RP"])
def test_document_beside_a_value(decode: Decode, value_type: str) -> None:
    """An ED or RP beside the value is no result and no repeat."""
    message = decode(oru(obx(), obx(value="^application^pdf^Base64^x", f2=value_type)))
    assert [result.original_value for result in message.events[0].results] == ["6.1"]
    assert message.not_ours == {NotOurs.OTHER_VALUE_TYPE: 1}


@pytest.mark.parametrize(
    ("rows", "kept", "fragments", "rejected"),
    [
        ([("NM", "6.1"), ("TX", "slightly"), ("TX", "icteric")], ["6.1"], 2, []),
        ([("TX", "see"), ("TX", "note")], [], 1, [Reason.NOT_A_NUMBER]),
        ([("NM", "6.1"), ("NM", "6.10")], ["6.1"], 1, []),
        ([("NM", "6.1"), ("ST", "6.1")], ["6.1"], 1, []),
        ([("NM", "6.1"), ("NM", "6.2")], [], 0, [Reason.AMBIGUOUS_REPEAT] * 2),
        ([("NM", "6.1"), ("SN", ">^6.1")], [], 0, [Reason.AMBIGUOUS_REPEAT] * 2),
        ([("NM", "6.1"), ("NM", "abc")], ["6.1"], 0, [Reason.NOT_A_NUMBER]),
    ],
)
def test_repeats(
    decode: Decode, rows: list[tuple[str, str]], kept: list[str], fragments: int, rejected: list[Reason]
) -> None:
    """Repeated OBX-3 and OBX-4: text is fragments, equal numbers one result, different ones ambiguous."""
    message = decode(oru(*(obx(value=value, f2=value_type) for value_type, value in rows)))
    assert [result.original_value for event in message.events for result in event.results] == kept
    assert message.fragments == fragments
    assert [part.reason for part in message.rejected] == rejected


def test_sub_id_tells_results_apart(decode: Decode) -> None:
    """Another OBX-4 is another result."""
    results = decode(oru(obx(f4="1"), obx(value="6.4", f4="2"))).events[0].results
    assert [(result.sub_id, result.original_value) for result in results] == [("1", "6.1"), ("2", "6.4")]


def test_repeat_of_another_draw(decode: Decode) -> None:
    """Serial draws under one order are not repeats: each has its time."""
    obr = OBR.replace("20260101091000", "")
    first, second = obx(f14="20260101070000"), obx(value="6.4", f14="20260101080000")
    results = decode(oru(first, second, obr=obr)).events[0].results
    assert [result.original_value for result in results] == ["6.1", "6.4"]


def test_retraction_beside_a_new_value(decode: Decode) -> None:
    """A deleted version and a new one in one message are two versions, no repeat."""
    results = decode(oru(obx(status="D"), obx(value="4.4", status="C"))).events[0].results
    assert [(result.status, str(result.value)) for result in results] == [("D", "None"), ("C", "4.4")]


@pytest.mark.parametrize(("value", "units"), [("6.1#", "mmol/L"), ("6.#", "mmol/L")])
def test_truncated_number(decode: Decode, value: str, units: str) -> None:
    """A number that ends in the truncation character is incomplete."""
    raw = oru(obx(value=value, units=units)).replace(b"|^~\\&|", b"|^~\\&#|")
    assert decode(raw).reason is Reason.TRUNCATED


def test_result_identity(decode: Decode) -> None:
    """The order number is OBR-3, else OBR-2, else MSH-10; the code is the one by which it was accepted."""
    raw = oru(obx("K^X^L^2823-3^Potassium^LN"))
    (result,) = decode(raw).events[0].results
    assert (result.order_number, result.placer_order_number, result.observation_identifier) == ("L1", "P1", "2823-3")
    assert decode(oru(obx(), obr=OBR.replace("|L1|", "||"))).events[0].results[0].order_number == "P1"
    assert decode(oru(obx(), obr=OBR.replace("|P1|L1|", "|||"))).events[0].results[0].order_number == "MSG00001"
