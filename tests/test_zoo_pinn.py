"""Physics-informed networks: derivatives, reference solutions, losses, training."""

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.errors import InputError
from eigenscape.models import Objective, build
from eigenscape_studies import networks
from eigenscape_studies.networks import _pinn_training
from eigenscape_studies.networks._pinn import PINN
from eigenscape_studies.networks._pinn_problem import PINNProblem, reaction, reaction_diffusion
from tests._properties import examples

CONVECTION = networks.convection(3.0, n_collocation=40)
REACTION = reaction(2.0, n_collocation=40)
MIXED = reaction_diffusion(0.5, 2.0, n_collocation=40)


def network(seed=0, hidden=(9, 8, 7)):
    return build(lambda: PINN(hidden), seed).double()


def points(count=50):
    return 3 * torch.randn(
        count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )


def autograd_derivatives(model, where):
    """u, u_x, u_t, u_xx by reverse mode, on the graph of the plain forward pass."""
    where = where.clone().requires_grad_()
    u = model(where)
    u_x, u_t = torch.autograd.grad(u.sum(), where, create_graph=True)[0].T
    u_xx = torch.autograd.grad(u_x.sum(), where, create_graph=True)[0][:, 0]
    return u, u_x, u_t, u_xx


def close(first, second, tolerance=1e-10):
    return (first - second).norm() <= tolerance * second.norm()


# ---- derivatives


@examples(25)
@given(
    a=st.floats(-30, 30),
    b=st.floats(-2, 2),
    nu=st.sampled_from([0.0, 0.5, -1.0, 3.0]),
    hidden=st.lists(st.integers(1, 12), max_size=4),
)
def test_the_jet_is_what_autograd_finds(a, b, nu, hidden):
    model = network(hidden=hidden)
    u, u_x, u_t, u_xx = autograd_derivatives(model, points()) if hidden else (None,) * 4
    value, change = model.jet(points(), (a, b), nu)
    if not hidden:
        W = model.layers[0].weight[0]
        assert torch.allclose(change, (a * W[0] + b * W[1]).expand(50))
        return
    parts = [a * u_x, b * u_t, -nu * u_xx]
    scale = max(part.norm() for part in parts)
    assert close(value, u)
    assert (change - sum(parts)).norm() <= 1e-10 * scale


@pytest.mark.parametrize(("velocity", "nu"), [((3.0, 1.0), 0.0), ((0.0, 1.0), 0.7)])
def test_gradients_and_hessian_products_through_the_jet_are_those_of_autograd(velocity, nu):
    model = network()
    weights = list(model.parameters())
    direction = [torch.ones_like(weight) for weight in weights]
    options = {"allow_unused": True, "materialize_grads": True}  # the last bias moves nothing

    def products(change):
        slopes = torch.autograd.grad(change.square().mean(), weights, create_graph=True, **options)
        slope = sum((g * v).sum() for g, v in zip(slopes, direction, strict=True))
        bends = torch.autograd.grad(slope, weights, **options)
        return slopes, bends

    _, u_x, u_t, u_xx = autograd_derivatives(model, points())
    expected = products(velocity[0] * u_x + velocity[1] * u_t - nu * u_xx)
    for ours, theirs in zip(products(model.jet(points(), velocity, nu)[1]), expected, strict=True):
        assert all(close(a, b, 1e-9) for a, b in zip(ours, theirs, strict=True))


def test_the_jet_sees_weights_that_are_swapped_in():
    model, other = network(0), network(1)
    wrapped = Objective(
        model, None, CONVECTION.batch(), forward=CONVECTION.loss_of, dtype=torch.float64
    )
    point = torch.nn.utils.parameters_to_vector(other.parameters()).detach()
    assert wrapped.value(point) == pytest.approx(CONVECTION.loss(other).item(), rel=1e-12)
    assert wrapped.loss_at_center == pytest.approx(CONVECTION.loss(model).item(), rel=1e-12)


