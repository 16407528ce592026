"""The commands of DESIGN.md 2 and their options."""

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
topics_app = typer.Typer(help="Make or verify the topics, their settings and our rights on them.", no_args_is_help=True)
offsets_app = typer.Typer(help="The remedy when offsets and state disagree.", no_args_is_help=True)
letters_app = typer.Typer(help="Look at dead letters and resubmit them.", no_args_is_help=True)
state_app = typer.Typer(help="Look at what is stored of a patient, or erase it.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(state_app, name="state")
app.add_typer(offsets_app, name="offsets")


class Format(StrEnum):
    """How `replay` prints."""

    JSONL = "jsonl"
    TABLE = "table"


class StageChoice(StrEnum):
    """Which stages a process runs."""

    ALL = "all"
    INGEST = "ingest"
    JUDGE = "judge"


Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="ER7, batch, MLLP capture, or one message a line")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from consumer.version import version

        typer.echo(version())
        raise typer.Exit


@app.callback()
def lab_alert(
    version: Annotated[
        bool, typer.Option("--version", help="print the version and end", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """HL7 v2 in from Kafka, electrolyte alerts out, exactly once."""
    del version


@app.command()
def run(
    stage: Annotated[StageChoice, typer.Option(help="which stages this process runs")] = StageChoice.ALL,
) -> None:
    """Consume, judge, publish; serve /metrics, /healthz, /readyz. Ends with 0 after SIGTERM."""
    from consumer.cli import running

    raise typer.Exit(running.run(stage.value))


@app.command()
def demo(
    duration: Annotated[float, typer.Option(min=0, help="end after so many seconds; 0: run until Ctrl-C")] = 0,
    seed: Annotated[int, typer.Option(help="another seed, another ward")] = 1,
) -> None:
    """Show the whole path: a local Kafka, a simulated ward in accelerated time, alerts as they come."""
    from consumer import demo as demonstration

    raise typer.Exit(demonstration.run(duration=duration, seed=seed))


@app.command()
def replay(
    files: Files,
    output: Annotated[Format, typer.Option("--format", help="jsonl: alert events; table: for people")] = Format.TABLE,
    until: Annotated[str | None, typer.Option(help="fire timers up to this moment, ISO 8601 with an offset")] = None,
) -> None:
    """Judge the messages of files, without a broker; time is taken from the messages."""
    from consumer.cli import replaying

    replaying.replay(files, table=output is Format.TABLE, until=until)


@app.command()
def inspect(
    files: Files,
    summary: Annotated[bool, typer.Option("--summary", help="counts for people in place of the lines")] = False,
    draft: Annotated[Path | None, typer.Option(help="write a site table of commented suggestions to this file")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="add sentences to what was rejected")] = False,
) -> None:
    """Print a JSON line a message: what was decoded, what was rejected and why."""
    from consumer.cli import replaying

    replaying.inspect(files, summary=summary, draft=draft, explain=explain)


@app.command("check-config")
def check_config() -> None:
    """Print the effective settings and rulebook, secrets masked; end with 1 and every fault when one is refused."""
    from consumer.cli import checking

    checking.check_config()


@app.command()
def rules(rule: Annotated[str | None, typer.Argument(help="a rule's name; none: all of them")] = None) -> None:
    """Explain rules: parameters, units, sources, and the section of RULES.md."""
    from consumer.cli import checking

    checking.explain(rule)


@app.command()
def simulate(
    output: Annotated[Path | None, typer.Option(help="write to this file; none: to the inbound topic")] = None,
    messages: Annotated[int, typer.Option(min=1, help="how many messages")] = 10_000,
    patients: Annotated[int, typer.Option(min=1, help="how many patients")] = 300,
    seed: Annotated[int, typer.Option(help="the same seed gives the same feed")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="messages a second to a topic; 0: as fast as it goes")] = 0,
    keyed: Annotated[bool, typer.Option(help="key records by patient; else they are spread")] = True,
) -> None:
    """Write a seeded, realistic HL7 feed to a file or a topic."""
    from consumer.cli import simulating

    simulating.simulate(output, messages=messages, patients=patients, seed=seed, rate=rate, keyed=keyed)


@topics_app.command("create")
def topics_create() -> None:
    """Make the topics of ours that are not there."""
    from consumer.cli import administering

    administering.create_topics()


@topics_app.command("check")
def topics_check() -> None:
    """Hold every topic against what it has to be; end with 1 when one would lose data."""
    from consumer.cli import administering

    administering.check_topics()


@offsets_app.command("set")
def offsets_set(
    stage: Annotated[StageChoice, typer.Option(help="ingest or judge")],
    to: Annotated[str, typer.Option(help="earliest, latest or an offset")],
    topic: Annotated[str | None, typer.Option(help="one of its input topics; needed where it has several")] = None,
    partition: Annotated[list[int] | None, typer.Option(help="which (may be repeated); none: all")] = None,
) -> None:
    """Set committed offsets and tie them to the state as it is; refused while the group has members."""
    from consumer.cli import administering

    administering.set_offsets(stage.value, topic, partition, to)


Reasons = Annotated[str | None, typer.Option("--reason", help="only those of this reason")]
Since = Annotated[
    str | None, typer.Option("--since", help="only those that failed then or later, ISO 8601 with an offset")
]
Before = Annotated[str | None, typer.Option("--until", help="only those that failed before, ISO 8601 with an offset")]


@letters_app.command("list")
def letters_list(
    reason: Reasons = None,
    since: Since = None,
    until: Before = None,
    output: Annotated[Format, typer.Option("--format", help="table: for people; jsonl: a line each")] = Format.TABLE,
    explain: Annotated[bool, typer.Option("--explain", help="add each fault in words, and what hl7apy says")] = False,
    show_body: Annotated[bool, typer.Option("--show-body", help="the message too, with its patient's data")] = False,
) -> None:
    """Show dead letters: where each lies, why, and what record it was; of the message itself nothing."""
    from consumer.cli import letters

    letters.show(letters.Wanted.of(reason, since, until), table=output is Format.TABLE, explain=explain, body=show_body)


@letters_app.command("replay")
def letters_replay(
    letter: Annotated[list[str] | None, typer.Argument(metavar="[PARTITION:OFFSET]…", help="which letters")] = None,
    reason: Reasons = None,
    since: Since = None,
    until: Before = None,
    force: Annotated[bool, typer.Option(help="also those that have been tried twice")] = False,
) -> None:
    """Put the original bytes back where they came from; `attempt` grows."""
    from consumer.cli import letters

    letters.resubmit(letter or [], letters.Wanted.of(reason, since, until), force=force)


@state_app.command("show")
def state_show(patient: Annotated[str, typer.Argument(help="patient key, AUTHORITY|MRN")]) -> None:
    """Print what is stored of a patient, open alerts first."""
    from consumer.cli import stored

    stored.show(patient)


@state_app.command("erase")
def state_erase(
    patient: Annotated[str, typer.Argument(help="patient key, AUTHORITY|MRN")],
    yes: Annotated[bool, typer.Option(help="don't ask")] = False,
) -> None:
    """Have the owner of the patient's partition forget the patient, aliases too; says where copies remain."""
    from consumer.cli import stored

    if not yes:
        typer.confirm(f"Erase what is stored of {patient}?", abort=True)
    stored.erase(patient)


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
