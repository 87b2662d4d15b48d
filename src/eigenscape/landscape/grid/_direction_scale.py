"""Normalising directions by the weights they move: by filter, by layer, by model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.models import Objective

Normalization = Literal["filter", "layer", "model", "none"]
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)


def check_normalization(normalize: str) -> None:
    """Raise an error for an unknown normalisation.

    Raises:
        InputError: naming the known ones.
    """
    if normalize not in NORMALIZATIONS:
        names = ", ".join(NORMALIZATIONS)
        raise InputError(f"normalize is {normalize!r}; expected one of {names}")


def normalized(objective: Objective, vectors: Tensor, normalize: Normalization) -> Tensor:
    """Return directions with the lengths of the weights.

    Args:
        objective: whose center gives the lengths.
        vectors: ``(P, n)`` in float64.
        normalize: ``"filter"``: each filter ``d_j`` becomes ``d_j ||w_j|| / ||d_j||`` (Li et al.
            2018, 4); ``"layer"``: so does each tensor; ``"model"``: the whole vector; ``"none"``:
            nothing is changed.
    """
    if normalize == "none":
        return vectors
    center = objective.center.double()
    if normalize == "model":
        return vectors * _ratio(center.norm(), vectors.norm(dim=0))
    owners = _owners(objective.model)
    weights = objective.space.split(center)
    columns = []
    for vector in vectors.T:
        parts = objective.space.split(vector.contiguous())
        for name, weight in weights.items():
            axes = _filter_axes(weight, owners.get(name)) if normalize == "filter" else None
            parts[name] = _by_part(parts[name], weight, axes)
        columns.append(objective.space.join(parts, torch.float64))
    return torch.stack(columns, dim=1)


def without_1d(objective: Objective, vectors: Tensor) -> Tensor:
    """Return directions that do not move biases and other 1-D parameters.

    Li et al. (2018) do so in their figures ("biasbn"): a bias, or the scale of a batch norm, has no
    filters to be measured by.
    """
    kept = torch.ones(len(vectors), dtype=vectors.dtype, device=vectors.device)
    for shape, place in zip(objective.space.shapes, objective.space.slices.values(), strict=True):
        if len(shape) < 2:
            kept[place] = 0.0
    return vectors * kept[:, None]


def _by_part(part: Tensor, weight: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    """Scale a tensor's filters; ``shape`` is (groups, others, filters, rest), None for one part."""
    if shape is None:
        return part * _ratio(weight.norm(), part.norm())
    ratio = _ratio(
        torch.linalg.vector_norm(weight.reshape(shape), dim=(1, 3), keepdim=True),
        torch.linalg.vector_norm(part.reshape(shape), dim=(1, 3), keepdim=True),
    )
    return (part.reshape(shape) * ratio).reshape(part.shape)


def _ratio(wanted: Tensor, found: Tensor) -> Tensor:
    return torch.where(found > 0, wanted / found, torch.zeros_like(found))


def _filter_axes(weight: Tensor, owner: nn.Module | None) -> tuple[int, ...] | None:
    """Return the shape in which axis 0 and 2 count filters; None for a tensor that is one filter.

    A filter makes one output: a row of a Linear, an output channel of a convolution, a row of an
    embedding. Weights that are stored input first have it along axis 1.
    """
    if weight.ndim < 2:
        return None
    if isinstance(owner, _ConvTransposeNd):  # (in, out / groups, ...)
        return (owner.groups, weight.shape[0] // owner.groups, weight.shape[1], -1)
    if type(owner).__name__ == "Conv1D" and weight.ndim == 2:  # transformers' (in, out)
        return (1, weight.shape[0], weight.shape[1], 1)
    return (1, 1, weight.shape[0], -1)


def _owners(model: nn.Module) -> dict[str, nn.Module]:
    return {
        f"{prefix}{'.' if prefix else ''}{name}": module
        for prefix, module in model.named_modules()
        for name in module._parameters
    }
