"""HL7.md 1: framing, delimiters, charsets, escapes."""

import pytest

from consumer.hl7.decoder import Decoder
from consumer.hl7.er7 import read_record, unescape
from consumer.hl7.outcome import DecodedMessage, Outcome, Reason
from consumer.hl7.site import Site
from rules.events import Result, Source
from tests.fuzz.builder import MSH, OBR, ORC, PID, PV1, RECEIVED, join, obx, oru, typed

PLAIN = oru(obx())


def decoded(raw: bytes) -> tuple[DecodedMessage, ...]:
    """Return the messages of a record."""
    return Decoder(Site.default()).decode(raw, received_at=RECEIVED, source=Source("t", 0, 0)).messages


def values(raw: bytes) -> list[str]:
    """Return every value read from a record."""
    return [result.original_value for message in decoded(raw) for event in message.events for result in event.results]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(PLAIN, id="CR"),
        pytest.param(PLAIN.rstrip(b"\r"), id="no last terminator"),
        pytest.param(PLAIN.replace(b"\r", b"\n"), id="LF"),
        pytest.param(PLAIN.replace(b"\r", b"\r\n"), id="CRLF"),
        pytest.param(PLAIN.replace(b"\r", b"\n", 2).replace(b"\r", b"\r\n", 2), id="mixture"),
        pytest.param(PLAIN.replace(b"\r", b"\r\r\n\n"), id="blank lines"),
        pytest.param(PLAIN.replace(b"\r", b"\n    "), id="indentation"),
        pytest.param(PLAIN.replace(b"\r", b"\n\t"), id="tabs"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN, id="byte order mark"),
        pytest.param(b"\x0b" + PLAIN + b"\x1c\r", id="MLLP"),
        pytest.param(b"\x0b\xef\xbb\xbf" + PLAIN + b"\x1c\r", id="a byte order mark inside MLLP"),
        pytest.param(PLAIN.decode().encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param(PLAIN.decode().encode("utf-16-le"), id="UTF-16 LE"),
        pytest.param(PLAIN.decode().encode("utf-16-be"), id="UTF-16 BE"),
        pytest.param(b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + PLAIN + b"BTS|1\rFTS|1\r", id="batch"),
        pytest.param(PLAIN.replace(b"OBR|", b"ZXX|a|b\rOBR|"), id="Z-segment"),
        pytest.param(b"junk before\r" + PLAIN, id="junk before"),
        pytest.param(PLAIN.replace(b"\r", rb"\r"), id="CR written out, one line"),
        pytest.param(PLAIN.replace(b"\r", rb"\r\n"), id="CRLF written out, one line"),
        pytest.param(PLAIN.replace(b"\r", b"<CR>") + b"\n", id="<CR> written out"),
        pytest.param(b"\r\n\r\n" + PLAIN, id="blank lines before"),
    ],
)
def test_framing(raw: bytes) -> None:
    """However a message is framed, its potassium is read."""
    assert values(raw) == ["6.1"]


def test_batch_with_several_messages() -> None:
    """Every message of a batch counts, in order."""
    second = oru(obx(value="6.4"))
    batch = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + PLAIN + second + b"BTS|2\rFTS|1\r"
    assert values(batch) == ["6.1", "6.4"]


def test_several_msh_without_a_batch_header() -> None:
    """Two messages in one record, one of them no use, make one record judged in part."""
    decoded = Decoder(Site.default()).decode(
        PLAIN + join(MSH, ORC, OBR, obx()), received_at=RECEIVED, source=Source("t", 0, 0)
    )
    assert [message.outcome for message in decoded.messages] == [Outcome.JUDGED, Outcome.DEAD_LETTER]
    assert decoded.outcome is Outcome.IN_PART
    assert decoded.reason is Reason.NO_PATIENT


