"""RULES.md 2 and 3, plainly: what came, the newest version of a draw, who speaks, and what the tube is worth."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from rules.events import HOUR, MINUTE, Analyte, Condition, PatientEvent, Result, Tube

Key = tuple[object, ...]

K, MG, CA, ICA = Analyte.POTASSIUM, Analyte.MAGNESIUM, Analyte.CALCIUM, Analyte.CALCIUM_IONIZED

RANK = {"W": 8, "D": 7, "X": 6, "C": 5, "A": 4, "B": 4, "V": 4, "F": 3, "U": 3, "P": 2, "S": 2, "R": 1}
CHANGES = "CDWXU"
USABLE = "FCABV"
PENDING = "PRSION"


@dataclass
class Entry:
    """One message as it came to a patient: `came` is its place in the order of arrival (of a merge: the merge's)."""

    came: int
    now: int
    event: PatientEvent
    discharges: bool = False


@dataclass
class Draw:
    """One draw of one result, as its newest version has it. `came` is when a usable version first came, or None."""

    key: Key
    newest: Result
    value: Decimal | None
    usable: bool
    pending: bool
    came: int | None
    says: Result
    verdict: str = "valid"
    reasons: set[str] = field(default_factory=set)

    @property
    def t(self) -> int:
        """The time of the draw."""
        return self.newest.observed_at

    @property
    def v(self) -> Decimal:
        """The value of a usable draw."""
        assert self.value is not None
        return self.value

    @property
    def state(self) -> Key:
        """What can change in a draw: where it stands, what it says, and what it is worth."""
        return (self.t, self.value, self.usable, self.verdict)


def order_of(version: Result) -> Key:
    """Version order: result time, status rank, received_at, the higher value."""
    value = Decimal(-1) if version.value is None else version.value
    return (version.resulted_at, RANK.get(version.status, 0), version.received_at, value)


Version = tuple[Result, int]
"""A version, and when it came."""


def draws_of(entries: Iterable[Entry]) -> list[Draw]:
    """Every draw of every identity, with its newest version."""
    identities: dict[tuple[str, str, str], list[Version]] = defaultdict(list)
    said = said_with(entries)
    for entry in entries:
        for result in entry.event.results:
            identity = (result.order_number, result.observation_identifier, result.sub_id)
            identities[identity].append((result, entry.came))
    found = []
    for identity, versions in identities.items():
        times = sorted({version.observed_at for version, _ in versions if version.status not in CHANGES})
        draws: dict[int, list[Version]] = defaultdict(list)
        for each in versions:
            at = each[0].observed_at
            if times and at not in times:
                at = max((time for time in times if time < at), default=times[0])
            draws[at].append(each)
        found += [draw_of((*identity, at), each, said) for at, each in draws.items()]
    return found


def draw_of(key: Key, versions: list[Version], said: dict[int, list[Condition]]) -> Draw:
    """The draw as its newest version has it; a U without a value makes the version below it final."""
    ordered = sorted(  # no tie by arrival
        versions, key=lambda each: (order_of(each[0]), -ord(each[0].status), said[id(each[0])])
    )
    newest = ordered[-1][0]
    says = newest
    final = False
    for version, _ in reversed(ordered):
        says = version
        if version.status != "U" or version.value is not None:
            break
        final = True
    usable = says.value is not None and (
        says.status in USABLE or says.status == "U" or (final and says.status in "PRS")
    )
    came = [came for version, came in versions if version.status in USABLE or version.status == "U"]
    return Draw(
        key=key,
        newest=newest,
        value=says.value if usable else None,
        usable=usable,
        pending=not usable and not final and says.status in PENDING,
        came=min(came, default=None),
        says=says,
    )


def touches(condition: Condition, analyte: Analyte) -> bool:
    """A clot or contamination touches everything in the tube; hemolysis potassium and magnesium."""
    return condition in (Condition.CLOTTED, Condition.CONTAMINATED) or analyte in (K, MG)


def said_with(entries: Iterable[Entry]) -> dict[int, list[Condition]]:
    """What the message of each version says of its tube, and touches it; by the version's `id`."""
    return {
        id(each): sorted({t.condition for t in entry.event.tubes if _is_of(t, each)})
        for entry in entries
        for each in entry.event.results
    }


def _is_of(tube: Tube, each: Result) -> bool:
    return tube.container == each.container and touches(tube.condition, each.analyte)


def say_of_tubes(entries: Iterable[Entry], draws: list[Draw]) -> None:
    """
    Set each draw's verdict by what is said of its container.

    A remark stands with the versions of its own message that it touches; beside none of them it stands for itself.
    """
    said: dict[str, set[Condition]] = defaultdict(set)
    with_version = said_with(entries)
    for entry in entries:
        for tube in entry.event.tubes:
            if not any(_is_of(tube, each) for each in entry.event.results):
                said[tube.container].add(tube.condition)
    for draw in draws:
        said[draw.newest.container].update(with_version[id(draw.newest)], with_version[id(draw.says)])
    for draw in draws:
        analyte = draw.newest.analyte
        of = {each for each in said[draw.newest.container] if touches(each, analyte)}
        if of - {Condition.HEMOLYZED}:
            draw.verdict = "invalid"
        elif of:
            draw.verdict = "suspect"
            draw.reasons.add("hemolysis")


def speakers(draws: Iterable[Draw]) -> dict[tuple[Analyte, int], Draw]:
    """One draw of an analyte a specimen: the valid before the suspect before the invalid, then newer, then higher."""
    worth = {"valid": 2, "suspect": 1, "invalid": 0}
    found: dict[tuple[Analyte, int], Draw] = {}
    rank: dict[tuple[Analyte, int], tuple[object, ...]] = {}
    for draw in draws:
        if not draw.usable:
            continue
        place = (draw.newest.analyte, draw.t)
        by_tube = "invalid" if draw.verdict == "invalid" else ("suspect" if "hemolysis" in draw.reasons else "valid")
        value = -draw.v if draw.newest.analyte is Analyte.EGFR else draw.v
        mine: Key = (worth[by_tube], draw.newest.resulted_at, value)
        if draw.newest.analyte is Analyte.EGFR:
            mine = (worth[by_tube], value)
        if place not in rank or mine > rank[place]:
            found[place], rank[place] = draw, mine
    return found


def judge_specimens(draws: list[Draw]) -> None:
    """EDTA pattern, jump and confirmation, over the draws that speak, from the oldest potassium to the newest."""
    speak = speakers(draws)
    suspects: list[Draw] = []
    followers: list[tuple[Draw, Draw]] = []
    valid: Draw | None = None
    for t in sorted(t for analyte, t in speak if analyte is K):
        k = speak[K, t]
        if k.verdict == "invalid":
            continue
        beside = [each for each in (speak.get((CA, t)), speak.get((MG, t))) if each and each.verdict != "invalid"]
        ca = next((each for each in beside if each.newest.analyte is CA), None)
        mg = next((each for each in beside if each.newest.analyte is MG), None)
        if k.v >= 6 and ca is not None and ca.v < Decimal("1.9" if mg is not None else "1.7"):
            for each in (k, *beside) if mg is None or mg.v < Decimal("0.6") else ():
                each.reasons.add("edta")
        if not k.reasons and valid is not None and t - valid.t <= 3 * HOUR and abs(k.v - valid.v) >= Decimal("2.5"):
            between = [speak[each] for each in speak if each[0] is K and valid.t < each[1] < t]
            if not any(abs(each.v - k.v) <= 1 for each in between):
                k.reasons.add("jump")
        for each in (k, *beside):
            if each.reasons:
                each.verdict = "suspect"
        if k.reasons:
            followers += _followers(draws, speak, t)
            if any(confirms(earlier, k) for earlier in suspects):
                k.verdict = "valid"
                if "edta" in k.reasons:
                    for each in beside:
                        each.verdict = "valid" if each.reasons == {"edta"} else each.verdict
            suspects.append(k)
        if k.verdict == "valid":
            valid = k
    for each, speaker in followers:
        each.verdict, each.reasons = speaker.verdict, speaker.reasons


def _followers(draws: list[Draw], speak: dict[tuple[Analyte, int], Draw], t: int) -> list[tuple[Draw, Draw]]:
    """EDTA and jump are said of the specimen, and so of what does not speak for it."""
    found = []
    for each in draws:
        speaker = speak.get((each.newest.analyte, t)) if each.usable and each.t == t else None
        if speaker is None or speaker is each or each.verdict != "valid" or "hemolysis" in speaker.reasons:
            continue
        if speaker.reasons:
            found.append((each, speaker))
    return found


def confirms(earlier: Draw, later: Draw) -> bool:
    """Two suspect potassiums confirm each other."""
    apart = later.t - earlier.t
    high = earlier.v >= Decimal("5.5") and later.v >= Decimal("5.5")
    return high and abs(earlier.v - later.v) < 1 and 30 * MINUTE <= apart <= 24 * HOUR


def present(entries: list[Entry]) -> list[Draw]:
    """All draws with their newest versions and verdicts, over everything that came."""
    draws = draws_of(entries)
    say_of_tubes(entries, draws)
    judge_specimens(draws)
    return draws
