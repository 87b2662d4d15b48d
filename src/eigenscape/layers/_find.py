"""Assign every tensor of a checkpoint to a layer matrix or to the skipped list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from eigenscape.checkpoints import Checkpoint, TensorInfo, named_modules, named_tensors
from eigenscape.errors import InputError
from eigenscape.layers._blocks import blocks
from eigenscape.layers._handlers import read_tensor
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped, layer_name
from eigenscape.layers._options import LayerOptions, matches


@dataclass(frozen=True)
class FoundLayers:
    """The layers of a checkpoint, and the other tensors.

    Args:
        layers: in the order of the checkpoint.
        skipped: every other tensor, with its reason.
    """

    layers: tuple[LayerMatrix, ...]
    skipped: tuple[Skipped, ...]

    @property
    def groups(self) -> list[list[LayerMatrix]]:
        """The layers by the tensors that they read, so that each is read once."""
        groups: dict[tuple[str, ...], list[LayerMatrix]] = {}
        for layer in self.layers:
            groups.setdefault(layer.tensors, []).append(layer)
        return list(groups.values())


def find_layers(checkpoint: Checkpoint, options: LayerOptions | None = None) -> FoundLayers:
    """Find the layers of a checkpoint; no tensor is read.

    Args:
        checkpoint: from :func:`eigenscape.checkpoints.open_checkpoint`.
        options: which layers, and as what.

    Raises:
        InputError: a kind that the user declared does not fit its tensor, or a pattern that
            matches nothing.

    >>> import torch
    >>> from eigenscape.checkpoints import open_checkpoint
    >>> found = find_layers(open_checkpoint({"fc.weight": torch.ones(32, 64)}))
    >>> [(layer.name, layer.kind, layer.n_eigenvalues) for layer in found.layers]
    [('fc', 'linear', 32)]
    """
    options = options or LayerOptions()
    infos = {info.name: info for info in checkpoint.infos()}
    module = checkpoint.module
    owners = named_modules(module) if module is not None else {}
    held = named_tensors(module) if module is not None else {}
    buffers = {name for name, tensor in held.items() if not isinstance(tensor, nn.Parameter)}
    units = [block.name for block in blocks(infos if module is None else module)]
    layers: list[LayerMatrix] = []
    skipped: list[Skipped] = []
    for info in infos.values():
        owner = owners.get(info.name.rpartition(".")[0])
        candidate = Candidate(
            info, owner, module, infos, checkpoint.config, info.name in buffers, owners
        )
        reading = read_tensor(candidate, options)
        if isinstance(reading, Skipped):
            skipped.append(reading)
            continue
        for layer in reading:
            reason = _left_out(layer, options)
            if reason is None:
                layers.append(replace(layer, block=_unit_of(layer.tensors[0], units)))
            else:
                name = layer.name if "[" in layer.name else info.name
                skipped.append(Skipped(name, layer.shape, reason, info.aliases))
    _check_patterns(infos, layers, options)
    return FoundLayers(tuple(_named_apart(layers)), tuple(skipped))


def _named_apart(layers: Sequence[LayerMatrix]) -> list[LayerMatrix]:
    """Give layers of one name, such as of the tensors ``fc`` and ``fc.weight``, the tensor's.

    Raises:
        InputError: two layers of one tensor have the same name.
    """
    count = Counter(layer.name for layer in layers)
    named = [replace(one, name=_full_name(one)) if count[one.name] > 1 else one for one in layers]
    twice = [name for name, seen in Counter(layer.name for layer in named).items() if seen > 1]
    if twice:
        raise InputError(
            f"two layers have the name {twice[0]}. Try: in the handler, another part for each"
        )
    return named


def _full_name(layer: LayerMatrix) -> str:
    part = f"[{layer.name.rpartition('[')[2]}" if layer.name.endswith("]") else ""
    return layer.tensors[0] + part


def _unit_of(name: str, units: Sequence[str]) -> str | None:
    """Return the innermost block that a tensor lies in."""
    around = [unit for unit in units if name.startswith(f"{unit}.")]
    return max(around, key=len, default=None)


def _check_patterns(
    infos: Mapping[str, TensorInfo], layers: Sequence[LayerMatrix], options: LayerOptions
) -> None:
    """Refuse a pattern that matches nothing: it is mistyped more often than meant."""
    idle = [f"--kind {p}" for p in options.kinds if not any(matches(n, [p]) for n in infos)]
    if options.include and not layers:
        idle += [f"--include {pattern}" for pattern in options.include]
    if idle:
        some = ", ".join(list(infos)[:3])
        raise InputError(f"{', '.join(idle)} matches nothing; tensors are named like {some}")


def _left_out(layer: LayerMatrix, options: LayerOptions) -> str | None:
    short = (layer_name(name) for name in layer.tensors)
    names = (layer.name, layer.name.split("[")[0], *short, *layer.tensors)
    if options.include and not any(matches(name, options.include) for name in names):
        return "not among the layers asked for (--include)"
    if any(matches(name, options.exclude) for name in names):
        return "left out as asked (--exclude)"
    few = layer.n_eigenvalues < options.min_eigenvalues
    if few and layer.kind != "lora_update":  # of low rank by design; its norm says something
        count = layer.n_eigenvalues
        return (
            f"{layer.kind} with {count} eigenvalue{'s' if count > 1 else ''}: too few for an "
            f"exponent; include it with --min-eigenvalues {max(2, count)}"
        )
    return None
