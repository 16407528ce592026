"""DESIGN.md 1: the prefilter says "nothing here" only when there is nothing."""

import pytest

from consumer.hl7 import er7
from consumer.hl7.codes import ACCEPTED, EXCLUDED
from consumer.hl7.decoder import Decoder
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.hl7.site_file import parse_site
from rules.events import Source
from tests.fuzz.builder import MSH, PV1, RECEIVED, SODIUM, obx, oru, typed

LOCAL = '[[sender]]\napplication = "X"\n[[sender.code]]\ncode = "K1"\nanalyte = "potassium"'


@pytest.mark.parametrize("code", sorted(ACCEPTED))
def test_every_accepted_code_passes(code: str) -> None:
    """Each accepted code, in either triplet, with or without a text, is worth decoding."""
    for identifier in (code, f"{code}^^LN", f"L^x^L^{code}^^LN"):
        assert Prefilter(Site.default()).worth_decoding(oru(obx(SODIUM), obx(identifier)))


@pytest.mark.parametrize(
    ("raw", "worth"),
    [
        pytest.param(oru(obx(SODIUM)), False, id="nothing of ours"),
        pytest.param(oru(), False, id="no observations"),
        pytest.param(oru(*(obx(f"{code}^x^LN") for code in sorted(EXCLUDED))), False, id="excluded codes"),
        pytest.param(oru(obx("KU^Kalium^MOLIS")), True, id="a look-alike"),
        pytest.param(oru(obx("K^血钾")), True, id="a look-alike beyond ASCII"),
        pytest.param(oru(obx("GL^Glukose (Blut) µ^L")), False, id="nothing beyond ASCII"),
        pytest.param(oru(obx("6298-4^INR")), True, id="code and text disagree"),
        pytest.param(oru(obx(SODIUM)).replace(b"\r", b"\n"), False, id="LF"),
        pytest.param(oru(obx(SODIUM)).replace(b"OBX|1|", b"OBX|1\r|"), True, id="a torn segment"),
        pytest.param(oru(obx(SODIUM), obx(SODIUM)).replace(b"|NM|", b"\r|NM|", 1), True, id="torn before its type"),
        pytest.param(oru(obx()).replace(b"|^~\\&|", b"|^~\\&#|"), True, id="other delimiters"),
        pytest.param(b"\x0b" + oru(obx(SODIUM)), True, id="MLLP"),
        pytest.param(oru(obx(SODIUM)) * 2, True, id="two messages"),
        pytest.param(oru(obx(SODIUM)).decode().encode("utf-16"), True, id="UTF-16"),
        pytest.param(
            oru(obx("GL^Glukosé^L"), msh=f"{MSH}||||||GB 18030-2000"), True, id="a charset with delimiters' bytes"
        ),
        pytest.param(oru(obx("G\x1b$BL^Glukose^L")), True, id="a charset that shifts"),
        pytest.param(typed("ADT^A08", PV1), True, id="ADT"),
        pytest.param(typed("RAS^O17"), True, id="RAS"),
        pytest.param(typed("ORM^O01"), True, id="ORM"),
        pytest.param(typed(" adt^A08"), True, id="ADT in lower case"),
        pytest.param(typed("\rADT^A08", PV1), True, id="a type torn off its header"),
        pytest.param(typed("SIU^S12").replace(b"|ENGINE", b"\x1cENGINE"), True, id="a header torn by an MLLP byte"),
        pytest.param(typed("SIU^S12"), False, id="SIU"),
        pytest.param(typed(""), False, id="no type and nothing of ours"),
        pytest.param(typed("", obx()), True, id="no type and a potassium"),
        pytest.param(b"", True, id="empty"),
        pytest.param(b"noise", True, id="noise"),
    ],
)
def test_worth_decoding(raw: bytes, worth: bool) -> None:
    """False only where the decoder finds nothing; asked twice, the same."""
    prefilter = Prefilter(Site.default())
    assert [prefilter(raw), prefilter.worth_decoding(raw)] == [worth, worth]


def test_sites_codes_pass() -> None:
    """What a site's table adds passes its prefilter, and no other."""
    raw = oru(obx("K1^Elektrolyt 1^L"))
    assert Prefilter(parse_site(LOCAL)).worth_decoding(raw)
    assert not Prefilter(Site.default()).worth_decoding(raw)


def test_default_message_type() -> None:
    """Where a site says what an empty MSH-9 means, such a message is looked at."""
    site = parse_site('[[sender]]\nmessage_type = "ADT^A08"')
    assert Prefilter(site).worth_decoding(typed("", PV1))


CHARSETS = sorted((name, codec) for name, codec in {codec: name for name, codec in er7._CHARSETS.items()}.items())


@pytest.mark.parametrize(("codec", "declared"), CHARSETS)
@pytest.mark.parametrize("site", ["", LOCAL], ids=["no site", "a site's codes"])
def test_sound_in_every_charset(codec: str, declared: str, site: str) -> None:
    """Whatever charset MSH-18 declares, truly or not: what the decoder finds is worth decoding."""
    tables = parse_site(site) if site else Site.default()
    decoder, prefilter = Decoder(tables, accept_processing_ids=None), Prefilter(tables)
    texts = (
        "2823-3^Kalium^LN",
        "K1^x^L",
        "KU^Kalium^MOLIS",
        "X^Kälium^L",
        "K^血钾^L",
        "X^калий^L",
        "GL^Glukose ä^L",
        "X^尿钾^L",
    )
    for text in texts:
        for name in (declared, "", "8859/1"):
            raw = oru(obx(text), msh=f"{MSH}||||||{name}".replace("LAB", "X")).decode().encode(codec, "replace")
            decoded = decoder.decode(raw, received_at=RECEIVED, source=Source("t", 0, 0))
            assert prefilter.worth_decoding(raw) or decoded.holds_nothing, (text, name)
            if text.startswith("2823-3"):
                assert not decoded.holds_nothing
