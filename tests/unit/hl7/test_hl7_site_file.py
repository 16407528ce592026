"""A site's table: read whole, or refused with every fault, its line and the nearest key."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from consumer.hl7.codes import Kind
from consumer.hl7.site import Site
from consumer.hl7.site_file import SiteRefused, load_site, parse_site
from rules.events import Analyte, Drug
from rules.units import Unit

WHOLE = """
timezone = "Europe/Zurich"
identifier_types = ["pi", "MR"]
identifier_authorities = ["KSP"]
draw_times = ["OBX-14", "OBR-7"]
delete_means_delete = true
confirmed = [{ code = "6298-4", text = "Blutgas" }]

[authorities]
"1.2.3" = "HOSP"

[[sender]]
application = "INLAB"
facility = "KANTON"
timezone = "UTC"
authority = "KSP"
identifier_fields = ["PID-2"]
message_type = "ORU^R01"
[sender.field_timezones]
"OBR-7" = "Europe/Berlin"
[[sender.code]]
code = "K"
system = "L"
analyte = "potassium"
unit = "mmol/l"
units = ["mmol/L", "mEq/L"]
[[sender.code]]
code = "KU"
analyte = "potassium"
specimen = "urine"

[[sender]]
[[sender.code]]
code = "HI"
analyte = "hemolysis_index"
scale = "plus"

[[drug]]
code = "MGX"
drug = "magnesium"
grams_per_ml = 0.5

[[hemolysis_comment]]
text = "Rosa"
says = "hemolyzed"
"""


def test_whole_file(tmp_path: Path) -> None:
    """Everything that a site can say is read."""
    path = tmp_path / "site.toml"
    path.write_text(WHOLE, encoding="utf-8")
    site = load_site(path)
    assert (site.zone, site.types, site.authorities) == (ZoneInfo("Europe/Zurich"), ("PI", "MR"), ("KSP",))
    assert (site.draw_times, site.delete_means_delete) == (("OBX-14", "OBR-7"), True)
    assert site.confirmed == {("6298-4", "blutgas")}
    assert site.aliases == {"1.2.3": "HOSP"}
    assert site.drugs["MGX"] == (Drug.MAGNESIUM, "0.5")
    assert site.hemolysis_comments == (("rosa", "hemolyzed"),)
    sender = site.sender("INLAB", "KANTON")
    assert (sender.authority, sender.other_identifiers, sender.message_type) == ("KSP", ("PID-2",), "ORU^R01")
    assert sender.field_zones == {"OBR-7": ZoneInfo("Europe/Berlin")}
    potassium = sender.codes["K", "L"]
    assert (potassium.analyte, potassium.default_unit) == (Analyte.POTASSIUM, Unit.MMOL_L)
    assert potassium.units == {Unit.MMOL_L, Unit.MEQ_L}
    assert sender.codes["KU", "*"].kind is Kind.SITE_EXCLUDED
    assert sender.codes["HI", "*"].kind is Kind.HEMOLYSIS_INDEX  # of any sender
    assert site.sender("X", "Y").codes.keys() == {("HI", "*")}
    assert site.sender("X", "Y").zone == ZoneInfo("Europe/Zurich")


def test_empty_file_is_the_default() -> None:
    """Nothing said: UTC, MR first, the tables alone."""
    assert parse_site("") == Site(zone=ZoneInfo("UTC"))


def test_zone_of_the_settings() -> None:
    """The settings' zone holds where the file has none."""
    zone = ZoneInfo("Asia/Tokyo")
    assert parse_site("", zone=zone).zone == zone
    assert parse_site('timezone = "UTC"', zone=zone).zone == ZoneInfo("UTC")


