"""Adapters that are no plain pair: LoHa, LoKr, and those that are only listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from eigenscape.checkpoints import TensorInfo
from eigenscape.layers._adapter_scale import Scale, scale_of
from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped
from eigenscape.layers._options import LayerOptions

_PARTS = re.compile(
    r"(?:(?P<base>.+)\.)?(?P<part>hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2)"
    r"(?P<adapter>(?:\.[^.]+)?)"
)
_LOKR = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
_HADA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
_UNSAID = "no alpha stored"  # LyCORIS leaves it out where it is the rank
_ALPHA = re.compile(r"(?:[._]lora)?\.alpha$")
#: First parts of what an alpha scales, by what follows the layer's name.
_SCALED = (
    *(f"{join}lora{dot}down.weight" for join in "._" for dot in "._"),
    *(".lora_A.weight", ".lora_A.default.weight", ".lora_A", ".lora_a.weight"),
    *(".hada_w1_a", ".lokr_w1", ".lokr_w1_a"),
)
#: By their parts' names: adapters whose parts are no weights, and are not put together here.
_LISTED = {
    "VeRA": r"vera_(A|B|lambda_[bd])",
    "RandLoRA": r"randlora_(A|B|lambda|gamma)",
    "VB-LoRA": r"vblora_(logits_[AB]|vector_bank)",
    "OFT": r"oft_(r|R|blocks|diag|s)",
    "BOFT": r"boft_(R|s)",
    "HRA": r"hra_u",
    "Poly": r"poly_lora_[AB]",
    "FourierFT": r"fourierft_spectrum",
    "IA3": r"ia3_l",
    "Bone": r"bone_(block|r)",
    "MiSS": r"miss_block",
    "SHiRA": r"shira_weight",
    "C3A": r"c3a_kernel",
    "AdaLoRA": r"lora_E",
    "Tucker LoRA": r"lora_mid",
}
_NAMED = {
    kind: re.compile(rf"(?:^|\.){part}(?:\.[^.]+)?(?:\.weight)?$") for kind, part in _LISTED.items()
}


def hadamard(tensors: Sequence[torch.Tensor], *, scale: Scale) -> torch.Tensor:
    """LoHa, Hyeon-Woo et al. (2022): s (W1a W1b) * (W2a W2b), entry by entry."""
    a, b, c, d = (tensor.double() for tensor in tensors[:4])
    return (scale.factor(tensors[4:]) * (a @ b) * (c @ d)).unsqueeze(0)


def kronecker(
    tensors: Sequence[torch.Tensor], *, scale: Scale, left: int, right: int
) -> torch.Tensor:
    """LoKr, Yeh et al. (2024): s (W1 kron W2), each whole or a product of two factors."""
    first = _whole(tensors[:left])
    second = _whole(tensors[left : left + right])
    return (scale.factor(tensors[left + right :]) * torch.kron(first, second)).unsqueeze(0)


def _pieces(
    tensors: Sequence[torch.Tensor], *, build: Callable[[Sequence[torch.Tensor]], torch.Tensor]
) -> Iterator[torch.Tensor]:
    yield from build(tensors)


def _whole(factors: Sequence[torch.Tensor]) -> torch.Tensor:
    flat = [factor.double().flatten(1) for factor in factors]
    return flat[0] if len(flat) == 1 else flat[0] @ flat[1]


@dataclass(frozen=True)
class _Adapter:
    """The parts of one adapter of one layer."""

    kind: str
    base: str
    name: str
    parts: Mapping[str, TensorInfo]

    def names(self, *leaves: str) -> tuple[str, ...]:
        return tuple(self.parts[leaf].name for leaf in leaves)


@handler("adapter", order=127)
def adapter(candidate: Candidate, options: LayerOptions) -> Reading:
    """LoHa and LoKr: one row for the update of a layer, at the first of its parts."""
    match = _PARTS.fullmatch(candidate.name)
    if match is None or 0 in candidate.shape:
        return None
    start = f"{match['base']}." if match["base"] else ""
    family = match["part"].partition("_")[0]
    leaves = (*_HADA, "hada_t1", "hada_t2") if family == "hada" else _LOKR
    parts = {
        leaf: info
        for leaf in leaves
        if (info := candidate.neighbours.get(f"{start}{leaf}{match['adapter']}")) is not None
    }
    kind = "LoHa" if family == "hada" else "LoKr"
    found = _Adapter(kind, match["base"] or "", match["adapter"].lstrip("."), parts)
    row = (_loha if kind == "LoHa" else _lokr)(candidate, options, found)
    if isinstance(row, str):
        return Skipped.of(candidate, f"a part of a {kind} update, {row}: merge it to examine it")
    return [row] if candidate.name == row.tensors[0] else []


def _loha(candidate: Candidate, options: LayerOptions, found: _Adapter) -> LayerMatrix | str:
    if "hada_t1" in found.parts or "hada_t2" in found.parts:
        return "in Tucker form"
    if any(leaf not in found.parts for leaf in _HADA):
        return "of which others are not in the checkpoint"
    a, b, c, d = (found.parts[leaf].shape for leaf in _HADA)
    flat = all(len(shape) == 2 for shape in (a, b, c, d))
    if not flat or (*a, b[1], c[1]) != (c[0], b[0], d[1], d[0]):
        return f"whose shapes {a}, {b}, {c}, {d} do not fit"
    scale = scale_of(candidate, options, found.base, found.name, a[1], unsaid=_UNSAID)
    return _row(candidate, found, _HADA, scale, (a[0], b[1]), partial(hadamard, scale=scale))


def _lokr(candidate: Candidate, options: LayerOptions, found: _Adapter) -> LayerMatrix | str:
    if "lokr_t2" in found.parts:
        return "in Tucker form"
    sides = [_side(found.parts, f"lokr_w{side}") for side in (1, 2)]
    if not all(sides):
        return "of which others are not in the checkpoint"
    shapes, rank = [], None
    for side in sides:
        first, last = found.parts[side[0]].shape, found.parts[side[-1]].shape
        if len(first) < 2 or len(last) < 2 or (len(side) == 2 and first[1:] != last[:1]):
            return f"whose shapes {first} and {last} do not fit"
        rank = last[0] if len(side) == 2 else rank
        shapes.append((first[0], found.parts[side[-1]].numel // last[0]))
    leaves = (*sides[0], *sides[1])
    scale = scale_of(candidate, options, found.base, found.name, rank, unsaid=_UNSAID)
    if rank is None and scale.tensors:  # LyCORIS: whole factors are not scaled
        scale = Scale(1.0, "1 (whole factors)")
    (out, width), (tall, wide) = shapes
    build = partial(kronecker, scale=scale, left=len(sides[0]), right=len(sides[1]))
    return _row(candidate, found, leaves, scale, (out * tall, width * wide), build)


def _side(parts: Mapping[str, TensorInfo], name: str) -> tuple[str, ...]:
    if name in parts:
        return (name,)
    both = (f"{name}_a", f"{name}_b")
    return both if all(leaf in parts for leaf in both) else ()


def _row(
    candidate: Candidate,
    found: _Adapter,
    leaves: tuple[str, ...],
    scale: Scale,
    shape: tuple[int, int],
    build: partial[torch.Tensor],
) -> LayerMatrix:
    row = LayerMatrix.of(
        candidate,
        "lora_update",
        (1, *shape),
        build,
        inferred=f"a {found.kind} update by its names",
        note=f"{found.kind} update, times {scale.text}",
    )
    part = "update" if found.name in ("", "default") else f"update:{found.name}"
    return replace(
        row,
        name=f"{found.base}[{part}]",
        pieces=partial(_pieces, build=build),
        tensors=(*found.names(*leaves), *scale.tensors),
        parameters=sum(found.parts[leaf].numel for leaf in leaves),
    )


@handler("adapter_listed", order=128)
def listed(candidate: Candidate, options: LayerOptions) -> Reading:
    """Parts of adapters that are not put together, and alphas, which are read with their pair."""
    for kind, pattern in _NAMED.items():
        if pattern.search(candidate.name):
            return Skipped.of(
                candidate, f"a part of a {kind} adapter, not a weight: merge it to examine it"
            )
    base = _ALPHA.sub("", candidate.name)
    if candidate.info.numel != 1 or base == candidate.name or options.lora_scale is not None:
        return None
    return [] if any(base + part in candidate.neighbours for part in _SCALED) else None
