"""How metrics are measured: thresholds hold under one protocol only."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Self

from eigenscape.diagnosis._metrics import PUBLISHED_PROTOCOL, Protocol, Scalar
from eigenscape.errors import InputError


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """The protocol of the metrics: that of Zhou et al. (ICML 2024), but for the curve.

    Args:
        hessian_samples: training samples of the trace; the published tables have one batch of 200.
        probes: Rademacher probes of each trace. The published ones stop early by a rule of their
            own, after a median of about 19.
        curve_steps: steps of gradient descent of each curve, for any amount of data: the
            papers' rule, with fewer steps (theirs are about 19,500, for networks a thousand times
            as large).
        curve_batch: samples a step.
        curve_rate: learning rate of the curve at its start.
        curve_momentum: of gradient descent.
        curve_decay: the loss has a term ``curve_decay / 2 * ||theta(t)||^2``.
        curve_points: equally spaced points from end to end at which errors are taken.
        curve_bend: ``"midpoint"`` of the line (Garipov et al. 2018). Published curves begin at
            random weights, which needs many more steps.
        cka_samples: training samples of the CKA, in batches of 128.
        mixup: the alpha of the mixup within each batch.
        seed: of probes, of the order of the curve's data, of mixup.

    Raises:
        InputError: all that is wrong, at once.

    >>> MeasureOptions().to_protocol(classes=10)["curve_bend"]
    'midpoint'
    """

    hessian_samples: int = 200
    probes: int = 32
    curve_steps: int = 300
    curve_batch: int = 128
    curve_rate: float = 0.02
    curve_momentum: float = 0.9
    curve_decay: float = 5e-4
    curve_points: int = 5
    curve_bend: str = "midpoint"
    cka_samples: int = 768
    mixup: float = 16.0
    seed: int = 0

    def __post_init__(self) -> None:
        least = {
            "hessian_samples": 1,
            "probes": 2,
            "curve_steps": 1,
            "curve_batch": 2,
            "curve_points": 3,
            "cka_samples": 4,
            "seed": 0,
        }
        wrong = [
            f"{name} is {getattr(self, name)!r}; expected a whole number of {low} or more"
            for name, low in least.items()
            if not isinstance(getattr(self, name), int) or getattr(self, name) < low
        ]
        wrong += [
            f"{name} is {getattr(self, name)!r}; expected a number above 0"
            for name in ("curve_rate", "mixup")
            if not (
                isinstance(getattr(self, name), int | float) and 0 < getattr(self, name) < math.inf
            )
        ]
        for name, below in (("curve_momentum", 1.0), ("curve_decay", math.inf)):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < below):
                wrong.append(f"{name} is {value!r}; expected 0 or more, below {below:g}")
        if self.curve_bend not in ("midpoint",):
            wrong.append(f"curve_bend is {self.curve_bend!r}; expected 'midpoint'")
        if wrong:
            raise InputError("; ".join(wrong))

    def to_protocol(self, *, classes: int) -> dict[str, Scalar]:
        """Return the protocol, item by item, as a population states it."""
        hessian = (
            f"mean cross-entropy, one batch of {self.hessian_samples} training samples, eval mode, "
            "all parameters"
        )
        said = {
            "classes": classes,
            "train_error": PUBLISHED_PROTOCOL["train_error"],
            "hessian": hessian,
            "hessian_scale": PUBLISHED_PROTOCOL["hessian_scale"],
            "curve": f"quadratic Bezier, train error at {_places(self.curve_points)}, batch norm "
            "refreshed",
            "connectivity": PUBLISHED_PROTOCOL["connectivity"],
            "cka": "linear, softmax outputs, training images mixed by mixup "
            f"Beta({self.mixup:g}, {self.mixup:g})",
        }
        return {**said, **{f.name: getattr(self, f.name) for f in fields(self) if f.name != "seed"}}

    @classmethod
    def from_protocol(cls, protocol: Protocol) -> Self:
        """Return the options that a population was measured with.

        Raises:
            InputError: it does not state them: it was not measured by this package.
        """
        names = [f.name for f in fields(cls) if f.name != "seed"]
        missing = [name for name in names if name not in protocol]
        if missing:
            raise InputError(
                "the population does not state how its metrics were measured in enough detail to "
                f"measure a model the same way (it lacks {', '.join(missing)}). Try: train a "
                "population ('eigenscape diagnose grow'), or give a model's metrics, measured "
                "as the population's were, as a JSON file"
            )
        values: dict[str, Any] = {name: protocol[name] for name in names}
        return cls(**values)


def _places(points: int) -> str:
    """Write where a curve is looked at, as the published protocol does.

    >>> _places(5), _places(9)
    ('t = 0, .25, .5, .75, 1', '9 equally spaced t')
    """
    return "t = 0, .25, .5, .75, 1" if points == 5 else f"{points} equally spaced t"
