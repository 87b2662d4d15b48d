"""What a search for eigenvalues and a trace leave open, in numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.landscape import hessian, hessian_trace, spectral_density, top_eigenpairs
from eigenscape.landscape.curvature import _eigenpairs, _search
from eigenscape.models import Objective
from tests.test_landscape_hessian import quadratic, symmetric


@pytest.mark.parametrize("k", [1, 4])
def test_a_fresh_start_lies_in_what_the_found_vectors_leave(k, monkeypatch):
    dimensions = []

    def bounds(alphas, betas, count, failure):
        dimensions.append(count)
        return true_bounds(alphas, betas, count, failure)

    true_bounds = _search.bounds
    monkeypatch.setattr(_search, "bounds", bounds)
    found = top_eigenpairs(quadratic(symmetric(np.linspace(0, 1, 60) ** 2)), k)
    assert found.settled
    assert set(dimensions) == {60 - k}


def test_no_probes_are_no_estimates():
    found = hessian_trace(quadratic(torch.eye(5)), probes=0)
    assert (found.method, found.products, tuple(found.per_probe.shape)) == ("none", 0, (0,))


def test_the_recurrence_starts_again_only_where_checks_are_asked_for(monkeypatch):
    draws = []

    def randn(*size, **options):
        draws.append(size)
        return true_randn(*size, **options)

    objective = quadratic(symmetric(np.linspace(0, 1, 60) ** 2))
    true_randn = torch.randn
    monkeypatch.setattr(torch, "randn", randn)
    found = {}
    for checks in (0, 3):
        draws.clear()
        top_eigenpairs(objective, 1, method="recurrence", checks=checks)
        found[checks] = draws.count((60,))
    assert found[3] == found[0] + 1  # the start of the checks


def test_the_density_of_a_zero_matrix_has_a_width():
    assert spectral_density(quadratic(torch.zeros(5, 5)), probes=1).width == 1e-6
    assert spectral_density(quadratic(7 * torch.eye(5)), probes=1).width == pytest.approx(7e-6)


@pytest.mark.parametrize(("room", "method"), [(0, "basis"), (-1, "recurrence")])
def test_a_basis_is_kept_up_to_the_stated_memory(room, method, monkeypatch):
    monkeypatch.setattr(_eigenpairs, "_BASIS_BYTES", 8 * 60 * 14 + room)  # 2 k + 12 vectors
    found = top_eigenpairs(quadratic(symmetric(np.linspace(0, 1, 60) ** 2)), 1)
    assert found.method == method


def test_several_pairs_keep_the_basis_that_they_need_beyond_the_stated_memory(monkeypatch):
    rooms = []

    class Search(_search.Search):
        def __init__(self, *given, room):
            rooms.append(room)
            super().__init__(*given, room=room)

    monkeypatch.setattr(_eigenpairs, "Search", Search)
    objective = quadratic(symmetric(np.linspace(0, 1, 80) ** 2))
    for stated, room in ((2**31, 60), (1, 2 * 5 + 12), (8 * 80 * 30, 30)):
        monkeypatch.setattr(_eigenpairs, "_BASIS_BYTES", stated)
        top_eigenpairs(objective, 5, tolerance=0.1)
        assert rooms.pop() == room


def test_the_recurrence_ends_where_its_space_is_invariant():
    diagonal = torch.diag((torch.arange(60) % 2).double())  # eigenvalues 0 and 1: two products
    found = top_eigenpairs(quadratic(diagonal), 1, which="smallest", method="recurrence")
    assert abs(float(found.values)) < 1e-12
    assert found.products <= 2 + 2 + 1  # two of each pass, and the residual


@pytest.mark.parametrize("given", [{"exclude": ["0.*"]}, {"include": ["2.*"]}])
def test_a_part_of_the_parameters_is_examined(given):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    batch = (torch.ones(5, 4, dtype=torch.float64), torch.zeros(5, 2, dtype=torch.float64))
    objective = Objective(model, nn.functional.mse_loss, batch)
    found = hessian(objective, density=True, **given)
    assert found.parameters == 3 * 2 + 2
    assert len(found.density.nodes) == 4  # probes, those of the documented default


def test_the_loss_that_one_step_would_take_away():
    objective = quadratic(2 * torch.eye(30))  # loss |theta|^2, all of it gone after one step
    loss = objective.loss_at_center
    said = f"would lower the loss of {loss:.3g} by {loss:.3g} or more"
    assert any(said in finding.text for finding in hessian(objective).findings)
