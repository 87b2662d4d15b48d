"""Read one ``.gguf`` file: quantized weights, computed back one tensor at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenscape.checkpoints._errors import teaching
from eigenscape.checkpoints._gguf_header import Header, StoredTensor, read_header
from eigenscape.checkpoints._gguf_names import Original, Originals
from eigenscape.checkpoints._reader import Listing
from eigenscape.checkpoints._tensor_info import TensorInfo
from eigenscape.checkpoints._text import counted, few, natural, shown_name
from eigenscape.errors import CheckpointError, MissingExtraError

_PLAIN = {  # stored as numbers
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
}
_AT_ONCE = (
    1 << 20
)  # entries that are computed at once: what they pass through takes a few times 4 MB
_OUTPUT, _EMBEDDING = "output.weight", "token_embd.weight"


@dataclass(frozen=True)
class _Type:
    """A storage type of ggml: blocks of some entries in some bytes.

    Args:
        name: such as ``Q4_1``; ``type 99`` where the package does not know it.
        entries: of a block; 0 where that is not known.
        bytes: of a block.
        readable: whether values can be computed.
    """

    name: str
    entries: int = 0
    bytes: int = 0
    readable: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """Of what is read."""
        return _PLAIN.get(self.name, torch.float32)

    @property
    def encoding(self) -> str:
        """The type's name, where it does not hold the values themselves."""
        return "" if self.name in _PLAIN else self.name


@dataclass(frozen=True)
class _Place:
    """A tensor of the file, and what it was."""

    stored: StoredTensor
    type: _Type
    original: Original


@dataclass(frozen=True)
class _Opened:
    """All that the header says."""

    stamp: tuple[int, int]
    places: Mapping[str, _Place]
    unread: tuple[_Place, ...]
    originals: Originals
    tied: bool


