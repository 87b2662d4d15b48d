"""The meter of TempBalance: the error of a reading, and how far a layer may move unmeasured."""

import math

import pytest
import torch

from eigenscape.balancing._meter import Meter
from eigenscape.balancing._options import BalanceOptions
from eigenscape.checkpoints import open_checkpoint
from eigenscape.layers import find_layers
from eigenscape.spectra import SpectraOptions, analyze, standard_error
from eigenscape.theory import hill_shift


def only_layer(weights, options):
    return find_layers(open_checkpoint({"w": weights}), options.spectra).layers[0]


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("metric", ["alpha_hill", "alpha_excess", "alpha_ks"])
def test_a_reading_has_the_error_of_the_layer_table(metric):
    weights, options = noise(64, 100), BalanceOptions(metric=metric)
    reading = Meter(options).read(only_layer(weights, options), [weights])
    row = analyze({"w": weights})["w"]
    assert reading.value == pytest.approx(row.number(metric), rel=1e-9)
    expected = standard_error(row.columns(), metric)
    assert expected > 0
    assert reading.error == pytest.approx(expected, rel=1e-9)


def test_a_metric_without_an_error_has_none():
    weights, options = noise(64, 100), BalanceOptions(metric="stable_rank")
    assert Meter(options).read(only_layer(weights, options), [weights]).error is None


@pytest.mark.parametrize("shape", [(64, 100), (64, 60, 3, 3)])  # a convolution's slices are scaled
@pytest.mark.parametrize(("share", "fresh"), [(0.98, False), (1.02, True)])
def test_a_layer_is_carried_up_to_the_bound_of_weyl(shape, share, fresh):
    weights, tolerance = noise(*shape), 0.01
    options = BalanceOptions(
        tolerance=tolerance, spectra=SpectraOptions(min_eigenvalues=50, conv="slices")
    )
    layer = only_layer(weights, options)
    meter = Meter(options)
    assert meter.read(layer, [weights]).fresh
    kept = meter._kept[layer.name]
    change = noise(*shape).flip(0)
    unit = hill_shift(kept.alpha, kept.threshold, layer.scale * float(change.norm()))
    reading = meter.read(layer, [weights + change * (share * tolerance / unit)])
    assert reading.fresh is fresh
    assert math.isfinite(reading.value)


def test_without_a_tolerance_no_copy_is_kept():
    weights, options = noise(64, 100), BalanceOptions(tolerance=0)
    meter = Meter(options)
    layer = only_layer(weights, options)
    assert [meter.read(layer, [weights]).fresh for _ in range(2)] == [True, True]
    assert not meter._kept