@pytest.mark.parametrize(
    ("before", "outcomes"),
    [
        (obx().encode() + b"\r", [Outcome.DEAD_LETTER, Outcome.JUDGED]),
        (b"\x0bPID|1\r" + obx().encode() + b"\r\x1c\r\x0b", [Outcome.DEAD_LETTER, Outcome.JUDGED]),
        (b"\x0b", [Outcome.JUDGED]),
        (b"\r\n\r\n", [Outcome.JUDGED]),
        (b"\xef\xbb\xbf", [Outcome.JUDGED]),
        (b"FHS|^~\\&|LAB\rBHS|^~\\&|LAB\r", [Outcome.JUDGED]),
        (b"a line that says nothing\r\n", [Outcome.JUDGED]),
    ],
)
def test_hl7_1_the_end_of_a_message_whose_start_is_lost(before: bytes, outcomes: list[Outcome]) -> None:
    """Segments before a record's first MSH are somebody's results: never dropped, a dead letter beside the message."""
    decoded = Decoder(Site.default()).decode(before + PLAIN, received_at=RECEIVED, source=Source("t", 0, 0))
    assert [message.outcome for message in decoded.messages] == outcomes
    assert decoded.messages[0].reason in (None, Reason.NOT_HL7)


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([Outcome.JUDGED], Outcome.JUDGED),
        ([Outcome.JUDGED, Outcome.IGNORED], Outcome.JUDGED),
        ([Outcome.JUDGED, Outcome.DEAD_LETTER], Outcome.IN_PART),
        ([Outcome.IN_PART, Outcome.IGNORED], Outcome.IN_PART),
        ([Outcome.DEAD_LETTER, Outcome.IGNORED], Outcome.DEAD_LETTER),
        ([Outcome.IGNORED, Outcome.IGNORED], Outcome.IGNORED),
    ],
)
def test_a_record_has_one_outcome(outcomes: list[Outcome], whole: Outcome) -> None:
    """A batch ends as exactly one of judged, in part, dead letter, ignored."""
    kinds = {
        Outcome.JUDGED: PLAIN,
        Outcome.IN_PART: oru(obx(), obx(value="abc", f4="2")),
        Outcome.DEAD_LETTER: oru(obx(value="abc")),
        Outcome.IGNORED: typed("SIU^S12"),
    }
    raw = b"".join(kinds[outcome] for outcome in outcomes)
    assert Decoder(Site.default()).decode(raw, received_at=RECEIVED, source=Source("t", 0, 0)).outcome is whole


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"", Reason.EMPTY, id="empty record"),
        pytest.param(b" \r\n\x0b\x1c", Reason.EMPTY, id="blanks"),
        pytest.param(b"\x00\x01\x02\xff" * 50, Reason.NOT_HL7, id="binary"),
        pytest.param(b"{" + b"x" * 5_000_000, Reason.NOT_HL7, id="5 MB of noise"),
        pytest.param(b"PID|1||1\rOBX|1|NM|2823-3||6.1", Reason.NOT_HL7, id="no MSH"),
        pytest.param(b"MSH", Reason.NOT_HL7, id="MSH alone"),
        pytest.param(b"MSHX|^~\\&|", Reason.NOT_HL7, id="a letter for MSH-1"),
        pytest.param(
            PLAIN.split(b"\r")[0][:40] + b"\r" + obx().encode(), Reason.MESSAGE_TYPE_UNKNOWN, id="truncated MSH"
        ),
        pytest.param(oru(obx()).replace(PID.encode() + b"\r", b""), Reason.NO_PATIENT, id="no PID"),
    ],
)
def test_what_is_no_message_is_a_dead_letter(raw: bytes, reason: Reason) -> None:
    """No bytes crash the decoder or vanish; each says why."""
    (message,) = decoded(raw)
    assert (message.outcome, message.reason) == (Outcome.DEAD_LETTER, reason)


def test_hl7_1_a_batch_without_messages() -> None:
    """An empty batch holds nothing: ignored, and no dead letter; a broken one is."""
    (message,) = decoded(b"FHS|^~\\&|A\rBHS|^~\\&|A\rBTS|0\rFTS|1\r")
    assert message.outcome is Outcome.IGNORED
    (message,) = decoded(b"FHS|^~\\&|A\rPID|1||1\rFTS|1\r")
    assert message.reason is Reason.NOT_HL7


def test_truncated_segment() -> None:
    """A message cut off inside its last OBX gives what came before."""
    raw = oru(obx(), obx(value="6.4", f4="2"))
    (message,) = decoded(raw[: raw.rindex(b"6.4")])
    assert message.outcome is Outcome.IN_PART
    assert [part.reason for part in message.rejected] == [Reason.VALUE_MISSING]


