"""The file of a patch: safetensors, with what each edit is in one key of the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from eigenscape.checkpoints._bits import Entries
from eigenscape.checkpoints._edit import Edit
from eigenscape.checkpoints._errors import teaching
from eigenscape.checkpoints._safetensors import PATCH_KEY, PATCH_SCHEMA
from eigenscape.checkpoints._save import new_target, write_tensors
from eigenscape.checkpoints._sniff import Kind, sniff
from eigenscape.checkpoints._text import few
from eigenscape.errors import CheckpointError

SCHEMA = f"{PATCH_SCHEMA}1"
_PARTS = {  # kind -> the parts that a file must hold, and those that it may
    "mask": ((), ("mask", "index", "old")),
    "set": (("set",), ("mask", "index", "old")),
    "lora": (("lora_A", "lora_B"), ()),
}
_FIELDS = {
    "name": str,
    "kind": str,
    "shape": list,
    "dtype": str,
    "base": str,
    "result": str,
    "aliases": list,
}
_HASH = 32


def record_of(edit: Edit) -> dict[str, Any]:
    """Return what an edit is, without its numbers, in JSON's own types."""
    return {
        "name": edit.name,
        "kind": edit.kind,
        "shape": list(edit.shape),
        "dtype": str(edit.dtype).removeprefix("torch."),
        "base": edit.base,
        "result": edit.result,
        "aliases": list(edit.aliases),
    }


def write_patch(edits: tuple[Edit, ...], path: Path, *, overwrite: bool) -> Path:
    """Write the edits to a new file.

    Raises:
        OutputError: the path is taken, has another suffix, or cannot be written.
    """
    target = new_target(path, overwrite=overwrite)
    tensors = {
        key: _storable(edit.parts()[part])
        for edit, keys in zip(edits, _keys([edit.name for edit in edits]), strict=True)
        for part, key in keys.items()
        if part in edit.parts()
    }
    text = json.dumps({"schema": SCHEMA, "edits": [record_of(edit) for edit in edits]})
    write_tensors(tensors, target, {"format": "pt", PATCH_KEY: text})
    return target


def read_patch(path: Path) -> tuple[Edit, ...]:
    """Read the edits of a file, and check everything that can be checked without the base.

    Raises:
        CheckpointError: no such file, no patch, one of another schema, or a damaged one.
    """
    if sniff(path) is not Kind.SAFETENSORS:
        raise CheckpointError(f"{path} is a file of torch.save; a patch is a .safetensors file")
    with teaching(path), safe_open(os.fspath(path), framework="pt", device="cpu") as file:
        records = _records(path, (file.metadata() or {}).get(PATCH_KEY))
        keys = list(_keys([record["name"] for record in records]))
        known = {key for each in keys for key in each.values()}
        unknown = sorted(set(file.keys()) - known)
        if unknown:
            raise _damaged(path, f"tensors that belong to no edit: {few(unknown)}")
        stored = set(file.keys())
        edits = []
        for record, each in zip(records, keys, strict=True):
            held = {part: key for part, key in each.items() if key in stored}
            parts = {part: file.get_tensor(key).clone() for part, key in held.items()}
            try:
                edits.append(_edit(record, parts))
            except ValueError as error:
                raise _damaged(path, f"{record['name']!r:.80} has {error}") from error
        return tuple(edits)


def _keys(names: list[str]) -> Iterator[dict[str, str]]:
    """Yield the stored names of each edit's parts; a tensor's second edit has a number at the end.

    No two parts share one: the last piece is a part's name, or a number after it.
    """
    seen: dict[str, int] = {}
    for name in names:
        number = seen.get(name, 0)
        seen[name] = number + 1
        tail = f".{number}" if number else ""
        parts = ("mask", "index", "set", "old", "lora_A", "lora_B")
        yield {part: f"{name}.{part}{tail}" for part in parts}


def _records(path: Path, text: str | None) -> list[dict[str, Any]]:
    if text is None:
        raise CheckpointError(
            f"{path} is not a patch: its metadata have no key '{PATCH_KEY}'. "
            "Try: Patch.diff(before, after) makes one of two checkpoints"
        )
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "metadata that are not JSON") from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise CheckpointError(
            f"{path} states the schema {schema!r:.80}; this version reads {SCHEMA}. "
            "Try: make the patch again with this version"
        )
    records = value.get("edits")
    if set(value) != {"schema", "edits"} or not isinstance(records, list):
        raise _damaged(path, f"keys {few(value)}; expected schema and edits")
    for record in records:
        problem = _problem(record)
        if problem:
            raise _damaged(path, problem)
    return records


