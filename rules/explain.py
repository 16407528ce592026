"""
Every rule in plain words, with its figures: what a physician reads instead of the code (issue 5).

The texts name parameters of the rulebook in braces, so that a site's own figures stand in them, and so that the table
of a rule's parameters is what its text names. `python -m rules --explain RULE` prints one.
"""

import string
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rules.alert import Rule
from rules.rulebook import DEFAULT, Rulebook
from rules.words.endings import TITLES
from rules.words.transitions import GRADES

WIDTH = 110


class Explanation(NamedTuple):
    """A rule in plain words; what stands in braces is a parameter of the rulebook."""

    section: str
    fires: str
    held: str
    severity: str
    ends: str
    related: tuple[str, ...]  # the names of `COMMON` that it also rests on


RULES: dict[Rule, Explanation] = {
    Rule.REFRACTORY_HYPERKALEMIA: Explanation(
        "4.1",
        "An episode of hyperkalemia is open (it opens at {potassium_onset} and closes at one valid potassium below "
        "{potassium_clear}, at two valid ones in a row below {potassium_onset}, or after {episode_silence} without "
        "any; within {reopen_within} of its close it reopens), a valid potassium of it at or above "
        "{potassium_onset} is refractory (the newest such one triggers), and no valid total magnesium was drawn in the "
        "{magnesium_recent} before it or since, at a known time. A magnesium from before a dialysis is stale, and so "
        "is one below {magnesium_low} from before a dose.\n"
        "Refractory by persistence: a second specimen at or above {potassium_onset}, {persistence_after} after the "
        "first ({persistence_after_severe} when a valid one reached {potassium_critical} or the kidneys are "
        "impaired), not lower than the first by {persistence_fall} or more; or {potassium_high} or above "
        "{persistence_late} after the first.\n"
        "Refractory by treatment failure: {treatment_from} to {treatment_until} after insulin, a beta-2 agonist, "
        "bicarbonate, a loop diuretic or the end of a dialysis ({binder_from} to {binder_until} after a binder), given "
        "since the episode's first potassium, "
        "potassium is not lower by {persistence_fall} than the last one before it (at most {treatment_baseline} "
        "older, itself at or above {potassium_onset}), or is still at or above {potassium_high} after "
        "{treatment_late}. Calcium and magnesium are no such treatment.\n"
        "Refractory by rebound: the episode had closed and reopened.",
        "For {hold} from the moment the potassium is first judged refractory, {hold_pending} while a magnesium is "
        "pending; not at all once a valid potassium of {potassium_critical} or more is in the episode (since it "
        "reopened).",
        "By the highest counted potassium of the episode (since it reopened): warning, high from {potassium_high}, "
        "critical from {potassium_critical}. One step up, and no more, for a reopened episode; for a rise to "
        "{potassium_high} or more of at least {fast_rise} within {fast_rise_within}; for digoxin, or a level "
        "above {digoxin_toxic}, within {digoxin_within} ({digoxin_within_impaired} when the kidneys are impaired); for "
        "a total calcium below {calcium_low} within {calcium_near} of it.",
        "Resolved when a recent magnesium arrives, or when potassium closes the episode; closed, not resolved, after "
        "{episode_silence} without a counted potassium.",
        ("specimen", "kidneys", "life"),
    ),
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: Explanation(
        "5",
        "In an episode of hyperkalemia (from {potassium_onset}) the newest potassium that is refractory, or valid "
        "and at least {potassium_high}, goes with a newest magnesium of the last {magnesium_recent} below "
        "{magnesium_low}.",
        "Not held. It takes the place of the alert without a magnesium.",
        "By the highest potassium of the episode: warning, high from {potassium_high}, critical from "
        "{potassium_critical}; one step up as there, or for a magnesium below {magnesium_very_low}. A potassium below "
        "{potassium_critical} that is not refractory, with a magnesium of {magnesium_very_low} or more, is a warning.",
        "Resolved by a valid magnesium of {magnesium_low} or more, or when potassium closes the episode (one "
        "below {potassium_clear}, or two in a row below {potassium_onset}); closed after {episode_silence} without a "
        "counted potassium.",
        ("specimen", "kidneys", "life"),
    ),
    Rule.POST_INFUSION_HYPERMAGNESEMIA: Explanation(
        "4.2",
        "A magnesium drawn between the beginning of an exposure to parenteral magnesium and {exposure_window} after "
        "its end ({exposure_window_impaired} when the kidneys are impaired or unknown) is at or above the warning of "
        "the patient's ladder. Doses less than {exposure_gap} apart are one exposure; an infusion without a recorded "
        "end is taken to run for {infusion_assumed} after its last record.",
        "Not held.",
        "General ladder: warning {general_warning}, high {general_high}, critical {general_critical}. Kidneys "
        "impaired: {renal_warning}, {renal_high}, {renal_critical}. Obstetric protocol: above {obstetric_warning}, "
        "from {obstetric_high}, from {obstetric_critical}; with a creatinine of {obstetric_creatinine} or impaired "
        "kidneys: above {obstetric_renal_warning}, above {obstetric_renal_high}, from {obstetric_renal_critical}. On "
        "the general ladder one step down, never from critical, while drawn until {early_phase} after the end of an "
        "exposure that had run for less than {early_run}. One step up, and no more, for accumulation (two results "
        "{accumulation_apart} apart, more than {accumulation_after} after the end, the later {accumulation_rise} "
        "higher), for a valid potassium of {potassium_high} or more, or a total calcium below {calcium_low}, within "
        "{magnesium_step_within}. A rise of more than {unexplained_rise_per_gram} per gram recorded is said to be "
        "more than the dose explains.",
        "Resolved by a valid magnesium more than {clearing_margin} below the warning, drawn more than {early_phase} "
        "after the end; closed after {magnesium_silence} without a magnesium, and not while the infusion runs. "
        "The end of the infusion resolves nothing.",
        ("specimen", "kidneys", "life"),
    ),
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: Explanation(
        "4.2",
        "A valid magnesium that belongs to no exposure is {unknown_level} or more, or is {unknown_level_rising} or "
        "more and at least {unknown_rise} above one of the {unknown_rise_within} before it.",
        "Not held.",
        "By the ladder of the patient's profile, at least a warning (general: {general_warning}, {general_high}, "
        "{general_critical}); one step up for a valid potassium of {potassium_high} or more, or a total calcium below "
        "{calcium_low}, within {magnesium_step_within}.",
        "Resolved by a later valid magnesium below {unknown_clear}, or when a dose comes to light to which the result "
        "belongs; closed after {magnesium_silence} without a magnesium.",
        ("specimen", "kidneys", "life"),
    ),
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: Explanation(
        "5",
        "A valid potassium of {potassium_onset} or more, drawn between the beginning of an exposure to magnesium and "
        "{after_window} after its end, is {after_rise} or more above the last one of the {after_baseline} before that "
        "exposure.",
        "Not held.",
        "Warning; high from {potassium_high}, or when a magnesium of the exposure is high on its ladder; critical from "
        "{potassium_critical}.",
        "Resolved by a valid potassium below {potassium_clear}; closed after {episode_silence} without a potassium.",
        ("specimen", "kidneys", "life"),
    ),
}

