"""Links: the scalar function between the teacher's direction and the label."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.theory import SingleIndexMoments, single_index_moments

Link = Callable[[torch.Tensor], torch.Tensor]


def _hermite2(z: torch.Tensor) -> torch.Tensor:
    return (z**2 - 1) / 2**0.5


def _hermite3(z: torch.Tensor) -> torch.Tensor:
    return (z**3 - 3 * z) / 6**0.5


def _identity(z: torch.Tensor) -> torch.Tensor:
    return z


_LINKS: dict[str, Link] = {
    "softplus": torch.nn.functional.softplus,  # the only one of the published experiments
    "identity": _identity,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "hermite2": _hermite2,
    "hermite3": _hermite3,
}
#: The names of all links.
LINKS = tuple(_LINKS)


def link(name: str) -> Link:
    """Return a link by name.

    ``hermite2`` and ``hermite3`` are the normalised Hermite polynomials. Their mean slope is zero:
    the first gradient step sees nothing of such a teacher.

    Raises:
        InputError: no such link.

    >>> link("hermite2")(torch.tensor([1.0, 3.0])).tolist()
    [0.0, 5.656854152679443]
    """
    if name not in _LINKS:
        raise InputError(f"no link {name!r}; expected one of {', '.join(LINKS)}")
    return _LINKS[name]


@lru_cache(maxsize=16)
def link_moments(name: str) -> SingleIndexMoments:
    """Return the Gaussian moments of a link and of the student's tanh.

    >>> round(link_moments("identity").teacher_slope, 12), abs(link_moments("hermite3")[0]) < 1e-9
    (1.0, True)
    """
    function = link(name)

    def on_arrays(z: NDArray[np.float64]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = function(torch.from_numpy(np.ascontiguousarray(z))).numpy()
        return values

    return single_index_moments(on_arrays)
