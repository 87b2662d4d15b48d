"""The loss of a training: called with the keywords that it names, and averaged."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models._calls import loss_part
from eigenscape.models._nested import IGNORED, Batch

#: ``loss(outputs, targets)``, and by keyword what it names of :data:`GIVEN`.
FitLoss = Callable[..., Tensor]
#: Keywords that a loss may have, and is then given.
GIVEN = ("batch", "numbers", "parameters")


def wanted_by(loss: FitLoss | None) -> tuple[str, ...]:
    """Return the keywords of :data:`GIVEN` that a loss names.

    >>> wanted_by(lambda outputs, targets, numbers: outputs)
    ('numbers',)
    """
    if loss is None:
        return ()
    if not callable(loss):
        raise InputError(
            f"loss is a {type(loss).__name__}; expected loss(outputs, targets), which returns a "
            "scalar, or a term for each sample or token"
        )
    try:
        named = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss).parameters
    except (TypeError, ValueError):  # a builtin
        return ()
    return tuple(name for name in GIVEN if name in named)


def forward_of(model: nn.Module, batch: Batch) -> tuple[Any, Any]:
    """Return outputs and targets of a batch: how :func:`fit` calls a model by default.

    The last part of a tuple or list is the target, and the parts before are the inputs; a mapping
    is given as keywords; a mapping or a tensor is its own target.
    """
    if isinstance(batch, tuple | list) and len(batch) > 1:
        return model(*batch[:-1]), batch[-1]
    if isinstance(batch, Mapping):
        return model(**batch), batch
    if isinstance(batch, tuple | list):
        (batch,) = batch
    return model(batch), batch


def mean_loss(
    outcome: Any,
    loss: FitLoss | None,
    wanted: tuple[str, ...],
    given: Mapping[str, Any],
) -> Tensor:
    """Return the loss of what the forward pass returned, averaged over its terms.

    Where there is a term for each of whole-number targets, those of targets of -100 do not count.

    Args:
        outcome: ``(outputs, targets)``; without a loss the terms, or what has them as ``.loss``.
        loss: see :func:`fit`.
        wanted: as :func:`wanted_by` says.
        given: the values of :data:`GIVEN`.

    Raises:
        InputError: terms that are not real numbers.
    """
    targets: Any = None
    if loss is None:
        if isinstance(outcome, tuple) and len(outcome) == 2:
            outcome = outcome[0]
        found = loss_part(outcome)
        terms = outcome if found is None else found
    else:
        outputs, targets = (
            outcome
            if isinstance(outcome, tuple) and len(outcome) == 2
            else (outcome, given["batch"])
        )
        terms = loss(outputs, targets, **{name: given[name] for name in wanted})
    if not isinstance(terms, Tensor) or not terms.is_floating_point() or not terms.numel():
        seen = f"{terms.dtype} {tuple(terms.shape)}" if isinstance(terms, Tensor) else type(terms)
        raise InputError(
            f"the loss is {seen}; expected a real number, or one for each sample or token. "
            "Try: a loss function, or a forward(model, batch) that returns the terms"
        )
    if not terms.ndim:
        return terms
    if (
        isinstance(targets, Tensor)
        and targets.dtype == torch.int64
        and targets.numel() == terms.numel()
    ):
        counted = (targets != IGNORED).reshape(terms.shape)
        return torch.where(counted, terms, 0).sum() / counted.sum()
    return terms.mean()
