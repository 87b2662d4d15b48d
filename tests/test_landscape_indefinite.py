"""Curvature that is negative or zero: what is relative to a value must hold there too."""

import numpy as np
import pytest

from eigenscape.landscape import hessian_trace, top_eigenpairs
from tests.test_landscape_hessian import quadratic, symmetric


def test_a_negative_trace_is_sampled_like_its_positive_mirror():
    A = symmetric(np.linspace(0.5, 1.5, 200))
    below, above = (
        hessian_trace(quadratic(sign * A), probes=10, relative_error=0.004) for sign in (-1, 1)
    )
    assert below.method == "hutchinson"
    assert below.products == above.products < 200
    assert below.value == pytest.approx(-above.value, rel=1e-12)
    assert below.standard_error == pytest.approx(above.standard_error, rel=1e-9)


@pytest.mark.parametrize("which", ["smallest", "largest"])
def test_a_wanted_eigenvalue_of_exactly_zero_is_found_to_the_size_of_the_others(which):
    sign = 1 if which == "smallest" else -1
    values = sign * np.concatenate([[0.0], np.linspace(1, 10, 79)])
    found = top_eigenpairs(quadratic(symmetric(values)), 1, which=which, tolerance=1e-4)
    # its residual cannot be small beside zero: 1e-4 of a thousandth of the largest, 1e-6
    assert float(found.values.abs()) < 1e-6
    assert found.settled
    assert found.products < 60  # converged, rather than by a complete basis of 80


@pytest.mark.parametrize("k", [1, 3])
def test_a_zero_matrix_is_known_after_two_products_for_each_pair(k):
    found = top_eigenpairs(quadratic(np.zeros((40, 40))), k)
    assert found.values.tolist() == [0.0] * k
    assert found.residuals.tolist() == [0.0] * k
    assert found.settled
    assert found.products <= 2 * k + 1
