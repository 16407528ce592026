"""hl7apy as oracle: what another reader sees of our messages, and each disagreement judged."""

import random
from pathlib import Path

import pytest

from consumer.hl7.conformance import EXPLANATIONS, compare, explain, opinion
from consumer.hl7.decoder import Decoder
from consumer.hl7.files import read_messages
from consumer.hl7.outcome import Reason, Verdict
from consumer.hl7.prefilter import Prefilter
from consumer.hl7.site import Site
from rules.events import Source
from tests.fuzz.builder import MSH, PID, RECEIVED, SODIUM, obx, oru, ras, rxa, typed
from tests.fuzz.hl7 import check_decoded
from tests.fuzz.messages import generate
from tests.fuzz.mutations import mutate

DECODER = Decoder(Site.default(), accept_processing_ids=None)
ROOT = Path(__file__).parents[3]
MESSAGES = sorted((ROOT / "tests" / "messages").glob("*.hl7"))
CORPUS = ROOT.parent / "shared" / "corpus"  # public messages, where a checkout has them beside it


def verdict(raw: bytes) -> Verdict:
    """Return what the comparison says of one record."""
    return compare(raw, DECODER.decode(raw, received_at=RECEIVED, source=Source("t", 0, 0)))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(oru(obx(), obx(SODIUM)), id="results"),
        pytest.param(oru(obx(), "ZXX|1", obx(value="6.2", f4="2")), id="behind a Z-segment"),
        pytest.param(oru(obx(value=">^10", f2="SN")), id="a comparator"),
        pytest.param(oru(obx(value="6\\X2E\\1")), id="an escape, which it does not decode"),
        pytest.param(oru(obx()).replace(b"\r", b"\n"), id="LF"),
        pytest.param(oru(obx()).replace(b"2.5.1", b"junk"), id="an unknown version"),
        pytest.param(ras(rxa()), id="an administration"),
        pytest.param(typed("ADT^A40", "MRG|2^^^HOSP^MR"), id="a merge"),
    ],
)
def test_agrees(raw: bytes) -> None:
    """hl7apy sees the same observations and patients."""
    assert verdict(raw) is Verdict.AGREES


# Each disagreement between the two readers, and who is right.
PLAIN = oru(obx())
JUDGED = {
    "five characters in MSH-2": (PLAIN.replace(b"|^~\\&|", b"|^~\\&#|"), Verdict.REFUSED, "valid since v2.7: ours"),
    "damaged MSH-2": (PLAIN.replace(b"|^~\\&|", b"|^~\\\\&|"), Verdict.REFUSED, "seen, and its meaning is plain: ours"),
    "a segment of a later version": (
        oru(obx(), "SPM|1|||SER").replace(b"2.5.1", b"2.3"),
        Verdict.REFUSED,
        "MSH-12 never decides: ours",
    ),
    "a segment that nobody knows": (oru(obx(), "ABC|1"), Verdict.REFUSED, "it is passed over: ours"),
    "a line that is no segment": (oru(obx(), "0|0"), Verdict.REFUSED, "it is joined to the one before: ours"),
    "no message": (b"noise", Verdict.REFUSED, "neither reads it"),
    "two messages": (PLAIN * 2, Verdict.REFUSED, "it reads one at a time"),
    "a torn segment": (
        PLAIN.replace(b"|mmol/L", b"\r|mmol/L"),
        Verdict.REFUSED,
        "the line break stood in a text: ours",
    ),
}


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_judged_disagreements(name: str) -> None:
    """Where they disagree, a person has judged which is right."""
    raw, expected, _ = JUDGED[name]
    assert verdict(raw) is expected


def test_a_disagreement_is_found() -> None:
    """A value, a patient or a count that hl7apy sees otherwise is told."""
    decoded = DECODER.decode(oru(obx()), received_at=RECEIVED, source=Source("t", 0, 0))
    assert compare(oru(obx(value="6.7")), decoded) is Verdict.RESULT
    assert compare(oru(obx(), pid=PID.replace("123456", "7")), decoded) is Verdict.PATIENT
    assert compare(oru(obx(), obx(SODIUM)), decoded) is Verdict.OBSERVATIONS


@pytest.mark.parametrize("seed", range(40))
def test_generated_messages_agree(seed: int) -> None:
    """Over generated messages (results, ADT, orders, drugs, pumps) the two readers agree."""
    assert verdict(generate(random.Random(seed))) is Verdict.AGREES


def test_explanation_quotes_nothing() -> None:
    """Why a message was refused is told without a word of it."""
    raw = oru(obx(value="Zztest said 6"), msh=MSH.replace("2.5.1", "Zztest"))
    (message,) = DECODER.decode(raw, received_at=RECEIVED, source=Source("t", 0, 0)).messages
    sentences = explain(raw, message)
    assert sentences[0].startswith("OBX[1]-5: OBX-5 is not exactly one number")
    assert sentences[1] == "hl7apy: reads it"
    assert "Zztest" not in " ".join(sentences)
    assert opinion(b"noise") != "reads it"


def test_every_rejection_has_its_sentence() -> None:
    """No reason for a rejection is left unexplained."""
    ignored = {Reason.NOTHING_FOR_US, Reason.PROCESSING_ID, Reason.RESULT_IN_OTHER_MESSAGE, Reason.MERGE_WITH_ITSELF}
    assert set(EXPLANATIONS) == set(Reason) - ignored


def files() -> list[Path]:
    """Return every file of messages at hand."""
    found = [path for path in CORPUS.rglob("*") if path.is_file() and path.suffix not in (".tsv", ".md")]
    return [*MESSAGES, *sorted(found)]


def test_corpus() -> None:
    """Every message at hand gives one outcome, loses no observation, and the prefilter drops none of use."""
    prefilter = Prefilter(Site.default())
    random_ = random.Random(7)
    count = 0
    for path in files():
        for raw in read_messages(path):
            for record in (raw, mutate(raw, random_)):
                decoded = DECODER.decode(record, received_at=RECEIVED, source=Source("t", 0, 0))
                check_decoded(decoded)
                assert prefilter.worth_decoding(record) or decoded.holds_nothing, path
            count += 1
    assert count >= len(MESSAGES) > 0
