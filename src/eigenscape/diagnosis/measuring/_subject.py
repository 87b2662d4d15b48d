"""What a user hands over to be diagnosed, as models and data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import Objective

_FORMS = (
    "an Objective, (model, loss, batches), or (model, (inputs, labels)); in place of model a list "
    "of two, trained from two seeds"
)


def models_and_data(found: Any) -> tuple[list[nn.Module], tuple[Tensor, Tensor]]:
    """Return the models and their training data from what a user's function returned.

    Args:
        found: an :class:`Objective`, ``(model, loss, batches)`` or ``(model, (inputs, labels))``,
            where model may be a list of models; batches is a pair of tensors or an iterable of
            such pairs. The loss is not used: the metrics are of the cross-entropy.

    Raises:
        InputError: anything else.

    >>> model, batch = nn.Linear(2, 3), (torch.ones(4, 2), torch.zeros(4, dtype=torch.int64))
    >>> found = (model, nn.functional.cross_entropy, [batch, batch])
    >>> models, (inputs, labels) = models_and_data(found)
    >>> len(models), tuple(inputs.shape)
    (1, (8, 2))
    """
    if isinstance(found, Objective):
        return [found.model], _joined(batch for batch, _ in found.data)
    if not (isinstance(found, tuple) and len(found) in (2, 3)):
        raise InputError(f"expected {_FORMS}; got a {type(found).__name__}")
    models = [found[0]] if isinstance(found[0], nn.Module) else found[0]
    if not (isinstance(models, list | tuple) and models and
            all(isinstance(model, nn.Module) for model in models)):  # fmt: skip
        raise InputError(f"expected {_FORMS}; the first is a {type(found[0]).__name__}")
    batches = found[-1]
    return list(models), _joined([batches] if _is_pair(batches) else batches)


def _is_pair(batch: Any) -> bool:
    return (
        isinstance(batch, tuple | list)
        and len(batch) == 2
        and all(isinstance(part, Tensor) for part in batch)
    )


def _joined(batches: Any) -> tuple[Tensor, Tensor]:
    held = list(batches) if isinstance(batches, Iterable) else []
    if not held or not all(_is_pair(batch) for batch in held):
        raise InputError(
            "a diagnosis needs the training data as pairs of tensors (inputs, labels); got "
            f"{type(held[0]).__name__ if held else 'nothing'}. Mend: return such batches"
        )
    inputs, labels = zip(*held, strict=True)
    return torch.cat(inputs), torch.cat(labels)
