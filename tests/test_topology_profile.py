"""The landscape profile: the worked example, its laws, and its pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import generate_binary_structure, label

from eigenscape.errors import InputError
from eigenscape.results import new_figure
from eigenscape.topology import (
    draw_contour,
    draw_profile,
    draw_profiles,
    examine_topology,
    landscape_profile,
    merge_tree,
    merge_tree_of_graph,
)
from eigenscape.topology._draw_diagram import draw_barcode, draw_topology
from tests._properties import examples

WORKED = [5.0, 1, 3, 0, 4, 2, 6]


def grids(dims=(1, 2, 3)):
    shapes = st.one_of(*(hnp.array_shapes(min_dims=d, max_dims=d, max_side=5) for d in dims))
    return hnp.arrays(np.float64, shapes, elements=st.integers(0, 6).map(float))


def place(profile, node):
    return int(np.flatnonzero(profile.node_index == node)[0])


def test_worked_example():
    profile = landscape_profile(merge_tree(WORKED))
    arcs = {node: place(profile, node) for node in (4, 2, 3, 1, 5)}
    intervals = {n: (profile.left[a], profile.right[a]) for n, a in arcs.items()}
    assert intervals == {4: (0, 7), 2: (1.5, 4.5), 3: (2, 3), 1: (3, 4), 5: (4.5, 5.5)}
    blocks = {n: (profile.block_left[arcs[n]], profile.block_right[arcs[n]]) for n in (4, 2)}
    assert blocks == {4: (1.5, 5.5), 2: (2, 4)}
    assert [profile.centre[arcs[n]] for n in (3, 1, 5)] == [2.5, 3.5, 5.0]
    assert [profile.volume[arcs[n]] for n in (1, 3, 2, 5, 4)] == [1, 1, 3, 1, 7]
    assert profile.mean_loss[arcs[2]] == pytest.approx(4 / 3)
    assert profile.mean_loss[arcs[4]] == 3
    assert [profile.depth[arcs[n]] for n in (1, 3, 5, 2, 4)] == [2, 3, 2, 4, 6]


def test_outline_of_the_worked_example():
    profile = landscape_profile(merge_tree(WORKED), mean="arc")
    heights, half = profile.outline(place(profile, 4))
    np.testing.assert_array_equal(heights, [4, 4, 5, 5, 6, 6, 6])
    np.testing.assert_array_equal(2 * half, [4, 5, 5, 6, 6, 7, 7])
    heights, half = profile.outline(place(profile, 3))
    np.testing.assert_array_equal(np.column_stack((heights, 2 * half)), [[0, 0], [0, 1], [3, 1]])
    assert profile.mean_loss[place(profile, 4)] == 5


@given(grids(), st.sampled_from(["volume", "persistence", "position"]), st.booleans())
@examples(80)
def test_intervals_nest_and_siblings_do_not_overlap(values, order, superlevel):
    tree = merge_tree(values, superlevel=superlevel)
    profile = landscape_profile(tree, order=order)
    assert profile.samples.sum() == values.size == profile.n_samples
    roots = np.flatnonzero(profile.parent < 0)
    assert profile.volume[roots].sum() == values.size
    np.testing.assert_allclose(profile.right - profile.left, profile.volume)
    for up in (-1, *range(profile.n_arcs)):
        children = np.flatnonzero(profile.parent == up)
        children = children[np.argsort(profile.left[children])]
        if not len(children):
            continue
        left = 0.0 if up < 0 else profile.block_left[up]
        right = values.size if up < 0 else profile.block_right[up]
        ends = [left, *profile.right[children]]
        np.testing.assert_allclose(profile.left[children], ends[:-1])  # side by side, no gap
        assert ends[-1] == pytest.approx(right)
    seen = set()
    for arc in profile.traversal.tolist():
        assert profile.parent[arc] in {-1, *seen}
        seen.add(arc)
    assert len(seen) == profile.n_arcs


@pytest.mark.parametrize(("connectivity", "rank"), [("cross", 1), ("full", None)])
@given(values=grids((1, 2, 3)))
@examples(60)
def test_width_is_the_size_of_the_component(connectivity, rank, values):
    profile = landscape_profile(merge_tree(values, connectivity))
    structure = generate_binary_structure(values.ndim, rank or values.ndim)
    flat = values.ravel()
    for height in np.unique(flat):
        labels = label(values <= height, structure)[0].ravel()
        sizes = np.bincount(labels)
        for arc, node in enumerate(profile.node_index):
            if not profile.bottom[arc] <= height < profile.top[arc]:
                continue
            assert profile.width(arc, height) == sizes[labels[node]]
            heights, half = profile.outline(arc)
            inside = np.searchsorted(heights, height, side="right") - 1
            assert 2 * half[inside] == sizes[labels[node]]


def test_a_superlevel_profile_is_the_mirror_image():
    values = np.random.default_rng(0).standard_normal((9, 8))
    up = landscape_profile(merge_tree(values, superlevel=True))
    down = landscape_profile(merge_tree(-values))
    for name in ("left", "right", "volume"):
        np.testing.assert_array_equal(getattr(up, name), getattr(down, name))
    for name in ("bottom", "top", "heights"):
        np.testing.assert_array_equal(getattr(up, name), -getattr(down, name))
    for arc in range(up.n_arcs):
        np.testing.assert_array_equal(up.outline(arc)[1], down.outline(arc)[1])
        assert up.width(arc, 0.1) == down.width(arc, -0.1)


def test_thinned_outlines_keep_exact_points_and_both_ends():
    profile = landscape_profile(merge_tree(np.linspace(-1, 1, 3001) ** 2))
    exact = profile.outline(0)
    heights, half = profile.outline(0, points=200)
    assert 50 < len(heights) <= 200
    assert (heights[0], half[0]) == (exact[0][0], 0)
    assert (heights[-1], 2 * half[-1]) == (1, 3001)
    for y, w in zip(heights[1:], half[1:], strict=True):
        assert profile.width(0, y) == 2 * w


@pytest.mark.parametrize("points", [8, 10, 51])
def test_thinned_outlines_have_no_more_points_than_asked_for(points):
    profile = landscape_profile(merge_tree(np.linspace(-1, 1, 3001) ** 6))
    heights, _ = profile.outline(0, points=points)
    assert points - 4 <= len(heights) <= points


def test_a_shape_is_its_outline_on_both_sides_of_the_middle():
    profile = landscape_profile(merge_tree(WORKED), mean="arc")
    for arc in range(profile.n_arcs):
        y, half = profile.outline(arc)
        right, left = np.split(profile.polygon(arc), 2)
        middle = (profile.left[arc] + profile.right[arc]) / 2
        np.testing.assert_array_equal(right, np.column_stack((middle + half, y)))
        np.testing.assert_array_equal(left[::-1], np.column_stack((middle - half, y)))


def test_orders():
    # left: narrow and deep; right: wide and shallow
    values = np.array([9.0, 0, 9, 4, 3, 4, 5, 9.5])
    tree = merge_tree(values)

    def first(order):
        profile = landscape_profile(tree, order=order)
        root = np.flatnonzero(profile.parent < 0)[0]
        children = np.flatnonzero(profile.parent == root)
        return int(profile.node_index[children[np.argmin(profile.left[children])]])

    assert first("volume") == 4
    assert first("persistence") == 1
    assert first("position") == 1


def test_a_simplified_tree_keeps_every_sample_inside():
    values = np.random.default_rng(1).standard_normal((25, 25))
    tree = merge_tree(values).simplify(1.0)
    profile = landscape_profile(tree)
    assert profile.simplified == 1.0
    assert profile.samples.sum() == 625
    for arc in range(profile.n_arcs):
        heights, half = profile.outline(arc)
        assert (np.diff(heights) >= 0).all()
        assert (np.diff(half) >= 0).all()
        assert heights[0] >= profile.bottom[arc]
        assert 2 * half[-1] == profile.volume[arc]


def test_a_forest_lies_side_by_side():
    tree = merge_tree_of_graph([1.0, 2, 3, 0, 4], [[0, 1], [1, 2], [3, 4]])
    profile = landscape_profile(tree)
    order = np.argsort(profile.left)
    np.testing.assert_array_equal(profile.left[order], [0, 3])
    np.testing.assert_array_equal(profile.right[order], [3, 5])


def test_samples_that_are_not_finite_do_not_spoil_means():
    profile = landscape_profile(merge_tree([1.0, 2.0, np.inf, 0.0]))
    assert np.isfinite(profile.mean_loss).all()
    root = np.flatnonzero(profile.parent < 0)[0]
    assert profile.mean_loss[root] == 1
    figure = new_figure()
    draw_profile(figure.subplots(), profile)
    figure.draw_without_rendering()


def test_unknown_words_are_all_named():
    with pytest.raises(InputError, match=r"order is one of.*mean is one of"):
        landscape_profile(merge_tree(WORKED), order="up", mean="mode")


# ---------------------------------------------------------------------------- pictures


def surface(seed=0, n=15):
    return 1 + np.random.default_rng(seed).random((n, n))


def test_panels_share_one_scale_and_one_meaning_of_colour():
    trees = {"a": merge_tree(surface(0)), "b": merge_tree(10 * surface(1))}
    figure = draw_profiles(trees, scale="log")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert panels[0].get_ylim() == panels[1].get_ylim()
    norms = {axes.collections[0].norm for axes in panels}
    assert len(norms) == 1
    assert panels[0].get_yscale() == "log"
    assert "minima" in panels[0].get_title()
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert "mean loss of the branch (dark: low)" in labels
    apart = draw_profiles(trees, share=False)
    a, b = [axes for axes in apart.axes if axes.get_title()]
    assert a.get_ylim() != b.get_ylim()


def test_simplification_is_said_in_the_title():
    figure = draw_profiles({"a": merge_tree(surface()).simplify(0.25)})
    assert "deeper than 0.25" in figure.axes[0].get_title()


def test_scales_that_cannot_be_drawn_are_refused():
    tree = merge_tree(surface() - 1.5)
    with pytest.raises(InputError, match="symlog"):
        draw_profiles({"a": tree}, scale="log")
    with pytest.raises(InputError, match="scale is one of"):
        draw_profiles({"a": tree}, scale="loglog")
    with pytest.raises(InputError, match="at least one"):
        draw_profiles({})


@pytest.mark.parametrize(
    ("shape", "scale", "superlevel"),
    [
        ((30,), "log", True),
        ((9, 12), "linear", False),
        ((9, 12), "log", False),
        ((9, 12), "symlog", True),
        ((5, 5, 5), "symlog", False),
        ((5, 5, 5), "linear", True),
    ],
)
def test_every_picture_renders(scale, shape, superlevel):
    values = 0.1 + np.random.default_rng(2).random(shape)
    tree = merge_tree(values, superlevel=superlevel)
    draw_topology(tree, scale=scale).draw_without_rendering()
    figure = new_figure()
    draw_barcode(figure.subplots(), tree, scale=scale)
    figure.draw_without_rendering()


@pytest.mark.parametrize("values", [np.ones((4, 4)), np.zeros(5), [[1.0, np.inf], [2.0, 3.0]]])
def test_degenerate_grids_can_be_drawn(values):
    draw_topology(merge_tree(values)).draw_without_rendering()


def test_the_grid_has_no_contour_beyond_two_dimensions():
    figure = draw_topology(merge_tree(np.random.default_rng(0).random((4, 4, 4))))
    assert figure.axes[0].texts[0].get_text() == "3-D grid, no contour"
    with pytest.raises(InputError, match=r"2-D grid; this one has shape \(7,\)"):
        draw_contour(new_figure().subplots(), merge_tree(WORKED))


def test_contour_marks_nodes_at_their_coordinates():
    x, y = np.linspace(-1, 1, 5), np.linspace(0, 30, 7)
    values = (x[:, None] - 0.5) ** 2 + (y / 10 - 1) ** 2
    axes = new_figure().subplots()
    draw_contour(axes, merge_tree(values), coordinates=(x, y), names=("first", "second"))
    np.testing.assert_allclose(axes.collections[-1].get_offsets(), [[0.5, 10]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("first", "second")
    assert axes.get_aspect() == "auto"


# ---------------------------------------------------------------------------- the result


def test_result_round_trip(tmp_path):
    values = np.random.default_rng(3).random((12, 12))
    values[0, 0] = np.nan
    result = examine_topology(values, "cross", simplify=5, relative=False)
    assert result.tree.n_minima == 1
    result = examine_topology(values, "cross", simplify=0.1, relative=True)
    assert [row.connectivity for row in result.sensitivity] == ["cross", "freudenthal", "full"]
    assert result.sensitivity[0].n_minima == result.unsimplified_minima > result.tree.n_minima
    back = type(result).load(result.save(tmp_path / "topology.json"))
    assert back == result
    assert back.to_dict() == result.to_dict()
    assert len(back.frame()) == result.tree.n_pairs
    back.plot().draw_without_rendering()


def test_large_results_come_back_without_values(tmp_path):
    values = np.add.outer(np.arange(500.0), np.arange(401.0))
    result = examine_topology(values, sensitivity=False)
    back = type(result).load(result.save(tmp_path / "topology.json"))
    assert back.tree is None
    assert back.frame().equals(result.frame())
    with pytest.raises(InputError, match="200,500 samples"):
        back.plot()


@pytest.mark.parametrize("threshold", [-1.0, float("nan")])
def test_bad_thresholds(threshold):
    with pytest.raises(InputError):
        examine_topology(WORKED, simplify=threshold)
