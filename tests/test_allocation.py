"""Allocation: golden values of the papers' rules, groups, limits, noise, results, bad input."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.allocation import Allocation, allocate, read_metric
from eigenscape.allocation._fill import fill
from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape.spectra import analyze


def table(alphas, parameters=None, blocks=None, errors=None):
    rows = {f"l{i}": {"alpha": alpha} for i, alpha in enumerate(alphas)}
    for key, values in (("parameters", parameters), ("block", blocks), ("error", errors)):
        for row, value in zip(rows.values(), values or (), strict=False):
            row[key] = value
    return rows


def budgets(*args, **options):
    return list(allocate(*args, **options).layers.values())


# --- the rules ------------------------------------------------------------------------------------


def test_linear_goes_from_s1_to_s2():
    assert budgets(table([2, 3, 4])) == [0.5, 1.0, 1.5]
    assert budgets(table([2, 3, 4]), rule="tb_linear", s1=0.6, s2=1.4) == pytest.approx(
        [0.6, 1.0, 1.4]
    )


def test_sigmoid_in_closed_form():
    got = budgets(table([2.0, 2.1, 2.2]), rule="tb_sigmoid")
    assert got == pytest.approx([0.58741, 1.0, 1.70238], abs=1e-5)
    phi = 1 / (1 + math.exp(-1)) - 0.5
    assert got[2] == pytest.approx(10**phi, rel=1e-12)


@pytest.mark.parametrize(("s", "low", "high"), [(1, 1, 1), ((2, 1), 2, 1), (0.25, 0.25, 0.25)])
def test_sigmoid_has_the_published_limits(s, low, high):
    got = budgets(table([1.0, 50.0, 99.0]), rule="tb_sigmoid", s=s)
    assert got == pytest.approx([10 ** (-low / 2), 1.0, 10 ** (high / 2)], rel=1e-12)


@pytest.mark.parametrize("rule", ["tb_sqrt", "tb_log2"])
def test_square_root_and_logarithm_have_mean_one(rule):
    alphas = np.array([1.5, 2.0, 4.0, 7.0])
    score = {"tb_sqrt": np.sqrt, "tb_log2": np.log2}[rule](alphas)
    result = allocate(table(alphas), rule=rule)
    assert list(result.layers.values()) == pytest.approx(4 * score / score.sum(), rel=1e-14)
    assert (result.total, result.target) == (pytest.approx(1, abs=1e-15), 1.0)


def test_step_goes_by_rank_and_never_reaches_s2():
    assert budgets(table([9, 2, 5, 3]), rule="tb_step") == [1.25, 0.5, 1.0, 0.75]
    assert budgets(table([2, 2, 9, 9]), rule="tb_step") == [0.625, 0.625, 1.125, 1.125]


def test_additive_is_owl_up_to_the_sign_of_its_metric():
    outliers, kept = np.array([3.0, 5.0, 9.0]), 0.3
    deviation = 2 * 0.08 * (outliers - 3) / 6
    expected = 1 - (deviation - deviation.mean() + kept)  # Yin et al. 2024, their code
    rows = {f"l{i}": {"minus_outliers": -float(d)} for i, d in enumerate(outliers)}
    got = budgets(rows, kind="sparsity", total=0.7, rule="owl", column="minus_outliers")
    assert got == pytest.approx(expected, abs=1e-14)


def test_power_gives_experts_in_proportion():
    got = allocate(table([1, 2, 4]), kind="experts", total=21, beta=2)
    assert got.layers == {"l0": 1, "l1": 4, "l2": 16}
    assert allocate(table([1, 2, 4]), kind="experts", total=9, beta=0).layers == {
        "l0": 3,
        "l1": 3,
        "l2": 3,
    }


def test_a_larger_beta_spreads_the_experts():
    spreads = [
        np.ptp(budgets(table([2, 3, 4, 6]), kind="experts", total=40, beta=beta))
        for beta in (0, 1, 2.5, 4)
    ]
    assert spreads == sorted(spreads)
    assert spreads[0] == 0


def test_a_heavier_tail_gets_more_bits():
    result = allocate(table([2, 3, 4], [10, 10, 10]), kind="bits", total=4, epsilon=0.2)
    assert list(result.layers.values()) == [6, 4, 2]
    assert result.total == 4


@pytest.mark.parametrize("alphas", [[3.0], [3.0, 3.0, 3.0], [0.1 + 0.2, 0.3, 0.3]])
@pytest.mark.parametrize("rule", ["linear", "sqrt", "step", "sigmoid", "power", "multiplicative"])
def test_equal_layers_have_factor_one(alphas, rule):
    assert budgets(table(alphas), rule=rule) == pytest.approx([1.0] * len(alphas), rel=1e-12)


def test_the_published_code_gives_equal_layers_the_largest_rate():
    assert budgets(table([3.0, 3.0]), rule="tb_linear", reference=True) == [1.5, 1.5]


# --- totals, limits, groups -----------------------------------------------------------------------


def test_sparsity_is_exact_over_parameters():
    sizes = [7, 1000, 333]
    result = allocate(table([2, 3, 4], sizes), kind="sparsity", total=0.6)
    assert result.total == pytest.approx(0.6, abs=1e-15)
    counts = result.entries_to_prune()
    assert sum(counts.values()) == round(0.6 * 1340)
    assert all(abs(counts[n] - result[n] * s) < 1 for n, s in zip(counts, sizes, strict=True))


def test_a_cap_is_filled_and_named():
    result = allocate(table([1, 2, 3], [1, 1, 1]), kind="sparsity", total=0.9, epsilon=0.5)
    # 0.99 for the two last; the first has what is left of 2.7
    assert list(result.layers.values()) == pytest.approx([0.72, 0.99, 0.99], abs=1e-14)
    assert result.clipped == ("l1", "l2")
    free = allocate(
        table([1, 2, 3], [1, 1, 1]), kind="sparsity", total=0.9, epsilon=0.5, reference=True
    )
    assert list(free.layers.values()) == pytest.approx([0.45, 0.9, 1.35])
    assert "1 of 3 groups exceed 1 (at most 1.3500)" in free.notes[-1]
    with pytest.raises(InputError, match="above 1"):
        free.entries_to_prune()


def test_a_floor_is_filled():
    result = allocate(table([1, 2, 3], [1, 1, 1]), kind="sparsity", total=0.5, epsilon=1, floor=0.3)
    assert list(result.layers.values()) == pytest.approx([0.3, 0.4, 0.8], abs=1e-14)
    assert result.clipped == ("l0",)


def test_experts_have_a_floor_of_one():
    assert budgets(table([1, 1, 9]), kind="experts", total=20) == [1, 1, 18]
    assert budgets(table([1, 1, 9]), kind="experts", total=20, floor=0) == [0, 0, 20]


def test_ranks_by_parameters_stay_below_the_mean_that_was_asked_for():
    result = allocate(table([2, 3, 4], [10, 20, 30]), kind="ranks", total=8, weights="parameters")
    assert 8 - 30 / 60 < result.total <= 8
    assert all(isinstance(rank, int) for rank in result.layers.values())


def test_blocks_share_the_mean_and_count_once():
    rows = table([2, 4, 5, 7], blocks=["a", "a", "b", "b"])
    result = allocate(rows, kind="experts", total=9, rule="alphalora", beta=1)
    assert result.groups == {"a": 3, "b": 6}
    assert result.layers == {"l0": 3, "l1": 3, "l2": 6, "l3": 6}
    assert result.total == 9


def test_layers_outside_every_block_are_named():
    rows = {"blocks.0.x": 2.0, "blocks.0.y": 3.0, "head": 4.0}
    result = allocate(rows, kind="sparsity", total=0.5)
    assert result.groups.keys() == {"blocks.0", "head"}
    assert any("head" in note for note in result.notes)
    assert any("no parameter counts" in note for note in result.notes)


def test_kinds_share_a_budget():
    rows = {
        "a": {"alpha": 2.0, "kind": "conv"},
        "b": {"alpha": 4.0, "kind": "linear"},
        "c": {"alpha": 3.0, "kind": "conv"},
    }
    result = allocate(rows, group="kind")
    assert result.layers == {"a": 0.5, "b": 1.5, "c": 0.5}


def test_a_mean_learning_rate_can_be_asked_for():
    result = allocate(table([2, 3, 9]), rule="tb_linear", total=1.0, cap=1.5)
    assert result.total == pytest.approx(1.0, abs=1e-15)
    assert max(result.layers.values()) == pytest.approx(1.5)
    assert budgets(table([2, 3, 9]), cap=1.2)[2] == 1.2


# --- controls -------------------------------------------------------------------------------------


def test_controls_hand_the_same_factors_round():
    rows = table([4, 2, 3])
    assert budgets(rows, rule="reversed") == [0.5, 1.5, 1.0]
    assert budgets(rows, rule="depth_ramp") == [0.5, 1.0, 1.5]
    assert budgets(rows, rule="uniform") == [1.0, 1.0, 1.0]
    shuffles = {tuple(budgets(rows, rule="shuffled", seed=seed)) for seed in range(30)}
    assert len(shuffles) == 6
    assert budgets(rows, rule="shuffled", seed=1) == budgets(rows, rule="shuffled", seed=1)


def test_a_control_of_another_rule_takes_its_settings():
    rows = table([2, 3, 4])
    reverse = budgets(rows, rule="reversed", of="tb_sigmoid", s=(2, 1), tau=5)
    assert reverse == budgets(rows, rule="tb_sigmoid", s=(2, 1), tau=5)[::-1]


def test_the_global_generators_are_left_alone():
    np.random.seed(3)  # noqa: NPY002 - the global state is what is tested
    torch.manual_seed(3)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    allocate(table([2, 3, 4]), rule="shuffled", seed=5)
    after = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert before == after


def test_heavy_groups_do_not_push_light_ones_off_their_piece():
    # weights of 1e16 and 1: what is left for the light ones is lost in rounding
    weights = np.array([1e16, 1, 1])
    got, _ = fill(np.array([3.2, 2.0, 0.7]), weights, 1 - 2**-53, floor=0.1, cap=1.0)
    assert got == pytest.approx([1, 2 / 3.2, 0.7 / 3.2])  # one level for all, the heavy one's cap
    scores, mean = np.array([1.6, 2.5, 0.3]), 0.5 + 2**-53
    got, _ = fill(scores, weights, mean, floor=0.5, cap=2.0, additive=True)
    assert got == pytest.approx([0.5, 1.4, 0.5])


# --- noise ----------------------------------------------------------------------------------------


def test_the_range_narrows_by_the_share_of_noise():
    errors = [0.1] * 4
    result = allocate(table([2, 3, 4, 5], errors=errors), noise_aware=True)
    share = math.sqrt(1 - 7.814727903251179 / 3 * 0.01 / (5 / 3))  # chi2(3) at 95 %
    assert result.noise_share == pytest.approx(share, rel=1e-12)
    assert result["l0"] == pytest.approx(1 - share / 2, rel=1e-12)
    assert "narrowed" in result.notes[-1]


def test_exact_metrics_keep_the_full_range():
    rows = table([2, 3, 4], errors=[0.0] * 3)
    assert budgets(rows, noise_aware=True) == budgets(rows, noise_aware=False)


@pytest.mark.parametrize("count", [4, 32])
def test_equal_layers_get_equal_budgets_in_95_percent_of_networks(count):
    rng = np.random.default_rng(0)
    equal = 0
    for _ in range(400):
        rows = table(3 + 0.1 * rng.standard_normal(count), errors=[0.1] * count)
        equal += len(set(budgets(rows, noise_aware=True))) == 1
    assert 0.92 < equal / 400 < 0.98


@pytest.mark.parametrize("freedom", [1.5, 2.5, 1000])
def test_layers_of_one_heavy_tailed_law_get_equal_budgets(freedom):
    law = torch.distributions.StudentT(freedom)
    torch.manual_seed(0)
    equal = 0
    for _ in range(10):
        spectra = analyze({f"w{i}": law.sample((64, 64)) for i in range(6)})
        equal += len(set(budgets(spectra, noise_aware=True))) == 1
    assert equal >= 9


@pytest.mark.slow
def test_one_layer_of_eight_training_seeds_gets_equal_budgets():
    from eigenscape.models import build
    from eigenscape.zoo import MLP, digits, train

    data, found = digits(seed=0), []
    for seed in range(8):
        model = build(lambda: MLP(64, (64, 64), 10), seed)
        recipe = {"epochs": 10, "batch_size": 32, "learning_rate": 0.05}
        train(model, data.train_inputs, data.train_labels, seed=seed, **recipe)
        found.append(analyze(model))
    for name in [row.name for row in found[0]]:
        rows = [spectra[name] for spectra in found]
        scatter = np.std([row.alpha_excess for row in rows], ddof=1)
        layers = {
            f"seed{i}": {
                "alpha_excess": row.alpha_excess,
                "error": (row.alpha_excess_high - row.alpha_excess_low) / 4,
            }
            for i, row in enumerate(rows)
        }
        assert scatter > 0.005
        assert set(budgets(layers, column="alpha_excess", noise_aware=True)) == {1.0}


@pytest.mark.parametrize(
    ("rule", "settings", "half"),
    [
        ("sigmoid", {"s": 1.0}, {"s": 0.5}),
        ("power", {"beta": 2.0}, {"beta": 1.0}),
        ("multiplicative", {"epsilon": 0.4}, {"epsilon": 0.2}),
        ("additive", {"epsilon": 0.1}, {"epsilon": 0.05}),
    ],
)
def test_noise_narrows_the_setting_of_each_rule(rule, settings, half):
    # errors for which exactly half of the standard deviation is real
    error = math.sqrt(0.75 * 1.0 / (5.991464547107979 / 2))
    rows = table([2, 3, 4], errors=[error] * 3)
    noisy = allocate(rows, rule=rule, total=1.0, noise_aware=True, **settings)
    assert noisy.noise_share == pytest.approx(0.5, rel=1e-9)
    assert list(noisy.layers.values()) == pytest.approx(
        budgets(rows, rule=rule, total=1.0, noise_aware=False, **half), rel=1e-9
    )


def test_errors_of_an_examination_are_used():
    torch.manual_seed(0)
    layers = {f"r{i}.weight": torch.randn(64, 64) for i in range(6)}
    spectra = analyze(layers)
    assert allocate(spectra, noise_aware=True).noise_share == 0
    layers["heavy.weight"] = torch.randn(64, 64) @ torch.diag(torch.arange(1, 65.0) ** -2)
    spectra = analyze(layers)
    result = allocate(spectra, noise_aware=True)
    assert result.metric == "alpha_excess"  # the default where noise counts
    assert result.noise_share > 0.7
    row = spectra["heavy"]
    assert result.rows[-1].layer.error == (row.alpha_excess_high - row.alpha_excess_low) / 4
    hill = allocate(spectra, noise_aware=True, column="alpha_hill").rows[-1].layer
    assert hill.error == (row.alpha_hill_high - row.alpha_hill_low) / 4
    with pytest.raises(InputError, match="no standard error"):
        allocate(spectra, column="stable_rank", noise_aware=True)


# --- results --------------------------------------------------------------------------------------


def small_model():
    torch.manual_seed(0)
    block = nn.ModuleDict({"fc": nn.Linear(32, 32), "norm": nn.LayerNorm(32)})
    return nn.ModuleDict(
        {
            "blocks": nn.ModuleList([block]),
            "attn": nn.MultiheadAttention(32, 2),
            "head": nn.Linear(32, 20),
        }
    )


@pytest.mark.parametrize("group", ["matrix", "block"])
def test_every_parameter_is_in_exactly_one_group(group):
    model = small_model()
    result = allocate(analyze(model), group=group)
    groups = result.param_groups(model, 0.1, weight_decay=0.01)
    placed = [id(p) for g in groups for p in g["params"]]
    assert sorted(placed) == sorted(id(p) for p in model.parameters())
    optimizer = torch.optim.SGD(groups, lr=0.1)
    assert all(g["weight_decay"] == 0.01 for g in optimizer.param_groups)
    where = {id(p): g for g in groups for p in g["params"]}
    fc, norm = model["blocks"][0]["fc"], model["blocks"][0]["norm"]
    assert where[id(fc.weight)] is where[id(fc.bias)]
    base = groups[-1]
    assert (where[id(norm.weight)] is base) == (group == "matrix")
    assert where[id(fc.weight)]["lr"] == pytest.approx(0.1 * result["blocks.0.fc"])
    if group == "matrix":
        assert (base["name"], base["lr"]) == ("base", 0.1)
        fused = [row.budget for row in result.rows if "attn.in_proj_weight" in row.layer.tensors]
        assert len(fused) == 3
        assert where[id(model["attn"].in_proj_weight)]["factor"] == pytest.approx(np.mean(fused))


def test_tied_weights_are_placed_once():
    model = nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Linear(8, 8)})
    model["b"].weight = model["a"].weight
    groups = allocate({"a": 2.0}).param_groups(model, 1.0)
    assert sum(len(g["params"]) for g in groups) == 3


def test_param_groups_refuse_what_does_not_fit():
    model = nn.Linear(4, 4)
    with pytest.raises(InputError, match="no weight of nope; it has weight"):
        allocate({"nope": 2.0}).param_groups(model, 0.1)
    with pytest.raises(InputError, match=r"expected kind='lr'.*base_lr must be"):
        allocate({"w": 2.0}, kind="ranks", total=4).param_groups(model, math.nan)
    with pytest.raises(InputError, match="lr is set by the allocation"):
        allocate({"w": 2.0}).param_groups(model, 0.1, lr=2)


def test_a_result_comes_back_from_its_file(tmp_path):
    rows = table([2, 3, 4], [10, 20, 30], ["a", "a", "b"], [0.1, 0.1, 0.1])
    result = allocate(rows, rule="tb_sigmoid", s=(2, 1), noise_aware=True, group="block")
    back = load(result.save(tmp_path / "allocation.json"))
    assert isinstance(back, Allocation)
    assert back == result
    data = back.to_dict()
    assert {"layers", "total", "target", "clipped", "rule", "kind", "notes"} <= data.keys()
    assert len(result) == 3
    assert list(result.frame()["budget"]) == list(result.layers.values())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "depth"}, "kind is 'depth'"),
        ({"noise_share": 1.5}, "noise_share is 1.5"),
        ({"total": -1.0}, "the total is -1.0"),
        ({"target": -3.0}, "the target is -3.0"),
    ],
)
def test_a_file_with_impossible_numbers_is_refused(tmp_path, change, word):
    rows = table([2, 3, 4], [10, 20, 30])
    path = allocate(rows, kind="sparsity", total=0.5).save(tmp_path / "a.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=word):
        load(path)


@pytest.mark.parametrize(
    ("place", "value", "word"),
    [
        (("budget",), 1.2, r"l0: a budget of 1\.2 sparsity is impossible"),
        (("budget",), -0.1, "l0: a budget of -0.1"),
        (("layer", "parameters"), -10, "parameters is -10; expected 0 or more"),
        (("layer", "error"), -0.5, "l0: parameters and error must not be negative"),
        (("layer", "name"), "l1", "l1 is listed twice"),
    ],
)
def test_a_file_with_an_impossible_layer_is_refused(tmp_path, place, value, word):
    rows = table([2, 3, 4], [10, 20, 30])
    path = allocate(rows, kind="sparsity", total=0.5).save(tmp_path / "a.json")
    data = json.loads(path.read_text())
    spot = data["rows"][0]
    for key in place[:-1]:
        spot = spot[key]
    spot[place[-1]] = value
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=word):
        load(path)


def test_a_sparsity_in_per_cent_is_read_back_as_a_share():
    with pytest.raises(InputError, match=r"a total of 70 is impossible.*Try: --sparsity 0\.7$"):
        allocate(table([2, 3]), kind="sparsity", total=70)


def test_an_examination_with_its_weights():
    torch.manual_seed(0)
    weights = {f"{n}.weight": torch.randn(32, w) for n, w in (("a", 32), ("b", 64), ("c", 48))}
    spectra = analyze(weights)
    result = allocate(spectra, kind="sparsity", total=0.5, checkpoint=weights)
    assert result.metric == "alpha_excess"
    assert result.parameters == {"a": 1024, "b": 2048, "c": 1536}
    assert len(result.weights_hash) == 32
    again = allocate(
        spectra, kind="sparsity", total=0.5, checkpoint=dict(reversed(weights.items()))
    )
    assert again.weights_hash == result.weights_hash
    weights["a.weight"][0, 0] += 1
    other = allocate(spectra, kind="sparsity", total=0.5, checkpoint=weights)
    assert other.weights_hash != result.weights_hash
    assert other.metric_hash == result.metric_hash
    hill = allocate(spectra, column="alpha_hill")
    assert hill.metric_hash != result.metric_hash


@pytest.mark.parametrize("count", [3, 60])
def test_the_picture_shows_every_group(count):
    rows = table(np.linspace(2, 5, count), [10] * count)
    result = allocate(rows, kind="sparsity", total=0.9, epsilon=0.5)
    above, below = result.plot().axes
    assert len(below.patches) == count
    assert below.get_ylabel() == "sparsity"
    assert above.get_ylabel() == "alpha"


# --- bad input ------------------------------------------------------------------------------------


def test_every_bad_layer_is_named():
    rows = {
        "missing": {"parameters": 5},
        "nan": {"alpha": math.nan},
        "zero": 0.0,
        "negative": -1.0,
        "text": "high",
        "sizes": {"alpha": 2.0, "parameters": 0, "error": -1},
    }
    with pytest.raises(InputError) as caught:
        allocate(rows)
    for part in (
        "missing: alpha is missing",
        "nan: alpha is missing or not",
        "zero: alpha is 0",
        "negative: alpha is -1",
        "text: alpha",
        "sizes: parameters",
        "sizes: error",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"rule": "nope"}, ["rule is 'nope'", "alphapruning", "shuffled"]),
        ({"kind": "nope"}, ["unknown kind 'nope'", "sparsity"]),
        ({"kind": "sparsity"}, ["needs a total"]),
        ({"kind": "sparsity", "total": 1.2}, ["1.2 is impossible; at most 1"]),
        ({"kind": "sparsity", "total": 0.995}, ["cannot be reached; from 0 to 0.99"]),
        ({"kind": "sparsity", "total": math.nan}, ["finite number"]),
        ({"kind": "experts", "total": 2}, ["total of 2 over 3 groups", "from 3 upwards"]),
        ({"kind": "experts", "total": 20, "cap": 5}, ["from 3 to 15"]),
        ({"kind": "experts", "total": 5.5}, ["whole number"]),
        ({"kind": "bits", "total": 1}, ["from 2 to 8"]),
        ({"kind": "bits", "total": 4, "reference": True}, ["no published code"]),
        ({"kind": "sparsity", "total": 0.5, "reference": True, "cap": 0.9}, ["no floor or cap"]),
        ({"floor": 2, "cap": 1}, ["floor 2 exceeds cap 1"]),
        ({"s1": 2, "beta": 1}, ["no setting beta", "s1 must not exceed s2"][:1]),
        ({"s1": 2}, ["s1 must not exceed s2"]),
        ({"rule": "tb_sigmoid", "s": (1, 2, 3)}, ["a pair of them"]),
        ({"rule": "alphapruning", "epsilon": 1.5}, ["between 0 and 1"]),
        ({"rule": "tb_sigmoid", "tau": 0}, ["tau must be more than 0"]),
        ({"rule": "power", "beta": 1e9}, ["overflows"]),
        ({"of": "tb_linear"}, ["for the controls"]),
        ({"group": "family", "weights": "heavy"}, ["group must be", "weights must be"]),
        ({"group": "kind"}, ["l0 has no kind"]),
        ({"noise_aware": True}, ["l0: its alpha has no standard error", "l2:"]),
    ],
)
def test_bad_requests(options, parts):
    with pytest.raises(InputError) as caught:
        allocate(table([2, 3, 4]), **options)
    for part in parts:
        assert part in str(caught.value)


def test_rules_say_what_they_need():
    with pytest.raises(InputError, match=r"l0: the rule log2 needs alpha above 1"):
        allocate(table([0.5, 2]), rule="tb_log2")
    with pytest.raises(InputError, match="l1: parameters are missing"):
        allocate(table([2, 3], [5]), kind="sparsity", total=0.5, group="matrix")
    with pytest.raises(InputError, match="no layers"):
        allocate({})
    with pytest.raises(InputError, match="expected a mapping"):
        allocate([1, 2])
    with pytest.raises(InputError, match="column is 'nope'; the layer table has"):
        allocate(analyze({"w": torch.eye(32)}), column="nope")


def test_files_are_checked(tmp_path):
    path = tmp_path / "metric.json"
    for text, message in (
        ('{"a": 1, "a": 2}', "lists a twice"),
        ("[1]", "holds a JSON list"),
        ("{", "is not JSON"),
        ('{"schema": "eigenscape.nope/1"}', "states the unknown schema"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_metric(path)
    with pytest.raises(InputError, match="cannot read"):
        read_metric(tmp_path / "nowhere.json")
    spectra = analyze({"w": torch.randn(32, 32, generator=torch.Generator().manual_seed(0))})
    assert allocate(read_metric(spectra.save(path))).layers == {"w": 1.0}
    allocate({"a": 2.0}).save(path)
    with pytest.raises(InputError, match=r"expected eigenscape\.spectra"):
        read_metric(path)


def test_ranks_stay_within_a_layers_own_size():
    torch.manual_seed(0)
    sizes = {"small": (32, 32), "wide": (256, 256), "thin": (64, 128), "large": (512, 512)}
    model = nn.ModuleDict({k: nn.Linear(i, o, bias=False) for k, (i, o) in sizes.items()})
    for total in (4, 100, 500, 863, 864):
        found = allocate(analyze(model), kind="ranks", total=total)
        assert sum(found.layers.values()) == found.total == total
        assert all(found.layers[name] <= min(size) for name, size in sizes.items())
    with pytest.raises(InputError, match=r"from 4 to 864.*own sizes"):
        allocate(analyze(model), kind="ranks", total=865)
    with pytest.raises(InputError, match=r"small: its full rank 32 is below the floor 40"):
        allocate(analyze(model), kind="ranks", total=500, floor=40)


@pytest.mark.parametrize("rule", [None, "uniform", "reversed", "additive"])
def test_ranks_from_a_table_with_shapes(rule):
    rows = {
        "a": {"alpha": 9.0, "shape": [8, 300]},
        "conv": {"alpha": 2.0, "shape": [16, 1, 3, 3]},
        "free": 2.5,
    }
    found = allocate(rows, kind="ranks", total=100, rule=rule).layers
    assert found["a"] <= 8
    assert found["conv"] <= 9
    assert sum(found.values()) == 100


def test_adapters_without_an_exponent_are_left_out():
    tensors = {"q.lora_A.weight": torch.randn(8, 64), "q.lora_B.weight": torch.randn(64, 8)}
    found = allocate(analyze({**tensors, "fc.weight": torch.randn(64, 64)}))
    assert list(found.layers) == ["fc"]
    assert "LoRA" in " ".join(found.notes)
