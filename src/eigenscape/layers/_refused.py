"""Tensors without a weight matrix, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from eigenscape.checkpoints import TensorInfo
from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._matrix import Candidate, Skipped
from eigenscape.layers._options import LayerOptions

_BYTES = {torch.int8, torch.uint8, torch.qint8, torch.quint8, torch.qint32}
_PACKED = re.compile(r"(^|[._])(qweight|qzeros|g_idx|packed|weight_packed|SCB|absmax|quant_map)")
_NORMALISED = re.compile(
    r"(^|\.)(weight_[gv]|\w*weight_orig|parametrizations\.[^.]+\.original\d*)$"
)
_SCALE = re.compile(r"scale|zero", re.IGNORECASE)
_ACTIVATION = re.compile(r"(input|output|act|activation|[qkv]|kv)_")
_HELPER = re.compile(
    r"(^|[._])(scales?|weight_scale(_inv)?|input_scale|zero_points?|tril|mask|\w+_bias|A_log)$"
)
_BASE = re.compile(r"(^|\.)parametrizations\.[^.]+\.\d+\.")
_MASK = re.compile(r"(^|[._])(bias|masked_bias|mask|causal_mask)$")


@handler("vector", order=140)
def vector(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """Scalars, vectors and empty tensors."""
    if 0 in candidate.shape:
        return Skipped.of(candidate, "an empty tensor: a placeholder, whose weights are elsewhere")
    if sum(width > 1 for width in candidate.shape) > 1:
        return None
    if candidate.shape == (1, 1):
        return Skipped.of(candidate, "a 1 x 1 matrix: a single number has no spectrum")
    reason = "a vector (bias, norm, scale or statistic): it has one singular value, no spectrum"
    if not any(width > 1 for width in candidate.shape):
        reason = "a scalar (counter or scale): no spectrum"
    return Skipped.of(candidate, reason)


@handler("rescaled", order=130)
def rescaled(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """Halves of a weight normalisation or another parametrization: not the weight that acts."""
    if not _NORMALISED.search(candidate.name):
        return None
    return Skipped.of(
        candidate,
        "one part of a parametrized weight, not the weight that acts; remove the "
        "parametrization (torch.nn.utils.parametrize.remove_parametrizations, or "
        "torch.nn.utils.remove_weight_norm) and save again",
    )


@handler("helper", order=120)
def helper(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """Buffers of a module, and what files keep beside the weights: not weights themselves."""
    if sum(width > 1 for width in candidate.shape) < 2:
        return None
    if candidate.buffer:
        why = "a buffer, which is not trained"
    elif _HELPER.search(candidate.name) or _BASE.search(candidate.name):
        why = "a scale, bias, mask or table beside a weight, by its name"
    else:
        return None
    return Skipped.of(candidate, f"{why}; include it with --kind '{candidate.name}=linear'")


@handler("scaled_codes", order=110)
def scaled_codes(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """float8 codes beside scales or offsets that were not applied: codes are not the weights."""
    if not is_code(candidate.info):
        return None
    for name in candidate.scales:
        return Skipped.of(
            candidate,
            f"float8 codes with {name.rpartition('.')[2]} {candidate.neighbours[name].shape} "
            "beside them: the codes are not the weights; dequantize the model, or examine the "
            "checkpoint it was quantized from",
        )
    return None


def is_code(info: TensorInfo) -> bool:
    """Whether entries have eight bits of a floating-point type."""
    return info.dtype.itemsize == 1 and info.dtype.is_floating_point


def scales_beside(infos: Mapping[str, TensorInfo]) -> dict[str, tuple[str, ...]]:
    """Return, for each tensor of float8 codes, the scales and offsets that are stored for it.

    >>> import torch
    >>> kinds = {"a.weight": torch.float8_e4m3fn, "a.weight_scale_3": torch.float32}
    >>> kinds |= {"a.input_scale": torch.float32, "b.weight": torch.float32}
    >>> scales_beside({name: TensorInfo(name, (2, 2), kind) for name, kind in kinds.items()})
    {'a.weight': ('a.weight_scale_3',)}
    """
    scales: dict[str, list[str]] = {}
    for name in infos:
        path, _, leaf = name.rpartition(".")
        if _SCALE.search(leaf) and not _ACTIVATION.match(leaf):
            scales.setdefault(path, []).append(name)
            if path in infos:  # a.weight and a.weight.scale
                scales.setdefault(path.rpartition(".")[0], []).append(name)
    codes = [name for name, info in infos.items() if is_code(info)]
    found = {}
    for name in codes:
        path, _, leaf = name.rpartition(".")
        start = f"{path}." if path else ""
        mine = [
            other
            for other in scales.get(path, ())
            if other != name and (leaf == "weight" or other.removeprefix(start).startswith(leaf))
        ]
        if mine:
            found[name] = tuple(mine)
    return found


@handler("integers", order=100)
def integers(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """Integer and boolean tensors: quantized weights, masks, counters."""
    dtype = candidate.info.dtype
    kind = str(dtype).removeprefix("torch.")
    if dtype == torch.bool or (not _is_number(dtype) and _MASK.search(candidate.name)):
        return Skipped.of(candidate, f"a mask ({kind}), not a weight")
    if _is_number(dtype):
        return None
    if (dtype in _BYTES and len(candidate.shape) >= 1) or _PACKED.search(candidate.name):
        return Skipped.of(
            candidate,
            f"integer-quantized weights ({kind}): the codes are not the weights; "
            "dequantize the model, or examine the checkpoint it was quantized from",
        )
    return Skipped.of(candidate, f"an integer tensor ({kind}): a counter or an index, not a weight")


def _is_number(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex
