"""LoRA pairs of every dialect: the update s B A, and the merged matrix W + s B A."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from eigenscape.checkpoints import TensorInfo
from eigenscape.layers._adapter_scale import Scale, scale_of
from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._matrix import Build, Candidate, LayerMatrix, Skipped
from eigenscape.layers._options import LayerOptions

# PEFT, loralib and torchtune (A and B, a and b), kohya (lora_down, lora_up), diffusers (lora.down,
# lora.up, lora_linear_layer.down); with or without an adapter's name, with or without .weight.
_PAIR = re.compile(
    r"(?:(?P<base>.+?)(?P<join>[._]))?"
    r"(?P<mark>lora(?:_embedding|_linear_layer|_conv_layer)?[._])(?P<side>A|B|a|b|down|up)"
    r"(?P<adapter>(?:\.(?!weight$)[^.]+)?)(?P<end>(?:\.weight)?)"
)
_OTHER = {"A": "B", "B": "A", "a": "b", "b": "a", "down": "up", "up": "down"}
_ROWS = 1024  # of a product of two thin factors, at a time
_FIRST = ("A", "a", "down")
_MAGNITUDES = ("lora_magnitude_vector{}.weight", "lora_magnitude_vector{}", "dora_scale")


@dataclass(frozen=True)
class _Pair:
    """One LoRA pair; ``down`` is (rank, in, *kernel), ``up`` is (out, rank, 1 ...)."""

    base: str
    adapter: str
    mark: str
    down: TensorInfo
    up: TensorInfo

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the update as a matrix, (out, in * kernel)."""
        return self.up.shape[0], self.down.numel // self.rank

    def beside(self, leaf: str) -> str:
        return f"{self.base}.{leaf}" if self.base else leaf


def core(tensors: Sequence[torch.Tensor], *, scale: Scale) -> torch.Tensor:
    """A matrix of at most r x r with the singular values of s B A, without forming B A.

    With B = Q R and A^T = P S, B A = Q (R S^T) P^T.
    """
    A, B = (tensor.double().flatten(1) for tensor in tensors[:2])
    R = torch.linalg.qr(B, mode="r").R
    S = torch.linalg.qr(A.T, mode="r").R
    product: torch.Tensor = R @ S.T
    return (scale.factor(tensors[2:]) * product).unsqueeze(0)


def product_rows(tensors: Sequence[torch.Tensor], *, scale: Scale) -> Iterator[torch.Tensor]:
    """S B A itself, some rows at a time."""
    A, B = (tensor.double().flatten(1) for tensor in tensors[:2])
    factor = scale.factor(tensors[2:])
    for start in range(0, len(B), _ROWS):
        yield factor * (B[start : start + _ROWS] @ A)


def merged(tensors: Sequence[torch.Tensor], *, scale: Scale, transposed: bool) -> torch.Tensor:
    """W + s B A, (1, out, in); W + s (B A)^T where the weight is stored as (in, out)."""
    A, B, W = (tensor.float() for tensor in tensors[:3])
    factor = scale.factor(tensors[3:])
    if transposed:
        return torch.addmm(W, A.T, B.T, alpha=factor).unsqueeze(0)
    return torch.addmm(W, B, A, alpha=factor).unsqueeze(0)


@handler("lora", order=125)
def lora(candidate: Candidate, options: LayerOptions) -> Reading:
    """Two factors of one update, (r, in, *kernel) and (out, r, 1 ...), by their names."""
    match = _PAIR.fullmatch(candidate.name)
    if match is None or len(candidate.shape) < 2 or 0 in candidate.shape:
        return None
    first = match["side"] in _FIRST
    start, end = match.span("side")
    name = candidate.name
    other = candidate.neighbours.get(name[:start] + _OTHER[match["side"]] + name[end:])
    if other is None:
        return Skipped.of(
            candidate, "one half of a LoRA pair; the other half is not in the checkpoint"
        )
    down, up = (candidate.info, other) if first else (other, candidate.info)
    pair = _Pair(match["base"] or "", match["adapter"], match["mark"], down, up)
    reason = _refused(candidate, pair)
    if reason is not None:
        return Skipped.of(candidate, reason)
    if not first:
        return []  # read with the other
    # kohya and diffusers leave the alpha out where it is the rank.
    unsaid = "" if match["side"] in ("A", "a") else "no alpha stored"
    scale = scale_of(
        candidate, options, pair.base, pair.adapter.lstrip("."), pair.rank, unsaid=unsaid
    )
    update = _update_row(candidate, pair, scale)
    if any(pair.beside(leaf.format(pair.adapter)) in candidate.neighbours for leaf in _MAGNITUDES):
        note = f"{update.note}; DoRA: the merged matrix also needs the magnitudes"
        return [replace(update, note=f"{note}; merge the adapter to examine it")]
    return [update, *_merged_row(candidate, pair, scale)]


