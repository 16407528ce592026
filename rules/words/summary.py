"""
The sentence that a tired clinician reads at three in the morning (RULES.md, intended use).

At most 160 characters. It leads with the potassium, magnesium or calcium itself: value, change, age of the draw; then
what was seen, then what is missing. It says what was measured and never orders.
"""

from collections.abc import Callable
from typing import NamedTuple

from rules.alert import Change, Rule
from rules.chart import Chart
from rules.draws import Draw
from rules.episode import Episode
from rules.events import Analyte, Instant
from rules.exposure import Exposure
from rules.finding import Finding
from rules.hyperkalemia import treatment_failure
from rules.patient import Alert
from rules.words.beside import which_worst, worse_beside, worst_of
from rules.words.endings import TITLES, ended
from rules.words.facts import (
    WHY_DOUBTFUL,
    exposure_words,
    magnesium_since,
    missing_magnesium,
    no_exposure,
    treated_from,
    treatment_words,
    treatments_since,
    unexplained,
    unmeasured,
)
from rules.words.sentence import OPTIONAL, Part, fit
from rules.words.values import age, ago, as_sent, earlier, hours, name, shown, shown_as, trend


class Scene(NamedTuple):
    """What a sentence is made from."""

    chart: Chart
    finding: Finding
    behind: Instant | None

    @property
    def trigger(self) -> Draw:
        """Return the triggering result."""
        return self.finding.evidence[0]

    @property
    def late(self) -> Part:
        """Return how far the feed is behind, where a timer was overruled because of it (RULES.md 8)."""
        return Part("" if self.behind is None else f"the feed is {hours(self.behind)} behind")

    @property
    def renal(self) -> Part:
        """Return the renal function, where magnesium may leave slowly."""
        renal = self.chart.renal
        return Part("" if renal.status == "not impaired" else f"renal function {renal.status}", OPTIONAL, joint=", ")


def _said(
    scene: Scene,
    before: Draw | None,
    *parts: Part,
    nothing: str = "",
    prefix: str = "",
    brief: str = "",
    doubtful: str = "possibly spurious",
) -> str:
    """
    Return value, change since *before* (*nothing* without one) and age of the trigger, then *parts*.

    Where room is short *brief* stands for the *prefix*, and no change from a value that is doubtful is told.
    """
    trigger = scene.trigger
    value = f"{name(trigger)} {shown(trigger)}{'' if trigger.valid else f' ({doubtful})'}"
    aged = age(trigger, scene.chart.now)
    change = nothing if before is None else trend(trigger, before)
    sure = change if before is None or before.valid else ""

    def lead(prefix: str, change: str) -> str:
        head = f"{prefix}: {value[0].lower()}{value[1:]}" if prefix else value
        return ", ".join(text for text in (head, change, aged) if text)

    return fit(lead(prefix, change), *parts, brief=lead(brief or prefix, sure))


def _seen(chart: Chart, episode: Episode, how: str = "{}", briefly: str = "{}") -> Part:
    """Return the newest treatment that the feed shows, within *how* the potassium is; none seen is not none given."""
    seen = treatments_since(chart, treated_from(episode))
    full, short = (seen[0], seen[0]) if seen else ("no treatment seen in the feed", "no treatment seen")
    shorter = short if seen else f"persistent, {short}" if "persistent" in how else short
    return Part(how.format(full), 2, briefly.format(short), shorter=shorter)


def _hyperkalemia(scene: Scene) -> str:
    chart, finding, trigger = scene.chart, scene.finding, scene.trigger
    episode = finding.notes["episode"]
    assert isinstance(episode, Episode)
    failed = treatment_failure(chart, episode, trigger)
    if finding.criterion == "treatment_failure" and failed is not None:
        treated = treatment_words(*failed, chart.now)
        seen = Part(f"still high after {treated}", 2, shorter=treated)
    elif episode.reopened_at is not None and trigger.at >= episode.reopened_at:
        seen = _seen(chart, episode, "high again after clearing, {}", "high again, {}")
    else:
        since = hours(trigger.at - episode.first.at)
        seen = _seen(chart, episode, f"persistent over {since}, {{}}", f"persistent {since}, {{}}")
    lacking, short = missing_magnesium(chart, trigger.at)
    return _said(
        scene,
        earlier(episode.draws, trigger),
        _worst(scene),
        *_worse_beside(scene),
        seen,
        Part(lacking, 1, short),
        scene.late,
        scene.renal,
    )