@pytest.mark.parametrize("problem", [CONVECTION, REACTION, MIXED])
def test_an_objective_takes_a_problem_and_its_curvature_is_right(problem):
    model = network()
    objective = Objective(model, None, problem.batch(), forward=problem.loss_of)
    P, step = len(objective.center), 1e-5
    v = torch.randn(P, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    ahead, behind = (objective.gradient(objective.center + s * step * v) for s in (1, -1))
    assert close((ahead - behind) / (2 * step), objective.hvp(v), 1e-6)
    assert objective.data.count == 40  # a sample of the loss is a collocation point


def test_the_size_of_the_paper():
    assert sum(weight.numel() for weight in PINN().parameters()) == 7851


def test_a_width_below_one_is_refused():
    with pytest.raises(InputError, match=r"\[2, 5, 0, 1\].*give each 1 or more"):
        PINN([5, 0])


# ---- the grid and the reference

STEPS = 990  # of the reference, each with its rounding
EPS = torch.finfo(torch.float64).eps


def test_the_grid_leaves_the_right_end_out():
    problem = networks.convection(1.0)
    assert problem.grid().shape == (25600, 2)
    assert problem.x[-1].item() == pytest.approx(2 * math.pi * 255 / 256)
    assert (problem.t[0].item(), problem.t[-1].item()) == (0.0, 1.0)
    assert problem.grid()[257].tolist() == [problem.x[1].item(), problem.t[1].item()]


@examples(15)
@given(beta=st.floats(-40, 40))
def test_convection_only_moves_the_sine(beta):
    problem = networks.convection(beta)
    x, t = problem.grid().T
    assert (problem.reference().flatten() - torch.sin(x - beta * t)).abs().max() < 4 * EPS * STEPS


@examples(15)
@given(rho=st.floats(-10, 10))
def test_without_diffusion_each_place_is_logistic(rho):
    # Each step rounds, for small rates to one side only; and decay from near 1 is ill-conditioned:
    # du/dh = exp(-rho t) there.
    tolerance = EPS * (STEPS + 16 * math.exp(max(0.0, -rho)))
    h = torch.exp(-((reaction(rho).x - math.pi) ** 2) / (2 * (math.pi / 4) ** 2))
    grown = h * torch.exp(rho * reaction(rho).t[:, None])
    expected = grown / (grown + 1 - h)
    for problem in (reaction(rho), reaction_diffusion(0.0, rho)):
        assert (problem.reference() - expected).abs().max() < tolerance


@pytest.mark.parametrize("nu", [0.1, 2.0])
def test_without_reaction_the_gaussian_spreads_like_heat(nu):
    problem = reaction_diffusion(nu, 0.0)
    u = problem.reference().numpy()
    waves = np.fft.fftfreq(256, 1 / 256)
    for row in (1, 50, 99):
        heat = np.fft.ifft(np.fft.fft(u[0]) * np.exp(-nu * waves**2 * row / 99)).real
        assert np.abs(u[row] - heat).max() < 1e-13
    # On the whole line the variance grows by 2 nu t; the circle is wide enough for a short time.
    variance, t = (math.pi / 4) ** 2, problem.t[5].item()
    wide = variance + 2 * nu * t
    line = math.sqrt(variance / wide) * np.exp(-((problem.x.numpy() - math.pi) ** 2) / (2 * wide))
    assert np.abs(u[5] - line)[64:192].max() < 2e-3


def fine_solution(problem, steps=4000):
    """The last row by second-order Strang splitting in steps of our own."""
    k, dt = np.arange(129), 1 / steps
    u, half = problem.reference()[0].numpy(), math.exp(-problem.rho * dt / 2)
    spread = np.exp(-problem.nu * k**2 * dt)
    for _ in range(steps):
        u = u / (u + (1 - u) * half)
        u = np.fft.irfft(np.fft.rfft(u) * spread)
        u = u / (u + (1 - u) * half)
    return u


def test_the_splitting_converges_to_the_solution_at_first_order_and_ends_at_time_one():
    problem = reaction_diffusion(2.0, 5.0)
    fine = fine_solution(problem)
    errors = [np.abs(problem.reference(n)[-1].numpy() - fine).max() for n in (1, 10, 20)]
    assert errors[1] < 5e-5
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)


def test_the_reference_needs_a_step():
    with pytest.raises(InputError, match="substeps=0"):
        CONVECTION.reference(0)


# ---- the loss


class Known(PINN):
    """A function with its derivatives, in place of a network."""

    def __init__(self, u, u_x, u_t, u_xx):
        super().__init__([1])
        self.double()
        self.u, self.u_x, self.u_t, self.u_xx = u, u_x, u_t, u_xx

    def forward(self, where):
        return self.u(*where.T)

    def jet(self, where, velocity, diffusion=0.0):
        x, t = where.T
        a, b = velocity
        change = a * self.u_x(x, t) + b * self.u_t(x, t) - diffusion * self.u_xx(x, t)
        return self.u(x, t), change


