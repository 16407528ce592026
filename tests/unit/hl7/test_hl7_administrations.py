"""HL7.md 4: administrations, drugs, routes, amounts, rates."""

from decimal import Decimal

import pytest

from consumer.hl7.drugs import NDC_PREFIXES, RXNORM, drug_of, strength_of
from consumer.hl7.outcome import Outcome, Reason
from consumer.hl7.site import Site
from rules.events import Administration, Drug
from tests.fuzz.builder import PV1, RECEIVED, obx, ras, rxa, typed
from tests.unit.hl7.conftest import Decode

EIGHT = 1_767_272_400_000  # 2026-01-01T08:00-05:00
HALF_HOUR = 1_800_000


def given(decode: Decode, raw: bytes, site: str = "") -> Administration:
    """Return the one administration of a message."""
    (administration,) = decode(raw, site).events[0].administrations
    return administration


@pytest.mark.parametrize(
    ("field", "drug"),
    [
        *((f"{code}^anything^RXNORM", drug) for code, drug in RXNORM.items()),
        *(
            (f"{prefix}-10^anything^NDC", drug)
            for prefix, drug in (("0409-2168", Drug.MAGNESIUM), ("63323-064", Drug.MAGNESIUM))
        ),
        ("00409216810^x^NDC", Drug.MAGNESIUM),
        ("63323006410^x^NDC", Drug.MAGNESIUM),
        ("X^y^L^1658236^Mg^RXNORM", Drug.MAGNESIUM),
        ("L1^Magnesium Sulfate 2 g in 50 mL^L", Drug.MAGNESIUM),
        ("L1^MAGNESIUM SULPHATE^L", Drug.MAGNESIUM),
        ("^magnesium sulfate", Drug.MAGNESIUM),
        ("L1^Insulin regular 100 unit/mL^L", Drug.INSULIN),
        ("L1^insulin lispro^L", Drug.INSULIN),
        ("L1^insulin aspart^L", Drug.INSULIN),
        ("NEB22^salbutamol 5 mg/mL^L", Drug.BETA2_AGONIST),
        ("L1^albuterol neb^L", Drug.BETA2_AGONIST),
        ("L1^terbutaline^L", Drug.BETA2_AGONIST),
        ("L1^sodium bicarbonate 8.4 %^L", Drug.BICARBONATE),
        ("L1^furosemide 40 mg^L", Drug.LOOP_DIURETIC),
        ("L1^torasemide^L", Drug.LOOP_DIURETIC),
        ("L1^ethacrynic acid^L", Drug.LOOP_DIURETIC),
        ("L1^sodium zirconium cyclosilicate 10 g^L", Drug.BINDER),
        ("L1^patiromer^L", Drug.BINDER),
        ("L1^calcium polystyrene sulphonate^L", Drug.BINDER),
        ("L1^calcium gluconate 1 g^L", Drug.CALCIUM),
        ("DGX25^digoxin 0.25 mg tablet^L", Drug.DIGOXIN),
        # Traps of a text match.
        ("6582^magnesium oxide 400 mg tablet^RXNORM", None),
        ("L1^magnesium hydroxide^L", None),
        ("L1^magnesium citrate^L", None),
        ("L1^esomeprazole magnesium^L", None),
        ("L1^penicillin G potassium^L", None),
        ("L1^losartan potassium^L", None),
        ("L1^insulin glargine^L", None),
        ("L1^insulin NPH^L", None),
        ("L1^bag with magnesium sulfate^L", None),
        ("L1^magnesium sulfateX^L", None),
        ("L1^digitoxin^L", None),
        ("1658236^x^LOCAL", None),
        ("", None),
    ],
)
def test_drugs(field: str, drug: Drug | None) -> None:
    """By code first, else by a listed generic name at the start; never by a name elsewhere."""
    found = drug_of(field, Site.default())
    assert (found.drug if found is not None else None) is drug


def test_every_ndc_prefix() -> None:
    """Every prefix counts with hyphens and as eleven digits."""
    assert len(NDC_PREFIXES) == 7
    for code in ("0409-2168", "63323-064", "63323-106", "70121-1719", "25021-612", "0404-9904", "51662-1390"):
        labeler, product = code.split("-")
        for spelled in (f"{code}-01", f"{labeler.zfill(5)}{product.zfill(4)}01"):
            found = drug_of(f"{spelled}^x^NDC", Site.default())
            assert found is not None
            assert found.drug is Drug.MAGNESIUM


