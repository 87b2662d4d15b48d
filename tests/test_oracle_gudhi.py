"""GUDHI as an oracle: the same diagrams in one to four dimensions, ties included."""

import numpy as np
import pytest

from eigenscape.topology import bottleneck_distance, merge_tree, wasserstein_distance

gudhi = pytest.importorskip("gudhi")
pytestmark = pytest.mark.oracle

KINDS = {"cross": "vertices", "full": "top_dimensional_cells"}
SIDES = {1: 40, 2: 12, 3: 7, 4: 5}


def theirs(values, connectivity):
    cells = gudhi.CubicalComplex(**{KINDS[connectivity]: values})
    cells.compute_persistence()
    found = cells.persistence_intervals_in_dimension(0)
    return sorted((b, d) for b, d in found.tolist() if b < d < np.inf)


def ours(values, connectivity):
    tree = merge_tree(values, connectivity)
    both = zip(tree.births.tolist(), tree.deaths.tolist(), strict=True)
    return sorted(both)  # no pair of persistence 0 in either


@pytest.mark.parametrize("connectivity", KINDS)
@pytest.mark.parametrize("dim", SIDES)
def test_diagrams(dim, connectivity):
    rng = np.random.default_rng(dim)
    for turn in range(25):
        shape = tuple(rng.integers(1, SIDES[dim] + 1, size=dim))
        values = rng.normal(size=shape) if turn % 2 else rng.integers(0, 5, shape).astype(float)
        assert ours(values, connectivity) == theirs(values, connectivity)


def test_bottleneck():
    rng = np.random.default_rng(0)
    for _ in range(40):
        a, b = (np.sort(rng.normal(size=(rng.integers(0, 15), 2)), axis=1) for _ in range(2))
        assert bottleneck_distance(a, b) == pytest.approx(gudhi.bottleneck_distance(a, b))


def test_wasserstein():
    hera = pytest.importorskip("gudhi.hera")
    rng = np.random.default_rng(0)
    for p in (1.0, 2.0):
        for _ in range(10):
            a, b = (np.sort(rng.normal(size=(rng.integers(1, 12), 2)), axis=1) for _ in range(2))
            peer = hera.wasserstein_distance(a, b, order=p, internal_p=np.inf, delta=1e-4)
            assert wasserstein_distance(a, b, p) == pytest.approx(peer, rel=1e-3)