def with_delimiters(new: str) -> bytes:
    """Rewrite the plain message with other delimiters: field, component, repetition, escape, subcomponent."""
    text = PLAIN.decode()
    return text.translate(str.maketrans("|^~\\&", new)).encode()


@pytest.mark.parametrize("delimiters", ["|^~\\&", "#^~\\&", "|$~\\&", "|^*@%", "!:+\\?"])
def test_other_delimiters(delimiters: str) -> None:
    """MSH-1 and MSH-2 decide the delimiters when they are usable."""
    if set(":+?") & set(delimiters):
        delimiters = "!$*\\%"
    assert values(with_delimiters(delimiters)) == ["6.1"]


@pytest.mark.parametrize(
    ("encoding", "flagged"),
    [
        ("^~\\&#", False),  # five characters: truncation
        ("^~\\\\&", True),  # repeated
        ("^~\\}", True),  # damaged
        ("^~}", True),
        ("^~&", True),  # too few
        ("", True),
        ("^~\\&\\&", True),
        ("{0}", True),
    ],
)
def test_msh_2_damaged_means_defaults(encoding: str, flagged: bool) -> None:
    """A damaged MSH-2 is read with the standard delimiters, and that is flagged."""
    raw = PLAIN.replace(b"MSH|^~\\&|", f"MSH|{encoding}|".encode())
    (message,) = decoded(raw)
    assert values(raw) == ["6.1"]
    assert ("encoding_characters_assumed" in message.flags) is flagged


def test_standard_delimiter_as_data_of_another_set() -> None:
    """With ``#`` as field separator a bar is data."""
    (message,) = read_record(b"MSH#^~\\&#A|B#HOSP")
    assert message.segments == [["MSH", "^~\\&", "A\\F\\B", "HOSP"]]


@pytest.mark.parametrize(
    ("declared", "codec", "flagged"),
    [
        ("", "utf-8", False),
        ("UNICODE UTF-8", "utf-8", False),
        ("UTF-8", "utf-8", False),
        ("8859/1", "latin-1", False),
        ("8859", "latin-1", False),
        ("8859/15", "iso8859-15", False),
        ("", "latin-1", True),
        ("ASCII", "latin-1", True),
        ("UNICODE UTF-8", "latin-1", True),
        ("KLINGON", "utf-8", False),
        ("ASCII~ISO IR87", "iso2022_jp", False),
        ("GB 18030-2000", "gb18030", False),
    ],
)
def test_charset(declared: str, codec: str, flagged: bool) -> None:
    """Declared charset, else UTF-8 strict, else Latin-1 flagged."""
    mrn = "病" if codec in ("iso2022_jp", "gb18030") else "Ü7"
    text = oru(obx(), msh=f"{MSH}||||||{declared}", pid=f"PID|1||{mrn}^^^HOSP^MR").decode()
    (message,) = decoded(text.encode(codec))
    assert message.events[0].patient.mrn == mrn
    assert ("charset_assumed" in message.flags) is flagged


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.9", "", "junk", "2.5^DEU"])
def test_version_never_decides(version: str) -> None:
    """MSH-12 never decides whether we read a message."""
    assert values(PLAIN.replace(b"|2.5.1", b"|" + version.encode())) == ["6.1"]


@pytest.mark.parametrize(
    "kind", ["ORU^R01^ORU_R01", "ORU^R01", "ORU", "oru^r01", "ORU_R01", "ORU^R30", "ORU^R32", "OUL^R22"]
)
def test_result_message_types(kind: str) -> None:
    """Every ORU and OUL is read for results, however MSH-9 is written."""
    assert values(PLAIN.replace(b"ORU^R01^ORU_R01", kind.encode())) == ["6.1"]


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("6\\F\\1", "6|1"),
        ("a\\S\\b\\T\\c\\R\\d\\E\\e", "a^b&c~d\\e"),
        ("a\\.br\\b", "a\nb"),
        ("\\X4D67\\", "Mg"),
        ("\\XC3A4\\", "ä"),
        ("\\Xzz\\x", "x"),
        ("\\H\\bold\\N\\", "bold"),
        ("C:\\temp", "C:\\temp"),
        ("\\Zwhatever\\x", "x"),
        ("50% \\ 3", "50% \\ 3"),
    ],
)
def test_escapes(escaped: str, text: str) -> None:
    """Escapes are decoded; what is none stays."""
    assert unescape(escaped) == text