def _low_magnesium(scene: Scene) -> str:
    chart, finding, trigger = scene.chart, scene.finding, scene.trigger
    magnesium, episode = finding.notes["magnesium_draw"], finding.notes["episode"]
    assert isinstance(magnesium, Draw)
    assert isinstance(episode, Episode)
    return _said(
        scene,
        earlier(chart.potassium, trigger),
        _worst(scene),
        *_worse_beside(scene),
        Part(f"magnesium low, {shown(magnesium)} {age(magnesium, chart.now)}", 1, f"magnesium low, {shown(magnesium)}"),
        _seen(chart, episode),
        scene.renal,
    )


def _hypokalemia(scene: Scene) -> str:
    chart, trigger = scene.chart, scene.trigger
    magnesium = scene.finding.notes["magnesium_draw"]
    if isinstance(magnesium, Draw):
        low = f"magnesium low, {shown(magnesium)}"
        said = Part(f"{low} {age(magnesium, chart.now)}", 1, low)
    else:
        lacking, short = missing_magnesium(chart, trigger.at)
        said = Part(lacking, 1, short)
    return _said(
        scene,
        earlier(chart.potassium, trigger),
        _worst(scene),
        *_worse_beside(scene),
        said,
        scene.late,
        scene.renal,
        doubtful="hemolyzed, may be lower",
    )


def _hypermagnesemia(scene: Scene) -> str:
    chart, exposure = scene.chart, scene.finding.exposure
    beyond = unexplained(chart, scene.finding)
    dose = Part(no_exposure(chart, scene.trigger)) if exposure is None else _dose(scene, exposure, 1)
    return _said(
        scene,
        earlier(chart.magnesium, scene.trigger),
        _worst(scene),
        *_worse_beside(scene),
        dose,
        scene.renal,
        prefix="More than the recorded dose explains" if beyond else "",
        brief="Beyond the recorded dose" if beyond else "",
    )


def _after_magnesium(scene: Scene) -> str:
    chart, exposure, trigger = scene.chart, scene.finding.exposure, scene.trigger
    before = scene.finding.notes["baseline"]
    magnesium, believed = magnesium_since(chart, scene.finding)
    assert exposure is not None
    draws = {Analyte.POTASSIUM: chart.potassium, Analyte.CALCIUM: chart.calcium.valid()}.get(
        trigger.result.analyte, chart.ionized.valid()
    )
    last = earlier([draw for draw in draws if draw.at >= exposure.start], trigger)
    was = f"{shown(before)} before magnesium" if isinstance(before, Draw) and last is not None else ""
    if last is None and isinstance(before, Draw):
        last = before
    if magnesium is None:
        known = Part("magnesium not measured since")
    elif believed:
        level = f"magnesium {shown(magnesium)}{'' if magnesium.valid else ' (possibly spurious)'}"
        known = Part(f"{level} drawn {ago(magnesium.at, chart.now)}", 1, level)
    else:
        known = Part("magnesium drawn, but the specimen is doubtful", 1, "magnesium specimen doubtful")
    return _said(
        scene,
        last,
        *_worse_beside(scene),
        Part(was, 3),
        _dose(scene, exposure, 2, drug=True),
        known,
        scene.renal,
        nothing="baseline not known",
    )


def _dose(scene: Scene, exposure: Exposure, rank: int, *, drug: bool = False) -> Part:
    """Return whether the infusion runs or ended; shorter without its grams, then without how its end is assumed."""
    full = exposure_words(exposure, scene.chart.now, scene.chart.rulebook, brief=True)
    words = _of_magnesium(full) if drug else full
    short = words.partition(",")[0]
    when, _, assumed = short.partition(" (end assumed")
    return Part(words, rank, short, shorter=f"{when} (assumed)" if assumed else "")


