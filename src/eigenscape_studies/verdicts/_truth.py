"""The truth about a network: what would have helped it, on held-out data, beyond noise.

Fixed before any rule was looked at. Held-out losses are in nats. ``A is better than B`` where its
loss is lower by more than 3 % of B's and by more than 0.01, and by more than two standard errors:
of the paired difference over held-out examples, and of repeats of the continued trainings (the
variance of each way to continue, pooled over the seeds of a family and regime).

Each of these is true or not, and several may be true of one network:

under-trained
    Training on, at the same rate or at 5 or 50 times the rate, gives a better network, and no
    earlier moment of the training was better than that.
over-fitted
    An earlier moment of the training was better, and training on with the same data, at any of the
    four rates, does not get beyond it.
rate too high
    Training on at a tenth of the rate gives a better network, also than at each other rate.
too few data
    Training on with the whole pool and true targets gives a better network, also than every way
    with the network's own data, and than the earlier moment.
decay too large
    Training on without weight decay gives a better network, also than with it at the same rate.
well trained
    Nothing that changes the training on the network's own data gives a better one: not training on
    at any rate, not less decay, not an earlier moment. More data may.

An action is right where what it advises gives a better network: ``train longer`` (the same rate),
``raise the rate`` (5 or 50 times, and better than the same rate), ``more data``, and
``lower the rate or stop earlier`` (rate too high, or over-fitted).

A layer is **at its random start** where it was drawn at random and has moved by less than 5 % of
its Frobenius norm (a frozen one by nothing). On the building half, layers that had moved by 5 to
20 % could not be told from these, and none had moved by 20 to 30 %: so a second truth was added, of
a layer **near its random start**, which has moved by less than 25 %. That was before the other half
was looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies.verdicts._plan import ARMS, RATES

Table = NDArray[np.float64]
_RELATIVE, _ABSOLUTE, _ERRORS = 0.03, 0.01, 2.0
#: What may be true of a layer: the share of its norm by which it has moved is below this.
MOVED = {"at its random start": 0.05, "near its random start": 0.25}
#: Outcomes that are measured once.
FIXED = ("checkpoint", "earlier")
DIAGNOSES = (
    *("under-trained", "over-fitted", "rate too high", "too few data", "decay too large"),
    "well trained",
)
ACTIONS = ("train longer", "raise the rate", "lower the rate or stop earlier", "more data")
STATEMENTS = (*DIAGNOSES, *ACTIONS)
LAYER_STATEMENTS = tuple(MOVED)


@dataclass(frozen=True)
class Outcomes:
    """Held-out losses of one network and of what became of it.

    Args:
        losses: name to losses ``(repeats, n)`` on the same n examples; ``checkpoint`` and
            ``earlier`` have one row.
        noise: name to the variance of a repeat's mean loss; none for the two.
    """

    losses: Mapping[str, Table]
    noise: Mapping[str, float]

    @classmethod
    def of(cls, found: Mapping[str, Any], noise: Mapping[str, float]) -> Outcomes:
        """Return the outcomes that a task measured."""
        return cls({name: _table(found[name]) for name in (*FIXED, *ARMS)}, noise)

    def mean(self, name: str) -> float:
        """Return a mean loss; infinite where it is not finite."""
        value = float(self.losses[name].mean())
        return value if math.isfinite(value) else math.inf

    def better(self, name: str, other: str) -> bool:
        """Whether one outcome is better than another, beyond noise.

        >>> rows = {"a": np.full((2, 50), 1.0), "b": np.full((1, 50), 2.0)}
        >>> Outcomes(rows, {"a": 0.1}).better("a", "b"), Outcomes(rows, {"a": 0.6}).better("a", "b")
        (True, False)
        """
        gain = self.mean(other) - self.mean(name)
        if not math.isfinite(gain):  # one of them diverged, or both did
            return gain == math.inf
        least = max(_RELATIVE * self.mean(other), _ABSOLUTE)
        return gain > least and gain > _ERRORS * self._error(name, other)

    def _error(self, name: str, other: str) -> float:
        a, b = self.losses[name], self.losses[other]
        paired = b.mean(axis=0) - a.mean(axis=0)
        over_examples = float(paired.var(ddof=1)) / len(paired)
        over_repeats = sum(
            self.noise.get(each, 0.0) / len(self.losses[each]) for each in (name, other)
        )
        return math.sqrt(over_examples + over_repeats)


def _table(losses: Any) -> Table:
    return np.atleast_2d(np.asarray(losses, np.float64))


def repeat_noise(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the variance of a repeat's mean loss for each arm, pooled over networks of one kind.

    Repeats that diverged are left out; an arm of which no two remain has a variance of 0.

    >>> losses = {arm: [np.array([1.0, 1.0]), np.array([2.0, 4.0])] for arm in ARMS}
    >>> repeat_noise([losses, losses])["same"]
    2.0
    """
    noise = {}
    for arm in ARMS:
        variances = []
        for each in found:
            means = _table(each[arm]).mean(axis=1)
            if len(means) > 1 and np.isfinite(means).all():
                variances.append(float(means.var(ddof=1)))
        noise[arm] = float(np.mean(variances)) if variances else 0.0
    return noise


def truths(outcomes: Outcomes) -> dict[str, bool]:
    """Return whether each statement is true of a network."""
    better = outcomes.better

    def helps(name: str) -> bool:
        return better(name, "checkpoint")

    raised = ("higher", "far higher")
    own = tuple(RATES)
    longer = {x for x in ("same", *raised) if helps(x) and not better("earlier", x)}
    earlier = helps("earlier") and not any(better(arm, "earlier") for arm in own)
    lower = helps("lower") and all(better("lower", x) for x in ("same", *raised))
    data = helps("more data") and all(better("more data", x) for x in (*own, "earlier"))
    return {
        "under-trained": bool(longer),
        "over-fitted": earlier,
        "rate too high": lower,
        "too few data": data,
        "decay too large": helps("no decay") and better("no decay", "same"),
        "well trained": not any(helps(arm) for arm in (*own, "no decay", "earlier")),
        "train longer": "same" in longer,
        "raise the rate": any(x in longer and better(x, "same") for x in raised),
        "lower the rate or stop earlier": lower or earlier,
        "more data": data,
    }
