"""Merge trees: the worked example, closed forms, bad input."""

import math

import numpy as np
import pytest

from eigenscape.errors import InputError
from eigenscape.topology import (
    NEIGHBORHOODS,
    bottleneck_distance,
    examine_topology,
    merge_tree,
    merge_tree_of_graph,
    suggested_threshold,
    wasserstein_distance,
)
from eigenscape.topology._graph import offsets
from eigenscape.topology._metrics import counts_above

PATH = [5.0, 1.0, 3.0, 0.0, 4.0, 2.0, 6.0]


def pairs(tree):
    return sorted(zip(tree.birth_index.tolist(), tree.death_index.tolist(), strict=True))


def test_the_worked_example():
    tree = merge_tree(PATH)
    assert tree.minima.tolist() == [3, 1, 5]
    assert tree.saddles.tolist() == [2, 4]
    assert pairs(tree) == [(1, 2), (5, 4)]
    assert tree.births.tolist() == [1.0, 2.0]
    assert tree.deaths.tolist() == [3.0, 4.0]
    assert tree.essential.tolist() == [3]
    assert tree.arc_of.tolist() == [4, 1, 3, 0, 4, 2, 4]
    assert dict(zip(tree.node_index.tolist(), tree.parent_index.tolist(), strict=True)) == {
        3: 2,
        1: 2,
        5: 4,
        2: 4,
        4: -1,
    }
    assert tree.children(4).tolist() == [2, 3]
    found = tree.metrics()
    assert (found.n_minima, found.n_saddles, found.n_pairs, found.components) == (3, 2, 2, 1)
    assert (found.average_persistence, found.total_persistence, found.l2_total) == (2, 4, 8)
    assert (found.median_persistence, found.max_persistence, found.range) == (2, 2, 6)
    assert found.average_persistence_with_essential == pytest.approx(10 / 3)
    assert found.entropy == pytest.approx(math.log(2))
    assert found.normalized_entropy == pytest.approx(1)
    assert found.smad == pytest.approx(7 / 3)
    assert found.smad_normalized == pytest.approx(7 / 18)
    # basins by steepest descent: {0, 1}, {2, 3, 4}, {5, 6}
    assert found.smad_weighted == pytest.approx((2 * 2 + 3 * 3 + 2 * 2) / 7 / 3)
    assert counts_above(tree, (0.0, 1 / 3, 0.34)) == [2, 0, 0]


def test_its_result_as_a_dictionary():
    data = examine_topology(PATH).to_dict()
    assert data["pairs"][0] == {
        "birth_index": 1,
        "death_index": 2,
        "birth": 1.0,
        "death": 3.0,
        "persistence": 2.0,
    }
    assert data["arcs"][-1] == {"node_index": 4, "parent_index": -1, "samples": 3}
    for name in ("minima", "saddles", "essential", "average_persistence", "entropy"):
        assert name in data
    assert data["average_persistence_with_essential"] == pytest.approx(10 / 3)


@pytest.mark.parametrize("connectivity", NEIGHBORHOODS)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_product_of_double_wells(dim, connectivity):
    axis = (np.linspace(-2, 2, 41) ** 2 - 1) ** 2
    values = sum(
        axis.reshape([-1 if i == place else 1 for i in range(dim)]) for place in range(dim)
    )
    tree = merge_tree(values, connectivity)
    assert tree.n_minima == 2**dim
    assert np.abs(values.reshape(-1)[tree.minima]).max() < 1e-12
    np.testing.assert_allclose(tree.persistence, np.ones(2**dim - 1), atol=1e-12)


@pytest.mark.parametrize("connectivity", NEIGHBORHOODS)
def test_bowls_and_constants(connectivity):
    axis = np.linspace(-1, 1, 9) ** 2
    bowl = merge_tree(axis[:, None] + axis, connectivity)
    assert (bowl.n_minima, bowl.n_pairs, bowl.metrics().average_persistence) == (1, 0, 0.0)
    assert bowl.metrics().average_persistence_with_essential == pytest.approx(2)
    flat = merge_tree(np.ones((3, 4, 2)), connectivity)
    assert (flat.minima.tolist(), flat.n_pairs, flat.samples.tolist()) == ([0], 0, [24])
    assert flat.metrics().smad == 0
    single = merge_tree([[7.0]], connectivity)
    assert (single.n_minima, single.n_pairs, single.basins()[0].depth) == (1, 0, 0.0)


