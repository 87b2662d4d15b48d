"""Which metric, and which weights, an allocation was made from."""

from __future__ import annotations

from collections.abc import Sequence

from eigenscape.allocation._metric import LayerMetric
from eigenscape.checkpoints import Checkpoint
from eigenscape.results import ContentHash, content_hash


def metric_digest(layers: Sequence[LayerMetric]) -> str:
    """Return the hash of names, metrics, errors, parameters and blocks, in any order of layers.

    >>> a, b = LayerMetric("a", 2.0), LayerMetric("b", 3.0)
    >>> metric_digest([a, b]) == metric_digest([b, a]) != metric_digest([a])
    True
    """
    rows = sorted(
        [layer.name, layer.value.hex(), layer.error, layer.parameters, layer.block, layer.kind]
        for layer in layers
    )
    return content_hash(rows)


def weights_digest(checkpoint: Checkpoint) -> str:
    """Return the hash of every tensor's name, type, shape and bytes, reading one at a time.

    The same for the same weights in whatever file or module they are; about 1 GB a second.

    >>> import torch
    >>> from eigenscape.checkpoints import open_checkpoint
    >>> one, two = (open_checkpoint({"w": torch.full((2, 2), x)}) for x in (1.0, 2.0))
    >>> weights_digest(one) == weights_digest(two)
    False
    """
    state = ContentHash()
    for name in sorted(checkpoint):
        state.add((name, checkpoint[name]))
    return state.hexdigest()
