"""
Which results stand, and which of them to believe (RULES.md 2 and 3).

From the stored versions to *draws*: the newest version of each result, the one that speaks for its specimen, and its
verdict. K-EDTA contamination raises potassium and lowers calcium and magnesium at once; it imitates exactly what the
alerts of this service look for, so no finding is made on a suspect potassium alone.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple

from rules.events import Analyte, Condition, Instant, Result
from rules.patient import RETRACTING, REVISING, StoredResult, StoredTube, identity_at, touches, version_order
from rules.rulebook import Rulebook

VALID, SUSPECT, INVALID = "valid", "suspect", "invalid"
_BELIEF = {VALID: 2, SUSPECT: 1, INVALID: 0}
_USABLE = frozenset("FCABVU")


class Draw:
    """
    A usable result in its newest version, with its verdict.

    ``valid`` is what the rules ask: the verdict is valid, or it is suspect and an earlier suspect one confirms it.
    ``why`` is ``clot``, ``hemolysis``, ``edta``, ``jump`` or empty. ``others`` are usable results of the same analyte
    and draw time that do not speak.
    """

    tube = VALID
    """The verdict by what is said of its tube alone."""
    verdict = VALID
    valid = True
    why = ""
    edta = False
    others: "Sequence[Draw]" = ()

    def __init__(self, result: Result, value: Decimal, came: int) -> None:
        self.result = result
        self.value = value
        self.came = came
        self.at: Instant = result.observed_at

    def doubt(self, verdict: str, why: str) -> None:
        """Take the verdict on its tube, which is not valid."""
        self.tube = self.verdict = verdict
        self.valid = False
        self.why = why

    @property
    def key(self) -> str:
        """Name the result and its draw (`identity_at`)."""
        return identity_at(self.result)

    @property
    def counted(self) -> bool:
        """Usable and not invalid (RULES.md 2)."""
        return self.verdict != INVALID

    def __repr__(self) -> str:
        """Show analyte, value, draw and verdict."""
        return f"Draw({self.result.analyte.value} {self.value} at {self.at}, {self.verdict})"


class Drawn:
    """
    The draws of one patient: by analyte the speaking ones, sorted by draw time, and the magnesiums still pending.

    Each analyte is worked out when it is first asked for: most events concern one or two.
    """

    def __init__(self, results: Sequence[StoredResult], tubes: Iterable[StoredTube], rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self._said: dict[str, set[Condition]] = {}
        for entry in tubes:
            self._said.setdefault(entry.tube.container, set()).add(entry.tube.condition)
        self._stored: dict[Analyte, list[StoredResult]] = {}
        speaks_of_tubes = False
        for stored in results:
            analyte = stored.result.analyte
            if analyte in self._stored:
                self._stored[analyte].append(stored)
            else:
                self._stored[analyte] = [stored]
            speaks_of_tubes = speaks_of_tubes or bool(stored.said)
        if speaks_of_tubes:
            for version in newest_versions(results):
                if version.said:
                    self._said.setdefault(version.result.container, set()).update(version.said)
        self._speaking: dict[Analyte, list[Draw]] = {}
        self._pending: dict[Analyte, list[StoredResult]] = {}
        self._judged = False

    def of(self, analyte: Analyte) -> list[Draw]:
        """Return the speaking draws of *analyte*, invalid ones too."""
        if not self._judged and analyte in _JUDGED_TOGETHER:
            self._judged = True
            _judge_edta(self._speaking_of, self._rulebook)
            _judge_potassium(self._speaking_of, self._rulebook)
        return self._speaking_of(analyte)

    def pending(self, analyte: Analyte) -> list[StoredResult]:
        """Return the results of *analyte* that are announced or provisional."""
        self._speaking_of(analyte)
        return self._pending[analyte]

    def _speaking_of(self, analyte: Analyte) -> list[Draw]:
        """Return the speaking draws of *analyte* by what is said of their tubes alone, when first asked for."""
        known = self._speaking.get(analyte)
        if known is not None:
            return known
        pending: list[StoredResult] = []
        specimens: dict[Instant, list[Draw]] = {}
        for newest, value, came, _ in newest_versions(self._stored.get(analyte, ())):
            if newest.status not in _USABLE:
                if newest.status not in RETRACTING:
                    pending.append(StoredResult(newest, came))
            elif value is not None:
                draw = Draw(newest, value, came)
                if newest.container in self._said:
                    verdict, why = _tube_verdict(newest, self._said[newest.container])
                    if verdict != VALID:
                        draw.doubt(verdict, why)
                if draw.at in specimens:
                    specimens[draw.at].append(draw)
                else:
                    specimens[draw.at] = [draw]
        speaking = [draws[0] if len(draws) == 1 else _speaker(draws, analyte) for draws in specimens.values()]
        speaking.sort(key=_drawn_at)
        self._speaking[analyte], self._pending[analyte] = speaking, pending
        return speaking


_drawn_at = attrgetter("at")


class KnownBy:
    """What had come with a patient's first *count* events, in present versions and verdicts."""

    def __init__(self, drawn: Drawn, count: int) -> None:
        self._drawn = drawn
        self._count = count

    def of(self, analyte: Analyte) -> list[Draw]:
        """Return the speaking draws of *analyte* among what had come."""
        kept = []
        for draw in self._drawn.of(analyte):
            if draw.came <= self._count:
                kept.append(draw)
                continue
            earlier = [other for other in draw.others if other.came <= self._count]
            if earlier:
                kept.append(max(earlier, key=_speaks))
        return kept

    def pending(self, analyte: Analyte) -> list[StoredResult]:
        """Return the pending results of *analyte* that had come."""
        return [entry for entry in self._drawn.pending(analyte) if entry.came <= self._count]


