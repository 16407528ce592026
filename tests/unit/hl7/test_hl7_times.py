"""HL7.md 3 and RULES.md 2: times, zones, and which one is the draw's."""

from zoneinfo import ZoneInfo

import pytest

from consumer.hl7.outcome import Outcome, Reason
from consumer.hl7.times import place, read_time
from tests.fuzz.builder import DRAWN, MSH, OBR, RECEIVED, obx, oru, segment
from tests.unit.hl7.conftest import Decode

MINUTE = 60_000
HOUR = 60 * MINUTE
NINE_TEN_UTC = 1_767_258_600_000  # 2026-01-01T09:10Z


@pytest.mark.parametrize(
    ("text", "instant", "offset"),
    [
        ("20260101091000", NINE_TEN_UTC, 0),
        ("202601010910", NINE_TEN_UTC, 0),
        ("2026010109100050", NINE_TEN_UTC + 500, 0),
        ("20260101091000.5", NINE_TEN_UTC + 500, 0),
        ("20260101091000.1234", NINE_TEN_UTC + 123, 0),
        ("20260101091000-0500", NINE_TEN_UTC + 5 * HOUR, -300),
        ("202601010910-500", NINE_TEN_UTC + 5 * HOUR, -300),
        ("20260101091000+0530", NINE_TEN_UTC - 5 * HOUR - 30 * MINUTE, 330),
        ("20260101091000.123+0000", NINE_TEN_UTC + 123, 0),
        ("2026010109", NINE_TEN_UTC - 10 * MINUTE, 0),
        ("20260101", NINE_TEN_UTC - 9 * HOUR - 10 * MINUTE, 0),
        ("20260101091000Z", NINE_TEN_UTC, 0),
        ("20260101101000+01:00", NINE_TEN_UTC, 60),
        ("2026-01-01T09:10:00", NINE_TEN_UTC, 0),
        ("2026-01-01 09:10", NINE_TEN_UTC, 0),
        ("2026-01-01T10:10:00.123+01:00", NINE_TEN_UTC + 123, 60),
    ],
)
def test_times(text: str, instant: int, offset: int) -> None:
    """8, 10, 12, 14 or 16 digits, fractions, with or without an offset."""
    stamp = read_time(text)
    assert stamp is not None
    moment = place(stamp, 0)
    assert (moment.instant, moment.offset) == (instant, offset)
    assert stamp.precise is (len(text) > 10)


