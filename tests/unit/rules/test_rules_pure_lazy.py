"""What a chart derives is computed when it is first asked for, once."""

from rules.lazy import lazy


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