def test_freudenthal_diagonals():
    """The diagonals are (row + 1, column - 1) and (row - 1, column + 1)."""
    rows, columns = np.indices((3, 3))
    values = np.abs(rows + columns - 2.0)  # a valley along the diagonal from (0, 2) to (2, 0)
    assert merge_tree(values, "freudenthal").n_minima == 1
    assert merge_tree(np.fliplr(values), "freudenthal").n_minima == 3
    assert merge_tree(values, "cross").n_minima == 3
    assert [2 * len(offsets("freudenthal", dim)) for dim in (1, 2, 3, 4)] == [2, 6, 14, 30]
    assert [2 * len(offsets("full", dim)) for dim in (1, 2, 3)] == [2, 8, 26]


def test_superlevel_is_the_sublevel_tree_upside_down():
    values = np.random.default_rng(0).normal(size=(12, 13))
    above, below = merge_tree(values, superlevel=True), merge_tree(-values)
    assert above.minima.tolist() == below.minima.tolist()
    assert above.minima[0] == values.argmax()
    assert pairs(above) == pairs(below)
    assert (above.persistence >= 0).all()
    assert above.births[0] == -below.births[0]


def test_infinite_samples_are_above_everything():
    values = [1.0, np.inf, 0.0, np.inf, np.inf, 2.0]
    tree = merge_tree(values)
    assert tree.minima.tolist() == [2, 0, 5]
    found = tree.metrics()
    assert (found.n_pairs, found.infinite_pairs, found.average_persistence) == (2, 2, 0.0)
    assert found.range == 2
    assert merge_tree([np.inf, np.inf]).persistence.tolist() == []


def test_a_patch_of_infinite_samples_is_no_basin():
    values = np.array([[0.0, 1.0, np.inf, np.inf], [1.0, np.inf, np.inf, np.inf]])
    for connectivity in NEIGHBORHOODS:
        tree = merge_tree(values, connectivity)
        assert tree.minima.tolist() == [0]
        assert tree.samples.sum() == 8
    assert merge_tree([np.inf, np.inf]).minima.tolist() == [0]


def test_the_entropy_of_one_basin_is_zero_without_a_sign():
    for values in ([1.0, 0.0, 1.0], [0.0, 2.0, 1.0, 3.0]):  # no pair, one pair
        entropy = merge_tree(values).metrics().entropy
        assert (entropy, math.copysign(1, entropy)) == (0.0, 1.0)


def test_simplification_of_the_example():
    tree = merge_tree([0.0, 3.0, 2.0, 5.0, 1.0, 9.0])
    assert sorted(tree.persistence.tolist()) == [1.0, 4.0]
    simple = tree.simplify(2.0)
    assert simple.minima.tolist() == [0, 4]
    assert simple.persistence.tolist() == [4.0]
    # the shallow branch {2} and its saddle {1} now lie on the arc of the minimum below
    assert dict(zip(simple.node_index.tolist(), simple.samples.tolist(), strict=True)) == {
        0: 3,
        4: 1,
        3: 2,
    }
    assert simple.basin_of.tolist() == [0, 0, 0, 1, 1, 1]
    assert simple.simplified == 2.0
    assert tree.simplify(0.5, relative=True).n_minima == 1
    assert suggested_threshold(tree) == pytest.approx(9e-3)
    assert suggested_threshold(tree, noise=0.1) == pytest.approx(0.8)


def test_huge_values_say_inf_without_a_warning():
    tree = merge_tree([0.0, 1e200, 1.0])
    assert tree.metrics().l2_total == math.inf
    assert merge_tree([np.inf]).basins()[0].depth == 0.0


def test_large_grids_take_the_spanning_tree():
    """Where many labels touch, SciPy's forest thins the edges: the same tree as without it."""
    from unittest import mock

    values = np.random.default_rng(3).normal(size=(30, 31, 12))
    tree = merge_tree(values, "full")
    with mock.patch(
        "eigenscape.topology._sweep._spanning",
        lambda here, there, heights, count: np.argsort(heights, kind="stable"),
    ):
        plain = merge_tree(values, "full")
    assert tree.n_minima > 100
    assert tree.parent_index.tolist() == plain.parent_index.tolist()
    assert pairs(tree) == pairs(plain)


