"""Assign every tensor of a checkpoint to a layer matrix or to the skipped list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from torch import nn

from eigenscape.checkpoints import Checkpoint, TensorInfo, named_modules, named_tensors
from eigenscape.errors import InputError
from eigenscape.layers._blocks import blocks
from eigenscape.layers._handlers import read_tensor
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped, layer_name
from eigenscape.layers._options import LayerOptions, matches
from eigenscape.layers._refused import scales_beside

#: Near names in an error, how near, and among how many names of a checkpoint they are looked for.
_NEAR, _ALIKE, _COMPARED = 3, 0.6, 4000


@dataclass(frozen=True)
class FoundLayers:
    """The layers of a checkpoint, and the other tensors.

    Args:
        layers: in the order of the checkpoint.
        skipped: every other tensor, with its reason.
        names: every name of a layer or tensor that a pattern can mean.
    """

    layers: tuple[LayerMatrix, ...]
    skipped: tuple[Skipped, ...]
    names: tuple[str, ...] = ()

    @property
    def groups(self) -> list[list[LayerMatrix]]:
        """The layers by the tensors that they read, so that each is read once."""
        groups: dict[tuple[str, ...], list[LayerMatrix]] = {}
        for layer in self.layers:
            groups.setdefault(layer.tensors, []).append(layer)
        return list(groups.values())


def find_layers(
    checkpoint: Checkpoint, options: LayerOptions | None = None, *, also: Iterable[str] = ()
) -> FoundLayers:
    """Find the layers of a checkpoint; no tensor is read.

    Args:
        checkpoint: from :func:`eigenscape.checkpoints.open_checkpoint`.
        options: which layers, and as what.
        also: names of layers and tensors elsewhere that a pattern may be meant for, where two
            checkpoints are read with one set of options.

    Raises:
        InputError: a kind that the user declared does not fit its tensor, or a pattern that
            matches nothing, with the names that are near.

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
    names = dict.fromkeys(_tensor_names(infos.values()))
    scales = scales_beside(infos)
    for info in infos.values():
        owner = owners.get(info.name.rpartition(".")[0])
        candidate = Candidate(
            info,
            owner,
            module,
            infos,
            checkpoint.config,
            info.name in buffers,
            owners,
            scales.get(info.name, ()),
        )
        reading = read_tensor(candidate, options)
        if isinstance(reading, Skipped):
            skipped.append(reading)
            continue
        for layer in reading:
            names.update(dict.fromkeys(_names(layer)))
            reason = _left_out(layer, options)
            if reason is None:
                layers.append(replace(layer, block=_unit_of(layer.tensors[0], units)))
            else:
                name = layer.name if "[" in layer.name else info.name
                skipped.append(Skipped(name, layer.shape, reason, info.aliases))
    elsewhere = tuple(also)
    skipped.extend(_unread(info) for info in checkpoint.unread)
    names.update(dict.fromkeys(_tensor_names(checkpoint.unread)))
    _check_patterns([*names, *elsewhere], options)
    if options.include and not layers and not elsewhere:
        _raise_nothing_read(skipped, options)
    return FoundLayers(tuple(_named_apart(layers)), tuple(skipped), tuple(names))


def _unread(info: TensorInfo) -> Skipped:
    return Skipped(
        info.name,
        info.shape,
        f"stored as {info.encoding}, which the installed gguf package cannot dequantize; update "
        "it, or examine the checkpoint that was quantized",
    )


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


def _tensor_names(infos: Iterable[TensorInfo]) -> list[str]:
    """Every name of the tensors: as stored, without ``.weight``, of the same memory."""
    whole = (name for info in infos for name in (info.name, *info.aliases))
    return [one for name in whole for one in (name, layer_name(name))]


def _check_patterns(names: Sequence[str], options: LayerOptions) -> None:
    """Refuse a pattern that matches nothing: it is mistyped more often than meant."""
    asked = {"kind": options.kinds, "include": options.include, "exclude": options.exclude}
    idle = [
        (f"--{flag} {pattern}", pattern)
        for flag, patterns in asked.items()
        for pattern in patterns
        if not any(matches(name, [pattern]) for name in names)
    ]
    if not idle:
        return
    near = dict.fromkeys(one for _, pattern in idle for one in _near(pattern, names))
    some = f"near: {', '.join(near)}" if near else f"names are like {', '.join(names[:3])}"
    verb = "matches" if len(idle) == 1 else "match"
    raise InputError(f"{', '.join(flag for flag, _ in idle)} {verb} nothing; {some}")


def _raise_nothing_read(skipped: Sequence[Skipped], options: LayerOptions) -> None:
    """Say why what the user asked for is not read: an embedding, too few eigenvalues, ..."""
    asked = [
        item
        for item in skipped
        for names in [(item.name, layer_name(item.name), *item.aliases)]
        if any(matches(name, options.include) for name in names)
    ]
    reasons = dict.fromkeys(f"{item.name}: {item.reason}" for item in asked)
    raise InputError(
        f"--include {', '.join(options.include)} matches nothing that is examined; "
        f"{'; '.join(list(reasons)[:_NEAR])}"
    )


def _near(pattern: str, names: Sequence[str]) -> list[str]:
    """Names like a pattern, or with an end like it; of a large checkpoint, of its first part."""
    plain = pattern.strip("*").strip(".").removesuffix(".weight")
    found = get_close_matches(plain, names[:_COMPARED], n=_NEAR, cutoff=_ALIKE)
    ends = {name.rpartition(".")[2]: name for name in reversed(names[:_COMPARED])}
    last = get_close_matches(plain.rpartition(".")[2], list(ends), n=_NEAR, cutoff=_ALIKE)
    return list(dict.fromkeys([*found, *(ends[end] for end in last)]))[:_NEAR]


def _names(layer: LayerMatrix) -> tuple[str, ...]:
    """Every name of a layer: as it is printed, without its part, its tensors', its aliases'."""
    short = (layer_name(name) for name in layer.tensors)
    return (layer.name, layer.name.split("[")[0], *short, *layer.tensors, *layer.aliases)


def _left_out(layer: LayerMatrix, options: LayerOptions) -> str | None:
    names = _names(layer)
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
