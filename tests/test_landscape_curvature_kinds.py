"""Curvature of models that are out of the ordinary: parametrized, compiled, large, without one."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.nn.utils import parametrizations, prune, spectral_norm
from torch.utils.checkpoint import checkpoint

from eigenscape.errors import InputError
from eigenscape.landscape import hessian, hessian_trace, sample, spectral_density, top_eigenpairs
from eigenscape.models import Objective

TORCH = torch.Generator().manual_seed(3)
INPUTS, TARGETS = torch.randn(20, 4, generator=TORCH), torch.randn(20, 1, generator=TORCH)
DATA = (INPUTS, TARGETS)


def _mlp(hidden: int = 5, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 1))


def _hooked(module: nn.Module) -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(module)


KINDS: dict[str, Callable[[nn.Linear], object]] = {
    "plain": lambda layer: None,
    "weight norm, hook": _hooked,
    "weight norm": parametrizations.weight_norm,
    "weight norm, whole": lambda layer: parametrizations.weight_norm(layer, dim=None),
    "spectral norm, hook": spectral_norm,
    "spectral norm": parametrizations.spectral_norm,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.3),
}


def _of_kind(kind: str) -> nn.Sequential:
    model = _mlp()
    for layer in (model[0], model[2]):
        KINDS[kind](layer)
    model.eval()
    with torch.no_grad():
        model(INPUTS)
    return model


def _differences(objective: Objective, step: float = 1e-5) -> Tensor:
    """Return the Hessian by central differences of the gradient."""
    moves = step * torch.eye(objective.space.count, dtype=torch.float64)
    rows = [
        objective.gradient(objective.center + move) - objective.gradient(objective.center - move)
        for move in moves
    ]
    return torch.stack(rows) / (2 * step)


@pytest.mark.parametrize("kind", KINDS)
def test_hessian_through_a_parametrization_is_that_of_the_gradient(kind: str) -> None:
    objective = Objective(_of_kind(kind), mse_loss, DATA, dtype=torch.float64)
    exact = _differences(objective)
    dense = objective.hvp(torch.eye(objective.space.count, dtype=torch.float64))
    assert (dense - dense.T).norm() <= 1e-13 * dense.norm()
    assert (dense - exact).norm() <= 1e-7 * exact.norm()
    found = hessian(objective, n_eigenvalues=1, trace_probes=objective.space.count)
    assert found.hessian_trace == pytest.approx(float(exact.trace()), rel=1e-6)
    assert any("weight norm" in note for note in found.notes) == ("weight norm" in kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [False, True])
def test_the_model_stays_as_found(kind: str, training: bool) -> None:
    model = _of_kind(kind).train(training)
    attributes = [
        {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
        for module in model.modules()
    ]
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    objective = Objective(model, mse_loss, DATA)
    sample(objective, steps=3, jobs=1)
    hessian(objective, n_eigenvalues=1, trace_probes=2, density=True)
    for module, before in zip(model.modules(), attributes, strict=True):
        after = {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
        assert after.keys() == before.keys()
        assert all(after[name] is value for name, value in before.items())
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())
    again = copy.deepcopy(model).eval()(INPUTS)
    assert torch.equal(again, model.eval()(INPUTS))


class _WrongTwice(torch.autograd.Function):
    """The square, whose second derivative mixes coordinates up."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)  # type: ignore[attr-defined]
        return x * x

    @staticmethod
    def backward(ctx: object, slope: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return _WrongOnce.apply(x) * slope


class _WrongOnce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: object, slope: Tensor) -> Tensor:
        return 2 * slope.roll(1, -1)


class _Squared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(1.0, 31.0))

    def forward(self, inputs: Tensor) -> Tensor:
        return _WrongTwice.apply(self.weight).sum() + 0 * inputs.sum()


