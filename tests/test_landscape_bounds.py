"""What a search for eigenvalues and a trace leave open, in numbers."""

import numpy as np
import pytest
import torch

from eigenscape.landscape import hessian_trace, top_eigenpairs
from eigenscape.landscape.curvature import _search
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