@pytest.mark.parametrize(
    ("amount", "units", "drug", "grams"),
    [
        ("2", "g", "magnesium sulfate", "2"),
        ("2000", "mg", "magnesium sulfate", "2"),
        ("8.12", "mEq", "magnesium sulfate", "1"),
        ("4.06", "mmol", "magnesium sulfate", "1"),
        ("4", "mL", "magnesium sulfate 50 % injection", "2"),
        ("4", "mL", "magnesium sulfate 500 mg/mL", "2"),
        ("50", "mL", "magnesium sulfate 2 g in 50 mL", "2"),
        ("100", "mL", "magnesium sulfate 4 gram/100 mL", "4"),
        ("1 MLS", "", "magnesium sulfate 500 mg/mL", "0.5"),
        ("100", "mL", "magnesium sulfate 1 gram in dextrose 5 % 100 mL", "1"),  # the 5 % is dextrose's
        ("100", "mL", "magnesium sulfate 5 g in sodium chloride 0.9 % 100 mL", "5"),
        ("50", "mL", "magnesium sulfate in dextrose 5 %", None),
        ("20", "mL", "magnesium sulfate 10 % in glucose 5 %", "2"),
        ("50", "mL", "magnesium sulfate 2 gram-50 mL", "2"),
        ("100", "mL", "magnesium sulfate 40 g/1,000 mL", "4"),
        ("10", "mL", "magnesium sulfate 5,000 mg/10 mL", "5"),
        ("10", "mL", "magnesium sulfate 0,5 g/mL", None),  # a decimal comma is never guessed
        ("8", "mL", "magnesium sulfate 4 mEq/mL (50 %) injection", "4"),  # 4.06, rounded on the label
        ("8", "mL", "magnesium sulphate 50 % (2 mmol/mL)", "4"),
        ("50", "mL", "magnesium sulfate", None),
        ("1", "bag", "magnesium sulfate", None),
        ("", "g", "magnesium sulfate", None),
        ("999", "", "magnesium sulfate", None),
    ],
)
def test_grams(decode: Decode, amount: str, units: str, drug: str, grams: str | None) -> None:
    """Amounts in g, mg, mEq, mmol, and mL by the strength; unknown where none tells."""
    administration = given(decode, ras(rxa(f"1658236^{drug}^RXNORM", amount, units)))
    assert administration.grams == (None if grams is None else Decimal(grams))


def test_strength_of_nothing() -> None:
    """A text without a strength has none, nor one of no volume."""
    assert strength_of("magnesium sulfate") is None
    assert strength_of("2 g in 0 mL") is None


@pytest.mark.parametrize(
    ("time_unit", "amount", "units", "rate"),
    [
        ("H", "2", "g", "2"),
        ("HR", "2000", "mg", "2"),
        ("M", "10", "mg", "0.6"),
        ("H", "0", "g", "0"),
        ("D", "24", "g", "1.000000000008"),
        ("H", "50", "mL", "2"),
        ("", "2", "g/hr", "2"),
        ("", "50", "mL/h", "2"),
    ],
)
def test_rates(decode: Decode, time_unit: str, amount: str, units: str, rate: str) -> None:
    """RXA-12 filled, or a unit that says by time: RXA-6 is a rate, told per hour, and no grams; zero is stopped."""
    administration = given(decode, ras(rxa(amount=amount, units=units, f12=time_unit, f4="")))
    assert administration.rate == Decimal(rate)
    assert administration.grams is None


def test_rate_without_an_amount(decode: Decode) -> None:
    """A rate that is not told is rejected."""
    assert decode(ras(rxa(amount="", f12="H"))).reason is Reason.ADMINISTRATION_INCOMPLETE


@pytest.mark.parametrize(
    ("end", "ended_at"),
    [
        ("20260101083000", EIGHT + HALF_HOUR),
        ("", None),
        ("20260101080000", None),
        ("20260101073000", None),
        ("junk", None),
        ("20260101113000", EIGHT + 7 * HALF_HOUR),
    ],
)
def test_start_and_end(decode: Decode, end: str, ended_at: int | None) -> None:
    """RXA-3 is the start; RXA-4 the end where it is later."""
    administration = given(decode, ras(rxa(f4=end)))
    assert (administration.started_at, administration.started_offset) == (EIGHT, -300)
    assert administration.ended_at == ended_at


@pytest.mark.parametrize(
    ("completion", "refusal", "expected"),
    [
        ("CP", "", "given"),
        ("PA", "", "given"),
        ("Given", "", "given"),
        ("CP^Complete^HL70322", "", "given"),
        ("New Bag", "", "given"),
        ("Rate Change", "", "given"),
        ("Stopped", "", "given"),
        ("Patient Refused", "", "deleted"),
        ("Hold Dose", "", "deleted"),
        ("Canceled Entry", "", "deleted"),
        ("", "", "given"),
        ("NA", "", "deleted"),
        ("RE", "", "deleted"),
        ("Not Given", "", "deleted"),
        ("XX", "", "unclear"),
        ("pending", "", "unclear"),
        ("CP", "00^Parental decision", "unclear"),
        ("", "refused", "unclear"),
        ("Rate/Dose Change", "", "given"),
        ("Begin Bag", "", "given"),
        ("Not Done", "", "deleted"),
    ],
)
def test_completion(decode: Decode, completion: str, refusal: str, expected: str) -> None:
    """CP and PA given, NA and RE not; what is unclear is a dead letter."""
    message = decode(ras(rxa(f20=completion, f18=refusal)))
    if expected == "unclear":
        assert (message.outcome, message.reason) == (Outcome.DEAD_LETTER, Reason.ADMINISTRATION_UNCLEAR)
    else:
        (administration,) = message.events[0].administrations
        assert administration.deleted is (expected == "deleted")


