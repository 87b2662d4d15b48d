"""The options of a spectral examination, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eigenscape.layers import LayerOptions
from eigenscape.spectra.metrics._registry import costly_metrics

FITS = ("ks", "peak", "peak-reference", "small")
PRECISIONS = ("float64", "float32")
_NAMED_FRACTIONS = {"median": 0.5, "third": 1 / 3}
_CHOICES = {"fit": FITS, "precision": PRECISIONS, "hill": ("code", "paper")}


@dataclass(frozen=True, kw_only=True)
class SpectraOptions(LayerOptions):
    """What to examine and how; the defaults are those of the published method where it has one.

    The fields of :class:`~eigenscape.layers.LayerOptions` say which layers, and as what.

    Args:
        xmin: where the Hill tail begins: ``"median"`` (TempBalance, AlphaPruning), ``"third"`` (the
            top third, as in low-data TempBalance on RoBERTa), or the fraction of the eigenvalues.
        hill: ``"code"`` counts the threshold itself into the tail, as the published code does;
            ``"paper"`` does not, as equation 2 of Liu et al. (2024) reads.
        fit: how the fitted power law finds its xmin. ``"ks"``: the smallest Kolmogorov-Smirnov
            distance over all (Clauset et al. 2009); ``"peak"``: the same within 0.95 to 1.5 times
            the histogram's peak; ``"peak-reference"``: the window of the published code, whose
            lower end is a logarithm by mistake; ``"small"``: bias-corrected, tails of at least 8.
        precision: ``"float64"``, or ``"float32"`` with the a-posteriori check and fallback.
        windows: width of square windows, cut from each matrix and pooled (FARMS, Hu et al. 2025).
            None for whole matrices.
        window_steps: how many such windows along each dimension.
        metrics: costly additions by name: ``"shuffle"``, ``"tpl"``, ``"bottom"``, and those that
            were registered with ``on_request=True``.
        device: where the eigenvalues are computed; ``"auto"`` is the first GPU, or the CPU.
        seed: of the shuffled comparison.

    Raises:
        InputError: naming every option out of its range, at once.

    >>> SpectraOptions(xmin="third").fraction
    0.3333333333333333
    """

    xmin: str | float = "median"
    hill: str = "code"
    fit: str = "ks"
    precision: str = "float64"
    windows: int | None = None
    window_steps: int = 9
    metrics: tuple[str, ...] = ()
    device: str = "auto"
    seed: int = 0

    def _sequences(self) -> tuple[str, ...]:
        return (*super()._sequences(), "metrics")

    def _problems(self) -> list[str]:
        problems = [
            f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}"
            for name, choices in _CHOICES.items()
            if getattr(self, name) not in choices
        ]
        costly = costly_metrics()
        unknown = [name for name in self.metrics if name not in costly]
        if unknown:
            problems.append(f"metrics must be among {', '.join(costly)}; got {', '.join(unknown)}")
        return [*problems, *super()._problems(), *self._bad_numbers()]

    def _bad_numbers(self) -> list[str]:
        problems = []
        try:
            fraction = self.fraction
        except (TypeError, ValueError):
            fraction = math.nan
        if not 0 < fraction < 1:
            problems.append(
                f"xmin must be 'median', 'third' or a fraction between 0 and 1; got {self.xmin!r}"
            )
        if self.windows is not None and self.windows < 2:
            problems.append(f"windows must be at least 2 wide; got {self.windows}")
        if self.window_steps < 1:
            problems.append(f"window_steps must be at least 1; got {self.window_steps}")
        return problems

    @property
    def fraction(self) -> float:
        """The share of the eigenvalues that counts as the Hill tail."""
        if isinstance(self.xmin, str) and self.xmin in _NAMED_FRACTIONS:
            return _NAMED_FRACTIONS[self.xmin]
        return float(self.xmin)

    @property
    def torch_device(self) -> str:
        """The device behind ``"auto"``."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
