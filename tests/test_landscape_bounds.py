"""What a search for eigenvalues and a trace leave open, in numbers."""

import numpy as np
import pytest
import torch

from eigenscape.landscape import hessian_trace, spectral_density, top_eigenpairs
from eigenscape.landscape.curvature import _eigenpairs, _recurrence, _search
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
    starts = []
    start = _recurrence._start
    monkeypatch.setattr(_recurrence, "_start", lambda *given: starts.append(given) or start(*given))
    objective = quadratic(symmetric(np.linspace(0, 1, 60) ** 2))
    for checks, expected in ((0, 2), (3, 3)):  # both passes from one start, and the checks' own
        starts.clear()
        top_eigenpairs(objective, 1, method="recurrence", checks=checks)
        assert len(starts) == expected


def test_the_density_of_a_zero_matrix_has_a_width():
    assert spectral_density(quadratic(torch.zeros(5, 5)), probes=1).width == 1e-6
    assert spectral_density(quadratic(7 * torch.eye(5)), probes=1).width == pytest.approx(7e-6)


@pytest.mark.parametrize(("room", "method"), [(0, "basis"), (-1, "recurrence")])
def test_a_basis_is_kept_up_to_the_stated_memory(room, method, monkeypatch):
    monkeypatch.setattr(_eigenpairs, "_BASIS_BYTES", 8 * 60 * 14 + room)  # 2 k + 12 vectors
    found = top_eigenpairs(quadratic(symmetric(np.linspace(0, 1, 60) ** 2)), 1)
    assert found.method == method
