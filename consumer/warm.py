"""
The patients that were touched last, unpacked, with what the rules had derived of them. Pure.

A patient in intensive care gets a message every few minutes: the next one need not unpack what the last has packed, and
the rules go on from the chart of their last judgement (`rules.engine.Judgement`). It holds no more than its limit;
whoever is not here is read from the packed state, and judged the same.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, TypeVar

from consumer.wire import PatientRecord
from rules.chart import Chart

V = TypeVar("V")

WARM_AT_MOST: Final = 128
"""Patients of a partition that stay unpacked: 22 to 75 KB each with 200 results (docs/adr/0016)."""


class Warm:
    """Committed patients, and charts of changed ones too: of each those that changed last."""

    def __init__(self, at_most: int = WARM_AT_MOST) -> None:
        self._at_most = at_most
        self._records: OrderedDict[str, PatientRecord] = OrderedDict()
        self._charts: OrderedDict[str, Chart] = OrderedDict()

    def get(self, key: str) -> PatientRecord | None:
        """Return a patient as committed; None of one that is not here."""
        return self._records.get(key)

    def chart(self, key: str) -> Chart | None:
        """Return the chart of a patient's last judgement, where it is here: the rules look whether it is of use."""
        return self._charts.get(key)

    def keep(self, key: str, chart: Chart | None) -> None:
        """Take the chart of a judgement."""
        if chart is not None:
            _put(self._charts, key, chart, self._at_most)

    def commit(self, changed: Mapping[str, PatientRecord | None]) -> None:
        """Take what has been committed."""
        for key, record in changed.items():
            if record is None or record.inbox:  # what waits is counted by nobody but its record's limit
                self.forget(key)
            else:
                _put(self._records, key, record, self._at_most)

    def forget(self, key: str) -> None:
        """Drop a patient, who is then read anew."""
        self._records.pop(key, None)
        self._charts.pop(key, None)


def _put(places: "OrderedDict[str, V]", key: str, value: V, at_most: int) -> None:
    places[key] = value
    places.move_to_end(key)
    if len(places) > at_most:
        places.popitem(last=False)
