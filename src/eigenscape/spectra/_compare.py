"""Two checkpoints of one network: what changed between them, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from eigenscape.checkpoints import Checkpoint, CheckpointLike, TensorInfo, effective_weights
from eigenscape.errors import InputError
from eigenscape.layers import LayerMatrix, find_layers
from eigenscape.results import Finding, Result, find_row
from eigenscape.runs import ProgressCallback
from eigenscape.spectra import _compare_answer as said
from eigenscape.spectra._analyze import analyzed
from eigenscape.spectra._layer import LayerSpectrum
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra._result import SpectraResult
from eigenscape.spectra._weight_change import Pairs

if TYPE_CHECKING:
    import pandas as pd

#: A change of alpha beyond this many standard deviations of two random matrices counts as one.
_CLEAR = 3.0
_BAND_99 = 2.576
#: A change of rank beyond this share of the full rank counts as one; storage types differ by less.
_RANK = 0.05


@dataclass(frozen=True, kw_only=True)
class LayerChange:
    """What happened to one layer.

    Args:
        name: the layer.
        state: ``same`` (weights equal), ``weights`` (they moved, the spectrum did not clearly),
            ``spectrum`` (its exponent, spikes or label changed), ``shape``, ``removed``,
            ``added`` or ``unreadable`` (NaN or infinite weights, on either side).
        weight_change: ||after - before||_F / ||before||_F in float64, of the part of a tensor that
            the layer is; of a LoRA update, of the product B A. NaN where the shapes differ.
        sparsity_before: share of exact zeros.
        sparsity_after: likewise.
        alpha_hill_before: of the layer before.
        alpha_hill_after: of the layer after.
        alpha_hill_change: after minus before.
        alpha_hill_z: that over the standard deviation expected between two random matrices.
        alpha_excess_change: after minus before.
        alpha_ks_change: after minus before.
        spectral_norm_ratio: after over before.
        stable_rank_ratio: after over before.
        spikes_change: after minus before.
        label_before: of the layer's description before.
        label_after: after.
        note: why there is no spectrum on one side, where there is none.
        one_sided: the changes above that have no value because only one side has the number.
        examined: whether it is a row of the layer tables; else a tensor without a spectrum.
        rounding: the largest ``weight_change`` that rounding to the two storage types can make,
            half an eps of each; NaN where a side was dequantized, whose rounding is not known.
    """

    name: str
    state: str
    weight_change: float = math.nan
    sparsity_before: float = math.nan
    sparsity_after: float = math.nan
    alpha_hill_before: float = math.nan
    alpha_hill_after: float = math.nan
    alpha_hill_change: float = math.nan
    alpha_hill_z: float = math.nan
    alpha_excess_change: float = math.nan
    alpha_ks_change: float = math.nan
    spectral_norm_ratio: float = math.nan
    stable_rank_ratio: float = math.nan
    spikes_change: int = 0
    label_before: str | None = None
    label_after: str | None = None
    note: str = ""
    one_sided: tuple[str, ...] = ()
    examined: bool = True
    rounding: float = math.nan

    @property
    def moved(self) -> bool:
        """Whether the weights changed by more than rounding can; by anything, where not known."""
        return self.weight_change > (0 if math.isnan(self.rounding) else self.rounding)

    @property
    def clear(self) -> bool:
        """Whether alpha_hill changed beyond three standard deviations of two random matrices."""
        return abs(self.alpha_hill_z) > _CLEAR


@dataclass(frozen=True, kw_only=True)
class ComparisonResult(Result):
    """The changes from one checkpoint to another.

    Args:
        before: where the first was read.
        after: where the second was read.
        changes: one for each layer of either.
    """

    schema: ClassVar[str] = "eigenscape.comparison/1"
    also_written: ClassVar[tuple[str, ...]] = ("summary",)
    before: str
    after: str
    changes: tuple[LayerChange, ...]

    def __getitem__(self, key: str | int) -> LayerChange:
        return find_row(self.changes, key)

    @property
    def answer(self) -> str:
        """How many layers moved beyond rounding and how far, and how many did not move."""
        return said.answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What cannot be used, what moved beyond its norm, what froze, whose alpha changed."""
        return tuple(said.findings(self))

    @property
    def summary(self) -> dict[str, Any]:
        """Counts of the states, and the layer whose weights moved most."""
        states: dict[str, int] = {}
        for change in self.changes:
            states[change.state] = states.get(change.state, 0) + 1
        moved = [c for c in self.changes if math.isfinite(c.weight_change)]
        most = max(moved, key=lambda c: c.weight_change, default=None)
        return {
            "layers": len(self.changes),
            "states": states,
            "most_moved": most.name if most else None,
            "largest_weight_change": most.weight_change if most else math.nan,
        }

    def frame(self) -> pd.DataFrame:
        """Return one row for each layer."""
        import pandas as pd

        return pd.DataFrame(
            [asdict(change) for change in self.changes],
            columns=list(LayerChange.__dataclass_fields__),
        )


