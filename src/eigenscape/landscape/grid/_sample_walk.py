"""Visit the points of a grid with a few vector additions for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eigenscape.models import evaluating

if TYPE_CHECKING:
    from eigenscape.landscape.grid._shortcut import Shortcut
    from eigenscape.models import Objective


class Walk:
    """The loss at points ``center + a_1 d_1 + ... + a_n d_n``, none of which is kept.

    ``center + a_1 d_1 + ... + a_k d_k`` is kept for each k and made anew only where a coordinate up
    to k has changed: along a row that is one addition for each point. The same point gives the same
    loss to the last bit, whichever point came before.

    Args:
        objective: the loss.
        vectors: ``(P, n)``.
    """

    def __init__(self, objective: Objective, vectors: Tensor) -> None:
        self.objective = objective
        self.directions = [
            column.to(objective.device, objective.dtype).contiguous() for column in vectors.T
        ]
        self._bases = [objective.center, *(torch.empty_like(d) for d in self.directions)]
        self._at: tuple[float, ...] = (math.nan,) * len(self.directions)
        self._views = None if objective.space.complex_names else self._fresh()

    @property
    def bytes(self) -> int:
        """Memory held."""
        return 2 * sum(int(d.nbytes) for d in self.directions)

    def ready(self, shortcut: Shortcut | None = None) -> AbstractContextManager[object]:
        """Return the context in which points are evaluated; the model is restored afterwards."""
        stack = ExitStack()
        stack.enter_context(self.objective.grad_mode())
        train_norms = self.objective.batch_norm == "batch"
        stack.enter_context(evaluating(self.objective.model, train_norms=train_norms))
        if shortcut is not None:
            stack.enter_context(shortcut)
        return stack

    def tensors(self, at: Sequence[float]) -> dict[str, Tensor]:
        """Go to a point and return the model's tensors there; they change at the next step."""
        at = tuple(at)
        changed = [i for i, (new, old) in enumerate(zip(at, self._at, strict=True)) if new != old]
        for level in range(changed[0] if changed else len(at), len(at)):
            torch.add(
                self._bases[level],
                self.directions[level],
                alpha=at[level],
                out=self._bases[level + 1],
            )
        self._at = at
        return self._fresh() if self._views is None else self._views

    def value(self, at: Sequence[float], shortcut: Shortcut | None = None) -> float:
        """Return the loss at a point; +inf where it is not finite."""
        tensors = self.tensors(at)
        if shortcut is not None:
            shortcut.go_to(at)
        value = self.objective.value_of(tensors)
        return value if math.isfinite(value) else math.inf

    def _fresh(self) -> dict[str, Tensor]:
        return self.objective.tensors(self._bases[-1])
