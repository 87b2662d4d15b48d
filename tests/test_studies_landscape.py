"""The two landscape studies on a plan small enough for a test."""

import json
from dataclasses import replace

import numpy as np
import pytest

from eigenscape.results import load
from eigenscape.stats import rank_correlation
from eigenscape_studies import StudyResult, get_study
from eigenscape_studies.landscape_profiles._numbers import Numbers as ProfileNumbers
from eigenscape_studies.landscape_profiles._plan import ProfilesPlan
from eigenscape_studies.landscape_topology._numbers import METRICS
from eigenscape_studies.landscape_topology._numbers import Numbers as TopologyNumbers
from eigenscape_studies.landscape_topology._plan import TopologyPlan

TOPOLOGY = replace(
    get_study("landscape_topology"),
    scales={
        "small": TopologyPlan(
            betas=(1.0, 5.0, 20.0), seeds=(0, 1), pairs=(0, 1), depths=(4,), steps=9, iterations=30
        )
    },
)
PROFILES = replace(
    get_study("landscape_profiles"),
    scales={
        "small": ProfilesPlan(
            betas=(1.0, 10.0, 20.0),
            seeds=(0, 1),
            steps={2: 9, 3: 5, 4: 5},
            deep_betas=(1.0, 20.0),
            rates=(1e-4, 1e-3, 1e-2),
            epochs=4,
            unet_steps=3,
            pictures=32,
            iterations=30,
        )
    },
)


@pytest.fixture(scope="module")
def topology(tmp_path_factory):
    folder = tmp_path_factory.mktemp("topology")
    return TOPOLOGY.run(folder=folder, jobs=2), folder


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiles")
    return PROFILES.run(folder=folder, jobs=2), folder


@pytest.mark.slow
def test_topology_measures_every_network(topology):
    result, _ = topology
    table = result.table("networks")
    assert len(table) == 3 * 2 + 2 * 2
    assert (table["hessian_trace"].abs() > 0).all()
    for name in ("cross", "freudenthal", "full"):
        assert (table[f"minima_{name}"] >= 1).all()
        assert (table[f"saddles_{name}"] < table[f"minima_{name}"]).all()
    assert (table["minima_full"] <= table["minima_cross"]).all()
    assert len(result.claims) == 11
    assert {claim.verdict for claim in result.claims} <= {"holds", "in part", "fails"}
    assert "not significant" in " ".join(claim.measured for claim in result.claims)


@pytest.mark.slow
def test_topology_resumes_and_repeats(topology):
    result, folder = topology
    again = TOPOLOGY.run(folder=folder, jobs=1)
    timed = ("train_seconds",)
    for row, other in zip(result.tables["networks"], again.tables["networks"], strict=True):
        assert {k: v for k, v in row.items() if k not in timed} == {
            k: v for k, v in other.items() if k not in timed
        }


@pytest.mark.slow
def test_profiles_measure_every_dimension(profiles):
    result, _ = profiles
    table = result.table("networks")
    pinns = table[table["family"] == "convection"]
    assert sorted(pinns[pinns["beta"] == 1]["dim"]) == [2, 2, 3, 4]
    unets = table[table["family"] == "unet"]
    assert len(unets) == 3 * 2 * 3  # rates, seeds, moments
    assert (table["depth"] >= 0).all()
    assert [row["beta"] for row in result.tables["dispersion"]] == [1.0, 10.0, 20.0]
    assert len(result.claims) == 6


@pytest.mark.slow
@pytest.mark.parametrize("study", ["topology", "profiles"])
def test_pages_and_round_trip(study, request, tmp_path):
    result, _ = request.getfixturevalue(study)
    path = result.save(tmp_path / "result.json")
    back = load(path)
    assert isinstance(back, StudyResult)
    assert back.claims == result.claims
    page = {"topology": TOPOLOGY, "profiles": PROFILES}[study].html(back)
    assert page.count("<svg") >= 5
    for claim in result.claims:
        assert claim.verdict in page
    json.loads(path.read_text())


def test_one_list_of_seeds_serves_networks_and_pairs():
    plan = TOPOLOGY.plan("small", None, (4, 9, 11))
    assert plan.seeds == plan.pairs == (4, 9, 11)
    assert get_study("landscape_topology").plan("small").pairs == tuple(range(5))


# ---- claims of made-up networks

BETAS = (1.0, 3.0, 5.0, 8.0, 9.0, 12.0)


def verdicts(study, numbers):
    return {claim.name: claim for claim in study.judge(numbers, command="c", seeds=6)}


