"""
Episodes of hyperkalemia (RULES.md 4.1): when one opens, closes and reopens.

Source: UK Kidney Association, Clinical Practice Guideline: Acute Hyperkalaemia (2023), for how long a treatment works.
"""

from rules.chart import Chart
from rules.draws import Draw, Draws, since
from rules.events import Analyte, Instant
from rules.rulebook import Rulebook


class Episode:
    """
    A stretch of hyperkalemia (RULES.md 4.1): opened by the first counted K >= 5.5.

    ``draws`` are its counted potassiums, those that close it included; what is drawn between a close and a reopening is
    not of it. ``reopened_at`` is its last reopening.
    """

    __slots__ = ("closed_by", "draws", "reopened_at")

    def __init__(self, first: Draw) -> None:
        self.draws = [first]
        self.reopened_at: Instant | None = None
        self.closed_by: Draw | None = None

    @property
    def first(self) -> Draw:
        """Return K_first."""
        return self.draws[0]

    @property
    def current(self) -> list[Draw]:
        """Return its draws since its last reopening."""
        if self.reopened_at is None:
            return self.draws
        return [*since(self.draws, self.reopened_at)]


def episodes(potassium: Draws, rulebook: Rulebook) -> list[Episode]:
    """Return the episodes in counted potassiums (oldest first), open or closed."""
    found: list[Episode] = []
    current: Episode | None = None  # the one that is open
    onset = rulebook.potassium_onset
    for n, value in enumerate(potassium.values):
        if current is None and value < onset:
            continue
        draw = potassium[n]
        if current is not None and draw.at - current.draws[-1].at >= rulebook.episode_silence:
            current = None
        if current is None:
            if value >= onset:
                current = _opened(found, draw, rulebook)
                row = 0  # valid ones < 5.5 in a row
            continue
        current.draws.append(draw)
        if not draw.valid:
            continue
        row = row + 1 if draw.value < rulebook.potassium_onset else 0
        if draw.value < rulebook.potassium_clear or row == 2:
            current.closed_by, current = draw, None
    return found


def _opened(found: list[Episode], draw: Draw, rulebook: Rulebook) -> Episode:
    """Reopen the last of the episodes *found*, when *draw* comes within 6 h of its close, or open a new one."""
    last = found[-1] if found else None
    if last is not None and last.closed_by is not None and draw.at - last.closed_by.at <= rulebook.reopen_within:
        last.reopened_at, last.closed_by = draw.at, None
        last.draws.append(draw)
        return last
    found.append(Episode(draw))
    return found[-1]


def episodes_of(chart: Chart) -> list[Episode]:
    """Return the patient's episodes, open or closed."""
    return chart.once("episodes", _episodes_of, _EPISODES)


_EPISODES = ("potassium",)


def _episodes_of(chart: Chart) -> list[Episode]:
    potassium, book = chart.potassium, chart.rulebook
    return episodes(potassium, book) if chart.may_reach(Analyte.POTASSIUM, book.potassium_onset) else []


def latest_episode(chart: Chart) -> Episode | None:
    """Return the latest episode, open or closed; None without any."""
    found = episodes_of(chart)
    return found[-1] if found else None


def has_cleared(chart: Chart, episode: Episode) -> bool:
    """Say whether *episode* is closed and too long ago to be reopened by a draw of now."""
    closed = episode.closed_by
    return closed is not None and chart.now - closed.at > chart.rulebook.reopen_within


def episode_at(chart: Chart, at: Instant) -> Episode | None:
    """Return the episode that a draw at *at* belongs to: the latest that began by then."""
    return next((e for e in reversed(episodes_of(chart)) if e.first.at <= at), None)
