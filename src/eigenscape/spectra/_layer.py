"""One row of the layer table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.layers import LayerMatrix
from eigenscape.spectra._description import Description, dead, describe
from eigenscape.spectra.metrics._registry import MetricContext, measure

_FEWEST_BINS, _MOST_BINS = 12, 60
#: Dispersion beyond which entries were not drawn independently: of 16 rows of independent entries
#: two matrices in ten thousand go so far, of 64 rows and more fewer than one.
_DEPARTS = 5.0
#: Dispersion below which layers were judged by the study ``verdicts`` as if at a random start.
_INDEPENDENT = 3.0


@dataclass(frozen=True)
class Histogram:
    """The density of log10(eigenvalue): counts in equal bins between two ends.

    Args:
        low: log10 of the left end.
        high: log10 of the right end.
        counts: eigenvalues in each bin.
    """

    low: float
    high: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, eigenvalues: NDArray[np.float64], bins: int | None = None) -> Histogram:
        """Count positive eigenvalues, by default in about 2 sqrt(n) bins.

        >>> Histogram.of(np.array([1.0, 10.0, 100.0]), bins=2).counts
        (1, 2)
        """
        if bins is None:
            usual = round(2 * math.sqrt(len(eigenvalues)))
            bins = min(max(usual, _FEWEST_BINS), _MOST_BINS)
        counts, edges = np.histogram(np.log10(eigenvalues), bins=bins)
        return cls(float(edges[0]), float(edges[-1]), tuple(int(count) for count in counts))


@dataclass(frozen=True, kw_only=True)
class LayerSpectrum:
    r"""Everything measured of one layer; NaN where a number has no value, and ``notes`` say why.

    With :math:`\lambda = \sigma^2` the eigenvalues of :math:`W W^T`:

    Args:
        layer: which layer it is; ``name``, ``kind``, ``block`` and the like are read from it.
        matrices: how many matrices were pooled.
        rows: of one matrix; without rows of zeros where those were left out.
        cols: of one matrix, likewise.
        notes: remarks on the numbers.
        n_eigenvalues: how many eigenvalues there are.
        zeros: how many of them rounding to the storage type alone could make.
        alpha_hill: PL_Alpha_Hill at the chosen tail fraction.
        alpha_hill_low: its smallest value as the tail grows or shrinks by a fifth, less two
            standard deviations of a random matrix's.
        alpha_hill_high: the largest, likewise.
        hill_threshold: the eigenvalue where the Hill tail begins.
        alpha_null: the same estimator on an infinite random matrix of this aspect ratio, exactly.
        alpha_null_low: the lower end of the 99 % band of random matrices of the same size, with
            normal or uniform entries.
        alpha_null_high: the upper end.
        alpha_excess: (alpha_hill - 1) / (alpha_null - 1): 1 is random, below 1 heavier-tailed.
        alpha_excess_low: its smallest value under the same changes as ``alpha_hill_low``, each
            against the null of the same tail.
        alpha_excess_high: the largest, likewise.
        fit: how the power law's xmin was chosen.
        alpha_ks: exponent of the fitted power law.
        xmin: where its tail begins.
        ks_distance: Kolmogorov-Smirnov distance of the fit.
        sigma: standard error of ``alpha_ks``, (alpha - 1) / sqrt(tail_size).
        tail_size: eigenvalues in the tail.
        alpha_hat: alpha_ks * log10(lambda_max).
        lambda_max: the largest eigenvalue.
        spectral_norm: the largest singular value.
        norm: the sum of the eigenvalues, the squared Frobenius norm.
        log_norm: log10 of it.
        log_spectral_norm: log10(lambda_max).
        log_alpha_norm: log10 of the sum of lambda ** alpha_ks.
        stable_rank: norm / lambda_max.
        rank: numerical rank at storage precision; None where the route cannot tell.
        entropy: of the eigenvalues' shares, over ln(rank), in [0, 1].
        row_dispersion: how much more the rows' norms vary than those of independent entries of one
            law, in standard deviations of these; below 0 they are more alike. Independent entries
            stay within 2 in 95 % of the layers.
        column_dispersion: the same of the columns.
        erg_size: eigenvalues in the smallest top tail with a product below 1 (mean scaled to 1).
        bulk_sigma: standard deviation of an entry of the fitted noise.
        bulk_edge: what the largest eigenvalue of such noise exceeds in one layer of a thousand.
        spikes: eigenvalues above that edge. The bulk of pooled matrices has one scale, so slices of
            unequal size count too: a kernel's centre that outgrew its corners.
        soft_rank: end of the bulk over lambda_max, at most 1.
        route: how the eigenvalues were computed.
        extras: the costly metrics that were asked for, and metrics of other packages.
        histogram: the spectrum's density, for pictures.
        description: what the spectrum is, and what that does not tell; None of a layer that could
            not be examined.
        eigenvalues: ascending; None after reading a result file.
    """

    layer: LayerMatrix
    matrices: int
    rows: int
    cols: int
    notes: tuple[str, ...] = ()
    n_eigenvalues: int
    zeros: int = 0
    alpha_hill: float = math.nan
    alpha_hill_low: float = math.nan
    alpha_hill_high: float = math.nan
    hill_threshold: float = math.nan
    alpha_null: float = math.nan
    alpha_null_low: float = math.nan
    alpha_null_high: float = math.nan
    alpha_excess: float = math.nan
    alpha_excess_low: float = math.nan
    alpha_excess_high: float = math.nan
    fit: str = "ks"
    alpha_ks: float = math.nan
    xmin: float = math.nan
    ks_distance: float = math.nan
    sigma: float = math.nan
    tail_size: int = 0
    alpha_hat: float = math.nan
    lambda_max: float = math.nan
    spectral_norm: float = math.nan
    norm: float = math.nan
    log_norm: float = math.nan
    log_spectral_norm: float = math.nan
    log_alpha_norm: float = math.nan
    stable_rank: float = math.nan
    rank: int | None = None
    entropy: float = math.nan
    row_dispersion: float = math.nan
    column_dispersion: float = math.nan
    erg_size: int = 0
    bulk_sigma: float = math.nan
    bulk_edge: float = math.nan
    spikes: int = 0
    soft_rank: float = math.nan
    route: str = ""
    extras: dict[str, int | float] = field(default_factory=dict)
    histogram: Histogram | None = None
    description: Description | None = None
    eigenvalues: NDArray[np.float64] | None = field(
        default=None, repr=False, compare=False, metadata={"saved": False}
    )

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def kind(self) -> str:
        """What the layer is."""
        return self.layer.kind

    @property
    def block(self) -> str | None:
        """The repeated block that the layer belongs to."""
        return self.layer.block

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape as stored."""
        return self.layer.shape

    @property
    def tensors(self) -> tuple[str, ...]:
        """The checkpoint's tensors behind the row."""
        return self.layer.tensors

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names of the same memory."""
        return self.layer.aliases

    @property
    def inferred(self) -> str:
        """How the kind was known."""
        return self.layer.inferred

    @property
    def dtype(self) -> str:
        """The storage type."""
        return self.layer.stored_as

    @property
    def parameters(self) -> int:
        """Entries behind the row."""
        return self.layer.parameters

    @property
    def independent(self) -> int:
        """How many eigenvalues do not follow from others."""
        return self.layer.independent

    @property
    def label(self) -> str | None:
        """The description's label."""
        return self.description.label if self.description else None

    @property
    def norm_dispersion(self) -> float:
        """The larger of the dispersions of rows and columns, either way; NaN without one."""
        both = (abs(self.row_dispersion), abs(self.column_dispersion))
        return max((value for value in both if math.isfinite(value)), default=math.nan)

    @property
    def left_its_start(self) -> bool:
        """Whether its norms vary as those of independent entries do not: no start keeps so."""
        return self.norm_dispersion > _DEPARTS

    @property
    def like_a_start(self) -> bool:
        """Whether its norms vary as those of independent entries do."""
        return self.norm_dispersion < _INDEPENDENT

    def number(self, name: str) -> float:
        """Return one number of the row by the name of its column.

        Raises:
            InputError: no such number; the message has those that there are.
        """
        value = getattr(self, name, None) if name in NUMBERS else self.extras.get(name)
        if value is None:
            raise InputError(
                f"the layer table has no metric {name!r}; it has "
                f"{', '.join((*NUMBERS, *self.extras))}"
            )
        return float(value)

    def columns(self) -> dict[str, Any]:
        """Return the row as it is in the table: the layer, every number, the label.

        >>> from eigenscape.spectra import analyze
        >>> import torch
        >>> row = analyze({"fc": torch.eye(20)}).layers[0].columns()
        >>> row["name"], row["n_eigenvalues"], row["label"]
        ('fc', 20, 'no-fit')
        """
        layer = self.layer
        head = {
            "name": layer.name,
            "kind": layer.kind,
            "block": layer.block,
            "shape": layer.shape,
            "matrices": self.matrices,
            "rows": self.rows,
            "cols": self.cols,
            "dtype": layer.stored_as,
            "parameters": layer.parameters,
            "tensors": layer.tensors,
            "aliases": layer.aliases,
            "inferred": layer.inferred,
            "notes": self.notes,
            "n_eigenvalues": self.n_eigenvalues,
            "independent": layer.independent,
        }
        rest = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in head and f.name not in _NO_COLUMNS
        }
        return {**head, **rest, "label": self.label, **self.extras}