def topology_rows(pinn, plain, residual):
    """Networks of six seeds: what ``pinn(beta, seed)`` says, and two columns of pairs."""
    rows = [
        {"family": "convection", "beta": beta, "seed": seed, **pinn(beta, seed)}
        for beta in BETAS
        for seed in range(6)
    ]
    for family, made in (("plain", plain), ("residual", residual)):
        rows += [{"family": family, "depth": 16, "seed": seed, **made(seed)} for seed in range(6)]
    return rows


def columns(size, seed, error=0.0, single=False):
    """Every column of one network, larger with ``size``."""
    row = dict.fromkeys(METRICS, size * (1 + 0.01 * seed)) | {"relative_l2": error}
    for name in ("cross", "freudenthal", "full"):
        row |= {f"saddles_{name}": 0 if single else int(10 * size), f"significant_{name}": 2}
        row[f"minima_{name}"] = row[f"saddles_{name}"] + 1
    return row


def as_told(beta, seed):
    return columns(beta + seed / 10, seed, error=0.08 * beta + 0.01 * seed)


def of_plain(seed, accuracy=0.9):
    row = columns(2.0 + 0.1 * seed, seed)
    return row | {"accuracy": accuracy - 0.001 * seed, "persistence_essential_freudenthal": 0.1}


def of_residual(seed, accuracy=0.95, single=True):
    row = columns(1.0, seed, single=single) | {"accuracy": accuracy + 0.001 * seed}
    high = {"persistence_essential_freudenthal": 1.0 + 0.1 * seed, "persistence_freudenthal": 9.0}
    return row | high


def test_claims_on_topology_hold_where_they_were_put_in():
    numbers = TopologyNumbers(topology_rows(as_told, of_plain, of_residual), [])
    claims = verdicts(TOPOLOGY, numbers)
    assert {name: claim.verdict for name, claim in claims.items()} == dict.fromkeys(claims, "holds")
    assert "between beta 5 and 8" in claims["failure beyond a speed"].measured
    assert "6 of 6 residual networks" in claims["shortcuts: fewer saddles"].measured
    assert len(numbers.family) == 6 * 3 + 2 + 8
    text = TOPOLOGY.paragraphs(numbers)["How many comparisons"]
    assert "28 comparisons" in text


def test_claims_on_topology_fail_where_nothing_was_put_in():
    rng = np.random.default_rng(3)

    def any_size(*_):
        return columns(rng.uniform(1, 2), 0, error=rng.uniform(0, 0.4)) | {
            "accuracy": rng.uniform(0.8, 0.9)
        }

    claims = verdicts(TOPOLOGY, TopologyNumbers(topology_rows(any_size, any_size, any_size), []))
    assert {name: claim.verdict for name, claim in claims.items()} == dict.fromkeys(claims, "fails")
    assert "No speed fails" in claims["failure beyond a speed"].measured
    for name in ("rougher with difficulty", "shortcuts help", "topology goes with accuracy"):
        assert "not significant" in claims[name].measured


def test_halves_of_claims_on_topology_are_told_apart():
    def several(seed):
        return of_residual(seed, single=False)

    claims = verdicts(TOPOLOGY, TopologyNumbers(topology_rows(as_told, of_plain, several), []))
    saddles = claims["shortcuts: fewer saddles"]
    assert saddles.verdict == "in part"  # fewer, but not a single minimum
    assert "0 of 6 residual networks" in saddles.measured

    def late(beta, seed):
        return as_told(beta, seed) | {"relative_l2": 0.9 if beta > 9 else 0.1 + 0.01 * seed}

    claims = verdicts(TOPOLOGY, TopologyNumbers(topology_rows(late, of_plain, of_residual), []))
    assert claims["failure beyond a speed"].verdict == "fails"
    assert "between beta 9 and 12" in claims["failure beyond a speed"].measured


def test_one_comparison_of_many_is_not_significant_after_holm():
    gaps = np.linspace(-1, 1, 6) * 0.010 + 0.012  # of the accuracy: p = 0.01 by itself

    def better(seed):
        return of_plain(seed) | {"accuracy": 0.9 + gaps[seed]}

    def same(seed):
        return of_plain(seed) | {"accuracy": 0.9}

    rng = np.random.default_rng(0)

    def any_size(*_):
        return columns(rng.uniform(1, 2), 0, error=rng.uniform(0, 0.4))

    claim = verdicts(TOPOLOGY, TopologyNumbers(topology_rows(any_size, same, better), []))[
        "shortcuts help"
    ]
    assert claim.verdict == "fails"
    assert "not significant after Holm over" in claim.measured


