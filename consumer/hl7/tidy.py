"""
The message that nearly every laboratory sends, read in one pass: one patient, one order, final numbers, full times.

It asks the same tables and readers as the long way (`consumer.hl7.decoder`). Whatever is not as plain as this is None
here and goes the long way, so that nothing is rejected, flagged or counted as odd in this module. That both ways say
the same is a property of every generated, real and mutated message (`test_hl7_tidy`).
"""

from hashlib import blake2b

from consumer.hl7.codes import Kind
from consumer.hl7.context import CLOCK_SKEW, Header, SenderContext
from consumer.hl7.encounter import demographics_of, visit_of
from consumer.hl7.er7 import Message, entity_identifier
from consumer.hl7.making import maker
from consumer.hl7.measure import Fault
from consumer.hl7.orders import NO_RESULT, NUMBERS, VALUE
from consumer.hl7.outcome import DecodedMessage, NotOurs, Outcome
from consumer.hl7.reading import RESULTS
from consumer.hl7.times import WITH_MINUTE, place, read_time
from rules.events import Instant, PatientEvent, Result, Source

_HEADS = frozenset(
    tuple((name, place, place + 1) for place, name in enumerate(names, 1))
    for names in (("PID", "PV1", "ORC", "OBR"), ("PID", "PV1", "OBR"), ("PID", "ORC", "OBR"), ("PID", "OBR"))
)
"""What may stand before the OBX, each once."""

_OURS, _OTHER = Kind.OURS, Kind.OTHER
_JUDGED, _OTHER_CODE = Outcome.JUDGED, NotOurs.OTHER_CODE
_decoded, _event, _result = maker(DecodedMessage), maker(PatientEvent), maker(Result)


def read_tidy(
    message: Message, header: Header, sender: SenderContext, received_at: Instant | None, source: Source
) -> DecodedMessage | None:
    """Return what a tidy message of results gives; None: it is not tidy, or nothing in it is ours."""
    segments, runs, text, truncation, flags = message
    kind, _, control_id, _, _, sent = header
    if flags or truncation or not control_id or not sender.usual or kind not in RESULTS or runs[:-1] not in _HEADS:
        return None
    name, start, end = runs[-1]
    if name != "OBX" or sent is None or sent.digits < WITH_MINUTE:
        return None
    resulted_at = place(sent, sender.zone).instant
    if received_at is None:
        received_at = resulted_at
    pid, obr = segments[1], segments[start - 1]
    chosen = sender.chosen(pid)
    drawn = read_time(obr[7]) if len(obr) > 7 else None
    if chosen is None or chosen.flags or drawn is None or drawn.digits < WITH_MINUTE or (len(obr) > 15 and obr[15]):
        return None
    zone = sender.zone if sent.offset is None else sent.offset
    drawn_at, offset, odd = place(drawn, zone)
    if odd or drawn_at > received_at + CLOCK_SKEW:
        return None
    if len(obr) > 22 and obr[22]:
        told = read_time(obr[22])
        if told is None:
            return None
        resulted_at, _, odd = place(told, zone)
        if odd:
            return None
    placer = entity_identifier(obr[2])
    number = entity_identifier(obr[3]) or placer or control_id
    results = _results(
        segments[start:end],
        sender,
        (number, placer, control_id, f"{number}@{drawn_at}"),
        (drawn_at, offset, resulted_at, received_at),
    )
    if results is None:
        return None
    patient, kind_of = chosen.patient, header.type
    count = len(results)
    whole = f"{text}\r{patient.key}\r[{count}, 0, 0, 0]".encode(errors="surrogatepass")  # as `decoder._fingerprint`
    event = _event(
        (
            *(patient, received_at, source, control_id, kind_of, sender.text),
            *(demographics_of(pid), visit_of(segments[2] if runs[1][0] == "PV1" else [], pid)),
            *(results, (), (), (), (), None, None, None, ()),
            int.from_bytes(blake2b(whole, digest_size=8).digest()) >> 1,
        )
    )
    others = end - start - count
    not_ours = {_OTHER_CODE: others} if others else {}
    return _decoded(
        (
            *(control_id, kind_of, sender.text, _JUDGED, None, (), (event,), (), not_ours, ()),
            *(end - start, count, 0, 0, {}, received_at, ()),
        )
    )


def _results(
    run: list[list[str]],
    sender: SenderContext,
    order: tuple[str, str, str, str],
    times: tuple[Instant, int, Instant, Instant],
) -> tuple[Result, ...] | None:
    """Return the results of a run of OBX, each of ours final, plain, of a code of its own; None when there are none."""
    nothing, known, measures = sender.nothing, sender.observations, sender.measures
    number, placer, control_id, container = order
    drawn_at, offset, resulted_at, received_at = times
    results = []
    codes = set()
    try:
        if not NUMBERS("\r".join(map(VALUE, run))):
            return None  # a text: it may say something of the tube
        for fields in run:
            identifier = fields[3]
            if identifier in nothing:
                continue
            observation = known.get(identifier) or sender.observation(identifier, "")
            kind, code, analyte, *_ = observation
            if kind is _OTHER:
                continue
            if kind is not _OURS or fields[2] in NO_RESULT or fields[4] or fields[11] != "F":
                return None
            if len(fields) > 19 and fields[19]:
                return None
            measured = measures.get((fields[5], fields[6], identifier)) or sender.measured(
                fields[5], fields[6], identifier, observation, ""
            )
            if isinstance(measured, Fault):
                return None
            value, comparator, original, units, flags = measured
            codes.add(code)
            results.append(
                _result(
                    (
                        *(analyte, number, code, "", drawn_at, offset, resulted_at, received_at, "F"),
                        *(value, comparator, original, units, container, control_id, placer, flags),
                    )
                )
            )
    except IndexError:  # an OBX that ends before its status
        return None
    return tuple(results) if 0 < len(codes) == len(results) else None