def moving_sine(beta):
    return Known(
        lambda x, t: torch.sin(x - beta * t),
        lambda x, t: torch.cos(x - beta * t),
        lambda x, t: -beta * torch.cos(x - beta * t),
        lambda x, t: -torch.sin(x - beta * t),
    )


def test_the_solution_has_no_loss_and_no_error():
    exact = moving_sine(3.0)
    assert CONVECTION.loss(exact).item() < 1e-28
    assert max(CONVECTION.errors(exact).values()) < 1e-12


def test_another_speed_has_the_loss_of_its_residual():
    batch = CONVECTION.batch()
    x, t = batch["interior"].T
    loss = CONVECTION.loss_of(moving_sine(1.0), batch)
    expected = (2 * torch.cos(x - t)).square().mean()  # u_t + 3 u_x = (3 - 1) cos
    torch.testing.assert_close(loss, expected)
    heavier = PINNProblem(beta=3.0, n_collocation=40, residual_weight=5.0)
    torch.testing.assert_close(heavier.loss(moving_sine(1.0)), 5 * expected)


def line(slope):
    def zero(x, t):
        return 0 * x

    return Known(lambda x, t: slope * x, lambda x, t: slope + 0 * x, zero, zero)


def test_each_term_of_the_loss_counts_what_it_should():
    x = CONVECTION.x
    u = 0.1 * CONVECTION.batch()["interior"][:, 0]
    start = torch.exp(-((x - math.pi) ** 2) / (2 * (math.pi / 4) ** 2))
    fit, ends = (0.1 * x - start).square().mean(), (0.1 * 2 * math.pi) ** 2
    reaction = (2.0 * u * (1 - u)).square().mean()  # the draw of points is the same for all three
    torch.testing.assert_close(REACTION.loss(line(0.1)), fit + ends + reaction)
    torch.testing.assert_close(MIXED.loss(line(0.1)), fit + ends + reaction)  # u_x agrees
    expected = (0.1 * x - x.sin()).square().mean() + ends + 0.3**2
    torch.testing.assert_close(CONVECTION.loss(line(0.1)), expected)


def test_only_diffusion_asks_for_slopes_that_agree():
    def parabola(height):  # 0 at both ends, with slopes of opposite sign
        return Known(
            lambda x, t: height * x * (2 * math.pi - x),
            lambda x, t: height * (2 * math.pi - 2 * x),
            lambda x, t: 0 * x,
            lambda x, t: 0 * x,
        )

    difference = MIXED.loss(parabola(0.1)) - REACTION.loss(parabola(0.1))
    assert difference.item() == pytest.approx((0.1 * 4 * math.pi) ** 2)


def test_a_model_of_zeros_has_errors_of_one():
    silent = network()
    for weight in silent.parameters():
        torch.nn.init.zeros_(weight)
    errors = CONVECTION.errors(silent.train())
    assert errors["relative_l2"] == pytest.approx(1)
    assert errors["max_ratio"] == pytest.approx(1)
    assert errors["mean_absolute"] == pytest.approx(2 / math.pi, rel=1e-3)  # the mean of |sin|
    assert silent.training


@pytest.mark.parametrize("count", [1, 1000, 25245])
def test_collocation_points_are_interior_and_drawn_once(count):
    problem = networks.convection(1.0, n_collocation=count)
    interior = problem.batch()["interior"]
    assert len(interior.unique(dim=0)) == count
    assert interior[:, 0].min() > 0
    assert interior[:, 0].max() < 2 * math.pi
    assert interior[:, 1].min() > 0
    assert torch.equal(interior, reaction(5.0, n_collocation=count).batch()["interior"])
    if count == 1000:
        other = PINNProblem(beta=1.0, collocation_seed=1).batch()["interior"]
        assert not torch.equal(interior, other)


def test_a_problem_and_its_loss_can_be_pickled():
    loss_of = pickle.loads(pickle.dumps(MIXED.loss_of))
    model = network()
    assert torch.equal(loss_of(model, MIXED.batch()), MIXED.loss(model))
    assert pickle.loads(pickle.dumps(MIXED)) == MIXED


def test_single_precision_is_close_to_double():
    model = network()
    expected = MIXED.loss(model).item()
    single = model.float()
    assert MIXED.loss(single).dtype == torch.float32
    assert MIXED.loss(single).item() == pytest.approx(expected, rel=1e-4)
    assert MIXED.errors(single)["relative_l2"] > 0


