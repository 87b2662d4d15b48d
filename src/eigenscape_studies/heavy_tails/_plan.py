"""Which experiments the study runs, at which size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from eigenscape.theory import first_step
from eigenscape_studies import Plan
from eigenscape_studies.laboratory import LabOptions, link_moments

#: What the strip of spectra shows: optimizer and rate at d = 1000.
SHOWN = (("adam", 0.01), ("adam", 1.0), ("gd", 2000.0))
#: Optimizers by their names in pictures.
OPTIMIZERS = {"adam": "Adam", "gd": "gradient descent"}
#: Multiples of the theory's threshold at which one step is taken.
_AROUND = (0.25, 0.5, 0.8, 1.0, 1.25, 1.6, 2.0, 3.0, 5.0)
_ADAM = (0.01, 0.03, 0.05, 0.1, 0.3, 1.0, 10.0)
_GD = (100.0, 1000.0, 1250.0, 1500.0, 2000.0, 3000.0, 10000.0)  # at d = 1000; they scale with d
PATHS = (("adam", 0.01), ("adam", 1.0), ("adam", 10.0), ("gd", 2000.0), ("gd", 3000.0))
GAMMAS = (0.2, 0.4, 0.6, 0.8)
NOISES = (0.1, 0.3, 0.5, 0.7)
RIDGES = (0.1, 0.01, 0.001, 0.0001)
LOSS_RATES = (0.01, 0.1, 0.3, 1.0)
LOSS_PROBES = (0, 1, 2, 4, 10)
NORMED = (("adam", 0.1), ("adam", 1.0), ("adam", 10.0), ("gd", 2000.0))


class Cell(NamedTuple):
    """One experiment's place in the study: series, optimizer, the value that is varied, seed."""

    series: str
    optimizer: str
    value: float
    seed: int

    @property
    def name(self) -> str:
        """The name of its task."""
        return f"{self.series} {self.optimizer} {self.value:g} seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class HeavyTailsPlan(Plan):
    """Sizes of a plan.

    Args:
        d: input dimension; the hidden width h is 1.5 d.
    """

    d: int

    @property
    def h(self) -> int:
        """Hidden width."""
        return 3 * self.d // 2

    @property
    def few(self) -> int:
        """Samples at n = 2 d, the size of the paper's spectra."""
        return 2 * self.d

    @property
    def many(self) -> int:
        """Samples at n = 8 d, the size of the paper's loss curves."""
        return 8 * self.d

    def sizes(self, n: int, seed: int) -> dict[str, Any]:
        """Return what all experiments of this scale share."""
        return {"n": n, "d": self.d, "h": self.h, "seed": seed, "feature_scale": "both"}

    def gd(self, rate: float) -> float:
        """Return a rate of gradient descent given for d = 1000."""
        return rate * self.d / 1000

    def rate(self, optimizer: str, rate: float) -> float:
        """Return a rate given for d = 1000; Adam's are the same at every size."""
        return self.gd(rate) if optimizer == "gd" else rate


#: A fifth of the paper's own sizes, and these.
PLANS = {
    "small": HeavyTailsPlan(d=200, seeds=tuple(range(5))),
    "paper": HeavyTailsPlan(d=1000, seeds=tuple(range(3))),
}


def experiments(plan: HeavyTailsPlan) -> dict[Cell, LabOptions]:
    """Return every experiment of the study."""
    found: dict[Cell, LabOptions] = {}
    for seed in plan.seeds:
        for cell, settings in _one_seed(plan, seed):
            found[cell] = LabOptions(**settings)
    return found


def _one_seed(plan: HeavyTailsPlan, seed: int) -> Iterator[tuple[Cell, dict[str, Any]]]:
    yield from _losses(plan, seed)  # the longest first, so that no core is left alone at the end
    few = plan.sizes(plan.few, seed)
    measures = ("teacher", "alignment", "readout")
    probed = {**few, "every_step": False, "measures": measures}
    both = [("adam", rate) for rate in _ADAM] + [("gd", plan.gd(rate)) for rate in _GD]
    for optimizer, rate in both:
        settings = {"optimizer": optimizer, "learning_rate": rate}
        yield Cell("rates", optimizer, rate, seed), {**probed, **settings, "probes": (0, 1, 10)}
    for optimizer, rate in NORMED:
        rate = plan.rate(optimizer, rate)
        settings = {"optimizer": optimizer, "learning_rate": rate, "weight_norm": True}
        yield Cell("normed", optimizer, rate, seed), {**probed, **settings, "probes": (0, 10)}
    paths = {**few, "measures": ("teacher", "overlap")}
    for optimizer, rate in PATHS:
        rate = plan.rate(optimizer, rate)
        yield (
            Cell("paths", optimizer, rate, seed),
            {**paths, "optimizer": optimizer, "learning_rate": rate},
        )
    yield Cell("decayed path", "adam", 0.6, seed), {**paths, "decay": 0.6}
    for optimizer in ("adam", "gd"):
        theory = first_step(optimizer, few["n"], few["d"], few["h"], link_moments("softplus"))
        for multiple in _AROUND:
            settings = {"optimizer": optimizer, "learning_rate": multiple * theory.threshold}
            yield (
                Cell("threshold", optimizer, multiple, seed),
                {**few, **settings, "steps": 1, "measures": ("teacher",), "probes": (1,)},
            )


def _losses(plan: HeavyTailsPlan, seed: int) -> Iterator[tuple[Cell, dict[str, Any]]]:
    many = {**plan.sizes(plan.many, seed), "measures": ("readout",), "every_step": False}
    for rate in LOSS_RATES:
        settings = {"learning_rate": rate, "probes": LOSS_PROBES}
        yield Cell("losses", "adam", rate, seed), {**many, **settings}
    ends = {**many, "probes": (0, 10)}
    for noise in (noise for noise in NOISES if noise != 0.3):  # 0.3 is the first loop's
        yield Cell("noise", "adam", noise, seed), {**ends, "noise": noise}
    for gamma in GAMMAS:
        yield Cell("schedule", "adam", gamma, seed), {**ends, "decay": gamma, "probes": (10,)}
    for n in (plan.d // 2, plan.few, 4 * plan.d):
        yield Cell("samples", "adam", n, seed), {**ends, "n": n}
