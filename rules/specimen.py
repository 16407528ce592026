"""
Which results to believe (RULES.md 3): the draws that speak for their specimen, and their verdicts.

K-EDTA contamination raises potassium and lowers calcium and magnesium at once; it imitates exactly what the alerts of
this service look for, so no finding is made on a suspect potassium alone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import cast

from rules.draws import INVALID, NO_DRAWS, SUSPECT, VALID, Draw, Draws, InSeries, Worked, newest_versions
from rules.events import Analyte, Condition, Instant, Result
from rules.patient import StoredTube, touches
from rules.results import Results
from rules.rulebook import Rulebook
from rules.series import MIXED, PLAIN, REMARKED, Series
from rules.versions import RETRACTING, USABLE, StoredResult

_BELIEF = {VALID: 2, SUSPECT: 1, INVALID: 0}


class Drawn:
    """
    The draws of one patient (RULES.md 2): by analyte the speaking ones, by draw time, and the magnesiums still pending.

    Each analyte is worked out when it is first asked for: most events concern one or two. The others are taken over
    from those *before* this event; a draw that may yet get another verdict never is.
    """

    def __init__(
        self, results: Results, tubes: Sequence[StoredTube], rulebook: Rulebook, before: "Drawn | None" = None
    ) -> None:
        self._results = results
        self._tubes = tubes
        self.series = results.series
        self._rulebook = rulebook
        self.said: dict[str, set[Condition]] = {}
        for entry in tubes:
            self.said.setdefault(entry.tube.container, set()).add(entry.tube.condition)
        for series in results.series.values():
            if REMARKED in series.columns.marks:
                for version in newest_versions(_mixed(series)):
                    if version.said:
                        self.said.setdefault(version.result.container, set()).update(version.said)
        self.sources: dict[Analyte, InSeries] = {}
        self.speaking: dict[Analyte, Draws] = {}
        self.counting: dict[Analyte, Draws] = {}
        self.announced: dict[Analyte, list[StoredResult]] = {}
        self.edta = self._may_show_edta()
        self.judged = False
        if before is not None and before.said == self.said:
            self._take_over(before)

    def is_of(self, results: Results, tubes: Sequence[StoredTube]) -> bool:
        """Say whether these are the draws of the very same results and tubes."""
        return self._results is results and self._tubes is tubes

    def _may_show_edta(self) -> bool:
        """Say whether a stored potassium is high enough for the K-EDTA pattern, and calcium known: a bound."""
        highest = self._bounds(Analyte.POTASSIUM)[1]
        return highest is not None and highest >= self._rulebook.edta_potassium and Analyte.CALCIUM in self.series

    def _bounds(self, analyte: Analyte) -> tuple[Decimal | None, Decimal | None]:
        series = self.series.get(analyte)
        return (None, None) if series is None else (series.columns.lowest, series.columns.highest)

    def _take_over(self, before: "Drawn") -> None:
        """
        Take over the draws of each analyte whose versions are the same, or to which none but later ones have come.

        Potassium, calcium and magnesium are judged together by the K-EDTA pattern: where it may show, before or now,
        they go together or not at all. Elsewhere a verdict rests on the analyte's own versions and its tubes.
        """
        ours, theirs = self.series, before.series
        later = {a: self._later(series, theirs.get(a)) for a, series in ours.items() if series is not theirs.get(a)}
        later |= dict.fromkeys(theirs.keys() - ours.keys())
        together = not (self.edta or before.edta) or self._shows_no_edta(before, later)
        self.sources = dict(before.sources)
        for analyte, known in before.speaking.items():
            came = later.get(analyte, ())
            apart = analyte in _JUDGED_TOGETHER and not together
            if apart or came is None or (analyte is Analyte.POTASSIUM and self._may_jump(known, came)):
                continue
            speaking, counting = known, before.counting.get(analyte)
            if came:
                series, source = ours[analyte], self.sources[analyte]
                source.series = series
                grown = known.grown(came, len(theirs[analyte]), _taker(series, source))
                speaking, counting = grown, grown if counting is known else None
            self.speaking[analyte], self.announced[analyte] = speaking, before.announced[analyte]
            if counting is not None:
                self.counting[analyte] = counting
        self.judged = before.judged and Analyte.POTASSIUM in self.speaking

    def _later(self, series: Series, known: Series | None) -> Sequence[StoredResult] | None:
        """Return the later draws that have come, if nothing is said of their tubes; None where more has changed."""
        came = None if known is None else series.beyond(known)
        return None if came is None or any(entry.result.container in self.said for entry in came) else came

    def _shows_no_edta(self, before: "Drawn", later: Mapping[Analyte, Sequence[StoredResult] | None]) -> bool:
        """Say whether what came is of new specimens alone, and their potassium too low for the K-EDTA pattern."""
        potassium = before.series.get(Analyte.POTASSIUM)
        if potassium is None:
            return False
        for analyte in _JUDGED_TOGETHER & later.keys():
            came = later[analyte]
            if not came or any(entry.result.observed_at <= potassium.newest_at for entry in came):
                return False
            if analyte is Analyte.POTASSIUM and any(_value(e) >= self._rulebook.edta_potassium for e in came):
                return False
        return True

    def _may_jump(self, potassiums: Draws, later: Sequence[StoredResult]) -> bool:
        """Say whether one of the *later* potassiums may be judged by others: it is far from one close before it."""
        book = self._rulebook
        last = potassiums[-1] if potassiums else None
        at, value, valid = (0, Decimal(0), True) if last is None else (last.at, last.value, last.verdict == VALID)
        for entry in later:
            near = entry.result.observed_at - at <= book.jump_within
            if near and not (valid and abs(_value(entry) - value) < book.jump_potassium):
                return True
            at, value, valid = entry.result.observed_at, _value(entry), True
        return False

    def of(self, analyte: Analyte) -> Draws:
        """Return the speaking draws of *analyte*, invalid ones too."""
        if not self.judged and analyte in _JUDGED_TOGETHER:
            self.judged = True
            self._judge_together()
        return self._speaking_of(analyte)

    def counted(self, analyte: Analyte) -> Draws:
        """Return those of them that are not invalid."""
        counted = self.counting.get(analyte)
        if counted is None:
            counted = self.counting[analyte] = self.of(analyte).counted()
        return counted

    def _judge_together(self) -> None:
        """Judge what no tube says of itself, where a stored potassium is high enough, or far enough from another."""
        lowest, highest = self._bounds(Analyte.POTASSIUM)
        if lowest is None or highest is None:
            return
        if self.edta:
            _judge_edta(self._speaking_of, self._rulebook)
        potassiums = self._speaking_of(Analyte.POTASSIUM)
        jump = bool(potassiums.doubtful()) or _may_jump(potassiums, lowest, highest, self._rulebook)
        if jump:
            _judge_potassium(self._speaking_of, self._rulebook)
        if not (self.edta or jump):
            return
        for analyte in _JUDGED_TOGETHER & self.speaking.keys():  # what was not worked out was not judged
            for draw in self.speaking[analyte].doubtful():
                if draw.why in ("edta", "jump"):  # said of the specimen, and so of what does not speak for it
                    for other in draw.others:
                        if other.verdict == VALID:
                            other.verdict, other.valid, other.why = SUSPECT, draw.valid, draw.why

    def pending(self, analyte: Analyte) -> list[StoredResult]:
        """Return the results of *analyte* that are announced or provisional."""
        self.of(analyte)
        return self.announced[analyte]

    def _speaking_of(self, analyte: Analyte) -> Draws:
        """Return the speaking draws of *analyte* by what is said of their tubes alone, when first asked for."""
        known = self.speaking.get(analyte)
        if known is None:
            series = self.series.get(analyte)
            pending: list[StoredResult] = []
            known = NO_DRAWS if series is None else self._work_out(analyte, series, pending)
            self.speaking[analyte], self.announced[analyte] = known, pending
        return known

    def _work_out(self, analyte: Analyte, series: Series, pending: list[StoredResult]) -> Draws:
        """Return the draws of a series: those that stand as they are, and those worked out of its mixed versions."""
        marks = series.columns.marks
        source = self.sources[analyte] = InSeries(series)
        plain = _plain(series, source)
        for container in self.said:
            for n in series.naming(container):
                if marks[n] == PLAIN:
                    self._doubt(plain[bisect_left(plain.at, series.at[n])])
        if MIXED not in marks and REMARKED not in marks:
            return plain
        specimens: dict[Instant, list[Draw]] = {}
        for newest, value, came, _, named_at in newest_versions(_mixed(series)):
            if newest.status not in USABLE:
                if newest.status not in RETRACTING:
                    pending.append(StoredResult(newest, came))
            elif value is not None:
                draw = _draw(newest, value, came, named_at)
                self._doubt(draw)
                specimens.setdefault(draw.at, []).append(draw)
        return plain.joined([draws[0] if len(draws) == 1 else _speaker(draws, analyte) for draws in specimens.values()])

    def _doubt(self, draw: Draw) -> None:
        """Give a draw the verdict of what is said of its tube."""
        conditions = self.said.get(draw.result.container)
        if conditions:
            verdict, why = _tube_verdict(draw.result, conditions)
            if verdict != VALID:
                draw.doubt(verdict, why)


def _value(entry: StoredResult) -> Decimal:
    """Return the value of a version that is a draw as it is."""
    return cast("Decimal", entry.result.value)


def _mixed(series: Series) -> list[StoredResult]:
    """Return the versions that have to be worked out with others."""
    return [series[n] for n, mark in enumerate(series.columns.marks) if mark in (MIXED, REMARKED)]


def _plain(series: Series, source: InSeries) -> Draws:
    """Return the versions that are draws as they are; they have a value."""
    marks = series.columns.marks
    every = Draws(series.at, cast("list[Decimal]", series.values), series.came, {}, _taker(series, source))
    if marks.count(PLAIN) == len(marks):
        return every
    return every.only([n for n, mark in enumerate(marks) if mark == PLAIN])


def _taker(series: Series, source: InSeries) -> Callable[[int], Draw]:
    """Return what takes up a draw of a series by its number."""
    at, values, came = series.at, cast("list[Decimal]", series.values), series.came
    return lambda n: Draw(at[n], values[n], came[n], source, n)


def _draw(result: Result, value: Decimal, came: int, named_at: Instant) -> Draw:
    return Draw(result.observed_at, value, came, Worked(result), 0, named_at)


class KnownBy:
    """What had come with a patient's first *count* events, in present versions and verdicts."""

    def __init__(self, drawn: Drawn, count: int) -> None:
        self._drawn = drawn
        self._count = count

    def of(self, analyte: Analyte) -> Draws:
        """Return the speaking draws of *analyte* among what had come."""
        draws = self._drawn.of(analyte)
        late = [n for n, came in enumerate(draws.came) if came > self._count]
        if not late:
            return draws
        known = draws.known()
        others = [known[n].others for n in late if n in known]
        earlier = [[draw for draw in drawn if draw.came <= self._count] for drawn in others]
        spoke = [max(drawn, key=_speaks) for drawn in earlier if drawn]
        return draws.only([n for n, came in enumerate(draws.came) if came <= self._count]).joined(spoke)

    def counted(self, analyte: Analyte) -> Draws:
        """Return those of them that are not invalid."""
        return self.of(analyte).counted()

    def pending(self, analyte: Analyte) -> list[StoredResult]:
        """Return the pending results of *analyte* that had come."""
        return [entry for entry in self._drawn.pending(analyte) if entry.came <= self._count]


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

