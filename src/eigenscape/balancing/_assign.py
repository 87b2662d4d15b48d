"""Which parameter follows which layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from eigenscape.layers import LayerMatrix

#: Parameter to the groups whose mean factor it gets; who is not in it keeps the base rate.
Labels = dict[nn.Parameter, tuple[str, ...]]

_BATCH = (nn.modules.batchnorm._NormBase, nn.GroupNorm)


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
    >>> from eigenscape.checkpoints import open_checkpoint
    >>> from eigenscape.layers import SpectraOptions
    >>> from eigenscape.layers._plan import plan
    >>> layers = plan(open_checkpoint(net), SpectraOptions(min_eigenvalues=2)).layers
    >>> [len(p) for p in (assign(net, layers, "matrix", n) for n in ("batch", "none"))]
    [6, 4]
    """
    named = dict(network.named_parameters(remove_duplicate=False))
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
    modules = dict(network.named_modules())
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
