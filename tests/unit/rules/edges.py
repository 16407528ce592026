"""
Three rows of a threshold in one: just below, at and just above a value; a millisecond before, at and after a moment.

`standing` judges a row as the service does: each fact comes with a message of its own when it was drawn or given (an
infusion or a dialysis when it ended), through `engine.judge` and `engine.tick`.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from rules.alert import Rule
from rules.events import (
    HOUR,
    MINUTE,
    Administration,
    Demographics,
    Dialysis,
    Instant,
    MagnesiumOrder,
    Result,
    Tube,
)
from tests.unit.rules.builders import ADULT, Fact, Play, changes

WARNING, HIGH, CRITICAL = "warning", "high", "critical"

Row = Any  # what pytest.param returns


def values(figure: str, findings: Sequence[object], step: str = "0.01") -> list[Row]:
    """Return ``(value, finding)`` just below, at and just above *figure*."""
    at = Decimal(figure)
    names = ("below", "at", "above")
    return [
        pytest.param(str(at + sign * Decimal(step)), found, id=f"{at + sign * Decimal(step)}: {name} {figure}")
        for sign, name, found in zip((-1, 0, 1), names, findings, strict=True)
    ]


def moments(at: Instant, findings: Sequence[object], name: str = "") -> list[Row]:
    """Return ``(moment, finding)`` a millisecond before, at and a millisecond after *at*."""
    told = name or f"{at / HOUR:g} h"
    places = ("1 ms before", "at", "1 ms after")
    return [
        pytest.param(at + sign, found, id=f"{place} {told}")
        for sign, place, found in zip((-1, 0, 1), places, findings, strict=True)
    ]


def known_at(fact: Fact) -> Instant:
    """Return when a fact is told, as soon as it can be; -1 for what is known before anything happens."""
    if isinstance(fact, Result):
        return fact.observed_at
    if isinstance(fact, Administration | Dialysis):
        return fact.started_at if fact.ended_at is None else fact.ended_at
    return fact.ordered_at if isinstance(fact, MagnesiumOrder) else -1


def lived(*facts: Fact, until: Instant | None = None, who: Demographics | None = ADULT) -> Play:
    """Return the play of *facts*, each told in a message of its own, and half an hour (or until *until*) after it."""
    tubes = [fact for fact in facts if isinstance(fact, Tube)]
    told = sorted((fact for fact in facts if not isinstance(fact, Tube)), key=known_at)
    play = Play(who=None)
    play.now = min(known_at(fact) for fact in told if known_at(fact) > 0) - MINUTE
    for fact in (*((who,) if who else ()), *told):
        with_it = [tube for tube in tubes if isinstance(fact, Result) and tube.container == fact.container]
        play.tell(fact, *with_it, at=max(play.now, known_at(fact)))
    play.wait(play.now + HOUR // 2 if until is None else until)
    return play


def standing(rule: Rule, *facts: Fact, until: Instant | None = None, who: Demographics | None = ADULT) -> str | None:
    """Return the severity of the alert of *rule* that is open half an hour after the last of *facts*, or None."""
    found = [alert.severity.label for alert in lived(*facts, until=until, who=who).open if alert.rule is rule]
    assert len(found) <= 1
    return found[0] if found else None


def ending(rule: Rule, *facts: Fact, until: Instant | None = None) -> str | None:
    """Return how the alert of *rule* ended: ``resolved magnesium_resulted``; None while it is open."""
    told = changes(lived(*facts, until=until).seen, rule)
    assert told[0].startswith("raised")
    return told[-1] if told[-1].startswith(("resolved", "closed", "retracted")) else None
