"""Label noise."""

from __future__ import annotations

import torch
from torch import Tensor

from eigenscape.errors import InputError


def noisy_labels(labels: Tensor, fraction: float, *, classes: int = 10, seed: int = 0) -> Tensor:
    """Return the labels with a share of them made wrong, each to another class at random.

    Exactly ``round(fraction * len(labels))`` labels change (symmetric noise).

    Args:
        labels: int64 class numbers, ``(n,)``, in ``[0, classes)``; not changed in place.
        fraction: the share that is made wrong.
        classes: the number of classes, at least 2.
        seed: seeds which labels change, and to what.

    Raises:
        InputError: the fraction lies outside [0, 1], or there are fewer than two classes.

    >>> labels = torch.zeros(10, dtype=torch.int64)
    >>> int((noisy_labels(labels, 0.4) != labels).sum())
    4
    """
    problems = []
    if not 0 <= fraction <= 1:
        problems.append(f"fraction={fraction}, but a share lies between 0 and 1")
    if classes < 2:
        problems.append(f"classes={classes}, but a label can only be wrong with 2 or more")
    if problems:
        raise InputError("noisy_labels: " + "; ".join(problems))
    generator = torch.Generator().manual_seed(seed)
    count = round(fraction * len(labels))
    chosen = torch.randperm(len(labels), generator=generator)[:count]
    shift = torch.randint(1, classes, (count,), generator=generator)
    noisy = labels.clone()
    noisy[chosen] = (labels[chosen] + shift.to(labels.device)) % classes
    return noisy
