"""Digits: 1797 real handwritten digits that come with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eigenscape.errors import InputError

_COUNT, _CLASSES, _LARGEST_PIXEL = 1797, 10, 16


@dataclass(frozen=True, eq=False)
class Split:
    """A labelled data set in two parts.

    Attributes:
        train_inputs: float32, one example a row.
        train_labels: int64, ``(n_train,)``.
        test_inputs: float32, one example a row.
        test_labels: int64, ``(n_test,)``.
    """

    train_inputs: Tensor
    train_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor


def digits(*, test_fraction: float = 0.25, seed: int = 0, as_images: bool = False) -> Split:
    """Return the 8x8 handwritten digits of scikit-learn, split with equal class shares.

    The 1797 images are the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and
    Kaynak, UCI, 1998); they are installed with scikit-learn, so nothing is downloaded. Pixels are
    divided by 16, their largest value.

    Args:
        test_fraction: the share of the examples that is held out.
        seed: seeds the split.
        as_images: give inputs as ``(n, 1, 8, 8)`` rather than ``(n, 64)``.

    Raises:
        InputError: a part would hold fewer examples than there are classes.

    >>> split = digits()
    >>> split.train_inputs.shape, split.test_inputs.shape
    (torch.Size([1347, 64]), torch.Size([450, 64]))
    >>> split.train_inputs.min().item(), split.train_inputs.max().item()
    (0.0, 1.0)
    """
    held_out = test_fraction * _COUNT
    if not _CLASSES <= held_out <= _COUNT - _CLASSES:
        lowest = _CLASSES / _COUNT
        raise InputError(
            f"test_fraction={test_fraction} leaves a part of the {_COUNT} digits with fewer than "
            f"{_CLASSES} examples, one a class; give a test_fraction between {lowest:.3f} and "
            f"{1 - lowest:.3f}"
        )
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        pixels, labels, test_size=test_fraction, stratify=labels, random_state=seed
    )
    shape = (-1, 1, 8, 8) if as_images else (-1, 64)
    train_inputs, test_inputs = (
        (torch.tensor(part, dtype=torch.float32) / _LARGEST_PIXEL).reshape(shape)
        for part in parts[:2]
    )
    train_labels, test_labels = (torch.tensor(part, dtype=torch.int64) for part in parts[2:])
    return Split(train_inputs, train_labels, test_inputs, test_labels)