#: Fields of a row that are no columns of the table.
_NO_COLUMNS = ("layer", "histogram", "description", "extras", "eigenvalues")
#: Columns of the table that hold a number for each layer.
NUMBERS = (
    "matrices",
    "rows",
    "cols",
    "parameters",
    "n_eigenvalues",
    "independent",
    *(
        f.name
        for f in fields(LayerSpectrum)
        if f.type in ("float", "int")
        and f.name not in ("matrices", "rows", "cols", "n_eigenvalues")
    ),
)


def row_of(context: MetricContext) -> LayerSpectrum:
    """Return the row of one layer from its eigenvalues: every metric, then the description."""
    spectrum = context.spectrum
    k, rows, cols = spectrum.stack
    positive = spectrum.positive
    empty, few = spectrum.largest == 0, len(positive) < context.options.min_eigenvalues
    numbers, extras = ({"norm": 0.0}, {}) if empty else measure(context, few=few)
    row = LayerSpectrum(
        layer=context.layer,
        matrices=k,
        rows=rows,
        cols=cols,
        n_eigenvalues=len(spectrum.values),
        zeros=len(spectrum.values) - len(positive),
        rank=spectrum.rank,
        lambda_max=spectrum.largest,
        route=spectrum.route,
        histogram=None if few else Histogram.of(positive),
        notes=(*_notes(context, empty=empty, few=few), *_no_band(numbers)),
        extras=extras,
        eigenvalues=spectrum.values,
        description=dead(context.layer.parameters) if empty else None,
        **numbers,
    )
    taken = sorted(extras.keys() & replace(row, extras={}).columns().keys())
    if taken:
        raise InputError(
            f"a metric returns {', '.join(taken)}, which is a column of every layer table. "
            "Try: names of its own"
        )
    return row if empty else replace(row, description=describe(row))


def _no_band(numbers: Mapping[str, Any]) -> list[str]:
    if math.isnan(numbers.get("alpha_null_low", 0.0)):
        return [
            "no band of random matrices: too few eigenvalues, or a tail fraction out of its table"
        ]
    return []


def _notes(context: MetricContext, *, empty: bool, few: bool) -> list[str]:
    spectrum, options = context.spectrum, context.options
    count = len(spectrum.positive)
    zeros = len(spectrum.values) - count
    notes = [context.layer.note] if context.layer.note else []
    if encoding := context.layer.encoding:
        notes.append(f"dequantized from {encoding}: values are rounded to the quantization grid")
    if spectrum.trimmed:
        notes.append("rows or columns of zeros are left out")
    if few and not empty:
        notes.append(
            f"no exponent: {count} non-zero eigenvalues, "
            f"fewer than {options.min_eigenvalues} (--min-eigenvalues)"
        )
    elif not empty:
        if zeros:
            notes.append(f"{zeros} eigenvalues at rounding level are left out of the fits")
        if context.flat:
            notes.append("all or most eigenvalues are equal to storage precision: no exponent")
    if spectrum.fell_back:
        notes.append("float32 could not resolve the threshold; computed again in float64")
    return notes
