"""What a user hands over to be diagnosed, as models and data."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from eigenscape.diagnosis.measuring._measure import check_data
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
            where model may be a list of models; batches are pairs of tensors, as
            :class:`~eigenscape.models.Data` understands them. The loss is not used: the metrics are
            of the cross-entropy.

    Raises:
        InputError: anything else.

    >>> import torch
    >>> model, batch = nn.Linear(2, 3), (torch.ones(4, 2), torch.zeros(4, dtype=torch.int64))
    >>> found = (model, nn.functional.cross_entropy, [batch, batch])
    >>> models, (inputs, labels) = models_and_data(found)
    >>> len(models), tuple(inputs.shape)
    (1, (8, 2))
    """
    if isinstance(found, Objective):
        return list(found.models), check_data(found.data, "the data of the Objective")
    if not (isinstance(found, tuple) and len(found) in (2, 3)):
        raise InputError(f"expected {_FORMS}; got a {type(found).__name__}")
    models = [found[0]] if isinstance(found[0], nn.Module) else found[0]
    if not (isinstance(models, list | tuple) and models and
            all(isinstance(model, nn.Module) for model in models)):  # fmt: skip
        raise InputError(f"expected {_FORMS}; the first is a {type(found[0]).__name__}")
    return list(models), check_data(found[-1], "the training data")