class Present(NamedTuple):
    """
    The newest version of a draw.

    The value that stands, when the draw first came, and what its message said of the tube.
    """

    result: Result
    value: Decimal | None
    came: int
    said: tuple[Condition, ...]


def newest_versions(results: Sequence[StoredResult]) -> Iterable[Present]:
    """
    Yield the newest version of each draw.

    RULES.md 2: a C, D, W, X or U is a version of the draw with its `observed_at`, else of the latest draw before that,
    else of the earliest; with no version of another status, each time is a draw of its own.
    """
    by_identity: dict[tuple[str, str, str], list[StoredResult]] = {}
    for entry in results:
        key = entry.result[1:4]  # order_number, observation_identifier, sub_id: what `identity` names, and the quickest
        if key in by_identity:
            by_identity[key].append(entry)
        else:
            by_identity[key] = [entry]
    for versions in by_identity.values():
        if len(versions) == 1:
            result, came, said = versions[0]
            yield Present(result, result.value, came, said)
        else:
            yield from _draws_of(versions)


def _draws_of(versions: list[StoredResult]) -> Iterable[Present]:
    """Yield the newest version of each draw of one identity."""
    times = sorted({v.result.observed_at for v in versions if v.result.status not in REVISING})
    groups: dict[Instant, list[StoredResult]] = {}
    for version in versions:
        at = version.result.observed_at
        if times and at not in times:
            at = max((t for t in times if t < at), default=times[0])
        groups.setdefault(at, []).append(version)
    for group in groups.values():
        newest = max(group, key=lambda v: version_order(v.result))
        value = newest.result.value
        if newest.result.status == "U" and value is None:
            value = _finalised(group, newest)
        yield Present(newest.result, value, _first_came(group), newest.said)


def _first_came(group: list[StoredResult]) -> int:
    """Return when a draw first came as a result: an announced or provisional one had not come yet."""
    usable = [v.came for v in group if v.result.status in _USABLE]
    return min(usable) if usable else min(v.came for v in group)


def _finalised(group: list[StoredResult], newest: StoredResult) -> Decimal | None:
    """Return the value that a U without one makes final: that of the newest other version, none after a retraction."""
    others = [v for v in group if v is not newest]
    if not others:
        return None
    previous = max(others, key=lambda v: version_order(v.result)).result
    return None if previous.status in RETRACTING else previous.value


