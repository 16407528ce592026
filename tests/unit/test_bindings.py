"""HL7.md 4: a pump that names no patient is bound by its order number, else not judged."""

from collections.abc import Sequence

import pytest

from consumer.address import partition_of
from consumer.bindings import ORDER_KEPT
from consumer.cloudevent import Issuer
from consumer.hl7.decoder import Decoder
from consumer.hl7.site import Site
from consumer.judge import Judge
from consumer.patients import Clock, Settings
from consumer.replay import Replay
from consumer.stage import Output, Record
from consumer.wire import EventRecord, Kind, decode_event, encode_event
from rules.events import HOUR, PatientEvent, Source
from rules.rulebook import DEFAULT
from tests.fuzz.builder import MSH, PID, obx, oru, pump, rxa, typed

DECODER = Decoder(Site.default())
NOON = 1_767_268_800_000
"""2026-01-01T12:00:00Z."""

A, B = "HOSP|123456", "HOSP|7"


def utc(hour: float) -> str:
    """Return a time of 1 January 2026."""
    return f"20260101{int(hour):02}{int(hour % 1 * 60):02}00"


def message(kind: str, hour: float, *segments: str, pid: str = PID) -> bytes:
    """Return a message of another type than results, sent at an hour UTC."""
    return typed(kind, *segments, pid=pid, msh=MSH.replace("20260101100000-0500", f"{utc(hour)}+0000"))


def order(
    hour: float, *, pid: str = PID, kind: str = "RGV^O15", drug: str = "magnesium sulfate", number: str = "P9"
) -> bytes:
    """Return a message that tells for whom an order is: an order, a dispense, a give instruction, a dose."""
    segment = {
        "RGV^O15": f"RXG|1|||X^{drug}^L",
        "RDE^O11": f"RXE||X^{drug}^L|4||g",
        "RDS^O13": f"RXD|1|X^{drug}^L|{utc(hour)}",
        "RAS^O17": rxa(f"X^{drug}^L", f3=utc(hour) + "+0000", f4=""),
    }[kind]
    return message(kind, hour, f"ORC|NW|{number}", segment, "RXR|IV", pid=pid)


def nameless(event: str, hour: float, *, flow: str = "50", delivery: str = "") -> bytes:
    """Return a pump's event without a patient, of order P9."""
    status = "^pump-status-not-infusing" if event == "stop" else "^pump-status-infusing"
    return pump(event, flow=flow, status=status, delivery=delivery, pid="", at=utc(hour), sent=f"{utc(hour)}+0000")


def magnesium(hour: float, value: str, *, pid: str = PID) -> bytes:
    """Return a magnesium of the patient, drawn at an hour."""
    return oru(
        obx("19123-9^Magnesium^LN", value),
        pid=pid,
        msh=MSH.replace("20260101100000-0500", f"{utc(hour + 0.5)}+0000"),
        obr=f"OBR|1|P1|L1|CHEM|||{utc(hour)}+0000",
    )


def replayed(*messages: bytes) -> tuple[list[str], int]:
    """Return the rules that were raised, with their patients, and how many pump events were bound to nobody."""
    replay = Replay(DEFAULT, Site.default())
    feed = [(raw, Source("feed", 0, number)) for number, raw in enumerate(messages)]
    raised = [
        f"{judged.transition.patient.key} {judged.transition.rule}"
        for judged in replay.run(feed)
        if judged.transition.change == "raised"
    ]
    return raised, replay.unbound


INFUSION = (
    nameless("start", 7),
    nameless("stop", 9, delivery="^pump-delivery-status-transitioning"),  # half of a rate change
    nameless("start", 9, flow="75"),
    nameless("complete", 13),
    nameless("start", 13, flow="2"),  # keep vein open
    nameless("stop", 13.5, flow="0"),
)


@pytest.mark.parametrize("kind", ["RGV^O15", "RDE^O11", "RDS^O13", "RAS^O17"])
def test_an_infusion_without_a_patient_and_its_hypermagnesemia(kind: str) -> None:
    """Whoever told of the order, the pump's infusion is the patient's: the magnesium after it raises the alert."""
    raised, unbound = replayed(order(6, kind=kind), *INFUSION, magnesium(14.75, "2.6"))
    assert f"{A} post-infusion-hypermagnesemia" in raised
    assert unbound == 0


def test_without_its_order_it_is_nobodys() -> None:
    """Nobody told: the exposure is unknown, each event of the pump is counted, and nobody else is alerted."""
    raised, unbound = replayed(*INFUSION, magnesium(14.75, "2.6"))
    assert raised == [f"{A} hypermagnesemia-exposure-unknown"]
    assert unbound == 5  # the stop that is half of a rate change says nothing


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([order(6, number="P8")], id="another number"),
        pytest.param([order(6, drug="furosemide 40 mg")], id="another drug of that number"),
        pytest.param([order(6), order(6.5, pid=PID.replace("123456", "7"))], id="a number used for two patients"),
        pytest.param([], id="nothing"),
    ],
)
def test_never_the_wrong_patient(told: list[bytes]) -> None:
    """What does not name exactly one patient binds nothing."""
    raised, unbound = replayed(*told, *INFUSION, magnesium(14.75, "2.6"))
    assert raised == [f"{A} hypermagnesemia-exposure-unknown"]
    assert unbound == 5