@pytest.mark.parametrize(
    "text",
    [
        *("201497870911", "2026", "202601", "2026010", "20261301", "20260230", "202601012500", "202601010961", "T", ""),
        *("2026-01-01", "20260101091000-9900", "20260101091000+05", "00000000", "18991231", "20260101091060", '""'),
        *("2026-01-01T25:10:00", "2026-02-30T09:10:00", "2026-01-01T09:10:00+0", "Z", "20260101Z0900", "23000101"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    """What is no time is passed over."""
    assert read_time(text) is None


@pytest.mark.parametrize(
    ("text", "instant", "flags"),
    [
        ("20260329013000", 1_774_744_200_000, ()),  # 01:30 CET, before the gap
        ("20260329023000", 1_774_747_800_000, ("dst_gap",)),  # does not exist
        ("20260329033000", 1_774_747_800_000, ()),  # 03:30 CEST
        ("20261025023000", 1_792_888_200_000, ("dst_fold",)),  # twice: the earlier one
    ],
)
def test_gaps_and_folds(text: str, instant: int, flags: tuple[str, ...]) -> None:
    """A local time that does not exist or exists twice is flagged."""
    stamp = read_time(text)
    assert stamp is not None
    moment = place(stamp, ZoneInfo("Europe/Zurich"))
    assert (moment.instant, moment.flags) == (instant, flags)


def obr(draw: str = "20260101091000", resulted: str = "20260101093000") -> str:
    """Return an OBR drawn and resulted then."""
    return OBR.replace("20260101091000", draw).replace("20260101093000", resulted)


SPM = segment("SPM", f1="1", f4="SER", f17="20260101085000")


@pytest.mark.parametrize(
    ("raw", "minutes", "flags"),
    [
        pytest.param(oru(obx(f14="20260101092000"), obr=obr(), after=[SPM]), -20, (), id="SPM-17 first"),
        pytest.param(oru(obx(f14="20260101092000"), obr=obr()), 0, (), id="then OBR-7"),
        pytest.param(oru(obx(f14="20260101092000"), obr=obr("")), 10, (), id="then OBX-14"),
        pytest.param(oru(obx(f19="20260101092500"), obr=obr("")), 15, ("time_degraded",), id="then OBX-19, degraded"),
        pytest.param(oru(obx(), obr=obr("")), 20, ("time_degraded",), id="then OBR-22, degraded"),
        pytest.param(oru(obx(), obr=obr("", "")), 50, ("time_degraded",), id="then MSH-7, degraded"),
        pytest.param(oru(obx(f14="20260101092000"), obr=obr("junk")), 10, (), id="what is no time is passed over"),
        pytest.param(oru(obx(f14="20260101092000"), obr=obr("20260101")), 10, (), id="a date yields to a time"),
        pytest.param(
            oru(obx(f14="20251231092000"), obr=obr("20260101", "20251231")),
            -550,
            ("time_degraded",),
            id="not of another date",
        ),
        pytest.param(oru(obx(), obr=obr("20260101", "")), -550, ("time_degraded",), id="a date alone is midnight"),
        pytest.param(oru(obx(), obr=obr("2026010109", "20251231")), -10, ("time_degraded",), id="an hour alone"),
        pytest.param(oru(obx(), obr=obr("20260101091000^x")), 0, (), id="a component"),
        pytest.param(oru(obx(), obr=obr("20260101141000+0000")), 0, (), id="its own offset"),
    ],
)
def test_observed_at(decode: Decode, raw: bytes, minutes: int, flags: tuple[str, ...]) -> None:
    """SPM-17, else OBR-7, else OBX-14, else degraded; by its own offset, else MSH-7's."""
    (result,) = decode(raw).events[0].results
    assert (result.observed_at - DRAWN) / MINUTE == minutes
    assert result.flags == flags


@pytest.mark.parametrize(
    ("fields", "resulted", "minutes"),
    [({"f19": "20260101092500"}, "20260101093000", 15), ({}, "20260101093000", 20), ({}, "", 50)],
)
def test_resulted_at(decode: Decode, fields: dict[str, str], resulted: str, minutes: int) -> None:
    """OBX-19, else OBR-22, else MSH-7."""
    (result,) = decode(oru(obx(**fields), obr=obr(resulted=resulted))).events[0].results
    assert (result.resulted_at - DRAWN) / MINUTE == minutes


def test_offset_of_msh_7(decode: Decode) -> None:
    """A draw without an offset takes that of MSH-7, and keeps it for showing."""
    (result,) = decode(oru(obx())).events[0].results
    assert (result.observed_at, result.observed_offset) == (DRAWN, -300)


NO_OFFSET = MSH.replace("-0500", "")


@pytest.mark.parametrize(
    ("site", "msh", "hours"),
    [
        ("", NO_OFFSET, -5),
        ('timezone = "America/New_York"', NO_OFFSET, 0),
        ('[[sender]]\nfacility = "HOSP"\ntimezone = "America/Chicago"', NO_OFFSET, 1),
        ('[[sender]]\nfacility = "HOSP"\nfield_timezones = { "OBR-7" = "America/Denver" }', MSH, 2),
        ('timezone = "Europe/Zurich"', MSH, 0),
    ],
)
def test_site_zones(decode: Decode, site: str, msh: str, hours: int) -> None:
    """MSH-7's own offset, else the site's zone; a sender's field may be set right."""
    later = RECEIVED + 12 * HOUR
    (result,) = decode(oru(obx(), msh=msh), site, received_at=later).events[0].results
    assert (result.observed_at - DRAWN) / HOUR == hours


@pytest.mark.parametrize(
    ("ahead", "accepted"),
    [
        (0, True),
        (10 * MINUTE - 1, True),
        (10 * MINUTE, True),
        (10 * MINUTE + 1, False),
        (60 * 24 * MINUTE, False),
    ],
    ids=["at its receipt", "1 ms before 10 min", "10 min", "1 ms after 10 min", "a day"],
)
def test_clock_skew(decode: Decode, ahead: int, accepted: bool) -> None:
    """A draw more than 10 min after its receipt is rejected (RULES.md 2)."""
    message = decode(oru(obx()), received_at=DRAWN - ahead)
    assert (message.outcome is Outcome.JUDGED) is accepted
    assert accepted or message.reason is Reason.CLOCK_SKEW


def test_no_time_at_all(decode: Decode) -> None:
    """A result without any time is rejected; MSH-7 with a date alone counts as none."""
    raw = oru(obx(), msh=MSH.replace("20260101100000-0500", "20260101"), obr=obr("", ""))
    assert decode(raw).reason is Reason.TIME_MISSING


@pytest.mark.parametrize(
    ("msh7", "expected"),
    [("20260101100000-0500", RECEIVED), ("20260101", DRAWN + 20 * MINUTE), ("", DRAWN - 280 * MINUTE)],
)
def test_replay_takes_msh_7(decode: Decode, msh7: str, expected: int) -> None:
    """In a replay a message is received at MSH-7, else at the latest time that it names."""
    message = decode(oru(obx(), msh=MSH.replace("20260101100000-0500", msh7), obr=obr()), received_at=None)
    if msh7 == "20260101":
        expected -= 5 * HOUR
    assert message.events[0].received_at == expected


def test_unreadable_times_are_counted(decode: Decode) -> None:
    """A time that is none is counted."""
    assert decode(oru(obx(), obr=obr("201497870911"))).counts["time_unreadable"] == 1
