"""Which metric, and which weights, an allocation was made from."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import torch

from eigenscape.allocation._metric import LayerMetric
from eigenscape.checkpoints import Checkpoint
from eigenscape.results import dumps


def metric_digest(layers: Sequence[LayerMetric]) -> str:
    """Return the sha256 of names, metrics, errors, parameters and blocks, in any order of layers.

    >>> a, b = LayerMetric("a", 2.0), LayerMetric("b", 3.0)
    >>> metric_digest([a, b]) == metric_digest([b, a]) != metric_digest([a])
    True
    """
    rows = sorted(
        [layer.name, layer.value.hex(), layer.error, layer.parameters, layer.block, layer.kind]
        for layer in layers
    )
    return sha256(dumps(rows).encode()).hexdigest()


def weights_digest(checkpoint: Checkpoint) -> str:
    """Return the sha256 of every tensor's name, type, shape and bytes, reading one at a time.

    The same for the same weights in whatever file or module they are; about 1 GB a second.

    >>> from eigenscape.checkpoints import open_checkpoint
    >>> one, two = (open_checkpoint({"w": torch.full((2, 2), x)}) for x in (1.0, 2.0))
    >>> weights_digest(one) == weights_digest(two)
    False
    """
    digest = sha256()
    for name in sorted(checkpoint):
        tensor = checkpoint[name].contiguous()
        digest.update(dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        entries = tensor.int_repr() if tensor.is_quantized else tensor
        digest.update(entries.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
