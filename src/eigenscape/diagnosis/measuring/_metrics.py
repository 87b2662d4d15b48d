"""From trained networks to the columns of a population: one protocol for one model and for many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from eigenscape.diagnosis.measuring._curves import curve_errors, error_of, logits_of, targets_of
from eigenscape.diagnosis.measuring._options import MeasureOptions
from eigenscape.landscape import (
    hessian_traces,
    linear_cka,
    mode_connectivity,
    mode_connectivity_peak,
    probe_inputs,
)
from eigenscape.models import NetworkData, Objective

_CKA_BATCH = 128


class Measured(NamedTuple):
    """The metrics of one configuration.

    Args:
        metrics: by the names of a population's columns.
        trace_error: standard error of the trace over its probes, relative to the trace.
        curve: training error along the curve, in %; empty with one network.
    """

    metrics: dict[str, float]
    trace_error: float
    curve: tuple[float, ...]


def measure_groups(
    networks: Objective,
    groups: Sequence[Sequence[int]],
    test: NetworkData | None,
    options: MeasureOptions,
) -> list[Measured]:
    """Return the metrics of each configuration.

    Args:
        networks: those of all configurations, each on what it was trained on, labels as they were
            trained on; the same for the networks of one configuration.
        groups: the networks that are the seeds of one configuration. The curve joins the first two;
            the similarity is the mean over all pairs.
        test: held-out data, or None.
        options: the protocol.
    """
    seen = [{"train_error": error_of(networks), "train_loss": _losses(networks)}]
    if test is not None:
        held_out = networks.on(test)
        seen.append({"test_error": error_of(held_out), "test_loss": _losses(held_out)})
    found_traces = traces(networks, options)
    pairs = [group[:2] for group in groups if len(group) > 1]
    curves = iter(())
    if pairs:
        starts, ends = (networks.select([pair[i] for pair in pairs]) for i in (0, 1))
        curves = iter(curve_errors(starts, ends, options).tolist())
    found = []
    for group in groups:
        rows = list(group)
        metrics = {
            name: float(values[rows].mean()) for part in seen for name, values in part.items()
        }
        metrics["hessian_t"], trace_error = _log_trace(found_traces[rows])
        curve = tuple(next(curves)) if len(rows) > 1 else ()
        if curve:
            metrics |= _connectivity(curve)
            metrics["CKA"] = _similarity(networks.select(rows), options)
        found.append(Measured(metrics, trace_error, curve))
    return found


def traces(networks: Objective, options: MeasureOptions) -> Tensor:
    """Return Hutchinson's estimate for each network and probe, ``(k, probes)``.

    Of the Hessian of the mean cross-entropy on the first ``hessian_samples`` samples, in evaluation
    mode, over all trained parameters.
    """
    assert isinstance(networks.data, NetworkData)
    some = networks.on(networks.data.first(options.hessian_samples))
    return hessian_traces(some, probes=options.probes, seed=options.seed)


def _losses(networks: Objective) -> Tensor:
    outputs = logits_of(networks).double()
    each = functional.cross_entropy(
        outputs.flatten(0, 1), targets_of(networks).flatten(), reduction="none"
    )
    return each.view(len(outputs), -1).mean(dim=1).cpu()


def _log_trace(values: Tensor) -> tuple[float, float]:
    """Return ln of the mean over seeds, and the relative standard error over probes."""
    mean = float(values.mean())
    error = float(values.mean(dim=0).std()) / math.sqrt(values.shape[1])
    if not mean > 0:  # a saddle, or a network that is not finite
        return math.nan, math.nan
    return math.log(mean), error / mean


def _connectivity(curve: Sequence[float]) -> dict[str, float]:
    if not np.isfinite(curve).all():
        return {"mode_connectivity_peak": math.nan, "mode_connectivity": math.nan}
    return {
        "mode_connectivity_peak": mode_connectivity_peak(curve) + 0.0,  # no -0.0
        "mode_connectivity": mode_connectivity(curve),
    }


def _similarity(networks: Objective, options: MeasureOptions) -> float:
    """Return the CKA of softmax outputs on mixed inputs, the mean over pairs.

    NaN for inputs that cannot be mixed (tokens), and for outputs that do not vary.
    """
    assert isinstance(networks.data, NetworkData)
    inputs = networks.data.network(0).whole()[0]
    if not inputs.is_floating_point():
        return math.nan
    mixed = torch.cat(
        probe_inputs(
            inputs,
            batches=-(-options.cka_samples // _CKA_BATCH),
            batch_size=_CKA_BATCH,
            alpha=options.mixup,
            seed=options.seed,
        )
    )[: options.cka_samples]
    labels = torch.zeros(len(mixed), dtype=torch.int64)
    some = networks.on(NetworkData.shared(mixed, labels, networks.networks))
    shares = logits_of(some).double().softmax(dim=2).cpu()
    if not bool(shares.isfinite().all()):
        return math.nan
    return float(np.mean([linear_cka(x, y) for x, y in combinations(shares, 2)]))