RULES |= {
    Rule.REFRACTORY_HYPOKALEMIA: Explanation(
        "5",
        "Valid potassiums below {hypokalemia} in two specimens {hypokalemia_apart} to {hypokalemia_gap} apart with "
        "none of {hypokalemia} or more between them; or one below {hypokalemia_high} with a magnesium below "
        "{magnesium_low}; or one below {hypokalemia_critical} without a magnesium of the last {magnesium_recent}. "
        "The newest magnesium of that time is below {magnesium_low}, or there is none. A low potassium in a "
        "hemolyzed tube counts: hemolysis only raises it.",
        "Only where the magnesium is missing: {hold}, {hold_pending} while one is pending; not at all when the lowest "
        "potassium of the last {hypokalemia_lowest_within} is below {hypokalemia_critical}.",
        "By the lowest potassium of the last {hypokalemia_lowest_within}: warning, high below {hypokalemia_high}, "
        "critical below {hypokalemia_critical}; one step up for digoxin, or a magnesium below {magnesium_very_low}. A "
        "newest one of {hypokalemia_high} or more that has risen by {hypokalemia_recovering} is a warning.",
        "Resolved by a valid potassium of {hypokalemia} or more, or a magnesium of {magnesium_low} or more; closed "
        "after {hypokalemia_gap} without a potassium.",
        ("specimen", "kidneys", "life"),
    ),
    Rule.MAGNESIUM_MONITORING_GAP: Explanation(
        "5",
        "{gap_grams} of magnesium or more ({gap_grams_impaired} when the kidneys are impaired), or an infusion of "
        "{gap_run} or more, in a patient whose kidneys are impaired or unknown, and no counted magnesium, or no "
        "counted potassium, drawn {gap_from} or more into it (or at its end or later, where that comes first).",
        "A timer raises it: {gap_run} after the beginning while the infusion runs, else {gap_after} after its end.",
        "Warning; high when the kidneys are impaired, the magnesium is what is missing, and it was {gap_grams} or "
        "more, or {gap_run} or more.",
        "Resolved when both are measured; closed {gap_expiry} after the end of the exposure.",
        ("kidneys", "life"),
    ),
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: Explanation(
        "5",
        "A valid total calcium below {hypocalcemia}, or an ionized one below {hypocalcemia_ionized}, drawn between "
        "the beginning of an exposure to magnesium and {after_window} after its end, and at least "
        "{hypocalcemia_fall} (ionized {hypocalcemia_ionized_fall}) below the last one of the {after_baseline} before "
        "that exposure, where one is known. A total calcium with an ionized one of {hypocalcemia_ionized} or more "
        "within {hypocalcemia_ionized_near} does not fire. Below {post_filter_ionized} during continuous dialysis the "
        "words speak of a post-filter sample.",
        "Not held. One alert for total, one for ionized calcium.",
        "Warning; critical below {hypocalcemia_critical} (ionized {hypocalcemia_ionized_critical}), unless the newest "
        "magnesium of the exposure is below {hypocalcemia_magnesium}: low magnesium lowers calcium too.",
        "Resolved when the same calcium is back at its limit; closed after {hypocalcemia_silence} without it.",
        ("specimen", "life"),
    ),
    Rule.SPURIOUS_POTASSIUM: Explanation(
        "5",
        "A potassium of {potassium_onset} or more from a suspect or invalid specimen, until a valid one of a later "
        "specimen is known. One alert a specimen, for the laboratory.",
        "Not held.",
        "Always information; it never notifies.",
        "Resolved by a valid potassium of a later specimen; closed after {spurious_expiry}.",
        ("specimen",),
    ),
}

