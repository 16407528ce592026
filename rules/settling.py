"""Who notifies: one message, one page, and the reason of each that does not (RULES.md 5 and 7)."""

from collections.abc import Sequence

from rules.alert import Change, Rule, Severity
from rules.chart import Chart
from rules.draft import Draft, Occasion, is_stale, notified
from rules.families import ORDER, standing
from rules.pairing import joined, take
from rules.patient import Alert, Moment


def supersede(drafts: list[Draft], kept: Sequence[Alert]) -> None:
    """
    A magnesium that ends 4.1 while `hyperkalemia-low-magnesium` is raised or open ends it as `superseded`.

    Only an active rule supersedes another (RULES.md 5 and 7, issue 5).
    """
    low = Rule.HYPERKALEMIA_LOW_MAGNESIUM
    open_low = any(alert.rule is low and alert.ended is None and alert.mode == "active" for alert in kept) or any(
        draft.alert.rule is low and draft.ended is None and draft.alert.mode == "active" for draft in drafts
    )
    if not open_low:
        return
    for draft in drafts:
        if draft.alert.rule is Rule.REFRACTORY_HYPERKALEMIA and draft.reason == "magnesium_resulted":
            draft.reason = "superseded"
            draft.alert = draft.alert._replace(ended="superseded")


def settle(chart: Chart, drafts: list[Draft], occasion: Occasion) -> None:
    """Decide which raises and escalations notify, and say why the others do not (RULES.md 5, 7)."""
    speaking: list[Draft] = []
    for draft in drafts:
        if not draft.wants:
            continue
        draft.reason = _why_silent(chart, draft, drafts, occasion)
        if draft.reason is None:
            speaking.append(draft)
        elif draft.reason == "catching_up":
            draft.alert = draft.alert._replace(awaits_catch_up=True)
    if not speaking:
        return
    speaking.sort(key=lambda draft: (-draft.alert.severity, ORDER[draft.alert.rule], draft.alert.trigger_at))
    first, *others = speaking
    first.notify = True
    first.related = tuple(draft.alert.alert_id for draft in others)
    first.alert = notified(first.alert, first.finding, chart.now, reminder=False)._replace(
        spoke_for=joined(first.alert.spoke_for, first.related)
    )
    for draft in others:
        draft.reason = "grouped"
        draft.related = (first.alert.alert_id,)


def _why_silent(chart: Chart, draft: Draft, drafts: Sequence[Draft], occasion: Occasion) -> str | None:
    if not chart.supported:
        return "unsupported_population"
    if occasion.catching_up:
        return "catching_up"
    if draft.alert.rule is Rule.POST_INFUSION_HYPERMAGNESEMIA and any(
        other.reason == "superseded"
        and other.alert.rule is Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN
        and other.alert.mode == "active"
        and other.alert.trigger in draft.alert.stood_on
        and draft.alert.severity <= other.alert.highest
        for other in drafts
    ):
        return "superseding"
    before = [alert.notified_severity for alert in occasion.merged if alert.rule is draft.alert.rule]
    had_notified = [severity for severity in before if severity is not None]
    if had_notified and draft.alert.severity <= max(had_notified):
        return "continued"
    return None


def ungroup(chart: Chart, drafts: list[Draft], kept: list[Alert], occasion: Occasion) -> list[Alert]:
    """
    When the alert that spoke for others is retracted, let the most severe of them speak (RULES.md 5).

    It speaks for the rest of them from then on. One that this message raises or escalates is not silent any more: it
    notifies, or another that notifies names it.
    """
    silent = {key for draft in drafts if draft.change is Change.RETRACTED for key in draft.alert.spoke_for}
    if not silent or not chart.supported:
        return kept
    waiting: list[Alert | Draft] = [
        *(alert for alert in kept if alert.alert_id in silent and _still_unheard(alert)),
        *(
            draft
            for draft in drafts
            if draft.alert.alert_id in silent and draft.change is Change.UPDATED and _still_unheard(draft.alert)
        ),
    ]
    if not waiting:
        return kept
    chosen = min(
        waiting,
        key=lambda w: (_is_old(chart, w), -_alert_of(w).severity, ORDER[_alert_of(w).rule], _alert_of(w).alert_id),
    )
    if isinstance(chosen, Draft):
        draft = chosen
    else:
        kept = [alert for alert in kept if alert is not chosen]
        finding = take(standing(chart), chosen)
        moved = chosen._replace(
            sequence=chosen.sequence + 1, moments=(*chosen.moments, Moment(chart.now, chart.state.seen))
        )
        draft = Draft(moved, Change.UPDATED, finding, stale=_is_old(chart, chosen))
        drafts.append(draft)
    if draft.stale:
        return kept
    if occasion.catching_up:
        draft.alert = draft.alert._replace(awaits_catch_up=True)
        return kept
    draft.change, draft.notify, draft.reason = Change.REMINDED, True, "ungrouped"
    rest = tuple(_alert_of(other).alert_id for other in waiting if other is not chosen)
    speaker = notified(draft.alert, draft.finding, chart.now, reminder=True)
    draft.alert = speaker._replace(spoke_for=joined(speaker.spoke_for, rest))
    return kept


def _is_old(chart: Chart, waiting: Alert | Draft) -> bool:
    """Say whether a reminder would be of a stale trigger, which never reminds (RULES.md 7)."""
    return waiting.stale if isinstance(waiting, Draft) else is_stale(waiting, chart)


def _alert_of(waiting: Alert | Draft) -> Alert:
    return waiting.alert if isinstance(waiting, Draft) else waiting


def _still_unheard(alert: Alert) -> bool:
    return alert.ended is None and alert.last_notified_at is None and alert.severity >= Severity.HIGH
