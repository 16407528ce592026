"""Which finding an open alert goes with, and what it takes over from it (RULES.md 7)."""

from rules.alert import Rule
from rules.finding import Finding
from rules.lazy import replaced
from rules.patient import Alert


def take(findings: list[Finding], alert: Alert) -> Finding | None:
    """
    Take the finding of *alert* out of *findings*.

    Rather one of the same subject than one that stands on its trigger, and that than one that shares older results.
    """
    found = [finding for finding in findings if finding.rule is alert.rule and same(alert, finding)]
    if not found:
        return None
    taken = max(found, key=lambda finding: (same_subject(alert, finding), alert.trigger in finding.stood_on))
    findings.remove(taken)
    return taken


def same(alert: Alert, finding: Finding) -> bool:
    """Say whether *finding* is the alert's: of its subject; or, the naming dose deleted, by what it stood on."""
    return (
        same_subject(alert, finding)
        or finding.trigger in alert.triggers
        or not set(alert.stood_on).isdisjoint(finding.stood_on)
    )


def same_subject(alert: Alert, finding: Finding) -> bool:
    """Say whether the subject is the same; an exposure's is, by any of its doses."""
    named_by_dose = alert.rule in (Rule.POST_INFUSION_HYPERMAGNESEMIA, Rule.MAGNESIUM_MONITORING_GAP)
    doses = finding.exposure.keys if named_by_dose and finding.exposure is not None else (finding.subject,)
    return alert.subject in doses


def following(alert: Alert, finding: Finding) -> Alert:
    """
    Return an alert that follows its finding.

    Used magnesium, results it stands on, and its trigger, never to an older one.
    """
    newer = finding.trigger_at >= alert.trigger_at
    return replaced(
        alert,
        used_at=finding.used_at,
        stood_on=joined(alert.stood_on, finding.stood_on),
        triggers=joined(alert.triggers, (finding.trigger,)),
        trigger=finding.trigger if newer else alert.trigger,
        trigger_at=finding.trigger_at if newer else alert.trigger_at,
    )


def joined(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """Return *old* names and those of *new* that are not among them."""
    added = () if new == old else tuple([key for key in new if key not in old])
    return (*old, *added) if added else old
