"""`lab-alert replay`: files in, alert events or a table out."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from consumer.cloudevent import Issuer, alert_event, encode_alert
from consumer.errors import NoInput
from consumer.hl7.files import read_messages
from consumer.hl7.site import Site
from consumer.patients import Judged
from consumer.replay import Replay
from consumer.version import version
from rules.events import SECOND, Instant, Source
from rules.rulebook import DEFAULT, Rulebook

NEWLINE = b"\n"


def replay(files: list[Path], *, table: bool, until: str | None) -> None:
    """
    Judge *files* and print what comes out.

    Raises:
        NoInput: A file can't be read, holds no message, or *until* is no time.
    """
    end = None if until is None else instant(until)
    rulebook, site = _rules()
    for path in files:  # all of them before the first is judged: half a replay would look like a whole one
        if not os.access(path, os.R_OK):
            raise NoInput(f"{path}: {os.strerror(errno.EACCES if path.exists() else errno.ENOENT)}")
    machine = Replay(rulebook, site)
    if table:
        _table(machine, machine.run(messages(files), end))
    else:
        issuer = Issuer("lab-alert", version(), rulebook.fingerprint())
        out = sys.stdout.buffer
        for transition, source in machine.run(messages(files), end):
            event = alert_event(transition, source=source, published_at=transition.time, issuer=issuer)
            out.write(encode_alert(event) + NEWLINE)
        out.flush()
    if not machine.messages:
        raise NoInput("no message could be read from " + ", ".join(str(path) for path in files))


def instant(text: str) -> Instant:
    """Return the instant of an ISO 8601 time with an offset; raises `NoInput` for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise NoInput(f"{text!r} is no ISO 8601 time with an offset, as 2026-01-01T12:00:00Z")
    return round(moment.timestamp() * SECOND)


def messages(files: list[Path]) -> Iterator[tuple[bytes, Source]]:
    """Yield every message of *files* with where it stands: file, number of the file, number in it from 1."""
    with _progress(files) as advance:
        for number, path in enumerate(files):
            try:
                for place, raw in enumerate(read_messages(path), 1):
                    advance(len(raw))
                    yield raw, Source(path.name, number, place)
            except OSError as error:
                raise NoInput(f"{path}: {error.strerror}") from error


@contextmanager
def _progress(files: list[Path], *, silent: bool = False) -> Iterator[Callable[[int], None]]:
    """Give what takes the bytes read; a bar where a terminal watches, and what is printed meanwhile goes elsewhere."""
    if not sys.stderr.isatty() or (sys.stdout.isatty() and not silent):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        total = sum(path.stat().st_size for path in files if path.is_file())
        task = progress.add_task("messages", total=total)
        yield lambda read: progress.update(task, advance=read)


def _rules() -> tuple[Rulebook, Site]:
    """Return the rulebook and the site's tables; settings are read only where there are any: a replay starts fast."""
    if not any(name.startswith("LAB_ALERT_") for name in os.environ):
        return DEFAULT, Site.default()
    from consumer import settings
    from consumer.app import load_rulebook, load_site

    effective = settings.load()
    return load_rulebook(effective), load_site(effective)


def _table(machine: Replay, judged: Iterator[Judged]) -> None:
    from rich.console import Console

    from consumer.cli.show import alerts_table

    console = Console()
    alerts_table(console, judged)
    counts = ", ".join(f"{number} {outcome.value}" for outcome, number in machine.outcomes.items() if number)
    unbound = f"; {machine.unbound} pump events without a patient" if machine.unbound else ""
    console.print(f"{machine.messages} messages: {counts or 'none'}{unbound}", style="dim")


def inspect(files: list[Path], *, summary: bool = False, draft: Path | None = None, explain: bool = False) -> None:
    """
    Print a JSON line a message, or with *summary* the counts; with *draft* write a site table of suggestions there.

    Raises:
        NoInput: A file can't be read, or holds no message; *draft* is there already, or can't be written.
    """
    from consumer.hl7.survey import Survey
    from consumer.inspect import lines

    _, site = _rules()
    if draft is not None and draft.exists():
        raise NoInput(f"{draft} is there already; name a new file, a site's own table is not overwritten")
    survey = Survey()
    number = 0
    silent = summary or draft is not None
    with _progress(files, silent=silent) as advance:
        for path in files:
            try:
                for line in lines([path], site, survey, explain=explain, advance=advance):
                    number += 1
                    if not silent:
                        sys.stdout.buffer.write(line + NEWLINE)
            except OSError as error:
                raise NoInput(f"{path}: {error.strerror}") from error
    sys.stdout.buffer.flush()
    if not number:
        raise NoInput("no message could be read from " + ", ".join(str(path) for path in files))
    if silent:
        sys.stdout.write(survey.text() + "\n")
    if draft is not None:
        try:
            draft.write_text(survey.draft(), encoding="utf-8")
        except OSError as error:
            raise NoInput(f"{draft}: {error.strerror}") from error
        sys.stdout.write(f"{draft} written; take the # away from the suggestions that are confirmed\n")
