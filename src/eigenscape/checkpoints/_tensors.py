"""Tensors in memory: which are the same, and independent copies."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping

import torch
from torch import Tensor

from eigenscape.checkpoints._tensor_info import TensorInfo
from eigenscape.errors import CheckpointError

_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}


def describe(tensors: Mapping[str, Tensor], file: str | None = None) -> tuple[TensorInfo, ...]:
    """List tensors in their order; those with several names once, under the first.

    >>> shared = torch.ones(2, 3)
    >>> [info.names for info in describe({"a": shared, "b": torch.ones(2), "c": shared})]
    [('a', 'c'), ('b',)]
    """
    names: dict[Hashable, list[str]] = {}
    for name, tensor in tensors.items():
        names.setdefault(identity(tensor), []).append(name)
    return tuple(
        TensorInfo(first, tuple(tensors[first].shape), tensors[first].dtype, file, tuple(others))
        for first, *others in names.values()
    )


def identity(tensor: Tensor) -> Hashable:
    """Return a key that two names share exactly if they mean the same entries of one memory."""
    if is_sharded(tensor):
        return id(tensor)
    addressable = tensor.layout == torch.strided and tensor.numel() > 0
    if not addressable or tensor.device.type == "meta":
        return id(tensor)
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def is_sharded(tensor: Tensor) -> bool:
    """Tell whether a tensor is a DTensor, whose entries can lie in several processes."""
    return callable(getattr(tensor, "full_tensor", None))


def gathered(tensor: Tensor) -> Tensor:
    """Return the whole of a tensor: of a DTensor, what all its processes hold.

    With several processes each of them must ask, for the same tensors in the same order.

    >>> gathered(torch.ones(2)).tolist()
    [1.0, 1.0]
    """
    if not is_sharded(tensor):
        return tensor
    whole: Tensor = tensor.full_tensor()  # type: ignore[attr-defined]
    return whole


def own_copy(tensor: Tensor, name: str) -> Tensor:
    """Return a dense, contiguous, detached copy on the CPU, in memory of its own.

    Raises:
        CheckpointError: the tensor is on the meta device, and so has no data.
    """
    if tensor.device.type == "meta":
        raise CheckpointError(
            f"{name} {tuple(tensor.shape)} is on the meta device: it has a shape but no data. "
            "Try: load the weights into the module first, or open the files that hold them"
        )
    tensor = gathered(tensor.detach())
    if tensor.layout != torch.strided:
        return dense(tensor).cpu().clone()
    if tensor.is_quantized:
        return copy.deepcopy(tensor).cpu()  # clone knows only one of the quantization schemes
    if tensor.device.type != "cpu":
        return tensor.cpu().contiguous()
    return tensor.clone(memory_format=torch.contiguous_format)


def dense(tensor: Tensor) -> Tensor:
    """Return a sparse tensor as a dense one, its indices checked first.

    torch takes indices from files unchecked, and follows bad ones out of the tensor's memory.

    Raises:
        RuntimeError: an index lies outside the tensor.

    >>> dense(torch.eye(2).to_sparse()).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    shape, layout = tensor.shape, tensor.layout
    if layout == torch.sparse_coo:
        indices, values = tensor._indices(), tensor._values()
        tensor = torch.sparse_coo_tensor(indices, values, shape, check_invariants=True)
    elif layout in _COMPRESSED:
        compressed, plain = (getattr(tensor, part)() for part in _COMPRESSED[layout])
        tensor = torch.sparse_compressed_tensor(
            compressed, plain, tensor.values(), shape, layout=layout, check_invariants=True
        )
    return tensor.to_dense()