@pytest.mark.parametrize("measure", [hessian, hessian_trace, spectral_density, top_eigenpairs])
def test_a_matrix_that_is_not_symmetric_is_refused(measure: Callable[[Objective], object]) -> None:
    objective = Objective(_Squared(), lambda outputs, _: outputs, DATA)
    with pytest.raises(InputError, match="not symmetric: v'Hw = "):
        measure(objective)


def test_the_recurrence_notices_a_matrix_that_is_not_symmetric() -> None:
    objective = Objective(_Squared(), lambda outputs, _: outputs, DATA)
    with pytest.raises(InputError, match="not symmetric"):
        top_eigenpairs(objective, method="recurrence")


@pytest.mark.parametrize("tolerance", [1e-8, 1e-10])
@pytest.mark.parametrize("hidden", [5, 6, 7, 8])
def test_a_full_basis_is_the_end(hidden: int, tolerance: float) -> None:
    objective = Objective(_mlp(hidden), mse_loss, DATA)
    found = hessian(objective, n_eigenvalues=10, tolerance=tolerance, trace_probes=2)
    dense = objective.hvp(torch.eye(objective.space.count))
    exact = torch.linalg.eigvalsh((dense + dense.T) / 2).flip(0)[:10]
    values = torch.tensor(found.top_eigenvalues, dtype=torch.float64)
    assert (values - exact).abs().max() <= 1e-6 * exact[0]


def test_density_of_one_parameter() -> None:
    objective = Objective(nn.Linear(1, 1, bias=False), mse_loss, (INPUTS[:, :1], TARGETS))
    exact = 2 * float(INPUTS[:, 0].square().mean())
    found = hessian(objective, n_eigenvalues=1, density=True)
    assert found.top_eigenvalues[0] == pytest.approx(exact, rel=1e-6)
    assert found.density is not None
    assert found.density.width > 0
    assert found.density.nodes[0][0] == pytest.approx(exact, rel=1e-6)


class _Bags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bags, self.last = nn.EmbeddingBag(10, 4), nn.Linear(4, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.bags(inputs))


