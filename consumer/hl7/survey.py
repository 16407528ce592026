"""
A summary of what a feed holds, sender by sender, and the site table that it suggests: how a site goes live.

Keeps counts of codes, never messages; of a code a few example numbers and units, never anything about a patient.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from consumer.hl7.codes import UNITS, Kind, split_identifier
from consumer.hl7.outcome import DecodedMessage, Reason, Unmapped
from rules.events import MINUTE, Analyte
from rules.units import FACTORS

_EXAMPLES = 5
_CODES_AT_MOST = 20_000  # a sender with more distinct look-alikes than this has no codes, it has texts
_LAG_RESULTS = 5
_LAG_LONG = 50 * MINUTE


class CodeSeen:
    """One unmapped code of one sender: how often, what it looks like, a few numbers and the units sent."""

    __slots__ = ("count", "looks_like", "units", "values")

    def __init__(self, looks_like: str) -> None:
        self.count = 0
        self.looks_like = looks_like
        self.values: list[str] = []
        self.units: Counter[str] = Counter()

    def add(self, seen: Unmapped) -> None:
        """Count one more."""
        self.count += 1
        self.units[seen.units] += 1
        if seen.value and seen.value not in self.values and len(self.values) < _EXAMPLES:
            self.values.append(seen.value)


class SenderSeen:
    """What one sender sent."""

    __slots__ = ("analytes", "disagree", "drugs", "lags", "messages", "results", "unmapped")

    def __init__(self) -> None:
        self.messages = 0
        self.results = 0
        self.analytes: Counter[str] = Counter()
        self.unmapped: dict[str, CodeSeen] = {}
        self.drugs: dict[str, CodeSeen] = {}
        self.disagree: Counter[str] = Counter()
        self.lags: list[int] = []  # the shortest few times from a draw (or result) to MSH-7, in milliseconds

    def lag(self, milliseconds: int) -> None:
        """Keep the shortest few."""
        self.results += 1
        if len(self.lags) < _LAG_RESULTS or milliseconds < self.lags[-1]:
            self.lags = sorted([*self.lags, milliseconds])[:_LAG_RESULTS]

    @property
    def clock_differs(self) -> bool:
        """Every draw is most of an hour or more before MSH-7: the two may run in different zones."""
        return self.results >= _LAG_RESULTS and self.lags[0] >= _LAG_LONG


class Survey:
    """Takes messages one by one; then says what they held."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.not_ours: Counter[str] = Counter()
        self.flags: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.senders: dict[str, SenderSeen] = {}

    def add(self, message: DecodedMessage) -> None:
        """Count one message."""
        self.messages[message.message_type or "(none)"] += 1
        self.outcomes[message.outcome.value] += 1
        self.rejected.update(part.reason.value for part in message.rejected)
        self.not_ours.update({reason.value: count for reason, count in message.not_ours.items()})
        self.flags.update(message.flags)
        self.counts.update(message.counts)
        sender = self.senders.setdefault(message.sender, SenderSeen())
        sender.messages += 1
        for event in message.events:
            for result in event.results:
                sender.analytes[result.analyte.value] += 1
                sender.lag(message.received_at - max(result.observed_at, result.resulted_at))
        for seen in message.unmapped:
            listed = sender.drugs if seen.where.startswith("RXA") else sender.unmapped
            code = listed.get(seen.observation_identifier)
            if code is None:
                if len(listed) >= _CODES_AT_MOST:
                    self.counts["unmapped_codes_not_listed"] += 1
                    continue
                code = listed[seen.observation_identifier] = CodeSeen(seen.looks_like)
            code.add(seen)
        sender.disagree.update(
            part.detail for part in message.rejected if part.reason is Reason.CODE_TEXT_DISAGREE and part.detail
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the summary, ready for JSON; most frequent first."""
        return {
            "messages": dict(self.messages.most_common()),
            "outcomes": dict(self.outcomes.most_common()),
            "decoded": dict(sum((sender.analytes for sender in self.senders.values()), Counter[str]()).most_common()),
            "rejected": dict(self.rejected.most_common()),
            "not_ours": dict(self.not_ours.most_common()),
            "flags": dict(self.flags.most_common()),
            "counts": dict(self.counts.most_common()),
            "unmapped": [
                {
                    "sender": name,
                    "observation_identifier": identifier,
                    "looks_like": code.looks_like,
                    "count": code.count,
                    "values": code.values,
                    "units": [unit for unit, _ in code.units.most_common(_EXAMPLES)],
                }
                for name, identifier, code in self._codes()
            ],
            "drugs": [
                {"sender": name, "drug": identifier, "looks_like": code.looks_like, "count": code.count}
                for name, sender in sorted(self.senders.items())
                for identifier, code in _by_count(sender.drugs)
            ],
            "disagreeing": [
                {"sender": name, "observation_identifier": identifier, "count": count}
                for name, sender in sorted(self.senders.items())
                for identifier, count in sender.disagree.most_common()
            ],
            "notes": list(self.notes()),
        }

    def text(self) -> str:
        """Return the summary for people: a line a count, then the codes to look at, then what to look into."""
        summary = self.as_dict()
        lines = []
        for title in ("messages", "outcomes", "decoded", "rejected", "not_ours", "flags", "counts"):
            if summary[title]:
                lines.append(title.replace("_", " "))
                lines += [f"  {count:>9,}  {name}" for name, count in summary[title].items()]
        if summary["unmapped"]:
            lines.append("looks like ours and is not mapped")
            for each in summary["unmapped"]:
                values = ", ".join(each["values"]) or "no numbers"
                units = ", ".join(unit or "no unit" for unit in each["units"])
                seen = f"{_remark(each['observation_identifier'])} ({each['looks_like']}; {values}; {_remark(units)})"
                lines.append(f"  {each['count']:>9,}  {_remark(each['sender'])}  {seen}")
        if summary["drugs"]:
            lines.append("looks like a drug of ours and is not mapped")
            lines += [
                f"  {each['count']:>9,}  {_remark(each['sender'])}  {_remark(each['drug'])} ({each['looks_like']})"
                for each in summary["drugs"]
            ]
        if summary["disagreeing"]:
            lines.append("code and text disagree")
            lines += [
                f"  {each['count']:>9,}  {_remark(each['sender'])}  {_remark(each['observation_identifier'])}"
                for each in summary["disagreeing"]
            ]
        if summary["notes"]:
            lines.append("to look into")
            lines += [f"  {_remark(note)}" for note in summary["notes"]]
        return "\n".join(lines) + "\n"

    def _codes(self) -> Iterator[tuple[str, str, CodeSeen]]:
        for name, sender in sorted(self.senders.items()):
            for identifier, code in _by_count(sender.unmapped):
                yield name, identifier, code

    def notes(self) -> Iterator[str]:
        """Yield what a person should look at, a sentence each."""
        for name, sender in sorted(self.senders.items()):
            looks = {code.looks_like for code in sender.unmapped.values()}
            if sender.analytes["potassium"] and not sender.analytes["magnesium"]:
                hint = "an unmapped code looks like it" if "magnesium" in looks else "no code looks like it"
                yield f"{name}: has potassium and no magnesium; {hint}."
            elif not sender.analytes["potassium"] and "potassium" in looks and "magnesium" not in looks:
                yield f"{name}: has potassium under unmapped codes alone, and nothing that looks like magnesium."
            if sender.clock_differs:
                minutes = sender.lags[0] // MINUTE
                yield f"{name}: every draw is {minutes} min or more before MSH-7; zones may differ (field_timezones)."

    def draft(self) -> str:
        """
        Return a site table (TOML) with what was found as commented suggestions.

        A line that starts with ``#`` and no blank is a suggestion: take the ``#`` away to enable it. A line that starts
        with ``# `` is a remark. As drafted, it changes nothing.
        """
        lines = [
            "# A site's table, drafted by `lab-alert inspect --draft` (docs/going-live.md).",
            "# Lines that begin with `#` and no blank are suggestions: have the laboratory confirm each, then take",
            "# the `#` away. A text never tells serum from urine: what looks like potassium may be urine's.",
            'timezone = "UTC"',
            "",
        ]
        for name, sender in sorted(self.senders.items()):
            if not sender.unmapped and not sender.disagree and not sender.clock_differs:
                continue
            lines += _draft_sender(name, sender)
        lines += _draft_drugs([sender.drugs for _, sender in sorted(self.senders.items())])
        return "\n".join(lines) + "\n"


def _by_count(codes: dict[str, CodeSeen]) -> list[tuple[str, CodeSeen]]:
    return sorted(codes.items(), key=lambda item: -item[1].count)


def _draft_drugs(drugs: list[dict[str, CodeSeen]]) -> list[str]:
    """Return a suggestion for each drug that looks like one of ours: by its code, else by its text."""
    lines: list[str] = []
    suggested: set[tuple[str, str]] = set()
    for identifier, code in (each for seen in drugs for each in _by_count(seen)):
        parts = split_identifier(identifier)
        local = parts.code or parts.alternate_code
        key, told = ("code", local) if local else ("name", parts.text or parts.alternate_text)
        if (key, told.casefold()) in suggested:
            continue
        suggested.add((key, told.casefold()))
        units = ", ".join(unit or "none" for unit, _ in code.units.most_common(_EXAMPLES))
        lines.append(f"# {_remark(identifier)}: {code.count} times; units {_remark(units)}. Ask the pharmacy.")
        lines += ["#[[drug]]", f"#{key} = {_quoted(told)}", f"#drug = {_quoted(code.looks_like)}", ""]
    return lines


def _draft_sender(name: str, sender: SenderSeen) -> list[str]:
    application, _, facility = name.partition("|")
    lines = ["[[sender]]", f"application = {_quoted(application)}", f"facility = {_quoted(facility)}"]
    if sender.clock_differs:
        lines += [
            f"# Every draw is {sender.lags[0] // MINUTE} min or more before MSH-7. If the draws are in local time:",
            '#field_timezones = { "OBR-7" = "Europe/Zurich", "OBX-14" = "Europe/Zurich" }',
        ]
    pairs = [split_identifier(identifier) for identifier, _ in sender.disagree.most_common()]
    if pairs:
        lines.append("# Code and text disagree. Confirm only what the laboratory vouches for:")
        confirmed = ", ".join(
            f"{{ code = {_quoted(code)}, text = {_quoted(text)} }}"
            for pair in pairs
            for code, text in _pairs(pair.code, pair.alternate_code, pair.texts)
        )
        lines.append(f"#confirmed = [{confirmed}]")
    lines.append("")
    alike = Counter(code.looks_like for code in sender.unmapped.values())
    seen: set[tuple[str, str]] = set()
    for identifier, code in _by_count(sender.unmapped):
        parts = split_identifier(identifier)
        local, system = (parts.code, parts.system) if parts.code else (parts.alternate_code, parts.alternate_system)
        if not local or (local, system) in seen:
            continue
        seen.add((local, system))
        units = ", ".join(unit or "none" for unit, _ in code.units.most_common(_EXAMPLES))
        values = ", ".join(code.values) or "no numbers"
        lines.append(f"# {_remark(identifier)}: {code.count} times; values {values}; units {_remark(units)}")
        if alike[code.looks_like] > 1:
            lines.append(f"# {alike[code.looks_like]} codes of this sender look like {code.looks_like}: is it serum?")
        lines += ["#[[sender.code]]", f"#code = {_quoted(local)}"]
        lines.append(f"#system = {_quoted(system)}")
        lines.append(f"#analyte = {_quoted(code.looks_like)}")
        if code.looks_like == Kind.HEMOLYSIS_INDEX.value:
            scale = "plus" if any("+" in value for value in code.values) else "100:300"
            lines += [
                "# plus, or from where it is hemolyzed and from where grossly so: ask the laboratory.",
                f"#scale = {_quoted(scale)}",
            ]
        if _unit_needed(code):
            lines.append('# No unit is sent. Ask the laboratory for it; then add: unit = "mmol/L"')
        lines.append("")
    return lines


def _pairs(code: str, alternate: str, texts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for each in (code, alternate):
        if each:
            yield from ((each, text) for text in texts)


def _unit_needed(code: CodeSeen) -> bool:
    """Say whether some values come without a unit, and the analyte takes none for granted."""
    if code.looks_like == Kind.HEMOLYSIS_INDEX.value:
        return False
    analyte = Analyte(code.looks_like)
    known = any(UNITS.get("".join(unit.split()).lower()) in FACTORS[analyte] for unit in code.units if unit)
    return (not known or "" in code.units) and analyte not in (Analyte.POTASSIUM, Analyte.EGFR)


def _quoted(text: str) -> str:
    """Return a TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04X}" for char in escaped) + '"'


def _remark(text: str) -> str:
    """Return a text fit for a comment: one line."""
    return "".join(char if char.isprintable() else "?" for char in text)
