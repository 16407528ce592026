"""`lab-alert check-config` and `lab-alert rules`: what is in force, for those who answer for it."""

from rich.console import Console
from rich.table import Table

from consumer import settings
from consumer.app import load_rulebook, load_site
from consumer.errors import Refused, SettingsRefused
from rules.alert import Rule
from rules.rulebook import DEFAULT, Rulebook

SECTIONS: dict[Rule, tuple[str, ...]] = {
    Rule.REFRACTORY_HYPERKALEMIA: ("4.1", "3"),
    Rule.POST_INFUSION_HYPERMAGNESEMIA: ("4.2", "3"),
    Rule.HYPERMAGNESEMIA_EXPOSURE_UNKNOWN: ("4.2", "3"),
}
"""Sections of RULES.md whose parameters a rule reads; the companions read section 5, and all read 6 and 7."""


def check_config() -> None:
    """
    Print the effective settings and rulebook.

    Raises:
        SettingsRefused: One of them is refused; every fault of settings, rulebook and site is listed.
    """
    faults: list[str] = []
    effective = None
    rulebook = DEFAULT
    try:
        effective = settings.load()
    except SettingsRefused as error:
        faults += error.faults
    if effective is not None:
        for load in (load_rulebook, load_site):
            try:
                loaded = load(effective)
            except Refused as error:
                faults += error.faults
            else:
                rulebook = loaded if isinstance(loaded, Rulebook) else rulebook
    if faults or effective is None:
        raise SettingsRefused("configuration refused:", faults)
    for name, value in settings.shown(effective).items():
        print(f"{settings.PREFIX}{name.upper()}={value}")
    print(f"\n# rulebook {rulebook.fingerprint()}")
    defaults = {name: value for name, value, *_ in DEFAULT.rows()}
    for name, value, *_ in rulebook.rows():
        mark = "" if defaults[name] == value else f"  # default {defaults[name]}"
        print(f"{name} = {value}{mark}")
    for rule in Rule:
        print(f"{rule.value}: {rulebook.mode(rule)}")


def explain(name: str | None) -> None:
    """
    Print the parameters of one rule, or of all.

    Raises:
        Refused: There is no such rule.
    """
    chosen = [rule for rule in Rule if name in (None, rule.value)]
    if not chosen:
        names = [rule.value for rule in Rule]
        raise Refused("no such rule:", [f"{name}{settings.nearest(str(name), names)}"])
    rulebook = load_rulebook(settings.load())
    wanted = {section for rule in chosen for section in (*SECTIONS.get(rule, ("5", "4.1", "4.2", "3")), "6", "7")}
    console = Console()
    console.print(", ".join(f"{rule.value} ({rulebook.mode(rule)})" for rule in chosen), style="bold")
    table = Table("parameter", "value", "bounds", "RULES.md", "source", box=None, pad_edge=False)
    for row, value, low, high, section, source in rulebook.rows():
        if section in wanted:
            table.add_row(row, value, f"{low} to {high}" if low else "", section, source)
    console.print(table)
