"""Curvature against curvlinops and PyHessian."""

import warnings

import pytest
import torch
from torch import nn

from eigenscape import zoo
from eigenscape.landscape import hessian_trace, spectral_density, top_eigenpairs
from eigenscape.models import Objective, build

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),  # torch's own, inside
]


@pytest.fixture(scope="module")
def problem():
    data = zoo.digits(seed=0)
    model = build(lambda: nn.Sequential(nn.Linear(64, 4), nn.Tanh(), nn.Linear(4, 10)), 3)
    batches = [
        (data.train_inputs[start : start + 50], data.train_labels[start : start + 50])
        for start in (0, 50, 100)
    ]
    batches[2] = tuple(tensor[:20] for tensor in batches[2])  # an uneven last batch
    model = model.double()
    batches = [(inputs.double(), labels) for inputs, labels in batches]
    return model, batches, Objective(model, nn.functional.cross_entropy, batches)


@pytest.mark.parametrize("matrix", ["hessian", "ggn"])
def test_products_are_those_of_curvlinops(problem, matrix):
    curvlinops = pytest.importorskip("curvlinops")
    model, batches, objective = problem
    kind = {"hessian": curvlinops.HessianLinearOperator, "ggn": curvlinops.GGNLinearOperator}
    operator = kind[matrix](model, nn.CrossEntropyLoss(), list(model.parameters()), batches)
    vectors = torch.randn(objective.space.count, 3, generator=torch.Generator().manual_seed(0))
    vectors = vectors.double()
    ours = objective.hvp(vectors) if matrix == "hessian" else objective.hvp(vectors, kind="ggn")
    theirs = (operator @ vectors).detach()
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


def test_eigenvalues_trace_and_density_agree_with_the_operator_of_curvlinops(problem):
    curvlinops = pytest.importorskip("curvlinops")
    model, batches, objective = problem
    operator = curvlinops.HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), batches
    )
    whole = (operator @ torch.eye(objective.space.count, dtype=torch.float64)).detach()
    found = top_eigenpairs(objective, 4)
    known = torch.linalg.eigvalsh(whole)[-4:].flip(0)
    assert found.values.numpy() == pytest.approx(known.numpy(), rel=1e-6)
    exact = hessian_trace(objective, probes=objective.space.count)
    assert exact.value == pytest.approx(float(whole.trace()), rel=1e-8)
    density = spectral_density(objective, probes=100, steps=4)
    value, error = density.moment(2)
    assert abs(value - float((whole**2).sum()) / objective.space.count) < 3 * error


@pytest.mark.parametrize("batches", [1, 3])
def test_products_are_those_of_pyhessian(problem, batches):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyhessian = pytest.importorskip("pyhessian")
    model, data, _ = problem
    whole = tuple(torch.cat(parts) for parts in zip(*data, strict=True))
    even = data[:2] if batches > 1 else [whole]  # its mean over batches is not weighted
    objective = Objective(model, nn.functional.cross_entropy, even)
    found = top_eigenpairs(objective, 1, tolerance=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # backward(create_graph=True) warns of a cycle
        if batches == 1:
            peer = pyhessian.hessian(model, nn.CrossEntropyLoss(), data=whole, cuda=False)
        else:
            peer = pyhessian.hessian(model, nn.CrossEntropyLoss(), dataloader=even, cuda=False)
        vector = torch.randn(objective.space.count, generator=torch.Generator().manual_seed(1))
        parts = list(objective.space.split(vector.double()).values())
        if batches == 1:
            utils = pytest.importorskip("pyhessian.utils")
            theirs = utils.hessian_vector_product(peer.gradsH, peer.params, parts)
        else:
            _, theirs = peer.dataloader_hv_product(parts)
        power, _ = peer.eigenvalues(maxIter=1000, tol=1e-9, top_n=1)
    theirs = torch.cat([part.detach().reshape(-1) for part in theirs])
    ours = objective.hvp(vector.double())
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5
    assert power[0] == pytest.approx(float(found.values), rel=1e-4)
    model.zero_grad(set_to_none=True)