_SpeakingOf = Callable[[Analyte], Draws]


def _judge_edta(speaking: _SpeakingOf, rulebook: Rulebook) -> None:
    """Mark the K-EDTA pattern (RULES.md 3): K, Ca and Mg of the specimen become suspect."""
    potassiums = speaking(Analyte.POTASSIUM)
    high = [potassiums[n] for n, value in enumerate(potassiums.values) if value >= rulebook.edta_potassium]
    for potassium in high:
        with_calcium = _companion(speaking(Analyte.CALCIUM), potassium.at)
        if with_calcium is None or not potassium.counted:
            continue
        with_magnesium = _companion(speaking(Analyte.MAGNESIUM), potassium.at)
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


def _companion(draws: Draws, at: Instant) -> Draw | None:
    """Return the counted draw of a specimen."""
    return next((draw for draw in draws.between(at, at) if draw.counted), None)


def _judge_potassium(speaking: _SpeakingOf, rulebook: Rulebook) -> None:
    """Mark jumps, and let suspect potassiums confirm each other, in order of draw (RULES.md 3)."""
    draws = speaking(Analyte.POTASSIUM)
    known, within = draws.known(), rulebook.jump_within
    previous: int | None = None  # the previous valid one
    between: list[int] = []  # usable ones since
    suspects: list[Draw] = []
    last = 0
    for n, at in enumerate(draws.at):
        believed = n not in known or known[n].verdict == VALID
        alone = at - last > within
        last = at
        if believed and (alone or not _jumps(draws, n, previous, between, rulebook)):
            previous = n
            if between:
                between = []
            continue
        draw = draws[n]
        if believed:
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
            previous, between = n, []
        else:
            between.append(n)


