"""Record how far updates and weights of a training network share directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from eigenscape.checkpoints import gathered, named_tensors, open_checkpoint
from eigenscape.errors import InputError
from eigenscape.layers import LayerMatrix, LayerOptions, find_layers
from eigenscape.spectra._overlap import Overlap, TopVectors, decompose, overlap
from eigenscape.spectra.metrics._bulk import fit_bulk
from eigenscape.spectra.metrics._norms import stable_rank

if TYPE_CHECKING:
    import pandas as pd

_SIDES = ("left", "right", "left_block", "right_block")
_HEADER = (
    "step",
    "name",
    "spikes",
    "edge",
    "spectral_norm",
    "update_spikes",
    "update_norm",
    "update_stable_rank",
    *(f"before_{side}" for side in _SIDES),
    *(f"after_{side}" for side in _SIDES),
    "left_random",
    "right_random",
    "drift_left",
    "drift_right",
    "seconds",
    "note",
)


@dataclass
class _Kept:
    """One layer at the last look: its weights, and the leading vectors of each of its matrices."""

    stack: torch.Tensor
    tops: list[TopVectors]


class UpdateRecorder:
    """Records, for chosen layers of any network, the overlap of its updates with its weights.

    At every ``every``-th step the weights are kept; ``span`` steps later the update between the two
    is compared with them. A row says how many eigenvalues stand out of the noise in the weights and
    in the update, how much the update's leading singular directions are those of the weights before
    and after it (squares, so signs do not matter; a block of vectors too, because single ones swap
    places when singular values are close), and how much the weights' own leading directions
    are those of the measurement before (drift: 1 is unmoved).

    The measure is that of Kothapalli et al. (2024, arXiv 2406.04657, section on singular vectors);
    ``left_random`` and ``right_random`` are what a block of random directions would share.

    The cost of a measurement is stated by :meth:`cost`: three symmetric eigenproblems of the
    smaller dimension and one copy of the chosen weights. Between measurements nothing is computed.
    The model, the optimizer and the global random state are not changed.

    Args:
        model: the network, as it is.
        every: steps between two measurements.
        span: steps that one update covers, at most ``every``.
        block: how many leading vectors make the block.
        options: which layers, and as what; by default convolutions are one matrix (out, in x
            kernel) and fused q, k, v are split.
        **fields: single fields of the options, such as ``include``.

    Raises:
        InputError: ``every``, ``span`` or ``block`` out of range, or no layer to record.

    >>> model = nn.Sequential(nn.Linear(32, 48))
    >>> recorder = UpdateRecorder(model, every=2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> for step in range(5):
    ...     loss = model(torch.ones(4, 32)).square().mean()
    ...     optimizer.zero_grad(); loss.backward(); optimizer.step()
    ...     rows = recorder.step()
    >>> recorder.history()["step"].tolist()
    [1, 3]
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        every: int = 100,
        span: int = 1,
        block: int = 10,
        options: LayerOptions | None = None,
        **fields: Any,
    ) -> None:
        if not (1 <= span <= every) or block < 1:
            raise InputError(
                f"expected 1 <= span <= every and block >= 1; got span {span}, every {every}, "
                f"block {block}"
            )
        self.every, self.span, self.block = every, span, block
        self._model = model
        usual = LayerOptions(conv="flatten", split_qkv=True)
        chosen = LayerOptions.of(options or usual, fields)
        self._layers = find_layers(open_checkpoint(model), chosen).layers
        if not self._layers:
            raise InputError(
                "no layer of this model can be recorded; eigenscape.analyze(model).skipped says "
                "why. Try: other patterns in include"
            )
        self._kept: dict[str, _Kept] = {}
        self._previous: dict[str, list[TopVectors]] = {}
        self._rows: list[dict[str, Any]] = []
        self._looked: int | None = None
        self._step = 0

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the recorded layers."""
        return tuple(layer.name for layer in self._layers)

    def cost(self) -> dict[str, float]:
        """Return the cost of one measurement: bytes held in between, and floating-point operations.

        A Gram matrix takes n^2 m and its eigenproblem about 9 n^3 multiplications and additions
        each, for n <= m; there are three, of the weights before and after and of the update.

        >>> UpdateRecorder(nn.Linear(32, 48)).cost()["copied_bytes"]
        6144.0
        """
        copied = operations = 0.0
        for layer in self._layers:
            k, rows, cols = layer.stack
            n, m = min(rows, cols), max(rows, cols)
            copied += k * rows * cols * layer.torch_dtype.itemsize
            operations += 3 * k * (2.0 * n * n * m + 9.0 * n**3)
        return {"copied_bytes": copied, "operations": operations}

    def step(self, step: int | None = None) -> list[dict[str, Any]] | None:
        """Count one training step, after ``optimizer.step()``.

        Args:
            step: the step's number, when the loop has its own; 0 is the first.

        Returns:
            The new rows, or None if nothing was measured.
        """
        now = self._step if step is None else step
        self._step = now + 1
        rows = None
        if self._looked is not None and now - self._looked >= self.span:
            rows = [self._row(layer, now) for layer in self._layers if layer.name in self._kept]
            self._rows.extend(rows)
            self._looked = None
            if now % self.every:
                self._kept.clear()
        if now % self.every == 0:
            self._keep(now)
        return rows

    def history(self) -> pd.DataFrame:
        """Return every row so far."""
        import pandas as pd

        return pd.DataFrame(self._rows, columns=list(_HEADER))

    def _stack(self, layer: LayerMatrix) -> torch.Tensor:
        found = named_tensors(self._model)
        tensors = [gathered(found[name].detach()) for name in layer.tensors]
        with torch.no_grad():
            return layer.matrices(tensors) * layer.scale

    def _keep(self, now: int) -> None:
        for layer in self._layers:
            stack = self._stack(layer).clone()
            if not bool(torch.isfinite(stack).all()):
                self._rows.append(_silent(now, layer.name, "weights not finite: nothing recorded"))
                self._kept.pop(layer.name, None)
                continue
            tops = [decompose(matrix, self.block)[1] for matrix in stack]
            self._kept[layer.name] = _Kept(stack, tops)
        self._looked = now

    def _row(self, layer: LayerMatrix, now: int) -> dict[str, Any]:
        start = perf_counter()
        kept, stack = self._kept[layer.name], self._stack(layer)
        if not bool(torch.isfinite(stack).all()):
            return _silent(now, layer.name, "weights not finite: nothing recorded")
        weights = [decompose(matrix, self.block) for matrix in stack]
        updates = [decompose(matrix, self.block) for matrix in stack - kept.stack]
        tops = [top for _, top in weights]
        moved = [top for _, top in updates]
        row: dict[str, Any] = {"step": now, "name": layer.name, "note": ""}
        row |= _spectrum([values for values, _ in weights], layer.stack)
        row |= _update([values for values, _ in updates], layer.stack)
        before, after = _mean(kept.tops, moved), _mean(tops, moved)
        for ending, found in (("before", before), ("after", after)):
            row |= {f"{ending}_{side}": getattr(found, side) for side in _SIDES}
        row |= {"left_random": after.left_random, "right_random": after.right_random}
        drift = _mean(self._previous.get(layer.name, []), tops)
        row |= {"drift_left": drift.left_block, "drift_right": drift.right_block}
        self._previous[layer.name] = tops
        if not moved[0].values.numel():
            row["note"] = "the layer did not move"
        row["seconds"] = perf_counter() - start
        return {name: row[name] for name in _HEADER}


def _spectrum(
    values: list[NDArray[np.float64]], stack: tuple[int, int, int]
) -> dict[str, float | int]:
    pooled = np.sort(np.concatenate(values))
    if not pooled[-1] > 0:
        return {"spikes": 0, "edge": 0.0, "spectral_norm": 0.0}
    bulk = fit_bulk(pooled, stack)
    return {
        "spikes": bulk.spikes,
        "edge": math.sqrt(bulk.edge),
        "spectral_norm": math.sqrt(float(pooled[-1])),
    }


def _update(
    values: list[NDArray[np.float64]], stack: tuple[int, int, int]
) -> dict[str, float | int]:
    pooled = np.sort(np.concatenate(values))
    top = float(pooled[-1])
    found = _spectrum(values, stack)
    return {
        "update_spikes": found["spikes"],
        "update_norm": math.sqrt(top),
        "update_stable_rank": stable_rank(pooled) if top > 0 else math.nan,
    }


def _mean(first: list[TopVectors], second: list[TopVectors]) -> Overlap:
    """The mean overlap over the matrices of a pool; NaN where there is nothing to compare with."""
    found = [overlap(a, b) for a, b in zip(first, second, strict=False)]
    found = [item for item in found if math.isfinite(item.left)]
    if not found:
        return Overlap(*(math.nan,) * 4, math.nan, math.nan)
    return Overlap(*(float(np.mean(column)) for column in zip(*found, strict=True)))


def _silent(step: int, name: str, note: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_HEADER, math.nan)
    return {**row, "step": step, "name": name, "note": note}