def profile_rows(depth, minima):
    """PINNs of six seeds, and U-Nets whose ``depth(rate, epoch, seed)`` is known."""
    pinns = [
        {
            "family": "convection",
            "beta": beta,
            "seed": seed,
            "dim": dim,
            "steps": 5,
            "relative_l2": 0.08 * beta + 0.001 * seed,
            "significant_full": minima(beta),
            "saddles_full": int(beta) * (dim - 1),
            "minima_full": int(beta) * (dim - 1) + 1 + 3 * seed * (beta == 5),
            "depth": 1.0 + seed * (beta == 5),
        }
        for beta in BETAS
        for seed in range(6)
        for dim in ((2, 3, 4) if seed == 0 and beta in (1.0, 12.0) else (2,))
    ]
    unets = [
        {
            "family": "unet",
            "rate": rate,
            "seed": seed,
            "epoch": epoch,
            "last": epoch == 12,
            "dim": 2,
            "iou": 0.9 - 0.1 * abs(np.log10(rate) + 3) + 0.001 * seed,
            "depth": depth(rate, epoch, seed),
        }
        for rate in (1e-4, 1e-3, 1e-2)
        for epoch in (1, 6, 12)
        for seed in range(6)
    ]
    rows = [*pinns, *unets]
    rng = np.random.default_rng(0)
    grids = [
        rng.random((5,) * row["dim"]) if row["family"] == "unet" else _bowl(row, rng)
        for row in rows
    ]
    return ProfileNumbers(rows, grids)


def _bowl(row, rng):
    """A bowl of the row's dimension, whose shape is the speed's; rough at the transition."""
    axes = np.meshgrid(*[np.linspace(-1, 1, 5)] * row["dim"])
    rough = 2.0 * rng.random(axes[0].shape) * (row["beta"] in (5.0, 8.0))
    return sum(np.abs(axis) ** row["beta"] for axis in axes) / row["dim"] + rough


def in_basin(rate, epoch, seed):
    """Deeper away from the best rate, and first deeper, then flatter at it."""
    rise = {1: 1.0, 6: 3.0, 12: 2.0}[epoch]
    return rise * (1 + abs(np.log10(rate) + 3)) * (1 + 0.02 * seed * (1 + (rate < 1e-3)))


def test_claims_on_profiles_hold_where_they_were_put_in():
    numbers = profile_rows(in_basin, lambda beta: max(1, int(beta) - 4))
    claims = verdicts(PROFILES, numbers)
    told = {name: claim.verdict for name, claim in claims.items()}
    assert told == dict.fromkeys(told, "holds"), claims
    assert "exactly one in 1.00 [0.82, 1.00] of them" in claims["funnels and rough basins"].measured


@pytest.mark.parametrize(
    ("depth", "basin", "training"),
    [
        (lambda rate, epoch, seed: in_basin(max(rate, 1e-3), epoch, seed), "in part", "holds"),
        (lambda rate, epoch, seed: 1.0 + 0.1 * ((seed + epoch) % 3), "fails", "fails"),
        (lambda rate, epoch, seed: in_basin(rate, min(epoch, 6), seed), "holds", "in part"),
        (lambda rate, epoch, seed: 1 / in_basin(rate, epoch, seed), "fails", "fails"),
    ],
)
def test_halves_of_claims_on_profiles_are_told_apart(depth, basin, training):
    claims = verdicts(PROFILES, profile_rows(depth, lambda beta: 2 * int(beta)))
    assert claims["basin depth against learning rate"].verdict == basin
    assert claims["basin during training"].verdict == training
    funnels = claims["funnels and rough basins"]
    assert funnels.verdict == "in part"  # rougher with the error, but nowhere a single minimum
    assert "exactly one in 0.00" in funnels.measured


def test_rank_correlation():
    x = np.arange(20.0)
    noisy = np.random.default_rng(0).normal(size=20)
    assert rank_correlation(x, -x).rho == pytest.approx(-1)
    assert not rank_correlation(x, noisy).significant
    assert rank_correlation([1, 2, np.nan, 4, 5], [1, 2, 3, 4, 5]).pairs == 4
    lone = rank_correlation([0.0] * 9 + [1.0], np.arange(10.0))  # one pair carries it all
    assert lone.low <= 0
    assert not lone.significant
    flat = rank_correlation(x, np.ones(20))
    assert "does not vary" in flat.words()
    assert not flat.significant
