"""Tables of what fault runs found, for people."""

from collections.abc import Mapping, Sequence

from tests.fault.check import Findings
from tests.fault.run import Struck, say


def faults(struck: Sequence[Struck]) -> None:
    """Print for each kind of fault how long a partition stood still for it, and how late an alert came."""
    say()
    say(f"  {'fault':32} {'times':>5} {'longest stall':>16} {'allowed':>8} {'latest alert':>15} {'allowed':>8}")
    for name in sorted({one.name for one in struck}):
        these = [one for one in struck if one.name == name]
        stalled = max(these, key=lambda one: one.stall_seconds)
        delayed = max(these, key=lambda one: one.delay_seconds)
        say(
            f"  {name:32} {len(these):5} {stalled.stall_seconds:14.1f} s {_bound(stalled.allowed_stall_seconds)} "
            f"{delayed.delay_seconds:13.1f} s {_bound(delayed.allowed_delay_seconds)}".rstrip()
        )


def _bound(seconds: float | None) -> str:
    return f"{'':8}" if seconds is None else f"{seconds:6.1f} s"


def findings(runs: Mapping[str, Findings]) -> bool:
    """Print what each run found, a column a run; return whether every invariant holds in all of them."""
    say()
    say(f"  {'':40} " + " ".join(f"{name:>10}" for name in runs))
    broken = {name for found in runs.values() for name in found.broken}
    for name, value in vars(Findings()).items():
        if name == "notes":
            continue
        values = [getattr(found, name) for found in runs.values()]
        shown = (f"{one:.1f}" if isinstance(value, float) else str(one) for one in values)
        line = f"  {name.replace('_', ' '):40} " + " ".join(f"{one:>10}" for one in shown)
        say(line + ("  BROKEN" if name in broken else ""))
    for name, found in runs.items():
        for note in found.notes:
            say(f"  note, {name}: {note}")
    say(f"RED: {', '.join(sorted(broken))}" if broken else "GREEN")
    return not broken
