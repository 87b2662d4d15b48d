"""What one network contributes to a reference: the numbers of its layers, to four digits."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from eigenscape.errors import InputError
from eigenscape.layers import role
from eigenscape.spectra._layer import LayerSpectrum
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra._result import SpectraResult

#: How weights were read that are those that were trained.
ORIGINAL = "original"
#: Significant digits that are kept of a number.
_DIGITS = 4
#: Decimals that are kept of the logarithm of a norm, which tells one network from another.
_DECIMALS = 6
_LONGEST = 200
#: Kinds that hold one and the same matrix in different layouts.
_SAME_KIND = {"linear_transposed": "linear", "attention_projection": "linear"}
#: Two entries are of one matrix when their exponents and stable ranks agree to this share, and the
#: logarithms of their norms to the second number over the root of the number of weights, but no
#: closer than the third. Rounding normal weights to bfloat16 moves that logarithm by .0026 over the
#: root (standard deviation), drawing them anew by .87: one in a hundred such pairs looks alike.
_ALIKE, _SAME_NORM, _ROUNDED = 5e-3, 0.01, 2e-6
_ANY_FINITE = ("log_norm", "row_dispersion", "column_dispersion")
_NUMBER = re.compile(r"\d+")


def quantized(value: float) -> float:
    """Return a number to four significant digits.

    >>> quantized(2.345678), quantized(float("inf"))
    (2.346, inf)
    """
    return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True, kw_only=True)
class ReferenceLayer:
    """What one layer of a reference network measured, to four significant digits.

    The logarithm of the norm has six decimals: it tells whether two layers are one and the same.

    Args:
        name: the layer's name.
        kind: what it is, as in :class:`eigenscape.layers.LayerMatrix`.
        role: what it does within its block; see :func:`eigenscape.layers.role`.
        depth: from 0, the first block, to 1, the last; None outside the blocks.
        shape: the tensor's shape as stored.
        n_eigenvalues: how many eigenvalues were pooled.
        smaller_side: rows or columns of one of its matrices, whichever are fewer.
        alpha_hill: see :class:`eigenscape.spectra.LayerSpectrum`, as for what follows.
        alpha_excess: likewise.
        alpha_ks: likewise.
        stable_rank: likewise.
        spikes: likewise.
        log_norm: likewise.
        row_dispersion: likewise.
        column_dispersion: likewise.

    Raises:
        InputError: naming every number out of its range.
    """

    name: str
    kind: str
    role: str
    depth: float | None
    shape: tuple[int, ...]
    n_eigenvalues: int
    smaller_side: int
    alpha_hill: float
    alpha_excess: float
    alpha_ks: float
    stable_rank: float
    spikes: int
    log_norm: float
    row_dispersion: float = math.nan
    column_dispersion: float = math.nan

    def __post_init__(self) -> None:
        count = self.n_eigenvalues
        wrong = {
            "kind": not _is_label(self.kind),
            "role": not _is_label(self.role),
            "name": not 0 < len(self.name) <= _LONGEST,
            "depth": self.depth is not None and not 0 <= self.depth <= 1,
            "shape": not self.shape or min(self.shape) < 1,
            "n_eigenvalues": count < 1,
            "smaller_side": not 1 <= self.smaller_side <= max(count, 1),
            "alpha_hill": not _from(self.alpha_hill, 1),
            "alpha_excess": not _from(self.alpha_excess, 0),
            "alpha_ks": not _from(self.alpha_ks, 1),
            "stable_rank": not _from(self.stable_rank, 0.999) or self.stable_rank > 1.001 * count,
            "spikes": not 0 <= self.spikes <= count,
            **{name: math.isinf(getattr(self, name)) for name in _ANY_FINITE},
        }
        found = [
            f"{name} {getattr(self, name)!r:.40}" for name, is_wrong in wrong.items() if is_wrong
        ]
        if found:
            raise InputError(f"out of range: {', '.join(found)}")

    @classmethod
    def of(cls, layer: LayerSpectrum, depth: float | None) -> Self:
        """Return the entry of one row of a layer table."""
        return cls(
            name=layer.name[:_LONGEST],
            kind=_SAME_KIND.get(layer.kind, layer.kind),
            role=role(layer.layer),
            depth=None if depth is None else quantized(depth),
            shape=layer.shape,
            n_eigenvalues=layer.n_eigenvalues,
            smaller_side=min(layer.rows, layer.cols),
            alpha_hill=quantized(layer.alpha_hill),
            alpha_excess=quantized(layer.alpha_excess),
            alpha_ks=quantized(layer.alpha_ks),
            stable_rank=quantized(layer.stable_rank),
            spikes=layer.spikes,
            log_norm=round(layer.log_norm, _DECIMALS),
            row_dispersion=quantized(layer.row_dispersion),
            column_dispersion=quantized(layer.column_dispersion),
        )

    def number(self, metric: str) -> float:
        """Return a number in the form in which layers of different sizes are compared.

        >>> layer = ReferenceLayer(
        ...     name="q", kind="linear", role="query", depth=0.5, shape=(64, 64), n_eigenvalues=64,
        ...     smaller_side=64, alpha_hill=2.0, alpha_excess=0.9, alpha_ks=3.0, stable_rank=16.0,
        ...     spikes=4, log_norm=2.0)
        >>> layer.number("stable_rank"), layer.number("spikes"), layer.number("alpha_excess")
        (0.25, 0.0625, 0.9)
        """
        if metric == "log_norm":
            return self.log_norm - math.log10(self.n_eigenvalues)
        if metric in ("stable_rank", "spikes"):
            return float(getattr(self, metric)) / self.n_eigenvalues
        return float(getattr(self, metric))

    @property
    def group(self) -> tuple[str, str]:
        """The kind and the role: only layers that share both are compared."""
        return self.kind, self.role

    def is_alike(self, other: ReferenceLayer) -> bool:
        """Tell whether two entries are of one matrix, as far as their numbers tell."""
        same = max(_SAME_NORM / math.sqrt(math.prod(self.shape)), _ROUNDED)
        return (
            self.group == other.group
            and self.depth == other.depth
            and sorted(self.shape) == sorted(other.shape)
            and abs(self.log_norm - other.log_norm) <= same
            and math.isclose(self.alpha_hill, other.alpha_hill, rel_tol=_ALIKE)
            and math.isclose(self.stable_rank, other.stable_rank, rel_tol=_ALIKE)
        )


@dataclass(frozen=True, kw_only=True)
class ReferenceModel:
    """One network of a reference.

    Args:
        name: how sentences name it.
        source: where its weights come from.
        licence: of the weights.
        read: ``"original"``, or how else the weights were read, such as ``"dequantized from
            Q4_1"``; networks that were read in different ways are never pooled.
        note: a remark.
        layers: what they measured.
        own: whether it is the user's, not the package's.

    Raises:
        InputError: a name, source, licence or remark that is empty or too long, or no layers.
    """

    name: str
    source: str
    licence: str
    read: str = ORIGINAL
    note: str = ""
    layers: tuple[ReferenceLayer, ...]
    own: bool = field(default=False, metadata={"saved": False})

    def __post_init__(self) -> None:
        texts = {
            "name": self.name,
            "source": self.source,
            "licence": self.licence,
            "read": self.read,
        }
        problems = [f"{key} is empty" for key, text in texts.items() if not text.strip()]
        texts["note"] = self.note
        long = [key for key, text in texts.items() if len(text) > _LONGEST]
        problems += [f"{key} is longer than {_LONGEST} characters" for key in long]
        if not self.layers:
            problems.append("no layer")
        if problems:
            raise InputError(f"the reference model {self.name!r:.60}: {'; '.join(problems)}")

    @classmethod
    def of(
        cls,
        result: SpectraResult,
        *,
        name: str,
        licence: str,
        source: str = "",
        read: str = ORIGINAL,
        note: str = "",
    ) -> Self:
        """Return the entry of an examined network: its layers that have an exponent.

        Args:
            result: its examination.
            name: how sentences name it.
            licence: of the weights.
            source: where they come from; by default what was examined.
            read: how they were read.
            note: a remark.
        """
        rows = tuple(entries(result).values())
        return cls(
            name=name,
            source=source or result.source,
            licence=licence,
            read=read,
            note=note,
            layers=tuple(row for row in rows if math.isfinite(row.alpha_hill)),
        )

    def is_alike(self, layers: Sequence[ReferenceLayer]) -> bool:
        """Tell whether its layers are these, or most of the fewer of both: the same network.

        The numbers tell, so that a copy in another file, under other names or rounded to bfloat16
        is recognised; a network that was trained further is another one.
        """
        shared = sum(any(mine.is_alike(other) for other in layers) for mine in self.layers)
        return 2 * shared > min(len(self.layers), len(layers))


@dataclass(frozen=True, kw_only=True)
class MeasuredWith:
    """The options that the numbers of a reference depend on.

    Args:
        fraction: of the eigenvalues, the Hill tail.
        hill: see :class:`eigenscape.spectra.SpectraOptions`, as for what follows.
        fit: likewise.
        conv: likewise.
        windows: likewise.
    """

    fraction: float
    hill: str
    fit: str
    conv: str
    windows: int | None

    @classmethod
    def of(cls, options: SpectraOptions) -> Self:
        """Return those of an examination."""
        return cls(
            fraction=quantized(options.fraction),
            hill=options.hill,
            fit=options.fit,
            conv=options.conv,
            windows=options.windows,
        )

    def check(self, options: SpectraOptions, source: str) -> None:
        """Refuse options that measure in another way.

        Raises:
            InputError: naming each option that differs.
        """
        other = MeasuredWith.of(options)
        differ = [
            f"{name} {getattr(other, name)} ({value} there)"
            for name, value in vars(self).items()
            if getattr(other, name) != value
        ]
        if differ:
            raise InputError(
                f"the numbers of {source} have no place among those of the reference, which were "
                f"measured in another way: {', '.join(differ)}. Try: the reference's options"
            )


def entries(result: SpectraResult) -> dict[str, ReferenceLayer]:
    """Return the entries of the layers of an examination that have numbers, by name."""
    depth = _depths([layer.block for layer in result if layer.block is not None])
    return {
        layer.name: ReferenceLayer.of(layer, depth.get(layer.block or ""))
        for layer in result
        if layer.norm > 0 and math.isfinite(layer.norm)
    }


def _depths(blocks: Sequence[str]) -> dict[str, float]:
    """Return from 0 to 1 how deep each block lies among those of its kind of name.

    Checkpoints list ``h.10`` before ``h.2``, so blocks are ordered by their numbers; an encoder's
    and a decoder's are ordered apart.
    """
    chains: dict[str, dict[str, list[int]]] = {}
    for block in blocks:
        numbers = [int(number) for number in _NUMBER.findall(block)]
        chains.setdefault(_NUMBER.sub("#", block), {})[block] = numbers
    found = {}
    for chain in chains.values():
        ordered = sorted(chain, key=chain.__getitem__)
        found.update(
            {
                block: at / (len(ordered) - 1)
                for at, block in enumerate(ordered)
                if at or len(ordered) > 1
            }
        )
    return found


def _is_label(text: str) -> bool:
    return re.fullmatch(r"[\w-]{1,60}", text) is not None


def _from(value: float, least: float) -> bool:
    """Whether a number is missing, or finite and at least what it can be."""
    return math.isnan(value) or least <= value < math.inf