def compare(
    before: CheckpointLike,
    after: CheckpointLike,
    *,
    options: SpectraOptions | None = None,
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
    **fields: Any,
) -> ComparisonResult:
    """Compare two checkpoints of one network: before and after fine-tuning, pruning, quantizing.

    Args:
        before: as for :func:`analyze`.
        after: likewise.
        options: how to examine both.
        jobs: layers at a time; by default one for each core.
        progress: called while each of the two examinations runs.
        **fields: single fields of the options.

    Raises:
        InputError: the two have no layer name in common, or a pattern matches nothing in either.

    >>> import torch
    >>> layer = torch.nn.Linear(64, 64)
    >>> compare({"fc.weight": layer.weight}, {"fc.weight": 2 * layer.weight}).changes[0].state
    'weights'
    """
    first, second = effective_weights(before), effective_weights(after)
    chosen = SpectraOptions.of(options, fields)
    free = replace(chosen, include=(), exclude=(), kinds={})  # a pattern may mean either of the two
    results = [
        analyzed(
            source, chosen, (jobs, "threads", None), None, progress, find_layers(other, free).names
        )
        for source, other in ((first, second), (second, first))
    ]
    old, new = ({layer.name: layer for layer in result} for result in results)
    if not set(old) & set(new):
        raise InputError(
            f"{first.source} and {second.source} have no examined layer in common "
            f"({_some(results[0])} against {_some(results[1])}); expected two checkpoints of one "
            "network"
        )
    old, new = _under_aliases(old, new), _under_aliases(new, old)
    names = [*old, *(name for name in new if name not in old)]
    rows = {name for layer in (*results[0], *results[1]) for name in layer.tensors}
    reasons = {item.name: item.reason for item in (*results[0].skipped, *results[1].skipped)}
    pairs = Pairs(first, second)
    return ComparisonResult(
        environment=results[0].environment,
        before=first.source,
        after=second.source,
        changes=(
            *(_explained(_change(name, old, new, pairs), reasons) for name in names),
            *_others(first, second, rows, reasons, chosen),
        ),
    )


def _under_aliases(
    rows: Mapping[str, LayerSpectrum], others: Mapping[str, LayerSpectrum]
) -> dict[str, LayerSpectrum]:
    """Return the rows, those that are tied here under both names where the other side has both."""
    tied = {alias: row for row in rows.values() for alias in row.aliases if alias in others}
    return {**rows, **{name: row for name, row in tied.items() if name not in rows}}


def _explained(change: LayerChange, reasons: Mapping[str, str]) -> LayerChange:
    if change.state not in ("removed", "added"):
        return change
    return replace(change, note=reasons.get(f"{change.name}.weight", reasons.get(change.name, "")))


