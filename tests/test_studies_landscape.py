"""The two landscape studies on a plan small enough for a test."""

import json
from dataclasses import replace

import numpy as np
import pytest

from eigenscape.results import load
from eigenscape.stats import rank_correlation
from eigenscape_studies import StudyResult, get_study
from eigenscape_studies.landscape_profiles._plan import ProfilesPlan
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
