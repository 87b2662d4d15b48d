"""The settings of one experiment, checked as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from eigenscape.errors import InputError
from eigenscape_studies.laboratory._links import LINKS

FeatureScale = Literal["paper", "reference_code", "both"]
FEATURE_SCALES = ("paper", "reference_code", "both")
MEASURES = ("teacher", "alignment", "readout", "overlap")
_SIZES = {"n": 2, "d": 2, "h": 2, "n_test": 1, "decay_every": 1, "probe_every": 1, "block": 1}


@dataclass(frozen=True, kw_only=True)
class LabOptions:
    """A single-index teacher, a two-layer student, and how the student is trained.

    Defaults are the paper's (Kothapalli et al. 2024, arXiv 2406.04657: the committed settings of
    its experiments), but for ``n_test``: 200 samples leave the test loss an error as large as the
    effects.

    Args:
        n: samples of the training set, and of the probe set.
        d: input dimension.
        h: hidden width; W is h x d.
        n_test: samples of the test set.
        link: the teacher's link, one of ``LINKS``.
        noise: the standard deviation of the label noise, on all three sets.
        optimizer: ``"adam"`` or ``"gd"``, always on the full batch.
        learning_rate: of the first step.
        steps: optimizer steps.
        momentum: of gradient descent.
        betas: Adam's two decay rates.
        eps: what Adam adds to the root of its second moment.
        weight_decay: added to the gradient, as in torch.
        decay: the learning rate is multiplied by this every ``decay_every`` steps.
        decay_every: see ``decay``.
        weight_norm: rescale W to Frobenius norm sqrt(h d) before each forward pass.
        ridge: the strength lambda of the ridge read-out.
        feature_scale: ``"paper"``: read-out features tanh(W x / sqrt d). ``"reference_code"``:
            tanh(W x / d), which the published code computes. ``"both"`` reports both.
        measures: what is measured besides the spectrum: ``teacher`` (similarity), ``alignment``
            (kernel-target), ``readout`` (ridge losses), ``overlap`` (weights and updates).
        probes: the steps at which ``measures`` are taken; None for every ``probe_every``-th and
            the last.
        probe_every: see ``probes``.
        every_step: take the spectrum at every step, and not at the probed ones alone.
        block: how many singular vectors count as the top block.
        dtype: ``"float32"`` or ``"float64"``, of training.
        seed: of teacher, student and data.

    Raises:
        InputError: all that is wrong, at once.

    >>> LabOptions(n=400, d=200, h=300).steps
    10
    """

    n: int = 2000
    d: int = 1000
    h: int = 1500
    n_test: int = 2000
    link: str = "softplus"
    noise: float = 0.3
    optimizer: str = "adam"
    learning_rate: float = 1.0
    steps: int = 10
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay: float = 1.0
    decay_every: int = 1
    weight_norm: bool = False
    ridge: float = 0.01
    feature_scale: FeatureScale = "paper"
    measures: tuple[str, ...] = MEASURES
    probes: tuple[int, ...] | None = None
    probe_every: int = 1
    every_step: bool = True
    block: int = 10
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        problems = [*self._wrong_sizes(), *self._wrong_names(), *self._wrong_numbers()]
        if problems:
            raise InputError("; ".join(problems))

    def _wrong_sizes(self) -> list[str]:
        found = [
            f"{name} is {getattr(self, name)!r}; expected a whole number of {least} or more"
            for name, least in {**_SIZES, "steps": 0, "seed": 0}.items()
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least
        ]
        if self.probes is not None and any(step < 0 for step in self.probes):
            found.append(f"probes are {self.probes}; expected steps of 0 or more")
        return found

    def _wrong_names(self) -> list[str]:
        choices = {
            "link": LINKS,
            "optimizer": ("adam", "gd"),
            "feature_scale": FEATURE_SCALES,
            "dtype": ("float32", "float64"),
        }
        found = [
            f"{name} is {getattr(self, name)!r}; expected one of {', '.join(allowed)}"
            for name, allowed in choices.items()
            if getattr(self, name) not in allowed
        ]
        if unknown := [name for name in self.measures if name not in MEASURES]:
            found.append(f"measures has {', '.join(unknown)}; expected of {', '.join(MEASURES)}")
        return found

    def _wrong_numbers(self) -> list[str]:
        positive = {name: getattr(self, name) for name in ("learning_rate", "eps", "ridge")}
        others = {name: getattr(self, name) for name in ("noise", "momentum", "weight_decay")}
        found = [
            f"{name} is {value}; expected a finite number above 0"
            for name, value in positive.items()
            if not (math.isfinite(value) and value > 0)
        ]
        found += [
            f"{name} is {value}; expected a finite number of 0 or more"
            for name, value in others.items()
            if not (math.isfinite(value) and value >= 0)
        ]
        if not 0 < self.decay <= 1:
            found.append(f"decay is {self.decay}; expected a factor in (0, 1]")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            found.append(f"betas are {self.betas}; expected two numbers in [0, 1)")
        return found

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of the ``step``-th update; 1 is the first.

        >>> LabOptions(learning_rate=1.0, decay=0.5, decay_every=2).learning_rate_at(5)
        0.25
        """
        return self.learning_rate * self.decay ** ((step - 1) // self.decay_every)

    def probed(self, step: int) -> bool:
        """Whether the costly measures are taken at ``step``."""
        if self.probes is not None:
            return step in self.probes
        return step % self.probe_every == 0 or step == self.steps
