"""Merge trees against a sweep by hand, brute force and the theorems that they obey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from eigenscape.topology import (
    NEIGHBORHOODS,
    bottleneck_distance,
    merge_tree,
    merge_tree_of_graph,
    wasserstein_distance,
)
from eigenscape.topology._graph import offsets
from tests._properties import examples

shapes = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6)
tied = arrays(np.float64, shapes, elements=st.integers(0, 4).map(float))
smooth = arrays(np.float64, shapes, elements=st.floats(-100, 100, allow_subnormal=False, width=32))
names = st.sampled_from(NEIGHBORHOODS)


def edges_of(shape, connectivity):
    index = np.arange(np.prod(shape)).reshape(shape)
    found = []
    for place in np.ndindex(*shape):
        for step in offsets(connectivity, len(shape)):
            other = tuple(a + b for a, b in zip(place, step, strict=True))
            if all(0 <= c < size for c, size in zip(other, shape, strict=True)):
                found.append((int(index[place]), int(index[other])))
    return found


def by_hand(values, edges):
    """Sweep vertex by vertex; return pairs, arcs of every vertex, distinct saddles."""
    order = sorted(range(len(values)), key=lambda v: (values[v], v))
    near = {v: [] for v in order}
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    owner, lowest, node, pairs, arc, saddles = {}, {}, {}, [], {}, []
    for v in order:
        roots = {find(owner, u) for u in near[v] if u in owner}
        ordered = sorted(roots, key=lambda r: (values[lowest[r]], lowest[r]))
        owner[v] = v
        if not ordered:
            lowest[v], node[v] = v, v
        else:
            pairs.extend((lowest[young], v) for young in ordered[1:])
            for root in ordered:
                owner[root] = v
            lowest[v] = lowest[ordered[0]]
            node[v] = v if len(ordered) > 1 else node[ordered[0]]
            if len(ordered) > 1:
                saddles.append(v)
        arc[v] = node[v]
    return sorted(pairs), arc, saddles


def find(owner, v):
    while owner[v] != v:
        v = owner[v]
    return v


@examples(150)
@given(st.one_of(tied, smooth), names)
def test_equal_to_the_sweep_by_hand(values, connectivity):
    tree = merge_tree(values, connectivity, keep_ties=True)
    flat, edges = values.reshape(-1).tolist(), edges_of(values.shape, connectivity)
    pairs, arc, saddles = by_hand(flat, edges)
    assert sorted(zip(tree.birth_index.tolist(), tree.death_index.tolist(), strict=True)) == pairs
    assert tree.saddles.tolist() == saddles
    assert [int(tree.node_index[a]) for a in tree.arc_of] == [arc[v] for v in range(len(flat))]
    graph = merge_tree_of_graph(flat, edges, keep_ties=True)
    assert graph.parent_index.tolist() == tree.parent_index.tolist()
    assert graph.samples.tolist() == tree.samples.tolist()


@examples(60)
@given(tied, names)
def test_counts_and_arcs(values, connectivity):
    tree = merge_tree(values, connectivity)
    assert tree.n_pairs == tree.n_minima - tree.components
    assert tree.samples.sum() == values.size
    assert (tree.samples >= 1).all()
    assert (tree.births <= tree.deaths).all()
    assert np.bincount(tree.basin_of, minlength=tree.n_minima).min() >= 1
    flat = values.reshape(-1)
    assert (flat[tree.node_index[tree.arc_of]] <= flat).all()


@examples(60)
@given(tied, st.data())
def test_sublevel_components_by_labelling(values, data):
    """Below a level, the arcs hang together as the labelled components of the threshold set."""
    level = data.draw(st.sampled_from(np.unique(values).tolist()))
    tree = merge_tree(values, "full")
    full = np.ones((3,) * values.ndim)
    labels, count = ndimage.label(values <= level, structure=full)
    alive = (tree.births <= level) & (tree.deaths > level)
    assert count == int(alive.sum()) + len(tree.essential)
    top = np.arange(len(tree.parent))
    flat = values.reshape(-1)
    for node in reversed(range(len(top))):
        above = tree.parent[node]
        if above >= 0 and flat[tree.node_index[above]] <= level:
            top[node] = top[above]
    below = flat <= level
    joined = set(
        zip(top[tree.arc_of][below].tolist(), labels.reshape(-1)[below].tolist(), strict=True)
    )
    assert len(joined) == count


@examples(60)
@given(smooth, st.sampled_from(["cross", "full"]), st.data())
def test_turning_the_grid_changes_no_diagram(values, connectivity, data):
    turned = np.transpose(values, data.draw(st.permutations(range(values.ndim))))
    turned = np.flip(turned, data.draw(st.integers(0, values.ndim - 1)))
    first, second = (
        sorted(zip(t.births.tolist(), t.deaths.tolist(), strict=True))
        for t in (merge_tree(values, connectivity), merge_tree(turned, connectivity))
    )
    assert [p for p in first if p[0] < p[1]] == [p for p in second if p[0] < p[1]]


@examples(60)
@given(tied, names, st.sampled_from([0.25, 3.0]), st.floats(-10, 10))
def test_increasing_functions_change_no_pair(values, connectivity, scale, shift):
    tree = merge_tree(values, connectivity)
    for other in (scale * values + shift, np.exp(values)):
        moved = merge_tree(other, connectivity)
        assert sorted(zip(moved.birth_index, moved.death_index, strict=True)) == sorted(
            zip(tree.birth_index, tree.death_index, strict=True)
        )


@examples(60)
@given(st.integers(0, 10**6), st.floats(0.01, 3), names)
def test_stability(seed, size, connectivity):
    """The bottleneck distance never exceeds the largest difference."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(7, 6))
    moved = values + size * rng.uniform(-1, 1, values.shape)
    a, b = merge_tree(values, connectivity), merge_tree(moved, connectivity)
    apart = bottleneck_distance(a, b)
    rounding = 1e-14 * np.abs([values, moved]).max()
    assert apart <= np.abs(values - moved).max() + rounding
    assert apart == pytest.approx(bottleneck_distance(b, a))
    assert wasserstein_distance(a, b, p=2) >= apart * (1 - 1e-12)


@examples(80)
@given(st.one_of(tied, smooth), names, st.floats(0, 5))
def test_simplification_keeps_exactly_the_larger_pairs(values, connectivity, threshold):
    tree = merge_tree(values, connectivity)
    simple = tree.simplify(threshold)
    kept = tree.persistence >= threshold
    assert simple.birth_index.tolist() == tree.birth_index[kept].tolist()
    assert simple.death_index.tolist() == tree.death_index[kept].tolist()
    assert simple.n_pairs == simple.n_minima - simple.components
    assert simple.samples.sum() == values.size
    assert np.bincount(simple.arc_of, minlength=len(simple.node_index)).tolist() == (
        simple.samples.tolist()
    )
    assert set(simple.saddles.tolist()) == set(simple.death_index.tolist())
    for position in range(simple.n_minima, len(simple.node_index)):
        assert len(simple.children(position)) >= 2
    again = simple.simplify(threshold)
    assert again.parent_index.tolist() == simple.parent_index.tolist()
    flat = values.reshape(-1)
    lower = flat[simple.minima[simple.basin_of]]
    assert (lower <= flat[tree.minima[tree.basin_of]]).all()  # taken over by an older minimum
