"""The spectra of a network while it trains, in any loop."""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from eigenscape.checkpoints import (
    effective_weights,
    gathered,
    named_tensors,
    open_checkpoint,
)
from eigenscape.errors import InputError, OutputError
from eigenscape.layers import LayerMatrix, find_layers
from eigenscape.runs import is_first_process
from eigenscape.spectra._examine import examine
from eigenscape.spectra._layer import LayerSpectrum
from eigenscape.spectra._options import SpectraOptions
from eigenscape.theory import hill_shift

if TYPE_CHECKING:
    import pandas as pd

#: Any sink of numbers: ``writer(dict, step)``.
Log = Callable[[Mapping[str, float], int], object]

_NUMBERS = (
    "alpha_hill",
    "alpha_hill_low",
    "alpha_hill_high",
    "alpha_null",
    "alpha_excess",
    "alpha_ks",
    "sigma",
    "stable_rank",
    "spectral_norm",
    "log_norm",
    "entropy",
    "spikes",
)
_HEADER = ("step", "name", "kind", "fresh", *_NUMBERS, "label")


class SpectralMonitor:
    """Logs the layer table of a training network every so many steps.

    A layer is examined again only when its weights have moved enough: while the change of
    alpha_hill that :func:`eigenscape.theory.hill_shift` bounds stays below ``tolerance``, the last
    row is carried on, marked as not fresh. The price is one copy of the examined weights in memory,
    on the model's own device.

    Nothing of the model, the optimizer or the global random state is touched. No step raises: what
    cannot be examined is a row with the reason in its notes, what cannot be written a warning. Of
    several processes the first writes; tensors that are sharded over them (DTensor) are gathered
    one at a time, for which every process must call the monitor.

    Args:
        model: the network, as it is; layers are those that it has now.
        every: steps between two measurements.
        path: a CSV file to append rows to; one made by another set of columns is refused.
        log: a sink for numbers, called with a mapping and the step; for TensorBoard see
            :func:`tensorboard_sink`.
        tolerance: the change of alpha below which a layer counts as unmoved; 0 examines always.
        options: how to examine.
        **fields: single fields of the options.

    Raises:
        InputError: ``every`` below 1, a negative tolerance, no layer to monitor, or a file that is
            not such a table.

    >>> model = nn.Sequential(nn.Linear(32, 32))
    >>> monitor = SpectralMonitor(model, every=10)
    >>> for step in range(21):                     # your loop; optimizer.step() goes here
    ...     rows = monitor.step()
    >>> len(monitor.history()), int(monitor.history()["fresh"].sum())
    (3, 1)
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        every: int = 100,
        path: str | Path | None = None,
        log: Log | None = None,
        tolerance: float = 0.01,
        options: SpectraOptions | None = None,
        **fields: Any,
    ) -> None:
        if every < 1 or tolerance < 0:
            raise InputError(
                f"every must be at least 1 and tolerance not negative; got {every}, {tolerance}"
            )
        self.every, self.tolerance, self.log = every, tolerance, log
        self.path = Path(path) if path is not None else None
        self._options = SpectraOptions.of(options, fields)
        self._last: dict[str, LayerSpectrum] = {}
        self._weights: dict[str, list[torch.Tensor]] = {}
        self._model = open_checkpoint(model).module or model  # inside DataParallel or torch.compile
        self._layers = self._planned()
        if not self._layers:
            raise InputError(
                "no layer of this model can be monitored. Try: eigenscape.analyze(model).skipped"
            )
        self._device = next(model.parameters()).device.type
        self._rows: list[dict[str, Any]] = []
        self._step = 0
        if self.path is not None:
            _check_header(self.path)

    def step(self, step: int | None = None) -> list[LayerSpectrum] | None:
        """Count one training step; measure the layers if it is time.

        Args:
            step: the step's number, when the loop has its own; 0 is the first.

        Returns:
            The rows, or None if nothing was measured.
        """
        now = self._step if step is None else step
        self._step = now + 1
        return self.look(now) if now % self.every == 0 else None

    def look(self, step: int) -> list[LayerSpectrum]:
        """Measure the layers now, and log the rows."""
        rows: list[LayerSpectrum] = []
        fresh: list[bool] = []
        with self._no_raise("measuring the layers"), torch.no_grad():
            current = self._current()
            if any(self._gone(layer, current) for layer in self._layers):
                self._layers = self._planned()  # the network changed its shape
                current = self._current()
            for layer in self._layers:
                row, is_fresh = self._seen(layer, current)
                rows.append(row)
                fresh.append(is_fresh)
        with self._no_raise("writing the rows"):
            self._write(step, rows, fresh)
        return rows

    @contextmanager
    def _no_raise(self, what: str) -> Iterator[None]:
        """Turn an error into a warning: a monitor never ends a training."""
        try:
            yield
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            warnings.warn(f"SpectralMonitor, {what}: {reason}", RuntimeWarning, stacklevel=4)

    def _seen(
        self, layer: LayerMatrix, current: Mapping[str, torch.Tensor]
    ) -> tuple[LayerSpectrum, bool]:
        """Return the row of one layer, and whether it was examined now."""
        try:
            tensors = [gathered(current[name].detach()) for name in layer.tensors]
            moved = self._moved(layer, tensors)
            return (self._examined(layer, tensors) if moved else self._last[layer.name]), moved
        except Exception as error:
            self._last.pop(layer.name, None)
            k, rows, cols = layer.stack
            reason = f"not examined: {type(error).__name__}: {error}"
            count = layer.n_eigenvalues
            return (
                LayerSpectrum(
                    layer=layer,
                    matrices=k,
                    rows=rows,
                    cols=cols,
                    n_eigenvalues=count,
                    notes=(reason,),
                ),
                True,
            )

    def _current(self) -> dict[str, torch.Tensor]:
        """The parameters, and the weights that are computed from several of them."""
        current = named_tensors(self._model)
        derived = {name for layer in self._layers for name in layer.tensors} - current.keys()
        acting = effective_weights(self._model) if derived else {}
        return {**current, **{name: acting[name] for name in derived if name in acting}}

    def _planned(self) -> tuple[LayerMatrix, ...]:
        self._last.clear()
        self._weights.clear()
        return find_layers(effective_weights(self._model), self._options).layers

    @staticmethod
    def _gone(layer: LayerMatrix, current: Mapping[str, torch.Tensor]) -> bool:
        missing = any(name not in current for name in layer.tensors)
        return missing or (len(layer.tensors) == 1 and _shape(current, layer) != layer.shape)

    def history(self) -> pd.DataFrame:
        """Return every row recorded so far."""
        import pandas as pd

        return pd.DataFrame(self._rows, columns=list(_HEADER))

    def _moved(self, layer: LayerMatrix, tensors: list[torch.Tensor]) -> bool:
        last = self._last.get(layer.name)
        if last is None or self.tolerance == 0 or not math.isfinite(last.alpha_hill):
            return True
        pairs = zip(tensors, self._weights[layer.name], strict=True)
        change = layer.scale * math.hypot(
            *(float(torch.linalg.vector_norm(now - then)) for now, then in pairs)
        )
        bound = hill_shift(last.alpha_hill, last.hill_threshold, change)
        return not bound < self.tolerance  # NaN weights count as moved

    def _examined(self, layer: LayerMatrix, tensors: list[torch.Tensor]) -> LayerSpectrum:
        if self.tolerance:
            self._weights[layer.name] = [tensor.clone() for tensor in tensors]
        device = self._device if self._options.device == "auto" else self._options.device
        row = examine(layer, tensors, replace(self._options, device=device))
        self._last[layer.name] = replace(row, eigenvalues=None)
        return row

    def _write(self, step: int, rows: list[LayerSpectrum], fresh: list[bool]) -> None:
        lines = [
            {
                "step": step,
                "name": row.name,
                "kind": row.kind,
                "fresh": is_fresh,
                **{key: getattr(row, key) for key in _NUMBERS},
                "label": row.label or "",
            }
            for row, is_fresh in zip(rows, fresh, strict=True)
        ]
        self._rows.extend(lines)
        if not is_first_process():
            return
        if self.path is not None:
            _append(self.path, lines)
        if self.log is not None:
            self.log(_flat(rows), step)


def tensorboard_sink(writer: Any) -> Log:
    """Return a sink that writes every number to a TensorBoard ``SummaryWriter``."""

    def log(numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)

    return log


def _shape(current: Mapping[str, torch.Tensor], layer: LayerMatrix) -> tuple[int, ...]:
    return tuple(current[layer.tensors[0]].shape)


def _flat(rows: list[LayerSpectrum]) -> dict[str, float]:
    return {
        f"spectra/{row.name}/{key}": float(getattr(row, key))
        for row in rows
        for key in ("alpha_hill", "alpha_excess", "alpha_ks", "stable_rank", "spectral_norm")
        if math.isfinite(getattr(row, key))
    }


def _check_header(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected a file to append rows to")
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open(newline="", encoding="utf-8") as handle:
        header = tuple(next(csv.reader(handle), ()))
    if header != _HEADER:
        raise InputError(
            f"{path} has other columns than this monitor writes; expected {', '.join(_HEADER)}. "
            "Try: choose another file"
        )


def _append(path: Path, lines: list[dict[str, Any]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, _HEADER)
            if handle.tell() == 0:
                writer.writeheader()
            writer.writerows(lines)
    except OSError as error:
        raise OutputError(f"could not append to {path}: {error.strerror or error}") from error
