"""Formats that are not supported, and how to convert them."""

from __future__ import annotations

from pathlib import Path

_ARRAYS = (
    "open_checkpoint({name: torch.from_numpy(array) for name, array in numpy.load(path).items()})"
)
_SAFETENSORS = "convert it to safetensors with the program that made it"

UNSUPPORTED = {
    ".npz": ("a NumPy archive", f"in Python, {_ARRAYS}"),
    ".npy": ("a NumPy array", "in Python, open_checkpoint({'weight': torch.from_numpy(array)})"),
    ".h5": ("an HDF5 file (Keras)", "read it there, and pass a dict of names and torch tensors"),
    ".onnx": ("an ONNX graph", "save the state dict of the model that it was exported from"),
    ".tflite": ("a TensorFlow Lite model", _SAFETENSORS),
    ".pb": ("a TensorFlow graph", _SAFETENSORS),
    ".msgpack": ("a Flax checkpoint", "load it with from_flax=True in transformers, and save it"),
    ".gz": ("a gzip archive", "unpack it with gunzip or tar"),
    ".tar": ("a tar archive", "unpack it, and give the checkpoint inside"),
    ".zst": ("a zstd archive", "unpack it with zstd -d"),
}

_MAGIC = (
    (0, b"\x93NUMPY", ".npy"),
    (0, b"\x89HDF\r\n\x1a\n", ".h5"),
    (4, b"TFL3", ".tflite"),
    (0, b"\x1f\x8b", ".gz"),
    (257, b"ustar", ".tar"),
    (0, b"\x28\xb5\x2f\xfd", ".zst"),
)


def unsupported_bytes(path: Path, head: bytes) -> str:
    """Return the message for a file that is known by its first bytes, or an empty one."""
    if head.startswith(b"version https://git-lfs"):
        return (
            f"{path} is a Git LFS pointer of {path.stat().st_size} bytes, not the weights. "
            "Try: run git lfs pull in its repository, or download the file itself"
        )
    for offset, magic, suffix in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return unsupported(path, suffix)
    return _text(path, head.lstrip())


def unsupported(path: Path, suffix: str) -> str:
    """Return the message for a file of the kind that a suffix names, or an empty one."""
    if suffix not in UNSUPPORTED:
        return ""
    what, way = UNSUPPORTED[suffix]
    return f"{path} is {what}, which is not supported. Try: {way}"


def _text(path: Path, head: bytes) -> str:
    if head.lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return (
            f"{path} is a web page, not the weights: the download got an error or a login page. "
            "Try: download it again, with access to the file"
        )
    if head[:1] in (b"{", b"["):
        return (
            f"{path} is a JSON text, not the weights. "
            "Try: give the folder that it lies in, or the file with the weights"
        )
    return ""
