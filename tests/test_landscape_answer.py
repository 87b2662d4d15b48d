"""What a landscape says first: the lowest point, walls, the grid, its minima; and its pictures."""

import math
from dataclasses import replace

import numpy as np
import pytest

from eigenscape.errors import InputError
from tests._results import EXAMPLES

AXIS = np.linspace(-1, 1, 5)
PLANE = np.add.outer(AXIS**2, AXIS**2)


def grid(values, axis=AXIS, **changes):
    """Return a landscape of these losses, the model's in the middle."""
    values = np.asarray(values, dtype=float)
    n = values.ndim
    middle = tuple(size // 2 for size in values.shape)
    shape = {
        "names": tuple(f"d{k}" for k in range(n)),
        "norms": (1.0,) * n,
        "gram": tuple(map(tuple, np.eye(n).tolist())),
        "coordinates": (np.asarray(axis, dtype=float),) * n,
        "loss_at_center": float(values[middle]),
    }
    return replace(EXAMPLES["Landscape"](), values=values, **{**shape, **changes})


def test_the_model_is_the_lowest():
    found = grid(1 + PLANE)
    assert found.answer == (
        "The model is the lowest of the 25 points of its grid: loss 1, at the highest point 3."
    )
    assert found.lowest == (0, 0)
    assert [one.text for one in found.findings] == [
        "The grid has one minimum (diagonal neighbours count, plateaus once)."
    ]
    assert found.findings[0].action == "Nothing to do."


def test_another_point_is_lower():
    values = 1 + PLANE
    values[3, 1] = 0.75
    found = grid(values, unit="relative")
    assert found.lowest == (0.5, -0.5)
    assert found.answer == (
        "The model is not the lowest of the 25 points: at (0.5, -0.5) in shares of the parameters' "
        "norm the loss is 0.75, 0.25 below the model's 1 (25 %)."
    )
    first, minima = found.findings
    assert first.basis == "measurement"
    assert "means over the same 4 samples, in the batches as given" in first.text
    assert "border" not in first.text
    assert "(a guess: neither was tried here)" in first.todo
    assert minima.text.startswith("The grid has one minimum")  # diagonal neighbours: one basin


@pytest.mark.parametrize(("below", "lower"), [(7e-7, False), (9e-7, True)])
def test_what_is_lower_by_noise_alone_is_not_called_lower(below, lower):
    values = 1 + PLANE
    values[0, 0] = 1 - below  # the noise of the example is 1e-7, and eight times that counts
    found = grid(values)
    assert found.is_lower is lower
    assert ("not the lowest" in found.answer) is lower
    assert any("border" in one.text for one in found.findings) is lower


def test_points_that_are_not_finite():
    values = 1 + PLANE
    values[4, :] = math.inf
    walls, _ = grid(values).findings
    assert walls.text.startswith("5 of 25 points are NaN or infinite")
    assert walls.todo == "Sample a radius of 0.5: all points within it are finite"
    values[2, 3] = math.inf
    walls, _ = grid(values).findings
    assert walls.todo == "Sample a smaller radius: points next to the model are not finite"


def test_nothing_finite_and_a_grid_without_the_model():
    lost = grid(np.full((4,), np.inf), np.linspace(-1, 1, 4), loss_at_center=2.0)
    assert lost.answer == "None of the 4 points of the grid has a finite loss; the model's 2 is."
    assert lost.lowest is None
    assert len(lost.findings) == 1
    even = grid([5.0, 3, 3, 5], np.linspace(-1, 1, 4), loss_at_center=2.5)
    assert (
        even.answer == "No point of the 4 is lower than the model's 2.5: their losses are 3 to 5."
    )


def test_minima_are_counted_with_their_depth_and_the_noise():
    found = grid([5.0, 1, 3, 0, 4, 2, 6], np.linspace(-1, 1, 7), noise=0.2)
    assert found.findings[-1].text == (
        "The grid has 3 minima, 3 of them deeper than 8 times the noise of a loss (2); the deepest "
        "pair persists 2."
    )
    assert "1 of them deeper" in replace(found, noise=0.3).findings[-1].text


def test_a_grid_that_is_too_coarse_for_the_curvature():
    line = grid(AXIS**2, rayleigh=(2.0,))
    assert len(line.findings) == 1  # x squared has the curvature 2 on any grid
    wavy = grid(1 - np.cos(2 * np.pi * AXIS), rayleigh=(4 * np.pi**2,))  # 2 / 0.25 on this one
    coarse = wavy.findings[0]
    assert coarse.text == (
        "The grid does not show the curvature at the model: d0 16, Hessian 39.5."
    )
    assert coarse.todo == "Sample a radius below 1"
    assert len(replace(wavy, noise=0.8).findings) == 1  # 8 noises over a squared step: 25.6
    assert len(grid(AXIS**2, rayleigh=(0.0,)).findings) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.array([1.0, np.nan, 2.0, 1.0, 1.0])}, "1 losses of 5 are nan or -inf"),
        ({"values": np.array([1.0, -np.inf, 2.0, 1.0, 1.0])}, "kept as \\+inf"),
        ({"values": np.array(1.0), "coordinates": (), "names": (), "norms": ()}, "hold no grid"),
        ({"values": np.ones(0), "coordinates": (np.ones(0),)}, "hold no grid"),
    ],
)
def test_what_is_no_landscape_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(grid(AXIS**2), **changes)


def test_one_point_has_an_answer_and_no_picture():
    point = grid([[3.0]], [0.0])
    assert point.answer.startswith("The model is the lowest of the 1 points of its grid: loss 3")
    assert [one.text[:24] for one in point.findings] == ["The grid has one minimum"]
    with pytest.raises(InputError, match=r"two points along each axis; .* shape \(1, 1\)"):
        point.plot()
    with pytest.raises(InputError, match="none of the 5 losses is finite"):
        grid(np.full(5, np.inf), loss_at_center=1.0).plot()
    with pytest.raises(InputError, match="a surface needs two directions"):
        grid(AXIS**2).plot(surface=True)


@pytest.mark.parametrize("n", [2, 3])
def test_the_surface_has_holes_where_nothing_is_finite(n):
    values = 1 + sum(axis**2 for axis in np.meshgrid(*[AXIS] * n))
    values[(0,) + (2,) * (n - 1)] = math.inf
    figure = grid(values).plot(surface=True)
    plane, surface = figure.axes[0], figure.axes[-1]
    assert "1 samples not finite" in plane.get_title() or n == 3
    assert surface.name == "3d"
    assert surface.get_title() == "Surface, 1 points not finite (holes)"
    heights = surface.collections[0].get_array()  # the mean height of each facet
    assert len(heights) == 16
    assert 1 <= heights.min() < heights.max() <= 3
    assert surface.get_zlim()[1] < 4


def test_the_lowest_point_is_marked_where_the_slice_has_it():
    values = 1 + sum(axis**2 for axis in np.meshgrid(*[AXIS] * 3))
    values[2, 4, 2] = 0.5  # in the slices of axes 0 and 1, and of 1 and 2
    figure = grid(values).plot()
    labels = [{line.get_label() for line in axes.lines} for axes in figure.axes[:3]]
    assert ["the lowest point" in one for one in labels] == [True, False, True]
    assert all("the model" in one for one in labels)
    assert "the lowest point is beside it" in figure.axes[1].get_title()
    assert "beside" not in figure.axes[0].get_title()
