"""Which layers are balanced, and why the others are not."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from torch import nn

from eigenscape.balancing._options import BalanceOptions
from eigenscape.checkpoints import open_checkpoint
from eigenscape.layers import LayerMatrix
from eigenscape.layers._plan import plan

_FEWEST = 2
_SPECTRAL = "spectral_conv"


@dataclass(frozen=True)
class Chosen:
    """The layers of a network, sorted.

    Args:
        layers: those that are balanced, in the order of the network.
        left_out: the others by name, each with the reason why it keeps the base rate.
    """

    layers: tuple[LayerMatrix, ...]
    left_out: dict[str, str]


def choose_layers(
    network: nn.Module, trained: AbstractSet[nn.Parameter], options: BalanceOptions
) -> Chosen:
    """Sort the layers of a network.

    Args:
        network: without wrappers around it.
        trained: the parameters that the optimizer changes.
        options: what to balance.

    Raises:
        InputError: a pattern that matches no layer.
    """
    checkpoint = open_checkpoint(network)
    free = replace(options.spectra, min_eigenvalues=_FEWEST, include=(), exclude=())
    every = plan(checkpoint, free).layers
    asked = replace(options.spectra, min_eigenvalues=_FEWEST)
    wanted = {layer.name for layer in plan(checkpoint, asked).layers}
    ends = _ends(every, options)
    named = dict(network.named_parameters(remove_duplicate=False))
    kept, left_out = [], {}
    for layer in every:
        mine = [named[name] for name in layer.tensors if name in named]
        reason = None if layer.name in wanted else "left out by include or exclude"
        at_end = next((ends[name] for name in layer.tensors if name in ends), None)
        reason = reason or at_end or _unsuited(layer, options)
        if reason is None and not any(parameter in trained for parameter in mine):
            reason = "frozen, or not in the optimizer"
        if reason is None:
            kept.append(layer)
        else:
            left_out[layer.name] = reason
    return Chosen(tuple(kept), left_out)


def _ends(layers: tuple[LayerMatrix, ...], options: BalanceOptions) -> dict[str, str]:
    """The tensors of the first and the last layer; spectral ones count where they are balanced."""
    counted = [
        layer.tensors
        for layer in layers
        if layer.kind != _SPECTRAL or options.spectral_convolutions
    ]
    if not counted:
        return {}
    place = {"first": counted[0], "last": counted[-1]}
    return {name: f"the {end} layer of the network" for end in options.ends for name in place[end]}


def _unsuited(layer: LayerMatrix, options: BalanceOptions) -> str | None:
    least = options.spectra.min_eigenvalues
    if layer.kind == _SPECTRAL and not options.spectral_convolutions:
        return "a spectral convolution; spectral_convolutions=True balances it"
    if layer.kind == "lora_update":
        return "the update B A, whose rank is too small; the merged matrix is read instead"
    if layer.eigenvalues < least:
        return f"{layer.eigenvalues} eigenvalues, fewer than min_eigenvalues={least}"
    if options.group == "block" and layer.block is None:
        return "outside every block"
    return None