class GGUFReader:
    """A ``.gguf`` file, opened anew for each tensor.

    Quantized values are computed by the package ``gguf``, in float32; names, the order of rotary
    halves and what else the converter changed are those of the original model again.

    Args:
        path: of the file.

    Raises:
        MissingExtraError: the package is not installed.
    """

    format = "GGUF"

    def __init__(self, path: Path) -> None:
        try:
            import gguf  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("gguf", "gguf", f"the GGUF file {path}") from error
        self._path = path
        self._opened: _Opened | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the header out: an unpickled reader reads it again."""
        return {**self.__dict__, "_opened": None}

    @property
    def config(self) -> dict[str, Any]:
        """What the metadata say of the model, by the names of ``config.json``."""
        opened = self._open()
        config = opened.originals.config
        return {**config, "tie_word_embeddings": opened.tied} if config else {}

    def listing(self) -> Listing:
        """List the tensors by their original names, in the order of these.

        Raises:
            CheckpointError: the file is truncated or corrupt, or one part of several.
        """
        opened = self._open()
        infos = [self._info(name, place) for name, place in opened.places.items()]
        unread = [self._info(place.original.name, place) for place in opened.unread]
        infos.sort(key=lambda info: natural(info.name))
        return Listing(tuple(infos), tuple(self._notes(opened)), tuple(unread))

    def read(self, name: str) -> Tensor:
        """Compute the values of one tensor."""
        place = self._open().places.get(name)
        if place is None:
            raise CheckpointError(
                f"{self._path} has no tensor {shown_name(name)} any more. Try: open it again"
            )
        with teaching(self._path):
            tensor = self._values(place)
            undo = place.original.undo
            return tensor if undo is None else undo(tensor).contiguous()

    def _info(self, name: str, place: _Place) -> TensorInfo:
        kind = place.type
        shape = place.original.shape
        return TensorInfo(name, shape, kind.dtype, str(self._path), encoding=kind.encoding)

    # ------------------------------------------------------------ the header

    def _open(self) -> _Opened:
        with teaching(self._path):
            status = self._path.stat()
            stamp = status.st_size, status.st_mtime_ns
            opened = self._opened
            if opened is None or opened.stamp != stamp:
                opened = self._described(stamp, read_header(self._path))
                self._opened = opened
            return opened

    def _described(self, stamp: tuple[int, int], header: Header) -> _Opened:
        parts = header.metadata.get("split.count", 1)
        if isinstance(parts, int) and parts > 1:
            raise CheckpointError(
                f"{self._path} is one of {parts} parts of a GGUF model; expected a whole one. Try: "
                "join them with llama-gguf-split --merge FIRST_PART WHOLE.gguf"
            )
        originals = Originals(header.metadata)
        types = {kind: _type(kind) for kind in {tensor.kind for tensor in header.tensors}}
        places: dict[str, _Place] = {}
        unread: list[_Place] = []
        names = {tensor.name for tensor in header.tensors}
        for tensor in header.tensors:
            self._check(tensor, types[tensor.kind], header)
            original = originals.of(tensor.name, tensor.shape)
            if original.name in places or (original.known and original.name in names):
                original = Original(tensor.name, tensor.shape, known=False)
            place = _Place(tensor, types[tensor.kind], original)
            if place.type.readable:
                places[original.name] = place
            else:
                unread.append(place)
        tied = _EMBEDDING in names and _OUTPUT not in names
        return _Opened(stamp, places, tuple(unread), originals, tied)

    def _check(self, tensor: StoredTensor, kind: _Type, header: Header) -> None:
        """Refuse a tensor whose bytes the file does not have."""
        if not kind.entries:
            return
        end = tensor.offset + _size(tensor, kind)
        row = tensor.shape[-1] if tensor.shape else 1
        if end > header.size or row % kind.entries:
            what = (
                f"rows of {row} entries in blocks of {kind.entries}"
                if row % kind.entries
                else f"bytes to {end:,} of {header.size:,}"
            )
            raise CheckpointError(
                f"{self._path}: {shown_name(tensor.name)} {tensor.shape} of type {kind.name} has "
                f"{what}: the file is truncated or corrupt. Try: compare its size with the "
                "original's, and copy or download it again"
            )

    # ------------------------------------------------------------ the data

    def _values(self, place: _Place) -> Tensor:
        stored, kind = place.stored, place.type
        if kind.name in _PLAIN:
            return (
                self._bytes(stored, 0, _size(stored, kind)).view(kind.dtype).reshape(stored.shape)
            )
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        values = torch.empty(math.prod(stored.shape), dtype=torch.float32)
        at_once = _AT_ONCE // kind.entries
        blocks = values.numel() // kind.entries
        for start in range(0, blocks, at_once):
            stop = min(blocks, start + at_once)
            held = self._bytes(stored, start * kind.bytes, (stop - start) * kind.bytes)
            computed = dequantize(held.numpy().reshape(1, -1), GGMLQuantizationType(stored.kind))
            part = values[start * kind.entries : stop * kind.entries]
            part.copy_(torch.from_numpy(computed.reshape(-1)))
        return values.reshape(stored.shape)

    def _bytes(self, stored: StoredTensor, start: int, count: int) -> Tensor:
        """Some of a tensor's bytes; read, not mapped: a file that shrinks does no harm."""
        held = np.fromfile(self._path, np.uint8, count, offset=stored.offset + start)
        if held.size != count:
            raise CheckpointError(
                f"{self._path} has become shorter since it was opened. Try: open it again"
            )
        return torch.from_numpy(held)

    # ------------------------------------------------------------ words

    def _notes(self, opened: _Opened) -> Iterator[str]:
        places = [*opened.places.values(), *opened.unread]
        found = Counter(p.type.name for p in opened.places.values() if p.type.encoding)
        if found:
            kinds = ", ".join(f"{name} ({count})" for name, count in found.most_common())
            yield (
                f"{counted(sum(found.values()), 'tensor')} dequantized from {kinds}: values are "
                "rounded to the quantization grid"
            )
        unknown = [p.stored.name for p in places if not p.original.known]
        if opened.originals.config and unknown:
            yield f"names kept as in the GGUF file: {few(unknown)}"
        elif unknown:
            yield (
                "names and order of entries kept as in the GGUF file: those of the original are "
                f"not known for the architecture {shown_name(opened.originals.architecture)!r}"
            )
        mixed = [name for name, place in opened.places.items() if not place.original.ordered]
        if mixed:
            yield (
                f"rows kept in the order of the GGUF file: {few(mixed)}; its number of heads is "
                "not given or does not fit"
            )


def _size(tensor: StoredTensor, kind: _Type) -> int:
    return math.prod(tensor.shape) // kind.entries * kind.bytes


def _type(number: int) -> _Type:
    """Return what is known of a type; whether it can be computed is found by one block of zeros."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        kind = GGMLQuantizationType(number)
        entries, size = GGML_QUANT_SIZES[kind]
    except (ValueError, KeyError):
        return _Type(f"type {number}")
    if kind.name in _PLAIN:
        return _Type(kind.name, entries, size, readable=True)
    try:
        dequantize(np.zeros((1, size), dtype=np.uint8), kind)
    except NotImplementedError:
        return _Type(kind.name, entries, size)
    return _Type(kind.name, entries, size, readable=True)
