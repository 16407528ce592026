"""
The tables of docs/hl7.md, written from the data so that they stay true.

``python -m consumer.hl7.reference docs/hl7.md`` writes them anew.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from consumer.hl7.codes import table
from consumer.hl7.outcome import NotOurs, Reason
from consumer.hl7.site_file import CODE_KEYS, COMMENT_KEYS, CONFIRMED_KEYS, DRUG_KEYS, SENDER_KEYS, SITE_KEYS
from rules.events import Analyte

BEGIN = "<!-- tables: python -m consumer.hl7.reference docs/hl7.md -->"
END = "<!-- end of tables -->"


def tables_markdown() -> str:
    """Return the generated part of docs/hl7.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    loinc, names, units, drugs = table("loinc"), table("names"), table("units"), table("drugs")
    yield "### LOINC codes"
    yield ""
    yield "| analyte | code | what it is |"
    yield "|---|---|---|"
    for section in (*(analyte.value for analyte in Analyte), "potassium_mass"):
        for code, text in loinc[section].items():
            yield f"| {section.replace('_', ' ')} | {code} | {text} |"
    yield ""
    yield "Never ours:"
    yield ""
    yield from (f"- {code}: {text}" for code, text in loinc["excluded"].items())
    yield ""
    yield "### Names and symbols (to contradict a code, or to suggest one; never to map)"
    yield ""
    for analyte in Analyte:
        words = names["names"].get(analyte.value, names["names"]["calcium"])
        symbols = ", ".join(names["symbols"][analyte.value])
        yield f"- {analyte.value.replace('_', ' ')}: {', '.join(words)}; as a symbol {symbols}"
    yield ""
    for title, section in (
        ("Another fluid", "fluid"),
        ("Another quantity", "quantity"),
        ("Ionized, under a total calcium or a magnesium", "ionized"),
    ):
        yield f"{title}: {_vocabulary(names[section])}."
        yield ""
    yield "### Units"
    yield ""
    yield "| unit | spellings (letter case and blanks ignored) |"
    yield "|---|---|"
    yield from (f"| {unit} | {', '.join(spellings)} |" for unit, spellings in units["spellings"].items())
    yield ""
    yield "### Drugs"
    yield ""
    yield "| class | RxNorm | NDC | listed names |"
    yield "|---|---|---|---|"
    for drug in sorted({*drugs["rxnorm"].values(), *drugs["names"].values()}):
        cells = (_of(drugs[part], drug) for part in ("rxnorm", "ndc_prefixes", "names"))
        yield f"| {drug.replace('_', ' ')} | {' | '.join(cells)} |"
    yield ""
    completion = drugs["completion"]
    yield f"Given (RXA-20): {', '.join(completion['given'])}. Not given: {', '.join(completion['not_given'])}."
    yield f"An infusion that ends: {', '.join(completion['stopped'])}."
    yield ""
    yield (
        "Dialysis (PR1-3): "
        + ", ".join(f"{code}{' (continuous)' if continuous else ''}" for code, continuous in drugs["dialysis"].items())
        + "."
    )
    yield ""
    yield "### Specimens that veto"
    yield ""
    yield ", ".join(f"{code} ({text})" for code, text in table("specimens")["codes"].items()) + "."
    yield ""
    yield f"As whole words: {_vocabulary(table('specimens')['veto'])}."
    yield ""
    yield "### Reasons"
    yield ""
    reasons = ", ".join(f"`{reason.value}`" for reason in Reason)
    yield f"Dead letters, in part or whole, and ignored messages: {reasons}."
    yield ""
    yield "Not ours, counted: " + ", ".join(f"`{reason.value}`" for reason in NotOurs) + "."
    yield ""
    yield "### Keys of a site's table"
    for title, keys in (
        ("top", SITE_KEYS),
        ("[[sender]]", SENDER_KEYS),
        ("[[sender.code]]", CODE_KEYS),
        ("[[drug]]", DRUG_KEYS),
        ("[[hemolysis_comment]]", COMMENT_KEYS),
        ("confirmed", CONFIRMED_KEYS),
    ):
        yield ""
        yield f"`{title}`"
        yield ""
        yield from (f"- `{key}`: {text}" for key, text in keys.items())


def _vocabulary(section: Mapping[str, Sequence[str]]) -> str:
    """Return words as they are, starts of words with a dash behind, what stands inside words between dashes."""
    shapes = (("words", "{}"), ("starts", "{}-"), ("inside", "-{}-"))
    return ", ".join(shape.format(word) for kind, shape in shapes for word in section.get(kind, ()))


def _of(entries: Mapping[str, str], drug: str) -> str:
    return ", ".join(code for code, name in entries.items() if name == drug)


def rewritten(document: str) -> str:
    """Return a document with the part between its marks written anew."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables_markdown()}\n{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
