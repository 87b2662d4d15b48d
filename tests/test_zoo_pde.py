"""Burgers' equation and Darcy flow: closed forms, laws that must hold, a published solution."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat

from eigenscape.errors import InputError
from eigenscape_studies import networks
from eigenscape_studies.networks._burgers import _random_fields, solve_burgers
from eigenscape_studies.networks._darcy import _operator, _random_media, solve_darcy
from tests._data import data_file
from tests._properties import examples, near

# ---- Burgers: closed forms


def places(points, length=1.0):
    return length * np.arange(points) / points


def single_wave(x, t, nu, offset, wind=0.0):
    """Cole-Hopf with phi = offset + exp(-nu k^2 t) cos(k x), carried along by a wind."""
    k = 2 * math.pi
    decay, phase = math.exp(-nu * k**2 * t), k * (x - wind * t)
    return wind + 2 * nu * k * decay * np.sin(phase) / (offset + decay * np.cos(phase))


def cole_hopf(initial, nu, time):
    """The solution from any periodic start without mean: the heat equation is solved by FFT."""
    points = initial.shape[-1]
    k = 2 * math.pi * np.arange(points // 2 + 1)
    spectrum = np.fft.rfft(initial)
    spectrum[..., 1:] /= 1j * k[1:]
    spectrum[..., 0] = 0
    potential = np.fft.irfft(spectrum, points)
    phi = np.fft.rfft(np.exp(-(potential - potential.min(-1, keepdims=True)) / (2 * nu)))
    phi *= np.exp(-nu * k**2 * time)
    return -2 * nu * np.fft.irfft(1j * k * phi, points) / np.fft.irfft(phi, points)


@pytest.mark.parametrize(("offset", "points", "tolerance"), [(2.0, 64, 1e-12), (1.05, 192, 1e-8)])
@pytest.mark.parametrize("wind", [0.0, -3.7])
def test_one_wave_follows_the_closed_form(offset, points, tolerance, wind):
    x, times = places(points), [0.0, 0.1, 0.5, 0.5, 0.8]
    found = solve_burgers(single_wave(x, 0, 0.02, offset, wind), 0.02, times, step=1e-3)
    exact = np.stack([single_wave(x, t, 0.02, offset, wind) for t in times])
    assert abs(found - exact).max() < tolerance


def test_the_order_in_time_is_four():
    x = places(128)
    start, end = (single_wave(x, t, 0.02, 1.05) for t in (0, 0.5))
    errors = [
        abs(solve_burgers(start, 0.02, [0.5], step=0.01 / 2**i)[0] - end).max() for i in range(4)
    ]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert ((orders > 3.65) & (orders < 4.3)).all()


def test_the_error_falls_geometrically_with_the_points():
    errors = [
        abs(
            solve_burgers(single_wave(places(n), 0, 0.02, 1.05), 0.02, [0.5], step=1e-3)[0]
            - single_wave(places(n), 0.5, 0.02, 1.05)
        ).max()
        for n in (32, 64, 96)
    ]
    assert errors[0] > 15 * errors[1] > 15**2 * errors[2]


def test_a_published_shock():
    """u_0 = -sin(pi x) on [-1, 1], nu = 0.01 / pi: the front is as narrow as 1 / 80."""
    stored = loadmat(data_file("pde/burgers_shock.mat"))
    assert (stored["x"][0, 0], stored["x"][-1, 0]) == (-1, 1)  # both ends: 255 intervals
    errors = []
    for finer in (2, 4):
        x = places(255 * finer, 2.0) - 1
        found = solve_burgers(-np.sin(np.pi * x), 0.01 / np.pi, stored["t"].ravel(), length=2.0)
        found = np.concatenate([found[:, ::finer], found[:, :1]], axis=1).T
        errors.append(np.linalg.norm(found - stored["usol"]) / np.linalg.norm(stored["usol"]))
    assert np.all(np.array(errors) < [5e-4, 2e-6])
    assert errors[0] > 2e-4  # 510 points are too few; 2040 give 7e-9


# ---- Burgers: laws


@examples(8)
@given(
    seed=st.integers(0, 999),
    nu=st.sampled_from([0.02, 0.05, 0.3]),
    points=st.sampled_from([160, 200, 243]),
    shift=st.integers(0, 159),
)
def test_mean_energy_bounds_and_symmetries(seed, nu, points, shift):
    start = _random_fields(2, points, (seed, 9))
    times = [0.0, 0.02, 0.1, 0.3]
    found = solve_burgers(start, nu, times)
    size = np.abs(start).max()
    assert found.mean(-1) == near(np.broadcast_to(start.mean(-1), (4, 2)), 1e-12, size)
    energy = (found**2).mean(-1)
    assert (np.diff(energy, axis=0) < 0).all()
    assert (found.max(-1) <= start.max(-1) + 1e-2 * size).all()  # no new extremes
    rolled = solve_burgers(np.roll(start, shift, axis=-1), nu, times)
    assert rolled == near(np.roll(found, shift, axis=-1), 1e-10, size)
    mirrored = solve_burgers(-np.roll(start[:, ::-1], 1, axis=-1), nu, times)
    assert mirrored == near(-np.roll(found[..., ::-1], 1, axis=-1), 1e-10, size)


def test_length_time_and_amplitude_scale_together():
    """v(y) = a u(y / s) solves it with viscosity a s nu, at times s t / a."""
    start, a, s = _random_fields(3, 192, (0, 9)), 2.5, 4.0
    plain = solve_burgers(start, 0.03, [0.2])
    scaled = solve_burgers(a * start, a * s * 0.03, [0.2 * s / a], length=s)
    np.testing.assert_allclose(scaled, a * plain, atol=1e-10)


def test_fields_of_any_shape_and_no_field_at_all():
    start = _random_fields(6, 64, (0, 9)).reshape(2, 3, 64)
    found = solve_burgers(start, 0.1, [0.0, 0.1])
    assert found.shape == (2, 2, 3, 64)
    alone = solve_burgers(start[1, 2], 0.1, [0.1], step=1e-3)
    np.testing.assert_allclose(alone[0], found[1, 1, 2], atol=1e-6)
    assert solve_burgers(start, 0.1, []).shape == (0, 2, 3, 64)
    assert solve_burgers(np.zeros((0, 64)), 0.1, [0.5]).shape == (1, 0, 64)
    assert solve_burgers(np.full(8, 3.0), 0.1, [0.5]).tolist() == [[3.0] * 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"viscosity": 0.0}, "viscosity=0.0; expected a finite number above 0"),
        ({"length": math.inf}, "length=inf"),
        ({"step": -1.0}, "step=-1.0"),
        ({"initial": np.zeros(7)}, r"initial has the shape \(7,\)"),
        ({"initial": np.float64(1)}, r"initial has the shape \(\)"),
        ({"initial": np.full(8, np.nan)}, "initial is not finite"),
        ({"times": [0.2, 0.1]}, r"times=\[0.2, 0.1\]; .* ascending"),
        ({"times": [-0.1]}, "from 0 on"),
        ({"times": [math.nan]}, "finite"),
        ({"viscosity": -1, "length": 0}, "viscosity=-1.*length=0"),
        (
            {
                "initial": 50 * np.sin(2 * np.pi * places(64)),
                "viscosity": 1e-4,
                "step": 0.5,
                "times": [10.0],
            },
            "overflows with step=0.5; give a shorter one",
        ),
    ],
)
def test_what_cannot_be_solved_is_refused(change, message):
    given = {"initial": np.zeros(16), "viscosity": 0.1, "times": [1.0]} | change
    with pytest.raises(InputError, match=message):
        solve_burgers(**given)


# ---- Burgers: the data


def test_the_targets_are_the_solution():
    split = networks.burgers(24, 2)
    start = _random_fields(24, 64 * 64, (0, 0))
    mean = start.mean(-1, keepdims=True)
    np.testing.assert_allclose(split.train_inputs[:, 0], start[:, ::64], atol=1e-6)
    k = 2 * math.pi * np.arange(64 * 32 + 1)
    carried = np.fft.rfft(cole_hopf(start - mean, 0.02, 0.5)) * np.exp(-0.5j * k * mean)
    end = mean + np.fft.irfft(carried, 64 * 64)
    np.testing.assert_allclose(split.train_targets[:, 0], end[:, ::64], atol=1e-6)


def test_the_random_fields_have_the_covariance_of_the_paper():
    fields = _random_fields(20_000, 64, (5, 5))
    waves = np.fft.rfft(fields) / 64
    variance = (abs(waves) ** 2).mean(0)
    expected = 625 / ((2 * math.pi * np.arange(6)) ** 2 + 25) ** 2
    np.testing.assert_allclose(variance[:6], expected, rtol=0.05)
    rest = fields - fields.mean(axis=1, keepdims=True)
    assert rest.std() == pytest.approx(0.6, abs=0.02)


def test_burgers_has_the_promised_form():
    state = torch.get_rng_state()
    split = networks.burgers(6, 4, grid=32, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    for part in (split.train_inputs, split.train_targets):
        assert (part.shape, part.dtype) == ((6, 1, 32), torch.float32)
        assert part.is_contiguous()
    assert split.test_targets.shape == (4, 1, 32)
    assert torch.equal(
        networks.burgers(1, 1, time=0.0).test_inputs, networks.burgers(1, 1).test_inputs
    )


@pytest.mark.parametrize("make", [partial(networks.burgers, viscosity=0.2), networks.darcy])
def test_parts_grow_at_their_end_and_follow_the_seed(make):
    few, many, other = make(2, 3, grid=16), make(4, 3, grid=16), make(2, 3, grid=16, seed=1)
    torch.testing.assert_close(few.train_inputs, many.train_inputs[:2], atol=1e-6, rtol=0)
    torch.testing.assert_close(few.train_targets, many.train_targets[:2], atol=1e-6, rtol=0)
    torch.testing.assert_close(few.test_targets, many.test_targets, atol=1e-6, rtol=0)
    assert not torch.equal(few.train_inputs, few.test_inputs[:2])
    assert not torch.equal(few.train_inputs, other.train_inputs)


def test_the_same_burgers_fields_on_a_finer_grid():
    coarse, fine = networks.burgers(3, 1, grid=32), networks.burgers(3, 1, grid=128)
    torch.testing.assert_close(coarse.train_inputs, fine.train_inputs[..., ::4])
    torch.testing.assert_close(
        coarse.train_targets, fine.train_targets[..., ::4], atol=2e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_count": 0}, "train_count=0"),
        ({"test_count": 0}, "test_count=0"),
        ({"grid": 7}, "grid=7; expected 8"),
        ({"viscosity": 1e-4}, "viscosity=0.0001; .* 0.001"),
        ({"time": -1.0, "grid": 0}, "grid=0.*time=-1.0"),
        ({"time": math.nan}, "time=nan"),
    ],
)
def test_bad_burgers_data_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        networks.burgers(**change)


@pytest.mark.slow
def test_narrow_fronts_are_resolved():
    split = networks.burgers(8, 1, viscosity=2e-3)
    start = _random_fields(8, 64 * 160, (0, 0))
    fine = solve_burgers(start[:, ::4], 2e-3, [0.5])[0, :, ::40]
    np.testing.assert_allclose(split.train_targets[:, 0], fine, atol=1e-5)


# ---- Darcy: closed forms


def centres(rows):
    x = (np.arange(rows) + 0.5) / rows
    return np.meshgrid(x, x, indexing="ij")


def series(x, y, terms=200):
    """The solution of -Laplace u = 1 on the unit square (Timoshenko's torsion of a bar)."""
    u = x * (1 - x) / 2
    for n in range(1, terms, 2):
        k = n * math.pi
        u = u - 4 / k**3 * np.sin(k * x) * (np.exp(-k * y) + np.exp(-k * (1 - y))) / (
            1 + math.exp(-k)
        )
    return u


def test_a_constant_coefficient_gives_the_series():
    errors = []
    for rows in (16, 32, 64):
        u = solve_darcy(np.full((rows, rows), 2.5), 3.0)
        errors.append(abs(u * 2.5 / 3 - series(*centres(rows))).max())
    assert errors[2] < 1e-4
    assert np.divide(errors[:-1], errors[1:]) == pytest.approx([4, 4], abs=0.5)


def test_the_order_is_two_for_a_manufactured_solution():
    errors = []
    for rows in (16, 32, 64):
        x, y = centres(rows)
        a, u = 1 + x * y / 2, np.sin(np.pi * x) * np.sin(2 * np.pi * y)
        u_x = np.pi * np.cos(np.pi * x) * np.sin(2 * np.pi * y)
        u_y = 2 * np.pi * np.sin(np.pi * x) * np.cos(2 * np.pi * y)
        f = 5 * np.pi**2 * a * u - y / 2 * u_x - x / 2 * u_y
        errors.append(abs(solve_darcy(a, f) - u).max())
    assert np.divide(errors[:-1], errors[1:]) == pytest.approx([4, 4], abs=0.3)


def test_a_jump_between_cells_keeps_order_two():
    """u = w(x) sin(pi y), with w piecewise a quadratic whose flux a w' is continuous at 1/2."""
    errors = []
    for rows in (16, 32, 64):
        x, y = centres(rows)
        a = np.where(x < 0.5, 3.0, 12.0)
        # a w' = g(x) = 1/2 + c - x on both sides; w(0) = 0 and w(1) = 0 give c.
        c = -1 / 4 * (1 / 3 - 1 / 12) / (1 / 3 + 1 / 12)
        w = np.where(
            x < 0.5,
            ((0.5 + c) * x - x**2 / 2) / 3,
            -((0.5 + c) * (1 - x) - (1 - x**2) / 2) / 12,
        )
        f = (1 + a * math.pi**2 * w) * np.sin(np.pi * y)
        errors.append(abs(solve_darcy(a, f) - w * np.sin(np.pi * y)).max())
    assert errors[2] < 1e-4
    assert np.divide(errors[:-1], errors[1:]) == pytest.approx([4, 4], abs=0.5)


# ---- Darcy: laws

media = st.builds(
    lambda seed, rows, spread: np.exp(
        spread * np.random.default_rng(seed).standard_normal((rows, rows))
    ),
    st.integers(0, 999),
    st.integers(2, 12),
    st.floats(0, 3),
)


@examples(30)
@given(a=media)
def test_the_operator_is_symmetric_and_an_m_matrix(a):
    dense = _operator(a).toarray()
    assert (dense == dense.T).all()
    assert np.linalg.eigvalsh(dense)[0] > 0
    assert (dense - np.diag(dense.diagonal()) <= 0).all()
    assert (dense.sum(axis=1) >= -1e-9 * dense.diagonal()).all()  # only the boundary lets out


@examples(30)
@given(a=media, seed=st.integers(0, 99))
def test_pressure_is_positive_flux_is_kept_and_symmetries_hold(a, seed):
    f = np.random.default_rng(seed).uniform(0, 1, a.shape)
    u = solve_darcy(a, f)
    assert (u > 0).all()
    top, bottom, left, right = (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1])
    outflow = sum((2 * a[edge] * u[edge]).sum() for edge in (top, bottom, left, right))
    assert outflow == pytest.approx(f.mean(), rel=1e-9)
    np.testing.assert_allclose(solve_darcy(a.T, f.T), u.T, rtol=1e-8)
    np.testing.assert_allclose(solve_darcy(a[::-1], f[::-1]), u[::-1], rtol=1e-8)
    np.testing.assert_allclose(solve_darcy(7 * a, 14 * f), 2 * u, rtol=1e-8)
    assert (solve_darcy(2 * a, f) <= u * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("coefficient", "forcing", "message"),
    [
        (np.ones((3, 4)), 1.0, r"shape \(3, 4\); expected \(rows, rows\)"),
        (np.ones((1, 1)), 1.0, "2 or more"),
        (np.ones(4), 1.0, r"shape \(4,\)"),
        (np.zeros((3, 3)), 1.0, "above 0"),
        (np.full((3, 3), np.inf), 1.0, "finite"),
        (np.ones((3, 3)), np.ones(3), r"forcing has the shape \(3,\)"),
        (np.ones((3, 3)), np.nan, "one finite number"),
    ],
)
def test_media_that_cannot_be_solved_are_refused(coefficient, forcing, message):
    with pytest.raises(InputError, match=message):
        solve_darcy(coefficient, forcing)


