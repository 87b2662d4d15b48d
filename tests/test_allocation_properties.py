"""Allocation: what holds for every metric, every rule and every limit."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eigenscape.allocation import allocate
from eigenscape.allocation._fill import (
    fill,
    largest_remainder,
    mean_of,
    reach,
    reference_counts,
    weighted_remainder,
)
from eigenscape.errors import InputError
from tests._properties import examples, near

ALPHAS = st.lists(st.floats(1.1, 12), min_size=1, max_size=12)
RULES = ("linear", "sqrt", "log2", "step", "sigmoid", "multiplicative", "additive", "power")
quick = examples(60)


def named(alphas, sizes=None):
    sizes = sizes or [1] * len(alphas)
    return {
        f"l{i}": {"alpha": a, "parameters": p}
        for i, (a, p) in enumerate(zip(alphas, sizes, strict=False))
    }


def values(result):
    return np.array(list(result.layers.values()))


def rises(alphas, got):
    """No layer has a larger metric and a smaller budget; equal layers may differ by rounding."""
    alphas = np.array(alphas)
    return not ((alphas[:, None] < alphas) & (got[:, None] > got)).any()


@st.composite
def tables(draw, smallest=1):
    alphas = draw(st.lists(st.floats(1.1, 12), min_size=smallest, max_size=12))
    sizes = draw(st.lists(st.integers(1, 10**8), min_size=len(alphas), max_size=len(alphas)))
    return alphas, sizes


@given(tables(), st.sampled_from(RULES), st.floats(0.01, 0.99), st.floats(0, 1), st.floats(0, 1))
@quick
def test_sparsity_is_exact_under_any_limits(table, rule, total, low, high):
    alphas, sizes = table
    floor, cap = total * low, total + (1 - total) * high
    result = allocate(
        named(alphas, sizes), kind="sparsity", total=total, rule=rule, floor=floor, cap=cap
    )
    got = values(result)
    assert math.fsum(got * sizes) == pytest.approx(total * sum(sizes), rel=1e-11)
    assert got.min() >= floor
    assert got.max() <= cap
    counts = result.entries_to_prune()
    assert sum(counts.values()) == round(total * sum(sizes))
    assert all(0 <= counts[n] <= size for n, size in zip(counts, sizes, strict=True))
    order = np.argsort(alphas, kind="stable")
    assert (np.diff(got[order]) >= -1e-12 * got.max()).all()


@given(ALPHAS, st.sampled_from(RULES), st.integers(0, 300), st.integers(0, 3), st.integers(0, 60))
@quick
def test_experts_add_up_and_rise_with_the_metric(alphas, rule, extra, floor, room):
    count = len(alphas)
    cap = floor + extra // count + 1 + room
    total = floor * count + extra
    result = allocate(named(alphas), kind="experts", total=total, rule=rule, floor=floor, cap=cap)
    got = values(result)
    assert got.sum() == result.total == total
    assert got.min() >= floor
    assert got.max() <= cap
    assert rises(alphas, got)


@given(tables(), st.floats(2, 8), st.sampled_from(("bits", "ranks")))
@quick
def test_weighted_whole_numbers_come_close_from_below(table, mean, kind):
    alphas, sizes = table
    result = allocate(
        named(alphas, sizes), kind=kind, total=mean, weights="parameters", group="matrix"
    )
    assert result.total <= mean * (1 + 1e-8)
    assert result.total > mean - max(sizes) / sum(sizes) - 1e-8
    assert values(result).min() >= (2 if kind == "bits" else 1)


@given(st.lists(st.floats(1.1, 12), min_size=1, max_size=10), st.integers(0, 60))
@quick
def test_bits_of_equal_layers_are_exact(alphas, steps):
    count = len(alphas)
    total = 2 + (steps % (6 * count + 1)) / count
    result = allocate(named(alphas), kind="bits", total=total, group="matrix")
    assert values(result).sum() == round(total * count)
    assert rises(alphas, -values(result))


@given(tables(2), st.sampled_from(RULES), st.randoms(), st.sampled_from(("lr", "sparsity")))
@quick
def test_the_order_of_the_layers_does_not_matter(table, rule, random, kind):
    rows = named(*table)
    mixed = list(rows.items())
    random.shuffle(mixed)
    total = None if kind == "lr" else 0.6
    one = allocate(rows, kind=kind, total=total, rule=rule).layers
    two = allocate(dict(mixed), kind=kind, total=total, rule=rule).layers
    assert {name: two[name] for name in one} == pytest.approx(one, rel=1e-9)


@given(ALPHAS, st.integers(0, 100), st.randoms(), st.sampled_from(("power", "shuffled")))
@quick
def test_the_order_of_the_layers_does_not_move_an_expert(alphas, extra, random, rule):
    rows = named([round(a, 3) for a in alphas])
    mixed = list(rows.items())
    random.shuffle(mixed)
    total = len(alphas) + extra
    one = allocate(rows, kind="experts", total=total, rule=rule, seed=4)
    two = allocate(dict(mixed), kind="experts", total=total, rule=rule, seed=4)
    assert one.layers == two.layers
    assert one.metric_hash == two.metric_hash


@given(st.lists(st.integers(2, 9), min_size=2, max_size=10), st.sampled_from(RULES))
@quick
def test_equal_layers_get_equal_budgets(alphas, rule):
    for kind, total in (("lr", None), ("sparsity", 0.7), ("experts", 5 * len(alphas))):
        got = allocate(named(alphas), kind=kind, total=total, rule=rule).layers
        for alpha in set(alphas):
            same = [got[f"l{i}"] for i, a in enumerate(alphas) if a == alpha]
            assert max(same) - min(same) <= (1 if kind == "experts" else 0)


@given(
    tables(2),
    st.floats(0.1, 50),
    st.floats(0, 50),
    st.sampled_from(("linear", "multiplicative", "additive")),
)
@quick
def test_range_rules_do_not_see_scale_or_shift(table, scale, shift, rule):
    alphas, sizes = table
    assume(np.ptp(alphas) > 1e-3)
    one = allocate(named(alphas, sizes), kind="sparsity", total=0.5, rule=rule)
    moved = [scale * alpha + shift for alpha in alphas]
    two = allocate(named(moved, sizes), kind="sparsity", total=0.5, rule=rule)
    assert values(two) == near(values(one), 1e-9)


@given(tables(2), st.floats(0.1, 50), st.sampled_from(("sqrt", "power")))
@quick
def test_power_rules_do_not_see_scale(table, scale, rule):
    alphas, sizes = table
    one = allocate(named(alphas, sizes), rule=rule)
    two = allocate(named([scale * alpha for alpha in alphas], sizes), rule=rule)
    assert values(two) == pytest.approx(values(one), rel=1e-9)


@given(tables(2), st.floats(0, 9))
@quick
def test_the_sigmoid_does_not_see_a_shift(table, shift):
    alphas, _ = table
    one = allocate(named(alphas), rule="sigmoid", tau=1)
    two = allocate(named([alpha + shift for alpha in alphas]), rule="sigmoid", tau=1)
    assert values(two) == pytest.approx(values(one), rel=1e-9)


@given(tables(2), st.sampled_from(("linear", "sigmoid", "additive")))
@quick
def test_negating_the_metric_reverses_the_budgets(table, rule):
    alphas, _ = table
    rows = {f"l{i}": {"score": a} for i, a in enumerate(alphas)}
    minus = {name: {"score": -row["score"]} for name, row in rows.items()}
    one = values(allocate(rows, rule=rule, column="score"))
    two = values(allocate(minus, rule=rule, column="score"))
    if rule == "sigmoid":
        assert one * two == pytest.approx(np.ones(len(alphas)), rel=1e-9)
    else:
        assert one + two == near(np.full(len(alphas), one[0] + two[0]), 1e-9)


@given(ALPHAS, st.sampled_from(RULES), st.sampled_from(("reversed", "shuffled", "depth_ramp")))
@quick
def test_controls_keep_the_multiset_of_budgets(alphas, rule, control):
    rows = named(alphas)
    for kind, total in (("lr", None), ("sparsity", 0.8), ("experts", 6 * len(alphas))):
        own = sorted(values(allocate(rows, kind=kind, total=total, rule=rule)))
        handed = allocate(rows, kind=kind, total=total, rule=control, of=rule, seed=3)
        assert sorted(values(handed)) == pytest.approx(own, rel=1e-12)


@given(tables(), st.floats(0.05, 0.95))
@quick
def test_no_range_and_no_beta_are_uniform(table, total):
    rows = named(*table)
    flat = allocate(rows, kind="sparsity", total=total, epsilon=0)
    same = allocate(rows, kind="sparsity", total=total, rule="uniform")
    assert values(flat) == pytest.approx(values(same), rel=1e-12)
    assert values(same) == pytest.approx(np.full(len(rows), total), rel=1e-12)


@given(st.lists(st.floats(1.1, 9), min_size=1, max_size=6), st.floats(0.1, 0.9))
@quick
def test_blocks_of_equal_layers_are_as_good_as_layers(alphas, total):
    rows = {
        f"b.{i}.{part}": {"alpha": a, "parameters": size}
        for i, a in enumerate(alphas)
        for part, size in (("x", 30), ("y", 50))
    }
    by_block = allocate(rows, kind="sparsity", total=total, group="block")
    by_layer = allocate(rows, kind="sparsity", total=total, group="matrix")
    assert values(by_block) == pytest.approx(values(by_layer), rel=1e-9)


# --- water-filling and rounding -------------------------------------------------------------------


@given(
    st.lists(st.just(0.0) | st.floats(1e-6, 10), min_size=1, max_size=10).filter(any),
    st.booleans(),
    st.floats(0, 2),
    st.floats(0, 5),
    st.floats(0, 1),
    st.data(),
)
@quick
def test_filling_meets_every_mean_within_reach(scores, additive, floor, width, share, data):
    scores = np.array(scores)
    weights = np.array(
        data.draw(st.lists(st.integers(1, 1000), min_size=len(scores), max_size=len(scores))),
        dtype=float,
    )
    limits = {"additive": additive, "floor": floor, "cap": floor + width}
    low, high = reach(scores, weights, **limits)
    mean = low + share * (high - low)
    budgets, held = fill(scores, weights, mean, **limits)
    assert mean_of(budgets, weights) == near(mean, 1e-10, scale=floor + width)
    rising = np.diff(budgets[np.argsort(scores, kind="stable")])
    assert (rising >= -1e-12 * (floor + width)).all()
    inside = budgets[~held & (budgets > floor) & (budgets < floor + width)]
    kept = scores[~held & (budgets > floor) & (budgets < floor + width)]
    level = inside - kept if additive else inside / kept
    assert np.ptp(level) < 1e-9 * max(1, np.abs(level).max()) if len(level) else True
    with pytest.raises(InputError, match="cannot be reached"):
        fill(scores, weights, high + 0.01 * (1 + abs(high)), **limits)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=15), st.integers(0, 500))
@quick
def test_largest_remainder_stays_within_one_and_adds_up(shares, total):
    quotas = total * np.array(shares) / math.fsum(shares)
    names = [f"n{i}" for i in range(len(shares))]
    counts = largest_remainder(quotas, total, names)
    assert counts.sum() == total
    assert (np.abs(counts - quotas) < 1 + 1e-6).all()


@given(st.lists(st.floats(0, 9), min_size=1, max_size=10), st.data())
@quick
def test_weighted_rounding_leaves_no_step_that_fits(quotas, data):
    quotas = np.array(quotas)
    weights = np.array(
        data.draw(st.lists(st.integers(1, 50), min_size=len(quotas), max_size=len(quotas)))
    )
    mean = mean_of(quotas, weights)
    counts = weighted_remainder(quotas, weights, mean, [str(i) for i in range(len(quotas))])
    left = mean * weights.sum() - (weights * counts).sum()
    assert left > -1e-4
    waiting = weights[(quotas - counts) > 1e-6]
    assert not len(waiting) or waiting.min() > left - 1e-4


@given(st.lists(st.floats(1, 60), min_size=2, max_size=12), st.integers(20, 200))
@quick
def test_the_published_rounding_adds_up_too(scores, total):
    try:
        counts = reference_counts(np.array(scores), total)
    except InputError:  # its repair can go below zero
        return
    assert counts.sum() == total


def test_the_published_rounding_may_leave_a_group_with_none():
    assert reference_counts(np.array([0.1, 5.0]), 2).tolist() == [0, 2]
