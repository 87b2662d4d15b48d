"""Data that studies read but do not ship: files below the folder that EIGENSCAPE_DATA names."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import Recipe, Task
from eigenscape.zoo import MLP

_FILES = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
_SIDE, _SMALL, _HALF = 28, 14, 5000


def data_files(folder: str, names: Sequence[str], needed: str) -> list[Path]:
    """Return the paths of a study's files.

    Args:
        folder: below the one that EIGENSCAPE_DATA names.
        names: of the files.
        needed: what they are needed for, as the beginning of a sentence.

    Raises:
        InputError: the variable is not set, or its folder does not hold them.
    """
    named = os.environ.get("EIGENSCAPE_DATA")
    if not named:
        raise InputError(
            f"{needed}, and EIGENSCAPE_DATA is not set. Try: put {' and '.join(names)} in a folder "
            f"{folder}, and set EIGENSCAPE_DATA to the folder above it"
        )
    paths = [Path(named) / folder / name for name in names]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"EIGENSCAPE_DATA is {named}; it does not hold {', '.join(missing)}")
    return paths


def mnist_network(width: int) -> nn.Module:
    """Return an MLP of two hidden layers with batch norm."""
    return MLP(_SMALL**2, [width, width], 10)


def mnist_family() -> Task:
    """Return the family: half of the images to train on, half to test on.

    Images are averaged over squares of 2 x 2 and standardised. The split is by a fixed shuffle.

    Raises:
        InputError: EIGENSCAPE_DATA is not set, or its folder does not hold the files.
    """
    return mnist_part(0, 1, train=_HALF)


@lru_cache(maxsize=8)
def mnist_part(part: int, parts: int, *, train: int) -> Task:
    """Return the family on one of several parts of the images that share none.

    Args:
        part: from 0 on.
        parts: how many there are; the 10,000 images are shuffled, the same way always, and cut.
        train: images of the part to train on; the others of it are the test set.

    Raises:
        InputError: as :func:`mnist_family`.
    """
    inputs, labels = _read(
        *data_files("mnist", _FILES, "this study trains on the test images of MNIST")
    )
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    own = order.chunk(parts)[part]
    seen, held_out = own[:train], own[train:]
    return Task(
        make=mnist_network,
        train=(inputs[seen], labels[seen]),
        test=(inputs[held_out], labels[held_out]),
        widths=(3, 4, 6, 10, 20, 50),
        recipe=Recipe(epochs=80, batch_size=50, learning_rate=0.04, schedule="constant"),
    )


def _read(images: Path, labels: Path) -> tuple[Tensor, Tensor]:
    """Return inputs ``(n, 196)`` and labels of the two idx files."""
    pixels, classes = (gzip.decompress(path.read_bytes()) for path in (images, labels))
    values = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, _SIDE, _SIDE)
    small = values.reshape(-1, _SMALL, 2, _SMALL, 2).astype(np.float32).mean(axis=(2, 4))
    small = (small - small.mean()) / small.std()
    answers = np.frombuffer(classes, np.uint8, offset=8).astype(np.int64)
    return torch.from_numpy(small.reshape(len(small), -1)), torch.from_numpy(answers)
