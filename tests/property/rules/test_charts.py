"""What a chart takes over from the one before is what it would have computed anew (`rules/lazy.py`, `Following`)."""

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given

from rules.chart import Chart
from rules.events import Analyte
from rules.lazy import Following, _Fact
from tests.property.rules.histories import Life, Run, lives

ALWAYS = frozenset(("rulebook", "looks_back"))
"""The same as long as a chart is followed."""


class Narrow:
    """A chart of which no part but those that are named can be read."""

    def __init__(self, chart: Chart, parts: tuple[str, ...]) -> None:
        self._chart = chart
        self._parts = ALWAYS.union(parts)

    def __getattr__(self, name: str) -> Any:
        """Return a part that is named; a method looks no further than this."""
        kind = getattr(Chart, name, None)
        if isinstance(kind, FunctionType):
            return MethodType(kind, self)
        assert self._may_read(name), f"{name} is read, and not among {sorted(self._parts)}"
        return getattr(self._chart, name)

    def _may_read(self, name: str) -> bool:
        """Say whether a part is named, or is computed from such as are."""
        part = getattr(Chart, name, None)
        return name in self._parts or (isinstance(part, _Fact) and all(map(self._may_read, part.reads)))

    def once(self, name: str, compute: Callable[[Any], Any], reads: tuple[str, ...]) -> Any:
        """Return what is computed from no more than this may read."""
        assert all(map(self._may_read, reads)), f"{name} reads {reads}, and not all are among {sorted(self._parts)}"
        return self._chart.once(name, compute, reads)

    def _has_read(self, analyte: Analyte) -> bool:
        return self._may_read(analyte.value) and analyte.value in vars(self._chart)

    def may_reach(self, analyte: Analyte, value: Any) -> bool:
        """Ask for a bound of what has been read: one that was not would not be known to be another later."""
        assert self._has_read(analyte)
        return self._chart.may_reach(analyte, value)

    def may_lie_below(self, analyte: Analyte, value: Any) -> bool:
        """As `may_reach`."""
        assert self._has_read(analyte)
        return self._chart.may_lie_below(analyte, value)


_once = Following.once


def narrowly(self: Chart, name: str, compute: Callable[[Any], Any], reads: tuple[str, ...]) -> Any:
    """Compute a value with nothing but its parts to read; a chart that looks back hands nothing on."""
    if self.looks_back:
        return _once(self, name, compute, reads)
    return _once(self, name, lambda chart: compute(Narrow(chart, reads)), reads)


@given(life=lives())
def test_rules_8_what_is_taken_over_reads_no_more_than_it_names(life: Life) -> None:
    """Each value that stands while its parts are the same is computed from these parts alone. RULES.md 8."""
    with patch.object(Following, "once", narrowly):
        Run(rulebook=life.rulebook).live(life)


@given(life=lives())
def test_rules_8_a_chart_that_follows_another_judges_the_same(life: Life) -> None:
    """Judging goes on from the chart of the last judgement as it does from the stored state alone. RULES.md 8."""
    following, alone = Run(rulebook=life.rulebook).live(life), Run(rulebook=life.rulebook, following=False).live(life)
    assert msgspec.msgpack.encode(following.transitions) == msgspec.msgpack.encode(alone.transitions)
    assert following.states == alone.states


@given(life=lives())
def test_rules_8_every_part_taken_over_is_what_it_would_be_anew(life: Life) -> None:
    """After any event each part of a chart that follows another is that of one that follows none. RULES.md 2, 3."""
    run = Run(rulebook=life.rulebook).live(life)
    for chart in run.charts:
        following = Chart(chart.state, chart.now, life.rulebook, before=chart)
        anew = Chart(chart.state, chart.now, life.rulebook)
        for part in parts(chart):
            assert repr(getattr(following, part)) == repr(getattr(anew, part)), part


def parts(chart: Chart) -> list[str]:
    """Return the lazy parts that a chart has computed."""
    return [name for name in vars(chart) if isinstance(getattr(Chart, name, None), _Fact)]