def _others(
    first: Checkpoint,
    second: Checkpoint,
    rows: set[str],
    reasons: Mapping[str, str],
    options: SpectraOptions,
) -> list[LayerChange]:
    """Tensors without a spectrum that changed all the same: embeddings, biases, norms."""
    found, pairs = [], Pairs(first, second)
    sides = [
        {name: info for info in side.infos() for name in info.names} for side in (first, second)
    ]
    names = [info.name for side in (first, second) for info in side.infos()]
    for name in dict.fromkeys(names):
        if name in rows or not options.asks_for(name):
            continue
        note = f"no spectrum: {reasons.get(name, 'not examined')}"
        if name not in sides[0] or name not in sides[1]:
            state = "removed" if name in sides[0] else "added"
            found.append(LayerChange(name=name, state=state, note=note, examined=False))
            continue
        numbers = pairs.of_tensors(name)
        change = numbers.get("weight_change")
        if change == 0:
            continue
        state = "weights" if numbers else "shape"
        if change is not None and not (math.isfinite(change) or _finite(first, second, name)):
            state = "unreadable"
        found.append(
            LayerChange(
                name=name,
                state=state,
                note=note,
                examined=False,
                rounding=sum(_rounding(side[name]) for side in sides),
                **numbers,
            )
        )
    return found


def _finite(first: Checkpoint, second: Checkpoint, name: str) -> bool:
    return all(bool(torch.isfinite(source[name]).all()) for source in (first, second))


def _some(result: SpectraResult) -> str:
    return ", ".join(layer.name for layer in result.layers[:3]) or "no layers"


#: Change -> the number of a layer that it is of.
_NUMBERS = {
    "alpha_hill_change": "alpha_hill",
    "alpha_hill_z": "alpha_hill",
    "alpha_excess_change": "alpha_excess",
    "alpha_ks_change": "alpha_ks",
}


def _change(
    name: str, old: Mapping[str, LayerSpectrum], new: Mapping[str, LayerSpectrum], pairs: Pairs
) -> LayerChange:
    sides = [row for row in (old.get(name), new.get(name)) if row is not None]
    one_sided = tuple(
        change
        for change, number in _NUMBERS.items()
        if sum(math.isfinite(row.number(number)) for row in sides) == 1
    )
    if name not in new:
        return LayerChange(
            name=name, state="removed", label_before=old[name].label, one_sided=one_sided
        )
    if name not in old:
        return LayerChange(
            name=name, state="added", label_after=new[name].label, one_sided=one_sided
        )
    a, b = old[name], new[name]
    numbers: dict[str, Any] = {
        "alpha_hill_before": a.alpha_hill,
        "alpha_hill_after": b.alpha_hill,
        "alpha_hill_change": b.alpha_hill - a.alpha_hill,
        "alpha_hill_z": (b.alpha_hill - a.alpha_hill) / _spread(a, b),
        "alpha_excess_change": b.alpha_excess - a.alpha_excess,
        "alpha_ks_change": b.alpha_ks - a.alpha_ks,
        "spectral_norm_ratio": _ratio(b.spectral_norm, a.spectral_norm),
        "stable_rank_ratio": _ratio(b.stable_rank, a.stable_rank),
        "spikes_change": b.spikes - a.spikes,
        "label_before": a.label,
        "label_after": b.label,
        "one_sided": one_sided,
        "rounding": _rounding(a.layer) + _rounding(b.layer),
        **pairs.of_layers(a.layer, b.layer),
    }
    return LayerChange(name=name, state=_state(a, b, numbers), **numbers)


def _rounding(stored: LayerMatrix | TensorInfo) -> float:
    """The largest relative error of one rounding: half of the type's eps; NaN where quantized."""
    kind = getattr(torch, str(stored.dtype).removeprefix("torch."))
    if stored.encoding:
        return math.nan
    return float(torch.finfo(kind).eps) / 2 if kind.is_floating_point or kind.is_complex else 0.0


def _state(a: LayerSpectrum, b: LayerSpectrum, numbers: Mapping[str, Any]) -> str:
    if "not-finite" in (a.label, b.label):
        return "unreadable"
    if "weight_change" not in numbers:
        return "shape"
    if numbers["weight_change"] == 0:
        return "same"
    moved = (
        abs(numbers["alpha_hill_z"]) > _CLEAR
        or a.spikes != b.spikes
        or abs((a.rank or 0) - (b.rank or 0)) > _RANK * a.n_eigenvalues
        or a.label != b.label
    )
    return "spectrum" if moved else "weights"


def _spread(a: LayerSpectrum, b: LayerSpectrum) -> float:
    widths = [(row.alpha_null_high - row.alpha_null_low) / (2 * _BAND_99) for row in (a, b)]
    both = math.hypot(*widths)
    return both if both > 0 else math.nan


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan
