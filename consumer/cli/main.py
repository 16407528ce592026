"""The commands and their options (DESIGN.md 2)."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from consumer.errors import LabAlertError, Refused

app = typer.Typer(
    name="lab-alert",
    help="HL7 v2 in from Kafka, electrolyte alerts out, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """How `replay` prints."""

    JSONL = "jsonl"
    TABLE = "table"


Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="ER7, batch, MLLP capture, or one message a line")]


@app.callback()
def lab_alert(
    version: Annotated[bool, typer.Option("--version", help="print the version and end", is_eager=True)] = False,
) -> None:
    """HL7 v2 in from Kafka, electrolyte alerts out, exactly once."""
    if version:
        from consumer.version import version as ours

        typer.echo(ours())
        raise typer.Exit


@app.command()
def replay(
    files: Files,
    output: Annotated[Format, typer.Option("--format", help="jsonl: alert events; table: for people")] = Format.TABLE,
    until: Annotated[str | None, typer.Option(help="fire timers up to this moment, ISO 8601 with an offset")] = None,
) -> None:
    """Judge the messages of files, without a broker; time is taken from the messages."""
    from consumer.cli import replaying

    replaying.replay(files, table=output is Format.TABLE, until=until)


def main() -> int:
    """Run the command line; return its exit code: 1 what must be mended is said, 2 a fault that may pass."""
    try:
        app()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    except Refused as error:
        return _fail(error, 1)
    except LabAlertError as error:
        return _fail(error, 2)
    except BrokenPipeError:  # who reads has seen enough: `lab-alert replay … | head`
        sys.stderr.close()
        return 0
    return 0


def _fail(error: LabAlertError, code: int) -> int:
    sys.stderr.write(f"lab-alert: {error}\n")
    return code
