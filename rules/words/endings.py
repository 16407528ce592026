"""How an alert ended, in a sentence: resolved by what, closed unresolved, or retracted (RULES.md 4, 5, 7)."""

from rules.alert import Change, Rule
from rules.chart import Chart
from rules.draws import Draw
from rules.patient import Alert
from rules.rulebook import Rulebook
from rules.words.facts import WHY_DOUBTFUL
from rules.words.sentence import Part, fit
from rules.words.values import age, name, shown, shown_as

ENDS = {
    "magnesium_resulted": "magnesium has resulted",
    "potassium_cleared": "potassium has cleared",
    "magnesium_cleared": "magnesium has cleared",
    "magnesium_recovered": "magnesium has recovered",
    "potassium_recovered": "potassium has recovered",
    "measured": "magnesium and potassium are both measured",
    "calcium_recovered": "calcium has recovered",
    "repeat_resulted": "a valid repeat has resulted",
    "discharged": "the patient was discharged",
    "deceased": "the patient has died",
    "merged": "the record was merged and goes on under the surviving number",
    "withdrawn": "what it stood on was withdrawn by its sender",
    "corrected": "what it stood on was corrected by its sender",
    "invalidated": "the specimen that it stood on is no longer believed",
}
"""Words of the reasons with which an alert ends; of `superseded` and `expired` each rule has its own."""

_SUPERSEDED = {
    Rule.REFRACTORY_HYPERKALEMIA: "the alert on low magnesium goes on",
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: "a dose is now on record, and the alert on that infusion goes on",
}
_SILENCE = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: ("no further magnesium for {}", "magnesium_silence"),
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: ("no further magnesium for {}", "magnesium_silence"),
    Rule.REFRACTORY_HYPERKALEMIA: ("no further potassium for {}", "episode_silence"),
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: ("no further potassium for {}", "episode_silence"),
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: ("no further potassium for {}", "episode_silence"),
    Rule.REFRACTORY_HYPOKALEMIA: ("no further potassium for {}", "hypokalemia_gap"),
    Rule.MAGNESIUM_MONITORING_GAP: ("not both measured within {} of the end of the dose", "gap_expiry"),
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: ("no further calcium for {}", "hypocalcemia_silence"),
    Rule.SPURIOUS_POTASSIUM: ("no valid repeat within {}", "spurious_expiry"),
}

TITLES = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: "high magnesium after infusion",
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: "high magnesium without a known dose",
    Rule.REFRACTORY_HYPERKALEMIA: "high potassium without a recent magnesium",
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: "high potassium with low magnesium",
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: "potassium risen after magnesium",
    Rule.REFRACTORY_HYPOKALEMIA: "low potassium with low or unmeasured magnesium",
    Rule.MAGNESIUM_MONITORING_GAP: "magnesium without monitoring",
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: "low calcium after magnesium",
    Rule.SPURIOUS_POTASSIUM: "doubtful potassium",
}
"""Every rule in plain words."""


def _why_ended(rule: Rule, reason: str, book: Rulebook) -> str:
    if reason == "superseded":
        return _SUPERSEDED[rule]
    if reason == "expired":
        words, parameter = _SILENCE[rule]
        return words.format(book.shown(parameter))
    return ENDS[reason]


def _resolution(chart: Chart, why: str, by: Draw | None) -> tuple[Part, ...]:
    """Return why it is resolved, and by what: ``magnesium has resulted: 0.85 mmol/L, drawn 4 min ago``."""
    if by is None:
        return (Part(why),)
    if why in _SUPERSEDED.values():
        return Part(shown_as(by)), Part(age(by, chart.now), 2, joint=", "), Part(why)
    told = shown(by) if why.startswith(f"{name(by).lower()} has") else shown_as(by)
    return Part(why), Part(told, joint=": "), Part(age(by, chart.now), 2, joint=", ")


def ended(chart: Chart, alert: Alert, change: Change, reason: str, by: Draw | None) -> str:
    """Return how an alert ended: resolved by what, closed without being resolved, or retracted."""
    title, why = TITLES[alert.rule], _why_ended(alert.rule, reason, chart.rulebook)
    if change is Change.RESOLVED:
        return fit(f"Resolved: {title}", *_resolution(chart, why, by))
    if change is Change.CLOSED:
        return fit(f"Closed, not resolved: {title}", Part(why))
    if by is None:
        now = ""
    elif alert.rule is Rule.SPURIOUS_POTASSIUM and reason == "invalidated":
        return fit(f"Retracted: {title}", Part(f"its specimen is no longer doubted, {shown_as(by)} counts"))
    else:
        now = f"{shown_as(by)} now" if by.valid else WHY_DOUBTFUL[by.why]
    return fit(f"Retracted: {title}", Part(why), Part(now, 2), Part("the alert no longer stands"))
