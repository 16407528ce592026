"""HL7.md 4: infusion pumps, IHE PCD-01 and PCD-10."""

from decimal import Decimal

import pytest

from consumer.hl7.decoder import Decoder
from consumer.hl7.outcome import NotOurs, Outcome, Reason
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from consumer.replay import Replay
from rules.events import Administration, Drug, Source
from rules.rulebook import DEFAULT
from tests.fuzz.builder import MSH, PUMP_PROFILE, obx, oru, pump, pump_row
from tests.unit.hl7.conftest import Decode


def one(decode: Decode, raw: bytes) -> Administration:
    """Return the one administration of a pump message."""
    (administration,) = decode(raw, received_at=None).events[0].administrations
    return administration


def test_start(decode: Decode) -> None:
    """A start gives a rate in grams an hour, by the label's strength, at the device's time in UTC."""
    administration = one(decode, pump())
    assert (administration.drug, administration.rate, administration.grams) == (Drug.MAGNESIUM, Decimal(2), None)
    assert (administration.started_at, administration.started_offset) == (1_767_272_400_000, 0)
    assert (administration.order_number, administration.flags) == ("P9", ("pump",))


def test_every_pump_obx_is_accounted_for(decode: Decode) -> None:
    """Metrics are used, nodes of the tree are not ours."""
    message = decode(pump(), received_at=None)
    assert (message.used, message.not_ours) == (5, {NotOurs.OTHER_CODE: 1})


@pytest.mark.parametrize(
    ("event", "status", "delivery", "flow", "rate"),
    [
        ("start", "^pump-status-infusing", "", "50", "2"),
        ("start", "", "", "2.5", "0.1"),  # keep vein open
        ("stop", "", "^pump-delivery-status-transitioning", "50", None),  # half of a rate change
        ("stop", "^pump-status-not-infusing", "^pump-delivery-status-transitioning", "0", None),
        ("stop", "", "", "50", None),  # a stop alone does not end an infusion
        ("stop", "^pump-status-not-infusing", "", "0", "0"),
        ("stop", "^pump-status-standby", "", "", "0"),
        ("complete", "", "", "", "0"),
        ("", "^pump-status-infusing", "", "25", "1"),  # PCD-01: reported now and then
        ("", "", "", "0", "0"),
        ("", "", "", "", None),
    ],
)
def test_events(decode: Decode, event: str, status: str, delivery: str, flow: str, rate: str | None) -> None:
    """Start, rate change, stop, complete, keep vein open."""
    message = decode(pump(event, status=status, delivery=delivery, flow=flow), received_at=None)
    found = [given.rate for each in message.events for given in each.administrations]
    assert found == ([] if rate is None else [Decimal(rate)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0^MDC_ATTR_EVT_COND", "68480^MDC_ATTR_EVT_COND"),
        ("197288^MDC_EVT_PUMP_DELIV_START", "0^MDC_EVT_PUMP_DELIV_START"),
        ("197288^MDC_EVT_PUMP_DELIV_START", "197288^VENDOR_START"),
        ("157784^MDC_FLOW_FLUID_PUMP^MDC", "0^MDC_FLOW_FLUID_PUMP^MDC"),
        ("157784^MDC_FLOW_FLUID_PUMP^MDC", "158014^X^MDC"),
        ("184514^MDC_DRUG_NAME_LABEL^MDC", "184330^MDC_DRUG_NAME_TYPE^MDC"),
        ("184514^MDC_DRUG_NAME_LABEL^MDC", "0^MDC_DRUG_NAME_LABEL"),
    ],
)
def test_by_name_or_number(decode: Decode, old: str, new: str) -> None:
    """One of name and number is often 0 or the vendor's own; the other counts."""
    assert one(decode, pump().replace(old.encode(), new.encode())).rate == Decimal(2)


@pytest.mark.parametrize(
    ("rate", "units", "grams_per_hour"),
    [("2", "g/h", "2"), ("2000", "mg/h", "2"), ("25", "mg/min", "1.5"), ("5", "ug/kg/min", "2")],
)
def test_dose_rate(decode: Decode, rate: str, units: str, grams_per_hour: str) -> None:
    """A dose rate in mass an hour counts before the flow; one by weight does not."""
    extra = (pump_row("157924^MDC_RATE_DOSE^MDC", "1.1.2.5", rate, f"0^X^MDC^{units}^{units}^UCUM"),)
    assert one(decode, pump(extra=extra)).rate == Decimal(grams_per_hour)


def test_concentration(decode: Decode) -> None:
    """The channel's own concentration counts before the label's text; without one the flow stands as sent."""
    extra = (pump_row("157760^MDC_CONC_DRUG^MDC", "1.1.2.11", "80", "264306^X^MDC^mg/mL^mg/mL^UCUM"),)
    assert one(decode, pump(extra=extra)).rate == Decimal(4)
    assert one(decode, pump(label="Magnesium sulfate")).rate == Decimal(50)


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (pump(at="20260101125500"), "20260101125500"),
        (pump(at="20260101075500-0500"), "20260101125500"),
        (
            pump(at="", extra=(pump_row("70050^MDC_DEV_PUMP_VMD^MDC", "1.1.0.0", status="X", at="20260101124000"),)),
            "20260101124000",
        ),
        (pump(at=""), "20260101130000"),
    ],
)
def test_times_inherit(decode: Decode, raw: bytes, at: str) -> None:
    """A time stands at an ancestor, else at OBR-7, else MSH-7; without an offset it is UTC."""
    minutes = (one(decode, raw).started_at - 1_767_272_400_000) // 60_000
    assert minutes == int(at[8:10]) * 60 + int(at[10:12]) - 13 * 60


