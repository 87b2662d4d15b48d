"""Mean intersection over union."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import mode_restored


def mean_iou(model: nn.Module, images: Tensor, masks: Tensor, *, batch_size: int = 256) -> float:
    """Return the intersection over union of guessed and true pixels, averaged over the classes.

    For a class, intersection and union are counted over all pictures together (Everingham et al.,
    "The PASCAL Visual Object Classes Challenge", 2015, section 4.2.3); a class that is neither
    there nor guessed is left out. Computed in evaluation mode; every module is put back into the
    mode it was found in.

    Args:
        model: maps ``(n, ...)`` pictures to logits ``(n, classes, rows, columns)``.
        images: one picture a row; moved to the model's device a batch at a time.
        masks: int64, ``(n, rows, columns)``, from 0 to ``classes - 1``.
        batch_size: how many pictures are evaluated at once.

    Raises:
        InputError: there are no pictures, not one mask a picture, or masks that do not fit the
            logits.

    >>> logits = torch.tensor([[[[2.0, 2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0, 1.0]]]])   # 0 0 1 1
    >>> masks = torch.tensor([[[0, 1, 1, 1]]])
    >>> mean_iou(nn.Identity(), logits, masks) == (1 / 2 + 2 / 3) / 2
    True
    """
    if len(images) != len(masks) or len(masks) == 0:
        raise InputError(
            f"mean_iou has {len(images)} images and {len(masks)} masks; "
            "give one mask an image, and at least one"
        )
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    tables = []
    with mode_restored(model), torch.no_grad():
        model.eval()
        for some, theirs in zip(
            torch.split(images, batch_size), torch.split(masks, batch_size), strict=True
        ):
            tables.append(_confusion(model(some.to(device)).cpu(), theirs.cpu()))
    table = torch.stack(tables).sum(0).double()
    hits = table.diagonal()
    unions = table.sum(0) + table.sum(1) - hits
    return (hits[unions > 0] / unions[unions > 0]).mean().item()


def _confusion(logits: Tensor, masks: Tensor) -> Tensor:
    """Return how many pixels of each class (row) were taken for each class (column)."""
    classes = logits.shape[1] if logits.ndim == 4 else 0
    fits = logits.ndim == 4 and logits[:, 0].shape == masks.shape
    if not fits or int(masks.min()) < 0 or int(masks.max()) >= classes:
        raise InputError(
            f"mean_iou has logits {tuple(logits.shape)} and masks {tuple(masks.shape)} with values "
            f"from {int(masks.min())} to {int(masks.max())}; expected logits (n, classes, rows, "
            "columns) and masks (n, rows, columns) from 0 to classes - 1"
        )
    pairs = masks.flatten() * classes + logits.argmax(dim=1).flatten()
    return pairs.bincount(minlength=classes**2).reshape(classes, classes)
