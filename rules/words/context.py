"""What is known of the patient and of the exposure, as plain JSON (RULES.md 4.1, 4.2 and 6)."""

from rules.chart import Chart
from rules.events import Drug
from rules.finding import Finding
from rules.hypermagnesemia import Ladder
from rules.patient import Alert
from rules.words.facts import DRUG_WORDS, end_words, last_record
from rules.words.values import iso


def context(chart: Chart, alert: Alert, finding: Finding | None) -> dict[str, object]:
    """Return what is known of the patient (RULES.md 6) and of the exposure, as plain JSON."""
    renal: dict[str, object] = {"status": chart.renal.status}
    if chart.renal.egfr is not None:
        renal["egfr"] = str(chart.renal.egfr)
    if chart.renal.why:
        renal["because"] = list(chart.renal.why)
    known: dict[str, object] = {
        "renal_function": renal,
        "risk_factors": _risk_factors(chart),
        "population": _population(chart),
        "age_known": chart.age is not None,
        "history_incomplete": chart.state.history_incomplete,
    }
    judged_with = chart.rulebook.fingerprint()
    if judged_with != f"sha256:{alert.rulebook}":
        known["judged_with_rulebook"] = judged_with  # changed since the alert was raised
    exposure = finding.exposure if finding is not None else None
    if exposure is not None:
        offset = exposure.courses[0].last.started_offset
        running = exposure.running(chart.now)
        known["exposure"] = {
            "start": iso(exposure.start, offset),
            "end": None if running else iso(exposure.end, offset),
            "running": running,
            "end_known": None if running else end_words(exposure.end_known, chart.rulebook),
            "grams": f"{exposure.grams.normalize():f}" if exposure.grams is not None else None,
            "last_record": iso(last_record(exposure), offset),
        }
    steps = finding.notes.get("steps") if finding is not None else None
    if isinstance(steps, list) and steps:
        known["stepped_up_by"] = list(steps)
    ladder = finding.notes.get("ladder") if finding is not None else None
    if isinstance(ladder, Ladder):
        known["profile"] = ladder.profile
    return known


def _population(chart: Chart) -> str:
    if chart.obstetric:
        return "obstetric"
    return "adult" if chart.age is None or chart.age >= chart.rulebook.adult_years else "child"


_RISK_DIAGNOSES = {
    "I50": "heart failure",
    "N18": "chronic kidney disease",
    "F10": "alcohol",
    "K70": "alcohol",
    "K90": "malabsorption",
}
_RISK_DRUGS = (Drug.LOOP_DIURETIC, Drug.DIGOXIN)


def _risk_factors(chart: Chart) -> list[str]:
    """Return the risk factors for low magnesium of RULES.md 4.1; they change no severity."""
    found = {word for code in chart.diagnoses for prefix, word in _RISK_DIAGNOSES.items() if code.startswith(prefix)}
    found |= {DRUG_WORDS[drug] for _, drug in chart.drugs_seen if drug in _RISK_DRUGS}
    return sorted(found)
