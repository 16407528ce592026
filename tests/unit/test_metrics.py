"""Metrics: what Prometheus reads, and that no patient ever stands in it."""

from prometheus_client.parser import text_string_to_metric_families

from consumer.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, as Prometheus' own parser reads it."""
    text = metrics.exposition().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_are_added_with_the_commit() -> None:
    """A commit's counters become metrics; a name that is not known is no metric."""
    metrics = Metrics()
    counts = {
        ("messages", "judged"): 3,
        ("ignored", "nothing_for_us"): 2,
        ("dead_letters", "unit_missing"): 1,
        ("transitions", "refractory-hyperkalemia-no-magnesium|raised|high"): 1,
        ("latency_ms", "40"): 2,
        ("patients", "HOSP|1"): 1,
    }
    metrics.committed("judge", counts, records=6, seconds=0.01)
    found = samples(metrics)
    assert found["lab_alert_messages_total", (("outcome", "judged"),)] == 3
    assert found["lab_alert_dead_letters_total", (("reason", "unit_missing"),)] == 1
    raised = (("rule", "refractory-hyperkalemia-no-magnesium"), ("severity", "high"), ("transition", "raised"))
    assert found["lab_alert_transitions_total", raised] == 1
    assert found["lab_alert_decision_latency_seconds_count", ()] == 2
    assert found["lab_alert_decision_latency_seconds_bucket", (("le", "0.05"),)] == 2
    assert not any("HOSP" in str(name) for name in found)


def test_a_task_is_counted_under_one_state_and_its_lag_goes_with_it() -> None:
    """Tasks by state add up to the tasks there are; what is no longer ours has no lag."""
    metrics = Metrics()
    for state in ("assigned", "fencing", "running"):
        metrics.task_state("judge", "events", 3, state)
    metrics.lag("judge", "events", 3, records=7, seconds=1.5)
    found = samples(metrics)
    running = {labels: value for (name, labels), value in found.items() if name == "lab_alert_tasks"}
    assert {labels for labels, value in running.items() if value} == {(("stage", "judge"), ("state", "running"))}
    lag = (("partition", "3"), ("stage", "judge"), ("topic", "events"))
    assert found["lab_alert_lag_records", lag] == 7
    metrics.task_state("judge", "events", 3, None)
    found = samples(metrics)
    assert ("lab_alert_lag_records", lag) not in found
    assert sum(value for (name, _), value in found.items() if name == "lab_alert_tasks") == 0


def test_a_restore_is_counted_while_it_goes_on() -> None:
    """Who waits for a task sees what its restore has read so far grow; how long it took is known at its end."""
    metrics = Metrics()
    for records, total in ((2_000, 2_000), (500, 2_500)):
        metrics.restoring("judge", records=records)
        found = samples(metrics)
        assert found["lab_alert_restored_records_total", (("stage", "judge"),)] == total
        assert ("lab_alert_restore_seconds_count", (("stage", "judge"),)) not in found
    metrics.restored("judge", seconds=7.0)
    found = samples(metrics)
    assert found["lab_alert_restored_records_total", (("stage", "judge"),)] == 2_500
    assert found["lab_alert_restore_seconds_sum", (("stage", "judge"),)] == 7


def test_known_series_begin_at_zero() -> None:
    """An alert rule over a rate sees the first event only of a series that was there before it."""
    found = samples(Metrics())
    for outcome in ("judged", "judged in part", "dead letter", "ignored"):
        assert found["lab_alert_messages_total", (("outcome", outcome),)] == 0
    assert found["lab_alert_judge_events_total", (("event", "judge_errors"),)] == 0


def test_two_registries_do_not_share() -> None:
    """A fresh registry each: two services in one process, or two tests, count apart."""
    one, two = Metrics(), Metrics()
    one.rebalance("judge")
    assert samples(one) != samples(two)