def _of_magnesium(words: str) -> str:
    """Name the drug in an exposure's words: ``magnesium infusion running``, ``last magnesium dose 4 h ago``."""
    return words.replace("infusion", "magnesium infusion").replace("last dose", "last magnesium dose")


def _gap(scene: Scene) -> str:
    chart, exposure = scene.chart, scene.finding.exposure
    assert exposure is not None
    lacking = [f"{'usable ' if tried else ''}{word}" for word, tried in unmeasured(chart, scene.finding)]
    dose, _, amount = _of_magnesium(exposure_words(exposure, chart.now, chart.rulebook, brief=True)).partition(", ")
    since = (
        f"drawn after its first {chart.rulebook.shown('gap_from')}" if exposure.end > chart.now else "measured since"
    )
    return fit(
        f"{dose[0].upper()}{dose[1:]}",
        Part(amount, 2, joint=", "),
        Part(f"no {' and no '.join(lacking)} {since}", 0),
        scene.renal._replace(joint="; ", rank=1),
    )


def _spurious(scene: Scene) -> str:
    why = WHY_DOUBTFUL[scene.trigger.why]
    return _said(scene, None, Part(why, joint=", "), Part("no valid repeat yet"))


_SENTENCES: dict[Rule, Callable[[Scene], str]] = {
    Rule.POST_INFUSION_HYPERMAGNESEMIA: _hypermagnesemia,
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: _hypermagnesemia,
    Rule.REFRACTORY_HYPERKALEMIA: _hyperkalemia,
    Rule.HYPERKALEMIA_LOW_MAGNESIUM: _low_magnesium,
    Rule.HYPERKALEMIA_AFTER_MAGNESIUM: _after_magnesium,
    Rule.REFRACTORY_HYPOKALEMIA: _hypokalemia,
    Rule.MAGNESIUM_MONITORING_GAP: _gap,
    Rule.HYPOCALCEMIA_AFTER_MAGNESIUM: _after_magnesium,
    Rule.SPURIOUS_POTASSIUM: _spurious,
}


def _worse_beside(scene: Scene) -> list[Part]:
    """Name what is worse than the headline: a potassium is the last to go, a creatinine the first."""
    ranks = {Analyte.POTASSIUM: 0, Analyte.CREATININE: 2}
    return [
        Part(shown_as(draw), ranks.get(draw.result.analyte, 1), joint=", ")
        for draw in worse_beside(scene.chart, scene.trigger)
    ]


def _worst(scene: Scene) -> Part:
    """Name the result that the severity is by, where it is not the headline's."""
    worst = worst_of(scene.finding)
    if worst is None:
        return Part("")
    which = which_worst(scene.trigger, worst)
    told, brief = ("", "") if worst.valid else (" (possibly spurious)", " (doubtful)")
    number = f"{worst.result.comparator}{as_sent(worst).number}"
    return Part(f"{which} {shown(worst)}{told}", 3, f"{which} {number}{brief}", joint=", ")


def summary(
    chart: Chart,
    alert: Alert,
    change: Change,
    finding: Finding | None,
    reason: str | None,
    *,
    ending: Draw | None = None,
    trigger: Draw | None = None,
    behind: Instant | None = None,
) -> str:
    """
    Return the sentence of one transition.

    Args:
        chart: The patient at the moment of the transition.
        alert: The alert after it.
        change: What the alert did.
        finding: What its rule finds now, where it does.
        reason: The transition's reason.
        ending: The result that ended the alert, where one did.
        trigger: The alert's triggering result in its present version, where it still stands.
        behind: How far the feed is behind, when a timer was overruled because of it.
    """
    if change in (Change.RESOLVED, Change.CLOSED, Change.RETRACTED):
        return ended(chart, alert, change, reason or "", ending if change is Change.RESOLVED else trigger)
    if finding is None:
        seen = f"{name(trigger)} {shown(trigger)}, {age(trigger, chart.now)}" if trigger is not None else ""
        lead = seen or f"Last finding {ago(alert.trigger_at, chart.now)}"
        return fit(lead, Part(f"the alert is still open ({TITLES[alert.rule]})"))
    return _SENTENCES[alert.rule](Scene(chart, finding, behind))