@pytest.mark.parametrize(("time_unit", "rate"), [("H", Decimal(0)), ("", None)])
def test_hl7_4_a_record_that_says_stopped(decode: Decode, time_unit: str, rate: Decimal | None) -> None:
    """A chart's "Stopped" ends its infusion, whatever rate stands beside it."""
    administration = given(decode, ras(rxa(f12=time_unit, f20="Stopped", f4="")))
    assert (administration.rate, administration.deleted) == (rate, False)


@pytest.mark.parametrize(("time_unit", "has_rate"), [("H", True), ("", False)])
def test_what_is_taken_back_has_the_same_identity(decode: Decode, time_unit: str, has_rate: bool) -> None:
    """A record with a rate is taken back by a record with a rate (RULES.md 4.2: what a record is)."""
    administration = given(decode, ras(rxa(amount="", f12=time_unit, f20="NA")))
    assert administration.deleted
    assert (administration.rate is not None) is has_rate


@pytest.mark.parametrize("field", ["Refused", "00^Parental decision^NIP002", "^Patient declined"])
def test_refusal_one_field_early(decode: Decode, field: str) -> None:
    """A refusal in RXA-17 is unclear, whatever RXA-20 says; a manufacturer there is none."""
    assert decode(ras(rxa(f17=field))).reason is Reason.ADMINISTRATION_UNCLEAR
    assert decode(ras(rxa(f17="PFR^Pfizer^MVX"))).outcome is Outcome.JUDGED


def test_nothing_given(decode: Decode) -> None:
    """An amount of zero without a rate is unclear."""
    assert decode(ras(rxa(amount="0"))).reason is Reason.ADMINISTRATION_UNCLEAR


@pytest.mark.parametrize(
    ("site", "deleted"),
    [
        ("", False),
        ("delete_means_delete = true", True),
        ('[[sender]]\napplication = "LAB"\ndelete_means_delete = true', True),
        ('[[sender]]\napplication = "OTHER"\ndelete_means_delete = true', False),
    ],
)
def test_d_deletes_only_where_the_site_says_so(decode: Decode, site: str, deleted: bool) -> None:
    """RXA-21 = D stands on every ordinary row of one vendor."""
    assert given(decode, ras(rxa(f21="D")), site).deleted is deleted


@pytest.mark.parametrize(
    ("route", "parenteral", "flags"),
    [
        ("IV^Intravenous^HL70162", True, ()),
        ("IM", True, ()),
        ("IO", True, ()),
        ("", True, ()),
        ("^Intravenous", True, ()),
        ("IVPB", True, ()),
        ("PO^Oral", False, ()),
        ("NG", False, ()),
        ("TOP", False, ()),
        ("X1^by mouth", False, ()),
        ("X1^Enteral", False, ()),
        ("p.o.", False, ()),
        ("^per os", False, ()),
        ("^Vía oral", False, ()),
        ("^Per NG tube", False, ()),
        ("^Sonda nasogástrica", False, ()),
        ("26643006", False, ()),
        ("C38288^Oral^NCIT", False, ()),
        ("47625008^Intravenous route^SCT", True, ()),
        ("i.v.", True, ()),
        ("^Endovenosa", True, ()),
        ("X9^port", True, ("route_assumed",)),
    ],
)
def test_routes(decode: Decode, route: str, parenteral: bool, flags: tuple[str, ...]) -> None:
    """IV, IM, IO or no route is parenteral; oral, enteral and topical never."""
    administration = given(decode, ras(rxa(), route))
    assert (administration.parenteral, administration.flags) == (parenteral, flags)


def test_routes_of_several(decode: Decode) -> None:
    """An RXR belongs to the RXA before it."""
    raw = typed("RAS^O17", "ORC|RE|P1|R1", rxa(), "RXR|PO", "ORC|RE|P2|R2", rxa(), "RXR|IV")
    oral, intravenous = decode(raw).events[0].administrations
    assert (oral.order_number, oral.parenteral) == ("R1", False)
    assert (intravenous.order_number, intravenous.parenteral) == ("R2", True)


ORDERED = "RXE||1658236^magnesium sulfate^RXNORM|2||g"