def test_bad_problems_list_everything():
    with pytest.raises(InputError) as caught:
        PINNProblem(beta=math.nan, nu=-1.0, n_collocation=25246, initial="step")
    words = ["beta=nan", "nu=-1.0", "n_collocation=25246", "1 to 25245", "initial='step'"]
    assert [word for word in words if word not in str(caught.value)] == []
    with pytest.raises(InputError, match="n_collocation=0"):
        networks.convection(1.0, n_collocation=0)
    with pytest.raises(InputError, match="blows up where u is negative"):
        PINNProblem(rho=1.0)
    assert networks.convection(-3.0).beta == -3.0


# ---- training


def test_training_repeats_and_leaves_the_random_state():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    options = {"hidden": [10], "max_iterations": 15}
    first, log = networks.train_pinn(CONVECTION, seed=4, **options)
    torch.rand(3)
    second, again = networks.train_pinn(CONVECTION, seed=4, **options)
    third, _ = networks.train_pinn(CONVECTION, seed=5, **options)
    assert log == again
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.layers[0].weight, third.layers[0].weight)
    torch.set_rng_state(state)
    networks.train_pinn(CONVECTION, seed=4, **options)
    assert torch.equal(state, torch.get_rng_state())
    assert threads == torch.get_num_threads()


def test_the_log_tells_what_happened():
    seen = []
    model, log = networks.train_pinn(
        CONVECTION, hidden=[10], max_iterations=15, progress=lambda *told: seen.append(told)
    )
    assert seen == list(enumerate(log.losses, start=1))
    assert (log.converged, log.diverged) == (False, False)
    assert log.iterations <= 15
    assert log.final_loss == pytest.approx(CONVECTION.loss(model).item(), rel=1e-12)
    assert log.final_loss < log.losses[0] / 2
    assert log.seconds > 0
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())
    _, done = networks.train_pinn(reaction(0.0), hidden=[4], tolerance=1e-2)
    assert done.converged


def test_a_slow_convection_is_learned():
    problem = networks.convection(1.0, n_collocation=400)
    model, log = networks.train_pinn(problem, max_iterations=400)
    assert problem.errors(model)["relative_l2"] < 0.05
    assert log.final_loss < 2e-3


@pytest.mark.slow
def test_a_fast_convection_is_not_learned_in_the_same_time():
    problem = networks.convection(30.0, n_collocation=400)
    model, _ = networks.train_pinn(problem, max_iterations=400)
    assert problem.errors(model)["relative_l2"] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beta", "low", "high"), [(1.0, 0.0, 0.03), (10.0, 0.0, 0.05), (30.0, 0.8, 3.0)]
)
def test_the_failure_of_the_paper(beta, low, high):
    problem = networks.convection(beta)
    model, _ = networks.train_pinn(problem)
    assert low <= problem.errors(model)["relative_l2"] < high


def test_single_precision_trains():
    model, log = networks.train_pinn(
        CONVECTION, hidden=[10], max_iterations=15, dtype=torch.float32
    )
    assert model.layers[0].weight.dtype == torch.float32
    assert log.final_loss < log.losses[0] / 2


def test_a_divergence_leaves_the_best_weights(monkeypatch):
    class Breaking(_pinn_training._Evaluations):
        def loss(self):
            loss = super().loss()
            return loss * math.nan if len(self.losses) == 6 else loss

    monkeypatch.setattr(_pinn_training, "_Evaluations", Breaking)
    model, log = networks.train_pinn(CONVECTION, hidden=[10], max_iterations=50)
    assert (log.diverged, log.converged, len(log.losses)) == (True, False, 7)
    assert math.isnan(log.losses[-1])
    assert CONVECTION.loss(model).item() == pytest.approx(min(log.losses[:-1]), rel=1e-12)


def test_a_loss_that_starts_infinite_is_an_error():
    huge = PINNProblem(beta=1e300, n_collocation=40)
    with pytest.raises(InputError, match=r"inf at its initial weights.*expected a finite"):
        networks.train_pinn(huge, hidden=[4], max_iterations=5)


def test_bad_training_arguments_are_listed():
    with pytest.raises(InputError, match=r"max_iterations=0.*tolerance=nan.*float16"):
        networks.train_pinn(CONVECTION, max_iterations=0, tolerance=math.nan, dtype=torch.float16)