def test_late_event_keeps_its_time(decode: Decode) -> None:
    """An event that comes late has its own time."""
    assert one(decode, pump(sent="20260101180000+0000")).started_at == 1_767_272_400_000


@pytest.mark.parametrize("flag", ["DEMO", "TEST"])
def test_demo_does_not_count(decode: Decode, flag: str) -> None:
    """OBX-8 DEMO or TEST is no patient's infusion."""
    raw = pump().replace(b"|||||R|", f"||{flag}|||R|".encode())
    message = decode(raw, received_at=None)
    assert message.outcome is Outcome.IGNORED
    assert message.not_ours[NotOurs.DEVICE_TEST] == 5


def test_other_drugs_are_nothing(decode: Decode) -> None:
    """A pump of a drug that no rule asks for is ignored."""
    assert decode(pump(label="Dopamine"), received_at=None).outcome is Outcome.IGNORED


@pytest.mark.parametrize("pid", ["", "PID|1", "PID|1||^^^HOSP"])
def test_unknown_patient(decode: Decode, pid: str) -> None:
    """A pump that names no patient goes to its order's home, by drug and number; with no number it is a dead letter."""
    message = decode(pump(pid=pid), received_at=None)
    (event,) = message.events
    assert (message.outcome, event.patient.key) == (Outcome.JUDGED, "%order|magnesium|P9")
    assert event.flags == ("patient_by_order",)
    nameless = decode(pump(pid=pid).replace(b"|P9^PCD-03|D77|", b"|||"), received_at=None)
    assert (nameless.outcome, nameless.reason) == (Outcome.DEAD_LETTER, Reason.PUMP_UNBOUND)


def test_two_channels(decode: Decode) -> None:
    """Two sources of one pump, each with its drug, are two records."""
    extra = (
        pump_row("184514^MDC_DRUG_NAME_LABEL^MDC", "1.1.3.10", "Insulin regular"),
        pump_row("157784^MDC_FLOW_FLUID_PUMP^MDC", "1.1.3.4", "6", "0^X^MDC^mL/h^mL/h^UCUM"),
    )
    found = decode(pump(extra=extra), received_at=None).events[0].administrations
    assert [(each.drug, each.rate) for each in found] == [(Drug.MAGNESIUM, Decimal(2)), (Drug.INSULIN, Decimal(6))]


@pytest.mark.parametrize("trigger", ["ORU^R42^ORU_R01", "ORU^R01^ORU_R01"])
def test_profiles(decode: Decode, trigger: str) -> None:
    """PCD-01 is ORU^R01 by its profile, PCD-10 ORU^R42."""
    assert one(decode, pump(trigger=trigger)).rate == Decimal(2)


def test_metrics_without_a_profile_are_not_ours(decode: Decode) -> None:
    """Device data that is no pump's is not ours."""
    raw = pump(trigger="ORU^R01^ORU_R01").replace(PUMP_PROFILE.encode(), b"")
    message = decode(raw, received_at=None)
    assert message.outcome is Outcome.IGNORED
    assert message.accounted


def test_prefilter_lets_pumps_pass() -> None:
    """A pump's message is worth decoding."""
    assert Prefilter(Site.default()).worth_decoding(pump())


def test_infusion_from_a_pump_and_its_hypermagnesemia() -> None:
    """Start, rate change, stop, keep vein open; then a magnesium that is too high: the alert is raised."""
    messages = [
        pump(at="20260101060000", sent="20260101060000+0000"),
        pump("stop", delivery="^transitioning", at="20260101080000", sent="20260101080000+0000"),
        pump(flow="75", at="20260101080000", sent="20260101080001+0000"),
        pump("complete", at="20260101130000", sent="20260101130000+0000"),
        pump(flow="2", at="20260101130001", sent="20260101130001+0000"),
        pump("stop", status="^pump-status-not-infusing", at="20260101133000", sent="20260101133000+0000"),
        oru(
            obx("19123-9^Magnesium^LN", "2.6"),
            msh=MSH.replace("20260101100000-0500", "20260101153000+0000"),
            obr="OBR|1|P1|L1|CHEM|||20260101144500",
        ),
    ]
    replay = Replay(DEFAULT, Site.default())
    feed = [(raw, Source("feed", 0, number)) for number, raw in enumerate(messages)]
    changes = [(judged.transition.rule, judged.transition.change) for judged in replay.run(feed)]
    assert ("post-infusion-hypermagnesemia", "raised") in changes


def test_decoder_is_quiet_about_odd_paths() -> None:
    """A path that is none, or a metric twice, is counted and crashes nothing."""
    extra = (
        pump_row("157784^MDC_FLOW_FLUID_PUMP^MDC", "1.1.2.4", "7"),
        pump_row("157784^MDC_FLOW_FLUID_PUMP^MDC", "x", "7"),
        pump_row("157784^MDC_FLOW_FLUID_PUMP^MDC", "1", "7"),
    )
    (message,) = Decoder(Site.default()).decode(pump(extra=extra), received_at=None, source=Source("t", 0, 0)).messages
    assert message.accounted
    assert message.not_ours == {NotOurs.OTHER_CODE: 4}
