"""What a landscape says in sentences: the model and the lowest point, walls, coarseness, minima."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import Finding

if TYPE_CHECKING:
    from eigenscape.landscape.grid._landscape import Landscape

#: How the coordinates of a point are read.
_UNITS = {
    "absolute": "in parameter units",
    "relative": "in shares of the parameters' norm",
    "direction": "in multiples of the directions",
}
#: Losses that differ by no more than this many times their noise are not told apart; the counts
#: of minima above the noise use it too.
NOISES = 8
#: From this ratio on a curvature on the grid is called different from the Hessian's.
_COARSE = 2.0
#: Minima are counted for the findings up to so many points: a tree of them takes 0.2 s.
_COUNTED = 200_000


def landscape_answer(landscape: Landscape) -> str:
    """Return the sentence on the model and the lowest point of its grid."""
    count, model = f"{landscape.values.size:,}", f"the model's {landscape.loss_at_center:.4g}"
    finite = landscape.values[np.isfinite(landscape.values)]
    if not len(finite):
        return f"None of the {count} points of the grid has a finite loss; {model} is."
    low, high = float(finite.min()), float(finite.max())
    below = landscape.loss_at_center - low
    if landscape.is_lower:
        share = f" ({100 * below / landscape.loss_at_center:.3g} %)" if low >= 0 else ""
        return (
            f"The model is not the lowest of the {count} points: {_place(landscape)} the loss is "
            f"{low:.4g}, {below:.2g} below {model}{share}."
        )
    if landscape.on_grid:
        return (
            f"The model is the lowest of the {count} points of its grid: loss "
            f"{landscape.loss_at_center:.4g}, at the highest point {high:.4g}."
        )
    return (
        f"No point of the {count} is lower than {model}: their losses are {low:.4g} to {high:.4g}."
    )


def landscape_findings(landscape: Landscape) -> tuple[Finding, ...]:
    """Return what was measured, the most important first."""
    found = (_lower(landscape), _walls(landscape), _coarse(landscape), _minima(landscape))
    return tuple(one for one in found if one is not None)


def _place(landscape: Landscape) -> str:
    assert landscape.lowest is not None
    coordinates = ", ".join(f"{at:.3g}" for at in landscape.lowest)
    return f"at ({coordinates}) {_UNITS[landscape.unit]}"


def _lower(landscape: Landscape) -> Finding | None:
    if not landscape.is_lower or landscape.lowest is None:
        return None
    ends = [(axis[0], axis[-1]) for axis in landscape.coordinates]
    border = any(at in end for at, end in zip(landscape.lowest, ends, strict=True))
    outside = ", on the border of the grid: lower ones may lie outside" if border else ""
    return Finding(
        text=f"The model is not at a minimum of this slice; the lowest point is "
        f"{_place(landscape)}{outside}. Both losses are means over the same "
        f"{landscape.samples:,} samples, in the batches as given; other data were not evaluated.",
        basis="measurement",
        todo="Train on, or start from that point, and compare the loss on held-out data (a guess: "
        "neither was tried here)",
    )


def _walls(landscape: Landscape) -> Finding | None:
    if not landscape.not_finite:
        return None
    radius = _finite_radius(landscape)
    todo = (
        f"Sample a radius of {radius:.3g}: all points within it are finite"
        if radius > 0
        else "Sample a smaller radius: points next to the model are not finite"
    )
    lost = landscape.not_finite
    verb = "is" if lost == 1 else "are"
    return Finding(
        text=f"{lost:,} of {landscape.values.size:,} points {verb} NaN or infinite; counts and "
        "pictures put them above all others.",
        basis="measurement",
        todo=todo,
    )


def _finite_radius(landscape: Landscape) -> float:
    """Return the largest coordinate up to which every point around the model is finite."""
    far = np.zeros(landscape.values.shape)
    for axis in np.meshgrid(*landscape.coordinates, indexing="ij"):
        far = np.maximum(far, np.abs(axis))
    nearest = far[np.isinf(landscape.values)].min()
    within = far[far < nearest]
    return float(within.max()) if len(within) else 0.0


def _coarse(landscape: Landscape) -> Finding | None:
    if landscape.rayleigh is None or min(landscape.values.shape) < 3:
        return None
    rows = landscape.curvature_check().itertuples()
    steps = [np.diff(axis).mean() for axis in landscape.coordinates]
    off = [
        f"{row.direction} {row.on_grid:.3g}, Hessian {row.rayleigh:.3g}"
        for row, step, norm in zip(rows, steps, landscape.norms, strict=True)
        if _apart(row.on_grid, row.rayleigh, NOISES * landscape.noise / (step * norm) ** 2)
    ]
    if not off:
        return None
    return Finding(
        text=f"The grid does not show the curvature at the model: {'; '.join(off)}.",
        basis="measurement",
        todo=f"Sample a radius below {landscape.radius:.3g}",
    )


def _apart(on_grid: float, known: float, noise: float) -> bool:
    """Tell curvatures apart that differ by a factor, and by more than the noise of the losses.

    >>> _apart(3.0, 1.0, 0.1), _apart(1.5, 1.0, 0.1), _apart(3.0, 1.0, 5.0)
    (True, False, False)
    """
    if not (math.isfinite(on_grid) and math.isfinite(known)) or abs(on_grid - known) <= noise:
        return False
    return not known / _COARSE <= on_grid <= known * _COARSE if known > 0 else on_grid > 0


def _minima(landscape: Landscape) -> Finding | None:
    if landscape.values.size > _COUNTED or landscape.not_finite == landscape.values.size:
        return None
    tree = landscape.merge_tree()
    floor = NOISES * landscape.noise
    deep = tree.simplify(floor).n_minima
    above = f"{deep} of them deeper than {NOISES} times the noise of a loss ({floor:.1g})"
    depths = tree.persistence[np.isfinite(tree.persistence)]
    most = f"; the deepest pair persists {depths.max():.3g}" if len(depths) else ""
    if tree.n_minima == 1:
        text = "The grid has one minimum (diagonal neighbours count, plateaus once)."
    else:
        text = f"The grid has {tree.n_minima} minima, {above}{most}."
    return Finding(text=text, basis="measurement")
