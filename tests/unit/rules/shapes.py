"""What is stored is what its annotations say: a `None` where there is none would stop the state from packing."""

import types
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from rules.alert import Transition
from rules.patient import PatientState


def well_shaped(state: PatientState | None) -> PatientState | None:
    """Return *state*; it fails where a field of what is stored, but for results, is not of its declared type."""
    if state is not None:
        told = (*state.tubes, *state.administrations, *state.dialyses, *state.magnesium_orders, *state.encounters)
        for record in (*state.alerts, *state.holds, *told):
            assert _fits(record, type(record)), record
        assert state.next_due is None or type(state.next_due) is int
    return state


def is_well_shaped(transition: Transition) -> bool:
    """Say whether each field of a transition is of its declared type: what an alert event promises (DESIGN.md 2)."""
    return _fits(transition, Transition)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: object, hint: Any) -> bool:
    origin, of = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in of)
    if origin is tuple:
        return type(value) is tuple and all(_fits(item, of[0]) for item in value)
    if hint is object or origin is dict:
        return hint is object or type(value) is dict
    named = _hints(hint) if hasattr(hint, "_fields") else {}
    return type(value) is hint and all(_fits(getattr(value, name), one) for name, one in named.items())