class _Distances(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(3, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cdist(inputs, self.centers)[:, :1]


def _without_second_derivative() -> dict[str, Objective]:
    labels = torch.randint(3, (20,))
    return {
        "embedding_bag": Objective(_Bags(), mse_loss, (torch.randint(10, (20, 3)), TARGETS)),
        "cdist": Objective(_Distances(), mse_loss, DATA),
        "multi_margin": Objective(nn.Linear(4, 3), nn.MultiMarginLoss(), (INPUTS, labels)),
    }


@pytest.mark.parametrize("name", _without_second_derivative())
def test_no_second_derivative_is_one_sentence(name: str) -> None:
    objective = _without_second_derivative()[name]
    with pytest.raises(InputError, match=f"no second derivative in torch: .*{name}"):
        hessian(objective, n_eigenvalues=1)
    assert objective.gradient().norm() > 0


class _Recomputed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(checkpoint(torch.tanh, self.first(inputs), use_reentrant=True))


@pytest.mark.filterwarnings("ignore:None of the inputs:UserWarning")
def test_activations_that_are_recomputed_by_reentering_are_refused_in_one_sentence() -> None:
    objective = Objective(_Recomputed(), mse_loss, DATA)
    with pytest.raises(InputError, match=r"Try: use_reentrant=False"):
        hessian(objective, n_eigenvalues=1)


def test_a_lazy_model_is_refused() -> None:
    with pytest.raises(InputError, match=r"lazy parameters .* \(weight, bias\)"):
        Objective(nn.LazyLinear(1), mse_loss, DATA)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own imports
@pytest.mark.parametrize("where", ["outside", "inside", "in place"])
def test_a_compiled_model_is_examined_as_it_was_written(where: str) -> None:
    plain, compiled = _mlp(), _mlp()
    if where == "outside":
        compiled = torch.compile(compiled, backend="aot_eager")
    elif where == "inside":
        compiled[0] = torch.compile(compiled[0], backend="aot_eager")
    else:
        compiled.compile(backend="aot_eager")
    expected = hessian(Objective(plain, mse_loss, DATA), n_eigenvalues=2)
    found = hessian(Objective(compiled, mse_loss, DATA), n_eigenvalues=2)
    assert found.top_eigenvalues == expected.top_eigenvalues
    assert found.hessian_trace == expected.hessian_trace


@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude"])
@pytest.mark.parametrize("matrix", ["hessian", "ggn"])
@pytest.mark.parametrize("parts", [1, 2])
def test_the_recurrence_finds_the_exact_pair(which: str, matrix: str, parts: int) -> None:
    if matrix == "ggn" and which == "smallest":
        pytest.skip("a positive semi-definite matrix has no lowest eigenvalue that stands apart")
    batches = list(zip(INPUTS.chunk(parts), TARGETS.chunk(parts), strict=True))
    objective = Objective(_mlp(20), mse_loss, batches, dtype=torch.float64)
    dense = objective.hvp(torch.eye(objective.space.count), kind=matrix)  # type: ignore[arg-type]
    values, vectors = torch.linalg.eigh((dense + dense.T) / 2)
    at = {"largest": -1, "smallest": 0, "magnitude": int(values.abs().argmax())}[which]
    said: list[str] = []
    found = top_eigenpairs(
        objective,
        which=which,  # type: ignore[arg-type]
        matrix=matrix,  # type: ignore[arg-type]
        tolerance=1e-6,
        method="recurrence",
        tell=said.append,
    )
    assert found.method == "recurrence"
    assert float(found.values[0]) == pytest.approx(float(values[at]), rel=1e-10)
    assert float(found.residuals[0]) <= 2e-6
    assert abs(float(found.vectors[:, 0] @ vectors[:, at])) == pytest.approx(1.0, abs=1e-9)
    passes = [line for line in said if line.startswith("product ")]
    assert found.products == len(passes)
    assert "products" in said[0]
    assert "GiB" in said[0]


def test_the_recurrence_is_chosen_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    import eigenscape.landscape.curvature._eigenpairs as module

    objective = Objective(_mlp(20), mse_loss, DATA)
    assert top_eigenpairs(objective).method == "basis"
    monkeypatch.setattr(module, "_BASIS_BYTES", 8 * objective.space.count * 14 - 1)
    found = hessian(objective, n_eigenvalues=1, trace_probes=0)
    assert any("repeated was not looked for" in note for note in found.notes)
    assert found.trace_method == "none"
    assert list(found.frame()["name"]) == ["largest 1"]
    assert found.products < 60
    assert not any(
        "recurrence" in note for note in hessian(objective, n_eigenvalues=2, trace_probes=2).notes
    )


def test_what_memory_does_not_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import eigenscape.landscape.curvature._recurrence as module

    monkeypatch.setattr(module, "free_memory", lambda device: 1000)
    objective = Objective(_mlp(20), mse_loss, DATA)
    with pytest.raises(InputError, match=r"an eigenpair of 121 parameters needs .* are free"):
        top_eigenpairs(objective, method="recurrence")
    with pytest.raises(InputError, match="the density of 121 parameters needs"):
        spectral_density(objective)
    with pytest.raises(InputError, match="the trace of 121 parameters needs"):
        hessian_trace(objective)


@pytest.mark.parametrize("method", ["basis", "recurrence"])
def test_a_time_budget_returns_the_best_so_far(method: str) -> None:
    objective = Objective(_mlp(20), mse_loss, DATA)
    found = top_eigenpairs(
        objective,
        tolerance=1e-12,
        time_budget=1e-6,
        method=method,  # type: ignore[arg-type]
    )
    assert found.products <= 4
    assert float(found.residuals[0]) > 1e-12
    with pytest.raises(InputError, match="time_budget is 0"):
        top_eigenpairs(objective, time_budget=0)
