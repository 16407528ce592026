"""What the check of a fault run takes for broken: it is no use where it sees nothing."""

from collections.abc import Callable

import pytest

from consumer.wire import PatientRecord
from rules.alert import Rule, Severity
from rules.events import Patient
from rules.patient import Alert, PatientState, new_state
from tests.e2e.deployment import Told
from tests.fault.check import Findings, alerts_told, all_told
from tests.fault.model import Model

SURE, MERGED = "HOSP|1", "HOSP|2"
ALERTS = ((SURE, "a"), (MERGED, "b"))
TOLD = [Told(subject, f"{name}:{number}", "text") for subject, name in ALERTS for number in (1, 2, 3)]
EDITS: dict[str, Callable[[list[Told]], list[Told]]] = {
    "nothing": lambda told: told,
    "the first is lost": lambda told: told[1:],
    "one between is lost": lambda told: [told[0], told[2]],
    "the last is lost": lambda told: told[:2],
    "all are lost": lambda told: [],
    "one came twice": lambda told: [*told, told[1]],
    "two changed places": lambda told: [told[1], told[0], told[2]],
    "one says something else": lambda told: [*told[:2], told[2]._replace(text="other")],
}


def state(subject: str, name: str) -> PatientState:
    """Return a patient with one open alert, told three times."""
    alert = Alert(
        alert_id=name,
        rule=Rule.HYPERKALEMIA_LOW_MAGNESIUM,
        subject=subject,
        sequence=3,
        severity=Severity.HIGH,
        criterion=None,
        trigger="k",
        trigger_at=0,
        triggers=("k",),
        opened_at=0,
        moments=(),
    )
    return new_state(Patient(subject, subject[-1], "HOSP"))._replace(alerts=(alert,))


STATES = {subject: PatientRecord(state(subject, name)) for subject, name in ALERTS}


def broken(edited: str, how: str, *, touched: bool = False) -> set[str]:
    """Return which of invariant 1's figures are not zero when something has happened to what was told of a patient."""
    mine, others = [alert for alert in TOLD if alert.subject == edited], [a for a in TOLD if a.subject != edited]
    seen = [*others, *EDITS[how](mine)]
    model = Model(alerts={SURE: TOLD[:3], MERGED: TOLD[3:]}, crossed={MERGED})
    found, apart = Findings(), {edited} if touched else set()
    alerts_told(model, seen, found, apart)
    all_told(model, STATES, {alert.id for alert in seen}, found, apart)
    return set(found.broken)


@pytest.mark.parametrize(
    ("how", "of_a_sure_one", "of_a_merged_one", "of_a_touched_one"),
    [
        ("nothing", set(), set(), set()),
        ("the first is lost", {"lost", "never_told", "out_of_order"}, {"never_told", "out_of_order"}, {"never_told"}),
        ("one between is lost", {"lost", "never_told", "out_of_order"}, {"never_told", "out_of_order"}, {"never_told"}),
        ("the last is lost", {"lost", "never_told"}, {"never_told"}, {"never_told"}),
        ("all are lost", {"lost", "never_told"}, {"never_told"}, {"never_told"}),
        ("one came twice", {"doubled"}, {"doubled"}, {"doubled"}),
        ("two changed places", {"out_of_order"}, {"out_of_order"}, set()),
        ("one says something else", {"differing"}, set(), set()),
    ],
)  # fmt: skip
def test_what_breaks_invariant_1(
    how: str, of_a_sure_one: set[str], of_a_merged_one: set[str], of_a_touched_one: set[str]
) -> None:
    """A lost alert is seen of everybody; a different one of those whom no merge binds across partitions."""
    assert broken(SURE, how) == of_a_sure_one
    assert broken(MERGED, how) == of_a_merged_one
    assert broken(SURE, how, touched=True) == of_a_touched_one


def test_what_the_model_tells_of_a_touched_patient_was_told() -> None:
    """Also of an alert that the patient no longer has: retired, or gone with a merge."""
    model, found = Model(alerts={SURE: TOLD[:3]}), Findings()
    all_told(model, {}, {TOLD[0].id, TOLD[2].id}, found, {SURE})
    assert found.never_told == 1
