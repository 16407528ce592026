"""RULES.md 6: acute kidney injury over a course of creatinines, as a nephrologist would read it (umol/L)."""

import pytest

from tests.unit.rules.builders import chart, crea, d


@pytest.mark.parametrize(
    ("course", "injury"),
    [
        pytest.param({-10: "50", -1: "90", 0: "100"}, False, id="50 ten days ago is not of the 7 days before: 90, 100"),
        pytest.param({-10: "50", -1: "90", 0: "116.4"}, False, id="a rise of 26.4 in 48 h, whatever was ten days ago"),
        pytest.param({-10: "50", -1: "90", 0: "116.5"}, True, id="a rise of 26.5 in 48 h"),
        pytest.param({-11: "50", -3: "90", 0: "134.9"}, False, id="less than 1.5 times the lowest of 7 days, 90"),
        pytest.param({-11: "50", -3: "90", 0: "135"}, True, id="1.5 times 90"),
        pytest.param({-6: "60", -5: "100", -2: "80", 0: "70"}, True, id="an injury six days ago that has healed since"),
        pytest.param({-9: "60", -8: "100", -2: "80", 0: "70"}, False, id="an injury longer than 7 days ago"),
        pytest.param({-6: "60", -5: "100", -4.5: "70", 0: "65"}, False, id="a single odd value five days ago"),
        pytest.param({-6: "60", -5: "100", -4.5: "70", -2: "92", 0: "70"}, True, id="that, and one that stayed"),
        pytest.param(
            {-10: "60", -7 + 1 / 288: "120", 1 / 144: "100"}, True, id="7 days ago, the newest's clock 10 min ahead"
        ),
        pytest.param({-6: "60", -4: "100", -2: "200", -1.5: "61"}, True, id="the first stands, the second is odd"),
    ],
)
def test_rules_6_a_course_of_creatinines(course: dict[float, str], injury: bool) -> None:
    """Each is measured against the 48 h, or the 7 days, before itself, and counts for 7 days. RULES.md 6."""
    facts = [crea(value, d(day)) for day, value in course.items()]
    assert ("acute kidney injury" in chart(*facts, now=d(0)).renal.why) is injury