def test_basins():
    found = merge_tree(np.array([[0.0, 2.0, 1.0]])).basins()
    assert [(b.minimum, b.position, b.value, b.depth) for b in found] == [
        (0, (0, 0), 0.0, 2.0),
        (2, (0, 2), 1.0, 1.0),
    ]
    assert sum(b.volume for b in found) == pytest.approx(1)
    assert found[0].mean == pytest.approx(1.0)


def test_a_graph_in_pieces_has_several_essential_minima():
    tree = merge_tree_of_graph([1.0, 2.0, 0.0, 3.0], [[0, 1], [2, 3]])
    assert tree.essential.tolist() == [2, 0]
    assert (tree.components, tree.n_pairs) == (2, 0)
    assert bottleneck_distance(tree, merge_tree([0.0, 1.0])) == math.inf
    lonely = merge_tree_of_graph([3.0, 1.0], [])
    assert lonely.components == 2


def test_distances_of_hand_made_diagrams():
    assert bottleneck_distance([], []) == 0
    assert bottleneck_distance([], [[1.0, 4.0]]) == 1.5
    assert bottleneck_distance([[0, 10], [1, 2]], [[1, 11]]) == 1
    assert wasserstein_distance([[0, 10], [1, 2]], [[1, 11]], p=1) == pytest.approx(1.5)
    assert wasserstein_distance([[0, 10], [1, 2]], [[1, 11]], p=2) == pytest.approx(1.25**0.5)
    a, b = merge_tree(PATH), merge_tree([value + 0.5 for value in PATH])
    assert bottleneck_distance(a, b) == pytest.approx(0.5)
    assert bottleneck_distance(a, b, normalize="range") == pytest.approx(0)
    assert wasserstein_distance(a, a, p=1) == 0
    # two pairs and the essential birth, each by 0.5
    assert wasserstein_distance(a, b, p=1) == pytest.approx(1.5)
    assert wasserstein_distance(b, a, p=1) == wasserstein_distance(a, b, p=1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: merge_tree([1.0, np.nan]), "1 of 2 values are NaN, the first at index \\(1,\\)"),
        (lambda: merge_tree([np.nan], superlevel=True), "-np.inf, values"),
        (lambda: merge_tree([[1.0], [1.0, 2.0]]), "ragged"),
        (lambda: merge_tree(np.ma.masked_greater([1.0, 2.0], 1.5)), "1 values are masked"),
        (lambda: merge_tree([2**53, 2**53 + 1]), "beyond 2"),
        (lambda: merge_tree([]), "one sample or more"),
        (lambda: merge_tree(3.0), "one axis or more"),
        (lambda: merge_tree([1.0, -np.inf]), "below everything"),
        (lambda: merge_tree([1.0, np.inf], superlevel=True), "above everything"),
        (lambda: merge_tree([1 + 1j]), "real numbers"),
        (lambda: merge_tree(["a"]), "real numbers"),
        (lambda: merge_tree([1.0], "diagonal"), "cross, freudenthal, full"),
        (lambda: merge_tree_of_graph([1.0, 2.0], [[0, 2]]), "vertices 0 to 2; there are 2"),
        (lambda: merge_tree_of_graph([1.0, 2.0], [[0.5, 1.0]]), "integers"),
        (lambda: merge_tree(PATH).simplify(-1), "expected 0 or more"),
        (lambda: merge_tree(PATH).simplify(math.nan), "expected 0 or more"),
        (lambda: merge_tree(PATH).simplify(None), "expected 0 or more"),
        (lambda: suggested_threshold(merge_tree(PATH), noise=-1), "noise is -1"),
        (lambda: bottleneck_distance([[0, 1, 2]], []), r"expected \(p, 2\)"),
        (lambda: bottleneck_distance([[0, np.inf]], []), "not finite"),
        (lambda: bottleneck_distance([[0, 1]], [], normalize="range"), "give merge trees"),
        (lambda: bottleneck_distance(np.tile([0.0, 1.0], (5000, 1)), []), "simplify"),
        (lambda: wasserstein_distance([], [], p=0.5), "p is 0.5"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(InputError, match=said):
        call()
