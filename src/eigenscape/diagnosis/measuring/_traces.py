"""Traces of the Hessian, of many networks at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap
from torch.nn import functional

from eigenscape.diagnosis.measuring._options import MeasureOptions
from eigenscape.diagnosis.measuring._samples import Samples
from eigenscape.diagnosis.measuring._stack import Stack
from eigenscape.models._modes import evaluating, twice_differentiable

_CHUNK = 8  # probes that share one backward pass


def traces(stack: Stack, samples: Samples, options: MeasureOptions) -> Tensor:
    """Return Hutchinson's estimate for each network and probe, ``(k, probes)``.

    The mean over the probes estimates the trace of the Hessian of the mean cross-entropy on the
    first ``hessian_samples`` samples, in evaluation mode, over all trained parameters (Hutchinson
    1990, Rademacher probes; the same for every network).

    Args:
        stack: the networks.
        samples: the training data.
        options: the protocol.
    """
    some = samples.first(options.hessian_samples)
    inputs, labels = some.batch(torch.arange(len(some)))
    generator = torch.Generator().manual_seed(options.seed)
    coins = torch.randint(2, (options.probes, stack.space.count), generator=generator)
    probes = (2 * coins - 1).to(stack.points)

    def products(
        point: Tensor, fixed: dict[str, Tensor], x: Tensor, y: Tensor, vectors: Tensor
    ) -> Tensor:
        def loss(place: Tensor) -> Tensor:
            return functional.cross_entropy(stack.call(place, fixed, x), y)

        pull: Callable[[Tensor], tuple[Tensor]] = vjp(grad(loss), point)[1]
        if stack.batched:
            (curved,) = vmap(pull)(vectors)
        else:
            curved = torch.stack([pull(vector)[0] for vector in vectors])
        shares: Tensor = (vectors * curved).sum(dim=1)
        return shares

    with evaluating(stack.model), twice_differentiable():
        parts = [
            stack.map(products, stack.points, stack.fixed, inputs, labels, shared=(part,))
            for part in torch.split(probes, _CHUNK)
        ]
    return torch.cat(parts, dim=1).detach().double().cpu()
