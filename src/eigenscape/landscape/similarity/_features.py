"""The features of a model: the inputs that they are taken on, mixed; and the outputs of a layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import Data, evaluating, tensors_of


def probe_inputs(
    data: Any, *, batches: int, batch_size: int, alpha: float | None, seed: int
) -> list[Tensor]:
    """Return the batches of inputs that models are compared on.

    Args:
        data: one batch, inputs or ``(inputs, targets)``, of which ``batches * batch_size`` samples
            (all, if there are fewer) are drawn without replacement; or several, of which the first
            ``batches`` are taken. :class:`~eigenscape.models.Data` decides which.
        batches: how many.
        batch_size: samples of each, where the data are tensors.
        alpha: of :func:`mixup` within each batch; None for the inputs as they are.
        seed: seeds drawing and mixing.

    Raises:
        InputError: no data, or inputs that are no tensor.
    """
    if batches < 1 or batch_size < 1:
        raise InputError(f"batches is {batches}, batch_size {batch_size}; expected 1 or more")
    generator = np.random.default_rng(seed)
    held = Data.of(data)
    if held.single:
        whole = _inputs_of(next(iter(held))[0])
        order = torch.from_numpy(generator.permutation(len(whole))[: batches * batch_size])
        chosen = [whole[part.to(whole.device)] for part in torch.split(order, batch_size)]
    else:
        chosen = [_inputs_of(batch) for batch, _ in islice(held, batches)]
    return [mixup(x, alpha, generator) for x in chosen] if alpha is not None else chosen


def _inputs_of(batch: Any) -> Tensor:
    inputs = batch[0] if isinstance(batch, tuple | list) and len(batch) else batch
    if not isinstance(inputs, Tensor):
        raise InputError(
            f"the inputs of a batch are a {type(inputs).__name__}; expected a tensor, or a pair "
            "that begins with one"
        )
    return inputs


def features(model: nn.Module, inputs: Sequence[Tensor], outputs: str) -> list[Tensor]:
    """Return the features ``(n, d)`` of each batch, in evaluation mode.

    Args:
        model: stays as found.
        inputs: batches, moved to the model's device and dtype.
        outputs: ``"softmax"`` or ``"logits"`` of the model's outputs, or the name of a module; of
            one that runs several times, the last.

    Raises:
        InputError: no such module, one that does not run, or outputs that are not those of a
            classifier.
    """
    layer = None if outputs in ("softmax", "logits") else _module(model, outputs)
    example = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    found = []
    with torch.no_grad(), evaluating(model), _caught(layer) as seen:
        for batch in inputs:
            seen.clear()
            real = batch.is_floating_point()
            answer = model(batch.to(example.device, example.dtype if real else None))
            if layer is not None:
                answer = seen[-1] if seen else None
            found.append(_flat(answer, outputs, len(batch)))
    return found


def _module(model: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if name not in modules or not name:
        raise InputError(
            f"outputs is {name!r}; expected 'softmax', 'logits' or the name of a module: "
            f"{', '.join(list(modules)[1:9]) or 'there are none'}"
        )
    return modules[name]


@contextmanager
def _caught(layer: nn.Module | None) -> Iterator[list[Any]]:
    """Gather what leaves a layer."""
    seen: list[Any] = []
    if layer is None:
        yield seen
        return
    handle = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        handle.remove()


def _flat(answer: Any, outputs: str, count: int) -> Tensor:
    tensor = next(tensors_of(answer), None)
    if tensor is None or tensor.ndim < 1 or len(tensor) != count:
        shape = None if tensor is None else tuple(tensor.shape)
        raise InputError(
            f"the features {outputs!r} are a {type(answer).__name__} of shape {shape}; expected a "
            f"tensor with {count} samples on its first axis"
        )
    flat = tensor.double().reshape(count, -1)
    if outputs == "softmax":
        if tensor.ndim != 2 or tensor.shape[1] < 2:
            raise InputError(
                f"softmax needs logits (n, classes); the model's are {tuple(tensor.shape)}. "
                "Try: outputs='logits', or the name of a layer"
            )
        return flat.softmax(dim=1).cpu()
    return flat.cpu()


def mixup(inputs: Tensor, alpha: float, generator: np.random.Generator) -> Tensor:
    """Return ``m x + (1 - m) x[permuted]`` with one m ~ Beta(alpha, alpha) for the whole batch.

    (Zhang et al. 2018.) An alpha of 16 makes m fall between 0.33 and 0.67 in 19 cases of 20.

    Args:
        inputs: ``(n, ...)``, real numbers.
        alpha: above 0.
        generator: draws m, then the permutation.

    Raises:
        InputError: inputs that cannot be mixed, such as tokens, or alpha out of its range.

    >>> mixup(torch.ones(3, 2), 16.0, np.random.default_rng(0)).sum()
    tensor(6.)
    """
    if not inputs.is_floating_point():
        raise InputError(
            f"the inputs are {inputs.dtype}, and mixup mixes real numbers. Try: mixup=None"
        )
    if not 0 < alpha < float("inf"):
        raise InputError(f"mixup is {alpha}; expected the alpha of Beta(alpha, alpha), above 0")
    share = float(generator.beta(alpha, alpha))
    order = torch.from_numpy(generator.permutation(len(inputs))).to(inputs.device)
    return share * inputs + (1 - share) * inputs[order]
