"""Which layers are balanced and why the others are not, and which parameters follow them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from torch import nn

from eigenscape.balancing._options import BalanceOptions
from eigenscape.checkpoints import named_modules, named_tensors, open_checkpoint
from eigenscape.layers import LayerMatrix, find_layers

#: Parameter to the groups whose mean factor it gets; all others keep the base rate.
Labels = dict[nn.Parameter, tuple[str, ...]]

_BATCH = (nn.modules.batchnorm._NormBase, nn.GroupNorm)
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
    every = find_layers(checkpoint, free).layers
    asked = replace(options.spectra, min_eigenvalues=_FEWEST)
    wanted = {layer.name for layer in find_layers(checkpoint, asked).layers}
    ends = _ends(every, options)
    named = trainable(network)
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


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return every parameter by the name that the layers have for it."""
    held = named_tensors(network).items()
    return {name: tensor for name, tensor in held if isinstance(tensor, nn.Parameter)}


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
    if layer.n_eigenvalues < least:
        return f"{layer.n_eigenvalues} eigenvalues, fewer than min_eigenvalues={least}"
    if options.group == "block" and layer.block is None:
        return "outside every block"
    return None


def label_of(layer: LayerMatrix, group: str) -> str:
    """Return the name of the group that a layer shares its factor with."""
    shared = {"matrix": None, "block": layer.block, "kind": layer.kind}[group]
    return shared or layer.name


def assign(network: nn.Module, layers: Sequence[LayerMatrix], group: str, norms: str) -> Labels:
    """Return the groups that each parameter follows.

    A weight follows its layer; a tensor behind several rows, such as a fused q, k, v, follows all
    of them. What lies beside it in the same module, such as the bias, follows too. With blocks,
    everything in the block does; otherwise normalisation may follow the layer before it.

    >>> net = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 8))
    >>> from eigenscape.checkpoints import named_modules, named_tensors, open_checkpoint
    >>> from eigenscape.layers import LayerOptions, find_layers
    >>> layers = find_layers(open_checkpoint(net), LayerOptions(min_eigenvalues=2)).layers
    >>> [len(p) for p in (assign(net, layers, "matrix", n) for n in ("batch", "none"))]
    [6, 4]
    """
    named = trainable(network)
    labels: Labels = {}
    beside: dict[str, tuple[str, ...]] = {}
    for layer in layers:
        label = label_of(layer, group)
        for tensor in layer.tensors:
            if tensor in named:
                labels[named[tensor]] = _with(labels.get(named[tensor], ()), label)
                path = _module(tensor)
                beside[path] = _with(beside.get(path, ()), label)
    owned = set(labels)
    blocks = [label_of(layer, group) for layer in layers] if group == "block" else []
    leaders = dict(_followed(network, norms)) if group != "block" else {}
    for name, parameter in named.items():
        path = _module(name)
        found = beside.get(path) or beside.get(leaders.get(path, path))
        found = found or tuple(dict.fromkeys(b for b in blocks if name.startswith(f"{b}.")))
        if found and parameter not in owned:
            labels[parameter] = found
    return labels


def _followed(network: nn.Module, norms: str) -> Iterator[tuple[str, str]]:
    """The module that each normalisation follows.

    By name where the network names its batch normalisation after its convolutions (``bn1`` beside
    ``conv1``); then what is named otherwise, as in shortcuts, follows nothing. Else in the order
    of the modules: what comes before. Both as in TempBalance (Zhou et al. 2023).
    """
    if norms == "none":
        return
    modules = named_modules(network)
    twins = {
        path: twin
        for path, module in modules.items()
        if isinstance(module, _BATCH) and (twin := _twin(path)) != path and twin in modules
    }
    yield from twins.items()
    before = ""
    for path, module in modules.items():
        own = list(module.parameters(recurse=False))
        batch = isinstance(module, _BATCH)
        if any(parameter.ndim > 1 for parameter in own):
            before = path
        elif (own and before and _normalises(module) and not (batch and twins)) and (
            batch or norms == "all"
        ):
            yield path, before


def _normalises(module: nn.Module) -> bool:
    return isinstance(module, _BATCH) or "norm" in type(module).__name__.lower()


def _twin(path: str) -> str:
    parent, dot, leaf = path.rpartition(".")
    return parent + dot + leaf.replace("bn", "conv").replace("norm", "conv")


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _with(labels: tuple[str, ...], label: str) -> tuple[str, ...]:
    return labels if label in labels else (*labels, label)
