"""docs/hl7.md says what the tables say."""

from pathlib import Path

from consumer.hl7.codes import ACCEPTED
from consumer.hl7.reference import BEGIN, END, rewritten

DOCUMENT = Path(__file__).parents[3] / "docs" / "hl7.md"


def test_tables_in_the_document_are_true() -> None:
    """What is generated is what stands there; else run the module that its mark names."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert BEGIN in text
    assert END in text
    assert rewritten(text) == text
    assert all(code in text for code in ACCEPTED)
