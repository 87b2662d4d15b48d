"""Every tensor of a checkpoint has a place: in a layer matrix, or on the skipped list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from eigenscape.checkpoints import Checkpoint, TensorInfo
from eigenscape.errors import InputError
from eigenscape.layers import read_tensor
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped, layer_name
from eigenscape.layers._options import SpectraOptions


@dataclass(frozen=True)
class Plan:
    """What will be examined and what will not.

    Args:
        layers: in the order of the checkpoint.
        skipped: every other tensor, with its reason.
    """

    layers: tuple[LayerMatrix, ...]
    skipped: tuple[Skipped, ...]

    def groups(self) -> list[list[LayerMatrix]]:
        """Return the layers by the tensors that they read, so that each is read once."""
        groups: dict[tuple[str, ...], list[LayerMatrix]] = {}
        for layer in self.layers:
            groups.setdefault(layer.tensors, []).append(layer)
        return list(groups.values())


def plan(checkpoint: Checkpoint, options: SpectraOptions) -> Plan:
    """Decide for every tensor of a checkpoint; no tensor is read.

    Raises:
        InputError: a kind that the user declared does not fit its tensor.
    """
    infos = {info.name: info for info in checkpoint.infos()}
    module = checkpoint.module
    owners = dict(module.named_modules()) if module is not None else {}
    buffers = {name for name, _ in module.named_buffers()} if module is not None else set()
    layers: list[LayerMatrix] = []
    skipped: list[Skipped] = []
    for info in infos.values():
        owner = owners.get(info.name.rpartition(".")[0])
        candidate = Candidate(
            info, owner, module, infos, checkpoint.config, buffer=info.name in buffers
        )
        reading = read_tensor(candidate, options)
        if isinstance(reading, Skipped):
            skipped.append(reading)
            continue
        for layer in reading:
            reason = _left_out(layer, options)
            if reason is None:
                layers.append(layer)
            else:
                name = layer.name if "[" in layer.name else info.name
                skipped.append(Skipped(name, layer.shape, reason, info.aliases))
    _check_patterns(infos, layers, options)
    return Plan(tuple(layers), tuple(skipped))


def _check_patterns(
    infos: Mapping[str, TensorInfo], layers: Sequence[LayerMatrix], options: SpectraOptions
) -> None:
    """Refuse a pattern that matches nothing: it is mistyped more often than meant."""
    idle = [f"--kind {p}" for p in options.kinds if not any(fnmatchcase(n, p) for n in infos)]
    if options.include and not layers:
        idle += [f"--include {pattern}" for pattern in options.include]
    if idle:
        some = ", ".join(list(infos)[:3])
        raise InputError(f"{', '.join(idle)} matches nothing; tensors are named like {some}")


def _left_out(layer: LayerMatrix, options: SpectraOptions) -> str | None:
    names = (layer.name, layer.name.split("[")[0], *(layer_name(name) for name in layer.tensors))
    if options.include and not _matches(names, options.include):
        return "not among the layers asked for (--include)"
    if _matches(names, options.exclude):
        return "left out as asked (--exclude)"
    if layer.eigenvalues < options.min_eigenvalues:
        count = layer.eigenvalues
        return (
            f"{layer.kind} with {count} eigenvalue{'s' if count > 1 else ''}: too few for an "
            f"exponent; include it with --min-eigenvalues {max(2, count)}"
        )
    return None


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
