"""Against WeightWatcher 0.7.7, in its own conventions: pip install "eigenscape[oracle]"."""

import contextlib
import io

import pytest
import torch
from torch import nn

from eigenscape.spectra import analyze
from eigenscape.zoo._cifar_resnet import load_cifar_resnet
from tests._data import data_file

pytestmark = [
    pytest.mark.oracle,
    # the peer mutes or raises warnings at import, and uses calls that newer numpy deprecates
    pytest.mark.filterwarnings("ignore"),
]

OURS_TO_THEIRS = {
    "alpha_ks": "alpha",
    "xmin": "xmin",
    "ks_distance": "D",
    "sigma": "sigma",
    "tail_size": "num_pl_spikes",
    "log_norm": "log_norm",
    "log_spectral_norm": "log_spectral_norm",
    "alpha_hat": "alpha_weighted",
    "log_alpha_norm": "log_alpha_norm",
    "stable_rank": "stable_rank",
    "entropy": "entropy",
    "erg_size": "detX_num",
    "lambda_max": "lambda_max",
    "norm": "norm",
    "rank": "matrix_rank",
}


def details(model):
    weightwatcher = pytest.importorskip(
        "weightwatcher", reason='needs the oracle: pip install "eigenscape[oracle]"'
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        return weightwatcher.WeightWatcher(model=model).analyze(detX=True)


def assert_equal(layer, theirs):
    for ours, column in OURS_TO_THEIRS.items():
        value = getattr(layer, ours)
        assert value == pytest.approx(float(theirs[column]), rel=1e-8, abs=1e-10), (
            layer.name,
            ours,
        )


def test_linear_stack():
    torch.manual_seed(0)
    sizes = ((300, 200), (200, 100), (100, 400), (64, 64), (40, 500))
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in sizes))
    with torch.no_grad():  # a heavy tail, a spike and a low scale, beside fresh layers
        model[1].weight.mul_(torch.distributions.Pareto(1.0, 2.0).sample((100, 200)))
        model[2].weight.add_(torch.outer(torch.ones(400), torch.ones(100)) / 20)
    table = details(model)
    result = analyze(model)
    assert len(table) == len(result) == len(sizes)
    for layer, (_, theirs) in zip(result, table.iterrows(), strict=True):
        assert_equal(layer, theirs)


def test_resnet20_and_what_is_dropped():
    path = data_file("cifar_resnet/resnet20-12fca82f.th")
    model = load_cifar_resnet(path)
    table = details(model).set_index("longname")
    result = analyze(path, min_eigenvalues=8)
    small = analyze(path, min_eigenvalues=8, fit="small", include=("linear",))
    for layer in result:
        # below 20 eigenvalues the peer fits with a bias correction: our fit="small"
        assert_equal(small["linear"] if layer.name == "linear" else layer, table.loc[layer.name])
    assert {layer.name for layer in result} == set(table.index)
    accounted = {item.name for item in result.skipped}
    accounted |= {name for layer in result for name in layer.tensors}
    stored = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    assert accounted == {name.removeprefix("module.") for name in stored}


def test_agreement_begins_at_20_eigenvalues_and_ends_below_1e_5():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 19), nn.Linear(60, 60))
    singular = torch.logspace(-3.5, -1.5, 60)  # eigenvalues from 1e-7 to 1e-3
    with torch.no_grad():
        model[2].weight.copy_(torch.diag(singular))
    table = details(model).set_index("longname")
    ours, small = analyze(model), analyze(model, fit="small")
    assert_equal(ours["0"], table.loc["0"])
    assert_equal(small["1"], table.loc["1"])  # its own fit below 20
    assert ours["1"].alpha_ks != pytest.approx(float(table.loc["1", "alpha"]), rel=1e-3)
    assert ours["2"].n_eigenvalues == 60 > int((singular**2 > 1e-5).sum())  # it drops the rest
    assert ours["2"].alpha_ks != pytest.approx(float(table.loc["2", "alpha"]), rel=1e-3)


def test_layers_that_the_peer_drops_are_listed_here():
    torch.manual_seed(1)
    model = nn.ModuleDict(
        {
            "mha": nn.MultiheadAttention(32, 4),
            "lstm": nn.LSTM(32, 32),
            "conv1": nn.Conv1d(32, 32, 3),
            "conv3": nn.Conv3d(16, 16, 3),
        }
    )
    theirs = set(details(model)["longname"])
    result = analyze(model)
    ours = {layer.name.split("[")[0] for layer in result} | {s.name for s in result.skipped}
    assert theirs == {"mha.out_proj"}
    assert theirs <= ours
    assert {"mha.in_proj_weight", "lstm.weight_hh_l0", "conv1", "conv3"} <= ours


def test_even_kernels_differ_where_the_peer_is_wrong():
    model = nn.Sequential(nn.Conv2d(128, 64, 2))
    layer = analyze(model)["0"]
    assert max(layer.rows, layer.cols) / min(layer.rows, layer.cols) == 2
    assert float(details(model)["Q"].iloc[0]) == 0.5  # should it be fixed there, tell the docs


def test_power_law_package():
    powerlaw = pytest.importorskip("powerlaw", reason='pip install "eigenscape[oracle]"')
    import numpy as np

    from eigenscape.spectra.metrics._power_law import fit_power_law

    values = np.sort((1 - np.random.default_rng(0).random(400)) ** (-1 / 1.5))
    theirs = powerlaw.Fit(values, verbose=False).power_law
    ours = fit_power_law(values)
    assert ours.alpha == pytest.approx(theirs.alpha, abs=1e-12)
    assert ours.xmin == pytest.approx(theirs.xmin, abs=1e-12)
    assert ours.distance == pytest.approx(theirs.D, abs=1e-12)
