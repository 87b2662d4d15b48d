"""Similarity of models: linear CKA of their outputs on the same inputs; distance of parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.landscape.similarity._cka import linear_cka
from eigenscape.landscape.similarity._features import features, probe_inputs
from eigenscape.models import Batch


@dataclass(frozen=True)
class ModelCKA:
    """The CKA of two models.

    Args:
        value: of all samples together; nan when the features of a model do not vary.
        standard_error: of the value over the draw of the batches, by the jackknife that leaves out
            one batch at a time; nan with one batch.
        samples: how many inputs.
    """

    value: float
    standard_error: float
    samples: int


def model_cka(
    model_a: nn.Module,
    model_b: nn.Module,
    data: Batch | Iterable[Batch],
    *,
    outputs: str = "softmax",
    mixup: float | None = 16.0,
    batches: int = 6,
    batch_size: int = 128,
    unbiased: bool = False,
    seed: int = 0,
) -> ModelCKA:
    """Return the linear CKA of two models on the same inputs, by default between training samples.

    The defaults are the protocol of Yang et al. (2021) and Zhou et al. (2024): softmax outputs on
    768 mixup inputs, the same for both models, with the biased HSIC. The models may be of different
    architectures; they stay as found.

    Args:
        model_a: from inputs to logits.
        model_b: from the same inputs to logits.
        data: inputs, or ``(inputs, targets)``: ``batches * batch_size`` samples are drawn, or all
            if there are fewer. Or an iterable of such batches: the first ``batches`` are taken.
        outputs: ``"softmax"``, ``"logits"``, or the name of a module whose output is compared.
        mixup: the alpha of :func:`mixup` within each batch; None for the inputs as they are.
        batches: how many; the published loop stops after 6, not at its setting of 5.
        batch_size: samples of each, where the data are tensors.
        unbiased: see :func:`linear_cka`.
        seed: of drawing and mixing.

    Raises:
        InputError: no data, no such layer, or features that are not finite.

    >>> model = nn.Linear(3, 4)
    >>> found = model_cka(model, model, torch.eye(3), mixup=None)
    >>> round(found.value, 9), found.samples
    (1.0, 3)
    """
    inputs = probe_inputs(data, batches=batches, batch_size=batch_size, alpha=mixup, seed=seed)
    x, y = (features(model, inputs, outputs) for model in (model_a, model_b))
    value = linear_cka(torch.cat(x), torch.cat(y), unbiased=unbiased)
    return ModelCKA(value, _jackknife(x, y, unbiased), sum(map(len, inputs)))


def cka_matrix(
    models: Sequence[nn.Module],
    data: Batch | Iterable[Batch],
    *,
    outputs: str = "softmax",
    mixup: float | None = 16.0,
    batches: int = 6,
    batch_size: int = 128,
    unbiased: bool = False,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the CKA of every pair of models, ``(k, k)``, all on the same inputs.

    :func:`mean_over_pairs` of it is the CKA of a configuration that was trained from k seeds. Each
    model runs once. (The published code draws new inputs for every pair; its matrix is therefore
    not quite symmetric.)

    Args:
        models: two or more.
        data: this and all below: see :func:`model_cka`.
        outputs: see there.
        mixup: see there.
        batches: see there.
        batch_size: see there.
        unbiased: see there.
        seed: see there.

    Raises:
        InputError: fewer than two models; or see :func:`model_cka`.
    """
    if len(models) < 2:
        raise InputError(f"there are {len(models)} models to compare; expected two or more")
    inputs = probe_inputs(data, batches=batches, batch_size=batch_size, alpha=mixup, seed=seed)
    found = [torch.cat(features(model, inputs, outputs)) for model in models]
    matrix = np.empty((len(found), len(found)))
    for i, x in enumerate(found):
        for j, y in enumerate(found[: i + 1]):
            matrix[i, j] = matrix[j, i] = linear_cka(x, y, unbiased=unbiased)
    return matrix


def _jackknife(x: Sequence[Tensor], y: Sequence[Tensor], unbiased: bool) -> float:
    count = len(x)
    if count < 2:
        return math.nan
    left = []
    for out in range(count):
        rest = [index for index in range(count) if index != out]
        both = (torch.cat([side[index] for index in rest]) for side in (x, y))
        left.append(linear_cka(*both, unbiased=unbiased))
    return float(np.sqrt((count - 1) * np.var(left)))


def mean_over_pairs(matrix: ArrayLike) -> float:
    """Return the mean over ordered pairs of different models: the diagonal is left out.

    Args:
        matrix: ``(k, k)``, such as that of :func:`cka_matrix`.

    Raises:
        InputError: not a square matrix of 2 or more.

    >>> mean_over_pairs([[1.0, 0.2], [0.4, 1.0]])
    0.30000000000000004
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 2:
        raise InputError(f"a matrix of pairs has the shape {values.shape}; expected (k, k), k >= 2")
    return float(values[~np.eye(len(values), dtype=bool)].mean())
