"""Makes the files that the checkpoint tests read."""

import functools
import json
import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor


class RunsCode:
    """Creates a file when its pickle is obeyed."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def weights(seed: int = 0) -> dict[str, Tensor]:
    """Two small layers."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "first.weight": torch.randn(4, 3, generator=generator),
        "first.bias": torch.randn(4, generator=generator),
        "second.weight": torch.randn(2, 4, generator=generator),
    }


def raw_safetensors(path: Path, header: object, data: bytes = b"") -> Path:
    """A safetensors file with any header."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def write_sharded(folder: Path, tensors: dict[str, Tensor], *, shards: int = 2) -> Path:
    """The tensors in turn over numbered safetensors files, with their index."""
    folder.mkdir(exist_ok=True)
    weight_map = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = dict(list(tensors.items())[number::shards])
        save_file(part, folder / file)
        weight_map.update(dict.fromkeys(part, file))
    write_index(folder, weight_map)
    return folder


def write_index(folder: Path, weight_map: object) -> Path:
    """A shard index."""
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def quietly(make):
    """Makes what torch warns about, without the warning."""

    @functools.wraps(make)
    def quiet(*arguments, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make(*arguments, **options)

    return quiet


def same(checkpoint, tensors: dict[str, Tensor]) -> bool:
    """Whether a checkpoint has exactly these tensors."""
    return set(checkpoint) == set(tensors) and all(
        torch.equal(checkpoint[name], tensor) for name, tensor in tensors.items()
    )


def in_new_process(program: str, *arguments: object) -> str:
    """What a program prints, run in a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
