"""Which experiments the study runs, at which size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from eigenscape.theory import first_step
from eigenscape_studies.laboratory import LabOptions, link_moments

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


@dataclass(frozen=True)
class Scale:
    """Sizes of a scale.

    Args:
        d: input dimension; h is 1.5 d.
        seeds: repeats.
    """

    d: int
    seeds: int

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
        return {"n": n, "d": self.d, "h": 3 * self.d // 2, "seed": seed, "feature_scale": "both"}

    def gd(self, rate: float) -> float:
        """Return a rate of gradient descent given for d = 1000."""
        return rate * self.d / 1000

    def rate(self, optimizer: str, rate: float) -> float:
        """Return a rate given for d = 1000; Adam's are the same at every size."""
        return self.gd(rate) if optimizer == "gd" else rate


#: The paper's own sizes, and a fifth of them.
PLANS = {"paper": Scale(1000, 3), "small": Scale(200, 5)}


def experiments(scale: Scale, seeds: int) -> dict[Cell, LabOptions]:
    """Return every experiment of the study."""
    found: dict[Cell, LabOptions] = {}
    for seed in range(seeds):
        for cell, settings in _one_seed(scale, seed):
            found[cell] = LabOptions(**settings)
    return found


def _one_seed(scale: Scale, seed: int) -> Iterator[tuple[Cell, dict[str, Any]]]:
    yield from _losses(scale, seed)  # the longest first, so that no core is left alone at the end
    few = scale.sizes(scale.few, seed)
    probed = {
        **few, "every_step": False, "measures": ("teacher", "alignment", "readout"),
    }  # fmt: skip
    both = [("adam", rate) for rate in _ADAM] + [("gd", scale.gd(rate)) for rate in _GD]
    for optimizer, rate in both:
        settings = {"optimizer": optimizer, "learning_rate": rate}
        yield Cell("rates", optimizer, rate, seed), {**probed, **settings, "probes": (0, 1, 10)}
    for optimizer, rate in NORMED:
        rate = scale.rate(optimizer, rate)
        settings = {"optimizer": optimizer, "learning_rate": rate, "weight_norm": True}
        yield Cell("normed", optimizer, rate, seed), {**probed, **settings, "probes": (0, 10)}
    paths = {**few, "measures": ("teacher", "overlap")}
    for optimizer, rate in PATHS:
        rate = scale.rate(optimizer, rate)
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


def _losses(scale: Scale, seed: int) -> Iterator[tuple[Cell, dict[str, Any]]]:
    many = {**scale.sizes(scale.many, seed), "measures": ("readout",), "every_step": False}
    for rate in LOSS_RATES:
        settings = {"learning_rate": rate, "probes": LOSS_PROBES}
        yield Cell("losses", "adam", rate, seed), {**many, **settings}
    ends = {**many, "probes": (0, 10)}
    for noise in (noise for noise in NOISES if noise != 0.3):  # 0.3 is the first loop's
        yield Cell("noise", "adam", noise, seed), {**ends, "noise": noise}
    for gamma in GAMMAS:
        yield Cell("schedule", "adam", gamma, seed), {**ends, "decay": gamma, "probes": (10,)}
    for n in (scale.d // 2, scale.few, 4 * scale.d):
        yield Cell("samples", "adam", n, seed), {**ends, "n": n}
