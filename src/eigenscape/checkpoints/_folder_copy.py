"""A copy of a model's folder in which tensors are replaced one by one, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigenscape.checkpoints._checkpoint import Checkpoint
from eigenscape.checkpoints._open import open_checkpoint
from eigenscape.errors import CheckpointError, OutputError
from eigenscape.results import byte_words, content_hash

_JOURNAL = "progress.jsonl"
#: Other copies of the weights, which would stay as they were.
_OTHER_WEIGHTS = frozenset(
    (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx", ".ot", ".tflite")
)


class FolderCopy:
    """A copy of a folder with ``.safetensors`` files, in the making.

    Shards are copied as they are, and the bytes of a replaced tensor are written over the old ones:
    names, types, order and metadata stay, and no more than one tensor is in memory. The copy is
    made in ``.NAME.part`` beside its place and moved there by :meth:`finish`. A copy that was
    interrupted goes on where it was: entries of :meth:`record` whose tensors are still as they were
    written are :attr:`entries`.

    Args:
        source: the folder; never written to.
        target: a new folder.
        about: what the copy is for; one that was begun for something else is thrown away.
        overwrite: replace a folder that is there.

    Raises:
        CheckpointError: the source is no folder with ``.safetensors`` files.
        OutputError: the target is there, or is the source, or the disk is full.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        about: Mapping[str, Any],
        *,
        overwrite: bool = False,
    ) -> None:
        self.source, self.target = Path(source), Path(target)
        self._overwrite = overwrite
        self._check()
        self.part = self.target.parent / f".{self.target.name}.part"
        self._files = _files_to_copy(self.source)
        self.left_out = _left_out(self.source, self._files)
        self._about = {"about": dict(about), "source": _fingerprint(self.source, self._files)}
        with _full_disk_said(self.target):
            found = self._journal()
            if found is None:
                self._begin()
            self.checkpoint: Checkpoint = open_checkpoint(self.part)
            self._places: dict[str, tuple[Path, int, int]] = {}
            self.entries = self._still_there(found or [])

    def _check(self) -> None:
        checkpoint = open_checkpoint(self.source)
        if not self.source.is_dir() or "safetensors" not in checkpoint.format:
            raise CheckpointError(
                f"{self.source} is no folder with .safetensors files ({checkpoint.format}). Try: "
                "save it once more with save_pretrained of the installed transformers"
            )
        here, there = self.source.resolve(), self.target.resolve()
        if here == there or here in there.parents or there in here.parents:
            raise OutputError(
                f"{self.target} is the model's own folder, or lies in it, or holds it. "
                "Try: another --out"
            )
        if self.target.exists() and not self._overwrite:
            raise OutputError(f"{self.target} is there already. Try: --overwrite, or another --out")

    # ------------------------------------------------------------------ what is written

    def replace(self, tensors: Mapping[str, Tensor]) -> None:
        """Write tensors over those of the same names.

        Args:
            tensors: of the shape and type of the old ones.

        Raises:
            CheckpointError: another shape or type.
            OutputError: the disk refuses.
        """
        with _full_disk_said(self.target):
            for name, tensor in tensors.items():
                info = self.checkpoint.info(name)
                if (tuple(tensor.shape), tensor.dtype) != (info.shape, info.dtype):
                    raise CheckpointError(
                        f"{name} is {tuple(tensor.shape)} of {tensor.dtype}; expected "
                        f"{info.shape} of {info.dtype}"
                    )
                path, start, length = self._place(info.name)
                data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
                assert data.numel() == length
                with path.open("r+b") as file:
                    file.seek(start)
                    file.write(data.numpy().data)
                    file.flush()
                    os.fsync(file.fileno())

    def record(self, entry: Mapping[str, Any], names: Sequence[str]) -> None:
        """Note that a step is over, with the hashes of the tensors that it wrote.

        Args:
            entry: of JSON's own types.
            names: of the tensors.
        """
        hashes = {name: content_hash(self.checkpoint[name]) for name in names}
        with _full_disk_said(self.target), (self.part / _JOURNAL).open("a") as file:
            file.write(json.dumps({"entry": dict(entry), "tensors": hashes}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> Path:
        """Put the folder in its place.

        Returns:
            The target.
        """
        with _full_disk_said(self.target):
            (self.part / _JOURNAL).unlink()
            if self.target.exists():
                old = self.target.with_name(f".{self.target.name}.old")
                shutil.rmtree(old, ignore_errors=True)
                self.target.rename(old)
                self.part.rename(self.target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                self.part.rename(self.target)
        return self.target

    # ------------------------------------------------------------------ beginning and going on

    def _begin(self) -> None:
        shutil.rmtree(self.part, ignore_errors=True)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        needed = sum(path.stat().st_size for path in self._files)
        free = shutil.disk_usage(self.target.parent).free
        if needed > free:
            raise OutputError(
                f"{self.target} needs {byte_words(needed)}, and {byte_words(free)} are free. "
                "Try: another --out"
            )
        self.part.mkdir()
        for path in self._files:
            shutil.copyfile(path, self.part / path.name)
        (self.part / _JOURNAL).write_text(json.dumps(self._about) + "\n")

    def _journal(self) -> list[dict[str, Any]] | None:
        """The lines of an earlier attempt at the same; None where there is none."""
        try:
            lines = (self.part / _JOURNAL).read_text().splitlines()
            first = json.loads(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        if first != json.loads(json.dumps(self._about)):
            return None
        found = []
        for line in lines[1:]:
            try:
                found.append(json.loads(line))
            except ValueError:  # the process died while it wrote
                break
        return found

    def _still_there(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The entries, up to the first whose tensors are not as they were written."""
        whole = []
        for line in lines:
            hashes = line["tensors"].items()
            if any(content_hash(self.checkpoint[name]) != value for name, value in hashes):
                break
            whole.append(line["entry"])
        if len(whole) < len(lines):  # what follows is done again, from the dense tensors
            dense = open_checkpoint(self.source)
            for line in lines[len(whole) :]:
                self.replace({name: dense[name] for name in line["tensors"]})
            kept = [json.dumps(self._about), *map(json.dumps, lines[: len(whole)])]
            (self.part / _JOURNAL).write_text("\n".join(kept) + "\n")
        return whole

    def _place(self, name: str) -> tuple[Path, int, int]:
        """File, first byte and length of a tensor."""
        if name not in self._places:
            file = self.checkpoint.info(name).file
            assert file is not None
            with Path(file).open("rb") as stream:
                (length,) = struct.unpack("<Q", stream.read(8))
                header = json.loads(stream.read(length))
            for key, entry in header.items():
                if key != "__metadata__":
                    start, stop = entry["data_offsets"]
                    self._places[key] = Path(file), 8 + length + start, stop - start
        return self._places[name]


def _files_to_copy(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix not in _OTHER_WEIGHTS and not _index_of_others(path.name)
    ]


def _index_of_others(name: str) -> bool:
    return name.endswith(".index.json") and ".safetensors" not in name


def _left_out(folder: Path, copied: list[Path]) -> tuple[str, ...]:
    names = {path.name for path in copied}
    return tuple(path.name for path in sorted(folder.iterdir()) if path.name not in names)


def _fingerprint(folder: Path, files: list[Path]) -> list[list[Any]]:
    """Names, sizes and times of change: another download has others."""
    return [[str(folder.resolve())], *([p.name, *_stamp(p.stat())] for p in files)]


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


@contextmanager
def _full_disk_said(target: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        hint = "free some disk space; the same command then goes on where it was"
        if error.errno != errno.ENOSPC:
            hint = "another --out"
        raise OutputError(
            f"could not write {target}: {error.strerror or error}. Try: {hint}"
        ) from error
