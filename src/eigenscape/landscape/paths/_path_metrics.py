"""What a path between two models is called: one number from the errors along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError


def mode_connectivity(errors: ArrayLike) -> float:
    """Return the mode connectivity of Yang et al. (2021, section 3.1).

    ``mc = (e(0) + e(1)) / 2 - e(t*)`` with t* where ``|(e(0) + e(1)) / 2 - e(t)|`` is largest.
    Below 0: a barrier, the models are poorly connected. Near 0: well connected. Above 0: the curve
    is better than its ends, which have not converged.

    The gaps of the two ends are equal and opposite. Where they are the largest, the first end
    counts, whatever the rounding: the sign then says only which end is the better one.

    Args:
        errors: along the path, both ends included; the papers take the training error in per cent
            at t = 0, 1/4, 1/2, 3/4, 1 of a trained curve.

    Raises:
        InputError: not three or more finite numbers in a row.

    >>> mode_connectivity([1, 5, 30, 4, 3]), mode_connectivity([20, 12, 9, 11, 22])
    (-28.0, 12.0)
    """
    values = _path(errors)
    gaps = (values[0] + values[-1]) / 2 - values
    sizes = np.abs(gaps)
    rounding = 8 * np.finfo(np.float64).eps * np.abs(values).max()
    return float(gaps[np.argmax(sizes >= sizes.max() - rounding)])


def mode_connectivity_peak(errors: ArrayLike) -> float:
    """Return minus the largest error between the ends (Zhou et al. 2024).

    0 is perfect. The errors of the ends themselves are the floor of what a curve can reach, so the
    value mixes connectivity with training error; :func:`path_barrier` does not.

    Args:
        errors: as for :func:`mode_connectivity`.

    Raises:
        InputError: not three or more finite numbers in a row.

    >>> mode_connectivity_peak([50, 5, 30, 4, 50])
    -30.0
    """
    return -float(_path(errors)[1:-1].max())


def path_barrier(errors: ArrayLike) -> float:
    """Return by how much a path rises above the chord between its ends (Entezari et al. 2022).

    ``max over t of e(t) - (1 - t) e(0) - t e(1)``, at least 0 because the ends count.

    Args:
        errors: or losses, at equal steps of t from 0 to 1.

    Raises:
        InputError: not three or more finite numbers in a row.

    >>> path_barrier([1, 5, 30, 4, 3]), path_barrier([20, 12, 9, 11, 22])
    (28.0, 0.0)
    """
    values = _path(errors)
    chord = np.linspace(values[0], values[-1], len(values))
    return float(max((values - chord).max(), 0.0))


def _path(errors: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 1 or len(values) < 3 or not np.isfinite(values).all():
        raise InputError(
            f"the errors along a path are {values.tolist()}; expected three or more finite numbers "
            "in a row, from one end to the other"
        )
    return values
