"""Everything that a spectral examination can be asked, in one frozen, checked object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from eigenscape.errors import InputError

FITS = ("ks", "peak", "peak-reference", "small")
CONVOLUTIONS = ("slices", "flatten", "fft")
PRECISIONS = ("float64", "float32")
COSTLY_METRICS = ("shuffle", "tpl", "bottom")
_NAMED_FRACTIONS = {"median": 0.5, "third": 1 / 3}
_CHOICES = {
    "fit": FITS,
    "conv": CONVOLUTIONS,
    "precision": PRECISIONS,
    "hill": ("code", "paper"),
}


@dataclass(frozen=True, kw_only=True)
class SpectraOptions:
    """What to examine and how; the defaults are those of the published method where it has one.

    Args:
        xmin: where the Hill tail begins: ``"median"`` (TempBalance, AlphaPruning), ``"third"`` (the
            top third, as in low-data TempBalance on RoBERTa), or the fraction of the eigenvalues.
        hill: ``"code"`` counts the threshold itself into the tail, as the published code does;
            ``"paper"`` does not, as equation 2 of Liu et al. (2024) reads.
        fit: how the fitted power law finds its xmin. ``"ks"``: the smallest Kolmogorov-Smirnov
            distance over all (Clauset et al. 2009); ``"peak"``: the same within 0.95 to 1.5 times
            the histogram's peak; ``"peak-reference"``: the window of the published code, whose
            lower end is a logarithm by mistake; ``"small"``: bias-corrected, tails of at least 8.
        conv: a convolution is read as its kernel ``"slices"`` (each scaled by the square root of
            1/2, as published), ``"flatten"`` (one matrix), or ``"fft"`` (one complex matrix for
            each frequency of an 8-wide torus).
        split_qkv: read fused query-key-value layers as three matrices.
        split_experts: one row for each expert of a 3-D stack, instead of one pooled row.
        embeddings: examine embeddings too.
        lora_scale: the factor on B A in the merged matrix; by default from the adapter's own file.
        include: glob patterns of layer names to examine; empty means all.
        exclude: glob patterns of layer names to leave out.
        kinds: glob pattern of a tensor name to the kind that it shall be read as.
        min_eigenvalues: layers with fewer are listed, not examined. Power-law fits to fewer than
            about 16 values say nothing.
        precision: ``"float64"``, or ``"float32"`` with the a-posteriori check and fallback.
        windows: None, or the width of square windows to pool (FARMS, Hu et al. 2025).
        window_steps: how many windows along each dimension.
        metrics: costly additions: ``"shuffle"``, ``"tpl"``, ``"bottom"``.
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
    conv: str = "slices"
    split_qkv: bool = False
    split_experts: bool = False
    embeddings: bool = False
    lora_scale: float | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    min_eigenvalues: int = 16
    precision: str = "float64"
    windows: int | None = None
    window_steps: int = 9
    metrics: tuple[str, ...] = ()
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("include", "exclude", "metrics"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        problems = [*self._bad_choices(), *self._bad_numbers()]
        if problems:
            raise InputError("; ".join(problems))

    def _bad_choices(self) -> list[str]:
        problems = [
            f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}"
            for name, choices in _CHOICES.items()
            if getattr(self, name) not in choices
        ]
        unknown = [name for name in self.metrics if name not in COSTLY_METRICS]
        if unknown:
            problems.append(
                f"metrics must be among {', '.join(COSTLY_METRICS)}; got {', '.join(unknown)}"
            )
        return problems

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
        if self.min_eigenvalues < 2:
            problems.append(f"min_eigenvalues must be at least 2; got {self.min_eigenvalues}")
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
        import torch  # not at the top: the command's help must not wait for torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain types."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**plain, "kinds": dict(self.kinds)}