COMMON: dict[str, tuple[str, str]] = {
    "specimen": (
        "3",
        (
            "A potassium is suspect when its tube is said to be hemolyzed; when it is {edta_potassium} or more "
            "beside a total calcium below {edta_calcium} and a magnesium below {edta_magnesium} in one specimen "
            "(without a magnesium: calcium below {edta_calcium_alone}), the pattern of K-EDTA; or when it differs by "
            "{jump_potassium} or more from a valid one at most {jump_within} older, and none between is within "
            "{jump_near} of it. Of two suspect ones of {confirm_potassium} or more, less than {confirm_near} and "
            "{confirm_after} to {confirm_within} apart, the later counts as valid. A suspect potassium meets no "
            "criterion alone and makes at most high, critical from {suspect_critical_potassium}. A magnesium of a "
            "hemolyzed tube or of the pattern is suspect too: it makes at most a warning, and is never recent. A "
            "suspect calcium counts for nothing. Clotted or contaminated specimens do not count, nor does potassium or "
            "magnesium of a grossly hemolyzed one."
        ),
    ),
    "kidneys": (
        "6",
        (
            "Renal function is impaired by the newest eGFR of {renal_within}, reported or by CKD-EPI 2021 from a "
            "creatinine, below {egfr_impaired}; a dialysis within that time; a diagnosis of the visit among "
            "{renal_diagnoses}; or acute kidney injury: creatinine "
            "{aki_rise} or more above one of the {aki_rise_within} before it, or {aki_ratio} times the lowest of "
            "{aki_within} and at least {aki_minimum}, not followed within {aki_undone_within} by one below "
            "{aki_undone_ratio} times that lowest. Without data it is unknown. Below the age of {adult_years} "
            "(years) nobody is notified, unless under the obstetric protocol: a diagnosis among "
            "{obstetric_diagnoses}, a service among {obstetric_services}, a location among {obstetric_locations}."
        ),
    ),
    "life": (
        "7 and 8",
        (
            "High and critical alerts notify. A new triggering result reminds after {remind_high} (critical: "
            "{remind_critical}), at most {remind_at_most} times in 24 h; sooner when it is markedly worse: potassium "
            "{worse_potassium} higher, or {worse_potassium_low} lower in hypokalemia, magnesium {worse_magnesium} "
            "higher. A trigger drawn more than {stale_after} ago (critical: {stale_after_critical}) notifies nobody "
            "(of a monitoring gap and a doubtful potassium there is no such limit). "
            "An admission within {readmission_within} undoes a discharge. At most {results_at_most} results of a "
            "patient are kept; a patient is forgotten {retire_after} after the last event ({retire_context_after} "
            "with nothing but context). A message judged more than {catching_up_after} late notifies nobody until the "
            "service has caught up; a critical alert waits {critical_awaits} for that at most. A hold ends by the wall "
            "clock when the feed has hung more than {stuck_after} behind, and come no closer, for as long."
        ),
    ),
}
"""What several rules rest on, by name: the section of RULES.md, and its text."""


