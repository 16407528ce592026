"""How a figure is taken and printed: processor time, the shortest of many rounds, one line each."""

import time
from collections.abc import Callable

ROUNDS = 5


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the shortest processor time that *work* took; what others do on the machine is no part of it."""
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def show(what: str, figure: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    print(f"{what:<68}{figure:>12,.2f} {unit:<14}{note}", flush=True)
