"""LoRA pairs: the update B A, and the merged matrix W + s B A."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from eigenscape.checkpoints import TensorInfo
from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped
from eigenscape.layers._options import LayerOptions

_PAIR = re.compile(
    r"^(?P<base>.+)\.lora_(?P<side>[AB])(?P<adapter>(?:\.(?!weight$)[^.]+)?)\.weight$"
)


def core(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """An r x r matrix with the r singular values of B A, without forming B A.

    With B = Q R and A^T = P S, B A = Q (R S^T) P^T.
    """
    A, B = (tensor.double() for tensor in tensors)
    R = torch.linalg.qr(B, mode="r").R
    S = torch.linalg.qr(A.T, mode="r").R
    product: torch.Tensor = R @ S.T
    return product.unsqueeze(0)


def merged(tensors: Sequence[torch.Tensor], *, scale: float) -> torch.Tensor:
    """W + scale * B A, (1, out, in)."""
    A, B, W = (tensor.float() for tensor in tensors)
    return torch.addmm(W, B, A, alpha=scale).unsqueeze(0)


@handler("lora", order=200)
def lora(candidate: Candidate, options: LayerOptions) -> Reading:
    """The pair ``X.lora_A.weight`` (r, in) and ``X.lora_B.weight`` (out, r)."""
    match = _PAIR.match(candidate.name)
    if match is None or len(candidate.shape) != 2:
        return None
    base, adapter = match["base"], match["adapter"]
    other = candidate.neighbours.get(
        f"{base}.lora_{'B' if match['side'] == 'A' else 'A'}{adapter}.weight"
    )
    if other is None:
        return Skipped.of(
            candidate, "one half of a LoRA pair; the other half is not in the checkpoint"
        )
    if match["side"] == "B":
        return []  # read with its A
    rank, width = candidate.shape
    if other.shape[1:] != (rank,):
        return Skipped.of(
            candidate, f"LoRA A is {candidate.shape} but B is {other.shape}: the ranks differ"
        )
    rank = min(rank, width, other.shape[0])
    update = _row(candidate, base, adapter, "update", (1, rank, rank), (candidate.name, other.name))
    update = replace(update, parameters=candidate.info.numel + other.numel)
    if f"{base}.lora_magnitude_vector{adapter}.weight" in candidate.neighbours:
        note = "DoRA: the merged matrix also needs the magnitudes; merge the adapter to examine it"
        return [replace(update, note=note)]
    return [update, *_merged_row(candidate, options, base, adapter, other)]


def _row(
    candidate: Candidate,
    base: str,
    adapter: str,
    part: str,
    stack: tuple[int, int, int],
    tensors: tuple[str, ...],
) -> LayerMatrix:
    row = LayerMatrix.of(
        candidate, f"lora_{part}", stack, core, inferred="a LoRA pair by its names"
    )
    named = adapter.lstrip(".")
    name = part if named in ("", "default") else f"{part}:{named}"  # a layer can have several
    return replace(row, name=f"{base}[{name}]", tensors=tensors)


def _merged_row(
    candidate: Candidate, options: LayerOptions, base: str, adapter: str, other: TensorInfo
) -> list[LayerMatrix]:
    weight = candidate.neighbours.get(f"{base}.base_layer.weight") or candidate.neighbours.get(
        f"{base}.weight"
    )
    if weight is None or weight.shape != (other.shape[0], candidate.shape[1]):
        return []
    scale, source = _scaling(candidate, options, base, adapter)
    stack = (1, *weight.shape)
    row = _row(candidate, base, adapter, "merged", stack, (candidate.name, other.name, weight.name))
    return [
        replace(
            row,
            build=partial(merged, scale=scale),
            shape=weight.shape,
            dtype=str(torch.promote_types(weight.dtype, torch.float32)).removeprefix("torch."),
            note=f"W + {scale:g} B A ({source})",
        )
    ]


def _scaling(
    candidate: Candidate, options: LayerOptions, base: str, adapter: str
) -> tuple[float, str]:
    if options.lora_scale is not None:
        return options.lora_scale, "as given"
    scaling = _module_scaling(candidate, base, adapter.lstrip("."))
    if scaling is not None:
        return scaling, "from the module"
    alpha = candidate.config.get("lora_alpha")
    if isinstance(alpha, int | float):
        rank = candidate.shape[0]
        rooted = bool(candidate.config.get("use_rslora"))
        return alpha / (rank**0.5 if rooted else rank), "from adapter_config.json"
    return 1.0, "scale unknown, taken as 1; give it with --lora-scale"


def _module_scaling(candidate: Candidate, base: str, adapter: str) -> float | None:
    if candidate.root is None:
        return None
    scaling = getattr(candidate.root.get_submodule(base), "scaling", None)
    value = scaling.get(adapter) if isinstance(scaling, dict) else None
    return float(value) if value is not None else None