def named(*texts: str) -> list[str]:
    """Return the parameters that *texts* name, in order, each once."""
    found = [name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name]
    return list(dict.fromkeys(found))


def parameters(rule: Rule) -> list[str]:
    """Return the parameters that a rule's own text names, and those of what it rests on."""
    one = RULES[rule]
    common = (COMMON[name][1] for name in one.related)
    return named(one.fires, one.held, one.severity, one.ends, *common)


def explain(rule: Rule, rulebook: Rulebook = DEFAULT) -> str:
    """Return a rule in plain words with the rulebook's figures, and the table of its parameters."""
    one = RULES[rule]
    figures = {name: rulebook.shown(name) or "none" for name in parameters(rule)}
    blocks = [
        f"{rule.value}: {TITLES[rule]}",
        f"RULES.md {one.section}, mode {rulebook.mode(rule)}, evidence grade {GRADES[rule]}",
    ]
    for heading, text in (("Fires", one.fires), ("Held", one.held), ("Severity", one.severity), ("Ends", one.ends)):
        blocks += ["", *_paragraphs(heading, text.format_map(figures))]
    for name in one.related:
        section, text = COMMON[name]
        blocks += ["", *_paragraphs(f"{name.capitalize()} (RULES.md {section})", text.format_map(figures))]
    blocks += ["", "Parameters: value, bounds, section of RULES.md, source", *_table(rule, rulebook)]
    return "\n".join(blocks)


def _paragraphs(heading: str, text: str) -> Iterator[str]:
    yield f"{heading}:"
    for paragraph in text.split("\n"):
        yield textwrap.fill(paragraph, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _table(rule: Rule, rulebook: Rulebook) -> Sequence[str]:
    wanted = parameters(rule)
    rows = {name: row for name, *row in rulebook.rows()}
    lines = []
    for name in wanted:
        value, low, high, section, source = rows[name]
        bounds = f"{low} to {high}" if low else "a site's list"
        lines.append(f"  {name:<30} {value or 'none':<24} {bounds:<44} {section:<4} {source}")
    return lines
