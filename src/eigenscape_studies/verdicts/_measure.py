"""What is measured of a network's weights: the numbers of its spectra, and how far it moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenscape.checkpoints import open_checkpoint
from eigenscape.layers import find_layers
from eigenscape.spectra import SpectraResult, analyze
from eigenscape_studies._tables import Rows
from eigenscape_studies.verdicts._first_wave import first_wave_label

#: Numbers of a layer that rules may use.
METRICS = (
    *("log_norm", "log_row_norm", "log_spectral_norm", "stable_rank"),
    *("row_dispersion", "column_dispersion", "spikes"),
    *("alpha_hill", "alpha_ks", "alpha_excess"),
)


def measure_weights(weights: Mapping[str, NDArray[Any]], start: Mapping[str, NDArray[Any]]) -> Rows:
    """Return a row for each layer of a network, and how far each moved from its start.

    Args:
        weights: tensors by name.
        start: the same at the start.
    """
    now, before = _tensors(weights), _tensors(start)
    rows = spectral_rows(analyze(now, jobs=1))
    layers = {layer.name: layer for layer in find_layers(open_checkpoint(now)).layers}
    for row in rows:
        layer = layers[row["layer"]]
        W, W0 = (
            layer.matrices([tensors[name] for name in layer.tensors]).double()
            for tensors in (now, before)
        )
        row["moved"] = float((W - W0).norm() / W0.norm().clamp_min(1e-30))
        row["zero_rows"] = float((W == 0).all(dim=2).double().mean())
    return rows


def spectral_rows(result: SpectraResult) -> Rows:
    """Return the numbers of each layer, and the label that it had in the first wave."""
    return [
        {
            "layer": layer.name,
            "kind": layer.kind,
            "rows": layer.rows,
            "cols": layer.cols,
            "label": first_wave_label(layer),
            **{
                name: math.log10(layer.norm / (layer.rows * layer.matrices))
                if name == "log_row_norm"
                else float(layer.number(name))
                for name in METRICS
            },
        }
        for layer in result
        if layer.norm > 0
    ]


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}


def summary(rows: Rows) -> dict[str, float]:
    """Return the median, least and largest of each number over a network's layers.

    A number that no layer has is NaN, and no rule speaks of it.

    >>> row = dict.fromkeys(METRICS, 1.0)
    >>> found = summary([row, row | {"spikes": 3.0}])
    >>> found["median spikes"], found["max spikes"]
    (2.0, 3.0)
    """
    found: dict[str, float] = {}
    for name in METRICS:
        values = np.array([row[name] for row in rows], dtype=np.float64)
        values = values[np.isfinite(values)]
        for how, fold in (("median", np.median), ("min", np.min), ("max", np.max)):
            found[f"{how} {name}"] = float(fold(values)) if len(values) else math.nan
    return found