def _may_jump(draws: Draws, lowest: Decimal, highest: Decimal, rulebook: Rulebook) -> bool:
    """Say whether two potassiums within 3 h are far enough apart; of such two one is far above the lowest of all."""
    apart, within = rulebook.jump_potassium, rulebook.jump_within
    if highest - lowest < apart:
        return False
    at, values, high = draws.at, draws.values, lowest + apart
    return any(
        abs(value - other) >= apart
        for n, value in enumerate(values)
        if value >= high
        for other in values[bisect_left(at, at[n] - within) : bisect_right(at, at[n] + within)]
    )


def _jumps(draws: Draws, n: int, previous: int | None, between: list[int], rulebook: Rulebook) -> bool:
    """Say whether a potassium jumps from the previous valid one, and none drawn between agrees with it (RULES.md 3)."""
    if previous is None or draws.at[n] - draws.at[previous] > rulebook.jump_within:
        return False
    values = draws.values
    if abs(values[n] - values[previous]) < rulebook.jump_potassium:
        return False
    return not any(abs(values[n] - values[other]) <= rulebook.jump_near for other in between)


def _believe_companions(speaking: _SpeakingOf, at: Instant) -> None:
    """After a confirmed EDTA pattern the calcium and magnesium of the specimen count as valid too."""
    for analyte in (Analyte.CALCIUM, Analyte.MAGNESIUM):
        for draw in speaking(analyte).between(at, at):
            if draw.why == "edta":
                draw.valid = True
