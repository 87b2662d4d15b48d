"""Plateaus: equal neighbours are one minimum, one saddle or neither; and the sweep in one pass."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eigenscape.topology import (
    bottleneck_distance,
    examine_topology,
    landscape_profile,
    merge_tree,
    merge_tree_of_graph,
)
from eigenscape.topology._graph import GridGraph
from eigenscape.topology._sweep import _compiled, by_labels, in_one_pass
from tests._properties import examples
from tests.test_topology_properties import by_hand, edges_of, names, smooth, tied


@pytest.mark.parametrize(
    ("values", "minima", "saddles"),
    [
        ([1.0, 1, 0], [2], []),
        (np.repeat(np.arange(10.0), 2), [0], []),
        (np.repeat(np.arange(10.0), 3)[::-1], [27], []),
        ([2.0, 0, 0, 2, 2, 1, 1, 2], [1, 5], [4]),  # two flat basins, a flat saddle
        ([0.0, 2, 2, 1, 2, 2, 0.5], [0, 6, 3], [2, 5]),  # two saddles of one level, apart
        ([[0.0, 2, 1], [2, 2, 2], [1, 2, 0]], [0, 8, 2, 6], [1]),  # a plateau like a cross
        ([3.0, 3, 3], [0], []),
    ],
)
def test_by_hand(values, minima, saddles):
    tree = merge_tree(values, "cross")
    assert tree.minima.tolist() == minima
    assert tree.saddles.tolist() == saddles
    assert (tree.persistence > 0).all()
    assert tree.samples.sum() == np.size(values)


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("connectivity", ["cross", "freudenthal", "full"])
def test_a_rounded_bowl_has_one_minimum(digits, connectivity):
    x = np.linspace(-1, 1, 41)
    found = examine_topology(np.round(np.add.outer(x**2, x**2), digits), connectivity)
    assert (found.n_minima, found.n_saddles, found.n_pairs) == (1, 0, 0)
    assert [(row.n_minima, row.n_saddles) for row in found.sensitivity] == [(1, 0)] * 3
    assert (found.average_persistence, found.entropy, found.smad) == (0, 0, 0)


@examples(100)
@given(tied, names)
def test_equal_to_the_graph_of_plateaus(values, connectivity):
    """Every connected set of equal samples made one vertex: no neighbours are equal then."""
    flat, edges = values.reshape(-1), np.array(edges_of(values.shape, connectivity), dtype=int)
    edges = edges.reshape(-1, 2)
    level = edges[flat[edges[:, 0]] == flat[edges[:, 1]]]
    joined = coo_array((np.ones(len(level)), (level[:, 0], level[:, 1])), shape=(flat.size,) * 2)
    count, plateau = connected_components(joined, directed=False)
    _, first, plateau = np.unique(plateau, return_index=True, return_inverse=True)
    plateau = np.argsort(np.argsort(first))[plateau]  # numbered by their first samples
    heights = np.empty(count)
    heights[plateau] = flat
    across = {(plateau[a], plateau[b]) for a, b in edges.tolist() if plateau[a] != plateau[b]}
    pairs, _, saddles = by_hand(heights.tolist(), list(across))
    tree = merge_tree(values, connectivity)
    assert tree.n_saddles == len(saddles)
    assert tree.n_minima == len(pairs) + tree.components
    assert sorted(zip(tree.births, tree.deaths, strict=True)) == sorted(
        (heights[a], heights[b]) for a, b in pairs
    )
    assert set(plateau[tree.death_index].tolist()) == {b for _, b in pairs}
    for minimum in tree.minima.tolist():
        assert minimum == np.flatnonzero(plateau == plateau[minimum])[0]
    graph = merge_tree_of_graph(flat, edges)
    assert graph.minima.tolist() == tree.minima.tolist()
    assert graph.saddles.tolist() == tree.saddles.tolist()


@examples(60)
@given(tied, names, st.data())
def test_repeating_a_row_changes_no_number(values, connectivity, data):
    axis = data.draw(st.integers(0, values.ndim - 1))
    place = data.draw(st.integers(0, values.shape[axis] - 1))
    longer = np.insert(values, place, np.take(values, place, axis), axis)
    one, other = (merge_tree(each, connectivity).metrics() for each in (values, longer))
    for field in fields(one):
        if field.name != "smad_weighted":  # by shares of the samples
            assert getattr(one, field.name) == pytest.approx(getattr(other, field.name)), field.name


@examples(60)
@given(tied, names)
def test_negation_ties_and_distances(values, connectivity):
    tree = merge_tree(values, connectivity)
    above = merge_tree(-values, connectivity, superlevel=True)
    assert above.minima.tolist() == tree.minima.tolist()
    assert above.saddles.tolist() == tree.saddles.tolist()
    assert above.persistence.tolist() == tree.persistence.tolist()
    split = merge_tree(values, connectivity, keep_ties=True)
    assert bottleneck_distance(tree, split) == 0
    assert split.metrics().total_persistence == tree.metrics().total_persistence
    assert split.n_minima >= tree.n_minima
    kept = split.persistence > 0
    assert split.birth_index[kept].tolist() == tree.birth_index.tolist()
    profile = landscape_profile(tree)
    leaves = profile.is_minimum & (profile.parent >= 0)
    assert (profile.top[leaves] > profile.bottom[leaves]).all()
    assert profile.samples.sum() == values.size


@examples(60)
@given(tied, names, st.sampled_from([1.0, 2.0]))
def test_a_second_simplification_below_the_first_changes_nothing(values, connectivity, first):
    once = merge_tree(values, connectivity).simplify(first)
    twice = once.simplify(first / 2)
    assert twice.simplified == first
    assert twice.minima.tolist() == once.minima.tolist()
    assert twice.saddles.tolist() == once.saddles.tolist()
    assert (once.persistence >= first).all()


def same(one, other):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("births", "deaths"):
            a, b = a[np.argsort(one.births)], b[np.argsort(other.births)]
        assert np.array_equal(a, b), field.name
        assert np.asarray(a).dtype == np.asarray(b).dtype


@examples(60)
@given(st.one_of(tied, smooth), names)
def test_one_pass_is_the_graph_of_labels(values, connectivity):
    graph = GridGraph(values.shape, connectivity)
    same(in_one_pass(values.reshape(-1), graph), by_labels(values.reshape(-1), graph))


def test_infinities_and_signed_zeros_in_one_pass():
    values = np.array([[0.0, -0.0, np.inf], [-0.0, 1.0, 0.0], [np.inf, np.inf, -3.0]])
    for connectivity in ("cross", "full"):
        graph = GridGraph(values.shape, connectivity)
        same(in_one_pass(values.reshape(-1), graph), by_labels(values.reshape(-1), graph))


@pytest.mark.slow  # the compiler takes some ten seconds the first time
@pytest.mark.parametrize("shape", [(150, 130), (40, 31, 17), (20000,)])
def test_compiled_is_the_same_to_the_bit(shape):
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=shape), rng.integers(0, 9, shape).astype(float)):
        for connectivity in ("cross", "freudenthal", "full"):
            graph = GridGraph(shape, connectivity)
            found = in_one_pass(values.reshape(-1), graph, *_compiled())
            same(found, by_labels(values.reshape(-1), graph))
