"""What a chart derives is computed once, when it is asked for, and taken over while what it rests on is the same."""

from types import MappingProxyType

import pytest

from rules.lazy import Following, lazy, resting_on


class Part:
    """Something with a part that is computed."""

    asked = 0

    @lazy
    def value(self) -> int:
        """Return how often it was computed."""
        self.asked += 1
        return self.asked


def test_rules_pure_a_lazy_part_is_computed_once_an_object() -> None:
    """However often it is read; another object computes its own; it keeps its name and its words."""
    one, other = Part(), Part()
    assert (one.value, one.value, one.asked, other.asked) == (1, 1, 1, 0)
    assert vars(one)["value"] == 1
    assert other.value == 1
    assert Part.value.__doc__ == "Return how often it was computed."


class Sheet(Following):
    """A sheet of draws that comes after another: the high ones, and how many of them."""

    def __init__(self, draws: list[int], note: str = "", before: "Sheet | None" = None) -> None:
        self.draws = draws
        self.note = note
        self.before = MappingProxyType({}) if before is None else before.__dict__
        self.computed: list[str] = []

    @resting_on("draws")
    def high(self) -> list[int]:
        """Return the high ones."""
        self.computed.append("high")
        return [draw for draw in self.draws if draw > 5]

    @resting_on("high", "note")
    def shown(self) -> str:
        """Return the high ones as shown."""
        self.computed.append("shown")
        return f"{self.high} {self.note}"


DRAWS = [4, 6, 7]


@pytest.mark.parametrize(
    ("draws", "note", "computed", "same"),
    [
        pytest.param(DRAWS, "", [], (True, True), id="the same draws: nothing is computed"),
        pytest.param([4, 6, 7], "", ["high"], (True, True), id="equal draws: computed anew, and the same"),
        pytest.param([3, 6, 7, 2], "", ["high"], (True, True), id="other draws, none of them high"),
        pytest.param([6], "", ["high", "shown"], (False, False), id="others are high"),
        pytest.param(DRAWS, "!", ["shown"], (True, False), id="another note"),
    ],
)
def test_rules_pure_what_rests_on_the_same_is_taken_over(
    draws: list[int], note: str, computed: list[str], same: tuple[bool, bool]
) -> None:
    """A part is computed again only where a part that it reads is another; equal to the one before, it is that one."""
    first = Sheet(DRAWS)
    assert (first.shown, first.computed) == ("[6, 7] ", ["shown", "high"])
    second = Sheet(draws, note, first)
    assert second.shown == f"{[draw for draw in draws if draw > 5]} {note}"
    assert sorted(second.computed) == computed
    assert (second.high is first.high, second.shown is first.shown) == same
    assert second.shown is second.shown


def test_rules_pure_what_was_not_asked_before_is_computed() -> None:
    """A part that the sheet before had not computed is computed, once; the parts know what they rest on."""
    first = Sheet(DRAWS)
    second = Sheet(DRAWS, before=first)
    assert (second.high, second.high, second.computed) == ([6, 7], [6, 7], ["high"])
    assert Sheet.shown.reads == ("high", "note")  # type: ignore[attr-defined]  # of the decorator, for the tests
    assert Sheet.shown.__doc__ == "Return the high ones as shown."


def test_rules_pure_a_part_is_what_its_function_says() -> None:
    """Made here: its name, its words, what it computes and what it rests on are those of the function decorated."""

    class Ward(Following):
        before = MappingProxyType({"beds": 2, "free": 1})
        beds = 3

        @lazy
        def names(self) -> str:
            """Return the names of the beds."""
            return "ABC"[: self.beds]

        @resting_on("beds")
        def free(self) -> int:
            """Return how many are free."""
            return self.beds - 1

    ward = Ward()
    assert (ward.names, ward.free) == ("ABC", 2)
    assert vars(ward) == {"names": "ABC", "free": 2}
    assert (Ward.names.__doc__, Ward.free.__doc__) == ("Return the names of the beds.", "Return how many are free.")