K = '[[sender]]\n[[sender.code]]\ncode = "K"\nanalyte = "potassium"\n'


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ('\ntimezon = "UTC"', 2, "unknown key 'timezon' (did you mean 'timezone'?)"),
        ('timezone = "Mars/Base"', 1, "'Mars/Base' is no time zone"),
        ("timezone = 1", 1, "timezone must be a text"),
        ('identifier_types = "MR"', 1, "identifier_types must be a list of texts"),
        ('draw_times = ["OBX-15"]', 1, "did you mean 'OBX-14'?"),
        ('delete_means_delete = "yes"', 1, "must be true or false"),
        ("authorities = 7", 1, "authorities must be a table"),
        ('[authorities]\n"a" = 7', 2, "must be a text"),
        ("sender = 7", 1, "must be a list of tables"),
        ('[[sender]]\naplication = "X"', 2, "did you mean 'application'?"),
        ('[[sender]]\nidentifier_fields = ["PID-5"]', 2, "none of PID-2, PID-4"),
        ('[[sender]]\nmessage_type = "XXX"', 2, "'XXX' is none of"),
        ('[[sender]]\n[sender.field_timezones]\n"OBR-8" = "UTC"', 3, "did you mean 'OBR-7'?"),
        ('[[sender]]\n[[sender.code]]\nanalyte = "potassium"', 2, "a code table needs its code"),
        ('[[sender]]\n[[sender.code]]\ncode = "K"\nanalyte = "kalium"', 4, "'kalium' is none of"),
        ('[[sender]]\n[[sender.code]]\ncode = "K"\nanalyte = "calcum"', 4, "did you mean 'calcium'?"),
        (K + 'unit = "mmol/dl"', 5, "no unit that we know"),
        (K + 'unit = "mg/dL"', 5, "no unit of potassium"),
        (K + 'specimen = "urin"', 5, "did you mean 'urine'?"),
        (K.replace("potassium", "hemolysis_index") + 'scale = "3:1"', 5, "is no scale"),
        (K + '[[sender.code]]\ncode = "K"\nanalyte = "none"', 5, "twice"),
        ('[[drug]]\ndrug = "magnesium"', 1, "a drug needs a code or a name"),
        ('[[drug]]\ncode = "X"\ndrug = "magnesum"', 3, "did you mean 'magnesium'?"),
        ('[[drug]]\ncode = "X"\ndrug = "magnesium"\ngrams_per_ml = 50', 4, "above 0 and at most 1"),
        ('[[hemolysis_comment]]\ntext = "x"\nsays = "red"', 3, "'red' is none of"),
        ('[[hemolysis_comment]]\nsays = "clotted"', 1, "needs a text"),
        ('confirmed = [{ code = "1" }]', 1, "needs a code and a text"),
        ('[[sender]]\n[[sender.code]]\ncode = "K"\nanalyte = "kalium"', 4, "did you mean 'potassium'?"),
        ('[[sender]]\n[[sender.code]]\ncode = "K"\nanalyte = "Magnésio"', 4, "did you mean 'magnesium'?"),
        (K + 'units = ["mmol/L", "mg/dL"]', 5, "mg/dL is no unit of potassium"),
        (K + 'scale = "plus"', 5, "scale says nothing of potassium, only of hemolysis_index"),
        (K + "continuous = true", 5, "continuous says nothing of potassium, only of dialysis"),
        (K + K, 6, "twice"),
        ('[[drug]]\ncode = "X"\ndrug = "magnesium"\ngrams_per_ml = nan', 4, "above 0 and at most 1"),
        ('[[drug]]\nname = "X"\ndrug = "magnesium"\n[[drug]]\nname = "x"\ndrug = "insulin"', 4, "twice"),
        ('[[sender.code]]\ncode = "K"\nanalyte = "potassium"', 1, "sender must be a list of tables ([[sender]])"),
    ],
)  # fmt: skip
def test_faults(text: str, line: int, fault: str) -> None:
    """A fault names its line and what was meant."""
    with pytest.raises(SiteRefused) as refused:
        parse_site(text)
    assert len(refused.value.faults) == 1
    assert refused.value.faults[0].startswith(f"line {line}: ")
    assert fault in refused.value.faults[0]


def test_every_fault_is_listed() -> None:
    """Three faults are three lines, in the order of the file."""
    with pytest.raises(SiteRefused, match="3 faults") as refused:
        parse_site('a = 1\nb = 2\n[[drug]]\ndrug = "magnesium"')
    assert [fault.split(":")[0] for fault in refused.value.faults] == ["line 1", "line 2", "line 3"]


@pytest.mark.parametrize("content", [b"= = =", b"\xff\xfe", None])
def test_unreadable(tmp_path: Path, content: bytes | None) -> None:
    """What is no TOML, no text or not there is refused in one line."""
    path = tmp_path / "site.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SiteRefused):
        load_site(path)
