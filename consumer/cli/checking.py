"""`lab-alert check-config` and `lab-alert rules`: what is in force, for those who answer for it."""

import sys

from consumer import settings
from consumer.app import load_rulebook, load_site
from consumer.errors import Refused, SettingsRefused
from rules.alert import Rule
from rules.explain import explain as explained
from rules.rulebook import DEFAULT, Rulebook


def check_config() -> None:
    """
    Print the effective settings and rulebook.

    Raises:
        SettingsRefused: One of them is refused; every fault of settings, rulebook and site is listed.
    """
    faults: list[str] = []
    rulebook = DEFAULT
    try:
        effective = settings.load()
    except SettingsRefused as error:
        faults += error.faults
        effective = settings.tables()
    for load in (load_rulebook, load_site):
        try:
            loaded = load(effective)
        except Refused as error:
            faults += error.faults
        else:
            rulebook = loaded if isinstance(loaded, Rulebook) else rulebook
    if faults:
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
    sys.stdout.write("\n\n".join(explained(rule, rulebook) for rule in chosen) + "\n")