def _tube_verdict(result: Result, conditions: set[Condition]) -> tuple[str, str]:
    """Return the verdict by what is said of the result's container, and why (RULES.md 3)."""
    touching = {condition for condition in conditions if touches(condition, result.analyte)}
    if not touching:
        return VALID, ""
    if Condition.CLOTTED in touching or Condition.CONTAMINATED in touching:
        return INVALID, "clot"
    return (INVALID if Condition.GROSSLY_HEMOLYZED in touching else SUSPECT), "hemolysis"


def _speaks(draw: Draw) -> tuple[int, Instant, Decimal, str]:
    return (_BELIEF[draw.tube], draw.result.resulted_at, draw.value, draw.key)


def _speaker(candidates: list[Draw], analyte: Analyte) -> Draw:
    """Return the one that speaks for its specimen: believed most, then newest, then highest; of eGFRs the lowest."""
    if analyte is Analyte.EGFR:
        counted = [draw for draw in candidates if draw.tube != INVALID] or candidates
        speaker = min(counted, key=lambda draw: (draw.value, draw.key))
    else:
        speaker = max(candidates, key=_speaks)
    speaker.others = [draw for draw in candidates if draw is not speaker]
    return speaker


_JUDGED_TOGETHER = frozenset((Analyte.POTASSIUM, Analyte.CALCIUM, Analyte.MAGNESIUM))
"""What a verdict on one of them needs: the K-EDTA pattern is one of all three."""

_SpeakingOf = Callable[[Analyte], list[Draw]]


def _judge_edta(speaking: _SpeakingOf, rulebook: Rulebook) -> None:
    """Mark the K-EDTA pattern (RULES.md 3): K, Ca and Mg of the specimen become suspect."""
    high = [d for d in speaking(Analyte.POTASSIUM) if d.value >= rulebook.edta_potassium and d.counted]
    if not high:
        return
    calcium = {draw.at: draw for draw in speaking(Analyte.CALCIUM) if draw.counted}
    magnesium = {draw.at: draw for draw in speaking(Analyte.MAGNESIUM) if draw.counted}
    for potassium in high:
        with_calcium = calcium.get(potassium.at)
        if with_calcium is None:
            continue
        with_magnesium = magnesium.get(potassium.at)
        if with_magnesium is None:
            pattern = with_calcium.value < rulebook.edta_calcium_alone
        else:
            pattern = with_calcium.value < rulebook.edta_calcium and with_magnesium.value < rulebook.edta_magnesium
        if pattern:
            for draw in (potassium, with_calcium, with_magnesium):
                if draw is not None:
                    draw.edta = True
                    if draw.verdict == VALID:
                        draw.verdict, draw.valid, draw.why = SUSPECT, False, "edta"


def _judge_potassium(speaking: _SpeakingOf, rulebook: Rulebook) -> None:
    """Mark jumps, and let suspect potassiums confirm each other, in order of draw (RULES.md 3)."""
    previous: Draw | None = None  # the previous valid one
    between: list[Draw] = []  # usable ones since
    suspects: list[Draw] = []
    for draw in speaking(Analyte.POTASSIUM):
        if (
            draw.verdict == VALID
            and previous is not None
            and draw.at - previous.at <= rulebook.jump_within
            and abs(draw.value - previous.value) >= rulebook.jump_potassium
            and not any(abs(draw.value - other.value) <= rulebook.jump_near for other in between)
        ):
            draw.verdict, draw.valid, draw.why = SUSPECT, False, "jump"
        if draw.verdict == SUSPECT and draw.value >= rulebook.confirm_potassium:
            draw.valid = any(
                abs(draw.value - other.value) < rulebook.confirm_near
                and rulebook.confirm_after <= draw.at - other.at <= rulebook.confirm_within
                for other in reversed(suspects)
            )
            suspects.append(draw)
            if draw.valid and draw.edta:
                _believe_companions(speaking, draw.at)
        if draw.valid:
            previous, between = draw, []
        else:
            between.append(draw)


def _believe_companions(speaking: _SpeakingOf, at: Instant) -> None:
    """After a confirmed EDTA pattern the calcium and magnesium of the specimen count as valid too."""
    for analyte in (Analyte.CALCIUM, Analyte.MAGNESIUM):
        for draw in speaking(analyte):
            if draw.at == at and draw.why == "edta":
                draw.valid = True
