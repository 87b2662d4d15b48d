"""The plane of a training run: principal components of its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from eigenscape.errors import InputError
from eigenscape.landscape.grid._directions import Directions, ModelPoint, point_of

if TYPE_CHECKING:
    from eigenscape.models import Objective

_MARGIN = 1.1


def trajectory_directions(
    objective: Objective, checkpoints: Sequence[ModelPoint], n: int = 2, *, center: bool = True
) -> Directions:
    """Return the principal directions of a trajectory, as seen from the objective's center.

    The rows ``M_i = theta_i - theta`` of all checkpoints are decomposed (Li et al. 2018, 7).

    A checkpoint in general lies outside the plane: its marker then stands on a contour that is not
    its loss. ``extra`` has, for each checkpoint: ``"coordinates"`` (least squares, in parameter
    units), ``"residuals"`` (the distance to the plane over the distance to the center; 0 for the
    center itself) and ``"losses"`` (of the checkpoint's parameters; buffers are the objective's).
    ``"explained_variance"`` has one share for each direction.

    Args:
        objective: the final model, as a rule; its center is the origin.
        checkpoints: modules, state dicts, paths or points ``(P,)``.
        n: how many directions.
        center: subtract the mean of the rows first, as scikit-learn's PCA does and Li et al. with
            it; otherwise the plane is the best one through the center.

    Raises:
        InputError: fewer different checkpoints than directions ask for, or of another shape.

    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> objective = Objective(model, lambda out, _: out.square().mean(), (torch.eye(2), 0))
    >>> steps = [objective.center + torch.tensor([t, 0.0]) for t in (4.0, 2.0, 0.0)]
    >>> line = trajectory_directions(objective, steps, 1)
    >>> [round(share, 6) for share in line.extra["explained_variance"]]
    [1.0]
    """
    origin = objective.center.double()
    if isinstance(checkpoints, str) or not len(checkpoints):
        raise InputError("trajectory_directions expects a list of checkpoints; got none")
    points = [point_of(objective, item) for item in checkpoints]
    rows = torch.stack([point - origin for point in points])
    middled = rows - rows.mean(0) if center else rows
    _, sizes, axes = torch.linalg.svd(middled, full_matrices=False)
    rank = int((sizes > 1e-9 * rows.norm()).sum())
    if not 1 <= n <= rank:
        raise InputError(
            f"{len(points)} checkpoints span {rank} directions{' around their mean' * center}; "
            f"{n} were asked for. Try: more checkpoints that differ, or a smaller n"
        )
    vectors = _signed(axes[:n].T)
    coordinates = rows @ vectors
    off = (rows - coordinates @ vectors.T).norm(dim=1)
    lengths = rows.norm(dim=1)
    return Directions(
        vectors=vectors,
        names=tuple(f"component {i + 1}" for i in range(n)),
        kind="trajectory",
        unit="absolute",
        radius=_MARGIN * float(coordinates.abs().max()),
        extra={
            "explained_variance": tuple((sizes**2 / (sizes**2).sum())[:n].tolist()),
            "coordinates": tuple(map(tuple, coordinates.tolist())),
            "residuals": tuple(torch.where(lengths > 0, off / lengths, 0.0).tolist()),
            "losses": tuple(objective.values(points)),
        },
    )


def _signed(vectors: torch.Tensor) -> torch.Tensor:
    """Make the largest entry of each column positive, so that pictures are reproducible."""
    top = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    return vectors * torch.where(top < 0, -1.0, 1.0).to(vectors.dtype)
