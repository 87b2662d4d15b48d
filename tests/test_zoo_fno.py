"""Fourier neural operators, the U-Net as an operator, their training and their error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape.balancing import BalanceCallback
from eigenscape.errors import InputError
from eigenscape.models import Callback, build
from eigenscape.spectra import SpectraOptions, analyze
from eigenscape_studies import networks
from eigenscape_studies.networks._fno import _SpectralConvolution
from tests._properties import examples, near


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small(seed=0, **sizes):
    return build(lambda: networks.FNO1d(**{"width": 6, "modes": 4, "hidden": 8} | sizes), seed)


# ---- the spectral convolution


def convolution(dims, modes=3, inputs=2, outputs=4):
    return build(lambda: _SpectralConvolution(inputs, outputs, modes, dims))


def test_one_dimension_by_its_definition():
    layer, fields = convolution(1), noise(5, 2, 16).double()
    layer.double()
    weight = layer.weight = nn.Parameter(layer.weight.detach().to(torch.complex128))
    place = torch.arange(16, dtype=torch.float64) / 16
    expected = torch.zeros(5, 4, 16, dtype=torch.float64)
    for k in range(3):
        wave = torch.exp(2j * math.pi * k * place)
        amplitude = (fields * wave.conj()).mean(-1)  # (n, in)
        part = ((amplitude @ weight[:, :, k]).unsqueeze(-1) * wave).real
        expected += part if k == 0 else 2 * part  # with its conjugate at -k
    torch.testing.assert_close(layer(fields), expected)


@pytest.mark.parametrize("grid", [(6, 6), (9, 7), (8, 12)])
def test_two_dimensions_by_their_definition(grid):
    layer, fields = convolution(2), noise(5, 2, *grid)
    row, column = (torch.arange(side) / side for side in grid)
    expected = torch.zeros(5, 4, *grid)
    for index, down in enumerate((0, 1, 2, -3, -2, -1)):
        for across in range(3):
            wave = torch.exp(2j * math.pi * (down * row[:, None] + across * column))
            amplitude = (fields * wave.conj()).mean((-1, -2))  # (n, in)
            part = (amplitude @ layer.weight[:, :, index, across])[..., None, None] * wave
            expected += part.real if across == 0 else 2 * part.real
    torch.testing.assert_close(layer(fields), expected, atol=1e-5, rtol=1e-4)


@examples(15)
@given(
    dims=st.integers(1, 2),
    seed=st.integers(0, 99),
    shift=st.integers(0, 15),
    finer=st.integers(2, 3),
)
def test_it_commutes_with_shifts_and_does_not_see_the_grid(dims, seed, shift, finer):
    layer = convolution(dims)
    axes = tuple(range(2, 2 + dims))
    fields = noise(2, 2, *(16,) * dims, seed=seed)
    moved = layer(fields.roll(shift, dims=2))
    assert moved.detach().numpy() == near(layer(fields).roll(shift, dims=2).detach().numpy(), 1e-5)
    fine = noise(2, 2, *(16 * finer,) * dims, seed=seed)
    smooth = torch.fft.rfftn(fine, dim=axes)
    keep = torch.fft.fftfreq(16 * finer, 1 / (16 * finer)).abs() < 8
    smooth[..., 8:] = 0
    if dims == 2:
        smooth[:, :, ~keep] = 0
    fine = torch.fft.irfftn(smooth, s=(16 * finer,) * dims, dim=axes)
    every = (..., *(slice(None, None, finer),) * dims)
    assert layer(fine)[every].detach().numpy() == near(layer(fine[every]).detach().numpy(), 1e-5)


# ---- the operator


def test_the_parameters_of_the_formulas():
    def rest(width, dims, channels, outputs, depth, hidden):
        lift, pointwise = (channels + dims + 1) * width, depth * (width + 1) * width
        return lift + pointwise + (width + 1) * hidden + (hidden + 1) * outputs

    one = networks.FNO1d(3, 2, width=5, modes=4, depth=3, hidden=7)
    spectral = 3 * 5 * 5 * 4
    assert sum(p.numel() for p in one.parameters()) == spectral + rest(5, 1, 3, 2, 3, 7)
    two = networks.FNO2d(3, 2, width=5, modes=4, depth=3, hidden=7)
    assert sum(p.numel() for p in two.parameters()) == 8 * spectral + rest(5, 2, 3, 2, 3, 7)
    assert two.blocks[0].spectral.weight.dtype == torch.complex64
    assert (one(noise(2, 3, 10)).shape, two(noise(2, 3, 8, 10)).shape) == (
        (2, 2, 10),
        (2, 2, 8, 10),
    )


def test_every_part_matters_and_the_answer_is_real():
    for model, shape in ((small(), (2, 1, 16)), (networks.FNO2d(width=4, modes=2), (2, 1, 8, 8))):
        answer = model(noise(*shape))
        assert answer.dtype == torch.float32
        answer.square().sum().backward()
        assert all(bool((weight.grad != 0).any()) for weight in model.parameters())


def test_it_computes_in_double_precision_when_asked():
    fields, model = noise(2, 1, 16), small()
    single = model(fields)
    double = model.double()(fields.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single)


def test_the_place_is_seen():
    flat = small()(torch.zeros(1, 1, 32))
    assert flat.std() > 1e-4
    model = build(lambda: networks.FNO2d(width=6, modes=2))
    flat = model(torch.zeros(1, 1, 8, 8))[0, 0]
    assert flat.std(0).min() > 1e-5
    assert flat.std(1).min() > 1e-5


def test_a_finer_grid_gives_nearly_the_same_function():
    model, split = small(), [networks.burgers(3, 1, grid=grid).train_inputs for grid in (64, 256)]
    coarse, fine = (model(fields) for fields in split)
    assert (fine[..., ::4] - coarse).norm() < 0.05 * coarse.norm()


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (networks.FNO1d(modes=6), (1, 1, 9), "modes=6, but a grid of 9 has 5; give finer fields"),
        (networks.FNO1d(), (1, 2, 64), r"shape \(1, 2, 64\); expected \(n, 1, points\)"),
        (networks.FNO1d(), (1, 1, 64, 64), r"expected \(n, 1, points\)"),
        (networks.FNO2d(modes=4), (1, 1, 7, 32), "modes=4, but a grid of 7 x 32 has 3"),
        (networks.FNO2d(modes=4), (1, 1, 32, 5), "modes=4, but a grid of 32 x 5 has 3"),
        (networks.FNO2d(), (1, 1, 64), r"expected \(n, 1, rows, columns\)"),
    ],
)
def test_fields_that_do_not_fit_are_refused(model, shape, message):
    with pytest.raises(InputError, match=message):
        model(torch.zeros(shape))


def test_the_coarsest_grids_are_taken():
    assert networks.FNO1d(modes=6)(torch.zeros(1, 1, 10)).shape == (1, 1, 10)
    assert networks.FNO2d(modes=4)(torch.zeros(1, 1, 8, 6)).shape == (1, 1, 8, 6)


def test_a_size_below_one_is_refused():
    with pytest.raises(InputError, match=r"FNO2d has .*depth=0.*; give each 1 or more"):
        networks.FNO2d(depth=0)


@pytest.mark.parametrize(
    ("make", "kind", "spectral"),
    [(networks.FNO1d, "conv1d", 288), (networks.FNO2d, "conv2d", 1152)],
)
def test_its_layers_are_known_to_the_spectra(make, kind, spectral):
    rows = analyze(build(make), min_eigenvalues=12).frame().set_index("name")
    expected = {f"blocks.{i}.spectral": "spectral_conv" for i in range(4)}
    expected |= {f"blocks.{i}.pointwise": kind for i in range(4)} | {"project": "linear"}
    assert rows["kind"].to_dict() == expected
    assert set(rows.loc[rows.kind == "spectral_conv", "n_eigenvalues"]) == {spectral}
    assert rows.loc[rows.kind != "spectral_conv", "n_eigenvalues"].min() >= 16


# ---- the U-Net as an operator


def test_the_unet_in_one_dimension():
    def pair(inputs, outputs):
        return 3 * (inputs * outputs + outputs * outputs) + 4 * outputs

    model = build(lambda: networks.UNet(channels=2, classes=3, width=4, depth=2, dims=1))
    body = pair(2, 4) + pair(4, 8) + pair(8, 16) + pair(16 + 8, 8) + pair(8 + 4, 4)
    assert sum(weight.numel() for weight in model.parameters()) == body + 4 * 3 + 3
    assert model(noise(2, 2, 24)).shape == (2, 3, 24)
    with pytest.raises(InputError, match=r"\(n, channels, points\) with points .* multiples of 4"):
        model(noise(2, 2, 22))
    with pytest.raises(InputError, match="expected 1 or 2"):
        networks.UNet(dims=3)


def test_names_do_not_depend_on_the_dimension():
    one, two = (networks.UNet(dims=dims).state_dict() for dims in (1, 2))
    assert list(one) == list(two)
    assert one["head.weight"].shape == (4, 8, 1)


# ---- the error


class _Scale(nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, fields):
        return self.factor * fields


@examples(30)
@given(seed=st.integers(0, 999), count=st.integers(1, 7), batch_size=st.integers(1, 8))
def test_the_error_is_the_mean_ratio_of_norms(seed, count, batch_size):
    inputs, targets = noise(2, count, 2, 3, 4, seed=seed)
    a, b = (part.numpy().reshape(count, -1).astype(float) for part in (inputs, targets))
    expected = np.mean(np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1))
    measured = networks.relative_error(nn.Identity(), inputs, targets, batch_size=batch_size)
    assert measured == pytest.approx(expected, rel=1e-5)
    scaled = networks.relative_error(nn.Identity(), 7 * inputs, 7 * targets)
    assert scaled == pytest.approx(expected, rel=1e-5)
    assert networks.relative_error(_Scale(0.0), inputs, targets) == pytest.approx(1)
    assert networks.relative_error(_Scale(1.25), targets, targets) == pytest.approx(0.25, rel=1e-5)


def test_the_error_is_measured_in_evaluation_mode():
    model = nn.Dropout(0.9)
    assert networks.relative_error(model, noise(3, 4), noise(3, 4)) == 0
    assert model.training


def call_error(inputs, targets):
    return networks.relative_error(nn.Identity(), inputs, targets)


def call_training(inputs, targets):
    options = {"epochs": 2, "batch_size": 2, "learning_rate": 0.1, "halvings": 1}
    return networks.train_operator(_Scale(), inputs, targets, **options)


@pytest.mark.parametrize("call", [call_error, call_training])
def test_pairs_must_fit(call):
    ones = torch.ones(3, 4)
    with pytest.raises(InputError, match="0 inputs and 0 targets"):
        call(ones[:0], ones[:0])
    with pytest.raises(InputError, match="3 inputs and 2 targets"):
        call(ones, ones[:2])
    with pytest.raises(InputError, match="0 everywhere, the first at 1"):
        call(ones, torch.tensor([[1.0], [0.0], [0.0]]) * ones)
    with pytest.raises(InputError, match=r"predictions of shape .*4\) for targets of shape .*5\)"):
        call(ones, torch.ones(3, 5))


# ---- training


def fit(model, callbacks=(), **changes):
    inputs = noise(10, 1, 16)
    options = {"epochs": 4, "batch_size": 5, "learning_rate": 1e-2, "halvings": 1}
    options["callbacks"] = callbacks
    return networks.train_operator(model, inputs, inputs.roll(2, dims=-1), **options | changes)


def test_the_first_loss_and_the_first_step_are_those_of_the_formula():
    model = _Scale(3.0)
    inputs = noise(6, 8)
    options = {"epochs": 1, "batch_size": 6, "learning_rate": 0.25, "halvings": 0}
    log = networks.train_operator(model, inputs, 2 * inputs, **options)
    assert log.losses == pytest.approx((0.5,))  # |3 - 2| / 2
    assert model.factor.item() == pytest.approx(3 - 0.25)  # the first step of Adam is the rate
    assert (log.steps, log.learning_rates) == (1, (0.25,))


@pytest.mark.parametrize(("epochs", "halvings"), [(12, 5), (12, 0), (7, 6), (10, 3), (11, 2)])
def test_the_rate_is_halved_at_equal_intervals(epochs, halvings):
    log = fit(_Scale(), epochs=epochs, halvings=halvings, learning_rate=0.64)
    rates = np.array(log.learning_rates)
    expected = [0.64 / 2 ** int(epoch * (halvings + 1) / epochs) for epoch in range(epochs)]
    np.testing.assert_allclose(rates, expected)
    assert rates[-1] == pytest.approx(0.64 / 2**halvings)


NETWORKS = {
    "FNO1d": small,
    "UNet in 1-D": lambda: build(lambda: networks.UNet(classes=1, width=4, dims=1)),
    "FNO2d": lambda: build(lambda: networks.FNO2d(width=6, modes=3, hidden=12)),
    "UNet in 2-D": lambda: build(lambda: networks.UNet(classes=1, width=4)),
}


@pytest.mark.parametrize(
    ("name", "fall", "error"),
    [("FNO1d", 5, 0.3), ("UNet in 1-D", 2.5, 0.7), ("FNO2d", 6, 0.4), ("UNet in 2-D", 4, 0.95)],
)
def test_an_operator_is_learned(name, fall, error):
    model = NETWORKS[name]()
    if "1" in name:
        split = networks.burgers(12, 8, viscosity=0.2, time=0.1, grid=16)
    else:
        split = networks.darcy(12, 8, grid=8)
    options = {"epochs": 60, "batch_size": 6, "learning_rate": 2e-2}
    log = networks.train_operator(model, split.train_inputs, split.train_targets, **options)
    assert log.losses[0] > fall * log.final_loss
    assert networks.relative_error(model, split.test_inputs, split.test_targets) < error


def test_training_repeats_and_leaves_the_random_state_and_the_modes():
    state = torch.get_rng_state()
    logs, weights = [], []
    for seed in (1, 1, 2):
        model = nn.Sequential(small(), nn.Dropout(0.1)).eval()
        logs.append(fit(model, seed=seed, batch_size=3))
        weights.append(
            torch.cat(
                [
                    torch.view_as_real(w).flatten() if w.is_complex() else w.flatten()
                    for w in model.parameters()
                ]
            )
        )
        assert not any(part.training for part in model.modules())
        assert all(weight.grad is None for weight in model.parameters())
    assert logs[0] == logs[1] != logs[2]
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(state, torch.get_rng_state())


def test_callbacks_are_told_after_every_step():
    seen, model = [], _Scale(3.0)

    class Watch(Callback):
        def on_step(self, fit):
            assert isinstance(fit.optimizer, torch.optim.Adam)
            seen.append((model.factor.item(), fit.optimizer.param_groups[0]["lr"]))

    log = fit(model, [Watch()])
    assert len(seen) == log.steps == 8
    assert len({factor for factor, _ in seen}) == 8
    assert [rate for _, rate in seen] == [1e-2] * 4 + [5e-3] * 4
    plain = _Scale(3.0)
    assert fit(plain) == log
    assert plain.factor.item() == seen[-1][0]


def test_a_training_that_diverges_stops():
    log = fit(small(), learning_rate=1e30)
    assert log.diverged_at == 0
    assert log.losses == ()
    assert log.steps <= 2
    log = fit(_Scale(float("inf")))
    assert (log.diverged_at, log.steps) == (0, 0)


def test_bad_options_are_refused():
    with pytest.raises(InputError, match="halvings=4 and epochs=4; expected 0 or more"):
        fit(_Scale(), halvings=4)
    with pytest.raises(InputError, match="halvings=-1"):
        fit(_Scale(), halvings=-1)
    with pytest.raises(InputError, match=r"epochs=0.*learning_rate=0"):
        fit(_Scale(), epochs=0, learning_rate=0)


# ---- with TempBalance


def balanced(seed, rule, **options):
    """Train on 20 pairs as in the published low-data runs; return the spread of alpha."""
    data = networks.burgers(20, 1, seed=seed)
    model = build(networks.FNO1d, seed)
    spectra = SpectraOptions(min_eigenvalues=12)
    options = {"every": 5, "skip": (), "spectra": spectra, "s": 1.0, "tau": 10.0} | options
    callbacks = [BalanceCallback(rule=rule, **options)] if rule else []
    log = networks.train_operator(
        model,
        data.train_inputs,
        data.train_targets,
        epochs=150,
        batch_size=20,
        learning_rate=0.025,
        seed=seed,
        callbacks=callbacks,
    )
    assert log.diverged_at is None
    rows = analyze(model, min_eigenvalues=12).frame()
    return rows[rows.kind != "spectral_conv"].alpha_hill.std()


def test_tempbalance_balances_the_published_layers_and_the_complex_ones_when_asked():
    model = small(width=16, hidden=16)
    options = {"every": 2, "skip": (), "spectra": SpectraOptions(min_eigenvalues=12)}
    watched = BalanceCallback(spectral_convolutions=True, **options)
    assert fit(model, [watched]).diverged_at is None
    expected = {f"blocks.{i}.{part}" for i in range(4) for part in ("spectral", "pointwise")}
    assert set(watched.balance.factors) == expected | {"project"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_tempbalance_narrows_the_spread_of_alpha_and_its_inverse_widens_it(seed):
    plain, narrow, wide = (
        balanced(seed, None),
        balanced(seed, "tb_sigmoid"),
        balanced(seed, "reversed", of="tb_sigmoid"),
    )
    assert narrow < 0.4 * plain
    assert wide > 1.2 * plain
