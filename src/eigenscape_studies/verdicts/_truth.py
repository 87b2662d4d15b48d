"""The truth about a network: what would have helped it, on held-out data, beyond noise.

Fixed before any rule was looked at. Held-out losses are in nats. ``A is better than B`` where its
loss is lower by more than 3 % of B's and by more than 0.01, and by more than two standard errors:
of the paired difference over held-out examples, and of repeats of the trainings (their variance is
pooled over the ways in which a network was continued).

Each of these is true or not, and several may be true of one network:

under-trained
    Training on, at the same or at 5 times the rate, gives a better network, and no earlier moment
    of the training was better than that.
over-fitted
    An earlier moment of the training was better, and training on with the same data (at the same,
    the higher or the lower rate) does not get beyond it.
rate too high
    Training on at a tenth of the rate gives a better network, also than at the same and at the
    higher rate.
too few data
    Training on with the whole pool and true targets gives a better network, also than every way
    with the network's own data, and than the earlier moment.
decay too large
    Training on without weight decay gives a better network, also than with it at the same rate.
well trained
    Nothing that changes the training on the network's own data gives a better one: not training on
    at any rate, not less decay, not an earlier moment. More data may.

An action is right where what it advises gives a better network: ``train longer`` (the same rate),
``raise the rate`` (also better than the same rate), ``lower the rate or stop earlier`` (rate too
high, or over-fitted), ``more data``.

A layer is **at its random start** where it was drawn at random and has moved by less than 5 % of
its Frobenius norm (a frozen one by nothing); it is **half dead** where half of its rows are zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies.verdicts._plan import ARMS

Table = NDArray[np.float64]
_RELATIVE, _ABSOLUTE, _ERRORS = 0.03, 0.01, 2.0
#: A layer that has moved by less than this share of its norm is at its start.
UNMOVED = 0.05
DIAGNOSES = (
    *("under-trained", "over-fitted", "rate too high", "too few data", "decay too large"),
    "well trained",
)
ACTIONS = ("train longer", "raise the rate", "lower the rate or stop earlier", "more data")
STATEMENTS = (*DIAGNOSES, *ACTIONS)


@dataclass(frozen=True)
class Outcomes:
    """Held-out losses of one network and of what became of it.

    Args:
        losses: name to losses ``(repeats, n)`` on the same n examples; ``checkpoint`` and
            ``earlier`` have one row.
    """

    losses: Mapping[str, Table]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Outcomes:
        """Return the outcomes that a task measured."""
        names = ("checkpoint", "earlier", *ARMS)
        return cls({name: np.atleast_2d(np.asarray(found[name], np.float64)) for name in names})

    def mean(self, name: str) -> float:
        """Return a mean loss; infinite where it is not finite."""
        value = float(self.losses[name].mean())
        return value if math.isfinite(value) else math.inf

    def better(self, name: str, other: str) -> bool:
        """Whether one outcome is better than another, beyond noise.

        >>> rows = {"a": np.full((2, 50), 1.0), "b": np.full((1, 50), 2.0)}
        >>> Outcomes(rows).better("a", "b"), Outcomes(rows).better("b", "a")
        (True, False)
        """
        gain = self.mean(other) - self.mean(name)
        if math.isnan(gain):  # neither is finite
            return False
        if math.isinf(gain):
            return gain > 0
        least = max(_RELATIVE * self.mean(other), _ABSOLUTE)
        return gain > least and gain > _ERRORS * self._error(name, other)

    def _error(self, name: str, other: str) -> float:
        a, b = self.losses[name], self.losses[other]
        paired = b.mean(axis=0) - a.mean(axis=0)
        over_examples = paired.var(ddof=1) / len(paired)
        repeated = [1 / len(rows) for rows in (a, b) if len(rows) > 1]
        return math.sqrt(over_examples + self._repeats() * sum(repeated))

    def _repeats(self) -> float:
        """Return the variance of an arm's mean loss over repeats, pooled over the arms."""
        rows = [x.mean(axis=1) for x in self.losses.values() if len(x) > 1]
        variances = [float(means.var(ddof=1)) for means in rows if np.isfinite(means).all()]
        return float(np.mean(variances)) if variances else 0.0


def truths(outcomes: Outcomes) -> dict[str, bool]:
    """Return whether each statement is true of a network."""
    better = outcomes.better

    def helps(name: str) -> bool:
        return better(name, "checkpoint")

    longer = [arm for arm in ("same", "higher") if helps(arm) and not better("earlier", arm)]
    own = ("same", "higher", "lower")
    earlier = helps("earlier") and not any(better(arm, "earlier") for arm in own)
    lower = helps("lower") and better("lower", "same") and better("lower", "higher")
    data = helps("more data") and all(better("more data", arm) for arm in (*own, "earlier"))
    higher = "higher" in longer and better("higher", "same")
    return {
        "under-trained": bool(longer),
        "over-fitted": earlier,
        "rate too high": lower,
        "too few data": data,
        "decay too large": helps("no decay") and better("no decay", "same"),
        "well trained": not any(helps(arm) for arm in (*own, "no decay", "earlier")),
        "train longer": "same" in longer,
        "raise the rate": higher,
        "lower the rate or stop earlier": lower or earlier,
        "more data": data,
    }
