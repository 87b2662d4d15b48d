"""The training log."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainingLog:
    """What happened during a training, epoch by epoch; only finished epochs are listed.

    Two logs are equal when everything but their ``seconds`` is.

    Attributes:
        losses: the mean training loss of every finished epoch, over its examples as they came.
        learning_rates: the learning rate at the start of every finished epoch.
        steps: how many optimizer steps were taken.
        diverged_at: the epoch, counted from 0, in which the loss or a weight stopped being finite
            and the training was stopped; None when it ran to its end.
        seconds: the wall-clock time that it took.

    >>> TrainingLog((2.3, 1.1), (0.1, 0.05), steps=20).final_loss
    1.1
    """

    losses: tuple[float, ...]
    learning_rates: tuple[float, ...]
    steps: int
    diverged_at: int | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.losses)

    @property
    def final_loss(self) -> float | None:
        """The loss of the last finished epoch; None when the first one diverged."""
        return self.losses[-1] if self.losses else None