def _refused(candidate: Candidate, pair: _Pair) -> str | None:
    """Why two factors are not the plain product of two; None where they are."""
    down, up = pair.down.shape, pair.up.shape
    known = candidate.neighbours
    if len(up) < 2 or 0 in up or 0 in down:
        return f"LoRA factors of shapes {down} and {up}: no pair of matrices"
    if up[1:] != (pair.rank,) + (1,) * (len(up) - 2):
        return f"LoRA A is {down} but B is {up}: the ranks differ"
    if pair.beside(f"lora_mid{pair.adapter}.weight") in known:
        return "a LoRA with a middle factor (lora_mid, Tucker): merge the adapter to examine it"
    if pair.beside(f"lora_E{pair.adapter}") in known:
        return "an AdaLoRA with its own singular values (lora_E): merge the adapter to examine it"
    weight = _weight(candidate, pair)
    targets = candidate.config.get("target_parameters")
    targets = targets if isinstance(targets, list) else []
    whole = [str(target).rpartition(".")[0] for target in targets]
    bare = re.sub(r"(\.base_layer)+$", "", pair.base)
    stacked = any(end and (bare == end or bare.endswith(f".{end}")) for end in whole)
    if stacked or (weight is not None and len(weight.shape) == 3 and len(down) == 2):
        return "a LoRA of a stack of experts (target_parameters): merge the adapter to examine it"
    return None


def _weight(candidate: Candidate, pair: _Pair) -> TensorInfo | None:
    """The weight that the pair is added to, where the checkpoint has it."""
    for leaf in ("base_layer.weight", "weight"):
        if (found := candidate.neighbours.get(pair.beside(leaf))) is not None:
            return found
    return None


def _row(
    candidate: Candidate, pair: _Pair, part: str, stack: tuple[int, int, int], build: Build
) -> LayerMatrix:
    row = LayerMatrix.of(
        candidate, f"lora_{part}", stack, build, inferred="a LoRA pair by its names"
    )
    named = pair.adapter.lstrip(".")
    name = part if named in ("", "default") else f"{part}:{named}"  # a layer can have several
    return replace(row, name=f"{pair.base}[{name}]")


def _update_row(candidate: Candidate, pair: _Pair, scale: Scale) -> LayerMatrix:
    out, width = pair.shape
    row = _row(
        candidate,
        pair,
        "update",
        (1, min(pair.rank, out), min(pair.rank, width)),
        partial(core, scale=scale),
    )
    return replace(
        row,
        pieces=partial(product_rows, scale=scale),
        tensors=(pair.down.name, pair.up.name, *scale.tensors),
        parameters=pair.down.numel + pair.up.numel,
        note=f"{scale.text} B A",
    )


def _merged_row(candidate: Candidate, pair: _Pair, scale: Scale) -> list[LayerMatrix]:
    weight = _weight(candidate, pair)
    if weight is None or len(pair.down.shape) != 2 or len(pair.up.shape) != 2:
        return []
    transposed = _is_transposed(candidate, pair)
    if weight.shape != (pair.shape[::-1] if transposed else pair.shape):
        if weight.shape != pair.shape[::-1]:
            return []
        transposed = True
    build = partial(merged, scale=scale, transposed=transposed)
    row = _row(candidate, pair, "merged", (1, weight.shape[0], weight.shape[1]), build)
    turned = "(B A)^T" if transposed else "B A"
    return [
        replace(
            row,
            tensors=(pair.down.name, pair.up.name, weight.name, *scale.tensors),
            shape=weight.shape,
            dtype=str(torch.promote_types(weight.dtype, torch.float32)).removeprefix("torch."),
            note=f"W + {scale.text} {turned}",
        )
    ]


def _is_transposed(candidate: Candidate, pair: _Pair) -> bool:
    """Embeddings, and GPT-2's Conv1D, hold (in, out)."""
    if "embedding" in pair.mark:
        return True
    module = candidate.module_at(pair.base)
    said = getattr(module, "fan_in_fan_out", candidate.config.get("fan_in_fan_out"))
    return said is True
