"""`lab-alert dead-letters`: what could not be used, and putting it back once the reason is mended."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from consumer import deadletter, settings
from consumer.app import kafka_config
from consumer.cli.administering import reaching
from consumer.cli.replaying import instant
from consumer.errors import Refused
from consumer.kafka import clients
from consumer.kafka.config import KafkaConfig
from consumer.stage import Output, Record
from rules.events import Instant

_SECONDS = 19  # of an ISO time

ATTEMPTS = 2
"""A record that failed so often fails for a reason that trying again does not mend; more needs ``--force``."""


class Letter(NamedTuple):
    """A dead letter as it lies in its topic, with its headers as text."""

    record: Record
    headers: dict[str, str]

    @property
    def place(self) -> str:
        """Where it lies, as the command line names it."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def attempt(self) -> int:
        """Which attempt failed."""
        return deadletter.attempt_of(self.record.headers)

    @property
    def row(self) -> dict[str, Any]:
        """What is shown of it: no key, no bytes."""
        return {
            "letter": self.place,
            "reason": self.headers.get("reason"),
            "detail": json.loads(self.headers.get("detail", "[]")),
            "stage": self.headers.get("stage"),
            "source": f"{self.headers.get('source_topic')} partition {self.headers.get('source_partition')} "
            f"offset {self.headers.get('source_offset')}",
            "received_at": self.headers.get("received_at"),
            "failed_at": self.headers.get("failed_at"),
            "attempt": self.attempt,
            "bytes": len(self.record.value or b""),
        }


class Wanted(NamedTuple):
    """Which letters: of a reason, and of a time at which they failed (from *since* up to and without *until*)."""

    reason: str | None = None
    since: Instant | None = None
    until: Instant | None = None

    @classmethod
    def of(cls, reason: str | None, since: str | None, until: str | None) -> "Wanted":
        """Return what options ask for; raises `NoInput` for what is no time."""
        return cls(reason, *(None if text is None else instant(text) for text in (since, until)))

    def takes(self, letter: Letter) -> bool:
        """Say whether a letter is among them; one that does not say when it failed is of no time."""
        if self.reason not in (None, letter.headers.get("reason")):
            return False
        if self.since is None and self.until is None:
            return True
        failed_at = deadletter.instant(letter.headers.get("failed_at", ""))
        if failed_at is None:
            return False
        return (self.since is None or failed_at >= self.since) and (self.until is None or failed_at < self.until)


def show(wanted: Wanted, *, table: bool, explain: bool, body: bool) -> None:
    """Print the letters: a table for people, or a JSON line each; the bytes of the message only with *body*."""
    config = kafka_config(settings.load())
    rows = []
    for letter in reaching(config, _chosen(config, [], wanted)):
        row = letter.row
        if explain:
            row["explanation"] = _explanation(letter)
        if body:
            row["body"] = (letter.record.value or b"").decode("utf-8", "backslashreplace")
        rows.append(row)
    if table:
        _print_table(rows)
    else:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))


def _explanation(letter: Letter) -> list[str]:
    """Return each fault in words, and what hl7apy makes of the message; never a word of it."""
    from consumer.hl7.conformance import opinion, sentence  # hl7apy takes a while to import

    faults = json.loads(letter.headers.get("detail", "[]"))
    sentences = [sentence(fault.get("where", ""), fault.get("reason", "")) for fault in faults]
    if letter.headers.get("stage") == "ingest" and letter.record.value:
        sentences.append(f"hl7apy: {opinion(letter.record.value)}")
    return sentences


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("letter", "failed at", "attempt", "what", show_lines=True)
    for row in rows:
        what = [f"{row['reason']} ({row['stage']}), {row['bytes']} bytes, {row['source']}"]
        what += [f"{fault.get('where', '')} {fault.get('reason', '')}".strip() for fault in row["detail"]]
        what += row.get("explanation", [])
        if "body" in row:
            what.append(row["body"].replace("\r", "\n"))
        failed_at = Text((row["failed_at"] or "")[:_SECONDS], no_wrap=True)
        table.add_row(row["letter"], failed_at, str(row["attempt"]), Text("\n".join(what)))
    Console().print(table)


def resubmit(places: list[str], wanted: Wanted, *, force: bool) -> None:
    """
    Put letters back: of ingest to their inbound topic, of the judge to the events topic.

    Raises:
        Refused: None was named, one is not there, one is a stub, or one has been tried often enough.
    """
    if not places and wanted == Wanted():
        raise Refused("nothing to replay:", ["name letters as PARTITION:OFFSET, or a --reason"])
    config = kafka_config(settings.load())
    letters = reaching(config, _chosen(config, places, wanted))
    faults = [f"{place}: there is no such letter" for place in set(places) - {letter.place for letter in letters}]
    for letter in letters:
        if letter.headers.get("reason") == deadletter.TOO_LARGE:
            faults.append(f"{letter.place}: it was too large to keep; its bytes are at {letter.row['source']}")
        elif letter.record.value is None:
            faults.append(f"{letter.place}: it holds no record; it tells of a timer, or of an empty one")
        elif letter.attempt >= ATTEMPTS and not force:
            faults.append(f"{letter.place}: it has failed {letter.attempt} times; --force tries again")
    if faults:
        raise Refused("nothing was replayed:", faults)
    records = [_again(config, letter) for letter in letters]

    async def send() -> int:
        number = 0
        async with clients.Writer(config) as writer:
            for record in records:
                number += await writer.write(record.topic, [record])
        return number

    print(f"{reaching(config, send())} records put back")


def _again(config: KafkaConfig, letter: Letter) -> Record:
    """Return the record to send: the original bytes and key, when it was received first, and the next attempt."""
    judge = letter.headers.get("stage") == "judge"
    topic = config.topics[Output.EVENTS] if judge else letter.headers.get("source_topic", "")
    received_at = letter.headers.get("received_at", "")
    headers = (("attempt", str(letter.attempt + 1).encode()), ("received_at", received_at.encode()))
    # Where it came from; of a patient's event that is the partition that the judge's letter was written to.
    partition = letter.record.partition if judge else int(letter.headers.get("source_partition", "-1"))
    at = deadletter.instant(received_at) or letter.record.timestamp
    return Record(topic, partition, -1, at, letter.record.key, letter.record.value, headers)


async def _chosen(config: KafkaConfig, places: list[str], wanted: Wanted) -> list[Letter]:
    """Return the letters that were named, in the order in which they failed."""
    chosen = [
        letter async for letter in _letters(config) if (not places or letter.place in places) and wanted.takes(letter)
    ]
    return sorted(chosen, key=lambda letter: letter.headers.get("failed_at", ""))


async def _letters(config: KafkaConfig) -> AsyncIterator[Letter]:
    async for record in clients.read(config, config.topics[Output.DEAD_LETTERS]):
        yield Letter(record, {name: value.decode("utf-8", "replace") for name, value in record.headers})