@pytest.mark.parametrize(
    ("segments", "parenteral"),
    [
        ([ORDERED, "RXR|PO", rxa(), "RXR|IV"], [True]),
        ([ORDERED, "RXR|IV", rxa(), "RXR|PO"], [False]),
        ([ORDERED, "RXR|PO", "RXR|IV", rxa()], [False]),  # the first of several
        ([ORDERED, "RXR|PO", rxa(), "RXR|"], [False]),
        ([ORDERED, "RXR|PO", rxa(), "RXR|IV", rxa(f3="20260101090000")], [True, False]),
        ([rxa(), rxa(f3="20260101090000"), "RXR|PO"], [False, False]),  # {RXA} RXR
        ([rxa(), "RXR|IV", rxa(f3="20260101090000"), "RXR|PO"], [True, False]),
        ([rxa(), "RXR|PO", "RXR|IV"], [False]),
        (["RXR|PO", rxa(), rxa(f3="20260101090000")], [False, False]),
    ],
)
def test_hl7_4_routes_of_an_order_and_of_what_was_given(
    decode: Decode, segments: list[str], parenteral: list[bool]
) -> None:
    """An RXR holds for the RXA before it without one; the ordered route only where no other was told."""
    administrations = decode(typed("RAS^O17", "ORC|RE|P1|R1", *segments)).events[0].administrations
    assert [each.parenteral for each in administrations] == parenteral


@pytest.mark.parametrize("kind", ["RAS^O17", "RAS^O01", "RAS"])
def test_ras_by_its_first_component(decode: Decode, kind: str) -> None:
    """RAS is read by its first component."""
    assert decode(typed(kind, "ORC|RE|P2|", rxa())).events[0].administrations[0].order_number == "P2"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"f3": ""}, Reason.ADMINISTRATION_INCOMPLETE), ({"f3": "20260102080000"}, Reason.CLOCK_SKEW)],
)
def test_rejected(decode: Decode, fields: dict[str, str], reason: Reason) -> None:
    """Without a start, or with one in the future, it is rejected."""
    message = decode(ras(rxa(**fields)))
    assert (message.reason, message.rejected[0].where) == (reason, "RXA[1]-3")


def test_another_drug_is_ignored(decode: Decode) -> None:
    """A drug that no rule asks for is nothing for us."""
    message = decode(ras(rxa("6582^magnesium oxide 400 mg tablet^RXNORM")))
    assert (message.outcome, message.counts["drug_not_ours"]) == (Outcome.IGNORED, 1)


def test_observation_in_ras(decode: Decode) -> None:
    """An OBX of ours in a RAS is counted, not judged."""
    message = decode(typed("RAS^O17", "ORC|RE|P1|R1", rxa(), "RXR|IV", obx()))
    assert message.counts["result_in_other_message"] == 1
    assert message.events[0].results == ()


@pytest.mark.parametrize(
    ("kind", "segments"),
    [
        ("RDE^O11", ["ORC|NW|P9|||||||||||||20260101080000", "RXE||DGX^digoxin 0.25 mg^L|1|||mg", "RXR|PO"]),
        ("RDS^O13", ["ORC|RE|P9", "RXD|1|DGX^digoxin 0.25 mg^L|20260101080000|30"]),
        ("RGV^O15", ["ORC|RE|P9|||||||||||||20260101080000", "RXG|1||^^^x|DGX^digoxin^L|1"]),
    ],
)
def test_intentions(decode: Decode, kind: str, segments: list[str]) -> None:
    """RDE, RDS and RGV are intentions, never administrations: a drug is active."""
    administration = given(decode, typed(kind, PV1, *segments))
    assert (administration.drug, administration.intention, administration.order_number) == (Drug.DIGOXIN, True, "P9")
    assert administration.started_at == EIGHT


@pytest.mark.parametrize(("control", "deleted"), [("NW", False), ("CA", True), ("DC", True)])
def test_cancelled_intention(decode: Decode, control: str, deleted: bool) -> None:
    """A cancelled order takes its intention back."""
    administration = given(decode, typed("RDE^O11", f"ORC|{control}|P9", "RXE||DGX^digoxin^L"))
    assert (administration.deleted, administration.started_at) == (deleted, RECEIVED)


def test_sites_drugs(decode: Decode) -> None:
    """A site adds codes with a strength, and names."""
    site = (
        '[[drug]]\ncode = "MGX"\ndrug = "magnesium"\ngrams_per_ml = 0.1\n'
        '[[drug]]\nname = "Cormagnesin"\ndrug = "magnesium"'
    )
    assert given(decode, ras(rxa("MGX^Spezial^L", "20", "mL")), site).grams == Decimal(2)
    assert given(decode, ras(rxa("A1^CORMAGNESIN 200^L", "2", "g")), site).drug is Drug.MAGNESIUM
