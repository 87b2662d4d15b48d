"""What two paths between two models say first."""

from dataclasses import replace

import pytest

from eigenscape.landscape.paths._path_result import PathValues
from tests._results import EXAMPLES


def paths(line, curve, test=()):
    """Return a result with these training errors in per cent at t = 0, 1/2, 1."""
    example = EXAMPLES["PathResult"]()
    flat = (1.0,) * 3
    return replace(
        example,
        line=PathValues(flat, line, flat if test else (), test),
        curve=PathValues(flat, curve, flat if test else (), line if test else ()),
    )


def test_the_barriers_are_the_answer():
    found = paths((10.0, 30.0, 12.0), (10.0, 11.5, 12.0))
    assert found.answer == (
        "From the first model to the second, the training error (%) rises by 19 above its ends "
        "along the straight line and by 0.5 along the trained curve; mode connectivity 1, at 3 "
        "points of each path."
    )  # of equal gaps the first end's counts: 11 - 10
    assert found.findings == ()


def test_a_curve_that_is_no_better_and_what_the_test_data_say():
    found = paths((0.0, 20.0, 0.0), (0.0, 25.0, 0.0), test=(0.0, 40.0, 10.0))
    no_better, tested = found.findings
    assert no_better.text == "The curve of 50 epochs is no better than the straight line."
    assert "(a guess: more were not tried)" in no_better.todo
    assert tested.text == (
        "On the test data the error rises by 35 along the line and by 20 along the curve."
    )


@pytest.mark.parametrize(("middle", "said"), [(4.0, True), (11.0, False)])
def test_a_curve_below_its_ends_is_described(middle, said):
    found = paths((10.0, 10.0, 12.0), (10.0, middle, 12.0)).findings
    assert [one.basis for one in found] == ["description"] * said
    assert all("comes down to 4, below both ends (10 and 12)" in one.text for one in found)
