"""What stands beside the headline: the kidneys, what is worse (RULES.md intended use, 4.1, 4.2, 5, 6)."""

from collections.abc import Callable
from decimal import Decimal

from rules.chart import Chart
from rules.draws import Draw, Draws
from rules.events import Analyte, Instant
from rules.finding import Finding
from rules.words.values import age, shown_as


def renal_basis(chart: Chart) -> Draw | None:
    """Return the eGFR or creatinine that the renal function rests on, None where it rests on neither (RULES.md 6)."""
    since = chart.now - chart.rulebook.renal_within
    known = [draws[-1] for draws in (chart.egfr, chart.creatinine) if draws and draws[-1].at >= since]
    return max(known, key=lambda draw: draw.at, default=None)


def renal_words(chart: Chart) -> str:
    """Return the renal function with what it rests on, and what it means for magnesium; never "normal" (RULES.md 6)."""
    renal, basis = chart.renal, renal_basis(chart)
    known = list(renal.why) or ([f"eGFR {renal.egfr}"] if renal.egfr is not None else [])
    if basis is not None and basis.result.analyte is Analyte.CREATININE:
        known.append(f"{shown_as(basis)} {age(basis, chart.now)}")
    elif basis is not None and known[0].startswith("eGFR"):
        known[0] += f" {age(basis, chart.now)}"
    words = f"renal function {renal.status}" + (f" ({', '.join(known)})" if known else "")
    return f"{words}: magnesium accumulates when the kidneys fail" if chart.cleared_slowly else words


def worst_of(finding: Finding) -> Draw | None:
    """Return the result that the severity is by, where it is another than the trigger (RULES.md 4.1, 4.2 and 5)."""
    worst = finding.notes.get("worst")
    return worst if isinstance(worst, Draw) else None


def which_worst(trigger: Draw, worst: Draw) -> str:
    """Return which result the severity is by: the highest, lowest, or highest valid one (the trigger is doubtful)."""
    if worst.value > trigger.value:
        return "highest"
    return "lowest" if trigger.result.analyte is Analyte.POTASSIUM else "highest valid"


def worse_beside(chart: Chart, trigger: Draw) -> list[Draw]:
    """Return a potassium beside magnesium, a calcium, a creatinine that is worse than the headline (issue 5)."""
    return chart.told(("worse beside", trigger.key), lambda: _worse_beside(chart, trigger))


def _worse_beside(chart: Chart, trigger: Draw) -> list[Draw]:
    book = chart.rulebook
    found: list[Draw] = []
    if trigger.result.analyte is Analyte.MAGNESIUM:
        found = _near(chart.potassium, trigger, book.magnesium_step_within, lambda value: value >= book.potassium_high)
    if trigger.result.analyte not in (Analyte.CALCIUM, Analyte.CALCIUM_IONIZED):
        found += _near(chart.calcium, trigger, book.calcium_near, lambda value: value < book.calcium_low) or _near(
            chart.ionized, trigger, book.calcium_near, lambda value: value < book.hypocalcemia_ionized
        )
    creatinine, why = chart.renal.creatinine, " ".join(chart.renal.why)
    if creatinine is not None and why.startswith("eGFR"):
        found.append(creatinine)
    elif creatinine is not None and "acute kidney injury" in why:
        since = creatinine.at - book.aki_within
        lowest = min(draw.value for draw in chart.creatinine if draw.at >= since)
        found += [creatinine] if creatinine.value - lowest >= book.aki_rise else []
    return found


def _near(draws: Draws, trigger: Draw, within: Instant, worse: Callable[[Decimal], bool]) -> list[Draw]:
    near = draws.between(trigger.at - within, trigger.at + within)
    return [draw for draw in near if draw.valid and worse(draw.value)][-1:]