def _problem(record: Any) -> str:
    if not isinstance(record, dict) or set(record) != set(_FIELDS):
        return f"an edit without exactly the fields {few(_FIELDS, shown=9)}"
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(record[name], kind)]
    sizes = [] if wrong else record["shape"]
    whole = all(type(size) is int and 0 <= size < 2**48 for size in sizes)
    texts = wrong or all(isinstance(alias, str) for alias in record["aliases"])
    if wrong or not whole or not texts or record["kind"] not in _PARTS:
        return f"an edit with bad values of {few(wrong) or 'shape, aliases or kind'}"
    if not isinstance(getattr(torch, record["dtype"], None), torch.dtype):
        return f"an edit of an unknown type {record['dtype']!r:.40}"
    if any(len(record[end]) != _HASH for end in ("base", "result")):
        return "an edit without its hashes"
    return ""


def _edit(record: dict[str, Any], parts: dict[str, Tensor]) -> Edit:
    must, may = _PARTS[record["kind"]]
    missing = [part for part in must if part not in parts]
    extra = [part for part in parts if part not in (*must, *may)]
    if missing or extra:
        raise ValueError(f"missing parts: {few(missing) or 'none'}; others: {few(extra) or 'none'}")
    shape, dtype = tuple(record["shape"]), getattr(torch, record["dtype"])
    factors = entries = None
    if record["kind"] == "lora":
        factors = _factors(parts, shape, dtype)
    else:
        entries = _entries(parts, torch.Size(shape).numel())
        for part in ("set", "old"):
            if part in parts:
                parts[part] = _values(part, parts[part], entries.count, dtype)
    return Edit(
        name=record["name"],
        kind=record["kind"],
        shape=shape,
        dtype=dtype,
        base=record["base"],
        result=record["result"],
        aliases=tuple(record["aliases"]),
        entries=entries,
        new=parts.get("set"),
        old=parts.get("old"),
        factors=factors,
    )


def _storable(tensor: Tensor) -> Tensor:
    """Return a tensor in a type that the format knows: complex128 as pairs of float64."""
    return torch.view_as_real(tensor) if tensor.dtype == torch.complex128 else tensor


def _values(part: str, values: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    if dtype == torch.complex128 and values.dtype == torch.float64 and values.shape[-1:] == (2,):
        values = torch.view_as_complex(values)
    if (values.dtype, tuple(values.shape)) != (dtype, (count,)):
        raise ValueError(f"'{part}' {tuple(values.shape)} of {values.dtype} for {count} entries")
    return values


def _entries(parts: dict[str, Tensor], numel: int) -> Entries:
    given = [part for part in ("mask", "index") if part in parts]
    if len(given) != 1:
        raise ValueError(f"{len(given)} lists of entries; expected a mask or an index")
    stored = parts[given[0]]
    packed = given[0] == "mask"
    wanted = torch.uint8 if packed else torch.int64
    if stored.ndim != 1 or stored.dtype != wanted:
        raise ValueError(f"'{given[0]}' {tuple(stored.shape)} of {stored.dtype}; expected {wanted}")
    return Entries.read(numel, stored, packed=packed)


def _factors(
    parts: dict[str, Tensor], shape: tuple[int, ...], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    a, b = parts["lora_A"], parts["lora_B"]
    rows, columns = shape[0] if shape else 0, torch.Size(shape[1:]).numel()
    fits = len(shape) > 1 and a.ndim == b.ndim == 2 and (b.shape[0], a.shape[1]) == (rows, columns)
    numbers = all(kind.is_floating_point or kind.is_complex for kind in (a.dtype, b.dtype, dtype))
    if not fits or a.shape[0] != b.shape[1] or not numbers:
        raise ValueError(f"factors {tuple(a.shape)} and {tuple(b.shape)} for {shape} of {dtype}")
    return a, b


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is a damaged patch: it has {what}. Try: fetch it again")