def test_escapes_are_decoded_after_splitting() -> None:
    """An escaped delimiter splits nothing: the identifier and its authority keep theirs."""
    (message,) = decoded(oru(obx(), pid="PID|1||12\\F\\34^^^HO\\S\\SP^MR"))
    patient = message.events[0].patient
    assert (patient.mrn, patient.assigning_authority) == ("12|34", "HO^SP")
    assert patient.key == "HO^SP|12%7C34"


def test_several_pid_groups() -> None:
    """Several PID groups in one message are several patients."""
    raw = join(MSH, PID, PV1, OBR, obx(), PID.replace("123456", "999"), OBR, obx(value="3.1"))
    (message,) = decoded(raw)
    assert [(event.patient.mrn, event.results[0].original_value) for event in message.events] == [
        ("123456", "6.1"),
        ("999", "3.1"),
    ]


def test_one_patient_twice_is_one_event() -> None:
    """Two PID groups of one patient make one event: a message is judged once."""
    (message,) = decoded(join(MSH, PID, OBR, obx(), PID, OBR.replace("L1", "L2"), obx(value="6.2")))
    (event,) = message.events
    assert [result.order_number for result in event.results] == ["L1", "L2"]


def test_torn_segment_is_joined() -> None:
    """A line break inside a segment does not lose its end: the status behind it is read."""
    (message,) = decoded(PLAIN.replace(b"|mmol/L|", b"\r|mmol/L|"))
    assert message.events[0].results[0].original_units == "mmol/L"
    assert "segment_joined" in message.flags


def test_processing_id() -> None:
    """MSH-11 T and D are ignored in `run`, taken when all are accepted."""
    raw = PLAIN.replace(b"|P|2.5.1", b"|T|2.5.1")
    (message,) = decoded(raw)
    assert (message.outcome, message.reason) == (Outcome.IGNORED, Reason.PROCESSING_ID)
    assert message.accounted
    everything = Decoder(Site.default(), accept_processing_ids=None)
    assert everything.decode(raw, received_at=RECEIVED, source=Source("t", 0, 0)).outcome is Outcome.JUDGED


@pytest.mark.parametrize("count", [1_000])
def test_many_segments_cost_linearly(count: int) -> None:
    """Ten times the OBX, ten times the PID groups: all of them are read."""
    assert len(values(oru(*(obx(f4=str(number)) for number in range(count))))) == count
    groups = [part for number in range(count) for part in (f"PID|1||{number}^^^HOSP^MR", OBR, obx())]
    assert len(values(join(MSH, *groups))) == count


@pytest.mark.parametrize("place", ["MSH-10", "OBR-2", "OBR-3", "SPM-2"])
def test_an_identifier_longer_than_any_is_known_by_its_hash(place: str) -> None:
    """It stands in every result: as it is, 100 kB of it in 40 results would be an event of 12 MB."""

    def read(number: str) -> tuple[Result, ...]:
        named = dict.fromkeys(("MSH-10", "OBR-2", "OBR-3", "SPM-2"), "7") | {place: number}
        segments = [
            f"MSH|^~\\&|L|H|E|H|20260101120000||ORU^R01|{named['MSH-10']}|P|2.5",
            "PID|1||123^^^HOSP^MR||X^Y",
            f"OBR|1|{named['OBR-2']}|{named['OBR-3']}|X|||20260101110000",
            *(f"OBX|{n}|NM|2823-3^K^LN|{n}|5.{n}|mmol/L|||||F" for n in range(10)),
            *([f"SPM|1|{number}||SER"] if place == "SPM-2" else []),
        ]
        (message,) = (
            Decoder(Site.default())
            .decode("\r".join(segments).encode(), received_at=1_767_272_400_000, source=Source("t", 0, 0))
            .messages
        )
        (event,) = message.events
        assert all(len(text) < 300 for result in event.results for text in result if isinstance(text, str))
        return tuple(result._replace(received_at=0) for result in event.results)

    assert read("A" * 100_000) == read("A" * 100_000) != read("A" * 99_999)
    assert read("A" * 250) != read("A" * 249)
