"""What Grafana asks and Prometheus' rules judge by exists in the service's own /metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from consumer.metrics import OUTCOMES, TASK_STATES, VERDICTS, Metrics
from rules.alert import Change

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/lab-alert.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8"))[
    "groups"
][0]["rules"]

QUERIES = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
QUERIES |= {rule["alert"]: rule["expr"] for rule in RULES}

SERIES = re.compile(r"\b(lab_alert_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\bby \(([^)]*)\)")

VALUES = {
    "outcome": set(OUTCOMES),
    "state": set(TASK_STATES),
    "transition": {change.value for change in Change},
    "verdict": set(VERDICTS),
}
"""Labels whose every value is known beforehand."""

SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds to every series, ``up`` among them."""


@pytest.fixture
def exposed(told_metrics: Metrics) -> dict[str, set[str]]:
    """The label names of each series, as /metrics shows them."""
    found: dict[str, set[str]] = {"up": set(SCRAPED)}
    for family in text_string_to_metric_families(told_metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set(SCRAPED)).update(sample.labels)
    return found


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_queries_ask_for_what_there_is(query: str, exposed: dict[str, set[str]]) -> None:
    """Each series, label and enumerated value of a query exists."""
    asked = SERIES.findall(query)
    assert asked
    labels: set[str] = set()
    for name, matchers in asked:
        assert name in exposed
        labels |= exposed[name]
        for label, values in MATCHER.findall(matchers):
            assert label in exposed[name]
            assert set(values.split("|")) <= VALUES.get(label, set(values.split("|")))
    grouped = {label.strip() for found in GROUPED.findall(query) for label in found.split(",")}
    assert grouped <= labels


def test_each_rule_has_a_remedy_in_the_operations_page() -> None:
    """Whoever is woken finds the alert's name as a heading, and every heading is an alert."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (LabAlert\w+)$", page, re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


def test_the_operations_page_names_every_metric_and_no_other(exposed: dict[str, set[str]]) -> None:
    """The table of figures is complete."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(lab_alert_\w+)`", page))
    parts = re.compile("_(bucket|count|sum)$")
    assert named == {parts.sub("", name) for name in exposed if not name.endswith("_created")} - {"up"}


def test_each_rule_is_tried() -> None:
    """Every rule is expected to fire at least once in the rules' own tests."""
    tests = (ROOT / "deploy/prometheus/rules.test.yml").read_text(encoding="utf-8")
    assert {rule["alert"] for rule in RULES} <= set(re.findall(r'alertname="(\w+)"', tests))


def test_each_rule_says_how_urgent_it_is() -> None:
    """A rule pages or makes a ticket, and tells what and why in a sentence each."""
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_panels_do_not_overlap() -> None:
    """The dashboard is as wide as Grafana's grid, and no panel hides another."""
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not own & cells
        cells |= own