# ---- Darcy: the data


def test_darcy_has_the_promised_form():
    split = networks.darcy(3, 2, grid=16, forcing=1.0)
    assert (split.train_inputs.shape, split.train_inputs.dtype) == ((3, 1, 16, 16), torch.float32)
    assert (split.test_targets.shape, split.test_targets.dtype) == ((2, 1, 16, 16), torch.float32)
    assert set(split.train_inputs.unique().tolist()) == {3.0, 12.0}
    assert bool((split.train_targets > 0).all())
    assert float(split.train_targets.max()) <= 0.0737 / 3  # the bound of a = 3 everywhere
    strong = networks.darcy(3, 2, grid=16)
    torch.testing.assert_close(strong.train_targets, 100 * split.train_targets)
    assert torch.equal(strong.train_inputs, split.train_inputs)


def test_the_targets_are_near_those_of_much_finer_cells():
    split = networks.darcy(4, 1, forcing=1.0)
    errors = []
    for a, u in zip(split.train_inputs[:, 0], split.train_targets[:, 0], strict=True):
        fine = solve_darcy(a.numpy().repeat(6, axis=0).repeat(6, axis=1))
        fine = fine.reshape(32, 6, 32, 6).mean(axis=(1, 3))
        errors.append(np.linalg.norm(fine - u.numpy()) / np.linalg.norm(fine))
    assert max(errors) < 0.01
    assert np.mean(errors) < 0.005


def test_half_of_a_medium_is_high_and_neighbours_agree():
    sample = _random_media(400, 32, (0, 7))
    assert (sample == 12).mean() == pytest.approx(0.5, abs=0.02)
    assert (sample[:, 1:] == sample[:, :-1]).mean() > 0.9
    finer = _random_media(400, 96, (0, 7))[:, 1::3, 1::3]  # its cells' centres are the same
    assert (finer == sample).mean() > 0.999


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_count": 0, "test_count": 0}, "train_count=0.*test_count=0"),
        ({"grid": 4}, "grid=4; expected 8"),
        ({"forcing": 0.0}, "forcing=0.0"),
    ],
)
def test_bad_darcy_data_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        networks.darcy(**change)
