"""The weights that act: masks, norms, parametrizations and stored scales applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from eigenscape.checkpoints._checkpoint import Checkpoint
from eigenscape.checkpoints._effective_formulas import (
    masked,
    normed_axes,
    scale_blocks,
    scaled,
    spectral_axes,
    spectral_normed,
    weight_normed,
    wide_type,
)
from eigenscape.checkpoints._open import CheckpointLike, open_checkpoint
from eigenscape.checkpoints._reader import Listing, tie_notes
from eigenscape.checkpoints._tensor_info import TensorInfo
from eigenscape.checkpoints._tensors import gathered
from eigenscape.checkpoints._text import counted, few
from eigenscape.checkpoints._wrappers import named_modules

Infos = Mapping[str, TensorInfo]
_PARAMETRIZED = re.compile(r"(?P<base>.*?)parametrizations\.(?P<leaf>[^.]+)\.(?P<rest>.+)")
_DATA = "_data"
_OFFSETS = ("_zero_point", "_zero_points", "_zeros", "_zero", "_offset", ".zero_point", "._shift")
_OFFSETS_BESIDE = ("zero_point", "zero_points", "zeros", "qzeros")  # in the layer's own name
_CODES = {torch.int8}  # whole numbers that stand for weights where a scale lies beside them


@dataclass(frozen=True)
class _Derived:
    """A weight that is computed from stored parts.

    Args:
        info: of the weight.
        parts: the stored tensors, in the order of ``formula``'s arguments; the first gives the
            weight its place.
        formula: from the parts to the weight.
        how: for people.
    """

    info: TensorInfo
    parts: tuple[str, ...]
    formula: Callable[..., Tensor]
    how: str


def effective_weights(source: CheckpointLike) -> Checkpoint:
    """Return the weights that a network computes with, where they are stored in parts.

    Read lazily in place of their parts, under the name that they have in the plain network:

    - masks of ``torch.nn.utils.prune``: ``weight_orig * weight_mask``;
    - weight normalisation, old and new style: ``v g / |v|``;
    - spectral normalisation, old and new style: ``W / (u' W v)`` with the stored u and v;
    - of a module, every parametrization of ``torch.nn.utils.parametrize``, evaluated;
    - float8 and int8 codes with a scale for the tensor, a channel or a block beside them
      (``weight_scale``, ``weight.scale`` or ``scale``, each with ``_inv`` too, ``weight_scales``,
      ``scales``, ``scale_weight``, or ``weight._data`` with ``weight._scale``): codes times scale,
      in float32, and times ``weight_scale_2`` where there is one.

    What cannot be computed (another parametrization in a file, zero points, a scale that does not
    fit) stays as it is stored. The notes say what was computed.

    Args:
        source: a module, state dict, path, hub id or checkpoint.

    Raises:
        CheckpointError: the source cannot be read.

    >>> from torch.nn.utils import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 2), "weight", amount=0.75)
    >>> checkpoint = effective_weights(layer)
    >>> sorted(checkpoint), int((checkpoint["weight"] == 0).sum())
    (['bias', 'weight'], 6)
    """
    checkpoint = open_checkpoint(source)
    infos = {info.name: info for info in checkpoint.infos()}
    found: dict[str, _Derived] = {}
    taken: set[str] = set()
    for derived in _all(checkpoint, infos):
        clash = derived.info.name in infos and derived.info.name not in derived.parts
        if not clash and not taken & set(derived.parts):
            found[derived.parts[0]] = derived
            taken |= set(derived.parts)
    if not found:
        return checkpoint
    listed = [
        found[name].info if name in found else info
        for name, info in infos.items()
        if name in found or name not in taken
    ]
    ties = set(tie_notes(infos.values()))
    notes = tuple(note for note in checkpoint.notes if note not in ties)
    return Checkpoint(
        _DerivedReader(checkpoint, {derived.info.name: derived for derived in found.values()}),
        Listing(tuple(listed), notes + tuple(_sentences(found)), checkpoint.unread),
        source=checkpoint.source,
        config=checkpoint.config,
        module=checkpoint.module,
    )


@dataclass(frozen=True)
class _DerivedReader:
    """Reads stored tensors, and computes the others from these."""

    checkpoint: Checkpoint
    derived: Mapping[str, _Derived]

    @property
    def format(self) -> str:
        return self.checkpoint.format

    def listing(self) -> Listing:
        return Listing(self.checkpoint.infos())

    def read(self, name: str) -> Tensor:
        one = self.derived.get(name)
        if one is None:
            return self.checkpoint[name]
        if self.checkpoint.module is not None and one.formula is _evaluated:
            return _evaluated(self.checkpoint.module, name)
        return one.formula(*(self.checkpoint[part] for part in one.parts)).to(one.info.dtype)


def _sentences(found: Mapping[str, _Derived]) -> Iterator[str]:
    by_how: dict[str, list[str]] = {}
    for derived in found.values():
        by_how.setdefault(derived.how, []).append(derived.info.name)
    for how, names in by_how.items():
        yield f"{counted(len(names), 'weight')} computed from {how}: {few(names, shown=3)}"


def _all(checkpoint: Checkpoint, infos: Infos) -> Iterator[_Derived]:
    if checkpoint.module is not None:
        yield from _of_module(checkpoint.module, infos)
    for name, info in infos.items():
        if name.endswith("_orig"):
            yield from _of_original(name.removesuffix("_orig"), info, infos)
        elif name.endswith("_g") and "weight" in name.rpartition(".")[2]:
            base = name.removesuffix("_g")
            yield from _of_norm(base, name, f"{base}_v", infos)
        elif match := _PARAMETRIZED.fullmatch(name):
            yield from _of_parametrization(match, info, infos)
        elif info.dtype.itemsize == 1 and (info.dtype.is_floating_point or info.dtype in _CODES):
            yield from _of_codes(info, infos, checkpoint)


def _named(
    name: str, info: TensorInfo, stored: str, dtype: torch.dtype | None = None
) -> TensorInfo:
    """Describe a weight; a tied part means a tied weight, named alike."""
    end = stored.removeprefix(name)
    aliases = tuple(a.removesuffix(end) for a in info.aliases if end and a.endswith(end))
    return TensorInfo(name, info.shape, dtype or info.dtype, info.file, aliases or ())


def _is_number(info: TensorInfo) -> bool:
    """Whether the entries are numbers to compute with, not codes."""
    return info.dtype.is_floating_point and info.dtype.itemsize > 1


# ---------------------------------------------------------------------- kinds


def _of_original(base: str, info: TensorInfo, infos: Infos) -> Iterator[_Derived]:
    name = f"{base}_orig"
    mask, left, right = (infos.get(f"{base}_{part}") for part in ("mask", "u", "v"))
    if not _is_number(info):
        return
    if mask is not None and mask.shape == info.shape:
        yield _Derived(_named(base, info, name), (name, mask.name), masked, "pruning masks")
    elif left is not None and spectral_axes(
        info.shape, left.shape, None if right is None else right.shape
    ):
        parts = (name, left.name, *((right.name,) if right is not None else ()))
        dtype = wide_type(info.dtype)
        yield _Derived(
            _named(base, info, name, dtype), parts, spectral_normed, "spectral normalisation"
        )


def _of_norm(base: str, size: str, direction: str, infos: Infos) -> Iterator[_Derived]:
    g, v = infos.get(size), infos.get(direction)
    if g is None or v is None or not _is_number(v) or normed_axes(g.shape, v.shape) is None:
        return
    info = TensorInfo(base, v.shape, wide_type(v.dtype), v.file)
    yield _Derived(info, (size, direction), weight_normed, "weight normalisation")


def _of_parametrization(match: re.Match[str], info: TensorInfo, infos: Infos) -> Iterator[_Derived]:
    """New-style weight and spectral norm, known by all the tensors of the parametrization."""
    start = f"{match['base']}parametrizations.{match['leaf']}."
    base = match["base"] + match["leaf"]
    rest = {name.removeprefix(start) for name in infos if name.startswith(start)}
    if match["rest"] == "original0" and rest == {"original0", "original1"}:
        yield from _of_norm(base, f"{start}original0", f"{start}original1", infos)
    elif match["rest"] == "original" and rest == {"original", "0._u", "0._v"}:
        u, v = infos[f"{start}0._u"], infos[f"{start}0._v"]
        if not (_is_number(info) and spectral_axes(info.shape, u.shape, v.shape)):
            return
        yield _Derived(
            TensorInfo(base, info.shape, wide_type(info.dtype), info.file),
            (f"{start}original", f"{start}0._u", f"{start}0._v"),
            spectral_normed,
            "spectral normalisation",
        )


def _scale_names(codes: str) -> tuple[str, ...]:
    """Return the names under which a scale of some codes is stored beside them.

    >>> _scale_names("fc.weight")[:4]
    ('fc.weight_scale', 'fc.weight_scale_inv', 'fc.weight.scale', 'fc.weight.scale_inv')
    """
    prefix, _, leaf = codes.rpartition(".")
    beside = f"{prefix}." if prefix else ""
    names = [f"{codes}{end}" for end in ("_scale", "_scale_inv", ".scale", ".scale_inv")]
    names.append(f"{codes}_scales")
    if leaf == "weight":
        names += [f"{beside}{end}" for end in ("scale", "scale_weight", "scale_inv", "scales")]
    if leaf == _DATA:  # weight._data and weight._scale, as optimum-quanto stores them
        names.append(f"{beside}_scale")
    return tuple(names)


def _offset_names(codes: str) -> Iterator[str]:
    yield from (f"{codes}{end}" for end in _OFFSETS)
    prefix, _, leaf = codes.rpartition(".")
    if leaf == "weight":
        yield from (f"{prefix}.{name}" if prefix else name for name in _OFFSETS_BESIDE)


def _of_codes(info: TensorInfo, infos: Infos, checkpoint: Checkpoint) -> Iterator[_Derived]:
    scale = next((infos[name] for name in _scale_names(info.name) if name in infos), None)
    base = info.name.removesuffix(f".{_DATA}")
    if scale is None or not scale.dtype.is_floating_point:
        return
    if any(name in infos for name in _offset_names(base)):  # codes of 0 that are no weights of 0
        return
    settings = checkpoint.config.get("quantization_config")
    block = settings.get("weight_block_size") if isinstance(settings, dict) else None
    blocks = scale_blocks(info.shape, scale.shape, block)
    if blocks is None:
        return
    shown = _named(base, info, info.name, torch.float32)
    kind = str(info.dtype).removeprefix("torch.")
    parts = [info.name, scale.name]
    second = infos.get(f"{info.name}_scale_2")  # of the scales, as NVIDIA's tools store it
    if second is not None:
        if second.numel != 1 or not second.dtype.is_floating_point:
            return
        parts.append(second.name)
    yield _Derived(shown, tuple(parts), partial(scaled, blocks=blocks), f"{kind} codes and scales")


# ---------------------------------------------------------------------- modules


def _of_module(module: nn.Module, infos: Infos) -> Iterator[_Derived]:
    for path, owner in named_modules(module).items():
        if not parametrize.is_parametrized(owner):
            continue
        holders = owner.parametrizations
        assert isinstance(holders, nn.ModuleDict)
        for leaf in holders:
            base = f"{path}.{leaf}" if path else leaf
            start = f"{path}." if path else ""
            parts = [name for name in infos if name.startswith(f"{start}parametrizations.{leaf}.")]
            if not parts:
                continue
            value = _evaluated(module, base)
            info = TensorInfo(base, tuple(value.shape), value.dtype)
            yield _Derived(info, tuple(parts), _evaluated, "parametrizations of the module")


def _evaluated(module: nn.Module, name: str) -> Tensor:
    """Return a parametrized tensor; what evaluating writes (spectral norm's u) stays as found."""
    path, _, leaf = name.rpartition(".")
    owner = named_modules(module)[path]
    holder = owner.parametrizations
    assert isinstance(holder, nn.ModuleDict)
    inside = list(holder[leaf].modules())
    modes = [part.training for part in inside]
    kept = [(buffer, buffer.detach().clone()) for buffer in holder[leaf].buffers()]
    try:
        for part in inside:
            part.training = False
        with torch.no_grad(), parametrize.cached():
            value: Tensor = getattr(owner, leaf)
        return gathered(value.detach()).cpu().clone()
    finally:
        for part, training in zip(inside, modes, strict=True):
            part.training = training
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