def test_a_merged_patient_keeps_their_infusion() -> None:
    """The order was told of a number that has been merged since: its events follow."""
    merge = message("ADT^A40", 6.5, "MRG|7^^^HOSP^MR")
    raised, _ = replayed(order(6, pid=PID.replace("123456", "7")), merge, *INFUSION, magnesium(14.75, "2.6"))
    assert f"{A} post-infusion-hypermagnesemia" in raised


class Homes:
    """The homes of all events partitions, live, and the records that they send each other."""

    def __init__(self, partitions: int = 3) -> None:
        issuer = Issuer("test", "0", "sha256:")
        self.judges = [Judge(DEFAULT, Settings(Clock.LIVE, n, partitions), issuer) for n in range(partitions)]
        self.letters: list[dict[str, str]] = []
        self.offset = 0

    def home(self, key: str) -> Judge:
        """Return the home of a key."""
        return self.judges[partition_of(key.encode(), len(self.judges))]

    def take(self, raw: bytes, *, attempt: int = 1) -> "Homes":
        """Send a message's events to their homes, and what these send on."""
        decoded = DECODER.decode(raw, received_at=None, source=Source("in", 0, self.offset))
        queue: list[PatientEvent] = [*decoded.bindings, *decoded.events]
        records = [EventRecord(Kind.EVENT, event.patient, event) for event in queue]
        while records:
            record = records.pop(0)
            self.offset += 1
            headers = (("attempt", str(attempt).encode()),) if attempt > 1 else ()
            sent = Record("events", 0, self.offset, 0, None, encode_event(record), headers)
            records += self._done(self.home(record.patient.key), [sent], None)
        return self

    def pass_(self, hour: float) -> "Homes":
        """Tell every home the watermark."""
        for judge in self.judges:
            self._done(judge, [], NOON + int((hour - 12) * HOUR))
        return self

    def _done(self, judge: Judge, records: Sequence[Record], watermark: int | None) -> list[EventRecord]:
        if records:
            outcome = judge.process(records, watermark=watermark, wall=NOON)
        else:
            outcome = judge.tick(watermark=watermark, wall=NOON)
        judge.commit()
        for outgoing in outcome.outgoing:
            if outgoing.output is Output.DEAD_LETTERS:
                self.letters.append({name: value.decode() for name, value in outgoing.headers})
        return [
            decode_event(outgoing.value)
            for outgoing in outcome.outgoing
            if outgoing.output is Output.EVENTS and outgoing.value is not None
        ]

    def doses(self, key: str = A) -> int:
        """Return how many administrations a patient has on record, orders left out."""
        record = self.home(key).stored(key)
        if record is None or record.state is None:
            return 0
        return sum(given.administration.rate is not None for given in record.state.administrations)


@pytest.mark.parametrize("partitions", [1, 3, 12])
def test_it_goes_from_the_orders_home_to_the_patients(partitions: int) -> None:
    """Wherever the two homes are."""
    homes = Homes(partitions).take(order(6)).take(nameless("start", 7))
    assert homes.doses() == 1
    assert homes.letters == []


def test_the_pump_may_come_before_its_order_is_read() -> None:
    """A partition that lags: the event waits until all that was received before it has been read."""
    homes = Homes().take(nameless("start", 7)).pass_(6.9)
    assert (homes.doses(), homes.letters) == (0, [])
    homes.take(order(6))
    assert homes.doses() == 1
    assert homes.pass_(8).letters == []


def test_then_it_is_a_dead_letter_that_can_be_put_back() -> None:
    """Nobody has told when the watermark passes it: `pump_unbound`; put back after its order, it is bound."""
    homes = Homes().take(nameless("start", 7)).pass_(7)
    (letter,) = homes.letters
    assert (letter["reason"], letter["stage"], letter["attempt"]) == ("pump_unbound", "judge", "1")
    homes.take(order(8)).take(nameless("start", 7), attempt=2)
    assert homes.doses() == 1
    assert len(homes.letters) == 1


def test_an_order_told_later_binds_nothing_before() -> None:
    """What was not known when the pump told is not known in a replay either."""
    homes = Homes().take(order(8)).take(nameless("start", 7)).pass_(9)
    assert homes.doses() == 0
    assert len(homes.letters) == 1


def test_an_order_is_forgotten() -> None:
    """30 days after it was last told of."""
    homes = Homes().take(order(6)).take(order(7))
    key = "%order|magnesium|P9"
    homes.pass_(7 + ORDER_KEPT / HOUR - 0.01)
    assert homes.home(key).stored(key) is not None
    homes.pass_(7 + ORDER_KEPT / HOUR)
    assert homes.home(key).stored(key) is None
